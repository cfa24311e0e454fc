//! The reference cases: inputs and proofs of C++ Stone, with the CPU seconds and memory it needed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ashlar_cpu_air::statement::StoneVersion;
use ashlar_field::Kernels;
use ashlar_stone::{
    MOST_SETTINGS_BYTES, MemoryLimit, PageZero, ProofParameters, Rates, StorageChoice, calibrate, predict,
    preflight, read_json, read_public_input,
};
use serde_json::Value;

use crate::{LabError, options::Options};

/// One variant of one case.
pub(crate) struct Case {
    root: PathBuf,
    case: String,
    variant: String,
    /// The layout of its public input.
    pub(crate) layout: String,
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
    /// An empty one; there is one at a time.
    pub(crate) fn create() -> Result<Scratch, LabError> {
        let path = std::env::temp_dir().join(format!("ashlar-lab-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(LabError::file(&path))?;
        Ok(Scratch(path))
    }

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

    fn directory(&self) -> PathBuf {
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
        let storage = MemoryLimit::Available.storage(&prediction, StorageChoice::Automatic);
        Some((prediction.process_seconds(storage), prediction.memory_bytes(storage) / 1e6))
    }

    /// The reference proof.
    pub(crate) fn proof_path(&self) -> PathBuf {
        self.variant_directory().join("proof.json")
    }

    /// A fresh directory with all files of the case, trace and memory unpacked: the private input names them
    /// relatively, and a proof file repeats it.
    pub(crate) fn working_folder(&self) -> Result<Scratch, LabError> {
        let scratch = Scratch::create()?;
        let (case, variant) = (self.directory(), self.variant_directory());
        for (folder, name) in [
            (&case, "air_public_input.json"),
            (&case, "air_private_input.json"),
            (&variant, "cpu_air_params.json"),
            (&variant, "cpu_air_prover_config.json"),
        ] {
            let source = folder.join(name);
            fs::copy(&source, scratch.path().join(name)).map_err(LabError::file(&source))?;
        }
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
                if !output.status.success() {
                    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
                    let what = format!("unpacking {}", packed.display());
                    return Err(LabError::Failed { what, status: output.status.to_string(), stderr });
                }
                fs::write(&target, output.stdout).map_err(LabError::file(&target))?;
            }
        }
        Ok(scratch)
    }
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Result<Value, LabError> {
    let text = fs::read_to_string(path).map_err(LabError::file(path))?;
    serde_json::from_str(&text).map_err(|error| LabError::Format {
        place: path.display().to_string(),
        expected: "JSON",
        got: error.to_string(),
    })
}

/// The chosen cases that have a proof, sorted by name.
pub(crate) fn find(options: &Options) -> Result<Vec<Case>, LabError> {
    let root = options.vectors.canonicalize().map_err(LabError::file(&options.vectors))?;
    let table = fs::read_to_string(root.join("README.md")).unwrap_or_default();
    let mut cases = Vec::new();
    for case in directories(&root)? {
        for variant in directories(&root.join(&case))? {
            let name = format!("{case}/{variant}");
            let named = |only: &String| *only == name || *only == case;
            let wanted = options.only.is_empty() || options.only.iter().any(named);
            if !wanted || !root.join(&name).join("proof.json").exists() {
                continue;
            }
            let public = root.join(&case).join("air_public_input.json");
            let layout = json(&public)?["layout"].as_str().unwrap_or_default().to_owned();
            if options.layouts.is_empty() || options.layouts.contains(&layout) {
                let stone = stone_figures(&table, &name);
                cases.push(Case { root: root.clone(), case: case.clone(), variant, layout, stone });
            }
        }
    }
    if cases.is_empty() { Err(LabError::NothingToDo { vectors: root }) } else { Ok(cases) }
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
