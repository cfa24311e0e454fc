//! The CPU: decodes every step, reads its operands, and checks that each state follows from the one before.
//!
//! Stone writes what it finds and leaves errors to its verifier; here an execution that breaks a rule of the machine
//! is refused with the step and the rule, unless the caller asks for Stone's way ([`Rules::Ignored`]).

use ashlar_field::{Felt, batch_inverse};
use rayon::prelude::*;

use super::{
    columns::Columns,
    error::{Operand, Place, Register, TraceError},
    memory_pool::MemoryPool,
    value_pool::{ValuePool, small_felts},
};
use crate::{
    input::{Execution, Memory, PublicInput, RegisterState},
    layout::{CPU_COMPONENT_HEIGHT, Layout},
};

/// Whether a run must follow the rules of the machine to become a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Both ends, every assertion and every transition are checked.
    Enforced,
    /// Whatever can be decoded is written.
    Ignored,
}

/// Steps that one parallel task decodes.
const TASK_STEPS: usize = 1 << 12;
/// Offsets are stored plus 2¹⁵.
const OFFSET_BIAS: i64 = 1 << 15;

/// The fifteen flags of an instruction, in the order of their bits.
#[derive(Clone, Copy)]
struct Flags(u16);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Flags {
            $($(#[$doc])* const fn $name(self) -> bool { (self.0 >> $bit) & 1 == 1 })*
        }
    };
}
flags! {
    dst_from_fp = 0;
    op0_from_fp = 1;
    op1_from_pc = 2;
    op1_from_fp = 3;
    op1_from_ap = 4;
    res_add = 5;
    res_mul = 6;
    jump_absolute = 7;
    jump_relative = 8;
    jump_not_zero = 9;
    ap_add_res = 10;
    ap_add_1 = 11;
    call = 12;
    ret = 13;
    assert_equal = 14;
}

/// One decoded step.
struct Step {
    flags: Flags,
    offsets: [u16; 3],
    destination: u64,
    operands: [u64; 2],
    product: Felt,
    /// The result; before the batched inversion of a conditional jump, its destination.
    result: Felt,
    /// The destination's value in a conditional jump, else zero.
    condition: Felt,
}

/// Fills the CPU's cells in columns and pools.
pub(super) fn write(
    layout: &Layout,
    execution: &Execution,
    rules: Rules,
    columns: &mut Columns,
    memory: &mut MemoryPool,
    range_check: &mut ValuePool,
) -> Result<(), TraceError> {
    let trace = &execution.trace;
    if rules == Rules::Enforced {
        check_ends(&execution.public_input, trace)?;
    }
    let steps = decode(trace, &execution.memory, rules)?;
    let count = steps.len();

    let column = |name: &str| layout.column(name);
    let small = small_felts();
    let height = CPU_COMPONENT_HEIGHT as usize;
    columns.fill(column("cpu/decode/opcode_range_check/column")?, height * count, |cell| {
        small[usize::from(steps[cell / height].flags.0 >> (cell % height))]
    });
    columns.fill(column("cpu/registers/ap")?, count, |step| Felt::from_u64(trace[step].ap));
    columns.fill(column("cpu/registers/fp")?, count, |step| Felt::from_u64(trace[step].fp));
    columns.fill(column("cpu/operands/ops_mul")?, count, |step| steps[step].product);
    columns.fill(column("cpu/operands/res")?, count, |step| steps[step].result);
    columns.fill(column("cpu/update_registers/update_pc/tmp0")?, count, |step| steps[step].condition);
    // tmp1 = tmp0 · res: one after a conditional jump that is taken, else zero.
    columns.fill(column("cpu/update_registers/update_pc/tmp1")?, count, |step| {
        if steps[step].condition.is_zero() { Felt::ZERO } else { Felt::ONE }
    });

    memory.read(memory.cells_of(column("cpu/decode/mem_inst/addr")?)?, trace.iter().map(|state| state.pc));
    let destination = memory.cells_of(column("cpu/operands/mem_dst/addr")?)?;
    memory.read(destination, steps.iter().map(|step| step.destination));
    for (operand, name) in ["cpu/operands/mem_op0/addr", "cpu/operands/mem_op1/addr"].into_iter().enumerate()
    {
        memory.read(memory.cells_of(column(name)?)?, steps.iter().map(|step| step.operands[operand]));
    }
    let operands = [Operand::Destination, Operand::First, Operand::Second];
    for (offset, name) in ["cpu/decode/off0", "cpu/decode/off1", "cpu/decode/off2"].into_iter().enumerate() {
        let cells = range_check.cells_of(column(name)?)?;
        for (index, step) in steps.iter().enumerate() {
            let place = Place::Step { step: index as u64, operand: operands[offset] };
            range_check.write(cells.position(index), step.offsets[offset], place)?;
        }
    }
    Ok(())
}

/// The first and the last state are those of the statement.
fn check_ends(public: &PublicInput, trace: &[RegisterState]) -> Result<(), TraceError> {
    let segments = &public.memory_segments;
    let (Some(program), Some(execution)) = (segments.get("program"), segments.get("execution")) else {
        return Ok(()); // The statement's own check names a missing segment.
    };
    let (Some(first), Some(last)) = (trace.first(), trace.last()) else { return Ok(()) };
    let ends = [
        ("first", Register::Pc, program.begin_addr, first.pc),
        ("first", Register::Ap, execution.begin_addr, first.ap),
        ("first", Register::Fp, execution.begin_addr, first.fp),
        ("last", Register::Pc, program.stop_ptr, last.pc),
        ("last", Register::Ap, execution.stop_ptr, last.ap),
        ("last", Register::Fp, execution.begin_addr, last.fp),
    ];
    for (end, register, expected, got) in ends {
        if expected != got {
            return Err(TraceError::WrongEnd { end, register, expected, got });
        }
    }
    Ok(())
}

/// Decodes all steps. The error, if any, is that of the first step that has one.
fn decode(trace: &[RegisterState], memory: &Memory, rules: Rules) -> Result<Vec<Step>, TraceError> {
    let tasks: Vec<Result<Vec<Step>, TraceError>> = trace
        .par_chunks(TASK_STEPS)
        .enumerate()
        .map(|(task, states)| {
            let first = task * TASK_STEPS;
            let mut steps = Vec::with_capacity(states.len());
            for (index, &state) in (first..).zip(states) {
                steps.push(decode_step(index as u64, state, trace.get(index + 1), memory, rules)?);
            }
            invert_conditions(&mut steps);
            Ok(steps)
        })
        .collect();
    let mut steps = Vec::with_capacity(trace.len());
    for task in tasks {
        steps.extend(task?);
    }
    Ok(steps)
}

/// The result of a conditional jump is the inverse of its destination, or zero.
fn invert_conditions(steps: &mut [Step]) {
    let mut inverses: Vec<Felt> =
        steps.iter().filter(|step| step.flags.jump_not_zero()).map(|step| step.condition).collect();
    batch_inverse(&mut inverses);
    let conditional = steps.iter_mut().filter(|step| step.flags.jump_not_zero());
    conditional.zip(inverses).for_each(|(step, inverse)| step.result = inverse);
}

fn read(memory: &Memory, address: u64, step: u64, operand: Operand) -> Result<Felt, TraceError> {
    let place = Place::Step { step, operand };
    memory.get(address).ok_or(TraceError::MissingAddress { address, place })
}

fn address(base: u64, offset: u16, step: u64, operand: Operand) -> Result<u64, TraceError> {
    let offset = i64::from(offset) - OFFSET_BIAS;
    base.checked_add_signed(offset).ok_or(TraceError::NotAnAddress {
        place: Place::Step { step, operand },
        base: Felt::from_u64(base),
        offset,
    })
}

fn decode_step(
    step: u64,
    state: RegisterState,
    next: Option<&RegisterState>,
    memory: &Memory,
    rules: Rules,
) -> Result<Step, TraceError> {
    let RegisterState { ap, fp, pc } = state;
    let word = read(memory, pc, step, Operand::Instruction)?;
    let encoded = word.to_u64().filter(|&word| word < 1 << 63);
    let encoded = encoded.ok_or(TraceError::NotAnInstruction { step, pc, word })?;
    let offsets = [encoded as u16, (encoded >> 16) as u16, (encoded >> 32) as u16];
    let flags = Flags((encoded >> 48) as u16);

    let destination_base = if flags.dst_from_fp() { fp } else { ap };
    let destination = address(destination_base, offsets[0], step, Operand::Destination)?;
    let dst = read(memory, destination, step, Operand::Destination)?;
    let first = address(if flags.op0_from_fp() { fp } else { ap }, offsets[1], step, Operand::First)?;
    let op0 = read(memory, first, step, Operand::First)?;
    let second_base = match (flags.op1_from_pc(), flags.op1_from_fp(), flags.op1_from_ap()) {
        (true, false, false) => pc,
        (false, true, false) => fp,
        (false, false, true) => ap,
        (false, false, false) => op0.to_u64().ok_or(TraceError::NotAnAddress {
            place: Place::Step { step, operand: Operand::Second },
            base: op0,
            offset: i64::from(offsets[2]) - OFFSET_BIAS,
        })?,
        _ => return Err(TraceError::NotAnInstruction { step, pc, word }),
    };
    let second = address(second_base, offsets[2], step, Operand::Second)?;
    let op1 = read(memory, second, step, Operand::Second)?;

    let product = op0 * op1;
    let result = match (flags.res_add(), flags.res_mul(), flags.jump_not_zero()) {
        (true, false, false) => op0 + op1,
        (false, true, false) => product,
        // A conditional jump's result is the inverse of dst, put in later.
        (false, false, _) => op1,
        _ => return Err(TraceError::NotAnInstruction { step, pc, word }),
    };
    if rules == Rules::Enforced {
        let values = Values { dst, op0, op1, result };
        check_step(step, state, flags, offsets, &values)?;
        if let Some(next) = next {
            let follows = check_next(step, state, *next, flags, &values);
            follows.ok_or(TraceError::NotAnInstruction { step, pc, word })??;
        }
    }
    let condition = if flags.jump_not_zero() { dst } else { Felt::ZERO };
    Ok(Step { flags, offsets, destination, operands: [first, second], product, result, condition })
}

/// The values that a step works with.
struct Values {
    dst: Felt,
    op0: Felt,
    op1: Felt,
    result: Felt,
}

/// What the instruction itself asserts.
fn check_step(
    step: u64,
    state: RegisterState,
    flags: Flags,
    offsets: [u16; 3],
    values: &Values,
) -> Result<(), TraceError> {
    let equal = |assertion, left: Felt, right: Felt| {
        if left == right { Ok(()) } else { Err(TraceError::FailedAssertion { step, assertion, left, right }) }
    };
    let constant = |assertion, got: u16, expected: u16| {
        equal(assertion, Felt::from_u64(u64::from(got)), Felt::from_u64(u64::from(expected)))
    };
    let bit = |condition: bool| u16::from(condition);
    let bias = OFFSET_BIAS as u16;
    if flags.assert_equal() && !flags.jump_not_zero() {
        equal("dst = res", values.dst, values.result)?;
    }
    if flags.call() {
        let size = 1 + u64::from(flags.op1_from_pc());
        equal("call stores fp", values.dst, Felt::from_u64(state.fp))?;
        equal("call stores the return address", values.op0, Felt::from_u64(state.pc) + Felt::from_u64(size))?;
        constant("call writes at ap", offsets[0], bias)?;
        constant("call writes at ap + 1", offsets[1], bias + 1)?;
        // 2·call + 2 = dst_from_fp + op0_from_fp + 4: both bases are ap.
        constant("call addresses through ap", bit(flags.dst_from_fp()) + bit(flags.op0_from_fp()), 0)?;
    }
    if flags.ret() {
        let plain_result = !(flags.res_add() || flags.res_mul() || flags.jump_not_zero());
        constant("ret reads fp − 2", offsets[0], bias - 2)?;
        constant("ret reads fp − 1", offsets[2], bias - 1)?;
        let through_fp = bit(flags.jump_absolute())
            + bit(flags.dst_from_fp())
            + bit(flags.op1_from_fp())
            + bit(plain_result);
        constant("ret jumps to what fp − 1 holds", through_fp, 4)?;
    }
    Ok(())
}

/// The next state follows. `None` if the flags contradict each other.
fn check_next(
    step: u64,
    state: RegisterState,
    next: RegisterState,
    flags: Flags,
    values: &Values,
) -> Option<Result<(), TraceError>> {
    let pc = Felt::from_u64(state.pc);
    let following = pc + Felt::from_u64(1 + u64::from(flags.op1_from_pc()));
    let expected_pc = match (flags.jump_absolute(), flags.jump_relative(), flags.jump_not_zero()) {
        (false, false, false) => following,
        (true, false, false) => values.result,
        (false, true, false) => pc + values.result,
        (false, false, true) if values.dst.is_zero() => following,
        (false, false, true) => pc + values.op1,
        _ => return None,
    };
    let mut expected_ap = Felt::from_u64(state.ap);
    if flags.ap_add_res() {
        // A conditional jump's result is no number of cells; no compiler makes such an instruction.
        if flags.jump_not_zero() {
            return None;
        }
        expected_ap += values.result;
    }
    expected_ap += Felt::from_u64(u64::from(flags.ap_add_1()) + 2 * u64::from(flags.call()));
    let expected_fp = match (flags.call(), flags.ret()) {
        (false, false) => Felt::from_u64(state.fp),
        (true, false) => Felt::from_u64(state.ap) + Felt::from_u64(2),
        (false, true) => values.dst,
        (true, true) => return None,
    };
    let registers = [
        (Register::Pc, expected_pc, next.pc),
        (Register::Ap, expected_ap, next.ap),
        (Register::Fp, expected_fp, next.fp),
    ];
    for (register, expected, got) in registers {
        if expected != Felt::from_u64(got) {
            return Some(Err(TraceError::InconsistentStep { step: step + 1, register, expected, got }));
        }
    }
    Some(Ok(()))
}
