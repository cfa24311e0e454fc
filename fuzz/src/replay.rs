//! Runs a fuzz target on its corpus: for the tests of the crates in the workspace, which include this file.

use std::{fs, path::Path};

/// Runs a target on every file of the corpus of this name. The test fails if there is none.
pub fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    for file in files {
        let data = fs::read(&file).unwrap();
        eprintln!("{}", file.display());
        target(&data);
    }
}
