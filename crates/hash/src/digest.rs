//! A 32-byte digest, whatever function made it.

use std::fmt;

use ashlar_field::{Felt, StandardBytes};

/// 32 bytes out of a hash function, in transmission order.
///
/// A Poseidon or Pedersen digest is a field element in standard big-endian form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// 32 zero bytes.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The field element that these bytes denote in standard form; `None` if the integer is not below p.
    pub fn to_felt(self) -> Option<Felt> {
        Felt::try_from(StandardBytes(self.0)).ok()
    }

    /// Whether the bytes, read as a big-endian integer, denote a field element in standard form.
    pub(crate) fn is_below_prime(&self) -> bool {
        const PRIME: [u8; 32] =
            [8, 0, 0, 0, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        self.0 < PRIME
    }
}

impl From<Felt> for Digest {
    fn from(value: Felt) -> Digest {
        Digest(StandardBytes::from(value).0)
    }
}

/// `0x` and all 64 hexadecimal digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
