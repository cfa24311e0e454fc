//! The one entry point for checks, shared by people and CI: `cargo xtask <task>`.
//!
//! | task | what it does |
//! |---|---|
//! | `check` | formatting, lints, dependency direction, error pages, file sizes, words |
//! | `test` | all tests of the workspace |
//! | `bench` | builds the release programs and measures whole proofs |
//! | `ci` | `check`, then `test` |
#![forbid(unsafe_code)]

mod dependencies;
mod error_pages;
mod sources;
mod text_rules;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const USAGE: &str =
    "usage: cargo xtask check | test [ARGUMENTS OF cargo test] | bench [ARGUMENTS OF THE LAB] | ci";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default();
    let outcome = match (task.as_deref(), rest.as_slice()) {
        (Some("check"), []) => check(&root),
        (Some("test"), more) => test(&root, more),
        (Some("bench"), more) => bench(&root, more),
        (Some("ci"), []) => check(&root).and_then(|()| test(&root, &[])),
        _ => Err(vec![USAGE.to_owned()]),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(findings) => {
            for finding in &findings {
                eprintln!("xtask: {finding}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Every check that needs no test run. All of them run even if an early one fails: one round shows everything.
fn check(root: &Path) -> Result<(), Vec<String>> {
    let mut findings = Vec::new();
    let mut step = |name: &str, found: Vec<String>| {
        eprintln!(
            "xtask: {name}: {}",
            if found.is_empty() { "ok".to_owned() } else { format!("{} found", found.len()) }
        );
        findings.extend(found);
    };
    let sources = sources::read(root).map_err(|error| vec![error])?;
    step("dependency direction", dependencies::check(root));
    step("error pages", error_pages::check(&sources));
    step("file sizes", text_rules::check_sizes(&sources));
    step("words", text_rules::check_words(&sources));
    step("formatting", cargo(root, &["fmt", "--all", "--", "--check"]).err().into_iter().collect());
    let lints = ["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"];
    step("lints", cargo(root, &lints).err().into_iter().collect());
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn test(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    let mut arguments = vec!["test", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    cargo(root, &arguments).map_err(|error| vec![error])
}

fn bench(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    let build = ["build", "--release", "--package", "ashlar-stone", "--bins"];
    let mut measure = vec!["run", "--release", "--package", "ashlar-lab", "--"];
    let prover = target_folder(root).join("release/cpu_air_prover");
    let prover = prover.to_string_lossy().into_owned();
    let fixtures = root.join("fixtures/stone").to_string_lossy().into_owned();
    if more.is_empty() {
        measure.extend(["proofs", "--prover", &prover, "--vectors", &fixtures]);
    } else {
        measure.extend(more.iter().map(String::as_str));
    }
    cargo(root, &build).and_then(|()| cargo(root, &measure)).map_err(|error| vec![error])
}

fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Runs cargo with its output where the caller sees it.
fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed ({status})", arguments.join(" "))) }
}
