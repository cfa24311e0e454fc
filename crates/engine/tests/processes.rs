//! Workers and their children as processes that are killed, crash, hang, take too much, and are told to end. The children
//! are this test program itself: they do everything that the real ones do but prove.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use ashlar_engine::{Confinement, Engine, Settings, Worker, WorkerSettings};
use ashlar_store::{
    Attempt, FailureKind, Job, JobId, Lane, Lease, LeaseToken, Moment, NewJob, NewSubmission, NewWork,
    Pauses, ProofSource, ProofStatus, Purpose, Store, Submitted,
};
use serde_json::json;
use tokio::sync::watch;

/// Longer than anything here takes, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where a worker or child of this test finds its records.
const FOLDER: &str = "ASHLAR_TEST_FOLDER";

/// What a worker of this test may take at most, in bytes.
const MEMORY: u64 = 1 << 30;

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Something that is done with the records; nothing stays open between two of them.
fn with<T>(folder: &Path, act: impl AsyncFnOnce(&Store) -> T) -> T {
    block_on(async {
        let store = Store::open(folder).await.unwrap();
        let done = act(&store).await;
        store.close().await;
        done
    })
}

/// A job whose child behaves as it is told to.
fn submit(folder: &Path, behaviour: &str, budget: u32, attempt_time: Duration) -> JobId {
    let now = Moment::now();
    let new = NewSubmission {
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
            not_before: now,
            deadline: None,
            attempt_time,
            budget,
        },
        key: None,
        notes: Vec::new(),
        commitment: None,
    };
    let Submitted::Recorded(job) = with(folder, async |store| store.submit(&new, 1000, now).await.unwrap())
    else {
        panic!("not recorded")
    };
    job
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
fn myself(entry: &str) -> (PathBuf, Vec<std::ffi::OsString>) {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "--nocapture", "--test-threads=1", entry, "--"];
    (program, arguments.map(Into::into).into())
}

fn start_worker(folder: &Path, flags: &[&str]) -> Child {
    let (program, arguments) = myself("a_worker_in_a_process_of_its_own");
    let mut command = Command::new(program);
    command.args(arguments).args(flags).env(FOLDER, folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// Lets a worker work in this process until nothing waits.
fn work_until_idle(folder: &Path) {
    let (program, arguments) = myself("the_process_of_an_attempt");
    // The children inherit nothing but their arguments, which name no folder; the environment does.
    let arguments = [
        vec!["-c".into(), "exec env \"$0\" \"$@\"".into()],
        vec![format!("{FOLDER}={}", folder.display()).into(), program.into_os_string()],
        arguments,
    ]
    .concat();
    block_on(work(folder, PathBuf::from("/bin/sh"), arguments, true, Duration::from_secs(30)));
}

async fn work(
    folder: &Path,
    program: PathBuf,
    arguments: Vec<std::ffi::OsString>,
    until_idle: bool,
    drain: Duration,
) {
    let store = Store::open(folder).await.unwrap();
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
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        assert!(std::env::args().all(|word| word != "--lease"), "a child without a folder");
        return;
    };
    let (program, arguments) = myself("the_process_of_an_attempt");
    block_on(work(&folder, program, arguments, false, Duration::from_secs(30)));
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
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let behaviour = with(&folder, async |store| {
        store.job(lease.job).await.unwrap().request.unwrap()["behaviour"].as_str().unwrap().to_owned()
    });
    match behaviour.as_str() {
        "prove" => with(&folder, async |store| {
            for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
                println!("{}", json!({ "event": "stage", "stage": status }));
                store.advance_held(&lease, status, Moment::now()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(15)).await;
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
            with(&folder, async |store| {
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

fn job(folder: &Path, id: JobId) -> Job {
    with(folder, async |store| store.job(id).await.unwrap())
}

fn attempts(folder: &Path, id: JobId) -> Vec<Attempt> {
    with(folder, async |store| store.attempts_at(id).await.unwrap())
}

/// The processes of attempts at jobs of this test.
fn children_of(jobs: &[JobId]) -> Vec<u32> {
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

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether there was something to kill.
fn kill(pid: u32) -> bool {
    Command::new("kill").args(["-9", &pid.to_string()]).stderr(Stdio::null()).status().unwrap().success()
}

/// Marsaglia's xorshift: the same moments in every run, as far as the machine lets them be.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

#[test]
fn fifty_kills_of_workers_and_children_lose_nothing_and_prove_nothing_twice() {
    let kills: u32 = std::env::var("ASHLAR_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(50);
    // The budget is what every job could need if every kill hit it.
    let jobs_at_once = 12;
    let folder = support::folder();
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut jobs = Vec::new();
    let mut made = 0;
    let mut worker = start_worker(folder.path(), &[]);
    while made < kills {
        let open = with(folder.path(), async |store| store.queue_depth(Moment::now()).await.unwrap());
        for _ in open.waiting()..jobs_at_once {
            jobs.push(submit(folder.path(), "prove", 100, Duration::from_secs(60)));
        }
        std::thread::sleep(Duration::from_millis(random.below(120)));
        let children = children_of(&jobs);
        match children.get(random.below(children.len() as u64 + 1) as usize) {
            Some(child) if kill(*child) => {}
            Some(_) => continue,
            // Workers are killed while they hold something, so that something is lost.
            None if children.is_empty() => continue,
            None => {
                worker.kill().unwrap();
                worker.wait().unwrap();
                wait_until("its children die with it", || children_of(&jobs).is_empty());
                worker = start_worker(folder.path(), &[]);
            }
        }
        made += 1;
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    work_until_idle(folder.path());

    assert!(children_of(&jobs).is_empty());
    with(folder.path(), async |store| {
        assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
        let mut disturbed = 0;
        for &id in &jobs {
            assert_eq!(store.job(id).await.unwrap().proof_status, ProofStatus::Verified, "{id}");
            let attempts = store.attempts_at(id).await.unwrap();
            let outcomes: Vec<&str> =
                attempts.iter().map(|attempt| attempt.outcome.as_deref().unwrap_or("open")).collect();
            let (last, before) = outcomes.split_last().unwrap();
            assert_eq!(*last, "verified", "{outcomes:?}");
            assert!(before.iter().all(|outcome| ["lost", "failed"].contains(outcome)), "{outcomes:?}");
            disturbed += before.len();
            assert_eq!(store.artefacts_of(id).await.unwrap().len(), 1);
            let events = store.events(id, 0).await.unwrap();
            let ends = events.iter().filter(|event| event.detail["to"] == "verified").count();
            assert_eq!(ends, 1, "{id}");
        }
        assert!(disturbed > 0, "no kill hit anything");
        assert_eq!(store.scrub().await.unwrap(), []);
    });
}

#[test]
fn a_child_that_aborts_has_exactly_its_budget_of_attempts_and_its_last_words_are_kept() {
    let folder = support::folder();
    let id = submit(folder.path(), "abort", 4, PATIENCE);
    work_until_idle(folder.path());
    let record = job(folder.path(), id);
    assert_eq!(record.proof_status, ProofStatus::Failed);
    assert_eq!(record.error_code.as_deref(), Some("ASH-8212"));
    assert!(record.error_text.unwrap().contains("these are my last words"));
    let attempts = attempts(folder.path(), id);
    assert_eq!(attempts.len(), 4);
    assert!(attempts.iter().all(|attempt| attempt.failure_kind == Some(FailureKind::Crash)));
}

#[test]
fn a_job_that_kills_its_worker_has_exactly_its_budget_of_attempts_too() {
    let folder = support::folder();
    let id = submit(folder.path(), "kill the worker", 3, PATIENCE);
    let mut workers = 0;
    while !job(folder.path(), id).proof_status.is_terminal() {
        let mut worker = start_worker(folder.path(), &[]);
        workers += 1;
        wait_until("the worker is gone, or the job", || {
            worker.try_wait().unwrap().is_some() || job(folder.path(), id).proof_status.is_terminal()
        });
        let _ = worker.kill();
        worker.wait().unwrap();
    }
    assert!(children_of(&[id]).is_empty());
    let record = job(folder.path(), id);
    assert_eq!((record.proof_status, record.error_code.as_deref()), (ProofStatus::Failed, Some("ASH-8216")));
    let attempts = attempts(folder.path(), id);
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.outcome.as_deref() == Some("lost")));
    // Three that it killed, and the one that found it without an attempt left.
    assert_eq!(workers, 4);
}

#[test]
fn children_that_take_too_much_or_too_long_are_stopped_and_named() {
    let folder = support::folder();
    let short = Duration::from_millis(300);
    let cases = [
        (submit(folder.path(), "hog", 3, PATIENCE), ProofStatus::Failed, "ASH-8210", 1),
        (submit(folder.path(), "grab", 3, PATIENCE), ProofStatus::Failed, "ASH-8210", 1),
        (submit(folder.path(), "hang", 3, short), ProofStatus::Timeout, "ASH-8211", 1),
        (submit(folder.path(), "hang on", 3, short), ProofStatus::Timeout, "ASH-8211", 1),
        (submit(folder.path(), "nothing", 2, PATIENCE), ProofStatus::Failed, "ASH-8213", 2),
    ];
    let ids = cases.map(|(id, ..)| id);
    work_until_idle(folder.path());
    for (id, status, code, tried) in cases {
        let record = job(folder.path(), id);
        assert_eq!((record.proof_status, record.error_code.as_deref()), (status, Some(code)), "{record:?}");
        assert_eq!(attempts(folder.path(), id).len(), tried, "{record:?}");
    }
    assert!(children_of(&ids).is_empty());
}

#[test]
fn a_run_that_needs_more_than_was_set_aside_says_so_and_gets_it() {
    let folder = support::folder();
    let id = submit(folder.path(), "need more", 3, PATIENCE);
    work_until_idle(folder.path());
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Verified);
    let memory: Vec<u64> =
        attempts(folder.path(), id).iter().map(|attempt| attempt.memory_bytes >> 20).collect();
    assert_eq!(memory, [64, 100]);
}

#[test]
fn a_cancelled_job_takes_everything_with_it_that_it_has_started() {
    let folder = support::folder();
    let id = submit(folder.path(), "hang on", 3, PATIENCE);
    let mut worker = start_worker(folder.path(), &[]);
    wait_until("a child has started another", || children_of(&[id]).len() == 2);
    with(folder.path(), async |store| store.request_cancel(id).await.unwrap());
    wait_until("the job is over", || job(folder.path(), id).proof_status.is_terminal());
    assert!(children_of(&[id]).is_empty());
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Cancelled);
    worker.kill().unwrap();
    worker.wait().unwrap();
}
