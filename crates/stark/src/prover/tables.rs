//! The known columns on a coset: inverses of vanishing polynomials, and periodic columns, one period of each.

use ashlar_field::{Column, Felt, Kernels};
use ashlar_ntt::{bit_reverse, evaluate_coset, interpolate};
use rayon::prelude::*;

use crate::{
    air::{Domain, PeriodicColumn, Rows},
    domain::EvaluationDomain,
};

/// Π excluded / Π included at the points shift·gʲ, over the congruences of a period below N: one period of values.
/// `None` if there is no such congruence. Single rows (period N) are the caller's.
pub(crate) fn inverse_vanishing_table(
    rows: &Domain,
    domain: &EvaluationDomain,
    shift: Felt,
    kernels: Kernels,
) -> Option<Vec<Felt>> {
    let length = domain.trace_length();
    let periodic =
        |rows: &[Rows]| -> Vec<Rows> { rows.iter().copied().filter(|rows| rows.period < length).collect() };
    let (included, excluded) = (periodic(&rows.included), periodic(&rows.excluded));
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
    let mut product = vec![Felt::ONE; period as usize];
    let mut periods: Vec<u64> = rows.iter().map(|rows| rows.period.max(1)).collect();
    periods.sort_unstable();
    periods.dedup();
    for p in periods {
        let exponent = domain.trace_length() / p;
        let (start, ratio) = (shift.pow(exponent), domain.trace_generator.pow(exponent));
        let roots: Vec<Felt> =
            rows.iter().filter(|rows| rows.period.max(1) == p).map(|rows| rows.root(domain)).collect();
        let powers: Vec<Felt> =
            std::iter::successors(Some(start), |&y| Some(y * ratio)).take(p as usize).collect();
        let factors: Vec<Felt> =
            powers.par_iter().map(|&y| roots.iter().map(|&root| y - root).product::<Felt>()).collect();
        product.par_iter_mut().enumerate().for_each(|(j, product)| *product *= factors[j % factors.len()]);
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
}
