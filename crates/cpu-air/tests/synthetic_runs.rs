//! Every layout, also those without published proofs: a run that does nothing but fill builtins with random instances
//! must satisfy every constraint in every row, and every constraint must be one that a changed trace can violate.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ashlar_cpu_air::{
    air::CpuAir,
    layout::{self, Builtin, Layout},
};
use ashlar_field::Felt;
use ashlar_stark::air::{Air, Witness};

mod forger;
mod rows;
mod synthetic;
mod vectors;

use forger::{MemoryCells, interaction, violate};
use rows::RowConstraints;
use synthetic::{Random, Shape, Traced, smallest};

/// Most rows of a trace that is checked in every row.
const ROWS: u64 = 1 << 19;

/// The smallest run of a layout whose pools have room, checked against all constraints; then every constraint is
/// violated.
fn check(layout: &Layout, dynamic_params: &BTreeMap<String, u64>) {
    let name = layout.name;
    // Some constraints are about two neighbouring instances.
    let repetitions = if layout.has(Builtin::Keccak) { 1 } else { 2 };
    let Traced { execution, mut witness, first } =
        smallest(layout, dynamic_params, Shape::USUAL, repetitions);
    let air = CpuAir::new(layout, &execution.public_input).unwrap();
    let mut random = Random(1);
    let elements: Vec<Felt> = (0..air.interaction_element_count()).map(|_| random.felt()).collect();
    let second = witness.interaction_trace(&elements).unwrap();
    assert!(second == interaction(layout, &first, &elements), "{name}: the interaction trace");
    let rows = RowConstraints::new(&air);
    let columns = first.into_iter().chain(second).collect();
    let mut trace = rows.trace(columns, &elements);
    let violations =
        if rows.length <= ROWS { rows.violations(&trace) } else { rows.sampled_violations(&trace) };
    assert!(violations.is_empty(), "{name}, {} steps: {violations:?}", execution.public_input.n_steps);

    let memory = MemoryCells::new(layout, &trace.columns);
    let out_of_reach: Vec<&str> = (0..rows.active.len())
        .filter(|&index| violate(&rows, &mut trace, &memory, index).is_none())
        .map(|index| rows.active[index].name)
        .collect();
    assert!(out_of_reach.is_empty(), "{name}: nothing violates {out_of_reach:?}");
}

fn check_static(name: &str) {
    check(layout::by_name(name).unwrap(), &BTreeMap::new());
}

#[test]
fn plain_and_small_satisfy_their_constraints() {
    ["plain", "small"].into_iter().for_each(check_static);
}

#[test]
fn dex_layouts_satisfy_their_constraints() {
    ["dex", "dex_with_bitwise"].into_iter().for_each(check_static);
}

#[test]
fn perpetual_and_all_solidity_satisfy_their_constraints() {
    ["perpetual", "all_solidity"].into_iter().for_each(check_static);
}

#[test]
fn recursive_layouts_satisfy_their_constraints() {
    ["recursive", "recursive_large_output", "recursive_with_poseidon"].into_iter().for_each(check_static);
}

#[test]
fn starknet_layouts_satisfy_their_constraints() {
    ["starknet", "starknet_with_keccak"].into_iter().for_each(check_static);
}

#[test]
fn all_cairo_satisfies_its_constraints() {
    check_static("all_cairo");
}

#[test]
fn a_dynamic_layout_satisfies_its_constraints() {
    let file = vectors::json(&vectors::fixtures().join("sampling/dynamic.json"));
    let parameters = vectors::public_input(&file["public_input"]).dynamic_params;
    check(&Layout::dynamic(&parameters).unwrap(), &parameters);
}
