//! Hints that compute with numbers: divisions, roots, products and comparisons.

use cairo_vm::Felt252;
use num_bigint::BigUint;

use super::{CoreHintRunner, HintFault, Outcome, hint::CoreHint, two_to_128};

impl CoreHintRunner<'_> {
    pub(super) fn arithmetic(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::WideMul128 { lhs, rhs, high, low } => {
                let product = self.integer(lhs)? * self.integer(rhs)?;
                self.set_limbs(&[low], &product)?;
                self.set(high, Felt252::from(&(product >> 128)))
            }
            CoreHint::DivMod { lhs, rhs, quotient, remainder } => {
                let (q, r) = divide(&self.integer(lhs)?, &self.integer(rhs)?)?;
                self.set(quotient, Felt252::from(&q))?;
                self.set(remainder, Felt252::from(&r))
            }
            CoreHint::Uint256DivMod {
                dividend0,
                dividend1,
                divisor0,
                divisor1,
                quotient0,
                quotient1,
                remainder0,
                remainder1,
            } => {
                let (q, r) =
                    divide(&self.limbs(&[dividend0, dividend1])?, &self.limbs(&[divisor0, divisor1])?)?;
                self.set_limbs(&[quotient0, quotient1], &q)?;
                self.set_limbs(&[remainder0, remainder1], &r)
            }
            CoreHint::Uint512DivModByUint256 {
                dividend0,
                dividend1,
                dividend2,
                dividend3,
                divisor0,
                divisor1,
                quotient0,
                quotient1,
                quotient2,
                quotient3,
                remainder0,
                remainder1,
            } => {
                let dividend = self.limbs(&[dividend0, dividend1, dividend2, dividend3])?;
                let (q, r) = divide(&dividend, &self.limbs(&[divisor0, divisor1])?)?;
                self.set_limbs(&[quotient0, quotient1, quotient2, quotient3], &q)?;
                self.set_limbs(&[remainder0, remainder1], &r)
            }
            CoreHint::SquareRoot { value, dst } => {
                let root = self.integer(value)?.sqrt();
                self.set(dst, Felt252::from(&root))
            }
            CoreHint::Uint256SquareRoot {
                value_low,
                value_high,
                sqrt0,
                sqrt1,
                remainder_low,
                remainder_high,
                sqrt_mul_2_minus_remainder_ge_u128,
            } => {
                let value = self.limbs(&[value_low, value_high])?;
                let root = value.sqrt();
                let rest = &value - &root * &root;
                let flag = &root + &root >= &rest + two_to_128();
                let low = &root % (BigUint::from(1u8) << 64);
                self.set(sqrt0, Felt252::from(&low))?;
                self.set(sqrt1, Felt252::from(&(root >> 64)))?;
                self.set_limbs(&[remainder_low, remainder_high], &rest)?;
                self.set_flag(sqrt_mul_2_minus_remainder_ge_u128, flag)
            }
            CoreHint::LinearSplit { value, scalar, max_x, x, y } => {
                let (value, scalar) = (self.integer(value)?, self.integer(scalar)?);
                let quotient = divide(&value, &scalar)?.0.min(self.integer(max_x)?);
                self.set(x, Felt252::from(&quotient))?;
                self.set(y, Felt252::from(&(value - quotient * scalar)))
            }
            CoreHint::U256InvModN {
                b0,
                b1,
                n0,
                n1,
                g0_or_no_inv,
                g1_option,
                s_or_r0,
                s_or_r1,
                t_or_k0,
                t_or_k1,
            } => {
                let (b, n) = (self.limbs(&[b0, b1])?, self.limbs(&[n0, n1])?);
                let one = BigUint::from(1u8);
                // For n = 1 the compiler expects "no inverse" with g = 1.
                match b.modinv(&n).filter(|_| n != one) {
                    Some(inverse) => {
                        let k = (&inverse * &b - &one) / &n;
                        self.set_limbs(&[s_or_r0, s_or_r1], &inverse)?;
                        self.set_limbs(&[t_or_k0, t_or_k1], &k)?;
                        self.set_flag(g0_or_no_inv, false)
                    }
                    None => {
                        let mut divisor = greatest_common_divisor(&b, &n);
                        if !divisor.bit(0) {
                            divisor = BigUint::from(2u8);
                        }
                        self.set_limbs(&[s_or_r0, s_or_r1], &divide(&b, &divisor)?.0)?;
                        self.set_limbs(&[t_or_k0, t_or_k1], &divide(&n, &divisor)?.0)?;
                        self.set_limbs(&[g0_or_no_inv, g1_option], &divisor)
                    }
                }
            }
            _ => Err(HintFault::Detail("not an arithmetic hint".into())),
        }
    }

    /// Two of the three arcs that a ≤ b cuts 0 … p − 1 into are short; their lengths prove it.
    pub(super) fn arcs(&mut self, hint: &CoreHint) -> Outcome<()> {
        match hint {
            CoreHint::AssertLeFindSmallArcs { range_check_ptr, a, b } => {
                let (a, b) = (self.felt(a)?, self.felt(b)?);
                let mut arcs =
                    [(a, 0), (b - a, 1), (Felt252::MAX - b, 2)].map(|(arc, i)| (arc.to_biguint(), i));
                arcs.sort();
                self.state.excluded_arc = arcs[2].1;
                // ⌈(p/3)/2¹²⁸⌉ and ⌈(p/2)/2¹²⁸⌉.
                let scales = [
                    3_544_607_988_759_775_765_608_368_578_435_044_694u128,
                    5_316_911_983_139_663_648_412_552_867_652_567_041,
                ];
                let pointer = self.pointer(range_check_ptr)?;
                for (index, (scale, (arc, _))) in scales.into_iter().zip(&arcs).enumerate() {
                    let (q, r) = divide(arc, &BigUint::from(scale))?;
                    self.write((pointer + 2 * index)?, Felt252::from(&r))?;
                    self.write((pointer + (2 * index + 1))?, Felt252::from(&q))?;
                }
                Ok(())
            }
            CoreHint::AssertLeIsFirstArcExcluded { skip_exclude_a_flag } => {
                let flag = self.state.excluded_arc != 0;
                self.set_flag(skip_exclude_a_flag, flag)
            }
            CoreHint::AssertLeIsSecondArcExcluded { skip_exclude_b_minus_a } => {
                let flag = self.state.excluded_arc != 1;
                self.set_flag(skip_exclude_b_minus_a, flag)
            }
            _ => Err(HintFault::Detail("not a comparison hint".into())),
        }
    }
}

fn divide(dividend: &BigUint, divisor: &BigUint) -> Outcome<(BigUint, BigUint)> {
    if *divisor == BigUint::default() {
        return Err(HintFault::Detail("a division by zero".into()));
    }
    Ok((dividend / divisor, dividend % divisor))
}

fn greatest_common_divisor(a: &BigUint, b: &BigUint) -> BigUint {
    let (mut a, mut b) = (a.clone(), b.clone());
    while b != BigUint::default() {
        (a, b) = (b.clone(), a % b);
    }
    a
}
