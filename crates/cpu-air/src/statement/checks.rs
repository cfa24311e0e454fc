//! What must hold of a public input before it is proven, and before a proof of it means anything.

use std::collections::HashMap;

use super::{Claim, StatementError, entry, seed};
use crate::{
    input::{MemorySegment, PublicInput},
    layout::{Builtin, Layout},
};

/// The segments in the layout's order; exactly these must be given.
pub(super) fn segments(public: &PublicInput, layout: &Layout) -> Result<Vec<MemorySegment>, StatementError> {
    if let Some(segment) =
        public.memory_segments.keys().find(|name| !layout.segments.contains(&name.as_str()))
    {
        return Err(StatementError::UnexpectedSegment { layout: layout.name, segment: segment.clone() });
    }
    layout.segments.iter().map(|&name| segment(public, layout, name)).collect()
}

fn segment(
    public: &PublicInput,
    layout: &Layout,
    name: &'static str,
) -> Result<MemorySegment, StatementError> {
    let missing = StatementError::MissingSegment { layout: layout.name, segment: name };
    public.memory_segments.get(name).copied().ok_or(missing)
}

/// What Stone's prover asserts of a public input: the layout is the named one and long enough, segments are exactly
/// the layout's, range-check bounds are in order, the public memory is not empty, fits, has one value an address and a
/// page 0, and its other pages are consecutive.
///
/// # Errors
/// The first of these that does not hold.
pub fn check(public: &PublicInput, layout: &Layout) -> Result<(), StatementError> {
    if public.layout != layout.name {
        return Err(StatementError::OtherLayout { expected: layout.name, got: public.layout.clone() });
    }
    if public.rc_min >= public.rc_max || public.rc_max >= 1 << 16 {
        return Err(StatementError::RangeCheckBounds { rc_min: public.rc_min, rc_max: public.rc_max });
    }
    let trace_length = layout.trace_length(public.n_steps)?;
    segments(public, layout)?;
    if public.public_memory.is_empty() {
        return Err(StatementError::EmptyPublicMemory);
    }
    let step = layout.column("orig/public_memory/addr")?.step as u64;
    let capacity = trace_length / step.max(1);
    let got = public.public_memory.len() as u64;
    if got > capacity {
        return Err(StatementError::PublicMemoryTooLarge { capacity, got });
    }
    let mut values = HashMap::with_capacity(public.public_memory.len());
    for cell in &public.public_memory {
        let first = *values.entry(cell.address).or_insert(cell.value);
        if first != cell.value {
            return Err(StatementError::TwoValues { address: cell.address, first, second: cell.value });
        }
    }
    seed::pages(&public.public_memory)?;
    Ok(())
}

/// How much of a builtin a run claims to have used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuiltinUsage {
    /// The builtin.
    pub builtin: Builtin,
    /// Instances between begin address and stop pointer.
    pub instances: u64,
    /// Instances that a trace of n_steps constrains.
    pub capacity: u64,
}

/// The use of every builtin of the layout, in segment order.
///
/// # Errors
/// If a stop pointer lies before its begin address, inside an instance, or beyond the instances that the trace
/// constrains: cells beyond are ordinary memory, and a range check there checks nothing.
pub fn builtin_usage(public: &PublicInput, layout: &Layout) -> Result<Vec<BuiltinUsage>, StatementError> {
    let trace_length = layout.trace_length(public.n_steps)?;
    let builtins = Builtin::ALL.into_iter().filter(|builtin| layout.segments.contains(&builtin.segment()));
    let usage = builtins.map(|builtin| {
        let name = builtin.segment();
        let MemorySegment { begin_addr, stop_ptr } = segment(public, layout, name)?;
        let unordered = StatementError::SegmentUnordered { segment: name, begin_addr, stop_ptr };
        let used = stop_ptr.checked_sub(begin_addr).ok_or(unordered)?;
        let cells = builtin.cells_per_instance();
        if !used.is_multiple_of(cells) {
            return Err(StatementError::PartialInstance { segment: name, cells, used });
        }
        let capacity = layout.row_ratio(builtin).map_or(0, |ratio| trace_length / ratio.max(1));
        let instances = used / cells;
        if instances > capacity {
            return Err(StatementError::BuiltinCapacity { segment: name, capacity, instances });
        }
        let end = capacity.checked_mul(cells).and_then(|size| begin_addr.checked_add(size));
        end.ok_or(StatementError::AddressOverflow { segment: name, begin_addr })?;
        Ok(BuiltinUsage { builtin, instances, capacity })
    });
    usage.collect()
}

/// Everything that must hold before an accepted proof of this statement may be acted upon: [`check_segments`], and the
/// strict form of page 0. Returns what the statement then says.
///
/// # Errors
/// The first of these that does not hold.
pub fn check_gate(public: &PublicInput, layout: &Layout) -> Result<Claim, StatementError> {
    check_segments(public, layout)?;
    Ok(entry::claim(public, layout, entry::EntryForm::Strict)?)
}

/// What must hold of a statement whatever the form of its page 0: [`check`], ordered segments, and builtins used within
/// what the trace constrains.
///
/// # Errors
/// The first of these that does not hold.
pub fn check_segments(public: &PublicInput, layout: &Layout) -> Result<(), StatementError> {
    check(public, layout)?;
    for (&name, MemorySegment { begin_addr, stop_ptr }) in
        layout.segments.iter().zip(segments(public, layout)?)
    {
        if begin_addr > stop_ptr {
            return Err(StatementError::SegmentUnordered { segment: name, begin_addr, stop_ptr });
        }
    }
    builtin_usage(public, layout).map(drop)
}
