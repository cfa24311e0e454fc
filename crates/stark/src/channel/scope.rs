//! The places of the protocol, named as in Stone's annotations.

use std::fmt;

/// Where in the protocol a message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The first trace's root.
    TraceCommitment,
    /// The interaction elements.
    Interaction,
    /// The interaction trace's root.
    InteractionCommitment,
    /// The coefficient of the constraints.
    Original,
    /// The composition's root.
    CompositionCommitment,
    /// The out-of-domain point and the values there.
    OutOfDomainValues,
    /// The coefficient of the out-of-domain quotient.
    OutOfDomain,
    /// A FRI layer's evaluation point or root.
    FriLayer(usize),
    /// The last FRI layer's coefficients.
    FriLastLayer,
    /// The nonce.
    ProofOfWork,
    /// The queries.
    QueryIndices,
    /// The opened rows of trace 0 (first), 1 (interaction) or 2 (composition).
    TraceDecommitment(usize),
    /// The opened rows of a FRI layer.
    FriDecommitment(usize),
    /// The values of the last FRI layer at the queries.
    FriLastDecommitment,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scope::TraceCommitment => f.write_str("STARK/Original/Commit on Trace"),
            Scope::Interaction => f.write_str("STARK/Interaction"),
            Scope::InteractionCommitment => f.write_str("STARK/Interaction/Commit on Trace"),
            Scope::Original => f.write_str("STARK/Original"),
            Scope::CompositionCommitment => f.write_str("STARK/Out Of Domain Sampling/Commit on Trace"),
            Scope::OutOfDomainValues => f.write_str("STARK/Out Of Domain Sampling/OODS values"),
            Scope::OutOfDomain => f.write_str("STARK/Out Of Domain Sampling"),
            Scope::FriLayer(layer) => write!(f, "STARK/FRI/Commitment/Layer {layer}"),
            Scope::FriLastLayer => f.write_str("STARK/FRI/Commitment/Last Layer"),
            Scope::ProofOfWork => f.write_str("STARK/FRI/Proof of Work"),
            Scope::QueryIndices => f.write_str("STARK/FRI/QueryIndices"),
            Scope::TraceDecommitment(trace) => {
                write!(f, "STARK/FRI/Decommitment/Layer 0/Virtual Oracle/Trace {trace}")
            }
            Scope::FriDecommitment(layer) => write!(f, "STARK/FRI/Decommitment/Layer {layer}"),
            Scope::FriLastDecommitment => f.write_str("STARK/FRI/Decommitment/Last Layer"),
        }
    }
}
