//! The Pedersen builtin: hash(x, y) is the x coordinate of shift point + Σ bits of x and y times fixed points.
//!
//! One hash component takes two runs of the subset sum, one for each input; `repetitions` components stand side by
//! side and take the instances in turn.
//!
//! Source: Stone v3, CPU AIR, component `pedersen`.

use ashlar_curve::{PEDERSEN_BITS, SHIFT_POINT, pedersen_points};
use ashlar_field::Felt;

use super::{
    Parameter,
    builder::Builder,
    ec_subset_sum::{EcSubsetSum, HEIGHT},
};
use crate::layout::{Builtin, LayoutError};

/// One coordinate of the points, a row each: 252 points for each input; the rows after them repeat the last point.
fn points(coordinate: impl Fn(usize, usize) -> Felt) -> Vec<Felt> {
    let rows =
        (0..2).flat_map(|input| (0..HEIGHT as usize).map(move |row| (input, row.min(PEDERSEN_BITS - 1))));
    rows.map(|(input, row)| coordinate(input, row)).collect()
}

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let table = pedersen_points();
    let point = [
        air.periodic("pedersen/points/x", points(|input, row| table[input][row].x))?,
        air.periodic("pedersen/points/y", points(|input, row| table[input][row].y))?,
    ];
    let repetitions = air.layout().pedersen_repetitions();
    let mut hashes = Vec::with_capacity(repetitions);
    for repetition in 0..repetitions {
        let name = format!("pedersen/hash{repetition}");
        let subset_sum =
            EcSubsetSum::new(air, &format!("{name}/ec_subset_sum"), PEDERSEN_BITS as u64, point.clone())?;
        subset_sum.constrain_unpacking(air)?;
        subset_sum.constrain(air, None);
        let [x, y] = subset_sum.sum;
        let period = 2 * subset_sum.period();
        let half = HEIGHT as usize;
        air.constrain(format!("{name}/copy_point/x"), x.at(half) - x.at(half - 1), air.every(period));
        air.constrain(format!("{name}/copy_point/y"), y.at(half) - y.at(half - 1), air.every(period));
        air.constrain(format!("{name}/init/x"), x.at(0) - SHIFT_POINT.x, air.every(period));
        air.constrain(format!("{name}/init/y"), y.at(0) - SHIFT_POINT.y, air.every(period));
        hashes.push(subset_sum);
    }

    let input0_address = air.cells("pedersen/input0/addr")?;
    let input0_value = air.cells("pedersen/input0/value")?;
    let input1_address = air.cells("pedersen/input1/addr")?.at(0);
    let input1_value = air.cells("pedersen/input1/value")?;
    let output_address = air.cells("pedersen/output/addr")?.at(0);
    let output_value = air.cells("pedersen/output/value")?;
    let period = input0_address.step();
    let values = || air.every(period * repetitions as u64);
    let half = HEIGHT as usize;

    for (repetition, hash) in hashes.iter().enumerate() {
        let value = input0_value.at(repetition) - hash.selector.at(0);
        air.constrain(format!("pedersen/input0_value{repetition}"), value, values());
    }
    let next = input0_address.at(1) - (&output_address + 1);
    air.constrain("pedersen/input0_addr", next, air.every_but_last(period));
    let begin = Parameter::SegmentBegin(Builtin::Pedersen).expression();
    air.constrain("pedersen/init_addr", input0_address.at(0) - begin, air.first());
    for (repetition, hash) in hashes.iter().enumerate() {
        let value = input1_value.at(repetition) - hash.selector.at(half);
        air.constrain(format!("pedersen/input1_value{repetition}"), value, values());
    }
    let next = &input1_address - (input0_address.at(0) + 1);
    air.constrain("pedersen/input1_addr", next, air.every(period));
    for (repetition, hash) in hashes.iter().enumerate() {
        let value = output_value.at(repetition) - hash.sum[0].at(2 * half - 1);
        air.constrain(format!("pedersen/output_value{repetition}"), value, values());
    }
    let next = output_address - (input1_address + 1);
    air.constrain("pedersen/output_addr", next, air.every(period));
    Ok(())
}
