//! Pedersen's hash on the Stark curve: the x coordinate of the shift point plus one fixed point for each set bit.
//!
//! Each input has 252 bits, least significant first, and its own 252 points. The points of eight bits at a time, a
//! window, are summed in advance, so a hash is the sum of 64 points.
//!
//! Window w > 0 also adds 2ʷ times the generator, and window 0 the shift point minus all of these. So sums over
//! disjoint sets of windows, in whatever order a hash takes them, are never infinity nor equal or opposite to each
//! other unless somebody finds a relation between the shift point, the generator and the base points of the inputs:
//! in sums that lack the shift point, the generator's multiples are positive, different, and below the order. Formulas
//! of addition without special cases are therefore enough, and whoever uses them only has to notice such a relation.

use std::{iter, sync::LazyLock};

use ashlar_curve::{
    AffinePoint, GENERATOR, JacobianPoint, SHIFT_POINT, doublings, normalize_batch, pedersen_points,
};
use ashlar_field::{
    Felt, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
};

use crate::kernels;

/// Bits of a window.
const WINDOW_BITS: usize = 8;
/// Windows of an input; the last holds the four bits 248 … 251.
pub(crate) const WINDOWS: usize = 32;

/// The offset of a window plus the sum of the points of its set bits, by the window's value; each point in one line of
/// the cache.
#[derive(Clone, PartialEq, Debug)]
#[repr(C, align(64))]
pub(crate) struct Window(pub(crate) [AffinePoint; 1 << WINDOW_BITS]);

/// The 32 windows of the first input and those of the second. 1 MiB, computed once.
pub(crate) static WINDOW_SUMS: LazyLock<Vec<Window>> = LazyLock::new(|| {
    let windows = pedersen_points().iter().flat_map(|points| points.chunks(WINDOW_BITS));
    windows.zip(offsets()).map(|(points, offset)| window_sums(offset, points)).collect()
});

/// What the windows add whatever their bits are; together, the shift point.
fn offsets() -> Vec<JacobianPoint> {
    let mut offsets = vec![JacobianPoint::from(SHIFT_POINT)];
    for point in doublings(GENERATOR, 2 * WINDOWS).into_iter().skip(1) {
        offsets[0] = offsets[0].add_affine(-point);
        offsets.push(point.into());
    }
    offsets
}

fn window_sums(offset: JacobianPoint, points: &[AffinePoint]) -> Window {
    let mut sums = vec![offset];
    for &point in points {
        sums.extend_from_within(..);
        let half = sums.len() / 2;
        sums[half..].iter_mut().for_each(|sum| *sum = sum.add_affine(point));
    }
    let sums = normalize_batch(&sums);
    // The last window of an input is shorter, and no element has a value beyond it. No sum is infinity.
    Window(std::array::from_fn(|value| sums.get(value).copied().flatten().unwrap_or(GENERATOR)))
}

/// The windows of two elements below p < 2²⁵²: their bytes in standard form, least significant first.
#[inline(always)]
pub(crate) fn pair_windows(a: Felt, b: Felt) -> [u8; 2 * WINDOWS] {
    let mut bytes = [0; 2 * WINDOWS];
    let limbs = [a.to_standard_limbs(), b.to_standard_limbs()];
    for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(limbs.as_flattened()) {
        *bytes = limb.to_le_bytes();
    }
    bytes
}

/// The two-to-one form.
pub fn hash(a: Felt, b: Felt) -> Felt {
    hash_pair(a, b, Kernels::current())
}

/// The two-to-one form on a family of kernels, which are all alike in what they give.
pub(crate) fn hash_pair(a: Felt, b: Felt, kernels: Kernels) -> Felt {
    run(kernels, Chain { state: a, links: iter::once((b, Felt::ZERO)) })
}

/// The hash chain over 32-byte words q·p + r: state ← hash(state, r) + q from zero, and at last the word count.
pub(crate) fn hash_words(words: &[[u8; 32]], kernels: Kernels) -> Felt {
    let count = (Felt::from_u64(words.len() as u64), Felt::ZERO);
    let links = words.iter().map(divide_by_prime).chain(iter::once(count));
    run(kernels, Chain { state: Felt::ZERO, links })
}

/// The same hash chain over words that are below p.
pub(crate) fn hash_chain(words: impl ExactSizeIterator<Item = Felt>, kernels: Kernels) -> Felt {
    let count = Felt::from_u64(words.len() as u64);
    let links = words.chain(iter::once(count)).map(|word| (word, Felt::ZERO));
    run(kernels, Chain { state: Felt::ZERO, links })
}

/// state ← hash(state, word) + addend for every (word, addend).
struct Chain<I> {
    state: Felt,
    links: I,
}

impl<I: Iterator<Item = (Felt, Felt)>> LaneTask for Chain<I> {
    type Output = Felt;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Felt {
        let mut state = self.state;
        for (word, addend) in self.links {
            state = kernels::pedersen::hash_pair(l, state, word) + addend;
        }
        state
    }
}

fn run(kernels: Kernels, chain: Chain<impl Iterator<Item = (Felt, Felt)>>) -> Felt {
    dispatch(kernels, chain).unwrap_or_else(|Chain { state, links }| {
        links.fold(state, |state, (word, addend)| hash_completely(state, word) + addend)
    })
}

/// The two-to-one form, one point after the other by the complete law: the reference.
pub(crate) fn hash_completely(a: Felt, b: Felt) -> Felt {
    let windows = pair_windows(a, b).into_iter().zip(&*WINDOW_SUMS);
    let sum = windows
        .fold(JacobianPoint::INFINITY, |sum, (value, Window(sums))| sum.add_affine(sums[usize::from(value)]));
    // A sum at infinity would be a relation between the fixed points, which nobody knows; it reads as zero.
    sum.to_affine().map_or(Felt::ZERO, |point| point.x)
}

/// Remainder and quotient, at most 31, of a big-endian word by p.
fn divide_by_prime(word: &[u8; 32]) -> (Felt, Felt) {
    let remainder = Felt::from_bytes_reduced(word);
    // p ≡ 1 mod 2⁶⁴, so the lowest limb of q·p = word − remainder is q itself.
    let [.., a, b, c, d, e, f, g, h] = *word;
    let [low, ..] = remainder.to_standard_limbs();
    (remainder, Felt::from_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_sub(low)))
}

#[cfg(test)]
mod tests {
    use ashlar_field::{MontgomeryBytes, StandardBytes};

    use super::*;

    fn felt(text: &str) -> Felt {
        text.parse().unwrap()
    }

    #[test]
    fn published_hashes_are_reproduced() {
        // From the documentation of StarkEx and Starknet.
        assert_eq!(
            hash(
                felt("0x3d937c035c878245caf64531a5756109c53068da139362728feb561405371cb"),
                felt("0x208a0a10250e382e1e4bbe2880906c2791bf6275695e02fbbc6aeff9cd8b31a"),
            ),
            felt("0x30e480bed5fe53fa909cc0f8c4d99b8f9f2c016be4c41e13a4848797979c662")
        );
        assert_eq!(
            hash(
                felt("0x58f580910a6ca59b28927c08fe6c43e2e303ca384badc365795fc645d479d45"),
                felt("0x78734f65a067be9bdb39de18434d71e79f7b6466a4b66bbd979ab9e7515fe0b"),
            ),
            felt("0x68cc0b76cddd1dd4ed2301ada9b7c872b23875d5ff837b3a87993e0d9996b87")
        );
    }

    #[test]
    fn the_hash_of_zeros_is_the_abscissa_of_the_shift_point() {
        assert_eq!(hash(Felt::ZERO, Felt::ZERO), SHIFT_POINT.x);
    }

    #[test]
    fn every_window_is_a_multiple_of_the_generator_and_the_sum_of_its_points() {
        let (first, second) = WINDOW_SUMS.split_at(WINDOWS);
        assert_eq!(second.len(), WINDOWS);
        // Window 0 makes up for the multiples 2 + 4 + … + 2⁶³ of the others.
        let all_others = GENERATOR.multiply(&[u64::MAX - 1, 0, 0, 0]).unwrap();
        let mut offset = SHIFT_POINT.plus(-all_others);
        for (index, sums) in [first, second].into_iter().enumerate() {
            for (number, (window, points)) in
                sums.iter().zip(pedersen_points()[index].chunks(WINDOW_BITS)).enumerate()
            {
                let power = index * WINDOWS + number;
                if power > 0 {
                    offset = GENERATOR.multiply(&[1 << power, 0, 0, 0]);
                }
                for value in [0, 1, 2, 3, 11, (1 << points.len()) - 1] {
                    let chosen = points.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                    let offset = JacobianPoint::from(offset.unwrap());
                    let sum = chosen.fold(offset, |sum, (_, point)| sum.add_affine(*point));
                    assert_eq!(Some(window.0[value]), sum.to_affine());
                }
            }
        }
    }

    /// Words with small, large and random remainders and quotients.
    fn words(count: u64) -> Vec<[u8; 32]> {
        let mut state = Felt::from_u64(5);
        let mut word = |index: u64| {
            state = state.square() + Felt::ONE;
            match index % 5 {
                0 => [0; 32],
                1 => [0xff; 32],
                2 => StandardBytes::from(Felt::from_u64(index)).0,
                3 => StandardBytes::from(-Felt::from_u64(index)).0,
                _ => MontgomeryBytes::from(state).0.map(|byte| byte.reverse_bits()),
            }
        };
        (0..count).map(&mut word).collect()
    }

    #[test]
    fn a_chain_is_the_same_on_every_family_of_kernels() {
        for count in [0, 1, 2, 7, 60] {
            let words = words(count);
            let reference = hash_words(&words, Kernels::Scalar);
            let links = words.iter().map(divide_by_prime);
            let state =
                links.fold(Felt::ZERO, |state, (word, quotient)| hash_completely(state, word) + quotient);
            assert_eq!(reference, hash_completely(state, Felt::from_u64(count)));
            for kernels in Kernels::supported() {
                assert_eq!(hash_words(&words, kernels), reference, "{count} words, {kernels}");
            }
        }
    }

    #[test]
    fn words_below_the_prime_are_chained_the_same_in_both_forms() {
        let values = [Felt::ZERO, -Felt::ONE, Felt::from_u64(7), Felt::GENERATOR.pow(12345)];
        let words = values.map(|value| StandardBytes::from(value).0);
        for kernels in Kernels::supported() {
            assert_eq!(hash_chain(values.into_iter(), kernels), hash_words(&words, kernels), "{kernels}");
        }
    }

    #[test]
    fn pairs_of_edges_hash_alike_on_every_family_of_kernels() {
        let power = |exponent| Felt::from_u64(2).pow(exponent);
        // Every window empty, one window, only the bits of the second base points, bit 251.
        let edges = [Felt::ZERO, Felt::ONE, power(8), power(128), power(248), power(251), -Felt::ONE];
        for (a, b) in edges.iter().flat_map(|&a| edges.map(|b| (a, b))) {
            for kernels in Kernels::supported() {
                assert_eq!(hash_pair(a, b, kernels), hash_completely(a, b), "{a}, {b}, {kernels}");
            }
        }
    }

    #[test]
    fn a_word_is_split_into_remainder_and_quotient() {
        let [p0, p1, p2, p3] = Felt::PRIME_LIMBS;
        for quotient in 0..=31u64 {
            for remainder in [0u64, 1, 12345] {
                let mut word = [0; 32];
                // quotient·p: the low limb is quotient·1, the two middle ones are zero.
                assert_eq!([p0, p1, p2], [1, 0, 0]);
                word[24..].copy_from_slice(&(quotient + remainder).to_be_bytes());
                word[..8].copy_from_slice(&(quotient * p3).to_be_bytes());
                let expected = (Felt::from_u64(remainder), Felt::from_u64(quotient));
                assert_eq!(divide_by_prime(&word), expected);
            }
        }
    }
}
