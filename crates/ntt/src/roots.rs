//! Roots of unity in bit-reversed order.
//!
//! A transform of 2^k coefficients on the coset c·⟨g⟩ splits X^(2d) − z into X^d − t and X^d + t, layer by layer.
//! In layer j there are 2^j blocks and the twiddle t of block i is c^(n/2^(j+1)) · ω(i), where ω(i) depends on i
//! alone: bit b of i contributes a primitive 2^(b+2)-th root. So one table serves every size and every layer.

use std::sync::OnceLock;

use ashlar_field::Felt;

use crate::reversal::bit_reversed;

/// Transforms of at most this size (log₂) run inside one tile; larger ones are split into passes.
pub(crate) const MAX_TILE_LOG: u32 = 12;

/// Forward or backward: which of two mutually inverse roots the twiddles are powers of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From coefficients to values.
    Forward,
    /// From values to coefficients: every twiddle is the inverse of the forward one.
    Backward,
}

/// The generator of the subgroup of order 2^log (its inverse when going backward).
pub(crate) fn generator(log: u32, direction: Direction) -> Felt {
    // Sizes are those of columns in memory, far below the two-adicity 192; ONE is never reached.
    let root = Felt::subgroup_generator(log).unwrap_or(Felt::ONE);
    match direction {
        Direction::Forward => root,
        Direction::Backward => root.pow((1u64 << log) - 1),
    }
}

/// The powers 1, g, …, g^(2^log − 1) in bit-reversed order, for a generator g of order 2^order.
pub(crate) fn reversed_powers(order: u32, log: u32, direction: Direction) -> Vec<Felt> {
    let base = generator(order, direction);
    let mut powers = vec![Felt::ONE; 1 << log];
    let mut power = Felt::ONE;
    for exponent in 0..powers.len() {
        powers[bit_reversed(exponent, log)] = power;
        power *= base;
    }
    powers
}

/// ω(i) for i < 2^(MAX_TILE_LOG − 1), or their inverses.
pub(crate) fn twiddle_roots(direction: Direction) -> &'static [Felt] {
    static TABLES: [OnceLock<Vec<Felt>>; 2] = [OnceLock::new(), OnceLock::new()];
    TABLES[direction as usize].get_or_init(|| reversed_powers(MAX_TILE_LOG, MAX_TILE_LOG - 1, direction))
}

/// c^(n/2^(j+1)) for the layers j = 0, 1, … of a transform of n = 2^log coefficients.
pub(crate) fn layer_scales(coset: Felt, log: u32) -> Vec<Felt> {
    let mut scales = Vec::with_capacity(log as usize);
    let mut scale = coset;
    for _ in 0..log {
        scales.push(scale);
        scale = scale.square();
    }
    scales.reverse();
    scales
}
