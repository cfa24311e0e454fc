//! The out-of-domain values, and the quotient that ties them to the committed columns.
//!
//! F(x) = Σ_k β^k·(t_k(x) − y_k)/(x − z·g^row_k) + Σ β^(m+i)·(hᵢ(x) − eᵢ)/(x − z²). All denominators are shifts of
//! one table: 1/(x_j − z·g^r) = g^(−r)·E_(j−r) with E_j = 1/(x_j − z). Terms of the same row offset share one; a column
//! with many terms is multiplied by the sum of its poles, which transforms make ([`poles`](super::poles)).

use std::collections::{BTreeMap, BTreeSet};

use ashlar_field::{
    Column, Felt, Group, Kernels, add_groups, add_scaled_groups, multiply_groups, subtract_groups,
    subtract_value,
};
use rayon::prelude::*;

use crate::{
    air::Cell,
    domain::{EvaluationDomain, reverse_bits},
    program::{Program, builder::ProgramBuilder, columns::ColumnData},
    prover::{
        barycentric::{self, ColumnRows},
        composition::inverse_differences,
        poles::Poles,
        rows::{Coset, evaluate_groups},
        trace::Known,
    },
};

/// The values of the mask at z, in mask order, from the trace columns; where these are values, they are those on the
/// coset shift·⟨g⟩.
pub(crate) fn mask_values(
    columns: &[Known<'_>],
    mask: &[Cell],
    domain: &EvaluationDomain,
    shift: Felt,
    point: Felt,
    kernels: Kernels,
) -> Vec<Felt> {
    let length = domain.trace_length();
    let mut rows_of: BTreeMap<usize, BTreeSet<u64>> = BTreeMap::new();
    for cell in mask {
        rows_of.entry(cell.column).or_default().insert(cell.row % length);
    }
    // z·g^row is row bitrev(row) of the coset z·⟨g⟩.
    let coset = Coset::new(domain, point);
    let mut values: BTreeMap<(usize, u64), Felt> = BTreeMap::new();
    let (mut indices, mut on_coset) = (Vec::new(), Vec::new());
    for (column, rows) in rows_of {
        let coefficients = match columns[column] {
            Known::Coefficients(coefficients) => coefficients,
            Known::Values(column_values) => {
                indices.push(column);
                let rows = rows.into_iter().collect();
                on_coset.push(ColumnRows { values: column_values.groups(), rows });
                continue;
            }
        };
        let place = |row: u64| reverse_bits(row, domain.log_trace_length);
        let groups: BTreeSet<u64> = rows.iter().map(|&row| place(row) / 8).collect();
        let groups: Vec<u64> = groups.into_iter().collect();
        let cells = evaluate_groups(&[coefficients], &[(coset, &groups)], kernels).concat();
        let cells: BTreeMap<u64, Group> = groups.into_iter().zip(cells).collect();
        let at = |place: u64| cells[&(place / 8)].get((place % 8) as usize);
        values.extend(rows.into_iter().map(|row| ((column, row), at(place(row)))));
    }
    let found = barycentric::values(&on_coset, domain, shift, point, kernels);
    for ((index, wanted), found) in indices.into_iter().zip(&on_coset).zip(found) {
        values.extend(wanted.rows.iter().map(|&row| (index, row)).zip(found));
    }
    mask.iter().map(|cell| values[&(cell.column, cell.row % length)]).collect()
}

/// A column with more cells in the mask than this has the sum of its poles made by transforms: fewer cost less one by
/// one. A pole costs about 1.5 butterflies a row, a sum by transforms about 18 at 2¹⁹ rows.
pub(crate) const MOST_SINGLE_POLES: usize = 12;

/// Groups of the composition that are combined at a time.
const CHUNK: usize = 64;

/// What the quotient is made of, besides columns and their values out of the domain.
pub(crate) struct Quotient<'a> {
    /// The domain of the trace.
    pub(crate) domain: &'a EvaluationDomain,
    /// The quotient is evaluated on shift·⟨g⟩.
    pub(crate) shift: Felt,
    /// z.
    pub(crate) point: Felt,
    /// β.
    pub(crate) beta: Felt,
    pub(crate) kernels: Kernels,
}

impl Quotient<'_> {
    /// The part that is about the composition, Σ β^(m+i)·(hᵢ(x) − eᵢ)/(x − z²), in block order. `parts`: h₀ and h₁ on the
    /// coset. `values`: those of the mask, then of h₀ and h₁.
    pub(crate) fn of_composition(&self, parts: &[&[Group]], values: &[Felt]) -> Column {
        let kernels = self.kernels;
        let mask = values.len() - parts.len();
        let (mut constant, mut power) = (Felt::ZERO, self.beta.pow(mask as u64));
        let mut factors = Vec::with_capacity(parts.len());
        for &value in &values[mask..] {
            constant += power * value;
            factors.push(power);
            power *= self.beta;
        }
        let mut out = inverse_differences(self.domain, self.shift, self.point.square(), kernels);
        out.groups_mut().par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
            let mut sum = [Group::ZERO; CHUNK];
            let sum = &mut sum[..out.len()];
            for (part, &factor) in parts.iter().zip(&factors) {
                add_scaled_groups(sum, factor, &part[chunk * CHUNK..][..out.len()], kernels);
            }
            subtract_value(sum, constant, kernels);
            multiply_groups(out, sum, kernels);
        });
        out
    }

    /// The whole in block order; `None` if interrupted.
    ///
    /// `columns`: the trace columns on the coset. `values`: those of the mask. `of_composition` is the rest of it.
    pub(crate) fn evaluate(
        &self,
        columns: &[&[Group]],
        of_composition: Column,
        mask: &[Cell],
        values: &[Felt],
        before_task: &(dyn Fn() -> bool + Sync),
    ) -> Option<Column> {
        let Quotient { domain, shift, point, beta, kernels } = *self;
        let groups = domain.trace_length() as usize / 8;
        let mut terms = terms(mask, values, domain.trace_length(), beta);
        let crowded = crowded(&mut terms, columns.len());
        let program = compile(columns.len(), terms, domain);
        let inverses = inverse_differences(domain, shift, point, kernels);
        let mut data: Vec<ColumnData<'_>> = columns.iter().map(|column| ColumnData::Full(column)).collect();
        data.push(ColumnData::Full(inverses.groups()));
        let mut out = Column::unspecified(8 * groups);
        if !program.run(&data, kernels, out.groups_mut(), before_task) {
            return None;
        }
        add_groups(out.groups_mut(), of_composition.groups(), kernels);
        drop((inverses, of_composition));
        if crowded.is_empty() {
            return Some(out);
        }
        // Σ (column − value)·pole = Σ column·pole − Σ value·pole; the values of all columns share their poles.
        let poles = Poles::new(domain, shift, point, kernels)?;
        let mut constants = Vec::new();
        for (column, terms) in crowded {
            if !before_task() {
                return None;
            }
            let mut factors = Vec::new();
            for Term { row, coefficient, value, .. } in terms {
                let factor = coefficient * pole_scale(domain, row);
                add_at(&mut factors, row, factor);
                add_at(&mut constants, row, factor * value);
            }
            let column = columns.get(column)?;
            poles.sum(&factors, out.groups_mut(), kernels, |start, sum, out| {
                multiply_groups(sum, &column[start..start + sum.len()], kernels);
                add_groups(out, sum, kernels);
            });
        }
        poles.sum(&constants, out.groups_mut(), kernels, |_, sum, out| subtract_groups(out, sum, kernels));
        Some(out)
    }
}

fn add_at(sums: &mut Vec<Felt>, row: u64, term: Felt) {
    let row = row as usize;
    if sums.len() <= row {
        sums.resize(row + 1, Felt::ZERO);
    }
    sums[row] += term;
}

/// g^(−row): what makes 1/(x − z·g^row) of 1/(x − z), `row` rows back.
fn pole_scale(domain: &EvaluationDomain, row: u64) -> Felt {
    domain.trace_generator.pow((domain.trace_length() - row) % domain.trace_length())
}

/// The terms of the mask, with their powers of β.
fn terms(mask: &[Cell], values: &[Felt], length: u64, beta: Felt) -> Vec<Term> {
    let cells = mask.iter().map(|cell| (cell.column, cell.row % length));
    let powers = std::iter::successors(Some(Felt::ONE), |&power| Some(power * beta));
    cells
        .zip(values)
        .zip(powers)
        .map(|(((column, row), &value), coefficient)| Term { coefficient, column, row, value })
        .collect()
}

/// Takes out the terms of the columns that have many.
fn crowded(terms: &mut Vec<Term>, columns: usize) -> BTreeMap<usize, Vec<Term>> {
    let mut counts = vec![0; columns];
    terms.iter().for_each(|term| counts[term.column] += 1);
    let mut crowded: BTreeMap<usize, Vec<Term>> = BTreeMap::new();
    for term in terms.extract_if(.., |term| counts[term.column] > MOST_SINGLE_POLES) {
        crowded.entry(term.column).or_default().push(term);
    }
    crowded
}

/// coefficient·(column − value)/(x − z·g^row).
struct Term {
    coefficient: Felt,
    column: usize,
    row: u64,
    value: Felt,
}

/// Columns: the trace (`width` in all), 1/(x − z).
fn compile(width: usize, terms: Vec<Term>, domain: &EvaluationDomain) -> Program {
    let length = domain.trace_length();
    let mut builder = ProgramBuilder::default();
    // The terms over one denominator, by row.
    let mut poles: BTreeMap<u64, Vec<Term>> = BTreeMap::new();
    for term in terms {
        poles.entry(term.row).or_default().push(term);
    }
    let mut total = None;
    for (row, terms) in poles {
        // 1/(x − z·g^row) is `scale` times the inverse `offset` rows on.
        let (offset, scale) = ((length - row) % length, pole_scale(domain, row));
        let mut constant = Felt::ZERO;
        let mut sum = None;
        let count = terms.len();
        for (position, Term { coefficient, column, value, .. }) in terms.into_iter().enumerate() {
            constant += coefficient * scale * value;
            let cell = builder.column(column, 0);
            builder.accumulate(coefficient * scale, cell);
            if builder.accumulator_is_full() || position + 1 == count {
                let part = builder.reduce();
                sum = Some(match sum {
                    Some(sum) => builder.add(sum, part),
                    None => part,
                });
            }
        }
        let Some(sum) = sum else { continue };
        let constant = builder.constant(constant);
        let numerator = builder.subtract(sum, constant);
        let inverse = builder.column(width, offset);
        let term = builder.multiply(inverse, numerator);
        total = Some(match total {
            Some(total) => builder.add(total, term),
            None => term,
        });
    }
    let total = total.unwrap_or_else(|| builder.constant(Felt::ZERO));
    builder.finish(total)
}
