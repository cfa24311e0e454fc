//! Time that tests can replace.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A clock that goes forward, and a way to wait by it.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment.
    fn now(&self) -> Duration;

    /// Waits. May return early, when something is known to have happened that is worth looking at.
    fn pause(&self, length: Duration);
}

/// The machine's clock. Clones share their alarm.
#[derive(Clone, Debug)]
pub struct SystemClock {
    origin: Instant,
    alarm: Arc<(Mutex<u64>, Condvar)>,
}

impl Default for SystemClock {
    fn default() -> SystemClock {
        SystemClock { origin: Instant::now(), alarm: Arc::default() }
    }
}

impl SystemClock {
    /// Ends every pause that is going on: a webhook has come, or the program is to stop.
    pub fn wake(&self) {
        let (rung, bell) = &*self.alarm;
        let mut rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        *rung = rung.wrapping_add(1);
        bell.notify_all();
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    fn pause(&self, length: Duration) {
        let (rung, bell) = &*self.alarm;
        let rung = rung.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *rung;
        // Woken or not, the caller looks again: which of the two it was does not matter.
        drop(bell.wait_timeout_while(rung, length, |rung| *rung == before));
    }
}

/// How often and how long to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause; each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// All attempts together end within this.
    pub total: Duration,
}

impl Default for Backoff {
    /// 2 s, doubled up to 30 s, 120 s in all.
    fn default() -> Backoff {
        Backoff {
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30),
            total: Duration::from_secs(120),
        }
    }
}

/// One sequence of attempts.
pub(crate) struct Attempts<'a> {
    clock: &'a dyn Clock,
    backoff: Backoff,
    began: Duration,
    next: Duration,
    pub(crate) count: u32,
}

impl<'a> Attempts<'a> {
    pub(crate) fn new(clock: &'a dyn Clock, backoff: Backoff) -> Attempts<'a> {
        Attempts { clock, backoff, began: clock.now(), next: backoff.first, count: 0 }
    }

    pub(crate) fn waited(&self) -> Duration {
        self.clock.now().saturating_sub(self.began)
    }

    /// Pauses before another attempt; `false` if the time for all of them does not allow it.
    pub(crate) fn pause(&mut self) -> bool {
        if self.waited() + self.next > self.backoff.total {
            return false;
        }
        self.clock.pause(self.next);
        self.next = (self.next * 2).min(self.backoff.longest);
        true
    }
}

/// How often a query is looked at: often while things happen, seldom while nothing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    /// The pause after something has changed.
    pub shortest: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// When to give up.
    pub deadline: Duration,
    /// How long looks may fail in a row.
    pub outage: Duration,
}

impl Polling {
    /// 5 s to 60 s, outages of ten minutes endured, for at most `deadline`.
    pub fn until(deadline: Duration) -> Polling {
        Polling {
            shortest: Duration::from_secs(5),
            longest: Duration::from_secs(60),
            deadline,
            outage: Duration::from_secs(600),
        }
    }

    /// The pause after one of this length in which nothing changed: a quarter longer.
    pub fn after(&self, pause: Duration) -> Duration {
        (pause + pause / 4).clamp(self.shortest, self.longest.max(self.shortest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_ends_a_pause() {
        let clock = SystemClock::default();
        let other = clock.clone();
        let sleeper = std::thread::spawn(move || other.pause(Duration::from_secs(3600)));
        while !sleeper.is_finished() {
            clock.wake();
            std::thread::yield_now();
        }
        sleeper.join().unwrap();
    }

    #[test]
    fn pauses_grow_to_a_minute_and_no_further() {
        let polling = Polling::until(Duration::from_secs(7200));
        let pauses: Vec<Duration> =
            std::iter::successors(Some(polling.shortest), |pause| Some(polling.after(*pause)))
                .take(20)
                .collect();
        assert_eq!(pauses.first(), Some(&Duration::from_secs(5)));
        assert_eq!(pauses.last(), Some(&Duration::from_secs(60)));
        assert!(pauses.is_sorted());
        // A query of 66 minutes takes fewer than 100 looks.
        let mut time = Duration::ZERO;
        let looks = std::iter::successors(Some(polling.shortest), |pause| Some(polling.after(*pause)))
            .take_while(|pause| {
                time += *pause;
                time < Duration::from_secs(66 * 60)
            })
            .count();
        assert!(looks < 100, "{looks}");
    }
}
