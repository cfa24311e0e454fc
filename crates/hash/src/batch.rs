//! Whole tables at once: leaf digests of rows and the levels of nodes above them, on all threads.

use ashlar_field::{
    Felt, Group, Kernels, MontgomeryBytes,
    lanes::{LaneTask, Lanes, WordLanes, WordTask, dispatch, dispatch_words},
};
use rayon::prelude::*;

use crate::{
    CommitmentHash, Digest, HashError,
    commitment::Primitive,
    kernels::{self, blake2s, keccak, table::Rows},
    pedersen, poseidon,
};

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
        kernels: Kernels,
        out: &mut [Digest],
    ) -> Result<(), HashError> {
        assert_eq!(children.len(), 2 * out.len(), "a node has two children");
        let length = self.rows_per_task(2);
        let task = |children: &[Digest], out: &mut [Digest]| {
            let task = NodesTask { hash: *self, children, out: &mut *out };
            let done = run(*self, kernels, task);
            for (out, pair) in out.iter_mut().zip(children.chunks_exact(2)).skip(done) {
                *out = self.hash_node_on(&pair[0], &pair[1], kernels)?;
            }
            Ok(())
        };
        // A single task is done at once: waking another thread may cost more.
        if out.len() <= length {
            return task(children, out);
        }
        out.par_chunks_mut(length)
            .zip(children.par_chunks(2 * length))
            .try_for_each(|(out, children)| task(children, out))
    }

    fn hash_table(self, rows: Rows<'_>, kernels: Kernels, out: &mut [Digest]) {
        assert!(rows.capacity() >= out.len(), "the table has a row for every digest");
        let length = self.rows_per_task(rows.width());
        let task = |first: usize, out: &mut [Digest]| {
            let done = run(self, kernels, RowsTask { hash: self, rows, first, out: &mut *out });
            self.hash_rows_singly(rows, first + done, kernels, &mut out[done..]);
        };
        // A single task is done at once: waking another thread may cost more.
        if out.len() <= length {
            return task(0, out);
        }
        out.par_chunks_mut(length).enumerate().for_each(|(index, out)| task(index * length, out));
    }

    /// Rows of this many cells that make a task of 50 µs or more on the fastest kernels; a multiple of 64.
    fn rows_per_task(self, width: usize) -> usize {
        let (hashes, cells_per_hash) = match self.primitive() {
            Primitive::Keccak => (2048, 4),
            Primitive::Blake => (4096, 2),
            Primitive::Poseidon => (128, 2),
            Primitive::Pedersen => (64, 1),
        };
        (hashes / (1 + width / cells_per_hash)).next_multiple_of(64).max(64)
    }

    fn hash_rows_singly(self, rows: Rows<'_>, first: usize, kernels: Kernels, out: &mut [Digest]) {
        let mut message = Vec::with_capacity(32 * rows.width());
        for (row, out) in (first..).zip(out) {
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
                Primitive::Pedersen => pedersen::hash_chain(cells.map(montgomery_integer), kernels).into(),
            }
        }
    }
}

/// The element that the Montgomery representation denotes when it is read as an integer: v·2²⁵⁶.
fn montgomery_integer(cell: Felt) -> Felt {
    Felt::from_limbs_reduced(cell.to_montgomery_limbs())
}

/// A task of either kind; the number of digests that it makes, which may be none.
trait HashTask: LaneTask<Output = usize> + WordTask<Output = usize> {}

impl<T: LaneTask<Output = usize> + WordTask<Output = usize>> HashTask for T {}

/// Runs a task on the vectors that a hash function needs; the number of digests made.
fn run(hash: CommitmentHash, kernels: Kernels, task: impl HashTask) -> usize {
    match hash.primitive() {
        Primitive::Keccak | Primitive::Blake => dispatch_words(kernels, task).unwrap_or(0),
        Primitive::Poseidon | Primitive::Pedersen => dispatch(kernels, task).unwrap_or(0),
    }
}

/// The leaf digests of the rows from `first`, a multiple of 64: as many as fill whole vectors.
struct RowsTask<'a> {
    hash: CommitmentHash,
    rows: Rows<'a>,
    first: usize,
    out: &'a mut [Digest],
}

impl WordTask for RowsTask<'_> {
    /// The number of digests that were made: none with a function of the field.
    type Output = usize;

    #[inline(always)]
    fn run<L: WordLanes>(self, l: L) -> usize {
        let RowsTask { hash, rows, first, out } = self;
        let mask = hash.kept_words();
        match hash.primitive() {
            Primitive::Keccak => {
                let blocks = out.as_chunks_mut().0;
                keccak::hash_rows(l, rows, first / 8, mask, blocks);
                8 * blocks.len()
            }
            Primitive::Blake => {
                let pairs = out.as_chunks_mut().0;
                blake2s::hash_rows(l, rows, first / 16, mask, pairs);
                16 * pairs.len()
            }
            Primitive::Poseidon | Primitive::Pedersen => 0,
        }
    }
}

impl LaneTask for RowsTask<'_> {
    /// The number of digests that were made: none with a function of words.
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> usize {
        let RowsTask { hash, rows, first, out } = self;
        let blocks = out.as_chunks_mut().0;
        match hash.primitive() {
            Primitive::Keccak | Primitive::Blake => return 0,
            Primitive::Poseidon => kernels::poseidon::hash_rows(l, rows, first / 8, blocks),
            Primitive::Pedersen => kernels::pedersen::hash_rows(l, rows, first / 8, blocks),
        }
        8 * blocks.len()
    }
}

/// The nodes over some children: as many as fill whole vectors.
struct NodesTask<'a> {
    hash: CommitmentHash,
    children: &'a [Digest],
    out: &'a mut [Digest],
}

impl WordTask for NodesTask<'_> {
    /// The number of nodes that were made: none with a function of the field.
    type Output = usize;

    #[inline(always)]
    fn run<L: WordLanes>(self, l: L) -> usize {
        let NodesTask { hash, children, out } = self;
        let mask = hash.kept_words();
        match hash.primitive() {
            Primitive::Keccak => {
                let blocks = out.as_chunks_mut().0;
                keccak::hash_nodes(l, children.as_chunks().0, mask, blocks);
                8 * blocks.len()
            }
            Primitive::Blake => {
                let blocks = out.as_chunks_mut().0;
                blake2s::hash_nodes(l, children.as_chunks().0, mask, blocks);
                16 * blocks.len()
            }
            Primitive::Poseidon | Primitive::Pedersen => 0,
        }
    }
}

impl LaneTask for NodesTask<'_> {
    /// The number of nodes that were made: none with a function of words.
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> usize {
        let NodesTask { hash, children, out } = self;
        // The caller names the word that is too large.
        if !children.iter().all(Digest::is_below_prime) {
            return 0;
        }
        let blocks = out.as_chunks_mut().0;
        match hash.primitive() {
            Primitive::Keccak | Primitive::Blake => return 0,
            Primitive::Poseidon => kernels::poseidon::hash_nodes(l, children.as_chunks().0, blocks),
            Primitive::Pedersen => kernels::pedersen::hash_nodes(l, children.as_chunks().0, blocks),
        }
        8 * blocks.len()
    }
}
