//! A chain of doubled points of the STARK curve, one a row, 256 in a component.
//!
//! Source: Stone v3, CPU AIR, components `doubling_key` and `doubling_q`.

use ashlar_curve::ALPHA;

use super::{
    builder::{Builder, Cells, double},
    ec_subset_sum::HEIGHT,
};

/// Every point but the first is twice the one before.
pub(super) fn constrain(air: &Builder<'_>, name: &str, points: [Cells<'_>; 2], slope: Cells<'_>) {
    let doublings = || air.all_but_last_of(points[0].step(), HEIGHT);
    let [x, y] = [points[0].at(0), points[1].at(0)];
    let [next_x, next_y] = [points[0].at(1), points[1].at(1)];
    let slope = slope.at(0);
    let tangent = &x * &x * 3 + ALPHA - double(&y) * &slope;
    air.constrain(format!("{name}/slope"), tangent, doublings());
    air.constrain(format!("{name}/x"), &slope * &slope - (double(&x) + &next_x), doublings());
    air.constrain(format!("{name}/y"), y + next_y - slope * (x - next_x), doublings());
}
