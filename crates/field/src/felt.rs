//! One field element and its scalar arithmetic: the reference that every vector kernel is tested against.
//!
//! p = 1 + m·2¹⁹² with m = 2⁵⁹ + 17, so p ≡ 1 mod 2¹⁹² and the Montgomery quotient digit *is* the digit to be
//! cleared: clearing one touches only the words 192 bits higher. The three low digits are independent and go
//! together with one 192×60-bit product; the fourth takes one more multiplication.

use std::{
    fmt,
    iter::{Product, Sum},
    ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign},
    str::FromStr,
};

/// The high limb of p: 2⁵⁹ + 17.
const HIGH: u64 = 0x0800_0000_0000_0011;
const PRIME: [u64; 4] = [1, 0, 0, HIGH];
/// 2⁵¹² mod p, which takes a standard integer into Montgomery form.
pub(crate) const RADIX_SQUARED: [u64; 4] =
    [0xffff_fd73_7e00_0401, 0x0000_0001_330f_ffff, 0xffff_ffff_ff6f_8000, 0x07ff_d4ab_5e00_8810];

/// An element of F_p in Montgomery form (radix 2²⁵⁶), limbs little-endian, always below p.
///
/// Equality and hashing are those of the value because the representation is canonical.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Felt([u64; 4]);

#[inline(always)]
const fn multiply_add(acc: u64, a: u64, b: u64, carry: u64) -> (u64, u64) {
    let wide = acc as u128 + a as u128 * b as u128 + carry as u128;
    (wide as u64, (wide >> 64) as u64)
}

#[inline(always)]
const fn add_carry(a: u64, b: u64, carry: bool) -> (u64, bool) {
    let (x, c1) = a.overflowing_add(b);
    let (y, c2) = x.overflowing_add(carry as u64);
    (y, c1 | c2)
}

#[inline(always)]
const fn subtract_borrow(a: u64, b: u64, borrow: bool) -> (u64, bool) {
    let (x, b1) = a.overflowing_sub(b);
    let (y, b2) = x.overflowing_sub(borrow as u64);
    (y, b1 | b2)
}

#[inline(always)]
const fn multiply_wide(a: &[u64; 4], b: &[u64; 4]) -> [u64; 8] {
    let mut t = [0u64; 8];
    let mut i = 0;
    while i < 4 {
        let (x, carry) = multiply_add(t[i], a[i], b[0], 0);
        t[i] = x;
        let (x, carry) = multiply_add(t[i + 1], a[i], b[1], carry);
        t[i + 1] = x;
        let (x, carry) = multiply_add(t[i + 2], a[i], b[2], carry);
        t[i + 2] = x;
        let (x, carry) = multiply_add(t[i + 3], a[i], b[3], carry);
        t[i + 3] = x;
        t[i + 4] = carry;
        i += 1;
    }
    t
}

/// t·2⁻²⁵⁶ modulo p for t < 2⁵¹¹: t/2²⁵⁶ minus a quotient·p/2²⁵⁶ < p, plus p if that is negative. For t < 2²⁵⁶·p the
/// result lies in [0, p).
#[inline(always)]
const fn reduce(t: [u64; 8]) -> [u64; 4] {
    // Clear digits 0, 1, 2 at once: subtract (t0 + t1·2^64 + t2·2^128)·m·2^192.
    let (w0, carry) = multiply_add(0, t[0], HIGH, 0);
    let (w1, carry) = multiply_add(0, t[1], HIGH, carry);
    let (w2, w3) = multiply_add(0, t[2], HIGH, carry);
    let (t3, borrow) = subtract_borrow(t[3], w0, false);
    let (t4, borrow) = subtract_borrow(t[4], w1, borrow);
    let (t5, borrow) = subtract_borrow(t[5], w2, borrow);
    let (t6, borrow) = subtract_borrow(t[6], w3, borrow);
    let (t7, _) = subtract_borrow(t[7], 0, borrow);
    // Clear digit 3.
    let (v0, v1) = multiply_add(0, t3, HIGH, 0);
    let (t6, borrow) = subtract_borrow(t6, v0, false);
    let (t7, _) = subtract_borrow(t7, v1, borrow);
    // −p < result < 2^255, so the sign bit of the top word tells whether p must be added back.
    let mask = ((t7 as i64) >> 63) as u64;
    let (r0, carry) = add_carry(t4, mask & 1, false);
    let (r1, carry) = add_carry(t5, 0, carry);
    let (r2, carry) = add_carry(t6, 0, carry);
    let (r3, _) = add_carry(t7, mask & HIGH, carry);
    [r0, r1, r2, r3]
}

#[inline(always)]
const fn multiply(a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
    reduce(multiply_wide(a, b))
}

#[inline(always)]
const fn below_prime(a: &[u64; 4]) -> bool {
    // p is its high limb times 2^192, and one.
    a[3] < HIGH || (a[3] == HIGH && a[0] | a[1] | a[2] == 0)
}

impl Felt {
    /// The additive identity.
    pub const ZERO: Felt = Felt([0; 4]);
    /// The multiplicative identity.
    pub const ONE: Felt = Felt::from_u64(1);
    /// The generator 3 of the multiplicative group, also the offset of Stone's evaluation domain.
    pub const GENERATOR: Felt = Felt::from_u64(3);
    /// The largest k such that 2^k divides p − 1.
    pub const TWO_ADICITY: u32 = 192;
    /// The prime p as little-endian limbs of the integer.
    pub const PRIME_LIMBS: [u64; 4] = PRIME;

    /// The element with this integer value.
    pub const fn from_u64(value: u64) -> Felt {
        Felt(multiply(&[value, 0, 0, 0], &RADIX_SQUARED))
    }

    /// The element with this integer value.
    pub const fn from_u128(value: u128) -> Felt {
        Felt(multiply(&[value as u64, (value >> 64) as u64, 0, 0], &RADIX_SQUARED))
    }

    /// The element with this integer value; a negative one is p − |value|.
    pub fn from_i64(value: i64) -> Felt {
        if value < 0 { -Felt::from_u64(value.unsigned_abs()) } else { Felt::from_u64(value as u64) }
    }

    /// The element whose integer value has these little-endian limbs; `None` if it is not below p.
    pub const fn from_standard_limbs(limbs: [u64; 4]) -> Option<Felt> {
        if below_prime(&limbs) { Some(Felt(multiply(&limbs, &RADIX_SQUARED))) } else { None }
    }

    /// The element whose Montgomery representation has these little-endian limbs; `None` if not below p.
    #[inline(always)]
    pub const fn from_montgomery_limbs(limbs: [u64; 4]) -> Option<Felt> {
        if below_prime(&limbs) { Some(Felt(limbs)) } else { None }
    }

    /// The element with a Montgomery representation that is known to be below p.
    #[inline(always)]
    pub(crate) fn from_canonical_limbs(limbs: [u64; 4]) -> Felt {
        debug_assert!(below_prime(&limbs));
        Felt(limbs)
    }

    /// The product of two representations whose product as integers is below 2²⁵⁶·p, divided by 2²⁵⁶.
    #[inline(always)]
    pub(crate) fn multiply_representations(a: &[u64; 4], b: &[u64; 4]) -> Felt {
        Felt(multiply(a, b))
    }

    /// The product of two representations as an integer.
    #[inline(always)]
    pub(crate) fn wide_product(a: Felt, b: Felt) -> [u64; 8] {
        multiply_wide(&a.0, &b.0)
    }

    /// An integer congruent to t·2⁻²⁵⁶ in [0, t/2²⁵⁶ + p), for any t below 2⁵¹¹.
    #[inline(always)]
    pub(crate) fn divide_by_radix(t: [u64; 8]) -> [u64; 4] {
        reduce(t)
    }

    /// Any 256-bit integer, reduced modulo p.
    pub const fn from_limbs_reduced(limbs: [u64; 4]) -> Felt {
        // limbs·2^512 needs limbs·RADIX_SQUARED < 2^256·p, which holds for every 256-bit integer.
        Felt(multiply(&limbs, &RADIX_SQUARED))
    }

    /// 32 big-endian bytes of any integer, reduced modulo p.
    pub fn from_bytes_reduced(bytes: &[u8; 32]) -> Felt {
        Felt::from_limbs_reduced(crate::bytes::limbs_from_be(bytes))
    }

    /// The Montgomery representation as little-endian limbs, below p.
    #[inline(always)]
    pub const fn to_montgomery_limbs(self) -> [u64; 4] {
        self.0
    }

    /// The integer value as little-endian limbs, below p.
    #[inline]
    pub const fn to_standard_limbs(self) -> [u64; 4] {
        reduce([self.0[0], self.0[1], self.0[2], self.0[3], 0, 0, 0, 0])
    }

    /// The integer value if it fits in 64 bits.
    pub const fn to_u64(self) -> Option<u64> {
        match self.to_standard_limbs() {
            [low, 0, 0, 0] => Some(low),
            _ => None,
        }
    }

    /// Whether this is zero.
    #[inline(always)]
    pub const fn is_zero(self) -> bool {
        self.0[0] | self.0[1] | self.0[2] | self.0[3] == 0
    }

    /// self².
    #[inline(always)]
    pub fn square(self) -> Felt {
        self * self
    }

    /// 2·self.
    #[inline(always)]
    pub fn double(self) -> Felt {
        self + self
    }

    /// self raised to a 64-bit exponent.
    pub fn pow(self, exponent: u64) -> Felt {
        self.pow_limbs(&[exponent])
    }

    /// self raised to an exponent of little-endian limbs. Time depends on the exponent: not for secrets.
    pub fn pow_limbs(self, exponent: &[u64]) -> Felt {
        let mut result = Felt::ONE;
        for &limb in exponent.iter().rev() {
            for bit in (0..64).rev() {
                result = result.square();
                if (limb >> bit) & 1 == 1 {
                    result *= self;
                }
            }
        }
        result
    }

    /// self^(2^count).
    pub fn pow_power_of_two(self, count: u32) -> Felt {
        (0..count).fold(self, |x, _| x.square())
    }

    /// The multiplicative inverse; `None` for zero. Time depends on the element: not for secrets.
    pub fn inverse(self) -> Option<Felt> {
        (!self.is_zero()).then(|| Felt::from_canonical_limbs(crate::divsteps::invert(&self.0)))
    }

    /// The generator of the subgroup of order 2^log_order: 3^((p−1)/2^log_order). `None` above the two-adicity.
    pub fn subgroup_generator(log_order: u32) -> Option<Felt> {
        // p − 1 = m·2^192, so 3^m has order 2^192 and is squared down.
        (log_order <= Felt::TWO_ADICITY)
            .then(|| Felt::GENERATOR.pow(HIGH).pow_power_of_two(Felt::TWO_ADICITY - log_order))
    }

    /// A square root, if there is one (which of the two is unspecified).
    pub fn sqrt(self) -> Option<Felt> {
        if self.is_zero() {
            return Some(self);
        }
        // Tonelli–Shanks with the 2^192-order subgroup: b = self^m measures the defect of a = self^((m+1)/2).
        let mut generator = Felt::subgroup_generator(Felt::TWO_ADICITY)?;
        let mut order = Felt::TWO_ADICITY;
        let mut root = self.pow(HIGH.div_ceil(2));
        let mut defect = self.pow(HIGH);
        while defect != Felt::ONE {
            let mut exponent = 0;
            let mut power = defect;
            while power != Felt::ONE {
                power = power.square();
                exponent += 1;
                if exponent == order {
                    return None;
                }
            }
            let factor = generator.pow_power_of_two(order - exponent - 1);
            root *= factor;
            generator = factor.square();
            defect *= generator;
            order = exponent;
        }
        Some(root)
    }
}

/// Replaces every element by its inverse, with one inversion and three multiplications an element.
///
/// Zeros stay zero.
pub fn batch_inverse(values: &mut [Felt]) {
    let mut prefix = Vec::with_capacity(values.len());
    let mut product = Felt::ONE;
    for value in values.iter() {
        prefix.push(product);
        if !value.is_zero() {
            product *= *value;
        }
    }
    let Some(mut suffix) = product.inverse() else { return };
    for (value, before) in values.iter_mut().zip(prefix).rev() {
        if !value.is_zero() {
            let inverse = suffix * before;
            suffix *= *value;
            *value = inverse;
        }
    }
}

impl Add for Felt {
    type Output = Felt;
    #[inline(always)]
    fn add(self, other: Felt) -> Felt {
        let (a, b) = (&self.0, &other.0);
        let (r0, c) = add_carry(a[0], b[0], false);
        let (r1, c) = add_carry(a[1], b[1], c);
        let (r2, c) = add_carry(a[2], b[2], c);
        let (r3, _) = add_carry(a[3], b[3], c);
        // At least p if the top limb exceeds that of p, or equals it above a non-zero rest. Written so that the
        // compiler makes no branch of it: on random data that would be mispredicted every other time.
        let limit = HIGH + u64::from(r0 | r1 | r2 == 0);
        let mask = u64::from(r3 >= limit).wrapping_neg();
        // Subtracting p is adding 2^256 − p.
        let (s0, c) = add_carry(r0, mask, false);
        let (s1, c) = add_carry(r1, mask, c);
        let (s2, c) = add_carry(r2, mask, c);
        let (s3, _) = add_carry(r3, mask & !HIGH, c);
        Felt([s0, s1, s2, s3])
    }
}

impl Sub for Felt {
    type Output = Felt;
    #[inline(always)]
    fn sub(self, other: Felt) -> Felt {
        let (a, b) = (&self.0, &other.0);
        let (r0, k) = subtract_borrow(a[0], b[0], false);
        let (r1, k) = subtract_borrow(a[1], b[1], k);
        let (r2, k) = subtract_borrow(a[2], b[2], k);
        let (r3, k) = subtract_borrow(a[3], b[3], k);
        let mask = (k as u64).wrapping_neg();
        let (s0, c) = add_carry(r0, mask & 1, false);
        let (s1, c) = add_carry(r1, 0, c);
        let (s2, c) = add_carry(r2, 0, c);
        let (s3, _) = add_carry(r3, mask & HIGH, c);
        Felt([s0, s1, s2, s3])
    }
}

impl Mul for Felt {
    type Output = Felt;
    #[inline(always)]
    fn mul(self, other: Felt) -> Felt {
        Felt(multiply(&self.0, &other.0))
    }
}

impl Neg for Felt {
    type Output = Felt;
    #[inline(always)]
    fn neg(self) -> Felt {
        Felt::ZERO - self
    }
}

impl AddAssign for Felt {
    #[inline(always)]
    fn add_assign(&mut self, other: Felt) {
        *self = *self + other;
    }
}

impl SubAssign for Felt {
    #[inline(always)]
    fn sub_assign(&mut self, other: Felt) {
        *self = *self - other;
    }
}

impl MulAssign for Felt {
    #[inline(always)]
    fn mul_assign(&mut self, other: Felt) {
        *self = *self * other;
    }
}

impl Sum for Felt {
    fn sum<I: Iterator<Item = Felt>>(iter: I) -> Felt {
        iter.fold(Felt::ZERO, Add::add)
    }
}

impl Product for Felt {
    fn product<I: Iterator<Item = Felt>>(iter: I) -> Felt {
        iter.fold(Felt::ONE, Mul::mul)
    }
}

impl From<u64> for Felt {
    fn from(value: u64) -> Felt {
        Felt::from_u64(value)
    }
}

/// Shortest hexadecimal form of the value: `0x0`, `0x1f`.
impl fmt::Display for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limbs = self.to_standard_limbs();
        match limbs.iter().rposition(|&limb| limb != 0) {
            None => f.write_str("0x0"),
            Some(top) => {
                write!(f, "0x{:x}", limbs[top])?;
                limbs[..top].iter().rev().try_for_each(|limb| write!(f, "{limb:016x}"))
            }
        }
    }
}

impl fmt::Debug for Felt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is not a field element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseFeltError {
    /// No digits at all.
    #[error("expected a number, got an empty text")]
    Empty,
    /// A character that is not a digit of the base.
    #[error("expected a decimal or 0x-hexadecimal number, got {0:?}")]
    Digit(String),
    /// The number is not below p.
    #[error("expected a number below the field prime, got {0:?}")]
    TooLarge(String),
}

/// Decimal, or hexadecimal after `0x`; below p; any padding with zeros.
impl FromStr for Felt {
    type Err = ParseFeltError;

    fn from_str(text: &str) -> Result<Felt, ParseFeltError> {
        let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) => (hex, 16),
            None => (text, 10),
        };
        if digits.is_empty() {
            return Err(ParseFeltError::Empty);
        }
        let mut limbs = [0u64; 4];
        for character in digits.chars() {
            let digit = character.to_digit(base).ok_or_else(|| ParseFeltError::Digit(text.into()))?;
            let mut carry = u64::from(digit);
            for limb in &mut limbs {
                (*limb, carry) = multiply_add(0, *limb, u64::from(base), carry);
            }
            // Every prefix of a number below p is below p, so an overflow shows as soon as it happens.
            if carry != 0 || !below_prime(&limbs) {
                return Err(ParseFeltError::TooLarge(text.into()));
            }
        }
        Ok(Felt(multiply(&limbs, &RADIX_SQUARED)))
    }
}
