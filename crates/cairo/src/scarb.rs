//! The executables of a Scarb package, by calling `scarb build`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::CairoError;

/// An executable that `scarb build` left in the package's `target`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltExecutable {
    /// The target's name.
    pub name: String,
    /// The `*.executable.json`.
    pub path: PathBuf,
}

/// How much of scarb's output an error keeps.
const OUTPUT_LIMIT: usize = 4000;
const SUFFIX: &str = ".executable.json";

/// Builds the package in a directory and returns the executable of this name, or the only one.
///
/// # Errors
/// [`CairoError::ScarbMissing`], [`CairoError::ScarbFailed`], [`CairoError::NoExecutable`] or [`CairoError::Read`].
pub fn build_package(directory: &Path, name: Option<&str>) -> Result<BuiltExecutable, CairoError> {
    build_with(Path::new("scarb"), directory, name)
}

fn build_with(scarb: &Path, directory: &Path, name: Option<&str>) -> Result<BuiltExecutable, CairoError> {
    let package = directory.display().to_string();
    if !directory.join("Scarb.toml").is_file() {
        return Err(CairoError::NoExecutable {
            package,
            expected: "a Scarb.toml".into(),
            found: "none".into(),
        });
    }
    let output = match Command::new(scarb).arg("build").current_dir(directory).output() {
        Ok(output) => output,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(CairoError::ScarbMissing { package });
        }
        Err(source) => return Err(CairoError::Read { path: scarb.display().to_string(), source }),
    };
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let tail = &text[text.len().saturating_sub(OUTPUT_LIMIT)..];
        return Err(CairoError::ScarbFailed {
            package,
            status: output.status.to_string(),
            output: String::from_utf8_lossy(tail).trim().to_owned(),
        });
    }
    let mut built = executables(&directory.join("target").join("dev"))?;
    let found = if built.is_empty() {
        "none".to_owned()
    } else {
        built.iter().map(|executable| executable.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if let Some(name) = name {
        built.retain(|executable| executable.name == name);
    }
    match (built.pop(), built.is_empty()) {
        (Some(executable), true) => Ok(executable),
        _ => Err(CairoError::NoExecutable {
            package,
            expected: match name {
                Some(name) => format!("an executable target {name}"),
                None => "exactly one executable target, or its name".into(),
            },
            found,
        }),
    }
}

/// The executables in a directory, by name; a missing directory has none.
fn executables(directory: &Path) -> Result<Vec<BuiltExecutable>, CairoError> {
    let read = |source| CairoError::Read { path: directory.display().to_string(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(read(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(read)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(SUFFIX));
        if let Some(name) = name {
            found.push(BuiltExecutable { name: name.to_owned(), path: path.clone() });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
