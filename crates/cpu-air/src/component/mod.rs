//! The components of the Cairo CPU AIR: every constraint, written once.
//!
//! Each component is a function over a [`Builder`], which knows where a layout puts the virtual columns. The
//! constraints come in Stone's order with Stone's names and signs, because constraint i is weighted with αⁱ.
//! Source: Stone v3, CPU AIR; equations as in the *Cairo* whitepaper (Goldberg, Papini, Riabzev), section 9.

mod add_mod;
mod bitwise;
mod builder;
mod cpu;
mod diluted;
mod ec_doubling;
mod ec_op;
mod ec_subset_sum;
mod ecdsa;
pub(crate) mod keccak;
mod memory;
mod modular;
mod mul_mod;
mod parameter;
mod pedersen;
mod permutation;
mod poseidon;
mod range_check;
mod range_check16;

use ashlar_stark::air::{Cell, ConstraintSystem};
use builder::Builder;
pub(crate) use parameter::{Parameter, diluted_final_value};

use crate::layout::{Builtin, Layout, LayoutError};

/// All constraints of a layout for a trace of `length` rows. They depend on nothing else: what a public input says
/// enters through [`Parameter`]s.
pub(crate) fn constraint_system(layout: &Layout, length: u64) -> Result<ConstraintSystem, LayoutError> {
    let builder = Builder::new(layout, length);
    cpu::constrain(&builder)?;
    memory::constrain(&builder)?;
    range_check16::constrain(&builder)?;
    if layout.has_diluted() {
        diluted::constrain(&builder)?;
    }
    for builtin in Builtin::ALL {
        if !layout.segments.contains(&builtin.segment()) {
            continue;
        }
        builder.set_active(layout.has(builtin));
        match builtin {
            Builtin::Pedersen => pedersen::constrain(&builder)?,
            Builtin::RangeCheck => range_check::constrain(&builder)?,
            Builtin::Ecdsa => ecdsa::constrain(&builder)?,
            Builtin::Bitwise => bitwise::constrain(&builder)?,
            Builtin::EcOp => ec_op::constrain(&builder)?,
            Builtin::RangeCheck96 => range_check::constrain_96(&builder)?,
            Builtin::Keccak => keccak::constrain(&builder)?,
            Builtin::Poseidon => poseidon::constrain(&builder)?,
            Builtin::AddMod => add_mod::constrain(&builder)?,
            Builtin::MulMod => mul_mod::constrain(&builder)?,
        }
    }
    let (constraints, periodic) = builder.finish();
    let Some(mask) = layout.tabulated_mask() else {
        return Ok(ConstraintSystem::with_sorted_mask(constraints, periodic));
    };
    let mask = mask
        .iter()
        .map(|&(name, index)| {
            let column = layout.column(name)?;
            Ok(Cell { column: column.column, row: column.row(index) as u64 })
        })
        .collect::<Result<Vec<Cell>, LayoutError>>()?;
    Ok(ConstraintSystem { constraints, mask, periodic })
}
