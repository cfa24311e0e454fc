//! Parameters for a trace of any size and any wanted security: FRI steps that always add up, and the cheapest
//! combination of blow-up, queries, grinding and folding by prediction.

use ashlar_cpu_air::{
    air::CpuAir,
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::Layout,
    statement::{PageHash, StatementError},
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};
use ashlar_stark::{FriParameters, Security, StarkParameters, air::Air as _};

use crate::{
    parameters::ProofParameters,
    prediction::{Prediction, TraceShape, predict},
};

/// What the parameters are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Optimize {
    /// The least CPU time.
    Time,
    /// The shortest proof, at a cost of at most four times the least time.
    Size,
    /// The least calldata on Starknet: like size, but grinding of at least 20 bits and Poseidon at the top of the
    /// trees, as its verifier contract wants.
    Calldata,
}

/// The hash functions of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashChoice {
    /// BLAKE2s with 248 bits kept: the fastest hash that keeps more than 96 bits of collision resistance.
    Blake248,
    /// Poseidon for every level of every tree: slow to prove, cheapest to verify in Cairo.
    Poseidon,
    /// Keccak with 160 bits kept: 80 bits of collision resistance, for compatibility only.
    Keccak160,
}

/// Chosen parameters and what they will cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// The parameters.
    pub parameters: ProofParameters,
    /// Their security.
    pub security: Security,
    /// Their cost.
    pub prediction: Prediction,
}

/// No parameters exist.
#[derive(Debug, thiserror::Error)]
pub enum AutomaticError {
    /// The layout cannot hold the run.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The wanted bits are out of reach of the hash.
    #[error(
        "expected at most {most} bits of security with these hashes (collisions of the weakest), got a wish for {wanted}"
    )]
    TooManyBits {
        /// What the hashes allow.
        most: u32,
        /// What was wanted.
        wanted: u32,
    },
}

impl Fault for AutomaticError {
    fn code(&self) -> Code {
        match self {
            AutomaticError::Statement(error) => error.code(),
            AutomaticError::TooManyBits { .. } => Code(1132),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            AutomaticError::Statement(error) => error.exit(),
            AutomaticError::TooManyBits { .. } => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            AutomaticError::TooManyBits { .. } => {
                Some("ask for fewer bits, or use blake248 or poseidon".into())
            }
            AutomaticError::Statement(_) => None,
        }
    }
}

/// Blow-ups tried.
const LOG_BLOW_UPS: std::ops::RangeInclusive<u32> = 1..=6;
/// Grinding tried. Below 20 bits it saves nothing worth a query; above 32 it takes minutes.
const GRINDING: std::ops::RangeInclusive<u32> = 20..=32;
/// The largest last layer tried: its coefficients are sent in full.
const MOST_LOG_LAST_LAYER: u32 = 9;
/// Folding steps tried; verifier contracts take up to 4.
const STEPS: std::ops::RangeInclusive<u32> = 2..=4;

/// The dimensions of a trace of this layout.
///
/// # Errors
/// If the layout cannot hold a run of `n_steps` steps.
pub fn trace_shape(layout: &Layout, n_steps: u64) -> Result<TraceShape, StatementError> {
    // The dimensions do not depend on the statement, so any well-formed one will do.
    let segment = MemorySegment { begin_addr: 1, stop_ptr: 1 };
    let any_statement = PublicInput {
        layout: layout.name.into(),
        n_steps,
        rc_min: 0,
        rc_max: 1,
        memory_segments: layout.segments.iter().map(|&name| (name.to_owned(), segment)).collect(),
        public_memory: vec![PublicMemoryCell { address: 1, value: Felt::ONE, page: 0 }],
        dynamic_params: Default::default(),
    };
    Ok(shape_of(&CpuAir::new(layout, &any_statement)?))
}

/// The dimensions of an AIR.
pub(crate) fn shape_of(air: &CpuAir) -> TraceShape {
    let system = air.constraint_system();
    TraceShape {
        log_trace_length: air.log_trace_length(),
        widths: air.trace_widths(),
        mask: system.mask.len(),
        constraints: system.constraints.len(),
    }
}

impl TraceShape {
    /// The security of these parameters for such a trace.
    pub fn security(&self, parameters: &StarkParameters) -> Security {
        parameters.security(self.log_trace_length, self.constraints, self.mask)
    }
}

/// A FRI step list for a trace of 2^`log_trace_length` rows: 0, then steps of `step` and what is left, ending at
/// 2^`log_last_layer` coefficients. Σ steps + `log_last_layer` = `log_trace_length`.
pub fn fri_step_list(log_trace_length: u32, log_last_layer: u32, step: u32) -> Vec<u32> {
    let mut left = log_trace_length.saturating_sub(log_last_layer);
    let mut steps = vec![0];
    while left > 0 {
        let next = left.min(step.max(1));
        steps.push(next);
        left -= next;
    }
    steps
}

/// The cheapest parameters of at least `target_bits` conjectured bits for a run of `n_steps` steps.
///
/// # Errors
/// If the layout cannot hold the run, or the hashes cannot reach the bits.
pub fn automatic_parameters(
    layout: &Layout,
    n_steps: u64,
    target_bits: u32,
    optimize: Optimize,
    hashes: HashChoice,
) -> Result<Chosen, AutomaticError> {
    choose(&trace_shape(layout, n_steps)?, target_bits, optimize, hashes)
}

/// [`automatic_parameters`] for a trace whose dimensions are known.
///
/// # Errors
/// If the hashes cannot reach the bits.
pub fn choose(
    shape: &TraceShape,
    target_bits: u32,
    optimize: Optimize,
    hashes: HashChoice,
) -> Result<Chosen, AutomaticError> {
    let many_queries = Numbers { h: 1, n_queries: 1 << 12, bits: 20, last: 0, step: 4 };
    let most = shape.security(&with(shape, hashes, optimize, many_queries).stark).collision_bits;
    if target_bits > most {
        return Err(AutomaticError::TooManyBits { most, wanted: target_bits });
    }
    let candidates: Vec<(ProofParameters, Prediction)> = numbers(shape, target_bits)
        .map(|numbers| {
            let parameters = with(shape, hashes, optimize, numbers);
            let prediction = predict(&parameters.stark, shape);
            (parameters, prediction)
        })
        .collect();
    let least_time = candidates.iter().map(|(_, cost)| cost.cpu_seconds).fold(f64::INFINITY, f64::min);
    let cost = |(_, prediction): &(ProofParameters, Prediction)| match optimize {
        // A shorter proof is worth a little: 10 KB for a hundredth of the time.
        Optimize::Time => prediction.cpu_seconds + least_time * prediction.bytes * 1e-6,
        Optimize::Size | Optimize::Calldata if prediction.cpu_seconds > 4.0 * least_time => f64::INFINITY,
        Optimize::Size | Optimize::Calldata => prediction.bytes,
    };
    let cheapest = candidates.into_iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
    // The search always has candidates.
    let (parameters, prediction) =
        cheapest.ok_or(AutomaticError::TooManyBits { most, wanted: target_bits })?;
    let security = shape.security(&parameters.stark);
    Ok(Chosen { parameters, security, prediction })
}

/// Everything tried: as few queries as the bits need, for every blow-up, grinding, last layer and folding.
fn numbers(shape: &TraceShape, target_bits: u32) -> impl Iterator<Item = Numbers> {
    let last_layers = 0..=MOST_LOG_LAST_LAYER.min(shape.log_trace_length.saturating_sub(1));
    LOG_BLOW_UPS
        .flat_map(|h| GRINDING.map(move |bits| (h, bits)))
        .flat_map(move |(h, bits)| last_layers.clone().map(move |last| (h, bits, last)))
        .flat_map(|(h, bits, last)| STEPS.map(move |step| (h, bits, last, step)))
        .map(move |(h, bits, last, step)| {
            let n_queries = u64::from(target_bits.saturating_sub(bits).div_ceil(h).max(1));
            Numbers { h, n_queries, bits, last, step }
        })
}

/// The numbers that a search varies.
#[derive(Clone, Copy)]
struct Numbers {
    /// log₂ of the blow-up.
    h: u32,
    n_queries: u64,
    /// Grinding.
    bits: u32,
    /// log₂ of the last layer.
    last: u32,
    /// The largest FRI step.
    step: u32,
}

fn with(shape: &TraceShape, hashes: HashChoice, optimize: Optimize, numbers: Numbers) -> ProofParameters {
    let (commitment_hash, pow_hash) = match hashes {
        HashChoice::Blake248 => (CommitmentHash::Blake256Masked248Lsb, ProofOfWorkHash::Blake256),
        HashChoice::Poseidon => (CommitmentHash::Poseidon3, ProofOfWorkHash::Blake256),
        HashChoice::Keccak160 => (CommitmentHash::Keccak256Masked160Lsb, ProofOfWorkHash::Keccak256),
    };
    // Any number not below the tallest tree means all levels.
    const ALL_LEVELS: u64 = 1000;
    let n_verifier_friendly_commitment_layers = match (hashes, optimize) {
        (HashChoice::Poseidon, _) => ALL_LEVELS,
        (_, Optimize::Calldata) => 10,
        (_, Optimize::Time | Optimize::Size) => 0,
    };
    let stark = StarkParameters {
        log_n_cosets: numbers.h,
        fri: FriParameters {
            fri_step_list: fri_step_list(shape.log_trace_length, numbers.last, numbers.step),
            last_layer_degree_bound: 1 << numbers.last,
            n_queries: numbers.n_queries,
            proof_of_work_bits: numbers.bits,
        },
        channel_hash: ChannelHash::Poseidon3,
        commitment_hash,
        verifier_friendly_commitment_hash: CommitmentHash::Poseidon3,
        n_verifier_friendly_commitment_layers,
        verifier_friendly_channel_updates: true,
        pow_hash,
    };
    ProofParameters { stark, page_hash: PageHash::Pedersen }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(log_trace_length: u32) -> TraceShape {
        TraceShape { log_trace_length, widths: [23, 2], mask: 201, constraints: 179 }
    }

    #[test]
    fn steps_add_up_for_every_size() {
        for log_trace_length in 1..40 {
            for last in 0..=log_trace_length {
                for step in 1..=4 {
                    let steps = fri_step_list(log_trace_length, last, step);
                    assert_eq!(steps.iter().sum::<u32>() + last, log_trace_length);
                    assert!(steps[0] == 0 && steps[1..].iter().all(|s| (1..=4).contains(s)), "{steps:?}");
                }
            }
        }
    }

    #[test]
    fn every_choice_reaches_its_bits_and_fits_its_trace() {
        for log_trace_length in [4, 5, 9, 13, 17, 21, 24] {
            for optimize in [Optimize::Time, Optimize::Size, Optimize::Calldata] {
                for hashes in [HashChoice::Blake248, HashChoice::Poseidon] {
                    let chosen = choose(&shape(log_trace_length), 96, optimize, hashes).unwrap();
                    assert!(chosen.security.conjectured_bits >= 96);
                    let fri = &chosen.parameters.stark.fri;
                    assert_eq!(
                        fri.fri_step_list.iter().sum::<u32>() + fri.last_layer_degree_bound.ilog2(),
                        log_trace_length
                    );
                    assert!(chosen.prediction.bytes > 0.0 && chosen.prediction.cpu_seconds > 0.0);
                }
            }
        }
    }

    #[test]
    fn size_costs_time_and_time_costs_size() {
        let shape = shape(17);
        let fast = choose(&shape, 96, Optimize::Time, HashChoice::Blake248).unwrap().prediction;
        let small = choose(&shape, 96, Optimize::Size, HashChoice::Blake248).unwrap().prediction;
        assert!(fast.cpu_seconds < small.cpu_seconds && small.bytes < fast.bytes, "{fast:?} {small:?}");
    }

    #[test]
    fn eighty_bit_collisions_cannot_carry_ninety_six_bits() {
        let error = choose(&shape(13), 96, Optimize::Time, HashChoice::Keccak160).unwrap_err();
        assert!(matches!(error, AutomaticError::TooManyBits { most: 80, wanted: 96 }), "{error}");
        assert!(choose(&shape(13), 80, Optimize::Time, HashChoice::Keccak160).is_ok());
    }
}
