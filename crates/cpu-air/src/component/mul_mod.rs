//! The modular multiplication builtin: a·b = c + m·p, by comparing polynomials in 2⁹⁶.
//!
//! Source: Stone v3, CPU AIR, components `mul_mod/…`. The words of m and the carries are put together from 16-bit parts
//! of the range-check pool, the first part the least significant.

use ashlar_field::Felt;
use ashlar_stark::air::Expression;

use super::{
    Parameter,
    builder::Builder,
    modular::{WORD_BITS, WORDS, constrain_memory, polynomial},
};
use crate::layout::{Builtin, LayoutError};

/// 16-bit parts of a word.
const WORD_PARTS: usize = 6;
/// Carries of a product of two numbers of four words.
const CARRIES: usize = 6;
/// 16-bit parts of a carry.
const CARRY_PARTS: usize = 7;
/// log₂ of what is added to a carry to make it positive.
const CARRY_SHIFT_BITS: u64 = 98;

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let operation = constrain_memory(air, "mul_mod", Builtin::MulMod)?;
    let composed = |name: &str, parts: usize| -> Result<Expression, LayoutError> {
        let mut sum = air.cells(&format!("mul_mod/{name}/part{}", parts - 1))?.at(0);
        for part in (0..parts - 1).rev() {
            sum = sum * (1 << 16) + air.cells(&format!("mul_mod/{name}/part{part}"))?.at(0);
        }
        Ok(sum)
    };
    let two = Felt::from_u64(2);
    let mut multiplier = Vec::with_capacity(WORDS);
    for word in 0..WORDS {
        multiplier.push(composed(&format!("p_multiplier{word}"), WORD_PARTS)?);
    }
    let mut carries = Vec::with_capacity(CARRIES);
    for carry in 0..CARRIES {
        carries.push(composed(&format!("carry{carry}"), CARRY_PARTS)? - two.pow(CARRY_SHIFT_BITS));
    }
    let point = Parameter::MulModPoint.expression();
    let at_point = |words: &[Expression; WORDS]| polynomial(words.iter().cloned(), &point);
    let base = &point - two.pow(WORD_BITS);
    let product = at_point(&operation.a) * at_point(&operation.b)
        + base * polynomial(carries.into_iter(), &point)
        - at_point(&operation.c)
        - at_point(&operation.p) * polynomial(multiplier.into_iter(), &point);
    air.constrain("mul_mod/multiplication_constraint_0", product, operation.every(air));
    Ok(())
}
