//! Every reference proof, made again by the drop-in programs and compared byte for byte.

use std::path::{Path, PathBuf};

use crate::{build_programs, cargo, program};

/// MB of memory that a machine which runs the long tier must have free.
const MEMORY_OF_THE_LONG_TIER: u64 = 6_000;

/// The folder of the larger set, if it is there, else of the vectors that travel with the repository.
pub(crate) fn vectors(root: &Path) -> PathBuf {
    larger_set(root).unwrap_or_else(|| root.join("fixtures/stone"))
}

/// The folder of the larger set, from `ASHLAR_VECTORS` or next to the repository.
fn larger_set(root: &Path) -> Option<PathBuf> {
    let folder =
        std::env::var_os("ASHLAR_VECTORS").map_or_else(|| root.join("../shared/vectors"), PathBuf::from);
    Some(folder.join("stone")).filter(|folder| folder.is_dir())
}

/// Builds the programs and compares what `choice` chooses; the arguments are those of `ashlar-lab references`.
pub(crate) fn run(root: &Path, choice: &[String]) -> Result<(), Vec<String>> {
    let vectors = vectors(root);
    let (prover, verifier) = (program(root, "cpu_air_prover"), program(root, "cpu_air_verifier"));
    let vectors = vectors.to_string_lossy();
    let mut words = vec!["run", "--release", "--package", "ashlar-lab", "--", "references"];
    words.extend(["--prover", &prover, "--verifier", &verifier, "--vectors", &vectors]);
    words.extend(choice.iter().map(String::as_str));
    build_programs(root).and_then(|()| cargo(root, &words)).map_err(|error| vec![error])
}

/// The larger set with the fastest kernels, as far as memory goes. Says so where the set is absent.
pub(crate) fn long_tier(root: &Path) -> Result<(), Vec<String>> {
    if larger_set(root).is_none() {
        eprintln!("xtask: skipped: the larger set of vectors is absent");
        return Ok(());
    }
    let megabytes = free_megabytes().unwrap_or(MEMORY_OF_THE_LONG_TIER);
    // Some of it is for the system, and for what differs between Stone's need and ours.
    let most = megabytes.saturating_mul(2) / 3;
    run(root, &["--memory".to_owned(), most.to_string()])
}

/// MB (10⁶ bytes) that a program may take now, where the system says it.
fn free_megabytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib.saturating_mul(1024) / 1_000_000)
}
