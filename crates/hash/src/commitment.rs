//! The hash functions that can commit to a table, and their single-message forms.

use std::{fmt, ops::Range, str::FromStr};

use ashlar_field::{Felt, Kernels, StandardBytes};

use crate::{Digest, HashError, blake2s::blake2s256, keccak::keccak256, pedersen, poseidon};

/// A hash function for rows, nodes, statement seeds and pages (Stone v3: `commitment_hash`,
/// `verifier_friendly_commitment_hash`, `page_hash`).
///
/// A masked variant zeroes part of every digest; the count is the bits it keeps, *msb* keeps the first bytes and
/// *lsb* the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CommitmentHash {
    /// Keccak-256, original padding.
    Keccak256,
    /// Unkeyed BLAKE2s-256.
    Blake256,
    /// Keccak-256, bytes 0 … 19 kept.
    Keccak256Masked160Msb,
    /// BLAKE2s-256, bytes 0 … 19 kept.
    Blake256Masked160Msb,
    /// Keccak-256, bytes 12 … 31 kept.
    Keccak256Masked160Lsb,
    /// BLAKE2s-256, bytes 1 … 31 kept.
    Blake256Masked248Lsb,
    /// Poseidon over 32-byte words below p.
    Poseidon3,
    /// Pedersen's hash chain over 32-byte words.
    Pedersen,
}

/// What computes the digest before any mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Primitive {
    Keccak,
    Blake,
    Poseidon,
    Pedersen,
}

impl CommitmentHash {
    /// All of them.
    pub const ALL: [CommitmentHash; 8] = [
        CommitmentHash::Keccak256,
        CommitmentHash::Blake256,
        CommitmentHash::Keccak256Masked160Msb,
        CommitmentHash::Blake256Masked160Msb,
        CommitmentHash::Keccak256Masked160Lsb,
        CommitmentHash::Blake256Masked248Lsb,
        CommitmentHash::Poseidon3,
        CommitmentHash::Pedersen,
    ];

    /// The name in Stone's JSON files.
    pub const fn name(self) -> &'static str {
        match self {
            CommitmentHash::Keccak256 => "keccak256",
            CommitmentHash::Blake256 => "blake256",
            CommitmentHash::Keccak256Masked160Msb => "keccak256_masked160_msb",
            CommitmentHash::Blake256Masked160Msb => "blake256_masked160_msb",
            CommitmentHash::Keccak256Masked160Lsb => "keccak256_masked160_lsb",
            CommitmentHash::Blake256Masked248Lsb => "blake256_masked248_lsb",
            CommitmentHash::Poseidon3 => "poseidon3",
            CommitmentHash::Pedersen => "pedersen",
        }
    }

    /// The exponent of the work to find a collision: half the digest bits that are kept, and at most half the
    /// bits of the field for an algebraic hash.
    pub const fn collision_bits(self) -> u32 {
        match self {
            CommitmentHash::Keccak256 | CommitmentHash::Blake256 => 128,
            CommitmentHash::Keccak256Masked160Msb
            | CommitmentHash::Blake256Masked160Msb
            | CommitmentHash::Keccak256Masked160Lsb => 80,
            CommitmentHash::Blake256Masked248Lsb => 124,
            CommitmentHash::Poseidon3 | CommitmentHash::Pedersen => 125,
        }
    }

    /// Whether the mask zeroes the *first* bytes of a digest, keeping the least significant bits.
    pub const fn is_lsb_masked(self) -> bool {
        matches!(self, CommitmentHash::Keccak256Masked160Lsb | CommitmentHash::Blake256Masked248Lsb)
    }

    pub(crate) const fn primitive(self) -> Primitive {
        match self {
            CommitmentHash::Keccak256
            | CommitmentHash::Keccak256Masked160Msb
            | CommitmentHash::Keccak256Masked160Lsb => Primitive::Keccak,
            CommitmentHash::Blake256
            | CommitmentHash::Blake256Masked160Msb
            | CommitmentHash::Blake256Masked248Lsb => Primitive::Blake,
            CommitmentHash::Poseidon3 => Primitive::Poseidon,
            CommitmentHash::Pedersen => Primitive::Pedersen,
        }
    }

    /// The bytes of a digest that survive the mask.
    pub(crate) const fn kept_bytes(self) -> Range<usize> {
        match self {
            CommitmentHash::Keccak256Masked160Msb | CommitmentHash::Blake256Masked160Msb => 0..20,
            CommitmentHash::Keccak256Masked160Lsb => 12..32,
            CommitmentHash::Blake256Masked248Lsb => 1..32,
            CommitmentHash::Keccak256
            | CommitmentHash::Blake256
            | CommitmentHash::Poseidon3
            | CommitmentHash::Pedersen => 0..32,
        }
    }

    /// The mask over the bytes of a digest, as the four little-endian words that the bytes form.
    pub(crate) fn kept_words(self) -> [u64; 4] {
        let kept = self.kept_bytes();
        std::array::from_fn(|word| {
            u64::from_le_bytes(std::array::from_fn(
                |byte| if kept.contains(&(8 * word + byte)) { 0xff } else { 0 },
            ))
        })
    }

    fn mask(self, mut digest: Digest) -> Digest {
        let kept = self.kept_bytes();
        for (index, byte) in digest.0.iter_mut().enumerate() {
            if !kept.contains(&index) {
                *byte = 0;
            }
        }
        digest
    }

    /// The "with length" form: of rows, statement seeds and public-memory pages.
    ///
    /// # Errors
    /// Poseidon and Pedersen refuse a length that is no multiple of 32; Poseidon refuses a 32-byte word that is
    /// not below p. The byte hashes accept everything.
    pub fn hash_bytes(&self, message: &[u8]) -> Result<Digest, HashError> {
        match self.primitive() {
            Primitive::Keccak | Primitive::Blake => Ok(self.hash_byte_message(message)),
            Primitive::Poseidon => {
                let mut sponge = poseidon::Sponge::default();
                for (index, word) in self.words(message)?.iter().enumerate() {
                    sponge.absorb(self.felt(index, word)?);
                }
                Ok(sponge.finish().into())
            }
            Primitive::Pedersen => Ok(pedersen::hash_words(self.words(message)?, Kernels::current()).into()),
        }
    }

    /// The two-to-one form: the parent of two nodes of a tree.
    ///
    /// # Errors
    /// Poseidon and Pedersen refuse a digest that is not below p, which a byte hash that keeps more than 248 bits
    /// can make.
    pub fn hash_node(&self, left: &Digest, right: &Digest) -> Result<Digest, HashError> {
        self.hash_node_on(left, right, Kernels::current())
    }

    /// [`CommitmentHash::hash_node`] on a family of kernels; only Pedersen has any for a single node.
    pub(crate) fn hash_node_on(
        self,
        left: &Digest,
        right: &Digest,
        kernels: Kernels,
    ) -> Result<Digest, HashError> {
        match self.primitive() {
            Primitive::Keccak | Primitive::Blake => Ok(self.hash_byte_message(&concatenate(left, right))),
            Primitive::Poseidon => {
                Ok(poseidon::hash_pair(self.felt(0, &left.0)?, self.felt(1, &right.0)?).into())
            }
            Primitive::Pedersen => {
                Ok(pedersen::hash_pair(self.felt(0, &left.0)?, self.felt(1, &right.0)?, kernels).into())
            }
        }
    }

    /// The masked digest of a message under a byte hash. Only the byte hashes get here; the algebraic ones read
    /// field elements.
    pub(crate) fn hash_byte_message(self, message: &[u8]) -> Digest {
        self.mask(match self.primitive() {
            Primitive::Blake => blake2s256(message),
            _ => keccak256(message),
        })
    }

    fn words(self, message: &[u8]) -> Result<&[[u8; 32]], HashError> {
        match message.as_chunks() {
            (words, []) => Ok(words),
            _ => Err(HashError::LengthNotWords { hash: self.name(), length: message.len() }),
        }
    }

    fn felt(self, index: usize, word: &[u8; 32]) -> Result<Felt, HashError> {
        Felt::try_from(StandardBytes(*word)).map_err(|_| HashError::WordNotBelowPrime {
            hash: self.name(),
            index,
            word: Digest(*word),
        })
    }
}

fn concatenate(left: &Digest, right: &Digest) -> [u8; 64] {
    let mut message = [0; 64];
    message[..32].copy_from_slice(&left.0);
    message[32..].copy_from_slice(&right.0);
    message
}

impl fmt::Display for CommitmentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CommitmentHash {
    type Err = HashError;

    fn from_str(name: &str) -> Result<CommitmentHash, HashError> {
        find_by_name(&CommitmentHash::ALL, name)
    }
}

/// The one of `all` that prints as `name`.
pub(crate) fn find_by_name<T: Copy + fmt::Display>(all: &[T], name: &str) -> Result<T, HashError> {
    all.iter().copied().find(|candidate| candidate.to_string() == name).ok_or_else(|| {
        HashError::UnknownName {
            expected: all.iter().map(T::to_string).collect::<Vec<_>>().join(", "),
            got: name.into(),
        }
    })
}

#[cfg(test)]
mod tests;
