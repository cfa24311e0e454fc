//! Finished runs of others, proven inside StarkWare's simple bootloader.
//!
//! The bootloader and a finished run that its own tools made are files of a package on crates.io, which cargo fetches as it
//! fetches any; nothing of it is compiled, linked or committed. The tests know them by their hashes.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{cargo_with, output_of};

const PACKAGE: &str = "cairo-program-runner-lib";
const VERSION: &str = "1.3.1";

/// Where the files are in the package, and the variables that name them to the tests.
const FILES: [(&str, &str); 2] = [
    ("ASHLAR_TEST_BOOTLOADER", "bootloaders/simple_bootloader_compiled.json"),
    ("ASHLAR_TEST_PIE", "test_programs/fibonacci_pie.zip"),
];

/// Fetches the package, and runs the tests that need its files.
pub(crate) fn run(root: &Path) -> Result<(), Vec<String>> {
    let package = fetch(root).map_err(|error| vec![error])?;
    let named = FILES.map(|(name, file)| (name, package.join("resources/compiled_programs").join(file)));
    let named: Vec<(&str, &str)> =
        named.iter().filter_map(|(name, path)| Some((*name, path.to_str()?))).collect();
    let tests = ["test", "--release", "--workspace", "--test", "all", "finished::"];
    cargo_with(root, &tests, &named).map_err(|error| vec![error])
}

/// The folder of the package: cargo unpacks a package whose particulars are asked for.
fn fetch(root: &Path) -> Result<PathBuf, String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let asked = format!("{PACKAGE}@{VERSION}");
    output_of(Command::new(cargo).args(["info", "--quiet", &asked]).current_dir(root))?;
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let sources = home.ok_or("neither CARGO_HOME nor HOME is set")?.join("registry/src");
    let registries = fs::read_dir(&sources).map_err(|error| format!("{}: {error}", sources.display()))?;
    let folders = registries.flatten().map(|entry| entry.path().join(format!("{PACKAGE}-{VERSION}")));
    folders
        .into_iter()
        .find(|folder| folder.is_dir())
        .ok_or_else(|| format!("cargo did not unpack {asked} below {}", sources.display()))
}
