//! Runs a program one group of rows at a time with scalar arithmetic: the reference for the vector interpreter.

use ashlar_field::{Felt, Group, ProductSum};

use super::{
    Instruction, Program, Source,
    columns::{ColumnData, locate, rotated_lanes},
};

/// Eight rows.
type Rows = [Felt; 8];

/// The results for the groups from `first` on.
pub(super) fn run(
    program: &Program,
    columns: &[ColumnData<'_>],
    log_groups: u32,
    first: usize,
    out: &mut [Group],
) {
    let operands = Operands { program, columns, log_groups };
    let mut registers = vec![[Felt::ZERO; 8]; program.registers];
    // Operands that are not registers are gathered here.
    let mut gathered = [[Felt::ZERO; 8]; 2];
    for (group, out) in (first..).zip(out) {
        let mut accumulator = [ProductSum::ZERO; 8];
        for instruction in &program.instructions {
            let [first, second] = &mut gathered;
            match *instruction {
                Instruction::Add { a, b, to, .. } => {
                    let a = operands.read(&registers, a, group, first);
                    let b = operands.read(&registers, b, group, second);
                    let mut result = [Felt::ZERO; 8];
                    for i in 0..8 {
                        result[i] = a[i] + b[i];
                    }
                    registers[to as usize] = result;
                }
                Instruction::Subtract { a, b, to, .. } => {
                    let a = operands.read(&registers, a, group, first);
                    let b = operands.read(&registers, b, group, second);
                    let mut result = [Felt::ZERO; 8];
                    for i in 0..8 {
                        result[i] = a[i] - b[i];
                    }
                    registers[to as usize] = result;
                }
                Instruction::Multiply { a, b, to } => {
                    let a = operands.read(&registers, a.source, group, first);
                    let b = operands.read(&registers, b.source, group, second);
                    let mut result = [Felt::ZERO; 8];
                    for i in 0..8 {
                        result[i] = a[i] * b[i];
                    }
                    registers[to as usize] = result;
                }
                Instruction::Square { a, to } => {
                    let a = operands.read(&registers, a.source, group, first);
                    let mut result = [Felt::ZERO; 8];
                    for i in 0..8 {
                        result[i] = a[i].square();
                    }
                    registers[to as usize] = result;
                }
                Instruction::Accumulate { constant, value } => {
                    let value = operands.read(&registers, value.source, group, first);
                    let constant = program.constants[constant as usize];
                    for i in 0..8 {
                        accumulator[i].add_product(constant, value[i]);
                    }
                }
                Instruction::AccumulateProduct { a, b } => {
                    let a = operands.read(&registers, a.source, group, first);
                    let b = operands.read(&registers, b.source, group, second);
                    for i in 0..8 {
                        accumulator[i].add_product(a[i], b[i]);
                    }
                }
                Instruction::Reduce { to } => {
                    for i in 0..8 {
                        registers[to as usize][i] = accumulator[i].reduce();
                    }
                    accumulator = [ProductSum::ZERO; 8];
                }
            }
        }
        let result = operands.read(&registers, program.output, group, &mut gathered[0]);
        for lane in 0..8 {
            out.set(lane, result[lane]);
        }
    }
}

/// What an instruction reads from, besides registers.
struct Operands<'a> {
    program: &'a Program,
    columns: &'a [ColumnData<'a>],
    log_groups: u32,
}

impl Operands<'_> {
    /// The operand at the rows of a group.
    #[inline(always)]
    fn read<'r>(
        &self,
        registers: &'r [Rows],
        source: Source,
        group: usize,
        gathered: &'r mut Rows,
    ) -> &'r Rows {
        match source {
            Source::Register(register) => return &registers[register as usize],
            Source::Constant(constant) => *gathered = [self.program.constants[constant as usize]; 8],
            Source::Column { index, offset } => {
                let (at, blocks) = locate(group, offset, self.log_groups);
                match self.columns[index as usize] {
                    ColumnData::Full(column) => {
                        let (column, lanes) = (&column[at], rotated_lanes(blocks));
                        for i in 0..8 {
                            gathered[i] = column.get(lanes[i] as usize % 8);
                        }
                    }
                    ColumnData::Periodic(values) => *gathered = [values[at & (values.len() - 1)]; 8],
                    ColumnData::Points(points) => {
                        let (points, lanes) = (points.get(at), rotated_lanes(blocks));
                        *gathered = lanes.map(|lane| points[lane as usize % 8]);
                    }
                }
            }
        }
        gathered
    }
}
