//! Keccak-256 with the original padding (0x01), as Ethereum and Stone use it; not SHA3-256 (0x06).

use sha3::Digest as _;

use crate::Digest;

/// Keccak-256 of a message.
pub fn keccak256(message: &[u8]) -> Digest {
    Digest(sha3::Keccak256::digest(message).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_digests_are_reproduced() {
        for (message, digest) in [
            ("", "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
            ("abc", "0x4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        ] {
            assert_eq!(keccak256(message.as_bytes()).to_string(), digest);
        }
    }
}
