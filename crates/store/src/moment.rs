//! Points in time, as the records write them: RFC 3339 in UTC with milliseconds, so that text sorts like time.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Serialize, Serializer};

/// A point in time, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    milliseconds: u64,
}

impl Moment {
    /// The present, by this machine's clock.
    pub fn now() -> Moment {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Moment { milliseconds: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX) }
    }

    /// From milliseconds since 1970.
    pub fn from_milliseconds(milliseconds: u64) -> Moment {
        Moment { milliseconds }
    }

    /// Milliseconds since 1970.
    pub fn milliseconds(self) -> u64 {
        self.milliseconds
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Moment> {
        let time = humantime::parse_rfc3339(text).ok()?;
        let elapsed = time.duration_since(UNIX_EPOCH).ok()?;
        Some(Moment { milliseconds: u64::try_from(elapsed.as_millis()).ok()? })
    }

    /// This much later.
    pub fn after(self, duration: Duration) -> Moment {
        let more = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Moment { milliseconds: self.milliseconds.saturating_add(more) }
    }

    /// How long ago `earlier` was, seen from here; zero if it lies ahead.
    pub fn since(self, earlier: Moment) -> Duration {
        Duration::from_millis(self.milliseconds.saturating_sub(earlier.milliseconds))
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // RFC 3339 has four digits for the year; nothing later than 9999 can be written.
        const LAST: u64 = 253_402_300_799_999;
        let time = UNIX_EPOCH + Duration::from_millis(self.milliseconds.min(LAST));
        write!(f, "{}", humantime::format_rfc3339_millis(time))
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds_and_read_back() {
        let moment = Moment::from_milliseconds(1_767_225_600_042);
        assert_eq!(moment.to_string(), "2026-01-01T00:00:00.042Z");
        assert_eq!(Moment::parse("2026-01-01T00:00:00.042Z"), Some(moment));
    }

    #[test]
    fn text_sorts_like_time() {
        let moments = [0, 999, 1_000, 86_400_000, 1_767_225_600_042].map(Moment::from_milliseconds);
        let texts = moments.map(|moment| moment.to_string());
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn the_far_future_and_nonsense_do_not_panic() {
        assert_eq!(Moment::from_milliseconds(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Moment::parse("yesterday"), None);
        assert_eq!(
            Moment::now().after(Duration::MAX).since(Moment::from_milliseconds(0)).as_millis(),
            u128::from(u64::MAX)
        );
    }
}
