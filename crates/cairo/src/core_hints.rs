//! The hints of Cairo 1 executables: what the compiler leaves for the runner to guess.
//!
//! Their meaning is that of the compiler's own runner; a wrong guess makes the run fail, never a proof wrong.

use std::collections::{BTreeMap, HashMap};

use ashlar_field::Felt;
use cairo_vm::{
    Felt252,
    types::relocatable::{MaybeRelocatable, Relocatable},
    vm::vm_core::VirtualMachine,
};
use num_bigint::BigUint;
use serde::Deserialize;

use crate::{CairoError, convert, machine::MemoryMeter};

/// `ap` or `fp`.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Register {
    AP,
    FP,
}

/// `[register + offset]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CellRef {
    register: Register,
    offset: i16,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) enum Operand {
    Deref(CellRef),
    DoubleDeref(CellRef, i16),
    Immediate(String),
    BinOp { op: Operation, a: CellRef, b: RightOperand },
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) enum RightOperand {
    Deref(CellRef),
    Immediate(String),
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) enum Operation {
    Add,
    Mul,
}

/// The hints that this runner carries out, as an executable's JSON has them.
#[derive(Clone, Debug, Deserialize)]
pub(crate) enum CoreHint {
    AllocSegment {
        dst: CellRef,
    },
    TestLessThan {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    TestLessThanOrEqual {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    TestLessThanOrEqualAddress {
        lhs: Operand,
        rhs: Operand,
        dst: CellRef,
    },
    WideMul128 {
        lhs: Operand,
        rhs: Operand,
        high: CellRef,
        low: CellRef,
    },
    DivMod {
        lhs: Operand,
        rhs: Operand,
        quotient: CellRef,
        remainder: CellRef,
    },
    Uint256DivMod {
        dividend0: Operand,
        dividend1: Operand,
        divisor0: Operand,
        divisor1: Operand,
        quotient0: CellRef,
        quotient1: CellRef,
        remainder0: CellRef,
        remainder1: CellRef,
    },
    Uint512DivModByUint256 {
        dividend0: Operand,
        dividend1: Operand,
        dividend2: Operand,
        dividend3: Operand,
        divisor0: Operand,
        divisor1: Operand,
        quotient0: CellRef,
        quotient1: CellRef,
        quotient2: CellRef,
        quotient3: CellRef,
        remainder0: CellRef,
        remainder1: CellRef,
    },
    SquareRoot {
        value: Operand,
        dst: CellRef,
    },
    Uint256SquareRoot {
        value_low: Operand,
        value_high: Operand,
        sqrt0: CellRef,
        sqrt1: CellRef,
        remainder_low: CellRef,
        remainder_high: CellRef,
        sqrt_mul_2_minus_remainder_ge_u128: CellRef,
    },
    LinearSplit {
        value: Operand,
        scalar: Operand,
        max_x: Operand,
        x: CellRef,
        y: CellRef,
    },
    AllocFelt252Dict {
        segment_arena_ptr: Operand,
    },
    Felt252DictEntryInit {
        dict_ptr: Operand,
        key: Operand,
    },
    Felt252DictEntryUpdate {
        dict_ptr: Operand,
        value: Operand,
    },
    GetSegmentArenaIndex {
        dict_end_ptr: Operand,
        dict_index: CellRef,
    },
    InitSquashData {
        dict_accesses: Operand,
        #[serde(rename = "ptr_diff")]
        _ptr_diff: Operand,
        n_accesses: Operand,
        big_keys: CellRef,
        first_key: CellRef,
    },
    GetCurrentAccessIndex {
        range_check_ptr: Operand,
    },
    ShouldSkipSquashLoop {
        should_skip_loop: CellRef,
    },
    GetCurrentAccessDelta {
        index_delta_minus1: CellRef,
    },
    ShouldContinueSquashLoop {
        should_continue: CellRef,
    },
    GetNextDictKey {
        next_key: CellRef,
    },
    AssertLeFindSmallArcs {
        range_check_ptr: Operand,
        a: Operand,
        b: Operand,
    },
    AssertLeIsFirstArcExcluded {
        skip_exclude_a_flag: CellRef,
    },
    AssertLeIsSecondArcExcluded {
        skip_exclude_b_minus_a: CellRef,
    },
    RandomEcPoint {
        x: CellRef,
        y: CellRef,
    },
    FieldSqrt {
        val: Operand,
        sqrt: CellRef,
    },
    DebugPrint {
        #[serde(rename = "start")]
        _start: Operand,
        #[serde(rename = "end")]
        _end: Operand,
    },
    AllocConstantSize {
        size: Operand,
        dst: CellRef,
    },
    U256InvModN {
        b0: Operand,
        b1: Operand,
        n0: Operand,
        n1: Operand,
        g0_or_no_inv: CellRef,
        g1_option: CellRef,
        s_or_r0: CellRef,
        s_or_r1: CellRef,
        t_or_k0: CellRef,
        t_or_k1: CellRef,
    },
    AddRelocationRule {
        src: Operand,
        dst: Operand,
    },
    WriteRunParam {
        #[serde(rename = "index")]
        _index: Operand,
        dst: CellRef,
    },
    AddMarker {
        start: Operand,
        end: Operand,
    },
    AddTrace {
        #[serde(rename = "flag")]
        _flag: Operand,
    },
}

/// A hint of an executable: one that is known here, or the JSON of one that is not.
#[derive(Clone, Debug)]
pub(crate) enum Hint {
    Known(Box<CoreHint>),
    Unknown(String),
}

impl Hint {
    pub(crate) fn from_json(value: serde_json::Value) -> Hint {
        let text = value.to_string();
        serde_json::from_value(value).map_or(Hint::Unknown(text), |hint| Hint::Known(Box::new(hint)))
    }
}

/// A dictionary in the making.
struct Dictionary {
    start: Relocatable,
    entries: HashMap<Felt252, MaybeRelocatable>,
}

/// The accesses of a dictionary that is being squashed.
#[derive(Default)]
struct Squash {
    /// By key in ascending order, from the back: the indices of its accesses, last first.
    accesses: Vec<(BigUint, Vec<u64>)>,
}

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

    fn arithmetic(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::WideMul128 { lhs, rhs, high, low } => {
                let product = self.integer(lhs)? * self.integer(rhs)?;
                self.set_limbs(&[low], &product)?;
                self.set(high, Felt252::from(&(product >> 128)))
            }
            CoreHint::DivMod { lhs, rhs, quotient, remainder } => {
                let (q, r) = divide(&self.integer(lhs)?, &self.integer(rhs)?)?;
                self.set(quotient, Felt252::from(&q))?;
                self.set(remainder, Felt252::from(&r))
            }
            CoreHint::Uint256DivMod {
                dividend0,
                dividend1,
                divisor0,
                divisor1,
                quotient0,
                quotient1,
                remainder0,
                remainder1,
            } => {
                let (q, r) =
                    divide(&self.limbs(&[dividend0, dividend1])?, &self.limbs(&[divisor0, divisor1])?)?;
                self.set_limbs(&[quotient0, quotient1], &q)?;
                self.set_limbs(&[remainder0, remainder1], &r)
            }
            CoreHint::Uint512DivModByUint256 {
                dividend0,
                dividend1,
                dividend2,
                dividend3,
                divisor0,
                divisor1,
                quotient0,
                quotient1,
                quotient2,
                quotient3,
                remainder0,
                remainder1,
            } => {
                let dividend = self.limbs(&[dividend0, dividend1, dividend2, dividend3])?;
                let (q, r) = divide(&dividend, &self.limbs(&[divisor0, divisor1])?)?;
                self.set_limbs(&[quotient0, quotient1, quotient2, quotient3], &q)?;
                self.set_limbs(&[remainder0, remainder1], &r)
            }
            CoreHint::SquareRoot { value, dst } => {
                let root = self.integer(value)?.sqrt();
                self.set(dst, Felt252::from(&root))
            }
            CoreHint::Uint256SquareRoot {
                value_low,
                value_high,
                sqrt0,
                sqrt1,
                remainder_low,
                remainder_high,
                sqrt_mul_2_minus_remainder_ge_u128,
            } => {
                let value = self.limbs(&[value_low, value_high])?;
                let root = value.sqrt();
                let rest = &value - &root * &root;
                let flag = &root + &root >= &rest + two_to_128();
                let low = &root % (BigUint::from(1u8) << 64);
                self.set(sqrt0, Felt252::from(&low))?;
                self.set(sqrt1, Felt252::from(&(root >> 64)))?;
                self.set_limbs(&[remainder_low, remainder_high], &rest)?;
                self.set_flag(sqrt_mul_2_minus_remainder_ge_u128, flag)
            }
            CoreHint::LinearSplit { value, scalar, max_x, x, y } => {
                let (value, scalar) = (self.integer(value)?, self.integer(scalar)?);
                let quotient = divide(&value, &scalar)?.0.min(self.integer(max_x)?);
                self.set(x, Felt252::from(&quotient))?;
                self.set(y, Felt252::from(&(value - quotient * scalar)))
            }
            CoreHint::U256InvModN {
                b0,
                b1,
                n0,
                n1,
                g0_or_no_inv,
                g1_option,
                s_or_r0,
                s_or_r1,
                t_or_k0,
                t_or_k1,
            } => {
                let (b, n) = (self.limbs(&[b0, b1])?, self.limbs(&[n0, n1])?);
                let one = BigUint::from(1u8);
                // For n = 1 the compiler expects "no inverse" with g = 1.
                match b.modinv(&n).filter(|_| n != one) {
                    Some(inverse) => {
                        let k = (&inverse * &b - &one) / &n;
                        self.set_limbs(&[s_or_r0, s_or_r1], &inverse)?;
                        self.set_limbs(&[t_or_k0, t_or_k1], &k)?;
                        self.set_flag(g0_or_no_inv, false)
                    }
                    None => {
                        let mut divisor = greatest_common_divisor(&b, &n);
                        if !divisor.bit(0) {
                            divisor = BigUint::from(2u8);
                        }
                        self.set_limbs(&[s_or_r0, s_or_r1], &divide(&b, &divisor)?.0)?;
                        self.set_limbs(&[t_or_k0, t_or_k1], &divide(&n, &divisor)?.0)?;
                        self.set_limbs(&[g0_or_no_inv, g1_option], &divisor)
                    }
                }
            }
            _ => Err(HintFault::Detail("not an arithmetic hint".into())),
        }
    }

    /// Two of the three arcs that a ≤ b cuts 0 … p − 1 into are short; their lengths prove it.
    fn arcs(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::AssertLeFindSmallArcs { range_check_ptr, a, b } => {
                let (a, b) = (self.felt(a)?, self.felt(b)?);
                let mut arcs =
                    [(a, 0), (b - a, 1), (Felt252::MAX - b, 2)].map(|(arc, i)| (arc.to_biguint(), i));
                arcs.sort();
                self.state.excluded_arc = arcs[2].1;
                // ⌈(p/3)/2¹²⁸⌉ and ⌈(p/2)/2¹²⁸⌉.
                let scales = [
                    3_544_607_988_759_775_765_608_368_578_435_044_694u128,
                    5_316_911_983_139_663_648_412_552_867_652_567_041,
                ];
                let pointer = self.pointer(range_check_ptr)?;
                for (index, (scale, (arc, _))) in scales.into_iter().zip(&arcs).enumerate() {
                    let (q, r) = divide(arc, &BigUint::from(scale))?;
                    self.write((pointer + 2 * index)?, Felt252::from(&r))?;
                    self.write((pointer + (2 * index + 1))?, Felt252::from(&q))?;
                }
                Ok(())
            }
            CoreHint::AssertLeIsFirstArcExcluded { skip_exclude_a_flag } => {
                let flag = self.state.excluded_arc != 0;
                self.set_flag(skip_exclude_a_flag, flag)
            }
            CoreHint::AssertLeIsSecondArcExcluded { skip_exclude_b_minus_a } => {
                let flag = self.state.excluded_arc != 1;
                self.set_flag(skip_exclude_b_minus_a, flag)
            }
            _ => Err(HintFault::Detail("not a comparison hint".into())),
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

    fn dictionary(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::AllocFelt252Dict { segment_arena_ptr } => {
                let arena = self.pointer(segment_arena_ptr)?;
                let count = self.vm.get_integer((arena - 2)?)?.into_owned();
                let infos = self.vm.get_relocatable((arena - 3)?)?;
                let count = usize::try_from(count)
                    .map_err(|_| HintFault::Detail("the segment arena has an impossible count".into()))?;
                // All but the first are moved behind one another at the end of the run.
                let start = if self.state.dictionaries.is_empty() {
                    self.vm.add_memory_segment()
                } else {
                    self.vm.add_temporary_segment()
                };
                self.state.dictionaries.push(Dictionary { start, entries: HashMap::new() });
                let offset = count.checked_mul(3).ok_or("the segment arena overflows")?;
                self.write((infos + offset)?, start)
            }
            CoreHint::Felt252DictEntryInit { dict_ptr, key } => {
                let (pointer, key) = (self.pointer(dict_ptr)?, self.felt(key)?);
                let index = self.dictionary_at(pointer)?;
                let previous = self.state.dictionaries[index].entries.get(&key).cloned();
                self.write((pointer + 1)?, previous.unwrap_or(MaybeRelocatable::Int(Felt252::ZERO)))
            }
            CoreHint::Felt252DictEntryUpdate { dict_ptr, value } => {
                let pointer = self.pointer(dict_ptr)?;
                let key = self.vm.get_integer((pointer - 3)?)?.into_owned();
                let value = self.operand(value)?;
                let index = self.dictionary_at(pointer)?;
                self.state.dictionaries[index].entries.insert(key, value);
                Ok(())
            }
            CoreHint::GetSegmentArenaIndex { dict_end_ptr, dict_index } => {
                let index = self.dictionary_at(self.pointer(dict_end_ptr)?)?;
                self.set(dict_index, Felt252::from(index))
            }
            _ => Err(HintFault::Detail("not a dictionary hint".into())),
        }
    }

    fn dictionary_at(&self, pointer: Relocatable) -> Outcome<usize> {
        self.state
            .dictionaries
            .iter()
            .position(|dictionary| dictionary.start.segment_index == pointer.segment_index)
            .ok_or_else(|| HintFault::Detail(format!("{pointer} is in no dictionary")))
    }

    fn squash(&mut self, hint: &CoreHint) -> Outcome<()> {
        const ACCESS_LENGTH: usize = 3;
        let no_access = || HintFault::Detail("the dictionary has no access left".into());
        match hint {
            CoreHint::InitSquashData { dict_accesses, n_accesses, big_keys, first_key, .. } => {
                let (pointer, count) = (self.pointer(dict_accesses)?, self.size(n_accesses)?);
                let mut by_key: BTreeMap<BigUint, Vec<u64>> = BTreeMap::new();
                for index in 0..count {
                    let offset = index.checked_mul(ACCESS_LENGTH).ok_or("the dictionary overflows")?;
                    let key = self.vm.get_integer((pointer + offset)?)?.to_biguint();
                    by_key.entry(key).or_default().insert(0, index as u64);
                }
                self.state.squash.accesses = by_key.into_iter().rev().collect();
                let accesses = &self.state.squash.accesses;
                let (Some((largest, _)), Some((first, _))) = (accesses.first(), accesses.last()) else {
                    return Err(no_access());
                };
                let (is_big, first) = (*largest >= two_to_128(), Felt252::from(first));
                self.set_flag(big_keys, is_big)?;
                self.set(first_key, first)
            }
            CoreHint::GetCurrentAccessIndex { range_check_ptr } => {
                let index = *self.accesses().and_then(|indices| indices.last()).ok_or_else(no_access)?;
                let pointer = self.pointer(range_check_ptr)?;
                self.write(pointer, Felt252::from(index))
            }
            CoreHint::ShouldSkipSquashLoop { should_skip_loop } => {
                let is_last = self.accesses().ok_or_else(no_access)?.len() <= 1;
                self.set_flag(should_skip_loop, is_last)
            }
            CoreHint::ShouldContinueSquashLoop { should_continue } => {
                let more = self.accesses().ok_or_else(no_access)?.len() > 1;
                self.set_flag(should_continue, more)
            }
            CoreHint::GetCurrentAccessDelta { index_delta_minus1 } => {
                let indices = self.accesses().ok_or_else(no_access)?;
                let previous = indices.pop().ok_or_else(no_access)?;
                let current = *indices.last().ok_or_else(no_access)?;
                self.set(index_delta_minus1, Felt252::from(current - previous - 1))
            }
            CoreHint::GetNextDictKey { next_key } => {
                self.state.squash.accesses.pop();
                let key = self.state.squash.accesses.last().map(|(key, _)| Felt252::from(key));
                self.set(next_key, key.ok_or_else(no_access)?)
            }
            _ => Err(HintFault::Detail("not a squashing hint".into())),
        }
    }

    /// The accesses of the current key.
    fn accesses(&mut self) -> Option<&mut Vec<u64>> {
        self.state.squash.accesses.last_mut().map(|(_, indices)| indices)
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

fn divide(dividend: &BigUint, divisor: &BigUint) -> Outcome<(BigUint, BigUint)> {
    if *divisor == BigUint::default() {
        return Err(HintFault::Detail("a division by zero".into()));
    }
    Ok((dividend / divisor, dividend % divisor))
}

fn greatest_common_divisor(a: &BigUint, b: &BigUint) -> BigUint {
    let (mut a, mut b) = (a.clone(), b.clone());
    while b != BigUint::default() {
        (a, b) = (b.clone(), a % b);
    }
    a
}

/// Panic data as people read it: byte arrays and short strings as text, other elements in hexadecimal.
pub(crate) fn panic_text(data: &[Felt252]) -> String {
    /// What precedes a byte array in panic data.
    const BYTE_ARRAY: &str = "0x46a6158a16a947e5916b2a2ca68501a45e93d7110e81aa2d6438b1c57c879a3";
    let data: Vec<Felt> = data.iter().map(convert::felt).collect();
    if let [first, count, rest @ ..] = data.as_slice()
        && first.to_string() == BYTE_ARRAY
        && let Some(count) = count.to_u64().and_then(|count| usize::try_from(count).ok())
        && rest.len() == count.saturating_add(2)
    {
        let pending = rest[count + 1].to_u64().unwrap_or_default().min(31) as usize;
        let mut bytes: Vec<u8> =
            rest[..count].iter().flat_map(|word| big_endian(*word)[1..].to_vec()).collect();
        bytes.extend(&big_endian(rest[count])[32 - pending..]);
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    data.iter().map(|&element| short_string(element)).collect::<Vec<_>>().join(", ")
}

fn big_endian(value: Felt) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, limb) in bytes.chunks_exact_mut(8).zip(value.to_standard_limbs().into_iter().rev()) {
        chunk.copy_from_slice(&limb.to_be_bytes());
    }
    bytes
}

fn short_string(value: Felt) -> String {
    let bytes = big_endian(value);
    let text: Vec<u8> = bytes.into_iter().skip_while(|&byte| byte == 0).collect();
    match String::from_utf8(text) {
        Ok(text) if !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() || c == ' ') => text,
        _ => value.to_string(),
    }
}
