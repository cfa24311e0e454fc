//! One element at a time, against big integers.

use ashlar_field::{Felt, MontgomeryBytes, ParseFeltError, StandardBytes, batch_inverse};
use num_bigint::BigUint;
use proptest::prelude::*;

fn prime() -> BigUint {
    (BigUint::from(1u32) << 251u32) + BigUint::from(17u32) * (BigUint::from(1u32) << 192u32) + 1u32
}

fn integer(limbs: [u64; 4]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |value, &limb| (value << 64u32) + limb)
}

fn value(x: Felt) -> BigUint {
    let value = integer(x.to_standard_limbs());
    assert!(value < prime(), "an element is canonical");
    value
}

/// Random integers of 256 bits, with limbs that are often all ones or all zeros.
fn limbs() -> impl Strategy<Value = [u64; 4]> {
    let limb = prop_oneof![
        2 => Just(0u64),
        2 => Just(u64::MAX),
        1 => Just(1u64),
        1 => Just(0x0800_0000_0000_0011u64),
        1 => Just(0x0800_0000_0000_0010u64),
        6 => any::<u64>(),
    ];
    prop::array::uniform4(limb)
}

fn element() -> impl Strategy<Value = Felt> {
    prop_oneof![
        6 => limbs().prop_map(Felt::from_limbs_reduced),
        // The internal form at its edges, too.
        3 => limbs().prop_filter_map("below p", Felt::from_montgomery_limbs),
        1 => Just(-Felt::ONE),
    ]
}

#[test]
fn the_constants_are_those_of_the_stark_field() {
    assert_eq!(integer(Felt::PRIME_LIMBS), prime());
    assert_eq!(value(Felt::ZERO), BigUint::ZERO);
    assert_eq!(value(Felt::ONE), BigUint::from(1u32));
    assert_eq!(value(Felt::GENERATOR), BigUint::from(3u32));
    assert_eq!((prime() - 1u32).trailing_zeros(), Some(u64::from(Felt::TWO_ADICITY)));
}

#[test]
fn subgroup_generators_have_exactly_their_order_and_come_from_three() {
    for log in [0, 1, 2, 10, 40, 192] {
        let generator = Felt::subgroup_generator(log).expect("within the two-adicity");
        assert_eq!(generator.pow_power_of_two(log), Felt::ONE);
        assert!(log == 0 || generator.pow_power_of_two(log - 1) == -Felt::ONE);
        let exponent = (prime() - 1u32) >> log;
        assert_eq!(value(generator), BigUint::from(3u32).modpow(&exponent, &prime()));
    }
    assert_eq!(Felt::subgroup_generator(193), None);
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_integers_modulo_the_prime(a in element(), b in element(), exponent in any::<u64>()) {
        let (p, x, y) = (prime(), value(a), value(b));
        prop_assert_eq!(value(a + b), (&x + &y) % &p);
        prop_assert_eq!(value(a - b), (&x + &p - &y) % &p);
        prop_assert_eq!(value(a * b), &x * &y % &p);
        prop_assert_eq!(value(-a), (&p - &x) % &p);
        prop_assert_eq!(value(a.square()), &x * &x % &p);
        prop_assert_eq!(value(a.double()), (&x + &x) % &p);
        prop_assert_eq!(value(a.pow(exponent)), x.modpow(&BigUint::from(exponent), &p));
        prop_assert_eq!(value(a.pow_power_of_two(7)), x.modpow(&BigUint::from(128u32), &p));
    }

    #[test]
    fn an_inverse_multiplies_to_one(a in element()) {
        match a.inverse() {
            Some(inverse) => prop_assert_eq!(a * inverse, Felt::ONE),
            None => prop_assert!(a.is_zero()),
        }
    }

    #[test]
    fn batch_inverses_are_the_inverses(mut a in prop::collection::vec(element(), 0..20)) {
        let want: Vec<Felt> = a.iter().map(|x| x.inverse().unwrap_or(Felt::ZERO)).collect();
        batch_inverse(&mut a);
        prop_assert_eq!(a, want);
    }

    #[test]
    fn a_square_root_squares_to_the_number_and_non_squares_have_none(a in element()) {
        let root = a.square().sqrt().expect("a square");
        prop_assert!(root == a || root == -a);
        // The generator of the multiplicative group is no square.
        prop_assert_eq!((a.square() * Felt::GENERATOR).sqrt(), a.is_zero().then_some(Felt::ZERO));
    }

    #[test]
    fn integers_are_read_and_reduced(limbs in limbs(), small in any::<u128>(), signed in any::<i64>()) {
        let number = integer(limbs);
        prop_assert_eq!(value(Felt::from_limbs_reduced(limbs)), &number % prime());
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).rev().zip(limbs) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        prop_assert_eq!(value(Felt::from_bytes_reduced(&bytes)), &number % prime());
        let canonical = number < prime();
        prop_assert_eq!(Felt::from_standard_limbs(limbs).map(value), canonical.then_some(number));
        prop_assert_eq!(Felt::from_montgomery_limbs(limbs).is_some(), canonical);
        prop_assert_eq!(Felt::try_from(StandardBytes(bytes)).is_ok(), canonical);
        prop_assert_eq!(Felt::try_from(MontgomeryBytes(bytes)).is_ok(), canonical);
        prop_assert_eq!(value(Felt::from_u128(small)), BigUint::from(small));
        prop_assert_eq!(Felt::from_i64(signed) + Felt::from_u64(1 << 63), Felt::from_u128((i128::from(signed) + (1 << 63)) as u128));
        prop_assert_eq!(Felt::from_u64(small as u64).to_u64(), Some(small as u64));
        prop_assert_eq!((Felt::from_u64(small as u64) + Felt::from_u128(1 << 64)).to_u64(), None);
    }

    #[test]
    fn both_byte_forms_go_there_and_back_and_differ_by_the_radix(a in element()) {
        let (standard, montgomery) = (StandardBytes::from(a), MontgomeryBytes::from(a));
        prop_assert_eq!(Felt::try_from(standard), Ok(a));
        prop_assert_eq!(Felt::try_from(montgomery), Ok(a));
        prop_assert_eq!(BigUint::from_bytes_be(&standard.0), value(a));
        prop_assert_eq!(BigUint::from_bytes_be(&montgomery.0), (value(a) << 256u32) % prime());
    }

    #[test]
    fn numbers_are_printed_and_read_in_both_bases(a in element(), zeros in 0..5usize) {
        prop_assert_eq!(a.to_string(), format!("{:#x}", value(a)));
        prop_assert_eq!(a.to_string().parse(), Ok(a));
        prop_assert_eq!(value(a).to_string().parse(), Ok(a));
        prop_assert_eq!(format!("0X{}{:X}", "0".repeat(zeros), value(a)).parse(), Ok(a));
    }
}

#[test]
fn texts_that_are_no_elements_are_refused() {
    assert_eq!("".parse::<Felt>(), Err(ParseFeltError::Empty));
    assert_eq!("0x".parse::<Felt>(), Err(ParseFeltError::Empty));
    for text in ["-1", "12a", "0x12g", " 1", "1 ", "١"] {
        assert_eq!(text.parse::<Felt>(), Err(ParseFeltError::Digit(text.into())), "{text}");
    }
    for text in
        [prime().to_string(), format!("{:#x}", prime()), format!("0x1{}", "0".repeat(64)), "9".repeat(500)]
    {
        assert_eq!(text.parse::<Felt>(), Err(ParseFeltError::TooLarge(text.clone())), "{text}");
    }
    assert_eq!((prime() - 1u32).to_string().parse(), Ok(-Felt::ONE));
}
