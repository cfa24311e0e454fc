//! Times of the field operations, one family of kernels beside the other.
//!
//! `cargo bench -p ashlar-field`; the rows of one table are comparable, the machine's load permitting.

use ashlar_field::{
    Column, Felt, Group, Kernels, batch_inverse_groups, dot_product, evaluate_polynomial, geometric_sequence,
    multiply_groups, prefix_products,
};
use divan::{Bencher, black_box, counter::ItemsCount};

fn main() {
    divan::main();
}

/// Elements that fit the first-level cache.
const IN_CACHE: usize = 256;
/// Elements of the whole-column benchmarks.
const COLUMN: usize = 1 << 14;

fn column(length: usize) -> Column {
    geometric_sequence(length, Felt::from_u64(0x1234_5678_9abc), Felt::GENERATOR, Kernels::Scalar)
}

fn families() -> Vec<Kernels> {
    Kernels::supported().into_iter().filter(|&kernels| kernels != Kernels::Portable).collect()
}

#[divan::bench]
fn scalar_multiply(bencher: Bencher<'_, '_>) {
    let felts = column(IN_CACHE).to_felts();
    let mut products = felts.clone();
    bencher.counter(ItemsCount::new(IN_CACHE)).bench_local(|| {
        for (product, &felt) in products.iter_mut().zip(black_box(&felts)) {
            *product *= felt;
        }
    });
}

#[divan::bench]
fn scalar_add(bencher: Bencher<'_, '_>) {
    let felts = column(IN_CACHE).to_felts();
    let mut sums = felts.clone();
    bencher.counter(ItemsCount::new(IN_CACHE)).bench_local(|| {
        for (sum, &felt) in sums.iter_mut().zip(black_box(&felts)) {
            *sum += felt;
        }
    });
}

#[divan::bench]
fn scalar_inverse(bencher: Bencher<'_, '_>) {
    bencher.bench_local(|| black_box(Felt::GENERATOR).inverse());
}

#[divan::bench(args = families())]
fn multiply_columns(bencher: Bencher<'_, '_>, kernels: Kernels) {
    let (mut a, b) = (column(COLUMN), column(COLUMN));
    bencher
        .counter(ItemsCount::new(COLUMN))
        .bench_local(|| multiply_groups(a.groups_mut(), b.groups(), kernels));
}

#[divan::bench(args = families())]
fn invert_column(bencher: Bencher<'_, '_>, kernels: Kernels) {
    let mut a = column(COLUMN);
    bencher.counter(ItemsCount::new(COLUMN)).bench_local(|| batch_inverse_groups(a.groups_mut(), kernels));
}

#[divan::bench(args = families())]
fn running_products(bencher: Bencher<'_, '_>, kernels: Kernels) {
    let mut a = column(COLUMN);
    bencher.counter(ItemsCount::new(COLUMN)).bench_local(|| prefix_products(&mut a, kernels));
}

#[divan::bench(args = families())]
fn dot_product_of_columns(bencher: Bencher<'_, '_>, kernels: Kernels) {
    let a = column(COLUMN);
    let groups: &[Group] = a.groups();
    bencher.counter(ItemsCount::new(COLUMN)).bench_local(|| dot_product(groups, black_box(groups), kernels));
}

#[divan::bench(args = families())]
fn evaluate_at_four_points(bencher: Bencher<'_, '_>, kernels: Kernels) {
    let a = column(COLUMN);
    let points = [3, 5, 7, 11].map(Felt::from_u64);
    bencher
        .counter(ItemsCount::new(4 * COLUMN))
        .bench_local(|| evaluate_polynomial(a.groups(), black_box(&points), kernels));
}
