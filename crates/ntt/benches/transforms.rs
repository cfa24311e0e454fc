//! Times of whole transforms of one column, one family of kernels beside the other.
//!
//! `cargo bench -p ashlar-ntt`; with `RAYON_NUM_THREADS=1` for the time of one core. Items are butterflies.

use ashlar_field::{Column, Felt, Kernels, geometric_sequence};
use ashlar_ntt::{bit_reverse, evaluate_coset, interpolate, interpolate_coset};
use divan::{Bencher, counter::ItemsCount};

fn main() {
    divan::main();
}

fn cases() -> Vec<(Kernels, u32)> {
    let families = Kernels::supported().into_iter().filter(|&kernels| kernels != Kernels::Portable);
    families.flat_map(|kernels| [16, 17, 20].map(|log| (kernels, log))).collect()
}

fn column(log: u32) -> Column {
    geometric_sequence(1 << log, Felt::from_u64(0x1234_5678_9abc), Felt::GENERATOR, Kernels::current())
}

fn butterflies(log: u32) -> ItemsCount {
    ItemsCount::new((1u64 << log) / 2 * u64::from(log))
}

#[divan::bench(args = cases(), sample_count = 10)]
fn evaluate_on_a_coset(bencher: Bencher<'_, '_>, (kernels, log): (Kernels, u32)) {
    let coefficients = [column(log)];
    let mut values = [Column::zeros(1 << log)];
    bencher
        .counter(butterflies(log))
        .bench_local(|| evaluate_coset(&coefficients, Felt::GENERATOR, &mut values, kernels));
}

#[divan::bench(args = cases(), sample_count = 10)]
fn interpolate_from_natural_order(bencher: Bencher<'_, '_>, (kernels, log): (Kernels, u32)) {
    let mut columns = [column(log)];
    bencher.counter(butterflies(log)).bench_local(|| interpolate(&mut columns, kernels));
}

#[divan::bench(args = cases(), sample_count = 10)]
fn interpolate_from_a_coset(bencher: Bencher<'_, '_>, (kernels, log): (Kernels, u32)) {
    let mut columns = [column(log)];
    bencher
        .counter(butterflies(log))
        .bench_local(|| interpolate_coset(&mut columns, Felt::GENERATOR, kernels));
}

#[divan::bench(args = cases(), sample_count = 10)]
fn reverse_bits(bencher: Bencher<'_, '_>, (kernels, log): (Kernels, u32)) {
    let mut reversed = column(log);
    bencher.counter(ItemsCount::new(1u64 << log)).bench_local(|| bit_reverse(&mut reversed, kernels));
}
