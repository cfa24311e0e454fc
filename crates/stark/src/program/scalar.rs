//! Runs a program one group of rows at a time with scalar arithmetic: the reference for the vector interpreter.

use ashlar_field::{Felt, Group};

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
    let mut registers = vec![[Felt::ZERO; 8]; program.registers];
    for (group, out) in (first..).zip(out) {
        let mut accumulator = [Felt::ZERO; 8];
        let read = |registers: &[Rows], source: Source| -> Rows {
            match source {
                Source::Register(register) => registers[register as usize],
                Source::Constant(constant) => [program.constants[constant as usize]; 8],
                Source::Column { index, offset } => match columns[index as usize] {
                    ColumnData::Full(column) => {
                        let (at, blocks) = locate(group, offset, log_groups);
                        rotated_lanes(blocks).map(|lane| column[at].get(lane as usize))
                    }
                    ColumnData::Periodic(values) => {
                        let (at, _) = locate(group, offset, log_groups);
                        [values[at & (values.len() - 1)]; 8]
                    }
                },
            }
        };
        for instruction in &program.instructions {
            match *instruction {
                Instruction::Add { a, b, to, .. } => {
                    let (a, b) = (read(&registers, a), read(&registers, b));
                    registers[to as usize] = std::array::from_fn(|i| a[i] + b[i]);
                }
                Instruction::Subtract { a, b, to, .. } => {
                    let (a, b) = (read(&registers, a), read(&registers, b));
                    registers[to as usize] = std::array::from_fn(|i| a[i] - b[i]);
                }
                Instruction::Multiply { a, b, to } => {
                    let (a, b) = (read(&registers, a.source), read(&registers, b.source));
                    registers[to as usize] = std::array::from_fn(|i| a[i] * b[i]);
                }
                Instruction::Square { a, to } => {
                    registers[to as usize] = read(&registers, a.source).map(Felt::square);
                }
                Instruction::Accumulate { constant, value } => {
                    let value = read(&registers, value.source);
                    let constant = program.constants[constant as usize];
                    accumulator = std::array::from_fn(|i| accumulator[i] + constant * value[i]);
                }
                Instruction::Reduce { to } => {
                    registers[to as usize] = accumulator;
                    accumulator = [Felt::ZERO; 8];
                }
            }
        }
        for (lane, value) in read(&registers, program.output).into_iter().enumerate() {
            out.set(lane, value);
        }
    }
}
