//! The ways in which proving can fail.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::NotCanonical;
use ashlar_hash::HashError;

use crate::{ParametersError, commitment::tree::OpeningError, prover::progress::Phase};

/// Why there is no proof. `E` is the witness's own error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The parameters admit no proof at all.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The witness cannot make its trace.
    #[error(transparent)]
    Witness(E),
    /// The trace does not satisfy the constraints.
    #[error("expected the trace to satisfy the constraint {constraint}, got a violation at row {row}")]
    ConstraintsViolated {
        /// The first constraint violated on that row.
        constraint: String,
        /// The first row with a violation.
        row: u64,
    },
    /// The observer asked to stop.
    #[error("cancelled during the phase: {phase}")]
    Cancelled {
        /// What was being done.
        phase: Phase,
    },
    /// Fewer than eight rows.
    #[error("expected a trace of at least 8 rows, got 2^{log_trace_length}")]
    TraceTooShort {
        /// log₂ of the number of rows.
        log_trace_length: u32,
    },
    /// A hash function was given what it cannot read; validated parameters exclude all but a seed of the wrong form.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A digest that an algebraic channel cannot absorb; validated parameters exclude it.
    #[error("channel: {0}")]
    Channel(#[from] NotCanonical),
    /// The constraints have no value for the random elements drawn: probability about 2⁻²⁰⁰.
    #[error("expected random elements for which the constraints are defined, got degenerate ones")]
    DegenerateRandomness,
    /// The AIR contradicts itself or its witness.
    #[error("the constraint system is inconsistent: {0}")]
    Air(&'static str),
}

impl<E> From<OpeningError> for ProveError<E> {
    fn from(error: OpeningError) -> ProveError<E> {
        match error {
            OpeningError::Hash(error) => ProveError::Hash(error),
            OpeningError::Channel(error) => ProveError::Channel(error),
        }
    }
}

impl<E: Fault> Fault for ProveError<E> {
    fn code(&self) -> Code {
        match self {
            ProveError::Parameters(error) => error.code(),
            ProveError::Witness(error) => error.code(),
            ProveError::Hash(error) => error.code(),
            ProveError::ConstraintsViolated { .. } => Code(1301),
            ProveError::Cancelled { .. } => Code(1302),
            ProveError::TraceTooShort { .. } => Code(1303),
            ProveError::Channel(_) => Code(1304),
            ProveError::DegenerateRandomness => Code(1305),
            ProveError::Air(_) => Code(7030),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            ProveError::Parameters(error) => error.exit(),
            ProveError::Witness(error) => error.exit(),
            ProveError::Hash(error) => error.exit(),
            ProveError::ConstraintsViolated { .. } | ProveError::DegenerateRandomness => Exit::Negative,
            ProveError::Cancelled { .. } => Exit::Interrupted,
            ProveError::TraceTooShort { .. } | ProveError::Channel(_) => Exit::Usage,
            ProveError::Air(_) => Exit::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ProveError::Parameters(error) => error.hint(),
            ProveError::Witness(error) => error.hint(),
            ProveError::Hash(error) => error.hint(),
            ProveError::ConstraintsViolated { .. } => Some(
                "trace, memory and public input must come from the same run; run the program again".into(),
            ),
            _ => None,
        }
    }
}
