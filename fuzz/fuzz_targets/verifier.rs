//! Fuzzes the verifier, with proofs and statements changed here and there.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| ashlar_fuzz::verifier::verifier(data));
