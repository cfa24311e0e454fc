//! Workers and their children as processes that a test can kill. The children are the test program itself: they do
//! everything that the real ones do but prove.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ashlar_engine::{Confinement, Engine, Settings, Worker, WorkerSettings};
use ashlar_store::{
    Attempt, Job, JobId, Lane, Lease, LeaseToken, Moment, NewJob, NewSubmission, NewWork, Pauses,
    ProofSource, ProofStatus, Purpose, Store, Submitted,
};
use serde_json::json;
use tokio::sync::watch;

use crate::support::{self, Records};

/// Longer than anything here takes, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// What a worker of this test may take at most, in bytes.
const MEMORY: u64 = 1 << 30;

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Something that is done with the records; nothing stays open between two of them.
pub(crate) fn with<T>(records: &Records, act: impl AsyncFnOnce(&Store) -> T) -> T {
    block_on(async {
        let store = records.open().await;
        let done = act(&store).await;
        store.close().await;
        done
    })
}

/// A job whose child behaves as it is told to.
pub(crate) fn submit(records: &Records, behaviour: &str, budget: u32, attempt_time: Duration) -> JobId {
    let new = request(behaviour, budget, attempt_time);
    let now = Moment::now();
    let Submitted::Recorded(job) = with(records, async |store| store.submit(&new, 1000, now).await.unwrap())
    else {
        panic!("not recorded")
    };
    job
}

/// What [`submit`] submits.
pub(crate) fn request(behaviour: &str, budget: u32, attempt_time: Duration) -> NewSubmission {
    NewSubmission {
        job: NewJob {
            purpose: Purpose::Program,
            source: ProofSource::StoneLocal,
            input_commitment: None,
            request: Some(json!({ "behaviour": behaviour })),
            retry_of: None,
        },
        allocations: Vec::new(),
        inputs: Vec::new(),
        work: NewWork {
            lane: Lane::ProveSmall,
            priority: 5,
            memory_bytes: 64 << 20,
            not_before: Moment::now(),
            deadline: None,
            attempt_time,
            budget,
        },
        key: None,
        notes: Vec::new(),
        commitment: None,
    }
}

fn settings() -> Settings {
    Settings {
        lease: Duration::from_millis(600),
        pauses: Pauses { first: Duration::from_millis(10), longest: Duration::from_millis(20) },
        memory_bytes: MEMORY,
        ..Settings::default()
    }
}

/// This program, as a child that runs one of its "tests" and takes what follows `--` as it likes.
pub(crate) fn myself(entry: &str) -> (PathBuf, Vec<OsString>) {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "--nocapture", "--test-threads=1", entry, "--"];
    (program, arguments.map(Into::into).into())
}

pub(crate) fn start_worker(records: &Records, variables: &[(&str, &OsStr)]) -> Child {
    start_worker_within(&[], records, variables)
}

/// [`start_worker`] by a program that becomes the worker: words that its command line begins with.
pub(crate) fn start_worker_within(within: &[&str], records: &Records, variables: &[(&str, &OsStr)]) -> Child {
    let (program, arguments) = myself("workers::a_worker_in_a_process_of_its_own");
    let mut command = match within {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command
        .args(arguments)
        .envs(records.environment())
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Lets a worker work in this process until nothing waits.
pub(crate) fn work_until_idle(records: &Records) {
    let (program, arguments) = myself("workers::the_process_of_an_attempt");
    // The children inherit nothing but their arguments, which name no folder; the environment does.
    let variables = records
        .environment()
        .map(|(name, value)| [OsStr::new(name), value.as_os_str()].join(OsStr::new("=")));
    let arguments = [
        vec!["-c".into(), "exec env \"$0\" \"$@\"".into()],
        variables.into(),
        vec![program.into_os_string()],
        arguments,
    ]
    .concat();
    block_on(work(records, PathBuf::from("/bin/sh"), arguments, true, Duration::from_secs(30)));
}

async fn work(
    records: &Records,
    program: PathBuf,
    arguments: Vec<OsString>,
    until_idle: bool,
    drain: Duration,
) {
    let store = records.open().await;
    let engine = Engine::open(store.clone(), settings()).unwrap();
    let mut settings = WorkerSettings::new(program, arguments, MEMORY);
    (settings.poll, settings.most_at_once) = (Duration::from_millis(10), 4);
    (settings.grace, settings.drain) = (Duration::from_millis(300), drain);
    let worker = Worker::new(engine.clone(), settings);
    let (stop, stopped) = watch::channel(false);
    let idle = async {
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            if until_idle && engine.queue_depth().await.unwrap().lanes.is_empty() {
                let _ = stop.send(true);
            }
        }
    };
    tokio::select! {
        report = worker.run(stopped) => drop(report.unwrap()),
        () = idle => {}
    }
    store.close().await;
}

/// Not a test when tests are run: the process in which a worker of [`start_worker`] works, until it is killed.
#[test]
fn a_worker_in_a_process_of_its_own() {
    let Some(records) = Records::of_parent() else {
        assert!(std::env::args().all(|word| word != "--lease"), "a child without a folder");
        return;
    };
    let (program, arguments) = myself("workers::the_process_of_an_attempt");
    block_on(work(&records, program, arguments, false, Duration::from_secs(30)));
}

/// Not a test when tests are run: the process of one attempt.
#[test]
fn the_process_of_an_attempt() {
    let words: Vec<String> = std::env::args().collect();
    let Some(start) = words.iter().position(|word| word == "--") else {
        assert!(words.iter().all(|word| word != "--lease"), "a child without arguments");
        return;
    };
    // The line that the test harness has begun.
    println!();
    let after = |flag: &str| words.iter().skip_while(|word| *word != flag).nth(1).unwrap().clone();
    let memory_bytes = after("--memory-bytes").parse().unwrap();
    Confinement { parent: after("--parent").parse().unwrap(), memory_bytes }.apply().unwrap();
    let lease = Lease {
        job: JobId::parse(&words[start + 1]).unwrap(),
        n: after("--attempt").parse().unwrap(),
        token: LeaseToken::parse(&after("--lease")).unwrap(),
    };
    let records = Records::of_parent().unwrap();
    let behaviour = with(&records, async |store| {
        store.job(lease.job).await.unwrap().request.unwrap()["behaviour"].as_str().unwrap().to_owned()
    });
    match behaviour.as_str() {
        "prove" | "prove slowly" => with(&records, async |store| {
            // Longer than a lease goes without being renewed, or not.
            let pause = Duration::from_millis(if behaviour == "prove" { 15 } else { 150 });
            for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
                println!("{}", json!({ "event": "stage", "stage": status }));
                store.advance_held(&lease, status, Moment::now()).await.unwrap();
                tokio::time::sleep(pause).await;
            }
            let proof = format!("proof of {}", lease.job);
            store
                .conclude_held(&lease, &support::verified(), proof.as_bytes(), None, Moment::now())
                .await
                .unwrap();
        }),
        "abort" => {
            eprintln!("these are my last words");
            std::process::abort();
        }
        "kill the worker" => {
            let _ = Command::new("kill").args(["-9", &after("--parent")]).status();
            std::thread::sleep(PATIENCE);
        }
        "nothing" => {}
        "nothing at first" if lease.n == 1 => {}
        "nothing at first" => with(&records, async |store| {
            for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
                store.advance_held(&lease, status, Moment::now()).await.unwrap();
            }
            let proof = support::verified();
            store.conclude_held(&lease, &proof, b"at last", None, Moment::now()).await.unwrap();
        }),
        "hang" => std::thread::sleep(PATIENCE),
        "hang on" => {
            // What it has started does not hear SIGTERM.
            let deaf = "trap '' TERM; while :; do sleep 0.1; done";
            let _ = Command::new("/bin/sh").args(["-c", deaf, &lease.job.to_string()]).status();
        }
        "hog" => {
            let mut taken: Vec<Vec<u8>> = Vec::new();
            loop {
                taken.push(vec![1; 16 << 20]);
                std::hint::black_box(&taken);
            }
        }
        "grab" => {
            let taken = vec![1u8; 1 << 40];
            std::hint::black_box(&taken);
        }
        "need more" => {
            if memory_bytes < 100 << 20 {
                println!("{}", json!({ "event": "needs", "memory_bytes": 100 << 20 }));
                let error = json!({ "event": "error", "code": "ASH-2104", "message": "too little", "exit_status": 4 });
                println!("{error}");
                std::process::exit(4);
            }
            with(&records, async |store| {
                store.advance_held(&lease, ProofStatus::Verifying, Moment::now()).await.unwrap();
                store
                    .conclude_held(&lease, &support::verified(), b"more", None, Moment::now())
                    .await
                    .unwrap();
            });
        }
        other => panic!("{other}"),
    }
}

pub(crate) fn job(records: &Records, id: JobId) -> Job {
    with(records, async |store| store.job(id).await.unwrap())
}

pub(crate) fn attempts(records: &Records, id: JobId) -> Vec<Attempt> {
    with(records, async |store| store.attempts_at(id).await.unwrap())
}

/// The processes of attempts at jobs of this test.
pub(crate) fn children_of(jobs: &[JobId]) -> Vec<u32> {
    let names: Vec<String> = jobs.iter().map(JobId::to_string).collect();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if line.split(|byte| *byte == 0).any(|word| names.iter().any(|name| word == name.as_bytes())) {
            found.push(pid);
        }
    }
    found
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether there was something to kill.
pub(crate) fn kill(pid: u32) -> bool {
    Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}
