//! The fuzz targets of this crate on their corpus: what was found once stays found. See docs/fuzzing.md.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../../../fuzz/src/risk.rs"]
#[allow(unreachable_pub, reason = "the fuzz package exports it")]
mod risk;

use std::{fs, path::Path};

/// Runs a target on every file of its corpus.
fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let data = fs::read(&file).unwrap();
        eprintln!("{}", file.display());
        target(&data);
    }
}

#[test]
fn whatever_a_proposal_file_holds_is_read_or_refused() {
    replay("proposals", risk::proposals);
}
