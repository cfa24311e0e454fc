//! The out-of-domain values, and the quotient that ties them to the committed columns.
//!
//! F(x) = Σ_k β^k·(t_k(x) − y_k)/(x − z·g^row_k) + Σ β^(m+i)·(hᵢ(x) − eᵢ)/(x − z²). All denominators are shifts of
//! one table: 1/(x_j − z·g^r) = g^(−r)·E_(j−r) with E_j = 1/(x_j − z). Terms of the same row offset share one.

use std::collections::{BTreeMap, BTreeSet};

use ashlar_field::{Column, Felt, Group, Kernels};

use crate::{
    air::Cell,
    domain::{EvaluationDomain, reverse_bits},
    program::{
        Program,
        builder::ProgramBuilder,
        columns::{ColumnData, coset_points},
    },
    prover::{
        composition::inverse_differences,
        rows::{Coset, evaluate_groups},
    },
};

/// The values of the mask at z, in mask order. `coefficients` are the trace columns.
pub(crate) fn mask_values(
    coefficients: &[&Column],
    mask: &[Cell],
    domain: &EvaluationDomain,
    point: Felt,
    kernels: Kernels,
) -> Vec<Felt> {
    let length = domain.trace_length();
    let mut rows_of: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for cell in mask {
        rows_of.entry(cell.column).or_default().push(cell.row % length);
    }
    // z·g^row is row bitrev(row) of the coset z·⟨g⟩.
    let coset = Coset::new(domain, point);
    let mut values: BTreeMap<(usize, u64), Felt> = BTreeMap::new();
    for (column, rows) in rows_of {
        let places: Vec<u64> = rows.iter().map(|&row| reverse_bits(row, domain.log_trace_length)).collect();
        let groups: BTreeSet<u64> = places.iter().map(|place| place / 8).collect();
        let groups: Vec<u64> = groups.into_iter().collect();
        let cells = evaluate_groups(&[coefficients[column]], &coset, &groups, kernels).concat();
        let cells: BTreeMap<u64, Group> = groups.into_iter().zip(cells).collect();
        let at = |place: u64| cells[&(place / 8)].get((place % 8) as usize);
        values.extend(rows.into_iter().zip(places).map(|(row, place)| ((column, row), at(place))));
    }
    mask.iter().map(|cell| values[&(cell.column, cell.row % length)]).collect()
}

/// The quotient on the coset shift·⟨g⟩ in block order; `None` if interrupted.
///
/// `columns`: the trace columns, h₀ and h₁ there. `values`: those of the mask, then of h₀ and h₁.
pub(crate) fn evaluate(
    columns: &[&[Group]],
    mask: &[Cell],
    values: &[Felt],
    domain: &EvaluationDomain,
    shift: Felt,
    point: Felt,
    beta: Felt,
    kernels: Kernels,
    before_task: &(dyn Fn() -> bool + Sync),
) -> Option<Vec<Group>> {
    let groups = domain.trace_length() as usize / 8;
    let program = compile(columns.len() - 2, mask, values, domain, beta);
    let points = coset_points(shift, domain.trace_generator, groups);
    let inverses = inverse_differences(&points, point, kernels);
    let square_inverses = inverse_differences(&points, point.square(), kernels);
    drop(points);
    let mut data: Vec<ColumnData<'_>> = columns.iter().map(|column| ColumnData::Full(column)).collect();
    data.extend([ColumnData::Full(&inverses), ColumnData::Full(&square_inverses)]);
    let mut out = vec![Group::ZERO; groups];
    program.run(&data, kernels, &mut out, before_task).then_some(out)
}

/// coefficient·(column − value).
struct Term {
    coefficient: Felt,
    column: usize,
    value: Felt,
}

/// The terms over one denominator: scale times the value, `offset` rows on, of a column of inverses.
struct Pole {
    column: usize,
    offset: u64,
    scale: Felt,
    terms: Vec<Term>,
}

/// Columns: the trace, h₀, h₁, 1/(x − z), 1/(x − z²).
fn compile(
    trace_width: usize,
    mask: &[Cell],
    values: &[Felt],
    domain: &EvaluationDomain,
    beta: Felt,
) -> Program {
    let length = domain.trace_length();
    let mut builder = ProgramBuilder::default();
    let mut terms: BTreeMap<u64, Vec<Term>> = BTreeMap::new();
    let mut power = Felt::ONE;
    for (cell, &value) in mask.iter().zip(values) {
        let term = Term { coefficient: power, column: cell.column, value };
        terms.entry(cell.row % length).or_default().push(term);
        power *= beta;
    }
    let composition = (0..2).zip(values.iter().skip(mask.len())).map(|(part, &value)| Term {
        coefficient: power * beta.pow(part as u64),
        column: trace_width + part,
        value,
    });
    let mut poles: Vec<Pole> = terms
        .into_iter()
        .map(|(row, terms)| {
            let offset = (length - row) % length;
            let scale = domain.trace_generator.pow(offset);
            Pole { column: trace_width + 2, offset, scale, terms }
        })
        .collect();
    let composition = composition.collect();
    poles.push(Pole { column: trace_width + 3, offset: 0, scale: Felt::ONE, terms: composition });
    let mut total = None;
    for Pole { column: inverse_column, offset, scale, terms } in poles {
        let mut constant = Felt::ZERO;
        let mut sum = None;
        let count = terms.len();
        for (position, Term { coefficient, column, value }) in terms.into_iter().enumerate() {
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
        let inverse = builder.column(inverse_column, offset);
        let term = builder.multiply(inverse, numerator);
        total = Some(match total {
            Some(total) => builder.add(total, term),
            None => term,
        });
    }
    let total = total.unwrap_or_else(|| builder.constant(Felt::ZERO));
    builder.finish(total)
}
