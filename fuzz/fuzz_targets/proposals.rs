//! Fuzzes proposals of allocations.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::risk::proposals(data));
