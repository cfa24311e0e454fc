//! The bounds against values of the formulas in the module's head, computed apart from this code in double precision.

use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};

use super::*;
use crate::FriParameters;

fn parameters(log_n_cosets: u32, n_queries: u64, proof_of_work_bits: u32, steps: &[u32]) -> StarkParameters {
    StarkParameters {
        log_n_cosets,
        fri: FriParameters {
            fri_step_list: steps.to_vec(),
            last_layer_degree_bound: 1,
            n_queries,
            proof_of_work_bits,
        },
        channel_hash: ChannelHash::Poseidon3,
        commitment_hash: CommitmentHash::Blake256Masked248Lsb,
        verifier_friendly_commitment_hash: CommitmentHash::Poseidon3,
        n_verifier_friendly_commitment_layers: 4,
        verifier_friendly_channel_updates: true,
        pow_hash: ProofOfWorkHash::Keccak256,
    }
}

/// log₂ of the trace length, log_n_cosets, queries, grinding, steps; constraints, mask size; then the bits of unique
/// decoding and of the Johnson bound with m = 3 and m = 10.
type Case = ((u32, u32, u64, u32, &'static [u32]), (usize, usize), [f64; 3]);

/// Few queries, which then decide, and so many that the rounds do; domains so small that no summand is lost.
const CASES: [Case; 6] = [
    ((13, 2, 18, 30, &[0, 4, 2]), (47, 49), [42.205_294_292, 43.996_936_416, 46.732_992_098]),
    ((13, 2, 200, 30, &[0, 4, 2]), (47, 49), [165.614_381_023, 185.521_515_733, 189.639_068_196]),
    ((3, 1, 4000, 7, &[0, 1]), (47, 49), [240.607_682_577, 224.233_334_523, 213.139_067_115]),
    ((3, 1, 4000, 7, &[0, 1]), (1000, 3), [240.836_350_324, 228.257_935_226, 217.168_793_234]),
    ((3, 1, 4000, 7, &[0, 1]), (5, 0), [244.733_213_459, 229.847_762_988, 218.753_775_801]),
    ((2, 3, 30, 0, &[2]), (300, 2), [24.902_249_957, 38.328_227_360, 42.888_320_163]),
];

#[test]
fn the_proven_bounds_are_those_of_the_formulas() {
    for ((log_length, cosets, queries, grinding, steps), (constraints, mask), expected) in CASES {
        let parameters = parameters(cosets, queries, grinding, steps);
        let got = [
            parameters.unique_decoding_bits(log_length, constraints, mask),
            parameters.johnson_bits(3.0, log_length, constraints, mask),
            parameters.johnson_bits(10.0, log_length, constraints, mask),
        ];
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-8, "expected {expected}, got {got}: {parameters:?}");
        }
    }
}

#[test]
fn the_better_of_the_proven_bounds_counts() {
    // 42.2 by unique decoding; 47.99 by the best m of the Johnson bound.
    assert_eq!(parameters(2, 18, 30, &[0, 4, 2]).security(13, 47, 49).proven_bits, 47);
    // 24.9 and 44.98.
    assert_eq!(parameters(3, 30, 0, &[2]).security(2, 300, 2).proven_bits, 44);
}

#[test]
fn the_weakest_hash_caps_the_bits() {
    let capped = |change: fn(&mut StarkParameters)| {
        let mut parameters = parameters(4, 100, 0, &[0, 4]);
        change(&mut parameters);
        let security = parameters.security(10, 47, 49);
        assert!(security.proven_bits <= security.collision_bits);
        assert_eq!(security.conjectured_bits, security.collision_bits);
        security.collision_bits
    };
    let weak = CommitmentHash::Keccak256Masked160Lsb;
    assert_eq!(weak.collision_bits(), 80);
    assert!(capped(|_| ()) > 80);
    assert_eq!(capped(|p| p.commitment_hash = CommitmentHash::Keccak256Masked160Lsb), 80);
    assert_eq!(capped(|p| p.verifier_friendly_commitment_hash = CommitmentHash::Keccak256Masked160Lsb), 80);
    // Of no level of the trees, but of the seed.
    let seed_only = |p: &mut StarkParameters| {
        p.n_verifier_friendly_commitment_layers = 0;
        p.verifier_friendly_commitment_hash = CommitmentHash::Keccak256Masked160Lsb;
    };
    assert_eq!(capped(seed_only), 80);
    // The leaves of 14 levels: one more friendly level would leave the other hash unused.
    let leaves_only = |p: &mut StarkParameters| {
        p.n_verifier_friendly_commitment_layers = 14;
        p.commitment_hash = CommitmentHash::Keccak256Masked160Lsb;
    };
    assert_eq!(capped(leaves_only), 80);
    let unused = |p: &mut StarkParameters| {
        p.n_verifier_friendly_commitment_layers = 15;
        p.commitment_hash = CommitmentHash::Keccak256Masked160Lsb;
    };
    assert!(capped(unused) > 80);
}
