//! The prover's side of a commitment: a Merkle tree built coset by coset, without its lowest levels.
//!
//! Eight rows, one group of every column, share an ancestor three levels up. Levels below it are not kept: when rows
//! are opened, the few subtrees of eight rows that are needed are hashed again. That divides the memory by eight.

use ashlar_field::{Felt, Group, Kernels, MontgomeryBytes};
use ashlar_hash::{CommitmentHash, Digest, HashError};
use rayon::prelude::*;

use super::{
    opening::leaf_digest,
    plan::{DecommitmentPlan, TableShape, depth_of},
    printed_in_full,
};
use crate::{
    StarkParameters,
    channel::{prover::ProverChannel, record::Printed, scope::Scope},
};

/// Levels below the lowest one that is kept.
const DROPPED_LEVELS: u32 = 3;
/// Rows hashed by one task.
const CHUNK_ROWS: usize = 1 << 12;

/// A tree over the rows of a table.
pub(crate) struct Tree {
    pub(crate) shape: TableShape,
    /// By depth, from the root; the last one is `log_rows` − 3 deep (or holds the leaves of a smaller table).
    levels: Vec<Vec<Digest>>,
}

/// The rows of a table, by group.
#[derive(Clone, Copy)]
pub(crate) enum RowGroups<'a> {
    /// Cell c of row r is value r of column c.
    Columns(&'a [&'a [Group]]),
    /// Cell c of row r is value r·width + c.
    Chunks(&'a [Group]),
}

impl Tree {
    /// A tree whose rows are still to be filled in.
    pub(crate) fn new(shape: TableShape) -> Tree {
        let deepest = shape.log_rows - shape.log_rows.min(DROPPED_LEVELS);
        let levels = (0..=deepest)
            .map(|depth| if depth == deepest { vec![Digest::ZERO; 1 << depth] } else { Vec::new() });
        Tree { shape, levels: levels.collect() }
    }

    /// Depth of the lowest level that is kept.
    fn deepest(&self) -> u32 {
        self.levels.len() as u32 - 1
    }

    /// Hashes `count` rows from `first_row` on; both are multiples of eight unless the whole table is smaller.
    pub(crate) fn fill(
        &mut self,
        first_row: usize,
        count: usize,
        rows: RowGroups<'_>,
        parameters: &StarkParameters,
        kernels: Kernels,
    ) -> Result<(), HashError> {
        let dropped = self.shape.log_rows - self.deepest();
        let shape = self.shape;
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        let level = &mut level[first_row >> dropped..(first_row + count) >> dropped];
        level.par_chunks_mut((CHUNK_ROWS >> dropped).max(1)).enumerate().try_for_each(|(index, out)| {
            let start = index * CHUNK_ROWS.max(1 << dropped);
            let mut digests = vec![Digest::ZERO; out.len() << dropped];
            hash_leaves(rows, shape, start, parameters, kernels, &mut digests);
            for depth in (shape.log_rows - dropped..shape.log_rows).rev() {
                let mut parents = vec![Digest::ZERO; digests.len() / 2];
                parameters.hash_at_depth(depth).hash_nodes(&digests, kernels, &mut parents)?;
                digests = parents;
            }
            out.copy_from_slice(&digests);
            Ok(())
        })
    }

    /// Hashes the upper levels, once all rows are filled in, and returns the root.
    pub(crate) fn finish(
        &mut self,
        parameters: &StarkParameters,
        kernels: Kernels,
    ) -> Result<Digest, HashError> {
        for depth in (0..self.deepest()).rev() {
            let (upper, lower) = self.levels.split_at_mut(depth as usize + 1);
            if let (Some(parents), Some(children)) = (upper.last_mut(), lower.first()) {
                *parents = vec![Digest::ZERO; 1 << depth];
                parameters.hash_at_depth(depth).hash_nodes(children, kernels, parents)?;
            }
        }
        Ok(self.levels.first().and_then(|root| root.first()).copied().unwrap_or_default())
    }

    /// Sends the cells of the planned rows except those that `skip` names, then siblings and nodes.
    ///
    /// `cells` gives the cells of any row in the same eight as an opened one.
    pub(crate) fn send_opening(
        &self,
        channel: &mut ProverChannel,
        scope: Scope,
        parameters: &StarkParameters,
        plan: &DecommitmentPlan,
        skip: &dyn Fn(u64, usize) -> bool,
        cells: &dyn Fn(u64) -> Vec<Felt>,
    ) -> Result<(), OpeningError> {
        for &row in &plan.rows {
            for (column, value) in cells(row).into_iter().enumerate() {
                if !skip(row, column) {
                    channel.send_felt(scope, format_args!("Row {row}, Column {column}"), value)?;
                }
            }
        }
        for &row in &plan.sibling_rows {
            channel.send_sibling(scope, row, leaf_digest(parameters, self.shape, &cells(row))?)?;
        }
        for &node in &plan.nodes {
            let digest = self.node(node, parameters, cells)?;
            let in_full = printed_in_full(parameters, depth_of(node));
            channel.send_node(scope, node, Printed { digest, in_full })?;
        }
        Ok(())
    }

    /// The digest of a node by heap index; below the kept levels it is hashed again from its rows.
    fn node(
        &self,
        node: u64,
        parameters: &StarkParameters,
        cells: &dyn Fn(u64) -> Vec<Felt>,
    ) -> Result<Digest, HashError> {
        let depth = depth_of(node);
        let index = node - (1 << depth);
        if let Some(&digest) = self.levels.get(depth as usize).and_then(|level| level.get(index as usize)) {
            return Ok(digest);
        }
        if depth == self.shape.log_rows {
            return leaf_digest(parameters, self.shape, &cells(index));
        }
        let left = self.node(2 * node, parameters, cells)?;
        let right = self.node(2 * node + 1, parameters, cells)?;
        parameters.hash_at_depth(depth).hash_node(&left, &right)
    }
}

/// Why an opening could not be sent; neither happens where the root could be committed to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OpeningError {
    #[error(transparent)]
    Hash(#[from] HashError),
    #[error(transparent)]
    Channel(#[from] ashlar_field::NotCanonical),
}

fn hash_leaves(
    rows: RowGroups<'_>,
    shape: TableShape,
    start: usize,
    parameters: &StarkParameters,
    kernels: Kernels,
    out: &mut [Digest],
) {
    let hash: CommitmentHash = parameters.hash_at_depth(shape.log_rows);
    match rows {
        RowGroups::Columns([column]) => {
            for (row, out) in (start..).zip(out) {
                *out = Digest(MontgomeryBytes::from(column[row / 8].get(row % 8)).0);
            }
        }
        RowGroups::Columns(columns) => {
            let groups = start / 8..(start + out.len()).div_ceil(8);
            let columns: Vec<&[Group]> = columns.iter().map(|column| &column[groups.clone()]).collect();
            hash.hash_rows(&columns, kernels, out);
        }
        RowGroups::Chunks(values) => {
            // `start` is a multiple of eight rows, or zero in a table that is smaller.
            let first = start * shape.width / 8;
            let last = ((start + out.len()) * shape.width).div_ceil(8);
            hash.hash_chunked_rows(&values[first..last], shape.width, kernels, out);
        }
    }
}
