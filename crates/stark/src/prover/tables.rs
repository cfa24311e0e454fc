//! The known columns on a coset: inverses of vanishing polynomials, and periodic columns, one period of each.

use std::collections::{BTreeMap, HashSet};

use ashlar_field::{Column, Felt, Kernels};
use ashlar_ntt::{evaluate_coset, interpolate};

use crate::{
    air::{ConstraintSystem, Domain, PeriodicColumn, Rows},
    domain::EvaluationDomain,
    program::columns::repeated,
    prover::low_degree::evaluate_low_degree,
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

impl ConstraintSystem {
    /// The cells of the tables that the prover makes once a coset of `length` rows: one period for every set of rows
    /// and every periodic column.
    pub fn table_cells(&self, length: u64) -> u64 {
        let sets: HashSet<&Domain> =
            self.constraints.iter().filter_map(|constraint| Some(&constraint.body.as_ref()?.1)).collect();
        let of_sets = sets.into_iter().filter_map(|set| {
            let others = others(set, length);
            others.included.iter().chain(&others.excluded).map(|rows| rows.period).max()
        });
        of_sets.chain(self.periodic.iter().map(PeriodicColumn::period)).sum()
    }
}

/// The rows of a set that its table is for: all but the [`single_rows`].
fn others(set: &Domain, length: u64) -> Domain {
    let single = single_rows(set, length);
    let others = |rows: &[Rows], single: &[Rows]| -> Vec<Rows> {
        rows.iter().copied().filter(|rows| !single.contains(rows)).collect()
    };
    Domain {
        included: others(&set.included, &single.included),
        excluded: others(&set.excluded, &single.excluded),
    }
}

/// Π over congruences of one period p, as a polynomial in y = x^(N/p): Π (y − g^(rN/p)).
struct Factor {
    period: u64,
    /// In natural order; as many as residues, and one.
    coefficients: Vec<Felt>,
}

/// What divides the constraints of a row set, but for its [`single_rows`], ready to be evaluated on cosets.
pub(crate) struct VanishingTable {
    included: Vec<Factor>,
    excluded: Vec<Factor>,
}

impl VanishingTable {
    /// `None` if the set has no rows but single ones.
    pub(crate) fn new(rows: &Domain, domain: &EvaluationDomain) -> Option<VanishingTable> {
        let others = others(rows, domain.trace_length());
        let included = factors(&others.included, domain);
        let excluded = factors(&others.excluded, domain);
        (!included.is_empty() || !excluded.is_empty()).then_some(VanishingTable { included, excluded })
    }

    /// Π excluded / Π included at the points shift·gʲ: one period of values, in bit-reversed order.
    pub(crate) fn evaluate(&self, domain: &EvaluationDomain, shift: Felt, kernels: Kernels) -> Column {
        let mut values = product(&self.included, domain, shift, kernels);
        ashlar_field::batch_inverse_groups(values.groups_mut(), kernels);
        if self.excluded.is_empty() {
            return values;
        }
        multiplied(values, product(&self.excluded, domain, shift, kernels), kernels)
    }
}

/// The congruences by period.
fn factors(rows: &[Rows], domain: &EvaluationDomain) -> Vec<Factor> {
    let mut residues: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for rows in rows {
        residues.entry(rows.period.max(1)).or_default().push(rows.residue);
    }
    residues
        .into_iter()
        .map(|(period, residues)| {
            let ratio = domain.trace_generator.pow(domain.trace_length() / period);
            let roots: Vec<Felt> = residues.iter().map(|&residue| ratio.pow(residue)).collect();
            Factor { period, coefficients: polynomial_with_roots(&roots) }
        })
        .collect()
}

/// The coefficients of Π (y − root), in natural order. Keccak's row sets have up to some 800 roots: few enough to
/// multiply them in one after the other.
fn polynomial_with_roots(roots: &[Felt]) -> Vec<Felt> {
    let mut coefficients = Vec::with_capacity(roots.len() + 1);
    coefficients.push(Felt::ONE);
    for &root in roots {
        // y·C − root·C, from the highest coefficient down.
        coefficients.push(Felt::ZERO);
        for i in (1..coefficients.len()).rev() {
            coefficients[i] = coefficients[i - 1] - root * coefficients[i];
        }
        coefficients[0] = -(root * coefficients[0]);
    }
    coefficients
}

/// The product of factors at the points shift·gʲ: one period of values, in bit-reversed order. Of none: one.
fn product(factors: &[Factor], domain: &EvaluationDomain, shift: Felt, kernels: Kernels) -> Column {
    factors
        .iter()
        .map(|factor| factor.evaluate(domain, shift, kernels))
        .reduce(|product, values| multiplied(product, values, kernels))
        .unwrap_or_else(|| Column::from_felts(&[Felt::ONE]))
}

impl Factor {
    /// At the points shift·gʲ: one period of values, in bit-reversed order.
    fn evaluate(&self, domain: &EvaluationDomain, shift: Felt, kernels: Kernels) -> Column {
        let exponent = domain.trace_length() / self.period;
        let (offset, generator) = (shift.pow(exponent), domain.trace_generator.pow(exponent));
        evaluate_low_degree(&self.coefficients, self.period as usize, offset, generator, kernels)
    }
}

/// The product of two columns in bit-reversed order, each repeated to the length of the other.
fn multiplied(a: Column, b: Column, kernels: Kernels) -> Column {
    let (mut long, short) = if a.len() < b.len() { (b, a) } else { (a, b) };
    let short = repeated(short, long.len());
    ashlar_field::multiply_groups(long.groups_mut(), short.groups(), kernels);
    long
}

/// A periodic column at the points shift·gʲ: one period of values, in bit-reversed order.
pub(crate) fn periodic_table(
    column: &PeriodicColumn,
    domain: &EvaluationDomain,
    shift: Felt,
    kernels: Kernels,
) -> Column {
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
    let [values] = values;
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{air::Constraint, domain::reverse_bits};

    #[test]
    fn tables_have_the_values_of_the_verifiers_formulas() {
        let domain = EvaluationDomain::new(6, 2).unwrap();
        let shift = Felt::from_u64(5);
        let rows = Domain {
            included: vec![Rows { period: 8, residue: 3 }, Rows { period: 4, residue: 0 }],
            excluded: vec![Rows { period: 16, residue: 11 }],
        };
        let column = PeriodicColumn { values: (0..4).map(|i| Felt::from_u64(i + 9)).collect(), step: 4 };
        let kernels = Kernels::current();
        let inverses = VanishingTable::new(&rows, &domain).unwrap().evaluate(&domain, shift, kernels);
        let periodic = periodic_table(&column, &domain, shift, kernels);
        assert_eq!((inverses.len(), periodic.len()), (16, 16));
        for row in 0..16 {
            let x = shift * domain.trace_generator.pow(reverse_bits(row, 4));
            assert_eq!(Some(inverses.get(row as usize)), rows.inverse_vanishing(&domain, x));
            assert_eq!(Some(periodic.get(row as usize)), column.evaluate(&domain, x));
        }
    }

    #[test]
    fn the_cells_of_the_tables_are_one_period_for_every_set_and_periodic_column() {
        let rows = |period, residue| Rows { period, residue };
        let set = |included: Vec<Rows>| Domain { included, excluded: Vec::new() };
        let sets = [
            set(vec![rows(8, 3), rows(16, 5)]),
            // Single rows need no table of their own, unless there are many.
            set(vec![rows(64, 1)]),
            set((0..9).map(|residue| rows(64, residue)).collect()),
        ];
        let constraint = |set: &Domain| Constraint {
            name: "any".into(),
            body: Some((crate::air::Expression::cell(0, 0), set.clone())),
        };
        let system = ConstraintSystem {
            // The same set again has the same table.
            constraints: sets.iter().chain(&sets[..1]).map(constraint).collect(),
            periodic: vec![PeriodicColumn { values: vec![Felt::ONE; 4], step: 8 }],
            mask: Vec::new(),
        };
        assert_eq!(system.table_cells(64), 16 + 64 + 32);
        for set in &sets {
            let domain = EvaluationDomain::new(6, 2).unwrap();
            let cells = VanishingTable::new(set, &domain)
                .map_or(0, |table| table.evaluate(&domain, Felt::GENERATOR, Kernels::current()).len());
            let alone = ConstraintSystem {
                constraints: vec![constraint(set)],
                periodic: Vec::new(),
                mask: Vec::new(),
            };
            assert_eq!(alone.table_cells(64), cells as u64);
        }
    }

    #[test]
    fn many_single_rows_become_one_table() {
        let domain = EvaluationDomain::new(6, 2).unwrap();
        let shift = Felt::from_u64(5);
        let congruences = |period: u64, residues: &[u64]| -> Vec<Rows> {
            residues.iter().map(|&residue| Rows { period, residue }).collect()
        };
        let mut included = congruences(64, &[1, 3, 5, 7, 9, 11, 13, 25, 27, 40, 50, 62]);
        included.extend(congruences(16, &[0, 4]));
        let rows = Domain { included, excluded: congruences(64, &[16, 32, 48]) };
        assert!(single_rows(&rows, 64).included.is_empty());
        let inverses =
            VanishingTable::new(&rows, &domain).unwrap().evaluate(&domain, shift, Kernels::current());
        assert_eq!(inverses.len(), 64);
        for row in 0..64 {
            let x = shift * domain.trace_generator.pow(reverse_bits(row, 6));
            assert_eq!(Some(inverses.get(row as usize)), rows.inverse_vanishing(&domain, x));
        }
    }
}
