//! What a proof will cost before it is made: bytes and calldata from the parameters, seconds from operation counts
//! and the [`Rates`] of a machine, memory from what the prover keeps.
//!
//! | module | what it computes |
//! |---|---|
//! | `size` | the expected length of the proof stream, as bytes and as calldata |
//! | `rates` | nanoseconds of one operation, by default for a family of kernels |
//! | `calibration` | the same, measured on this machine |

mod calibration;
mod rates;
mod size;

use ashlar_stark::{Operations, Phase, StarkParameters, StoragePolicy};

pub use calibration::calibrate;
pub use rates::{HashRates, Rates};
pub use size::{MOST_CALLDATA_FELTS, PageZero, ProofParts};

pub(crate) use size::Meetings;
use size::{Stream, WORD};

/// The dimensions of a trace, as far as cost and size depend on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceShape {
    /// log₂ of the trace length N.
    pub log_trace_length: u32,
    /// Columns of the first and of the interaction trace.
    pub widths: [usize; 2],
    /// Out-of-domain values of trace cells.
    pub mask: usize,
    /// Constraints, skipped ones included.
    pub constraints: usize,
    /// What the prover computes at every point for constraints and mask.
    pub operations: Operations,
    /// Cells of the tables of known values that evaluating the constraints takes, on one coset.
    pub table_cells: u64,
}

/// Operations in units of a butterfly, whose time is loads, one product and two sums: fitted to the phases of all
/// reference proofs (`docs/benchmarks.md`). A product or sum of the constraints, each on loaded operands; their programs
/// take fewer, because shared factors are taken out.
const PRODUCT: f64 = 0.56;
const SUM: f64 = 0.41;
/// A cell of a table: transform, inversion, order.
const TABLE_CELL: f64 = 13.0;
/// A pole taken by itself; what a sum of poles takes besides one transform of full length.
const POLE: f64 = 1.5;
const POLE_SUM: f64 = 9.0;
/// A product of the evaluations at single points.
const EVALUATION: f64 = 0.45;
/// A cell of the interaction trace: products of shifted cells, and one inversion for each run of them.
const RUNNING_PRODUCT: f64 = 8.0;
/// What the layers of the low-degree test take beside transforms and trees: folding them.
const LAYERS: f64 = 1.25;

/// CPU seconds by phase of the prover.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PhaseSeconds([f64; Phase::ALL.len()]);

impl PhaseSeconds {
    /// The seconds of one phase.
    pub fn of(&self, phase: Phase) -> f64 {
        self.iter().find(|(candidate, _)| *candidate == phase).map_or(0.0, |(_, seconds)| seconds)
    }

    /// Every phase with its seconds, in the order of the proof.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, f64)> + '_ {
        Phase::ALL.into_iter().zip(self.0)
    }

    /// All phases together.
    pub fn total(&self) -> f64 {
        self.0.iter().sum()
    }
}

/// The cost of a proof.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Expected length of the proof stream in bytes.
    pub bytes: f64,
    /// Expected field elements of calldata that Integrity's verifier contract takes for the whole proof in one call.
    pub calldata_felts: f64,
    /// CPU seconds of proving by phase with [`StoragePolicy::TwoCosets`], over all threads, on a machine of these rates
    /// that does nothing else.
    pub phases: PhaseSeconds,
    /// CPU seconds of verifying it once.
    pub verification_seconds: f64,
    /// CPU seconds of starting and reading a run from Stone's files.
    pub input_seconds: f64,
    /// CPU seconds of what is computed again, by position in [`StoragePolicy::ALL`].
    again_seconds: [f64; StoragePolicy::ALL.len()],
    /// Peak memory in bytes, by position in [`StoragePolicy::ALL`].
    memory: [f64; StoragePolicy::ALL.len()],
}

impl Prediction {
    /// Peak memory in bytes.
    pub fn memory_bytes(&self, storage: StoragePolicy) -> f64 {
        // The policies are numbered in the order of `ALL`.
        self.memory[storage as usize]
    }

    /// CPU seconds of proving, over all threads.
    pub fn cpu_seconds(&self) -> f64 {
        self.phases.total()
    }

    /// CPU seconds of the whole process of a drop-in prover: input, proof, verification, and what the storage policy has
    /// it compute twice.
    pub fn process_seconds(&self, storage: StoragePolicy) -> f64 {
        let again = self.again_seconds[storage as usize];
        self.input_seconds + self.cpu_seconds() + again + self.verification_seconds
    }

    /// Seconds of proving and verifying on this many threads. Measured runs keep two threads busy for 93 % of the
    /// time; verifying takes one.
    pub fn wall_seconds(&self, threads: usize) -> f64 {
        const BUSY: f64 = 0.93;
        let threads = threads.max(1) as f64;
        let speed_up = 1.0 + (threads - 1.0) * (2.0 * BUSY - 1.0);
        self.cpu_seconds() / speed_up + self.verification_seconds
    }
}

/// Predicts the cost of a proof with these parameters over a trace of this shape, on a machine of these rates.
pub fn predict(
    parameters: &StarkParameters,
    shape: &TraceShape,
    page: PageZero,
    rates: &Rates,
) -> Prediction {
    predict_meeting(
        &Meetings::of(parameters.fri.n_queries, log_domain(parameters, shape)),
        parameters,
        shape,
        page,
        rates,
    )
}

/// [`predict`], where it is known what the queries of these parameters meet: for those who compare many.
pub(crate) fn predict_meeting(
    meetings: &Meetings,
    parameters: &StarkParameters,
    shape: &TraceShape,
    page: PageZero,
    rates: &Rates,
) -> Prediction {
    let stream = Stream::meeting(parameters, shape, meetings);
    Prediction {
        bytes: stream.bytes(),
        calldata_felts: stream.calldata_felts(page),
        phases: phases(parameters, shape, rates),
        verification_seconds: verification(parameters, shape, &stream, rates) * 1e-9,
        input_seconds: input(shape, rates) * 1e-9,
        again_seconds: StoragePolicy::ALL
            .map(|storage| transforms_again(parameters, shape, storage) * transform(shape, rates) * 1e-9),
        memory: StoragePolicy::ALL.map(|storage| memory_bytes(parameters, shape, storage)),
    }
}

/// log₂ of the evaluation domain.
pub(crate) fn log_domain(parameters: &StarkParameters, shape: &TraceShape) -> u32 {
    shape.log_trace_length + parameters.log_n_cosets
}

/// 2^`log`, exactly: a search predicts thousands of proofs, each of dozens of powers.
fn two_to(log: u32) -> f64 {
    // The exponent of a double is stored with 1023 added; 2^1023 is the largest power that there is.
    f64::from_bits(u64::from(1023 + log.min(1023)) << 52)
}

/// What a machine takes to do nothing in particular, measured in products of single elements: starting, reading the
/// settings, building the constraints of a layout; then a share for every row of the trace.
fn input(shape: &TraceShape, rates: &Rates) -> f64 {
    const START: f64 = 1_500_000.0;
    const CONSTRAINT: f64 = 2_000.0;
    const ROW: f64 = 0.7;
    let length = two_to(shape.log_trace_length);
    (START + CONSTRAINT * shape.constraints as f64 + ROW * length) * rates.single_multiplication
}

/// One transform of a column of the trace's length, in nanoseconds.
fn transform(shape: &TraceShape, rates: &Rates) -> f64 {
    let length = two_to(shape.log_trace_length);
    length / 2.0 * f64::from(shape.log_trace_length) * rates.butterfly
}

/// Transforms that a storage policy adds to those of [`StoragePolicy::TwoCosets`].
fn transforms_again(parameters: &StarkParameters, shape: &TraceShape, storage: StoragePolicy) -> f64 {
    let traces = (shape.widths[0] + shape.widths[1]) as f64;
    let cosets = two_to(parameters.log_n_cosets);
    match storage {
        StoragePolicy::Stored | StoragePolicy::TwoCosets => 0.0,
        // Columns of which one coset is given up go back and to the other one; those that had but one in the end, back
        // for the openings.
        StoragePolicy::OneCoset if parameters.log_n_cosets == 1 => {
            let [constraints, quotient] = [CONSTRAINT_COLUMNS, QUOTIENT_COLUMNS]
                .map(|columns| (columns + shape.widths[1] as f64 + tables(shape).ceil()).min(traces));
            2.0 * constraints + quotient
        }
        // The traces go to the second coset of the composition again, and a column that makes room for the quotient back
        // from its coset.
        StoragePolicy::OneCoset => traces + 1.0,
        // Back from every coset but the last that is hashed, to the other coset of the composition, and back for the
        // openings.
        StoragePolicy::InPlace => (traces + 2.0) * cosets + 2.0 * traces,
    }
}

/// Columns that exist beside the trace while the composition is evaluated: inverses, and the composition on two cosets.
const CONSTRAINT_COLUMNS: f64 = 3.0;
/// While it is split: the composition on two cosets, and its parts.
const SPLIT_COLUMNS: f64 = 4.0;
/// While the quotient is made: the parts of the composition, what is made of them, inverses, and the quotient.
const QUOTIENT_COLUMNS: f64 = 5.0;

/// The tables of a coset, in columns.
fn tables(shape: &TraceShape) -> f64 {
    shape.table_cells as f64 / two_to(shape.log_trace_length)
}

/// Where the bytes of a proof with these parameters over a trace of this shape are.
pub fn proof_parts(parameters: &StarkParameters, shape: &TraceShape) -> ProofParts {
    Stream::expected(parameters, shape).parts(parameters, shape)
}

/// CPU seconds of every phase, with [`StoragePolicy::TwoCosets`].
fn phases(parameters: &StarkParameters, shape: &TraceShape, rates: &Rates) -> PhaseSeconds {
    let length = two_to(shape.log_trace_length);
    let blow_up = two_to(parameters.log_n_cosets);
    let log_domain = log_domain(parameters, shape);
    let transform = transform(shape, rates);
    let Operations { products, sums, constraints, single_poles, crowded_columns } = shape.operations;
    let [first, interaction] = shape.widths.map(|width| width as f64);
    // One inverse transform a column and one forward transform a coset.
    let commitment =
        |width: f64| width * (1.0 + blow_up) * transform + tree(parameters, &rates.batch, log_domain, width);
    let steps = &parameters.fri.fri_step_list;
    let mut low_degree = 0.0;
    let mut log_layer = log_domain.saturating_sub(steps.first().copied().unwrap_or(0));
    for &step in steps.iter().skip(1) {
        // A layer is evaluated from its coefficients; its rows are 2^step values.
        low_degree += two_to(log_layer) / 2.0 * f64::from(log_layer) * rates.butterfly;
        log_layer = log_layer.saturating_sub(step);
        low_degree += tree(parameters, &rates.batch, log_layer, two_to(step));
    }
    let grinding = two_to(parameters.fri.proof_of_work_bits) * rates.nonce(parameters.proof_of_work_hash());
    let nanoseconds = Phase::ALL.map(|phase| match phase {
        Phase::FirstTrace => length * first * rates.trace_cell,
        Phase::FirstCommitment => commitment(first),
        // Products of shifted cells, and one inversion for each run of them.
        Phase::InteractionTrace => length * interaction * RUNNING_PRODUCT * rates.butterfly,
        Phase::InteractionCommitment => commitment(interaction),
        // On 2N points; the tables are made for each of the two cosets.
        Phase::Constraints => {
            let products = PRODUCT * (products + constraints) as f64 + SUM * sums as f64;
            2.0 * (length * products + TABLE_CELL * shape.table_cells as f64) * rates.butterfly
        }
        Phase::CompositionCommitment => commitment(2.0),
        Phase::OutOfDomain => {
            let columns = first + interaction;
            let products =
                products_for_groups(shape.mask as f64 / columns, f64::from(shape.log_trace_length));
            length * (columns * products + 2.0) * EVALUATION * rates.butterfly
        }
        Phase::Quotient => {
            let sums = if crowded_columns > 0 { crowded_columns + 1 } else { 0 } as f64;
            let by_transforms = sums * (transform + length * POLE_SUM * rates.butterfly);
            length * single_poles as f64 * POLE * rates.butterfly + by_transforms + transform
        }
        Phase::LowDegreeTest => low_degree * LAYERS,
        Phase::ProofOfWork => grinding,
        Phase::Openings => openings(parameters, shape, rates),
    });
    PhaseSeconds(nanoseconds.map(|phase| phase * 1e-9))
}

/// Products a coefficient that the values on some groups of rows of a coset take, or the transform of the coset, if
/// that takes fewer.
fn products_for_groups(groups: f64, transform: f64) -> f64 {
    (0..=6).map(|layers| f64::from(layers) / 2.0 + groups / two_to(layers)).fold(transform, f64::min)
}

/// The columns are evaluated again on the groups of rows that are opened, in cosets that are not kept.
fn openings(parameters: &StarkParameters, shape: &TraceShape, rates: &Rates) -> f64 {
    let length = two_to(shape.log_trace_length);
    let columns = (shape.widths[0] + shape.widths[1] + 2) as f64;
    let cosets = two_to(parameters.log_n_cosets);
    let groups = parameters.fri.n_queries as f64 / cosets;
    let products = products_for_groups(groups, f64::from(shape.log_trace_length));
    // Those of the two cosets that are kept are read.
    (cosets - 2.0).max(0.0) * columns * length * products * EVALUATION * rates.butterfly
}

/// The tree over a table of 2^`height` rows, in nanoseconds.
fn tree(parameters: &StarkParameters, rates: &HashRates, height: u32, width: f64) -> f64 {
    let rows = two_to(height) * rates.message(parameters.hash_at_depth(height), width);
    rows + (0..height).map(|depth| two_to(depth) * rates.node(parameters.hash_at_depth(depth))).sum::<f64>()
}

/// Verifying, in nanoseconds: one message at a time on one thread.
fn verification(parameters: &StarkParameters, shape: &TraceShape, stream: &Stream, rates: &Rates) -> f64 {
    let depth = parameters.hash_at_depth(u32::MAX);
    let messages: f64 =
        stream.rows.iter().map(|&(rows, width)| rows * rates.single.message(depth, width)).sum();
    // Every sibling, and about as many parents of two known nodes, make one node each.
    let nodes = 2.0 * stream.siblings * rates.single.node(parameters.hash_at_depth(1));
    // The channel absorbs every out-of-domain value.
    let absorbed = (shape.mask as f64 + 2.0) / 2.0 * rates.single.poseidon;
    let queried = stream.rows.first().map_or(0.0, |&(rows, _)| rows);
    // The quotient at every queried row has one product and a share of an inversion a mask cell.
    let algebra =
        (queried * shape.mask as f64 * 4.0 + 4.0 * shape.constraints as f64) * rates.single_multiplication;
    messages + nodes + absorbed + algebra
}

/// Peak memory in bytes: the largest of what the prover has in memory while it evaluates the composition, the quotient
/// and the layers of the low-degree test. `docs/benchmarks.md` says how close it comes.
fn memory_bytes(parameters: &StarkParameters, shape: &TraceShape, storage: StoragePolicy) -> f64 {
    const PROCESS: f64 = 13e6;
    let length = two_to(shape.log_trace_length);
    let blow_up = two_to(parameters.log_n_cosets);
    let traces = (shape.widths[0] + shape.widths[1]) as f64;
    // All in columns of the trace's length from here on. A tree keeps all but its three lowest levels.
    let tree = blow_up / 4.0;
    // What the trace was made from: the run, its memory, the instances of the builtins.
    let witness = 1.0;
    let interaction = shape.widths[1] as f64;
    let (copies, of_parts) = match storage {
        StoragePolicy::Stored => (1.0 + blow_up, 1.0 + blow_up),
        StoragePolicy::TwoCosets => (3.0, 3.0),
        StoragePolicy::OneCoset => (2.0, 1.0),
        StoragePolicy::InPlace => (1.0, 1.0),
    };
    let extension_alone = storage == StoragePolicy::OneCoset && parameters.log_n_cosets == 1;
    // What a step makes; where the extension is kept alone, second copies make room for it.
    let step = |columns: f64, trees: f64| {
        let room = if extension_alone { (interaction + columns).min(traces) } else { 0.0 };
        copies * traces - room + columns + trees * tree
    };
    let commitment = step(0.0, 2.0);
    let composition = step(tables(shape) + CONSTRAINT_COLUMNS, 2.0).max(step(SPLIT_COLUMNS, 2.0));
    let second_parts = 2.0 * (of_parts - 1.0);
    // Where there are two copies, the coefficients of a column make room for the quotient.
    let given_up = if storage == StoragePolicy::OneCoset && !extension_alone { 1.0 } else { 0.0 };
    let quotient = step(QUOTIENT_COLUMNS + second_parts - given_up, 3.0);
    let mut layers = if storage == StoragePolicy::OneCoset && !extension_alone {
        traces + 2.0 + 3.0 * tree + 1.0
    } else {
        step(2.0 * of_parts + 1.0, 3.0)
    };
    let mut values = blow_up;
    for (step, next) in parameters.fri.fri_step_list.iter().zip(parameters.fri.fri_step_list.iter().skip(1)) {
        values /= two_to(*step);
        layers += values + values / two_to(*next) / 4.0;
    }
    PROCESS + WORD * length * (witness + commitment.max(composition).max(quotient).max(layers))
}
