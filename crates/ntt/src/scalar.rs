//! The layers of one tile, element by element: the reference, and the way of machines without wide vectors.
//!
//! Values are reduced late. Going forward, a layer x ± w·y adds at most p to a value, so the layers of a tile keep
//! every value below 13·p. Going backward the sums double: they are reduced where they would pass 16·p.

use ashlar_field::{Felt, Group, LateFelt};

use crate::{
    roots::{Direction, MAX_TILE_LOG, layer_scales, twiddle_roots},
    strided::Tile,
};

/// The twiddles of all layers of one tile; block i of layer j is at index 2^j + i.
#[derive(Default)]
pub(crate) struct Twiddles(Vec<Felt>);

impl Twiddles {
    /// Fills in the twiddles of a transform of 2^log coefficients on a coset. Going backward, `coset` is the
    /// inverse of the offset.
    pub(crate) fn prepare(&mut self, log: u32, coset: Felt, direction: Direction) {
        let roots = twiddle_roots(direction);
        self.0.clear();
        self.0.push(Felt::ONE);
        for (layer, scale) in layer_scales(coset, log).into_iter().enumerate() {
            self.0.extend(roots[..1 << layer].iter().map(|&root| root * scale));
        }
    }

    fn get(&self, layer: u32, block: usize) -> Felt {
        self.0[(1 << layer) + block]
    }
}

/// Runs all layers forward over rows of `width` elements each.
fn forward_layers(values: &mut [LateFelt], width: usize, twiddles: &Twiddles) {
    let log = (values.len() / width).trailing_zeros();
    debug_assert!(log <= MAX_TILE_LOG);
    for layer in 0..log {
        for (block, pair) in values.chunks_exact_mut(values_in_block(width, log, layer)).enumerate() {
            let twiddle = twiddles.get(layer, block);
            let (upper, lower) = pair.split_at_mut(pair.len() / 2);
            for (x, y) in upper.iter_mut().zip(lower) {
                let product = y.multiply(twiddle);
                (*x, *y) = (x.plus(product), x.minus(product, 1));
            }
        }
    }
}

/// Runs all layers backward over rows of `width` elements each; the result is too large by the number of rows.
fn backward_layers(values: &mut [LateFelt], width: usize, twiddles: &Twiddles) {
    let log = (values.len() / width).trailing_zeros();
    // Every value is at most bound·p.
    let mut bound = 1;
    for layer in (0..log).rev() {
        let reduce = bound == 8;
        for (block, pair) in values.chunks_exact_mut(values_in_block(width, log, layer)).enumerate() {
            let twiddle = twiddles.get(layer, block);
            let (upper, lower) = pair.split_at_mut(pair.len() / 2);
            for (x, y) in upper.iter_mut().zip(lower) {
                let (sum, difference) = (x.plus(*y), x.minus(*y, bound));
                *x = if reduce { sum.reduce().into() } else { sum };
                *y = difference.multiply(twiddle).into();
            }
        }
        bound = if reduce { 1 } else { 2 * bound };
    }
}

fn values_in_block(width: usize, log: u32, layer: u32) -> usize {
    width << (log - layer)
}

/// The first layers of a large transform: rows of `tile`, which are read from `source` if there is one.
pub(crate) fn forward_tile(
    tile: &mut Tile<'_>,
    rows: usize,
    source: Option<&[Group]>,
    twiddles: &Twiddles,
    scratch: &mut Vec<LateFelt>,
) {
    let stride = source.map_or(0, |source| source.len() / rows);
    scratch.clear();
    for row in 0..rows {
        let group = source.map_or_else(|| tile.get(row), |source| &source[row * stride + tile.index()]);
        scratch.extend((0..8).map(|lane| LateFelt::from(group.get(lane))));
    }
    forward_layers(scratch, 8, twiddles);
    write_rows(tile, rows, scratch, None);
}

/// The last layers of a large inverse transform, and the multiplication by `scale`, if there is one.
pub(crate) fn backward_tile(
    tile: &mut Tile<'_>,
    rows: usize,
    twiddles: &Twiddles,
    scale: Option<Felt>,
    scratch: &mut Vec<LateFelt>,
) {
    scratch.clear();
    for row in 0..rows {
        scratch.extend((0..8).map(|lane| LateFelt::from(tile.get(row).get(lane))));
    }
    backward_layers(scratch, 8, twiddles);
    write_rows(tile, rows, scratch, scale);
}

fn write_rows(tile: &mut Tile<'_>, rows: usize, values: &[LateFelt], scale: Option<Felt>) {
    for (row, values) in (0..rows).zip(values.as_chunks::<8>().0) {
        let group = tile.get_mut(row);
        for lane in 0..8 {
            group.set(lane, finish(values[lane], scale));
        }
    }
}

#[inline(always)]
fn finish(value: LateFelt, scale: Option<Felt>) -> Felt {
    match scale {
        Some(scale) => value.multiply(scale),
        None => value.reduce(),
    }
}

/// A whole transform of `length` elements inside one tile; `length` may be below eight.
pub(crate) fn forward_row(
    groups: &mut [Group],
    length: usize,
    twiddles: &Twiddles,
    scratch: &mut Vec<LateFelt>,
) {
    read_elements(groups, length, scratch);
    forward_layers(scratch, 1, twiddles);
    write_elements(groups, scratch, None);
}

/// A whole inverse transform of `length` elements inside one tile, and the multiplication by `scale`, if there is one.
pub(crate) fn backward_row(
    groups: &mut [Group],
    length: usize,
    twiddles: &Twiddles,
    scale: Option<Felt>,
    scratch: &mut Vec<LateFelt>,
) {
    read_elements(groups, length, scratch);
    backward_layers(scratch, 1, twiddles);
    write_elements(groups, scratch, scale);
}

fn read_elements(groups: &[Group], length: usize, values: &mut Vec<LateFelt>) {
    values.clear();
    values.extend((0..length).map(|i| LateFelt::from(groups[i / 8].get(i % 8))));
}

fn write_elements(groups: &mut [Group], values: &[LateFelt], scale: Option<Felt>) {
    for (i, &value) in values.iter().enumerate() {
        groups[i / 8].set(i % 8, finish(value, scale));
    }
}
