//! The hash functions that can drive the Fiat–Shamir channel.

use std::{fmt, str::FromStr};

use crate::{CommitmentHash, HashError, ProofOfWorkHash, commitment::find_by_name};

/// The hash function of a channel (Stone v3: `channel_hash`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChannelHash {
    /// A byte channel over Keccak-256.
    Keccak256,
    /// A byte channel over BLAKE2s-256.
    Blake256,
    /// A channel of field elements over Poseidon.
    Poseidon3,
}

impl ChannelHash {
    /// All of them.
    pub const ALL: [ChannelHash; 3] = [ChannelHash::Keccak256, ChannelHash::Blake256, ChannelHash::Poseidon3];

    /// The hash function that a byte channel uses for its proof of work; `None` for the channel of field
    /// elements, where it is a parameter of its own (`pow_hash`).
    pub const fn proof_of_work_hash(self) -> Option<ProofOfWorkHash> {
        match self {
            ChannelHash::Keccak256 => Some(ProofOfWorkHash::Keccak256),
            ChannelHash::Blake256 => Some(ProofOfWorkHash::Blake256),
            ChannelHash::Poseidon3 => None,
        }
    }
}

/// The same function, to hash messages with.
impl From<ChannelHash> for CommitmentHash {
    fn from(hash: ChannelHash) -> CommitmentHash {
        match hash {
            ChannelHash::Keccak256 => CommitmentHash::Keccak256,
            ChannelHash::Blake256 => CommitmentHash::Blake256,
            ChannelHash::Poseidon3 => CommitmentHash::Poseidon3,
        }
    }
}

impl fmt::Display for ChannelHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CommitmentHash::from(*self).fmt(f)
    }
}

impl FromStr for ChannelHash {
    type Err = HashError;

    fn from_str(name: &str) -> Result<ChannelHash, HashError> {
        find_by_name(&ChannelHash::ALL, name)
    }
}
