//! The layouts for which runs can be prepared, and how one is chosen.

use ashlar_cpu_air::layout::{self, Builtin, Layout};
use cairo_vm::types::{builtin_name::BuiltinName, layout_name::LayoutName};

use crate::CairoError;

/// The layouts for which runs are prepared: the static ones that real proofs of Stone confirm.
pub const PROVABLE_LAYOUTS: [&str; 9] = [
    "plain",
    "small",
    "dex",
    "recursive",
    "recursive_large_output",
    "recursive_with_poseidon",
    "starknet",
    "starknet_with_keccak",
    "all_solidity",
];

/// Which layout a run is padded for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LayoutChoice {
    /// The one of these that commits to the fewest cells.
    Cheapest(Vec<String>),
    /// This one.
    Named(String),
}

impl LayoutChoice {
    /// The cheapest of all [`PROVABLE_LAYOUTS`].
    pub fn automatic() -> LayoutChoice {
        LayoutChoice::Cheapest(PROVABLE_LAYOUTS.map(String::from).to_vec())
    }
}

/// A layout, as the prover and as the virtual machine know it.
#[derive(Clone, Copy)]
pub(crate) struct RunLayout {
    pub(crate) air: &'static Layout,
    pub(crate) machine: LayoutName,
}

impl RunLayout {
    pub(crate) fn by_name(name: &str) -> Result<RunLayout, CairoError> {
        let unknown = || CairoError::UnknownLayout { name: name.into(), known: PROVABLE_LAYOUTS.join(", ") };
        let machine = match name {
            "plain" => LayoutName::plain,
            "small" => LayoutName::small,
            "dex" => LayoutName::dex,
            "recursive" => LayoutName::recursive,
            "recursive_large_output" => LayoutName::recursive_large_output,
            "recursive_with_poseidon" => LayoutName::recursive_with_poseidon,
            "starknet" => LayoutName::starknet,
            "starknet_with_keccak" => LayoutName::starknet_with_keccak,
            "all_solidity" => LayoutName::all_solidity,
            _ => return Err(unknown()),
        };
        Ok(RunLayout { air: layout::by_name(name).ok_or_else(unknown)?, machine })
    }

    /// The builtins that a program may name, in canonical order: output, where there is one, and those of the AIR.
    pub(crate) fn builtins(self) -> Vec<BuiltinName> {
        let output = self.air.segments.contains(&"output").then_some(BuiltinName::output);
        output.into_iter().chain(self.air.builtins().iter().map(|&builtin| machine_name(builtin))).collect()
    }
}

/// The virtual machine's name of a builtin.
pub(crate) fn machine_name(builtin: Builtin) -> BuiltinName {
    match builtin {
        Builtin::Pedersen => BuiltinName::pedersen,
        Builtin::RangeCheck => BuiltinName::range_check,
        Builtin::Ecdsa => BuiltinName::ecdsa,
        Builtin::Bitwise => BuiltinName::bitwise,
        Builtin::EcOp => BuiltinName::ec_op,
        Builtin::Keccak => BuiltinName::keccak,
        Builtin::Poseidon => BuiltinName::poseidon,
        Builtin::RangeCheck96 => BuiltinName::range_check96,
        Builtin::AddMod => BuiltinName::add_mod,
        Builtin::MulMod => BuiltinName::mul_mod,
    }
}
