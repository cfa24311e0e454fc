//! Arithmetic over the Stark field: p = 2²⁵¹ + 17·2¹⁹² + 1.
//!
//! | module | what it computes |
//! |---|---|
//! | [`felt`](Felt) | one element: 4×64-bit limbs, Montgomery radix 2²⁵⁶, always canonical |
//! | `divsteps` | the inverse of one element, by division steps |
//! | [`bytes`](StandardBytes) | the two byte forms of an element, as types that do not mix |
//! | [`column`](Column) | many elements in the memory layout every kernel builds on: groups of eight, limb-major |
//! | [`lanes`] | the vector instructions that kernels are written over, and their instances |
//! | [`late`](LateFelt) | scalar sums that are reduced late |
//! | [`elementwise`](multiply_groups) | the same operation on every element of a column |
//! | [`inversion`](batch_inverse_groups) | inverses of many elements at the price of one |
//! | [`polynomial`](evaluate_polynomial) | dot products, values of polynomials at points, folds |
//! | [`sequences`](geometric_sequence) | geometric sequences and running products |
//! | [`packed`] | eight elements in five 52-bit limbs: the arithmetic of vector kernels |
//! | [`memory`](Recycling) | allocation of large columns in huge pages, and what becomes of them |
//! | [`kernels`](Kernels) | which instruction set the whole-kernel back ends use, chosen once |
//!
//! The layout of a column and the choice of kernels are decisions 2 and 3 of the architecture. Unsafe code is only
//! in the processor's instance of [`lanes`] and in `memory`.
#![deny(unsafe_code)]

mod bytes;
mod column;
mod divsteps;
mod elementwise;
mod felt;
mod inversion;
mod kernels;
pub mod lanes;
mod late;
mod memory;
pub mod packed;
mod polynomial;
mod sequences;

pub use bytes::{MontgomeryBytes, NotCanonical, StandardBytes};
pub use column::{Column, Group};
pub use elementwise::{
    add_groups, add_scaled_groups, montgomery_from_standard, multiply_groups, scale_groups,
    standard_from_montgomery, subtract_groups, subtract_value,
};
pub use felt::{Felt, ParseFeltError, batch_inverse};
pub use inversion::batch_inverse_groups;
pub use kernels::{Kernels, UnknownKernels};
pub use late::{LateFelt, ProductSum};
pub use memory::Recycling;
pub use polynomial::{dot_product, evaluate_polynomial, fold_coefficients};
pub use sequences::{fill_geometric, fill_geometric_lanes, geometric_sequence, prefix_products};
