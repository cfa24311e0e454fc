//! How an attempt can fail that ended without telling why itself, and whose fault an error is that it told.

use std::time::Duration;

use ashlar_fault::{Code, Exit, Fault};
use ashlar_store::FailureKind;

/// What is recorded of a job whose worker vanished in every attempt, or whose deadline passed.
pub(crate) const LOST: Code = Code(8216);

/// An attempt that ended without a proof.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// It was stopped by the limit on its memory, or by the system for want of it.
    #[error(
        "the proof was stopped for using too much memory: {peak_bytes} bytes seen, {limit_bytes} set aside{last_words}"
    )]
    OutOfMemory {
        /// The most that was seen, in bytes.
        peak_bytes: u64,
        /// What was set aside, in bytes.
        limit_bytes: u64,
        /// The end of what it said, on lines of its own.
        last_words: String,
    },
    /// It was stopped by the limit on its time.
    #[error("the proof was stopped after {} s, the most that it may take{last_words}", .limit.as_secs())]
    OutOfTime {
        /// How long it was allowed to take.
        limit: Duration,
        /// The end of what it said, on lines of its own.
        last_words: String,
    },
    /// Its process ended by a signal.
    #[error("the process of the proof ended by signal {signal}{last_words}")]
    Signal {
        /// The signal's number.
        signal: i32,
        /// The end of what it said, on lines of its own.
        last_words: String,
    },
    /// Its process ended without a result and without an error.
    #[error("the process of the proof ended with exit status {status} and without a result{last_words}")]
    NoResult {
        /// The exit status.
        status: i32,
        /// The end of what it said, on lines of its own.
        last_words: String,
    },
    /// Its process could not be started.
    #[error("the process of the proof cannot be started")]
    NotStarted(#[source] std::io::Error),
    /// A mock did everything but the proof.
    #[error("{mark}: the job went through the queue, and no proof was made")]
    Mock {
        /// The mark of everything that a mock makes.
        mark: &'static str,
    },
}

impl AttemptError {
    /// Whose fault it is.
    pub fn kind(&self) -> FailureKind {
        match self {
            AttemptError::OutOfMemory { .. } => FailureKind::Capacity,
            AttemptError::OutOfTime { .. } => FailureKind::Time,
            AttemptError::Signal { .. } | AttemptError::NoResult { .. } => FailureKind::Crash,
            AttemptError::NotStarted(_) => FailureKind::Configuration,
            AttemptError::Mock { .. } => FailureKind::Mock,
        }
    }
}

impl Fault for AttemptError {
    fn code(&self) -> Code {
        match self {
            AttemptError::OutOfMemory { .. } => Code(8210),
            AttemptError::OutOfTime { .. } => Code(8211),
            AttemptError::Signal { .. } => Code(8212),
            AttemptError::NoResult { .. } => Code(8213),
            AttemptError::NotStarted(_) => Code(8214),
            AttemptError::Mock { .. } => Code(8215),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            AttemptError::OutOfMemory { .. } | AttemptError::OutOfTime { .. } => Exit::Capacity,
            AttemptError::Signal { .. } | AttemptError::NoResult { .. } => Exit::Bug,
            AttemptError::NotStarted(_) => Exit::Environment,
            AttemptError::Mock { .. } => Exit::Negative,
        }
    }
}

/// Whose fault an error is that the process of an attempt told: by its code where the room says it, else by its exit class.
pub(crate) fn blame(code: Code, exit_status: u8) -> FailureKind {
    match (code.0, exit_status) {
        // No run for a prover elsewhere: somebody here can still prove it.
        (2019, _) => FailureKind::Configuration,
        // The managed service. Its errors say by their codes what they mean: see `ashlar_atlantic::Class`.
        (8104 | 8111, _) => FailureKind::Input,
        (8113..=8115, _) => FailureKind::Quota,
        (8125, _) => FailureKind::Capacity,
        (8123, _) => FailureKind::Time,
        (8107..=8110 | 8112 | 8116..=8122 | 8126..=8143 | 8160..=8164, _) => FailureKind::Backend,
        (8101..=8106 | 8124 | 8144..=8153, _) => FailureKind::Configuration,
        // The bucket of artefacts is away: another prover could not store its proof either, but a later attempt can.
        (8252, _) => FailureKind::Lost,
        // The packages' tool is missing, or a file cannot be read.
        (2015..=2018, _) => FailureKind::Configuration,
        // The program itself, and its limits: it would go no better elsewhere.
        (2000..=2099 | 2101..=2103 | 2105, _) => FailureKind::Program,
        (_, 2) => FailureKind::Input,
        (_, 3) => FailureKind::Configuration,
        (_, 4) => FailureKind::Capacity,
        (_, 5) => FailureKind::Backend,
        // What our verifier rejects, our prover should not have made.
        _ => FailureKind::Crash,
    }
}

/// Whether a failure is final for its job, whoever else could prove it: what came back from elsewhere contradicts what was
/// asked for, and somebody has to look before the job goes on.
pub(crate) fn is_hard(code: Code) -> bool {
    matches!(code.0, 8122 | 8130..=8133 | 8141 | 8142 | 8160..=8162 | 8164)
}

/// Whether a failure of a backend is of a kind that time does not mend.
pub(crate) fn is_grave(code: &str) -> bool {
    let number = code.strip_prefix("ASH-").and_then(|digits| digits.parse().ok());
    number.is_some_and(|number| matches!(number, 8110 | 8112..=8115) || is_hard(Code(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blame_follows_the_room_of_the_code_and_then_the_exit_class() {
        for (code, status, kind) in [
            (2011, 1, FailureKind::Program),
            (2101, 4, FailureKind::Program),
            (2024, 1, FailureKind::Program),
            (2105, 4, FailureKind::Program),
            (2016, 1, FailureKind::Configuration),
            (2104, 4, FailureKind::Capacity),
            (3004, 2, FailureKind::Input),
            (4003, 4, FailureKind::Capacity),
            (5017, 3, FailureKind::Configuration),
            (1351, 5, FailureKind::Backend),
            (7042, 70, FailureKind::Crash),
            (1401, 1, FailureKind::Crash),
            (2019, 2, FailureKind::Configuration),
            (8111, 2, FailureKind::Input),
            (8114, 5, FailureKind::Quota),
            (8120, 5, FailureKind::Backend),
            (8123, 5, FailureKind::Time),
            (8125, 5, FailureKind::Capacity),
            (8161, 5, FailureKind::Backend),
            (8103, 3, FailureKind::Configuration),
            (8252, 5, FailureKind::Lost),
            (8253, 3, FailureKind::Configuration),
        ] {
            assert_eq!(blame(Code(code), status), kind, "{code} {status}");
        }
    }
}
