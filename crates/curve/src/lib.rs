//! The Stark curve y² = x³ + x + β over F_p, and the points that Pedersen and ECDSA are built on.
//!
//! | module | what it computes |
//! |---|---|
//! | [`point`](AffinePoint) | affine points: addition, doubling, lifting an x coordinate |
//! | [`jacobian`](JacobianPoint) | the same without inversions, for sums of many points and scalar multiples |
//! | [`batch`](add_batch) | additions and doublings of many points at once, with one inversion for all of them |
//! | [`scalar`](Scalar) | integers modulo the order of the curve |
//! | [`points`](SHIFT_POINT) | the shift point, the generator and the Pedersen points |
//!
//! The point at infinity has no affine form: wherever a result may be infinity, it is an `Option` whose `None` means
//! infinity. Nothing here runs in constant time: provers have no secrets to keep from timing.
#![forbid(unsafe_code)]

mod batch;
mod jacobian;
mod point;
mod points;
mod scalar;

pub use batch::{Addition, EqualAbscissas, accumulate_batch, add_batch, double_batch};
pub use jacobian::{JacobianPoint, normalize_batch};
pub use point::{ALPHA, AffinePoint, BETA};
pub use points::{
    GENERATOR, PEDERSEN_BITS, PEDERSEN_LOW_BITS, PedersenPoints, SHIFT_POINT, doublings, generator_table,
    pedersen_points,
};
pub use scalar::{ORDER, Scalar};
