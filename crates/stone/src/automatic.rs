//! Parameters for a trace of any size and any wanted security: FRI steps that always add up, and the cheapest
//! combination of blow-up, queries, grinding and folding by prediction, at the [`Rates`] of a machine.

use std::collections::HashMap;

use ashlar_cpu_air::{
    air::CpuAir,
    input::{MemorySegment, PublicInput, PublicMemoryCell},
    layout::Layout,
    statement::{PageHash, StatementError},
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::{Felt, Kernels};
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};
use ashlar_stark::{FriParameters, Security, StarkParameters, air::Air as _};

use crate::{
    parameters::ProofParameters,
    policy::STRICT_QUERIES,
    prediction::{MOST_CALLDATA_FELTS, Meetings, PageZero, Prediction, Rates, TraceShape, predict_meeting},
};

/// What the parameters are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Optimize {
    /// The least CPU time of proving and verifying.
    Time,
    /// The shortest proof, at a cost of at most four times the least time.
    Size,
    /// The least calldata on Starknet at a cost of at most four times the least time, or of more where nothing less
    /// fits into one transaction; Poseidon at the top of the trees, as the verifier contract wants.
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

/// What is wanted of parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Least conjectured bits.
    pub bits: u32,
    /// What they are chosen for.
    pub optimize: Optimize,
    /// The hash functions.
    pub hashes: HashChoice,
}

/// What is to be proven, as far as parameters depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The dimensions of the trace.
    pub shape: TraceShape,
    /// Page 0 of the public memory.
    pub page: PageZero,
    /// Whether Integrity's verifier contract knows the layout.
    pub settles: bool,
}

/// The layouts that Integrity's verifier contract knows.
const SETTLING_LAYOUTS: [&str; 6] =
    ["dex", "recursive", "recursive_with_poseidon", "small", "starknet", "starknet_with_keccak"];

impl Target {
    /// A run of `n_steps` steps in a layout, with so many cells on page 0 of its public memory.
    ///
    /// # Errors
    /// If the layout cannot hold the run.
    pub fn new(layout: &Layout, n_steps: u64, page_cells: u64) -> Result<Target, StatementError> {
        Ok(Target {
            shape: trace_shape(layout, n_steps)?,
            page: PageZero { segments: layout.segments.len() as u64, cells: page_cells },
            settles: SETTLING_LAYOUTS.contains(&layout.name),
        })
    }
}

/// How a proof could be registered on Starknet through Integrity's verifier contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// In one transaction.
    OneTransaction,
    /// In several: it is too long for the calldata of one.
    Split,
    /// Not at all: the contract does not know the layout.
    UnknownLayout,
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
    /// How the proof could be registered.
    pub settlement: Settlement,
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
        operations: system.operations(),
        table_cells: system.table_cells(1 << air.log_trace_length()),
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

/// The cheapest parameters of at least `bits` conjectured bits for a run of `n_steps` steps, at the default rates of
/// this machine's kernels and with little public memory. [`choose`] takes both as they are.
///
/// # Errors
/// If the layout cannot hold the run, or the hashes cannot reach the bits.
pub fn automatic_parameters(
    layout: &Layout,
    n_steps: u64,
    bits: u32,
    optimize: Optimize,
    hashes: HashChoice,
) -> Result<Chosen, AutomaticError> {
    let target = Target::new(layout, n_steps, 0)?;
    choose(&target, &Wish { bits, optimize, hashes }, &Rates::default_of(Kernels::current()))
}

/// The cheapest parameters for a target, at the rates of a machine.
///
/// # Errors
/// If the hashes cannot reach the bits.
pub fn choose(target: &Target, wish: &Wish, rates: &Rates) -> Result<Chosen, AutomaticError> {
    let candidates = Candidates::new(target, wish, rates)?;
    Ok(candidates.cheapest(LOG_BLOW_UPS).chosen(target))
}

/// The cheapest parameters for every blow-up, in ascending order: what [`choose`] chooses from.
///
/// # Errors
/// If the hashes cannot reach the bits.
pub fn by_blow_up(target: &Target, wish: &Wish, rates: &Rates) -> Result<Vec<Chosen>, AutomaticError> {
    let candidates = Candidates::new(target, wish, rates)?;
    Ok(LOG_BLOW_UPS.map(|h| candidates.cheapest(h..=h).chosen(target)).collect())
}

/// Everything tried, with its cost.
struct Candidates {
    optimize: Optimize,
    /// Predicted seconds of the fastest.
    least_time: f64,
    /// Whether any fits into one transaction at a cost that calldata is worth.
    settles_in_time: bool,
    all: Vec<Candidate>,
}

#[derive(Clone)]
struct Candidate {
    parameters: ProofParameters,
    prediction: Prediction,
    one_transaction: bool,
}

/// What size and calldata may cost, in multiples of the least time.
const WORTH: f64 = 4.0;

/// The length of a proof depends on how often queries meet: no proof in two thousand is longer than its expectation by
/// more than this.
const SPREAD: f64 = 1.04;

impl Candidates {
    fn new(target: &Target, wish: &Wish, rates: &Rates) -> Result<Candidates, AutomaticError> {
        let &Target { shape, page, settles } = target;
        let many_queries = Numbers { h: 1, n_queries: 1 << 12, bits: 20, last: 0, step: 4 };
        let most = shape.security(&with(&shape, wish, many_queries).stark).collision_bits;
        if wish.bits > most {
            return Err(AutomaticError::TooManyBits { most, wanted: wish.bits });
        }
        // What some queries meet is known for all candidates that have as many.
        let log_largest_domain = shape.log_trace_length + LOG_BLOW_UPS.end();
        let mut known = HashMap::new();
        let all: Vec<Candidate> = numbers(&shape, wish.bits)
            .map(|numbers| {
                let parameters = with(&shape, wish, numbers);
                let n_queries = numbers.n_queries;
                let meetings =
                    known.entry(n_queries).or_insert_with(|| Meetings::of(n_queries, log_largest_domain));
                let prediction = predict_meeting(meetings, &parameters.stark, &shape, page, rates);
                let one_transaction =
                    settles && prediction.calldata_felts * SPREAD <= MOST_CALLDATA_FELTS as f64;
                Candidate { parameters, prediction, one_transaction }
            })
            .collect();
        let least_time = all.iter().map(Candidate::seconds).fold(f64::INFINITY, f64::min);
        let settles_in_time = all
            .iter()
            .any(|candidate| candidate.one_transaction && candidate.seconds() <= WORTH * least_time);
        Ok(Candidates { optimize: wish.optimize, least_time, settles_in_time, all })
    }

    /// What is to be as little as possible.
    fn cost(&self, candidate: &Candidate) -> f64 {
        let too_slow = candidate.seconds() > WORTH * self.least_time;
        match self.optimize {
            // A shorter proof is worth a little: 10 KB for a hundredth of the time.
            Optimize::Time => candidate.seconds() + self.least_time * candidate.prediction.bytes * 1e-6,
            Optimize::Size if too_slow => f64::INFINITY,
            Optimize::Size => candidate.prediction.bytes,
            // Where only slow ones fit into one transaction: the fastest of these, before all that do not fit.
            Optimize::Calldata if candidate.one_transaction && !self.settles_in_time => {
                -1.0 / candidate.seconds()
            }
            Optimize::Calldata if too_slow => f64::INFINITY,
            Optimize::Calldata => candidate.prediction.calldata_felts,
        }
    }

    /// The least costly with one of these blow-ups.
    fn cheapest(&self, log_blow_ups: std::ops::RangeInclusive<u32>) -> &Candidate {
        let of_these = self
            .all
            .iter()
            .filter(|candidate| log_blow_ups.contains(&candidate.parameters.stark.log_n_cosets));
        // Where nothing is worth its time, the fastest.
        let order = |candidate: &&Candidate| (self.cost(candidate), candidate.seconds());
        let least = of_these.min_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        // The search always has candidates of every blow-up.
        least.unwrap_or(&self.all[0])
    }
}

impl Candidate {
    /// Predicted CPU seconds of proving and verifying.
    fn seconds(&self) -> f64 {
        self.prediction.cpu_seconds() + self.prediction.verification_seconds
    }

    fn chosen(&self, target: &Target) -> Chosen {
        Chosen {
            parameters: self.parameters.clone(),
            security: target.shape.security(&self.parameters.stark),
            prediction: self.prediction,
            settlement: match (target.settles, self.one_transaction) {
                (false, _) => Settlement::UnknownLayout,
                (true, true) => Settlement::OneTransaction,
                (true, false) => Settlement::Split,
            },
        }
    }
}

/// Everything tried: as few queries as the bits need, for every blow-up, grinding, last layer and folding.
fn numbers(shape: &TraceShape, target_bits: u32) -> impl Iterator<Item = Numbers> {
    let last_layers = 0..=MOST_LOG_LAST_LAYER.min(shape.log_trace_length.saturating_sub(1));
    LOG_BLOW_UPS
        .flat_map(|h| GRINDING.map(move |bits| (h, bits)))
        .flat_map(move |(h, bits)| last_layers.clone().map(move |last| (h, bits, last)))
        .flat_map(|(h, bits, last)| STEPS.map(move |step| (h, bits, last, step)))
        .map(move |(h, bits, last, step)| {
            let n_queries = u64::from(target_bits.saturating_sub(bits).div_ceil(h));
            // Parameters that our own strict policy refuses would be of no use.
            let n_queries = n_queries.max(*STRICT_QUERIES.start());
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

fn with(shape: &TraceShape, wish: &Wish, numbers: Numbers) -> ProofParameters {
    let Wish { hashes, optimize, .. } = *wish;
    let (commitment_hash, pow_hash) = match hashes {
        HashChoice::Blake248 => (CommitmentHash::Blake256Masked248Lsb, ProofOfWorkHash::Blake256),
        // The contract's name for it is BLAKE2s below Poseidon layers that reach the leaves.
        HashChoice::Poseidon if optimize == Optimize::Calldata => {
            (CommitmentHash::Blake256Masked248Lsb, ProofOfWorkHash::Blake256)
        }
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
    use ashlar_stark::Operations;

    fn shape(log_trace_length: u32) -> TraceShape {
        TraceShape {
            log_trace_length,
            widths: [23, 2],
            mask: 201,
            constraints: 179,
            operations: Operations {
                products: 170,
                sums: 400,
                constraints: 179,
                single_poles: 100,
                crowded_columns: 5,
            },
            table_cells: 100_000,
        }
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

    fn target(log_trace_length: u32) -> Target {
        let page = PageZero { segments: 6, cells: 50 };
        Target { shape: shape(log_trace_length), page, settles: true }
    }

    fn wish(bits: u32, optimize: Optimize, hashes: HashChoice) -> Wish {
        Wish { bits, optimize, hashes }
    }

    const RATES: fn() -> Rates = || Rates::default_of(Kernels::Avx512);

    #[test]
    fn every_choice_reaches_its_bits_and_fits_its_trace() {
        for log_trace_length in [4, 5, 9, 13, 17, 21, 24] {
            for optimize in [Optimize::Time, Optimize::Size, Optimize::Calldata] {
                for hashes in [HashChoice::Blake248, HashChoice::Poseidon] {
                    let wish = wish(96, optimize, hashes);
                    let chosen = choose(&target(log_trace_length), &wish, &RATES()).unwrap();
                    assert!(chosen.security.conjectured_bits >= 96);
                    let fri = &chosen.parameters.stark.fri;
                    assert_eq!(
                        fri.fri_step_list.iter().sum::<u32>() + fri.last_layer_degree_bound.ilog2(),
                        log_trace_length
                    );
                    assert!(chosen.prediction.bytes > 0.0 && chosen.prediction.cpu_seconds() > 0.0);
                }
            }
        }
    }

    #[test]
    fn size_costs_time_and_time_costs_size() {
        let choice =
            |optimize| choose(&target(17), &wish(96, optimize, HashChoice::Blake248), &RATES()).unwrap();
        let (fast, small) = (choice(Optimize::Time).prediction, choice(Optimize::Size).prediction);
        assert!(fast.cpu_seconds() < small.cpu_seconds() && small.bytes < fast.bytes, "{fast:?} {small:?}");
    }

    #[test]
    fn the_choice_is_the_cheapest_of_its_blow_ups() {
        let wish = wish(96, Optimize::Time, HashChoice::Blake248);
        let every = by_blow_up(&target(17), &wish, &RATES()).unwrap();
        let chosen = choose(&target(17), &wish, &RATES()).unwrap();
        assert_eq!(every.len(), 6);
        assert!(every.contains(&chosen));
        let seconds =
            |chosen: &Chosen| chosen.prediction.cpu_seconds() + chosen.prediction.verification_seconds;
        assert!(every.iter().all(|other| seconds(other) > 0.98 * seconds(&chosen)));
    }

    /// Where verifying costs more than proving, many queries are no bargain.
    #[test]
    fn a_machine_that_hashes_slowly_one_by_one_gets_fewer_queries() {
        let mut slow = RATES();
        slow.single.blake *= 1e5;
        let wish = wish(96, Optimize::Time, HashChoice::Blake248);
        let usual = choose(&target(13), &wish, &RATES()).unwrap().parameters.stark;
        let other = choose(&target(13), &wish, &slow).unwrap().parameters.stark;
        assert!(other.fri.n_queries < usual.fri.n_queries, "{other:?} {usual:?}");
        assert!(other.log_n_cosets > usual.log_n_cosets);
    }

    #[test]
    fn calldata_fits_into_one_transaction_wherever_it_can() {
        for log_trace_length in [14, 18, 22, 24] {
            let wish = wish(96, Optimize::Calldata, HashChoice::Blake248);
            let chosen = choose(&target(log_trace_length), &wish, &RATES()).unwrap();
            assert_eq!(chosen.settlement, Settlement::OneTransaction, "2^{log_trace_length}");
            assert!(chosen.prediction.calldata_felts <= MOST_CALLDATA_FELTS as f64);
            assert!((20..=49).contains(&chosen.parameters.stark.fri.proof_of_work_bits));
        }
    }

    #[test]
    fn a_program_too_long_for_one_transaction_is_split_and_said_so() {
        let long = Target { page: PageZero { segments: 6, cells: 2500 }, ..target(18) };
        let wish = wish(96, Optimize::Calldata, HashChoice::Blake248);
        let chosen = choose(&long, &wish, &RATES()).unwrap();
        assert_eq!(chosen.settlement, Settlement::Split);
        assert!(chosen.prediction.calldata_felts > MOST_CALLDATA_FELTS as f64);
        let unknown = Target { settles: false, ..target(18) };
        assert_eq!(choose(&unknown, &wish, &RATES()).unwrap().settlement, Settlement::UnknownLayout);
    }

    #[test]
    fn eighty_bit_collisions_cannot_carry_ninety_six_bits() {
        let choice = |bits| choose(&target(13), &wish(bits, Optimize::Time, HashChoice::Keccak160), &RATES());
        let error = choice(96).unwrap_err();
        assert!(matches!(error, AutomaticError::TooManyBits { most: 80, wanted: 96 }), "{error}");
        assert!(choice(80).is_ok());
    }
}
