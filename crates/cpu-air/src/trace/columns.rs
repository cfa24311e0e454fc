//! Writing virtual columns into trace columns.
//!
//! A component writes only the cells it owns: layouts place cells of one component between those of another.

use ashlar_field::{Column, Felt};
use rayon::prelude::*;

use crate::layout::VirtualColumn;

/// Rows that one parallel task covers.
const TASK_ROWS: usize = 1 << 14;

/// Columns under construction, all of the same length, a power of two; cells not written are zero.
pub(super) struct Columns {
    /// The index of the first of these columns in the whole trace.
    base: usize,
    columns: Vec<Column>,
    length: usize,
}

/// Consecutive cells of a virtual column: cell `first`, `first + 1`, ….
pub(super) struct Run<'a> {
    pub(super) column: VirtualColumn,
    pub(super) first: usize,
    pub(super) values: &'a [Felt],
}

impl Columns {
    /// `count` zero columns; the first has index `base` in layouts.
    pub(super) fn zeros(base: usize, count: usize, length: usize) -> Columns {
        Columns { base, columns: (0..count).into_par_iter().map(|_| Column::zeros(length)).collect(), length }
    }

    /// The finished columns.
    pub(super) fn into_inner(self) -> Vec<Column> {
        self.columns
    }

    /// Writes one cell.
    pub(super) fn set(&mut self, column: VirtualColumn, index: usize, value: Felt) {
        let row = column.row(index) & (self.length - 1);
        self.columns[column.column - self.base].set(row, value);
    }

    /// Writes cells 0 … count − 1 of a virtual column, in parallel.
    pub(super) fn fill(&mut self, column: VirtualColumn, count: usize, value: impl Fn(usize) -> Felt + Sync) {
        let VirtualColumn { step, offset, .. } = column;
        let target = &mut self.columns[column.column - self.base];
        if step == 0 || offset + (count.max(1) - 1) * step >= self.length {
            // Cells that wrap around the end: rare (only `dynamic` may place them so), one at a time.
            for index in 0..count {
                target.set(column.row(index) & (self.length - 1), value(index));
            }
            return;
        }
        target.groups_mut().par_chunks_mut(TASK_ROWS / 8).enumerate().for_each(|(task, groups)| {
            let start = task * TASK_ROWS;
            let end = start + 8 * groups.len();
            let first = start.saturating_sub(offset).div_ceil(step);
            let mut row = offset + first * step;
            let mut index = first;
            while row < end && index < count {
                groups[(row - start) / 8].set(row % 8, value(index));
                row += step;
                index += 1;
            }
        });
    }

    /// Writes runs of cells, columns in parallel.
    pub(super) fn write(&mut self, runs: &[Run<'_>]) {
        let (base, length) = (self.base, self.length);
        self.columns.par_iter_mut().enumerate().for_each(|(column, target)| {
            for run in runs.iter().filter(|run| run.column.column == base + column) {
                for (index, &value) in (run.first..).zip(run.values) {
                    target.set(run.column.row(index) & (length - 1), value);
                }
            }
        });
    }
}
