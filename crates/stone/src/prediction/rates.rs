//! How fast a machine is: nanoseconds of one operation on one thread.

use ashlar_field::Kernels;
use ashlar_hash::{CommitmentHash, ProofOfWorkHash};
use serde::{Deserialize, Serialize};

/// Nanoseconds of hashing: a block of Keccak (136 bytes) or BLAKE2s (64 bytes), a permutation of Poseidon, a step of a
/// Pedersen chain.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashRates {
    /// Of a block.
    pub keccak: f64,
    /// Of a block.
    pub blake: f64,
    /// Of a permutation.
    pub poseidon: f64,
    /// Of two elements.
    pub pedersen: f64,
}

/// Nanoseconds of the operations that proving and verifying consist of, on one of all threads at work.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rates {
    /// A butterfly of a transform.
    pub butterfly: f64,
    /// A product of two elements by themselves.
    pub single_multiplication: f64,
    /// A cell of the first trace, made from the run.
    pub trace_cell: f64,
    /// Hashing by the table.
    pub batch: HashRates,
    /// Hashing one message after the other, as a verifier does.
    pub single: HashRates,
    /// A nonce tried with Keccak.
    pub nonce_keccak: f64,
    /// A nonce tried with BLAKE2s.
    pub nonce_blake: f64,
}

impl HashRates {
    /// Hashing one message of `words` 32-byte words.
    pub(super) fn message(&self, hash: CommitmentHash, words: f64) -> f64 {
        match hash {
            CommitmentHash::Keccak256
            | CommitmentHash::Keccak256Masked160Msb
            | CommitmentHash::Keccak256Masked160Lsb => self.keccak * ((32.0 * words + 1.0) / 136.0).ceil(),
            CommitmentHash::Blake256
            | CommitmentHash::Blake256Masked160Msb
            | CommitmentHash::Blake256Masked248Lsb => self.blake * (words / 2.0).ceil(),
            CommitmentHash::Poseidon3 => self.poseidon * ((words / 2.0).floor() + 1.0),
            CommitmentHash::Pedersen => self.pedersen * (words + 1.0),
        }
    }

    /// Hashing two children to their parent.
    pub(super) fn node(&self, hash: CommitmentHash) -> f64 {
        match hash {
            CommitmentHash::Poseidon3 => self.poseidon,
            CommitmentHash::Pedersen => self.pedersen,
            _ => self.message(hash, 2.0),
        }
    }
}

/// One message at a time has no vector kernels, but for Pedersen's.
const SINGLE: HashRates = HashRates { keccak: 600.0, blake: 250.0, poseidon: 9000.0, pedersen: 20_000.0 };

impl Rates {
    /// Figures for server processors (2.5 to 4.3 GHz) with these kernels, rounded to the slower: what is used on a
    /// machine that has not been measured.
    pub fn default_of(kernels: Kernels) -> Rates {
        match kernels {
            Kernels::Scalar => Rates {
                butterfly: 20.0,
                single_multiplication: 30.0,
                trace_cell: 60.0,
                batch: SINGLE,
                single: SINGLE,
                nonce_keccak: 650.0,
                nonce_blake: 250.0,
            },
            Kernels::Avx2 => Rates {
                batch: HashRates { keccak: 190.0, blake: 40.0, ..SINGLE },
                nonce_keccak: 170.0,
                nonce_blake: 40.0,
                ..Rates::default_of(Kernels::Scalar)
            },
            Kernels::Portable | Kernels::Avx512 => Rates {
                butterfly: 6.0,
                single_multiplication: 30.0,
                trace_cell: 60.0,
                batch: HashRates { keccak: 90.0, blake: 25.0, poseidon: 1800.0, pedersen: 6_000.0 },
                single: HashRates { pedersen: 10_000.0, ..SINGLE },
                nonce_keccak: 90.0,
                nonce_blake: 25.0,
            },
            Kernels::Avx512Ifma => Rates {
                butterfly: 3.5,
                single_multiplication: 30.0,
                trace_cell: 60.0,
                batch: HashRates { keccak: 70.0, blake: 20.0, poseidon: 800.0, pedersen: 3_500.0 },
                single: HashRates { pedersen: 6_000.0, ..SINGLE },
                nonce_keccak: 70.0,
                nonce_blake: 20.0,
            },
        }
    }

    /// Trying one nonce of the proof of work.
    pub(super) fn nonce(&self, hash: ProofOfWorkHash) -> f64 {
        match hash {
            ProofOfWorkHash::Keccak256 => self.nonce_keccak,
            ProofOfWorkHash::Blake256 => self.nonce_blake,
        }
    }

    /// Whether every rate is a number of nanoseconds that a machine can have.
    pub fn are_plausible(&self) -> bool {
        let hashes = |hashes: &HashRates| [hashes.keccak, hashes.blake, hashes.poseidon, hashes.pedersen];
        let others = [
            self.butterfly,
            self.single_multiplication,
            self.trace_cell,
            self.nonce_keccak,
            self.nonce_blake,
        ];
        others
            .into_iter()
            .chain(hashes(&self.batch))
            .chain(hashes(&self.single))
            .all(|rate| rate.is_finite() && rate > 0.0 && rate < 1e9)
    }
}
