//! Fuzzes JSON as Stone writes it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::formats::json(data));
