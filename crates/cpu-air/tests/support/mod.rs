//! Evaluates constraints at one point, the plain way.
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::collections::HashMap;

use ashlar_field::Felt;
use ashlar_stark::air::{Cell, Domain, Expression, Node, PeriodicColumn, Rows};

/// Everything an expression may refer to, at one point.
pub(crate) struct Point<'a> {
    pub(crate) cells: &'a HashMap<Cell, Felt>,
    pub(crate) periodic: &'a [Felt],
    pub(crate) parameters: &'a [Felt],
}

impl Point<'_> {
    pub(crate) fn evaluate(&self, expression: &Expression, known: &mut HashMap<usize, Felt>) -> Felt {
        if let Some(value) = known.get(&expression.identity()) {
            return *value;
        }
        let value = match expression.node() {
            Node::Constant(value) => *value,
            Node::Cell(cell) => self.cells[cell],
            Node::Periodic(index) => self.periodic[*index],
            Node::Parameter(index) => self.parameters[*index],
            Node::Sum(a, b) => self.evaluate(a, known) + self.evaluate(b, known),
            Node::Difference(a, b) => self.evaluate(a, known) - self.evaluate(b, known),
            Node::Product(a, b) => self.evaluate(a, known) * self.evaluate(b, known),
        };
        known.insert(expression.identity(), value);
        value
    }
}

/// P(x^(N/(len·step))) by the barycentric formula.
pub(crate) fn evaluate_periodic(column: &PeriodicColumn, log_length: u32, x: Felt) -> Felt {
    let count = column.values.len() as u64;
    let y = x.pow((1u64 << log_length) / (count * column.step));
    let root = Felt::subgroup_generator(count.ilog2()).unwrap();
    let mut power = Felt::ONE;
    let mut sum = Felt::ZERO;
    for value in &column.values {
        sum += *value * power * (y - power).inverse().unwrap();
        power *= root;
    }
    sum * (y.pow(count) - Felt::ONE) * Felt::from_u64(count).inverse().unwrap()
}

/// The monic polynomial that vanishes on a row set, at one point.
pub(crate) fn evaluate_vanishing(domain: &Domain, log_length: u32, x: Felt) -> Felt {
    let length = 1u64 << log_length;
    let generator = Felt::subgroup_generator(log_length).unwrap();
    let product = |rows: &[Rows]| -> Felt {
        let factor = |rows: &Rows| {
            let exponent = length / rows.period;
            x.pow(exponent) - generator.pow(rows.residue * exponent)
        };
        rows.iter().map(factor).product()
    };
    product(&domain.included) * product(&domain.excluded).inverse().unwrap()
}
