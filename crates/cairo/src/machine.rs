//! Drives the virtual machine step by step, within limits.
//!
//! cairo-vm keeps a segment as one vector up to its highest written address, so that a single instruction such as
//! `[ap + 2^40] = 1` would allocate without bound. Before every instruction the addresses that it can reach are
//! known: `ap`, `fp` and `pc` plus a 16-bit offset, or a pointer in memory plus one. They are counted here.

use std::collections::HashMap;

use cairo_vm::{
    types::relocatable::{MaybeRelocatable, Relocatable},
    vm::{runners::cairo_runner::CairoRunner, vm_core::VirtualMachine},
};

use crate::{CairoError, hints::HintRunner};

/// What a run may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Steps of the program itself.
    pub steps: u64,
    /// Memory cells, holes between written ones included.
    pub memory_cells: u64,
    /// Steps after padding.
    pub padded_steps: u64,
}

impl Default for Limits {
    /// 2²⁴ steps, 2²⁵ cells (1 GiB in the machine), 2²⁴ padded steps.
    fn default() -> Limits {
        Limits { steps: 1 << 24, memory_cells: 1 << 25, padded_steps: 1 << 24 }
    }
}

/// What happens when a run has come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtEnd {
    /// The instruction there is carried out: in proof mode it jumps to itself.
    Step,
    /// Nothing is there: the program has returned to whoever called it.
    Stop,
}

/// Counts the cells that a run can have touched.
pub(crate) struct MemoryMeter {
    limit: u64,
    /// By segment: the highest offset touched, plus one.
    reach: HashMap<isize, u64>,
    total: u64,
}

impl MemoryMeter {
    pub(crate) fn new(limits: &Limits) -> MemoryMeter {
        MemoryMeter { limit: limits.memory_cells, reach: HashMap::new(), total: 0 }
    }

    /// Counts everything in the segment up to this address.
    pub(crate) fn touch(&mut self, address: Relocatable) -> Result<(), CairoError> {
        let reach = self.reach.entry(address.segment_index).or_default();
        let needed = (address.offset as u64).saturating_add(1);
        if needed > *reach {
            self.total = self.total.saturating_add(needed - *reach);
            *reach = needed;
            if self.total > self.limit {
                return Err(CairoError::MemoryLimit { limit: self.limit });
            }
        }
        Ok(())
    }
}

/// What an instruction does with memory beyond the reach of `ap`, `fp` and `pc`.
#[derive(Clone, Copy)]
enum Access {
    /// Nothing.
    Near,
    /// Operand 1 is at `[base + offset0] + offset1`.
    Pointer { base_is_fp: bool, offset0: isize, offset1: isize },
}

/// Reads what matters here of an instruction word (Cairo whitepaper, section 4.4).
fn decode(word: u64) -> Access {
    const BIAS: isize = 1 << 15;
    let flags = word >> 48;
    // Flags 2 to 4 choose the source of operand 1: immediate, fp, ap; none of them means operand 0.
    if flags >> 2 & 0b111 != 0 {
        return Access::Near;
    }
    let offset = |position: u32| (word >> position & 0xffff) as isize - BIAS;
    Access::Pointer { base_is_fp: flags >> 1 & 1 == 1, offset0: offset(16), offset1: offset(32) }
}

/// Runs until the program counter is `end`, then the one step more that makes the last step stay there.
pub(crate) fn run_until(
    runner: &mut CairoRunner,
    end: Relocatable,
    hints: &mut HintRunner<'_>,
    limits: &Limits,
    at_end: AtEnd,
) -> Result<u64, (CairoError, bool)> {
    let mut meter = MemoryMeter::new(limits);
    let mut decoded: HashMap<Relocatable, Access> = HashMap::new();
    let mut steps = 0;
    let mut finished = false;
    while !finished {
        finished = runner.vm.get_pc() == end;
        if finished && at_end == AtEnd::Stop {
            break;
        }
        if steps == limits.steps {
            return Err((CairoError::StepLimit { limit: limits.steps }, false));
        }
        hints.execute(&mut runner.vm, &mut runner.exec_scopes, &mut meter).map_err(|error| (error, false))?;
        check_step(&runner.vm, &mut decoded, &mut meter).map_err(|error| (error, false))?;
        if let Err(error) = runner.vm.step_instruction() {
            return Err((crate::run::program_failure(runner, error), true));
        }
        steps += 1;
    }
    Ok(steps)
}

/// Counts what the next instruction can touch.
fn check_step(
    vm: &VirtualMachine,
    decoded: &mut HashMap<Relocatable, Access>,
    meter: &mut MemoryMeter,
) -> Result<(), CairoError> {
    let (ap, fp, pc) = (vm.get_ap(), vm.get_fp(), vm.get_pc());
    meter.touch(ap)?;
    meter.touch(fp)?;
    let access = match decoded.get(&pc) {
        Some(access) => *access,
        None => {
            let word = vm.get_integer(pc).ok().map(|word| word.to_le_digits()[0]);
            let access = word.map_or(Access::Near, decode);
            decoded.insert(pc, access);
            access
        }
    };
    if let Access::Pointer { base_is_fp, offset0, offset1 } = access {
        let base = if base_is_fp { fp } else { ap };
        if let Some(address) = moved(base, offset0)
            && let Some(MaybeRelocatable::RelocatableValue(pointer)) = vm.get_maybe(&address)
            && let Some(target) = moved(pointer, offset1)
        {
            meter.touch(target)?;
        }
    }
    Ok(())
}

fn moved(address: Relocatable, by: isize) -> Option<Relocatable> {
    let offset = address.offset.checked_add_signed(by)?;
    Some(Relocatable::from((address.segment_index, offset)))
}
