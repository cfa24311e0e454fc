//! The values of a polynomial on the eight rows of one group, without transforming the whole coset.
//!
//! The eight points of a group are x·ωᵏ, ω of order 8, so they share x⁸. Reduced modulo X⁸ − x⁸ the polynomial has
//! eight coefficients Σ_m c_(8m + i)·(x⁸)^m: one product for every coefficient of the polynomial serves all eight
//! rows.

use ashlar_field::{
    Felt, Group, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Lazy, Multiplier, Stored},
};

/// Groups evaluated side by side, so that the latency of a product is hidden.
const CHAINS: usize = 4;

/// The values at `points`: the eight points of each group, in lane order. `coefficients` in natural order.
pub(super) fn evaluate_groups(coefficients: &[Group], points: &[[Felt; 8]], kernels: Kernels) -> Vec<Group> {
    let eighth_powers: Vec<Felt> = points.iter().map(|points| points[0].pow_power_of_two(3)).collect();
    let mut remainders = vec![Group::ZERO; points.len()];
    for (powers, out) in eighth_powers.chunks(CHAINS).zip(remainders.chunks_mut(CHAINS)) {
        let task = Remainders { coefficients, powers, out };
        if let Err(Remainders { out, .. }) = dispatch(kernels, task) {
            remainders_one_by_one(coefficients, powers, out);
        }
    }
    remainders
        .iter()
        .zip(points)
        .map(|(remainder, points)| {
            let mut values = Group::ZERO;
            for (lane, &x) in points.iter().enumerate() {
                let value = (0..8).rev().fold(Felt::ZERO, |sum, i| sum * x + remainder.get(i));
                values.set(lane, value);
            }
            values
        })
        .collect()
}

fn remainders_one_by_one(coefficients: &[Group], powers: &[Felt], out: &mut [Group]) {
    for (&power, out) in powers.iter().zip(out) {
        let mut sums = [Felt::ZERO; 8];
        for group in coefficients.iter().rev() {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum = *sum * power + group.get(lane);
            }
        }
        sums.into_iter().enumerate().for_each(|(lane, sum)| out.set(lane, sum));
    }
}

/// At most [`CHAINS`] powers.
struct Remainders<'a> {
    coefficients: &'a [Group],
    powers: &'a [Felt],
    out: &'a mut [Group],
}

impl LaneTask for Remainders<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let mut sums = [Lazy::zero(l); CHAINS];
        let mut factors = [Multiplier::new(Felt::ZERO).splat(l); CHAINS];
        for (factor, &power) in factors.iter_mut().zip(self.powers) {
            *factor = Multiplier::new(power).splat(l);
        }
        for group in self.coefficients.iter().rev() {
            let coefficients = Stored::load(l, group).to_lazy(l);
            for chain in 0..CHAINS {
                // Below 3p: a product of a sum below 3p and a constant is below 2p.
                sums[chain] = factors[chain].mul(l, sums[chain].carry(l)).add(l, coefficients);
            }
        }
        for (sum, out) in sums.into_iter().zip(self.out) {
            sum.canonical(l).store(l, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::Column;

    use super::*;

    #[test]
    fn the_rows_of_a_group_have_the_values_of_the_polynomial() {
        let coefficients: Vec<Felt> =
            (0..64u64).map(|i| Felt::from_u64(i * i + 3) * Felt::from_u64(i)).collect();
        let column = Column::from_felts(&coefficients);
        let root = Felt::subgroup_generator(3).unwrap();
        let points: Vec<[Felt; 8]> = (0..6u64)
            .map(|i| std::array::from_fn(|k| Felt::from_u64(i + 2) * root.pow(k as u64 * 3 % 8)))
            .collect();
        for kernels in Kernels::supported() {
            let values = evaluate_groups(column.groups(), &points, kernels);
            for (values, points) in values.iter().zip(&points) {
                for (lane, &x) in points.iter().enumerate() {
                    let expected = coefficients.iter().rev().fold(Felt::ZERO, |sum, &c| sum * x + c);
                    assert_eq!(values.get(lane), expected, "{kernels}");
                }
            }
        }
    }
}
