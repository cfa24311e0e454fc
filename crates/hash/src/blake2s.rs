//! Unkeyed BLAKE2s with a 32-byte digest (RFC 7693).

use blake2::Digest as _;

use crate::Digest;

/// BLAKE2s-256 of a message.
pub fn blake2s256(message: &[u8]) -> Digest {
    Digest(blake2::Blake2s256::digest(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_digests_are_reproduced() {
        for (message, digest) in [
            ("", "0x69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"),
            ("abc", "0x508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"),
        ] {
            assert_eq!(blake2s256(message.as_bytes()).to_string(), digest);
        }
    }
}
