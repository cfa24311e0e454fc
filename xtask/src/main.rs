//! The one entry point for checks, shared by people and CI: `cargo xtask <task>`.
//!
//! | task | what it does |
//! |---|---|
//! | `texts` | the checks that compile nothing: dependency direction, error pages, file sizes, words |
//! | `check` | `texts`, formatting, lints |
//! | `test` | all tests of the workspace that need nothing but this repository |
//! | `test-long` | what `test` leaves out: the records and the queue on a PostgreSQL server too, kills at every fail point, more steps, more forgeries |
//! | `bench` | builds the release programs and measures whole proofs |
//! | `edges` | proves and verifies runs at the edges of every layout; see `docs/reference-proofs.md` |
//! | `bench growth` | measures runs that are twice as long each time; see `docs/performance.md` |
//! | `bench kernels` | measures kernels beside those of other libraries; see `docs/performance.md` |
//! | `references` | makes every reference proof again and compares it byte for byte; see `docs/reference-proofs.md` |
//! | `interoperability` | our proofs before swiftness, an independent verifier; see `docs/reference-proofs.md` |
//! | `mutants` | changes the verifier and the statement checks in every way and sees whether a test fails |
//! | `pie` | finished runs of others, proven inside StarkWare's simple bootloader; see `docs/service.md` |
//! | `object-storage` | artefacts in a bucket, before a real S3-compatible server; see `docs/service.md` |
//! | `schemathesis` | requests of every kind against the API, made from its document; see `docs/service.md` |
//! | `ci` | `check`, then `test` |
//! | `ci-long` | `schemathesis`; `object-storage`; `pie`; 100 proposals through the hybrid policy; every reference proof of the larger set, if it is there |
#![forbid(unsafe_code)]

mod dependencies;
mod error_pages;
mod interoperability;
#[cfg(feature = "mutants")]
mod mutants;
mod object_storage;
mod pie;
mod references;
mod schemathesis;
mod sources;
mod text_rules;

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const USAGE: &str = "usage: cargo xtask texts | check | test [ARGUMENTS OF cargo test] | test-long | bench kernels | \
    bench growth --layout NAME --from LOG2_STEPS --to LOG2_STEPS | bench [ARGUMENTS OF THE LAB] | edges [LAYOUT]… | references [--matrix] [--layout NAME]… [--case CASE[/VARIANT]]… \
    [--kernels NAME,…] [--threads N,…] [--memory MEGABYTES] | interoperability [LAYOUT]… | \
    mutants [PACKAGE…] [--only=TEXT] | object-storage | pie | schemathesis [ARGUMENTS OF st run] | ci | ci-long";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from).unwrap_or_default();
    let outcome = match (task.as_deref(), rest.as_slice()) {
        (Some("texts"), []) => texts(&root),
        (Some("check"), []) => check(&root),
        (Some("test"), more) => test(&root, more),
        (Some("test-long"), []) => test_long(&root),
        (Some("bench"), [kernels]) if kernels == "kernels" => bench_kernels(&root),
        (Some("bench"), more) => bench(&root, more),
        (Some("edges"), layouts) => edges(&root, layouts),
        (Some("references"), more) => references::run(&root, more),
        (Some("interoperability"), more) => interoperability::run(&root, more),
        (Some("schemathesis"), more) => schemathesis::run(&root, more),
        (Some("pie"), []) => pie::run(&root),
        (Some("object-storage"), []) => object_storage::run(&root),
        (Some("ci-long"), []) => schemathesis::run(&root, &[])
            .and_then(|()| object_storage::run(&root))
            .and_then(|()| pie::run(&root))
            .and_then(|()| hybrid(&root))
            .and_then(|()| references::long_tier(&root)),
        (Some("mutants"), more) => mutants(&root, more),
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

/// The checks that compile nothing.
fn texts(root: &Path) -> Result<(), Vec<String>> {
    let sources = sources::read(root).map_err(|error| vec![error])?;
    conclude(&[
        ("dependency direction", dependencies::check(root)),
        ("error pages", error_pages::check(&sources)),
        ("file sizes", text_rules::check_sizes(&sources)),
        ("words", text_rules::check_words(&sources)),
    ])
}

/// Every check that needs no test run. All of them run even if an early one fails: one round shows everything.
fn check(root: &Path) -> Result<(), Vec<String>> {
    let mut findings = texts(root).err().unwrap_or_default();
    let every_feature = format!("{LONG_FEATURES},ashlar/postgres,ashlar/s3");
    let lints = [
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--features",
        &every_feature,
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    let compiled = conclude(&[
        ("formatting", cargo(root, &["fmt", "--all", "--", "--check"]).err().into_iter().collect()),
        ("lints", cargo(root, &lints).err().into_iter().collect()),
    ]);
    findings.extend(compiled.err().unwrap_or_default());
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

/// Says how each check went, and gathers what was found.
fn conclude(checks: &[(&str, Vec<String>)]) -> Result<(), Vec<String>> {
    for (name, found) in checks {
        match found.len() {
            0 => eprintln!("xtask: {name}: ok"),
            count => eprintln!("xtask: {name}: {count} found"),
        }
    }
    let findings: Vec<String> = checks.iter().flat_map(|(_, found)| found.iter().cloned()).collect();
    if findings.is_empty() { Ok(()) } else { Err(findings) }
}

fn test(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    // In the profile of the programs: a newcomer compiles everything once, and proofs are made at full speed.
    let mut arguments = vec!["test", "--release", "--workspace"];
    arguments.extend(more.iter().map(String::as_str));
    cargo(root, &arguments).map_err(|error| vec![error])
}

/// The features of tests that a newcomer's build has no need of: the driver of PostgreSQL, and places at which tests end
/// the process.
const LONG_FEATURES: &str = "ashlar-store/postgres,ashlar-engine/postgres,ashlar-engine/fail-points";

/// What [`test`] leaves out, because it would make a newcomer wait.
fn test_long(root: &Path) -> Result<(), Vec<String>> {
    let long = [("ASHLAR_TESTS", "long")];
    // Of the whole workspace, because a part of it would be compiled with other features, down to the prover. The names
    // leave out what does not touch a database.
    let of_workspace = ["test", "--release", "--workspace", "--test"];
    let names = [
        "contention::",
        "database::",
        "executions::",
        "fail_points::",
        "gate::",
        "namespaces::",
        "pages::",
        "processes::",
        "queue_model::",
        "records::",
    ];
    let features = format!("--features={LONG_FEATURES},ashlar/postgres");
    let databases = [of_workspace.as_slice(), &["all", &features, "--"], &names].concat();
    let forgeries = [of_workspace.as_slice(), &["forgeries", "violations_in_everything"]].concat();
    cargo_with(root, &forgeries, &long)
        .and_then(|()| cargo_with(root, &databases, &long))
        .map_err(|error| vec![error])
}

/// Whole proofs of runs at the edges of layouts, of all of them unless some are named.
fn edges(root: &Path, layouts: &[String]) -> Result<(), Vec<String>> {
    let chosen = if layouts.is_empty() { "all".to_owned() } else { layouts.join(",") };
    // One proof at a time: each takes all cores, and the largest a few gigabytes.
    let test = ["test", "--release", "--workspace", "--test", "every_layout"];
    let flags = ["--", "--nocapture", "--test-threads=1"];
    cargo_with(root, &[test.as_slice(), &flags].concat(), &[("ASHLAR_EDGES", &chosen)])
        .map_err(|error| vec![error])
}

/// A hundred proposals at once through the hybrid policy; see `docs/service.md`.
fn hybrid(root: &Path) -> Result<(), Vec<String>> {
    let test = ["test", "--release", "--workspace", "--test", "all"];
    let flags = ["hybrid::proposals_at_once", "--", "--nocapture"];
    cargo_with(root, &[test.as_slice(), &flags].concat(), &[("ASHLAR_HYBRID", "100")])
        .map_err(|error| vec![error])
}

fn bench(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    let mut measure = vec!["run", "--release", "--package", "ashlar-lab", "--"];
    let prover = program(root, "cpu_air_prover");
    let fixtures = root.join("fixtures/stone").to_string_lossy().into_owned();
    if more.is_empty() {
        measure.extend(["proofs", "--prover", &prover, "--vectors", &fixtures]);
    } else if let Some(("growth", rest)) = more.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        measure.extend(["growth", "--prover", &prover]);
        measure.extend(rest.iter().map(String::as_str));
    } else {
        measure.extend(more.iter().map(String::as_str));
    }
    build_programs(root).and_then(|()| cargo(root, &measure)).map_err(|error| vec![error])
}

/// Kernels beside those of other libraries, by a package that is no part of the workspace.
fn bench_kernels(root: &Path) -> Result<(), Vec<String>> {
    let manifest = root.join("benchmarks/Cargo.toml");
    let target = target_folder(root).join("benchmarks");
    let (manifest, target) = (manifest.to_string_lossy(), target.to_string_lossy());
    let arguments = ["run", "--release", "--locked", "--manifest-path", &manifest, "--target-dir", &target];
    cargo(root, &arguments).map_err(|error| vec![error])
}

/// Builds the drop-in programs.
fn build_programs(root: &Path) -> Result<(), String> {
    cargo(root, &["build", "--release", "--package", "ashlar-stone", "--bins"])
}

/// The path of a drop-in program.
fn program(root: &Path, name: &str) -> String {
    target_folder(root).join("release").join(name).to_string_lossy().into_owned()
}

#[cfg(feature = "mutants")]
fn mutants(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    mutants::run(root, &target_folder(root), more).map_err(|error| vec![error])
}

/// The same again with the parser that it needs and nothing else does.
#[cfg(not(feature = "mutants"))]
fn mutants(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    let mut arguments =
        vec!["run", "--quiet", "--package", "xtask", "--features", "mutants", "--", "mutants"];
    arguments.extend(more.iter().map(String::as_str));
    cargo(root, &arguments).map_err(|error| vec![error])
}

fn target_folder(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Runs cargo with its output where the caller sees it.
fn cargo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    cargo_with(root, arguments, &[])
}

/// The same with more of an environment.
fn cargo_with(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} failed ({status})", arguments.join(" "))) }
}

/// What a command wrote to its standard output.
pub(crate) fn output_of(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{name} cannot be run: {error}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }
}
