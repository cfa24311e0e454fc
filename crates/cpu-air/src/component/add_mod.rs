//! The modular addition builtin: a + b = c + k·p with k ∈ {0, 1}, by comparing polynomials in 2⁹⁶.
//!
//! Source: Stone v3, CPU AIR, components `add_mod/…`.

use ashlar_field::Felt;
use ashlar_stark::air::Expression;

use super::{
    Parameter,
    builder::{Builder, bit},
    modular::{WORD_BITS, WORDS, constrain_memory, polynomial},
};
use crate::layout::{Builtin, LayoutError};

pub(super) fn constrain(air: &Builder<'_>) -> Result<(), LayoutError> {
    let operation = constrain_memory(air, "add_mod", Builtin::AddMod)?;
    let cell = |name: &str| Ok::<Expression, LayoutError>(air.cells(&format!("add_mod/{name}"))?.at(0));
    let subtracts = cell("sub_p_bit")?;
    air.constrain("add_mod/sub_p_bit", bit(&subtracts), operation.every(air));
    // A carry is −1, 0 or 1: a bit times a sign.
    let mut carries = Vec::with_capacity(WORDS - 1);
    for word in 1..WORDS {
        let [size, sign] = [cell(&format!("carry{word}_bit"))?, cell(&format!("carry{word}_sign"))?];
        air.constrain(format!("add_mod/carry{word}_bit"), bit(&size), operation.every(air));
        air.constrain(format!("add_mod/carry{word}_sign"), &sign * &sign - 1, operation.every(air));
        carries.push(size * sign);
    }
    let point = Parameter::AddModPoint.expression();
    let at_point = |words: &[Expression; WORDS]| polynomial(words.iter().cloned(), &point);
    let base = &point - Felt::from_u64(2).pow(WORD_BITS);
    let sum =
        at_point(&operation.a) + at_point(&operation.b) + base * polynomial(carries.into_iter(), &point)
            - at_point(&operation.c)
            - subtracts * at_point(&operation.p);
    air.constrain("add_mod/addition_constraint_0", sum, operation.every(air));
    Ok(())
}
