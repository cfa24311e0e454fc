//! The known columns on a coset: inverses of vanishing polynomials, and periodic columns, one period of each.

use std::collections::BTreeMap;

use ashlar_field::{Column, Felt, Kernels};
use ashlar_ntt::{bit_reverse, evaluate_coset, interpolate};
use rayon::prelude::*;

use crate::{
    air::{Domain, PeriodicColumn, Rows},
    domain::EvaluationDomain,
};

/// More single rows than this are worth a column of their own.
const MOST_SINGLE_ROWS: usize = 8;

/// The rows of a set that the composition takes one by one: those of period N, unless there are many.
pub(crate) fn single_rows(set: &Domain, length: u64) -> Domain {
    let single =
        |rows: &[Rows]| -> Vec<Rows> { rows.iter().copied().filter(|rows| rows.period == length).collect() };
    let single = Domain { included: single(&set.included), excluded: single(&set.excluded) };
    if single.included.len() + single.excluded.len() > MOST_SINGLE_ROWS {
        return Domain { included: Vec::new(), excluded: Vec::new() };
    }
    single
}

/// Π excluded / Π included at the points shift·gʲ, over all congruences but the [`single_rows`]: one period of values.
/// `None` if there is no such congruence.
pub(crate) fn inverse_vanishing_table(
    rows: &Domain,
    domain: &EvaluationDomain,
    shift: Felt,
    kernels: Kernels,
) -> Option<Vec<Felt>> {
    let single = single_rows(rows, domain.trace_length());
    let others = |rows: &[Rows], single: &[Rows]| -> Vec<Rows> {
        rows.iter().copied().filter(|rows| !single.contains(rows)).collect()
    };
    let included = others(&rows.included, &single.included);
    let excluded = others(&rows.excluded, &single.excluded);
    let period = included.iter().chain(&excluded).map(|rows| rows.period.max(1)).max()?;
    let mut values = product_table(&included, domain, shift, period);
    let mut inverses = Column::from_felts(&values);
    ashlar_field::batch_inverse_groups(inverses.groups_mut(), kernels);
    values = inverses.to_felts();
    if !excluded.is_empty() {
        let numerators = product_table(&excluded, domain, shift, period);
        values.par_iter_mut().zip(numerators).for_each(|(value, numerator)| *value *= numerator);
    }
    Some(values)
}

/// Π (x^(N/p) − g^(rN/p)) at shift·gʲ for j below `period`.
fn product_table(rows: &[Rows], domain: &EvaluationDomain, shift: Felt, period: u64) -> Vec<Felt> {
    let mut residues: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for rows in rows {
        residues.entry(rows.period.max(1)).or_default().push(rows.residue);
    }
    let mut product = vec![Felt::ONE; period as usize];
    for (p, mut residues) in residues {
        residues.sort_unstable();
        let factors = residue_product(p, &residues, domain, shift);
        product.par_iter_mut().enumerate().for_each(|(j, product)| *product *= factors[j % factors.len()]);
    }
    product
}

/// Π (yⱼ − wʳ) over ascending residues r, at yⱼ = shift^(N/p)·wʲ for j below p, where w = g^(N/p).
///
/// A factor is wʳ·D(j − r) with D(j) = shift^(N/p)·wʲ − 1, so that all are one table, shifted. Keccak's row sets have
/// hundreds of residues in runs r, r + d, r + 2d, …: the product of a run of m is made of those of powers of two, by
/// doubling, and serves every run of that length.
fn residue_product(p: u64, residues: &[u64], domain: &EvaluationDomain, shift: Felt) -> Vec<Felt> {
    let exponent = domain.trace_length() / p;
    let ratio = domain.trace_generator.pow(exponent);
    let differences: Vec<Felt> = std::iter::successors(Some(shift.pow(exponent)), |&y| Some(y * ratio))
        .take(p as usize)
        .map(|y| y - Felt::ONE)
        .collect();
    let distance = residues.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap_or(1).max(1);
    let mut runs: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut rest = residues;
    while let Some(&first) = rest.first() {
        let run = rest.iter().zip(0..).take_while(|&(&residue, i)| residue == first + i * distance).count();
        runs.entry(run as u64).or_default().push(first);
        rest = &rest[run..];
    }
    let multiply_shifted = |product: &mut [Felt], table: &[Felt], by: u64| {
        let by = (p - by % p) % p;
        product.par_iter_mut().enumerate().for_each(|(j, product)| {
            *product *= table[(j + by as usize) % table.len()];
        });
    };
    // The constants wʳ of all factors together.
    let exponents = residues.iter().fold(0, |sum, residue| (sum + residue) % p);
    let mut product = vec![ratio.pow(exponents); p as usize];
    for (length, starts) in runs {
        let mut run = vec![Felt::ONE; p as usize];
        let mut done = 0;
        let mut power = differences.clone();
        for bit in 0..=length.ilog2() {
            if length >> bit & 1 == 1 {
                multiply_shifted(&mut run, &power, done * distance);
                done += 1 << bit;
            }
            if bit < length.ilog2() {
                let half = power.clone();
                multiply_shifted(&mut power, &half, distance << bit);
            }
        }
        for first in starts {
            multiply_shifted(&mut product, &run, first);
        }
    }
    product
}

/// A periodic column at the points shift·gʲ: one period of values.
pub(crate) fn periodic_table(
    column: &PeriodicColumn,
    domain: &EvaluationDomain,
    shift: Felt,
    kernels: Kernels,
) -> Vec<Felt> {
    let mut coefficients = [Column::from_felts(&column.values)];
    interpolate(&mut coefficients, kernels);
    let period = column.period();
    let mut extended = Column::zeros(period as usize);
    for (index, coefficient) in coefficients[0].iter().enumerate() {
        extended.set(index, coefficient);
    }
    let mut values = [Column::zeros(period as usize)];
    let offset = shift.pow(domain.trace_length() / period.max(1));
    evaluate_coset(&[extended], offset, &mut values, kernels);
    let [mut values] = values;
    bit_reverse(&mut values, kernels);
    values.to_felts()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_have_the_values_of_the_verifiers_formulas() {
        let domain = EvaluationDomain::new(6, 2).unwrap();
        let shift = Felt::from_u64(5);
        let rows = Domain {
            included: vec![Rows { period: 8, residue: 3 }, Rows { period: 4, residue: 0 }],
            excluded: vec![Rows { period: 16, residue: 11 }],
        };
        let column = PeriodicColumn { values: (0..4).map(|i| Felt::from_u64(i + 9)).collect(), step: 4 };
        let inverses = inverse_vanishing_table(&rows, &domain, shift, Kernels::current()).unwrap();
        let periodic = periodic_table(&column, &domain, shift, Kernels::current());
        assert_eq!((inverses.len(), periodic.len()), (16, 16));
        for j in 0..16 {
            let x = shift * domain.trace_generator.pow(j);
            assert_eq!(Some(inverses[j as usize]), rows.inverse_vanishing(&domain, x));
            assert_eq!(Some(periodic[j as usize]), column.evaluate(&domain, x));
        }
    }

    #[test]
    fn many_single_rows_and_runs_of_residues_become_one_table() {
        let domain = EvaluationDomain::new(6, 2).unwrap();
        let shift = Felt::from_u64(5);
        let congruences = |period: u64, residues: &[u64]| -> Vec<Rows> {
            residues.iter().map(|&residue| Rows { period, residue }).collect()
        };
        // Runs at distance 2 of several lengths, single rows among them, and a second period.
        let mut included = congruences(64, &[1, 3, 5, 7, 9, 11, 13, 25, 27, 40, 50, 62]);
        included.extend(congruences(16, &[0, 4]));
        let rows = Domain { included, excluded: congruences(64, &[16, 32, 48]) };
        assert!(single_rows(&rows, 64).included.is_empty());
        let inverses = inverse_vanishing_table(&rows, &domain, shift, Kernels::current()).unwrap();
        assert_eq!(inverses.len(), 64);
        for j in 0..64 {
            let x = shift * domain.trace_generator.pow(j);
            assert_eq!(Some(inverses[j as usize]), rows.inverse_vanishing(&domain, x));
        }
    }
}
