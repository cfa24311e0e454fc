//! The values that constraints take from the public input and from the interaction elements.

use ashlar_field::Felt;
use ashlar_stark::air::Expression;

use crate::layout::Builtin;

/// A value that prover and verifier know once the interaction elements are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parameter {
    /// Interaction element 0: the point z of the memory permutation.
    MemoryPoint,
    /// Interaction element 1: λ, which folds address and value into one element.
    MemoryFold,
    /// Interaction element 2: the point of the 16-bit permutation.
    RangeCheckPoint,
    /// Interaction element 3: the point of the diluted permutation.
    DilutedPoint,
    /// Interaction element 4: Z of the diluted check.
    DilutedZ,
    /// Interaction element 5: A of the diluted check.
    DilutedA,
    /// Interaction element 6: the point at which `add_mod` compares polynomials.
    AddModPoint,
    /// Interaction element 7: the point at which `mul_mod` compares polynomials.
    MulModPoint,
    /// What the public memory leaves of the memory permutation's product.
    MemoryProduct,
    /// First allocation pointer; also the first and the last frame pointer.
    InitialAp,
    /// Last allocation pointer.
    FinalAp,
    /// First program counter.
    InitialPc,
    /// Last program counter.
    FinalPc,
    /// Smallest value of the 16-bit pool.
    RangeCheckMin,
    /// Largest value of the 16-bit pool.
    RangeCheckMax,
    /// Last cumulative value of the diluted check.
    DilutedFinalValue,
    /// First address of a builtin's segment.
    SegmentBegin(Builtin),
}

impl Parameter {
    /// The number of indices.
    pub(crate) const COUNT: usize = 16 + Builtin::ALL.len();

    /// The index under which expressions refer to it.
    pub(crate) const fn index(self) -> usize {
        match self {
            Parameter::MemoryPoint => 0,
            Parameter::MemoryFold => 1,
            Parameter::RangeCheckPoint => 2,
            Parameter::DilutedPoint => 3,
            Parameter::DilutedZ => 4,
            Parameter::DilutedA => 5,
            Parameter::AddModPoint => 6,
            Parameter::MulModPoint => 7,
            Parameter::MemoryProduct => 8,
            Parameter::InitialAp => 9,
            Parameter::FinalAp => 10,
            Parameter::InitialPc => 11,
            Parameter::FinalPc => 12,
            Parameter::RangeCheckMin => 13,
            Parameter::RangeCheckMax => 14,
            Parameter::DilutedFinalValue => 15,
            Parameter::SegmentBegin(builtin) => 16 + builtin as usize,
        }
    }

    /// The expression that stands for it.
    pub(crate) fn expression(self) -> Expression {
        Expression::parameter(self.index())
    }
}

/// The last cumulative value of the diluted check, if every 16-bit value spread with spacing 4 occurs.
///
/// The value is r₀ = 1, r_{j+1} = r_j·(1 + Z·u_j) + A·u_j², u_j the j-th difference of the spread values; half of all
/// differences are 1, a quarter are the next, …, so that it doubles up (Stone v3: `diluted_check` component).
pub(crate) fn diluted_final_value(z: Felt, a: Felt) -> Felt {
    const BITS: usize = 16;
    const SPACING: u64 = 4;
    let spread = Felt::from_u64(1 << SPACING);
    let mut p = Felt::ONE + z;
    let mut q = Felt::ONE;
    let mut x = Felt::ONE;
    let mut difference = spread - Felt::from_u64(2);
    for _ in 1..BITS {
        x += difference;
        difference *= spread;
        let xp = x * p;
        let y = p + z * xp;
        q = q * y + x * xp + q;
        p *= y;
    }
    p + a * q
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of a 16-bit value, four apart.
    fn spread(value: u64) -> Felt {
        Felt::from_u64((0..16).map(|bit| (value >> bit & 1) << (4 * bit)).sum())
    }

    #[test]
    fn the_final_diluted_value_is_that_of_the_recurrence_over_all_values() {
        let (z, a) = (Felt::from_u64(1234567), -Felt::from_u64(89));
        let mut cumulative = Felt::ONE;
        for value in 1..1 << 16 {
            let difference = spread(value) - spread(value - 1);
            cumulative = cumulative * (Felt::ONE + z * difference) + a * difference.square();
        }
        assert_eq!(diluted_final_value(z, a), cumulative);
    }

    #[test]
    fn every_parameter_has_an_index_of_its_own() {
        let mut indices: Vec<usize> =
            Builtin::ALL.map(|builtin| Parameter::SegmentBegin(builtin).index()).to_vec();
        indices.extend([Parameter::MemoryPoint, Parameter::DilutedFinalValue].map(Parameter::index));
        assert!(indices.iter().all(|&index| index < Parameter::COUNT));
        indices.sort_unstable();
        indices.dedup();
        assert_eq!(indices.len(), Builtin::ALL.len() + 2);
    }
}
