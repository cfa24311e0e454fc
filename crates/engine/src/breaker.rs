//! A circuit breaker: a backend that keeps failing is left alone for a while, then tried with one job.

use std::time::Duration;

use ashlar_store::{Moment, Troubles};
use serde::{Deserialize, Serialize};

use crate::attempt_error::is_grave;

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
    /// Whether one of them was of a kind that time does not mend: a key that is not accepted, no credits, a contract that
    /// has changed, a proof that is none. It opens the breaker alone.
    pub grave: bool,
    /// When the last of them was.
    pub last: Option<Moment>,
}

impl From<Troubles> for Breaker {
    fn from(troubles: Troubles) -> Breaker {
        Breaker {
            failures: u32::try_from(troubles.codes.len()).unwrap_or(u32::MAX),
            grave: troubles.codes.iter().flatten().any(|code| is_grave(code)),
            last: troubles.last,
        }
    }
}

impl Breaker {
    /// Whether it has failed so often, or so badly, that it was or is left alone.
    pub fn has_tripped(&self, policy: &BreakerPolicy) -> bool {
        self.grave || self.failures >= policy.failures.max(1)
    }

    /// Until when the backend is left alone; `None` if it may be tried.
    ///
    /// Once the time is over the breaker is half open: the next failure, being one more in a row, opens it again at
    /// once, and the next success closes it.
    pub fn open_until(&self, policy: &BreakerPolicy, now: Moment) -> Option<Moment> {
        let last = self.last.filter(|_| self.has_tripped(policy))?;
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
            let breaker = Breaker { failures, grave: false, last: Some(at(100)) };
            assert_eq!(breaker.open_until(&policy, at(now)).is_some(), open, "{failures} {now}");
        }
        assert_eq!(Breaker::default().open_until(&policy, at(0)), None);
    }

    #[test]
    fn one_failure_that_time_does_not_mend_opens_a_breaker() {
        let policy = BreakerPolicy { failures: 3, open_seconds: 60 };
        for (code, open) in [("ASH-8114", true), ("ASH-8161", true), ("ASH-8112", true), ("ASH-8120", false)]
        {
            let troubles = Troubles { codes: vec![Some(code.to_owned())], last: Some(at(100)) };
            let breaker = Breaker::from(troubles);
            assert_eq!(breaker.open_until(&policy, at(101)).is_some(), open, "{code}");
        }
    }

    #[test]
    fn a_threshold_of_zero_is_one() {
        let policy = BreakerPolicy { failures: 0, open_seconds: 60 };
        assert_eq!(Breaker { last: Some(at(1)), ..Breaker::default() }.open_until(&policy, at(1)), None);
        assert!(
            Breaker { failures: 1, last: Some(at(1)), ..Breaker::default() }
                .open_until(&policy, at(1))
                .is_some()
        );
    }
}
