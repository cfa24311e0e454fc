//! A committed trace: coefficients, the tree, and as many cosets of the extension as the storage policy keeps.

use std::collections::{BTreeMap, BTreeSet};

use ashlar_field::{Column, Felt, Group, Kernels};
use ashlar_hash::{Digest, HashError};
use ashlar_ntt::evaluate_coset;
use rayon::prelude::*;

use crate::{
    StarkParameters,
    commitment::{
        plan::TableShape,
        tree::{RowGroups, Tree},
    },
    domain::{EvaluationDomain, reverse_bits},
    program::columns::swap_block_order,
    prover::rows::evaluate_groups,
};

/// What the prover keeps in memory. The proof is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StoragePolicy {
    /// The whole low-degree extension: fastest, (2 + blow-up) times the trace.
    Stored,
    /// The two cosets on which the composition is evaluated; the others are evaluated again where rows are opened.
    #[default]
    Lean,
}

impl StoragePolicy {
    /// Whether the coset at this position of the tables is kept.
    fn keeps(self, position: usize) -> bool {
        match self {
            StoragePolicy::Stored => true,
            StoragePolicy::Lean => position < 2,
        }
    }
}

/// A committed trace.
pub(crate) struct CommittedTrace {
    /// Natural order, N each.
    pub(crate) coefficients: Vec<Column>,
    pub(crate) tree: Tree,
    pub(crate) root: Digest,
    /// By position in the tables; every column in block order.
    cosets: Vec<Option<Vec<Column>>>,
}

/// The groups of eight rows around opened rows: by row / 8, one group a column.
pub(crate) type OpenedGroups = BTreeMap<u64, Vec<Group>>;

/// Why a trace could not be committed to.
pub(crate) enum CommitError {
    Hash(HashError),
    Interrupted,
}

impl From<HashError> for CommitError {
    fn from(error: HashError) -> CommitError {
        CommitError::Hash(error)
    }
}

fn coset_offset(domain: &EvaluationDomain, position: usize) -> Felt {
    Felt::GENERATOR * domain.coset_shift(position as u64)
}

fn zeros(width: usize, domain: &EvaluationDomain) -> Vec<Column> {
    (0..width).map(|_| Column::zeros(domain.trace_length() as usize)).collect()
}

impl CommittedTrace {
    /// Extends and commits to columns given by their coefficients. `step` is told of every coset hashed, and says
    /// whether to go on.
    pub(crate) fn commit(
        coefficients: Vec<Column>,
        domain: &EvaluationDomain,
        parameters: &StarkParameters,
        policy: StoragePolicy,
        kernels: Kernels,
        step: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<CommittedTrace, CommitError> {
        let length = domain.trace_length() as usize;
        let shape = TableShape { log_rows: domain.log_size(), width: coefficients.len() };
        let mut tree = Tree::new(shape);
        let n_cosets = 1usize << domain.log_n_cosets;
        let mut cosets: Vec<Option<Vec<Column>>> = (0..n_cosets).map(|_| None).collect();
        let mut spare: Option<Vec<Column>> = None;
        // The cosets that are not kept first, while nothing is kept yet: that is the smaller peak.
        let order = (0..n_cosets).rev().enumerate();
        for (done, position) in order {
            if !step(done as u64, n_cosets as u64) {
                return Err(CommitError::Interrupted);
            }
            let mut values = spare.take().unwrap_or_else(|| zeros(coefficients.len(), domain));
            evaluate_coset(&coefficients, coset_offset(domain, position), &mut values, kernels);
            let columns: Vec<&[Group]> = values.iter().map(Column::groups).collect();
            tree.fill(position * length, length, RowGroups::Columns(&columns), parameters, kernels)?;
            if policy.keeps(position) {
                values.par_iter_mut().for_each(|column| swap_block_order(column.groups_mut()));
                cosets[position] = Some(values);
            } else {
                spare = Some(values);
            }
        }
        let root = tree.finish(parameters, kernels)?;
        Ok(CommittedTrace { coefficients, tree, root, cosets })
    }

    /// The columns on one of the first two cosets, in block order.
    pub(crate) fn kept_coset(&self, position: usize) -> Option<Vec<&[Group]>> {
        let coset = self.cosets.get(position)?.as_ref()?;
        Some(coset.iter().map(Column::groups).collect())
    }

    /// The cells of the groups of eight rows that contain these rows.
    pub(crate) fn open(&self, rows: &[u64], domain: &EvaluationDomain, kernels: Kernels) -> OpenedGroups {
        let groups: BTreeSet<u64> = rows.iter().map(|row| row / 8).collect();
        let mut opened: OpenedGroups = groups.iter().map(|&group| (group, Vec::new())).collect();
        let log_groups = domain.log_trace_length - 3;
        let positions: BTreeSet<usize> = groups.iter().map(|group| (group >> log_groups) as usize).collect();
        for position in positions {
            let range = (position as u64) << log_groups..(position as u64 + 1) << log_groups;
            match &self.cosets[position] {
                Some(coset) => {
                    for (&group, cells) in opened.range_mut(range) {
                        let at = reverse_bits(group, log_groups) as usize;
                        cells.extend(coset.iter().map(|column| column.groups()[at]));
                    }
                }
                None => self.evaluate_again(position, opened.range_mut(range), domain, kernels),
            }
        }
        opened
    }

    /// Fills in groups of a coset that is not kept: a few by themselves, many by transforming the coset.
    fn evaluate_again<'a>(
        &self,
        position: usize,
        opened: impl Iterator<Item = (&'a u64, &'a mut Vec<Group>)>,
        domain: &EvaluationDomain,
        kernels: Kernels,
    ) {
        /// Columns transformed at a time.
        const BATCH: usize = 4;
        let mut opened: Vec<(&u64, &mut Vec<Group>)> = opened.collect();
        let log_groups = domain.log_trace_length - 3;
        // A group costs a product for every coefficient, a transform half as many for every layer.
        if opened.len() <= domain.log_trace_length as usize / 2 {
            let points: Vec<[Felt; 8]> = opened
                .iter()
                .map(|(group, _)| std::array::from_fn(|lane| domain.point(8 * **group + lane as u64)))
                .collect();
            let values: Vec<Vec<Group>> = self
                .coefficients
                .par_iter()
                .map(|column| evaluate_groups(column.groups(), &points, kernels))
                .collect();
            for (index, (_, cells)) in opened.iter_mut().enumerate() {
                cells.extend(values.iter().map(|column| column[index]));
            }
            return;
        }
        for coefficients in self.coefficients.chunks(BATCH) {
            let mut values = zeros(coefficients.len(), domain);
            evaluate_coset(coefficients, coset_offset(domain, position), &mut values, kernels);
            for (group, cells) in &mut opened {
                let at = (**group & ((1 << log_groups) - 1)) as usize;
                cells.extend(values.iter().map(|column| column.groups()[at]));
            }
        }
    }
}

/// The cells of a row out of opened groups.
pub(crate) fn row_of(opened: &OpenedGroups, row: u64) -> Vec<Felt> {
    let groups = opened.get(&(row / 8)).map(Vec::as_slice).unwrap_or_default();
    groups.iter().map(|group| group.get((row % 8) as usize)).collect()
}
