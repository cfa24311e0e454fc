//! Straight-line programs over whole columns: what the prover's heavy sums are compiled to.
//!
//! Both the composition Σ αⁱ·cᵢ(x)/Zᵢ(x) and the out-of-domain quotient Σ β^k·(t(x) − y)/(x − z·g^row) are sums of
//! products of columns, tables and constants, the same at every row. They are compiled to one kind of bytecode,
//! which an interpreter runs on blocks of rows.
//!
//! | module | what it does |
//! |---|---|
//! | [`builder`] | writes a program, tracking ranges so that sums are reduced only where they must be |
//! | [`columns`] | the operands: columns in block order, tables with a shorter period |
//! | [`scalar`] | runs a program one row at a time: the reference |
//! | [`vector`] | runs a program eight rows at a time |

pub(crate) mod builder;
pub(crate) mod columns;
mod scalar;
mod vector;

use ashlar_field::{Felt, Group, Kernels, packed::Multiplier};
use rayon::prelude::*;

use columns::ColumnData;

/// Where an operand comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Source {
    /// An earlier result.
    Register(u32),
    /// A column (by index) at the current row plus an offset.
    Column { index: u32, offset: u64 },
    /// A constant (by index).
    Constant(u32),
}

/// An operand of a multiplication, and what brings its value into the range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Factor {
    source: Source,
    /// Reduce to about p first.
    fold: bool,
    /// Multiples of p to add, so that the value is not negative.
    bias: u32,
}

/// One operation on a block of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// to ← a + b; reduced to about p if `fold`.
    Add { a: Source, b: Source, to: u32, fold: bool },
    /// to ← a − b; reduced to about p if `fold`.
    Subtract { a: Source, b: Source, to: u32, fold: bool },
    /// to ← a·b. Of two factors that are not constants, `a` is the one to read sixteenfold.
    Multiply { a: Factor, b: Factor, to: u32 },
    /// to ← a², read fourfold.
    Square { a: Factor, to: u32 },
    /// accumulator ← accumulator + constant·value.
    Accumulate { constant: u32, value: Factor },
    /// accumulator ← accumulator + a·b, with factors as of a product.
    AccumulateProduct { a: Factor, b: Factor },
    /// to ← accumulator ← 0.
    Reduce { to: u32 },
}

/// A program and its constants.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    instructions: Vec<Instruction>,
    registers: usize,
    constants: Vec<Felt>,
    multipliers: Vec<Multiplier>,
    /// The result.
    output: Source,
}

/// Groups of eight rows that an instruction works on: enough that reading it is little beside what it does.
const BLOCK: usize = 8;
/// Groups that a task works on.
const TASK: usize = 128;

impl Program {
    /// The result at every row, in block order (see [`columns`]).
    ///
    /// `before_task` is asked before every task whether to go on.
    pub(crate) fn run(
        &self,
        columns: &[ColumnData<'_>],
        kernels: Kernels,
        out: &mut [Group],
        before_task: &(dyn Fn() -> bool + Sync),
    ) -> bool {
        let log_groups = out.len().max(1).ilog2();
        out.par_chunks_mut(TASK)
            .enumerate()
            .map(|(task, out)| {
                if !before_task() {
                    return false;
                }
                let first = task * TASK;
                if !vector::run(self, columns, kernels, log_groups, first, out) {
                    scalar::run(self, columns, log_groups, first, out);
                }
                true
            })
            .reduce(|| true, |a, b| a && b)
    }
}

#[cfg(test)]
mod tests;
