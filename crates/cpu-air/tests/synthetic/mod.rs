//! Runs of any layout without a program to speak of: one jump in place, again and again, and builtins full of random
//! instances.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::collections::BTreeMap;

use ashlar_cpu_air::{
    input::{
        BitwiseInstance, EcOpInstance, EcdsaInstance, Execution, KeccakInstance, Memory, MemorySegment,
        ModInput, ModInstance, PedersenInstance, PoseidonInstance, PrivateInput, PublicInput,
        PublicMemoryCell, RangeCheckInstance, RegisterState,
    },
    layout::{Builtin, Layout},
    trace::{CpuWitness, Pool, TraceError},
};
use ashlar_curve::{GENERATOR, Scalar};
use ashlar_field::{Column, Felt};
use ashlar_stark::air::Witness;
use num_bigint::BigUint;

/// Numbers that look random and are the same every time (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn limbs(&mut self) -> [u64; 4] {
        std::array::from_fn(|_| self.word())
    }

    pub(crate) fn felt(&mut self) -> Felt {
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

    /// Below 2³⁸⁴.
    fn number(&mut self) -> BigUint {
        BigUint::from_slice(&std::array::from_fn::<u32, 12, _>(|_| self.word() as u32))
    }

    /// Instances of a modular builtin, in batches of two as far as they go: the operations of a batch share modulus and
    /// values, and count down.
    fn modular(
        &mut self,
        indices: &[u64],
        next: &mut u64,
        operation: impl Fn(&BigUint, &BigUint) -> BigUint,
    ) -> ModInput {
        // A number has four words of 96 bits, an operation three numbers.
        let words = |number: &BigUint| -> [Felt; 4] {
            std::array::from_fn(|word| {
                let digits = (number >> (96 * word)).to_u64_digits();
                let digit = |index: usize| u128::from(digits.get(index).copied().unwrap_or(0));
                Felt::from_u128(digit(0) | (digit(1) & 0xffff_ffff) << 64)
            })
        };
        let zero_value_address = *next;
        *next += 4;
        let mut instances = Vec::new();
        for batch in indices.chunks(2) {
            let p = self.number();
            let values_ptr = *next;
            let offsets_ptr = values_ptr + 12 * batch.len() as u64;
            *next = offsets_ptr + 3 * batch.len() as u64;
            for (place, &index) in (0..).zip(batch) {
                let (a, b) = (self.number() % &p, self.number() % &p);
                let c = operation(&a, &b) % &p;
                instances.push(ModInstance {
                    index,
                    p: words(&p),
                    values_ptr,
                    offsets_ptr: offsets_ptr + 3 * place,
                    n: batch.len() as u64 - place,
                    offsets: [12 * place, 12 * place + 4, 12 * place + 8],
                    values: [words(&a), words(&b), words(&c)],
                });
            }
        }
        ModInput { zero_value_address, instances }
    }
}

/// Values of the range-check builtins: 16-bit parts between the bounds of the run, one after the other. Where all
/// instances are given, no other cell may be left in which the unused values could stand.
struct Parts {
    bounds: (u64, u64),
    count: u64,
}

impl Parts {
    fn value(&mut self, parts: u32) -> Felt {
        let (min, max) = self.bounds;
        (0..parts).fold(Felt::ZERO, |value, _| {
            // Coprime to the number of values, so that all are reached and neighbours differ.
            let part = min + self.count * 7 % (max - min + 1);
            self.count += 1;
            value * Felt::from_u64(1 << 16) + Felt::from_u64(part)
        })
    }
}

/// How many instances of every builtin a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    None,
    One,
    /// At both ends of the segment and in its middle; the others are fillers.
    Some,
    All,
}

impl Filling {
    /// The indices of the instances that there are, of `count` that fit. The modular builtins allow no gaps.
    fn indices(self, count: u64, gaps: bool) -> Vec<u64> {
        let mut indices = match self {
            Filling::None => Vec::new(),
            Filling::One => vec![0],
            Filling::Some if gaps => vec![0, 1, 2, count / 2, count.saturating_sub(1)],
            Filling::Some => vec![0, 1, 2, 3],
            Filling::All => (0..count).collect(),
        };
        indices.retain(|&index| index < count);
        indices.sort_unstable();
        indices.dedup();
        indices
    }
}

/// What a run is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) filling: Filling,
    /// rc_min and rc_max.
    pub(crate) range_check: (u64, u64),
    /// Addresses that nobody uses, between the builtins' segments and one last public cell.
    pub(crate) holes: u64,
}

impl Shape {
    /// Instances here and there, and 16-bit values around the half.
    pub(crate) const USUAL: Shape = Shape { filling: Filling::Some, range_check: (32_760, 32_775), holes: 0 };
}

/// `jmp rel [fp]`: all three operands are the cell at fp, and hold zero; all offsets are zero, stored as 2¹⁵.
const JUMP_IN_PLACE: u64 = 0x010b_8000_8000_8000;
/// The frame of the run: after the program.
const FRAME: u64 = 2;

/// The bounds of the 16-bit pool: a layout that multiplies needs zeros, and random products need everything.
fn range_check_bounds(layout: &Layout, shape: Shape) -> (u64, u64) {
    if layout.has(Builtin::MulMod) { (0, 65_535) } else { shape.range_check }
}

/// A run of n_steps that jumps in place, with random builtin instances.
pub(crate) fn run(
    layout: &Layout,
    dynamic_params: &BTreeMap<String, u64>,
    n_steps: u64,
    shape: Shape,
) -> Execution {
    let length = layout.trace_length(n_steps).unwrap();
    let bounds = range_check_bounds(layout, shape);
    let mut memory_segments: BTreeMap<String, MemorySegment> = Default::default();
    let segment = |begin_addr, stop_ptr| MemorySegment { begin_addr, stop_ptr };
    memory_segments.insert("program".to_owned(), segment(1, 1));
    memory_segments.insert("execution".to_owned(), segment(FRAME, FRAME));
    let mut next = FRAME + 1;
    for &name in &layout.segments {
        memory_segments.entry(name.to_owned()).or_insert(segment(next, next));
    }
    let mut random = Random(n_steps);
    let mut parts = Parts { bounds, count: 0 };
    let mut private_input = PrivateInput::default();
    for &builtin in layout.builtins() {
        let count = length / layout.row_ratio(builtin).unwrap();
        let cells = builtin.cells_per_instance();
        let modular = matches!(builtin, Builtin::AddMod | Builtin::MulMod);
        let indices = shape.filling.indices(count, !modular);
        let used = indices.last().map_or(0, |last| last + 1);
        memory_segments.insert(builtin.segment().to_owned(), segment(next, next + cells * used));
        next += count * cells;
        let random = &mut random;
        let mut indices_of = indices.iter().copied();
        let each = &mut indices_of;
        match builtin {
            Builtin::Pedersen => {
                private_input.pedersen = each
                    .map(|index| PedersenInstance { index, x: random.felt(), y: random.felt() })
                    .collect();
            }
            Builtin::RangeCheck => {
                private_input.range_check =
                    each.map(|index| RangeCheckInstance { index, value: parts.value(8) }).collect();
            }
            Builtin::RangeCheck96 => {
                private_input.range_check96 =
                    each.map(|index| RangeCheckInstance { index, value: parts.value(6) }).collect();
            }
            Builtin::Ecdsa => private_input.ecdsa = each.map(|index| random.signature(index)).collect(),
            Builtin::Bitwise => {
                private_input.bitwise = each
                    .map(|index| BitwiseInstance { index, x: random.bits(251), y: random.bits(251) })
                    .collect();
            }
            Builtin::EcOp => {
                private_input.ec_op = each
                    .map(|index| EcOpInstance {
                        index,
                        p: random.point(),
                        q: random.point(),
                        m: random.felt(),
                    })
                    .collect();
            }
            Builtin::Keccak => {
                private_input.keccak = each
                    .map(|index| KeccakInstance { index, input: std::array::from_fn(|_| random.bits(200)) })
                    .collect();
            }
            Builtin::Poseidon => {
                private_input.poseidon = each
                    .map(|index| PoseidonInstance { index, input: std::array::from_fn(|_| random.felt()) })
                    .collect();
            }
            Builtin::AddMod => private_input.add_mod = random.modular(&indices, &mut next, |a, b| a + b),
            Builtin::MulMod => private_input.mul_mod = random.modular(&indices, &mut next, |a, b| a * b),
        }
    }
    let mut memory = Memory::new();
    memory.insert(1, Felt::from_u64(JUMP_IN_PLACE));
    memory.insert(FRAME, Felt::ZERO);
    let cell = |address, value| PublicMemoryCell { address, value, page: 0 };
    let mut public_memory = vec![cell(1, Felt::from_u64(JUMP_IN_PLACE)), cell(FRAME, Felt::ZERO)];
    if shape.holes > 0 {
        // Every address needs a cell of the pool.
        let cells = length / layout.column("mem_pool/addr").unwrap().step as u64;
        public_memory.push(cell((next + shape.holes).min(cells), Felt::from_u64(77)));
    }
    Execution {
        public_input: PublicInput {
            layout: layout.name.to_owned(),
            n_steps,
            rc_min: bounds.0,
            rc_max: bounds.1,
            memory_segments,
            public_memory,
            dynamic_params: dynamic_params.clone(),
        },
        trace: vec![RegisterState { ap: FRAME, fp: FRAME, pc: 1 }; n_steps as usize],
        memory,
        private_input,
    }
}

/// A run with its first trace.
pub(crate) struct Traced<'a> {
    pub(crate) execution: Execution,
    pub(crate) witness: CpuWitness<'a>,
    pub(crate) first: Vec<Column>,
}

/// The smallest run of a layout whose pools have room, with `repetitions` of the largest component. Of the holes there
/// are as many as fit.
pub(crate) fn smallest<'a>(
    layout: &'a Layout,
    dynamic_params: &BTreeMap<String, u64>,
    shape: Shape,
    repetitions: u64,
) -> Traced<'a> {
    let rows_per_step = 16 * layout.cpu_component_step();
    let mut n_steps = (repetitions * layout.largest_component_period() / rows_per_step).max(16);
    let mut execution = run(layout, dynamic_params, n_steps, shape);
    loop {
        let mut witness = CpuWitness::new(layout, execution.clone());
        match witness.first_trace() {
            Ok(first) => return Traced { execution, witness, first },
            Err(TraceError::HolesDoNotFit { pool: Pool::Memory, holes, free })
                if shape.holes > holes - free =>
            {
                let public_memory = &mut execution.public_input.public_memory;
                public_memory.last_mut().unwrap().address -= holes - free;
            }
            Err(TraceError::HolesDoNotFit { .. }) if n_steps < 1 << 17 => {
                n_steps *= 2;
                execution = run(layout, dynamic_params, n_steps, shape);
            }
            Err(error) => panic!("{}, {n_steps} steps: {error}", layout.name),
        }
    }
}
