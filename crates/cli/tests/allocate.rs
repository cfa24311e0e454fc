//! The main job, end to end: a proposal, its proof, its record, the gate.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use crate::support::{ashlar, example, files, json, run, status, stderr, stdout};

fn artefacts(folder: &Path) -> usize {
    files(&folder.join("ashlar-data/artefacts")).len()
}

#[test]
fn a_proposal_becomes_a_verified_proof_once_and_anew_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let file = example("allocation.json");
    let first = run(folder.path(), &["allocate", &file]);
    assert_eq!(status(&first), 0, "{}{}", stdout(&first), stderr(&first));
    let text = stdout(&first);
    for part in [
        "verdict: accepted",
        "largest share",
        "program   0x",
        "fact      0x",
        "bits conjectured",
        "bits proven",
        "time      ",
        "Gate: open",
    ] {
        assert!(text.contains(part), "{part:?} is missing: {text}");
    }
    assert!(stderr(&first).contains("proving program 0x"), "{}", stderr(&first));
    assert_eq!(artefacts(folder.path()), 1);

    // The same proposal again finds the first result.
    let second = run(folder.path(), &["allocate", &file, "--json"]);
    assert_eq!(status(&second), 0, "{}", stderr(&second));
    let second = json(&second);
    assert_eq!(second["proofs"][0]["on_record"], true);
    assert_eq!(second["allocations"][0]["gate"]["open"], true);
    assert!(second["proofs"][0]["job"]["security_bits"].as_u64().unwrap() >= 96);
    assert_eq!(artefacts(folder.path()), 1);

    // Proven anew it is another job, with the same bytes: a proof depends on nothing else.
    let again = json(&run(folder.path(), &["allocate", &file, "--again", "--json"]));
    assert_ne!(again["proofs"][0]["job"], second["proofs"][0]["job"]["id"]);
    assert_eq!(again["proofs"][0]["program_hash"], second["proofs"][0]["job"]["program_hash"]);
    assert_eq!(artefacts(folder.path()), 1);

    // Another proposal is another statement and another proof.
    let other = fs::read_to_string(&file).unwrap().replacen("\"nonce\": 1", "\"nonce\": 77", 1);
    fs::write(folder.path().join("other.json"), other).unwrap();
    let other = json(&run(folder.path(), &["allocate", "other.json", "--json"]));
    assert_ne!(other["proofs"][0]["output"], again["proofs"][0]["output"]);
    assert_ne!(other["proofs"][0]["fact_hash"], again["proofs"][0]["fact_hash"]);
    assert_eq!(artefacts(folder.path()), 2);

    // The records: list, show, logs, export; and the exported proof verifies.
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 3);
    let job = other["proofs"][0]["job"].as_str().unwrap();
    let shown = json(&run(folder.path(), &["jobs", "show", &job[..29], "--json"]));
    assert_eq!(shown["proof_status"], "verified");
    assert_eq!(shown["allocations"][0]["status"], "admitted");
    let log = stdout(&run(folder.path(), &["jobs", "logs", job]));
    for event in ["queued", "tracing", "proving", "verifying", "verified", "gate"] {
        assert!(log.contains(event), "{event} is missing: {log}");
    }
    assert_eq!(status(&run(folder.path(), &["jobs", "watch", job])), 0);
    assert_eq!(status(&run(folder.path(), &["jobs", "export", job, "--out", "exported"])), 0);
    let verified = run(folder.path(), &["verify", "exported/proof.json", "--json"]);
    assert_eq!(status(&verified), 0, "{}", stderr(&verified));
    assert_eq!(json(&verified)["fact_hash"], other["proofs"][0]["fact_hash"]);

    // A proof that is older than allowed does not pass.
    let stale = run(folder.path(), &["allocate", &file, "--proof-age", "0"]);
    assert_eq!(status(&stale), 1, "{}", stdout(&stale));
    assert!(stderr(&stale).starts_with("error[ASH-4046]"), "{}", stderr(&stale));
}

#[test]
fn a_rejected_proposal_is_proven_and_stays_out() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["allocate", &example("rejected.json")]);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert!(stdout(&output).contains("verdict: rejected"), "{}", stdout(&output));
    assert!(stdout(&output).contains("Gate: shut (ASH-4043)"), "{}", stdout(&output));
    assert!(stderr(&output).contains("error[ASH-4043]"), "{}", stderr(&output));
    assert_eq!(artefacts(folder.path()), 1);
}

#[test]
fn a_batch_is_one_proof_and_one_bad_proposal_does_not_spoil_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut batch: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(example("batch.json")).unwrap()).unwrap();
    batch.truncate(2);
    let rejected = fs::read_to_string(example("rejected.json")).unwrap();
    batch.push(serde_json::from_str(&rejected).unwrap());
    fs::write(folder.path().join("batch.json"), serde_json::to_string(&batch).unwrap()).unwrap();
    let output = run(folder.path(), &["allocate", "batch.json", "--batch", "--json"]);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("error[ASH-5008]"), "{}", stderr(&output));
    let result = json(&output);
    let open: Vec<bool> = result["allocations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|allocation| allocation["gate"]["open"].as_bool().unwrap())
        .collect();
    assert_eq!(open.iter().filter(|open| !**open).count(), 1, "{result}");
    assert!(!open[2]);
    assert_eq!(result["proofs"].as_array().unwrap().len(), 1);
    assert_eq!(artefacts(folder.path()), 1);
}

#[test]
fn two_processes_on_one_folder_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = ashlar(folder.path());
        command.args(["allocate", &example("allocation.json"), "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for process in [start(), start()] {
        let output = process.wait_with_output().unwrap();
        assert_eq!(status(&output), 0, "{}", stderr(&output));
    }
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    assert!(jobs["jobs"].as_array().unwrap().iter().all(|job| job["proof_status"] == "verified"), "{jobs}");
    assert_eq!(artefacts(folder.path()), 1);
}

#[test]
fn an_interrupted_job_is_recorded_as_cancelled_and_leaves_no_proof() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = ashlar(folder.path());
    command.args(["allocate", &example("allocation.json"), "--json-stream"]);
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The job is on record before the proof begins.
    let deadline = Instant::now() + Duration::from_secs(60);
    let database = folder.path().join("ashlar-data/ashlar.sqlite");
    while !database.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    let interrupted =
        std::process::Command::new("kill").args(["-INT", &process.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    process.wait().unwrap();
    let output = process.wait_with_output().unwrap();
    assert_eq!(status(&output), 130, "{}", stderr(&output));
    assert!(stderr(&output).contains("error[ASH-5005]"), "{}", stderr(&output));
    assert_eq!(artefacts(folder.path()), 0);
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    for job in jobs["jobs"].as_array().unwrap() {
        assert_eq!(job["proof_status"], "cancelled", "{jobs}");
    }
}

#[test]
fn more_bits_than_the_hash_has_are_refused_before_anything_is_proven() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["allocate", &example("allocation.json"), "--minimum-bits", "200"]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    let jobs = json(&run(folder.path(), &["jobs", "list", "--json"]));
    assert_eq!(jobs["jobs"][0]["proof_status"], "failed", "{jobs}");
    assert_eq!(artefacts(folder.path()), 0);
}

#[test]
fn the_same_proposal_twice_in_a_batch_is_refused_before_anything_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let batch: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(example("batch.json")).unwrap()).unwrap();
    let twice = serde_json::to_string(&[&batch[0], &batch[1], &batch[0]]).unwrap();
    fs::write(folder.path().join("twice.json"), twice).unwrap();
    let output = run(folder.path(), &["allocate", "twice.json", "--batch", "--json"]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert_eq!(json(&output)["code"], "ASH-5020");
    assert!(!folder.path().join("ashlar-data").exists());
}
