//! What becomes of a job whose attempt failed. The records have the last word: without an attempt left, it has failed.

use std::time::Duration;

use ashlar_store::{FailureKind, Lane, Next, ProofSource};

/// Another backend that would take the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alternative {
    pub(crate) backend: ProofSource,
    pub(crate) lane: Lane,
    pub(crate) memory_bytes: u64,
    pub(crate) micro_usd: u64,
}

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// Whose fault it was.
    pub(crate) kind: FailureKind,
    /// What it turned out to need, in bytes, where that is known and some worker has it.
    pub(crate) needs_bytes: Option<u64>,
    /// What was set aside for it, in bytes.
    pub(crate) had_bytes: u64,
    /// Who else would take it.
    pub(crate) elsewhere: Option<Alternative>,
    /// The pause that is due.
    pub(crate) pause: Duration,
}

/// Whether another backend could do better, so that one is worth looking for.
pub(crate) fn may_go_elsewhere(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Configuration
        | FailureKind::Capacity
        | FailureKind::Time
        | FailureKind::Backend
        | FailureKind::Quota => true,
        // The same everywhere, or a matter of another try.
        FailureKind::Program
        | FailureKind::Input
        | FailureKind::Crash
        | FailureKind::Lost
        | FailureKind::Mock => false,
    }
}

/// What is next.
pub(crate) fn next(failed: &Failed) -> Next {
    let again = Next::Again { after: failed.pause, memory_bytes: None };
    let elsewhere = failed.elsewhere.map(|other| Next::Elsewhere {
        backend: other.backend,
        lane: other.lane,
        memory_bytes: other.memory_bytes,
        micro_usd: other.micro_usd,
    });
    match failed.kind {
        FailureKind::Program | FailureKind::Input | FailureKind::Mock => Next::Bury,
        FailureKind::Crash | FailureKind::Lost => again,
        FailureKind::Backend | FailureKind::Quota => elsewhere.unwrap_or(again),
        FailureKind::Configuration => elsewhere.unwrap_or(Next::Bury),
        FailureKind::Time => elsewhere.unwrap_or(Next::TimeOut),
        // More memory than was set aside, if there is more, is cheaper than somebody else.
        FailureKind::Capacity => match failed.needs_bytes {
            Some(bytes) if bytes > failed.had_bytes => {
                Next::Again { after: Duration::ZERO, memory_bytes: Some(bytes) }
            }
            _ => elsewhere.unwrap_or(Next::Bury),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Alternative = Alternative {
        backend: ProofSource::Atlantic,
        lane: Lane::RemoteAtlantic,
        memory_bytes: 0,
        micro_usd: 7,
    };

    fn after(kind: FailureKind, elsewhere: Option<Alternative>, needs_bytes: Option<u64>) -> Next {
        next(&Failed { kind, needs_bytes, had_bytes: 100, elsewhere, pause: Duration::from_secs(2) })
    }

    #[test]
    fn every_kind_of_failure_has_its_own_future() {
        let again = Next::Again { after: Duration::from_secs(2), memory_bytes: None };
        let moved = Next::Elsewhere {
            backend: ProofSource::Atlantic,
            lane: Lane::RemoteAtlantic,
            memory_bytes: 0,
            micro_usd: 7,
        };
        for (kind, alone, with_another) in [
            (FailureKind::Program, Next::Bury, Next::Bury),
            (FailureKind::Input, Next::Bury, Next::Bury),
            (FailureKind::Mock, Next::Bury, Next::Bury),
            (FailureKind::Crash, again, again),
            (FailureKind::Lost, again, again),
            (FailureKind::Configuration, Next::Bury, moved),
            (FailureKind::Capacity, Next::Bury, moved),
            (FailureKind::Time, Next::TimeOut, moved),
            (FailureKind::Backend, again, moved),
            (FailureKind::Quota, again, moved),
        ] {
            assert_eq!(after(kind, None, None), alone, "{kind}");
            assert_eq!(after(kind, Some(OTHER), None), with_another, "{kind}");
            // Nobody is looked for where nobody is taken.
            assert_eq!(may_go_elsewhere(kind), alone != with_another, "{kind}");
        }
        assert_eq!(FailureKind::ALL.len(), 10);
    }

    #[test]
    fn a_run_that_needs_more_than_was_set_aside_gets_it_before_somebody_else_is_asked() {
        let more = Next::Again { after: Duration::ZERO, memory_bytes: Some(101) };
        assert_eq!(after(FailureKind::Capacity, Some(OTHER), Some(101)), more);
        // It had that much already: asking again would fail again.
        assert_eq!(after(FailureKind::Capacity, None, Some(100)), Next::Bury);
    }
}
