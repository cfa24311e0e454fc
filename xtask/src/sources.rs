//! The texts of the repository that the checks read.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One file, with its path relative to the repository.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Source {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "rs")
    }

    pub(crate) fn is_document(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == "md")
    }

    /// The lines of a Rust file before its unit tests.
    pub(crate) fn without_unit_tests(&self) -> &str {
        self.text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default()
    }
}

/// Every Rust, TOML, SQL, Cairo and Markdown file under `crates`, `xtask`, `docs`, the packages outside the workspace and
/// in the root, in path order.
pub(crate) fn read(root: &Path) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    for folder in
        ["crates", "xtask", "docs", "fuzz/src", "fuzz/fuzz_targets", "interoperability/src", "benchmarks/src"]
    {
        collect(root, &root.join(folder), true, &mut sources)?;
    }
    collect(root, root, false, &mut sources)?;
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, recursive: bool, sources: &mut Vec<Source>) -> Result<(), String> {
    let fault = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for entry in fs::read_dir(folder).map_err(|error| fault(folder, error))? {
        let path = entry.map_err(|error| fault(folder, error))?.path();
        if path.is_dir() {
            let name = path.file_name().unwrap_or_default();
            if recursive && name != "target" {
                collect(root, &path, true, sources)?;
            }
        } else if path
            .extension()
            .and_then(|e| e.to_str())
            .is_some_and(|e| ["rs", "toml", "sql", "cairo", "md"].contains(&e))
        {
            let text = fs::read_to_string(&path).map_err(|error| fault(&path, error))?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(())
}
