//! What becomes of a job whose attempt failed. The records have the last word: without an attempt left, it has failed.

use std::time::Duration;

use ashlar_store::{Destination, FailureKind, Next};

/// Everything that the decision depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failed {
    /// Whose fault it was.
    pub(crate) kind: FailureKind,
    /// Whether it is final, whoever else could prove it.
    pub(crate) hard: bool,
    /// What it turned out to need, in bytes, where that is known and some worker has it.
    pub(crate) needs_bytes: Option<u64>,
    /// What was set aside for it, in bytes.
    pub(crate) had_bytes: u64,
    /// Who else would take it.
    pub(crate) elsewhere: Option<Destination>,
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
    let elsewhere = failed.elsewhere.map(Next::Elsewhere);
    match failed.kind {
        _ if failed.hard => Next::Bury,
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
    use ashlar_store::{Lane, ProofSource};

    use super::*;

    const OTHER: Destination = Destination {
        backend: ProofSource::Atlantic,
        lane: Lane::RemoteAtlantic,
        memory_bytes: 0,
        micro_usd: 7,
        attempt_time: Duration::from_secs(1),
    };

    fn after(kind: FailureKind, elsewhere: Option<Destination>, needs_bytes: Option<u64>) -> Next {
        let pause = Duration::from_secs(2);
        next(&Failed { kind, hard: false, needs_bytes, had_bytes: 100, elsewhere, pause })
    }

    #[test]
    fn every_kind_of_failure_has_its_own_future() {
        let again = Next::Again { after: Duration::from_secs(2), memory_bytes: None };
        let moved = Next::Elsewhere(OTHER);
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
    fn what_contradicts_the_request_is_final_whoever_else_would_take_the_job() {
        for kind in FailureKind::ALL {
            let pause = Duration::ZERO;
            let elsewhere = Some(OTHER);
            let failed =
                Failed { kind: *kind, hard: true, needs_bytes: None, had_bytes: 1, elsewhere, pause };
            assert_eq!(next(&failed), Next::Bury, "{kind}");
        }
    }

    #[test]
    fn a_run_that_needs_more_than_was_set_aside_gets_it_before_somebody_else_is_asked() {
        let more = Next::Again { after: Duration::ZERO, memory_bytes: Some(101) };
        assert_eq!(after(FailureKind::Capacity, Some(OTHER), Some(101)), more);
        // It had that much already: asking again would fail again.
        assert_eq!(after(FailureKind::Capacity, None, Some(100)), Next::Bury);
    }
}
