//! Arithmetic over the Stark field: p = 2²⁵¹ + 17·2¹⁹² + 1.
//!
//! | module | what it computes |
//! |---|---|
//! | [`felt`](Felt) | one element: 4×64-bit limbs, Montgomery radix 2²⁵⁶, always canonical |
//! | [`bytes`](StandardBytes) | the two byte forms of an element, as types that do not mix |
//! | [`column`](Column) | many elements in the memory layout every kernel builds on: groups of eight, limb-major |
//! | [`lanes`] | the vector instructions that kernels are written over, and their three instances |
//! | [`packed`] | eight elements in five 52-bit limbs: the arithmetic of vector kernels |
//! | [`kernels`](Kernels) | which instruction set the whole-kernel back ends use, chosen once |
//!
//! The layout of a column and the choice of kernels are decisions 2 and 3 of the architecture.
mod bytes;
mod column;
mod felt;
mod kernels;
pub mod lanes;
pub mod packed;

pub use bytes::{MontgomeryBytes, NotCanonical, StandardBytes};
pub use column::{Column, Group};
pub use felt::{Felt, ParseFeltError, batch_inverse};
pub use kernels::{Kernels, UnknownKernels};
