//! Verbs that a server does: the server is a process of this program, with a worker and real proofs.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Output, Stdio},
};

use crate::support::{Served, ashlar, echo_program, example, json, run, status, stderr, stdout};

/// A server, and what somebody elsewhere needs to speak to it.
struct Remote {
    served: Served,
    address: String,
    key: String,
}

impl Remote {
    fn start(folder: &Path, flags: &[&str]) -> Remote {
        let made = run(folder, &["keys", "create", "a test's", "--scopes", "read,submit,cancel"]);
        let served = Served::start(folder, flags);
        Remote { address: format!("http://{}", served.address), served, key: stdout(&made).trim().to_owned() }
    }

    /// A command of somebody who has nothing but the server's address and a key.
    fn run(&self, folder: &Path, arguments: &[&str]) -> Output {
        let mut command = ashlar(folder);
        command.env("ASHLAR_SERVER", &self.address).env("ASHLAR_KEY", &self.key).args(arguments);
        command.output().unwrap()
    }
}

#[test]
fn a_proposal_is_proven_there_and_its_proof_accepted_here() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = Remote::start(there.path(), &[]);
    let planned = remote.run(here.path(), &["plan", &example("allocation.json"), "--json"]);
    assert_eq!(json(&planned)["chosen"]["backend"], "stone_local", "{}", stderr(&planned));

    let first = remote.run(here.path(), &["allocate", &example("allocation.json"), "--json"]);
    assert_eq!(status(&first), 0, "{}", stderr(&first));
    let document = json(&first);
    assert_eq!(
        (&document["allocations"][0]["gate"]["open"], &document["schema"]),
        (&true.into(), &"ashlar.allocation/1".into())
    );
    let job = document["proofs"][0]["job"].as_str().unwrap().to_owned();
    let again = remote.run(here.path(), &["allocate", &example("allocation.json"), "--json"]);
    assert_eq!(json(&again)["proofs"][0]["job"], job.as_str(), "the same file is the same job");
    assert!(!here.path().join("ashlar-data").exists(), "nothing is on record here");

    let listed = remote.run(here.path(), &["jobs", "list"]);
    assert!(stdout(&listed).contains(&job) && stdout(&listed).contains("verified"), "{}", stdout(&listed));
    let shown = remote.run(here.path(), &["jobs", "show", &job[..16], "--json"]);
    assert_eq!(json(&shown)["proof_status"], "verified", "{}", stderr(&shown));
    let watched = remote.run(here.path(), &["jobs", "watch", &job, "--json-stream"]);
    assert_eq!(status(&watched), 0);
    assert!(stdout(&watched).contains("\"to\":\"verified\""), "{}", stdout(&watched));
    let logged = remote.run(here.path(), &["jobs", "logs", &job]);
    assert!(stdout(&logged).contains("route"), "{}", stdout(&logged));

    let exported = remote.run(here.path(), &["jobs", "export", &job, "--out", "exported"]);
    assert_eq!(status(&exported), 0, "{}", stderr(&exported));
    let proof = here.path().join("exported/proof.json").display().to_string();
    assert_eq!(status(&run(here.path(), &["verify", &proof])), 0, "our own verifier");
    let verified = remote.run(here.path(), &["verify", &proof, "--json"]);
    assert_eq!(json(&verified)["valid"], true, "{}", stderr(&verified));
    let demanding = remote.run(here.path(), &["verify", &proof, "--minimum-bits", "128"]);
    assert_eq!(status(&demanding), 1, "{}", stderr(&demanding));
    let local = run(here.path(), &["verify", &proof, "--minimum-bits", "128"]);
    assert_eq!(status(&local), 1);
    let code = |output: &Output| stderr(output).split(']').next().unwrap().to_owned();
    assert_eq!(code(&demanding), code(&local), "the same refusal has the same code");
}

#[test]
fn a_program_is_proven_there_and_its_statement_compared_here() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let remote = Remote::start(there.path(), &[]);
    let program = echo_program(here.path()).display().to_string();
    let proven =
        remote.run(here.path(), &["prove", &program, "--args", "7", "--out", "proof.json", "--json"]);
    assert_eq!(status(&proven), 0, "{}", stderr(&proven));
    assert!(json(&proven)["fact_hash"].as_str().unwrap().starts_with("0x"));
    let proof = here.path().join("proof.json").display().to_string();
    assert_eq!(status(&run(here.path(), &["verify", &proof])), 0);
    let external = remote.run(here.path(), &["prove", &program, "--compare"]);
    assert_eq!(status(&external), 2, "{}", stderr(&external));
}

#[test]
fn a_waiting_job_is_cancelled_there_and_refusals_end_as_documented() {
    let (there, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut remote = Remote::start(there.path(), &["--no-worker"]);
    let mut submitting = ashlar(here.path());
    submitting.env("ASHLAR_SERVER", &remote.address).env("ASHLAR_KEY", &remote.key);
    let mut waiting = submitting
        .args(["--json-stream", "allocate", &example("allocation.json")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(waiting.stdout.take().unwrap()).lines();
    let mut events = lines.map(|line| serde_json::from_str::<serde_json::Value>(&line.unwrap()).unwrap());
    let job = events.find(|event| event["event"] == "job").unwrap()["job"].as_str().unwrap().to_owned();
    let cancelled = remote.run(here.path(), &["jobs", "cancel", &job]);
    assert_eq!(
        (status(&cancelled), stdout(&cancelled)),
        (0, format!("{job} cancelled\n")),
        "{}",
        stderr(&cancelled)
    );
    assert_eq!(waiting.wait().unwrap().code(), Some(1), "whoever waited is told that there is no proof");
    let again = remote.run(here.path(), &["jobs", "cancel", &job]);
    assert_eq!(status(&again), 1);
    assert!(stderr(&again).contains("error[ASH-8206]"), "{}", stderr(&again));

    let unknown = remote.run(here.path(), &["jobs", "show", "job_01M3EEM2E4GHHC3K36KRX9XY3S"]);
    assert_eq!(status(&unknown), 2, "{}", stderr(&unknown));
    let local_only = remote.run(here.path(), &["keys", "list"]);
    assert_eq!(status(&local_only), 2, "{}", stderr(&local_only));
    let elsewhere = run(here.path(), &["jobs", "list", "--server", "http://192.0.2.1:8155"]);
    assert_eq!(status(&elsewhere), 2, "{}", stderr(&elsewhere));
    assert!(stderr(&elsewhere).contains("error[ASH-8340]"), "{}", stderr(&elsewhere));

    let key = std::mem::replace(&mut remote.key, "ashlar_wrong".to_owned());
    let refused = remote.run(here.path(), &["jobs", "list"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("error[ASH-8308]") && !stderr(&refused).contains("ashlar_wrong"));
    std::fs::write(here.path().join("key"), &key).unwrap();
    let from_file = remote.run(here.path(), &["jobs", "list", "--key-file", "key"]);
    assert_eq!(status(&from_file), 0, "{}", stderr(&from_file));
    remote.served.end();
    let gone = remote.run(here.path(), &["jobs", "list", "--key-file", "key"]);
    assert_eq!(status(&gone), 5, "{}", stderr(&gone));
    assert!(stderr(&gone).contains("error[ASH-8343]"), "{}", stderr(&gone));
}
