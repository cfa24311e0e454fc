//! The column oracle: every generated column, interpolated and evaluated at the out-of-domain points, must give the
//! values that a real proof published. A wrong column is named without any commitment.

use std::{collections::BTreeMap, path::Path};

use ashlar_cpu_air::{air::CpuAir, layout, trace::CpuWitness};
use ashlar_field::{Column, Felt};
use ashlar_stark::air::{Air, Witness};

mod vectors;
use vectors::Proof;

/// The coefficients of the polynomial with these values on the subgroup of order 2^log: a plain inverse transform.
fn interpolate(column: &Column) -> Vec<Felt> {
    let mut values = column.to_felts();
    let log = values.len().ilog2();
    let mut generator = Felt::subgroup_generator(log).unwrap().inverse().unwrap();
    let mut half = values.len() / 2;
    while half > 0 {
        let mut twiddles = vec![Felt::ONE; half];
        for index in 1..half {
            twiddles[index] = twiddles[index - 1] * generator;
        }
        for block in values.chunks_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((a, b), &twiddle) in low.iter_mut().zip(high).zip(&twiddles) {
                (*a, *b) = (*a + *b, (*a - *b) * twiddle);
            }
        }
        generator = generator.square();
        half /= 2;
    }
    let scale = Felt::from_u64(1 << log).inverse().unwrap();
    let reversed = |index: usize| if log == 0 { 0 } else { index.reverse_bits() >> (usize::BITS - log) };
    (0..values.len()).map(|index| values[reversed(index)] * scale).collect()
}

fn evaluate(coefficients: &[Felt], point: Felt) -> Felt {
    coefficients.iter().rev().fold(Felt::ZERO, |sum, &coefficient| sum * point + coefficient)
}

/// Compares all columns of a run with an annotated proof of it; at most `per_column` cells of each column.
fn check_columns(case: &Path, variant: &Path, per_column: usize) {
    let proof = Proof::read(&variant.join("proof.json"));
    assert!(proof.is_annotated(), "{} needs annotations", variant.display());
    let execution = vectors::execution(case);
    let public = &execution.public_input;
    let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
    let air = CpuAir::new(&layout, public).unwrap();
    let mut witness = CpuWitness::new(&layout, execution);
    let mut columns = witness.first_trace().unwrap();
    assert_eq!(columns.len(), air.trace_widths()[0]);
    let elements = proof.interaction_elements();
    assert_eq!(elements.len(), air.interaction_element_count());
    columns.extend(witness.interaction_trace(&elements).unwrap());

    let (point, values) = proof.out_of_domain();
    let mask = &air.constraint_system().mask;
    assert_eq!(values.len(), mask.len() + 2);
    let generator = Felt::subgroup_generator(air.log_trace_length()).unwrap();
    let mut cells: BTreeMap<usize, Vec<(u64, Felt)>> = BTreeMap::new();
    for (cell, &value) in mask.iter().zip(&values) {
        cells.entry(cell.column).or_default().push((cell.row, value));
    }
    let mut wrong = Vec::new();
    for (&column, cells) in &cells {
        let coefficients = interpolate(&columns[column]);
        for &(row, value) in cells.iter().take(per_column) {
            if evaluate(&coefficients, point * generator.pow(row)) != value {
                wrong.push(column);
                break;
            }
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
