//! What every worker does besides its work: it says that it is there, takes back what vanished holders held, raises what
//! waits long, moves what waits for a service that is left alone, brings proven allocations to the gate, and looks whether
//! the artefacts are what they were.

use std::{sync::atomic::Ordering, time::Duration};

use ashlar_store::{Lane, Moment, ProofSource, WorkerState};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{Worker, WorkerSettings};
use crate::{Breaker, EngineError, JobEngine as _, attempt_error::LOST};

/// How often a worker says that it is there.
const GREETING: Duration = Duration::from_secs(5);

/// How often it looks for holders that vanished.
const SWEEP: Duration = Duration::from_secs(1);

/// How often work that waits for a service that is left alone is looked at.
const MOVES: Duration = Duration::from_secs(5);

/// How much of it at once.
const MOVED_AT_ONCE: u32 = 200;

/// When each chore was last done.
#[derive(Debug)]
pub(super) struct Chores {
    greeted: Option<(Moment, WorkerState)>,
    swept: Option<Moment>,
    scrubbed: Option<Moment>,
    moved: Option<Moment>,
    scrub: Duration,
    at_the_gate: Option<JoinHandle<()>>,
}

impl Chores {
    pub(super) fn new(settings: &WorkerSettings) -> Chores {
        Chores {
            greeted: None,
            swept: None,
            scrubbed: None,
            moved: None,
            scrub: settings.scrub,
            at_the_gate: None,
        }
    }

    /// Does what is due.
    pub(super) async fn due(
        &mut self,
        worker: &Worker,
        draining: bool,
        now: Moment,
    ) -> Result<(), EngineError> {
        let store = worker.engine.store();
        let state = if draining { WorkerState::Draining } else { WorkerState::Working };
        if self.greeted.is_none_or(|(at, said)| said != state || now.since(at) >= GREETING) {
            let settings = &worker.settings;
            store.greet_worker(&worker.name, state, settings.memory_bytes, &settings.lanes, now).await?;
            self.greeted = Some((now, state));
        }
        if self.swept.is_none_or(|at| now.since(at) >= SWEEP) {
            store.expire(now, LOST, worker.engine.settings().pauses).await?;
            store.raise_patient_work(now, worker.engine.settings().raise_after).await?;
            self.look_after_services(worker, now).await?;
            self.swept = Some(now);
        }
        if !draining {
            self.visit_the_gate(worker);
        }
        // The first scrub comes after the first pause: a worker that is started often does not begin with it.
        let last = *self.scrubbed.get_or_insert(now);
        if !self.scrub.is_zero() && !draining && now.since(last) >= self.scrub {
            self.scrubbed = Some(now);
            let damaged = store.scrub().await?;
            worker.health.damaged.store(damaged.len() as u64, Ordering::Relaxed);
            for (job, sha256) in damaged {
                store.note(job, "damaged", &json!({ "sha256": sha256 })).await?;
            }
        }
        Ok(())
    }

    /// Sees how the managed service is: while its breaker is open nothing is taken for it, and what waits for it goes to
    /// others where the policy has any; while it is half open, one job tries.
    async fn look_after_services(&mut self, worker: &Worker, now: Moment) -> Result<(), EngineError> {
        if !worker.settings.lanes.contains(&Lane::RemoteAtlantic) {
            return Ok(());
        }
        let (engine, policy) = (&worker.engine, &worker.engine.policy().breaker);
        let breaker = Breaker::from(engine.store().troubles_with(ProofSource::Atlantic).await?);
        let open = breaker.open_until(policy, now).is_some();
        let places = match (open, breaker.has_tripped(policy)) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => worker.settings.remote_at_once,
        };
        worker.remote_places.store(places, Ordering::Relaxed);
        if !open || self.moved.is_some_and(|at| now.since(at) < MOVES) {
            return Ok(());
        }
        self.moved = Some(now);
        for job in engine.store().waiting_in(Lane::RemoteAtlantic, MOVED_AT_ONCE).await? {
            let Some(routing) = engine.reroute(job, None).await? else { continue };
            let Some(to) = engine.destination(&routing).filter(|to| to.backend != ProofSource::Atlantic)
            else {
                continue;
            };
            engine.store().move_waiting(job, ProofSource::Atlantic, &to, &json!(routing), now).await?;
        }
        Ok(())
    }

    /// Brings what is due to the gate, one proof at a time, beside everything else: it is verified again there, and whoever
    /// executes may take a while.
    fn visit_the_gate(&mut self, worker: &Worker) {
        let Some(gate) = &worker.settings.gate else { return };
        if self.at_the_gate.as_ref().is_some_and(|visit| !visit.is_finished()) {
            return;
        }
        let (gate, engine) = (gate.clone(), worker.engine.clone());
        self.at_the_gate = Some(tokio::spawn(async move {
            // A visit that could not be recorded is due again.
            while let Ok(Some(_)) = gate.visit(&engine).await {}
        }));
    }

    /// Waits until a visit that was begun is over.
    pub(super) async fn leave_the_gate(&mut self) {
        if let Some(visit) = self.at_the_gate.take() {
            let _ = visit.await;
        }
    }
}
