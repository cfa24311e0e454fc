//! The parameters of a proof, and the conditions under which Stone would even begin.
//!
//! Every condition here is one of Stone v3's own assertions, made before any work is done, plus limits that keep
//! a verifier's memory and arithmetic bounded whatever a parameter file says.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};

/// log₂ of the largest evaluation domain: Stone draws query numbers below 2⁴⁸.
pub const MAX_LOG_EVALUATION_DOMAIN: u32 = 48;
/// More queries than any parameter set ever used; bounds what a verifier allocates.
pub const MAX_QUERIES: u64 = 1 << 16;

/// The parameters of the low-degree test (Stone v3: `stark.fri`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FriParameters {
    /// log₂ of how much each layer folds. Only the first entry may be zero.
    pub fri_step_list: Vec<u32>,
    /// The number of coefficients of the last layer.
    pub last_layer_degree_bound: u64,
    /// How many positions are queried.
    pub n_queries: u64,
    /// Leading zero bits that the proof-of-work hash must have; 0 for none.
    pub proof_of_work_bits: u32,
}

/// The parameters of a proof (Stone v3: `proof_parameters`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StarkParameters {
    /// log₂ of the blow-up factor: how many cosets of the trace domain the evaluation domain has.
    pub log_n_cosets: u32,
    /// The low-degree test.
    pub fri: FriParameters,
    /// Drives the Fiat–Shamir channel.
    pub channel_hash: ChannelHash,
    /// Hashes the levels of a tree from depth `n_verifier_friendly_commitment_layers` down.
    pub commitment_hash: CommitmentHash,
    /// Hashes the levels above.
    pub verifier_friendly_commitment_hash: CommitmentHash,
    /// How many top levels use `verifier_friendly_commitment_hash`.
    pub n_verifier_friendly_commitment_layers: u64,
    /// Whether the seed is hashed with `verifier_friendly_commitment_hash` and out-of-domain values are one message.
    pub verifier_friendly_channel_updates: bool,
    /// The proof-of-work hash of a Poseidon channel; a byte channel uses its own hash.
    pub pow_hash: ProofOfWorkHash,
}

/// Parameters under which no proof can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// The evaluation domain must be larger than the trace domain for constraints of degree 2.
    #[error("expected log_n_cosets of at least 1 (constraints have degree 2), got {got}")]
    TooFewCosets {
        /// `log_n_cosets`.
        got: u32,
    },
    /// The evaluation domain is beyond what query numbers can address.
    #[error(
        "expected an evaluation domain of at most 2^{MAX_LOG_EVALUATION_DOMAIN} points, got 2^({log_trace_length} + {log_n_cosets})"
    )]
    DomainTooLarge {
        /// log₂ of the trace length.
        log_trace_length: u32,
        /// `log_n_cosets`.
        log_n_cosets: u32,
    },
    /// There is no FRI layer at all.
    #[error("expected at least one entry in fri_step_list, got none")]
    NoFriSteps,
    /// A layer after the first that folds nothing.
    #[error("expected a positive step in fri_step_list after the first entry, got 0 at entry {layer}")]
    ZeroFriStep {
        /// The index in `fri_step_list`.
        layer: usize,
    },
    /// The degree that the layers can test is not the degree of the trace.
    #[error(
        "expected fri parameters for the trace length: last_layer_degree_bound·2^(sum of fri_step_list) = {last_layer_degree_bound}·2^{step_sum}, trace length 2^{log_trace_length}"
    )]
    FriDegree {
        /// `last_layer_degree_bound`.
        last_layer_degree_bound: u64,
        /// Σ `fri_step_list`.
        step_sum: u64,
        /// log₂ of the trace length.
        log_trace_length: u32,
    },
    /// No queries, or absurdly many.
    #[error("expected n_queries between 1 and {MAX_QUERIES}, got {got}")]
    Queries {
        /// `n_queries`.
        got: u64,
    },
    /// More zero bits than a 64-bit nonce can be asked for.
    #[error("expected proof_of_work_bits of at most 64, got {got}")]
    ProofOfWorkBits {
        /// `proof_of_work_bits`.
        got: u32,
    },
    /// A Poseidon channel can absorb only roots that are field elements.
    #[error(
        "expected a hash whose digests are below the field prime at the top of the trees of a {channel} channel, got {got}"
    )]
    RootNotAFieldElement {
        /// The channel's hash.
        channel: ChannelHash,
        /// The hash at depth 0.
        got: CommitmentHash,
    },
    /// Poseidon and Pedersen nodes can have only field elements for children, and a Poseidon channel can send only field
    /// elements.
    #[error("expected a hash whose digests are below the field prime below the {above} levels, got {got}")]
    NodeNotAFieldElement {
        /// The hash of the upper levels.
        above: CommitmentHash,
        /// The hash of the lower levels.
        got: CommitmentHash,
    },
    /// A Poseidon channel can be seeded only with a field element.
    #[error(
        "expected a seed hash whose digests are below the field prime for a {channel} channel, got {got}"
    )]
    SeedNotAFieldElement {
        /// The channel's hash.
        channel: ChannelHash,
        /// The hash of the seed.
        got: CommitmentHash,
    },
    /// Stone splits a tree into segments and lets no hash change inside the levels that join them.
    #[error(
        "expected n_verifier_friendly_commitment_layers of 0 or at least {segment_levels} (the levels that join the segments), got {got}"
    )]
    LayersSplitSegments {
        /// log₂ of the number of segments.
        segment_levels: u32,
        /// `n_verifier_friendly_commitment_layers`.
        got: u64,
    },
}

impl Fault for ParametersError {
    fn code(&self) -> Code {
        Code(match self {
            ParametersError::TooFewCosets { .. } => 1101,
            ParametersError::DomainTooLarge { .. } => 1102,
            ParametersError::NoFriSteps => 1103,
            ParametersError::ZeroFriStep { .. } => 1104,
            ParametersError::FriDegree { .. } => 1105,
            ParametersError::Queries { .. } => 1106,
            ParametersError::ProofOfWorkBits { .. } => 1107,
            ParametersError::RootNotAFieldElement { .. } => 1108,
            ParametersError::NodeNotAFieldElement { .. } => 1109,
            ParametersError::SeedNotAFieldElement { .. } => 1110,
            ParametersError::LayersSplitSegments { .. } => 1111,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            ParametersError::FriDegree { log_trace_length, .. } => Some(format!(
                "make the sum of fri_step_list plus log2(last_layer_degree_bound) equal {log_trace_length}"
            )),
            ParametersError::RootNotAFieldElement { .. }
            | ParametersError::NodeNotAFieldElement { .. }
            | ParametersError::SeedNotAFieldElement { .. } => {
                Some("use poseidon3, keccak256_masked160_lsb or blake256_masked248_lsb there".into())
            }
            _ => None,
        }
    }
}

/// Whether every digest, read as a big-endian integer, is below the field prime.
fn makes_field_elements(hash: CommitmentHash) -> bool {
    hash.is_lsb_masked() || is_algebraic(hash)
}

fn is_algebraic(hash: CommitmentHash) -> bool {
    matches!(hash, CommitmentHash::Poseidon3 | CommitmentHash::Pedersen)
}

impl StarkParameters {
    /// The hash of a node at some depth of any tree; the root has depth 0.
    pub fn hash_at_depth(&self, depth: u32) -> CommitmentHash {
        if u64::from(depth) < self.n_verifier_friendly_commitment_layers {
            self.verifier_friendly_commitment_hash
        } else {
            self.commitment_hash
        }
    }

    /// The hash that turns the statement's seed into the channel's first state.
    pub fn seed_hash(&self) -> CommitmentHash {
        if self.verifier_friendly_channel_updates {
            self.verifier_friendly_commitment_hash
        } else {
            self.channel_hash.into()
        }
    }

    /// The hash of the proof of work.
    pub fn proof_of_work_hash(&self) -> ProofOfWorkHash {
        self.channel_hash.proof_of_work_hash().unwrap_or(self.pow_hash)
    }

    /// Checks everything that does not depend on a proof, for a trace of 2^`log_trace_length` rows.
    ///
    /// # Errors
    /// The first condition that fails.
    pub fn validate(&self, log_trace_length: u32) -> Result<(), ParametersError> {
        if self.log_n_cosets < 1 {
            return Err(ParametersError::TooFewCosets { got: self.log_n_cosets });
        }
        if log_trace_length
            .checked_add(self.log_n_cosets)
            .is_none_or(|log_size| log_size > MAX_LOG_EVALUATION_DOMAIN)
        {
            return Err(ParametersError::DomainTooLarge {
                log_trace_length,
                log_n_cosets: self.log_n_cosets,
            });
        }
        self.fri.validate(log_trace_length)?;
        let channel = self.channel_hash;
        if channel == ChannelHash::Poseidon3 {
            let got = self.hash_at_depth(0);
            if !makes_field_elements(got) {
                return Err(ParametersError::RootNotAFieldElement { channel, got });
            }
            let got = self.seed_hash();
            if !makes_field_elements(got) {
                return Err(ParametersError::SeedNotAFieldElement { channel, got });
            }
        }
        let leaf_depth = u64::from(log_trace_length + self.log_n_cosets);
        let layers = self.n_verifier_friendly_commitment_layers;
        let above = self.verifier_friendly_commitment_hash;
        let mixed = (1..=leaf_depth).contains(&layers);
        // A decommitment sends nodes of the lower levels too.
        let only_elements = is_algebraic(above) || channel == ChannelHash::Poseidon3;
        if mixed && only_elements && !makes_field_elements(self.commitment_hash) {
            return Err(ParametersError::NodeNotAFieldElement { above, got: self.commitment_hash });
        }
        Ok(())
    }

    /// Stone's refusal of a hash change within the levels that join its segments: `n_tasks_per_segment` (Stone v3:
    /// `table_prover_n_tasks_per_segment`) times the cosets many. It has no influence on a proof; only a program
    /// that stands in for Stone needs it.
    ///
    /// # Errors
    /// [`ParametersError::LayersSplitSegments`].
    pub fn validate_segments(&self, n_tasks_per_segment: u64) -> Result<(), ParametersError> {
        let segment_levels = n_tasks_per_segment.max(1).ilog2().saturating_add(self.log_n_cosets);
        let got = self.n_verifier_friendly_commitment_layers;
        if got != 0 && got < u64::from(segment_levels) {
            return Err(ParametersError::LayersSplitSegments { segment_levels, got });
        }
        Ok(())
    }
}

impl FriParameters {
    fn validate(&self, log_trace_length: u32) -> Result<(), ParametersError> {
        if self.fri_step_list.is_empty() {
            return Err(ParametersError::NoFriSteps);
        }
        if let Some(layer) = self.fri_step_list.iter().skip(1).position(|&step| step == 0) {
            return Err(ParametersError::ZeroFriStep { layer: layer + 1 });
        }
        let step_sum: u64 = self.fri_step_list.iter().map(|&step| u64::from(step)).sum();
        let degree = u32::try_from(step_sum)
            .ok()
            .and_then(|sum| 1u64.checked_shl(sum))
            .and_then(|product| product.checked_mul(self.last_layer_degree_bound));
        if degree != Some(1 << log_trace_length) {
            return Err(ParametersError::FriDegree {
                last_layer_degree_bound: self.last_layer_degree_bound,
                step_sum,
                log_trace_length,
            });
        }
        if !(1..=MAX_QUERIES).contains(&self.n_queries) {
            return Err(ParametersError::Queries { got: self.n_queries });
        }
        if self.proof_of_work_bits > 64 {
            return Err(ParametersError::ProofOfWorkBits { got: self.proof_of_work_bits });
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
