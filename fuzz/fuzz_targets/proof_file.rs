//! Fuzzes proof files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::formats::proof_file(data));
