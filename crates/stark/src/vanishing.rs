//! The vanishing polynomials of row sets, and the values of periodic columns, at one point.

use ashlar_field::Felt;

use crate::{
    air::{Domain, PeriodicColumn, Rows},
    domain::EvaluationDomain,
};

impl Rows {
    /// g^(residue·N/period): the constant of x^(N/period) − c.
    pub(crate) fn root(&self, domain: &EvaluationDomain) -> Felt {
        let step = domain.trace_length() / self.period.max(1);
        domain.trace_generator.pow(self.residue.wrapping_mul(step))
    }

    /// x^(N/period) − g^(residue·N/period).
    fn evaluate(&self, domain: &EvaluationDomain, x: Felt) -> Felt {
        x.pow(domain.trace_length() / self.period.max(1)) - self.root(domain)
    }
}

impl Domain {
    /// 1/Z(x) for the vanishing polynomial Z of the set; `None` where that has no value.
    pub(crate) fn inverse_vanishing(&self, domain: &EvaluationDomain, x: Felt) -> Option<Felt> {
        let product = |rows: &[Rows]| rows.iter().map(|rows| rows.evaluate(domain, x)).product::<Felt>();
        Some(product(&self.excluded) * product(&self.included).inverse()?)
    }

    /// Whether a row belongs to the set.
    pub(crate) fn contains(&self, row: u64) -> bool {
        let within = |rows: &[Rows]| rows.iter().any(|rows| row % rows.period.max(1) == rows.residue);
        within(&self.included) && !within(&self.excluded)
    }
}

impl PeriodicColumn {
    /// The rows after which the column repeats.
    pub(crate) fn period(&self) -> u64 {
        self.values.len() as u64 * self.step
    }

    /// P(x^(N/period)), P interpolating the values on the subgroup of their number.
    ///
    /// Barycentric: P(y) = (yᶜ − 1)/c · Σ vᵢ·wⁱ/(y − wⁱ).
    pub(crate) fn evaluate(&self, domain: &EvaluationDomain, x: Felt) -> Option<Felt> {
        let count = self.values.len() as u64;
        let y = x.pow(domain.trace_length() / self.period().max(1));
        let generator = Felt::subgroup_generator(count.max(1).ilog2())?;
        let mut roots = Vec::with_capacity(self.values.len());
        let mut root = Felt::ONE;
        for &value in &self.values {
            if root == y {
                return Some(value);
            }
            roots.push(root);
            root *= generator;
        }
        let mut inverses: Vec<Felt> = roots.iter().map(|&root| y - root).collect();
        ashlar_field::batch_inverse(&mut inverses);
        let sum: Felt = self
            .values
            .iter()
            .zip(&roots)
            .zip(&inverses)
            .map(|((&v, &root), &inverse)| v * root * inverse)
            .sum();
        Some((y.pow(count) - Felt::ONE) * Felt::from_u64(count).inverse()? * sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_periodic_column_has_its_values_on_the_trace_domain() {
        let domain = EvaluationDomain::new(5, 1).unwrap();
        let column = PeriodicColumn { values: (0..4).map(|i| Felt::from_u64(i * i + 3)).collect(), step: 2 };
        for row in 0..32u64 {
            let x = domain.trace_generator.pow(row);
            if row.is_multiple_of(2) {
                assert_eq!(column.evaluate(&domain, x), Some(column.values[row as usize / 2 % 4]));
            }
        }
        // Degree below 4 in x^(32/8): five points in a row of that variable determine it.
        let at = |i: u64| column.evaluate(&domain, Felt::GENERATOR * domain.trace_generator.pow(i)).unwrap();
        assert_eq!(at(1), at(9));
        assert_ne!(at(1), at(2));
    }

    #[test]
    fn a_row_set_vanishes_exactly_on_its_rows() {
        let domain = EvaluationDomain::new(4, 1).unwrap();
        let set = Domain {
            included: vec![Rows { period: 4, residue: 1 }],
            excluded: vec![Rows { period: 16, residue: 13 }],
        };
        for row in 0..16 {
            let x = domain.trace_generator.pow(row);
            let on_included = row % 4 == 1;
            // On excluded rows numerator and denominator vanish together: no value either.
            assert_eq!(set.inverse_vanishing(&domain, x).is_none(), on_included, "row {row}");
            assert_eq!(set.contains(row), on_included && row != 13);
        }
        let x = Felt::from_u64(99);
        let direct: Felt = [1u64, 5, 9].iter().map(|&r| x - domain.trace_generator.pow(r)).product();
        assert_eq!(set.inverse_vanishing(&domain, x), direct.inverse());
    }
}
