//! Where the reference vectors are: the small ones of the repository, and the larger set where it is found.
#![allow(dead_code, clippy::unwrap_used)] // Every test binary uses its part; a broken vector folder ends a test.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folder of the vectors that travel with the repository.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/stone"))
}

/// The folder of Integrity's example proofs that travel with the repository.
pub(crate) fn integrity_fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/integrity"))
}

/// The folder of the larger set, from `ASHLAR_VECTORS` or next to the repository.
pub(crate) fn larger_set() -> Option<PathBuf> {
    larger("stone")
}

/// The folder of more of Integrity's example proofs, beside the larger set.
pub(crate) fn larger_integrity_set() -> Option<PathBuf> {
    larger("integrity")
}

fn larger(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("ASHLAR_VECTORS").map_or_else(
        || concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors").into(),
        PathBuf::from,
    );
    Some(root.join(name)).filter(|folder| folder.is_dir())
}

/// One proof of a case.
#[derive(Clone, Debug)]
pub(crate) struct Variant {
    /// The folder with trace, memory and inputs.
    pub(crate) case: PathBuf,
    /// The folder with parameters and proof.
    pub(crate) folder: PathBuf,
}

impl Variant {
    /// `case/variant`, for messages.
    pub(crate) fn name(&self) -> String {
        let last = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        format!("{}/{}", last(&self.case), last(&self.folder))
    }

    /// Whether the older protocol made it.
    pub(crate) fn is_stone5(&self) -> bool {
        self.folder.file_name().unwrap().to_string_lossy().contains("stone5")
    }

    /// Whether the proof file has annotations.
    pub(crate) fn is_annotated(&self) -> bool {
        self.proof().starts_with(b"{\n\t\"annotations\"")
    }

    /// The proof file's bytes.
    pub(crate) fn proof(&self) -> Vec<u8> {
        fs::read(self.folder.join("proof.json")).unwrap()
    }
}

/// All variants in a folder of cases, sorted; those whose name has one of the prefixes, all for no prefix.
pub(crate) fn variants(root: &Path, prefixes: &[&str]) -> Vec<Variant> {
    let mut found = Vec::new();
    for case in folders(root) {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        if !prefixes.is_empty() && !prefixes.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        for folder in folders(&case) {
            if folder.join("proof.json").is_file() {
                found.push(Variant { case: case.clone(), folder });
            }
        }
    }
    found
}

/// The folders in a folder, sorted.
pub(crate) fn folders(root: &Path) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// An empty folder of its own for a test.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
