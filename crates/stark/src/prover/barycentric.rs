//! Values of polynomials out of the domain, from their values on a coset: no coefficients are needed.
//!
//! On the points x_j = s·gʲ of a coset, Lagrange's formula for f of degree below N at y, yᴺ ≠ sᴺ, is
//!
//! f(y) = (yᴺ − sᴺ)/(N·sᴺ) · Σ_j f(x_j) · x_j/(y − x_j).
//!
//! At y = z·g^r the factor in front is that of z, and the weight of x_j is that of x_(j−r) for z: one column of weights
//! W_m = x_m/(z − x_m) serves all rows r of a mask, shifted. A value is then a dot product of two columns, which is
//! cheaper than to transform a column back for a few of them.

use std::array;

use ashlar_field::{
    Felt, Group, Kernels, ProductSum,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Accumulator, Stored},
    scale_groups, subtract_value,
};
use rayon::prelude::*;

use crate::{
    domain::EvaluationDomain,
    program::columns::{locate, rotate, rotated_lanes},
    prover::composition::inverse_differences,
};

/// Groups per task: pieces of two columns that stay in the first-level cache, and fewer products than fit one
/// accumulator.
const CHUNK: usize = 64;

/// A column, and the rows r at which its values f(z·g^r) are wanted.
pub(super) struct ColumnRows<'a> {
    /// f on the coset shift·⟨g⟩, in block order.
    pub(super) values: &'a [Group],
    pub(super) rows: Vec<u64>,
}

/// f(z·g^r) for every column f and every row r wanted of it, by column. Meaningless if z·g^r is a point of the coset, which
/// happens to a random z with a probability below 2⁻²²⁰.
pub(super) fn values(
    columns: &[ColumnRows<'_>],
    domain: &EvaluationDomain,
    shift: Felt,
    point: Felt,
    kernels: Kernels,
) -> Vec<Vec<Felt>> {
    if columns.is_empty() {
        return Vec::new();
    }
    let length = domain.trace_length();
    // x/(z − x) = −1 − z/(x − z).
    let mut weights = inverse_differences(domain, shift, point, kernels);
    scale_groups(weights.groups_mut(), -point, kernels);
    subtract_value(weights.groups_mut(), Felt::ONE, kernels);
    let of_shift = shift.pow(length);
    let scale = (Felt::from_u64(length) * of_shift).inverse().unwrap_or(Felt::ZERO);
    let factor = (point.pow(length) - of_shift) * scale;
    let groups = length as usize / 8;
    let rotations: [[u64; 8]; 8] = array::from_fn(rotated_lanes);
    let starts: Vec<usize> = (0..groups).step_by(CHUNK).collect();
    let shifted = |&row: &u64| Shifted {
        weights: weights.groups(),
        offset: length - row % length,
        rotations: &rotations,
    };
    // Rows two by two: the sums of two dot products do not wait for one another, and read the column once.
    let wanted: Vec<(&[Group], Vec<Shifted<'_>>)> = columns
        .iter()
        .flat_map(|column| {
            column.rows.chunks(2).map(|rows| (column.values, rows.iter().map(shifted).collect()))
        })
        .collect();
    let count: usize = columns.iter().map(|column| column.rows.len()).sum();
    let sums = starts
        .par_iter()
        .map(|&start| {
            let end = groups.min(start + CHUNK);
            let task = |(column, weights): &(&[Group], Vec<Shifted<'_>>)| {
                let task = Terms { column: &column[start..end], weights, start };
                let sums = dispatch(kernels, task).unwrap_or_else(Terms::one_by_one);
                sums.into_iter().take(weights.len())
            };
            wanted.iter().flat_map(task).collect::<Vec<Felt>>()
        })
        .reduce(|| vec![Felt::ZERO; count], added);
    let mut values = sums.into_iter().map(|sum| factor * sum);
    columns.iter().map(|column| values.by_ref().take(column.rows.len()).collect()).collect()
}

fn added(mut a: Vec<Felt>, b: Vec<Felt>) -> Vec<Felt> {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
    a
}

/// The weights `offset` rows on.
#[derive(Clone, Copy)]
struct Shifted<'a> {
    weights: &'a [Group],
    offset: u64,
    /// By eighths of the trace.
    rotations: &'a [[u64; 8]; 8],
}

impl Shifted<'_> {
    /// The group, and the lanes to read of it.
    #[inline(always)]
    fn locate(&self, group: usize) -> (&Group, usize) {
        let (at, blocks) = locate(group, self.offset, self.weights.len().trailing_zeros());
        (&self.weights[at], blocks)
    }
}

/// Σ f(x_j)·W_(j−r) over the rows of some groups, for one or two rows r.
struct Terms<'a> {
    /// The groups from `start` on.
    column: &'a [Group],
    /// One or two.
    weights: &'a [Shifted<'a>],
    start: usize,
}

impl Terms<'_> {
    fn one_by_one(self) -> [Felt; 2] {
        let mut out = [Felt::ZERO; 2];
        for (out, weights) in out.iter_mut().zip(self.weights) {
            let mut sums = [ProductSum::ZERO; 8];
            for (index, values) in self.column.iter().enumerate() {
                let (group, blocks) = weights.locate(self.start + index);
                let lanes = &weights.rotations[blocks];
                for (lane, sum) in sums.iter_mut().enumerate() {
                    sum.add_product(values.get(lane), group.get(lanes[lane] as usize));
                }
            }
            *out = sums.into_iter().map(ProductSum::reduce).sum();
        }
        out
    }
}

impl LaneTask for Terms<'_> {
    type Output = [Felt; 2];

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> [Felt; 2] {
        let Terms { column, weights, start } = self;
        match *weights {
            [first, second] => sums(l, column, [first, second], start),
            [first] => {
                let [sum] = sums(l, column, [first], start);
                [sum, Felt::ZERO]
            }
            _ => [Felt::ZERO; 2],
        }
    }
}

#[inline(always)]
fn sums<L: Lanes, const N: usize>(
    l: L,
    column: &[Group],
    weights: [Shifted<'_>; N],
    start: usize,
) -> [Felt; N] {
    let mut sums = [Accumulator::zero(l); N];
    for (index, values) in column.iter().enumerate() {
        let values = Stored::load(l, values).unpack_x16(l);
        for i in 0..N {
            let (group, blocks) = weights[i].locate(start + index);
            let group = rotate(l, Stored::load(l, group), blocks, weights[i].rotations);
            sums[i] = sums[i].add_product(l, values, group.unpack(l));
        }
    }
    let mut out = [Felt::ZERO; N];
    for i in 0..N {
        let mut lanes = Group::ZERO;
        sums[i].reduce(l).canonical(l).store(l, &mut lanes);
        out[i] = (0..8).map(|lane| lanes.get(lane)).sum();
    }
    out
}

#[cfg(test)]
mod tests {
    use ashlar_field::{
        Column, evaluate_polynomial,
        lanes::intervals::{any_group, prove},
    };
    use ashlar_ntt::{bit_reverse_group_order, evaluate_coset};

    use super::*;

    #[test]
    fn the_values_are_those_that_the_coefficients_have() {
        for log_length in [3u32, 4, 7, 13] {
            let domain = EvaluationDomain::new(log_length, 1).unwrap();
            let length = domain.trace_length();
            let (shift, point) = (Felt::GENERATOR, Felt::from_u64(1_000_003));
            let coefficients = [5u64, 9].map(|seed| {
                let value = |i: u64| Felt::from_u64(i * i + seed) * Felt::from_u64(i ^ seed);
                Column::from_felts(&(0..length).map(value).collect::<Vec<_>>())
            });
            // Neighbours, rows of another eighth, the last one, one beyond the trace.
            let rows = [vec![0, 1, length / 2 + 1, length - 1], vec![3 % length, length + 2]];
            for kernels in Kernels::supported() {
                let mut values = coefficients.clone();
                evaluate_coset(&coefficients, shift, &mut values, kernels);
                values.iter_mut().for_each(|column| bit_reverse_group_order(column.groups_mut()));
                let columns: Vec<ColumnRows<'_>> = values
                    .iter()
                    .zip(&rows)
                    .map(|(column, rows)| ColumnRows { values: column.groups(), rows: rows.clone() })
                    .collect();
                let got = super::values(&columns, &domain, shift, point, kernels);
                for ((got, rows), coefficients) in got.iter().zip(&rows).zip(&coefficients) {
                    let points: Vec<Felt> =
                        rows.iter().map(|&row| point * domain.trace_generator.pow(row)).collect();
                    let expected = evaluate_polynomial(coefficients.groups(), &points, kernels);
                    assert_eq!(*got, expected, "{kernels}, 2^{log_length}");
                }
            }
        }
    }

    #[test]
    fn no_sum_overflows_whatever_the_values_are() {
        let groups = vec![any_group(); CHUNK];
        let rotations = array::from_fn(rotated_lanes);
        let shifted = [0, 1, 5 * CHUNK as u64 + 3].map(|offset| Shifted {
            weights: &groups,
            offset,
            rotations: &rotations,
        });
        for weights in [&shifted[..1], &shifted[..2], &shifted[1..], &shifted[2..]] {
            assert!(prove(Terms { column: &groups, weights, start: 0 }).is_ok());
        }
    }
}
