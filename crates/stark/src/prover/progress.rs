//! How a long proof is watched and stopped.

use std::fmt;

/// A part of the prover's work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Making the first trace.
    FirstTrace,
    /// Extending and committing to the first trace.
    FirstCommitment,
    /// Making the interaction trace.
    InteractionTrace,
    /// Extending and committing to the interaction trace.
    InteractionCommitment,
    /// Evaluating the constraints.
    Constraints,
    /// Extending and committing to the composition.
    CompositionCommitment,
    /// The values out of the domain.
    OutOfDomain,
    /// The quotient that ties those values to the columns.
    Quotient,
    /// The layers of the low-degree test.
    LowDegreeTest,
    /// The proof of work.
    ProofOfWork,
    /// Opening the queried rows.
    Openings,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Phase; 11] = [
        Phase::FirstTrace,
        Phase::FirstCommitment,
        Phase::InteractionTrace,
        Phase::InteractionCommitment,
        Phase::Constraints,
        Phase::CompositionCommitment,
        Phase::OutOfDomain,
        Phase::Quotient,
        Phase::LowDegreeTest,
        Phase::ProofOfWork,
        Phase::Openings,
    ];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::FirstTrace => "trace",
            Phase::FirstCommitment => "trace commitment",
            Phase::InteractionTrace => "interaction trace",
            Phase::InteractionCommitment => "interaction commitment",
            Phase::Constraints => "constraints",
            Phase::CompositionCommitment => "composition commitment",
            Phase::OutOfDomain => "out-of-domain values",
            Phase::Quotient => "quotient",
            Phase::LowDegreeTest => "low-degree test",
            Phase::ProofOfWork => "proof of work",
            Phase::Openings => "openings",
        })
    }
}

/// One report of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Units of work done.
    pub done: u64,
    /// Units of work in this phase; for the proof of work, the number of nonces expected.
    pub total: u64,
    /// Bytes of proof so far.
    pub proof_bytes: u64,
}

/// Watches a proof being made, and may stop it. Called from any thread.
pub trait Observer: Sync {
    /// Called at the start of every phase and between its units of work.
    fn progress(&self, progress: Progress);
    /// Called once, when the proof's bytes are complete.
    fn finished(&self) {}
    /// Asked between units of work (at worst once for every coset that is extended): `true` stops with
    /// [`ProveError::Cancelled`](crate::ProveError::Cancelled).
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Watches nothing.
impl Observer for () {
    fn progress(&self, _: Progress) {}
}
