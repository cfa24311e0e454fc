//! The inverse of one element by division steps: D. J. Bernstein and B.-Y. Yang, "Fast constant-time gcd computation
//! and modular inversion" (2019), here in a form whose time depends on the element.
//!
//! A step takes (η, f, g), f odd, first to (−1 − η, g, −f) if g is odd and η negative, then to
//! (η − 1, f, (g + (g mod 2)·f)/2). From η = −1, f = p and 0 < g < p, at most 590 steps take g to zero, and f to ±1:
//! what the convex hulls of libsecp256k1 (`doc/safegcd_implementation.md`) show for 256 bits. On average it is 507.
//!
//! The next steps depend on η and g/f modulo a power of two alone. So six of them are read from a table, as a matrix
//! of small integers; ten such matrices are multiplied on single words; and their product, 60 steps, is applied to
//! the long integers at once. There is no branch to mispredict until g is zero. The same matrices, divided by 2⁶⁰
//! modulo p, take d and e along, with d·a ≡ c·f and e·a ≡ c·g modulo p: at the end ±d is c/a.

use crate::{Felt, felt::RADIX_SQUARED};

/// Steps of a matrix in the table.
const TABLE_STEPS: u32 = 6;
/// Steps of a product of them, and bits of a limb.
const STEPS: u32 = 60;
const MASK: u64 = (1 << STEPS) - 1;

/// Σ limbᵢ·2^(60i), the limbs below the top one in [0, 2⁶⁰), the top one signed.
type Signed = [i64; 5];

const PRIME: Signed = split(&Felt::PRIME_LIMBS);

/// Some steps: (f, g) becomes ((u·f + v·g)/2ˢᵗᵉᵖˢ, (q·f + r·g)/2ˢᵗᵉᵖˢ), with |u| + |v| and |q| + |r| at most 2ˢᵗᵉᵖˢ.
#[derive(Clone, Copy)]
struct Matrix<T> {
    u: T,
    v: T,
    q: T,
    r: T,
}

/// Six steps. `sign` is −1 after an odd number of swaps and else 0: η becomes (η xor sign) + offset.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct Entry {
    matrix: Matrix<i8>,
    sign: i8,
    offset: i8,
}

/// By η mod 16 and g/f mod 64. Beyond −8 … 7 the steps are those of the nearer end.
static TABLE: [[Entry; 64]; 16] = {
    let empty = Entry { matrix: Matrix { u: 0, v: 0, q: 0, r: 0 }, sign: 0, offset: 0 };
    let mut table = [[empty; 64]; 16];
    let mut row = 0;
    while row < 16 {
        let mut ratio = 0;
        while ratio < 64 {
            table[row][ratio] = entry(if row < 8 { row as i8 } else { row as i8 - 16 }, ratio as i32);
            ratio += 1;
        }
        row += 1;
    }
    table
};

const fn entry(eta: i8, ratio: i32) -> Entry {
    // With f = 1 and six bits of g = ratio: the steps are the same for every f and g of that ratio.
    let (mut f, mut g) = (1, ratio);
    let Matrix { mut u, mut v, mut q, mut r } = Matrix { u: 1, v: 0, q: 0, r: 1 };
    let (mut sign, mut offset) = (0, 0);
    let mut step = 0;
    while step < TABLE_STEPS {
        if g & 1 == 1 && (eta ^ sign) + offset < 0 {
            (f, g) = (g, -f);
            (u, v, q, r) = (q, r, -u, -v);
            (sign, offset) = (!sign, -offset);
        }
        if g & 1 == 1 {
            (g, q, r) = (g + f, q + u, r + v);
        }
        (g, u, v, offset) = (g >> 1, 2 * u, 2 * v, offset - 1);
        step += 1;
    }
    Entry { matrix: Matrix { u, v, q, r }, sign, offset }
}

/// The next 60 steps, from η and the low 60 bits of f and g; changes η accordingly.
#[inline(always)]
fn steps(eta: &mut i64, mut f: i64, mut g: i64) -> Matrix<i64> {
    let mut all = Matrix { u: 1, v: 0, q: 0, r: 1 };
    for _ in 0..STEPS / TABLE_STEPS {
        // 1/f ≡ f·(2 − f²) mod 2⁶, because f² ≡ 1 mod 2³. Higher bits of f and g may be wrong and do not matter.
        let ratio = f.wrapping_mul(g).wrapping_mul(2i64.wrapping_sub(f.wrapping_mul(f)));
        let entry = &TABLE[((*eta).clamp(-8, 7) & 15) as usize][(ratio & 63) as usize];
        *eta = (*eta ^ i64::from(entry.sign)) + i64::from(entry.offset);
        let Matrix { u, v, q, r } = entry.matrix;
        let (u, v, q, r) = (i64::from(u), i64::from(v), i64::from(q), i64::from(r));
        let apply = |a: i64, b: i64| {
            let top = u.wrapping_mul(a).wrapping_add(v.wrapping_mul(b));
            (top, q.wrapping_mul(a).wrapping_add(r.wrapping_mul(b)))
        };
        (f, g) = apply(f, g);
        (f, g) = (f >> TABLE_STEPS, g >> TABLE_STEPS);
        (all.u, all.q) = apply(all.u, all.q);
        (all.v, all.r) = apply(all.v, all.r);
    }
    all
}

#[inline(always)]
fn product(a: i64, b: i64) -> i128 {
    i128::from(a) * i128::from(b)
}

/// (a·x + b·y)/2⁶⁰, which is an integer.
#[inline(always)]
fn combine(a: i64, x: &Signed, b: i64, y: &Signed) -> Signed {
    divide_by_limb(|i| product(a, x[i]) + product(b, y[i]))
}

/// (a·x + b·y)/2⁶⁰ modulo p, for |a| + |b| ≤ 2⁶⁰: in (−2p, p) if x and y are.
#[inline(always)]
fn combine_modulo(a: i64, x: &Signed, b: i64, y: &Signed) -> Signed {
    // With p added to a negative x or y, both are in (−p, p), and the sum in (−2⁶⁰·p, 2⁶⁰·p). From that at most
    // (2⁶⁰ − 1)·p is subtracted to clear the lowest limb; p ≡ 1 mod 2⁶⁰, so the multiple is that limb itself.
    let raised = (a & (x[4] >> 63)) + (b & (y[4] >> 63));
    let lowest = product(a, x[0]) + product(b, y[0]) + i128::from(raised);
    let multiple = raised - (lowest as u64 & MASK) as i64;
    divide_by_limb(|i| {
        let sum = product(a, x[i]) + product(b, y[i]);
        if PRIME[i] == 0 { sum } else { sum + product(multiple, PRIME[i]) }
    })
}

/// Σ limb(i)·2^(60i)/2⁶⁰.
#[inline(always)]
fn divide_by_limb(limb: impl Fn(usize) -> i128) -> Signed {
    let mut carry = limb(0) >> STEPS;
    let mut out = [0; 5];
    for i in 1..5 {
        carry += limb(i);
        out[i - 1] = (carry as u64 & MASK) as i64;
        carry >>= STEPS;
    }
    out[4] = carry as i64;
    out
}

/// 2⁵¹²/a mod p for 0 < a < p: the Montgomery representation of the inverse of the element that a represents.
pub(crate) fn invert(a: &[u64; 4]) -> [u64; 4] {
    let (mut f, mut g) = (PRIME, split(a));
    let (mut d, mut e) = ([0; 5], split(&RADIX_SQUARED));
    let mut eta = -1;
    while g != [0; 5] {
        let Matrix { u, v, q, r } = steps(&mut eta, f[0], g[0]);
        (f, g) = (combine(u, &f, v, &g), combine(q, &f, r, &g));
        (d, e) = (combine_modulo(u, &d, v, &e), combine_modulo(q, &d, r, &e));
    }
    // f = ±1. With p added to a negative d, ±d is in (−p, p), and no zero.
    let mut inverse = add_prime_if_negative(&d);
    if f[4] < 0 {
        inverse = inverse.map(|limb| -limb);
    }
    let inverse = add_prime_if_negative(&carry(&inverse));
    join(&inverse)
}

/// The value, or p more.
fn add_prime_if_negative(a: &Signed) -> Signed {
    let mask = a[4] >> 63;
    carry(&std::array::from_fn(|i| a[i] + (PRIME[i] & mask)))
}

/// The same value from limbs of any sign, of at most 61 bits.
fn carry(a: &Signed) -> Signed {
    let mut out = *a;
    for i in 0..4 {
        out[i + 1] += out[i] >> STEPS;
        out[i] &= MASK as i64;
    }
    out
}

const fn split(a: &[u64; 4]) -> Signed {
    [
        (a[0] & MASK) as i64,
        ((a[0] >> 60 | a[1] << 4) & MASK) as i64,
        ((a[1] >> 56 | a[2] << 8) & MASK) as i64,
        ((a[2] >> 52 | a[3] << 12) & MASK) as i64,
        (a[3] >> 48) as i64,
    ]
}

/// The 64-bit limbs of a value in [0, 2²⁵⁶).
fn join(a: &Signed) -> [u64; 4] {
    let [a0, a1, a2, a3, a4] = a.map(|limb| limb as u64);
    [a0 | a1 << 60, a1 >> 4 | a2 << 56, a2 >> 8 | a3 << 52, a3 >> 12 | a4 << 48]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fermat(a: Felt) -> Felt {
        let [p0, p1, p2, p3] = Felt::PRIME_LIMBS;
        // p ends in 1: p − 2 borrows through the two zero limbs.
        a.pow_limbs(&[p0.wrapping_sub(2), p1.wrapping_sub(1), p2.wrapping_sub(1), p3 - 1])
    }

    fn check(a: Felt) {
        if !a.is_zero() {
            let inverse = Felt::from_montgomery_limbs(invert(&a.to_montgomery_limbs()));
            assert_eq!(inverse, Some(fermat(a)), "{a}");
        }
    }

    #[test]
    fn the_inverse_of_every_edge_is_the_power_of_fermat() {
        let high = Felt::PRIME_LIMBS[3];
        let limbs = [0, 1, 2, MASK, 1 << 59, 1 << 60, 1 << 63, u64::MAX];
        let tops = [0, 1, (1 << 48) - 1, 1 << 48, 1 << 58, high - 1, high];
        for [x, y, z] in limbs.iter().flat_map(|&x| limbs.iter().flat_map(move |&y| limbs.map(|z| [x, y, z])))
        {
            for top in tops {
                // What is inverted is the representation; the element of that value is another edge.
                Felt::from_montgomery_limbs([x, y, z, top]).into_iter().for_each(check);
                Felt::from_standard_limbs([x, y, z, top]).into_iter().for_each(check);
            }
        }
    }

    #[test]
    fn the_inverses_of_powers_of_two_and_their_neighbours_are_the_powers_of_fermat() {
        for exponent in 0..252 {
            let power = Felt::from_u64(2).pow(exponent);
            for a in [power, -power, power + Felt::ONE, power - Felt::ONE] {
                check(a);
                // The element that is represented by this power.
                Felt::from_montgomery_limbs(a.to_standard_limbs()).into_iter().for_each(check);
            }
        }
    }

    #[test]
    fn the_inverses_of_many_elements_multiply_to_one() {
        let mut a = Felt::from_u64(0x9e37_79b9_7f4a_7c15);
        for _ in 0..100_000 {
            a = a.square() + Felt::ONE;
            let inverse = Felt::from_montgomery_limbs(invert(&a.to_montgomery_limbs()));
            assert_eq!(inverse.map(|inverse| inverse * a), Some(Felt::ONE), "{a}");
        }
    }

    /// One step by its definition.
    fn step(eta: i64, f: i64, g: i64) -> (i64, i64, i64) {
        let (eta, f, g) = if g & 1 == 1 && eta < 0 { (-1 - eta, g, -f) } else { (eta, f, g) };
        (eta - 1, f, (g + (g & 1) * f) >> 1)
    }

    #[test]
    fn sixty_steps_at_once_are_sixty_single_ones() {
        for start in [-600, -30, -9, -8, -7, -2, -1, 0, 1, 5, 6, 7, 8, 40, 600] {
            for f in (-49..49).step_by(2) {
                for g in -50..50 {
                    let mut eta = start;
                    let Matrix { u, v, q, r } = steps(&mut eta, f, g);
                    assert!(u.unsigned_abs() + v.unsigned_abs() <= 1 << STEPS);
                    assert!(q.unsigned_abs() + r.unsigned_abs() <= 1 << STEPS);
                    let expected = (0..STEPS).fold((start, f, g), |(eta, f, g), _| step(eta, f, g));
                    let apply = |a, b| (product(a, f) + product(b, g)) >> STEPS;
                    assert_eq!((eta, apply(u, v), apply(q, r)), {
                        let (eta, f, g) = expected;
                        (eta, i128::from(f), i128::from(g))
                    });
                }
            }
        }
    }
}
