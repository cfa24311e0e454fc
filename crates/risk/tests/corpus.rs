//! The fuzz targets of this crate on their corpus: what was found once stays found. See docs/fuzzing.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/src/replay.rs"]
#[allow(unreachable_pub, reason = "it lies beside what the fuzz package exports")]
mod replay;
#[path = "../../../fuzz/src/risk.rs"]
#[allow(unreachable_pub, reason = "the fuzz package exports it")]
mod risk;

use replay::replay;

#[test]
fn whatever_a_proposal_file_holds_is_read_or_refused() {
    replay("proposals", risk::proposals);
}
