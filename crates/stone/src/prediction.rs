//! What a proof will cost before it is made: bytes from the parameters, seconds and memory from operation counts.
//!
//! Only the queries are random, so everything about the size is known but how often they meet: the expectation over
//! uniformly drawn queries is computed, whose spread is a few per cent.

use ashlar_field::Kernels;
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};
use ashlar_stark::StarkParameters;

/// The dimensions of a trace, as far as cost and size depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceShape {
    /// log₂ of the trace length N.
    pub log_trace_length: u32,
    /// Columns of the first and of the interaction trace.
    pub widths: [usize; 2],
    /// Out-of-domain values of trace cells.
    pub mask: usize,
    /// Constraints.
    pub constraints: usize,
}

/// The cost of a proof.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Expected length of the proof stream in bytes.
    pub bytes: f64,
    /// CPU seconds, over all threads, of an otherwise idle machine of the kind the constants were measured on.
    pub cpu_seconds: f64,
    /// Peak memory in bytes, with the lean storage policy.
    pub memory_bytes: f64,
}

/// Bytes of an element or digest in the proof.
const WORD: f64 = 32.0;

/// Expected number of distinct values among `draws` uniform draws from 2^`log_size`.
fn expected_distinct(log_size: u32, draws: f64) -> f64 {
    let size = f64::from(log_size).exp2();
    // size · (1 − (1 − 1/size)^draws), without cancellation for large sizes.
    -size * (draws * (-1.0 / size).ln_1p()).exp_m1()
}

/// Expected number of authentication nodes of a tree of 2^`height` leaves: at every level, siblings of which one is
/// an ancestor of a query and the other is not.
fn expected_siblings(height: u32, draws: f64) -> f64 {
    (1..=height)
        .map(|level| {
            let nodes = f64::from(level).exp2();
            let missed = |share: f64| if share >= 1.0 { 0.0 } else { (draws * (-share).ln_1p()).exp() };
            nodes * (missed(1.0 / nodes) - missed(2.0 / nodes))
        })
        .sum()
}

/// Expected length of the proof stream in bytes.
fn expected_bytes(parameters: &StarkParameters, shape: &TraceShape) -> f64 {
    let draws = parameters.fri.n_queries as f64;
    let steps = &parameters.fri.fri_step_list;
    let first_step = steps.first().copied().unwrap_or(0);
    let log_domain = shape.log_trace_length + parameters.log_n_cosets;
    let nonce = match (parameters.fri.proof_of_work_bits, parameters.channel_hash) {
        (0, _) => 0.0,
        (_, ChannelHash::Poseidon3) => WORD,
        _ => 8.0,
    };
    let roots = 3.0 + steps.len().saturating_sub(1) as f64;
    let out_of_domain = shape.mask as f64 + 2.0;
    let mut words = roots + out_of_domain + parameters.fri.last_layer_degree_bound as f64;
    let log_cosets = log_domain.saturating_sub(first_step);
    for width in [shape.widths[0], shape.widths[1], 2] {
        let rows = expected_distinct(log_cosets, draws) * f64::from(first_step).exp2();
        // In a table of one column the sibling leaves are rows, sent as data; there are as many.
        words += rows * width as f64 + expected_siblings(log_cosets, draws);
    }
    let mut log_layer = log_cosets;
    for &step in steps.iter().skip(1) {
        let log_rows = log_layer.saturating_sub(step);
        let cells = expected_distinct(log_rows, draws) * f64::from(step).exp2();
        words += cells - expected_distinct(log_layer, draws) + expected_siblings(log_rows, draws);
        log_layer = log_rows;
    }
    words * WORD + nonce
}

/// Nanoseconds of one operation on one core.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Costs {
    butterfly: f64,
    multiplication: f64,
    keccak: f64,
    blake: f64,
    poseidon: f64,
    pedersen: f64,
    grinding_keccak: f64,
    grinding_blake: f64,
}

impl Costs {
    /// Measured on server processors (2.5 to 4.3 GHz), rounded to the slower.
    fn of(kernels: Kernels) -> Costs {
        match kernels {
            Kernels::Scalar => Costs {
                butterfly: 20.0,
                multiplication: 16.0,
                keccak: 600.0,
                blake: 250.0,
                poseidon: 9000.0,
                pedersen: 90_000.0,
                grinding_keccak: 650.0,
                grinding_blake: 250.0,
            },
            Kernels::Portable | Kernels::Avx512 => Costs {
                butterfly: 6.0,
                multiplication: 5.0,
                keccak: 90.0,
                blake: 25.0,
                poseidon: 1800.0,
                pedersen: 90_000.0,
                grinding_keccak: 90.0,
                grinding_blake: 25.0,
            },
            Kernels::Avx512Ifma => Costs {
                butterfly: 3.5,
                multiplication: 2.6,
                keccak: 70.0,
                blake: 20.0,
                poseidon: 800.0,
                pedersen: 90_000.0,
                grinding_keccak: 70.0,
                grinding_blake: 20.0,
            },
        }
    }

    /// Hashing one message of `words` 32-byte words.
    fn message(&self, hash: CommitmentHash, words: f64) -> f64 {
        match hash {
            CommitmentHash::Keccak256
            | CommitmentHash::Keccak256Masked160Msb
            | CommitmentHash::Keccak256Masked160Lsb => self.keccak * ((32.0 * words + 1.0) / 136.0).ceil(),
            CommitmentHash::Blake256
            | CommitmentHash::Blake256Masked160Msb
            | CommitmentHash::Blake256Masked248Lsb => self.blake * (words / 2.0).ceil(),
            CommitmentHash::Poseidon3 => self.poseidon * ((words / 2.0).floor() + 1.0),
            CommitmentHash::Pedersen => self.pedersen * (words + 1.0),
        }
    }

    /// The tree over a table of 2^`height` rows.
    fn tree(&self, parameters: &StarkParameters, height: u32, width: f64) -> f64 {
        let rows = f64::from(height).exp2() * self.message(parameters.hash_at_depth(height), width);
        let node = |hash| match hash {
            CommitmentHash::Poseidon3 => self.poseidon,
            CommitmentHash::Pedersen => self.pedersen,
            _ => self.message(hash, 2.0),
        };
        rows + (0..height)
            .map(|depth| f64::from(depth).exp2() * node(parameters.hash_at_depth(depth)))
            .sum::<f64>()
    }
}

/// CPU nanoseconds of a proof.
fn cpu_nanoseconds(parameters: &StarkParameters, shape: &TraceShape, costs: &Costs) -> f64 {
    let length = f64::from(shape.log_trace_length).exp2();
    let blow_up = f64::from(parameters.log_n_cosets).exp2();
    let log_domain = shape.log_trace_length + parameters.log_n_cosets;
    let columns = (shape.widths[0] + shape.widths[1] + 2) as f64;
    let transform = length / 2.0 * f64::from(shape.log_trace_length) * costs.butterfly;
    // One inverse transform a column and one forward transform a coset; FRI's first layer is one more column.
    let transforms = (columns + 1.0) * (1.0 + blow_up) * transform;
    // About two multiplications a constraint on 2N points; one a mask cell on N rows for the out-of-domain values and
    // again for the quotient.
    let constraints = 2.0 * length * 2.0 * shape.constraints as f64 * costs.multiplication;
    let out_of_domain = 2.0 * length * shape.mask as f64 * costs.multiplication;
    let mut trees: f64 = [shape.widths[0], shape.widths[1], 2]
        .into_iter()
        .map(|width| costs.tree(parameters, log_domain, width as f64))
        .sum();
    let mut log_layer = log_domain.saturating_sub(parameters.fri.fri_step_list.first().copied().unwrap_or(0));
    for &step in parameters.fri.fri_step_list.iter().skip(1) {
        log_layer = log_layer.saturating_sub(step);
        trees += costs.tree(parameters, log_layer, f64::from(step).exp2());
    }
    let per_nonce = match parameters.proof_of_work_hash() {
        ProofOfWorkHash::Keccak256 => costs.grinding_keccak,
        ProofOfWorkHash::Blake256 => costs.grinding_blake,
    };
    let grinding = f64::from(parameters.fri.proof_of_work_bits).exp2() * per_nonce;
    transforms + constraints + out_of_domain + trees + grinding
}

/// Peak memory in bytes with the lean storage policy: coefficients and two cosets of every column, and three trees.
/// Fitted to runs of `plain` (blow-up 16, 29 MB) and `small` (2¹³ steps, blow-up 4, 398 MB), within 3 %.
fn memory_bytes(parameters: &StarkParameters, shape: &TraceShape) -> f64 {
    const PROCESS: f64 = 8e6;
    let length = f64::from(shape.log_trace_length).exp2();
    let blow_up = f64::from(parameters.log_n_cosets).exp2();
    let columns = (shape.widths[0] + shape.widths[1] + 2) as f64;
    PROCESS + WORD * length * (3.0 * columns + 3.0 * blow_up + 2.0)
}

/// Predicts the cost of a proof with these parameters over a trace of this shape.
pub fn predict(parameters: &StarkParameters, shape: &TraceShape) -> Prediction {
    let costs = Costs::of(Kernels::current());
    Prediction {
        bytes: expected_bytes(parameters, shape),
        cpu_seconds: cpu_nanoseconds(parameters, shape, &costs) * 1e-9,
        memory_bytes: memory_bytes(parameters, shape),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_query_needs_one_sibling_a_level() {
        assert!((expected_siblings(15, 1.0) - 15.0).abs() < 1e-9);
        assert!((expected_distinct(15, 1.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn endless_queries_need_no_sibling_and_hit_every_row() {
        assert!(expected_siblings(6, 1e6) < 1e-3);
        assert!((expected_distinct(6, 1e6) - 64.0).abs() < 1e-3);
    }
}
