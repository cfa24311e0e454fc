//! How often one caller may ask: a bucket of tokens for each, refilled steadily.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use ashlar_store::Moment;

/// Buckets kept at most; beyond that, full ones are forgotten, which changes nothing for their callers.
const MOST_BUCKETS: usize = 10_000;

/// The limit of every caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests a second in the long run; at least 1.
    pub each_second: u32,
    /// Requests at once.
    pub at_once: u32,
}

/// Who asked how often.
#[derive(Debug)]
pub(crate) struct Buckets {
    limit: RateLimit,
    /// Thousandths of a request that are left, and when that was so.
    buckets: Mutex<HashMap<String, (u64, Moment)>>,
}

impl Buckets {
    pub(crate) fn new(limit: RateLimit) -> Buckets {
        let limit = RateLimit { each_second: limit.each_second.max(1), at_once: limit.at_once.max(1) };
        Buckets { limit, buckets: Mutex::new(HashMap::new()) }
    }

    /// Takes one request from the caller's bucket.
    ///
    /// # Errors
    /// The seconds until there will be one.
    pub(crate) fn take(&self, caller: &str, now: Moment) -> Result<(), u64> {
        let full = u64::from(self.limit.at_once) * 1000;
        let rate = u64::from(self.limit.each_second);
        let refilled = |(left, at): (u64, Moment)| {
            let elapsed = u64::try_from(now.since(at).as_millis()).unwrap_or(u64::MAX);
            left.saturating_add(elapsed.saturating_mul(rate)).min(full)
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(caller) {
            buckets.retain(|_, bucket| refilled(*bucket) < full);
            if buckets.len() >= MOST_BUCKETS {
                return Err(1);
            }
        }
        let left = refilled(buckets.get(caller).copied().unwrap_or((full, now)));
        match left.checked_sub(1000) {
            Some(rest) => {
                buckets.insert(caller.to_owned(), (rest, now));
                Ok(())
            }
            None => {
                buckets.insert(caller.to_owned(), (left, now));
                Err((1000 - left).div_ceil(rate).div_ceil(1000).max(1))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Moment {
        Moment::from_milliseconds(1_000_000 + milliseconds)
    }

    #[test]
    fn a_burst_is_served_then_refused_then_served_again_at_the_rate() {
        let buckets = Buckets::new(RateLimit { each_second: 2, at_once: 3 });
        for _ in 0..3 {
            assert_eq!(buckets.take("a", at(0)), Ok(()));
        }
        assert_eq!(buckets.take("a", at(0)), Err(1));
        assert_eq!(buckets.take("a", at(499)), Err(1));
        assert_eq!(buckets.take("a", at(500)), Ok(()));
        assert_eq!(buckets.take("b", at(500)), Ok(()), "another caller has a bucket of its own");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let buckets = Buckets::new(RateLimit { each_second: 1, at_once: 1 });
        assert_eq!(buckets.take("a", at(5_000)), Ok(()));
        assert_eq!(buckets.take("a", at(0)), Err(1));
    }

    #[test]
    fn callers_without_end_do_not_fill_the_memory() {
        let buckets = Buckets::new(RateLimit { each_second: 1, at_once: 2 });
        for caller in 0..3 * MOST_BUCKETS {
            // Some are refused, which is the point; none may be kept beyond the bound.
            let _ = buckets.take(&caller.to_string(), at(caller as u64));
        }
        assert!(buckets.buckets.lock().unwrap().len() <= MOST_BUCKETS);
    }
}
