//! The composition Σ αⁱ·cᵢ(x)/Zᵢ(x): compiled once, run on two cosets, split into h₀ and h₁.

use std::collections::HashMap;

use ashlar_field::{
    Column, Felt, Group, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Multiplier, Stored},
    subtract_value,
};
use rayon::prelude::*;

use crate::{
    air::{ConstraintSystem, Domain},
    domain::{EvaluationDomain, reverse_bits},
    graph::{Graph, NodeId, Operation},
    program::{
        Program,
        builder::{ProgramBuilder, Value},
        columns::{ColumnData, CosetPoints, Table, coset_points},
    },
    prover::{
        combination::{Combination, Combiner, Summand, Term},
        tables::{VanishingTable, periodic_table, single_rows},
    },
};

/// The compiled composition.
pub(crate) struct Composition<'a> {
    system: &'a ConstraintSystem,
    program: Program,
    layout: ColumnLayout,
    /// The distinct row sets, in the order of their tables.
    row_sets: Vec<&'a Domain>,
    /// What makes these tables; `None` for a set that needs none.
    vanishing: Vec<Option<VanishingTable>>,
}

/// Where the program finds its columns: the trace's first, then these.
#[derive(Clone, Copy)]
struct ColumnLayout {
    /// The number of trace columns; also the index of the column of points x.
    points: usize,
    /// 1/(x − 1).
    inverses: usize,
    /// The first periodic column.
    periodic: usize,
    /// The first table of a row set.
    row_sets: usize,
}

/// Constraints that vanish on the same rows.
struct ConstraintsOfRows<'a> {
    rows: &'a Domain,
    /// Power of α, node.
    members: Vec<(usize, NodeId)>,
}

fn by_rows<'a>(system: &'a ConstraintSystem, graph: &Graph) -> Vec<ConstraintsOfRows<'a>> {
    let mut position: HashMap<&Domain, usize> = HashMap::new();
    let mut sets: Vec<ConstraintsOfRows<'a>> = Vec::new();
    for (power, (constraint, root)) in system.constraints.iter().zip(&graph.roots).enumerate() {
        let (Some((_, rows)), Some(root)) = (&constraint.body, root) else { continue };
        let at = *position.entry(rows).or_insert_with(|| {
            sets.push(ConstraintsOfRows { rows, members: Vec::new() });
            sets.len() - 1
        });
        sets[at].members.push((power, *root));
    }
    sets
}

impl<'a> Composition<'a> {
    /// Compiles the constraints for these random values. `parameters` are those of the AIR.
    ///
    /// `None` if a constraint names a parameter that does not exist.
    pub(crate) fn compile(
        system: &'a ConstraintSystem,
        domain: &EvaluationDomain,
        trace_width: usize,
        alpha: Felt,
        parameters: &[Felt],
    ) -> Option<Composition<'a>> {
        let layout = ColumnLayout {
            points: trace_width,
            inverses: trace_width + 1,
            periodic: trace_width + 2,
            row_sets: trace_width + 2 + system.periodic.len(),
        };
        let graph = Graph::new(system);
        let sets = by_rows(system, &graph);
        let mut powers = vec![Felt::ONE; system.constraints.len()];
        for i in 1..powers.len() {
            powers[i] = powers[i - 1] * alpha;
        }
        let mut compiler = Compiler {
            combiner: Combiner::new(&graph, parameters),
            graph: &graph,
            parameters,
            layout,
            builder: ProgramBuilder::default(),
            values: vec![None; graph.operations.len()],
        };
        let mut total: Option<Value> = None;
        for (index, set) in sets.iter().enumerate() {
            let value = compiler.row_set(set, index, domain, &powers)?;
            total = Some(match total {
                Some(total) => compiler.builder.add(total, value),
                None => value,
            });
        }
        let mut builder = compiler.builder;
        let total = total.unwrap_or_else(|| builder.constant(Felt::ZERO));
        let row_sets: Vec<&Domain> = sets.iter().map(|set| set.rows).collect();
        let vanishing = row_sets.par_iter().map(|rows| VanishingTable::new(rows, domain)).collect();
        Some(Composition { system, program: builder.finish(total), layout, row_sets, vanishing })
    }

    /// The composition on the coset shift·⟨g⟩, in block order, from the trace columns there; `None` if interrupted.
    pub(crate) fn evaluate(
        &self,
        trace: &[&[Group]],
        domain: &EvaluationDomain,
        shift: Felt,
        kernels: Kernels,
        before_task: &(dyn Fn() -> bool + Sync),
    ) -> Option<Column> {
        let length = domain.trace_length() as usize;
        debug_assert_eq!(trace.len(), self.layout.points);
        let points = CosetPoints::new(shift, domain.trace_generator, length / 8, kernels);
        let has_single = |set: &&Domain| !single_rows(set, domain.trace_length()).included.is_empty();
        let inverses = if self.row_sets.iter().any(has_single) {
            inverse_differences(domain, shift, Felt::ONE, kernels)
        } else {
            Column::zeros(0)
        };
        let periodic: Vec<Table> = self
            .system
            .periodic
            .par_iter()
            .map(|column| Table::new(periodic_table(column, domain, shift, kernels), length, kernels))
            .collect();
        let row_sets: Vec<Table> = self
            .vanishing
            .par_iter()
            .map(|vanishing| {
                let one = || Column::from_felts(&[Felt::ONE]);
                let table = vanishing.as_ref().map(|table| table.evaluate(domain, shift, kernels));
                Table::new(table.unwrap_or_else(one), length, kernels)
            })
            .collect();
        let mut columns: Vec<ColumnData<'_>> = trace.iter().map(|column| ColumnData::Full(column)).collect();
        columns.extend([ColumnData::Points(&points), ColumnData::Full(inverses.groups())]);
        columns.extend(periodic.iter().chain(&row_sets).map(Table::data));
        let mut out = Column::unspecified(length);
        self.program.run(&columns, kernels, out.groups_mut(), before_task).then_some(out)
    }
}

struct Compiler<'a> {
    combiner: Combiner<'a>,
    graph: &'a Graph,
    parameters: &'a [Felt],
    layout: ColumnLayout,
    builder: ProgramBuilder,
    values: Vec<Option<Value>>,
}

impl Compiler<'_> {
    /// Σ αⁱ·cᵢ of a row set, times the inverse of its vanishing polynomial.
    ///
    /// The periodic part of that is a table. A single row r in the denominator is the column 1/(x − 1) taken r rows
    /// back, times g^(−r); a single row in the numerator is x − g^r.
    fn row_set(
        &mut self,
        set: &ConstraintsOfRows<'_>,
        index: usize,
        domain: &EvaluationDomain,
        powers: &[Felt],
    ) -> Option<Value> {
        let length = domain.trace_length();
        let Domain { included, excluded } = single_rows(set.rows, length);
        let is_periodic = included.len() + excluded.len() < set.rows.included.len() + set.rows.excluded.len();
        let scale: Felt = included
            .iter()
            .map(|rows| domain.trace_generator.pow((length - rows.residue) % length))
            .product();
        let summands = set.members.iter().map(|&(power, node)| Summand {
            coefficient: powers[power] * scale,
            negative: false,
            node,
        });
        let combination = self.combiner.combine(summands.collect());
        let mut value = self.combination(&combination)?;
        if is_periodic {
            let table = self.builder.column(self.layout.row_sets + index, 0);
            value = self.builder.multiply(table, value);
        }
        for rows in included {
            let inverse = self.builder.column(self.layout.inverses, (length - rows.residue) % length);
            value = self.builder.multiply(inverse, value);
        }
        for rows in excluded {
            let x = self.builder.column(self.layout.points, 0);
            let root = self.builder.constant(rows.root(domain));
            let factor = self.builder.subtract(x, root);
            value = self.builder.multiply(factor, value);
        }
        Some(value)
    }

    /// The value of a combination.
    fn combination(&mut self, combination: &Combination) -> Option<Value> {
        // Before anything of this sum: there is one accumulator.
        let mut products = Vec::with_capacity(combination.products.len());
        for (factor, inner) in &combination.products {
            let inner = self.combination(inner)?;
            products.push((self.node(*factor)?, inner));
        }
        let mut sum = None;
        for term in &combination.terms {
            let value = self.term(term)?;
            self.builder.accumulate(term.coefficient, value);
            self.reduce_into(&mut sum, false);
        }
        for (factor, inner) in products {
            self.builder.accumulate_product(factor, inner);
            self.reduce_into(&mut sum, false);
        }
        self.reduce_into(&mut sum, true);
        if combination.constant.is_zero() {
            return sum;
        }
        let constant = self.builder.constant(combination.constant);
        sum.map(|sum| self.builder.add(sum, constant))
    }

    /// Adds what the accumulator holds to a sum, if it takes no further term or is to be emptied.
    fn reduce_into(&mut self, sum: &mut Option<Value>, empty: bool) {
        if empty || self.builder.accumulator_is_full() {
            let part = self.builder.reduce();
            *sum = Some(match *sum {
                Some(sum) => self.builder.add(sum, part),
                None => part,
            });
        }
    }

    /// Σ added − Σ subtracted.
    fn term(&mut self, term: &Term) -> Option<Value> {
        let (first, added) = term.added.split_first()?;
        let mut value = self.node(*first)?;
        for &node in added {
            let node = self.node(node)?;
            value = self.builder.add(value, node);
        }
        for &node in &term.subtracted {
            let node = self.node(node)?;
            value = self.builder.subtract(value, node);
        }
        Some(value)
    }

    /// The value of a node, computed at its first use. Iterative, so that no expression is too deep.
    fn node(&mut self, root: NodeId) -> Option<Value> {
        let mut pending = vec![root];
        while let Some(&id) = pending.last() {
            let id = id as usize;
            if self.values[id].is_some() {
                pending.pop();
                continue;
            }
            let operation = self.graph.operations[id];
            let value = match operation {
                Operation::Constant(value) => self.builder.constant(value),
                Operation::Cell(cell) => self.builder.column(cell.column, cell.row),
                Operation::Periodic(index) => self.builder.column(self.layout.periodic + index, 0),
                Operation::Parameter(index) => self.builder.constant(*self.parameters.get(index)?),
                Operation::Sum(a, b) | Operation::Difference(a, b) | Operation::Product(a, b) => {
                    match (self.values[a as usize], self.values[b as usize]) {
                        (Some(x), Some(y)) => match operation {
                            Operation::Sum(..) => self.builder.add(x, y),
                            Operation::Difference(..) => self.builder.subtract(x, y),
                            _ => match (self.graph.small_power_of_two(a), self.graph.small_power_of_two(b)) {
                                (Some(count), _) => self.builder.double(y, count),
                                (_, Some(count)) => self.builder.double(x, count),
                                _ => self.builder.multiply(x, y),
                            },
                        },
                        (x, y) => {
                            pending.extend(
                                [(b, y), (a, x)].iter().filter(|(_, v)| v.is_none()).map(|(id, _)| *id),
                            );
                            continue;
                        }
                    }
                }
            };
            self.values[id] = Some(value);
            pending.pop();
        }
        self.values[root as usize]
    }
}

/// 1/(x − value) at the points of the coset shift·⟨g⟩, in block order; zero where there is no inverse.
pub(crate) fn inverse_differences(
    domain: &EvaluationDomain,
    shift: Felt,
    value: Felt,
    kernels: Kernels,
) -> Column {
    let groups = domain.trace_length() as usize / 8;
    let mut out = coset_points(shift, domain.trace_generator, groups, kernels);
    subtract_value(out.groups_mut(), value, kernels);
    ashlar_field::batch_inverse_groups(out.groups_mut(), kernels);
    out
}

/// The coefficients of h₀ and h₁, where C(x) = h₀(x²) + x·h₁(x²), from C on the first two cosets of the evaluation
/// domain, each in block order.
///
/// A group holds x and −x in neighbouring lanes, and pair i of the two cosets together is x² = 9·g^bitrev(i).
pub(crate) fn split(cosets: [Column; 2], domain: &EvaluationDomain, kernels: Kernels) -> [Column; 2] {
    let length = domain.trace_length() as usize;
    let groups = length / 8;
    let two_inverse = Felt::from_u64(2).inverse().unwrap_or(Felt::ZERO);
    let generator_inverse = domain.trace_generator.inverse().unwrap_or(Felt::ZERO);
    // 1/2x at the points of the two cosets.
    let halves: [CosetPoints; 2] = std::array::from_fn(|position| {
        let shift = Felt::GENERATOR * domain.coset_shift(position as u64);
        let start = shift.inverse().unwrap_or(Felt::ZERO) * two_inverse;
        CosetPoints::new(start, generator_inverse, groups, kernels)
    });
    let pairs = Pairs { cosets: &cosets, halves: &halves, two_inverse, length };
    let mut parts = [Column::unspecified(length), Column::unspecified(length)];
    let [even, odd] = &mut parts;
    even.groups_mut()
        .par_chunks_mut(PAIRS_CHUNK)
        .zip(odd.groups_mut().par_chunks_mut(PAIRS_CHUNK))
        .enumerate()
        .for_each(|(chunk, (even, odd))| {
            let task = SplitPairs { pairs: &pairs, first: chunk * PAIRS_CHUNK, even, odd };
            dispatch(kernels, task).unwrap_or_else(SplitPairs::one_by_one);
        });
    drop((cosets, halves));
    ashlar_ntt::interpolate_coset(&mut parts, Felt::from_u64(9), kernels);
    parts
}

/// Groups per task.
const PAIRS_CHUNK: usize = 256;

/// The values of the composition at x and −x, on both cosets, in pairs.
struct Pairs<'a> {
    cosets: &'a [Column; 2],
    /// 1/2x.
    halves: &'a [CosetPoints; 2],
    two_inverse: Felt,
    /// Of the trace.
    length: usize,
}

impl Pairs<'_> {
    /// The two groups that hold pairs 8i … 8i + 7, by coset and index: four pairs each, in neighbouring lanes, because
    /// pair k of a coset is at its bit-reversed positions 2k and 2k + 1.
    #[inline(always)]
    fn groups_of(&self, index: usize) -> [(usize, usize); 2] {
        let of_a_coset = self.length / 2;
        let bits = (self.length / 8).ilog2();
        [8 * index, 8 * index + 4].map(
            #[inline(always)]
            |pair| (pair / of_a_coset, reverse_bits((pair % of_a_coset) as u64 / 4, bits) as usize),
        )
    }
}

/// (C(x) + C(−x))/2 and (C(x) − C(−x))/2x for the pairs of some groups.
struct SplitPairs<'a> {
    pairs: &'a Pairs<'a>,
    first: usize,
    even: &'a mut [Group],
    odd: &'a mut [Group],
}

impl SplitPairs<'_> {
    fn one_by_one(self) {
        let SplitPairs { pairs, first, even, odd } = self;
        for (i, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
            for (part, (coset, group)) in pairs.groups_of(first + i).into_iter().enumerate() {
                let (values, halves) = (&pairs.cosets[coset].groups()[group], pairs.halves[coset].get(group));
                for pair in 0..4 {
                    let (a, b) = (values.get(2 * pair), values.get(2 * pair + 1));
                    even.set(4 * part + pair, (a + b) * pairs.two_inverse);
                    odd.set(4 * part + pair, (a - b) * halves[2 * pair]);
                }
            }
        }
    }
}

impl LaneTask for SplitPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let SplitPairs { pairs, first, even, odd } = self;
        let [at_x, at_minus_x] = [l.load(&[0, 2, 4, 6, 8, 10, 12, 14]), l.load(&[1, 3, 5, 7, 9, 11, 13, 15])];
        let two_inverse = Multiplier::new(pairs.two_inverse).splat(l);
        for (i, (even, odd)) in even.iter_mut().zip(odd).enumerate() {
            let [(coset, group), (other_coset, other_group)] = pairs.groups_of(first + i);
            let low = Stored::load(l, &pairs.cosets[coset].groups()[group]);
            let high = Stored::load(l, &pairs.cosets[other_coset].groups()[other_group]);
            let a = Stored::permute_pair(l, low, high, at_x).to_lazy(l);
            let b = Stored::permute_pair(l, low, high, at_minus_x).to_lazy(l);
            two_inverse.mul(l, a.add(l, b).carry(l)).canonical(l).store(l, even);
            let low = pairs.halves[coset].load(l, group);
            let high = pairs.halves[other_coset].load(l, other_group);
            let half = Stored::permute_pair(l, low, high, at_x).unpack_x16(l);
            half.mul(l, a.sub(l, b).bias(l, 2).carry(l)).canonical(l).store(l, odd);
        }
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::lanes::intervals::{any_group, prove};

    use super::*;

    #[test]
    fn splitting_overflows_nowhere_and_is_the_same_pair_by_pair() {
        let points = |groups: usize| {
            [11, 13].map(|shift| {
                CosetPoints::new(Felt::from_u64(shift), Felt::GENERATOR, groups, Kernels::Scalar)
            })
        };
        for length in [8usize, 16, 64, 1 << 12] {
            let groups = length / 8;
            let any = || {
                let mut column = Column::zeros(length);
                column.groups_mut().fill(any_group());
                column
            };
            let (cosets, halves) = ([any(), any()], points(groups));
            let pairs = Pairs { cosets: &cosets, halves: &halves, two_inverse: Felt::ONE, length };
            let (mut even, mut odd) = (vec![Group::ZERO; groups], vec![Group::ZERO; groups]);
            let task = SplitPairs { pairs: &pairs, first: 0, even: &mut even, odd: &mut odd };
            assert_eq!(prove(task), Ok(()), "{length}");
        }
        for length in [8usize, 16, 64, 1 << 12] {
            let groups = length / 8;
            let column = |start: u64| {
                ashlar_field::geometric_sequence(
                    length,
                    Felt::from_u64(start),
                    Felt::GENERATOR,
                    Kernels::Scalar,
                )
            };
            let (cosets, halves) = ([column(5), column(7)], points(groups));
            let two_inverse = Felt::from_u64(17);
            let pairs = Pairs { cosets: &cosets, halves: &halves, two_inverse, length };
            let split = |kernels: Kernels| {
                let (mut even, mut odd) = (vec![Group::ZERO; groups], vec![Group::ZERO; groups]);
                let task = SplitPairs { pairs: &pairs, first: 0, even: &mut even, odd: &mut odd };
                dispatch(kernels, task).unwrap_or_else(SplitPairs::one_by_one);
                (even, odd)
            };
            let expected = split(Kernels::Scalar);
            for kernels in Kernels::supported() {
                assert_eq!(split(kernels), expected, "{kernels}, {length}");
            }
        }
    }
}
