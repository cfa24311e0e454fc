//! Pedersen's hash on the Stark curve: the x coordinate of the shift point plus one fixed point for each set bit.
//!
//! Each input has 252 bits, least significant first, and its own 252 points. The points of eight bits at a time
//! are summed in advance, so a hash is 64 additions. Every such sum contains the generator once more, and the start
//! of a hash 64 times less: then no sum is infinity, and no window needs a special case.

use std::sync::LazyLock;

use ashlar_curve::{AffinePoint, GENERATOR, JacobianPoint, SHIFT_POINT, normalize_batch, pedersen_points};
use ashlar_field::Felt;

/// Bits of a window.
const WINDOW_BITS: usize = 8;
/// Windows of an input; the last holds the four bits 248 … 251.
const WINDOWS: usize = 32;

/// The generator plus the sum of the points of a window's set bits, by the window's value.
pub(crate) type Window = [AffinePoint; 1 << WINDOW_BITS];

/// By input and window. 2 MiB, computed once.
pub(crate) static WINDOW_SUMS: LazyLock<[Vec<Window>; 2]> = LazyLock::new(|| {
    pedersen_points().each_ref().map(|points| points.chunks(WINDOW_BITS).map(window_sums).collect())
});

/// The shift point minus the generators that the windows add.
pub(crate) static START: LazyLock<AffinePoint> = LazyLock::new(|| {
    let start = (0..2 * WINDOWS).fold(JacobianPoint::from(SHIFT_POINT), |sum, _| sum.add_affine(-GENERATOR));
    start.to_affine().unwrap_or(SHIFT_POINT)
});

fn window_sums(points: &[AffinePoint]) -> Window {
    let mut sums = vec![JacobianPoint::from(GENERATOR)];
    for &point in points {
        sums.extend_from_within(..);
        let half = sums.len() / 2;
        sums[half..].iter_mut().for_each(|sum| *sum = sum.add_affine(point));
    }
    let sums = normalize_batch(&sums);
    // The last window is shorter, and no element has a value beyond it. No sum is infinity.
    std::array::from_fn(|value| sums.get(value).copied().flatten().unwrap_or(GENERATOR))
}

/// The 32 windows of an element below p < 2²⁵²: its bytes in standard form, least significant first.
#[inline(always)]
pub(crate) fn windows(input: Felt) -> [u8; WINDOWS] {
    let mut bytes = [0; WINDOWS];
    for (bytes, limb) in bytes.as_chunks_mut().0.iter_mut().zip(input.to_standard_limbs()) {
        *bytes = limb.to_le_bytes();
    }
    bytes
}

/// The two-to-one form.
pub fn hash(a: Felt, b: Felt) -> Felt {
    let mut sum = JacobianPoint::from(*START);
    for (input, table) in [a, b].into_iter().zip(&*WINDOW_SUMS) {
        for (value, window) in windows(input).into_iter().zip(table) {
            sum = sum.add_affine(window[usize::from(value)]);
        }
    }
    // A sum at infinity would be a relation between the fixed points, which nobody knows; it reads as zero.
    sum.to_affine().map_or(Felt::ZERO, |point| point.x)
}

/// The hash chain over 32-byte words q·p + r: state ← hash(state, r) + q from zero, and at last the word count.
pub(crate) fn hash_words(words: &[[u8; 32]]) -> Felt {
    let state = words.iter().fold(Felt::ZERO, |state, word| {
        let (quotient, remainder) = divide_by_prime(word);
        hash(state, remainder) + quotient
    });
    hash(state, Felt::from_u64(words.len() as u64))
}

/// The same hash chain over words that are below p.
pub(crate) fn hash_chain(words: impl ExactSizeIterator<Item = Felt>) -> Felt {
    let count = Felt::from_u64(words.len() as u64);
    hash(words.fold(Felt::ZERO, hash), count)
}

/// Quotient, at most 31, and remainder of a big-endian word by p.
fn divide_by_prime(word: &[u8; 32]) -> (Felt, Felt) {
    let remainder = Felt::from_bytes_reduced(word);
    // p ≡ 1 mod 2⁶⁴, so the lowest limb of q·p = word − remainder is q itself.
    let [.., a, b, c, d, e, f, g, h] = *word;
    let [low, ..] = remainder.to_standard_limbs();
    (Felt::from_u64(u64::from_be_bytes([a, b, c, d, e, f, g, h]).wrapping_sub(low)), remainder)
}

#[cfg(test)]
mod tests {
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
    fn every_window_is_the_generator_and_the_sum_of_its_points() {
        for (sums, points) in WINDOW_SUMS.iter().zip(pedersen_points()) {
            assert_eq!(sums.len(), WINDOWS);
            for (window, points) in sums.iter().zip(points.chunks(WINDOW_BITS)) {
                for value in [0, 1, 2, 3, 11, (1 << points.len()) - 1] {
                    let chosen = points.iter().enumerate().filter(|(bit, _)| value >> bit & 1 == 1);
                    let generator = JacobianPoint::from(GENERATOR);
                    let sum = chosen.fold(generator, |sum, (_, point)| sum.add_affine(*point));
                    assert_eq!(Some(window[value]), sum.to_affine());
                }
            }
        }
    }

    #[test]
    fn a_word_is_split_into_quotient_and_remainder() {
        let [p0, p1, p2, p3] = Felt::PRIME_LIMBS;
        for quotient in 0..=31u64 {
            for remainder in [0u64, 1, 12345] {
                let mut word = [0; 32];
                // quotient·p: the low limb is quotient·1, the two middle ones are zero.
                assert_eq!([p0, p1, p2], [1, 0, 0]);
                word[24..].copy_from_slice(&(quotient + remainder).to_be_bytes());
                word[..8].copy_from_slice(&(quotient * p3).to_be_bytes());
                let expected = (Felt::from_u64(quotient), Felt::from_u64(remainder));
                assert_eq!(divide_by_prime(&word), expected);
            }
        }
    }
}
