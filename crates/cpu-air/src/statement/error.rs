//! The ways in which a statement can be wrong.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_hash::HashError;
use thiserror::Error;

use super::EntryRefusal;
use crate::layout::LayoutError;

/// A public input that states nothing provable, or not enough.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StatementError {
    /// The public input is for another layout.
    #[error("public input names layout {got:?}, expected {expected}")]
    OtherLayout {
        /// The layout at hand.
        expected: &'static str,
        /// The layout named.
        got: String,
    },
    /// The number of steps does not fit the layout.
    #[error(transparent)]
    TraceLength(#[from] LayoutError),
    /// A built-in layout has a name that does not fit in a word of the seed: a bug of ours.
    #[error("layout name {name} is longer than 32 bytes")]
    LongLayoutName {
        /// The name.
        name: &'static str,
    },
    /// rc_min and rc_max are not in order, or out of range.
    #[error("expected rc_min < rc_max < 65536, got rc_min {rc_min}, rc_max {rc_max}")]
    RangeCheckBounds {
        /// Lower bound given.
        rc_min: u64,
        /// Upper bound given.
        rc_max: u64,
    },
    /// A segment of the layout is missing.
    #[error("memory_segments: {segment} is missing (layout {layout})")]
    MissingSegment {
        /// The layout.
        layout: &'static str,
        /// The segment.
        segment: &'static str,
    },
    /// A segment that the layout does not have.
    #[error("memory_segments: layout {layout} has no segment {segment:?}")]
    UnexpectedSegment {
        /// The layout.
        layout: &'static str,
        /// The segment given.
        segment: String,
    },
    /// No public memory.
    #[error("public_memory is empty; its first cell pads the public memory of the trace")]
    EmptyPublicMemory,
    /// Public memory, and none of it in page 0.
    #[error("public_memory has no cell in page 0")]
    NoPageZero,
    /// More public memory than the trace has room for.
    #[error("public_memory has {got} cells, the trace has room for {capacity}")]
    PublicMemoryTooLarge {
        /// The room.
        capacity: u64,
        /// The cells given.
        got: u64,
    },
    /// The public memory gives one address two values.
    #[error("public_memory gives address {address} the values {first} and {second}")]
    TwoValues {
        /// The address.
        address: u64,
        /// The value of the earlier cell.
        first: Felt,
        /// The value of the later cell.
        second: Felt,
    },
    /// The addresses of a continuous page have a gap.
    #[error("public_memory page {page}: address {got} does not follow {after}")]
    PageNotConsecutive {
        /// The page, not 0.
        page: u32,
        /// The address before.
        after: u64,
        /// The address that should be one higher.
        got: u64,
    },
    /// The page hash cannot take the words.
    #[error("page hash: {0}")]
    PageHash(HashError),
    /// A segment ends before it begins.
    #[error("segment {segment} begins at {begin_addr} and stops at {stop_ptr}")]
    SegmentUnordered {
        /// The segment.
        segment: &'static str,
        /// First address.
        begin_addr: u64,
        /// Stop pointer.
        stop_ptr: u64,
    },
    /// A builtin's segment holds a fraction of an instance.
    #[error("segment {segment} holds {used} cells, expected a multiple of {cells}")]
    PartialInstance {
        /// The segment.
        segment: &'static str,
        /// Cells of an instance.
        cells: u64,
        /// Cells used.
        used: u64,
    },
    /// A builtin's segment holds more instances than the trace constrains: the rest would be unconstrained.
    #[error("segment {segment} holds {instances} instances, the trace constrains {capacity}")]
    BuiltinCapacity {
        /// The segment.
        segment: &'static str,
        /// Instances that the trace holds.
        capacity: u64,
        /// Instances claimed.
        instances: u64,
    },
    /// A segment that reaches beyond the address space.
    #[error("segment {segment} at {begin_addr} reaches beyond address 2^64")]
    AddressOverflow {
        /// The segment.
        segment: &'static str,
        /// First address.
        begin_addr: u64,
    },
    /// Page 0 does not have the strict form.
    #[error("page 0 is not of the strict form: {0}")]
    Entry(#[from] EntryRefusal),
}

impl Fault for StatementError {
    fn code(&self) -> Code {
        Code(match self {
            StatementError::OtherLayout { .. } => 1500,
            StatementError::TraceLength(error) => return error.code(),
            StatementError::RangeCheckBounds { .. } => 1502,
            StatementError::MissingSegment { .. } | StatementError::UnexpectedSegment { .. } => 1503,
            StatementError::EmptyPublicMemory | StatementError::NoPageZero => 1504,
            StatementError::PublicMemoryTooLarge { .. } => 1505,
            StatementError::TwoValues { .. } => 1506,
            StatementError::PageNotConsecutive { .. } => 1507,
            StatementError::PageHash(error) => return error.code(),
            StatementError::SegmentUnordered { .. } | StatementError::AddressOverflow { .. } => 1508,
            StatementError::PartialInstance { .. } => 1509,
            StatementError::BuiltinCapacity { .. } => 1510,
            StatementError::Entry(_) => 1511,
            StatementError::LongLayoutName { .. } => 7020,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            StatementError::TraceLength(error) => error.exit(),
            StatementError::LongLayoutName { .. } => Exit::Bug,
            StatementError::SegmentUnordered { .. }
            | StatementError::AddressOverflow { .. }
            | StatementError::PartialInstance { .. }
            | StatementError::BuiltinCapacity { .. }
            | StatementError::Entry(_) => Exit::Negative,
            _ => Exit::Usage,
        }
    }
}
