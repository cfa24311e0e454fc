//! Workers and their children as processes that are killed, crash, hang, take too much, and are told to end, on both
//! databases.
//!
//! `ASHLAR_KILLS` sets how many are killed on each; 20 unless it is given, besides those of the fail points.

use std::time::Duration;

use crate::support::{Kind, Records};
use crate::workers::{
    PATIENCE, attempts, children_of, job, kill, start_worker, submit, wait_until, with, work_until_idle,
};
#[cfg(feature = "postgres")]
use ashlar_postgres_cluster::Cluster;
use ashlar_store::{FailureKind, Moment, ProofStatus};

/// Everything here is the same on both databases.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::run(super::Kind::Sqlite, super::$name) })*
        }
        #[cfg(feature = "postgres")]
        mod postgresql {
            $(#[test] fn $name() { super::run(super::Kind::Postgres, super::$name) })*
        }
    };
}

fn run(kind: Kind, test: fn(&Records)) {
    if let Some(records) = Records::new(kind) {
        test(&records);
    }
}

on_both!(
    kills_of_workers_and_children_lose_nothing_and_prove_nothing_twice,
    a_child_that_aborts_has_exactly_its_budget_of_attempts_and_its_last_words_are_kept,
    a_job_that_kills_its_worker_has_exactly_its_budget_of_attempts_too,
    children_that_take_too_much_or_too_long_are_stopped_and_named,
    a_run_that_needs_more_than_was_set_aside_says_so_and_gets_it,
    a_cancelled_job_takes_everything_with_it_that_it_has_started,
);

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

fn kills_of_workers_and_children_lose_nothing_and_prove_nothing_twice(records: &Records) {
    let kills: u32 = std::env::var("ASHLAR_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    // The budget is what every job could need if every kill hit it.
    let jobs_at_once = 12;
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut jobs = Vec::new();
    let mut made = 0;
    let mut worker = start_worker(records, &[]);
    while made < kills {
        let open = with(records, async |store| store.queue_depth(Moment::now()).await.unwrap());
        for _ in open.waiting()..jobs_at_once {
            jobs.push(submit(records, "prove", 100, Duration::from_secs(60)));
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
                worker = start_worker(records, &[]);
            }
        }
        made += 1;
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    work_until_idle(records);

    assert!(children_of(&jobs).is_empty());
    with(records, async |store| {
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

fn a_child_that_aborts_has_exactly_its_budget_of_attempts_and_its_last_words_are_kept(records: &Records) {
    let id = submit(records, "abort", 4, PATIENCE);
    work_until_idle(records);
    let record = job(records, id);
    assert_eq!(record.proof_status, ProofStatus::Failed);
    assert_eq!(record.error_code.as_deref(), Some("ASH-8212"));
    assert!(record.error_text.unwrap().contains("these are my last words"));
    let attempts = attempts(records, id);
    assert_eq!(attempts.len(), 4);
    assert!(attempts.iter().all(|attempt| attempt.failure_kind == Some(FailureKind::Crash)));
}

fn a_job_that_kills_its_worker_has_exactly_its_budget_of_attempts_too(records: &Records) {
    let id = submit(records, "kill the worker", 3, PATIENCE);
    let mut workers = 0;
    while !job(records, id).proof_status.is_terminal() {
        let mut worker = start_worker(records, &[]);
        workers += 1;
        wait_until("the worker is gone, or the job", || {
            worker.try_wait().unwrap().is_some() || job(records, id).proof_status.is_terminal()
        });
        let _ = worker.kill();
        worker.wait().unwrap();
    }
    assert!(children_of(&[id]).is_empty());
    let record = job(records, id);
    assert_eq!((record.proof_status, record.error_code.as_deref()), (ProofStatus::Failed, Some("ASH-8216")));
    let attempts = attempts(records, id);
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.outcome.as_deref() == Some("lost")));
    // Three that it killed, and the one that found it without an attempt left.
    assert_eq!(workers, 4);
}

fn children_that_take_too_much_or_too_long_are_stopped_and_named(records: &Records) {
    let short = Duration::from_millis(300);
    let cases = [
        (submit(records, "hog", 3, PATIENCE), ProofStatus::Failed, "ASH-8210", 1),
        (submit(records, "grab", 3, PATIENCE), ProofStatus::Failed, "ASH-8210", 1),
        (submit(records, "hang", 3, short), ProofStatus::Timeout, "ASH-8211", 1),
        (submit(records, "hang on", 3, short), ProofStatus::Timeout, "ASH-8211", 1),
        (submit(records, "nothing", 2, PATIENCE), ProofStatus::Failed, "ASH-8213", 2),
    ];
    let ids = cases.map(|(id, ..)| id);
    work_until_idle(records);
    for (id, status, code, tried) in cases {
        let record = job(records, id);
        assert_eq!((record.proof_status, record.error_code.as_deref()), (status, Some(code)), "{record:?}");
        assert_eq!(attempts(records, id).len(), tried, "{record:?}");
    }
    assert!(children_of(&ids).is_empty());
}

fn a_run_that_needs_more_than_was_set_aside_says_so_and_gets_it(records: &Records) {
    let id = submit(records, "need more", 3, PATIENCE);
    work_until_idle(records);
    assert_eq!(job(records, id).proof_status, ProofStatus::Verified);
    let memory: Vec<u64> = attempts(records, id).iter().map(|attempt| attempt.memory_bytes >> 20).collect();
    assert_eq!(memory, [64, 100]);
}

fn a_cancelled_job_takes_everything_with_it_that_it_has_started(records: &Records) {
    let id = submit(records, "hang on", 3, PATIENCE);
    let mut worker = start_worker(records, &[]);
    wait_until("a child has started another", || children_of(&[id]).len() == 2);
    with(records, async |store| store.request_cancel(id).await.unwrap());
    wait_until("the job is over", || job(records, id).proof_status.is_terminal());
    assert!(children_of(&[id]).is_empty());
    assert_eq!(job(records, id).proof_status, ProofStatus::Cancelled);
    worker.kill().unwrap();
    worker.wait().unwrap();
}

#[cfg(feature = "postgres")]
#[test]
fn a_worker_outlives_a_server_that_dies_and_comes_back() {
    let Ok(cluster) = Cluster::start().map_err(|reason| eprintln!("skipped on PostgreSQL: {reason}")) else {
        return;
    };
    let records = Records::at(cluster.fresh_database().unwrap());
    let jobs: Vec<_> = (0..8).map(|_| submit(&records, "prove slowly", 100, PATIENCE)).collect();
    let mut worker = start_worker(&records, &[]);
    for _ in 0..2 {
        wait_until("something is being proven", || !children_of(&jobs).is_empty());
        cluster.crash_and_restart().unwrap();
    }
    wait_until("everything is proven", || {
        jobs.iter().all(|id| job(&records, *id).proof_status == ProofStatus::Verified)
    });
    assert!(worker.try_wait().unwrap().is_none(), "the worker did not outlive it");
    worker.kill().unwrap();
    worker.wait().unwrap();
    with(&records, async |store| {
        assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
        for &id in &jobs {
            assert_eq!(store.artefacts_of(id).await.unwrap().len(), 1);
        }
    });
}
