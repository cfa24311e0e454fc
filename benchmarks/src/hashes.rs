//! Two-to-one hashes, as in a tree, and nonces of the proof of work.

use std::{
    hint::black_box,
    sync::atomic::{AtomicU64, Ordering},
};

use ashlar_field::{Felt, Kernels};
use ashlar_hash::{CommitmentHash, Digest, ProofOfWorkHash, find_nonce};
use blake2s_simd::{
    Params,
    many::{HashManyJob, hash_many},
};
use tiny_keccak::{Hasher as _, Keccak};

use crate::{families, table::Table, timing::Subject};

/// Hashes of one call: what Ashlar computes on the calling thread.
const COUNT: usize = 64;

fn children() -> Vec<Digest> {
    (0..2 * COUNT as u64).map(|i| Digest::from(Felt::from_u64(i + 3).square())).collect()
}

fn messages() -> Vec<[u8; 64]> {
    let pair = |pair: &[Digest]| {
        let mut message = [0; 64];
        message[..32].copy_from_slice(&pair[0].0);
        message[32..].copy_from_slice(&pair[1].0);
        message
    };
    children().chunks_exact(2).map(pair).collect()
}

/// A hash of each of the messages.
fn each(name: &str, hash: impl Fn(&[u8; 64]) -> [u8; 32] + 'static) -> Subject {
    let messages = messages();
    Subject::new(name, COUNT, move || {
        for message in black_box(&messages) {
            black_box(hash(message));
        }
    })
}

fn nodes(hash: CommitmentHash) -> Vec<Subject> {
    families()
        .map(|kernels| {
            let (children, mut out) = (children(), vec![Digest::ZERO; COUNT]);
            Subject::new(format!("**Ashlar, `{kernels}`**"), COUNT, move || {
                black_box(hash.hash_nodes(black_box(&children), kernels, &mut out).is_ok());
            })
        })
        .collect()
}

fn keccak256(message: &[u8; 64]) -> [u8; 32] {
    let mut digest = [0; 32];
    let mut state = Keccak::v256();
    state.update(message);
    state.finalize(&mut digest);
    digest
}

fn many_blake2s() -> Subject {
    let messages = messages();
    let mut parameters = Params::new();
    parameters.hash_length(32);
    Subject::new("blake2s_simd, many", COUNT, move || {
        let mut jobs: Vec<HashManyJob<'_>> =
            black_box(&messages).iter().map(|message| HashManyJob::new(&parameters, message)).collect();
        hash_many(jobs.iter_mut());
        black_box(jobs.iter().map(HashManyJob::to_hash).count());
    })
}

fn of_pairs(
    name: &str,
    hash: fn(&starknet_crypto::Felt, &starknet_crypto::Felt) -> starknet_crypto::Felt,
) -> Subject {
    let pairs: Vec<_> = (3..3 + COUNT as u64).map(|i| (i.into(), (i * i).into())).collect();
    Subject::new(name, COUNT, move || {
        for (a, b) in black_box(&pairs) {
            black_box(hash(a, b));
        }
    })
}

fn poseidon(a: &starknet_crypto::Felt, b: &starknet_crypto::Felt) -> starknet_crypto::Felt {
    starknet_crypto::poseidon_hash(*a, *b)
}

/// All tables of this module.
pub fn tables() -> Vec<Table> {
    vec![
        Table {
            title: "Keccak-256 of 64 bytes",
            element: "hash",
            rivals: vec![each("tiny-keccak", keccak256)],
            ours: nodes(CommitmentHash::Keccak256Masked160Lsb),
        },
        Table {
            title: "BLAKE2s-256 of 64 bytes",
            element: "hash",
            rivals: vec![
                each("blake2s_simd, one by one", |message| *blake2s_simd::blake2s(message).as_array()),
                many_blake2s(),
            ],
            ours: nodes(CommitmentHash::Blake256Masked248Lsb),
        },
        Table {
            title: "Poseidon of two elements",
            element: "hash",
            rivals: vec![of_pairs("starknet-crypto", poseidon)],
            ours: nodes(CommitmentHash::Poseidon3),
        },
        Table {
            title: "Pedersen of two elements",
            element: "hash",
            rivals: vec![of_pairs("starknet-crypto", starknet_crypto::pedersen_hash)],
            ours: nodes(CommitmentHash::Pedersen),
        },
        search("Proof of work, Keccak-256", ProofOfWorkHash::Keccak256, keccak256_nonces()),
        search("Proof of work, BLAKE2s-256", ProofOfWorkHash::Blake256, blake2s_nonces()),
    ]
}

/// Some blocks of a search.
const NONCES: u64 = 1 << 13;

fn keccak256_nonces() -> Subject {
    let mut nonce = 0u64;
    Subject::new("tiny-keccak", 1, move || {
        nonce += 1;
        let (mut digest, mut state) = ([0; 32], Keccak::v256());
        state.update(&[7; 32]);
        state.update(&nonce.to_be_bytes());
        state.finalize(&mut digest);
        black_box(digest);
    })
}

fn blake2s_nonces() -> Subject {
    let (mut nonce, mut message) = (0u64, [7; 40]);
    Subject::new("blake2s_simd", 1, move || {
        nonce += 1;
        message[32..].copy_from_slice(&nonce.to_be_bytes());
        black_box(blake2s_simd::blake2s(&message));
    })
}

fn search(title: &'static str, hash: ProofOfWorkHash, rival: Subject) -> Table {
    let ours = families().map(|kernels: Kernels| {
        // No nonce gives 64 zero bits; the search ends when enough have been tried.
        let tried = AtomicU64::new(0);
        Subject::new(format!("**Ashlar, `{kernels}`**"), NONCES as usize, move || {
            tried.store(0, Ordering::Relaxed);
            let enough = || tried.load(Ordering::Relaxed) >= NONCES;
            let count = |total| tried.store(total, Ordering::Relaxed);
            black_box(find_nonce(hash, &[7; 32], 64, kernels, &enough, &count));
        })
    });
    Table { title, element: "nonce", rivals: vec![rival], ours: ours.collect() }
}
