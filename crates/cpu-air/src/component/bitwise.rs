//! The bitwise builtin: x, y, x & y, x ^ y as diluted parts, so that x + y = (x ^ y) + 2·(x & y) holds bit by bit.
//!
//! Source: Stone v3, CPU AIR, components `bitwise/…`. An instance has a pool of 64 diluted cells, 16 for each of the
//! four words: cell c holds the bits 64⌊c/4⌋ + c mod 4 + 4k of a word, k = 0..15.

use ashlar_field::Felt;
use ashlar_stark::air::Expression;

use super::{
    Parameter,
    builder::{Builder, double},
};
use crate::layout::{Builtin, LayoutError};

/// Diluted cells of a word.
const PARTS: usize = 16;
/// Words in the pool: x, y, x & y, x ^ y.
const WORDS: u64 = 4;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let address = air.cells("bitwise/var_pool/addr")?;
    let value = air.cells("bitwise/var_pool/value")?;
    let or_address = air.cells("bitwise/x_or_y/addr")?;
    let or_value = air.cells("bitwise/x_or_y/value")?.at(0);
    let parts = air.cells("bitwise/diluted_var_pool")?;
    let word_period = address.step();
    let period = or_address.step();
    let every = || air.every(period);
    let or_address = or_address.at(0);

    let begin = Parameter::SegmentBegin(Builtin::Bitwise).expression();
    air.constrain("bitwise/init_var_pool_addr", address.at(0) - begin, air.first());
    let step = address.at(1) - (address.at(0) + 1);
    air.constrain("bitwise/step_var_pool_addr", step, air.all_but_last_of(word_period, WORDS));
    air.constrain("bitwise/x_or_y_addr", &or_address - (address.at(3) + 1), every());
    let next = address.at(4) - (or_address + 1);
    air.constrain("bitwise/next_var_pool_addr", next, air.every_but_last(period));
    let weight = |part: usize| Felt::from_u64(2).pow((64 * (part / 4) + part % 4) as u64);
    let word = (0..PARTS).map(|part| parts.at(part) * weight(part)).reduce(|sum, part| sum + part);
    let word = word.unwrap_or_else(|| Expression::from(0));
    air.constrain("bitwise/partition", word - value.at(0), air.every(word_period));
    air.constrain("bitwise/or_is_and_plus_xor", or_value - (value.at(2) + value.at(3)), every());
    let [x, y, and, xor] = [0, 1, 2, 3].map(|word| parts.at(PARTS * word));
    air.constrain(
        "bitwise/addition_is_xor_with_and",
        x + y - (xor + double(&and)),
        air.some_of(parts.step(), WORDS * PARTS as u64, |cell| cell < PARTS as u64),
    );
    // The top parts have room for five bits more than 251: their bits must not reach there.
    for (part, shift) in [(12, 16), (13, 16), (14, 16), (15, 256)] {
        let used = parts.at(2 * PARTS + part) + parts.at(3 * PARTS + part);
        let name = format!("unique_unpacking{}", 180 + part);
        let trim = air.cells(&format!("bitwise/trim_unpacking{}", 180 + part))?.at(0);
        air.constrain(format!("bitwise/{name}"), used * shift - trim, every());
    }
    Ok(())
}
