//! Scalar sums that are reduced late: what the lazy forms of [`packed`](crate::packed) are to vectors.
//!
//! 2²⁵⁶ ≈ 32·p (a little less), so four limbs have room for sums of several elements, and eight limbs for sums of
//! several hundred products.

use crate::Felt;

/// An integer below 2²⁵⁶ that stands for the element with this Montgomery representation modulo p.
///
/// Sums and differences are not reduced: whoever forms them keeps them below 31·p.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LateFelt([u64; 4]);

/// The high limb of p, whose lower limbs are 1, 0, 0.
const HIGH: u64 = Felt::PRIME_LIMBS[3];

#[inline(always)]
fn add_limbs(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let (r0, c) = a[0].carrying_add(b[0], false);
    let (r1, c) = a[1].carrying_add(b[1], c);
    let (r2, c) = a[2].carrying_add(b[2], c);
    let (r3, c) = a[3].carrying_add(b[3], c);
    debug_assert!(!c, "a late sum stays below 2^256");
    [r0, r1, r2, r3]
}

#[inline(always)]
fn subtract_limbs(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], bool) {
    let (r0, c) = a[0].borrowing_sub(b[0], false);
    let (r1, c) = a[1].borrowing_sub(b[1], c);
    let (r2, c) = a[2].borrowing_sub(b[2], c);
    let (r3, c) = a[3].borrowing_sub(b[3], c);
    ([r0, r1, r2, r3], c)
}

/// The canonical representation of any integer below 2²⁵⁶.
#[inline(always)]
fn canonical(value: [u64; 4]) -> Felt {
    // With k = ⌊value/2²⁵¹⌋ < 32, value − k·p is below 2²⁵¹ < p, and negative by at most k·(17·2¹⁹² + 1) < p.
    let k = value[3] >> 59;
    let (rest, negative) = subtract_limbs(value, [k, 0, 0, k * HIGH]);
    let mask = u64::from(negative).wrapping_neg();
    let (r0, c) = rest[0].carrying_add(mask & 1, false);
    let (r1, c) = rest[1].carrying_add(0, c);
    let (r2, c) = rest[2].carrying_add(0, c);
    let (r3, _) = rest[3].carrying_add(mask & HIGH, c);
    Felt::from_canonical_limbs([r0, r1, r2, r3])
}

impl LateFelt {
    /// Zero.
    pub const ZERO: LateFelt = LateFelt([0; 4]);

    /// self + other, which must be below 2²⁵⁶.
    #[inline(always)]
    pub fn plus(self, other: impl Into<LateFelt>) -> LateFelt {
        LateFelt(add_limbs(self.0, other.into().0))
    }

    /// self − other + bound·p, for `other` of at most bound·p and self + bound·p below 2²⁵⁶.
    #[inline(always)]
    pub fn minus(self, other: impl Into<LateFelt>, bound: u64) -> LateFelt {
        debug_assert!(bound < 32);
        let raised = add_limbs(self.0, [bound, 0, 0, bound * HIGH]);
        let (difference, negative) = subtract_limbs(raised, other.into().0);
        debug_assert!(!negative, "the bound holds");
        LateFelt(difference)
    }

    /// self·factor, reduced.
    #[inline(always)]
    pub fn multiply(self, factor: Felt) -> Felt {
        Felt::multiply_representations(&self.0, &factor.to_montgomery_limbs())
    }

    /// The element.
    #[inline(always)]
    pub fn reduce(self) -> Felt {
        canonical(self.0)
    }
}

impl From<Felt> for LateFelt {
    #[inline(always)]
    fn from(value: Felt) -> LateFelt {
        LateFelt(value.to_montgomery_limbs())
    }
}

/// A sum of products, reduced once at the end.
#[derive(Clone, Copy, Debug)]
pub struct ProductSum([u64; 8]);

impl ProductSum {
    /// The most products of one sum: 400·p² < 2⁵¹¹.
    pub const MAX_TERMS: usize = 400;

    /// The empty sum.
    pub const ZERO: ProductSum = ProductSum([0; 8]);

    /// self + a·b.
    #[inline(always)]
    pub fn add_product(&mut self, a: Felt, b: Felt) {
        let product = Felt::wide_product(a, b);
        let t = &mut self.0;
        let mut carry = false;
        for i in 0..8 {
            (t[i], carry) = t[i].carrying_add(product[i], carry);
        }
        debug_assert!(!carry, "a sum of products stays below 2^512");
    }

    /// The sum.
    #[inline(always)]
    pub fn reduce(self) -> Felt {
        // The sum over 2²⁵⁶ is below 400·p²/2²⁵⁶ < 13·p.
        canonical(Felt::divide_by_radix(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small, large and random elements.
    fn elements() -> Vec<Felt> {
        let mut values = vec![Felt::ZERO, Felt::ONE, -Felt::ONE];
        for edge in [[0, 0, 0, HIGH], [u64::MAX, u64::MAX, u64::MAX, HIGH - 1], [1, 0, 0, 0]] {
            values.extend(Felt::from_montgomery_limbs(edge));
        }
        values.extend((1..40).map(|i| Felt::GENERATOR.pow(1 << (i % 20)) * Felt::from_u64(i)));
        values
    }

    #[test]
    fn every_integer_of_256_bits_is_reduced() {
        let unit = Felt::from_montgomery_limbs([1, 0, 0, 0]).unwrap();
        let mut cases = vec![[u64::MAX; 4], [0, 0, 0, u64::MAX]];
        for k in 0..32 {
            // Around every multiple of p.
            let multiple = [k, 0, 0, k * HIGH];
            cases.extend([multiple, [k.wrapping_sub(1), 0, 0, k * HIGH], [k + 1, 0, 0, k * HIGH]]);
            cases.extend([[u64::MAX, u64::MAX, u64::MAX, k << 59], [0, 0, 0, k << 59]]);
        }
        for limbs in cases {
            // The integer times the element whose representation is one.
            let want = Felt::from_limbs_reduced(limbs) * unit;
            assert_eq!(LateFelt(limbs).reduce(), want, "{limbs:x?}");
            assert!(Felt::from_montgomery_limbs(want.to_montgomery_limbs()).is_some());
            assert_eq!(LateFelt(limbs).multiply(-Felt::ONE), -want, "{limbs:x?}");
        }
    }

    #[test]
    fn late_sums_and_differences_are_those_of_elements() {
        for &a in &elements() {
            for &b in &elements() {
                assert_eq!(LateFelt::from(a).plus(b).reduce(), a + b);
                assert_eq!(LateFelt::from(a).minus(b, 1).reduce(), a - b);
                let (mut late, mut sum) = (LateFelt::from(a), a);
                for _ in 0..15 {
                    (late, sum) = (late.plus(b).minus(a, 1), sum + b - a);
                }
                assert_eq!(late.reduce(), sum);
            }
        }
    }

    #[test]
    fn the_longest_sums_of_the_largest_products_are_right() {
        let elements = elements();
        // The largest representation, p − 1, is that of the element −2⁻²⁵⁶.
        let largest = Felt::ZERO - Felt::from_montgomery_limbs([1, 0, 0, 0]).unwrap();
        let (mut late, mut sum) = (ProductSum::ZERO, Felt::ZERO);
        for _ in 0..ProductSum::MAX_TERMS {
            late.add_product(largest, largest);
            sum += largest * largest;
        }
        assert_eq!(late.reduce(), sum);
        let (mut late, mut sum) = (ProductSum::ZERO, Felt::ZERO);
        for (a, b) in elements.iter().flat_map(|a| elements.iter().map(move |b| (*a, *b))).take(400) {
            late.add_product(a, b);
            sum += a * b;
            assert_eq!(late.reduce(), sum);
        }
    }
}
