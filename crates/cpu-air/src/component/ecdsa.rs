//! The ECDSA builtin: (r, w = s⁻¹) signs message m under public key Q, because the x coordinate of
//! w·(m·G + r·Q) is r.
//!
//! Source: Stone v3, CPU AIR, components `ecdsa/…`.

use ashlar_curve::{ALPHA, BETA, SHIFT_POINT, generator_table};

use super::{
    Parameter,
    builder::Builder,
    ec_doubling,
    ec_subset_sum::{EcSubsetSum, HEIGHT},
};
use crate::layout::{Builtin, LayoutError};

/// Bits of a scalar.
const BITS: u64 = 251;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let name = "ecdsa/signature0";
    let cells = |part: &str| air.cells(&format!("{name}/{part}"));
    // The points double in every row; rows without a bit repeat the last point that has one.
    let generator = (0..HEIGHT as usize).map(|row| generator_table()[row.min(BITS as usize - 1)]);
    let generator_points = [
        air.periodic("ecdsa/generator_points/x", generator.clone().map(|point| point.x).collect())?,
        air.periodic("ecdsa/generator_points/y", generator.map(|point| point.y).collect())?,
    ];
    let key = [cells("key_points/x")?, cells("key_points/y")?];
    let times_generator =
        EcSubsetSum::new(air, &format!("{name}/exponentiate_generator"), BITS, generator_points)?;
    let times_key =
        EcSubsetSum::new(air, &format!("{name}/exponentiate_key"), BITS, [key[0].at(0), key[1].at(0)])?;
    let key_period = times_key.period();
    let period = 2 * key_period;
    let every = || air.every(period);

    ec_doubling::constrain(air, &format!("{name}/doubling_key"), key, cells("doubling_slope")?);
    times_generator.constrain(air, Some(cells("exponentiate_generator/x_diff_inv")?));
    times_key.constrain(air, Some(cells("exponentiate_key/x_diff_inv")?));

    // The accumulators start at −shift and +shift, so that the shift cancels in their sum.
    let [generator_x, generator_y] = times_generator.sum;
    let [key_sum_x, key_sum_y] = times_key.sum;
    let every_key = || air.every(key_period);
    air.constrain(format!("{name}/init_gen/x"), generator_x.at(0) - SHIFT_POINT.x, every());
    air.constrain(format!("{name}/init_gen/y"), generator_y.at(0) + SHIFT_POINT.y, every());
    air.constrain(format!("{name}/init_key/x"), key_sum_x.at(0) - SHIFT_POINT.x, every_key());
    air.constrain(format!("{name}/init_key/y"), key_sum_y.at(0) - SHIFT_POINT.y, every_key());

    // m·G + r·Q is the key of the second half.
    let last = HEIGHT as usize - 1;
    let second = HEIGHT as usize;
    let slope = cells("add_results_slope")?.at(0);
    let [sum_x, sum_y] = [key_sum_x.at(last), key_sum_y.at(last)];
    let x_difference = generator_x.at(last) - &sum_x;
    air.constrain(
        format!("{name}/add_results/slope"),
        generator_y.at(last) - (sum_y + &slope * &x_difference),
        every(),
    );
    air.constrain(
        format!("{name}/add_results/x"),
        &slope * &slope - (generator_x.at(last) + sum_x + key[0].at(second)),
        every(),
    );
    air.constrain(
        format!("{name}/add_results/y"),
        generator_y.at(last) + key[1].at(second) - slope * (generator_x.at(last) - key[0].at(second)),
        every(),
    );
    let nonzero = cells("add_results_inv")?.at(0) * x_difference - 1;
    air.constrain(format!("{name}/add_results/x_diff_inv"), nonzero, every());

    // w·(m·G + r·Q), the shift subtracted, has abscissa r.
    let end = 2 * HEIGHT as usize - 1;
    let slope = cells("extract_r_slope")?.at(0);
    let [sum_x, sum_y] = [key_sum_x.at(end), key_sum_y.at(end)];
    let x_difference = &sum_x - SHIFT_POINT.x;
    let r = times_key.selector.at(0);
    air.constrain(format!("{name}/extract_r/slope"), sum_y + SHIFT_POINT.y - &slope * &x_difference, every());
    air.constrain(format!("{name}/extract_r/x"), &slope * &slope - (sum_x + SHIFT_POINT.x + &r), every());
    let nonzero = cells("extract_r_inv")?.at(0) * x_difference - 1;
    air.constrain(format!("{name}/extract_r/x_diff_inv"), nonzero, every());

    let message = times_generator.selector.at(0);
    air.constrain(format!("{name}/z_nonzero"), &message * cells("z_inv")?.at(0) - 1, every());
    let nonzero = r * cells("r_w_inv")?.at(0) - 1;
    air.constrain(format!("{name}/r_and_w_nonzero"), nonzero, every_key());
    let x_squared = cells("q_x_squared")?.at(0);
    let [x, y] = [key[0].at(0), key[1].at(0)];
    air.constrain(format!("{name}/q_on_curve/x_squared"), &x_squared - &x * &x, every());
    let equation = &x * x_squared + &x * ALPHA + BETA;
    air.constrain(format!("{name}/q_on_curve/on_curve"), &y * &y - equation, every());

    let key_address = air.cells("ecdsa/pubkey/addr")?;
    let message_address = air.cells("ecdsa/message/addr")?.at(0);
    let begin = Parameter::SegmentBegin(Builtin::Ecdsa).expression();
    air.constrain("ecdsa/init_addr", key_address.at(0) - begin, air.first());
    air.constrain("ecdsa/message_addr", &message_address - (key_address.at(0) + 1), every());
    let next = key_address.at(1) - (message_address + 1);
    air.constrain("ecdsa/pubkey_addr", next, air.every_but_last(period));
    let message_value = air.cells("ecdsa/message/value")?.at(0);
    air.constrain("ecdsa/message_value0", message_value - message, every());
    let key_value = air.cells("ecdsa/pubkey/value")?.at(0);
    air.constrain("ecdsa/pubkey_value0", key_value - x, every());
    Ok(())
}
