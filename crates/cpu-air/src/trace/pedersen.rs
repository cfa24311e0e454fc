//! The Pedersen builtin: hash(x, y) as two subset sums, the second going on from the first.

use ashlar_curve::{PEDERSEN_BITS, SHIFT_POINT, pedersen_points};
use ashlar_field::Felt;

use super::{
    columns::Columns,
    ec_subset_sum::{SubsetSum, SubsetSumColumns, subset_sums},
    error::TraceError,
    instances::{Segment, for_each_batch},
    memory_pool::MemoryPool,
};
use crate::{
    input::PedersenInstance,
    layout::{Builtin, Layout},
};

/// One hash with its trace.
struct Hash {
    inputs: [Felt; 2],
    halves: [SubsetSum; 2],
    /// For each half: the unpacking's products for bits 196 and 192.
    ones: [[Felt; 2]; 2],
}

impl Hash {
    /// The cells of the instance in memory.
    fn cells(&self) -> [Felt; 3] {
        [self.inputs[0], self.inputs[1], self.halves[1].result().x]
    }
}

/// The traces of these instances.
fn compute(instances: &[&PedersenInstance]) -> Result<Vec<Hash>, TraceError> {
    let mut starts = vec![SHIFT_POINT; instances.len()];
    let mut half = |input: usize| {
        let scalars: Vec<Felt> = instances.iter().map(|instance| [instance.x, instance.y][input]).collect();
        let points = &pedersen_points()[input];
        // Beyond the last bit the last point repeats.
        let point = |_, row: usize| points[row.min(PEDERSEN_BITS - 1)];
        let sums = subset_sums(&starts, &scalars, point).map_err(|equal| TraceError::DegenerateAddition {
            builtin: Builtin::Pedersen,
            index: instances[equal.lane].index,
        })?;
        starts = sums.iter().map(SubsetSum::result).collect();
        Ok::<_, TraceError>(sums)
    };
    let (first, second) = (half(0)?, half(1)?);
    let hashes = instances.iter().zip(first.into_iter().zip(second)).map(|(instance, (first, second))| {
        let halves = [first, second];
        let ones = [&halves[0], &halves[1]].map(|half| [half.ones196(), half.ones192()]);
        Hash { inputs: [instance.x, instance.y], halves, ones }
    });
    Ok(hashes.collect())
}

/// Writes all instances: instance i is hash ⌊i/R⌋ of component i mod R, for R components side by side.
pub(super) fn write(
    layout: &Layout,
    segment: Segment,
    instances: &[PedersenInstance],
    columns: &mut Columns,
    memory: &mut MemoryPool,
) -> Result<(), TraceError> {
    let placed = segment.place_instances(instances, |instance| instance.index)?;
    let mut components = Vec::new();
    for repetition in 0..layout.pedersen_repetitions() {
        let prefix = format!("pedersen/hash{repetition}/ec_subset_sum");
        components.push(SubsetSumColumns::new(layout, &prefix, false, true)?);
    }
    let mut cells = Vec::new();
    for name in ["pedersen/input0/addr", "pedersen/input1/addr", "pedersen/output/addr"] {
        cells.push(memory.cells_of(layout.column(name)?)?);
    }
    let zero = PedersenInstance { index: 0, x: Felt::ZERO, y: Felt::ZERO };
    let filler = compute(&[&zero])?.remove(0);
    for_each_batch(&placed, &filler, compute, |start, hashes| {
        let mut runs = Vec::new();
        for (index, hash) in (start..).zip(hashes) {
            segment.state(memory, index, &cells, &hash.cells());
            let component = &components[index % components.len()];
            for half in 0..2 {
                let position = 2 * (index / components.len()) + half;
                runs.extend(component.runs(position, &hash.halves[half], &hash.ones[half]));
            }
        }
        columns.write(&runs);
        Ok(())
    })
}
