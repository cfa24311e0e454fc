//! Writes programs: picks how every operand is brought into range, and assigns registers.
//!
//! Values are integers congruent to field elements. Each has a range, in multiples of p, and a bound on its limbs;
//! sums and differences only widen them. A value is reduced ("folded") where a bound would be exceeded, and biased
//! where a factor might be negative, both decided here, once, for all rows.

use std::collections::HashMap;

use ashlar_field::{
    Felt,
    lanes::Portable,
    packed::{Accumulator, Multiplier},
};

use super::{Factor, Instruction, Program, Source};

/// A factor must be below 2²⁶⁰ > 511·p.
const MOST_FACTOR: i64 = 511;
/// A factor that is read sixteenfold.
const MOST_SIXTEENTH: i64 = 31;
/// A factor that is read fourfold.
const MOST_QUARTER: i64 = 127;
/// A wider sum is folded, so that every value fits a factor after biasing.
const MOST_WIDTH: i64 = 400;
/// Limbs below this many times 2⁵² stay below 2⁶² even sixteenfold.
const MOST_LIMB: i64 = 60;

/// The range of a value: low·p < value < high·p, |limb| < limb·2⁵².
#[derive(Clone, Copy, Debug)]
struct Range {
    low: i64,
    high: i64,
    limb: i64,
}

/// Canonical data.
const STORED: Range = Range { low: 0, high: 1, limb: 1 };
/// After folding.
const FOLDED: Range = Range { low: -1, high: 2, limb: 2 };

/// A value of the program under construction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    source: Source,
    range: Range,
}

/// A program under construction, in single-assignment form.
#[derive(Default)]
pub(crate) struct ProgramBuilder {
    instructions: Vec<Instruction>,
    results: u32,
    constants: Vec<Felt>,
    by_constant: HashMap<Felt, u32>,
    /// Products in the accumulator, and the sum of their sizes.
    terms: usize,
    size: i64,
}

impl ProgramBuilder {
    /// A column at the current row plus an offset.
    pub(crate) fn column(&self, index: usize, offset: u64) -> Value {
        Value { source: Source::Column { index: index as u32, offset }, range: STORED }
    }

    /// A constant.
    pub(crate) fn constant(&mut self, value: Felt) -> Value {
        Value { source: Source::Constant(self.constant_index(value)), range: STORED }
    }

    fn constant_index(&mut self, value: Felt) -> u32 {
        let constants = &mut self.constants;
        *self.by_constant.entry(value).or_insert_with(|| {
            constants.push(value);
            constants.len() as u32 - 1
        })
    }

    fn result(&mut self) -> u32 {
        self.results += 1;
        self.results - 1
    }

    fn sum(&mut self, a: Value, b: Value, range: Range, make: impl Fn(u32, bool) -> Instruction) -> Value {
        debug_assert!(a.range.limb + b.range.limb <= range.limb);
        let fold = range.high - range.low > MOST_WIDTH || range.limb > MOST_LIMB;
        let to = self.result();
        self.instructions.push(make(to, fold));
        Value { source: Source::Register(to), range: if fold { FOLDED } else { range } }
    }

    /// a + b.
    pub(crate) fn add(&mut self, a: Value, b: Value) -> Value {
        let range = Range {
            low: a.range.low + b.range.low,
            high: a.range.high + b.range.high,
            limb: a.range.limb + b.range.limb,
        };
        self.sum(a, b, range, |to, fold| Instruction::Add { a: a.source, b: b.source, to, fold })
    }

    /// a − b.
    pub(crate) fn subtract(&mut self, a: Value, b: Value) -> Value {
        let range = Range {
            low: a.range.low - b.range.high,
            high: a.range.high - b.range.low,
            limb: a.range.limb + b.range.limb,
        };
        self.sum(a, b, range, |to, fold| Instruction::Subtract { a: a.source, b: b.source, to, fold })
    }

    /// The value as a factor of at most `most` times p, and its size then.
    fn factor(value: Value, most: i64) -> (Factor, i64) {
        // A value just above low·p has a top limb just below that of low·p: one multiple of p more lets the limbs
        // alone tell that the factor is not negative.
        let bias_of = |range: Range| if range.low < 0 { 1 - range.low } else { 0 };
        let fold = value.range.high + bias_of(value.range) > most;
        let range = if fold { FOLDED } else { value.range };
        let (high, bias) = (range.high, bias_of(range));
        (Factor { source: value.source, fold, bias: bias as u32 }, high + bias)
    }

    /// Two values as the factors of a product, in the order in which it takes them, and its size.
    fn factors(a: Value, b: Value) -> (Factor, Factor, i64) {
        // The constant, if any, first; else the operand that comes from memory, which is read sixteenfold for free.
        let rank = |value: &Value| match value.source {
            Source::Constant(_) => 0,
            Source::Column { .. } => 1,
            Source::Register(_) => 2,
        };
        let (a, b) = if rank(&b) < rank(&a) { (b, a) } else { (a, b) };
        let sixteen = rank(&a) != 0;
        let (a, a_size) = Self::factor(a, if sixteen { MOST_SIXTEENTH } else { MOST_FACTOR });
        let (b, b_size) = Self::factor(b, MOST_FACTOR);
        (a, b, a_size * b_size * if sixteen { 16 } else { 1 })
    }

    /// a·b.
    pub(crate) fn multiply(&mut self, a: Value, b: Value) -> Value {
        if a.source == b.source {
            return self.square(a);
        }
        let (a, b, product) = Self::factors(a, b);
        let to = self.result();
        self.instructions.push(Instruction::Multiply { a, b, to });
        // The limbs of a product are below 2⁵⁶.
        let range = Range { low: 0, high: product / MOST_FACTOR + 2, limb: 16 };
        Value { source: Source::Register(to), range }
    }

    fn square(&mut self, a: Value) -> Value {
        let (a, size) = Self::factor(a, MOST_QUARTER);
        let to = self.result();
        self.instructions.push(Instruction::Square { a, to });
        let range = Range { low: 0, high: 16 * size * size / MOST_FACTOR + 2, limb: 16 };
        Value { source: Source::Register(to), range }
    }

    /// a·2^`count`, by doubling.
    pub(crate) fn double(&mut self, a: Value, count: u32) -> Value {
        (0..count).fold(a, |value, _| self.add(value, value))
    }

    /// accumulator ← accumulator + constant·value. To be followed by [`ProgramBuilder::reduce`].
    pub(crate) fn accumulate(&mut self, constant: Felt, value: Value) {
        let (value, size) = Self::factor(value, MOST_FACTOR);
        let constant = self.constant_index(constant);
        self.instructions.push(Instruction::Accumulate { constant, value });
        self.terms += 1;
        self.size += size;
    }

    /// accumulator ← accumulator + a·b. To be followed by [`ProgramBuilder::reduce`].
    pub(crate) fn accumulate_product(&mut self, a: Value, b: Value) {
        let (a, b, size) = Self::factors(a, b);
        self.instructions.push(Instruction::AccumulateProduct { a, b });
        self.terms += 1;
        self.size += size;
    }

    /// Whether the accumulator takes no further term.
    pub(crate) fn accumulator_is_full(&self) -> bool {
        self.terms >= Accumulator::<Portable>::MAX_TERMS || self.size > 100 * MOST_FACTOR
    }

    /// The sum of the terms accumulated since the last call.
    pub(crate) fn reduce(&mut self) -> Value {
        let to = self.result();
        self.instructions.push(Instruction::Reduce { to });
        let range = Range { low: 0, high: self.size / MOST_FACTOR + 2, limb: 2 };
        (self.terms, self.size) = (0, 0);
        Value { source: Source::Register(to), range }
    }

    /// The program that computes `output`.
    pub(crate) fn finish(self, output: Value) -> Program {
        let (instructions, registers, output) =
            assign_registers(self.instructions, self.results, output.source);
        let multipliers = self.constants.iter().map(|&constant| Multiplier::new(constant)).collect();
        Program { instructions, registers, constants: self.constants, multipliers, output }
    }
}

impl Instruction {
    fn operands(&self) -> [Option<Source>; 2] {
        match self {
            Instruction::Add { a, b, .. } | Instruction::Subtract { a, b, .. } => [Some(*a), Some(*b)],
            Instruction::Multiply { a, b, .. } | Instruction::AccumulateProduct { a, b } => {
                [Some(a.source), Some(b.source)]
            }
            Instruction::Square { a, .. } => [Some(a.source), None],
            Instruction::Accumulate { value, .. } => [Some(value.source), None],
            Instruction::Reduce { .. } => [None, None],
        }
    }
}

/// Replaces results by registers, each free again after the last use of its result.
fn assign_registers(
    mut instructions: Vec<Instruction>,
    results: u32,
    output: Source,
) -> (Vec<Instruction>, usize, Source) {
    let mut last_use = vec![0usize; results as usize];
    for (index, instruction) in instructions.iter().enumerate() {
        for operand in instruction.operands().into_iter().flatten() {
            if let Source::Register(result) = operand {
                last_use[result as usize] = index;
            }
        }
    }
    if let Source::Register(result) = output {
        last_use[result as usize] = usize::MAX;
    }
    let mut register_of = vec![0u32; results as usize];
    let mut free: Vec<u32> = Vec::new();
    let mut registers = 0u32;
    for (index, instruction) in instructions.iter_mut().enumerate() {
        let mut ended: Vec<u32> = instruction
            .operands()
            .into_iter()
            .flatten()
            .filter_map(|operand| match operand {
                Source::Register(result) if last_use[result as usize] == index => Some(result),
                _ => None,
            })
            .collect();
        ended.dedup();
        let rename = |source: &mut Source| {
            if let Source::Register(result) = source {
                *result = register_of[*result as usize];
            }
        };
        let to = match instruction {
            Instruction::Add { a, b, to, .. } | Instruction::Subtract { a, b, to, .. } => {
                rename(a);
                rename(b);
                Some(to)
            }
            Instruction::Multiply { a, b, to } => {
                rename(&mut a.source);
                rename(&mut b.source);
                Some(to)
            }
            Instruction::Square { a, to } => {
                rename(&mut a.source);
                Some(to)
            }
            Instruction::Accumulate { value, .. } => {
                rename(&mut value.source);
                None
            }
            Instruction::AccumulateProduct { a, b } => {
                rename(&mut a.source);
                rename(&mut b.source);
                None
            }
            Instruction::Reduce { to } => Some(to),
        };
        // An instruction reads a row of both operands before it writes that row of its result.
        free.extend(ended.into_iter().map(|result| register_of[result as usize]));
        if let Some(to) = to {
            let result = *to as usize;
            let register = free.pop().unwrap_or_else(|| {
                registers += 1;
                registers - 1
            });
            register_of[result] = register;
            *to = register;
            if last_use[result] == 0 {
                free.push(register);
            }
        }
    }
    let output = match output {
        Source::Register(result) => Source::Register(register_of[result as usize]),
        other => other,
    };
    (instructions, registers as usize, output)
}
