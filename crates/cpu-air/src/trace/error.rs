//! The ways in which a run does not make a trace.

use std::fmt;

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use thiserror::Error;

use crate::{
    layout::{Builtin, LayoutError},
    statement::StatementError,
};

/// Who writes a cell of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An access of the CPU.
    Step {
        /// The step, from 0.
        step: u64,
        /// What is read or decoded.
        operand: Operand,
    },
    /// An instance of a builtin.
    Instance {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
    },
    /// The public memory.
    PublicMemory,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Step { step, operand } => write!(f, "step {step}, {operand}"),
            Place::Instance { builtin, index } => write!(f, "{} instance {index}", builtin.segment()),
            Place::PublicMemory => f.write_str("public memory"),
        }
    }
}

/// A memory cell or offset of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The instruction word.
    Instruction,
    /// The destination.
    Destination,
    /// The first operand.
    First,
    /// The second operand.
    Second,
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Operand::Instruction => "instruction",
            Operand::Destination => "dst",
            Operand::First => "op0",
            Operand::Second => "op1",
        })
    }
}

/// A register of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Allocation pointer.
    Ap,
    /// Frame pointer.
    Fp,
    /// Program counter.
    Pc,
}

impl fmt::Display for Register {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Register::Ap => "ap",
            Register::Fp => "fp",
            Register::Pc => "pc",
        })
    }
}

/// A pool of cells shared by components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Memory cells.
    Memory,
    /// 16-bit values between rc_min and rc_max.
    RangeCheck,
    /// 16-bit values with three zero bits between two bits.
    Diluted,
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Pool::Memory => "memory",
            Pool::RangeCheck => "range-check",
            Pool::Diluted => "diluted",
        })
    }
}

/// A run that does not make a trace of the statement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceError {
    /// The statement itself is wrong.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The layout does not fit its use.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The trace would have more rows than this code addresses.
    #[error("the trace would have {got} rows, expected at most 2^32")]
    TooLong {
        /// The rows.
        got: u64,
    },
    /// The number of register states is not n_steps.
    #[error("expected {expected} register states (n_steps), got {got}")]
    WrongTraceLength {
        /// n_steps.
        expected: u64,
        /// The states given.
        got: u64,
    },
    /// The run reads an address that its memory lacks.
    #[error("{place}: address {address} is not in the memory")]
    MissingAddress {
        /// The address.
        address: u64,
        /// Who reads it.
        place: Place,
    },
    /// A word that is no instruction.
    #[error("step {step}: word {word} at pc {pc} is no instruction")]
    NotAnInstruction {
        /// The step.
        step: u64,
        /// Where the word stands.
        pc: u64,
        /// The word.
        word: Felt,
    },
    /// An operand's address does not fit in 64 bits.
    #[error("{place}: base {base} with offset {offset} is no address")]
    NotAnAddress {
        /// Who reads it.
        place: Place,
        /// The base.
        base: Felt,
        /// The offset.
        offset: i64,
    },
    /// A register does not follow from the step before.
    #[error("step {step}: {register} must be {expected} after the step before, got {got}")]
    InconsistentStep {
        /// The step whose state is wrong.
        step: u64,
        /// The register.
        register: Register,
        /// What the step before makes of it.
        expected: Felt,
        /// What the trace says.
        got: u64,
    },
    /// A step's own assertion does not hold.
    #[error("step {step}: {assertion}: {left} is not {right}")]
    FailedAssertion {
        /// The step.
        step: u64,
        /// What the instruction asserts.
        assertion: &'static str,
        /// Left side.
        left: Felt,
        /// Right side.
        right: Felt,
    },
    /// The first or last state is not that of the statement.
    #[error("{register} of the {end} state must be {expected} (memory_segments), got {got}")]
    WrongEnd {
        /// `first` or `last`.
        end: &'static str,
        /// The register.
        register: Register,
        /// What the statement says.
        expected: u64,
        /// What the trace says.
        got: u64,
    },
    /// A 16-bit value outside rc_min … rc_max.
    #[error("{place}: 16-bit value {value} is outside {min}..={max} (rc_min, rc_max)")]
    OutsideRangeCheck {
        /// Who has the value.
        place: Place,
        /// The value.
        value: u64,
        /// rc_min.
        min: u64,
        /// rc_max.
        max: u64,
    },
    /// More values between the bounds are unused than the pool has free cells.
    #[error("{pool} pool: {holes} unused values between the bounds, room for {free}; more steps make room")]
    HolesDoNotFit {
        /// The pool.
        pool: Pool,
        /// Values (addresses) to be filled in.
        holes: u64,
        /// Free cells.
        free: u64,
    },
    /// Two writers of one address disagree.
    #[error("{place}: address {address} holds {got}, elsewhere {expected}")]
    MemoryConflict {
        /// The address.
        address: u64,
        /// The later writer.
        place: Place,
        /// The value known before.
        expected: Felt,
        /// The later writer's value.
        got: Felt,
    },
    /// The lowest address is not 1.
    #[error("the lowest address in use must be 1, got {got}")]
    LowestAddress {
        /// The lowest address.
        got: u64,
    },
    /// A builtin's segment reaches beyond the address space.
    #[error("segment {} at {begin_addr} reaches beyond address 2^64", builtin.segment())]
    SegmentOverflow {
        /// The builtin.
        builtin: Builtin,
        /// First address.
        begin_addr: u64,
    },
    /// An instance beyond the trace's last.
    #[error("{} instance {index}: the trace holds {capacity} instances", builtin.segment())]
    TooManyInstances {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
        /// Instances of the trace.
        capacity: u64,
    },
    /// Two instances with one index.
    #[error("{} instance {index} is given twice", builtin.segment())]
    DuplicateInstance {
        /// The builtin.
        builtin: Builtin,
        /// The index.
        index: u64,
    },
    /// An input that is too large for its builtin.
    #[error("{}: {name} = {got} does not fit in {bits} bits", instance(builtin, index))]
    InputTooLarge {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
        /// Which input.
        name: &'static str,
        /// The bits it must fit in.
        bits: u32,
        /// The input.
        got: Felt,
    },
    /// An input that must not be zero.
    #[error("{}: {name} must not be zero", instance(builtin, index))]
    ZeroInput {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
        /// Which input.
        name: &'static str,
    },
    /// Coordinates off the curve.
    #[error("{}: ({x}, …) is not a point of the curve", instance(builtin, index))]
    NotOnCurve {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
        /// The abscissa.
        x: Felt,
    },
    /// A sum of two points with one abscissa on the way, which the constraints cannot express.
    #[error("{}: adding two points with the same x coordinate", instance(builtin, index))]
    DegenerateAddition {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
    },
    /// A signature that does not verify.
    #[error("{}: the signature does not verify", instance(&Builtin::Ecdsa, index))]
    InvalidSignature {
        /// The instance's index.
        index: u64,
    },
    /// A modular operation whose result is wrong.
    #[error("{}: a and b do not give c modulo p", instance(builtin, index))]
    ModularIdentity {
        /// The builtin.
        builtin: Builtin,
        /// The instance's index.
        index: u64,
    },
    /// The instances of a modular builtin are not numbered without gaps.
    #[error(
        "{}: expected index {expected}: modular instances are numbered without gaps",
        instance(builtin, index)
    )]
    InstanceGap {
        /// The builtin.
        builtin: Builtin,
        /// The index that should be there.
        expected: u64,
        /// The index found.
        index: u64,
    },
    /// A drawn interaction element makes a denominator zero (probability about 2⁻²⁰⁰).
    #[error("interaction element {index} makes a denominator zero")]
    DegenerateElement {
        /// Which element.
        index: usize,
    },
    /// The two traces were asked for in the wrong order or with too few elements: a bug of ours.
    #[error("the interaction trace was asked for {0}")]
    Protocol(&'static str),
}

fn instance(builtin: &Builtin, index: &u64) -> String {
    Place::Instance { builtin: *builtin, index: *index }.to_string()
}

impl Fault for TraceError {
    fn code(&self) -> Code {
        Code(match self {
            TraceError::Statement(error) => return error.code(),
            TraceError::Layout(error) => return error.code(),
            TraceError::WrongTraceLength { .. } => 1210,
            TraceError::MissingAddress { .. } => 1211,
            TraceError::NotAnInstruction { .. } | TraceError::NotAnAddress { .. } => 1212,
            TraceError::InconsistentStep { .. } | TraceError::FailedAssertion { .. } => 1213,
            TraceError::WrongEnd { .. } => 1214,
            TraceError::OutsideRangeCheck { .. } => 1215,
            TraceError::HolesDoNotFit { .. } => 1216,
            TraceError::MemoryConflict { .. } => 1217,
            TraceError::LowestAddress { .. } => 1218,
            TraceError::SegmentOverflow { .. } => 1219,
            TraceError::TooManyInstances { .. } => 1220,
            TraceError::DuplicateInstance { .. } | TraceError::InstanceGap { .. } => 1221,
            TraceError::InputTooLarge { .. } | TraceError::ZeroInput { .. } => 1222,
            TraceError::NotOnCurve { .. } | TraceError::DegenerateAddition { .. } => 1223,
            TraceError::InvalidSignature { .. } => 1224,
            TraceError::ModularIdentity { .. } => 1225,
            TraceError::TooLong { .. } => 1226,
            TraceError::DegenerateElement { .. } | TraceError::Protocol(_) => 7021,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            TraceError::Statement(error) => error.exit(),
            TraceError::Layout(error) => error.exit(),
            TraceError::TooLong { .. } => Exit::Capacity,
            TraceError::DegenerateElement { .. } | TraceError::Protocol(_) => Exit::Bug,
            _ => Exit::Usage,
        }
    }
}
