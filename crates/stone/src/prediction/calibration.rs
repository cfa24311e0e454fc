//! Measuring the [`Rates`] of this machine: every operation on all threads, several times, the median counts.
//!
//! What counts is CPU time of this process, so that a busy machine is not taken for a slow one. What it is slowed down
//! by, a neighbour in its caches or a core that two processors share, slows proofs down too: the fastest run would promise
//! what no proof sees.

use std::{hint::black_box, time::Duration};

use ashlar_field::{Column, Felt, Kernels};
use ashlar_hash::{
    CommitmentHash, Digest, ProofOfWorkHash, blake2s256, find_nonce, keccak256, pedersen, poseidon,
};
use ashlar_ntt::evaluate_coset;
use rustix::time::{ClockId, clock_gettime};

use super::rates::{HashRates, Rates};

/// How often every operation is measured.
const REPETITIONS: usize = 9;

/// log₂ of the length of the columns: large enough for several passes, small enough for the caches' outer levels.
const LOG_LENGTH: u32 = 14;

/// Columns a thread.
const COLUMNS: usize = 4;

/// Measures the rates of this machine with these kernels, on all threads of the current pool. Takes about a second of CPU time.
pub fn calibrate(kernels: Kernels) -> Rates {
    let default = Rates::default_of(kernels);
    let single = HashRates {
        keccak: one_by_one(2_000, || keccak256(black_box(&[7; 64]))),
        blake: one_by_one(4_000, || blake2s256(black_box(&[7; 64]))),
        poseidon: one_by_one(100, || poseidon::hash_pair(black_box(Felt::GENERATOR), Felt::ONE)),
        pedersen: one_by_one(100, || pedersen::hash(black_box(Felt::GENERATOR), Felt::ONE)),
    };
    let element = Felt::GENERATOR.inverse().unwrap_or(Felt::ONE);
    let mut product = element;
    let single_multiplication = one_by_one(50_000, || {
        product *= element;
        product
    });
    Rates {
        butterfly: butterfly(kernels),
        single_multiplication,
        // Making a trace is work of the same kind; it cannot be measured without a run.
        trace_cell: default.trace_cell * single_multiplication / default.single_multiplication,
        batch: HashRates {
            keccak: rows(CommitmentHash::Keccak256Masked160Lsb, 1 << 12, kernels),
            blake: rows(CommitmentHash::Blake256Masked248Lsb, 1 << 12, kernels),
            poseidon: rows(CommitmentHash::Poseidon3, 1 << 9, kernels),
            pedersen: rows(CommitmentHash::Pedersen, 1 << 9, kernels),
        },
        single,
        nonce_keccak: nonce(ProofOfWorkHash::Keccak256, kernels),
        nonce_blake: nonce(ProofOfWorkHash::Blake256, kernels),
    }
}

/// CPU time of this process so far, over all threads.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// The median of the CPU times of several runs.
fn median(mut run: impl FnMut()) -> Duration {
    let once = |_| {
        let start = cpu_time();
        run();
        cpu_time().saturating_sub(start)
    };
    let mut times: Vec<Duration> = (0..REPETITIONS).map(once).collect();
    times.sort_unstable();
    times.get(REPETITIONS / 2).copied().unwrap_or_default()
}

/// Nanoseconds of one of so many operations.
fn each(elapsed: Duration, operations: f64) -> f64 {
    elapsed.as_secs_f64() * 1e9 / operations
}

/// Nanoseconds of one of `operations` on one thread.
fn one_by_one<T>(operations: u32, mut operation: impl FnMut() -> T) -> f64 {
    let elapsed = median(|| (0..operations).for_each(|_| _ = black_box(operation())));
    each(elapsed, f64::from(operations))
}

/// Columns with values that are neither small nor equal, for all threads.
fn columns() -> Vec<Column> {
    let column = |seed: usize| {
        let step = Felt::GENERATOR.inverse().unwrap_or(Felt::ONE) + Felt::from(seed as u64);
        let mut value = step;
        let values: Vec<Felt> = (0..1usize << LOG_LENGTH)
            .map(|_| {
                value *= step;
                value
            })
            .collect();
        Column::from_felts(&values)
    };
    (0..COLUMNS * rayon::current_num_threads()).map(column).collect()
}

fn butterfly(kernels: Kernels) -> f64 {
    let coefficients = columns();
    let mut values = coefficients.clone();
    let elapsed = median(|| evaluate_coset(&coefficients, Felt::GENERATOR, &mut values, kernels));
    let butterflies = f64::from(LOG_LENGTH) * f64::from(LOG_LENGTH - 1).exp2();
    each(elapsed, coefficients.len() as f64 * butterflies)
}

/// Nanoseconds of one block or permutation, from hashing rows of eight cells.
fn rows(hash: CommitmentHash, rows: usize, kernels: Kernels) -> f64 {
    const WIDTH: usize = 8;
    let table = columns();
    let cells: Vec<_> = table.iter().cycle().take(WIDTH).map(Column::groups).collect();
    let mut digests = vec![Digest([0; 32]); rows];
    let elapsed = median(|| hash.hash_rows(&cells, kernels, &mut digests));
    let unit = HashRates { keccak: 1.0, blake: 1.0, poseidon: 1.0, pedersen: 1.0 };
    each(elapsed, rows as f64 * unit.message(hash, WIDTH as f64))
}

/// Nanoseconds of one nonce, from a search that has no solution and is stopped.
fn nonce(hash: ProofOfWorkHash, kernels: Kernels) -> f64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    const NONCES: u64 = 1 << 18;
    let mut tried = 1;
    let elapsed = median(|| {
        let count = AtomicU64::new(0);
        let enough = || count.load(Ordering::Relaxed) >= NONCES;
        find_nonce(hash, &[7; 32], 64, kernels, &enough, &|done| {
            count.fetch_max(done, Ordering::Relaxed);
        });
        tried = count.into_inner().max(1);
    });
    each(elapsed, tried as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_plausible_rates() {
        let rates = calibrate(Kernels::current());
        assert!(rates.are_plausible(), "{rates:?}");
        // Whatever the machine: a permutation of Poseidon is hundreds of products.
        assert!(rates.single.poseidon > 10.0 * rates.single_multiplication, "{rates:?}");
    }
}
