//! A bucket of artefacts, for machines that share no folder: objects of an S3-compatible server, under the same names as
//! the files of the data folder.
//!
//! | module | subject |
//! |---|---|
//! | `address` | which bucket, and with which keys: [`BucketSettings`] |
//! | `client` | what is done with objects: put, fetch, look, list, remove |
//! | `exchange` | one request and its answer, bounded in time and size |
//! | `digests` | the two digests that requests are signed with |
//!
//! Nothing that a bucket says is believed: whoever fetches content compares it with the hash that the records name.
//! Without the feature `s3` a bucket that is asked for is refused.

mod address;
#[cfg(feature = "s3")]
mod client;
#[cfg(feature = "s3")]
mod digests;
#[cfg(feature = "s3")]
mod exchange;
#[cfg(not(feature = "s3"))]
mod without;

pub use self::address::{BucketAddress, BucketKeys, BucketSettings};
#[cfg(feature = "s3")]
pub(crate) use self::client::Bucket;
#[cfg(not(feature = "s3"))]
pub(crate) use self::without::Bucket;

/// An object, as a listing names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its name below the prefix.
    pub(crate) name: String,
    /// Its size in bytes.
    pub(crate) size: u64,
}
