//! Sums of many poles on a coset: Σ_r γ_r/(x − z·g^r), scaled, at every point, by three transforms for any number of r.
//!
//! At x_j = s·gʲ a pole is 1/(x_j − z·g^r) = g^(−r)·E_(j−r) with E_m = 1/(s·gᵐ − z). So a sum of poles is a cyclic
//! convolution of few coefficients with E, and E is known in closed form: with w = gᵐ and t = s/z, because wᴺ = 1,
//!
//! 1/(s·w − z) = Σ_(k<N) e_k·wᵏ,   e_k = −tᵏ / (z·(1 − tᴺ)).
//!
//! Hence Σ_r γ_r·E_(j−r) = Σ_k e_k·Γ(g^(−k))·g^(jk) where Γ(X) = Σ_r γ_r·X^r: evaluate Γ, a polynomial of low degree,
//! multiply by a geometric sequence, transform. Taken one by one, as [`quotient`](super::quotient) does with few, every
//! pole costs a load and a product a row.

use ashlar_field::{Column, Felt, Group, Kernels, fill_geometric, multiply_groups};
use ashlar_ntt::{bit_reverse, interpolate_coset};
use rayon::prelude::*;

use crate::{domain::EvaluationDomain, program::columns::row_block, prover::low_degree::evaluate_low_degree};

/// Groups that are brought into block order at a time.
const CHUNK: usize = 64;

/// The coefficients of E on one coset, ready to be convolved with.
pub(crate) struct Poles {
    generator: Felt,
    /// Row ρ is N·e_(N−k mod N), k = bitrev(ρ): the inverse transform of these, at j, is E_j.
    coefficients: Column,
}

impl Poles {
    /// Those of the coset shift·⟨g⟩ and z = `point`; `None` if z is a point of the coset.
    pub(crate) fn new(
        domain: &EvaluationDomain,
        shift: Felt,
        point: Felt,
        kernels: Kernels,
    ) -> Option<Poles> {
        let length = domain.trace_length();
        let ratio = shift * point.inverse()?;
        let scale = -(point * (Felt::ONE - ratio.pow(length))).inverse()?;
        let first = scale * Felt::from_u64(length);
        // e_N, e_(N−1), …, e_1; then e_0 takes the first place.
        let mut coefficients = Column::unspecified(length as usize);
        let last = first * ratio.pow(length);
        fill_geometric(coefficients.groups_mut(), last, ratio.inverse()?, kernels);
        coefficients.set(0, first);
        bit_reverse(&mut coefficients, kernels);
        Some(Poles { generator: domain.trace_generator, coefficients })
    }

    /// Combines Σ_r γ_r·E_(j−r) at every point, in block order, with `out`, some groups at a time: `take` gets the number
    /// of the first group, the sums, which it may overwrite, and the part of `out` there. `factors[r]` is γ_r; no more
    /// than N of them.
    pub(crate) fn sum(
        &self,
        factors: &[Felt],
        out: &mut [Group],
        kernels: Kernels,
        take: impl Fn(usize, &mut [Group], &mut [Group]) + Sync,
    ) {
        let groups = self.coefficients.groups().len();
        let mut values = evaluate_low_degree(factors, 8 * groups, Felt::ONE, self.generator, kernels);
        multiply_groups(values.groups_mut(), self.coefficients.groups(), kernels);
        let mut values = [values];
        interpolate_coset(&mut values, Felt::ONE, kernels);
        let [values] = values;
        out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let start = chunk * CHUNK;
            let mut in_blocks = [Group::ZERO; CHUNK];
            let in_blocks = &mut in_blocks[..out.len()];
            for (j, group) in (start..).zip(in_blocks.iter_mut()) {
                (0..8).for_each(|lane| group.set(lane, values.get(j + row_block(lane) * groups)));
            }
            take(start, in_blocks, out);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_of_poles_is_the_sum_of_its_poles() {
        let domain = EvaluationDomain::new(11, 1).unwrap();
        let (shift, point) = (Felt::GENERATOR, Felt::from_u64(1_000_003));
        let kernels = Kernels::current();
        let length = domain.trace_length() as usize;
        let poles = Poles::new(&domain, shift, point, kernels).unwrap();
        // Neighbouring rows, distant ones, and the last row of the trace.
        let rows = [0usize, 1, 2, 77, length / 2, length - 1];
        let mut factors = vec![Felt::ZERO; length];
        rows.iter().for_each(|&row| factors[row] = Felt::from_u64(row as u64 * 5 + 9));
        let mut sum = Column::zeros(length);
        poles.sum(&factors, sum.groups_mut(), kernels, |_, values, out| out.copy_from_slice(values));
        for j in [0usize, 1, 5, 254] {
            for lane in 0..8 {
                let x = shift * domain.trace_generator.pow((j + row_block(lane) * length / 8) as u64);
                let expected: Felt = rows
                    .iter()
                    .map(|&row| {
                        let g = domain.trace_generator.pow(row as u64);
                        factors[row] * g * (x - point * g).inverse().unwrap()
                    })
                    .sum();
                assert_eq!(sum.groups()[j].get(lane), expected, "group {j}, lane {lane}");
            }
        }
    }

    #[test]
    fn a_point_of_the_coset_has_no_poles() {
        let domain = EvaluationDomain::new(6, 1).unwrap();
        let point = Felt::GENERATOR * domain.trace_generator.pow(5);
        assert!(Poles::new(&domain, Felt::GENERATOR, point, Kernels::current()).is_none());
    }
}
