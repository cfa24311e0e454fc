//! Pools of 16-bit values: the range-check pool, and the diluted pool, whose values are written with three zero
//! bits between two bits.
//!
//! Every value between the bounds must occur, so that the sorted column climbs in steps of at most one. Cells that
//! no component writes take the values that nobody wrote, ascending, then repeat the upper bound.

use std::sync::LazyLock;

use ashlar_field::Felt;

use super::{
    columns::Columns,
    error::{Place, Pool, TraceError},
};
use crate::layout::{LayoutError, VirtualColumn};

/// A cell that nobody wrote.
const UNWRITTEN: u32 = u32::MAX;

/// The elements 0 … 65535: small values enter Montgomery form by look-up.
pub(super) fn small_felts() -> &'static [Felt] {
    static TABLE: LazyLock<Vec<Felt>> = LazyLock::new(|| (0..1 << 16).map(Felt::from_u64).collect());
    &TABLE
}

/// The diluted form of 0 … 65535: bit i moves to bit 4i.
pub(super) fn diluted_felts() -> &'static [Felt] {
    static TABLE: LazyLock<Vec<Felt>> = LazyLock::new(|| {
        let dilute = |value: u64| (0..16).map(|bit| ((value >> bit) & 1) << (4 * bit)).sum();
        (0..1 << 16).map(|value| Felt::from_u64(dilute(value))).collect()
    });
    &TABLE
}

/// Cells of a virtual column as positions in a pool.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolCells {
    start: usize,
    stride: usize,
    length: usize,
}

impl PoolCells {
    /// The cells of `column`, which must lie on cells of `pool`, a pool of `length` cells.
    pub(super) fn new(
        column: VirtualColumn,
        pool: VirtualColumn,
        length: usize,
    ) -> Result<PoolCells, LayoutError> {
        let rows = pool.step * length;
        let start = (column.offset + rows - pool.offset % rows) % rows;
        // Lengths and steps are powers of two, which makes positions a matter of masks.
        let powers = length.is_power_of_two() && column.step.is_power_of_two();
        let aligned = powers && start.is_multiple_of(pool.step) && column.step.is_multiple_of(pool.step);
        if column.column != pool.column || !aligned {
            return Err(LayoutError::BadPlacement {
                column: "a pool's cell",
                expected: format!(
                    "a cell every {} rows from {}, column {}",
                    pool.step, pool.offset, pool.column
                ),
                got: format!("every {} rows from {}, column {}", column.step, column.offset, column.column),
            });
        }
        Ok(PoolCells { start: start / pool.step, stride: column.step / pool.step, length })
    }

    /// The position of a cell in the pool.
    #[inline]
    pub(super) fn position(&self, index: usize) -> usize {
        (self.start + index * self.stride) & (self.length - 1)
    }

    /// How many cells fit in the pool.
    pub(super) fn count(&self) -> usize {
        self.length / self.stride
    }

    /// Whether this virtual column has a cell at a position.
    #[inline]
    pub(super) fn contains(&self, position: usize) -> bool {
        (position + self.length - self.start) & (self.stride - 1) == 0
    }
}

/// A pool under construction.
pub(super) struct ValuePool {
    name: Pool,
    pool: VirtualColumn,
    min: u16,
    max: u16,
    cells: Vec<u32>,
}

/// A pool whose every cell has a value.
pub(super) struct FilledPool {
    pool: VirtualColumn,
    /// The values by position.
    pub(super) cells: Vec<u16>,
    /// How often every value occurs.
    counts: Vec<usize>,
}

impl ValuePool {
    /// A pool of `length` unwritten cells for values from `min` to `max`.
    pub(super) fn new(name: Pool, pool: VirtualColumn, length: usize, min: u16, max: u16) -> ValuePool {
        ValuePool { name, pool, min, max, cells: vec![UNWRITTEN; length] }
    }

    /// The positions of a virtual column's cells.
    pub(super) fn cells_of(&self, column: VirtualColumn) -> Result<PoolCells, LayoutError> {
        PoolCells::new(column, self.pool, self.cells.len())
    }

    /// Writes a cell.
    #[inline]
    pub(super) fn write(&mut self, position: usize, value: u16, place: Place) -> Result<(), TraceError> {
        if value < self.min || value > self.max {
            return Err(TraceError::OutsideRangeCheck {
                place,
                value: u64::from(value),
                min: u64::from(self.min),
                max: u64::from(self.max),
            });
        }
        self.cells[position] = u32::from(value);
        Ok(())
    }

    /// Fills the unwritten cells.
    pub(super) fn fill(self) -> Result<FilledPool, TraceError> {
        let mut counts = vec![0usize; 1 << 16];
        let mut free = 0u64;
        for &cell in &self.cells {
            match cell {
                UNWRITTEN => free += 1,
                value => counts[value as usize] += 1,
            }
        }
        let missing: Vec<u16> =
            (self.min..=self.max).filter(|&value| counts[usize::from(value)] == 0).collect();
        let holes = missing.len() as u64;
        if holes > free {
            return Err(TraceError::HolesDoNotFit { pool: self.name, holes, free });
        }
        let mut fillers = missing.into_iter();
        let cells = self.cells.into_iter().map(|cell| {
            if cell != UNWRITTEN {
                return cell as u16;
            }
            let value = fillers.next().unwrap_or(self.max);
            counts[usize::from(value)] += 1;
            value
        });
        let cells = cells.collect();
        Ok(FilledPool { pool: self.pool, cells, counts })
    }
}

impl FilledPool {
    /// The values in ascending order.
    pub(super) fn sorted(&self) -> Vec<u16> {
        let mut sorted = Vec::with_capacity(self.cells.len());
        for (value, &count) in (0..=u16::MAX).zip(&self.counts) {
            sorted.resize(sorted.len() + count, value);
        }
        sorted
    }

    /// Writes pool and sorted column; `form` is the table of values' elements.
    pub(super) fn write(&self, columns: &mut Columns, sorted: VirtualColumn, form: &[Felt]) {
        columns.fill(self.pool, self.cells.len(), |position| form[usize::from(self.cells[position])]);
        let order = self.sorted();
        columns.fill(sorted, order.len(), |position| form[usize::from(order[position])]);
    }
}
