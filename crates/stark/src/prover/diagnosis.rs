//! Finds the constraint that a trace violates, and the row: run only once it is known that there is one.

use ashlar_field::{Column, Felt, Kernels};
use ashlar_ntt::{bit_reverse, evaluate_coset};
use rayon::prelude::*;

use crate::{
    air::{Cell, ConstraintSystem},
    domain::EvaluationDomain,
    graph::{Graph, PointValues},
    prover::tables::periodic_table,
};

struct Row<'a> {
    row: usize,
    trace: &'a [Column],
    periodic: &'a [Vec<Felt>],
    parameters: &'a [Felt],
}

impl PointValues for Row<'_> {
    fn cell(&self, cell: Cell) -> Option<Felt> {
        let column = self.trace.get(cell.column)?;
        Some(column.get((self.row + cell.row as usize) % column.len()))
    }
    fn periodic(&self, index: usize) -> Option<Felt> {
        let values = self.periodic.get(index)?;
        Some(values[self.row % values.len()])
    }
    fn parameter(&self, index: usize) -> Option<Felt> {
        self.parameters.get(index).copied()
    }
}

/// The first row on which a constraint does not vanish, and the first such constraint there.
pub(crate) fn first_violation(
    system: &ConstraintSystem,
    coefficients: &[&Column],
    domain: &EvaluationDomain,
    parameters: &[Felt],
    kernels: Kernels,
) -> Option<(String, u64)> {
    let length = domain.trace_length() as usize;
    let natural = |mut column: Column| {
        bit_reverse(&mut column, kernels);
        column
    };
    let trace: Vec<Column> = coefficients
        .iter()
        .map(|coefficients| {
            let mut values = [Column::zeros(length)];
            evaluate_coset(std::slice::from_ref(*coefficients), Felt::ONE, &mut values, kernels);
            let [values] = values;
            natural(values)
        })
        .collect();
    let periodic: Vec<Vec<Felt>> = system
        .periodic
        .iter()
        .map(|column| natural(periodic_table(column, domain, Felt::ONE, kernels)).to_felts())
        .collect();
    let graph = Graph::new(system);
    (0..length).into_par_iter().find_map_first(|row| {
        let values = graph.evaluate(&Row { row, trace: &trace, periodic: &periodic, parameters })?;
        let violated = system.constraints.iter().zip(&graph.roots).find(|(constraint, root)| {
            let applies = constraint.body.as_ref().is_some_and(|(_, rows)| rows.contains(row as u64));
            applies && root.is_some_and(|root| !values[root as usize].is_zero())
        });
        violated.map(|(constraint, _)| (constraint.name.clone(), row as u64))
    })
}
