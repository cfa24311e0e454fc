//! Many at once, on both databases: submissions, claims, ends, cancels and sweeps that meet, and a reader of the log who
//! must not miss anything. What the model test shows of one after the other holds of all together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::support::{Kind, Records};
use ashlar_fault::Code;
use ashlar_store::{
    AttemptEnd, Claimant, Claimed, Commitment, ContentHash, DayBudget, Error, FailureKind, JobId, Lane,
    Moment, NewAllocation, NewJob, NewSubmission, NewWork, Next, Pauses, ProofSource, ProofStatus, Purpose,
    Store, SubmissionKey, Submitted,
};
use serde_json::json;
use tokio::task::JoinSet;

const LOST: Code = Code(8216);
const LEASE: Duration = Duration::from_millis(40);
const PAUSES: Pauses = Pauses { first: Duration::from_millis(1), longest: Duration::from_millis(2) };

fn request(budget: u32, key: Option<&str>) -> NewSubmission {
    NewSubmission {
        job: NewJob {
            purpose: Purpose::Program,
            source: ProofSource::StoneLocal,
            input_commitment: None,
            request: None,
            retry_of: None,
        },
        allocations: Vec::new(),
        inputs: Vec::new(),
        work: NewWork {
            lane: Lane::ProveSmall,
            priority: 5,
            memory_bytes: 1,
            not_before: Moment::now(),
            deadline: None,
            attempt_time: Duration::from_secs(60),
            budget,
        },
        key: key.map(|key| SubmissionKey { key: key.to_owned(), body: ContentHash::of(b"body") }),
        notes: vec![("route", json!({ "reason": "first" })), ("route", json!({ "reason": "second" }))],
        commitment: None,
    }
}

fn claimant<'a>(lease: Duration) -> Claimant<'a> {
    Claimant {
        worker: "one of many",
        lanes: Lane::ALL,
        free_bytes: 1 << 30,
        total_bytes: 1 << 30,
        lease,
        patience: Duration::from_secs(60),
    }
}

/// Lets so many do the same at once, each with connections of its own, and returns what each came to.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    records: &Records,
    count: usize,
    act: impl Fn(Store) -> F,
) -> Vec<T> {
    let barrier = Arc::new(tokio::sync::Barrier::new(count));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (store, barrier) = (records.open().await, Arc::clone(&barrier));
        let acting = act(store);
        tasks.spawn(async move {
            barrier.wait().await;
            acting.await
        });
    }
    tasks.join_all().await
}

fn on(kind: Kind, test: impl AsyncFn(&Records)) {
    let Some(records) = Records::new(kind) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(test(&records));
}

macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $name() { super::on(super::Kind::Sqlite, super::$name) })*
        }
        #[cfg(feature = "postgres")]
        mod postgresql {
            $(#[test] fn $name() { super::on(super::Kind::Postgres, super::$name) })*
        }
    };
}

on_both!(
    a_key_that_many_send_at_once_is_one_job,
    a_queue_has_room_for_exactly_its_limit,
    a_day_s_budget_that_many_spend_at_once_is_kept,
    a_job_that_many_want_has_one_holder,
    many_claimants_take_every_job_once_and_none_waits_for_another,
    a_proposal_that_many_send_at_once_is_one_allocation,
    a_cancel_that_meets_a_claim_leaves_no_attempt_behind,
    a_sweep_that_meets_a_cancel_never_lets_the_job_wait_again,
    everybody_does_everything_and_the_log_tells_all_of_it,
);

async fn a_key_that_many_send_at_once_is_one_job(records: &Records) {
    let answers = at_once(records, 8, |store| async move {
        store.submit(&request(1, Some("key")), 100, Moment::now()).await.unwrap()
    })
    .await;
    let jobs: BTreeSet<String> = answers
        .iter()
        .map(|answer| match answer {
            Submitted::Recorded(job) | Submitted::Existing(job) => job.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(jobs.len(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Submitted::Recorded(_))).count(), 1);
}

async fn a_queue_has_room_for_exactly_its_limit(records: &Records) {
    let answers = at_once(records, 10, |store| async move {
        store.submit(&request(1, None), 4, Moment::now()).await.unwrap()
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Submitted::Recorded(_))).count(), 4);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Submitted::Full(4))).count(), 6);
}

async fn a_day_s_budget_that_many_spend_at_once_is_kept(records: &Records) {
    let now = Moment::now();
    let budget = DayBudget { since: now, most_micro_usd: 100 };
    let commitment = Commitment { backend: ProofSource::Atlantic, micro_usd: 40, budget };
    let answers = at_once(records, 6, |store| async move {
        let dear = NewSubmission { commitment: Some(commitment), ..request(1, None) };
        store.submit(&dear, 100, Moment::now()).await.unwrap()
    })
    .await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Submitted::Recorded(_))).count(), 2);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Submitted::OverBudget(80))).count(), 4);
    assert_eq!(records.open().await.committed_since(now).await.unwrap(), 80);
}

async fn a_job_that_many_want_has_one_holder(records: &Records) {
    let store = records.open().await;
    for _ in 0..10 {
        store.submit(&request(1, None), 100, Moment::now()).await.unwrap();
        let claimed = at_once(records, 6, |store| async move {
            store.claim_work(&claimant(Duration::from_secs(60)), Moment::now()).await.unwrap()
        })
        .await;
        assert_eq!(claimed.iter().flatten().count(), 1);
    }
    assert_eq!(store.open_attempts().await.unwrap().len(), 10);
}

async fn many_claimants_take_every_job_once_and_none_waits_for_another(records: &Records) {
    let store = records.open().await;
    for _ in 0..40 {
        store.submit(&request(1, None), 100, Moment::now()).await.unwrap();
    }
    let taken = at_once(records, 5, |store| async move {
        let mut taken: Vec<Claimed> = Vec::new();
        // One that finds nothing may have met others; it looks again while something waits.
        while store.queue_depth(Moment::now()).await.unwrap().waiting() > 0 {
            taken.extend(store.claim_work(&claimant(Duration::from_secs(60)), Moment::now()).await.unwrap());
        }
        taken
    })
    .await;
    let jobs: BTreeSet<String> =
        taken.iter().flatten().map(|claimed| claimed.lease.job.to_string()).collect();
    assert_eq!((taken.iter().flatten().count(), jobs.len()), (40, 40));
}

async fn a_proposal_that_many_send_at_once_is_one_allocation(records: &Records) {
    let proposal = &crate::support::proposals(7..8)[0];
    let decision = ashlar_risk::decide(proposal).unwrap();
    let new = NewAllocation {
        proposal: ashlar_risk::proposal_to_json(proposal),
        proposal_id: decision.proposal_id,
        model_version: proposal.model_version,
        scores: decision.scores,
        shares: decision.shares,
        verdict: decision.verdict as u8,
    };
    let found = at_once(records, 6, |store| {
        let new = new.clone();
        async move { store.record_allocation(&new).await.unwrap().id }
    })
    .await;
    assert_eq!(found.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(), 1);
}

async fn a_cancel_that_meets_a_claim_leaves_no_attempt_behind(records: &Records) {
    let store = records.open().await;
    for _ in 0..15 {
        let Submitted::Recorded(job) = store.submit(&request(3, None), 100, Moment::now()).await.unwrap()
        else {
            panic!("not recorded")
        };
        let (one, other) = (records.open().await, records.open().await);
        let claim = tokio::spawn(async move {
            one.claim_work(&claimant(Duration::from_secs(60)), Moment::now()).await.unwrap()
        });
        let cancel = tokio::spawn(async move { other.request_cancel(job).await });
        let claimed = claim.await.unwrap();
        cancel.await.unwrap().unwrap();
        let status = store.job(job).await.unwrap().proof_status;
        match claimed {
            // Nobody held it: it is over.
            None => assert_eq!(status, ProofStatus::Cancelled),
            // Its holder ends it.
            Some(claimed) => {
                assert_eq!(status, ProofStatus::Queued);
                store.end_attempt(&claimed.lease, &AttemptEnd::Cancelled, None, Moment::now()).await.unwrap();
            }
        }
        assert!(store.attempts_at(job).await.unwrap().iter().all(|attempt| attempt.outcome.is_some()));
        assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Cancelled);
    }
}

async fn a_sweep_that_meets_a_cancel_never_lets_the_job_wait_again(records: &Records) {
    let store = records.open().await;
    for _ in 0..15 {
        let Submitted::Recorded(job) = store.submit(&request(3, None), 100, Moment::now()).await.unwrap()
        else {
            panic!("not recorded")
        };
        store.claim_work(&claimant(Duration::ZERO), Moment::now()).await.unwrap().unwrap();
        let later = Moment::now().after(Duration::from_secs(1));
        let (one, other) = (records.open().await, records.open().await);
        let sweep = tokio::spawn(async move { one.expire_leases(later, LOST, PAUSES).await.unwrap() });
        let cancel = tokio::spawn(async move { other.request_cancel(job).await });
        sweep.await.unwrap();
        cancel.await.unwrap().unwrap();
        // The sweep may have passed the row over while it was locked.
        store.expire_leases(later, LOST, PAUSES).await.unwrap();
        assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Cancelled);
    }
}

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What one of many did.
#[derive(Default)]
struct Done {
    recorded: Vec<JobId>,
    verified: Vec<JobId>,
    keyed: BTreeMap<u64, JobId>,
}

async fn one_of_many(store: Store, mut random: Random, steps: usize) -> Done {
    let mut done = Done::default();
    let mut held: Vec<Claimed> = Vec::new();
    for _ in 0..steps {
        let now = Moment::now();
        match random.below(12) {
            0 | 1 => {
                let key = Some(random.below(40)).filter(|key| *key < 10);
                let name = key.map(|key| format!("key {key}"));
                match store.submit(&request(3, name.as_deref()), 1000, now).await.unwrap() {
                    Submitted::Recorded(job) => {
                        done.recorded.push(job);
                        if let Some(key) = key {
                            done.keyed.insert(key, job);
                        }
                    }
                    Submitted::Existing(job) => {
                        assert_eq!(*done.keyed.entry(key.unwrap()).or_insert(job), job);
                    }
                    other => panic!("{other:?}"),
                }
            }
            2..=4 => held.extend(store.claim_work(&claimant(LEASE), now).await.unwrap()),
            5 => drop(store.expire_leases(now, LOST, PAUSES).await.unwrap()),
            6 => {
                if let Some(job) = done.recorded.last() {
                    match store.request_cancel(*job).await {
                        Ok(()) | Err(Error::StateRule { .. }) => {}
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            7 => {
                if let Some(claimed) = held.last() {
                    store.renew_lease(&claimed.lease, now, now.after(LEASE), None, Some(9)).await.unwrap();
                }
            }
            // Forgotten: somebody sweeps it up.
            8 => drop(held.pop()),
            _ => {
                let Some(claimed) = held.pop() else { continue };
                match end(&store, &claimed, random.below(4)).await {
                    Ok(true) => done.verified.push(claimed.lease.job),
                    Ok(false) | Err(Error::LostLease { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    done
}

/// Ends an attempt in one of several ways; whether it was with a proof.
async fn end(store: &Store, claimed: &Claimed, way: u64) -> Result<bool, Error> {
    let (lease, now) = (&claimed.lease, Moment::now());
    let next = Next::Again { after: Duration::from_millis(1), memory_bytes: None };
    // What a process says last can be anything, and is kept.
    let text = "it broke\0badly";
    let failed = AttemptEnd::Failed { kind: FailureKind::Crash, code: Code(8212), text, next };
    match way {
        0 => store.end_attempt(lease, &failed, Some(3), now).await.map(|_| false),
        1 => store.end_attempt(lease, &AttemptEnd::Released, None, now).await.map(|_| false),
        _ => {
            store.advance_held(lease, ProofStatus::Verifying, now).await?;
            store.conclude_held(lease, &crate::support::verified(), b"proof", None, now).await.map(|_| true)
        }
    }
}

async fn everybody_does_everything_and_the_log_tells_all_of_it(records: &Records) {
    const MANY: usize = 6;
    let over = Arc::new(AtomicBool::new(false));
    let (reader, watched) = (records.open().await, Arc::clone(&over));
    let reading = tokio::spawn(async move {
        let mut seen: Vec<i64> = Vec::new();
        loop {
            let last_look = watched.load(Ordering::SeqCst);
            loop {
                let page =
                    reader.events_page(None, None, seen.last().copied().unwrap_or(0), 7).await.unwrap();
                if page.is_empty() {
                    break;
                }
                seen.extend(page.iter().map(|event| event.id));
            }
            if last_look {
                return seen;
            }
        }
    });
    let seeds = Arc::new(std::sync::atomic::AtomicU64::new(0x2545_f491_4f6c_dd1d));
    let done = at_once(records, MANY, |store| {
        let seed = seeds.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        one_of_many(store, Random(seed), 120)
    })
    .await;

    // Whoever is left finishes what is left.
    let store = records.open().await;
    let mut verified: Vec<JobId> = done.iter().flat_map(|done| done.verified.clone()).collect();
    loop {
        let later = Moment::now().after(Duration::from_secs(1));
        store.expire_leases(later, LOST, PAUSES).await.unwrap();
        match store.claim_work(&claimant(Duration::from_secs(60)), later.after(PAUSES.longest)).await.unwrap()
        {
            Some(claimed) => match end(&store, &claimed, 3).await {
                Ok(_) => verified.push(claimed.lease.job),
                Err(error) => panic!("{error}"),
            },
            None => break,
        }
    }
    over.store(true, Ordering::SeqCst);
    let seen = reading.await.unwrap();

    let recorded: BTreeSet<String> =
        done.iter().flat_map(|done| &done.recorded).map(ToString::to_string).collect();
    assert_eq!(recorded.len(), done.iter().map(|done| done.recorded.len()).sum::<usize>());
    assert_eq!(store.jobs(None, 10_000).await.unwrap().len(), recorded.len());
    assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
    assert_eq!(store.open_attempts().await.unwrap().len(), 0);
    let mut proven = 0;
    for job in store.jobs(None, 10_000).await.unwrap() {
        assert!(job.proof_status.is_terminal(), "{} is {}", job.id, job.proof_status);
        let attempts = store.attempts_at(job.id).await.unwrap();
        let proofs = attempts.iter().filter(|attempt| attempt.outcome.as_deref() == Some("verified")).count();
        assert_eq!(proofs, usize::from(job.proof_status == ProofStatus::Verified));
        // Who was told that the proof is recorded was told the truth.
        assert_eq!(proofs, verified.iter().filter(|id| **id == job.id).count(), "{}", job.id);
        assert!(attempts.iter().enumerate().all(|(index, attempt)| attempt.n as usize == index + 1));
        let spent = attempts.iter().filter(|attempt| attempt.outcome.as_deref() != Some("released")).count();
        assert!(spent <= 3, "{}", job.id);
        proven += proofs;
    }
    assert!(proven > 20, "{proven}");

    // The reader has seen every event, and in one order.
    let mut all = Vec::new();
    loop {
        let page = store.events_page(None, None, all.last().copied().unwrap_or(0), 1000).await.unwrap();
        if page.is_empty() {
            break;
        }
        all.extend(page.iter().map(|event| event.id));
    }
    assert_eq!(seen, all);
    assert_eq!(store.last_event().await.unwrap(), *all.last().unwrap());
    for notes in store.jobs(None, 10).await.unwrap() {
        let events = store.events(notes.id, 0).await.unwrap();
        let reasons: Vec<&str> = events.iter().filter_map(|event| event.detail["reason"].as_str()).collect();
        assert_eq!(reasons, ["first", "second"], "the events of one change keep their order");
    }
}
