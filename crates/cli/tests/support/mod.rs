//! Whole commands, as a person or a script runs them.

#![allow(dead_code, reason = "every test program uses a part")]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A command with nothing from this process's environment that could change what it says.
pub(crate) fn ashlar(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ashlar"));
    command.current_dir(folder).env_clear();
    for kept in ["PATH", "HOME", "ASHLAR_KERNELS"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    ashlar(folder).args(arguments).output().unwrap()
}

pub(crate) fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Everything that a command says and how it ends, for a snapshot; the folder's name is left out.
pub(crate) fn transcript(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let text = format!(
        "$ ashlar {}\nstatus: {}\n--- stdout\n{}--- stderr\n{}",
        arguments.join(" "),
        status(&output),
        stdout(&output),
        stderr(&output)
    );
    text.replace(&folder.display().to_string(), "[FOLDER]")
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub(crate) fn example(name: &str) -> String {
    repository().join("examples").join(name).display().to_string()
}

pub(crate) fn fixture(path: &str) -> String {
    repository().join("fixtures/stone").join(path).display().to_string()
}

/// The files below a folder that are not the database.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
