//! Σ cᵢ·eᵢ over expressions eᵢ, rewritten so that fewer products are computed.
//!
//! A random combination of constraints multiplies every constraint by a coefficient anyway. Where several products in
//! it share a factor, c₁·(f·a − d) + c₂·f·b is f·(c₁·a + c₂·b) − c₁·d: their other factors are summed with the
//! coefficients, by dot products without reductions, and multiplied by f once. Constants that are added are summed
//! beforehand, and a constant that multiplies joins the coefficient.
//!
//! Only what is used nowhere else is taken apart: a value that other expressions read is computed anyway.

use std::collections::{BTreeMap, HashMap};

use ashlar_field::Felt;

use crate::graph::{Graph, NodeId, Operation};

/// The time of operations of the compiled program on eight rows, in tenths of a nanosecond a row (`avx512ifma`, 3.0 GHz,
/// 2026-11-22): a product; a term of a dot product, with a constant and with a value; the reduction of one. What decides
/// is their ratio.
const PRODUCT: i64 = 27;
const TERM: i64 = 16;
const PRODUCT_TERM: i64 = 19;
const REDUCTION: i64 = 10;

/// Factors of factors of … that are looked for: deeper expressions are left as they are.
const MOST_NESTED: u32 = 8;

/// A sum: constant + Σ terms + Σ factor·combination.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Combination {
    /// What is added to all else.
    pub(crate) constant: Felt,
    /// Sums of nodes times a coefficient each.
    pub(crate) terms: Vec<Term>,
    /// Shared factors, and what they multiply.
    pub(crate) products: Vec<(NodeId, Combination)>,
}

/// coefficient·(Σ added − Σ subtracted), of at least one node that is added.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) coefficient: Felt,
    pub(crate) added: Vec<NodeId>,
    pub(crate) subtracted: Vec<NodeId>,
}

/// A node in a sum, by a coefficient up to its sign.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summand {
    pub(crate) coefficient: Felt,
    pub(crate) negative: bool,
    pub(crate) node: NodeId,
}

/// What is known of a graph besides its operations.
pub(crate) struct Combiner<'a> {
    graph: &'a Graph,
    /// By parameter.
    parameters: &'a [Felt],
    /// By node: how many operations and constraints read it.
    uses: Vec<u32>,
}

impl<'a> Combiner<'a> {
    pub(crate) fn new(graph: &'a Graph, parameters: &'a [Felt]) -> Combiner<'a> {
        let mut uses = vec![0; graph.operations.len()];
        let operands = graph.operations.iter().filter_map(|operation| operation.operands()).flatten();
        for node in operands.chain(graph.roots.iter().flatten().copied()) {
            uses[node as usize] += 1;
        }
        Combiner { graph, parameters, uses }
    }

    /// The sum of these, rewritten.
    pub(crate) fn combine(&self, summands: Vec<Summand>) -> Combination {
        self.combine_nested(summands, MOST_NESTED)
    }

    fn combine_nested(&self, summands: Vec<Summand>, depth: u32) -> Combination {
        let mut sum = Sum::default();
        summands.into_iter().for_each(|summand| self.take_apart(summand, &mut sum));
        let mut products = Vec::new();
        while depth > 0
            && let Some((factor, members)) = self.best_factor(&sum)
        {
            let others = members.iter().map(|&member| {
                let Summand { node, .. } = sum.summands[member];
                Summand { node: self.other_factor(node, factor), ..sum.summands[member] }
            });
            products.push((factor, self.combine_nested(others.collect(), depth - 1)));
            members.into_iter().for_each(|member| sum.remove(member));
        }
        Combination { constant: sum.constant, terms: sum.terms(), products }
    }

    /// The value of a node that is the same everywhere.
    fn constant(&self, node: NodeId) -> Option<Felt> {
        match self.graph.operations[node as usize] {
            Operation::Constant(value) => Some(value),
            // One that does not exist is reported by whoever compiles the node.
            Operation::Parameter(index) => self.parameters.get(index).copied(),
            _ => None,
        }
    }

    /// Adds a node to a sum: as the nodes that it is a sum of, where nothing else reads it.
    fn take_apart(&self, summand: Summand, sum: &mut Sum) {
        let mut pending = vec![summand];
        while let Some(Summand { coefficient, negative, node }) = pending.pop() {
            if let Some(value) = self.constant(node) {
                let value = coefficient * value;
                sum.constant += if negative { -value } else { value };
                continue;
            }
            let operation = self.graph.operations[node as usize];
            match operation {
                Operation::Sum(a, b) | Operation::Difference(a, b) if self.uses[node as usize] == 1 => {
                    let turned = matches!(operation, Operation::Difference(..));
                    // The first operand is taken from the stack first, so that sums stay in their order.
                    pending.push(Summand { coefficient, negative: negative != turned, node: b });
                    pending.push(Summand { coefficient, negative, node: a });
                }
                Operation::Product(a, b) if self.uses[node as usize] == 1 => {
                    let doubled =
                        [a, b].into_iter().any(|node| self.graph.small_power_of_two(node).is_some());
                    match (self.constant(a), self.constant(b)) {
                        _ if doubled => sum.add(Summand { coefficient, negative, node }, false),
                        (Some(factor), _) => {
                            pending.push(Summand { coefficient: coefficient * factor, negative, node: b });
                        }
                        (_, Some(factor)) => {
                            pending.push(Summand { coefficient: coefficient * factor, negative, node: a });
                        }
                        _ => sum.add(Summand { coefficient, negative, node }, true),
                    }
                }
                _ => sum.add(Summand { coefficient, negative, node }, false),
            }
        }
    }

    fn other_factor(&self, node: NodeId, factor: NodeId) -> NodeId {
        match self.graph.operations[node as usize] {
            Operation::Product(a, b) if a == factor => b,
            Operation::Product(a, _) => a,
            _ => node,
        }
    }

    /// The factor that saves most if the products that have it are summed first, if any saves something, and these
    /// products by their index.
    fn best_factor(&self, sum: &Sum) -> Option<(NodeId, Vec<usize>)> {
        let mut members: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
        for &index in &sum.products {
            if let Operation::Product(a, b) = self.graph.operations[sum.summands[index].node as usize] {
                members.entry(a).or_default().push(index);
                if a != b {
                    members.entry(b).or_default().push(index);
                }
            }
        }
        members
            .into_iter()
            .filter(|(_, members)| members.len() > 1)
            .map(|(factor, members)| (sum.saving(&members), factor, members))
            .filter(|(saving, ..)| *saving > 0)
            .max_by_key(|&(saving, factor, _)| (saving, std::cmp::Reverse(factor)))
            .map(|(_, factor, members)| (factor, members))
    }
}

/// A sum that is being taken apart.
#[derive(Default)]
struct Sum {
    constant: Felt,
    summands: Vec<Summand>,
    /// Of the summands that are left: those that are products of values that are not constant.
    products: Vec<usize>,
    /// Summands that are left, by coefficient: those with the same are summed before they are multiplied.
    by_coefficient: HashMap<Felt, Vec<usize>>,
    /// The coefficients in the order in which they appeared.
    coefficients: Vec<Felt>,
}

impl Sum {
    fn add(&mut self, summand: Summand, is_product: bool) {
        let index = self.summands.len();
        self.summands.push(summand);
        if is_product {
            self.products.push(index);
        }
        let members = self.by_coefficient.entry(summand.coefficient).or_insert_with(|| {
            self.coefficients.push(summand.coefficient);
            Vec::new()
        });
        members.push(index);
    }

    fn remove(&mut self, index: usize) {
        self.products.retain(|&product| product != index);
        if let Some(members) = self.by_coefficient.get_mut(&self.summands[index].coefficient) {
            members.retain(|&member| member != index);
        }
    }

    /// What it saves to sum the other factors of these products, which share one.
    fn saving(&self, members: &[usize]) -> i64 {
        let mut taken: HashMap<Felt, usize> = HashMap::new();
        for &member in members {
            *taken.entry(self.summands[member].coefficient).or_default() += 1;
        }
        let all = |(coefficient, count): (&Felt, &usize)| {
            self.by_coefficient.get(coefficient).is_some_and(|members| members.len() == *count)
        };
        let emptied = taken.iter().filter(|entry| all(*entry)).count();
        let [products, terms, emptied] = [members.len(), taken.len(), emptied].map(|count| count as i64);
        PRODUCT * products - TERM * (terms - emptied) - REDUCTION - PRODUCT_TERM
    }

    fn terms(mut self) -> Vec<Term> {
        let mut terms = Vec::new();
        for coefficient in self.coefficients {
            let members = self.by_coefficient.remove(&coefficient).unwrap_or_default();
            let (subtracted, added): (Vec<Summand>, Vec<Summand>) =
                members.into_iter().map(|index| self.summands[index]).partition(|summand| summand.negative);
            let nodes = |summands: Vec<Summand>| summands.into_iter().map(|summand| summand.node).collect();
            match (added.is_empty(), subtracted.is_empty()) {
                (true, true) => {}
                (true, false) => {
                    let (added, subtracted) = (nodes(subtracted), Vec::new());
                    terms.push(Term { coefficient: -coefficient, added, subtracted });
                }
                _ => terms.push(Term { coefficient, added: nodes(added), subtracted: nodes(subtracted) }),
            }
        }
        terms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        air::{Cell, Constraint, ConstraintSystem, Domain, Expression, Rows},
        graph::PointValues,
    };

    const PARAMETER: Felt = Felt::from_u64(5);

    struct Point;

    impl PointValues for Point {
        fn cell(&self, cell: Cell) -> Option<Felt> {
            Some(Felt::from_u64(100 * cell.column as u64 + cell.row + 3).pow(9))
        }
        fn periodic(&self, index: usize) -> Option<Felt> {
            Some(Felt::from_u64(index as u64 + 7))
        }
        fn parameter(&self, index: usize) -> Option<Felt> {
            (index == 0).then_some(PARAMETER)
        }
    }

    fn graph(expressions: &[Expression]) -> Graph {
        let domain = Domain { included: vec![Rows { period: 1, residue: 0 }], excluded: vec![] };
        let constraints = expressions
            .iter()
            .map(|e| Constraint { name: "test".into(), body: Some((e.clone(), domain.clone())) })
            .collect();
        Graph::new(&ConstraintSystem::with_sorted_mask(constraints, vec![]))
    }

    /// The sum of all expressions, the one at i times `coefficient(i)`.
    fn combined(graph: &Graph, coefficient: impl Fn(usize) -> Felt) -> (Combination, Felt) {
        let values = graph.evaluate(&Point).unwrap();
        let summands: Vec<Summand> = graph
            .roots
            .iter()
            .enumerate()
            .map(|(i, root)| Summand {
                coefficient: coefficient(i),
                negative: i % 3 == 1,
                node: root.unwrap(),
            })
            .collect();
        let mut expected = Felt::ZERO;
        for &Summand { coefficient, negative, node } in &summands {
            let value = coefficient * values[node as usize];
            expected += if negative { -value } else { value };
        }
        let combination = Combiner::new(graph, &[PARAMETER]).combine(summands);
        assert_eq!(value(&combination, &values), expected);
        (combination, expected)
    }

    fn value(combination: &Combination, values: &[Felt]) -> Felt {
        let of = |nodes: &[NodeId]| nodes.iter().map(|&node| values[node as usize]).sum::<Felt>();
        let mut sum = combination.constant;
        for term in &combination.terms {
            assert!(!term.added.is_empty());
            sum += term.coefficient * (of(&term.added) - of(&term.subtracted));
        }
        for (factor, inner) in &combination.products {
            sum += values[*factor as usize] * value(inner, values);
        }
        sum
    }

    fn power(i: usize) -> Felt {
        Felt::from_u64(1_000_003).pow(i as u64 + 1)
    }

    fn cell(column: usize) -> Expression {
        Expression::cell(column, 0)
    }

    #[test]
    fn random_combinations_keep_their_value() {
        let mut state = 0x2545_f491_4f6c_dd1du64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % below
        };
        let mut with_factors = 0;
        for round in 0..200 {
            let mut parts: Vec<Expression> = (0..4).map(cell).collect();
            parts.extend([
                Expression::parameter(0),
                Expression::periodic(0),
                Expression::from(4),
                Expression::from(77),
            ]);
            for _ in 0..10 + round {
                let (a, b) = (parts[next(parts.len())].clone(), parts[next(parts.len())].clone());
                parts.push(match next(3) {
                    0 => a + b,
                    1 => a - b,
                    _ => a * b,
                });
            }
            let (combination, _) = combined(&graph(&parts[8..]), power);
            with_factors += usize::from(!combination.products.is_empty());
        }
        assert!(with_factors > 50, "{with_factors}");
    }

    #[test]
    fn the_products_of_a_shared_factor_are_summed_before_they_are_multiplied() {
        let bit = || cell(0);
        let expressions = [
            bit() * (bit() - Expression::from(1)),
            bit() * (cell(1) - cell(2)) - cell(3),
            cell(4) - bit() * cell(5),
        ];
        let (combination, _) = combined(&graph(&expressions), power);
        let [(_, inner)] = combination.products.as_slice() else { panic!("{combination:?}") };
        assert_eq!((inner.terms.len(), inner.products.len()), (3, 0));
        assert_eq!(inner.constant, -power(0));
        assert_eq!(combination.terms.len(), 2);
    }

    #[test]
    fn a_factor_of_one_product_alone_stays_in_it() {
        let expressions = [cell(0) * cell(1) - cell(2), cell(3) * cell(4) - cell(5)];
        let (combination, _) = combined(&graph(&expressions), power);
        assert_eq!((combination.terms.len(), combination.products.len()), (2, 0));
    }

    #[test]
    fn what_another_expression_reads_is_not_taken_apart() {
        let shared = cell(0) * cell(1) + cell(0) * cell(2) + cell(0) * cell(3);
        let (alone, _) = combined(&graph(std::slice::from_ref(&shared)), power);
        assert_eq!((alone.terms.len(), alone.products.len()), (0, 1));
        let expressions = [shared.clone() - cell(4), cell(5) * shared];
        let (combination, _) = combined(&graph(&expressions), power);
        assert_eq!((combination.terms.len(), combination.products.len()), (2, 0));
    }

    #[test]
    fn coefficients_that_are_equal_or_zero_change_no_value() {
        let expressions: Vec<Expression> =
            (0..6).map(|i| cell(0) * cell(i + 1) - Expression::from(3) * cell(i)).collect();
        let graph = graph(&expressions);
        combined(&graph, |_| Felt::ONE);
        let (_, zero) = combined(&graph, |_| Felt::ZERO);
        assert!(zero.is_zero());
    }

    #[test]
    fn factors_nested_a_thousand_deep_are_no_problem() {
        let mut e = cell(0);
        for i in 0..1000 {
            let f = cell(i % 7);
            e = f.clone() * e + f.clone() * cell(8) + f * cell(9);
        }
        combined(&graph(&[e]), power);
    }
}
