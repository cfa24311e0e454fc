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

/// Whether cells of a virtual column wrap around the end of the trace: rare, only `dynamic` may place them so.
fn wraps(column: VirtualColumn, count: usize, length: usize) -> bool {
    column.step == 0 || column.row(count.max(1) - 1) >= length
}

/// The cells of a virtual column, below `count`, in the rows of `groups` groups from row `start` on, each with its
/// row counted from there.
fn cells_in(
    column: VirtualColumn,
    count: usize,
    start: usize,
    groups: usize,
) -> impl Iterator<Item = (usize, usize)> {
    let VirtualColumn { step, offset, .. } = column;
    let first = start.saturating_sub(offset).div_ceil(step);
    let rows = (offset + first * step..start + 8 * groups).step_by(step);
    (first..count).zip(rows.map(move |row| row - start))
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
        let length = self.length;
        let target = &mut self.columns[column.column - self.base];
        if wraps(column, count, length) {
            for index in 0..count {
                target.set(column.row(index) & (length - 1), value(index));
            }
            return;
        }
        target.groups_mut().par_chunks_mut(TASK_ROWS / 8).enumerate().for_each(|(task, groups)| {
            for (index, row) in cells_in(column, count, task * TASK_ROWS, groups.len()) {
                groups[row / 8].set(row % 8, value(index));
            }
        });
    }

    /// Writes factor(0), factor(0)·factor(1), … into cells 0 … count − 1 of a virtual column, in parallel.
    pub(super) fn fill_products(
        &mut self,
        column: VirtualColumn,
        count: usize,
        factor: impl Fn(usize) -> Felt + Sync,
    ) {
        let length = self.length;
        let target = &mut self.columns[column.column - self.base];
        if wraps(column, count, length) {
            let mut product = Felt::ONE;
            for index in 0..count {
                product *= factor(index);
                target.set(column.row(index) & (length - 1), product);
            }
            return;
        }
        // Every task multiplies up its own cells; then each is multiplied by what the tasks before it came to.
        let tasks = target.groups_mut().par_chunks_mut(TASK_ROWS / 8).enumerate();
        let products: Vec<Felt> = tasks
            .map(|(task, groups)| {
                let mut product = Felt::ONE;
                for (index, row) in cells_in(column, count, task * TASK_ROWS, groups.len()) {
                    product *= factor(index);
                    groups[row / 8].set(row % 8, product);
                }
                product
            })
            .collect();
        let before: Vec<Felt> = products
            .iter()
            .scan(Felt::ONE, |product, &own| {
                let before = *product;
                *product *= own;
                Some(before)
            })
            .collect();
        let tasks = target.groups_mut().par_chunks_mut(TASK_ROWS / 8).zip(before).enumerate().skip(1);
        tasks.for_each(|(task, (groups, before))| {
            for (_, row) in cells_in(column, count, task * TASK_ROWS, groups.len()) {
                let product = groups[row / 8].get(row % 8) * before;
                groups[row / 8].set(row % 8, product);
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

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 4 * TASK_ROWS;

    fn value(index: usize) -> Felt {
        Felt::from_u64(index as u64 + 2)
    }

    fn column(step: usize, offset: usize) -> VirtualColumn {
        VirtualColumn { column: 3, step, offset }
    }

    #[test]
    fn filled_cells_lie_in_their_rows_and_all_others_stay_zero() {
        for (step, offset) in
            [(1, 0), (2, 1), (16, 5), (LENGTH / 2, LENGTH / 2 - 1), (LENGTH, 7), (8, LENGTH - 16)]
        {
            let mut columns = Columns::zeros(3, 1, LENGTH);
            let count = LENGTH / step;
            columns.fill(column(step, offset), count, value);
            let mut expected = vec![Felt::ZERO; LENGTH];
            for index in 0..count {
                expected[(offset + index * step) % LENGTH] = value(index);
            }
            assert_eq!(columns.into_inner()[0].to_felts(), expected, "step {step}, offset {offset}");
        }
    }

    #[test]
    fn products_run_on_over_the_borders_of_tasks() {
        for (step, offset) in [(1, 0), (2, 1), (64, 63), (4, LENGTH - 4)] {
            let mut columns = Columns::zeros(3, 1, LENGTH);
            let count = LENGTH / step;
            columns.fill_products(column(step, offset), count, value);
            let mut expected = vec![Felt::ZERO; LENGTH];
            let mut product = Felt::ONE;
            for index in 0..count {
                product *= value(index);
                expected[(offset + index * step) % LENGTH] = product;
            }
            assert_eq!(columns.into_inner()[0].to_felts(), expected, "step {step}, offset {offset}");
        }
    }

    #[test]
    fn runs_write_their_cells_only() {
        let mut columns = Columns::zeros(3, 2, 64);
        let values = [value(0), value(1)];
        columns.write(&[Run { column: column(4, 2), first: 1, values: &values }]);
        let columns = columns.into_inner();
        assert_eq!(columns[0].iter().filter(|value| !value.is_zero()).count(), 2);
        assert_eq!([columns[0].get(6), columns[0].get(10)], values);
        assert!(columns[1].iter().all(Felt::is_zero));
    }
}
