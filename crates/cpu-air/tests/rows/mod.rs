//! Which constraints a trace violates, and in which rows: constraints read row by row, the plain way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ashlar_cpu_air::air::CpuAir;
use ashlar_field::{Column, Felt};
use ashlar_stark::air::{Air, Cell, Domain, Expression, Node, PeriodicColumn, Rows};
use rayon::prelude::*;

/// One operation; numbers are those of earlier results.
enum Operation {
    Constant(Felt),
    Cell(Cell),
    Periodic(usize),
    Parameter(usize),
    Sum(usize, usize),
    Difference(usize, usize),
    Product(usize, usize),
}

/// One constraint, ready to be read in many rows.
pub(crate) struct RowConstraint<'a> {
    pub(crate) name: &'a str,
    domain: &'a Domain,
    operations: Vec<Operation>,
}

fn flatten(
    expression: &Expression,
    operations: &mut Vec<Operation>,
    known: &mut HashMap<usize, usize>,
) -> usize {
    if let Some(&number) = known.get(&expression.identity()) {
        return number;
    }
    let mut two =
        |a: &Expression, b: &Expression| (flatten(a, operations, known), flatten(b, operations, known));
    let operation = match expression.node() {
        Node::Constant(value) => Operation::Constant(*value),
        Node::Cell(cell) => Operation::Cell(*cell),
        Node::Periodic(index) => Operation::Periodic(*index),
        Node::Parameter(index) => Operation::Parameter(*index),
        Node::Sum(a, b) => {
            let (a, b) = two(a, b);
            Operation::Sum(a, b)
        }
        Node::Difference(a, b) => {
            let (a, b) = two(a, b);
            Operation::Difference(a, b)
        }
        Node::Product(a, b) => {
            let (a, b) = two(a, b);
            Operation::Product(a, b)
        }
    };
    operations.push(operation);
    known.insert(expression.identity(), operations.len() - 1);
    operations.len() - 1
}

fn matches(rows: &[Rows], row: u64) -> bool {
    rows.iter().any(|rows| row % rows.period == rows.residue)
}

impl RowConstraint<'_> {
    /// All rows in which it must hold.
    fn rows(&self, length: u64) -> Vec<u64> {
        let included = self.domain.included.iter();
        let mut rows: Vec<u64> =
            included.flat_map(|rows| (rows.residue..length).step_by(rows.period as usize)).collect();
        if !self.domain.excluded.is_empty() {
            let mut excluded = vec![false; length as usize];
            for rows in &self.domain.excluded {
                (rows.residue..length)
                    .step_by(rows.period as usize)
                    .for_each(|row| excluded[row as usize] = true);
            }
            rows.retain(|&row| !excluded[row as usize]);
        }
        rows
    }

    /// Some rows in which it must hold: near both ends, and in the middle.
    pub(crate) fn some_rows(&self, length: u64) -> Vec<u64> {
        let sample = |rows: &Rows| -> BTreeSet<u64> {
            let count = length / rows.period;
            let places = [0, 1, 2, count / 3, count / 2, count.saturating_sub(2), count - 1];
            let places = places.into_iter().filter(|&place| place < count);
            places.map(|place| rows.residue + rows.period * place).collect()
        };
        let rows = self.domain.included.iter().flat_map(sample);
        rows.filter(|&row| !matches(&self.domain.excluded, row)).collect()
    }

    fn applies(&self, row: u64) -> bool {
        matches(&self.domain.included, row) && !matches(&self.domain.excluded, row)
    }

    /// The cells that it reads in a row: column and row.
    pub(crate) fn cells(&self, row: u64, length: u64) -> Vec<(usize, usize)> {
        let mut cells = Vec::new();
        for operation in &self.operations {
            if let Operation::Cell(cell) = operation {
                cells.push((cell.column, ((row + cell.row) % length) as usize));
            }
        }
        cells
    }

    fn value(&self, trace: &Trace<'_>, row: u64, results: &mut Vec<Felt>) -> Felt {
        results.clear();
        for operation in &self.operations {
            results.push(match operation {
                Operation::Constant(value) => *value,
                Operation::Parameter(index) => trace.parameters[*index],
                Operation::Cell(cell) => {
                    let column = &trace.columns[cell.column];
                    column.get((row + cell.row) as usize % column.len())
                }
                Operation::Periodic(index) => {
                    let PeriodicColumn { values, step } = &trace.periodic[*index];
                    assert!(row.is_multiple_of(*step), "{}: a periodic column between its values", self.name);
                    values[(row / *step) as usize % values.len()]
                }
                Operation::Sum(a, b) => results[*a] + results[*b],
                Operation::Difference(a, b) => results[*a] - results[*b],
                Operation::Product(a, b) => results[*a] * results[*b],
            });
        }
        *results.last().unwrap()
    }
}

/// Both traces of a run, and what else constraints read.
pub(crate) struct Trace<'a> {
    pub(crate) columns: Vec<Column>,
    periodic: &'a [PeriodicColumn],
    parameters: Vec<Felt>,
}

/// The constraints of an AIR.
pub(crate) struct RowConstraints<'a> {
    air: &'a CpuAir,
    pub(crate) length: u64,
    pub(crate) active: Vec<RowConstraint<'a>>,
    /// By column: the constraints that read it, and the row relative to theirs.
    readers: Vec<Vec<(usize, u64)>>,
}

impl<'a> RowConstraints<'a> {
    pub(crate) fn new(air: &'a CpuAir) -> RowConstraints<'a> {
        let length = 1 << air.log_trace_length();
        let mut active = Vec::new();
        for constraint in &air.constraint_system().constraints {
            let Some((expression, domain)) = &constraint.body else { continue };
            let mut operations = Vec::new();
            flatten(expression, &mut operations, &mut HashMap::new());
            active.push(RowConstraint { name: &constraint.name, domain, operations });
        }
        let mut readers = vec![Vec::new(); air.trace_widths().into_iter().sum()];
        for (index, constraint) in active.iter().enumerate() {
            for (column, row) in constraint.cells(0, length) {
                readers[column].push((index, row as u64));
            }
        }
        RowConstraints { air, length, active, readers }
    }

    pub(crate) fn trace(&self, columns: Vec<Column>, elements: &[Felt]) -> Trace<'a> {
        let periodic = &self.air.constraint_system().periodic;
        Trace { columns, periodic, parameters: self.air.parameters(elements).unwrap() }
    }

    /// The constraints that do not hold, each with the first such row: every constraint in every row.
    pub(crate) fn violations(&self, trace: &Trace<'_>) -> BTreeMap<&'a str, u64> {
        self.violations_in(trace, |constraint| constraint.rows(self.length))
    }

    /// The same in some rows of every constraint.
    pub(crate) fn sampled_violations(&self, trace: &Trace<'_>) -> BTreeMap<&'a str, u64> {
        self.violations_in(trace, |constraint| constraint.some_rows(self.length))
    }

    fn violations_in(
        &self,
        trace: &Trace<'_>,
        rows_of: impl Fn(&RowConstraint<'a>) -> Vec<u64>,
    ) -> BTreeMap<&'a str, u64> {
        let violation = |constraint: &RowConstraint<'a>| {
            let rows = rows_of(constraint);
            assert!(!rows.is_empty(), "{} holds nowhere", constraint.name);
            let values = rows.par_iter().map_init(Vec::new, |results, &row| {
                (!constraint.value(trace, row, results).is_zero()).then_some(row)
            });
            values.flatten().min().map(|row| (constraint.name, row))
        };
        self.active.iter().filter_map(violation).collect()
    }

    /// The constraints that do not hold in the rows in which they read one of these cells.
    pub(crate) fn violations_around(
        &self,
        trace: &Trace<'_>,
        cells: impl Iterator<Item = (usize, usize)>,
    ) -> BTreeSet<&'a str> {
        let mut places = BTreeSet::new();
        for (column, row) in cells {
            for &(index, offset) in &self.readers[column] {
                places.insert((index, (row as u64 + self.length - offset) % self.length));
            }
        }
        let mut results = Vec::new();
        let broken = places.into_iter().filter(|&(index, row)| {
            let constraint: &RowConstraint<'_> = &self.active[index];
            constraint.applies(row) && !constraint.value(trace, row, &mut results).is_zero()
        });
        broken.map(|(index, _)| self.active[index].name).collect()
    }
}
