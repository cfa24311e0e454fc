//! Which instances of a builtin are real, where their memory cells lie, and what the others hold.

use ashlar_field::Felt;
use rayon::prelude::*;

use super::{
    error::{Place, TraceError},
    memory_pool::MemoryPool,
    value_pool::PoolCells,
};
use crate::{
    input::PublicInput,
    layout::{Builtin, Layout},
};

/// The place of a builtin's instances in trace and memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    builtin: Builtin,
    begin: u64,
    /// Instances that the trace holds (Keccak: invocations).
    pub(super) count: usize,
}

impl Segment {
    /// The segment of a builtin; `None` if the layout does not use it.
    pub(super) fn new(
        builtin: Builtin,
        layout: &Layout,
        public: &PublicInput,
        length: usize,
    ) -> Result<Option<Segment>, TraceError> {
        let Some(ratio) = layout.row_ratio(builtin) else { return Ok(None) };
        let Some(segment) = public.memory_segments.get(builtin.segment()) else { return Ok(None) };
        let count = length as u64 / ratio.max(1);
        let begin = segment.begin_addr;
        // u64::MAX itself stays free: it marks unwritten cells.
        count
            .checked_mul(builtin.cells_per_instance())
            .and_then(|cells| begin.checked_add(cells))
            .ok_or(TraceError::SegmentOverflow { builtin, begin_addr: begin })?;
        Ok(Some(Segment { builtin, begin, count: count as usize }))
    }

    /// The builtin.
    pub(super) fn builtin(&self) -> Builtin {
        self.builtin
    }

    /// The address of cell `cell` of an instance.
    pub(super) fn address(&self, index: usize, cell: u64) -> u64 {
        self.begin + self.builtin.cells_per_instance() * index as u64 + cell
    }

    /// Writes the memory cells of an instance, the first ones of its segment's cells.
    pub(super) fn state(&self, memory: &mut MemoryPool, index: usize, cells: &[PoolCells], values: &[Felt]) {
        let place = self.place(index);
        for (cell, (&column, &value)) in (0..).zip(cells.iter().zip(values)) {
            memory.state(column.position(index), self.address(index, cell), value, place);
        }
    }

    /// For error messages.
    pub(super) fn place(&self, index: usize) -> Place {
        Place::Instance { builtin: self.builtin, index: index as u64 }
    }

    /// The real instance of every index; `None` for fillers.
    ///
    /// # Errors
    /// An index beyond the trace, or given twice.
    pub(super) fn place_instances<'a, T>(
        &self,
        instances: &'a [T],
        index_of: impl Fn(&T) -> u64,
    ) -> Result<Vec<Option<&'a T>>, TraceError> {
        let builtin = self.builtin;
        let mut placed: Vec<Option<&T>> = vec![None; self.count];
        for instance in instances {
            let index = index_of(instance);
            let slot = usize::try_from(index).ok().and_then(|index| placed.get_mut(index));
            let slot =
                slot.ok_or(TraceError::TooManyInstances { builtin, index, capacity: self.count as u64 })?;
            if slot.replace(instance).is_some() {
                return Err(TraceError::DuplicateInstance { builtin, index });
            }
        }
        Ok(placed)
    }
}

/// Instances whose traces are computed before they are written: bounds the memory beside the columns.
const BATCH: usize = 512;
/// Instances that one parallel task computes together, sharing their inversions.
const TASK: usize = 64;

/// Goes through all instances in batches: real ones are computed in parallel, the others are copies of `filler`.
///
/// `compute` gives one trace for each of its instances, in order; `write` takes the index of the first instance and
/// the traces from there.
pub(super) fn for_each_batch<T: Sync, L: Send>(
    placed: &[Option<&T>],
    filler: &L,
    compute: impl Fn(&[&T]) -> Result<Vec<L>, TraceError> + Sync,
    mut write: impl FnMut(usize, &[&L]) -> Result<(), TraceError>,
) -> Result<(), TraceError> {
    for (batch, slots) in placed.chunks(BATCH).enumerate() {
        let real: Vec<&T> = slots.iter().copied().flatten().collect();
        let tasks: Vec<Result<Vec<L>, TraceError>> = real.par_chunks(TASK).map(&compute).collect();
        let mut computed = Vec::with_capacity(real.len());
        // In order, so that the error reported does not depend on the number of threads.
        for task in tasks {
            computed.extend(task?);
        }
        let mut next = computed.iter();
        let lanes: Vec<&L> =
            slots.iter().map(|slot| slot.and_then(|_| next.next()).unwrap_or(filler)).collect();
        write(batch * BATCH, &lanes)?;
    }
    Ok(())
}

/// An input must fit in `bits` bits.
pub(super) fn check_bits(
    builtin: Builtin,
    index: u64,
    name: &'static str,
    value: Felt,
    bits: u32,
) -> Result<(), TraceError> {
    let limbs = value.to_standard_limbs();
    if (bits as usize..256).any(|bit| (limbs[bit / 64] >> (bit % 64)) & 1 == 1) {
        return Err(TraceError::InputTooLarge { builtin, index, name, bits, got: value });
    }
    Ok(())
}
