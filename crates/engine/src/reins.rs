//! What the heartbeat and the maker of a proof say to each other: how far it is, and that it is to stop.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU8, AtomicU64, Ordering},
};

use serde_json::Value;

/// Why an attempt is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody asked for the job to be cancelled.
    Cancelled,
    /// The worker is to end; the job goes back to the queue.
    Drained,
    /// The lease is lost: whatever comes of it does not count.
    Lost,
}

/// Shared by the maker of a proof and whoever watches over it.
#[derive(Debug, Default)]
pub struct Reins {
    stop: AtomicU8,
    peak_bytes: AtomicU64,
    progress: Mutex<(u64, Option<Value>)>,
}

impl Reins {
    /// Asks for the attempt to be stopped. A lost lease overrules other reasons; otherwise the first one counts.
    pub fn stop(&self, why: Stop) {
        let word = match why {
            Stop::Cancelled => 1,
            Stop::Drained => 2,
            Stop::Lost => 3,
        };
        let _ = self
            .stop
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |old| (old == 0 || word == 3).then_some(word));
    }

    /// Why the attempt is to stop, if it is.
    pub fn stopped(&self) -> Option<Stop> {
        match self.stop.load(Ordering::SeqCst) {
            1 => Some(Stop::Cancelled),
            2 => Some(Stop::Drained),
            3 => Some(Stop::Lost),
            _ => None,
        }
    }

    /// Tells that so much memory is, or was, in use.
    pub fn saw_memory(&self, bytes: u64) {
        self.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
    }

    /// The most memory that was seen, in bytes; `None` if none was.
    pub fn peak_bytes(&self) -> Option<u64> {
        Some(self.peak_bytes.load(Ordering::Relaxed)).filter(|bytes| *bytes > 0)
    }

    /// Tells how far it is.
    pub fn say(&self, progress: Value) {
        let mut said = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *said = (said.0 + 1, Some(progress));
    }

    /// What was said last, if it was said after the `seen`th time; and the number of times.
    pub fn said_since(&self, seen: u64) -> (u64, Option<Value>) {
        let said = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        (said.0, if said.0 > seen { said.1.clone() } else { None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_to_stop_counts_and_a_lost_lease_overrules_it() {
        let reins = Reins::default();
        assert_eq!(reins.stopped(), None);
        reins.stop(Stop::Cancelled);
        reins.stop(Stop::Drained);
        assert_eq!(reins.stopped(), Some(Stop::Cancelled));
        reins.stop(Stop::Lost);
        reins.stop(Stop::Cancelled);
        assert_eq!(reins.stopped(), Some(Stop::Lost));
    }
}
