//! A process that is killed at any point of a job: what is left is no proof, or a whole one, and the next run goes on.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use crate::support::{ashlar, echo_program, example, files, json, run, status, stderr, stdout};

/// Starts a command, and kills it when it has written so many lines; returns how many it wrote, and whether it ended by
/// itself, well.
fn kill_at(folder: &Path, arguments: &[&str], lines: usize) -> (usize, bool) {
    let mut command = ashlar(folder);
    command.args(arguments).arg("--json-stream").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut written = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        line.unwrap();
        written += 1;
        if written == lines {
            process.kill().unwrap();
        }
    }
    (written, process.wait().unwrap().success())
}

/// At some of the lines of a whole run, among them the first and the last ones.
fn moments(lines: usize) -> Vec<usize> {
    let mut moments: Vec<usize> = (0..8).map(|part| 1 + part * (lines - 1) / 8).collect();
    moments.extend(lines.saturating_sub(4).max(1)..=lines);
    moments.dedup();
    moments
}

/// Every file that has the name of a proof is a whole one; returns their number.
fn whole_proofs(folder: &Path) -> usize {
    let mut proofs = 0;
    for path in files(&folder.join("ashlar-data/artefacts")) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with('.') && name.ends_with(".tmp") {
            continue;
        }
        let verified = run(folder, &["verify", &path.display().to_string()]);
        assert_eq!(status(&verified), 0, "{name}: {}", stderr(&verified));
        proofs += 1;
    }
    proofs
}

#[test]
fn a_killed_allocation_leaves_no_half_proof_and_the_next_run_completes_it() {
    let allocation = example("allocation.json");
    let arguments = ["allocate", allocation.as_str()];
    let folder = tempfile::tempdir().unwrap();
    let (lines, _) = kill_at(folder.path(), &arguments, usize::MAX);
    assert!(lines >= 5, "{lines} lines");
    assert_eq!(whole_proofs(folder.path()), 1);

    // All in one folder: each run finds what the killed ones left.
    let folder = tempfile::tempdir().unwrap();
    let mut killed = 0;
    for moment in moments(lines) {
        let (_, ended_well) = kill_at(folder.path(), &[arguments.as_slice(), &["--again"]].concat(), moment);
        killed += usize::from(!ended_well);
        assert!(whole_proofs(folder.path()) <= 1, "killed at line {moment}: the same proof twice");
        let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
        let verified = jobs["jobs"].as_array().unwrap().iter().any(|job| job["proof_status"] == "verified");
        assert!(!verified || whole_proofs(folder.path()) == 1, "killed at line {moment}: {jobs}");
    }
    assert!(killed >= 5, "only {killed} runs were killed before their end");
    let last = run(folder.path(), &arguments);
    assert_eq!(status(&last), 0, "{}", stderr(&last));
    assert!(stdout(&last).contains("Gate: open"), "{}", stdout(&last));
    assert_eq!(whole_proofs(folder.path()), 1);
}

#[test]
fn a_killed_proof_of_a_program_leaves_no_file_or_the_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let program = echo_program(folder.path()).display().to_string();
    let out = folder.path().join("proof.json");
    let arguments = ["prove", program.as_str(), "--args", "5", "--out", "proof.json"];
    let (lines, ended_well) = kill_at(folder.path(), &arguments, usize::MAX);
    assert!(ended_well && lines >= 5 && out.exists(), "{lines} lines");
    let whole = std::fs::read(&out).unwrap();
    let names = || -> Vec<String> {
        let entries = std::fs::read_dir(folder.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    };
    let mut before = names();
    before.sort();
    for moment in moments(lines) {
        let _ = std::fs::remove_file(&out);
        let (_, ended_well) = kill_at(folder.path(), &arguments, moment);
        assert!(!ended_well || out.exists(), "line {moment}");
        if out.exists() {
            assert!(std::fs::read(&out).unwrap() == whole, "killed at line {moment}: not the whole proof");
        }
        let mut after = names();
        after.push("proof.json".to_owned());
        after.sort();
        after.dedup();
        assert_eq!(after, before, "killed at line {moment}");
    }
}
