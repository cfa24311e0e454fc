//! The lab measures whole proofs as a user would see them: one process of the drop-in prover a run, its CPU seconds
//! (user + system), its peak resident memory, and the ratio to the figures that C++ Stone needed.
//!
//! `ashlar-lab proofs --prover PATH --vectors DIR` prints a Markdown report with machine, date and command in it.
//! Every proof is compared with the reference byte for byte; a run whose bytes differ is an error, not a figure.
#![forbid(unsafe_code)]

mod machine;
mod measure;
mod report;
mod vectors;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Why a measurement gave no figure.
#[derive(Debug, thiserror::Error)]
enum LabError {
    #[error(
        "expected `proofs --prover PATH --vectors DIR [--runs N] [--threads N] [--only CASE/VARIANT]…`, got {0:?}"
    )]
    Usage(Vec<String>),
    #[error("cannot read or write {}: {source}", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("cannot run {}: {source}", program.display())]
    Spawn { program: PathBuf, source: std::io::Error },
    #[error("{what} failed with {status}: {stderr}")]
    Failed { what: String, status: String, stderr: String },
    #[error("{0}: expected the reference proof bytes, got others")]
    WrongProof(String),
    #[error("{place}: expected {expected}, got {got}")]
    Format { place: String, expected: &'static str, got: String },
}

impl LabError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> LabError + '_ {
        move |source| LabError::File { path: path.to_path_buf(), source }
    }
}

/// What to measure.
struct Options {
    prover: PathBuf,
    vectors: PathBuf,
    runs: usize,
    threads: usize,
    only: Vec<String>,
}

fn parse(arguments: &[String]) -> Result<Options, LabError> {
    let usage = || LabError::Usage(arguments.to_vec());
    let mut rest = arguments.iter();
    if rest.next().map(String::as_str) != Some("proofs") {
        return Err(usage());
    }
    let (mut prover, mut vectors, mut runs, mut only) = (None, None, 3, Vec::new());
    let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
    while let Some(flag) = rest.next() {
        let value = rest.next().ok_or_else(usage)?;
        match flag.as_str() {
            "--prover" => prover = Some(PathBuf::from(value)),
            "--vectors" => vectors = Some(PathBuf::from(value)),
            "--runs" => runs = value.parse().map_err(|_| usage())?,
            "--threads" => threads = value.parse().map_err(|_| usage())?,
            "--only" => only.push(value.clone()),
            _ => return Err(usage()),
        }
    }
    if runs == 0 || threads == 0 {
        return Err(usage());
    }
    let prover = prover.ok_or_else(usage)?;
    let prover = prover.canonicalize().map_err(LabError::file(&prover))?;
    Ok(Options { prover, vectors: vectors.ok_or_else(usage)?, runs, threads, only })
}

fn proofs(options: &Options) -> Result<(), LabError> {
    let cases = vectors::find(&options.vectors, &options.only)?;
    let mut rows = Vec::new();
    for case in &cases {
        eprintln!("measuring {} ({} runs)", case.name(), options.runs);
        let inputs = case.unpack()?;
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
        _ => parse(&arguments).and_then(|options| proofs(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}
