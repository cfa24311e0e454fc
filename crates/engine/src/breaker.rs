//! A circuit breaker: a backend that keeps failing is left alone for a while, then tried with one job.

use std::time::Duration;

use ashlar_store::Moment;
use serde::{Deserialize, Serialize};

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct BreakerPolicy {
    /// Failures in a row that open it.
    pub failures: u32,
    /// Seconds for which it stays open.
    pub open_seconds: u64,
}

impl Default for BreakerPolicy {
    fn default() -> BreakerPolicy {
        BreakerPolicy { failures: 3, open_seconds: 60 }
    }
}

/// What is remembered of a backend: its failures in a row. The records hold them, so every process sees the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Breaker {
    /// Failures of the backend itself since its last success.
    pub failures: u32,
    /// When the last of them was.
    pub last: Option<Moment>,
}

impl From<(u32, Option<Moment>)> for Breaker {
    fn from((failures, last): (u32, Option<Moment>)) -> Breaker {
        Breaker { failures, last }
    }
}

impl Breaker {
    /// Until when the backend is left alone; `None` if it may be tried.
    ///
    /// Once the time is over the breaker is half open: the next failure, being one more in a row, opens it again at
    /// once, and the next success closes it.
    pub fn open_until(&self, policy: &BreakerPolicy, now: Moment) -> Option<Moment> {
        let last = self.last?;
        if self.failures < policy.failures.max(1) {
            return None;
        }
        let until = last.after(Duration::from_secs(policy.open_seconds));
        (now < until).then_some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_milliseconds(seconds * 1000)
    }

    #[test]
    fn a_breaker_opens_at_its_threshold_for_its_time_and_no_longer() {
        let policy = BreakerPolicy { failures: 3, open_seconds: 60 };
        for (failures, now, open) in [
            (0, 100, false),
            (2, 100, false),
            (3, 100, true),
            (3, 159, true),
            (3, 160, false),
            // One more failure in the half-open state opens it again at once.
            (4, 101, true),
        ] {
            let breaker = Breaker { failures, last: Some(at(100)) };
            assert_eq!(breaker.open_until(&policy, at(now)).is_some(), open, "{failures} {now}");
        }
        assert_eq!(Breaker::default().open_until(&policy, at(0)), None);
    }

    #[test]
    fn a_threshold_of_zero_is_one() {
        let policy = BreakerPolicy { failures: 0, open_seconds: 60 };
        assert_eq!(Breaker { failures: 0, last: Some(at(1)) }.open_until(&policy, at(1)), None);
        assert!(Breaker { failures: 1, last: Some(at(1)) }.open_until(&policy, at(1)).is_some());
    }
}
