//! A worker: claims what fits into its memory, lets the backend make it on a thread of its own, and records how it ended.
//!
//! | module | what it holds |
//! |---|---|
//! | `heartbeat` | the thread that keeps leases alive, passes on requests to cancel, and gives up what is lost |
//! | `chores` | the sweep for vanished holders, the scrub of artefacts, visits to the gate, work that has to move |

mod chores;
mod heartbeat;

use std::{
    collections::HashMap,
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use ashlar_fault::Fault as _;
use ashlar_stone::Memory;
use ashlar_store::{
    AttemptEnd, Claimant, Claimed, Destination, FailureKind, JobId, Lane, Moment, ProofStatus, WorkerState,
};
use serde::Serialize;
use tokio::sync::{mpsc, watch};

use self::{chores::Chores, heartbeat::Heartbeat};
use crate::{
    AttemptError, Ended, Engine, EngineError, Gate, Health, JobEngine as _, Order, Reins, Stop, Variables,
    attempt_error::is_hard,
    retry::{Failed, may_go_elsewhere, next},
};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerSettings {
    /// What it takes.
    pub lanes: Vec<Lane>,
    /// The memory that it may fill with work, in bytes.
    pub memory_bytes: u64,
    /// The most proofs that it makes at once.
    pub most_at_once: usize,
    /// The most proofs that it waits for at once while others make them.
    pub remote_at_once: usize,
    /// Where it brings proven allocations; without it they wait.
    pub gate: Option<Gate>,
    /// How often it looks for work.
    pub poll: Duration,
    /// How long what it holds may go on after it was asked to end.
    pub drain: Duration,
    /// How long a proof may take to stop after it was asked to.
    pub grace: Duration,
    /// How often it looks through the artefacts; zero for never.
    pub scrub: Duration,
    /// Polls without a claim, while there is work that fits, after which it is not well.
    pub stalled_polls: u64,
    /// The program that makes a proof in a process of its own, and what its arguments begin with.
    pub program: PathBuf,
    /// See `program`.
    pub arguments: Vec<OsString>,
    /// What such a process has in its environment besides what this one has.
    pub environment: Variables,
}

impl WorkerSettings {
    /// For a worker that makes proofs with this program.
    pub fn new(program: PathBuf, arguments: Vec<OsString>, memory_bytes: u64) -> WorkerSettings {
        WorkerSettings {
            lanes: vec![Lane::ProveSmall, Lane::ProveMedium, Lane::ProveLarge],
            memory_bytes,
            most_at_once: std::thread::available_parallelism().map_or(1, usize::from),
            remote_at_once: 8,
            gate: None,
            poll: Duration::from_millis(100),
            drain: Duration::from_secs(30),
            grace: Duration::from_secs(3),
            scrub: Duration::from_secs(6 * 60 * 60),
            stalled_polls: 100,
            program,
            arguments,
            environment: Variables::default(),
        }
    }
}

/// What a worker did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WorkerReport {
    /// Jobs that it took.
    pub claimed: u64,
    /// Jobs that ended with a proof.
    pub verified: u64,
    /// Attempts that ended otherwise.
    pub failed: u64,
    /// Jobs that it gave back because it was to end.
    pub released: u64,
}

/// A worker over an engine.
#[derive(Debug)]
pub struct Worker {
    engine: Engine,
    settings: WorkerSettings,
    name: String,
    health: Arc<Health>,
    /// How many proofs by others it may wait for now: none while their breaker is open, one while it is half open.
    remote_places: AtomicUsize,
}

/// What a worker holds.
#[derive(Debug)]
struct Held {
    claimed: Claimed,
    reins: Arc<Reins>,
    thread: Option<JoinHandle<()>>,
}

type Holds = Arc<Mutex<HashMap<JobId, Held>>>;

fn locked(holds: &Holds) -> std::sync::MutexGuard<'_, HashMap<JobId, Held>> {
    holds.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Worker {
    /// A worker. Its name is its host and the moment of this start, never used again.
    pub fn new(engine: Engine, settings: WorkerSettings) -> Worker {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let host = match host.trim() {
            "" => "host",
            host => host,
        };
        let name = format!("{host}-{}", ulid::Ulid::new());
        let health = Arc::new(Health::new(settings.stalled_polls));
        let remote_places = AtomicUsize::new(settings.remote_at_once);
        Worker { engine, settings, name, health, remote_places }
    }

    /// Its name in the records.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is, for health checks.
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Works until `stop` turns true (or its sender is gone) and everything that it holds is over: finished within the
    /// time to drain, or stopped and given back.
    ///
    /// # Errors
    /// Of the records. What it holds is stopped first, so that no process is left behind.
    pub async fn run(self, mut stop: watch::Receiver<bool>) -> Result<WorkerReport, EngineError> {
        self.engine.watched().add(&self.health);
        let holds: Holds = Arc::default();
        let heartbeat = Heartbeat::start(&self.engine, Arc::clone(&holds));
        let mut chores = Chores::new(&self.settings);
        let outcome = self.work(&holds, &mut chores, &mut stop).await;
        chores.leave_the_gate().await;
        // Whatever went wrong, no process is left behind.
        let threads: Vec<JoinHandle<()>> = {
            let mut holds = locked(&holds);
            holds.values().for_each(|held| held.reins.stop(Stop::Lost));
            holds.drain().filter_map(|(_, held)| held.thread).collect()
        };
        let _ =
            tokio::task::spawn_blocking(move || threads.into_iter().for_each(|thread| drop(thread.join())))
                .await;
        heartbeat.stop();
        let state = WorkerState::Stopped;
        let bid = self.engine.store().greet_worker(
            &self.name,
            state,
            self.settings.memory_bytes,
            &self.settings.lanes,
            self.engine.now(),
        );
        let told = bid.await;
        let report = outcome?;
        told?;
        Ok(report)
    }

    async fn work(
        &self,
        holds: &Holds,
        chores: &mut Chores,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<WorkerReport, EngineError> {
        let (ended, mut endings) = mpsc::unbounded_channel::<(JobId, Ended)>();
        let mut report = WorkerReport::default();
        let mut draining_since: Option<Moment> = None;
        let mut stopped = false;
        loop {
            let now = self.engine.now();
            bear(chores.due(self, draining_since.is_some(), now).await)?;
            match draining_since {
                None => bear(self.fill(holds, &ended, &mut report).await)?,
                Some(since) => {
                    let held = locked(holds);
                    if held.is_empty() {
                        return Ok(report);
                    }
                    if now.since(since) >= self.settings.drain {
                        held.values().for_each(|held| held.reins.stop(Stop::Drained));
                    }
                }
            }
            tokio::select! {
                Some((job, outcome)) = endings.recv() => {
                    // What could not be recorded is lost work: its lease runs out, and it is done again.
                    bear(self.conclude(holds, job, outcome, &mut report).await)?;
                }
                changed = stop.changed(), if !stopped => {
                    stopped = changed.is_err() || *stop.borrow();
                    if stopped {
                        draining_since = Some(self.engine.now());
                    }
                }
                () = tokio::time::sleep(self.settings.poll) => {}
            }
        }
    }

    /// Takes jobs until nothing fits any more.
    async fn fill(
        &self,
        holds: &Holds,
        ended: &mpsc::UnboundedSender<(JobId, Ended)>,
        report: &mut WorkerReport,
    ) -> Result<(), EngineError> {
        loop {
            let (count, remote, reserved) = {
                let held = locked(holds);
                let remote = held.values().filter(|held| is_remote(held.claimed.work.lane)).count();
                (held.len(), remote, held.values().map(|held| held.claimed.work.memory_bytes).sum::<u64>())
            };
            let now = self.engine.now();
            self.health.polled_at.store(now.milliseconds(), Ordering::Relaxed);
            // What others make is bounded by how many may be waited for, not by what this machine has.
            let here = count - remote < self.settings.most_at_once;
            let elsewhere = remote < self.remote_places.load(Ordering::Relaxed);
            let takes = |lane: &Lane| if is_remote(*lane) { elsewhere } else { here };
            let lanes: Vec<Lane> = self.settings.lanes.iter().copied().filter(takes).collect();
            if lanes.is_empty() {
                self.health.stalled.store(0, Ordering::Relaxed);
                return Ok(());
            }
            let mut free_bytes = self.settings.memory_bytes.saturating_sub(reserved);
            if count > 0 {
                // What others use is not there for us. Alone, a worker tries: nothing it waits for would come.
                free_bytes = free_bytes.min(Memory::now().map_or(u64::MAX, |memory| memory.available));
            }
            let settings = self.engine.settings();
            let claimant = Claimant {
                worker: &self.name,
                lanes: &lanes,
                free_bytes,
                total_bytes: self.settings.memory_bytes,
                lease: settings.lease,
                patience: settings.patience,
            };
            let Some(claimed) = self.engine.store().claim(&claimant, now).await? else {
                return self.watch_for_stalls(count, &lanes, now).await;
            };
            self.health.claims.fetch_add(1, Ordering::Relaxed);
            self.health.stalled.store(0, Ordering::Relaxed);
            report.claimed += 1;
            self.start(holds, ended, claimed, now);
        }
    }

    /// Counts polls of an idle worker without a claim although there is work that it could take.
    async fn watch_for_stalls(&self, held: usize, lanes: &[Lane], now: Moment) -> Result<(), EngineError> {
        let stalled =
            held == 0 && self.engine.store().has_ready_work(lanes, self.settings.memory_bytes, now).await?;
        if stalled {
            self.health.stalled.fetch_add(1, Ordering::Relaxed);
        } else {
            self.health.stalled.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Lets the backend make a claimed job, on a thread of its own.
    fn start(
        &self,
        holds: &Holds,
        ended: &mpsc::UnboundedSender<(JobId, Ended)>,
        claimed: Claimed,
        now: Moment,
    ) {
        let reins = Arc::new(Reins::default());
        let order = Order {
            lease: claimed.lease,
            program: self.settings.program.clone(),
            arguments: self.settings.arguments.clone(),
            environment: self.settings.environment.clone(),
            time: claimed.deadline.since(now),
            memory_bytes: claimed.work.memory_bytes,
            grace: self.settings.grace,
        };
        let (job, backend) = (claimed.lease.job, claimed.backend);
        locked(holds).insert(job, Held { claimed, reins: Arc::clone(&reins), thread: None });
        let (engine, tell) = (self.engine.clone(), ended.clone());
        let thread = std::thread::Builder::new().name(format!("make {job}")).spawn(move || {
            let outcome = match engine.backend(backend) {
                Some(backend) => backend.make(&order, &reins),
                None => Ended::by(&AttemptError::NotStarted(std::io::Error::other("no such backend here"))),
            };
            let _ = tell.send((job, outcome));
        });
        match thread {
            Ok(thread) => {
                if let Some(held) = locked(holds).get_mut(&job) {
                    held.thread = Some(thread);
                }
            }
            Err(error) => {
                let _ = ended.send((job, Ended::by(&AttemptError::NotStarted(error))));
            }
        }
    }

    /// Records how an attempt ended.
    async fn conclude(
        &self,
        holds: &Holds,
        job: JobId,
        outcome: Ended,
        report: &mut WorkerReport,
    ) -> Result<(), EngineError> {
        let Some(held) = locked(holds).remove(&job) else { return Ok(()) };
        if let Some(thread) = held.thread {
            // It has sent its outcome, which is the last thing it does.
            let _ = thread.join();
        }
        let (lease, peak) = (held.claimed.lease, held.reins.peak_bytes());
        let store = self.engine.store();
        let recorded = match outcome {
            Ended::Stopped(Stop::Cancelled) => {
                store.end(&lease, &AttemptEnd::Cancelled, peak, self.engine.now()).await
            }
            Ended::Stopped(Stop::Drained) => {
                report.released += 1;
                store.end(&lease, &AttemptEnd::Released, peak, self.engine.now()).await
            }
            Ended::Stopped(Stop::Lost) => return Ok(()),
            Ended::Well => {
                if store.job(job).await?.proof_status == ProofStatus::Verified {
                    report.verified += 1;
                    return Ok(());
                }
                // It said that it was done, and recorded nothing.
                let error = AttemptError::NoResult { status: 0, last_words: String::new() };
                report.failed += 1;
                self.failed(&held.claimed, error.kind(), error.code(), &error.to_string(), None, peak).await?
            }
            Ended::Failed { kind, code, text, needs_bytes } => {
                report.failed += 1;
                self.failed(&held.claimed, kind, code, &text, needs_bytes, peak).await?
            }
        };
        match recorded {
            Ok(_) => Ok(()),
            // Somebody else has it by now, or it is over: what this attempt came to does not count.
            Err(ashlar_store::Error::LostLease { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Records a failure, with what becomes of the job.
    async fn failed(
        &self,
        claimed: &Claimed,
        kind: FailureKind,
        code: ashlar_fault::Code,
        text: &str,
        needs_bytes: Option<u64>,
        peak: Option<u64>,
    ) -> Result<Result<ProofStatus, ashlar_store::Error>, EngineError> {
        let store = self.engine.store();
        let lease = &claimed.lease;
        if store.is_cancel_requested(lease.job).await? {
            return Ok(store.end(lease, &AttemptEnd::Cancelled, peak, self.engine.now()).await);
        }
        let most = self.engine.settings().memory_bytes;
        let hard = is_hard(code);
        let elsewhere = match may_go_elsewhere(kind) && !hard {
            true => self.alternative(claimed, kind, text).await?,
            false => None,
        };
        let now = self.engine.now();
        let failed = Failed {
            kind,
            hard,
            needs_bytes: needs_bytes.filter(|bytes| *bytes <= most),
            had_bytes: claimed.work.memory_bytes,
            elsewhere,
            pause: self.engine.settings().pauses.after(claimed.work.spent),
        };
        let next = next(&failed);
        Ok(store.end(lease, &AttemptEnd::Failed { kind, code, text, next }, peak, now).await)
    }

    /// Who else would take a job, and why; the decision is recorded.
    async fn alternative(
        &self,
        claimed: &Claimed,
        kind: FailureKind,
        text: &str,
    ) -> Result<Option<Destination>, EngineError> {
        let job = claimed.lease.job;
        let first_line = text.lines().next().unwrap_or_default();
        let failed = (claimed.backend, format!("{kind}: {first_line}"));
        let Some(routing) = self.engine.reroute(job, Some(failed)).await? else { return Ok(None) };
        let Some(to) = self.engine.destination(&routing) else { return Ok(None) };
        self.engine.store().note(job, "route", &serde_json::json!(routing)).await?;
        Ok(Some(to))
    }
}

/// Whether a lane is for proofs that others make.
fn is_remote(lane: Lane) -> bool {
    match lane {
        Lane::RemoteAtlantic => true,
        Lane::ProveSmall | Lane::ProveMedium | Lane::ProveLarge | Lane::ProveExternal => false,
    }
}

/// A worker outlives what passes: a database that restarts, or is held by others for long. It tries again at the next
/// poll; what it holds goes on as long as its lease.
fn bear(outcome: Result<(), EngineError>) -> Result<(), EngineError> {
    match outcome {
        Err(EngineError::Store(error)) if error.may_pass() => Ok(()),
        outcome => outcome,
    }
}

/// A flag that a thread looks at.
type Flag = Arc<AtomicBool>;
