//! Fuzzes trace files.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::formats::trace_file(data));
