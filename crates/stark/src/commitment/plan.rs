//! What opens a set of rows: a pure function of the rows, so that prover and verifier cannot disagree.

use std::collections::BTreeSet;

/// The size of a committed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TableShape {
    /// log₂ of the number of rows; at most 62.
    pub(crate) log_rows: u32,
    /// Columns.
    pub(crate) width: usize,
}

/// The openings of one table, in transmission order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DecommitmentPlan {
    /// The opened rows, ascending, each once.
    pub(crate) rows: Vec<u64>,
    /// Rows whose raw cell completes a pair; only in tables of one column. Ascending.
    pub(crate) sibling_rows: Vec<u64>,
    /// Heap indices of the nodes that cannot be computed, level by level from the leaves, each level ascending.
    pub(crate) nodes: Vec<u64>,
}

impl DecommitmentPlan {
    /// The plan for these rows (any order, duplicates allowed), all below 2^`log_rows`.
    pub(crate) fn new(shape: TableShape, rows: impl IntoIterator<Item = u64>) -> DecommitmentPlan {
        let rows: Vec<u64> = rows.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut sibling_rows = Vec::new();
        let mut nodes = Vec::new();
        let mut level: Vec<u64> = rows.iter().map(|row| (1 << shape.log_rows) | row).collect();
        for depth in (1..=shape.log_rows).rev() {
            for (position, &node) in level.iter().enumerate() {
                let sibling = node ^ 1;
                // Sorted and without duplicates, so a sibling can only be a neighbour.
                let known = level.get(position + 1) == Some(&sibling)
                    || position.checked_sub(1).is_some_and(|before| level[before] == sibling);
                if known {
                    continue;
                }
                if depth == shape.log_rows && shape.width == 1 {
                    sibling_rows.push(sibling - (1 << shape.log_rows));
                } else {
                    nodes.push(sibling);
                }
            }
            for node in &mut level {
                *node >>= 1;
            }
            level.dedup();
        }
        DecommitmentPlan { rows, sibling_rows, nodes }
    }
}

/// The depth of a heap index.
pub(crate) fn depth_of(node: u64) -> u32 {
    node.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(log_rows: u32, width: usize, rows: &[u64]) -> DecommitmentPlan {
        DecommitmentPlan::new(TableShape { log_rows, width }, rows.iter().copied())
    }

    #[test]
    fn one_row_needs_its_sibling_on_every_level() {
        assert_eq!(plan(3, 2, &[5]).nodes, [8 + 4, 4 + 3, 2]);
    }

    #[test]
    fn a_pair_of_rows_needs_no_node_on_the_leaf_level() {
        assert_eq!(plan(3, 2, &[5, 4, 4]).nodes, [4 + 3, 2]);
        assert_eq!(plan(3, 2, &[5, 4, 4]).rows, [4, 5]);
    }

    #[test]
    fn the_leaf_level_of_a_single_column_is_completed_by_raw_cells() {
        let plan = plan(3, 1, &[0, 7]);
        assert_eq!(plan.sibling_rows, [1, 6]);
        assert_eq!(plan.nodes, [5, 6]);
    }

    #[test]
    fn all_rows_need_nothing() {
        let plan = plan(2, 3, &[0, 1, 2, 3]);
        assert!(plan.nodes.is_empty() && plan.sibling_rows.is_empty());
    }

    #[test]
    fn a_table_of_one_row_is_its_own_root() {
        assert_eq!(plan(0, 2, &[0]).nodes, [0u64; 0]);
    }
}
