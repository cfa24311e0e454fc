//! Strided tiles of a column: the groups c, c + s, c + 2s, … of a column read as a matrix with s groups a row.
//!
//! Tiles with different c share no group, so threads may change them at the same time; slices cannot express
//! that, hence the pointers here. All unsafe code of this crate is in this module.
#![allow(unsafe_code)]

use std::marker::PhantomData;

use ashlar_field::Group;
use rayon::prelude::*;

/// One column of a matrix of groups, borrowed for changing.
pub(crate) struct Tile<'a> {
    first: *mut Group,
    stride: usize,
    rows: usize,
    index: usize,
    column: PhantomData<&'a mut [Group]>,
}

// SAFETY: a tile is an exclusive borrow of its groups (see `Matrix::tile`), and `&mut Group` is `Send`.
unsafe impl Send for Tile<'_> {}

impl Tile<'_> {
    /// Which column of the matrix this is.
    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// The group in a row.
    #[inline(always)]
    pub(crate) fn get(&self, row: usize) -> &Group {
        assert!(row < self.rows);
        // SAFETY: `first + row·stride` is inside the matrix for row < rows, and only this tile refers to it.
        unsafe { &*self.first.add(row * self.stride) }
    }

    /// The group in a row, to be changed.
    #[inline(always)]
    pub(crate) fn get_mut(&mut self, row: usize) -> &mut Group {
        assert!(row < self.rows);
        // SAFETY: as in `get`; `&mut self` makes the borrow exclusive.
        unsafe { &mut *self.first.add(row * self.stride) }
    }

    /// The address of a group, for prefetching; it may lie outside the matrix.
    #[inline(always)]
    pub(crate) fn address(&self, row: usize) -> *const Group {
        self.first.wrapping_add(row * self.stride)
    }
}

/// A matrix of groups, borrowed for changing column by column.
struct Matrix<'a> {
    first: *mut Group,
    rows: usize,
    columns: usize,
    groups: PhantomData<&'a mut [Group]>,
}

// SAFETY: sharing a matrix between threads only hands out addresses; `tile` asks its caller for exclusiveness.
unsafe impl Sync for Matrix<'_> {}
// SAFETY: a matrix is an exclusive borrow of a slice of `Group`, which is `Send`.
unsafe impl Send for Matrix<'_> {}

impl<'a> Matrix<'a> {
    fn new(groups: &'a mut [Group], rows: usize) -> Matrix<'a> {
        assert!(rows > 0 && groups.len().is_multiple_of(rows));
        let columns = groups.len() / rows;
        Matrix { first: groups.as_mut_ptr(), rows, columns, groups: PhantomData }
    }

    /// # Safety
    /// No two living tiles of one matrix may have the same index.
    unsafe fn tile(&self, index: usize) -> Tile<'a> {
        assert!(index < self.columns);
        // SAFETY: `index` is below the number of groups.
        let first = unsafe { self.first.add(index) };
        Tile { first, stride: self.columns, rows: self.rows, index, column: PhantomData }
    }
}

/// All tiles of a column read as a matrix with this many rows, for as many threads as there are.
pub(crate) fn tiles(groups: &mut [Group], rows: usize) -> impl IndexedParallelIterator<Item = Tile<'_>> {
    let matrix = Matrix::new(groups, rows);
    (0..matrix.columns).into_par_iter().map(move |index| {
        // SAFETY: the range yields every index once.
        unsafe { matrix.tile(index) }
    })
}

/// Pairs of tiles whose indices are bit reversals of each other (`None` where an index is its own reversal).
pub(crate) fn reversed_pairs(
    groups: &mut [Group],
    rows: usize,
) -> impl ParallelIterator<Item = (Tile<'_>, Option<Tile<'_>>)> {
    let matrix = Matrix::new(groups, rows);
    assert!(matrix.columns.is_power_of_two());
    let bits = matrix.columns.trailing_zeros();
    // Sixty-four at a time whose indices differ in the three highest and the three lowest bits: they and their partners
    // are eight runs of eight neighbours each, which the processor fetches ahead.
    let ends = bits.min(6) / 2;
    let middle = bits - 2 * ends;
    let index_of = move |count: usize| {
        let (low, rest) = (count & ((1 << ends) - 1), count >> ends);
        let (high, middle_bits) = (rest & ((1 << ends) - 1), rest >> ends);
        high << (ends + middle) | middle_bits << ends | low
    };
    (0..matrix.columns).into_par_iter().with_min_len(64).filter_map(move |count| {
        let index = index_of(count);
        let partner = crate::reversal::bit_reversed(index, bits);
        // SAFETY: `index_of` moves the bits of a count to other places and so gives every index once. Bit reversal is an
        // involution on indices below a power of two, and each pair is taken once, at its smaller index.
        unsafe {
            match index.cmp(&partner) {
                std::cmp::Ordering::Less => Some((matrix.tile(index), Some(matrix.tile(partner)))),
                std::cmp::Ordering::Equal => Some((matrix.tile(index), None)),
                std::cmp::Ordering::Greater => None,
            }
        }
    })
}
