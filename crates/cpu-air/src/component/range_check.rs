//! The range-check builtin: a memory cell is put together from 16-bit parts of the pool.
//!
//! Source: Stone v3, CPU AIR, component `range_check_builtin`: 8 parts, the first is the most significant.

use super::{
    Parameter,
    builder::{Builder, OFFSET_RANGE},
};
use crate::layout::{Builtin, LayoutError};

/// 16-bit parts of a 128-bit value.
const PARTS: usize = 8;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let address = air.cells("range_check_builtin/mem/addr")?;
    let value = air.cells("range_check_builtin/mem/value")?.at(0);
    let parts = air.cells("range_check_builtin/inner_range_check")?;
    let period = address.step();

    let composed = (1..PARTS).fold(parts.at(0), |sum, index| sum * OFFSET_RANGE + parts.at(index));
    air.constrain("range_check_builtin/value", composed - value, air.every(period));
    let step = address.at(1) - (address.at(0) + 1);
    air.constrain("range_check_builtin/addr_step", step, air.every_but_last(period));
    let begin = Parameter::SegmentBegin(Builtin::RangeCheck).expression();
    air.constrain("range_check_builtin/init_addr", address.at(0) - begin, air.first());
    Ok(())
}
