//! How long a proof will be. Only the queries are random, so everything is known but how often they meet: the
//! expectation over uniformly drawn queries is computed, whose spread is a few per cent.

use ashlar_hash::ChannelHash;
use ashlar_stark::StarkParameters;

use super::{TraceShape, log_domain, two_to};

/// Bytes of an element or digest in the proof.
pub(super) const WORD: f64 = 32.0;

/// The longest proof that one transaction on Starknet can carry to Integrity's verifier contract, in field elements:
/// 5,000 of calldata less the account's call encoding, the verifier configuration and a reserve.
pub const MOST_CALLDATA_FELTS: u64 = 4988;

/// What page 0 of the public memory adds to the calldata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageZero {
    /// Memory segments of the layout.
    pub segments: u64,
    /// Cells: the program, the output, the frame and two pointers a builtin.
    pub cells: u64,
}

/// Where the bytes of a proof are: the expectation over the queries.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ProofParts {
    /// Roots of the trees.
    pub commitments: f64,
    /// Values of the columns and of the composition at the out-of-domain point.
    pub out_of_domain: f64,
    /// The coefficients of the last layer of the low-degree test.
    pub last_layer: f64,
    /// Opened rows of the traces and of the composition.
    pub trace_rows: f64,
    /// Opened rows of the layers of the low-degree test.
    pub fri_rows: f64,
    /// Siblings on the ways from opened rows to the roots.
    pub siblings: f64,
    /// The nonce of the proof of work.
    pub nonce: f64,
}

impl ProofParts {
    /// Every part with its name, in the order of the proof.
    pub fn named(&self) -> [(&'static str, f64); 7] {
        [
            ("commitments", self.commitments),
            ("out-of-domain values", self.out_of_domain),
            ("last layer", self.last_layer),
            ("proof of work", self.nonce),
            ("rows of the traces", self.trace_rows),
            ("rows of the low-degree test", self.fri_rows),
            ("authentication paths", self.siblings),
        ]
    }

    /// All parts together.
    pub fn total(&self) -> f64 {
        self.named().iter().map(|(_, bytes)| bytes).sum()
    }
}

/// The parts of a proof stream, in words.
pub(super) struct Stream {
    /// Everything that does not depend on the queries: roots, out-of-domain values, the last layer.
    fixed: f64,
    /// Distinct rows opened, and their width, in every table: the traces first.
    pub(super) rows: Vec<(f64, f64)>,
    /// Cells of opened rows that are sent.
    cells: f64,
    /// Siblings in all trees.
    pub(super) siblings: f64,
    /// Bytes of the nonce.
    nonce: f64,
    /// Entries of the FRI step list.
    fri_steps: f64,
}

/// More than log₂ of any domain: the field has 2^192 roots of unity.
const MOST_LOG_DOMAIN: u32 = 192;

/// What a number of uniform queries meets in domains and trees of every size, computed once for all of them.
pub(crate) struct Meetings {
    /// By log₂ of the domain's size: the expected number of distinct values.
    distinct: Vec<f64>,
    /// By height of the tree: the expected number of siblings on the ways to the root.
    siblings: Vec<f64>,
}

impl Meetings {
    /// Of so many queries, for domains of up to 2^`log_most` values.
    pub(crate) fn of(n_queries: u64, log_most: u32) -> Meetings {
        let draws = n_queries as f64;
        // Parameters that somebody else wrote may name any size; no domain is so large.
        let log_most = log_most.min(MOST_LOG_DOMAIN);
        // At every level, siblings of which one is an ancestor of a query and the other is not.
        let mut all_levels = 0.0;
        let siblings = (0..=log_most).map(|height| {
            all_levels += if height == 0 { 0.0 } else { siblings_at(height, draws) };
            all_levels
        });
        Meetings {
            siblings: siblings.collect(),
            distinct: (0..=log_most).map(|log_size| expected_distinct(log_size, draws)).collect(),
        }
    }

    /// Distinct values among the queries to a domain of 2^`log_size` values.
    fn distinct(&self, log_size: u32) -> f64 {
        of_largest(&self.distinct, log_size)
    }

    /// Authentication nodes of a tree of 2^`height` leaves.
    fn siblings(&self, height: u32) -> f64 {
        of_largest(&self.siblings, height)
    }
}

/// Nothing asked for is larger than what was computed.
fn of_largest(values: &[f64], log_size: u32) -> f64 {
    values.get(log_size as usize).or(values.last()).copied().unwrap_or(0.0)
}

/// Expected number of distinct values among `draws` uniform draws from 2^`log_size`.
fn expected_distinct(log_size: u32, draws: f64) -> f64 {
    let size = two_to(log_size);
    // size · (1 − (1 − 1/size)^draws), without cancellation for large sizes.
    -size * (draws * (-1.0 / size).ln_1p()).exp_m1()
}

/// Expected number of nodes of one level below which no draw fell, beside nodes below which one did.
fn siblings_at(level: u32, draws: f64) -> f64 {
    let nodes = two_to(level);
    let missed = |share: f64| if share >= 1.0 { 0.0 } else { (draws * (-share).ln_1p()).exp() };
    nodes * (missed(1.0 / nodes) - missed(2.0 / nodes))
}

impl Stream {
    /// The expectation over the queries.
    pub(super) fn expected(parameters: &StarkParameters, shape: &TraceShape) -> Stream {
        Stream::meeting(
            parameters,
            shape,
            &Meetings::of(parameters.fri.n_queries, log_domain(parameters, shape)),
        )
    }

    /// [`Stream::expected`], where it is known what the queries of these parameters meet.
    pub(super) fn meeting(parameters: &StarkParameters, shape: &TraceShape, meetings: &Meetings) -> Stream {
        let steps = &parameters.fri.fri_step_list;
        let first_step = steps.first().copied().unwrap_or(0);
        let log_domain = log_domain(parameters, shape);
        let nonce = match (parameters.fri.proof_of_work_bits, parameters.channel_hash) {
            (0, _) => 0.0,
            (_, ChannelHash::Poseidon3) => WORD,
            _ => 8.0,
        };
        let roots = 3.0 + steps.len().saturating_sub(1) as f64;
        let out_of_domain = shape.mask as f64 + 2.0;
        let mut stream = Stream {
            fixed: roots + out_of_domain + parameters.fri.last_layer_degree_bound as f64,
            rows: Vec::new(),
            cells: 0.0,
            siblings: 0.0,
            nonce,
            fri_steps: steps.len() as f64,
        };
        let log_cosets = log_domain.saturating_sub(first_step);
        for width in [shape.widths[0], shape.widths[1], 2] {
            let rows = meetings.distinct(log_cosets) * two_to(first_step);
            stream.rows.push((rows, width as f64));
            // In a table of one column the sibling leaves are rows, sent as data; there are as many.
            stream.cells += rows * width as f64;
            stream.siblings += meetings.siblings(log_cosets);
        }
        let mut log_layer = log_cosets;
        for &step in steps.iter().skip(1) {
            let log_rows = log_layer.saturating_sub(step);
            let (rows, width) = (meetings.distinct(log_rows), two_to(step));
            stream.rows.push((rows, width));
            // The verifier computes one cell of a row itself.
            stream.cells += rows * width - meetings.distinct(log_layer);
            stream.siblings += meetings.siblings(log_rows);
            log_layer = log_rows;
        }
        stream
    }

    /// The length by part, in bytes.
    pub(super) fn parts(&self, parameters: &StarkParameters, shape: &TraceShape) -> ProofParts {
        let opened =
            |tables: &[(f64, f64)]| tables.iter().map(|(rows, width)| rows * width).sum::<f64>() * WORD;
        let traces = opened(self.rows.get(..3).unwrap_or_default());
        let last_layer = parameters.fri.last_layer_degree_bound as f64 * WORD;
        let out_of_domain = (shape.mask as f64 + 2.0) * WORD;
        ProofParts {
            commitments: self.fixed * WORD - last_layer - out_of_domain,
            out_of_domain,
            last_layer,
            trace_rows: traces,
            // The verifier computes a cell of every opened row of a layer itself.
            fri_rows: self.cells * WORD - traces,
            siblings: self.siblings * WORD,
            nonce: self.nonce,
        }
    }

    fn words(&self) -> f64 {
        self.fixed + self.cells + self.siblings
    }

    /// The length of the stream in bytes.
    pub(super) fn bytes(&self) -> f64 {
        self.words() * WORD + self.nonce
    }

    /// The same proof as Integrity's verifier contract takes it: the stream's words, a length or two for every array,
    /// the configuration, and the public input.
    pub(super) fn calldata_felts(&self, page: PageZero) -> f64 {
        let configuration = 16.0 + 4.0 * self.fri_steps;
        let public_input = 13.0 + 2.0 * page.segments as f64 + 2.0 * page.cells as f64;
        // The nonce, three lengths of the commitment, twelve of the trace witness, one of FRI's and two a layer.
        let nonce_and_lengths = 1.0 + 3.0 + 12.0 + 1.0 + 2.0 * (self.fri_steps - 1.0);
        self.words() + configuration + public_input + nonce_and_lengths
    }
}

#[cfg(test)]
mod tests {
    use ashlar_hash::{CommitmentHash, ProofOfWorkHash};
    use ashlar_stark::{FriParameters, Operations};

    use super::*;
    use crate::fri_step_list;

    #[test]
    fn one_query_needs_one_sibling_a_level() {
        let meetings = Meetings::of(1, 15);
        assert!((meetings.siblings(15) - 15.0).abs() < 1e-9);
        assert!((meetings.distinct(15) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn endless_queries_need_no_sibling_and_hit_every_row() {
        let meetings = Meetings::of(1_000_000, 6);
        assert!(meetings.siblings(6) < 1e-3);
        assert!((meetings.distinct(6) - 64.0).abs() < 1e-3);
    }

    #[test]
    fn the_parts_of_a_proof_are_the_whole_of_it() {
        let shape = TraceShape {
            log_trace_length: 17,
            widths: [23, 2],
            mask: 201,
            constraints: 100,
            table_cells: 0,
            operations: Operations::default(),
        };
        let parameters = StarkParameters {
            log_n_cosets: 2,
            fri: FriParameters {
                fri_step_list: fri_step_list(17, 7, 4),
                last_layer_degree_bound: 128,
                n_queries: 40,
                proof_of_work_bits: 20,
            },
            channel_hash: ChannelHash::Keccak256,
            commitment_hash: CommitmentHash::Blake256Masked248Lsb,
            verifier_friendly_commitment_hash: CommitmentHash::Blake256Masked248Lsb,
            n_verifier_friendly_commitment_layers: 0,
            verifier_friendly_channel_updates: false,
            pow_hash: ProofOfWorkHash::Blake256,
        };
        let stream = Stream::expected(&parameters, &shape);
        let parts = stream.parts(&parameters, &shape);
        assert!((parts.total() - stream.bytes()).abs() < 1.0, "{parts:?} for {}", stream.bytes());
        assert!(parts.named().iter().all(|(_, bytes)| *bytes > 0.0), "{parts:?}");
    }

    /// Sizes that were simulated with the contract's own serialisation: layout `recursive` with 50 cells on page 0, a
    /// last layer of 128 and steps of 4.
    #[test]
    fn predicted_calldata_is_that_of_the_verifier_contract() {
        let page = PageZero { segments: 6, cells: 50 };
        for (log_n_cosets, n_queries, proof_of_work_bits, felts) in [
            (2, 18, 24, [2536.0, 2980.0, 3304.0, 3755.0, 4127.0]),
            (2, 33, 30, [4079.0, 4860.0, 5452.0, 6285.0, 6935.0]),
            (3, 22, 30, [3087.0, 3637.0, 4030.0, 4633.0, 5061.0]),
            (4, 16, 32, [2510.0, 2940.0, 3226.0, 3692.0, 3996.0]),
            (4, 23, 28, [3334.0, 3946.0, 4348.0, 4988.0, 5447.0]),
        ] {
            for (log_steps, expected) in [14, 16, 18, 20, 22].into_iter().zip(felts) {
                let log_trace_length = log_steps + 4;
                let shape = TraceShape {
                    log_trace_length,
                    widths: [7, 3],
                    mask: 133,
                    constraints: 93,
                    operations: Operations::default(),
                    table_cells: 0,
                };
                let parameters = StarkParameters {
                    log_n_cosets,
                    fri: FriParameters {
                        fri_step_list: fri_step_list(log_trace_length, 7, 4),
                        last_layer_degree_bound: 128,
                        n_queries,
                        proof_of_work_bits,
                    },
                    channel_hash: ChannelHash::Poseidon3,
                    commitment_hash: CommitmentHash::Blake256Masked248Lsb,
                    verifier_friendly_commitment_hash: CommitmentHash::Poseidon3,
                    n_verifier_friendly_commitment_layers: 1000,
                    verifier_friendly_channel_updates: true,
                    pow_hash: ProofOfWorkHash::Blake256,
                };
                let predicted = Stream::expected(&parameters, &shape).calldata_felts(page);
                let off = (predicted - expected).abs() / expected;
                assert!(off < 0.02, "2^{log_steps} steps, {n_queries} queries: {predicted} for {expected}");
            }
        }
    }
}
