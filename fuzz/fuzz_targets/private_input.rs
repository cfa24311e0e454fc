//! Fuzzes private inputs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::formats::private_input(data));
