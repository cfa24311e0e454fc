//! What every worker does besides its work: it says that it is there, takes back what vanished holders held, and looks
//! whether the artefacts are what they were.

use std::{sync::atomic::Ordering, time::Duration};

use ashlar_store::{Moment, WorkerState};
use serde_json::json;

use super::{Worker, WorkerSettings};
use crate::{EngineError, JobEngine as _, attempt_error::LOST};

/// How often a worker says that it is there.
const GREETING: Duration = Duration::from_secs(5);

/// How often it looks for holders that vanished.
const SWEEP: Duration = Duration::from_secs(1);

/// When each chore was last done.
#[derive(Debug)]
pub(super) struct Chores {
    greeted: Option<(Moment, WorkerState)>,
    swept: Option<Moment>,
    scrubbed: Option<Moment>,
    scrub: Duration,
}

impl Chores {
    pub(super) fn new(settings: &WorkerSettings) -> Chores {
        Chores { greeted: None, swept: None, scrubbed: None, scrub: settings.scrub }
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
            self.swept = Some(now);
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
}
