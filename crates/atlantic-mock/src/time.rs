//! Clocks by which 66 minutes pass at once, or a thousand times as fast.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use ashlar_atlantic::Clock;

/// A clock that stands still until somebody waits by it, and then jumps. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct FakeClock(Arc<Mutex<Duration>>);

impl FakeClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, length: Duration) {
        self.advance(length);
    }
}

/// A clock that goes faster than the machine's, for programs that wait by threads of their own.
#[derive(Clone, Debug)]
pub struct FastClock {
    origin: Instant,
    factor: u32,
}

impl FastClock {
    /// A clock that goes `factor` times as fast.
    pub fn new(factor: u32) -> FastClock {
        FastClock { origin: Instant::now(), factor: factor.max(1) }
    }
}

impl Clock for FastClock {
    fn now(&self) -> Duration {
        self.origin.elapsed().saturating_mul(self.factor)
    }

    fn pause(&self, length: Duration) {
        std::thread::sleep(length / self.factor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fake_clock_moves_only_when_somebody_waits() {
        let clock = FakeClock::default();
        let same = clock.clone();
        assert_eq!(clock.now(), Duration::ZERO);
        same.pause(Duration::from_secs(3600));
        assert_eq!(clock.now(), Duration::from_secs(3600));
    }
}
