//! The two byte forms of a field element, both 32 bytes big-endian.
//!
//! Stone hashes table rows and single transmitted elements in Montgomery form and everything else in standard
//! form; mixing them up is the classic compatibility bug, so each form is a type of its own.

use crate::Felt;

/// 32 big-endian bytes of the integer v, the value itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StandardBytes(pub [u8; 32]);

/// 32 big-endian bytes of the integer v·2²⁵⁶ mod p.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MontgomeryBytes(pub [u8; 32]);

/// 32 bytes that denote an integer ≥ p, where a canonical one was required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an integer below the field prime, got 0x{}", hex(.0))]
pub struct NotCanonical(pub [u8; 32]);

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn limbs_from_be(bytes: &[u8; 32]) -> [u64; 4] {
    let mut limbs = [0u64; 4];
    for (i, chunk) in bytes.chunks_exact(8).enumerate() {
        let mut word = [0u8; 8];
        word.copy_from_slice(chunk);
        limbs[3 - i] = u64::from_be_bytes(word);
    }
    limbs
}

pub(crate) fn be_from_limbs(limbs: &[u64; 4]) -> [u8; 32] {
    let mut out = [0u8; 32];
    for i in 0..4 {
        out[8 * i..8 * i + 8].copy_from_slice(&limbs[3 - i].to_be_bytes());
    }
    out
}

impl From<Felt> for StandardBytes {
    fn from(value: Felt) -> Self {
        StandardBytes(be_from_limbs(&value.to_standard_limbs()))
    }
}

impl From<Felt> for MontgomeryBytes {
    fn from(value: Felt) -> Self {
        MontgomeryBytes(be_from_limbs(&value.to_montgomery_limbs()))
    }
}

impl TryFrom<StandardBytes> for Felt {
    type Error = NotCanonical;

    fn try_from(bytes: StandardBytes) -> Result<Self, NotCanonical> {
        Felt::from_standard_limbs(limbs_from_be(&bytes.0)).ok_or(NotCanonical(bytes.0))
    }
}

impl TryFrom<MontgomeryBytes> for Felt {
    type Error = NotCanonical;

    fn try_from(bytes: MontgomeryBytes) -> Result<Self, NotCanonical> {
        Felt::from_montgomery_limbs(limbs_from_be(&bytes.0)).ok_or(NotCanonical(bytes.0))
    }
}
