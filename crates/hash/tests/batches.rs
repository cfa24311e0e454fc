//! Batches on every family of kernels against the single-message forms, and those against published values and an
//! independent implementation.

use ashlar_field::{Column, Felt, Group, Kernels, MontgomeryBytes};
use ashlar_hash::{CommitmentHash, Digest, HashError};
use proptest::prelude::*;

/// The reference of every leaf digest.
#[allow(clippy::unwrap_used, reason = "a row of canonical elements is refused by no hash")]
fn row_digest(hash: CommitmentHash, cells: impl Iterator<Item = Felt>) -> Digest {
    let message: Vec<u8> = cells.flat_map(|cell| MontgomeryBytes::from(cell).0).collect();
    hash.hash_bytes(&message).unwrap()
}

/// Elements that cover small, large and random values.
fn felts(seed: u64, count: usize) -> Vec<Felt> {
    let mut state = Felt::from_u64(seed);
    (0..count)
        .map(|index| {
            state = state.square() + Felt::from_u64(7);
            match index % 11 {
                3 => Felt::ZERO,
                5 => -Felt::ONE,
                _ => state,
            }
        })
        .collect()
}

fn check_rows(hash: CommitmentHash, width: usize, rows: usize) {
    let columns: Vec<Column> = (0..width).map(|c| Column::from_felts(&felts(c as u64 + 2, rows))).collect();
    let groups: Vec<&[Group]> = columns.iter().map(Column::groups).collect();
    let expected: Vec<Digest> =
        (0..rows).map(|row| row_digest(hash, columns.iter().map(|column| column.get(row)))).collect();
    for kernels in Kernels::supported() {
        let mut out = vec![Digest::ZERO; rows];
        hash.hash_rows(&groups, kernels, &mut out);
        assert_eq!(out, expected, "{hash}, {width} columns, {rows} rows, {kernels}");
    }
}

#[test]
fn rows_of_every_shape_hash_like_single_messages_on_all_kernels() {
    for hash in CommitmentHash::ALL {
        // Pedersen has no block structure of its own and is slow: fewer shapes.
        let widths = if hash == CommitmentHash::Pedersen { 1..4 } else { 1..31 };
        for width in widths {
            for rows in [1, 2, 7, 8, 9, 16, 17, 64] {
                if hash != CommitmentHash::Pedersen || rows < 20 {
                    check_rows(hash, width, rows);
                }
            }
        }
    }
}

#[test]
fn tables_of_several_tasks_are_put_together_in_order() {
    for (hash, rows) in [
        (CommitmentHash::Keccak256Masked160Lsb, 5000),
        (CommitmentHash::Blake256Masked248Lsb, 9999),
        (CommitmentHash::Poseidon3, 300),
        (CommitmentHash::Pedersen, 200),
    ] {
        check_rows(hash, 2, rows);
    }
}

#[test]
fn chunked_rows_hash_like_single_messages_on_all_kernels() {
    for hash in CommitmentHash::ALL {
        let (widths, counts): (&[usize], &[usize]) = match hash {
            CommitmentHash::Pedersen => (&[1, 2, 8], &[1, 9]),
            _ => (&[1, 2, 4, 8, 16, 32, 64], &[1, 2, 7, 8, 9, 16, 17, 64, 100]),
        };
        for &width in widths {
            for &rows in counts {
                let column = Column::from_felts(&felts(5, width * rows));
                let values = column.to_felts();
                let expected: Vec<Digest> =
                    values.chunks(width).map(|row| row_digest(hash, row.iter().copied())).collect();
                for kernels in Kernels::supported() {
                    let mut out = vec![Digest::ZERO; rows];
                    hash.hash_chunked_rows(column.groups(), width, kernels, &mut out);
                    assert_eq!(out, expected, "{hash}, width {width}, {rows} rows, {kernels}");
                }
            }
        }
    }
}

#[test]
fn levels_of_nodes_hash_like_single_nodes_on_all_kernels() {
    for hash in CommitmentHash::ALL {
        let counts: &[usize] = match hash {
            CommitmentHash::Pedersen => &[1, 9],
            CommitmentHash::Poseidon3 => &[1, 2, 7, 8, 9, 16, 17, 64, 300],
            _ => &[0, 1, 2, 7, 8, 9, 16, 17, 33, 64, 5000],
        };
        for &count in counts {
            let children: Vec<Digest> = felts(9, 2 * count).into_iter().map(Digest::from).collect();
            let expected: Vec<Digest> =
                children.chunks(2).map(|pair| hash.hash_node(&pair[0], &pair[1]).unwrap()).collect();
            for kernels in Kernels::supported() {
                let mut out = vec![Digest::ZERO; count];
                hash.hash_nodes(&children, kernels, &mut out).unwrap();
                assert_eq!(out, expected, "{hash}, {count} nodes, {kernels}");
            }
        }
    }
}

#[test]
fn an_unmasked_digest_under_an_algebraic_node_is_refused_on_all_kernels() {
    let too_large = Digest([0xff; 32]);
    let prime = Digest(*b"\x08\0\0\0\0\0\0\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01");
    for hash in [CommitmentHash::Poseidon3, CommitmentHash::Pedersen] {
        for kernels in Kernels::supported() {
            for (place, word) in [(0, too_large), (37, too_large), (63, prime)] {
                let mut children = vec![Digest::ZERO; 64];
                children[place] = word;
                let refused = hash.hash_nodes(&children, kernels, &mut [Digest::ZERO; 32]);
                let expected = HashError::WordNotBelowPrime { hash: hash.name(), index: place % 2, word };
                assert_eq!(refused, Err(expected), "{kernels}");
            }
        }
    }
}

#[test]
fn the_digests_do_not_depend_on_the_number_of_threads() {
    let column = Column::from_felts(&felts(3, 20_000));
    let columns = [column.groups(), column.groups(), column.groups()];
    for hash in [CommitmentHash::Keccak256Masked160Msb, CommitmentHash::Blake256] {
        let digests = [1, 2, 7].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut out = vec![Digest::ZERO; 20_000];
            pool.install(|| hash.hash_rows(&columns, Kernels::fastest(), &mut out));
            out
        });
        assert_eq!(digests[0], digests[1]);
        assert_eq!(digests[0], digests[2]);
    }
}

proptest! {
    #[test]
    fn poseidon_agrees_with_an_independent_implementation(words in prop::collection::vec(any::<[u64; 4]>(), 0..9)) {
        let ours: Vec<Felt> = words.iter().map(|&limbs| Felt::from_limbs_reduced(limbs)).collect();
        let theirs: Vec<_> = ours.iter().map(|&value| to_theirs(value)).collect();
        let expected = starknet_crypto::poseidon_hash_many(&theirs);
        prop_assert_eq!(to_theirs(ashlar_hash::poseidon::hash_many(&ours)), expected);
        if let ([a, b, ..], [x, y, ..]) = (&ours[..], &theirs[..]) {
            let expected = starknet_crypto::poseidon_hash(*x, *y);
            prop_assert_eq!(to_theirs(ashlar_hash::poseidon::hash_pair(*a, *b)), expected);
        }
    }

    #[test]
    fn pedersen_agrees_with_an_independent_implementation(a: [u64; 4], b: [u64; 4]) {
        let (a, b) = (Felt::from_limbs_reduced(a), Felt::from_limbs_reduced(b));
        let expected = starknet_crypto::pedersen_hash(&to_theirs(a), &to_theirs(b));
        prop_assert_eq!(to_theirs(ashlar_hash::pedersen::hash(a, b)), expected);
    }
}

fn to_theirs(value: Felt) -> starknet_crypto::Felt {
    starknet_crypto::Felt::from_bytes_be(&Digest::from(value).0)
}
