//! Products of eight pairs of elements in 52-bit limbs, and their reduction.
//!
//! # The reduction
//! p = 1 + c·2¹⁵⁶ with c = 17·2³⁶ + 2⁴³·2⁵², so p ≡ 1 mod 2⁵² and the Montgomery quotient digit is the digit to be
//! cleared. For a digit t, −t·c = (2⁵² − 1 − t)·c − (2⁵² − 1)·c: multiplying the complement turns subtraction into
//! addition. Over the five digits the repair sums to −(2²⁶⁰ − 1)·c·2¹⁵⁶ = c·2¹⁵⁶ − c·2⁴¹⁶; with one p·2²⁶⁰ added
//! to stay positive that is c·2¹⁵⁶ + 2²⁶⁰: limbs 3 and 4 start at c, limb 5 at one.

use super::{Lazy, PRIME_3, PRIME_4};
use crate::lanes::Lanes;

/// a·b / 2²⁶⁰: [`Low52::mul`](super::Low52::mul).
#[inline(always)]
pub(super) fn product<L: Lanes>(l: L, a: &[L::V; 5], b: &[L::V; 5]) -> Lazy<L> {
    let z = l.zero();
    let mut t = [z, z, z, l.splat(PRIME_3), l.splat(PRIME_4), l.splat(1), z, z, z, z];
    add_product(l, &mut t, a, b);
    reduce(l, t)
}

/// a² / 2²⁶⁰: [`Low52::square`](super::Low52::square).
#[inline(always)]
pub(super) fn square<L: Lanes>(l: L, a: &[L::V; 5]) -> Lazy<L> {
    let z = l.zero();
    let mut s = [z; 10];
    macro_rules! mixed {
        ($i:literal, $j:literal) => {
            s[$i + $j] = l.madd52lo(s[$i + $j], a[$i], a[$j]);
            s[$i + $j + 1] = l.madd52hi(s[$i + $j + 1], a[$i], a[$j]);
        };
    }
    mixed!(0, 1);
    mixed!(0, 2);
    mixed!(0, 3);
    mixed!(0, 4);
    mixed!(1, 2);
    mixed!(1, 3);
    mixed!(1, 4);
    mixed!(2, 3);
    mixed!(2, 4);
    mixed!(3, 4);
    let mut t = [
        z,
        l.add(s[1], s[1]),
        l.add(s[2], s[2]),
        l.add(l.add(s[3], s[3]), l.splat(PRIME_3)),
        l.add(l.add(s[4], s[4]), l.splat(PRIME_4)),
        l.add(l.add(s[5], s[5]), l.splat(1)),
        l.add(s[6], s[6]),
        l.add(s[7], s[7]),
        l.add(s[8], s[8]),
        z,
    ];
    macro_rules! diagonal {
        ($i:literal) => {
            t[2 * $i] = l.madd52lo(t[2 * $i], a[$i], a[$i]);
            t[2 * $i + 1] = l.madd52hi(t[2 * $i + 1], a[$i], a[$i]);
        };
    }
    diagonal!(0);
    diagonal!(1);
    diagonal!(2);
    diagonal!(3);
    diagonal!(4);
    reduce(l, t)
}

/// Adds the ten limbs of a product, operand scanning: consecutive instructions go to different accumulators.
#[inline(always)]
pub(super) fn add_product<L: Lanes>(l: L, t: &mut [L::V; 10], a: &[L::V; 5], b: &[L::V; 5]) {
    macro_rules! row {
        ($i:literal) => {
            t[$i] = l.madd52lo(t[$i], a[$i], b[0]);
            t[$i + 1] = l.madd52lo(t[$i + 1], a[$i], b[1]);
            t[$i + 2] = l.madd52lo(t[$i + 2], a[$i], b[2]);
            t[$i + 3] = l.madd52lo(t[$i + 3], a[$i], b[3]);
            t[$i + 4] = l.madd52lo(t[$i + 4], a[$i], b[4]);
            t[$i + 1] = l.madd52hi(t[$i + 1], a[$i], b[0]);
            t[$i + 2] = l.madd52hi(t[$i + 2], a[$i], b[1]);
            t[$i + 3] = l.madd52hi(t[$i + 3], a[$i], b[2]);
            t[$i + 4] = l.madd52hi(t[$i + 4], a[$i], b[3]);
            t[$i + 5] = l.madd52hi(t[$i + 5], a[$i], b[4]);
        };
    }
    row!(0);
    row!(1);
    row!(2);
    row!(3);
    row!(4);
}

/// Clears the lowest of six limbs by a multiple of p, up to the repair constants, and carries its high bits.
#[inline(always)]
pub(super) fn clear_digit<L: Lanes>(l: L, t: &mut [L::V; 6]) {
    let (c3, c4) = (l.splat(PRIME_3), l.splat(PRIME_4));
    let digit = l.not(t[0]);
    t[1] = l.add(t[1], l.shift_right::<52>(t[0]));
    t[3] = l.madd52lo(t[3], digit, c3);
    t[4] = l.madd52hi(t[4], digit, c3);
    t[5] = l.madd52hi(t[5], digit, c4);
    t[4] = l.madd52lo(t[4], digit, c4);
}

/// Divides by 2²⁶⁰ modulo p. The repair constants are already in limbs 3, 4 and 5.
#[inline(always)]
pub(super) fn reduce<L: Lanes>(l: L, t: [L::V; 10]) -> Lazy<L> {
    let mut window = [t[0], t[1], t[2], t[3], t[4], t[5]];
    clear_digit(l, &mut window);
    for i in 6..10 {
        window = [window[1], window[2], window[3], window[4], window[5], t[i]];
        clear_digit(l, &mut window);
    }
    Lazy([window[1], window[2], window[3], window[4], window[5]])
}
