//! Whole transforms of one column.

use std::hint::black_box;

use ark_poly::{EvaluationDomain as _, Radix2EvaluationDomain};
use ashlar_field::{Column, Felt};
use ashlar_ntt::{evaluate_coset, interpolate};
use lambdaworks_math::{
    fft::cpu::{fft::in_place_nr_2radix_fft, roots_of_unity::get_twiddles},
    field::{fields::fft_friendly::stark_252_prime_field::Stark252PrimeField, traits::RootsConfig},
};

use crate::{
    families,
    field::{Ark, column, lambda_powers, powers},
    table::Table,
    timing::Subject,
};

fn butterflies(log: u32) -> usize {
    (1 << log) / 2 * log as usize
}

/// All tables of this module.
pub fn tables() -> Vec<Table> {
    vec![table("Transform of 2¹² elements", 12), table("Transform of 2¹⁶ elements", 16)]
}

fn table(title: &'static str, log: u32) -> Table {
    let mut rivals = Vec::new();
    if let Some(domain) = Radix2EvaluationDomain::<Ark>::new(1 << log) {
        let mut values = powers(1 << log, Ark::from(0x1234_5678_9abc_u64));
        let work = move || domain.fft_in_place(black_box(&mut values));
        rivals.push(Subject::new("ark-poly (`fft_in_place`)", butterflies(log), work));
    }
    if let Ok(twiddles) = get_twiddles::<Stark252PrimeField>(log.into(), RootsConfig::BitReverse) {
        let mut values = lambda_powers(1 << log);
        let work = move || in_place_nr_2radix_fft(black_box(&mut values), &twiddles);
        rivals.push(Subject::new(
            "lambdaworks-math (twiddles given, reversed order)",
            butterflies(log),
            work,
        ));
    }
    let mut ours = Vec::new();
    for kernels in families() {
        let coefficients = [column(1 << log)];
        let mut values = [Column::zeros(1 << log)];
        ours.push(Subject::new(
            format!("**Ashlar, `{kernels}`**, onto a coset"),
            butterflies(log),
            move || {
                evaluate_coset(black_box(&coefficients), Felt::GENERATOR, &mut values, kernels);
            },
        ));
        let mut columns = [column(1 << log)];
        ours.push(Subject::new(
            format!("**Ashlar, `{kernels}`**, back, from natural order"),
            butterflies(log),
            move || interpolate(black_box(&mut columns), kernels),
        ));
    }
    Table { title, element: "butterfly", rivals, ours }
}
