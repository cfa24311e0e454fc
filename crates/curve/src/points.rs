//! The fixed points: shift point, ECDSA generator, and the 504 Pedersen points with their doublings.
//!
//! In the numbering of the Starknet constant list P[0] is the shift point, P[1] the generator, P[2..254] belong to
//! the first Pedersen input and P[254..506] to the second. Each input uses two base points: the first for its low
//! 248 bits, the second for its top 4, each bit a doubling of the one before.

use std::sync::LazyLock;

use ashlar_field::Felt;

use crate::{
    jacobian::{JacobianPoint, normalize_batch},
    point::AffinePoint,
};

/// Bits of a Pedersen input.
pub const PEDERSEN_BITS: usize = 252;
/// Bits of a Pedersen input that belong to its first base point; the rest belong to the second.
pub const PEDERSEN_LOW_BITS: usize = 248;

#[allow(clippy::panic, reason = "evaluated at compile time")]
const fn felt(limbs: [u64; 4]) -> Felt {
    match Felt::from_standard_limbs(limbs) {
        Some(value) => value,
        None => panic!("a coordinate is below p"),
    }
}

/// P[0], from which every Pedersen hash and every ECDSA accumulator starts, so that no sum meets infinity.
pub const SHIFT_POINT: AffinePoint = AffinePoint {
    x: felt([0x551f_de40_50ca_6804, 0x716b_0b10_2294_7733, 0x00ee_1b87_eb59_9f16, 0x049e_e3eb_a8c1_6007]),
    y: felt([0xd040_5d26_6e10_268a, 0x4e62_1062_c0e0_56c1, 0xf346_d49d_06ea_0ed3, 0x03ca_0cfe_4b3b_c6dd]),
};

/// P[1], the generator of the group.
pub const GENERATOR: AffinePoint = AffinePoint {
    x: felt([0x3d72_3d8b_c943_cfca, 0xdeac_fd9b_0d18_19e0, 0x7bec_ed41_5a40_f0c7, 0x01ef_15c1_8599_971b]),
    y: felt([0x2873_000c_36e8_dc1f, 0xde53_ecd1_1abe_43a3, 0xb7be_4801_df46_ec62, 0x0056_6806_0aa4_9730]),
};

/// The base points of the two inputs: for the low 248 bits and for the top 4.
const PEDERSEN_BASES: [[AffinePoint; 2]; 2] = [
    [
        AffinePoint {
            x: felt([
                0x1080_d179_57eb_e47b,
                0x8fa8_120b_6d56_eb0c,
                0x969c_7486_55fc_a9e5,
                0x0234_287d_cbaf_fe7f,
            ]),
            y: felt([
                0x6ed0_268e_e89e_5615,
                0x9401_35dd_7a6c_94cc,
                0x1e88_9527_d41f_4e39,
                0x03b0_56f1_00f9_6fb2,
            ]),
        },
        AffinePoint {
            x: felt([
                0xb7a6_932d_ba8a_a378,
                0x9909_9ec1_de5e_3018,
                0x3f9d_ab26_5655_8f33,
                0x04fa_56f3_76c8_3db3,
            ]),
            y: felt([
                0x5168_f4e8_0ff5_b54d,
                0x5627_61f9_2a7a_23b4,
                0x8113_e0c0_e47e_4401,
                0x03fa_0984_c931_c9e3,
            ]),
        },
    ],
    [
        AffinePoint {
            x: felt([
                0x3aa3_72f0_bd2d_6997,
                0x40c6_90c7_4709_e90f,
                0x7649_10f7_5b45_f74b,
                0x04ba_4cc1_66be_8dec,
            ]),
            y: felt([
                0x4815_1f27_b24b_219c,
                0xcac5_c59a_5ce5_ae7c,
                0x4b97_1e46_c4ed_e85f,
                0x0040_301c_f5c1_751f,
            ]),
        },
        AffinePoint {
            x: felt([
                0xd36f_f12c_49a5_8202,
                0x2ca6_5048_d53f_b325,
                0x6e44_cca8_f61a_63bb,
                0x0543_02dc_b0e6_cc1c,
            ]),
            y: felt([
                0x879d_cc77_e99c_2426,
                0xce98_ad78_3c25_561a,
                0xb348_0462_68d8_ae25,
                0x01b7_7b3e_37d1_3504,
            ]),
        },
    ],
];

/// The points added for the bits of the two Pedersen inputs, least significant bit first:
/// `points[input][bit]` = P[2 + 252·input + bit].
pub type PedersenPoints = [[AffinePoint; PEDERSEN_BITS]; 2];

/// The 504 Pedersen points, computed once.
pub fn pedersen_points() -> &'static PedersenPoints {
    static POINTS: LazyLock<PedersenPoints> = LazyLock::new(|| {
        PEDERSEN_BASES.map(|[low, high]| {
            let low = doublings(low, PEDERSEN_LOW_BITS);
            let high = doublings(high, PEDERSEN_BITS - PEDERSEN_LOW_BITS);
            std::array::from_fn(|bit| {
                if bit < PEDERSEN_LOW_BITS { low[bit] } else { high[bit - PEDERSEN_LOW_BITS] }
            })
        })
    });
    &POINTS
}

/// The generator and its doublings: entry i is 2ⁱ·G, computed once.
pub fn generator_table() -> &'static [AffinePoint; 256] {
    static TABLE: LazyLock<[AffinePoint; 256]> = LazyLock::new(|| {
        let doubled = doublings(GENERATOR, 256);
        std::array::from_fn(|power| doubled[power])
    });
    &TABLE
}

/// point, 2·point, 4·point, …: `count` points (fewer only if one of them is infinity, which no point of the curve
/// leads to), with one inversion.
pub fn doublings(point: AffinePoint, count: usize) -> Vec<AffinePoint> {
    let chain: Vec<JacobianPoint> =
        std::iter::successors(Some(JacobianPoint::from(point)), |last| Some(last.double()))
            .take(count)
            .collect();
    normalize_batch(&chain).into_iter().map_while(|point| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixed_point_lies_on_the_curve() {
        assert!(SHIFT_POINT.is_on_curve());
        assert!(GENERATOR.is_on_curve());
        assert!(pedersen_points().iter().flatten().all(AffinePoint::is_on_curve));
        assert!(generator_table().iter().all(AffinePoint::is_on_curve));
    }

    #[test]
    fn each_pedersen_point_doubles_the_one_before_except_at_the_second_base() {
        for points in pedersen_points() {
            for bit in 1..PEDERSEN_BITS {
                let doubled = points[bit - 1].double().unwrap();
                assert_eq!(points[bit] == doubled, bit != PEDERSEN_LOW_BITS, "bit {bit}");
            }
        }
    }

    /// The published test vector of the Starknet Pedersen hash.
    #[test]
    fn summing_selected_points_gives_the_known_pedersen_hash() {
        let inputs: [Felt; 2] = [
            "0x3d937c035c878245caf64531a5756109c53068da139362728feb561405371cb".parse().unwrap(),
            "0x208a0a10250e382e1e4bbe2880906c2791bf6275695e02fbbc6aeff9cd8b31a".parse().unwrap(),
        ];
        let mut sum = SHIFT_POINT;
        for (input, points) in inputs.iter().zip(pedersen_points()) {
            let limbs = input.to_standard_limbs();
            for (bit, &point) in points.iter().enumerate() {
                if (limbs[bit / 64] >> (bit % 64)) & 1 == 1 {
                    sum = sum.plus(point).unwrap();
                }
            }
        }
        let hash: Felt = "0x30e480bed5fe53fa909cc0f8c4d99b8f9f2c016be4c41e13a4848797979c662".parse().unwrap();
        assert_eq!(sum.x, hash);
    }

    #[test]
    fn the_generator_table_holds_powers_of_two() {
        assert_eq!(generator_table()[0], GENERATOR);
        assert_eq!(Some(generator_table()[70]), GENERATOR.multiply(&[0, 1 << 6, 0, 0]));
    }
}
