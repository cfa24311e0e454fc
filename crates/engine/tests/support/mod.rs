//! What the tests of the queue share: records in memory, requests, and a proof that nobody reads.

#![allow(dead_code, reason = "every test program uses a part")]

use std::{path::Path, time::Duration};

use ashlar_engine::{Circumstances, Requirements, Submission, Task};
use ashlar_field::Felt;
use ashlar_risk::{Proposal, parse_proposals};
use ashlar_store::VerifiedProof;
use serde_json::json;
use tempfile::TempDir;

pub(crate) mod proofs;

/// A folder that is gone afterwards, in memory where the system has such a place: what is tested here is not the disk.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap()
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
