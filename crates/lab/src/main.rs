//! The lab looks at whole proofs as a user would see them: processes of the drop-in programs, their CPU seconds
//! (user + system) and their peak resident memory.
//!
//! | command | what it prints |
//! |---|---|
//! | `proofs` | repeated runs of some reference cases, with the ratio to the figures that C++ Stone needed |
//! | `growth` | one run after another, each twice as long: time and memory a row |
//! | `references` | every reference proof made again, compared byte for byte and verified; kernels and threads to choose |
//! | `load` | latencies of a server of this machine under load, its answers when its queue is full, its memory |
//!
//! All print Markdown with machine, date and command in it. A run whose bytes differ is an error, not a figure.
#![forbid(unsafe_code)]

mod growth;
mod load;
mod machine;
mod measure;
mod options;
mod references;
mod report;
mod vectors;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use options::{Options, Task};

/// Why a measurement gave no figure.
#[derive(Debug, thiserror::Error)]
enum LabError {
    #[error("expected {}, or {}, got {got:?}", options::USAGE, growth::USAGE)]
    Usage { got: Vec<String> },
    #[error("cannot read or write {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot run {}: {source}", program.display())]
    Spawn { program: PathBuf, source: std::io::Error },
    #[error("{what} failed with {status}: {stderr}")]
    Failed { what: String, status: String, stderr: String },
    #[error("{0}: expected the reference proof bytes, got others")]
    WrongProof(String),
    #[error("expected every reference proof, got {differing} of {runs} runs that differ or fail")]
    Differences { differing: usize, runs: usize },
    #[error("expected at least one reference proof in {}, got none of that choice", vectors.display())]
    NothingToDo { vectors: PathBuf },
    #[error("the load could not be measured: {why}")]
    Load { why: String },
    #[error("{place}: expected {expected}, got {got}")]
    Format { place: String, expected: &'static str, got: String },
}

impl LabError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> LabError + '_ {
        move |source| LabError::File { path: path.to_path_buf(), source }
    }
}

/// Measures every chosen case some times and prints the report.
fn proofs(options: &Options) -> Result<(), LabError> {
    let cases = vectors::find(options)?;
    let mut rows = Vec::new();
    for case in &cases {
        eprintln!("measuring {} ({} runs)", case.name(), options.runs);
        let inputs = case.working_folder()?;
        let mut figures = Vec::new();
        for _ in 0..options.runs {
            figures.push(measure::prove(options, case, inputs.path())?);
        }
        rows.push((case, figures));
    }
    print!("{}", report::markdown(options, &rows));
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) if command == "measure-child" => measure::child(rest),
        Some((command, rest)) if command == "growth" => growth::run(rest),
        Some((command, rest)) if command == "load" => load::run(rest),
        _ => Options::parse(&arguments).and_then(|options| match options.task {
            Task::Proofs => proofs(&options),
            Task::References => references::run(&options),
        }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
