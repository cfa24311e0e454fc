//! The elliptic-curve operation builtin: R = P + m·Q.
//!
//! Source: Stone v3, CPU AIR, components `ec_op/…`.

use super::{
    Parameter,
    builder::Builder,
    ec_doubling,
    ec_subset_sum::{EcSubsetSum, HEIGHT},
};
use crate::layout::{Builtin, LayoutError};

/// Bits of the scalar.
const BITS: u64 = 252;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let first_address = air.cells("ec_op/p_x/addr")?;
    let period = first_address.step();
    let every = || air.every(period);
    let begin = Parameter::SegmentBegin(Builtin::EcOp).expression();
    air.constrain("ec_op/init_addr", first_address.at(0) - begin, air.first());
    let next_instance = first_address.at(1) - (first_address.at(0) + Builtin::EcOp.cells_per_instance());
    air.constrain("ec_op/p_x_addr", next_instance, air.every_but_last(period));
    let mut before = first_address.at(0);
    for cell in ["p_y", "q_x", "q_y", "m", "r_x", "r_y"] {
        let address = air.cells(&format!("ec_op/{cell}/addr"))?.at(0);
        air.constrain(format!("ec_op/{cell}_addr"), &address - (before + 1), every());
        before = address;
    }

    let doubled = [air.cells("ec_op/doubled_points/x")?, air.cells("ec_op/doubled_points/y")?];
    ec_doubling::constrain(air, "ec_op/doubling_q", doubled, air.cells("ec_op/doubling_slope")?);
    let value = |cell: &str| Ok::<_, LayoutError>(air.cells(&format!("ec_op/{cell}/value"))?.at(0));
    air.constrain("ec_op/get_q_x", value("q_x")? - doubled[0].at(0), every());
    air.constrain("ec_op/get_q_y", value("q_y")? - doubled[1].at(0), every());
    let point = [doubled[0].at(0), doubled[1].at(0)];
    let subset_sum = EcSubsetSum::new(air, "ec_op/ec_subset_sum", BITS, point)?;
    subset_sum.constrain_unpacking(air)?;
    subset_sum.constrain(air, Some(air.cells("ec_op/ec_subset_sum/x_diff_inv")?));
    let [x, y] = subset_sum.sum;
    air.constrain("ec_op/get_m", subset_sum.selector.at(0) - value("m")?, every());
    air.constrain("ec_op/get_p_x", value("p_x")? - x.at(0), every());
    air.constrain("ec_op/get_p_y", value("p_y")? - y.at(0), every());
    let last = HEIGHT as usize - 1;
    air.constrain("ec_op/set_r_x", value("r_x")? - x.at(last), every());
    air.constrain("ec_op/set_r_y", value("r_y")? - y.at(last), every());
    Ok(())
}
