//! The fuzz targets of this crate on their corpus: what was found once stays found. See docs/fuzzing.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/src/cairo.rs"]
#[allow(unreachable_pub, reason = "the fuzz package exports it")]
mod cairo;
#[path = "../../../fuzz/src/replay.rs"]
#[allow(unreachable_pub, reason = "it lies beside what the fuzz package exports")]
mod replay;

use replay::replay;

#[test]
fn whatever_a_program_file_holds_is_read_or_refused() {
    replay("program", cairo::program);
}

#[test]
fn whatever_arguments_are_given_are_read_or_refused() {
    replay("arguments", cairo::arguments);
}
