//! The packed arithmetic against big integers, at the edges of every documented range, on every instance.
//!
//! What converts is never inlined: every check of every instance would have its own copies, a minute of compiling.

use num_bigint::{BigInt, BigUint, Sign};

use super::*;
use crate::{
    Kernels,
    lanes::{LaneTask, dispatch},
};

fn prime() -> BigInt {
    (BigInt::from(1) << 251) + BigInt::from(17) * (BigInt::from(1) << 192) + 1
}

fn power(exponent: u32) -> BigInt {
    BigInt::from(1) << exponent
}

/// x mod p in [0, p).
fn modulo(x: &BigInt) -> BigInt {
    let p = prime();
    ((x % &p) + &p) % &p
}

fn inverse_of_power(exponent: u32) -> BigInt {
    let p = prime();
    power(exponent).modpow(&(&p - 2), &p)
}

struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below the bound: one of the edges or a random one.
    fn below(&mut self, bound: &BigInt) -> BigInt {
        let edges = [
            BigInt::from(0),
            BigInt::from(1),
            bound - 1,
            bound - 2,
            bound - power(192),
            bound >> 1,
            power(52) - 1,
            power(104) - 1,
            power(156) - 1,
            power(192) - 1,
            power(208) - 1,
            power(251) - 1,
            power(251),
            prime() - 1,
            prime(),
        ];
        let word = self.word();
        if word.is_multiple_of(4) {
            let edge = edges[(word >> 8) as usize % edges.len()].clone();
            if edge.sign() != Sign::Minus && edge < *bound {
                return edge;
            }
        }
        let digits: Vec<u32> = (0..10).map(|_| self.word() as u32).collect();
        BigInt::from(BigUint::new(digits)) % bound
    }

    fn eight_below(&mut self, bound: &BigInt) -> Vec<BigInt> {
        (0..8).map(|_| self.below(bound)).collect()
    }
}

#[inline(never)]
fn limb_words(value: &BigInt, bits: u32, count: u32) -> Vec<u64> {
    (0..count)
        .map(|i| {
            let shifted: BigInt = value >> (bits * i);
            let limb = if i + 1 == count { shifted } else { shifted & (power(bits) - 1) };
            limb.to_u64_digits().1.first().copied().unwrap_or(0)
        })
        .collect()
}

/// Limbs with arbitrary bits above the 52 that count, in all but the top limb.
#[inline(never)]
fn low52<L: Lanes>(l: L, values: &[BigInt], random: &mut Random) -> Low52<L> {
    let limbs: Vec<Vec<u64>> = values.iter().map(|v| limb_words(v, 52, 5)).collect();
    Low52(std::array::from_fn(|i| {
        l.load(&std::array::from_fn(|lane| limbs[lane][i] | if i < 4 { random.word() << 52 } else { 0 }))
    }))
}

/// The values in un-carried limbs: multiples of 2⁵² are moved up and down between neighbours.
#[inline(never)]
fn lazy<L: Lanes>(l: L, values: &[BigInt], spread: u32, random: &mut Random) -> Lazy<L> {
    let mut limbs: Vec<Vec<i64>> = values
        .iter()
        .map(|v| {
            let positive = modulo(&BigInt::from(0)) + v;
            let low: BigInt = ((&positive % power(208)) + power(208)) % power(208);
            let mut limbs: Vec<i64> = limb_words(&low, 52, 4).into_iter().map(|w| w as i64).collect();
            let top: BigInt = (v - low) >> 208;
            limbs.push(i64::try_from(top).expect("the top limb fits"));
            limbs
        })
        .collect();
    for limbs in &mut limbs {
        for i in 0..4 {
            let moved = (random.word() % (1 << spread)) as i64 - (1 << (spread - 1));
            limbs[i] += moved << 52;
            limbs[i + 1] -= moved;
        }
    }
    Lazy(std::array::from_fn(|i| l.load(&std::array::from_fn(|lane| limbs[lane][i] as u64))))
}

#[inline(never)]
fn words<L: Lanes>(l: L, v: L::V) -> [u64; 8] {
    let mut out = [0; 8];
    l.store(v, &mut out);
    out
}

#[inline(never)]
fn lazy_values<L: Lanes>(l: L, v: Lazy<L>) -> Vec<BigInt> {
    let limbs = v.0.map(|v| words(l, v));
    (0..8).map(|lane| (0..5).map(|i| BigInt::from(limbs[i][lane] as i64) << (52 * i)).sum()).collect()
}

#[inline(never)]
fn low52_values<L: Lanes>(l: L, v: Low52<L>) -> Vec<BigInt> {
    let limbs = v.0.map(|v| words(l, v));
    (0..8).map(|lane| (0..5).map(|i| BigInt::from(limbs[i][lane] & MASK52) << (52 * i)).sum()).collect()
}

#[inline(never)]
fn stored_values<L: Lanes>(l: L, v: Stored<L>) -> Vec<BigInt> {
    let limbs = v.0.map(|v| words(l, v));
    (0..8).map(|lane| (0..4).map(|i| BigInt::from(limbs[i][lane]) << (64 * i)).sum()).collect()
}

#[inline(never)]
fn stored<L: Lanes>(l: L, values: &[BigInt]) -> Stored<L> {
    let limbs: Vec<Vec<u64>> = values.iter().map(|v| limb_words(v, 64, 4)).collect();
    Stored(std::array::from_fn(|i| l.load(&std::array::from_fn(|lane| limbs[lane][i]))))
}

macro_rules! on_every_instance {
    (|$l:ident, $random:ident| $body:block) => {{
        #[derive(Clone, Copy)]
        struct Check;
        impl LaneTask for Check {
            type Output = ();
            #[inline(always)]
            fn run<L: Lanes>(self, $l: L) {
                let mut $random = Random(0x1234_5678_9abc_def1);
                $body
            }
        }
        for kernels in Kernels::supported() {
            assert_eq!(dispatch(kernels, Check).is_ok(), kernels.has_field_vectors());
        }
    }};
}

#[test]
fn products_and_squares_are_right_up_to_the_top_of_the_multiplicand_range() {
    on_every_instance!(|l, random| {
        let inverse = inverse_of_power(260);
        for round in 0..300 {
            let bound = [prime(), prime() * 16, power(256), power(260)][round % 4].clone();
            let (x, y) = (random.eight_below(&bound), random.eight_below(&bound));
            let (a, b) = (low52(l, &x, &mut random), low52(l, &y, &mut random));
            let product = a.mul(l, b);
            let square = a.square(l);
            for lane in 0..8 {
                let (got, want) = (&lazy_values(l, product)[lane], &x[lane] * &y[lane]);
                assert_eq!(modulo(got), modulo(&(&want * &inverse)));
                assert!(got.sign() == Sign::Plus && *got <= (want >> 260) + prime());
                let (got, want) = (&lazy_values(l, square)[lane], &x[lane] * &x[lane]);
                assert_eq!(modulo(got), modulo(&(&want * &inverse)));
                assert!(got.sign() == Sign::Plus && *got <= (want >> 260) + prime());
            }
            for limb in product.0.into_iter().chain(square.0) {
                assert!(words(l, limb).into_iter().all(|word| word < 1 << 56));
            }
        }
    });
}

#[test]
fn limbs_that_are_all_ones_multiply_without_overflow() {
    on_every_instance!(|l, random| {
        let inverse = inverse_of_power(260);
        let top = vec![power(260) - 1; 8];
        let a = low52(l, &top, &mut random);
        for got in lazy_values(l, a.mul(l, a)).iter().chain(&lazy_values(l, a.square(l))) {
            assert_eq!(modulo(got), modulo(&(&top[0] * &top[0] * &inverse)));
        }
    });
}

#[test]
fn stored_data_stays_in_stored_form() {
    on_every_instance!(|l, random| {
        for _ in 0..100 {
            let (x, y) = (random.eight_below(&prime()), random.eight_below(&prime()));
            let (a, b) = (stored(l, &x), stored(l, &y));
            assert_eq!(stored_values(l, a), x);
            assert_eq!(low52_values(l, a.unpack(l)), x);
            assert_eq!(lazy_values(l, a.to_lazy(l)), x);
            let sixteen: Vec<BigInt> = x.iter().map(|x| x * 16).collect();
            assert_eq!(low52_values(l, a.unpack_x16(l)), sixteen);
            let mut groups = [Group::ZERO; 3];
            a.store(l, &mut groups[0]);
            b.store(l, &mut groups[1]);
            a.unpack_x16(l).mul(l, b.unpack(l)).canonical(l).store(l, &mut groups[2]);
            for lane in 0..8 {
                assert_eq!(groups[2].get(lane), groups[0].get(lane) * groups[1].get(lane));
            }
            let factor = groups[0].get(3);
            let scaled = Multiplier::new(factor).splat(l).mul(l, b.unpack(l)).canonical(l);
            scaled.store(l, &mut groups[2]);
            for lane in 0..8 {
                assert_eq!(groups[2].get(lane), factor * groups[1].get(lane));
            }
            Stored::splat(l, factor).store(l, &mut groups[2]);
            assert_eq!(groups[2], Group::splat(factor));
            assert_eq!(Stored::from_limbs(a.limbs()).zero_mask(l), a.zero_mask(l));
        }
    });
}

#[test]
fn movements_act_on_whole_elements() {
    on_every_instance!(|l, random| {
        let (x, y) = (random.eight_below(&prime()), random.eight_below(&prime()));
        let (a, b) = (stored(l, &x), stored(l, &y));
        let indices = [3, 1, 4, 1, 5, 2, 6, 0];
        let permuted = stored_values(l, a.permute(l, l.load(&indices)));
        assert!((0..8).all(|i| permuted[i] == x[indices[i] as usize]));
        let mixed = [3, 9, 12, 1, 15, 2, 8, 0];
        let joined = Low52::permute_pair(l, a.unpack(l), b.unpack(l), l.load(&mixed));
        let expected = mixed.map(|i| if i < 8 { x[i as usize].clone() } else { y[i as usize - 8].clone() });
        assert_eq!(low52_values(l, joined), expected);
        let selected = stored_values(l, Stored::select(l, 0b1010_0110, a, b));
        assert!(
            (0..8)
                .all(|i| selected[i] == if 0b1010_0110 >> i & 1 == 1 { x[i].clone() } else { y[i].clone() })
        );
        let mut zeros = x.clone();
        zeros[2] = BigInt::from(0);
        zeros[5] = power(192);
        assert_eq!(stored(l, &zeros).zero_mask(l) & 0b10_0100, 0b100);
    });
}

#[test]
fn sums_differences_and_biases_are_those_of_integers() {
    on_every_instance!(|l, random| {
        for _ in 0..100 {
            let (x, y) = (random.eight_below(&power(260)), random.eight_below(&power(260)));
            let (a, b) = (lazy(l, &x, 8, &mut random), lazy(l, &y, 8, &mut random));
            assert_eq!(lazy_values(l, a), x);
            let (sum, difference) = (lazy_values(l, a.add(l, b)), lazy_values(l, a.sub(l, b)));
            let biased = lazy_values(l, a.bias(l, 513));
            for lane in 0..8 {
                assert_eq!(sum[lane], &x[lane] + &y[lane]);
                assert_eq!(difference[lane], &x[lane] - &y[lane]);
                assert_eq!(biased[lane], &x[lane] + prime() * 513);
            }
            assert_eq!(lazy_values(l, Lazy::zero(l).add(l, a)), x);
        }
    });
}

#[test]
fn carrying_keeps_the_value_over_the_whole_range() {
    on_every_instance!(|l, random| {
        for spread in [1, 4, 9] {
            for _ in 0..100 {
                let x = random.eight_below(&power(260));
                let carried = lazy(l, &x, spread, &mut random).carry(l);
                assert_eq!(low52_values(l, carried), x);
                assert_eq!(lazy_values(l, carried.to_lazy(l)), x);
            }
        }
    });
}

#[test]
fn folding_is_congruent_and_small_for_either_sign() {
    on_every_instance!(|l, random| {
        for round in 0..200 {
            let bound = [prime() * 2, power(260), power(270)][round % 3].clone();
            let mut x = random.eight_below(&bound);
            for value in x.iter_mut().step_by(2) {
                *value = -value.clone();
            }
            let limbs = lazy(l, &x, 9, &mut random);
            assert_eq!(lazy_values(l, limbs.normalize(l)), x);
            for (value, folded) in x.iter().zip(lazy_values(l, lazy(l, &x, 9, &mut random).fold(l))) {
                assert_eq!(modulo(&folded), modulo(value));
                assert!(folded > -power(218) && folded < power(251) + power(218));
            }
        }
    });
}

#[test]
fn canonical_values_are_canonical_for_every_representation_of_them() {
    on_every_instance!(|l, random| {
        let p = prime();
        for round in 0..400u32 {
            let mut x = match round % 4 {
                0 => random.eight_below(&(&p * 2)),
                1 => random.eight_below(&power(260)),
                2 => random.eight_below(&power(270)),
                // Just around multiples of p.
                _ => (0..8).map(|i| &p * (random.word() % 1000) + i - 4).collect(),
            };
            if round % 8 == 0 {
                x[1] = BigInt::from(1) - power(250);
                x[2] = -power(100);
                x[3] = BigInt::from(-1);
                x[4] = BigInt::from(0);
                x[5] = p.clone();
            }
            let a = lazy(l, &x, 9, &mut random);
            let want: Vec<BigInt> = x.iter().map(modulo).collect();
            assert_eq!(stored_values(l, a.canonical(l)), want);
            assert_eq!(stored_values(l, a.fold(l).canonical(l)), want);
            for (reduced, want) in stored_values(l, a.pack_reduced(l)).iter().zip(&want) {
                assert_eq!(modulo(reduced), *want);
                assert!(*reduced < power(253));
            }
        }
    });
}

#[test]
fn the_longest_dot_products_of_the_largest_terms_do_not_overflow() {
    on_every_instance!(|l, random| {
        let inverse = inverse_of_power(260);
        for round in 0..6 {
            let mut accumulator = Accumulator::zero(l);
            let mut want = vec![BigInt::from(0); 8];
            for _ in 0..Accumulator::<L>::MAX_TERMS {
                // All limbs all ones; limb patterns with large low and high halves; random.
                let (x, y) = match round {
                    0 => (vec![power(260) - 1; 8], vec![power(260) - 1; 8]),
                    1 => (vec![power(260) - 1; 8], random.eight_below(&power(260))),
                    _ => (random.eight_below(&power(260)), random.eight_below(&power(260))),
                };
                let (a, b) = (low52(l, &x, &mut random), low52(l, &y, &mut random));
                accumulator = accumulator.add_product(l, a, b);
                for lane in 0..8 {
                    want[lane] += &x[lane] * &y[lane];
                }
            }
            let reduced = accumulator.reduce(l);
            let values = lazy_values(l, reduced);
            for lane in 0..8 {
                assert_eq!(modulo(&values[lane]), modulo(&(&want[lane] * &inverse)));
                assert!(values[lane] <= (&want[lane] >> 260) + prime());
            }
            let canonical: Vec<BigInt> = values.iter().map(modulo).collect();
            assert_eq!(stored_values(l, reduced.canonical(l)), canonical);
        }
    });
}

#[test]
fn a_chain_of_butterflies_needs_no_reduction_inside_a_pass() {
    // Values in [0, 2²⁵³) plus 16p, then layers of x ± w·y: the largest magnitude grows by less than 2p a layer.
    on_every_instance!(|l, random| {
        let bound = power(253);
        for largest in [false, true] {
            let mut eight = || if largest { vec![&bound - 1; 8] } else { random.eight_below(&bound) };
            let (x, y) = (eight(), eight());
            let w = Multiplier::new(-Felt::ONE).splat(l);
            let minus_one = prime() - 1;
            let mut random = Random(99);
            let mut a = lazy(l, &x, 1, &mut random).bias(l, 32);
            let mut b = lazy(l, &y, 1, &mut random).bias(l, 32);
            let (mut u, mut v) = (x, y);
            for _ in 0..12 {
                let t = w.mul(l, b.carry(l));
                (a, b) = (a.add(l, t), a.sub(l, t));
                for lane in 0..8 {
                    let t = &minus_one * &v[lane];
                    (u[lane], v[lane]) = (modulo(&(&u[lane] + &t)), modulo(&(&u[lane] - &t)));
                }
            }
            assert_eq!(stored_values(l, a.canonical(l)), u);
            assert_eq!(stored_values(l, b.canonical(l)), v);
            for value in lazy_values(l, a).iter().chain(&lazy_values(l, b)) {
                assert!(value.sign() == Sign::Plus && *value < prime() * 64);
            }
        }
    });
}

#[test]
fn division_by_a_power_of_two_is_exact_modulo_the_prime() {
    on_every_instance!(|l, random| {
        for count in 1..=52 {
            let half = inverse_of_power(count);
            let x = random.eight_below(&power(260));
            let quotient = low52(l, &x, &mut random).divide_by_power_of_two(l, count);
            for (value, x) in lazy_values(l, quotient).iter().zip(&x) {
                assert_eq!(modulo(value), modulo(&(x * &half)));
                assert!(value.sign() == Sign::Plus && *value <= (x >> count) + prime());
            }
        }
    });
}

#[test]
fn what_is_stored_in_memory_is_read_back() {
    on_every_instance!(|l, random| {
        let x = random.eight_below(&power(260));
        let mut group = LazyGroup::ZERO;
        lazy(l, &x, 9, &mut random).store(l, &mut group);
        assert_eq!(lazy_values(l, Lazy::load(l, &group)), x);
        let mut group = Low52Group::ZERO;
        low52(l, &x, &mut random).store(l, &mut group);
        assert_eq!(low52_values(l, Low52::load(l, &group)), x);
        assert_eq!(low52_values(l, group.splat_lane(l, 3)), vec![x[3].clone(); 8]);
        let factors: [Felt; 8] = std::array::from_fn(|i| Felt::from_u64(1 << (7 * i)));
        let table = Low52Group::multipliers(&factors);
        for lane in 0..8 {
            let want = low52_values(l, Multiplier::new(factors[lane]).splat(l));
            assert_eq!(low52_values(l, table.splat_lane(l, lane)), want);
        }
        let matrix: Vec<Vec<BigInt>> = (0..8).map(|_| random.eight_below(&power(260))).collect();
        let rows = std::array::from_fn(|i| lazy(l, &matrix[i], 4, &mut random));
        for (i, row) in Lazy::transpose(l, rows).into_iter().enumerate() {
            let want: Vec<BigInt> = matrix.iter().map(|row| row[i].clone()).collect();
            assert_eq!(lazy_values(l, row), want);
        }
    });
}
