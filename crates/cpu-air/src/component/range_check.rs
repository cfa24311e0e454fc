//! The range-check builtins: a memory cell is put together from 16-bit parts of the pool, the first part the most
//! significant.
//!
//! Source: Stone v3, CPU AIR, components `range_check_builtin` (8 parts) and `range_check96_builtin` (6 parts).

use ashlar_stark::air::Expression;

use super::{
    Parameter,
    builder::{Builder, OFFSET_RANGE},
};
use crate::layout::{Builtin, LayoutError};

/// 16-bit parts of a 128-bit value.
const PARTS: usize = 8;
/// 16-bit parts of a 96-bit value.
const PARTS_96: usize = 6;

/// The 128-bit builtin: its parts form one virtual column.
pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let cells = air.cells("range_check_builtin/inner_range_check")?;
    let parts = (0..PARTS).map(|index| cells.at(index)).collect();
    constrain_parts(air, "range_check_builtin", parts, Builtin::RangeCheck)
}

/// The 96-bit builtin: every part has a virtual column.
pub(super) fn constrain_96(air: &Builder<'_>) -> Result<(), LayoutError> {
    let part = |index| Ok(air.cells(&format!("range_check96_builtin/inner_range_check{index}"))?.at(0));
    let parts = (0..PARTS_96).map(part).collect::<Result<_, LayoutError>>()?;
    constrain_parts(air, "range_check96_builtin", parts, Builtin::RangeCheck96)
}

fn constrain_parts(
    air: &Builder<'_>,
    name: &str,
    parts: Vec<Expression>,
    builtin: Builtin,
) -> Result<(), LayoutError> {
    let address = air.cells(&format!("{name}/mem/addr"))?;
    let value = air.cells(&format!("{name}/mem/value"))?.at(0);
    let period = address.step();
    let composed = parts.into_iter().reduce(|sum, part| sum * OFFSET_RANGE + part);
    let composed = composed.unwrap_or_else(|| Expression::from(0));
    air.constrain(format!("{name}/value"), composed - value, air.every(period));
    let step = address.at(1) - (address.at(0) + 1);
    air.constrain(format!("{name}/addr_step"), step, air.every_but_last(period));
    let begin = Parameter::SegmentBegin(builtin).expression();
    air.constrain(format!("{name}/init_addr"), address.at(0) - begin, air.first());
    Ok(())
}
