//! Affine points of the Stark curve and their group law, one point at a time.

use std::ops::Neg;

use ashlar_field::Felt;

use crate::jacobian::JacobianPoint;

/// The coefficient of x in the curve equation.
pub const ALPHA: Felt = Felt::ONE;

/// The constant of the curve equation:
/// 0x6f21413efbe40de150e596d72f7a8c5609ad26c15c915c1f4cdfcb99cee9e89.
#[allow(clippy::panic, reason = "evaluated at compile time")]
pub const BETA: Felt = match Felt::from_standard_limbs([
    0xf4cd_fcb9_9cee_9e89,
    0x609a_d26c_15c9_15c1,
    0x150e_596d_72f7_a8c5,
    0x06f2_1413_efbe_40de,
]) {
    Some(value) => value,
    None => panic!("β is below p"),
};

/// A pair of coordinates, in general a finite point of the curve. The type does not promise it: coordinates taken
/// from input go through [`AffinePoint::new`], trace generators also carry points that the witness only claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AffinePoint {
    /// Abscissa.
    pub x: Felt,
    /// Ordinate.
    pub y: Felt,
}

impl AffinePoint {
    /// The point with these coordinates if it lies on the curve.
    pub fn new(x: Felt, y: Felt) -> Option<AffinePoint> {
        let point = AffinePoint { x, y };
        point.is_on_curve().then_some(point)
    }

    /// A point with this x coordinate, if there is one; the other one is its negative. Which of the two comes is
    /// unspecified.
    pub fn with_x(x: Felt) -> Option<AffinePoint> {
        let y = curve_polynomial(x).sqrt()?;
        Some(AffinePoint { x, y })
    }

    /// Whether y² = x³ + αx + β.
    pub fn is_on_curve(&self) -> bool {
        self.y.square() == curve_polynomial(self.x)
    }

    /// 2·self; infinity if y is zero (never on this curve: its order is odd).
    pub fn double(self) -> Option<AffinePoint> {
        let slope = (self.x.square() * Felt::from_u64(3) + ALPHA) * self.y.double().inverse()?;
        Some(third_point(slope, self, self.x))
    }

    /// self + other; `None` is infinity.
    pub fn plus(self, other: AffinePoint) -> Option<AffinePoint> {
        match (self.x - other.x).inverse() {
            Some(inverse) => Some(third_point((self.y - other.y) * inverse, self, other.x)),
            None if self.y == other.y => self.double(),
            None => None,
        }
    }

    /// scalar·self, the scalar as the integer with these little-endian limbs; `None` is infinity.
    pub fn multiply(self, scalar: &[u64; 4]) -> Option<AffinePoint> {
        let mut result = JacobianPoint::INFINITY;
        for &limb in scalar.iter().rev() {
            for bit in (0..64).rev() {
                result = result.double();
                if (limb >> bit) & 1 == 1 {
                    result = result.add_affine(self);
                }
            }
        }
        result.to_affine()
    }
}

impl Neg for AffinePoint {
    type Output = AffinePoint;
    fn neg(self) -> AffinePoint {
        AffinePoint { x: self.x, y: -self.y }
    }
}

/// x³ + αx + β.
fn curve_polynomial(x: Felt) -> Felt {
    (x.square() + ALPHA) * x + BETA
}

/// The sum of two points on the line through `point` with this slope, the other point having abscissa `other_x`.
#[inline(always)]
pub(crate) fn third_point(slope: Felt, point: AffinePoint, other_x: Felt) -> AffinePoint {
    let x = slope.square() - point.x - other_x;
    AffinePoint { x, y: slope * (point.x - x) - point.y }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GENERATOR, ORDER};

    fn felt(text: &str) -> Felt {
        text.parse().unwrap()
    }

    #[test]
    fn known_multiples_of_the_generator_come_out() {
        let double = AffinePoint {
            x: felt("0x759ca09377679ecd535a81e83039658bf40959283187c654c5416f439403cf5"),
            y: felt("0x6f524a3400e7708d5c01a28598ad272e7455aa88778b19f93b562d7a9646c41"),
        };
        assert_eq!(GENERATOR.double(), Some(double));
        assert_eq!(GENERATOR.plus(GENERATOR), Some(double));
        assert_eq!(GENERATOR.multiply(&[2, 0, 0, 0]), Some(double));
        let k = 12_345_678_901_234_567_890_123u128;
        let multiple = GENERATOR.multiply(&[k as u64, (k >> 64) as u64, 0, 0]);
        assert_eq!(
            multiple,
            Some(AffinePoint {
                x: felt("0x22621982e912d18724a04866034680444700a242907403e56aa0a1935bfb4fa"),
                y: felt("0x687ed3dff6a62f24e568fae809af64c092243abab3518d1db7e568da087dac6"),
            })
        );
    }

    #[test]
    fn the_order_takes_the_generator_to_infinity() {
        assert_eq!(GENERATOR.multiply(&ORDER), None);
        let mut before = ORDER;
        before[0] -= 1;
        assert_eq!(GENERATOR.multiply(&before), Some(-GENERATOR));
        assert_eq!(GENERATOR.multiply(&[0; 4]), None);
    }

    #[test]
    fn a_point_plus_its_negative_is_infinity() {
        assert_eq!(GENERATOR.plus(-GENERATOR), None);
    }

    #[test]
    fn addition_is_associative_on_a_sample() {
        let two = GENERATOR.double().unwrap();
        let three = two.plus(GENERATOR).unwrap();
        assert_eq!(two.plus(three), three.plus(two));
        assert_eq!(two.double().unwrap().plus(GENERATOR), two.plus(three));
    }

    #[test]
    fn coordinates_off_the_curve_are_refused() {
        assert_eq!(AffinePoint::new(GENERATOR.x, GENERATOR.y + Felt::ONE), None);
        assert_eq!(AffinePoint::new(GENERATOR.x, GENERATOR.y), Some(GENERATOR));
    }

    #[test]
    fn an_abscissa_lifts_to_a_point_or_to_nothing() {
        let lifted = AffinePoint::with_x(GENERATOR.x).unwrap();
        assert!(lifted == GENERATOR || lifted == -GENERATOR);
        let lifts = (0..64).filter(|&x| AffinePoint::with_x(Felt::from_u64(x)).is_some()).count();
        assert!(lifts > 0 && lifts < 64, "about half of all abscissas lift, got {lifts} of 64");
    }
}
