//! Field elements as the records and people see them.

use ashlar_field::{Felt, StandardBytes};
use serde::{Serialize, Serializer};

/// A field element that prints as `0x` and 64 digits, the form of hashes and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaddedFelt(pub Felt);

impl std::fmt::Display for PaddedFelt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("0x")?;
        StandardBytes::from(self.0).0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Serialize for PaddedFelt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
