//! Commitments to tables: a Merkle tree over the rows, whose levels may use two hash functions.
//!
//! | module | what it does |
//! |---|---|
//! | [`plan`] | which cells, siblings and nodes open a set of rows, in transmission order |
//! | [`opening`] | the verifier's side: receives an opening and recomputes the root |
//! | [`tree`] | the prover's side: builds a tree and sends openings |
//!
//! A table has 2^H rows. The root has depth 0 and a row's leaf depth H; node i of depth d has heap index 2^d + i. A
//! leaf is the hash of the row's bytes, except in a table of one column, where it *is* the row's 32 bytes.

pub(crate) mod opening;
pub(crate) mod plan;
pub(crate) mod tree;

use crate::StarkParameters;

/// Whether the digest of a node at this depth is printed with all digits: the hash that consumes it decides.
pub(crate) fn printed_in_full(parameters: &StarkParameters, depth: u32) -> bool {
    parameters.hash_at_depth(depth.saturating_sub(1)).is_lsb_masked()
}
