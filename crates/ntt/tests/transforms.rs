//! Transforms against the definition, against the scalar reference, and against themselves.

use ashlar_field::{Column, Felt, Group, Kernels};
use ashlar_ntt::{
    bit_reverse, bit_reverse_group_order, bit_reversed, evaluate_coset, evaluate_coset_groups,
    evaluate_coset_in_place, interpolate, interpolate_coset,
};

/// Reproducible elements, with a share of zeros, ones and minus ones.
fn column(length: usize, seed: u64) -> Column {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let felts: Vec<Felt> = (0..length)
        .map(|_| match word() % 10 {
            0 => Felt::ZERO,
            1 => Felt::ONE,
            2 => -Felt::ONE,
            _ => Felt::from_limbs_reduced([word(), word(), word(), word()]),
        })
        .collect();
    Column::from_felts(&felts)
}

fn offset() -> Felt {
    Felt::GENERATOR * Felt::from_u64(0x1234_5678_9abc_def1)
}

fn horner(coefficients: &Column, point: Felt) -> Felt {
    coefficients.to_felts().into_iter().rev().fold(Felt::ZERO, |value, c| value * point + c)
}

fn generator(log: u32) -> Felt {
    Felt::subgroup_generator(log).unwrap_or_default()
}

fn evaluated(coefficients: &Column, offset: Felt, kernels: Kernels) -> Column {
    let mut out = [Column::zeros(coefficients.len())];
    evaluate_coset(std::slice::from_ref(coefficients), offset, &mut out, kernels);
    let [out] = out;
    out
}

fn interpolated(values: &Column, kernels: Kernels) -> Column {
    let mut columns = [values.clone()];
    interpolate(&mut columns, kernels);
    let [out] = columns;
    out
}

fn interpolated_coset(values: &Column, offset: Felt, kernels: Kernels) -> Column {
    let mut columns = [values.clone()];
    interpolate_coset(&mut columns, offset, kernels);
    let [out] = columns;
    out
}

#[test]
fn values_on_a_coset_are_those_of_the_polynomial_at_the_bit_reversed_point() {
    for kernels in Kernels::supported() {
        for log in 0..=8 {
            let coefficients = column(1 << log, u64::from(log));
            let values = evaluated(&coefficients, offset(), kernels);
            for row in 0..1 << log {
                let point = offset() * generator(log).pow(bit_reversed(row, log) as u64);
                assert_eq!(values.get(row), horner(&coefficients, point), "{kernels}, 2^{log}, row {row}");
            }
        }
    }
}

#[test]
fn chosen_rows_of_large_transforms_are_those_of_the_polynomial() {
    for kernels in Kernels::supported() {
        for log in [12, 13, 16] {
            let coefficients = column(1 << log, 7);
            let values = evaluated(&coefficients, offset(), kernels);
            for row in [0, 1, 7, 8, 63, 64, 1 << (log / 2), (1 << log) - 1, (1 << log) * 5 / 7] {
                let point = offset() * generator(log).pow(bit_reversed(row, log) as u64);
                assert_eq!(values.get(row), horner(&coefficients, point), "{kernels}, 2^{log}, row {row}");
            }
        }
    }
}

#[test]
fn interpolation_in_natural_order_inverts_evaluation() {
    for kernels in Kernels::supported() {
        for log in 0..=8 {
            let values = column(1 << log, 100 + u64::from(log));
            let coefficients = interpolated(&values, kernels);
            for row in 0..1 << log {
                let point = generator(log).pow(row as u64);
                assert_eq!(horner(&coefficients, point), values.get(row), "{kernels}, 2^{log}, row {row}");
            }
        }
    }
}

#[test]
fn every_family_of_kernels_gives_the_bytes_of_the_scalar_one() {
    for log in (0..=14u32).chain([17]) {
        let input = column(1 << log, 200 + u64::from(log));
        let values = evaluated(&input, offset(), Kernels::Scalar);
        let coefficients = interpolated(&input, Kernels::Scalar);
        let coset_coefficients = interpolated_coset(&input, offset(), Kernels::Scalar);
        for kernels in Kernels::supported() {
            assert!(evaluated(&input, offset(), kernels) == values, "{kernels} evaluates 2^{log}");
            assert!(interpolated(&input, kernels) == coefficients, "{kernels} interpolates 2^{log}");
            assert!(
                interpolated_coset(&input, offset(), kernels) == coset_coefficients,
                "{kernels} interpolates 2^{log} on a coset"
            );
        }
    }
}

#[test]
fn going_there_and_back_changes_nothing() {
    for kernels in Kernels::supported() {
        for log in (0..=14u32).chain([17]) {
            let coefficients = column(1 << log, 300 + u64::from(log));
            let values = evaluated(&coefficients, offset(), kernels);
            assert!(interpolated_coset(&values, offset(), kernels) == coefficients, "{kernels}, 2^{log}");
            let mut values = evaluated(&coefficients, Felt::ONE, kernels);
            bit_reverse(&mut values, kernels);
            assert!(interpolated(&values, kernels) == coefficients, "{kernels}, 2^{log}, natural order");
        }
    }
}

#[test]
fn sizes_that_take_three_passes_are_right_too() {
    let kernels = Kernels::fastest();
    let log = 23;
    let mut coefficients = Column::zeros(1 << log);
    for i in 0..1000 {
        coefficients.set(i * 8387 + i % 5, Felt::from_u64(i as u64 + 1));
    }
    let values = evaluated(&coefficients, offset(), kernels);
    for row in [0, 1, 12345, (1 << log) - 1] {
        let point = offset() * generator(log).pow(bit_reversed(row, log) as u64);
        let want: Felt =
            (0..1000).map(|i| Felt::from_u64(i as u64 + 1) * point.pow((i * 8387 + i % 5) as u64)).sum();
        assert_eq!(values.get(row), want, "row {row}");
    }
    assert!(interpolated_coset(&values, offset(), kernels) == coefficients);
}

#[test]
fn the_largest_inputs_do_not_overflow() {
    for kernels in Kernels::supported() {
        for log in [6, 9, 12, 15] {
            let input = Column::from_felts(&vec![-Felt::ONE; 1 << log]);
            assert!(evaluated(&input, -Felt::ONE, kernels) == evaluated(&input, -Felt::ONE, Kernels::Scalar));
            assert!(
                interpolated_coset(&input, -Felt::ONE, kernels)
                    == interpolated_coset(&input, -Felt::ONE, Kernels::Scalar)
            );
        }
    }
}

#[test]
fn a_transform_is_linear() {
    for kernels in Kernels::supported() {
        let (log, factor) = (13, Felt::from_u64(77));
        let (a, b) = (column(1 << log, 1), column(1 << log, 2));
        let combined: Vec<Felt> = a.iter().zip(b.iter()).map(|(a, b)| a + factor * b).collect();
        let (u, v) = (evaluated(&a, offset(), kernels), evaluated(&b, offset(), kernels));
        let want: Vec<Felt> = u.iter().zip(v.iter()).map(|(u, v)| u + factor * v).collect();
        assert!(evaluated(&Column::from_felts(&combined), offset(), kernels).to_felts() == want);
    }
}

#[test]
fn an_extension_is_filled_coset_by_coset() {
    // An LDE column of 2^2 cosets: rows in bit-reversed order of the whole domain are the cosets one after another.
    for kernels in Kernels::supported() {
        for log in [3, 7, 13] {
            let coefficients = column(1 << log, 5);
            let mut padded = Column::zeros(4 << log);
            for i in 0..1 << log {
                padded.set(i, coefficients.get(i));
            }
            let want = evaluated(&padded, Felt::GENERATOR, kernels);
            let mut extension = Column::zeros(4 << log);
            let groups = (1usize << log) / 8;
            for (i, part) in extension.groups_mut().chunks_exact_mut(groups).enumerate() {
                let coset = Felt::GENERATOR * generator(log + 2).pow(bit_reversed(i, 2) as u64);
                let source: &[Group] = coefficients.groups();
                evaluate_coset_groups(&[source], 1 << log, coset, &mut [part], kernels);
            }
            assert!(extension == want, "{kernels}, 2^{log}");
        }
    }
}

#[test]
fn reversing_bits_moves_every_element_and_twice_is_nothing() {
    for kernels in Kernels::supported() {
        for log in 0..=13 {
            let before = column(1 << log, 400 + u64::from(log));
            let mut after = before.clone();
            bit_reverse(&mut after, kernels);
            for i in 0..1 << log {
                assert_eq!(after.get(bit_reversed(i, log)), before.get(i), "{kernels}, 2^{log}, element {i}");
            }
            bit_reverse(&mut after, kernels);
            assert!(after == before);
        }
    }
}

#[test]
fn in_place_gives_the_same_values_and_interpolating_gives_the_coefficients_back() {
    for kernels in Kernels::supported() {
        // The last is large enough to be written past the caches, where it does not replace what was read.
        for log in [0, 2, 5, 6, 9, 13, 18] {
            let before: Vec<Column> = (0..3).map(|i| column(1 << log, 470 + i)).collect();
            let mut values: Vec<Column> = (0..3).map(|_| Column::zeros(1 << log)).collect();
            evaluate_coset(&before, offset(), &mut values, kernels);
            let mut columns = before.clone();
            evaluate_coset_in_place(&mut columns, offset(), kernels);
            assert!(columns == values, "{kernels}, 2^{log}");
            interpolate_coset(&mut columns, offset(), kernels);
            assert!(columns == before, "{kernels}, 2^{log}");
        }
    }
}

#[test]
fn groups_move_whole_to_the_reversed_index() {
    for log in 0..=10 {
        let before = column(8 << log, 450 + u64::from(log));
        let mut after = before.clone();
        bit_reverse_group_order(after.groups_mut());
        for (index, group) in before.groups().iter().enumerate() {
            assert_eq!(after.groups()[bit_reversed(index, log)], *group, "2^{log}, group {index}");
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let columns: Vec<Column> = (0..3).map(|i| column(1 << 13, 500 + i)).collect();
    for kernels in Kernels::supported() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            pool.install(|| {
                let mut coefficients = columns.clone();
                interpolate(&mut coefficients, kernels);
                let mut values = vec![Column::zeros(1 << 13); 3];
                evaluate_coset(&coefficients, offset(), &mut values, kernels);
                let mut back = values.clone();
                interpolate_coset(&mut back, offset(), kernels);
                assert!(back == coefficients);
                values
            })
        };
        let one = run(1);
        assert!(run(2) == one && run(5) == one, "{kernels}");
    }
}
