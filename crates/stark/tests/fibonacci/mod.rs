//! A small AIR with an interaction phase, for tests of the protocol: a Fibonacci-like sequence and a permutation.
//!
//! First trace: a, b with a' = b, b' = a·b + k + c (k periodic, with a public start), and c, a list of values; the
//! third column holds the same values shuffled. Interaction: the running product of (z − c)/(z − shuffled), which is
//! 1 in the end. A second interaction column repeats the product, so that either width can be tested.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::{Column, Felt};
use ashlar_stark::{
    FriParameters, StarkParameters,
    air::{Air, Constraint, ConstraintSystem, Domain, Expression, PeriodicColumn, Rows, Witness},
};

pub(crate) struct Fibonacci {
    pub(crate) log_length: u32,
    pub(crate) interaction_width: usize,
    pub(crate) start: Felt,
    system: ConstraintSystem,
}

fn rows(period: u64, residue: u64) -> Rows {
    Rows { period, residue }
}

impl Fibonacci {
    pub(crate) fn new(log_length: u32, interaction_width: usize, start: u64) -> Fibonacci {
        let length = 1u64 << log_length;
        let every = Domain { included: vec![rows(1, 0)], excluded: vec![] };
        let all_but_last = Domain { included: vec![rows(1, 0)], excluded: vec![rows(length, length - 1)] };
        let first = Domain { included: vec![rows(length, 0)], excluded: vec![] };
        let last = Domain { included: vec![rows(length, length - 1)], excluded: vec![] };
        let odd = Domain { included: vec![rows(2, 1)], excluded: vec![rows(4, 3)] };
        let cell = Expression::cell;
        let (z, start_value) = (Expression::parameter(0), Expression::parameter(1));
        let mut list = vec![
            ("copy", cell(0, 1) - cell(1, 0), all_but_last.clone()),
            (
                "step",
                cell(1, 1) - (cell(0, 0) * cell(1, 0) + Expression::periodic(0) + cell(2, 0)),
                all_but_last.clone(),
            ),
            ("start", cell(0, 0) - &start_value, first.clone()),
            ("unused", Expression::from(0), every),
            // The list is twice the row number on odd rows of one kind.
            ("list", cell(2, 0) - Expression::periodic(1), odd),
            (
                "permutation/step",
                cell(4, 1) * (&z - cell(3, 1)) - cell(4, 0) * (&z - cell(2, 1)),
                all_but_last,
            ),
            ("permutation/first", cell(4, 0) * (&z - cell(3, 0)) - (&z - cell(2, 0)), first.clone()),
            ("permutation/last", cell(4, 0) - Expression::from(1), last),
        ];
        if interaction_width == 2 {
            list.push(("repeat", cell(5, 0) - cell(4, 0), first));
        }
        let constraints = list
            .into_iter()
            .map(|(name, expression, domain)| Constraint {
                name: name.into(),
                body: (name != "unused").then_some((expression, domain)),
            })
            .collect();
        let periodic = vec![
            PeriodicColumn { values: [3, 1, 4, 1].map(Felt::from_u64).to_vec(), step: 2 },
            PeriodicColumn { values: (0..length).map(|row| Felt::from_u64(2 * row)).collect(), step: 1 },
        ];
        let system = ConstraintSystem::with_sorted_mask(constraints, periodic);
        Fibonacci { log_length, interaction_width, start: Felt::from_u64(start), system }
    }

    pub(crate) fn witness(&self) -> FibonacciWitness {
        let length = 1usize << self.log_length;
        let mut columns = vec![vec![Felt::ZERO; length]; 4];
        // k between its values is what its polynomial says; the trace needs it on every row.
        let k = periodic_on_all_rows(&self.system.periodic[0], length);
        let (mut a, mut b) = (self.start, Felt::from_u64(7));
        for row in 0..length {
            let c = Felt::from_u64(2 * row as u64);
            (columns[0][row], columns[1][row], columns[2][row]) = (a, b, c);
            columns[3][(row * 5 + 3) % length] = c;
            (a, b) = (b, a * b + k[row] + c);
        }
        FibonacciWitness { columns, interaction_width: self.interaction_width, fails: false }
    }
}

/// The values of the interpolating polynomial on every row, by Lagrange on the sparse ones: period 8, 4 values.
fn periodic_on_all_rows(column: &PeriodicColumn, length: usize) -> Vec<Felt> {
    let count = column.values.len();
    let period = count * column.step as usize;
    let small = Felt::subgroup_generator(count.ilog2()).unwrap();
    let fine = Felt::subgroup_generator(period.ilog2()).unwrap();
    let value = |y: Felt| -> Felt {
        (0..count as u64)
            .map(|i| {
                let others = (0..count as u64).filter(|&j| j != i);
                let ratio = |j: u64| (y - small.pow(j)) * (small.pow(i) - small.pow(j)).inverse().unwrap();
                column.values[i as usize] * others.map(ratio).product::<Felt>()
            })
            .sum()
    };
    (0..length).map(|row| value(fine.pow(row as u64 % period as u64))).collect()
}

#[derive(Clone)]
pub(crate) struct FibonacciWitness {
    pub(crate) columns: Vec<Vec<Felt>>,
    interaction_width: usize,
    pub(crate) fails: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoTrace;

impl std::fmt::Display for NoTrace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no trace")
    }
}

impl std::error::Error for NoTrace {}

impl Fault for NoTrace {
    fn code(&self) -> Code {
        Code(1201)
    }
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl Witness for FibonacciWitness {
    type Error = NoTrace;

    fn first_trace(&mut self) -> Result<Vec<Column>, NoTrace> {
        if self.fails {
            Err(NoTrace)
        } else {
            Ok(self.columns.iter().map(|c| Column::from_felts(c)).collect())
        }
    }

    fn interaction_trace(&mut self, elements: &[Felt]) -> Result<Vec<Column>, NoTrace> {
        let z = elements[0];
        let mut product = Felt::ONE;
        let values: Vec<Felt> = self.columns[2]
            .iter()
            .zip(&self.columns[3])
            .map(|(&c, &shuffled)| {
                product *= (z - c) * (z - shuffled).inverse().unwrap();
                product
            })
            .collect();
        Ok(vec![Column::from_felts(&values); self.interaction_width])
    }
}

impl Air for Fibonacci {
    fn log_trace_length(&self) -> u32 {
        self.log_length
    }
    fn trace_widths(&self) -> [usize; 2] {
        [4, self.interaction_width]
    }
    fn interaction_element_count(&self) -> usize {
        1
    }
    fn constraint_system(&self) -> &ConstraintSystem {
        &self.system
    }
    fn parameters(&self, interaction_elements: &[Felt]) -> Option<Vec<Felt>> {
        Some(vec![*interaction_elements.first()?, self.start])
    }
}

/// Parameters with these FRI steps for a trace of 2^`log_length` rows.
pub(crate) fn parameters(log_length: u32, log_n_cosets: u32, steps: &[u32]) -> StarkParameters {
    let last = log_length - steps.iter().sum::<u32>();
    StarkParameters {
        log_n_cosets,
        fri: FriParameters {
            fri_step_list: steps.to_vec(),
            last_layer_degree_bound: 1 << last,
            n_queries: 7,
            proof_of_work_bits: 5,
        },
        channel_hash: "keccak256".parse().unwrap(),
        commitment_hash: "keccak256_masked160_msb".parse().unwrap(),
        verifier_friendly_commitment_hash: "keccak256_masked160_msb".parse().unwrap(),
        n_verifier_friendly_commitment_layers: 0,
        verifier_friendly_channel_updates: false,
        pow_hash: "blake256".parse().unwrap(),
    }
}
