//! Whole columns: which passes a transform takes, and on which threads.
//!
//! A transform of n = n₁·n₂ coefficients on c·⟨g⟩ runs its first layers on strided tiles of n₁ rows and its last on
//! contiguous rows of n₂ elements. Both are transforms of their own: every tile is one on the coset c^(n₂), and row
//! r is one on the coset c·g^bitrev(r) — so the twiddles of a row are scaled from one small table, once for all
//! columns, and an offset costs nothing. Rows that do not fit a tile are split again.

use ashlar_field::{Column, Felt, Group, Kernels, LateFelt};
use rayon::prelude::*;

use crate::{
    reversal::bit_reverse,
    roots::{Direction, MAX_TILE_LOG, reversed_powers},
    scalar,
    strided::{Tile, tiles},
    vector,
};

/// Below this size (log₂) there is nothing for vectors to do.
const MIN_VECTOR_LOG: u32 = 6;

/// The layers within one tile, in one of the two ways.
trait Engine: Copy + Send + Sync {
    type Twiddles: Default + Send + Sync;
    type Scratch: Default + Send;

    /// The twiddles of a strided tile of 2^log rows.
    fn tile_twiddles(self, log: u32, coset: Felt, direction: Direction) -> Self::Twiddles;
    /// The twiddles of a contiguous row of 2^log elements.
    fn row_twiddles(self, log: u32, coset: Felt, direction: Direction, twiddles: &mut Self::Twiddles);
    fn forward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        source: Option<&[Group]>,
        twiddles: &Self::Twiddles,
        scratch: &mut Self::Scratch,
        streams: bool,
    );
    fn forward_row(
        self,
        groups: &mut [Group],
        log: u32,
        twiddles: &Self::Twiddles,
        scratch: &mut Self::Scratch,
    );
    fn backward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        twiddles: &Self::Twiddles,
        divide: Option<u32>,
        scratch: &mut Self::Scratch,
    );
    fn backward_row(
        self,
        groups: &mut [Group],
        log: u32,
        twiddles: &Self::Twiddles,
        divide: Option<u32>,
        scratch: &mut Self::Scratch,
    );
}

#[derive(Clone, Copy)]
struct ScalarEngine;

/// 1/2^log.
fn inverse_power_of_two(log: u32) -> Felt {
    // (p + 1)/2 = 2²⁵⁰ + 8·2¹⁹² + 2¹⁹¹ + 1.
    const HALF: Felt = match Felt::from_standard_limbs([1, 0, 1 << 63, (1 << 58) + 8]) {
        Some(half) => half,
        None => Felt::ZERO,
    };
    HALF.pow(u64::from(log))
}

impl Engine for ScalarEngine {
    type Twiddles = scalar::Twiddles;
    type Scratch = Vec<LateFelt>;

    fn tile_twiddles(self, log: u32, coset: Felt, direction: Direction) -> scalar::Twiddles {
        let mut twiddles = scalar::Twiddles::default();
        twiddles.prepare(log, coset, direction);
        twiddles
    }

    fn row_twiddles(self, log: u32, coset: Felt, direction: Direction, twiddles: &mut scalar::Twiddles) {
        twiddles.prepare(log, coset, direction);
    }

    fn forward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        source: Option<&[Group]>,
        twiddles: &scalar::Twiddles,
        scratch: &mut Vec<LateFelt>,
        _streams: bool,
    ) {
        scalar::forward_tile(tile, rows, source, twiddles, scratch);
    }

    fn forward_row(
        self,
        groups: &mut [Group],
        log: u32,
        twiddles: &scalar::Twiddles,
        scratch: &mut Vec<LateFelt>,
    ) {
        scalar::forward_row(groups, 1 << log, twiddles, scratch);
    }

    fn backward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        twiddles: &scalar::Twiddles,
        divide: Option<u32>,
        scratch: &mut Vec<LateFelt>,
    ) {
        scalar::backward_tile(tile, rows, twiddles, divide.map(inverse_power_of_two), scratch);
    }

    fn backward_row(
        self,
        groups: &mut [Group],
        log: u32,
        twiddles: &scalar::Twiddles,
        divide: Option<u32>,
        scratch: &mut Vec<LateFelt>,
    ) {
        scalar::backward_row(groups, 1 << log, twiddles, divide.map(inverse_power_of_two), scratch);
    }
}

#[derive(Clone, Copy)]
struct VectorEngine(Kernels);

impl Engine for VectorEngine {
    type Twiddles = vector::Twiddles;
    type Scratch = Vec<ashlar_field::packed::LazyGroup>;

    fn tile_twiddles(self, log: u32, coset: Felt, direction: Direction) -> vector::Twiddles {
        let mut twiddles = vector::Twiddles::default();
        twiddles.prepare(log, false, coset, direction, self.0);
        twiddles
    }

    fn row_twiddles(self, log: u32, coset: Felt, direction: Direction, twiddles: &mut vector::Twiddles) {
        twiddles.prepare(log, true, coset, direction, self.0);
    }

    fn forward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        source: Option<&[Group]>,
        twiddles: &vector::Twiddles,
        scratch: &mut Self::Scratch,
        streams: bool,
    ) {
        vector::forward_tile(self.0, tile, rows, source, twiddles, scratch, streams);
    }

    fn forward_row(
        self,
        groups: &mut [Group],
        _log: u32,
        twiddles: &vector::Twiddles,
        scratch: &mut Self::Scratch,
    ) {
        vector::forward_row(self.0, groups, twiddles, scratch);
    }

    fn backward_tile(
        self,
        tile: &mut Tile<'_>,
        rows: usize,
        twiddles: &vector::Twiddles,
        divide: Option<u32>,
        scratch: &mut Self::Scratch,
    ) {
        vector::backward_tile(self.0, tile, rows, twiddles, divide, scratch);
    }

    fn backward_row(
        self,
        groups: &mut [Group],
        _log: u32,
        twiddles: &vector::Twiddles,
        divide: Option<u32>,
        scratch: &mut Self::Scratch,
    ) {
        vector::backward_row(self.0, groups, twiddles, divide, scratch);
    }
}

/// How many layers of a transform of 2^log elements go to strided tiles first; `None` if it fits one tile.
fn first_pass(log: u32) -> Option<u32> {
    // Tiles of at most 2¹¹ vectors of 320 bytes stay in the second-level cache.
    const MAX_TWO_PASSES: u32 = 22;
    match log {
        0..=MAX_TILE_LOG => None,
        _ if log <= MAX_TWO_PASSES => Some(log / 2),
        _ => Some(log / 3),
    }
}

/// Results of so many groups are written past the caches when they do not replace what was read: 16 MiB, more than
/// the caches of one core and its share of a third level hold until the next pass reads them.
const MIN_STREAMED: usize = (16 << 20) / size_of::<Group>();

/// The rows of several columns: row r of every column, for each r.
fn split_rows<'a>(columns: &'a mut [&mut [Group]], rows: usize) -> Vec<Vec<&'a mut [Group]>> {
    let mut split: Vec<Vec<&mut [Group]>> = (0..rows).map(|_| Vec::with_capacity(columns.len())).collect();
    for column in columns {
        let length = column.len() / rows;
        for (row, chunk) in split.iter_mut().zip(column.chunks_exact_mut(length)) {
            row.push(chunk);
        }
    }
    split
}

fn forward<E: Engine>(
    engine: E,
    columns: &mut [&mut [Group]],
    sources: Option<&[&[Group]]>,
    log: u32,
    coset: Felt,
) {
    let Some(first) = first_pass(log) else {
        let mut twiddles = E::Twiddles::default();
        engine.row_twiddles(log, coset, Direction::Forward, &mut twiddles);
        columns.par_iter_mut().enumerate().for_each_init(E::Scratch::default, |scratch, (i, column)| {
            if let Some(sources) = sources {
                column.copy_from_slice(sources[i]);
            }
            engine.forward_row(column, log, &twiddles, scratch);
        });
        return;
    };
    let second = log - first;
    let rows = 1usize << first;
    let twiddles = engine.tile_twiddles(first, coset.pow_power_of_two(second), Direction::Forward);
    let streams =
        sources.is_some() && columns.iter().map(|column| column.len()).sum::<usize>() >= MIN_STREAMED;
    columns.par_iter_mut().enumerate().for_each(|(i, column)| {
        let source = sources.map(|sources| sources[i]);
        tiles(column, rows).for_each_init(E::Scratch::default, |scratch, mut tile| {
            engine.forward_tile(&mut tile, rows, source, &twiddles, scratch, streams);
        });
    });
    let cosets = reversed_powers(log, first, Direction::Forward);
    split_rows(columns, rows).into_par_iter().zip(cosets).for_each_init(
        || (E::Twiddles::default(), E::Scratch::default()),
        |(twiddles, scratch), (mut chunks, power)| {
            if first_pass(second).is_some() {
                return forward(engine, &mut chunks, None, second, coset * power);
            }
            engine.row_twiddles(second, coset * power, Direction::Forward, twiddles);
            for chunk in chunks {
                engine.forward_row(chunk, second, twiddles, scratch);
            }
        },
    );
}

/// `coset` is the inverse of the offset.
fn backward<E: Engine>(engine: E, columns: &mut [&mut [Group]], log: u32, coset: Felt, divide: Option<u32>) {
    let Some(first) = first_pass(log) else {
        let mut twiddles = E::Twiddles::default();
        engine.row_twiddles(log, coset, Direction::Backward, &mut twiddles);
        columns.par_iter_mut().for_each_init(E::Scratch::default, |scratch, column| {
            engine.backward_row(column, log, &twiddles, divide, scratch);
        });
        return;
    };
    let second = log - first;
    let rows = 1usize << first;
    let cosets = reversed_powers(log, first, Direction::Backward);
    split_rows(columns, rows).into_par_iter().zip(cosets).for_each_init(
        || (E::Twiddles::default(), E::Scratch::default()),
        |(twiddles, scratch), (mut chunks, power)| {
            if first_pass(second).is_some() {
                return backward(engine, &mut chunks, second, coset * power, None);
            }
            engine.row_twiddles(second, coset * power, Direction::Backward, twiddles);
            for chunk in chunks {
                engine.backward_row(chunk, second, twiddles, None, scratch);
            }
        },
    );
    let twiddles = engine.tile_twiddles(first, coset.pow_power_of_two(second), Direction::Backward);
    columns.par_iter_mut().for_each(|column| {
        tiles(column, rows).for_each_init(E::Scratch::default, |scratch, mut tile| {
            engine.backward_tile(&mut tile, rows, &twiddles, divide, scratch);
        });
    });
}

/// The log₂ of a length.
///
/// # Panics
/// If the length is not a power of two: lengths are chosen by us, never taken from input.
fn log_of(length: usize) -> u32 {
    assert!(length.is_power_of_two(), "a transform has a power of two of elements, got {length}");
    length.trailing_zeros()
}

/// The length that all columns have, if there are any.
fn common_length<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Option<usize> {
    let mut columns = columns.into_iter().map(Column::len);
    let length = columns.next()?;
    assert!(columns.all(|other| other == length), "the columns of one transform are equally long");
    Some(length)
}

/// Replaces values on ⟨g⟩ in natural order (row j ↔ gʲ) by coefficients in natural order, column by column.
///
/// # Panics
/// If the columns differ in length or the length is not a power of two.
pub fn interpolate(columns: &mut [Column], kernels: Kernels) {
    columns.par_iter_mut().for_each(|column| bit_reverse(column, kernels));
    interpolate_coset(columns, Felt::ONE, kernels);
}

/// Replaces values on offset·⟨g⟩ in bit-reversed order (row ρ ↔ offset·g^bitrev(ρ)) by coefficients in natural
/// order, column by column.
///
/// # Panics
/// If the columns differ in length, the length is not a power of two, or the offset is zero.
pub fn interpolate_coset(columns: &mut [Column], offset: Felt, kernels: Kernels) {
    let Some(length) = common_length(columns.iter()) else { return };
    let mut groups: Vec<&mut [Group]> = columns.iter_mut().map(Column::groups_mut).collect();
    interpolate_coset_groups(&mut groups, length, offset, kernels);
}

/// [`interpolate_coset`] for sequences of `length` elements each.
///
/// # Panics
/// If the length is not a power of two or does not fill the groups, or the offset is zero.
pub fn interpolate_coset_groups(columns: &mut [&mut [Group]], length: usize, offset: Felt, kernels: Kernels) {
    let log = log_of(length);
    assert!(columns.iter().all(|column| column.len() == length.div_ceil(8)));
    assert!(!offset.is_zero(), "a coset has a non-zero offset");
    let coset = offset.inverse().unwrap_or(Felt::ONE);
    let divide = (log > 0).then_some(log);
    if !kernels.has_field_vectors() || log < MIN_VECTOR_LOG {
        backward(ScalarEngine, columns, log, coset, divide);
    } else {
        backward(VectorEngine(kernels), columns, log, coset, divide);
    }
}

/// The values of polynomials on offset·⟨g⟩ in bit-reversed order: row ρ of `out` is the value at
/// offset·g^bitrev(ρ). Coefficients are in natural order, as many as values.
///
/// # Panics
/// If the numbers of columns or their lengths differ, or the length is not a power of two.
pub fn evaluate_coset(coefficients: &[Column], offset: Felt, out: &mut [Column], kernels: Kernels) {
    let Some(length) = common_length(coefficients.iter().chain(out.iter())) else { return };
    let sources: Vec<&[Group]> = coefficients.iter().map(Column::groups).collect();
    let mut groups: Vec<&mut [Group]> = out.iter_mut().map(Column::groups_mut).collect();
    evaluate_coset_groups(&sources, length, offset, &mut groups, kernels);
}

/// Replaces coefficients in natural order by values on offset·⟨g⟩ in bit-reversed order, column by column: what
/// [`interpolate_coset`] undoes.
///
/// # Panics
/// If the columns differ in length, or the length is not a power of two.
pub fn evaluate_coset_in_place(columns: &mut [Column], offset: Felt, kernels: Kernels) {
    let Some(length) = common_length(columns.iter()) else { return };
    let mut groups: Vec<&mut [Group]> = columns.iter_mut().map(Column::groups_mut).collect();
    evaluate(&mut groups, None, length, offset, kernels);
}

/// [`evaluate_coset`] for sequences of `length` elements each, such as the part of a low-degree extension that
/// belongs to one coset: table rows i·N … (i + 1)·N − 1 are the trace coset with offset 3·G^bitrev(i).
///
/// # Panics
/// If the numbers of sequences differ, the length is not a power of two or it does not fill the groups.
pub fn evaluate_coset_groups(
    coefficients: &[&[Group]],
    length: usize,
    offset: Felt,
    out: &mut [&mut [Group]],
    kernels: Kernels,
) {
    assert_eq!(coefficients.len(), out.len(), "each column of coefficients has one of values");
    let groups = length.div_ceil(8);
    assert!(coefficients.iter().all(|column| column.len() == groups));
    assert!(out.iter().all(|column| column.len() == groups));
    evaluate(out, Some(coefficients), length, offset, kernels);
}

/// From other sequences, or from what stands in `out`.
fn evaluate(
    out: &mut [&mut [Group]],
    coefficients: Option<&[&[Group]]>,
    length: usize,
    offset: Felt,
    kernels: Kernels,
) {
    let log = log_of(length);
    if !kernels.has_field_vectors() || log < MIN_VECTOR_LOG {
        forward(ScalarEngine, out, coefficients, log, offset);
    } else {
        forward(VectorEngine(kernels), out, coefficients, log, offset);
    }
}
