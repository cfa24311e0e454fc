//! The ways in which a proof can be wrong, and in which proving can fail.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::{Felt, NotCanonical};
use ashlar_hash::{Digest, HashError};

use crate::{ParametersError, channel::scope::Scope};

/// Why a proof was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The parameters admit no proof at all.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
    /// The proof ends where something was still to be read.
    #[error("expected more bytes for {scope} at byte {position}, got a proof of {length} bytes")]
    ProofTooShort {
        /// What was to be read.
        scope: Scope,
        /// Where.
        position: usize,
        /// The proof's length.
        length: usize,
    },
    /// Bytes follow the last message.
    #[error("expected the proof to end at byte {position}, got {length} bytes")]
    TrailingBytes {
        /// The end of the last message.
        position: usize,
        /// The proof's length.
        length: usize,
    },
    /// A field element, or a root in an algebraic channel, that is not below the prime.
    #[error("{scope} at byte {position}: {source}")]
    NotCanonical {
        /// The message.
        scope: Scope,
        /// Where.
        position: usize,
        /// The value.
        source: NotCanonical,
    },
    /// The seed's digest is not below the prime, so that a Poseidon channel cannot start from it.
    #[error("seed of the channel: {0}")]
    SeedNotCanonical(NotCanonical),
    /// The seed cannot be hashed, or a node has a child that its hash function cannot read.
    #[error("{scope}: {source}")]
    Hash {
        /// The commitment.
        scope: Scope,
        /// The refusal.
        source: HashError,
    },
    /// The statement's seed is not a message of the seed's hash function.
    #[error("seed of the channel: {0}")]
    Seed(HashError),
    /// The constraints have no value at the random point or for the random elements: probability about 2⁻²⁰⁰.
    #[error(
        "expected a random element at which the constraints are defined, got a degenerate one at {scope}"
    )]
    DegenerateRandomness {
        /// Where it was drawn.
        scope: Scope,
    },
    /// The constraints do not hold at the out-of-domain point: the trace does not satisfy them, or the statement is
    /// another one.
    #[error(
        "expected the composition to be {expected} at the out-of-domain point, got {got}: the trace breaks a constraint, or the proof is of another statement"
    )]
    OutOfDomain {
        /// The constraints on the mask values.
        expected: Felt,
        /// The composition as sent.
        got: Felt,
    },
    /// A nonce that does not fit in 64 bits.
    #[error("expected a nonce below 2^64 at byte {position}")]
    NonceTooLarge {
        /// Where.
        position: usize,
    },
    /// The proof-of-work hash has too few zero bits.
    #[error("expected a proof-of-work hash with {bits} leading zero bits, got nonce {nonce}")]
    ProofOfWork {
        /// The bits required.
        bits: u32,
        /// The nonce sent.
        nonce: u64,
    },
    /// Opened rows do not hash to the root that was committed to.
    #[error("{scope}: expected the rows to hash to the root {expected}, got {got}")]
    WrongRoot {
        /// The table.
        scope: Scope,
        /// The committed root.
        expected: Digest,
        /// The recomputed root.
        got: Digest,
    },
    /// The folded values are not those of the last layer's polynomial.
    #[error("expected the last FRI layer to be {expected} at index {index}, got {got} by folding")]
    LastLayer {
        /// The index in the last layer.
        index: u64,
        /// The polynomial's value.
        expected: Felt,
        /// The folded value.
        got: Felt,
    },
    /// The AIR contradicts itself: a constraint uses a cell outside the mask or a value that does not exist.
    #[error("the constraint system is inconsistent: {0}")]
    Air(&'static str),
}

impl Fault for VerifyError {
    fn code(&self) -> Code {
        match self {
            VerifyError::Parameters(error) => error.code(),
            VerifyError::Hash { source, .. } | VerifyError::Seed(source) => source.code(),
            VerifyError::ProofTooShort { .. } => Code(1401),
            VerifyError::TrailingBytes { .. } => Code(1402),
            VerifyError::NotCanonical { .. } => Code(1403),
            VerifyError::SeedNotCanonical(_) => Code(1404),
            VerifyError::DegenerateRandomness { .. } => Code(1405),
            VerifyError::OutOfDomain { .. } => Code(1406),
            VerifyError::NonceTooLarge { .. } => Code(1407),
            VerifyError::ProofOfWork { .. } => Code(1408),
            VerifyError::WrongRoot { .. } => Code(1409),
            VerifyError::LastLayer { .. } => Code(1410),
            VerifyError::Air(_) => Code(7030),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            VerifyError::Parameters(error) => error.exit(),
            VerifyError::Seed(source) => source.exit(),
            VerifyError::Air(_) => Exit::Bug,
            _ => Exit::Negative,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            VerifyError::Parameters(error) => error.hint(),
            VerifyError::Hash { source, .. } | VerifyError::Seed(source) => source.hint(),
            _ => None,
        }
    }
}
