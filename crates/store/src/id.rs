//! Identities of records: a prefix that says what it is, and a ULID, which sorts by the time it was made.

use std::fmt;

use serde::{Serialize, Serializer};
use ulid::Ulid;

use crate::Moment;

/// Characters of a ULID in Crockford's base 32.
const LENGTH: usize = 26;

macro_rules! identity {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// What every such id starts with.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, made now.
            pub fn fresh() -> $name {
                $name(Ulid::new())
            }

            /// Reads a whole id, in either case.
            pub fn parse(text: &str) -> Option<$name> {
                let ulid = text.strip_prefix($prefix)?;
                if ulid.len() != LENGTH {
                    return None;
                }
                Ulid::from_string(ulid).ok().map($name)
            }

            /// When the id was made, which the id itself says.
            pub fn made_at(self) -> Moment {
                Moment::from_milliseconds(self.0.timestamp_ms())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

identity!(
    /// A proof job's id, `job_` and a ULID.
    JobId,
    "job_"
);
identity!(
    /// An allocation's id, `alc_` and a ULID.
    AllocationId,
    "alc_"
);
identity!(
    /// An execution's id, `exe_` and a ULID. The receiver's idempotency key is another: the proposal's id.
    ExecutionId,
    "exe_"
);
identity!(
    /// A settlement's id, `stl_` and a ULID.
    SettlementId,
    "stl_"
);
identity!(
    /// The id of a key of the HTTP API, `key_` and a ULID. It is no secret.
    KeyId,
    "key_"
);
identity!(
    /// What proves that its bearer holds a job, `lea_` and a ULID.
    LeaseToken,
    "lea_"
);
identity!(
    /// Who a set of records is, for what it shares with others, `rec_` and a ULID.
    RecordsId,
    "rec_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_knows_when_it_was_made() {
        let before = Moment::now();
        let id = JobId::fresh();
        assert_eq!(JobId::parse(&id.to_string()), Some(id));
        assert!(id.made_at() >= before && id.made_at() <= Moment::now());
    }

    #[test]
    fn an_id_of_another_kind_or_length_is_refused() {
        let id = JobId::fresh().to_string();
        assert_eq!(AllocationId::parse(&id), None);
        assert_eq!(JobId::parse(&id[..id.len() - 1]), None);
        assert_eq!(JobId::parse(&format!("{id}0")), None);
        assert_eq!(JobId::parse("job_!!!!!!!!!!!!!!!!!!!!!!!!!!"), None);
    }
}
