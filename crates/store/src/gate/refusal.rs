//! Why the gate stays shut: one variant for each way.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_risk::{RiskError, Verdict};
use ashlar_stone::{JsonError, VerifyError};

use crate::{AllocationStatus, ContentHash, Moment, gate::EvidenceKind};

/// A refusal of the gate. Nothing was executed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There is nothing to look at.
    #[error("the gate needs a proof or a registered fact, got nothing")]
    NoEvidence,
    /// There is something, but it proves nothing here.
    #[error("a {kind} is no evidence: {why}")]
    NotEvidence {
        /// What was shown.
        kind: EvidenceKind,
        /// Why it does not count.
        why: &'static str,
    },
    /// The evidence is not what was recorded.
    #[error("the evidence has changed: expected sha256 {expected}, got {got}")]
    AlteredEvidence {
        /// The recorded digest.
        expected: ContentHash,
        /// The digest of the bytes shown.
        got: ContentHash,
    },
    /// The evidence is larger than any proof.
    #[error("expected a proof file of at most {most} bytes, got {got}")]
    TooLarge {
        /// The bound.
        most: u64,
        /// The size shown.
        got: u64,
    },
    /// The evidence is no proof file.
    #[error("the evidence is no proof file")]
    Unreadable(#[source] JsonError),
    /// The verifier rejects the proof.
    #[error("the verifier rejects the proof")]
    InvalidProof(#[source] Box<VerifyError>),
    /// The proof is of another program than the pinned one.
    #[error("expected program {expected} (risk model {model_version}), the proof is of {got}")]
    WrongProgram {
        /// The model of the proposal.
        model_version: u64,
        /// The hash pinned for it.
        expected: Felt,
        /// The hash of what ran.
        got: Felt,
    },
    /// The statement does not pin down what ran.
    #[error("the statement is too weak to act on")]
    WeakStatement(#[source] Box<VerifyError>),
    /// A builtin's segment claims more, or other, instances than the proof constrains.
    #[error("the statement claims memory that the proof does not constrain")]
    BuiltinCapacity(#[source] Box<VerifyError>),
    /// The proof's parameters are outside the policy.
    #[error("the proof's parameters are not what the policy allows")]
    Parameters(#[source] Box<VerifyError>),
    /// The proof's parameters give too little security.
    #[error("the proof gives too little security")]
    TooFewBits(#[source] Box<VerifyError>),
    /// The output is not a list of records.
    #[error("the proof's output is no list of allocation records")]
    UnreadableOutput(#[source] RiskError),
    /// No record of the output is about this proposal.
    #[error("the proof has {records} records, none of proposal {expected}")]
    OtherProposal {
        /// The proposal's identity, recomputed.
        expected: Felt,
        /// How many records the output has.
        records: usize,
    },
    /// The record is not what the reference computes.
    #[error("the record of proposal {proposal_id} differs from the reference at element {position}")]
    OtherDecision {
        /// The proposal's identity.
        proposal_id: Felt,
        /// The first element that differs.
        position: usize,
    },
    /// The rules reject the proposal, and the proof says so.
    #[error("proposal {proposal_id} is {verdict}")]
    RejectedProposal {
        /// The proposal's identity.
        proposal_id: Felt,
        /// The first rule that fails.
        verdict: Verdict,
    },
    /// The proposal names a model that no program is pinned for, or cannot be decided.
    #[error("the proposal cannot be decided")]
    Undecidable(#[source] RiskError),
    /// The proposal was executed, or refused for good, before.
    #[error("proposal {proposal_id} is already {status}")]
    Replay {
        /// The proposal's identity.
        proposal_id: Felt,
        /// How it ended.
        status: AllocationStatus,
    },
    /// The evidence is older than the policy allows.
    #[error("the evidence was made at {made_at}, more than {most_seconds} s before {now}")]
    Stale {
        /// When it was made.
        made_at: Moment,
        /// The present.
        now: Moment,
        /// The policy's bound.
        most_seconds: u64,
    },
    /// The evidence claims to come from the future: a clock or a record is wrong.
    #[error("the evidence was made at {made_at}, which is after {now}")]
    FromTheFuture {
        /// When it claims to have been made.
        made_at: Moment,
        /// The present.
        now: Moment,
    },
    /// The proposal was never recorded.
    #[error("proposal {proposal_id} is not recorded")]
    NotRecorded {
        /// The proposal's identity.
        proposal_id: Felt,
    },
}

impl Fault for Refusal {
    fn code(&self) -> Code {
        match self {
            Refusal::NoEvidence => Code(4030),
            Refusal::NotEvidence { .. } => Code(4031),
            Refusal::AlteredEvidence { .. } => Code(4032),
            Refusal::TooLarge { .. } | Refusal::Unreadable(_) => Code(4033),
            Refusal::InvalidProof(_) => Code(4034),
            Refusal::WrongProgram { .. } => Code(4035),
            Refusal::WeakStatement(_) => Code(4036),
            Refusal::BuiltinCapacity(_) => Code(4037),
            Refusal::Parameters(_) => Code(4038),
            Refusal::TooFewBits(_) => Code(4039),
            Refusal::UnreadableOutput(_) => Code(4040),
            Refusal::OtherProposal { .. } => Code(4041),
            Refusal::OtherDecision { .. } => Code(4042),
            Refusal::RejectedProposal { .. } => Code(4043),
            Refusal::Undecidable(_) => Code(4044),
            Refusal::Replay { .. } => Code(4045),
            Refusal::Stale { .. } | Refusal::FromTheFuture { .. } => Code(4046),
            Refusal::NotRecorded { .. } => Code(4047),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Negative
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Refusal::NoEvidence
            | Refusal::AlteredEvidence { .. }
            | Refusal::Stale { .. }
            | Refusal::FromTheFuture { .. } => "prove it anew: ashlar allocate FILE --again".to_owned(),
            Refusal::TooFewBits(_) => "prove it anew with more bits: ashlar allocate FILE --again".to_owned(),
            Refusal::Replay { .. } => "to allocate again, propose again with another nonce".to_owned(),
            Refusal::RejectedProposal { .. } => {
                "change the constraints or the rows and propose again with another nonce".to_owned()
            }
            _ => return None,
        })
    }
}
