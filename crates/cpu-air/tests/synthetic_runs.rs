//! Every static layout, also those without published proofs: a run that does nothing but fill builtins with random
//! instances must satisfy every constraint.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;

use ashlar_cpu_air::{
    air::CpuAir,
    input::{
        BitwiseInstance, EcOpInstance, EcdsaInstance, Execution, KeccakInstance, Memory, MemorySegment,
        PedersenInstance, PoseidonInstance, PrivateInput, PublicInput, PublicMemoryCell, RangeCheckInstance,
        RegisterState,
    },
    layout::{self, Builtin, Layout},
    trace::{CpuWitness, TraceError},
};
use ashlar_curve::{GENERATOR, Scalar};
use ashlar_field::{Column, Felt};
use ashlar_stark::air::{Air, Expression, Node, PeriodicColumn, Rows, Witness};

/// Numbers that look random and are the same every time (SplitMix64).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn limbs(&mut self) -> [u64; 4] {
        std::array::from_fn(|_| self.word())
    }

    fn felt(&mut self) -> Felt {
        Felt::from_limbs_reduced(self.limbs())
    }

    /// Below 2^bits.
    fn bits(&mut self, bits: u32) -> Felt {
        let mut limbs = self.limbs();
        for (limb, value) in (0..).zip(&mut limbs) {
            let kept = bits.saturating_sub(64 * limb).min(64);
            *value = if kept == 64 { *value } else { *value & ((1 << kept) - 1) };
        }
        Felt::from_limbs_reduced(limbs)
    }

    fn point(&mut self) -> [Felt; 2] {
        let point = GENERATOR.multiply(&self.limbs()).unwrap();
        [point.x, point.y]
    }

    /// 16-bit parts between the bounds of the run.
    fn range_check(&mut self, parts: u32) -> Felt {
        let part = |random: &mut Random| RC_MIN + random.word() % (RC_MAX - RC_MIN + 1);
        (0..parts).fold(Felt::ZERO, |value, _| value * Felt::from_u64(1 << 16) + Felt::from_u64(part(self)))
    }

    /// A valid signature by a random key of a random message.
    fn signature(&mut self, index: u64) -> EcdsaInstance {
        loop {
            let (key, nonce) =
                (Scalar::from_limbs_reduced(self.limbs()), Scalar::from_limbs_reduced(self.limbs()));
            let msg = self.bits(251);
            let pubkey = GENERATOR.multiply(&key.to_limbs()).unwrap().x;
            let r = GENERATOR.multiply(&nonce.to_limbs()).unwrap().x;
            let scalar = |value: Felt| Scalar::from_limbs_reduced(value.to_standard_limbs());
            let s_times_nonce = scalar(msg) + scalar(r) * key;
            let w = nonce * s_times_nonce.inverse().unwrap();
            let fits = |limbs: [u64; 4]| limbs[3] < 1 << 59;
            if fits(r.to_standard_limbs()) && fits(w.to_limbs()) {
                return EcdsaInstance { index, pubkey, msg, r, w: Felt::from_limbs_reduced(w.to_limbs()) };
            }
        }
    }
}

const RC_MIN: u64 = 32_760;
const RC_MAX: u64 = 32_775;
/// `jmp rel 0`: reads the cell below the frame and the word after itself.
const JUMP_IN_PLACE: u64 = 0x0107_8001_7fff_7fff;
/// The frame of the run: after the program and the cell below the frame.
const FRAME: u64 = 4;

/// Instances at both ends of a builtin's segment; the others are left to fillers.
fn instances<T>(count: u64, mut make: impl FnMut(u64) -> T) -> Vec<T> {
    let mut indices = vec![0, 1, 2, count / 2, count.saturating_sub(1)];
    indices.retain(|&index| index < count);
    indices.sort_unstable();
    indices.dedup();
    indices.into_iter().map(&mut make).collect()
}

/// A run of n_steps that jumps in place, with random builtin instances.
fn run(layout: &Layout, n_steps: u64) -> Execution {
    let length = layout.trace_length(n_steps).unwrap();
    let cells = [Felt::from_u64(JUMP_IN_PLACE), Felt::ZERO, Felt::from_u64(7)];
    let mut memory_segments: std::collections::BTreeMap<String, MemorySegment> = Default::default();
    let segment = |begin_addr, stop_ptr| MemorySegment { begin_addr, stop_ptr };
    memory_segments.insert("program".to_owned(), segment(1, 1));
    memory_segments.insert("execution".to_owned(), segment(FRAME, FRAME));
    if layout.segments.contains(&"output") {
        memory_segments.insert("output".to_owned(), segment(FRAME, FRAME));
    }
    let mut next = FRAME;
    let mut random = Random(n_steps);
    let mut private_input = PrivateInput::default();
    for &builtin in layout.builtins() {
        let count = length / layout.row_ratio(builtin).unwrap();
        memory_segments.insert(builtin.segment().to_owned(), segment(next, next));
        next += count * builtin.cells_per_instance();
        let random = &mut random;
        match builtin {
            Builtin::Pedersen => {
                private_input.pedersen =
                    instances(count, |index| PedersenInstance { index, x: random.felt(), y: random.felt() });
            }
            Builtin::RangeCheck => {
                private_input.range_check =
                    instances(count, |index| RangeCheckInstance { index, value: random.range_check(8) });
            }
            Builtin::RangeCheck96 => {
                private_input.range_check96 =
                    instances(count, |index| RangeCheckInstance { index, value: random.range_check(6) });
            }
            Builtin::Ecdsa => private_input.ecdsa = instances(count, |index| random.signature(index)),
            Builtin::Bitwise => {
                private_input.bitwise = instances(count, |index| BitwiseInstance {
                    index,
                    x: random.bits(251),
                    y: random.bits(251),
                });
            }
            Builtin::EcOp => {
                private_input.ec_op = instances(count, |index| EcOpInstance {
                    index,
                    p: random.point(),
                    q: random.point(),
                    m: random.felt(),
                });
            }
            Builtin::Keccak => {
                private_input.keccak = instances(count, |index| KeccakInstance {
                    index,
                    input: std::array::from_fn(|_| random.bits(200)),
                });
            }
            Builtin::Poseidon => {
                private_input.poseidon = instances(count, |index| PoseidonInstance {
                    index,
                    input: std::array::from_fn(|_| random.felt()),
                });
            }
            Builtin::AddMod | Builtin::MulMod => unreachable!("no static layout has modular builtins"),
        }
    }
    let mut memory = Memory::new();
    for (address, &value) in (1..).zip(&cells) {
        memory.insert(address, value);
    }
    let public_memory =
        (1..).zip(cells).map(|(address, value)| PublicMemoryCell { address, value, page: 0 }).collect();
    Execution {
        public_input: PublicInput {
            layout: layout.name.to_owned(),
            n_steps,
            rc_min: RC_MIN,
            rc_max: RC_MAX,
            memory_segments,
            public_memory,
            dynamic_params: Default::default(),
        },
        trace: vec![RegisterState { ap: FRAME, fp: FRAME, pc: 1 }; n_steps as usize],
        memory,
        private_input,
    }
}

/// Evaluates expressions at one base row; shared parts once.
struct Evaluator<'a> {
    columns: &'a [Column],
    periodic: &'a [PeriodicColumn],
    parameters: &'a [Felt],
    row: usize,
    known: HashMap<usize, Felt>,
}

impl Evaluator<'_> {
    fn evaluate(&mut self, expression: &Expression) -> Felt {
        if let Some(&value) = self.known.get(&expression.identity()) {
            return value;
        }
        let value = match expression.node() {
            Node::Constant(value) => *value,
            Node::Parameter(index) => self.parameters[*index],
            Node::Cell(cell) => {
                let column = &self.columns[cell.column];
                column.get((self.row + cell.row as usize) % column.len())
            }
            Node::Periodic(index) => {
                let PeriodicColumn { values, step } = &self.periodic[*index];
                assert!((self.row as u64).is_multiple_of(*step), "a periodic column between its values");
                values[self.row / *step as usize % values.len()]
            }
            Node::Sum(a, b) => self.evaluate(a) + self.evaluate(b),
            Node::Difference(a, b) => self.evaluate(a) - self.evaluate(b),
            Node::Product(a, b) => self.evaluate(a) * self.evaluate(b),
        };
        self.known.insert(expression.identity(), value);
        value
    }
}

/// Rows of a domain near its ends and in its middle.
fn sample(rows: &Rows, length: u64) -> Vec<u64> {
    let count = length / rows.period;
    let mut places = vec![0, 1, 2, count / 3, count / 2, count.saturating_sub(2), count - 1];
    places.retain(|&place| place < count);
    places.sort_unstable();
    places.dedup();
    places.into_iter().map(|place| rows.residue + rows.period * place).collect()
}

/// The names of the constraints that do not hold on the sampled rows, and how many evaluations were made.
fn broken_constraints(air: &CpuAir, columns: &[Column], parameters: &[Felt]) -> (Vec<String>, usize) {
    let system = air.constraint_system();
    let length = 1u64 << air.log_trace_length();
    let mut broken = Vec::new();
    let mut evaluations = 0;
    for constraint in &system.constraints {
        let Some((expression, domain)) = &constraint.body else { continue };
        let mut rows: Vec<u64> = domain.included.iter().flat_map(|rows| sample(rows, length)).collect();
        rows.retain(|row| domain.excluded.iter().all(|rows| row % rows.period != rows.residue));
        for row in rows {
            let row = row as usize;
            let known = HashMap::new();
            let mut evaluator = Evaluator { columns, periodic: &system.periodic, parameters, row, known };
            evaluations += 1;
            if !evaluator.evaluate(expression).is_zero() {
                broken.push(format!("{} at row {row}", constraint.name));
                break;
            }
        }
    }
    (broken, evaluations)
}

/// The smallest run of a layout whose pools have room, checked against all constraints.
fn check_layout(name: &str) {
    let layout = layout::by_name(name).unwrap();
    let mut n_steps = (layout.largest_component_period() / 16).max(16);
    loop {
        let execution = run(layout, n_steps);
        let public_input = execution.public_input.clone();
        let mut witness = CpuWitness::new(layout, execution);
        let mut columns = match witness.first_trace() {
            Ok(columns) => columns,
            Err(TraceError::HolesDoNotFit { .. }) if n_steps < 1 << 17 => {
                n_steps *= 2;
                continue;
            }
            Err(error) => panic!("{name}, {n_steps} steps: {error}"),
        };
        let air = CpuAir::new(layout, &public_input).unwrap();
        let mut random = Random(1);
        let elements: Vec<Felt> = (0..air.interaction_element_count()).map(|_| random.felt()).collect();
        columns.extend(witness.interaction_trace(&elements).unwrap());
        let parameters = air.parameters(&elements).unwrap();
        let (broken, evaluations) = broken_constraints(&air, &columns, &parameters);
        assert!(broken.is_empty(), "{name}, {n_steps} steps: {broken:?}");
        assert!(evaluations >= air.constraint_system().constraints.len());
        return;
    }
}

#[test]
fn plain_and_small_satisfy_their_constraints() {
    ["plain", "small"].into_iter().for_each(check_layout);
}

#[test]
fn dex_layouts_satisfy_their_constraints() {
    ["dex", "dex_with_bitwise"].into_iter().for_each(check_layout);
}

#[test]
fn perpetual_and_all_solidity_satisfy_their_constraints() {
    ["perpetual", "all_solidity"].into_iter().for_each(check_layout);
}

#[test]
fn recursive_layouts_satisfy_their_constraints() {
    ["recursive", "recursive_large_output", "recursive_with_poseidon"].into_iter().for_each(check_layout);
}

#[test]
fn starknet_layouts_satisfy_their_constraints() {
    ["starknet", "starknet_with_keccak"].into_iter().for_each(check_layout);
}

#[test]
fn all_cairo_satisfies_its_constraints() {
    check_layout("all_cairo");
}

/// The check above can fail: a changed cell breaks the constraints that read it.
#[test]
fn a_changed_cell_breaks_a_constraint() {
    let layout = layout::by_name("small").unwrap();
    let execution = run(layout, 512);
    let air = CpuAir::new(layout, &execution.public_input).unwrap();
    let mut witness = CpuWitness::new(layout, execution);
    let mut columns = witness.first_trace().unwrap();
    let mut random = Random(1);
    let elements: Vec<Felt> = (0..3).map(|_| random.felt()).collect();
    columns.extend(witness.interaction_trace(&elements).unwrap());
    let parameters = air.parameters(&elements).unwrap();
    let sum = layout.column("pedersen/hash0/ec_subset_sum/partial_sum/x").unwrap();
    columns[sum.column].set(sum.row(1), Felt::ONE);
    let (broken, _) = broken_constraints(&air, &columns, &parameters);
    assert!(broken.iter().any(|name| name.starts_with("pedersen/")), "{broken:?}");
}
