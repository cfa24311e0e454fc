//! Proof of work: the smallest nonce whose hash starts with enough zero bits.
//!
//! With I = H(01 23 45 67 89 ab cd ed ‖ state ‖ bits), a nonce is valid if the first 64 bits of
//! H(I ‖ nonce), big-endian, are below 2^(64 − bits). (Stone v3; the search of Stone also returns the smallest.)

use std::{
    fmt,
    ops::Range,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

use ashlar_field::{
    Kernels,
    lanes::{WordLanes, WordTask, dispatch_words},
};

use crate::{
    Digest, HashError,
    blake2s::blake2s256,
    commitment::find_by_name,
    keccak::keccak256,
    kernels::{blake2s, keccak},
};

/// The hash function of the proof of work (Stone v3: the channel's own for a byte channel, else `pow_hash`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProofOfWorkHash {
    /// Keccak-256.
    Keccak256,
    /// BLAKE2s-256.
    Blake256,
}

impl ProofOfWorkHash {
    /// All of them.
    pub const ALL: [ProofOfWorkHash; 2] = [ProofOfWorkHash::Keccak256, ProofOfWorkHash::Blake256];

    fn hash(self, message: &[u8]) -> Digest {
        match self {
            ProofOfWorkHash::Keccak256 => keccak256(message),
            ProofOfWorkHash::Blake256 => blake2s256(message),
        }
    }
}

impl fmt::Display for ProofOfWorkHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProofOfWorkHash::Keccak256 => "keccak256",
            ProofOfWorkHash::Blake256 => "blake256",
        })
    }
}

impl FromStr for ProofOfWorkHash {
    type Err = HashError;

    fn from_str(name: &str) -> Result<ProofOfWorkHash, HashError> {
        find_by_name(&ProofOfWorkHash::ALL, name)
    }
}

/// The puzzle that a channel state sets: everything about it but the nonce.
#[derive(Clone, Copy)]
struct Puzzle {
    hash: ProofOfWorkHash,
    /// I: the digest that every candidate is appended to.
    prefix: Digest,
    /// The largest value that the first 64 bits may have.
    bound: u64,
}

impl Puzzle {
    /// `None` for more than 64 bits, which no nonce satisfies.
    fn new(hash: ProofOfWorkHash, state: &[u8; 32], bits: u32) -> Option<Puzzle> {
        let mut message = [0; 41];
        message[..8].copy_from_slice(&0x0123_4567_89ab_cded_u64.to_be_bytes());
        message[8..40].copy_from_slice(state);
        message[40] = u8::try_from(bits).ok().filter(|&bits| bits <= 64)?;
        // 2^(64 − bits) − 1, which fits where 2^(64 − bits) does not.
        let bound = u64::MAX.checked_shr(bits).unwrap_or(0);
        Some(Puzzle { hash, prefix: hash.hash(&message), bound })
    }

    /// Whether the nonce is a solution.
    fn accepts(&self, nonce: u64) -> bool {
        let mut message = [0; 40];
        message[..32].copy_from_slice(&self.prefix.0);
        message[32..].copy_from_slice(&nonce.to_be_bytes());
        let [a, b, c, d, e, f, g, h, ..] = self.hash.hash(&message).0;
        u64::from_be_bytes([a, b, c, d, e, f, g, h]) <= self.bound
    }

    /// The smallest solution in the range, which starts and ends at multiples of [`BLOCK`].
    fn search(&self, nonces: Range<u64>, kernels: Kernels) -> Option<u64> {
        let mut rest = nonces;
        while !rest.is_empty() {
            let Ok(candidate) = dispatch_words(kernels, SearchTask { puzzle: self, nonces: rest.clone() })
            else {
                return rest.find(|&nonce| self.accepts(nonce));
            };
            let first = candidate?;
            let end = rest.end.min(first + GROUP);
            if let Some(nonce) = (first..end).find(|&nonce| self.accepts(nonce)) {
                return Some(nonce);
            }
            rest.start = end;
        }
        None
    }
}

/// Nonces that a vector kernel decides on together, at most.
const GROUP: u64 = 16;

/// Looks for the first group of nonces that may hold a solution.
struct SearchTask<'a> {
    puzzle: &'a Puzzle,
    nonces: Range<u64>,
}

impl WordTask for SearchTask<'_> {
    type Output = Option<u64>;

    #[inline(always)]
    fn run<L: WordLanes>(self, l: L) -> Option<u64> {
        let Puzzle { hash, prefix, bound } = self.puzzle;
        match hash {
            ProofOfWorkHash::Keccak256 => keccak::search(l, prefix, *bound, self.nonces),
            ProofOfWorkHash::Blake256 => blake2s::search(l, prefix, *bound, self.nonces),
        }
    }
}

/// Whether a nonce is valid. Never for more than 64 bits.
pub fn verify_nonce(hash: ProofOfWorkHash, state: &[u8; 32], bits: u32, nonce: u64) -> bool {
    Puzzle::new(hash, state, bits).is_some_and(|puzzle| puzzle.accepts(nonce))
}

/// Nonces that one thread takes at a time, between two looks at `cancelled`: 0.1 ms of vector work.
const BLOCK: u64 = 1 << 12;

/// The smallest valid nonce below 2⁶⁴ − 2¹², on all threads of the current rayon pool, whatever their number.
///
/// `cancelled` is asked, and `progress` told the count of nonces tried so far, every 2¹² nonces on every thread; both are called from several threads at once. `None` if cancelled, or if `bits` exceeds 64.
pub fn find_nonce(
    hash: ProofOfWorkHash,
    state: &[u8; 32],
    bits: u32,
    kernels: Kernels,
    cancelled: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(u64) + Sync),
) -> Option<u64> {
    let puzzle = Puzzle::new(hash, state, bits)?;
    // Blocks are handed out in increasing order, and one below the best hit is always finished. So when all
    // threads have stopped, every nonce below the best hit has been tried.
    let next_block = AtomicU64::new(0);
    let best = AtomicU64::new(u64::MAX);
    let tried = AtomicU64::new(0);
    let stopped = rayon::broadcast(|_| {
        loop {
            let block = next_block.fetch_add(1, Ordering::Relaxed);
            let Some(start) = block.checked_mul(BLOCK) else { return false };
            if start > best.load(Ordering::Relaxed) || start > u64::MAX - BLOCK {
                return false;
            }
            if cancelled() {
                return true;
            }
            if let Some(nonce) = puzzle.search(start..start + BLOCK, kernels) {
                best.fetch_min(nonce, Ordering::Relaxed);
            }
            progress(tried.fetch_add(BLOCK, Ordering::Relaxed) + BLOCK);
        }
    });
    let best = best.into_inner();
    // A cancelled thread may have left a block below the best hit unsearched.
    (best != u64::MAX && !stopped.contains(&true)).then_some(best)
}

#[cfg(test)]
mod tests;
