//! The diluted pool: values whose 16 bits stand four apart, so that four of them can be added without carries.
//!
//! That exactly the spread forms of 0, 1, 2, … occur is checked by a cumulative value over the differences of the
//! sorted pool, folded with Z and A; its last value is known ([`super::diluted_final_value`]).
//!
//! Source: Stone v3, CPU AIR, components `diluted_check/…`.

use super::{Parameter, builder::Builder, permutation};
use crate::layout::LayoutError;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let pool = air.cells("diluted_pool")?;
    let sorted = air.cells("diluted_check/permuted_values")?;
    let product = air.cells("diluted_check/permutation/cum_prod0")?;
    let cumulative = air.cells("diluted_check/cumulative_value")?;
    let unit = pool.step();
    let point = Parameter::DilutedPoint.expression();
    permutation::constrain(air, "diluted_check/permutation", pool, sorted, product, &point);
    air.constrain("diluted_check/init", cumulative.at(0) - 1, air.first());
    air.constrain("diluted_check/first_element", sorted.at(0), air.first());
    let difference = sorted.at(1) - sorted.at(0);
    let z = Parameter::DilutedZ.expression();
    let a = Parameter::DilutedA.expression();
    let next = cumulative.at(0) * (z * &difference + 1) + a * &difference * &difference;
    air.constrain("diluted_check/step", cumulative.at(1) - next, air.every_but_last(unit));
    let last = cumulative.at(0) - Parameter::DilutedFinalValue.expression();
    air.constrain("diluted_check/last", last, air.last(unit));
    Ok(())
}
