//! The memory: a permutation of the accesses, sorted by address, is continuous and single-valued; the public part is
//! taken out of the trace and put into the product.
//!
//! Source: Stone v3, CPU AIR, components `memory/…` and `public_memory_…`; *Cairo* whitepaper section 9.7.

use super::{
    Parameter,
    builder::{Builder, bit},
};
use crate::layout::LayoutError;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let address = air.cells("mem_pool/addr")?;
    let value = air.cells("mem_pool/value")?;
    let sorted_address = air.cells("memory/sorted/addr")?;
    let sorted_value = air.cells("memory/sorted/value")?;
    let product = air.cells("memory/multi_column_perm/perm/cum_prod0")?;
    let unit = address.step();
    let point = Parameter::MemoryPoint.expression();
    let fold = Parameter::MemoryFold.expression();

    let original = |index| &point - (address.at(index) + &fold * value.at(index));
    let sorted = |index| &point - (sorted_address.at(index) + &fold * sorted_value.at(index));
    let init = sorted(0) * product.at(0) + address.at(0) + &fold * value.at(0) - &point;
    air.constrain("memory/multi_column_perm/perm/init0", init, air.first());
    let step = sorted(1) * product.at(1) - original(1) * product.at(0);
    air.constrain("memory/multi_column_perm/perm/step0", step, air.every_but_last(unit));
    let last = product.at(0) - Parameter::MemoryProduct.expression();
    air.constrain("memory/multi_column_perm/perm/last", last, air.last(unit));

    let difference = sorted_address.at(1) - sorted_address.at(0);
    air.constrain("memory/diff_is_bit", bit(&difference), air.every_but_last(unit));
    let single_valued = (difference - 1) * (sorted_value.at(0) - sorted_value.at(1));
    air.constrain("memory/is_func", single_valued, air.every_but_last(unit));
    air.constrain("memory/initial_addr", sorted_address.at(0) - 1, air.first());

    let public_address = air.cells("orig/public_memory/addr")?;
    let public_value = air.cells("orig/public_memory/value")?;
    let public = || air.every(public_address.step());
    air.constrain("public_memory_addr_zero", public_address.at(0), public());
    air.constrain("public_memory_value_zero", public_value.at(0), public());
    Ok(())
}
