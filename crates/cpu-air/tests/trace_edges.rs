//! The trace at its edges: builtins empty and full, range-check bounds as close and as far apart as they can be, and
//! memory with as many holes as the pool has room for.
//!
//! Bounds that are equal make no statement (rc_min < rc_max): those one apart are the closest. Whole proofs of all these
//! shapes in every layout are a longer run: `cargo xtask edges`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use ashlar_cpu_air::{
    air::CpuAir,
    layout::{self, Layout},
    statement::builtin_usage,
    trace::{CpuWitness, Pool, TraceError},
};
use ashlar_field::Felt;
use ashlar_stark::air::{Air, Witness};

mod forger;
mod rows;
mod synthetic;
mod vectors;

use forger::{interaction, verdict_on};
use rows::RowConstraints;
use synthetic::{Filling, Random, Shape, Traced, smallest};

/// Around the run's only offset, 2¹⁵.
const CLOSEST: (u64, u64) = (32_768, 32_769);
const WIDEST: (u64, u64) = (0, 65_535);
/// More than any pool has room for.
const MOST_HOLES: u64 = 1 << 32;

/// How a run is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// It is proven, and the proof verified.
    Proof,
    /// Constraints are evaluated in some rows: for traces that take long to prove.
    Rows,
}

/// A run of this shape satisfies the constraints.
fn assert_holds(layout: &Layout, dynamic_params: &BTreeMap<String, u64>, shape: Shape, check: Check) {
    let Traced { mut execution, first, .. } = smallest(layout, dynamic_params, shape, 1);
    let public_input = &execution.public_input;
    let case = format!("{}, {} steps, {shape:?}", layout.name, public_input.n_steps);
    for usage in builtin_usage(public_input, layout).unwrap() {
        let capacity = if layout.has(usage.builtin) { usage.capacity } else { 0 };
        match shape.filling {
            Filling::None => assert_eq!(usage.instances, 0, "{case}"),
            Filling::One => assert_eq!(usage.instances, capacity.min(1), "{case}"),
            Filling::Some => {}
            Filling::All => assert_eq!(usage.instances, capacity, "{case}"),
        }
    }
    let air = CpuAir::new(layout, public_input).unwrap();
    match check {
        Check::Proof => {
            assert_eq!(verdict_on(layout, &air, first, &Vec::new()), Ok(()), "{case}");
        }
        Check::Rows => {
            let mut random = Random(3);
            let elements: Vec<Felt> = (0..air.interaction_element_count()).map(|_| random.felt()).collect();
            let second = interaction(layout, &first, &elements);
            let rows = RowConstraints::new(&air);
            let trace = rows.trace(first.into_iter().chain(second).collect(), &elements);
            let violations = rows.sampled_violations(&trace);
            assert!(violations.is_empty(), "{case}: {violations:?}");
        }
    }
    if shape.holes == MOST_HOLES {
        execution.public_input.public_memory.last_mut().unwrap().address += 1;
        let error = CpuWitness::new(layout, execution).first_trace().unwrap_err();
        assert!(matches!(error, TraceError::HolesDoNotFit { pool: Pool::Memory, .. }), "{case}: {error}");
    }
}

/// Every edge, each of them in some shape.
fn assert_edges(name: &str) {
    let layout = layout::by_name(name).unwrap();
    let shapes = [
        (Filling::None, CLOSEST, 0),
        (Filling::One, CLOSEST, MOST_HOLES),
        (Filling::All, WIDEST, MOST_HOLES),
        (Filling::All, CLOSEST, 0),
        (Filling::None, WIDEST, MOST_HOLES),
    ];
    for (filling, range_check, holes) in shapes {
        let shape = Shape { filling, range_check, holes };
        assert_holds(layout, &BTreeMap::new(), shape, Check::Proof);
    }
}

/// All edges at once.
fn assert_combined(name: &str) {
    let shape = Shape { filling: Filling::All, range_check: WIDEST, holes: MOST_HOLES };
    assert_holds(layout::by_name(name).unwrap(), &BTreeMap::new(), shape, Check::Rows);
}

#[test]
fn runs_of_plain_hold_at_the_edges() {
    assert_edges("plain");
}

#[test]
fn runs_of_small_hold_at_the_edges() {
    assert_edges("small");
}

#[test]
fn full_runs_of_all_solidity_and_the_dex_and_perpetual_layouts_hold() {
    ["all_solidity", "dex", "dex_with_bitwise", "perpetual"].into_iter().for_each(assert_combined);
}

#[test]
fn full_runs_of_the_recursive_layouts_hold() {
    ["recursive", "recursive_large_output", "recursive_with_poseidon"].into_iter().for_each(assert_combined);
}

#[test]
fn full_runs_of_the_starknet_layouts_and_all_cairo_hold() {
    ["starknet", "starknet_with_keccak", "all_cairo"].into_iter().for_each(assert_combined);
}

#[test]
fn runs_of_a_dynamic_layout_hold_empty_and_full() {
    let file = vectors::json(&vectors::fixtures().join("sampling/dynamic.json"));
    let parameters = vectors::public_input(&file["public_input"]).dynamic_params;
    let layout = Layout::dynamic(&parameters).unwrap();
    for filling in [Filling::None, Filling::All] {
        let shape = Shape { filling, range_check: WIDEST, holes: MOST_HOLES };
        assert_holds(&layout, &parameters, shape, Check::Proof);
    }
}
