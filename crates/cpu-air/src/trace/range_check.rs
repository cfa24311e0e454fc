//! The range-check builtins: a value as 16-bit parts of the range-check pool, most significant first.
//!
//! Instances that nobody uses are not fillers with a fixed value: their parts are cells of the pool like any other,
//! so their memory cells hold what the pool was filled with.

use ashlar_field::Felt;

use super::{
    error::TraceError,
    instances::{Segment, check_bits},
    memory_pool::MemoryPool,
    value_pool::{FilledPool, PoolCells, ValuePool},
};
use crate::{
    input::RangeCheckInstance,
    layout::{Builtin, Layout, LayoutError},
};

/// A range-check builtin between the filling of the two pools.
pub(super) struct RangeChecks {
    segment: Segment,
    memory: PoolCells,
    /// The cells of each part; a part's cell `i` belongs to instance `i`, or, where all parts lie in one virtual
    /// column, cell `parts·i + part`.
    parts: Parts,
}

enum Parts {
    /// One virtual column for all parts, with their number.
    Joint(PoolCells, usize),
    /// One for each part.
    Separate(Vec<PoolCells>),
}

impl Parts {
    fn count(&self) -> usize {
        match self {
            Parts::Joint(_, count) => *count,
            Parts::Separate(columns) => columns.len(),
        }
    }

    fn position(&self, instance: usize, part: usize) -> usize {
        match self {
            Parts::Joint(cells, count) => cells.position(instance * count + part),
            Parts::Separate(columns) => columns[part].position(instance),
        }
    }
}

impl RangeChecks {
    /// The 128-bit range checks: eight parts in one virtual column.
    pub(super) fn new128(
        layout: &Layout,
        segment: Segment,
        memory: &MemoryPool,
        pool: &ValuePool,
    ) -> Result<RangeChecks, LayoutError> {
        let parts = Parts::Joint(pool.cells_of(layout.column("range_check_builtin/inner_range_check")?)?, 8);
        let memory = memory.cells_of(layout.column("range_check_builtin/mem/addr")?)?;
        Ok(RangeChecks { segment, memory, parts })
    }

    /// The 96-bit range checks: six virtual columns.
    pub(super) fn new96(
        layout: &Layout,
        segment: Segment,
        memory: &MemoryPool,
        pool: &ValuePool,
    ) -> Result<RangeChecks, LayoutError> {
        let mut parts = Vec::with_capacity(6);
        for part in 0..6 {
            let name = format!("range_check96_builtin/inner_range_check{part}");
            parts.push(pool.cells_of(layout.column(&name)?)?);
        }
        let memory = memory.cells_of(layout.column("range_check96_builtin/mem/addr")?)?;
        Ok(RangeChecks { segment, memory, parts: Parts::Separate(parts) })
    }

    /// Writes the parts of the real instances into the range-check pool.
    pub(super) fn write_parts(
        &self,
        instances: &[RangeCheckInstance],
        pool: &mut ValuePool,
    ) -> Result<(), TraceError> {
        let placed = self.segment.place_instances(instances, |instance| instance.index)?;
        let count = self.parts.count();
        for (index, instance) in placed.into_iter().enumerate() {
            let Some(instance) = instance else { continue };
            let limbs = instance.value.to_standard_limbs();
            let builtin = if count == 8 { Builtin::RangeCheck } else { Builtin::RangeCheck96 };
            check_bits(builtin, index as u64, "value", instance.value, 16 * count as u32)?;
            for part in 0..count {
                let bit = 16 * (count - 1 - part);
                let value = (limbs[bit / 64] >> (bit % 64)) as u16;
                pool.write(self.parts.position(index, part), value, self.segment.place(index))?;
            }
        }
        Ok(())
    }

    /// Writes every instance's memory cell from its parts in the filled pool.
    pub(super) fn write_memory(&self, pool: &FilledPool, memory: &mut MemoryPool) {
        for index in 0..self.segment.count {
            let parts = (0..self.parts.count()).map(|part| pool.cells[self.parts.position(index, part)]);
            let value = parts.fold(0u128, |value, part| (value << 16) | u128::from(part));
            self.segment.state(memory, index, &[self.memory], &[Felt::from_u128(value)]);
        }
    }
}
