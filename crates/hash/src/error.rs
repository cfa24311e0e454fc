//! The ways in which hashing can be refused.

use ashlar_fault::{Code, Exit, Fault};

use crate::Digest;

/// An input that a hash function does not accept, or a name that no hash function has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Poseidon and Pedersen read 32-byte words; Poseidon refuses one that denotes no field element, and so does
    /// either's two-to-one form.
    #[error("expected a word below the field prime as input of {hash}, got {word} at word {index}")]
    WordNotBelowPrime {
        /// The function that was to read the word, in its JSON spelling.
        hash: &'static str,
        /// Which 32-byte word of the input, from 0.
        index: usize,
        /// The word.
        word: Digest,
    },
    /// Poseidon and Pedersen hash whole 32-byte words only.
    #[error("expected a multiple of 32 bytes as input of {hash}, got {length} bytes")]
    LengthNotWords {
        /// The function that was to read the bytes, in its JSON spelling.
        hash: &'static str,
        /// The number of bytes given.
        length: usize,
    },
    /// The name is none of the functions that can stand in this place.
    #[error("expected one of {expected}, got {got:?}")]
    UnknownName {
        /// The accepted names.
        expected: String,
        /// The name given.
        got: String,
    },
}

impl Fault for HashError {
    fn code(&self) -> Code {
        Code(match self {
            HashError::UnknownName { .. } => 1180,
            HashError::WordNotBelowPrime { .. } => 1181,
            HashError::LengthNotWords { .. } => 1182,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }

    fn hint(&self) -> Option<String> {
        match self {
            HashError::WordNotBelowPrime { .. } => Some(
                "a tree whose upper levels use poseidon3 or pedersen needs a masked hash (160 or 248 bits) below".into(),
            ),
            HashError::LengthNotWords { .. } | HashError::UnknownName { .. } => None,
        }
    }
}
