//! Whole tables at once: leaf digests of rows and the levels of nodes above them, on all threads.

use ashlar_field::{Felt, Group, Kernels, MontgomeryBytes};
use rayon::prelude::*;

use crate::{CommitmentHash, Digest, HashError, commitment::Primitive, pedersen, poseidon};

/// The cells of a table, row by row.
#[derive(Clone, Copy)]
enum Rows<'a> {
    /// Cell c of row r is value r of column c.
    Columns(&'a [&'a [Group]]),
    /// Cell c of row r is value r·width + c.
    Chunks { values: &'a [Group], width: usize },
}

impl Rows<'_> {
    fn width(&self) -> usize {
        match self {
            Rows::Columns(columns) => columns.len(),
            Rows::Chunks { width, .. } => *width,
        }
    }

    /// The number of complete rows.
    fn capacity(&self) -> usize {
        match self {
            Rows::Columns(columns) => {
                columns.iter().map(|column| 8 * column.len()).min().unwrap_or(usize::MAX)
            }
            Rows::Chunks { values, width } => 8 * values.len() / width,
        }
    }

    fn cell(&self, row: usize, column: usize) -> Felt {
        match self {
            Rows::Columns(columns) => columns[column][row / 8].get(row % 8),
            Rows::Chunks { values, width } => {
                let index = row * width + column;
                values[index / 8].get(index % 8)
            }
        }
    }
}

impl CommitmentHash {
    /// The leaf digests of a table given by its columns: `out[r]` is the "with length" hash of row r.
    ///
    /// Row r is lane r mod 8 of group ⌊r/8⌋ of every column; its bytes are the cells in column order, each as
    /// [`MontgomeryBytes`]. Poseidon and Pedersen read these bytes as integers. The digests are the same on every
    /// family of kernels.
    ///
    /// # Panics
    /// If a column has fewer than `out.len()` values: sizes are computed by us, never taken from input.
    pub fn hash_rows(&self, columns: &[&[Group]], kernels: Kernels, out: &mut [Digest]) {
        self.hash_table(Rows::Columns(columns), kernels, out);
    }

    /// The leaf digests of a table whose row r is the `width` consecutive values from r·`width`, as in a FRI layer.
    ///
    /// # Panics
    /// If `width` is no power of two or there are fewer than `width`·`out.len()` values: sizes are computed by us,
    /// never taken from input.
    pub fn hash_chunked_rows(&self, values: &[Group], width: usize, kernels: Kernels, out: &mut [Digest]) {
        assert!(width.is_power_of_two(), "a FRI row has 2^step values");
        self.hash_table(Rows::Chunks { values, width }, kernels, out);
    }

    fn hash_table(&self, rows: Rows<'_>, _kernels: Kernels, out: &mut [Digest]) {
        assert!(rows.capacity() >= out.len(), "the table has a row for every digest");
        let chunk = self.rows_per_task(rows.width());
        out.par_chunks_mut(chunk).enumerate().for_each(|(index, out)| {
            self.hash_rows_scalar(rows, index * chunk, out);
        });
    }

    /// The parents of a level: `out[i]` is the node over `children[2i]` and `children[2i + 1]`.
    ///
    /// # Errors
    /// As [`CommitmentHash::hash_node`].
    ///
    /// # Panics
    /// If there are not twice as many children: sizes are computed by us, never taken from input.
    pub fn hash_nodes(
        &self,
        children: &[Digest],
        _kernels: Kernels,
        out: &mut [Digest],
    ) -> Result<(), HashError> {
        assert_eq!(children.len(), 2 * out.len(), "a node has two children");
        let chunk = self.rows_per_task(2);
        out.par_chunks_mut(chunk)
            .zip(children.par_chunks(2 * chunk))
            .try_for_each(|(out, children)| self.hash_nodes_scalar(children, out))
    }

    /// Rows of this many cells that make a task of 50 µs or more; a multiple of 16.
    fn rows_per_task(self, width: usize) -> usize {
        let (hashes, cells_per_hash) = match self.primitive() {
            Primitive::Keccak => (2048, 4),
            Primitive::Blake => (4096, 2),
            Primitive::Poseidon => (128, 2),
            Primitive::Pedersen => (64, 1),
        };
        (hashes / (1 + width / cells_per_hash)).next_multiple_of(16).max(16)
    }

    fn hash_rows_scalar(self, rows: Rows<'_>, first_row: usize, out: &mut [Digest]) {
        let mut message = Vec::with_capacity(32 * rows.width());
        for (row, out) in (first_row..).zip(out) {
            let cells = (0..rows.width()).map(|column| rows.cell(row, column));
            *out = match self.primitive() {
                Primitive::Keccak | Primitive::Blake => {
                    message.clear();
                    cells.for_each(|cell| message.extend(MontgomeryBytes::from(cell).0));
                    self.hash_byte_message(&message)
                }
                Primitive::Poseidon => {
                    let mut sponge = poseidon::Sponge::default();
                    cells.for_each(|cell| sponge.absorb(montgomery_integer(cell)));
                    sponge.finish().into()
                }
                Primitive::Pedersen => pedersen::hash_chain(cells.map(montgomery_integer)).into(),
            }
        }
    }

    fn hash_nodes_scalar(self, children: &[Digest], out: &mut [Digest]) -> Result<(), HashError> {
        for (out, pair) in out.iter_mut().zip(children.chunks_exact(2)) {
            *out = self.hash_node(&pair[0], &pair[1])?;
        }
        Ok(())
    }
}

/// The element that the Montgomery representation denotes when it is read as an integer: v·2²⁵⁶.
fn montgomery_integer(cell: Felt) -> Felt {
    Felt::from_limbs_reduced(cell.to_montgomery_limbs())
}
