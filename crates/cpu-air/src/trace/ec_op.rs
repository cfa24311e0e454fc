//! The elliptic-curve operation builtin: P + m·Q.

use ashlar_curve::{AffinePoint, EqualAbscissas, GENERATOR, SHIFT_POINT};
use ashlar_field::Felt;

use super::{
    columns::{Columns, Run},
    ec_subset_sum::{Doublings, HEIGHT, SubsetSum, SubsetSumColumns, doubling_chains, subset_sums},
    error::TraceError,
    instances::{Segment, for_each_batch},
    memory_pool::MemoryPool,
};
use crate::{
    input::EcOpInstance,
    layout::{Builtin, Layout},
};

/// One operation with its trace.
struct Operation {
    p: [Felt; 2],
    q: [Felt; 2],
    m: Felt,
    doublings: Doublings,
    sum: SubsetSum,
    /// The unpacking's products for bits 196 and 192.
    ones: [Felt; 2],
}

impl Operation {
    /// The cells of the instance in memory.
    fn cells(&self) -> [Felt; 7] {
        let result = self.sum.result();
        [self.p[0], self.p[1], self.q[0], self.q[1], self.m, result.x, result.y]
    }
}

/// The traces of these instances.
fn compute(instances: &[&EcOpInstance]) -> Result<Vec<Operation>, TraceError> {
    let builtin = Builtin::EcOp;
    let degenerate = |equal: EqualAbscissas| TraceError::DegenerateAddition {
        builtin,
        index: instances[equal.lane].index,
    };
    let points = |coordinates: fn(&EcOpInstance) -> [Felt; 2]| {
        let lifted = instances.iter().map(|instance| {
            let [x, y] = coordinates(instance);
            AffinePoint::new(x, y).ok_or(TraceError::NotOnCurve { builtin, index: instance.index, x })
        });
        lifted.collect::<Result<Vec<AffinePoint>, TraceError>>()
    };
    let (starts, bases) = (points(|instance| instance.p)?, points(|instance| instance.q)?);
    let scalars: Vec<Felt> = instances.iter().map(|instance| instance.m).collect();
    let doublings = doubling_chains(&bases).map_err(degenerate)?;
    let sums =
        subset_sums(&starts, &scalars, |lane, row| doublings[lane].points.get(row)).map_err(degenerate)?;
    let operations = instances.iter().zip(doublings.into_iter().zip(sums));
    let operations = operations.map(|(instance, (doublings, sum))| {
        let ones = [sum.ones196(), sum.ones192()];
        Operation { p: instance.p, q: instance.q, m: instance.m, doublings, sum, ones }
    });
    Ok(operations.collect())
}

/// Writes all instances; a filler adds nothing to the shift point.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[EcOpInstance],
    columns: &mut Columns,
    memory: &mut MemoryPool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    let subset_sum = SubsetSumColumns::new(layout, "ec_op/ec_subset_sum", true, true)?;
    let [x, y] = [layout.column("ec_op/doubled_points/x")?, layout.column("ec_op/doubled_points/y")?];
    let slope = layout.column("ec_op/doubling_slope")?;
    let mut cells = Vec::new();
    for name in ["p_x", "p_y", "q_x", "q_y", "m", "r_x", "r_y"] {
        cells.push(memory.cells_of(layout.column(&format!("ec_op/{name}/addr"))?)?);
    }
    let filler = EcOpInstance {
        index: 0,
        p: [SHIFT_POINT.x, SHIFT_POINT.y],
        q: [GENERATOR.x, GENERATOR.y],
        m: Felt::ZERO,
    };
    let filler = compute(&[&filler])?.remove(0);
    for_each_batch(&placed, &filler, compute, |start, operations| {
        let mut runs = Vec::new();
        for (index, operation) in (start..).zip(operations) {
            segment.state(memory, index, &cells, &operation.cells());
            runs.extend(subset_sum.runs(index, &operation.sum, &operation.ones));
            let Doublings { points, slopes } = &operation.doublings;
            let first = HEIGHT * index;
            runs.push(Run { column: x, first, values: &points.x });
            runs.push(Run { column: y, first, values: &points.y });
            runs.push(Run { column: slope, first, values: slopes });
        }
        columns.write(&runs);
        Ok(())
    })
}
