//! The modular builtins: a + b and a · b modulo p, over numbers of four 96-bit words.

use ashlar_field::Felt;
use num_bigint::{BigInt, BigUint, Sign};

use super::{
    columns::Columns,
    error::{Place, TraceError},
    instances::{Segment, check_bits},
    memory_pool::MemoryPool,
    value_pool::{PoolCells, ValuePool},
};
use crate::{
    input::{ModInput, ModInstance},
    layout::{Builtin, Layout, LayoutError, VirtualColumn},
};

/// Words of a number.
const WORDS: usize = 4;
/// Bits of a word.
const WORD_BITS: u32 = 96;
/// 16-bit parts of a word.
const WORD_PARTS: usize = 6;
/// Carries of a product, and their 16-bit parts.
const CARRIES: usize = 6;
const CARRY_PARTS: usize = 7;
/// Carries are stored plus 2⁹⁸.
const CARRY_BIAS: u128 = 1 << 98;

/// The memory cells of an instance: p0 … p3, values_ptr, offsets_ptr, n; then those that the pointers lead to.
struct MemoryCells {
    own: Vec<PoolCells>,
    offsets: Vec<PoolCells>,
    /// `[a, b, c][word]`.
    values: Vec<Vec<PoolCells>>,
}

impl MemoryCells {
    fn new(layout: &Layout, builtin: Builtin, memory: &MemoryPool) -> Result<MemoryCells, LayoutError> {
        let name = builtin.segment();
        let cells = |cell: &str| memory.cells_of(layout.column(&format!("{name}/{cell}/addr"))?);
        let all = |names: &[&str]| names.iter().map(|cell| cells(cell)).collect::<Result<Vec<_>, _>>();
        let mut values = Vec::new();
        for value in ["a", "b", "c"] {
            let words = (0..WORDS).map(|word| cells(&format!("{value}{word}")));
            values.push(words.collect::<Result<Vec<_>, _>>()?);
        }
        Ok(MemoryCells {
            own: all(&["p0", "p1", "p2", "p3", "values_ptr", "offsets_ptr", "n"])?,
            offsets: all(&["a_offset", "b_offset", "c_offset"])?,
            values,
        })
    }

    fn write(
        &self,
        segment: Segment,
        index: usize,
        instance: &ModInstance,
        memory: &mut MemoryPool,
    ) -> Result<(), TraceError> {
        let ModInstance { p, values_ptr, offsets_ptr, n, .. } = *instance;
        let pointers = [values_ptr, offsets_ptr, n].map(Felt::from_u64);
        segment.state(memory, index, &self.own, &[p.as_slice(), &pointers].concat());
        let place = segment.place(index);
        let address = |name, base: u64, offset: u64| {
            base.checked_add(offset).ok_or(TraceError::InputTooLarge {
                builtin: segment.builtin(),
                index: index as u64,
                name,
                bits: u64::BITS,
                got: Felt::from_u64(base) + Felt::from_u64(offset),
            })
        };
        for (operand, (cells, &offset)) in (0..).zip(self.offsets.iter().zip(&instance.offsets)) {
            let address = address("offsets_ptr", offsets_ptr, operand)?;
            memory.state(cells.position(index), address, Felt::from_u64(offset), place);
        }
        for ((cells, words), &offset) in self.values.iter().zip(&instance.values).zip(&instance.offsets) {
            let first = address("values_ptr", values_ptr, offset)?;
            for (word, (cells, &value)) in (0..).zip(cells.iter().zip(words)) {
                memory.state(cells.position(index), address("values_ptr", first, word)?, value, place);
            }
        }
        Ok(())
    }
}

/// The instances by index, then the filler for all others; indices must run without gaps.
fn with_fillers<'a>(
    segment: Segment,
    input: &'a ModInput,
    filler: &'a ModInstance,
) -> Result<Vec<&'a ModInstance>, TraceError> {
    let placed = segment.place_instances(&input.instances, |instance| instance.index)?;
    let given = input.instances.len();
    if let Some(expected) = placed.iter().take(given).position(Option::is_none) {
        let index = placed.iter().rposition(Option::is_some).unwrap_or(expected);
        return Err(TraceError::InstanceGap {
            builtin: segment.builtin(),
            expected: expected as u64,
            index: index as u64,
        });
    }
    Ok(placed.into_iter().map(|instance| instance.unwrap_or(filler)).collect())
}

/// All zero, reading zeros.
fn filler(zero_value_address: u64) -> ModInstance {
    ModInstance {
        index: 0,
        p: [Felt::ZERO; WORDS],
        values_ptr: zero_value_address,
        offsets_ptr: zero_value_address,
        n: 1,
        offsets: [0; 3],
        values: [[Felt::ZERO; WORDS]; 3],
    }
}

/// p, a, b, c as words, each of which must fit.
fn words(builtin: Builtin, instance: &ModInstance) -> Result<[[u128; WORDS]; 4], TraceError> {
    let [a, b, c] = instance.values;
    let numbers = [("p", instance.p), ("a", a), ("b", b), ("c", c)];
    let mut words = [[0; WORDS]; 4];
    for ((name, number), words) in numbers.into_iter().zip(&mut words) {
        for (value, word) in number.into_iter().zip(words) {
            check_bits(builtin, instance.index, name, value, WORD_BITS)?;
            let limbs = value.to_standard_limbs();
            *word = u128::from(limbs[0]) | (u128::from(limbs[1]) << 64);
        }
    }
    Ok(words)
}

/// The carries into words 1, 2, 3 of a + b − c − sub·p, if it is zero.
fn addition_carries([p, a, b, c]: &[[u128; WORDS]; 4], subtract: bool) -> Option<[i8; 3]> {
    let mut carries = [0i8; WORDS];
    let mut carry = 0i128;
    for word in 0..WORDS {
        let p = if subtract { p[word] } else { 0 };
        // Five numbers below 2^96: far from the bounds of i128.
        let sum = a[word] as i128 + b[word] as i128 - c[word] as i128 - p as i128 + carry;
        if sum & ((1 << WORD_BITS) - 1) != 0 {
            return None;
        }
        carry = sum >> WORD_BITS;
        carries[word] = carry as i8;
    }
    (carry == 0).then_some([carries[0], carries[1], carries[2]])
}

/// Writes all instances of `add_mod`.
pub(super) fn write_additions(
    layout: &Layout,
    segment: Segment,
    input: &ModInput,
    columns: &mut Columns,
    memory: &mut MemoryPool,
) -> Result<(), TraceError> {
    let filler = filler(input.zero_value_address);
    let cells = MemoryCells::new(layout, Builtin::AddMod, memory)?;
    let sub_p = layout.column("add_mod/sub_p_bit")?;
    let carry_columns = |suffix: &str| {
        let columns = (1..WORDS).map(|carry| layout.column(&format!("add_mod/carry{carry}_{suffix}")));
        columns.collect::<Result<Vec<VirtualColumn>, LayoutError>>()
    };
    let (bits, signs) = (carry_columns("bit")?, carry_columns("sign")?);
    for (index, instance) in with_fillers(segment, input, &filler)?.into_iter().enumerate() {
        let numbers = words(Builtin::AddMod, instance)?;
        let solution = [false, true]
            .into_iter()
            .find_map(|subtract| Some((subtract, addition_carries(&numbers, subtract)?)));
        let (subtract, carries) =
            solution.ok_or(TraceError::ModularIdentity { builtin: Builtin::AddMod, index: index as u64 })?;
        columns.set(sub_p, index, Felt::from_u64(u64::from(subtract)));
        for ((&bit, &sign), carry) in bits.iter().zip(&signs).zip(carries) {
            columns.set(bit, index, Felt::from_u64(u64::from(carry != 0)));
            // The sign of a zero carry is plus.
            columns.set(sign, index, Felt::from_i64(if carry < 0 { -1 } else { 1 }));
        }
        cells.write(segment, index, instance, memory)?;
    }
    Ok(())
}

/// The quotient (a·b − c)/p, and the carries of a·b − c − p·quotient, plus 2⁹⁸.
fn product_carries([p, a, b, c]: &[[u128; WORDS]; 4]) -> Option<([u128; WORDS], [u128; CARRIES])> {
    let number = |words: &[u128; WORDS]| {
        words.iter().rev().fold(BigUint::ZERO, |number, &word| (number << WORD_BITS) + word)
    };
    let product = number(a) * number(b);
    let (modulus, result) = (number(p), number(c));
    if product < result {
        return None;
    }
    let difference = product - result;
    let quotient = if modulus == BigUint::ZERO { BigUint::ZERO } else { &difference / &modulus };
    if &quotient * &modulus != difference || quotient.bits() > u64::from(WORD_BITS) * WORDS as u64 {
        return None;
    }
    let mask = (BigUint::from(1u8) << WORD_BITS) - 1u8;
    let word = |index: usize| u128::try_from((&quotient >> (WORD_BITS as usize * index)) & &mask).ok();
    let quotient = [word(0)?, word(1)?, word(2)?, word(3)?];

    let mut stored = [0; CARRIES];
    let mut carry = BigInt::ZERO;
    for (index, stored) in stored.iter_mut().enumerate() {
        for i in 0..WORDS.min(index + 1) {
            let j = index - i;
            if j < WORDS {
                carry += BigInt::from(a[i]) * b[j];
                carry -= BigInt::from(p[i]) * quotient[j];
            }
        }
        carry -= c.get(index).copied().unwrap_or(0);
        // Exact: the identity holds, so every partial sum ends in 96 zero bits.
        carry >>= WORD_BITS;
        let biased = &carry + CARRY_BIAS;
        if biased.sign() == Sign::Minus {
            return None;
        }
        *stored = u128::try_from(biased).ok()?;
    }
    Some((quotient, stored))
}

/// The cells of numbers' 16-bit parts, least significant first.
struct Parts(Vec<Vec<PoolCells>>);

impl Parts {
    fn new(
        layout: &Layout,
        name: &str,
        numbers: usize,
        parts: usize,
        pool: &ValuePool,
    ) -> Result<Parts, LayoutError> {
        let mut all = Vec::with_capacity(numbers);
        for number in 0..numbers {
            let cells = (0..parts)
                .map(|part| pool.cells_of(layout.column(&format!("mul_mod/{name}{number}/part{part}"))?));
            all.push(cells.collect::<Result<Vec<_>, LayoutError>>()?);
        }
        Ok(Parts(all))
    }

    fn write(
        &self,
        index: usize,
        numbers: &[u128],
        pool: &mut ValuePool,
        place: Place,
    ) -> Result<(), TraceError> {
        for (cells, &number) in self.0.iter().zip(numbers) {
            for (part, cells) in cells.iter().enumerate() {
                pool.write(cells.position(index), (number >> (16 * part)) as u16, place)?;
            }
        }
        Ok(())
    }
}

/// Writes all instances of `mul_mod`.
pub(super) fn write_multiplications(
    layout: &Layout,
    segment: Segment,
    input: &ModInput,
    memory: &mut MemoryPool,
    range_check: &mut ValuePool,
) -> Result<(), TraceError> {
    let filler = filler(input.zero_value_address);
    let cells = MemoryCells::new(layout, Builtin::MulMod, memory)?;
    let multipliers = Parts::new(layout, "p_multiplier", WORDS, WORD_PARTS, range_check)?;
    let carries = Parts::new(layout, "carry", CARRIES, CARRY_PARTS, range_check)?;
    for (index, instance) in with_fillers(segment, input, &filler)?.into_iter().enumerate() {
        let numbers = words(Builtin::MulMod, instance)?;
        let (quotient, stored) = product_carries(&numbers)
            .ok_or(TraceError::ModularIdentity { builtin: Builtin::MulMod, index: index as u64 })?;
        let place = segment.place(index);
        multipliers.write(index, &quotient, range_check, place)?;
        carries.write(index, &stored, range_check, place)?;
        cells.write(segment, index, instance, memory)?;
    }
    Ok(())
}
