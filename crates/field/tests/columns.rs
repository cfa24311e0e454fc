//! Whole-kernel operations on columns: every family of kernels against the definition, element by element.

use ashlar_field::{
    Column, Felt, Kernels, add_groups, add_scaled_groups, batch_inverse_groups, dot_product,
    evaluate_polynomial, fill_geometric, fill_geometric_lanes, fold_coefficients, geometric_sequence,
    montgomery_from_standard, multiply_groups, prefix_products, scale_groups, standard_from_montgomery,
    subtract_groups, subtract_value,
};
use proptest::prelude::*;

/// Elements with a share of zeros, ones, minus ones and small numbers.
fn element() -> impl Strategy<Value = Felt> {
    prop_oneof![
        1 => Just(Felt::ZERO),
        1 => Just(Felt::ONE),
        1 => Just(-Felt::ONE),
        1 => any::<u64>().prop_map(Felt::from_u64),
        1 => any::<u64>().prop_map(|v| -Felt::from_u64(v)),
        4 => any::<[u64; 4]>().prop_map(Felt::from_limbs_reduced),
    ]
}

/// Lengths on both sides of every block size.
fn elements() -> impl Strategy<Value = Vec<Felt>> {
    let length = prop_oneof![0..70usize, 500..530usize, 4090..4110usize, 8190..8200usize];
    length.prop_flat_map(|length| {
        prop::collection::vec(element(), 1..40)
            .prop_map(move |seed| seed.into_iter().cycle().take(length).collect::<Vec<Felt>>())
            .prop_map(|mut felts| {
                // Make the repeated elements differ.
                for (i, felt) in felts.iter_mut().enumerate() {
                    if i % 3 == 1 {
                        *felt *= Felt::from_u64(i as u64 + 2);
                    }
                }
                felts
            })
    })
}

/// What an operation on groups makes of these elements; padding lanes are not looked at.
fn applied(felts: &[Felt], operation: impl FnOnce(&mut Column)) -> Vec<Felt> {
    let mut column = Column::from_felts(felts);
    operation(&mut column);
    column.to_felts()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn elementwise_operations_are_those_of_elements(a in elements(), factor in element()) {
        let b: Vec<Felt> = a.iter().rev().map(|&x| x * Felt::from_u64(3) - Felt::ONE).collect();
        let other = Column::from_felts(&b);
        let combined = |f: &dyn Fn(Felt, Felt) -> Felt| -> Vec<Felt> {
            a.iter().zip(&b).map(|(&a, &b)| f(a, b)).collect()
        };
        for kernels in Kernels::supported() {
            let product = applied(&a, |a| multiply_groups(a.groups_mut(), other.groups(), kernels));
            prop_assert_eq!(product, combined(&|a, b| a * b));
            let sum = applied(&a, |a| add_groups(a.groups_mut(), other.groups(), kernels));
            prop_assert_eq!(sum, combined(&|a, b| a + b));
            let difference = applied(&a, |a| subtract_groups(a.groups_mut(), other.groups(), kernels));
            prop_assert_eq!(difference, combined(&|a, b| a - b));
            let scaled = applied(&a, |a| scale_groups(a.groups_mut(), factor, kernels));
            prop_assert_eq!(scaled, combined(&|a, _| factor * a));
            let both = applied(&a, |a| add_scaled_groups(a.groups_mut(), factor, other.groups(), kernels));
            prop_assert_eq!(both, combined(&|a, b| a + factor * b));
            let less = applied(&a, |a| subtract_value(a.groups_mut(), factor, kernels));
            prop_assert_eq!(less, combined(&|a, _| a - factor));
        }
    }

    #[test]
    fn inverses_multiply_to_one_and_zeros_stay_zero(a in elements()) {
        let want: Vec<Felt> = a.iter().map(|x| x.inverse().unwrap_or(Felt::ZERO)).collect();
        for kernels in Kernels::supported() {
            prop_assert_eq!(&applied(&a, |a| batch_inverse_groups(a.groups_mut(), kernels)), &want);
        }
    }

    #[test]
    fn running_products_multiply_all_that_came_before(mut a in elements(), zero in any::<prop::sample::Index>()) {
        // A zero would hide everything behind it: at most one, anywhere.
        for x in &mut a {
            if x.is_zero() {
                *x = Felt::from_u64(7);
            }
        }
        if !a.is_empty() && zero.index(2) == 0 {
            let place = zero.index(a.len());
            a[place] = Felt::ZERO;
        }
        let want: Vec<Felt> = a
            .iter()
            .scan(Felt::ONE, |product, x| {
                *product *= *x;
                Some(*product)
            })
            .collect();
        for kernels in Kernels::supported() {
            let mut column = Column::from_felts(&a);
            prefix_products(&mut column, kernels);
            prop_assert_eq!(&column, &Column::from_felts(&want));
        }
    }

    #[test]
    fn geometric_sequences_are_powers(length in 0..9000usize, start in element(), ratio in element()) {
        let mut next = start;
        let want: Vec<Felt> = (0..length)
            .map(|_| {
                let element = next;
                next *= ratio;
                element
            })
            .collect();
        for kernels in Kernels::supported() {
            let column = geometric_sequence(length, start, ratio, kernels);
            prop_assert_eq!(&column, &Column::from_felts(&want));
            let mut whole = Column::zeros(length / 8 * 8);
            fill_geometric(whole.groups_mut(), start, ratio, kernels);
            prop_assert_eq!(whole.to_felts(), &want[..length / 8 * 8]);
        }
    }

    #[test]
    fn eight_geometric_sequences_go_side_by_side(
        groups in 0..1100usize,
        first in prop::array::uniform8(element()),
        ratio in element(),
    ) {
        let group = Column::from_felts(&first).groups()[0];
        for kernels in Kernels::supported() {
            let mut column = Column::unspecified(8 * groups);
            fill_geometric_lanes(column.groups_mut(), group, ratio, kernels);
            let mut power = Felt::ONE;
            for group in column.groups() {
                for (lane, &first) in first.iter().enumerate() {
                    prop_assert_eq!(group.get(lane), first * power);
                }
                power *= ratio;
            }
        }
    }

    #[test]
    fn dot_products_are_sums_of_products(a in elements()) {
        let b: Vec<Felt> = a.iter().rev().map(|&x| x - Felt::from_u64(5)).collect();
        let want: Felt = a.iter().zip(&b).map(|(&a, &b)| a * b).sum();
        let (a, b) = (Column::from_felts(&a), Column::from_felts(&b));
        for kernels in Kernels::supported() {
            prop_assert_eq!(dot_product(a.groups(), b.groups(), kernels), want);
        }
    }

    #[test]
    fn polynomials_have_the_values_of_horner_at_every_point(
        coefficients in elements(),
        points in prop::collection::vec(element(), 0..7),
    ) {
        let want: Vec<Felt> = points
            .iter()
            .map(|&x| coefficients.iter().rev().fold(Felt::ZERO, |value, &c| value * x + c))
            .collect();
        let column = Column::from_felts(&coefficients);
        for kernels in Kernels::supported() {
            prop_assert_eq!(&evaluate_polynomial(column.groups(), &points, kernels), &want);
        }
    }

    #[test]
    fn a_fold_is_twice_the_even_half_and_twice_the_odd_half_times_the_factor(
        mut coefficients in elements(),
        factor in element(),
    ) {
        coefficients.truncate(coefficients.len() / 2 * 2);
        let want: Vec<Felt> =
            coefficients.chunks(2).map(|pair| (pair[0] + factor * pair[1]).double()).collect();
        for kernels in Kernels::supported() {
            let folded = fold_coefficients(&Column::from_felts(&coefficients), factor, kernels);
            prop_assert_eq!(folded, Column::from_felts(&want));
        }
    }

    #[test]
    fn changing_form_goes_to_the_integer_and_back(a in elements()) {
        for kernels in Kernels::supported() {
            let mut column = Column::from_felts(&a);
            standard_from_montgomery(column.groups_mut(), kernels);
            for (i, x) in a.iter().enumerate() {
                let group = &column.groups()[i / 8].0;
                let limbs: [u64; 4] = std::array::from_fn(|limb| group[limb][i % 8]);
                prop_assert_eq!(limbs, x.to_standard_limbs());
            }
            montgomery_from_standard(column.groups_mut(), kernels);
            prop_assert_eq!(column.to_felts(), &a[..]);
        }
    }
}

#[test]
fn dot_products_of_the_largest_elements_do_not_overflow() {
    let column = Column::from_felts(&vec![-Felt::ONE; 8 * 1000]);
    for kernels in Kernels::supported() {
        assert_eq!(dot_product(column.groups(), column.groups(), kernels), Felt::from_u64(8000), "{kernels}");
    }
}
