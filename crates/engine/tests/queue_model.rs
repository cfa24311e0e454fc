//! The queue against a model of it that fits into the head: random submissions, claims, renewals, ends, cancels and sweeps
//! by holders that may be too late, on a clock that the test moves. After every step both must have answered the same; no
//! job may be lost, proven twice, tried more often than its budget, or changed once it is over.
//!
//! There are 20,000 steps on SQLite and 2,000 on PostgreSQL; `ASHLAR_TESTS=long` makes that 100,000 and 10,000, and
//! `ASHLAR_MODEL_STEPS` any number.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use crate::support::{Kind, Records};
use ashlar_engine::JobEngine;
use ashlar_fault::Code;
use ashlar_store::{
    AttemptEnd, Claimant, ContentHash, Destination, Error, Expired, FailureKind, JobId, Lane, Lease, Moment,
    NewJob, NewSubmission, NewWork, Next, Pauses, ProofSource, ProofStatus, Purpose, Renewed, Store,
    SubmissionKey, Submitted,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestCaseError, TestError, TestRunner},
};
use serde_json::json;

const LEASE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSES: Pauses = Pauses { first: Duration::from_secs(2), longest: Duration::from_secs(8) };
const LIMIT: u64 = 12;
const LOST: Code = Code(8216);
const LANES: [Lane; 3] = [Lane::ProveSmall, Lane::ProveMedium, Lane::RemoteAtlantic];
const ATTEMPT: Duration = Duration::from_secs(3600);
const STEPS_A_CASE: usize = 1000;

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Submit {
        priority: u8,
        memory: u64,
        lane: usize,
        deadline: Option<u64>,
        budget: u32,
        key: Option<(u8, u8)>,
    },
    Claim {
        lanes: u8,
        free: u64,
        total: u64,
    },
    Renew {
        lease: usize,
    },
    Advance {
        lease: usize,
    },
    Verify {
        lease: usize,
    },
    Fail {
        lease: usize,
        next: u8,
    },
    StopCancelled {
        lease: usize,
    },
    Release {
        lease: usize,
    },
    Cancel {
        job: usize,
    },
    Sweep,
    Wait {
        milliseconds: u64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let lease = 0..6usize;
    prop_oneof![
        4 => (0..3u8, 1..9u64, 0..3usize, prop::option::weighted(0.2, 1..60u64), 1..4u32,
              prop::option::weighted(0.3, (0..6u8, 0..2u8)))
            .prop_map(|(priority, memory, lane, deadline, budget, key)| {
                Step::Submit { priority, memory, lane, deadline, budget, key }
            }),
        6 => (1..8u8, 0..9u64, 5..9u64).prop_map(|(lanes, free, total)| Step::Claim { lanes, free, total }),
        3 => lease.clone().prop_map(|lease| Step::Renew { lease }),
        3 => lease.clone().prop_map(|lease| Step::Advance { lease }),
        2 => lease.clone().prop_map(|lease| Step::Verify { lease }),
        4 => (lease.clone(), 0..5u8).prop_map(|(lease, next)| Step::Fail { lease, next }),
        1 => lease.clone().prop_map(|lease| Step::StopCancelled { lease }),
        1 => lease.prop_map(|lease| Step::Release { lease }),
        1 => (0..40usize).prop_map(|job| Step::Cancel { job }),
        2 => Just(Step::Sweep),
        3 => (1..12_000u64).prop_map(|milliseconds| Step::Wait { milliseconds }),
    ]
}

/// A job as the model has it.
#[derive(Clone, Debug)]
struct ModelJob {
    status: ProofStatus,
    source: ProofSource,
    lane: Lane,
    priority: u8,
    memory: u64,
    not_before: Moment,
    deadline: Option<Moment>,
    spent: u32,
    budget: u32,
    attempts: u32,
    held: Option<(Lease, Moment)>,
    unwanted: bool,
}

impl ModelJob {
    fn waits(&self) -> bool {
        self.held.is_none() && !self.status.is_terminal()
    }

    fn end(&mut self, status: ProofStatus) {
        self.status = status;
        self.held = None;
    }

    fn again(&mut self, not_before: Moment) {
        self.status = ProofStatus::Queued;
        self.held = None;
        self.not_before = not_before;
    }
}

/// The queue in the head.
#[derive(Debug)]
struct Model {
    now: Moment,
    jobs: BTreeMap<String, ModelJob>,
    keys: BTreeMap<u8, (u8, JobId)>,
    leases: Vec<Lease>,
}

impl Model {
    fn new() -> Model {
        let now = Moment::from_milliseconds(1_700_000_000_000);
        Model { now, jobs: BTreeMap::new(), keys: BTreeMap::new(), leases: Vec::new() }
    }

    /// One of the latest leases, whether it still holds or not.
    fn lease(&self, back: usize) -> Option<Lease> {
        self.leases.len().checked_sub(1 + back).map(|index| self.leases[index])
    }

    fn held(&mut self, lease: &Lease) -> Option<&mut ModelJob> {
        self.jobs
            .get_mut(&lease.job.to_string())
            .filter(|job| job.held.is_some_and(|(held, _)| held.token == lease.token))
    }

    /// The job that a claim must take.
    fn first(&self, lanes: &[Lane], free: u64, total: u64) -> Option<String> {
        let first = |most: u64| {
            self.jobs
                .iter()
                .filter(|(_, job)| {
                    job.waits()
                        && job.not_before <= self.now
                        && job.memory <= most
                        && job.deadline.is_none_or(|deadline| deadline > self.now)
                        && lanes.contains(&job.lane)
                })
                .min_by_key(|(id, job)| (std::cmp::Reverse(job.priority), (*id).clone()))
        };
        let (id, job) = first(total)?;
        if job.memory <= free {
            return Some(id.clone());
        }
        if self.now.since(job.not_before) >= PATIENCE {
            return None;
        }
        first(free).map(|(id, _)| id.clone())
    }

    fn sweep(&mut self) -> Vec<Expired> {
        let now = self.now;
        let mut expired = Vec::new();
        for (id, job) in &mut self.jobs {
            let id = JobId::parse(id).unwrap();
            let vanished = job.held.is_some_and(|(_, until)| until < now);
            let late = job.deadline.is_some_and(|deadline| deadline <= now);
            if !(vanished || (job.waits() && late)) {
                continue;
            }
            expired.push(if job.unwanted {
                job.end(ProofStatus::Cancelled);
                Expired::Cancelled(id)
            } else if late {
                job.end(ProofStatus::Timeout);
                Expired::TooLate(id)
            } else if job.spent >= job.budget {
                job.end(ProofStatus::Failed);
                Expired::Buried(id)
            } else {
                let pause = PAUSES.after(job.spent);
                job.again(now.after(pause));
                Expired::Again(id)
            });
        }
        expired
    }
}

fn request(step: &Step, now: Moment) -> NewSubmission {
    let Step::Submit { priority, memory, lane, deadline, budget, key } = step else { panic!("{step:?}") };
    NewSubmission {
        job: NewJob {
            purpose: Purpose::Program,
            source: ProofSource::StoneLocal,
            input_commitment: None,
            request: Some(json!({ "kind": "model" })),
            retry_of: None,
        },
        allocations: Vec::new(),
        inputs: Vec::new(),
        work: NewWork {
            lane: LANES[*lane],
            priority: *priority,
            memory_bytes: *memory,
            not_before: now,
            deadline: deadline.map(|seconds| now.after(Duration::from_secs(seconds))),
            attempt_time: ATTEMPT,
            budget: *budget,
        },
        key: key
            .map(|(key, body)| SubmissionKey { key: format!("key {key}"), body: ContentHash::of(&[body]) }),
        notes: Vec::new(),
        commitment: None,
    }
}

/// A lost lease is an answer; anything else is a broken queue.
fn lost<T>(answer: Result<T, Error>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(Error::LostLease { .. }) => None,
        Err(error) => panic!("{error}"),
    }
}

/// Takes a step in both, and compares what they answer.
async fn take(store: &Store, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    let now = model.now;
    match step {
        Step::Wait { milliseconds } => model.now = now.after(Duration::from_millis(*milliseconds)),
        Step::Submit { priority, memory, lane, deadline, budget, key } => {
            let answer = store.enqueue(&request(step, now), LIMIT, now).await.unwrap();
            let known =
                key.and_then(|(key, body)| model.keys.get(&key).map(|(known, job)| (*known == body, *job)));
            let waiting = model.jobs.values().filter(|job| job.waits()).count() as u64;
            match (answer, known) {
                (Submitted::Existing(job), Some((true, expected))) => prop_assert_eq!(job, expected),
                (Submitted::OtherBody(job), Some((false, expected))) => prop_assert_eq!(job, expected),
                (Submitted::Full(got), None) => prop_assert!(got == waiting && waiting >= LIMIT),
                (Submitted::Recorded(id), None) => {
                    prop_assert!(waiting < LIMIT);
                    if let Some((key, body)) = key {
                        model.keys.insert(*key, (*body, id));
                    }
                    let job = ModelJob {
                        status: ProofStatus::Queued,
                        source: ProofSource::StoneLocal,
                        lane: LANES[*lane],
                        priority: *priority,
                        memory: *memory,
                        not_before: now,
                        deadline: deadline.map(|seconds| now.after(Duration::from_secs(seconds))),
                        spent: 0,
                        budget: *budget,
                        attempts: 0,
                        held: None,
                        unwanted: false,
                    };
                    model.jobs.insert(id.to_string(), job);
                }
                (answer, known) => prop_assert!(false, "{answer:?}, but the model knows {known:?}"),
            }
        }
        Step::Claim { lanes, free, total } => {
            let lanes: Vec<Lane> = LANES
                .iter()
                .enumerate()
                .filter(|(bit, _)| lanes >> bit & 1 == 1)
                .map(|(_, lane)| *lane)
                .collect();
            let by = Claimant {
                worker: "model",
                lanes: &lanes,
                free_bytes: *free,
                total_bytes: *total,
                lease: LEASE,
                patience: PATIENCE,
            };
            let claimed = store.claim(&by, now).await.unwrap();
            let expected = model.first(&lanes, *free, *total);
            prop_assert_eq!(claimed.as_ref().map(|claimed| claimed.lease.job.to_string()), expected.clone());
            if let (Some(claimed), Some(id)) = (claimed, expected) {
                let job = model.jobs.get_mut(&id).unwrap();
                job.spent += 1;
                job.attempts += 1;
                job.held = Some((claimed.lease, now.after(LEASE)));
                prop_assert_eq!(claimed.lease.n, job.attempts);
                prop_assert_eq!((claimed.work.spent, claimed.work.budget), (job.spent, job.budget));
                prop_assert!(job.spent <= job.budget);
                prop_assert_eq!(claimed.backend, job.source);
                model.leases.push(claimed.lease);
            }
        }
        Step::Renew { lease } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            let until = now.after(LEASE);
            let looked = store.look(&lease).await.unwrap();
            let answer =
                store.extend(&lease, now, until, Some(&json!({ "done": 1 })), Some(5)).await.unwrap();
            let expected = match model.held(&lease) {
                None => Renewed::Lost,
                Some(job) => {
                    job.held = Some((lease, until));
                    if job.unwanted { Renewed::Stop } else { Renewed::GoOn }
                }
            };
            prop_assert_eq!((looked, answer), (expected, expected));
        }
        Step::Advance { lease } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            let to = match model.held(&lease).map(|job| job.status) {
                Some(ProofStatus::Queued) => ProofStatus::Tracing,
                Some(ProofStatus::Tracing) => ProofStatus::Proving,
                _ => ProofStatus::Verifying,
            };
            let answer = lost(store.advance_held(&lease, to, now).await);
            let held = model.held(&lease);
            prop_assert_eq!(answer.is_some(), held.is_some());
            if let Some(job) = held {
                job.status = to;
            }
        }
        Step::Verify { lease } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            if let Some(job) = model.held(&lease) {
                if job.status == ProofStatus::Tracing {
                    store.advance_held(&lease, ProofStatus::Proving, now).await.unwrap();
                }
                store.advance_held(&lease, ProofStatus::Verifying, now).await.unwrap();
                job.status = ProofStatus::Verifying;
            }
            let answer =
                lost(store.conclude_held(&lease, &crate::support::verified(), b"proof", Some(7), now).await);
            let held = model.held(&lease);
            prop_assert_eq!(answer.is_some(), held.is_some());
            if let Some(job) = held {
                job.end(ProofStatus::Verified);
            }
        }
        Step::Fail { lease, next } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            let after = Duration::from_secs(3);
            let next = match next {
                0 => Next::Bury,
                1 => Next::TimeOut,
                2 => Next::Elsewhere(Destination {
                    backend: ProofSource::Atlantic,
                    lane: Lane::RemoteAtlantic,
                    memory_bytes: 0,
                    micro_usd: 9,
                    attempt_time: ATTEMPT,
                }),
                3 => Next::Again { after, memory_bytes: Some(3) },
                _ => Next::Again { after, memory_bytes: None },
            };
            let end =
                AttemptEnd::Failed { kind: FailureKind::Crash, code: Code(8212), text: "it broke", next };
            let answer = lost(store.end(&lease, &end, Some(6), now).await);
            let expected = model.held(&lease).map(|job| {
                let left = job.spent < job.budget;
                match next {
                    Next::TimeOut => job.end(ProofStatus::Timeout),
                    Next::Again { .. } | Next::Elsewhere(_) if job.unwanted => {
                        job.end(ProofStatus::Cancelled)
                    }
                    Next::Elsewhere(to) if left => {
                        job.again(now);
                        (job.source, job.lane, job.memory) = (to.backend, to.lane, to.memory_bytes);
                    }
                    Next::Again { after, memory_bytes } if left => {
                        job.again(now.after(after));
                        job.memory = memory_bytes.unwrap_or(job.memory);
                    }
                    _ => job.end(ProofStatus::Failed),
                }
                job.status
            });
            prop_assert_eq!(answer, expected);
        }
        Step::StopCancelled { lease } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            // A holder stops for this reason only if somebody asked for it.
            if model.held(&lease).is_some_and(|job| !job.unwanted) {
                return Ok(());
            }
            let answer = lost(store.end(&lease, &AttemptEnd::Cancelled, None, now).await);
            let held = model.held(&lease);
            prop_assert_eq!(answer.is_some(), held.is_some());
            if let Some(job) = held {
                job.end(ProofStatus::Cancelled);
            }
        }
        Step::Release { lease } => {
            let Some(lease) = model.lease(*lease) else { return Ok(()) };
            let answer = lost(store.end(&lease, &AttemptEnd::Released, None, now).await);
            let held = model.held(&lease);
            prop_assert_eq!(answer.is_some(), held.is_some());
            if let Some(job) = held {
                if job.unwanted {
                    job.end(ProofStatus::Cancelled);
                } else {
                    job.spent -= 1;
                    job.again(now);
                }
            }
        }
        Step::Cancel { job } => {
            let count = model.jobs.len();
            let Some(id) = model.jobs.keys().nth(count.saturating_sub(1 + job)).cloned() else {
                return Ok(());
            };
            let answer = store.ask_to_stop(JobId::parse(&id).unwrap()).await;
            let job = model.jobs.get_mut(&id).unwrap();
            if job.status.is_terminal() {
                prop_assert!(matches!(answer, Err(Error::StateRule { .. })), "{:?}", answer);
            } else {
                prop_assert!(answer.is_ok(), "{:?}", answer);
                job.unwanted = true;
                if job.held.is_none() {
                    job.end(ProofStatus::Cancelled);
                }
            }
        }
        Step::Sweep => {
            let swept = store.expire(now, LOST, PAUSES).await.unwrap();
            prop_assert_eq!(swept, model.sweep());
        }
    }
    Ok(())
}

/// The jobs that the records and the model have differently, with what happened to them, for a person who looks for the
/// reason.
async fn differences(store: &Store, model: &Model) -> String {
    let mut text = format!("now {}\n", model.now);
    for (id, expected) in &model.jobs {
        let id = JobId::parse(id).unwrap();
        let got = store.work_of(id).await.unwrap().unwrap();
        if (got.state == "claimed") == expected.held.is_some()
            && (got.state == "done") == expected.status.is_terminal()
        {
            continue;
        }
        text.push_str(&format!("model {expected:?}\nrecord {got:?}\n"));
        for event in store.events(id, 0).await.unwrap() {
            text.push_str(&format!("  {} {} {}\n", event.at, event.event, event.detail));
        }
    }
    text
}

/// Everything on record is as the model has it.
async fn compare(store: &Store, model: &Model) -> Result<(), TestCaseError> {
    prop_assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
    for (id, expected) in &model.jobs {
        let id = JobId::parse(id).unwrap();
        let job = store.job(id).await.unwrap();
        let work = store.work_of(id).await.unwrap().unwrap();
        let attempts = store.attempts_at(id).await.unwrap();
        prop_assert_eq!((job.proof_status, job.proof_source), (expected.status, expected.source), "{}", id);
        prop_assert_eq!((work.spent, attempts.len() as u32), (expected.spent, expected.attempts), "{}", id);
        let state = match (expected.status.is_terminal(), expected.held.is_some()) {
            (true, _) => "done",
            (false, true) => "claimed",
            (false, false) => "waiting",
        };
        prop_assert_eq!(work.state.as_str(), state, "{}", id);
        let proofs = attempts.iter().filter(|attempt| attempt.outcome.as_deref() == Some("verified")).count();
        prop_assert_eq!(proofs, usize::from(expected.status == ProofStatus::Verified), "{}", id);
        let open = attempts.iter().filter(|attempt| attempt.outcome.is_none()).count();
        prop_assert_eq!(open, usize::from(expected.held.is_some()), "{}", id);
        prop_assert!(
            (expected.status == ProofStatus::Verified) == (store.artefacts_of(id).await.unwrap().len() == 1)
        );
    }
    Ok(())
}

#[test]
fn the_queue_in_sqlite_does_what_its_model_does() {
    walk(Kind::Sqlite, 100_000);
}

#[cfg(feature = "postgres")]
#[test]
fn the_queue_in_postgresql_does_what_its_model_does() {
    walk(Kind::Postgres, 10_000);
}

fn walk(kind: Kind, in_a_long_run: usize) {
    let long = std::env::var("ASHLAR_TESTS").is_ok_and(|which| which == "long");
    let usual = if long { in_a_long_run } else { in_a_long_run / 5 };
    let wanted: usize =
        std::env::var("ASHLAR_MODEL_STEPS").ok().and_then(|steps| steps.parse().ok()).unwrap_or(usual);
    if Records::new(kind).is_none() {
        return;
    }
    let cases = wanted.div_ceil(STEPS_A_CASE).max(1);
    let config =
        Config { cases: cases as u32, max_shrink_iters: 64, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let taken = RefCell::new((0usize, BTreeMap::<&str, usize>::new()));
    let outcome = TestRunner::new(config).run(&prop::collection::vec(step(), STEPS_A_CASE), |steps| {
        runtime.block_on(async {
            let records = Records::new(kind).unwrap();
            let store = records.open().await;
            let mut model = Model::new();
            for (index, step) in steps.iter().enumerate() {
                if let Err(error) = take(&store, &mut model, step).await {
                    let differences = differences(&store, &model).await;
                    let told = format!("{error}\nin step {index}, {step:?}\n{differences}");
                    return Err(TestCaseError::fail(told));
                }
            }
            compare(&store, &model).await?;
            store.close().await;
            let mut taken = taken.borrow_mut();
            taken.0 += steps.len();
            for job in model.jobs.values() {
                *taken.1.entry(job.status.word()).or_default() += 1;
            }
            Ok(())
        })
    });
    if let Err(TestError::Fail(reason, steps)) = &outcome {
        panic!("{reason}\nof {} steps", steps.len());
    }
    outcome.unwrap();
    let (steps, ends) = taken.into_inner();
    assert!(steps >= wanted, "{steps}");
    // A test that never reaches an end has shown nothing about it.
    for end in ["verified", "failed", "timeout", "cancelled"] {
        assert!(ends.get(end).is_some_and(|count| *count > cases / 2), "{ends:?}");
    }
}
