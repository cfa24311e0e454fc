//! What the tests of the queue share: records in memory or on a server, requests, and a proof that nobody reads.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use ashlar_engine::{Circumstances, Requirements, Submission, Task};
use ashlar_field::Felt;
#[cfg(feature = "postgres")]
use ashlar_postgres_cluster::Cluster;
use ashlar_risk::{Proposal, parse_proposals};
use ashlar_store::{Database, Store, VerifiedProof};
use serde_json::json;
use tempfile::TempDir;

pub(crate) mod proofs;

/// A folder that is gone afterwards, in memory where the system has such a place: what is tested here is not the disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
}

/// The databases that everything here must be the same on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// Where a process of these tests finds its records.
const FOLDER: &str = "ASHLAR_TEST_FOLDER";
/// See [`FOLDER`].
const ADDRESS: &str = "ASHLAR_TEST_DATABASE";

/// Records that a test has for itself.
pub(crate) struct Records {
    path: PathBuf,
    /// What [`Database::parse`] reads.
    address: String,
    _folder: Option<TempDir>,
}

impl Records {
    /// New ones; `None`, after saying so, where there is no such database.
    pub(crate) fn new(kind: Kind) -> Option<Records> {
        Some(match kind {
            Kind::Sqlite => Records::at("sqlite".to_owned()),
            #[cfg(feature = "postgres")]
            Kind::Postgres => Records::at(Cluster::shared()?.fresh_database().unwrap()),
        })
    }

    /// New ones in this database.
    pub(crate) fn at(address: String) -> Records {
        let folder = folder();
        Records { path: folder.path().to_owned(), address, _folder: Some(folder) }
    }

    /// The same artefacts, and the same database by another address.
    #[cfg(feature = "postgres")]
    pub(crate) fn elsewhere(&self, address: String) -> Records {
        Records { path: self.path.clone(), address, _folder: None }
    }

    /// Those of the test that started this process.
    pub(crate) fn of_parent() -> Option<Records> {
        let path = std::env::var_os(FOLDER)?.into();
        Some(Records { path, address: std::env::var(ADDRESS).unwrap(), _folder: None })
    }

    /// What tells another process of them.
    pub(crate) fn environment(&self) -> [(&'static str, OsString); 2] {
        [(FOLDER, self.path.clone().into_os_string()), (ADDRESS, self.address.clone().into())]
    }

    #[cfg(feature = "fail-points")]
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open_at(&self.path, &Database::parse(&self.address).unwrap()).await.unwrap()
    }
}

/// Proposals of three rows that differ in their nonces.
pub(crate) fn proposals(nonces: std::ops::Range<u64>) -> Vec<Proposal> {
    let text = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/allocation.json")).unwrap();
    let first = parse_proposals(&text).unwrap().remove(0);
    nonces.map(|nonce| Proposal { nonce, ..first.clone() }).collect()
}

/// A request for a proof of one proposal.
pub(crate) fn submission(nonce: u64) -> Submission {
    Submission {
        task: Task::Allocation(proposals(nonce..nonce + 1)),
        requirements: Requirements::default(),
        circumstances: Circumstances::default(),
    }
}

/// What a proof would leave on record. The queue looks at none of it.
pub(crate) fn verified() -> VerifiedProof {
    VerifiedProof {
        program_hash: Felt::ONE,
        output: vec![Felt::ONE],
        fact_hash: Felt::ONE,
        stone_version: "stone6",
        layout: "small".to_owned(),
        n_steps: 512,
        parameters: json!({}),
        security_bits: 96,
        proven_bits: 50,
        trace_size: 1,
        stages: vec![("run".to_owned(), 1)],
    }
}

/// So many seconds.
pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
