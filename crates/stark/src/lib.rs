//! The STARK protocol of Stone over any AIR: proofs that a trace satisfies constraints, byte for byte as Stone's.
//!
//! | module | what it computes |
//! |---|---|
//! | [`air`] | the vocabulary in which constraints are written, once |
//! | [`parameters`](StarkParameters) | the parameters of a proof and the conditions they must meet |
//! | [`security`](Security) | the bits of security that parameters give |
//! | [`verifier`](verify) | accepts or rejects a proof |
//! | [`prover`](prove) | makes a proof |
//! | `program` | bytecode over whole columns: constraints and quotient for the prover |
//! | `channel` | Fiat–Shamir randomness, annotations |
//! | `commitment` | Merkle trees over tables, and what opens their rows |
//! | `fri` | the low-degree test |
//! | `graph`, `vanishing` | constraints and row sets at one point |
//! | `domain` | the evaluation domain and its orders |
#![forbid(unsafe_code)]

pub mod air;
mod channel;
mod commitment;
mod domain;
mod error;
mod fri;
mod graph;
mod parameters;
mod program;
mod prover;
mod security;
mod vanishing;
mod verifier;

pub use channel::{record::ProofStatistics, scope::Scope};
pub use error::VerifyError;
pub use graph::Operations;
pub use parameters::{
    FriParameters, MAX_LOG_EVALUATION_DOMAIN, MAX_QUERIES, ParametersError, StarkParameters,
};
pub use prover::{
    Proof, ProveOptions,
    error::ProveError,
    progress::{Observer, Phase, Progress},
    prove,
    trace::{StoragePolicy, UnknownStoragePolicy},
};
pub use security::Security;
pub use verifier::{Verified, verify};
