//! The constraints as one graph: every distinct operation once.
//!
//! Expressions share parts by construction, and equal parts may be built twice; both end up as one node. Nodes are in
//! an order in which operands come first, so evaluating the graph is one pass without recursion.

use std::collections::HashMap;

use ashlar_field::Felt;

use crate::{
    air::{Cell, ConstraintSystem, Expression, Node},
    prover::quotient::MOST_SINGLE_POLES,
};

/// The index of a node.
pub(crate) type NodeId = u32;

/// One operation; operands are earlier nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Constant(Felt),
    Cell(Cell),
    Periodic(usize),
    Parameter(usize),
    Sum(NodeId, NodeId),
    Difference(NodeId, NodeId),
    Product(NodeId, NodeId),
}

impl Operation {
    /// The nodes that it reads.
    pub(crate) fn operands(self) -> Option<[NodeId; 2]> {
        match self {
            Operation::Sum(a, b) | Operation::Difference(a, b) | Operation::Product(a, b) => Some([a, b]),
            Operation::Constant(_)
            | Operation::Cell(_)
            | Operation::Periodic(_)
            | Operation::Parameter(_) => None,
        }
    }
}

/// The operations of a constraint system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    /// Operands first.
    pub(crate) operations: Vec<Operation>,
    /// By constraint; `None` for a skipped one.
    pub(crate) roots: Vec<Option<NodeId>>,
}

/// What a graph needs to be evaluated at one point.
pub(crate) trait PointValues {
    fn cell(&self, cell: Cell) -> Option<Felt>;
    fn periodic(&self, index: usize) -> Option<Felt>;
    fn parameter(&self, index: usize) -> Option<Felt>;
}

/// What a prover computes at every point for the constraints and the mask of a system, equal parts counted once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// Products of two values.
    pub products: usize,
    /// Sums and differences.
    pub sums: usize,
    /// Constraints that are not skipped: each is multiplied by a random coefficient and summed.
    pub constraints: usize,
    /// Cells of the mask that the quotient divides by their poles one by one.
    pub single_poles: usize,
    /// Columns whose poles are summed by transforms, because the mask has many cells of them.
    pub crowded_columns: usize,
}

impl ConstraintSystem {
    /// What a prover computes at every point.
    pub fn operations(&self) -> Operations {
        let mut cells: HashMap<usize, usize> = HashMap::new();
        self.mask.iter().for_each(|cell| *cells.entry(cell.column).or_default() += 1);
        let (single, crowded): (Vec<usize>, Vec<usize>) =
            cells.into_values().partition(|cells| *cells <= MOST_SINGLE_POLES);
        let graph = Graph::new(self);
        let count =
            |is: fn(&Operation) -> bool| graph.operations.iter().filter(|operation| is(operation)).count();
        Operations {
            products: count(|operation| matches!(operation, Operation::Product(..))),
            sums: count(|operation| matches!(operation, Operation::Sum(..) | Operation::Difference(..))),
            constraints: graph.roots.iter().flatten().count(),
            single_poles: single.iter().sum(),
            crowded_columns: crowded.len(),
        }
    }
}

impl Graph {
    pub(crate) fn new(system: &ConstraintSystem) -> Graph {
        let mut builder = Builder::default();
        let roots = system
            .constraints
            .iter()
            .map(|constraint| constraint.body.as_ref().map(|(expression, _)| builder.add(expression)))
            .collect();
        Graph { operations: builder.operations, roots }
    }

    /// k for a constant node 2ᵏ by which it is cheaper to double than to multiply.
    pub(crate) fn small_power_of_two(&self, id: NodeId) -> Option<u32> {
        match self.operations[id as usize] {
            Operation::Constant(value) => (1..=4).find(|&count| value == Felt::from_u64(1 << count)),
            _ => None,
        }
    }

    /// The values of all nodes; `None` if a value is missing.
    pub(crate) fn evaluate(&self, point: &impl PointValues) -> Option<Vec<Felt>> {
        let mut values: Vec<Felt> = Vec::with_capacity(self.operations.len());
        for operation in &self.operations {
            let value = match *operation {
                Operation::Constant(value) => value,
                Operation::Cell(cell) => point.cell(cell)?,
                Operation::Periodic(index) => point.periodic(index)?,
                Operation::Parameter(index) => point.parameter(index)?,
                Operation::Sum(a, b) => *values.get(a as usize)? + *values.get(b as usize)?,
                Operation::Difference(a, b) => *values.get(a as usize)? - *values.get(b as usize)?,
                Operation::Product(a, b) => *values.get(a as usize)? * *values.get(b as usize)?,
            };
            values.push(value);
        }
        Some(values)
    }
}

#[derive(Default)]
struct Builder {
    operations: Vec<Operation>,
    by_operation: HashMap<Operation, NodeId>,
    /// By the address of an expression's node. The constraint system keeps them alive while we look.
    by_identity: HashMap<usize, NodeId>,
}

impl Builder {
    /// The node of an expression. Iterative, so that no expression is too deep.
    fn add(&mut self, expression: &Expression) -> NodeId {
        let mut pending = vec![(expression, false)];
        let mut result = 0;
        while let Some((expression, operands_done)) = pending.pop() {
            if let Some(&id) = self.by_identity.get(&expression.identity()) {
                result = id;
                continue;
            }
            if let Node::Sum(a, b) | Node::Difference(a, b) | Node::Product(a, b) = expression.node()
                && !operands_done
            {
                pending.push((expression, true));
                pending.push((b, false));
                pending.push((a, false));
                continue;
            }
            let of = |e: &Expression| self.by_identity.get(&e.identity()).copied().unwrap_or(0);
            let operation = match expression.node() {
                Node::Constant(value) => Operation::Constant(*value),
                Node::Cell(cell) => Operation::Cell(*cell),
                Node::Periodic(index) => Operation::Periodic(*index),
                Node::Parameter(index) => Operation::Parameter(*index),
                Node::Sum(a, b) => Operation::Sum(of(a).min(of(b)), of(a).max(of(b))),
                Node::Difference(a, b) => Operation::Difference(of(a), of(b)),
                Node::Product(a, b) => Operation::Product(of(a).min(of(b)), of(a).max(of(b))),
            };
            result = self.intern(operation);
            self.by_identity.insert(expression.identity(), result);
        }
        result
    }

    fn constant(&self, id: NodeId) -> Option<Felt> {
        match self.operations.get(id as usize) {
            Some(Operation::Constant(value)) => Some(*value),
            _ => None,
        }
    }

    /// The node of an operation, after folding constants and neutral elements.
    fn intern(&mut self, operation: Operation) -> NodeId {
        let folded = match operation {
            Operation::Sum(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => Operation::Constant(x + y),
                (Some(x), None) if x.is_zero() => return b,
                (None, Some(y)) if y.is_zero() => return a,
                _ => operation,
            },
            Operation::Difference(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => Operation::Constant(x - y),
                (None, Some(y)) if y.is_zero() => return a,
                _ => operation,
            },
            Operation::Product(a, b) => match (self.constant(a), self.constant(b)) {
                (Some(x), Some(y)) => Operation::Constant(x * y),
                (Some(x), None) | (None, Some(x)) if x.is_zero() => Operation::Constant(x),
                (Some(x), None) if x == Felt::ONE => return b,
                (None, Some(y)) if y == Felt::ONE => return a,
                _ => operation,
            },
            other => other,
        };
        if let Some(&id) = self.by_operation.get(&folded) {
            return id;
        }
        let id = self.operations.len() as NodeId;
        self.operations.push(folded);
        self.by_operation.insert(folded, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::air::{Constraint, Domain, Rows};

    struct Point;

    impl PointValues for Point {
        fn cell(&self, cell: Cell) -> Option<Felt> {
            Some(Felt::from_u64(10 * cell.column as u64 + cell.row + 2))
        }
        fn periodic(&self, _: usize) -> Option<Felt> {
            Some(Felt::from_u64(7))
        }
        fn parameter(&self, index: usize) -> Option<Felt> {
            (index == 0).then(|| Felt::from_u64(5))
        }
    }

    fn system(expressions: Vec<Expression>) -> ConstraintSystem {
        let domain = Domain { included: vec![Rows { period: 1, residue: 0 }], excluded: vec![] };
        let constraints = expressions
            .into_iter()
            .map(|e| Constraint { name: "test".into(), body: Some((e, domain.clone())) })
            .collect();
        ConstraintSystem::with_sorted_mask(constraints, vec![])
    }

    #[test]
    fn equal_parts_become_one_node() {
        let build = || (Expression::cell(0, 0) + Expression::cell(1, 0)) * Expression::cell(0, 1);
        let commuted = Expression::cell(0, 1) * (Expression::cell(1, 0) + Expression::cell(0, 0));
        let graph = Graph::new(&system(vec![build(), build(), commuted]));
        assert_eq!(graph.operations.len(), 5);
        assert!(graph.roots.iter().all(|&root| root == graph.roots[0]));
    }

    #[test]
    fn operations_count_equal_parts_once_and_no_folded_or_skipped_ones() {
        let part = || (Expression::cell(0, 0) + Expression::cell(1, 0)) * Expression::cell(0, 1);
        let folded = part() - Expression::from(4) * Expression::from(3);
        let mut system = system(vec![part(), part(), folded]);
        system.constraints.push(Constraint { name: "skipped".into(), body: None });
        let (single_poles, crowded_columns) = (3, 0);
        let expected = Operations { products: 1, sums: 2, constraints: 3, single_poles, crowded_columns };
        assert_eq!(system.operations(), expected);
        system.mask.extend((0..100).map(|row| Cell { column: 1, row }));
        let operations = system.operations();
        assert_eq!((operations.single_poles, operations.crowded_columns), (2, 1));
    }

    #[test]
    fn the_graph_has_the_value_of_the_expression() {
        let e = (Expression::cell(1, 3) - Expression::parameter(0)) * Expression::periodic(0)
            - Expression::from(4) * Expression::from(3)
            + Expression::from(0) * Expression::cell(0, 0);
        let graph = Graph::new(&system(vec![e]));
        let values = graph.evaluate(&Point).unwrap();
        assert_eq!(values[graph.roots[0].unwrap() as usize], Felt::from_u64((15 - 5) * 7 - 12));
    }

    #[test]
    fn a_missing_parameter_gives_no_value() {
        let graph = Graph::new(&system(vec![Expression::parameter(1) + Expression::cell(0, 0)]));
        assert!(graph.evaluate(&Point).is_none());
    }

    #[test]
    fn a_chain_of_a_hundred_thousand_operations_is_no_problem() {
        let mut e = Expression::cell(0, 0);
        for _ in 0..100_000 {
            e = e * Expression::from(2) + Expression::cell(0, 1);
        }
        assert!(Graph::new(&system(vec![e.clone()])).evaluate(&Point).is_some());
        std::mem::forget(e);
    }
}
