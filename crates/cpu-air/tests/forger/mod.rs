//! A prover who lies: changes cells of an honest trace, then sorts, multiplies up and proves as if nothing had
//! happened.
//!
//! Its sorted columns, running products and cumulative values are computed from the cells of the trace alone, whatever
//! they hold: the witness of the product would refuse such a run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
};

use ashlar_cpu_air::{
    air::CpuAir,
    input::PublicInput,
    layout::{Layout, VirtualColumn},
};
use ashlar_field::{Column, Felt, batch_inverse};
use ashlar_stark::{
    FriParameters, ProveOptions, StarkParameters, VerifyError,
    air::{Air, Witness},
    prove, verify,
};

use crate::rows::{RowConstraints, Trace};

/// The part of the constraints that a constraint belongs to: its component, and `cpu` for the boundary values.
pub(crate) fn family(constraint: &str) -> &str {
    let first = constraint.split('/').next().unwrap();
    match first.split('_').next() {
        Some("initial" | "final") => "cpu",
        Some("public") => "public_memory",
        _ => first,
    }
}

/// Whether a constraint says that a sorted column is a permutation of its pool: sorting again makes it hold.
pub(crate) fn is_permutation(constraint: &str) -> bool {
    constraint.contains("/perm/") || constraint.contains("/permutation/")
}

/// Whether a constraint is about a pool that components share.
fn is_shared(constraint: &str) -> bool {
    ["memory", "range_check16", "diluted_check"].contains(&family(constraint))
}

/// Rows of a virtual column's cells.
fn rows_of(column: VirtualColumn, length: usize) -> impl Iterator<Item = usize> {
    (0..length / column.step).map(move |index| column.row(index) % length)
}

/// A cell (column, row) and its new value.
pub(crate) type Change = Vec<((usize, usize), Felt)>;

/// Makes a change, and returns the one that takes it back.
pub(crate) fn apply(columns: &mut [Column], change: &Change) -> Change {
    let set = |&((column, row), value): &((usize, usize), Felt)| {
        let before = columns[column].get(row);
        columns[column].set(row, value);
        ((column, row), before)
    };
    let mut undo: Change = change.iter().map(set).collect();
    undo.reverse();
    undo
}

/// Where in the trace the memory cells of an address are.
pub(crate) struct MemoryCells {
    /// The columns of address and value, in the order of the trace and sorted.
    pool: [VirtualColumn; 2],
    /// By address: the places of its values, in the order of the trace and sorted.
    values: HashMap<Felt, Vec<(usize, usize)>>,
}

impl MemoryCells {
    pub(crate) fn new(layout: &Layout, columns: &[Column]) -> MemoryCells {
        let length = columns[0].len();
        let column = |name: &str| layout.column(name).unwrap();
        let pool = [column("mem_pool/addr"), column("mem_pool/value")];
        let sorted = [column("memory/sorted/addr"), column("memory/sorted/value")];
        let mut values: HashMap<Felt, Vec<(usize, usize)>> = HashMap::new();
        for [address, value] in [pool, sorted] {
            for (at, place) in rows_of(address, length).zip(rows_of(value, length)) {
                values.entry(columns[address.column].get(at)).or_default().push((value.column, place));
            }
        }
        MemoryCells { pool, values }
    }

    /// All places of the value that is in this place; `None` if it is no value of the memory pool.
    fn everywhere(&self, columns: &[Column], (column, row): (usize, usize)) -> Option<&[(usize, usize)]> {
        let [address, value] = self.pool;
        if column != value.column || row % value.step != value.offset % value.step {
            return None;
        }
        let length = columns[0].len();
        let index = (row + length - value.offset) % length / value.step;
        let address = columns[address.column].get(address.row(index) % length);
        // Cells of the public memory show the address 0.
        if address.is_zero() { None } else { self.values.get(&address).map(Vec::as_slice) }
    }

    /// Another value for an address, everywhere.
    pub(crate) fn change(&self, address: u64, value: Felt) -> Change {
        self.values[&Felt::from_u64(address)].iter().map(|&place| (place, value)).collect()
    }
}

/// A change that violates a constraint, and what it violates.
pub(crate) struct Violation<'a> {
    pub(crate) change: Change,
    pub(crate) violated: BTreeSet<&'a str>,
}

impl Violation<'_> {
    /// Whether all that it violates beside the pools is in this constraint's family.
    fn is_within_family(&self, constraint: &str) -> bool {
        self.violated.iter().all(|other| is_shared(other) || family(other) == family(constraint))
    }

    /// Violated constraints that sorting again does not repair.
    fn weight(&self) -> usize {
        self.violated.iter().filter(|name| !is_permutation(name)).count()
    }
}

/// Looks for a change that violates a constraint and as little else as possible, never more than its family and the
/// pools: one cell, or the value of a memory cell wherever it occurs; where neither does, two cells.
pub(crate) fn violate<'a>(
    rows: &RowConstraints<'a>,
    trace: &mut Trace<'_>,
    memory: &MemoryCells,
    index: usize,
) -> Option<Violation<'a>> {
    /// Most places of one value to look at.
    const PLACES: usize = 40;
    let constraint = &rows.active[index];
    let mut best: Option<Violation<'a>> = None;
    let mut attempt = |trace: &mut Trace<'_>, change: Change| -> usize {
        let undo = apply(&mut trace.columns, &change);
        let violated = rows.violations_around(trace, change.iter().map(|(cell, _)| *cell));
        apply(&mut trace.columns, &undo);
        let found = Violation { change, violated };
        let fits = found.violated.contains(constraint.name) && found.is_within_family(constraint.name);
        if fits && best.as_ref().is_none_or(|best| found.weight() < best.weight()) {
            best = Some(found);
        }
        best.as_ref().map_or(usize::MAX, Violation::weight)
    };
    let step = Felt::GENERATOR.pow(1_000_003);
    let mut weight = usize::MAX;
    for row in constraint.some_rows(rows.length) {
        for cell in constraint.cells(row, rows.length) {
            let before = trace.columns[cell.0].get(cell.1);
            for value in [before + Felt::ONE, before + step] {
                weight = attempt(trace, vec![(cell, value)]);
                let everywhere = memory.everywhere(&trace.columns, cell);
                if let Some(places) = everywhere.filter(|places| places.len() <= PLACES) {
                    weight = attempt(trace, places.iter().map(|&place| (place, value)).collect());
                }
            }
        }
        if weight <= 1 {
            return best;
        }
    }
    // A product of two factors that are both zero needs two cells.
    if weight == usize::MAX {
        let row = constraint.some_rows(rows.length)[0];
        let cells = constraint.cells(row, rows.length);
        for (place, &cell) in cells.iter().enumerate() {
            for &other in &cells[..place] {
                let change = [cell, other].map(|cell| (cell, trace.columns[cell.0].get(cell.1) + Felt::ONE));
                attempt(trace, change.to_vec());
            }
        }
    }
    best
}

/// Orders elements as numbers.
fn key(value: Felt) -> [u64; 4] {
    let mut limbs = value.to_standard_limbs();
    limbs.reverse();
    limbs
}

/// Writes all sorted columns from their pools.
pub(crate) fn sort_again(layout: &Layout, public: &PublicInput, first: &mut [Column]) {
    let length = first[0].len();
    let column = |name: &str| layout.column(name).unwrap();
    let [address, value] = ["mem_pool/addr", "mem_pool/value"].map(column);
    let public_rows: HashMap<usize, usize> =
        rows_of(column("orig/public_memory/addr"), length).zip(0..).collect();
    let mut cells: Vec<[Felt; 2]> = rows_of(address, length)
        .zip(rows_of(value, length))
        .map(|(at, place)| match public_rows.get(&at) {
            Some(&index) => {
                let cell = public.public_memory.get(index).unwrap_or(&public.public_memory[0]);
                [Felt::from_u64(cell.address), cell.value]
            }
            None => [first[address.column].get(at), first[value.column].get(place)],
        })
        .collect();
    cells.sort_by_key(|cell| key(cell[0]));
    for (part, name) in ["memory/sorted/addr", "memory/sorted/value"].into_iter().enumerate() {
        let sorted = column(name);
        for (cell, row) in cells.iter().zip(rows_of(sorted, length)) {
            first[sorted.column].set(row, cell[part]);
        }
    }
    let mut pools = vec![("range_check16_pool", "range_check16/sorted")];
    if layout.has_diluted() {
        pools.push(("diluted_pool", "diluted_check/permuted_values"));
    }
    for (pool, sorted) in pools {
        let (pool, sorted) = (column(pool), column(sorted));
        let mut values: Vec<Felt> = rows_of(pool, length).map(|row| first[pool.column].get(row)).collect();
        values.sort_by_key(|&value| key(value));
        for (value, row) in values.into_iter().zip(rows_of(sorted, length)) {
            first[sorted.column].set(row, value);
        }
    }
}

/// The interaction trace of any first trace.
pub(crate) fn interaction(layout: &Layout, first: &[Column], elements: &[Felt]) -> Vec<Column> {
    let length = first[0].len();
    let mut columns = vec![Column::zeros(length); layout.second_columns];
    let column = |name: &str| layout.column(name).unwrap();
    let values = |name: &str| -> Vec<Felt> {
        let column = column(name);
        rows_of(column, length).map(|row| first[column.column].get(row)).collect()
    };
    let mut write = |name: &str, values: Vec<Felt>| {
        let column = column(name);
        for (value, row) in values.into_iter().zip(rows_of(column, length)) {
            columns[column.column - layout.first_columns].set(row, value);
        }
    };
    let products = |original: Vec<Felt>, sorted: Vec<Felt>, point: Felt| -> Vec<Felt> {
        let mut inverses: Vec<Felt> = sorted.into_iter().map(|value| point - value).collect();
        batch_inverse(&mut inverses);
        let factors = original.into_iter().zip(inverses).map(|(value, inverse)| (point - value) * inverse);
        let product = factors.scan(Felt::ONE, |product, factor| {
            *product *= factor;
            Some(*product)
        });
        product.collect()
    };
    let folded = |address: &str, value: &str| -> Vec<Felt> {
        let cells = values(address).into_iter().zip(values(value));
        cells.map(|(address, value)| address + elements[1] * value).collect()
    };
    let pool = folded("mem_pool/addr", "mem_pool/value");
    let sorted = folded("memory/sorted/addr", "memory/sorted/value");
    write("memory/multi_column_perm/perm/cum_prod0", products(pool, sorted, elements[0]));
    let product = products(values("range_check16_pool"), values("range_check16/sorted"), elements[2]);
    write("range_check16/perm/cum_prod0", product);
    if layout.has_diluted() {
        let sorted = values("diluted_check/permuted_values");
        let product = products(values("diluted_pool"), sorted.clone(), elements[3]);
        write("diluted_check/permutation/cum_prod0", product);
        let mut cumulative = vec![Felt::ONE];
        for pair in sorted.windows(2) {
            let difference = pair[1] - pair[0];
            let before = cumulative[cumulative.len() - 1];
            let next = before * (Felt::ONE + elements[4] * difference) + elements[5] * difference.square();
            cumulative.push(next);
        }
        write("diluted_check/cumulative_value", cumulative);
    }
    columns
}

/// The witness of a forged first trace.
struct Forged<'a> {
    layout: &'a Layout,
    first: Vec<Column>,
    /// Changes of the interaction trace; columns count from the first of the whole trace.
    interaction: &'a Change,
}

impl Witness for Forged<'_> {
    type Error = Infallible;

    fn first_trace(&mut self) -> Result<Vec<Column>, Infallible> {
        Ok(self.first.clone())
    }

    fn interaction_trace(&mut self, elements: &[Felt]) -> Result<Vec<Column>, Infallible> {
        let mut columns = interaction(self.layout, &self.first, elements);
        for &((column, row), value) in self.interaction {
            columns[column - self.layout.first_columns].set(row, value);
        }
        Ok(columns)
    }
}

fn parameters(log_length: u32) -> StarkParameters {
    let steps = (log_length - 5) / 4;
    let mut fri_step_list = vec![0];
    fri_step_list.extend(vec![4; steps as usize]);
    StarkParameters {
        log_n_cosets: 1,
        fri: FriParameters {
            fri_step_list,
            last_layer_degree_bound: 1 << (log_length - 4 * steps),
            n_queries: 3,
            proof_of_work_bits: 0,
        },
        channel_hash: "keccak256".parse().unwrap(),
        commitment_hash: "keccak256_masked160_msb".parse().unwrap(),
        verifier_friendly_commitment_hash: "keccak256_masked160_msb".parse().unwrap(),
        n_verifier_friendly_commitment_layers: 0,
        verifier_friendly_channel_updates: false,
        pow_hash: "keccak256".parse().unwrap(),
    }
}

const SEED: &[u8; 32] = &[7; 32];

/// Proves with the given witness, all checks of the prover bypassed, and says what the verifier thinks.
pub(crate) fn verdict<W: Witness<Error: std::fmt::Debug>>(
    air: &CpuAir,
    witness: &mut W,
) -> Result<(), VerifyError> {
    let parameters = parameters(air.log_trace_length());
    let options = ProveOptions { skip_consistency_check: true, ..ProveOptions::default() };
    let proof = prove(air, witness, SEED, &parameters, &options, &()).unwrap();
    verify(air, SEED, &parameters, &proof.bytes, None).map(|_| ())
}

/// What the verifier thinks of a proof of this first trace, with changes of the interaction trace.
pub(crate) fn verdict_on(
    layout: &Layout,
    air: &CpuAir,
    first: Vec<Column>,
    interaction: &Change,
) -> Result<(), VerifyError> {
    verdict(air, &mut Forged { layout, first, interaction })
}
