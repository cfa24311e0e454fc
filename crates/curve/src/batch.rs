//! Many independent additions or doublings at once: lanes are instances, and one inversion serves all lanes.
//!
//! An inversion costs some 80 multiplications and its share in a batch costs three, so a trace generator never
//! inverts for one instance alone.

use ashlar_field::{Felt, batch_inverse};

use crate::point::{ALPHA, AffinePoint, third_point};

/// An addition of two points with the same abscissa (or a doubling of a point with y = 0), for which the chord (or
/// tangent) has no slope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EqualAbscissas {
    /// The first lane where it happens.
    pub lane: usize,
}

impl std::fmt::Display for EqualAbscissas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "expected two points with different x coordinates in lane {}", self.lane)
    }
}

impl std::error::Error for EqualAbscissas {}

/// What a trace records of one addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// (y₁ − y₂)/(x₁ − x₂), or zero where nothing was added.
    pub slope: Felt,
    /// 1/(x₁ − x₂), whether or not the addition was made.
    pub x_difference_inverse: Felt,
}

fn inverses(denominators: impl Iterator<Item = Felt>) -> Result<Vec<Felt>, EqualAbscissas> {
    let mut values: Vec<Felt> = denominators.collect();
    if let Some(lane) = values.iter().position(|value| value.is_zero()) {
        return Err(EqualAbscissas { lane });
    }
    batch_inverse(&mut values);
    Ok(values)
}

/// Adds `addends[i]` to `sums[i]` in every lane where `selected(i)`, and reports slope and inverse of every lane.
///
/// The two slices have the same length. On an error nothing is changed.
pub fn accumulate_batch(
    sums: &mut [AffinePoint],
    addends: &[AffinePoint],
    selected: impl Fn(usize) -> bool,
) -> Result<Vec<Addition>, EqualAbscissas> {
    debug_assert_eq!(sums.len(), addends.len());
    let inverses = inverses(sums.iter().zip(addends).map(|(sum, addend)| sum.x - addend.x))?;
    let additions =
        sums.iter_mut().zip(addends).zip(inverses).enumerate().map(|(lane, ((sum, addend), inverse))| {
            let mut slope = Felt::ZERO;
            if selected(lane) {
                slope = (sum.y - addend.y) * inverse;
                *sum = third_point(slope, *sum, addend.x);
            }
            Addition { slope, x_difference_inverse: inverse }
        });
    Ok(additions.collect())
}

/// Adds `addends[i]` to `sums[i]` in every lane. The two slices have the same length. On an error nothing is changed.
pub fn add_batch(sums: &mut [AffinePoint], addends: &[AffinePoint]) -> Result<Vec<Addition>, EqualAbscissas> {
    accumulate_batch(sums, addends, |_| true)
}

/// Doubles the point of every lane and returns the slopes of the tangents. On an error nothing is changed.
pub fn double_batch(points: &mut [AffinePoint]) -> Result<Vec<Felt>, EqualAbscissas> {
    let inverses = inverses(points.iter().map(|point| point.y.double()))?;
    let slopes = points.iter_mut().zip(inverses).map(|(point, inverse)| {
        let x_squared = point.x.square();
        let slope = (x_squared.double() + x_squared + ALPHA) * inverse;
        *point = third_point(slope, *point, point.x);
        slope
    });
    Ok(slopes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{GENERATOR, SHIFT_POINT, doublings};

    #[test]
    fn batched_additions_equal_single_ones() {
        let addends: Vec<AffinePoint> = doublings(GENERATOR, 9);
        let mut sums = vec![SHIFT_POINT; 9];
        let additions = accumulate_batch(&mut sums, &addends, |lane| lane % 2 == 0).unwrap();
        for lane in 0..9 {
            let inverse = (SHIFT_POINT.x - addends[lane].x).inverse().unwrap();
            assert_eq!(additions[lane].x_difference_inverse, inverse);
            if lane % 2 == 0 {
                assert_eq!(Some(sums[lane]), SHIFT_POINT.plus(addends[lane]));
                assert_eq!(additions[lane].slope, (SHIFT_POINT.y - addends[lane].y) * inverse);
            } else {
                assert_eq!(sums[lane], SHIFT_POINT);
                assert_eq!(additions[lane].slope, Felt::ZERO);
            }
        }
    }

    #[test]
    fn batched_doublings_equal_single_ones() {
        let mut points = doublings(GENERATOR, 5);
        double_batch(&mut points).unwrap();
        assert_eq!(points[..4], doublings(GENERATOR, 5)[1..]);
    }

    #[test]
    fn a_lane_with_equal_abscissas_is_named_and_nothing_changes() {
        let mut sums = vec![SHIFT_POINT, GENERATOR];
        assert_eq!(add_batch(&mut sums, &[GENERATOR, -GENERATOR]), Err(EqualAbscissas { lane: 1 }));
        assert_eq!(sums, [SHIFT_POINT, GENERATOR]);
        let mut points = vec![AffinePoint { x: Felt::ONE, y: Felt::ZERO }];
        assert_eq!(double_batch(&mut points), Err(EqualAbscissas { lane: 0 }));
    }
}
