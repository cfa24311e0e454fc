//! A committed trace: the tree, and of every column what the storage policy keeps: coefficients, cosets of the extension,
//! or one of these at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use ashlar_field::{Column, Felt, Group, Kernels};
use ashlar_hash::{Digest, HashError};
use ashlar_ntt::{bit_reverse_group_order, evaluate_coset, evaluate_coset_in_place, interpolate_coset};
use rayon::prelude::*;

use crate::{
    StarkParameters,
    commitment::{
        plan::TableShape,
        tree::{RowGroups, Tree},
    },
    domain::{EvaluationDomain, reverse_bits},
    prover::rows::{Coset, evaluate_groups},
};

/// What the prover keeps in memory, from the most to the least. The proof is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum StoragePolicy {
    /// The whole low-degree extension. Nothing is computed twice.
    Stored,
    /// The two cosets on which the composition is evaluated; the others are evaluated again where rows are opened.
    #[default]
    TwoCosets,
    /// One coset at a time: the second one of the composition is a transform more, and none is kept for the
    /// openings.
    OneCoset,
    /// Either the coefficients or one coset, each made from the other where it stands: about two transforms for every
    /// coset that is read, and half the memory.
    InPlace,
}

impl StoragePolicy {
    /// Every policy, from the most memory to the least.
    pub const ALL: [StoragePolicy; 4] =
        [StoragePolicy::Stored, StoragePolicy::TwoCosets, StoragePolicy::OneCoset, StoragePolicy::InPlace];

    /// Its name in options and records.
    pub fn name(self) -> &'static str {
        match self {
            StoragePolicy::Stored => "stored",
            StoragePolicy::TwoCosets => "two-cosets",
            StoragePolicy::OneCoset => "one-coset",
            StoragePolicy::InPlace => "in-place",
        }
    }

    /// Whether a commitment keeps the coset at this position of the tables; `last` is the one hashed last.
    fn keeps(self, position: usize, last: usize) -> bool {
        match self {
            StoragePolicy::Stored => true,
            StoragePolicy::TwoCosets => position < 2,
            StoragePolicy::OneCoset => position == last,
            StoragePolicy::InPlace => false,
        }
    }
}

impl fmt::Display for StoragePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A text that names no [`StoragePolicy`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected stored, two-cosets, one-coset or in-place, got {got:?}")]
pub struct UnknownStoragePolicy {
    /// What was given.
    pub got: String,
}

impl FromStr for StoragePolicy {
    type Err = UnknownStoragePolicy;

    fn from_str(text: &str) -> Result<StoragePolicy, UnknownStoragePolicy> {
        let unknown = || UnknownStoragePolicy { got: text.to_owned() };
        StoragePolicy::ALL.into_iter().find(|policy| policy.name() == text).ok_or_else(unknown)
    }
}

/// A committed trace.
pub(crate) struct CommittedTrace {
    /// Coefficients in natural order, N each; where there is one copy only, its form says what they are.
    columns: Vec<Column>,
    form: Form,
    pub(crate) tree: Tree,
    pub(crate) root: Digest,
    policy: StoragePolicy,
    /// By position in the tables; every column in block order.
    cosets: Vec<Option<Vec<Column>>>,
}

/// What the columns of [`StoragePolicy::InPlace`] hold at the moment. Those of the others always hold coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Coefficients, in natural order.
    Coefficients,
    /// Values on the coset at this position of the tables, in bit-reversed order.
    Values(usize),
    /// The same in block order.
    Blocks(usize),
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

/// The offset of the coset at this position of the tables.
pub(crate) fn coset_offset(domain: &EvaluationDomain, position: usize) -> Felt {
    Felt::GENERATOR * domain.coset_shift(position as u64)
}

fn unspecified(width: usize, domain: &EvaluationDomain) -> Vec<Column> {
    (0..width).map(|_| Column::unspecified(domain.trace_length() as usize)).collect()
}

impl CommittedTrace {
    /// Extends and commits to columns given by their coefficients, and holds the coset at position `last` (0 or 1)
    /// at least. `step` is told of every coset hashed, and says whether to go on.
    pub(crate) fn commit(
        columns: Vec<Column>,
        domain: &EvaluationDomain,
        parameters: &StarkParameters,
        policy: StoragePolicy,
        last: usize,
        kernels: Kernels,
        step: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<CommittedTrace, CommitError> {
        let length = domain.trace_length() as usize;
        let shape = TableShape { log_rows: domain.log_size(), width: columns.len() };
        let n_cosets = 1usize << domain.log_n_cosets;
        let mut trace = CommittedTrace {
            columns,
            form: Form::Coefficients,
            tree: Tree::new(shape),
            root: Digest::ZERO,
            policy,
            cosets: (0..n_cosets).map(|_| None).collect(),
        };
        let mut spare: Option<Vec<Column>> = None;
        // The cosets that are not kept first, while nothing is kept yet: that is the smaller peak.
        let last = last.min(n_cosets - 1);
        let order = (0..n_cosets).rev().filter(|&position| position != last).chain([last]);
        for (done, position) in order.enumerate() {
            if !step(done as u64, n_cosets as u64) {
                return Err(CommitError::Interrupted);
            }
            let rows = (position * length, length);
            if policy == StoragePolicy::InPlace {
                trace.take_form(Form::Values(position), domain, kernels);
                fill(&mut trace.tree, rows, &trace.columns, parameters, kernels)?;
                continue;
            }
            let mut values = spare.take().unwrap_or_else(|| unspecified(trace.columns.len(), domain));
            evaluate_coset(&trace.columns, coset_offset(domain, position), &mut values, kernels);
            fill(&mut trace.tree, rows, &values, parameters, kernels)?;
            if policy.keeps(position, last) {
                values.par_iter_mut().for_each(|column| bit_reverse_group_order(column.groups_mut()));
                trace.cosets[position] = Some(values);
            } else {
                spare = Some(values);
            }
        }
        trace.root = trace.tree.finish(parameters, kernels)?;
        Ok(trace)
    }

    /// The number of columns.
    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns' coefficients, in natural order.
    pub(crate) fn coefficients(&mut self, domain: &EvaluationDomain, kernels: Kernels) -> &[Column] {
        self.take_form(Form::Coefficients, domain, kernels);
        &self.columns
    }

    /// Turns the columns where they stand into another form.
    fn take_form(&mut self, form: Form, domain: &EvaluationDomain, kernels: Kernels) {
        if self.form == form {
            return;
        }
        let columns = &mut self.columns;
        // Block order is its own inverse, and the same values otherwise.
        let reorder = |columns: &mut [Column]| {
            columns.par_iter_mut().for_each(|column| bit_reverse_group_order(column.groups_mut()));
        };
        let values_of = |form| match form {
            Form::Coefficients => None,
            Form::Values(position) | Form::Blocks(position) => Some(position),
        };
        if matches!(self.form, Form::Blocks(_)) {
            reorder(columns);
        }
        if values_of(self.form) != values_of(form) {
            if let Some(position) = values_of(self.form) {
                interpolate_coset(columns, coset_offset(domain, position), kernels);
            }
            if let Some(position) = values_of(form) {
                evaluate_coset_in_place(columns, coset_offset(domain, position), kernels);
            }
        }
        if matches!(form, Form::Blocks(_)) {
            reorder(columns);
        }
        self.form = form;
    }

    /// The columns on a coset, in block order. If it is not held, it is evaluated again, in the place of the one that
    /// is held where only one may be.
    pub(crate) fn hold_coset(
        &mut self,
        position: usize,
        domain: &EvaluationDomain,
        kernels: Kernels,
    ) -> &[Column] {
        if self.policy == StoragePolicy::InPlace {
            self.take_form(Form::Blocks(position), domain, kernels);
            return &self.columns;
        }
        let present = self.cosets[position].take();
        let coset = present.unwrap_or_else(|| {
            let only = self.policy == StoragePolicy::OneCoset;
            let reused = self.cosets.iter_mut().filter(|_| only).find_map(Option::take);
            let mut values = reused.unwrap_or_else(|| unspecified(self.columns.len(), domain));
            evaluate_coset(&self.columns, coset_offset(domain, position), &mut values, kernels);
            values.par_iter_mut().for_each(|column| bit_reverse_group_order(column.groups_mut()));
            values
        });
        self.cosets[position].insert(coset)
    }

    /// Lets go of what is only held until the columns have been read for the last time, openings aside. These want
    /// coefficients.
    pub(crate) fn release_cosets(&mut self, domain: &EvaluationDomain, kernels: Kernels) {
        self.take_form(Form::Coefficients, domain, kernels);
        if self.policy == StoragePolicy::OneCoset {
            self.cosets.fill(None);
        }
    }

    /// The cells of the groups of eight rows that contain these rows, once [`Self::release_cosets`] was called.
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

    /// Fills in groups of a coset that is not kept.
    fn evaluate_again<'a>(
        &self,
        position: usize,
        opened: impl Iterator<Item = (&'a u64, &'a mut Vec<Group>)>,
        domain: &EvaluationDomain,
        kernels: Kernels,
    ) {
        let in_coset = (1 << (domain.log_trace_length - 3)) - 1;
        let (groups, cells): (Vec<u64>, Vec<&mut Vec<Group>>) =
            opened.map(|(group, cells)| (group & in_coset, cells)).unzip();
        let coset = Coset::new(domain, coset_offset(domain, position));
        let columns: Vec<&Column> = self.columns.iter().collect();
        let values = evaluate_groups(&columns, &coset, &groups, kernels);
        for (index, cells) in cells.into_iter().enumerate() {
            cells.extend(values.iter().map(|column| column[index]));
        }
    }
}

/// Hashes rows: the first one's number and how many, columns in bit-reversed order.
fn fill(
    tree: &mut Tree,
    (first, count): (usize, usize),
    columns: &[Column],
    parameters: &StarkParameters,
    kernels: Kernels,
) -> Result<(), HashError> {
    let columns: Vec<&[Group]> = columns.iter().map(Column::groups).collect();
    tree.fill(first, count, RowGroups::Columns(&columns), parameters, kernels)
}

/// The cells of a row out of opened groups.
pub(crate) fn row_of(opened: &OpenedGroups, row: u64) -> Vec<Felt> {
    let groups = opened.get(&(row / 8)).map(Vec::as_slice).unwrap_or_default();
    groups.iter().map(|group| group.get((row % 8) as usize)).collect()
}
