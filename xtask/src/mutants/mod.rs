//! Mutation testing of the verifier and of the statement checks: does a test fail when a check is missing?
//!
//! All mutants are built into one set of test programs, each behind a switch that an environment variable sets, so
//! that trying one costs a test run and no build. The changes are those that `cargo-mutants` lists for the files of
//! `.cargo/mutants.toml`, and those of [`sites`], which removes checks.

mod build;
mod sites;

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use build::TestProgram;
use sites::{Mutant, Operator};

/// A package and the tests that must notice a change of it, quick ones first. A test is `package/target`, or `package`
/// alone for its unit tests, and arguments for the test program.
struct Room {
    package: &'static str,
    tests: &'static [&'static str],
}

const ROOMS: [Room; 6] = [
    Room { package: "hash", tests: &["hash work::", "stark/forgeries --skip every_"] },
    Room {
        package: "stark",
        tests: &[
            "stark/forgeries the_honest_proof a_flipped_cell",
            "stark --skip program:: --skip prover::",
            "stark/forgeries --skip every_",
            "stark/round_trip every_shape many_and_few",
            "stark/forgeries every_",
            "stone/verifier",
        ],
    },
    Room {
        package: "cpu-air",
        tests: &[
            "cpu-air/statement_refusals",
            "cpu-air layout:: statement:: air::",
            "cpu-air/statement_vectors",
            "cpu-air/constraints dynamic refused degenerate depend",
            "cpu-air/oods",
            "stone/verifier",
        ],
    },
    Room { package: "stone", tests: &["stone", "stone/formats", "stone/policy", "stone/verifier"] },
    Room { package: "risk", tests: &["risk", "risk/examples", "risk/differential"] },
    Room { package: "store", tests: &["store", "store/gate", "store/executions"] },
];

/// How a mutant fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// A test failed.
    Caught,
    /// A test did not end.
    TimedOut,
    /// Every test passed.
    Survived,
    /// It does not compile.
    Unviable,
    /// It cannot be switched at run time, for instance in a `const fn`.
    NotSwitched,
}

/// Builds the mutants, and tries those of these packages (all, if none is named) whose name contains the text of
/// `--only=TEXT`.
///
/// # Errors
/// If something cannot be built or run, or if the check behind a mutant can be removed without a test noticing.
pub(crate) fn run(root: &Path, target: &Path, arguments: &[String]) -> Result<(), String> {
    let (filters, packages): (Vec<&String>, Vec<&String>) =
        arguments.iter().partition(|argument| argument.starts_with("--only="));
    let only = filters.first().and_then(|filter| filter.strip_prefix("--only=")).unwrap_or_default();
    let chosen =
        |room: &&Room| packages.is_empty() || packages.iter().any(|package| *package == room.package);
    let rooms: Vec<&Room> = ROOMS.iter().filter(chosen).collect();
    let mutants = all_mutants(root)?;
    eprintln!("xtask: {} mutants", mutants.len());

    let tests: Vec<&str> = rooms.iter().flat_map(|room| room.tests.iter().copied()).collect();
    let built = build::all(root, &target.join("mutants/tree"), &mutants, &tests)?;
    let mut limits = BTreeMap::new();
    for test in tests {
        let start = Instant::now();
        if passes(test, &built.programs, None, Duration::from_secs(3600)) != Some(true) {
            return Err(format!("{test} fails without any change"));
        }
        eprintln!("xtask: {test}: {:.1} s unchanged", start.elapsed().as_secs_f64());
        limits.insert(test, 5 * start.elapsed() + Duration::from_secs(20));
    }
    let mut outcomes = Vec::new();
    for (number, mutant) in mutants.iter().enumerate().filter(|(_, mutant)| mutant.name.contains(only)) {
        let Some(room) = rooms.iter().find(|room| mutant.package() == room.package) else { continue };
        let outcome = match &mutant.edits {
            Some(_) if built.unviable.contains(&number) => Outcome::Unviable,
            Some(_) => try_one(number, room.tests, &built.programs, &limits),
            None => Outcome::NotSwitched,
        };
        if matches!(outcome, Outcome::Survived | Outcome::NotSwitched | Outcome::TimedOut) {
            println!("{outcome:?}: {}", mutant.name);
        }
        outcomes.push((mutant, outcome));
    }
    report(&outcomes);
    Ok(())
}

fn all_mutants(root: &Path) -> Result<Vec<Mutant>, String> {
    let listed = build::listed_by_cargo_mutants(root)?;
    let mut files: Vec<&str> = listed.iter().filter_map(|mutant| mutant["file"].as_str()).collect();
    files.dedup();
    let mut mutants = Vec::new();
    for file in files {
        let text = fs::read_to_string(root.join(file)).map_err(|error| format!("{file}: {error}"))?;
        mutants.extend(sites::find(file, &text, &listed)?);
    }
    Ok(mutants)
}

/// Whether a test passes; `None` if it does not end in time.
fn passes(
    test: &str,
    programs: &BTreeMap<String, TestProgram>,
    mutant: Option<usize>,
    limit: Duration,
) -> Option<bool> {
    let mut words = test.split(' ');
    let program = words.next().and_then(|name| programs.get(name))?;
    program.passes(&words.collect::<Vec<_>>(), mutant, limit)
}

fn try_one(
    number: usize,
    tests: &[&str],
    programs: &BTreeMap<String, TestProgram>,
    limits: &BTreeMap<&str, Duration>,
) -> Outcome {
    for test in tests {
        let limit = limits.get(test).copied().unwrap_or_default();
        match passes(test, programs, Some(number), limit) {
            Some(true) => {}
            Some(false) => return Outcome::Caught,
            None => return Outcome::TimedOut,
        }
    }
    Outcome::Survived
}

/// A table by file and operator.
fn report(outcomes: &[(&Mutant, Outcome)]) {
    let mut rows: BTreeMap<(&str, Operator), [usize; 5]> = BTreeMap::new();
    for (mutant, outcome) in outcomes {
        rows.entry((mutant.file.as_str(), mutant.operator)).or_default()[*outcome as usize] += 1;
    }
    println!("| file | operator | mutants | caught | timed out | survived | unviable | not switched |");
    println!("|---|---|---|---|---|---|---|---|");
    for ((file, operator), counts) in rows {
        let all: usize = counts.iter().sum();
        println!("| `{file}` | {operator} | {all} | {} |", counts.map(|count| count.to_string()).join(" | "));
    }
}
