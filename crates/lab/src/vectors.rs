//! The reference cases: inputs and proofs of C++ Stone, with the CPU seconds and memory it needed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ashlar_cpu_air::statement::StoneVersion;
use ashlar_field::Kernels;
use ashlar_stone::{
    MOST_SETTINGS_BYTES, PageZero, ProofParameters, Rates, calibrate, predict, preflight, read_json,
    read_public_input,
};
use serde_json::Value;

use crate::LabError;

/// One variant of one case.
pub(crate) struct Case {
    root: PathBuf,
    case: String,
    variant: String,
    /// User CPU seconds and peak MB of C++ Stone, from the table in the folder's README.
    pub(crate) stone: Option<(f64, f64)>,
}

/// The rates of this machine.
pub(crate) fn rates() -> Rates {
    calibrate(Kernels::current())
}

/// A directory that disappears with its owner.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: a left-over temporary directory harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Case {
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.case, self.variant)
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join(&self.case)
    }

    pub(crate) fn variant_directory(&self) -> PathBuf {
        self.directory().join(&self.variant)
    }

    pub(crate) fn is_stone5(&self) -> bool {
        self.variant.starts_with("stone5")
    }

    /// What this machine is predicted to need: CPU seconds at measured rates, verification included, and peak MB.
    /// `None` if the statement or the parameters cannot be read.
    pub(crate) fn predicted(&self, rates: &Rates) -> Option<(f64, f64)> {
        let public = read_public_input(&self.directory().join("air_public_input.json")).ok()?.public_input;
        let path = self.variant_directory().join("cpu_air_params.json");
        let json = read_json(&path, "parameters", MOST_SETTINGS_BYTES).ok()?;
        let parameters = ProofParameters::from_json(&json, &path.to_string_lossy()).ok()?;
        let version = if self.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 };
        let shape = preflight(&public, &parameters, version).ok()?;
        let page = PageZero { segments: 0, cells: 0 };
        let prediction = predict(&parameters.stark, &shape, page, rates);
        Some((prediction.cpu_seconds() + prediction.verification_seconds, prediction.memory_bytes / 1e6))
    }

    /// Copies or unpacks trace and memory into a fresh working directory.
    pub(crate) fn unpack(&self) -> Result<Scratch, LabError> {
        let path = std::env::temp_dir().join(format!("ashlar-lab-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(LabError::file(&path))?;
        let scratch = Scratch(path);
        for name in ["trace.bin", "memory.bin"] {
            let (plain, packed) = (self.directory().join(name), self.directory().join(format!("{name}.gz")));
            let target = scratch.path().join(name);
            if plain.exists() {
                fs::copy(&plain, &target).map_err(LabError::file(&plain))?;
            } else {
                let output = std::process::Command::new("gzip")
                    .arg("-dc")
                    .arg(&packed)
                    .output()
                    .map_err(|source| LabError::Spawn { program: "gzip".into(), source })?;
                fs::write(&target, output.stdout).map_err(LabError::file(&target))?;
            }
        }
        Ok(scratch)
    }

    /// The `proof_hex` of a proof file.
    pub(crate) fn proof_hex(&self, path: &Path) -> Result<String, LabError> {
        let text = fs::read_to_string(path).map_err(LabError::file(path))?;
        let proof: Value = serde_json::from_str(&text).map_err(|error| LabError::Format {
            place: path.display().to_string(),
            expected: "a proof file",
            got: error.to_string(),
        })?;
        proof["proof_hex"].as_str().map(str::to_owned).ok_or_else(|| LabError::Format {
            place: path.display().to_string(),
            expected: "proof_hex",
            got: "none".into(),
        })
    }
}

/// All cases under `root` that have a proof, sorted; only those named in `only` if it is not empty.
pub(crate) fn find(root: &Path, only: &[String]) -> Result<Vec<Case>, LabError> {
    let root = root.canonicalize().map_err(LabError::file(root))?;
    let table = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    let mut cases = Vec::new();
    for case in directories(&root)? {
        for variant in directories(&root.join(&case))? {
            let name = format!("{case}/{variant}");
            let wanted = only.is_empty() || only.contains(&name);
            if wanted && root.join(&name).join("proof.json").exists() {
                let stone = stone_figures(&table, &name);
                cases.push(Case { root: root.clone(), case: case.clone(), variant, stone });
            }
        }
    }
    Ok(cases)
}

fn directories(path: &Path) -> Result<Vec<String>, LabError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(LabError::file(path))? {
        let entry = entry.map_err(LabError::file(path))?;
        if entry.path().is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The figures of the README's table row for `name`: user seconds in the fourth column from the right, peak RSS in
/// the last.
fn stone_figures(table: &str, name: &str) -> Option<(f64, f64)> {
    let row = table.lines().find(|line| line.starts_with(&format!("| `{name}`")))?;
    let cells: Vec<&str> = row.trim().trim_matches('|').split('|').map(str::trim).collect();
    let from_right = |k: usize| cells.len().checked_sub(k).and_then(|i| cells[i].parse().ok());
    Some((from_right(4)?, from_right(1)?))
}
