//! How the workers of this process are, for health checks.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ashlar_store::Moment;

/// How long a worker may not look for work.
const SILENCE: Duration = Duration::from_secs(30);

/// How one worker is. Shared with whoever asks.
#[derive(Debug)]
pub struct Health {
    pub(crate) polled_at: AtomicU64,
    pub(crate) claims: AtomicU64,
    pub(crate) stalled: AtomicU64,
    pub(crate) damaged: AtomicU64,
    /// Polls without a claim, while there is work that fits, after which it is not well.
    most_stalled: u64,
}

impl Health {
    pub(crate) fn new(most_stalled: u64) -> Health {
        Health {
            polled_at: AtomicU64::new(0),
            claims: AtomicU64::new(0),
            stalled: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            most_stalled,
        }
    }

    /// When it last looked for work; `None` before the first time.
    pub fn polled_at(&self) -> Option<Moment> {
        Some(self.polled_at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Moment::from_milliseconds)
    }

    /// How many jobs it has taken.
    pub fn claims(&self) -> u64 {
        self.claims.load(Ordering::Relaxed)
    }

    /// Artefacts that the last scrub found missing or changed.
    pub fn damaged_artefacts(&self) -> u64 {
        self.damaged.load(Ordering::Relaxed)
    }

    /// What is wrong with it, if anything is.
    pub fn trouble(&self, now: Moment) -> Option<Trouble> {
        if self.polled_at().is_some_and(|at| now.since(at) >= SILENCE) {
            Some(Trouble::Silent)
        } else if self.stalled.load(Ordering::Relaxed) >= self.most_stalled {
            Some(Trouble::Stalled)
        } else {
            None
        }
    }
}

/// What can be wrong with a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// It does not look for work.
    #[error("the worker of this process has not looked for work for half a minute")]
    Silent,
    /// It takes nothing although there is work that it could take.
    #[error("the worker of this process takes no work although there is some")]
    Stalled,
}

/// The workers of this process, as long as they work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watched(Arc<Mutex<Vec<Weak<Health>>>>);

impl Watched {
    pub(crate) fn add(&self, health: &Arc<Health>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(health));
    }

    /// Of those that still work.
    pub(crate) fn all(&self) -> Vec<Arc<Health>> {
        let mut watched = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        watched.retain(|health| health.strong_count() > 0);
        watched.iter().filter_map(Weak::upgrade).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_takes_nothing_or_says_nothing_is_not_well() {
        let now = Moment::from_milliseconds(1_000_000);
        let health = Health::new(3);
        assert_eq!(health.trouble(now), None, "it has just begun");
        health.polled_at.store(now.milliseconds(), Ordering::Relaxed);
        assert_eq!(health.trouble(now.after(SILENCE - Duration::from_millis(1))), None);
        assert_eq!(health.trouble(now.after(SILENCE)), Some(Trouble::Silent));
        health.stalled.store(2, Ordering::Relaxed);
        assert_eq!(health.trouble(now), None);
        health.stalled.store(3, Ordering::Relaxed);
        assert_eq!(health.trouble(now), Some(Trouble::Stalled));
    }

    #[test]
    fn a_worker_that_has_ended_is_not_watched_any_more() {
        let watched = Watched::default();
        let health = Arc::new(Health::new(3));
        watched.add(&health);
        assert_eq!(watched.all().len(), 1);
        drop(health);
        assert_eq!(watched.all().len(), 0);
    }
}
