//! What a caller demands of a proof. A verifier's answer means nothing without it: a proof names its own parameters,
//! and with one query anything can be proven.

use std::{fmt, ops::RangeInclusive};

use ashlar_cpu_air::{
    layout,
    statement::{EntryForm, StoneVersion},
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_hash::{ChannelHash, CommitmentHash};
use ashlar_stark::{Security, StarkParameters};

/// A set of values that a policy allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed<T> {
    /// Every value.
    Any,
    /// These values.
    Only(Vec<T>),
}

impl<T: PartialEq> Allowed<T> {
    fn contains(&self, value: &T) -> bool {
        match self {
            Allowed::Any => true,
            Allowed::Only(values) => values.contains(value),
        }
    }
}

impl<T: fmt::Display> fmt::Display for Allowed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Any => f.write_str("anything"),
            Allowed::Only(values) if values.is_empty() => f.write_str("nothing that this policy allows"),
            Allowed::Only(values) => {
                let names: Vec<String> = values.iter().map(T::to_string).collect();
                write!(f, "one of {}", names.join(", "))
            }
        }
    }
}

/// What must hold of the statement itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementRule {
    /// What Stone asserts, no more: a proof may then claim builtin instances that nothing constrains.
    Stone,
    /// Everything that must hold before somebody acts on the statement: builtin segments within what the trace
    /// constrains, ordered segments, and page 0 of this form. Only the strict form pins down what ran.
    Gate(EntryForm),
    /// The same, with page 0 of any of the three forms.
    AnyForm,
    /// The same, of a bootloader that ran one task: [`ashlar_cpu_air::statement::bootloaded`]. It pins down what ran as the
    /// strict form does, once the bootloader's hash is known to be the right one.
    Bootloaded,
}

/// What a caller demands of a proof, beyond being accepted by the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The generation of Stone. It is never guessed: a proof of the other one is rejected.
    pub version: StoneVersion,
    /// Least conjectured bits.
    pub least_conjectured_bits: u32,
    /// Least proven bits.
    pub least_proven_bits: u32,
    /// Layouts, by name.
    pub layouts: Allowed<String>,
    /// Hashes of the trees.
    pub commitment_hashes: Allowed<CommitmentHash>,
    /// Hashes of the channel.
    pub channel_hashes: Allowed<ChannelHash>,
    /// log₂ of the blow-up.
    pub log_n_cosets: RangeInclusive<u32>,
    /// Queries.
    pub n_queries: RangeInclusive<u64>,
    /// Bits of grinding.
    pub proof_of_work_bits: RangeInclusive<u32>,
    /// The largest FRI step.
    pub most_fri_step: u32,
    /// The largest last layer.
    pub most_last_layer_degree_bound: u64,
    /// The most steps of a run.
    pub most_steps: u64,
    /// What must hold of the statement.
    pub statement: StatementRule,
}

/// The queries that [`Policy::strict`] allows: fewer would leave nearly all of the soundness to blow-up and grinding.
pub(crate) const STRICT_QUERIES: RangeInclusive<u64> = 10..=1 << 10;

impl Policy {
    /// Stone's own verifier: any parameters that make a proof at all. For programs that stand in for it, which print
    /// the bits and leave the judgement to the reader.
    pub fn stone(version: StoneVersion) -> Policy {
        Policy {
            version,
            least_conjectured_bits: 0,
            least_proven_bits: 0,
            layouts: Allowed::Any,
            commitment_hashes: Allowed::Any,
            channel_hashes: Allowed::Any,
            log_n_cosets: 1..=u32::MAX,
            n_queries: 1..=u64::MAX,
            proof_of_work_bits: 0..=u32::MAX,
            most_fri_step: u32::MAX,
            most_last_layer_degree_bound: u64::MAX,
            most_steps: u64::MAX,
            statement: StatementRule::Stone,
        }
    }

    /// For acting on a proof: stone6, at least this many conjectured bits, hashes that resist collisions with as many,
    /// a Poseidon channel, moderate parameters, the layouts whose constraints Stone confirms (one wrong cell
    /// of an unconfirmed table could let a forged run pass), and the strict statement.
    pub fn strict(least_conjectured_bits: u32) -> Policy {
        let resisting =
            CommitmentHash::ALL.into_iter().filter(|hash| hash.collision_bits() >= least_conjectured_bits);
        Policy {
            version: StoneVersion::Stone6,
            least_conjectured_bits,
            least_proven_bits: 0,
            layouts: Allowed::Only(layout::verified_names().map(str::to_owned).collect()),
            commitment_hashes: Allowed::Only(resisting.collect()),
            channel_hashes: Allowed::Only(vec![ChannelHash::Poseidon3]),
            log_n_cosets: 1..=8,
            n_queries: STRICT_QUERIES,
            proof_of_work_bits: 0..=50,
            most_fri_step: 6,
            most_last_layer_degree_bound: 1 << 15,
            most_steps: 1 << 30,
            statement: StatementRule::Gate(EntryForm::Strict),
        }
    }

    /// The same demands, and of the layouts that they allow only this one.
    pub fn with_layout(mut self, layout: &str) -> Policy {
        let layout = layout.to_owned();
        let allowed = self.layouts.contains(&layout);
        self.layouts = Allowed::Only(if allowed { vec![layout] } else { Vec::new() });
        self
    }

    /// Checks what the proof file says of itself.
    pub(crate) fn check_parameters(
        &self,
        layout: &str,
        n_steps: u64,
        parameters: &StarkParameters,
    ) -> Result<(), PolicyError> {
        if !self.layouts.contains(&layout.to_owned()) {
            return Err(PolicyError::NotAllowed {
                name: "layout",
                expected: self.layouts.to_string(),
                got: layout.to_owned(),
            });
        }
        let fri = &parameters.fri;
        within("n_steps", &(1..=self.most_steps), n_steps)?;
        within("log_n_cosets", &self.log_n_cosets, parameters.log_n_cosets)?;
        within("n_queries", &self.n_queries, fri.n_queries)?;
        within("proof_of_work_bits", &self.proof_of_work_bits, fri.proof_of_work_bits)?;
        let most_step = fri.fri_step_list.iter().copied().max().unwrap_or(0);
        within("the largest entry of fri_step_list", &(0..=self.most_fri_step), most_step)?;
        let last_layers = 1..=self.most_last_layer_degree_bound;
        within("last_layer_degree_bound", &last_layers, fri.last_layer_degree_bound)?;
        allowed("channel_hash", &self.channel_hashes, parameters.channel_hash)?;
        // Both are demanded even where one of them is not used: which levels a tree has is no matter of policy.
        allowed("commitment_hash", &self.commitment_hashes, parameters.commitment_hash)?;
        let friendly = parameters.verifier_friendly_commitment_hash;
        allowed("verifier_friendly_commitment_hash", &self.commitment_hashes, friendly)
    }

    /// Checks the bits.
    pub(crate) fn check_security(&self, security: Security) -> Result<(), PolicyError> {
        for (kind, least, got) in [
            ("conjectured", self.least_conjectured_bits, security.conjectured_bits),
            ("proven", self.least_proven_bits, security.proven_bits),
        ] {
            if got < least {
                return Err(PolicyError::TooFewBits { kind, least, got });
            }
        }
        Ok(())
    }
}

fn within<T>(name: &'static str, range: &RangeInclusive<T>, got: T) -> Result<(), PolicyError>
where
    T: PartialOrd + Copy + Into<u64>,
{
    match range.contains(&got) {
        true => Ok(()),
        false => Err(PolicyError::OutOfBounds {
            name,
            least: (*range.start()).into(),
            most: (*range.end()).into(),
            got: got.into(),
        }),
    }
}

fn allowed<T: PartialEq + fmt::Display>(
    name: &'static str,
    set: &Allowed<T>,
    got: T,
) -> Result<(), PolicyError> {
    match set.contains(&got) {
        true => Ok(()),
        false => Err(PolicyError::NotAllowed { name, expected: set.to_string(), got: got.to_string() }),
    }
}

/// A proof, perhaps a valid one, that is not what the policy demands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too few bits of security.
    #[error("expected at least {least} {kind} bits of security, got {got}")]
    TooFewBits {
        /// Conjectured or proven.
        kind: &'static str,
        /// The policy's bound.
        least: u32,
        /// The proof's.
        got: u32,
    },
    /// A layout or hash that the policy does not allow.
    #[error("expected {expected} as {name}, got {got}")]
    NotAllowed {
        /// Which setting.
        name: &'static str,
        /// What is allowed.
        expected: String,
        /// What the proof has.
        got: String,
    },
    /// A number outside the policy's bounds.
    #[error("expected {name} from {least} to {most}, got {got}")]
    OutOfBounds {
        /// Which setting.
        name: &'static str,
        /// The least allowed.
        least: u64,
        /// The most allowed.
        most: u64,
        /// What the proof has.
        got: u64,
    },
}

impl Fault for PolicyError {
    fn code(&self) -> Code {
        Code(match self {
            PolicyError::TooFewBits { .. } => 1450,
            PolicyError::NotAllowed { .. } => 1451,
            PolicyError::OutOfBounds { .. } => 1452,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Negative
    }
}
