//! Dot products of columns, values of a polynomial at points, and the fold of the low-degree test.

use rayon::prelude::*;

use crate::{
    Column, Felt, Group, Kernels, LateFelt, ProductSum,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Accumulator, Lazy, Multiplier, Stored},
};

/// Groups per task: as many products as fit one accumulator, rounded down to a power of two.
const CHUNK: usize = 256;

/// Σ aᵢ·bᵢ.
///
/// # Panics
/// If the lengths differ.
pub fn dot_product(a: &[Group], b: &[Group], kernels: Kernels) -> Felt {
    assert_eq!(a.len(), b.len(), "a dot product is of equally long sequences");
    a.par_chunks(CHUNK)
        .zip(b.par_chunks(CHUNK))
        .map(|(a, b)| {
            let sums = dispatch(kernels, Dot { a, b }).unwrap_or_else(|Dot { a, b }| {
                let mut sums = Group::ZERO;
                for lane in 0..8 {
                    let mut sum = ProductSum::ZERO;
                    for (a, b) in a.iter().zip(b) {
                        sum.add_product(a.get(lane), b.get(lane));
                    }
                    sums.set(lane, sum.reduce());
                }
                sums
            });
            (0..8).map(|lane| sums.get(lane)).sum()
        })
        .sum()
}

struct Dot<'a> {
    a: &'a [Group],
    b: &'a [Group],
}

impl LaneTask for Dot<'_> {
    type Output = Group;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Group {
        let mut sums = Accumulator::zero(l);
        for (a, b) in self.a.iter().zip(self.b) {
            sums = sums.add_product(l, Stored::load(l, a).unpack_x16(l), Stored::load(l, b).unpack(l));
        }
        let mut out = Group::ZERO;
        sums.reduce(l).canonical(l).store(l, &mut out);
        out
    }
}

/// Coefficient groups per task of an evaluation.
const BLOCK: usize = 512;

/// Points evaluated side by side, so that the latency of a product is hidden.
const POINTS: usize = 4;

/// The values at several points of the polynomial with these coefficients, in natural order; lanes past its degree
/// are zero.
pub fn evaluate_polynomial(coefficients: &[Group], points: &[Felt], kernels: Kernels) -> Vec<Felt> {
    // f(x) = Σ over blocks of x^(8·BLOCK·block) · Σ over lanes of x^lane · (Horner in x⁸ over the groups).
    let parts: Vec<Vec<Felt>> = coefficients
        .par_chunks(BLOCK)
        .map(|groups| {
            points.chunks(POINTS).flat_map(|points| values_of_block(groups, points, kernels)).collect()
        })
        .collect();
    let mut values = vec![Felt::ZERO; points.len()];
    for (i, (value, point)) in values.iter_mut().zip(points).enumerate() {
        let step = point.pow(8 * BLOCK as u64);
        *value = parts.iter().rev().fold(Felt::ZERO, |value, part| value * step + part[i]);
    }
    values
}

fn values_of_block(groups: &[Group], points: &[Felt], kernels: Kernels) -> Vec<Felt> {
    let mut eighth_powers = [Felt::ZERO; POINTS];
    for (power, point) in eighth_powers.iter_mut().zip(points) {
        *power = point.pow_power_of_two(3);
    }
    let lanes = dispatch(kernels, Horner { groups, eighth_powers }).unwrap_or_else(|task| task.one_by_one());
    let value = |(lanes, &point): (&Group, &Felt)| {
        (0..8).rev().fold(Felt::ZERO, |value, lane| value * point + lanes.get(lane))
    };
    lanes.iter().zip(points).map(value).collect()
}

/// Σ groupᵢ·powerⁱ in every lane, for each of the powers.
struct Horner<'a> {
    groups: &'a [Group],
    eighth_powers: [Felt; POINTS],
}

impl Horner<'_> {
    fn one_by_one(self) -> [Group; POINTS] {
        self.eighth_powers.map(|power| {
            // Below 2·p: a product and a coefficient.
            let mut values = [LateFelt::ZERO; 8];
            for group in self.groups.iter().rev() {
                for lane in 0..8 {
                    values[lane] = LateFelt::from(values[lane].multiply(power)).plus(group.get(lane));
                }
            }
            let mut out = Group::ZERO;
            for lane in 0..8 {
                out.set(lane, values[lane].reduce());
            }
            out
        })
    }
}

impl LaneTask for Horner<'_> {
    type Output = [Group; POINTS];

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> [Group; POINTS] {
        let zero = Lazy::zero(l).carry(l);
        let mut powers = [zero; POINTS];
        let mut values = [Lazy::zero(l); POINTS];
        for (power, factor) in powers.iter_mut().zip(self.eighth_powers) {
            *power = Multiplier::new(factor).splat(l);
        }
        for group in self.groups.iter().rev() {
            let coefficient = Stored::load(l, group).to_lazy(l);
            for (value, power) in values.iter_mut().zip(powers) {
                *value = power.mul(l, value.carry(l)).add(l, coefficient);
            }
        }
        let mut out = [Group::ZERO; POINTS];
        for (value, group) in values.into_iter().zip(&mut out) {
            value.canonical(l).store(l, group);
        }
        out
    }
}

/// The coefficients 2(f₂ᵢ + factor·f₂ᵢ₊₁) of a polynomial f given by its own, which are as many again ("Stone v3":
/// every fold is scaled by two).
///
/// # Panics
/// If the length is not even.
pub fn fold_coefficients(coefficients: &Column, factor: Felt, kernels: Kernels) -> Column {
    assert!(coefficients.len().is_multiple_of(2), "a fold takes pairs");
    let mut folded = Column::unspecified(coefficients.len() / 2);
    let source = coefficients.groups().par_chunks(2 * CHUNK);
    folded.groups_mut().par_chunks_mut(CHUNK).zip(source).for_each(|(folded, source)| {
        dispatch(kernels, Fold { source, factor, folded }).unwrap_or_else(Fold::one_by_one);
    });
    folded
}

/// `folded[i]` from `source[2i]` and `source[2i + 1]`, whose lanes past the last coefficient are zero. Of a column
/// with four coefficients or fewer there is only the first.
struct Fold<'a> {
    source: &'a [Group],
    factor: Felt,
    folded: &'a mut [Group],
}

impl Fold<'_> {
    fn pairs(&mut self) -> impl Iterator<Item = (&mut Group, &Group, &Group)> {
        let pairs = self.source.chunks(2).map(|pair| (&pair[0], pair.get(1).unwrap_or(&Group::ZERO)));
        self.folded.iter_mut().zip(pairs).map(|(folded, (low, high))| (folded, low, high))
    }

    fn one_by_one(mut self) {
        let factor = self.factor;
        for (folded, low, high) in self.pairs() {
            for lane in 0..8 {
                let (source, at) = if lane < 4 { (low, 2 * lane) } else { (high, 2 * lane - 8) };
                folded.set(lane, (source.get(at) + factor * source.get(at + 1)).double());
            }
        }
    }
}

impl LaneTask for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(mut self, l: L) {
        let factor = Multiplier::new(self.factor).splat(l);
        let even = l.load(&[0, 2, 4, 6, 8, 10, 12, 14]);
        let odd = l.load(&[1, 3, 5, 7, 9, 11, 13, 15]);
        for (folded, low, high) in self.pairs() {
            let low = Stored::load(l, low);
            let high = Stored::load(l, high);
            let product = factor.mul(l, Stored::permute_pair(l, low, high, odd).unpack(l));
            let sum = product.add(l, Stored::permute_pair(l, low, high, even).to_lazy(l));
            sum.add(l, sum).canonical(l).store(l, folded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::intervals::{any_group, prove};

    #[test]
    fn no_sum_overflows_whatever_the_elements_are() {
        let groups = [any_group(); CHUNK];
        assert!(prove(Dot { a: &groups, b: &groups }).is_ok());
        // Points only make constant factors, of which the largest representation makes the largest.
        let largest = Felt::ZERO - crate::column::MONTGOMERY_ONE_INVERSE;
        for eighth_powers in [[largest; POINTS], [Felt::ZERO; POINTS], [Felt::GENERATOR; POINTS]] {
            let task = Horner { groups: &groups, eighth_powers };
            assert!(prove(task).is_ok());
            let mut folded = [Group::ZERO];
            let task = Fold { source: &groups[..2], factor: eighth_powers[0], folded: &mut folded };
            assert_eq!(prove(task), Ok(()));
        }
    }
}
