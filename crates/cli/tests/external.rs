//! Another prover as an engine, and jobs that are cancelled and done over.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::{
    ashlar, drop_in_prover, echo_program, files, jobs, json, run, script, status, stderr, stdout,
};

fn prove_with(folder: &Path, prover: &Path, flags: &[&str]) -> Output {
    let program = echo_program(folder);
    let mut command = ashlar(folder);
    command.arg("prove").arg(program).args(["--args", "77", "--json"]).args(flags);
    command.env("STONE_BINARY_PATH", prover).output().unwrap()
}

fn nothing_is_left(folder: &Path) {
    assert_eq!(files(&folder.join("ashlar-data/scratch")), Vec::<PathBuf>::new());
    assert_eq!(files(&folder.join("ashlar-data/artefacts")), Vec::<PathBuf>::new());
}

#[test]
fn another_prover_makes_the_same_proof_which_is_verified_and_recorded_with_its_origin() {
    let folder = tempfile::tempdir().unwrap();
    let prover = drop_in_prover();
    let compared = prove_with(folder.path(), &prover, &["--compare"]);
    assert_eq!(status(&compared), 0, "{}", stderr(&compared));
    assert_eq!(json(&compared)["compared"]["identical"], true);
    let external = prove_with(folder.path(), &prover, &["--engine", "external", "--out", "proof.json"]);
    assert_eq!(status(&external), 0, "{}", stderr(&external));
    let sources: Vec<_> = jobs(folder.path()).iter().map(|job| job["proof_source"].clone()).collect();
    assert_eq!(sources, ["stone_external", "stone_local"]);
    // The same bytes, the private inputs left out by both: one artefact.
    assert_eq!(files(&folder.path().join("ashlar-data/artefacts")).len(), 1);
    assert_eq!(status(&run(folder.path(), &["verify", "proof.json"])), 0);
    assert_eq!(files(&folder.path().join("ashlar-data/scratch")), Vec::<PathBuf>::new());
}

#[test]
fn a_prover_that_fails_is_told_with_its_last_words() {
    let folder = tempfile::tempdir().unwrap();
    let prover = script(folder.path(), "prover", "echo warming up; echo 'out of cheese' >&2; exit 3");
    let output = prove_with(folder.path(), &prover, &["--engine", "external"]);
    assert_eq!(status(&output), 5, "{}", stderr(&output));
    assert!(stderr(&output).starts_with("error[ASH-1311]") || stderr(&output).contains("\nerror[ASH-1311]"));
    assert!(stderr(&output).contains("exit status: 3") && stderr(&output).contains("| out of cheese"));
    let job = &jobs(folder.path())[0];
    assert!(job["error_text"].as_str().unwrap().contains("out of cheese"), "{job}");
    nothing_is_left(folder.path());
}

#[test]
fn a_prover_that_writes_no_proof_or_a_wrong_one_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let silent = script(folder.path(), "silent", "exit 0");
    let output = prove_with(folder.path(), &silent, &["--engine", "external"]);
    assert_eq!(status(&output), 5, "{}", stderr(&output));
    assert_eq!(json(&output)["code"], "ASH-1312");

    // The honest prover's file with one digit of the proof changed.
    let real = drop_in_prover();
    let digit = r#"\("proof_hex"[ :]*"0x\)"#;
    let change = format!("-e 's/{digit}[0-7]/\\1f/;t' -e 's/{digit}[89a-f]/\\10/'");
    let liar = script(folder.path(), "liar", &format!("{real:?} \"$@\" && sed -i {change} proof.json"));
    let output = prove_with(folder.path(), &liar, &["--engine", "external"]);
    assert_eq!(json(&output)["code"], "ASH-1350", "{}", stderr(&output));
    let output = prove_with(folder.path(), &liar, &["--compare"]);
    assert_eq!(status(&output), 5, "{}", stderr(&output));
    assert_eq!(json(&output)["code"], "ASH-5018");
    assert!(jobs(folder.path()).iter().all(|job| job["proof_status"] == "failed"));
    nothing_is_left(folder.path());
}

#[test]
fn a_prover_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = prove_with(folder.path(), Path::new("/nowhere/prover"), &["--engine", "external"]);
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert_eq!(json(&output)["code"], "ASH-1310");
    let program = echo_program(folder.path());
    let output =
        ashlar(folder.path()).arg("prove").arg(program).args(["--compare", "--json"]).output().unwrap();
    assert_eq!(status(&output), 3, "{}", stderr(&output));
    assert_eq!(json(&output)["code"], "ASH-5017");
}

/// A proof that is being made by a prover which never ends; returns the process and the prover's own number.
fn endless(folder: &Path) -> (Child, String) {
    let note = folder.join("pid");
    let prover =
        script(folder, "prover", &format!("trap '' TERM; echo $$ > {note:?}; while :; do sleep 1; done"));
    let mut command = ashlar(folder);
    command.arg("prove").arg(echo_program(folder)).args(["--args", "77", "--engine", "external"]);
    command.env("STONE_BINARY_PATH", prover).stdout(Stdio::piped()).stderr(Stdio::piped());
    let process = command.spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        assert!(Instant::now() < deadline, "the prover never began");
        match fs::read_to_string(&note) {
            Ok(text) if text.ends_with('\n') => return (process, text.trim().to_owned()),
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn a_cancelled_job_ends_with_its_prover_and_can_be_done_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let (process, prover) = endless(folder.path());
    let job = jobs(folder.path())[0]["id"].as_str().unwrap().to_owned();
    let early = run(folder.path(), &["jobs", "retry", &job]);
    assert_eq!(status(&early), 1, "{}", stderr(&early));
    assert!(stderr(&early).contains("error[ASH-5015]") && stderr(&early).contains("jobs cancel"));

    let cancelled = run(folder.path(), &["jobs", "cancel", &job]);
    assert_eq!(status(&cancelled), 0, "{}", stderr(&cancelled));
    assert_eq!(stdout(&cancelled), format!("{job} cancelled\n"));
    let output = process.wait_with_output().unwrap();
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("error[ASH-5013]"), "{}", stderr(&output));
    assert!(!Path::new("/proc").join(prover).exists(), "the prover outlived its job");
    nothing_is_left(folder.path());
    let again = run(folder.path(), &["jobs", "cancel", &job]);
    assert_eq!(status(&again), 1);
    assert!(stderr(&again).contains("error[ASH-5014]"), "{}", stderr(&again));

    // The prover is repaired, and the job done over: another job, the first one as it was.
    let real = drop_in_prover();
    script(folder.path(), "prover", &format!("exec {real:?} \"$@\""));
    let retried = run(folder.path(), &["jobs", "retry", &job, "--json"]);
    assert_eq!(status(&retried), 0, "{}", stderr(&retried));
    let successor = json(&retried)["job"].as_str().unwrap().to_owned();
    let shown = json(&run(folder.path(), &["jobs", "show", &successor, "--json"]));
    assert_eq!((&shown["attempts"], &shown["retry_of"]), (&2.into(), &job.as_str().into()));
    let first = json(&run(folder.path(), &["jobs", "show", &job, "--json"]));
    assert_eq!(
        (&first["proof_status"], &first["retried_by"]),
        (&"cancelled".into(), &successor.as_str().into())
    );
    for over in [&job, &successor] {
        let output = run(folder.path(), &["jobs", "retry", over]);
        assert_eq!(status(&output), 1);
        assert!(stderr(&output).contains("error[ASH-5015]"), "{}", stderr(&output));
    }
}

#[test]
fn an_interrupted_job_takes_its_prover_along_and_is_not_done_over_from_other_input() {
    let folder = tempfile::tempdir().unwrap();
    let (process, prover) = endless(folder.path());
    // Twice, as `timeout` does: to the process, and to its group.
    let id = process.id().to_string();
    for _ in 0..2 {
        let killed = std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(killed.success());
    }
    let output = process.wait_with_output().unwrap();
    assert_eq!(status(&output), 130, "{}", stderr(&output));
    assert!(!Path::new("/proc").join(prover).exists(), "the prover outlived its job");
    let job = jobs(folder.path())[0].clone();
    assert_eq!(job["proof_status"], "cancelled");
    let program = folder.path().join("echo.executable.json");
    let changed = fs::read_to_string(&program).unwrap().replace("\"0x2\"", "\"0x3\"");
    fs::write(&program, changed).unwrap();
    let output = run(folder.path(), &["jobs", "retry", job["id"].as_str().unwrap()]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("error[ASH-5016]"), "{}", stderr(&output));
}
