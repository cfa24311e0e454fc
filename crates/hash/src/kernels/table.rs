//! The cells of a table, row by row, and of eight consecutive rows as vectors.

use ashlar_field::{Felt, Group, lanes::WordLanes};

/// A table, by where the cells of a row lie.
#[derive(Clone, Copy)]
pub(crate) enum Rows<'a> {
    /// Cell c of row r is value r of column c.
    Columns(&'a [&'a [Group]]),
    /// Cell c of row r is value r·width + c; width is a power of two.
    Chunks { values: &'a [Group], width: usize },
}

/// The cells of rows 8b … 8b + 7: lane i of cell c belongs to row 8b + i.
#[derive(Clone, Copy)]
pub(crate) enum Block<'a> {
    /// Group b of every column.
    Columns { columns: &'a [&'a [Group]], block: usize },
    /// Groups made for the block.
    Gathered(&'a [Group]),
}

impl Block<'_> {
    /// Cell `column` of the eight rows.
    #[inline(always)]
    pub(crate) fn cell(&self, column: usize) -> &Group {
        match self {
            Block::Columns { columns, block } => &columns[column][*block],
            Block::Gathered(groups) => &groups[column],
        }
    }
}

impl<'a> Rows<'a> {
    /// The cells of a row.
    pub(crate) fn width(&self) -> usize {
        match self {
            Rows::Columns(columns) => columns.len(),
            Rows::Chunks { width, .. } => *width,
        }
    }

    /// The number of complete rows.
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Rows::Columns(columns) => {
                columns.iter().map(|column| 8 * column.len()).min().unwrap_or(usize::MAX)
            }
            Rows::Chunks { values, width } => 8 * values.len() / width,
        }
    }

    /// One cell.
    pub(crate) fn cell(&self, row: usize, column: usize) -> Felt {
        match self {
            Rows::Columns(columns) => columns[column][row / 8].get(row % 8),
            Rows::Chunks { values, width } => {
                let index = row * width + column;
                values[index / 8].get(index % 8)
            }
        }
    }

    /// The cells of block `block`, gathered in `scratch` if they do not lie so in memory.
    #[inline(always)]
    pub(crate) fn block<'s, L: WordLanes>(&self, l: L, block: usize, scratch: &'s mut Vec<Group>) -> Block<'s>
    where
        'a: 's,
    {
        match *self {
            Rows::Columns(columns) => Block::Columns { columns, block },
            Rows::Chunks { values, width } => {
                scratch.resize(width, Group::ZERO);
                gather(l, &values[block * width..(block + 1) * width], scratch);
                Block::Gathered(scratch)
            }
        }
    }
}

/// Eight rows of consecutive values, turned so that `cells[c]` holds value c of every row.
#[inline(always)]
fn gather<L: WordLanes>(l: L, values: &[Group], cells: &mut [Group]) {
    for limb in 0..4 {
        match values.len() {
            1 => cells[0].0[limb] = values[0].0[limb],
            2 => {
                let first_of_two = l.load(&[0, 2, 4, 6, 8, 10, 12, 14]);
                for (column, cell) in cells.iter_mut().enumerate() {
                    let every_second = l.add(first_of_two, l.splat(column as u64));
                    let vector =
                        l.permute_pair(l.load(&values[0].0[limb]), l.load(&values[1].0[limb]), every_second);
                    l.store(vector, &mut cell.0[limb]);
                }
            }
            4 => {
                let first_of_four = l.load(&[0, 4, 8, 12, 0, 4, 8, 12]);
                let halves = l.load(&[0, 1, 2, 3, 8, 9, 10, 11]);
                for (column, cell) in cells.iter_mut().enumerate() {
                    let every_fourth = l.add(first_of_four, l.splat(column as u64));
                    let low =
                        l.permute_pair(l.load(&values[0].0[limb]), l.load(&values[1].0[limb]), every_fourth);
                    let high =
                        l.permute_pair(l.load(&values[2].0[limb]), l.load(&values[3].0[limb]), every_fourth);
                    l.store(l.permute_pair(low, high, halves), &mut cell.0[limb]);
                }
            }
            width => {
                let groups_per_row = width / 8;
                for (offset, cells) in cells.chunks_exact_mut(8).enumerate() {
                    let mut rows = [l.zero(); 8];
                    for (row, lanes) in rows.iter_mut().enumerate() {
                        *lanes = l.load(&values[row * groups_per_row + offset].0[limb]);
                    }
                    for (cell, vector) in cells.iter_mut().zip(l.transpose(rows)) {
                        l.store(vector, &mut cell.0[limb]);
                    }
                }
            }
        }
    }
}
