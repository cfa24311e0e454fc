//! Time of a hash by function and family of kernels, on one thread: two-to-one nodes, rows of several widths, and
//! nonces of the proof of work. The items are hashes, so the inverse of the throughput is the time of one.

use ashlar_field::{Column, Felt, Group, Kernels};
use ashlar_hash::{CommitmentHash, Digest, ProofOfWorkHash, find_nonce};
use divan::{Bencher, counter::ItemsCount};

fn main() {
    // One thread: what is measured is a kernel. Without a pool of one the batches spread over the machine.
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(1).build_global() {
        eprintln!("cannot make a pool of one thread: {error}");
    }
    divan::main();
}

const HASHES: [CommitmentHash; 4] = [
    CommitmentHash::Keccak256Masked160Lsb,
    CommitmentHash::Blake256Masked248Lsb,
    CommitmentHash::Poseidon3,
    CommitmentHash::Pedersen,
];

fn cases() -> Vec<(CommitmentHash, Kernels)> {
    let production = || Kernels::supported().into_iter().filter(|&kernels| kernels != Kernels::Portable);
    HASHES.into_iter().flat_map(|hash| production().map(move |kernels| (hash, kernels))).collect()
}

/// Few enough for one task: a batch of one task runs on the calling thread.
const COUNT: usize = 64;

#[divan::bench(args = cases())]
fn nodes(bencher: Bencher<'_, '_>, (hash, kernels): (CommitmentHash, Kernels)) {
    let children: Vec<Digest> =
        (0..2 * COUNT as u64).map(|i| Digest::from(Felt::from_u64(i).square())).collect();
    let mut out = vec![Digest::ZERO; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| hash.hash_nodes(&children, kernels, &mut out));
}

#[divan::bench(args = cases(), consts = [2, 7, 10])]
fn rows<const WIDTH: usize>(bencher: Bencher<'_, '_>, (hash, kernels): (CommitmentHash, Kernels)) {
    let values: Vec<Felt> = (0..COUNT as u64).map(|i| Felt::from_u64(i + 3).pow(5)).collect();
    let column = Column::from_felts(&values);
    let columns: [&[Group]; WIDTH] = [column.groups(); WIDTH];
    let mut out = vec![Digest::ZERO; COUNT];
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| hash.hash_rows(&columns, kernels, &mut out));
}

#[divan::bench(args = cases(), consts = [2, 8])]
fn chunked_rows<const WIDTH: usize>(bencher: Bencher<'_, '_>, (hash, kernels): (CommitmentHash, Kernels)) {
    let values: Vec<Felt> = (0..(WIDTH * COUNT) as u64).map(|i| Felt::from_u64(i + 3).pow(5)).collect();
    let column = Column::from_felts(&values);
    let mut out = vec![Digest::ZERO; COUNT];
    bencher
        .counter(ItemsCount::new(COUNT))
        .bench_local(|| hash.hash_chunked_rows(column.groups(), WIDTH, kernels, &mut out));
}

fn searches() -> Vec<(ProofOfWorkHash, Kernels)> {
    let production = || Kernels::supported().into_iter().filter(|&kernels| kernels != Kernels::Portable);
    ProofOfWorkHash::ALL
        .into_iter()
        .flat_map(|hash| production().map(move |kernels| (hash, kernels)))
        .collect()
}

/// Some blocks of the search, to which waking the pool adds little.
const NONCES: u64 = 1 << 15;

#[divan::bench(args = searches())]
fn nonces(bencher: Bencher<'_, '_>, (hash, kernels): (ProofOfWorkHash, Kernels)) {
    // No nonce gives 64 zero bits; the search ends when enough have been tried.
    let tried = std::sync::atomic::AtomicU64::new(0);
    bencher.counter(ItemsCount::new(NONCES)).bench_local(|| {
        tried.store(0, std::sync::atomic::Ordering::Relaxed);
        let enough = || tried.load(std::sync::atomic::Ordering::Relaxed) >= NONCES;
        let count = |total| tried.store(total, std::sync::atomic::Ordering::Relaxed);
        find_nonce(hash, &[7; 32], 64, kernels, &enough, &count)
    });
}
