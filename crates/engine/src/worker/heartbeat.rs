//! The thread that keeps leases alive. It has a runtime of its own, so that nothing that a worker waits for can keep it
//! from saying that the worker is alive.

use std::{sync::Arc, sync::atomic::Ordering, thread::JoinHandle, time::Duration};

use ashlar_store::{JobId, Lease, Moment, Renewed};
use serde_json::Value;

use super::{Flag, Holds, locked};
use crate::{Engine, JobEngine as _, Reins, Stop};

/// How often the records are asked whether somebody wants a job to be stopped.
const GLANCE: Duration = Duration::from_millis(500);

/// How often progress is written down.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// The running thread.
#[derive(Debug)]
pub(super) struct Heartbeat {
    over: Flag,
    thread: Option<JoinHandle<()>>,
}

/// What the thread remembers of a lease.
#[derive(Clone, Copy, Debug)]
struct Pulse {
    job: JobId,
    renewed: Moment,
    seen: u64,
}

impl Heartbeat {
    pub(super) fn start(engine: &Engine, holds: Holds) -> Heartbeat {
        let over = Flag::default();
        let (engine, watched) = (engine.clone(), Arc::clone(&over));
        let thread = std::thread::Builder::new()
            .name("heartbeat".to_owned())
            .spawn(move || {
                // Without a runtime nothing is renewed: every lease runs out, and the jobs go to others.
                let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                    return;
                };
                runtime.block_on(async {
                    // A connection belongs to the runtime that made it, and would wait where that one waits.
                    let Ok(engine) = engine.reconnected() else { return };
                    beat(&engine, &holds, &watched).await;
                });
            })
            .ok();
        Heartbeat { over, thread }
    }

    /// Ends the thread.
    pub(super) fn stop(mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

async fn beat(engine: &Engine, holds: &Holds, over: &Flag) {
    let lease_time = engine.settings().lease;
    let glance = GLANCE.min(lease_time / 4);
    let mut pulses: Vec<Pulse> = Vec::new();
    while !over.load(Ordering::SeqCst) {
        let held: Vec<(Lease, Arc<Reins>, Moment)> = locked(holds)
            .values()
            .map(|held| {
                let claimed_until = held.claimed.work.lease_until.unwrap_or(held.claimed.deadline);
                (held.claimed.lease, Arc::clone(&held.reins), claimed_until)
            })
            .collect();
        pulses.retain(|pulse| held.iter().any(|(lease, ..)| lease.job == pulse.job));
        for (lease, reins, _) in &held {
            if !pulses.iter().any(|pulse| pulse.job == lease.job) {
                pulses.push(Pulse { job: lease.job, renewed: engine.now(), seen: 0 });
            }
            let Some(pulse) = pulses.iter_mut().find(|pulse| pulse.job == lease.job) else { continue };
            one(engine, lease, reins, pulse, lease_time).await;
        }
        tokio::time::sleep(glance).await;
    }
}

/// Looks after one lease.
async fn one(engine: &Engine, lease: &Lease, reins: &Reins, pulse: &mut Pulse, lease_time: Duration) {
    let now = engine.now();
    let since = now.since(pulse.renewed);
    let (said, progress): (u64, Option<Value>) = reins.said_since(pulse.seen);
    let news = progress.is_some() && since >= PROGRESS_EVERY;
    let answer = if news || since >= lease_time / 4 {
        let until = now.after(lease_time);
        let renewed = engine.store().extend(lease, now, until, progress.as_ref(), reins.peak_bytes()).await;
        if matches!(renewed, Ok(Renewed::GoOn | Renewed::Stop)) {
            *pulse = Pulse { renewed: now, seen: said, ..*pulse };
        }
        renewed
    } else {
        engine.store().look(lease).await
    };
    match answer {
        Ok(Renewed::GoOn) => {}
        Ok(Renewed::Stop) => reins.stop(Stop::Cancelled),
        Ok(Renewed::Lost) => reins.stop(Stop::Lost),
        // The records cannot be reached. Once the lease must have run out, somebody else may have the job.
        Err(_) if engine.now().since(pulse.renewed) >= lease_time => reins.stop(Stop::Lost),
        Err(_) => {}
    }
}
