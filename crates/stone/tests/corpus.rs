//! The fuzz targets of this crate on their corpus: what was found once stays found. See docs/fuzzing.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/src/formats.rs"]
#[allow(unreachable_pub, reason = "the fuzz package exports it")]
mod formats;
#[path = "../../../fuzz/src/replay.rs"]
#[allow(unreachable_pub, reason = "it lies beside what the fuzz package exports")]
mod replay;
#[path = "../../../fuzz/src/verifier.rs"]
#[allow(unreachable_pub, reason = "the fuzz package exports it")]
mod verifier;

use replay::replay;

#[test]
fn whatever_a_json_file_holds_is_read_or_refused() {
    replay("json", formats::json);
    replay("proof_file", formats::proof_file);
    replay("public_input", formats::public_input);
    replay("private_input", formats::private_input);
    replay("parameters", formats::parameters);
    replay("prover_config", formats::prover_config);
}

#[test]
fn whatever_a_binary_file_holds_is_read_or_refused() {
    replay("trace_file", formats::trace_file);
    replay("memory_file", formats::memory_file);
}

#[test]
fn the_verifier_accepts_no_changed_proof_and_no_changed_statement() {
    replay("verifier", verifier::verifier);
}
