//! What the modular builtins have in common: instances in memory, and the cells that they point to.
//!
//! An instance is p (four 96-bit words), values_ptr, offsets_ptr and n, the operations that remain. Each operation
//! reads three offsets at offsets_ptr and the numbers a, b, c at values_ptr + offset. While n > 1, the next instance is
//! the next operation of the same batch.
//!
//! Source: Stone v3, CPU AIR, components `add_mod/…` and `mul_mod/…` with batch size 1.

use ashlar_stark::air::{Domain, Expression};

use super::{
    Parameter,
    builder::{Builder, Cells},
};
use crate::layout::{Builtin, LayoutError};

/// Words of a number.
pub(super) const WORDS: usize = 4;
/// Bits of a word.
pub(super) const WORD_BITS: u64 = 96;
/// Offsets that an operation reads.
const OFFSETS: u64 = 3;

/// The numbers of one operation, words least significant first.
pub(super) struct Operation {
    pub(super) p: [Expression; WORDS],
    pub(super) a: [Expression; WORDS],
    pub(super) b: [Expression; WORDS],
    pub(super) c: [Expression; WORDS],
    /// Rows of the operations.
    pub(super) period: u64,
}

impl Operation {
    /// All operations.
    pub(super) fn every(&self, air: &Builder<'_>) -> Domain {
        air.every(self.period)
    }
}

/// Σ xᵢ·pointⁱ.
pub(super) fn polynomial(
    coefficients: impl DoubleEndedIterator<Item = Expression>,
    point: &Expression,
) -> Expression {
    let sum = coefficients.rev().reduce(|sum, coefficient| sum * point + coefficient);
    sum.unwrap_or_else(|| Expression::from(0))
}

/// The memory cells of a builtin.
struct MemoryCells<'a> {
    address: Cells<'a>,
    value: Cells<'a>,
}

impl<'a> MemoryCells<'a> {
    fn new(air: &'a Builder<'_>, builtin: &str, name: &str) -> Result<MemoryCells<'a>, LayoutError> {
        Ok(MemoryCells {
            address: air.cells(&format!("{builtin}/{name}/addr"))?,
            value: air.cells(&format!("{builtin}/{name}/value"))?,
        })
    }
}

/// Constrains instances and addresses, and finds the numbers of an operation.
pub(super) fn constrain_memory(
    air: &Builder<'_>,
    name: &str,
    builtin: Builtin,
) -> Result<Operation, LayoutError> {
    let memory = |cell: &str| MemoryCells::new(air, name, cell);
    let p = [memory("p0")?, memory("p1")?, memory("p2")?, memory("p3")?];
    let values_ptr = memory("values_ptr")?;
    let offsets_ptr = memory("offsets_ptr")?;
    let n = memory("n")?;
    let period = n.address.step();
    let every = || air.every(period);
    let but_last = || air.every_but_last(period);

    let begin = Parameter::SegmentBegin(builtin).expression();
    air.constrain(format!("{name}/init_p0_address"), p[0].address.at(0) - begin, air.first());
    let chain = [("p1", &p[1]), ("p2", &p[2]), ("p3", &p[3]), ("values_ptr", &values_ptr)];
    let mut before = p[0].address.at(0);
    for (cell, cells) in chain.into_iter().chain([("offsets_ptr", &offsets_ptr), ("n", &n)]) {
        let address = cells.address.at(0);
        air.constrain(format!("{name}/step_{cell}_addr"), &address - (before + 1), every());
        before = address;
    }
    air.constrain(format!("{name}/step_p0_addr"), p[0].address.at(1) - (before + 1), but_last());

    // Within a batch p and values_ptr stay, offsets_ptr moves on, n counts down.
    let within_batch = n.value.at(0) - 1;
    for (word, cells) in p.iter().enumerate() {
        let stays = cells.value.at(1) - cells.value.at(0);
        air.constrain(format!("{name}/step_p{word}_value"), stays * &within_batch, but_last());
    }
    let stays = values_ptr.value.at(1) - values_ptr.value.at(0);
    air.constrain(format!("{name}/step_values_ptr_value"), stays * &within_batch, but_last());
    let moves = offsets_ptr.value.at(1) - (offsets_ptr.value.at(0) + OFFSETS);
    air.constrain(format!("{name}/step_offsets_ptr_value"), moves * &within_batch, but_last());
    let counts = n.value.at(1) + 1 - n.value.at(0);
    air.constrain(format!("{name}/step_n_value"), counts * &within_batch, but_last());

    let mut expected = offsets_ptr.value.at(0);
    let mut offsets = Vec::with_capacity(OFFSETS as usize);
    for (number, constraint) in [("a", "a_offset0"), ("b", "b_offset"), ("c", "c_offset")] {
        let cells = memory(&format!("{number}_offset"))?;
        let address = cells.address.at(0);
        air.constrain(format!("{name}/{constraint}"), &address - expected, every());
        expected = address + 1;
        offsets.push(cells.value.at(0));
    }
    let mut numbers = Vec::with_capacity(OFFSETS as usize);
    for (number, offset) in ["a", "b", "c"].into_iter().zip(offsets) {
        let mut expected = offset + values_ptr.value.at(0);
        let mut words = Vec::with_capacity(WORDS);
        for word in 0..WORDS {
            let cells = memory(&format!("{number}{word}"))?;
            let address = cells.address.at(0);
            let constraint = if word == 0 { "value_ind0" } else { "value" };
            air.constrain(format!("{name}/{number}{word}_{constraint}"), &address - expected, every());
            expected = address + 1;
            words.push(cells.value.at(0));
        }
        numbers.push(std::array::from_fn(|word| words[word].clone()));
    }
    let [a, b, c] = std::array::from_fn(|number| numbers[number].clone());
    Ok(Operation { p: p.map(|cells| cells.value.at(0)), a, b, c, period })
}
