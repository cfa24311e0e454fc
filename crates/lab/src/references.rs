//! Every reference proof made again: the whole file byte for byte, whatever the kernels and the threads, accepted by
//! the drop-in verifier, with its annotations where the reference has them.
//!
//! Each proof is a process of its own, one at a time, and each row is printed when it is known. A run that differs or
//! fails is a row like the others; the end of the table says how many there were.

use std::{fmt, fs, path::Path};

use ashlar_field::Kernels;
use serde_json::Value;

use crate::{
    LabError, machine,
    measure::{self, PROOF, Usage},
    options::Options,
    vectors::{self, Case, json},
};

/// How one made proof compares with the reference.
enum Outcome {
    /// The same file, accepted, with the same annotations where the reference has some.
    Same(Usage),
    /// Another file, or another verdict: what differs first.
    Different(String),
}

/// Compares every chosen case with every chosen family of kernels and number of threads.
///
/// # Errors
/// If a run differs or fails, once all of them are done; or at once if a file of the vectors cannot be read.
pub(crate) fn run(options: &Options) -> Result<(), LabError> {
    let cases = vectors::find(options)?;
    println!("Measured on {} with {}.", machine::date(), machine::description());
    println!(
        "One process a proof, one at a time; CPU is user + system, of the prover with its self-verification.\n"
    );
    println!("| case | layout | kernels | threads | file | verifier | CPU s | wall s | peak MB |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let (mut runs, mut differing) = (0, 0);
    let mut skipped = Vec::new();
    for kernels in families(options, &mut skipped) {
        for case in &cases {
            if let (Some(most), Some((_, needed))) = (options.most_megabytes, case.stone)
                && needed > most
            {
                skipped.push(format!("{} with {kernels}: needs about {needed} MB", case.name()));
                continue;
            }
            let folder = case.working_folder()?;
            for &threads in &options.threads {
                let outcome = compare(options, case, kernels, threads, folder.path())?;
                runs += 1;
                differing += usize::from(matches!(outcome, Outcome::Different(_)));
                let name = case.name();
                println!("| `{name}` | `{}` | {kernels} | {threads} | {outcome} |", case.layout);
            }
        }
    }
    println!();
    for what in skipped {
        println!("Skipped: {what}.");
    }
    println!("{} of {runs} runs gave the reference file and an accepted proof.", runs - differing);
    if differing > 0 { Err(LabError::Differences { differing, runs }) } else { Ok(()) }
}

/// The families to run with; what this processor cannot run is said, not run.
fn families(options: &Options, skipped: &mut Vec<String>) -> Vec<Kernels> {
    if options.kernels.is_empty() {
        return vec![Kernels::current()];
    }
    let (can, cannot): (Vec<_>, Vec<_>) = options.kernels.iter().partition(|kernels| kernels.is_supported());
    skipped
        .extend(cannot.iter().map(|kernels: &Kernels| format!("kernels {kernels}: not on this processor")));
    can
}

/// Proves and verifies a case in its working folder.
fn compare(
    options: &Options,
    case: &Case,
    kernels: Kernels,
    threads: usize,
    folder: &Path,
) -> Result<Outcome, LabError> {
    let reference_path = case.proof_path();
    let reference = fs::read(&reference_path).map_err(LabError::file(&reference_path))?;
    let lines = annotation_lines(&json(&reference_path)?);
    let made_path = folder.join(PROOF);
    // Else the proof of the run before would stand in for one that is not written.
    if made_path.exists() {
        fs::remove_file(&made_path).map_err(LabError::file(&made_path))?;
    }
    let environment = [("ASHLAR_KERNELS", kernels.to_string())];
    let mut flags = measure::prover_flags(case, threads);
    flags.extend(lines.is_some().then(|| "--generate_annotations".to_owned()));
    let usage = match measure::run(&options.prover, &flags, folder, &environment) {
        Ok(usage) => usage,
        Err(LabError::Failed { what, stderr, .. }) => return Ok(Outcome::failed(&what, &stderr)),
        Err(error) => return Err(error),
    };
    let made = fs::read(&made_path).map_err(LabError::file(&made_path))?;
    if made != reference {
        let (made, reference) = (json(&made_path)?, json(&reference_path)?);
        return Ok(Outcome::Different(first_difference(&made, &reference)));
    }
    // The lines that the verifier writes come from the proof, not from the prover's own words.
    let written = folder.join("annotations.txt");
    let mut flags = vec![format!("--in_file={PROOF}")];
    flags.extend(lines.is_some().then(|| format!("--annotation_file={}", written.display())));
    flags.extend(measure::generation_flag(case));
    if let Some(verifier) = &options.verifier {
        match measure::run(verifier, &flags, folder, &environment) {
            Ok(_) => {}
            Err(LabError::Failed { what, stderr, .. }) => return Ok(Outcome::failed(&what, &stderr)),
            Err(error) => return Err(error),
        }
    }
    if let Some(lines) = lines {
        let text = fs::read_to_string(&written).map_err(LabError::file(&written))?;
        if text != lines {
            return Ok(Outcome::Different("the verifier's annotations".into()));
        }
    }
    Ok(Outcome::Same(usage))
}

/// The annotations of a proof file as a text, a line each; `None` if it has none.
fn annotation_lines(proof: &Value) -> Option<String> {
    let lines = proof["annotations"].as_array()?;
    Some(lines.iter().filter_map(Value::as_str).map(|line| format!("{line}\n")).collect())
}

/// The first key of a proof file whose values differ, in the order of what matters.
fn first_difference(made: &Value, reference: &Value) -> String {
    let keys = reference.as_object().into_iter().chain(made.as_object()).flat_map(|object| object.keys());
    ["proof_hex", "annotations"]
        .into_iter()
        .chain(keys.map(String::as_str))
        .find(|key| made[key] != reference[key])
        .map_or_else(|| "the text alone, not its values".into(), |key| format!("{key} of the proof file"))
}

impl Outcome {
    fn failed(what: &str, stderr: &str) -> Outcome {
        Outcome::Different(format!("{what}: {}", stderr.lines().next().unwrap_or("no word")))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Same(usage) => write!(
                f,
                "same | accepts | {:.2} | {:.2} | {:.0}",
                usage.cpu_seconds, usage.wall_seconds, usage.peak_megabytes
            ),
            Outcome::Different(what) => write!(f, "**differs: {what}** | – | – | – | –"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_proof_is_named_before_anything_else_that_differs() {
        let reference = json!({"proof_hex": "0x1", "annotations": ["a"], "version": 1});
        let other = json!({"proof_hex": "0x2", "annotations": ["b"], "version": 2});
        assert_eq!(first_difference(&other, &reference), "proof_hex of the proof file");
        let older = json!({"proof_hex": "0x1", "annotations": ["a"], "version": 2});
        assert_eq!(first_difference(&older, &reference), "version of the proof file");
        assert_eq!(first_difference(&reference, &reference), "the text alone, not its values");
    }

    #[test]
    fn annotations_are_compared_as_lines() {
        let proof = json!({"annotations": ["P->V[0:32]: a", "V->P: b"]});
        assert_eq!(annotation_lines(&proof).as_deref(), Some("P->V[0:32]: a\nV->P: b\n"));
        assert_eq!(annotation_lines(&json!({})), None);
    }
}
