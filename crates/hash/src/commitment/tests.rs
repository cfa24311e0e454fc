use ashlar_fault::{Exit, Fault};

use super::*;
use crate::{ChannelHash, ProofOfWorkHash};

fn word(value: Felt) -> [u8; 32] {
    StandardBytes::from(value).0
}

#[test]
fn every_name_is_read_back_and_unknown_ones_are_refused() {
    for hash in CommitmentHash::ALL {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    for hash in ChannelHash::ALL {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    for hash in ProofOfWorkHash::ALL {
        assert_eq!(hash.to_string().parse(), Ok(hash));
    }
    for name in ["", "Keccak256", "blake2s", "keccak256_masked248_lsb"] {
        let refused = name.parse::<CommitmentHash>();
        assert!(matches!(refused, Err(HashError::UnknownName { got, .. }) if got == name));
    }
    let refused = "pedersen".parse::<ChannelHash>().unwrap_err();
    assert_eq!(refused.to_string(), "expected one of keccak256, blake256, poseidon3, got \"pedersen\"");
    assert!("poseidon3".parse::<ProofOfWorkHash>().is_err());
}

#[test]
fn a_masked_digest_is_the_unmasked_one_with_zeros() {
    let message = b"abc";
    for (hash, unmasked, kept) in [
        (CommitmentHash::Keccak256, keccak256(message), 0..32),
        (CommitmentHash::Blake256, blake2s256(message), 0..32),
        (CommitmentHash::Keccak256Masked160Msb, keccak256(message), 0..20),
        (CommitmentHash::Blake256Masked160Msb, blake2s256(message), 0..20),
        (CommitmentHash::Keccak256Masked160Lsb, keccak256(message), 12..32),
        (CommitmentHash::Blake256Masked248Lsb, blake2s256(message), 1..32),
    ] {
        let mut expected = Digest::ZERO;
        expected.0[kept.clone()].copy_from_slice(&unmasked.0[kept]);
        assert_eq!(hash.hash_bytes(message), Ok(expected), "{hash}");
    }
}

#[test]
fn collision_bits_are_half_the_kept_bits_or_less() {
    for hash in CommitmentHash::ALL {
        assert!(hash.collision_bits() <= 4 * hash.kept_bytes().len() as u32, "{hash}");
        assert_eq!(hash.is_lsb_masked(), hash.kept_bytes().start > 0, "{hash}");
    }
    assert_eq!(CommitmentHash::Keccak256Masked160Lsb.collision_bits(), 80);
    assert_eq!(CommitmentHash::Blake256Masked248Lsb.collision_bits(), 124);
}

#[test]
fn a_node_of_a_byte_hash_is_the_hash_of_64_bytes_and_one_of_an_algebraic_hash_is_not() {
    let [left, right] = [5, 6].map(|value| Digest::from(Felt::from_u64(value)));
    for hash in CommitmentHash::ALL {
        let node = hash.hash_node(&left, &right).unwrap();
        let message = hash.hash_bytes(&concatenate(&left, &right)).unwrap();
        let algebraic = matches!(hash, CommitmentHash::Poseidon3 | CommitmentHash::Pedersen);
        assert_eq!(node == message, !algebraic, "{hash}");
    }
}

#[test]
fn the_word_hashes_read_standard_big_endian_elements() {
    let values = [3, 5, 7].map(Felt::from_u64);
    let message = values.map(word).concat();
    assert_eq!(CommitmentHash::Poseidon3.hash_bytes(&message), Ok(poseidon::hash_many(&values).into()));
    let chain = values.into_iter().fold(Felt::ZERO, pedersen::hash);
    let expected = pedersen::hash(chain, Felt::from_u64(3));
    assert_eq!(CommitmentHash::Pedersen.hash_bytes(&message), Ok(expected.into()));
}

#[test]
fn pedersen_adds_the_quotient_of_a_large_word_and_poseidon_refuses_it() {
    // 2²⁵⁶ − 1 = 31·p + r.
    let remainder = Felt::from_bytes_reduced(&[0xff; 32]);
    let state = pedersen::hash(Felt::ZERO, remainder) + Felt::from_u64(31);
    let expected = pedersen::hash(state, Felt::ONE);
    assert_eq!(CommitmentHash::Pedersen.hash_bytes(&[0xff; 32]), Ok(expected.into()));

    let message = [word(Felt::ONE), [0xff; 32]].concat();
    let refused = CommitmentHash::Poseidon3.hash_bytes(&message);
    let fault = HashError::WordNotBelowPrime { hash: "poseidon3", index: 1, word: Digest([0xff; 32]) };
    assert_eq!(refused, Err(fault.clone()));
    assert_eq!((fault.code().to_string().as_str(), fault.exit()), ("ASH-1181", Exit::Usage));
}

#[test]
fn an_unmasked_digest_under_an_algebraic_node_is_refused() {
    let large = Digest([0xff; 32]);
    for hash in [CommitmentHash::Poseidon3, CommitmentHash::Pedersen] {
        for (left, right, index) in [(large, Digest::ZERO, 0), (Digest::ZERO, large, 1)] {
            let fault = HashError::WordNotBelowPrime { hash: hash.name(), index, word: large };
            assert_eq!(hash.hash_node(&left, &right), Err(fault));
        }
    }
}

#[test]
fn the_word_hashes_refuse_a_length_that_is_no_multiple_of_32() {
    for hash in [CommitmentHash::Poseidon3, CommitmentHash::Pedersen] {
        for length in [1, 31, 33] {
            let refused = hash.hash_bytes(&vec![0; length]);
            assert_eq!(refused, Err(HashError::LengthNotWords { hash: hash.name(), length }));
        }
    }
}
