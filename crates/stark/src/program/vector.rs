//! Runs a program eight rows at a time, on whichever vectors the processor has.

use ashlar_field::{
    Group, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Accumulator, Lazy, LazyGroup, Low52, Stored},
};

use super::{
    BLOCK, Factor, Instruction, Program, Source,
    columns::{ColumnData, locate, rotate, rotated_lanes},
};

/// Writes the results for the groups from `first` on; `false`, and nothing written, without vectors.
pub(super) fn run(
    program: &Program,
    columns: &[ColumnData<'_>],
    kernels: Kernels,
    log_groups: u32,
    first: usize,
    out: &mut [Group],
) -> bool {
    let rotations = std::array::from_fn(rotated_lanes);
    dispatch(kernels, Task { program, columns, rotations, log_groups, first, out }).is_ok()
}

struct Task<'a> {
    program: &'a Program,
    columns: &'a [ColumnData<'a>],
    /// By eighths of the trace.
    rotations: [[u64; 8]; 8],
    log_groups: u32,
    first: usize,
    out: &'a mut [Group],
}

/// What an instruction reads from: the operands of one task, without its output.
struct Operands<'a> {
    program: &'a Program,
    columns: &'a [ColumnData<'a>],
    rotations: [[u64; 8]; 8],
    log_groups: u32,
}

impl LaneTask for Task<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Task { program, columns, rotations, log_groups, first, out } = self;
        let operands = Operands { program, columns, rotations, log_groups };
        let mut registers = vec![LazyGroup::ZERO; program.registers * BLOCK];
        for (index, out) in out.chunks_mut(BLOCK).enumerate() {
            run_block(l, &operands, first + index * BLOCK, &mut registers, out);
        }
    }
}

#[inline(always)]
fn run_block<L: Lanes>(
    l: L,
    operands: &Operands<'_>,
    first: usize,
    registers: &mut [LazyGroup],
    out: &mut [Group],
) {
    let count = out.len();
    let mut accumulators = [Accumulator::zero(l); BLOCK];
    let mut rest = operands.program.instructions.as_slice();
    while let Some((&instruction, after)) = rest.split_first() {
        let before = std::mem::replace(&mut rest, after);
        match instruction {
            Instruction::Add { a, b, to, fold } => {
                for i in 0..count {
                    let a = operands.lazy(l, registers, a, first, i);
                    let b = operands.lazy(l, registers, b, first, i);
                    let sum = a.add(l, b);
                    let sum = if fold { sum.normalize(l).fold(l) } else { sum };
                    sum.store(l, &mut registers[to as usize * BLOCK + i]);
                }
            }
            Instruction::Subtract { a, b, to, fold } => {
                for i in 0..count {
                    let a = operands.lazy(l, registers, a, first, i);
                    let b = operands.lazy(l, registers, b, first, i);
                    let difference = a.sub(l, b);
                    let difference = if fold { difference.normalize(l).fold(l) } else { difference };
                    difference.store(l, &mut registers[to as usize * BLOCK + i]);
                }
            }
            Instruction::Multiply { a, b, to } => {
                for i in 0..count {
                    let a = operands.factor_x16(l, registers, a, first, i);
                    let b = operands.factor(l, registers, b, first, i);
                    a.mul(l, b).store(l, &mut registers[to as usize * BLOCK + i]);
                }
            }
            Instruction::Square { a, to } => {
                for i in 0..count {
                    let value = Operands::in_range(l, operands.lazy(l, registers, a.source, first, i), a);
                    let four = value.shift_left::<2>(l).carry(l);
                    four.square(l).store(l, &mut registers[to as usize * BLOCK + i]);
                }
            }
            Instruction::Accumulate { .. } | Instruction::AccumulateProduct { .. } => {
                // Terms that follow one another stay in the registers of the processor.
                let (terms, after) = before.split_at(before.iter().take_while(is_term).count());
                for i in 0..count {
                    let mut accumulator = accumulators[i];
                    for term in terms {
                        let (a, b) = match *term {
                            Instruction::Accumulate { constant, value } => {
                                let constant = operands.program.multipliers[constant as usize].splat(l);
                                (constant, operands.factor(l, registers, value, first, i))
                            }
                            Instruction::AccumulateProduct { a, b } => (
                                operands.factor_x16(l, registers, a, first, i),
                                operands.factor(l, registers, b, first, i),
                            ),
                            _ => continue,
                        };
                        accumulator = accumulator.add_product(l, a, b);
                    }
                    accumulators[i] = accumulator;
                }
                rest = after;
            }
            Instruction::Reduce { to } => {
                for i in 0..count {
                    accumulators[i].reduce(l).store(l, &mut registers[to as usize * BLOCK + i]);
                    accumulators[i] = Accumulator::zero(l);
                }
            }
        }
    }
    for (i, out) in out.iter_mut().enumerate() {
        // Sums are kept narrow enough for this by the builder.
        let value = operands.lazy(l, registers, operands.program.output, first, i);
        value.normalize(l).fold(l).canonical(l).store(l, out);
    }
}

fn is_term(instruction: &&Instruction) -> bool {
    matches!(instruction, Instruction::Accumulate { .. } | Instruction::AccumulateProduct { .. })
}

impl Operands<'_> {
    /// A column at the rows of group `first + i`, moved on by `offset`.
    #[inline(always)]
    fn stored<L: Lanes>(&self, l: L, index: u32, offset: u64, group: usize) -> Stored<L> {
        let (at, blocks) = locate(group, offset, self.log_groups);
        match self.columns[index as usize] {
            ColumnData::Full(column) => rotate(l, Stored::load(l, &column[at]), blocks, &self.rotations),
            ColumnData::Periodic(values) => Stored::splat(l, values[at & (values.len() - 1)]),
            ColumnData::Points(points) => rotate(l, points.load(l, at), blocks, &self.rotations),
        }
    }

    #[inline(always)]
    fn lazy<L: Lanes>(
        &self,
        l: L,
        registers: &[LazyGroup],
        source: Source,
        first: usize,
        i: usize,
    ) -> Lazy<L> {
        match source {
            Source::Register(register) => Lazy::load(l, &registers[register as usize * BLOCK + i]),
            Source::Column { index, offset } => self.stored(l, index, offset, first + i).to_lazy(l),
            Source::Constant(constant) => {
                Stored::splat(l, self.program.constants[constant as usize]).to_lazy(l)
            }
        }
    }

    #[inline(always)]
    fn in_range<L: Lanes>(l: L, value: Lazy<L>, factor: Factor) -> Lazy<L> {
        let value = if factor.fold { value.normalize(l).fold(l) } else { value };
        if factor.bias == 0 { value } else { value.bias(l, u64::from(factor.bias)) }
    }

    /// The operand in stored form.
    #[inline(always)]
    fn factor<L: Lanes>(
        &self,
        l: L,
        registers: &[LazyGroup],
        factor: Factor,
        first: usize,
        i: usize,
    ) -> Low52<L> {
        match factor.source {
            Source::Column { index, offset } => self.stored(l, index, offset, first + i).unpack(l),
            source => Self::in_range(l, self.lazy(l, registers, source, first, i), factor).carry(l),
        }
    }

    /// Sixteen times the operand; a constant as a multiplier, which carries the factor already.
    #[inline(always)]
    fn factor_x16<L: Lanes>(
        &self,
        l: L,
        registers: &[LazyGroup],
        factor: Factor,
        first: usize,
        i: usize,
    ) -> Low52<L> {
        match factor.source {
            Source::Column { index, offset } => self.stored(l, index, offset, first + i).unpack_x16(l),
            Source::Constant(constant) => self.program.multipliers[constant as usize].splat(l),
            source @ Source::Register(_) => {
                let value = Self::in_range(l, self.lazy(l, registers, source, first, i), factor);
                value.shift_left::<4>(l).carry(l)
            }
        }
    }
}

/// Runs a program on intervals.
#[cfg(test)]
pub(super) fn prove_exact(
    program: &Program,
    columns: &[ColumnData<'_>],
    groups: usize,
) -> Result<(), ashlar_field::lanes::intervals::Overflow> {
    let rotations = std::array::from_fn(rotated_lanes);
    let mut out = vec![Group::ZERO; groups];
    let log_groups = groups.ilog2();
    ashlar_field::lanes::intervals::prove(Task {
        program,
        columns,
        rotations,
        log_groups,
        first: 0,
        out: &mut out,
    })
}
