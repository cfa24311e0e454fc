//! A committed trace: the tree, and of every column what the storage policy keeps: coefficients, cosets of the extension,
//! both, or one of these at a time.

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
    /// The coefficients and the whole low-degree extension. Nothing is computed twice.
    Stored,
    /// The coefficients and the two cosets on which the composition is evaluated; the others are evaluated again where
    /// rows are opened.
    TwoCosets,
    /// Two copies: the coefficients and one coset at a time, so that the second one of the composition is a transform
    /// more and none is kept for the openings. An extension of two cosets only is kept itself, without coefficients;
    /// where a later step needs memory, the second copies of a few columns make room for it.
    #[default]
    OneCoset,
    /// One copy: the coefficients or one coset, each made from the other where it stands, about two transforms for
    /// every coset that is read.
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

    /// Whether an extension of so many cosets takes the place of the coefficients.
    pub(crate) fn keeps_extension_alone(self, n_cosets: usize) -> bool {
        self == StoragePolicy::OneCoset && n_cosets == 2
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
    pub(crate) tree: Tree,
    pub(crate) root: Digest,
    width: usize,
    policy: StoragePolicy,
    /// The first columns: those of which there is one copy. Its form says what they hold.
    single: Vec<Column>,
    form: Form,
    /// Coefficients of the columns after these, in natural order; `None` where both cosets take their place.
    coefficients: Option<Vec<Column>>,
    /// The same columns by position in the tables, in block order.
    cosets: Vec<Option<Vec<Column>>>,
}

/// What columns of which there is one copy hold at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Coefficients, in natural order.
    Coefficients,
    /// Values on the coset at this position of the tables, in bit-reversed order.
    Values(usize),
    /// The same in block order.
    Blocks(usize),
}

/// A column as it is at hand.
pub(crate) enum Known<'a> {
    /// Its coefficients.
    Coefficients(&'a Column),
    /// Its values on the coset that is held, in block order.
    Values(&'a Column),
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
        mut columns: Vec<Column>,
        domain: &EvaluationDomain,
        parameters: &StarkParameters,
        policy: StoragePolicy,
        last: usize,
        kernels: Kernels,
        step: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<CommittedTrace, CommitError> {
        let length = domain.trace_length() as usize;
        let width = columns.len();
        let n_cosets = 1usize << domain.log_n_cosets;
        let mut trace = CommittedTrace {
            tree: Tree::new(TableShape { log_rows: domain.log_size(), width }),
            root: Digest::ZERO,
            width,
            policy,
            single: Vec::new(),
            form: Form::Coefficients,
            coefficients: None,
            cosets: (0..n_cosets).map(|_| None).collect(),
        };
        if policy == StoragePolicy::InPlace {
            trace.single = std::mem::take(&mut columns);
        }
        let extension_alone = policy.keeps_extension_alone(n_cosets);
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
                fill(&mut trace.tree, rows, &trace.single, parameters, kernels)?;
                continue;
            }
            let offset = coset_offset(domain, position);
            let mut values = if extension_alone && position == last {
                let mut values = std::mem::take(&mut columns);
                evaluate_coset_in_place(&mut values, offset, kernels);
                values
            } else {
                let mut values = spare.take().unwrap_or_else(|| unspecified(width, domain));
                evaluate_coset(&columns, offset, &mut values, kernels);
                values
            };
            fill(&mut trace.tree, rows, &values, parameters, kernels)?;
            if extension_alone || policy.keeps(position, last) {
                reorder(&mut values);
                trace.cosets[position] = Some(values);
            } else {
                spare = Some(values);
            }
        }
        if !extension_alone {
            trace.coefficients = Some(columns);
        }
        trace.root = trace.tree.finish(parameters, kernels)?;
        Ok(trace)
    }

    /// The number of columns.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Turns the columns of which there is one copy, where they stand, into another form.
    fn take_form(&mut self, form: Form, domain: &EvaluationDomain, kernels: Kernels) {
        if self.form == form {
            return;
        }
        let columns = &mut self.single;
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
    ) -> Vec<&[Group]> {
        self.take_form(Form::Blocks(position), domain, kernels);
        if let (None, Some(coefficients)) = (&self.cosets[position], &self.coefficients) {
            let only = self.policy == StoragePolicy::OneCoset;
            let reused = self.cosets.iter_mut().filter(|_| only).find_map(Option::take);
            let mut values = reused.unwrap_or_else(|| unspecified(coefficients.len(), domain));
            evaluate_coset(coefficients, coset_offset(domain, position), &mut values, kernels);
            reorder(&mut values);
            self.cosets[position] = Some(values);
        }
        self.single.iter().chain(self.cosets[position].iter().flatten()).map(Column::groups).collect()
    }

    /// Gives up all but the coset at `position`, which is held, of the first `count` columns; how many columns have one
    /// copy then.
    pub(crate) fn keep_once(
        &mut self,
        count: usize,
        position: usize,
        domain: &EvaluationDomain,
        kernels: Kernels,
    ) -> usize {
        let more = count.min(self.width).saturating_sub(self.single.len());
        if more > 0 && self.cosets[position].is_some() {
            self.take_form(Form::Blocks(position), domain, kernels);
            for (at, coset) in self.cosets.iter_mut().enumerate() {
                let first = coset.iter_mut().flat_map(|columns| columns.drain(..more));
                if at == position { self.single.extend(first) } else { first.for_each(drop) }
            }
            self.coefficients.iter_mut().for_each(|columns| drop(columns.drain(..more)));
        }
        self.single.len()
    }

    /// Every column in a form in which it is at hand while the coset at `position` is held.
    pub(crate) fn known(&self, position: usize) -> Vec<Known<'_>> {
        let single = self.single.iter().map(|column| match self.form {
            Form::Coefficients => Known::Coefficients(column),
            Form::Values(_) | Form::Blocks(_) => Known::Values(column),
        });
        let others: Vec<Known<'_>> = match &self.coefficients {
            Some(columns) => columns.iter().map(Known::Coefficients).collect(),
            None => self.cosets[position].iter().flatten().map(Known::Values).collect(),
        };
        single.chain(others).collect()
    }

    /// The coefficients of every column, while the coset at `position` is held: it may not be afterwards.
    pub(crate) fn coefficients(
        &mut self,
        position: usize,
        domain: &EvaluationDomain,
        kernels: Kernels,
    ) -> Vec<&Column> {
        self.keep_once(self.width, position, domain, kernels);
        self.take_form(Form::Coefficients, domain, kernels);
        self.single.iter().collect()
    }

    /// Lets go of what is only held until the columns have been read for the last time, openings aside.
    pub(crate) fn release_cosets(&mut self) {
        if self.policy == StoragePolicy::OneCoset && self.coefficients.is_some() {
            self.cosets.fill(None);
        }
    }

    /// The cells of the groups of eight rows that contain these rows.
    pub(crate) fn open(&mut self, rows: &[u64], domain: &EvaluationDomain, kernels: Kernels) -> OpenedGroups {
        let log_groups = domain.log_trace_length - 3;
        let mut by_coset: GroupsByCoset = BTreeMap::new();
        for group in rows.iter().map(|row| row / 8).collect::<BTreeSet<u64>>() {
            let (position, group) = (group >> log_groups, group & ((1 << log_groups) - 1));
            by_coset.entry(position as usize).or_default().push(group);
        }
        let mut opened = OpenedGroups::new();
        // What single columns hold is read before it makes way for coefficients.
        let mut absent = by_coset.clone();
        if let Form::Blocks(position) = self.form {
            read_groups(&self.single, position, absent.remove(&position), domain, &mut opened);
        }
        if !absent.is_empty() {
            self.take_form(Form::Coefficients, domain, kernels);
            compute_groups(&self.single, &absent, domain, kernels, &mut opened);
        }
        for (position, columns) in self.cosets.iter().enumerate() {
            if let Some(columns) = columns {
                read_groups(columns, position, by_coset.remove(&position), domain, &mut opened);
            }
        }
        let coefficients = self.coefficients.as_deref().unwrap_or_default();
        compute_groups(coefficients, &by_coset, domain, kernels, &mut opened);
        opened
    }
}

/// Groups of eight rows by the position of their coset: their numbers within it, ascending.
type GroupsByCoset = BTreeMap<usize, Vec<u64>>;

/// Appends the cells of columns in block order on the coset at `position`.
fn read_groups(
    columns: &[Column],
    position: usize,
    groups: Option<Vec<u64>>,
    domain: &EvaluationDomain,
    opened: &mut OpenedGroups,
) {
    let log_groups = domain.log_trace_length - 3;
    for group in groups.into_iter().flatten() {
        let at = reverse_bits(group, log_groups) as usize;
        let cells = opened.entry((position as u64) << log_groups | group).or_default();
        cells.extend(columns.iter().map(|column| column.groups()[at]));
    }
}

/// Appends the cells of columns given by their coefficients.
fn compute_groups(
    columns: &[Column],
    by_coset: &GroupsByCoset,
    domain: &EvaluationDomain,
    kernels: Kernels,
    opened: &mut OpenedGroups,
) {
    let log_groups = domain.log_trace_length - 3;
    let coset = |position: usize| Coset::new(domain, coset_offset(domain, position));
    let cosets: Vec<(Coset, &[u64])> =
        by_coset.iter().map(|(&position, groups)| (coset(position), groups.as_slice())).collect();
    let values = evaluate_groups(&columns.iter().collect::<Vec<_>>(), &cosets, kernels);
    let numbers = by_coset.iter().flat_map(|(&position, groups)| {
        groups.iter().map(move |group| (position as u64) << log_groups | group)
    });
    for (index, number) in numbers.enumerate() {
        opened.entry(number).or_default().extend(values.iter().map(|column| column[index]));
    }
}

/// From bit-reversed order to block order or back, which is the same.
fn reorder(columns: &mut [Column]) {
    columns.par_iter_mut().for_each(|column| bit_reverse_group_order(column.groups_mut()));
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
