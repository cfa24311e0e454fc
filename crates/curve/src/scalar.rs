//! Integers modulo the order of the Stark curve, as ECDSA needs them: sums, products, inverses.
//!
//! These run a few times per signature, so products are plain double-and-add: clarity before speed.

use std::ops::{Add, Mul, Neg, Sub};

/// The (prime) order of the curve,
/// 0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f, as little-endian limbs.
pub const ORDER: [u64; 4] =
    [0x1e66_a241_adc6_4d2f, 0xb781_126d_cae7_b232, 0xffff_ffff_ffff_ffff, 0x0800_0000_0000_0010];

/// An integer modulo [`ORDER`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Scalar([u64; 4]);

fn less(a: &[u64; 4], b: &[u64; 4]) -> bool {
    a.iter().rev().lt(b.iter().rev())
}

fn add(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut carry = false;
    std::array::from_fn(|i| {
        let (sum, first) = a[i].overflowing_add(b[i]);
        let (sum, second) = sum.overflowing_add(u64::from(carry));
        carry = first | second;
        sum
    })
}

fn subtract(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    let mut borrow = false;
    std::array::from_fn(|i| {
        let (difference, first) = a[i].overflowing_sub(b[i]);
        let (difference, second) = difference.overflowing_sub(u64::from(borrow));
        borrow = first | second;
        difference
    })
}

impl Scalar {
    /// Zero.
    pub const ZERO: Scalar = Scalar([0; 4]);
    /// One.
    pub const ONE: Scalar = Scalar([1, 0, 0, 0]);

    /// The integer with these little-endian limbs; `None` if it is not below the order.
    pub fn from_limbs(limbs: [u64; 4]) -> Option<Scalar> {
        less(&limbs, &ORDER).then_some(Scalar(limbs))
    }

    /// Any 256-bit integer, reduced modulo the order.
    pub fn from_limbs_reduced(mut limbs: [u64; 4]) -> Scalar {
        // The order exceeds 2²⁵¹: at most 31 subtractions.
        while !less(&limbs, &ORDER) {
            limbs = subtract(&limbs, &ORDER);
        }
        Scalar(limbs)
    }

    /// The integer as little-endian limbs, below the order.
    pub fn to_limbs(self) -> [u64; 4] {
        self.0
    }

    /// Whether this is zero.
    pub fn is_zero(self) -> bool {
        self == Scalar::ZERO
    }

    /// The multiplicative inverse; `None` for zero.
    pub fn inverse(self) -> Option<Scalar> {
        // Fermat: the order is prime.
        let exponent = subtract(&ORDER, &[2, 0, 0, 0]);
        let square_and_multiply =
            |power: Scalar, bit: bool| if bit { power * power * self } else { power * power };
        (!self.is_zero()).then(|| bits_from_the_top(&exponent).fold(Scalar::ONE, square_and_multiply))
    }
}

fn bits_from_the_top(limbs: &[u64; 4]) -> impl Iterator<Item = bool> + '_ {
    limbs.iter().rev().flat_map(|limb| (0..64).rev().map(move |bit| (limb >> bit) & 1 == 1))
}

impl Add for Scalar {
    type Output = Scalar;
    fn add(self, other: Scalar) -> Scalar {
        // Both are below 2²⁵², so the sum does not wrap.
        let sum = add(&self.0, &other.0);
        Scalar(if less(&sum, &ORDER) { sum } else { subtract(&sum, &ORDER) })
    }
}

impl Neg for Scalar {
    type Output = Scalar;
    fn neg(self) -> Scalar {
        if self.is_zero() { self } else { Scalar(subtract(&ORDER, &self.0)) }
    }
}

impl Sub for Scalar {
    type Output = Scalar;
    fn sub(self, other: Scalar) -> Scalar {
        self + -other
    }
}

impl Mul for Scalar {
    type Output = Scalar;
    fn mul(self, other: Scalar) -> Scalar {
        bits_from_the_top(&other.0).fold(Scalar::ZERO, |sum, bit| {
            let double = sum + sum;
            if bit { double + self } else { double }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GENERATOR;

    #[test]
    fn a_scalar_times_its_inverse_is_one() {
        for limbs in [[1, 0, 0, 0], [2, 0, 0, 0], [5, 7, 11, 13], subtract(&ORDER, &[1, 0, 0, 0])] {
            let scalar = Scalar::from_limbs(limbs).unwrap();
            assert_eq!(scalar * scalar.inverse().unwrap(), Scalar::ONE);
        }
        assert_eq!(Scalar::ZERO.inverse(), None);
    }

    #[test]
    fn the_order_itself_is_no_scalar_but_reduces_to_zero() {
        assert_eq!(Scalar::from_limbs(ORDER), None);
        assert_eq!(Scalar::from_limbs_reduced(ORDER), Scalar::ZERO);
        let top = Scalar::from_limbs_reduced([u64::MAX; 4]);
        assert!(less(&top.to_limbs(), &ORDER));
    }

    #[test]
    fn scalars_act_on_the_curve_as_a_ring() {
        let a = Scalar::from_limbs([3, 1, 4, 1]).unwrap();
        let b = Scalar::from_limbs([2, 7, 1, 8]).unwrap();
        let multiple = |scalar: Scalar| GENERATOR.multiply(&scalar.to_limbs()).unwrap();
        assert_eq!(multiple(a).plus(multiple(b)), Some(multiple(a + b)));
        assert_eq!(multiple(a).multiply(&b.to_limbs()), Some(multiple(a * b)));
        assert_eq!(multiple(a - b).plus(multiple(b)), Some(multiple(a)));
        assert_eq!(multiple(-a), -multiple(a));
    }
}
