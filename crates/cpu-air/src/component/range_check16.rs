//! The 16-bit pool: sorted, its values grow by 0 or 1 from rc_min to rc_max.
//!
//! Source: Stone v3, CPU AIR, components `range_check16/…`; *Cairo* whitepaper section 9.9.

use super::{
    Parameter,
    builder::{Builder, bit},
    permutation,
};
use crate::layout::LayoutError;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let pool = air.cells("range_check16_pool")?;
    let sorted = air.cells("range_check16/sorted")?;
    let product = air.cells("range_check16/perm/cum_prod0")?;
    let unit = pool.step();
    let point = Parameter::RangeCheckPoint.expression();
    permutation::constrain(air, "range_check16/perm", pool, sorted, product, &point);
    let difference = sorted.at(1) - sorted.at(0);
    air.constrain("range_check16/diff_is_bit", bit(&difference), air.every_but_last(unit));
    let minimum = sorted.at(0) - Parameter::RangeCheckMin.expression();
    air.constrain("range_check16/minimum", minimum, air.first());
    let maximum = sorted.at(0) - Parameter::RangeCheckMax.expression();
    air.constrain("range_check16/maximum", maximum, air.last(unit));
    Ok(())
}
