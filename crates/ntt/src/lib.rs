//! Number-theoretic transforms over cosets of subgroups of two-power order, in Stone's orders.
//!
//! A *transform* turns the coefficients of a polynomial of degree below n = 2^k (natural order) into its values on
//! a coset c·⟨g⟩ in bit-reversed order: row ρ is the value at c·g^bitrev(ρ). The *inverse* goes back.
//! ("Stone v3", domains and orders: every committed table is in bit-reversed order.)
//!
//! | module | what it computes |
//! |---|---|
//! | [`transform`](evaluate_coset) | whole columns: which passes, in which order, on which threads |
//! | `scalar` | the layers of one tile, element by element: the reference |
//! | `vector` | the layers of one tile, eight elements at a time |
//! | `roots` | roots of unity in bit-reversed order |
//! | [`reversal`](bit_reverse) | the bit-reversal permutation of a column |
//! | `strided` | disjoint strided tiles of a column for several threads: the only unsafe code |
#![deny(unsafe_code)]

mod reversal;
mod roots;
mod scalar;
mod strided;
mod transform;
mod vector;

pub use reversal::{bit_reverse, bit_reverse_group_order, bit_reverse_groups, bit_reversed};
pub use transform::{
    evaluate_coset, evaluate_coset_groups, evaluate_coset_in_place, interpolate, interpolate_coset,
    interpolate_coset_groups,
};
