//! The verifier's side of an opening: rows, siblings and nodes in, root out.

use std::collections::BTreeMap;

use ashlar_field::{Felt, MontgomeryBytes};
use ashlar_hash::Digest;

use super::{
    plan::{DecommitmentPlan, TableShape, depth_of},
    printed_in_full,
};
use crate::{
    StarkParameters, VerifyError,
    channel::{record::Printed, scope::Scope, verifier::VerifierChannel},
};

/// A commitment received earlier, to be opened now.
pub(crate) struct Commitment {
    pub(crate) shape: TableShape,
    pub(crate) root: Digest,
}

impl Commitment {
    /// Receives the cells of the planned rows that `known` does not give, then the authentication nodes, and checks
    /// the root. Returns the cells of every row, by row.
    pub(crate) fn receive_opening(
        &self,
        channel: &mut VerifierChannel<'_>,
        scope: Scope,
        parameters: &StarkParameters,
        plan: &DecommitmentPlan,
        known: &BTreeMap<(u64, usize), Felt>,
    ) -> Result<BTreeMap<u64, Vec<Felt>>, VerifyError> {
        let width = self.shape.width;
        let sent = (plan.rows.len() as u64)
            .checked_mul(width as u64)
            .and_then(|cells| cells.checked_sub(known.len() as u64));
        channel.expect_words(scope, sent)?;
        let mut cells = BTreeMap::new();
        for &row in &plan.rows {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                values.push(match known.get(&(row, column)) {
                    Some(&value) => value,
                    None => channel.receive_felt(scope, format_args!("Row {row}, Column {column}"))?,
                });
            }
            cells.insert(row, values);
        }
        let leaves = 1u64 << self.shape.log_rows;
        let mut level = BTreeMap::new();
        // Stone's packages: a row, or two rows of a single column. The verifier computes their digests.
        let package_depth = self.shape.log_rows.saturating_sub(u32::from(width == 1));
        let in_full = parameters.hash_at_depth(package_depth).is_lsb_masked();
        for (row, values) in &cells {
            let digest = self.leaf(parameters, values, scope)?;
            if width > 1 {
                channel.annotate_digest(scope, leaves | row, Printed { digest, in_full });
            }
            level.insert(leaves | row, digest);
        }
        for &row in &plan.sibling_rows {
            level.insert(leaves | row, channel.receive_sibling(scope, row)?);
        }
        let mut nodes = plan.nodes.iter().copied().peekable();
        for depth in (1..=self.shape.log_rows).rev() {
            while let Some(node) = nodes.next_if(|&node| depth_of(node) == depth) {
                level.insert(node, channel.receive_node(scope, node, printed_in_full(parameters, depth))?);
            }
            let hash = parameters.hash_at_depth(depth - 1);
            let mut parents = BTreeMap::new();
            let mut pairs = level.into_iter();
            // The plan completes every pair, so siblings follow one another.
            while let (Some((left, left_digest)), Some((_, right_digest))) = (pairs.next(), pairs.next()) {
                let digest = hash
                    .hash_node(&left_digest, &right_digest)
                    .map_err(|source| VerifyError::Hash { scope, source })?;
                if width == 1 && depth - 1 == package_depth {
                    channel.annotate_digest(scope, left >> 1, Printed { digest, in_full });
                }
                parents.insert(left >> 1, digest);
            }
            level = parents;
        }
        match level.get(&1) {
            Some(&computed) if computed == self.root => Ok(cells),
            computed => Err(VerifyError::WrongRoot {
                scope,
                expected: self.root,
                got: computed.copied().unwrap_or(Digest::ZERO),
            }),
        }
    }

    fn leaf(
        &self,
        parameters: &StarkParameters,
        values: &[Felt],
        scope: Scope,
    ) -> Result<Digest, VerifyError> {
        leaf_digest(parameters, self.shape, values).map_err(|source| VerifyError::Hash { scope, source })
    }
}

/// The digest of one row: its only cell, or the hash of its bytes.
pub(crate) fn leaf_digest(
    parameters: &StarkParameters,
    shape: TableShape,
    values: &[Felt],
) -> Result<Digest, ashlar_hash::HashError> {
    if let [value] = values {
        return Ok(Digest(MontgomeryBytes::from(*value).0));
    }
    let mut bytes = Vec::with_capacity(32 * values.len());
    for &value in values {
        bytes.extend(MontgomeryBytes::from(value).0);
    }
    parameters.hash_at_depth(shape.log_rows).hash_bytes(&bytes)
}
