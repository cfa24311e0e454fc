//! The arithmetic of `packed` on every input at once; and sums that are too long, which must be noticed.

use super::*;
use crate::packed::{Accumulator, Lazy, Low52, Stored};

/// A task made of an expression.
macro_rules! prove_that {
    (|$l:ident| $body:block) => {{
        struct Check;
        impl LaneTask for Check {
            type Output = ();
            fn run<L: Lanes>(self, $l: L) $body
        }
        prove(Check)
    }};
}

/// Any eight values below 2²⁶⁰.
fn any_multiplicands() -> Low52Group {
    Low52Group([[LIMB.word(); 8]; 5])
}

#[test]
fn products_and_squares_of_any_multiplicands_do_not_overflow() {
    let proof = prove_that!(|l| {
        let a = Low52::load(l, &any_multiplicands());
        a.mul(l, a);
        a.square(l);
        a.divide_by_power_of_two(l, 1).canonical(l);
        a.divide_by_power_of_two(l, 52).canonical(l);
        a.mul(l, a).canonical(l);
        a.square(l).pack_reduced(l);
    });
    assert_eq!(proof, Ok(()));
}

#[test]
fn the_longest_dot_product_of_any_multiplicands_does_not_overflow() {
    let proof = prove_that!(|l| {
        let a = Low52::load(l, &any_multiplicands());
        let mut sum = Accumulator::zero(l);
        for _ in 0..Accumulator::<L>::MAX_TERMS {
            sum = sum.add_product(l, a, a);
        }
        sum.reduce(l).canonical(l);
    });
    assert_eq!(proof, Ok(()));
}

#[test]
fn a_dot_product_that_is_too_long_is_reported() {
    let proof = prove_that!(|l| {
        let a = Low52::load(l, &any_multiplicands());
        let mut sum = Accumulator::zero(l);
        for _ in 0..456 {
            sum = sum.add_product(l, a, a);
        }
        sum.reduce(l).canonical(l);
    });
    assert!(matches!(proof, Err(Overflow { operation: "a sum", expected: WORD, .. })), "{proof:?}");
}

#[test]
fn a_difference_without_a_multiple_of_p_is_no_multiplicand() {
    let proof = prove_that!(|l| {
        let a = Stored::load(l, &any_group()).to_lazy(l);
        let difference = a.sub(l, a);
        difference.bias(l, 2).carry(l).to_lazy(l);
    });
    assert_eq!(proof, Ok(()));
    let proof = prove_that!(|l| {
        let a = Stored::load(l, &any_group()).to_lazy(l);
        a.sub(l, a).carry(l).to_lazy(l);
    });
    assert!(matches!(proof, Err(Overflow { operation: "a multiplicand", .. })), "{proof:?}");
}

#[test]
fn a_value_doubled_too_often_is_reported_at_its_first_use() {
    struct Doubled(u32);
    impl LaneTask for Doubled {
        type Output = ();
        fn run<L: Lanes>(self, l: L) {
            let mut value = Stored::load(l, &any_group()).to_lazy(l);
            for _ in 0..self.0 {
                value = value.add(l, value);
            }
            value.carry(l).to_lazy(l);
        }
    }
    assert_eq!(prove(Doubled(8)), Ok(()));
    assert!(matches!(prove(Doubled(9)), Err(Overflow { operation: "a multiplicand", .. })));
    assert!(matches!(prove(Doubled(12)), Err(Overflow { operation: "a signed word to be shifted", .. })));
    assert!(matches!(prove(Doubled(13)), Err(Overflow { operation: "a sum", .. })));
}

#[test]
fn a_value_that_is_too_negative_is_not_made_canonical() {
    struct Below(u64);
    impl LaneTask for Below {
        type Output = ();
        fn run<L: Lanes>(self, l: L) {
            let a = Stored::load(l, &any_group()).to_lazy(l);
            Lazy::zero(l).sub(l, a).bias(l, self.0).canonical(l);
        }
    }
    assert_eq!(prove(Below(1)), Ok(()));
    let proof = prove(Below(0));
    let operation = "the top of a value to be made canonical";
    assert!(matches!(&proof, Err(overflow) if overflow.operation == operation), "{proof:?}");
}

#[test]
fn signed_words_are_not_taken_for_unsigned_ones() {
    let proof = prove_that!(|l| {
        let minus_one = l.sub(l.splat(0), l.splat(1));
        l.shift_right::<1>(minus_one);
    });
    assert!(matches!(proof, Err(Overflow { expected: WORD, .. })), "{proof:?}");
    let proof = prove_that!(|l| {
        l.shift_right_signed::<1>(l.splat(1 << 63));
    });
    assert!(matches!(proof, Err(Overflow { expected: SIGNED, .. })), "{proof:?}");
}

#[test]
fn intervals_hold_what_the_operations_give_on_words() {
    // Every operation on the points of two small intervals lies in the operation on the intervals.
    struct Check;
    impl LaneTask for Check {
        type Output = ();
        fn run<L: Lanes>(self, l: L) {
            let edges = [0, 1, 5, 1 << 40, (1 << 52) - 1];
            for (x, y) in edges.into_iter().flat_map(|x| edges.map(|y| (x, y))) {
                let words = [x, y, (x + y) / 2, x, y, x, y, x];
                let (hull, z) = (l.load(&words), l.splat(7));
                let results = |a: L::V| {
                    [
                        l.add(a, z),
                        l.madd52lo(z, a, l.splat(3 << 50)),
                        l.madd52hi(z, a, l.splat(3 << 50)),
                        l.and(a, l.splat(1 << 40)),
                        l.or(a, z),
                        l.not(a),
                        l.shift_left::<4>(a),
                        l.shift_right::<3>(a),
                        l.shift_right_signed::<3>(l.sub(a, l.splat(1 << 51))),
                        l.funnel_right::<28>(a, z),
                    ]
                };
                let word = |v: L::V| {
                    let mut out = [0; 8];
                    l.store(v, &mut out);
                    Interval::of_word(out[0])
                };
                let wide = results(hull).map(word);
                for point in words {
                    for (point, wide) in results(l.splat(point)).map(word).into_iter().zip(wide) {
                        assert!(point.is_within(wide), "{point} within {wide}");
                    }
                }
            }
        }
    }
    assert_eq!(prove(Check), Ok(()));
}
