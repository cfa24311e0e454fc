//! Keccak-256 with the original padding (0x01), as Ethereum and Stone use it; not SHA3-256 (0x06).

use sha3::Digest as _;

use crate::Digest;

/// Keccak-256 of a message.
pub fn keccak256(message: &[u8]) -> Digest {
    Digest(sha3::Keccak256::digest(message).into())
}
