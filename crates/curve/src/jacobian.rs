//! Points in Jacobian coordinates (X, Y, Z) ↔ (X/Z², Y/Z³), with Z² and Z³ kept in place of Z: a group law without
//! inversions.
//!
//! The formulas are those for XYZZ coordinates in the Explicit-Formulas Database (`madd-2008-s`, `dbl-2008-s-1`). An
//! addition has one product less than with Z, and four one after the other where that has five.

use ashlar_field::{Felt, batch_inverse};

use crate::point::{ALPHA, AffinePoint};

/// A point of the curve, infinity included (Z = 0).
#[derive(Clone, Copy, Debug)]
pub struct JacobianPoint {
    x: Felt,
    y: Felt,
    z_squared: Felt,
    z_cubed: Felt,
}

impl JacobianPoint {
    /// The neutral element.
    pub const INFINITY: JacobianPoint =
        JacobianPoint { x: Felt::ONE, y: Felt::ONE, z_squared: Felt::ZERO, z_cubed: Felt::ZERO };

    /// Whether this is the neutral element.
    pub fn is_infinity(&self) -> bool {
        self.z_squared.is_zero()
    }

    /// 2·self: 4 squarings and 7 products.
    pub fn double(self) -> JacobianPoint {
        if self.is_infinity() || self.y.is_zero() {
            return JacobianPoint::INFINITY;
        }
        let u = self.y.double();
        let v = u.square();
        let w = u * v;
        let s = self.x * v;
        let x_squared = self.x.square();
        let m = x_squared.double() + x_squared + ALPHA * self.z_squared.square();
        let x = m.square() - s.double();
        let y = m * (s - x) - w * self.y;
        JacobianPoint { x, y, z_squared: v * self.z_squared, z_cubed: w * self.z_cubed }
    }

    /// self + other for an affine other: 2 squarings and 8 products.
    #[inline]
    pub fn add_affine(self, other: AffinePoint) -> JacobianPoint {
        if self.is_infinity() {
            return other.into();
        }
        let h = other.x * self.z_squared - self.x;
        let r = other.y * self.z_cubed - self.y;
        if h.is_zero() {
            return if r.is_zero() { self.double() } else { JacobianPoint::INFINITY };
        }
        let h_squared = h.square();
        let h_cubed = h_squared * h;
        let v = self.x * h_squared;
        let x = r.square() - h_cubed - v.double();
        let y = r * (v - x) - self.y * h_cubed;
        JacobianPoint { x, y, z_squared: self.z_squared * h_squared, z_cubed: self.z_cubed * h_cubed }
    }

    /// The affine form, at the price of an inversion; `None` is infinity.
    pub fn to_affine(self) -> Option<AffinePoint> {
        self.z_cubed.inverse().map(|inverse| self.scale(inverse))
    }

    fn scale(self, z_cubed_inverse: Felt) -> AffinePoint {
        let z_inverse = self.z_squared * z_cubed_inverse;
        AffinePoint { x: self.x * z_inverse.square(), y: self.y * z_cubed_inverse }
    }
}

impl From<AffinePoint> for JacobianPoint {
    fn from(point: AffinePoint) -> JacobianPoint {
        JacobianPoint { x: point.x, y: point.y, z_squared: Felt::ONE, z_cubed: Felt::ONE }
    }
}

/// The affine forms of many points, with one inversion for all of them; `None` is infinity.
pub fn normalize_batch(points: &[JacobianPoint]) -> Vec<Option<AffinePoint>> {
    let mut inverses: Vec<Felt> = points.iter().map(|point| point.z_cubed).collect();
    batch_inverse(&mut inverses);
    points
        .iter()
        .zip(inverses)
        .map(|(point, inverse)| (!point.is_infinity()).then(|| point.scale(inverse)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::GENERATOR;

    #[test]
    fn the_exceptional_cases_of_addition_are_covered() {
        let point = JacobianPoint::from(GENERATOR);
        assert_eq!(point.add_affine(-GENERATOR).to_affine(), None);
        assert_eq!(point.add_affine(GENERATOR).to_affine(), GENERATOR.double());
        assert_eq!(JacobianPoint::INFINITY.add_affine(GENERATOR).to_affine(), Some(GENERATOR));
        assert!(JacobianPoint::INFINITY.double().is_infinity());
    }

    #[test]
    fn a_batch_is_normalised_like_single_points_and_keeps_infinity() {
        let two = JacobianPoint::from(GENERATOR).double();
        let points = [two, JacobianPoint::INFINITY, two.add_affine(GENERATOR)];
        let batch = normalize_batch(&points);
        assert_eq!(batch, points.map(JacobianPoint::to_affine));
        assert_eq!(batch[1], None);
        assert_eq!(batch[2], GENERATOR.double().and_then(|double| double.plus(GENERATOR)));
    }
}
