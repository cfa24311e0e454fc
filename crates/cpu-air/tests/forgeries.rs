//! What a prover who lies about a run might write into the trace, proven with all checks of the prover bypassed: the
//! verifier refuses every one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use ashlar_cpu_air::{
    air::CpuAir,
    input::PublicInput,
    layout::{self, Builtin, Layout},
    trace::CpuWitness,
};
use ashlar_field::{Column, Felt};
use ashlar_stark::{
    VerifyError,
    air::{Air, Witness},
};

mod forger;
mod rows;
mod synthetic;
mod vectors;

use forger::{Change, MemoryCells, apply, family, interaction, sort_again, verdict_on, violate};
use rows::RowConstraints;
use synthetic::{Random, Shape, smallest};

/// An honest run, about to be lied about.
struct Honest {
    layout: Layout,
    public_input: PublicInput,
    air: CpuAir,
    first: Vec<Column>,
    elements: Vec<Felt>,
}

impl Honest {
    fn new(layout: Layout, public_input: PublicInput, first: Vec<Column>) -> Honest {
        let air = CpuAir::new(&layout, &public_input).unwrap();
        let mut random = Random(5);
        let elements = (0..air.interaction_element_count()).map(|_| random.felt()).collect();
        Honest { layout, public_input, air, first, elements }
    }

    /// The run of a fixture: a real program.
    fn fixture(name: &str) -> Honest {
        let execution = vectors::execution(&vectors::fixtures().join("stone").join(name));
        let layout = layout::by_name(&execution.public_input.layout).unwrap();
        let public_input = execution.public_input.clone();
        let first = CpuWitness::new(layout, execution).first_trace().unwrap();
        Honest::new(layout.clone(), public_input, first)
    }

    /// A run with instances of all builtins, and a public cell that nothing else reads.
    fn synthetic(layout: &Layout, dynamic_params: &BTreeMap<String, u64>) -> Honest {
        let repetitions = if layout.has(Builtin::Keccak) { 1 } else { 2 };
        let traced = smallest(layout, dynamic_params, Shape { holes: 5, ..Shape::USUAL }, repetitions);
        Honest::new(layout.clone(), traced.execution.public_input, traced.first)
    }

    fn dynamic() -> Honest {
        let file = vectors::json(&vectors::fixtures().join("sampling/dynamic.json"));
        let parameters = vectors::public_input(&file["public_input"]).dynamic_params;
        Honest::synthetic(&Layout::dynamic(&parameters).unwrap(), &parameters)
    }

    /// Both traces of a first trace.
    fn with_interaction(&self, mut first: Vec<Column>) -> Vec<Column> {
        let second = interaction(&self.layout, &first, &self.elements);
        first.extend(second);
        first
    }

    /// The forged first trace, and the constraints that it violates once everything is sorted and multiplied up.
    fn forged(&self, change: &Change, sorted: Sorted) -> (Vec<Column>, BTreeSet<String>) {
        let mut first = self.first.clone();
        apply(&mut first, change);
        if sorted == Sorted::Again {
            sort_again(&self.layout, &self.public_input, &mut first);
        }
        let rows = RowConstraints::new(&self.air);
        let trace = rows.trace(self.with_interaction(first.clone()), &self.elements);
        let violated = rows.violations(&trace).into_keys().map(str::to_owned).collect();
        (first, violated)
    }

    /// A lie violates exactly these constraints.
    #[track_caller]
    fn assert_violates(&self, lie: &str, change: &Change, sorted: Sorted, expected: &[&str]) -> Vec<Column> {
        let (first, violated) = self.forged(change, sorted);
        assert_eq!(violated, expected.iter().map(|&name| name.to_owned()).collect(), "{lie}");
        first
    }

    /// A lie violates exactly these constraints, and the verifier refuses its proof.
    #[track_caller]
    fn assert_refused(&self, lie: &str, change: &Change, sorted: Sorted, expected: &[&str]) {
        let first = self.assert_violates(lie, change, sorted, expected);
        assert_out_of_domain(lie, verdict_on(&self.layout, &self.air, first, &Change::new()));
    }

    /// The cell of a virtual column.
    fn cell(&self, column: &str, index: usize) -> (usize, usize) {
        let column = self.layout.column(column).unwrap();
        (column.column, column.row(index) % self.first[0].len())
    }

    fn value(&self, (column, row): (usize, usize)) -> Felt {
        self.first[column].get(row)
    }

    /// Another value of the memory cell that is in this cell, wherever it occurs.
    fn memory_change(&self, column: &str, index: usize) -> Change {
        let address = self.value(self.cell(&format!("{column}/addr"), index)).to_u64().unwrap();
        let value = self.value(self.cell(&format!("{column}/value"), index)) + Felt::ONE;
        MemoryCells::new(&self.layout, &self.first).change(address, value)
    }

    /// A cell of the memory pool that no component uses: address and value.
    fn spare_memory_cell(&self) -> [(usize, usize); 2] {
        let highest = self.value(self.cell("memory/sorted/addr", self.cells("memory/sorted/addr") - 1));
        let mut indices = 0..self.cells("mem_pool/addr");
        let index = indices.find(|&index| self.value(self.cell("mem_pool/addr", index)) == highest).unwrap();
        [self.cell("mem_pool/addr", index), self.cell("mem_pool/value", index)]
    }

    /// A cell of the 16-bit or the diluted pool that no component uses: the last with the largest value.
    fn spare_cell(&self, pool: &str, sorted: &str) -> (usize, usize) {
        let highest = self.value(self.cell(sorted, self.cells(sorted) - 1));
        let mut indices = (0..self.cells(pool)).rev();
        let used = |cell: (usize, usize)| {
            self.layout.columns().any(|(name, column)| {
                let mut rows = (0..self.first[0].len() / column.step.max(1)).map(|index| column.row(index));
                ![pool, sorted].contains(&name) && column.column == cell.0 && rows.any(|row| row == cell.1)
            })
        };
        let index = indices.find(|&index| {
            let cell = self.cell(pool, index);
            self.value(cell) == highest && !used(cell)
        });
        self.cell(pool, index.unwrap())
    }

    /// Cells of a virtual column.
    fn cells(&self, column: &str) -> usize {
        self.first[0].len() / self.layout.column(column).unwrap().step
    }

    /// Violates constraints one after the other, proves each time, and has the proof refused.
    fn assert_violations_are_refused(&self, wanted: impl Fn(&str) -> bool) {
        let rows = RowConstraints::new(&self.air);
        let mut trace = rows.trace(self.with_interaction(self.first.clone()), &self.elements);
        let memory = MemoryCells::new(&self.layout, &trace.columns);
        for (index, constraint) in rows.active.iter().enumerate().filter(|(_, one)| wanted(one.name)) {
            let name = constraint.name;
            let violation = violate(&rows, &mut trace, &memory, index).unwrap();
            let (first, second): (Change, Change) =
                violation.change.into_iter().partition(|((column, _), _)| *column < self.first.len());
            // A lie in the sorted columns themselves would be sorted away.
            let sorted = match family(name) {
                "memory" | "range_check16" | "diluted_check" => Sorted::AsBefore,
                _ => Sorted::Again,
            };
            let mut columns = self.first.clone();
            apply(&mut columns, &first);
            if sorted == Sorted::Again {
                sort_again(&self.layout, &self.public_input, &mut columns);
            }
            assert_out_of_domain(name, verdict_on(&self.layout, &self.air, columns, &second));
        }
    }
}

/// Whether the liar sorts the pools after the change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sorted {
    Again,
    AsBefore,
}

#[track_caller]
fn assert_out_of_domain(lie: &str, verdict: Result<(), VerifyError>) {
    match verdict {
        Err(VerifyError::OutOfDomain { .. }) => {}
        other => panic!("{lie}: {other:?}"),
    }
}

/// Takes the last constraint of every family or, where `ASHLAR_TESTS=long` asks for more, of every part: `a/b` of `a/b/c`
/// and `a/b/d`.
fn last_of_each(names: &[String]) -> BTreeSet<String> {
    let every_part = std::env::var("ASHLAR_TESTS").is_ok_and(|which| which == "long");
    let group = |name: &str| match name.rsplit_once('/') {
        Some((part, _)) if every_part => part.to_owned(),
        _ => family(name).to_owned(),
    };
    let last: BTreeMap<String, &String> = names.iter().map(|name| (group(name), name)).collect();
    last.into_values().cloned().collect()
}

fn names(honest: &Honest) -> Vec<String> {
    RowConstraints::new(&honest.air).active.iter().map(|one| one.name.to_owned()).collect()
}

/// The forger can also be honest: what the tests below refuse is the lie and nothing else.
#[test]
fn a_proof_of_an_unchanged_trace_is_accepted() {
    for honest in [Honest::fixture("plain_512_fib"), Honest::fixture("small_512_fib")] {
        let mut first = honest.first.clone();
        sort_again(&honest.layout, &honest.public_input, &mut first);
        assert!(first == honest.first, "sorting again changes nothing");
        assert_eq!(verdict_on(&honest.layout, &honest.air, first, &Change::new()), Ok(()));
    }
}

#[test]
fn a_violation_of_any_constraint_of_a_plain_run_is_refused() {
    Honest::fixture("plain_512_fib").assert_violations_are_refused(|_| true);
}

#[test]
fn violations_in_everything_that_small_has_are_refused() {
    let honest = Honest::synthetic(layout::by_name("small").unwrap(), &BTreeMap::new());
    let wanted = last_of_each(&names(&honest));
    let found: BTreeSet<&str> = wanted.iter().map(|name| family(name)).collect();
    for builtin in ["pedersen", "range_check_builtin", "ecdsa"] {
        assert!(found.contains(builtin), "{found:?}");
    }
    honest.assert_violations_are_refused(|name| wanted.contains(name));
}

/// The components that `small` lacks.
#[test]
fn violations_in_everything_that_small_lacks_are_refused() {
    let honest = Honest::dynamic();
    let families =
        ["diluted_check", "bitwise", "ec_op", "poseidon", "range_check96_builtin", "add_mod", "mul_mod"];
    let wanted = last_of_each(&names(&honest));
    let wanted: BTreeSet<String> =
        wanted.into_iter().filter(|name| families.contains(&family(name))).collect();
    let found: BTreeSet<&str> = wanted.iter().map(|name| family(name)).collect();
    assert_eq!(found, families.into_iter().collect());
    honest.assert_violations_are_refused(|name| wanted.contains(name));
}

#[test]
fn a_violation_of_the_keccak_component_is_refused() {
    let honest = Honest::synthetic(layout::by_name("starknet_with_keccak").unwrap(), &BTreeMap::new());
    honest.assert_violations_are_refused(|name| name == "keccak/keccak/chi0");
}

/// Lies of which the liar has thought everything through, but for what cannot be had.
#[test]
fn a_consistent_lie_about_memory_violates_just_what_it_must() {
    let honest = Honest::synthetic(layout::by_name("small").unwrap(), &BTreeMap::new());
    let one = Felt::ONE;
    let cells = MemoryCells::new(&honest.layout, &honest.first);

    let public = honest.public_input.public_memory.last().unwrap();
    let change = cells.change(public.address, public.value + one);
    let expected = ["memory/multi_column_perm/perm/last"];
    honest.assert_refused("another value of a public cell", &change, Sorted::AsBefore, &expected);

    let [address, value] = honest.spare_memory_cell();
    let change = vec![(value, Felt::from_u64(5))];
    honest.assert_refused("two values of one address", &change, Sorted::Again, &["memory/is_func"]);
    let change = vec![(address, honest.value(address) + Felt::from_u64(1000))];
    honest.assert_refused("addresses with a gap", &change, Sorted::Again, &["memory/diff_is_bit"]);
    let change = vec![(address, Felt::ZERO)];
    honest.assert_refused("an address before the first", &change, Sorted::Again, &["memory/initial_addr"]);
    let change = vec![(address, one)];
    let expected = ["memory/is_func"];
    honest.assert_refused("another instruction at pc", &change, Sorted::Again, &expected);
    let change = vec![(address, honest.value(address) - one)];
    let expected = ["memory/multi_column_perm/perm/last"];
    honest.assert_refused("an access that is not sorted", &change, Sorted::AsBefore, &expected);
}

#[test]
fn a_consistent_lie_about_a_range_check_violates_just_what_it_must() {
    let honest = Honest::synthetic(layout::by_name("small").unwrap(), &BTreeMap::new());
    let spare = honest.spare_cell("range_check16_pool", "range_check16/sorted");
    let (min, max) = (honest.public_input.rc_min, honest.public_input.rc_max);
    let change = vec![(spare, Felt::from_u64(min - 1))];
    honest.assert_refused("a value below rc_min", &change, Sorted::Again, &["range_check16/minimum"]);
    let change = vec![(spare, Felt::from_u64(max + 1))];
    honest.assert_refused("a value above rc_max", &change, Sorted::Again, &["range_check16/maximum"]);
    let change = vec![(spare, Felt::from_u64(min))];
    let expected = ["range_check16/perm/last"];
    honest.assert_refused("a value that is not sorted", &change, Sorted::AsBefore, &expected);

    // A memory cell of 2¹²⁸ or more, as a part of more than 16 bits.
    let part = honest.cell("range_check_builtin/inner_range_check", 0);
    let beyond = Felt::from_u64(1 << 16);
    let address = honest.value(honest.cell("range_check_builtin/mem/addr", 0)).to_u64().unwrap();
    let value = honest.value(honest.cell("range_check_builtin/mem/value", 0));
    let value = value + beyond * Felt::from_u64(2).pow(112);
    let mut change = MemoryCells::new(&honest.layout, &honest.first).change(address, value);
    change.push((part, honest.value(part) + beyond));
    let expected = ["range_check16/diff_is_bit", "range_check16/maximum"];
    honest.assert_refused("a range check of 2^128", &change, Sorted::Again, &expected);
}

#[test]
fn a_consistent_lie_about_registers_violates_just_what_it_must() {
    let honest = Honest::synthetic(layout::by_name("small").unwrap(), &BTreeMap::new());
    let shifted = (0..honest.cells("cpu/registers/ap")).map(|step| honest.cell("cpu/registers/ap", step));
    let change: Change = shifted.map(|cell| (cell, honest.value(cell) + Felt::ONE)).collect();
    honest.assert_refused("another allocation pointer", &change, Sorted::Again, &["final_ap", "initial_ap"]);
}

#[test]
fn a_wrong_result_written_wherever_it_occurs_violates_the_builtins_constraint() {
    let honest = Honest::synthetic(layout::by_name("small").unwrap(), &BTreeMap::new());
    for (cell, constraint) in [
        ("pedersen/output", "pedersen/output_value0"),
        ("pedersen/input0", "pedersen/input0_value0"),
        ("range_check_builtin/mem", "range_check_builtin/value"),
        ("ecdsa/message", "ecdsa/message_value0"),
        ("ecdsa/pubkey", "ecdsa/pubkey_value0"),
    ] {
        honest.assert_refused(cell, &honest.memory_change(cell, 0), Sorted::Again, &[constraint]);
    }
    let honest = Honest::dynamic();
    for (cell, constraint) in [
        ("bitwise/x_or_y", "bitwise/or_is_and_plus_xor"),
        ("ec_op/r_x", "ec_op/set_r_x"),
        ("range_check96_builtin/mem", "range_check96_builtin/value"),
        ("add_mod/c0", "add_mod/addition_constraint_0"),
        ("mul_mod/c0", "mul_mod/multiplication_constraint_0"),
    ] {
        honest.assert_violates(cell, &honest.memory_change(cell, 0), Sorted::Again, &[constraint]);
    }
    let spare = honest.spare_cell("diluted_pool", "diluted_check/permuted_values");
    let change = vec![(spare, Felt::from_u64(0b11))];
    honest.assert_violates("a value with neighbouring bits", &change, Sorted::Again, &["diluted_check/last"]);
}
