//! The column oracle: every generated column, interpolated and evaluated at the out-of-domain points, must give the
//! values that a real proof published. A wrong column is named without any commitment.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{collections::BTreeMap, path::Path};

use ashlar_cpu_air::{
    air::CpuAir,
    layout,
    statement::{self, StoneVersion},
    trace::CpuWitness,
};
use ashlar_field::{Column, Felt, batch_inverse};
use ashlar_stark::air::{Air, Witness};

mod vectors;
use vectors::Proof;

/// Evaluates columns at z·g^row from their values on ⟨g⟩ alone.
///
/// f(z·g^r) = (z^N − 1)/N · Σ_j f(g^(j+r))·g^j/(z − g^j): one table of weights serves all columns and rows.
struct Oracle {
    weights: Vec<Felt>,
}

impl Oracle {
    fn new(log_length: u32, point: Felt) -> Oracle {
        let length = 1usize << log_length;
        let generator = Felt::subgroup_generator(log_length).unwrap();
        let powers = |start: Felt| std::iter::successors(Some(start), move |power| Some(*power * generator));
        let mut weights: Vec<Felt> = powers(Felt::ONE).take(length).map(|power| point - power).collect();
        batch_inverse(&mut weights);
        let scale = (point.pow_power_of_two(log_length) - Felt::ONE)
            * Felt::from_u64(length as u64).inverse().unwrap();
        for (weight, power) in weights.iter_mut().zip(powers(scale)) {
            *weight *= power;
        }
        Oracle { weights }
    }

    fn evaluate(&self, column: &Column, row: u64) -> Felt {
        let shifted = |index: usize| column.get((index + row as usize) % column.len());
        self.weights.iter().enumerate().map(|(index, &weight)| weight * shifted(index)).sum()
    }
}

/// Compares all columns of a run with an annotated proof of it; at most `per_column` cells of each column.
fn check_columns(case: &Path, variant: &Path, per_column: usize) {
    let proof = Proof::read(&variant.join("proof.json"));
    let execution = vectors::execution(case);
    let public = &execution.public_input;
    let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
    let air = CpuAir::new(&layout, public).unwrap();
    let layers =
        proof.parameter("/n_verifier_friendly_commitment_layers").map_or(0, |value| value.as_u64().unwrap());
    let page_hash =
        proof.parameter("/statement/page_hash").map_or("keccak256", |value| value.as_str().unwrap());
    let seed =
        statement::seed(public, &layout, StoneVersion::Stone6, layers, page_hash.parse().unwrap()).unwrap();
    let mask = &air.constraint_system().mask;
    let sampling = proof.sampling(&seed, air.interaction_element_count(), mask.len() + 2);
    assert_eq!(sampling.interaction_elements.len(), air.interaction_element_count());
    assert_eq!(sampling.values.len(), mask.len() + 2);
    let mut witness = CpuWitness::new(&layout, execution);
    let mut columns = witness.first_trace().unwrap();
    assert_eq!(columns.len(), air.trace_widths()[0]);
    columns.extend(witness.interaction_trace(&sampling.interaction_elements).unwrap());

    let oracle = Oracle::new(air.log_trace_length(), sampling.point);
    let mut cells: BTreeMap<usize, Vec<(u64, Felt)>> = BTreeMap::new();
    for (cell, &value) in mask.iter().zip(&sampling.values) {
        cells.entry(cell.column).or_default().push((cell.row, value));
    }
    let mut wrong = Vec::new();
    for (&column, cells) in &cells {
        let is_wrong = |&(row, value): &(u64, Felt)| oracle.evaluate(&columns[column], row) != value;
        if cells.iter().take(per_column).any(is_wrong) {
            wrong.push(column);
        }
    }
    assert!(wrong.is_empty(), "{}: wrong columns {wrong:?}", variant.display());
}

fn check_fixture(case: &str, variant: &str) {
    let case = vectors::fixtures().join("stone").join(case);
    check_columns(&case, &case.join(variant), usize::MAX);
}

fn check_shared(case: &str, variant: &str, per_column: usize) {
    let Some(root) = vectors::shared() else { return };
    let case = root.join("stone").join(case);
    check_columns(&case, &case.join(variant), per_column);
}

#[test]
fn plain_columns_are_those_of_the_published_proof() {
    check_fixture("plain_512_fib", "keccak_vf10_pow1");
}

#[test]
fn small_columns_are_those_of_the_published_proof() {
    check_fixture("small_512_fib", "keccak_vf1000");
}

#[test]
fn small_columns_with_two_pages_are_those_of_the_published_proof() {
    check_fixture("small_512_pages", "keccak_vf10_pagepedersen");
}

#[test]
fn recursive_columns_are_those_of_the_published_proof() {
    check_shared("recursive_16384_fib", "keccak_vf10", 3);
}

#[test]
fn dynamic_columns_with_pedersen_and_range_checks_are_those_of_the_published_proof() {
    check_shared("dynamic_2048_builtins", "blake_vf10", 3);
}

#[test]
fn dynamic_columns_with_all_builtins_but_keccak_are_those_of_the_published_proof() {
    check_shared("dynamic_8192_allbuiltins", "keccak_vf10", 3);
}

#[test]
fn small_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("small_8192_builtins", "keccak_vf10", 3);
}

#[test]
fn dex_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("dex_8192_builtins", "keccak_vf10", 3);
}

#[test]
fn all_solidity_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("all_solidity_16384_builtins", "keccak_vf10", 3);
}

#[test]
fn recursive_with_poseidon_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("recursive_with_poseidon_32768_builtins", "keccak_vf10", 3);
}

#[test]
fn recursive_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("recursive_131072_builtins", "keccak_vf10", 1);
}

#[test]
fn recursive_large_output_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("recursive_large_output_131072_builtins", "blake_vf10", 1);
}

#[test]
fn starknet_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("starknet_131072_builtins", "keccak_vf10", 1);
}

#[test]
fn starknet_with_keccak_columns_are_those_of_the_published_proof() {
    check_shared("starknet_with_keccak_32768_fib", "keccak_vf10", 1);
}

#[test]
fn starknet_with_keccak_columns_with_real_instances_are_those_of_the_published_proof() {
    check_shared("starknet_with_keccak_32768_builtins", "blake_vf10", 1);
}
