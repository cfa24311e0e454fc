//! The bit-reversal permutation: element i goes where the bits of i, read backward, say.
//!
//! In a column of 2^k elements write an index as three high bits a, k − 6 middle bits m and three low bits b (the
//! lane). The reversal sends (a, m, b) to (b', m', a'): an 8×8 tile of elements, transposed, moves from middle m to
//! its reversal m'. So tiles are swapped in pairs and every access is to whole groups.

use ashlar_field::{
    Column, Group, Kernels,
    lanes::{LaneTask, Lanes, Portable, dispatch},
};
use rayon::prelude::*;

use crate::strided::{Tile, reversed_pairs};

/// The lowest `bits` bits of an index in the opposite order. The index is below 2^bits.
#[inline]
pub const fn bit_reversed(index: usize, bits: u32) -> usize {
    if bits == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - bits) }
}

/// Moves every element of a column to the bit-reversed index.
///
/// # Panics
/// If the length is not a power of two: lengths are chosen by us, never taken from input.
pub fn bit_reverse(column: &mut Column, kernels: Kernels) {
    let length = column.len();
    assert!(length.is_power_of_two());
    bit_reverse_groups(column.groups_mut(), length, kernels);
}

/// Moves every element of a sequence of `length` elements to the bit-reversed index.
///
/// # Panics
/// If the length is not a power of two or does not fill the groups: lengths are chosen by us.
pub fn bit_reverse_groups(groups: &mut [Group], length: usize, kernels: Kernels) {
    assert!(length.is_power_of_two() && groups.len() == length.div_ceil(8));
    let bits = length.trailing_zeros();
    if bits < 6 {
        let before = groups.to_vec();
        for i in 0..length {
            let from = bit_reversed(i, bits);
            groups[i / 8].set(i % 8, before[from / 8].get(from % 8));
        }
        return;
    }
    reversed_pairs(groups, 8).for_each(|(first, second)| {
        let task = SwapTiles { first, second };
        if let Err(task) = dispatch(kernels, task) {
            task.run(Portable);
        }
    });
}

/// Moves every group to the index whose bits are the reverse of its own, its elements as they are.
///
/// # Panics
/// If the number of groups is not a power of two: it is chosen by us, never taken from input.
pub fn bit_reverse_group_order(groups: &mut [Group]) {
    reversed_pairs(groups, 1).for_each(|(mut first, second)| {
        if let Some(mut second) = second {
            std::mem::swap(first.get_mut(0), second.get_mut(0));
        }
    });
}

/// Transposes two tiles and swaps them; or transposes one.
struct SwapTiles<'a> {
    first: Tile<'a>,
    second: Option<Tile<'a>>,
}

impl LaneTask for SwapTiles<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        for limb in 0..4 {
            let first = read_transposed(l, &self.first, limb);
            match &mut self.second {
                None => write(l, &mut self.first, limb, first),
                Some(second) => {
                    let other = read_transposed(l, second, limb);
                    write(l, second, limb, first);
                    write(l, &mut self.first, limb, other);
                }
            }
        }
    }
}

/// Where three bits go when reversed.
const REVERSED: [usize; 8] = [0, 4, 2, 6, 1, 5, 3, 7];

#[inline(always)]
fn read_transposed<L: Lanes>(l: L, tile: &Tile<'_>, limb: usize) -> [L::V; 8] {
    // Row a of the transpose's input is group a'; lane a of its output row b is element (a', b).
    let row = |a: usize| l.load(&tile.get(REVERSED[a]).0[limb]);
    l.transpose([row(0), row(1), row(2), row(3), row(4), row(5), row(6), row(7)])
}

#[inline(always)]
fn write<L: Lanes>(l: L, tile: &mut Tile<'_>, limb: usize, rows: [L::V; 8]) {
    for b in 0..8 {
        l.store(rows[b], &mut tile.get_mut(REVERSED[b]).0[limb]);
    }
}
