//! Unkeyed BLAKE2s with a 32-byte digest (RFC 7693).

use blake2::Digest as _;

use crate::Digest;

/// BLAKE2s-256 of a message.
pub fn blake2s256(message: &[u8]) -> Digest {
    Digest(blake2::Blake2s256::digest(message).into())
}
