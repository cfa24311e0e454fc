//! Jobs that wait for a worker: what workers, cancels, kills and hostile programs make of them. The proofs are real, the
//! processes too.

use std::{
    path::Path,
    process::{Child, Stdio},
};

use crate::support::{
    ashlar, data, drop_in_prover, echo_program, example, json, run, status, stderr, wait_for, with_engine,
};
use ashlar_engine::{Circumstances, Engine, ProgramTask, Requirements, Settings, Submission, Task};
use ashlar_risk::{Proposal, parse_proposals};
use ashlar_store::{Attempt, FailureKind, Job, JobId, ProofSource, ProofStatus};

/// Something that is done with the records, with the usual settings.
fn with<T>(folder: &Path, act: impl AsyncFnOnce(&Engine) -> T) -> T {
    with_engine(folder, Settings::default(), act)
}

/// The example's proposal, `count` times with a nonce of its own each.
fn proposals(count: u64) -> Vec<Proposal> {
    let text = std::fs::read(example("allocation.json")).unwrap();
    let first = parse_proposals(&text).unwrap().remove(0);
    (0..count).map(|nonce| Proposal { nonce: 1000 + nonce, ..first.clone() }).collect()
}

fn submit(folder: &Path, task: Task, circumstances: Circumstances) -> JobId {
    let submission = Submission { task, requirements: Requirements::default(), circumstances };
    with(folder, async |engine| engine.submit(&submission, None).await.unwrap().job)
}

fn allocation(folder: &Path, count: u64) -> JobId {
    submit(folder, Task::Allocation(proposals(count)), Circumstances::default())
}

fn program(bytes: Vec<u8>, steps: u64) -> Task {
    Task::Program(ProgramTask {
        program: bytes.into(),
        arguments: Some("7".to_owned()),
        layout: None,
        as_built: false,
        steps,
    })
}

fn job(folder: &Path, id: JobId) -> Job {
    with(folder, async |engine| engine.store().job(id).await.unwrap())
}

fn attempts(folder: &Path, id: JobId) -> Vec<Attempt> {
    with(folder, async |engine| engine.attempts(id).await.unwrap())
}

fn worker(folder: &Path, flags: &[&str]) -> Child {
    let mut command = ashlar(folder);
    command.arg("worker").args(flags).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The processes that work on a job.
fn processes_of(job: JobId) -> Vec<u32> {
    let name = job.to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).any(|word| word == name.as_bytes()) {
            found.push(pid);
        }
    }
    found
}

fn signal(process: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([name, &process.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_worker_proves_what_waits_and_the_record_says_who_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let id = allocation(folder.path(), 2);
    let done = run(folder.path(), &["worker", "--until-idle", "--json"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(json(&done)["verified"], 1, "{}", stderr(&done));

    let record = job(folder.path(), id);
    assert_eq!(record.proof_status, ProofStatus::Verified);
    assert_eq!(record.proof_source, ProofSource::StoneLocal);
    let attempts = attempts(folder.path(), id);
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].outcome.as_deref(), Some("verified"));
    let peak = attempts[0].peak_memory_bytes.unwrap();
    assert!(peak > 1 << 20 && peak < attempts[0].memory_bytes, "{peak} of {}", attempts[0].memory_bytes);
    let events = with(folder.path(), async |engine| engine.store().events(id, 0).await.unwrap());
    let route = events.iter().find(|event| event.event == "route").unwrap();
    assert!(route.detail["reason"].as_str().unwrap().contains("stone_local"), "{}", route.detail);
    // The gate takes what a worker made like any other proof.
    let proof = crate::support::files(&data(folder.path()).join("artefacts"));
    assert_eq!(status(&run(folder.path(), &["verify", &proof[0].display().to_string()])), 0);
}

#[test]
fn a_killed_worker_takes_its_proof_with_it_and_the_next_worker_makes_it() {
    let folder = tempfile::tempdir().unwrap();
    let id = allocation(folder.path(), 12);
    let mut first = worker(folder.path(), &["--lease-seconds", "1"]);
    let pids = wait_for("proof", || {
        let working = job(folder.path(), id).proof_status == ProofStatus::Proving;
        working.then(|| processes_of(id))
    });
    assert_eq!(pids.len(), 1);
    first.kill().unwrap();
    first.wait().unwrap();
    wait_for("end of the orphan", || processes_of(id).is_empty().then_some(()));
    let done = run(folder.path(), &["worker", "--until-idle", "--lease-seconds", "1"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Verified);
    let outcomes: Vec<Option<String>> =
        attempts(folder.path(), id).into_iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Some("lost".to_owned()), Some("verified".to_owned())]);
}

#[test]
fn a_cancelled_job_is_cancelled_once_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let id = allocation(folder.path(), 100);
    let mut worker = worker(folder.path(), &[]);
    wait_for("proof", || (job(folder.path(), id).proof_status == ProofStatus::Proving).then_some(()));
    let asked = run(folder.path(), &["jobs", "cancel", &id.to_string()]);
    assert_eq!(status(&asked), 0, "{}", stderr(&asked));
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Cancelled);
    assert!(processes_of(id).is_empty());
    assert_eq!(attempts(folder.path(), id)[0].outcome.as_deref(), Some("cancelled"));
    signal(&worker, "-TERM");
    assert!(worker.wait().unwrap().success());
}

#[test]
fn a_worker_that_is_to_end_gives_back_what_it_cannot_finish_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let id = allocation(folder.path(), 100);
    let mut worker = worker(folder.path(), &["--drain-seconds", "0"]);
    wait_for("proof", || (job(folder.path(), id).proof_status == ProofStatus::Proving).then_some(()));
    signal(&worker, "-TERM");
    assert!(worker.wait().unwrap().success());
    assert!(processes_of(id).is_empty());
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Queued);
    let work = with(folder.path(), async |engine| engine.work_of(id).await.unwrap().unwrap());
    assert_eq!((work.state.as_str(), work.spent), ("waiting", 0));
    assert_eq!(attempts(folder.path(), id)[0].outcome.as_deref(), Some("released"));
    // Nobody holds it, so it is cancelled at once, without a worker.
    assert_eq!(status(&run(folder.path(), &["jobs", "cancel", &id.to_string()])), 0);
    // Done over, it waits in the queue again: a worker makes it, not whoever asked.
    let again = run(folder.path(), &["jobs", "retry", &id.to_string(), "--json"]);
    assert_eq!(status(&again), 0, "{}", stderr(&again));
    let next = JobId::parse(json(&again)["job"].as_str().unwrap()).unwrap();
    let record = job(folder.path(), next);
    assert_eq!((record.proof_status, record.retry_of), (ProofStatus::Queued, Some(id)));
    assert!(stderr(&again).contains("ashlar worker"), "{}", stderr(&again));
    let refused = run(folder.path(), &["jobs", "retry", &id.to_string()]);
    assert_eq!(status(&refused), 2, "{}", stderr(&refused));
}

#[test]
fn a_program_that_never_ends_is_stopped_at_its_steps_and_not_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let endless = std::fs::read_to_string(echo_program(folder.path())).unwrap();
    // `jmp rel 0` where the copy of the argument begins.
    let endless =
        endless.replace("\"0x4802800080008000\",\"0x400280007ffd7fff\"", "\"0x10780017fff7fff\",\"0x0\"");
    assert!(endless.contains("\"0x10780017fff7fff\",\"0x0\",\"0x482680017ffd8000\""), "{endless}");
    let id = submit(folder.path(), program(endless.into_bytes(), 1 << 16), Circumstances::default());
    let done = run(folder.path(), &["worker", "--until-idle"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    let record = job(folder.path(), id);
    assert_eq!(record.proof_status, ProofStatus::Failed);
    assert_eq!(record.error_code.as_deref(), Some("ASH-2101"), "{record:?}");
    let attempts = attempts(folder.path(), id);
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].failure_kind, Some(FailureKind::Program));
}

#[test]
fn an_uploaded_program_is_proven_here_and_by_another_prover() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = std::fs::read(echo_program(folder.path())).unwrap();
    let here = submit(folder.path(), program(bytes.clone(), 1 << 12), Circumstances::default());
    let prover = drop_in_prover().display().to_string();
    let elsewhere = with(folder.path(), async |engine| {
        let settings = Settings { external_prover: Some(prover.clone().into()), ..Settings::default() };
        let engine = Engine::open(engine.store().clone(), settings).unwrap();
        let circumstances =
            Circumstances { backend: Some(ProofSource::StoneExternal), ..Circumstances::default() };
        let submission = Submission {
            task: program(bytes, 1 << 12),
            requirements: Requirements::default(),
            circumstances,
        };
        engine.submit(&submission, None).await.unwrap().job
    });
    // A worker without another prover leaves its job alone; one that has it takes it.
    let idle = run(folder.path(), &["worker", "--until-idle", "--external-prover", &prover]);
    assert_eq!(status(&idle), 0, "{}", stderr(&idle));
    for (id, source) in [(here, ProofSource::StoneLocal), (elsewhere, ProofSource::StoneExternal)] {
        let record = job(folder.path(), id);
        assert_eq!(record.proof_status, ProofStatus::Verified, "{record:?}");
        assert_eq!(record.proof_source, source);
        assert_eq!(record.output.unwrap(), serde_json::json!(["0x7"]));
    }
}
