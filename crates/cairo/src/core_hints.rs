//! The hints of Cairo 1 executables: what the compiler leaves for the runner to guess.
//!
//! Their meaning is that of the compiler's own runner; a wrong guess makes the run fail, never a proof wrong.

use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    types::relocatable::{MaybeRelocatable, Relocatable},
    vm::vm_core::VirtualMachine,
};
use num_bigint::BigUint;

use crate::{CairoError, convert, machine::MemoryMeter};

mod arithmetic;
mod dictionaries;
mod hint;
mod panic;

pub(crate) use hint::Hint;
pub(crate) use panic::panic_text;

use dictionaries::{Dictionary, Squash};
use hint::{CellRef, CoreHint, Operand, Operation, Register, RightOperand};

/// What hints remember from one another.
#[derive(Default)]
pub(crate) struct CoreState {
    dictionaries: Vec<Dictionary>,
    squash: Squash,
    excluded_arc: u8,
    /// The next free address for objects of constant size.
    heap: Option<Relocatable>,
    /// What the last marker pointed to: the panic data, if the run panics.
    pub(crate) marker: Vec<Felt252>,
}

/// Why a hint could not be carried out.
type Outcome<T> = Result<T, HintFault>;

enum HintFault {
    Detail(String),
    Limit(CairoError),
}

impl<E: std::fmt::Display> From<E> for HintFault {
    fn from(error: E) -> HintFault {
        HintFault::Detail(error.to_string())
    }
}

fn two_to_128() -> BigUint {
    BigUint::from(1u8) << 128
}

/// β of the curve y² = x³ + x + β.
const CURVE_BETA: &str = "0x6f21413efbe40de150e596d72f7a8c5609ad26c15c915c1f4cdfcb99cee9e89";

/// A hint at work.
pub(crate) struct CoreHintRunner<'a> {
    pub(crate) vm: &'a mut VirtualMachine,
    pub(crate) meter: &'a mut MemoryMeter,
    pub(crate) state: &'a mut CoreState,
    pub(crate) arguments: &'a [Felt],
}

impl CoreHintRunner<'_> {
    fn address(&self, cell: &CellRef) -> Outcome<Relocatable> {
        let base = match cell.register {
            Register::AP => self.vm.get_ap(),
            Register::FP => self.vm.get_fp(),
        };
        Ok((base + i32::from(cell.offset))?)
    }

    fn cell(&self, cell: &CellRef) -> Outcome<MaybeRelocatable> {
        let address = self.address(cell)?;
        self.vm.get_maybe(&address).ok_or_else(|| HintFault::Detail(format!("{address} has no value")))
    }

    /// The operand as a cell would hold it.
    fn operand(&self, operand: &Operand) -> Outcome<MaybeRelocatable> {
        Ok(match operand {
            Operand::Deref(cell) => self.cell(cell)?,
            Operand::DoubleDeref(cell, offset) => {
                let MaybeRelocatable::RelocatableValue(pointer) = self.cell(cell)? else {
                    return Err(HintFault::Detail("a number is used as an address".into()));
                };
                let address = (pointer + i32::from(*offset))?;
                self.vm
                    .get_maybe(&address)
                    .ok_or_else(|| HintFault::Detail(format!("{address} has no value")))?
            }
            Operand::Immediate(digits) => MaybeRelocatable::Int(immediate(digits)?),
            Operand::BinOp { op, a, b } => {
                let left = self.cell(a)?;
                let right = match b {
                    RightOperand::Deref(cell) => self.cell(cell)?,
                    RightOperand::Immediate(digits) => MaybeRelocatable::Int(immediate(digits)?),
                };
                match (op, left, right) {
                    (Operation::Add, left, right) => left.add(&right)?,
                    (Operation::Mul, MaybeRelocatable::Int(left), MaybeRelocatable::Int(right)) => {
                        MaybeRelocatable::Int(left * right)
                    }
                    _ => return Err(HintFault::Detail("an address is multiplied".into())),
                }
            }
        })
    }

    fn felt(&self, operand: &Operand) -> Outcome<Felt252> {
        match self.operand(operand)? {
            MaybeRelocatable::Int(value) => Ok(value),
            MaybeRelocatable::RelocatableValue(address) => {
                Err(HintFault::Detail(format!("expected a number, got {address}")))
            }
        }
    }

    fn integer(&self, operand: &Operand) -> Outcome<BigUint> {
        Ok(self.felt(operand)?.to_biguint())
    }

    /// low + high·2¹²⁸, and so on.
    fn limbs(&self, operands: &[&Operand]) -> Outcome<BigUint> {
        operands
            .iter()
            .rev()
            .try_fold(BigUint::default(), |sum, operand| Ok((sum << 128) + self.integer(operand)?))
    }

    fn size(&self, operand: &Operand) -> Outcome<usize> {
        let value = self.felt(operand)?;
        usize::try_from(value).map_err(|_| HintFault::Detail(format!("expected a small number, got {value}")))
    }

    fn pointer(&self, operand: &Operand) -> Outcome<Relocatable> {
        match self.operand(operand)? {
            MaybeRelocatable::RelocatableValue(pointer) => Ok(pointer),
            MaybeRelocatable::Int(value) => {
                Err(HintFault::Detail(format!("expected an address, got {value}")))
            }
        }
    }

    fn write(&mut self, address: Relocatable, value: impl Into<MaybeRelocatable>) -> Outcome<()> {
        self.meter.touch(address).map_err(HintFault::Limit)?;
        Ok(self.vm.insert_value(address, value.into())?)
    }

    fn set(&mut self, cell: &CellRef, value: impl Into<MaybeRelocatable>) -> Outcome<()> {
        let address = self.address(cell)?;
        self.write(address, value)
    }

    fn set_flag(&mut self, cell: &CellRef, flag: bool) -> Outcome<()> {
        self.set(cell, Felt252::from(u64::from(flag)))
    }

    /// The lowest limbs of 128 bits, one a cell.
    fn set_limbs(&mut self, cells: &[&CellRef], value: &BigUint) -> Outcome<()> {
        let mut rest = value.clone();
        for cell in cells {
            self.set(cell, Felt252::from(&(&rest % two_to_128())))?;
            rest >>= 128;
        }
        Ok(())
    }

    /// Carries out one hint of an executable.
    pub(crate) fn execute(&mut self, pc: usize, hint: &Hint) -> Result<(), CairoError> {
        match hint {
            Hint::Unknown(hint) => Err(CairoError::UnknownHint { pc, hint: hint.clone() }),
            Hint::Known(hint) => self.run(hint).map_err(|fault| match fault {
                HintFault::Limit(error) => error,
                HintFault::Detail(detail) => CairoError::HintFailed { pc, hint: format!("{hint:?}"), detail },
            }),
        }
    }

    /// Carries out one hint.
    fn run(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::AllocSegment { dst } => {
                let segment = self.vm.add_memory_segment();
                self.set(dst, segment)
            }
            CoreHint::TestLessThan { lhs, rhs, dst } => {
                let flag = self.integer(lhs)? < self.integer(rhs)?;
                self.set_flag(dst, flag)
            }
            CoreHint::TestLessThanOrEqual { lhs, rhs, dst } => {
                let flag = self.integer(lhs)? <= self.integer(rhs)?;
                self.set_flag(dst, flag)
            }
            CoreHint::TestLessThanOrEqualAddress { lhs, rhs, dst } => {
                let flag = self.pointer(lhs)? <= self.pointer(rhs)?;
                self.set_flag(dst, flag)
            }
            CoreHint::RandomEcPoint { x, y } => self.ec_point(x, y),
            CoreHint::FieldSqrt { val, sqrt } => self.field_sqrt(val, sqrt),
            CoreHint::AllocConstantSize { size, dst } => self.alloc_constant_size(size, dst),
            CoreHint::WriteRunParam { dst, .. } => self.write_parameters(dst),
            CoreHint::AddMarker { start, end } => self.add_marker(start, end),
            CoreHint::AddRelocationRule { src, dst } => {
                let (source, target) = (self.pointer(src)?, self.pointer(dst)?);
                Ok(self.vm.add_relocation_rule(source, target)?)
            }
            CoreHint::DebugPrint { .. } | CoreHint::AddTrace { .. } => Ok(()),
            CoreHint::AllocFelt252Dict { .. }
            | CoreHint::Felt252DictEntryInit { .. }
            | CoreHint::Felt252DictEntryUpdate { .. }
            | CoreHint::GetSegmentArenaIndex { .. } => self.dictionary(hint),
            CoreHint::InitSquashData { .. }
            | CoreHint::GetCurrentAccessIndex { .. }
            | CoreHint::ShouldSkipSquashLoop { .. }
            | CoreHint::GetCurrentAccessDelta { .. }
            | CoreHint::ShouldContinueSquashLoop { .. }
            | CoreHint::GetNextDictKey { .. } => self.squash(hint),
            CoreHint::AssertLeFindSmallArcs { .. }
            | CoreHint::AssertLeIsFirstArcExcluded { .. }
            | CoreHint::AssertLeIsSecondArcExcluded { .. } => self.arcs(hint),
            _ => self.arithmetic(hint),
        }
    }

    /// Any point of the curve will do; this one has no known relation to others.
    fn ec_point(&mut self, x: &CellRef, y: &CellRef) -> Outcome<()> {
        let beta: Felt = CURVE_BETA.parse()?;
        let mut candidate =
            Felt::GENERATOR.pow(u64::MAX) + convert::felt(&Felt252::from(self.vm.get_current_step()));
        let root = loop {
            let right = candidate.square() * candidate + candidate + beta;
            match right.sqrt() {
                Some(root) => break root,
                None => candidate += Felt::ONE,
            }
        };
        self.set(x, convert::machine_felt(candidate))?;
        self.set(y, convert::machine_felt(root))
    }

    /// The smaller root of the value, or of three times the value.
    fn field_sqrt(&mut self, value: &Operand, sqrt: &CellRef) -> Outcome<()> {
        let value = convert::felt(&self.felt(value)?);
        let root = value
            .sqrt()
            .or_else(|| (value * Felt::from_u64(3)).sqrt())
            .ok_or_else(|| HintFault::Detail("neither the value nor its triple is a square".into()))?;
        let roots = [root, -root].map(|root| convert::machine_felt(root).to_biguint());
        let [a, b] = roots;
        self.set(sqrt, Felt252::from(&a.min(b)))
    }

    fn alloc_constant_size(&mut self, size: &Operand, dst: &CellRef) -> Outcome<()> {
        let size = self.size(size)?;
        let address = match self.state.heap {
            Some(address) => address,
            None => self.vm.add_memory_segment(),
        };
        let next = (address + size)?;
        self.meter.touch(next).map_err(HintFault::Limit)?;
        self.state.heap = Some(next);
        self.set(dst, address)
    }

    /// The executable takes one parameter: begin and end of the list of all.
    fn write_parameters(&mut self, dst: &CellRef) -> Outcome<()> {
        let start = self.vm.add_memory_segment();
        for (index, value) in self.arguments.iter().enumerate() {
            self.write((start + index)?, convert::machine_felt(*value))?;
        }
        let cell = self.address(dst)?;
        self.write(cell, start)?;
        self.write((cell + 1)?, (start + self.arguments.len())?)
    }

    fn add_marker(&mut self, start: &Operand, end: &Operand) -> Outcome<()> {
        let (start, end) = (self.pointer(start)?, self.pointer(end)?);
        let length = (end - start)?;
        self.meter.touch(end).map_err(HintFault::Limit)?;
        self.state.marker =
            self.vm.get_integer_range(start, length)?.into_iter().map(|value| value.into_owned()).collect();
        Ok(())
    }
}

fn immediate(digits: &str) -> Outcome<Felt252> {
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits),
    };
    let value = convert::machine_felt(digits.parse::<Felt>()?);
    Ok(if negative { -value } else { value })
}
