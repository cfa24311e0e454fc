//! The composition Σ αⁱ·cᵢ(x)/Zᵢ(x): compiled once, run on two cosets, split into h₀ and h₁.

use std::collections::HashMap;

use ashlar_field::{Column, Felt, Group, Kernels};
use rayon::prelude::*;

use crate::{
    air::{ConstraintSystem, Domain},
    domain::{EvaluationDomain, reverse_bits},
    graph::{Graph, NodeId, Operation},
    program::{
        Program,
        builder::{ProgramBuilder, Value},
        columns::{ColumnData, Table, coset_points},
    },
    prover::tables::{VanishingTable, periodic_table, single_rows},
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
        let points = coset_points(shift, domain.trace_generator, length / 8);
        let has_single = |set: &&Domain| !single_rows(set, domain.trace_length()).included.is_empty();
        let inverses = if self.row_sets.iter().any(has_single) {
            inverse_differences(&points, Felt::ONE, kernels)
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
        columns.extend([ColumnData::Full(points.groups()), ColumnData::Full(inverses.groups())]);
        columns.extend(periodic.iter().chain(&row_sets).map(Table::data));
        let mut out = Column::zeros(length);
        self.program.run(&columns, kernels, out.groups_mut(), before_task).then_some(out)
    }
}

struct Compiler<'a> {
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
        let mut sum: Option<Value> = None;
        for (position, &(power, root)) in set.members.iter().enumerate() {
            let value = self.node(root)?;
            self.builder.accumulate(powers[power] * scale, value);
            if self.builder.accumulator_is_full() || position + 1 == set.members.len() {
                let part = self.builder.reduce();
                sum = Some(match sum {
                    Some(sum) => self.builder.add(sum, part),
                    None => part,
                });
            }
        }
        let mut value = sum?;
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

    /// k for a constant node 2ᵏ by which it is cheaper to double than to multiply.
    fn small_power_of_two(&self, id: NodeId) -> Option<u32> {
        match self.graph.operations[id as usize] {
            Operation::Constant(value) => (1..=4).find(|&count| value == Felt::from_u64(1 << count)),
            _ => None,
        }
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
                            _ => match (self.small_power_of_two(a), self.small_power_of_two(b)) {
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

/// 1/(x − value) for all points; zero where there is no inverse.
pub(crate) fn inverse_differences(points: &Column, value: Felt, kernels: Kernels) -> Column {
    let mut out = Column::zeros(points.len());
    out.groups_mut().par_iter_mut().zip(points.groups()).for_each(|(out, point)| {
        for lane in 0..8 {
            out.set(lane, point.get(lane) - value);
        }
    });
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
    let bits = groups.max(1).ilog2();
    let two_inverse = Felt::from_u64(2).inverse().unwrap_or(Felt::ZERO);
    let generator_inverse = domain.trace_generator.inverse().unwrap_or(Felt::ZERO);
    // 1/2x at the points of the two cosets.
    let halves: [Column; 2] = std::array::from_fn(|position| {
        let shift = Felt::GENERATOR * domain.coset_shift(position as u64);
        coset_points(shift.inverse().unwrap_or(Felt::ZERO) * two_inverse, generator_inverse, groups)
    });
    let mut parts = [Column::zeros(length), Column::zeros(length)];
    let [even, odd] = &mut parts;
    even.groups_mut().par_iter_mut().zip(odd.groups_mut()).enumerate().for_each(|(index, (even, odd))| {
        for lane in 0..8 {
            // Pair i of a coset is at bit-reversed positions 2i and 2i + 1.
            let pair = 8 * index + lane;
            let (position, pair) = (pair / (length / 2), pair % (length / 2));
            let group = reverse_bits(pair as u64 / 4, bits) as usize;
            let at = 2 * (pair % 4);
            let pair = &cosets[position].groups()[group];
            let (a, b) = (pair.get(at), pair.get(at + 1));
            even.set(lane, (a + b) * two_inverse);
            odd.set(lane, (a - b) * halves[position].groups()[group].get(at));
        }
    });
    ashlar_ntt::interpolate_coset(&mut parts, Felt::from_u64(9), kernels);
    parts
}
