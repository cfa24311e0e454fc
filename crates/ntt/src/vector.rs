//! The layers of one tile, eight elements at a time.
//!
//! Values stay in un-carried limbs and are not reduced inside a pass. Going forward, 16p is added on loading and a
//! layer x ± w·y moves a value by less than 1.2p, so twelve layers keep every value in (0, 64p). Going backward
//! the sums double: a bound M with values in (−p, M·p) is carried from layer to layer, and a layer that would pass
//! 64p folds its sums. A limb of a product is below 2⁵⁶ and doubles at most six times until then.
//!
//! Layers at a distance of at least eight elements multiply whole vectors by one twiddle; the last three run
//! between two 8×8 transposes, with a twiddle for each lane.

use std::sync::OnceLock;

use ashlar_field::{
    Felt, Group, Kernels,
    lanes::{LaneTask, Lanes, Portable, dispatch},
    packed::{Lazy, LazyGroup, Low52, Low52Group, Multiplier, Stored},
};

use crate::{
    roots::{Direction, MAX_TILE_LOG, layer_scales, twiddle_roots},
    strided::Tile,
};

/// Runs a task on the given family; on the portable instance if the family has none.
fn enter<T: LaneTask>(kernels: Kernels, task: T) -> T::Output {
    dispatch(kernels, task).unwrap_or_else(|task| task.run(Portable))
}

/// The roots ω(i) of both kinds of layers, as factors.
struct Roots {
    /// ω(8i) … ω(8i + 7).
    broadcast: Vec<Low52Group>,
    /// For 64 elements at a time, lane ↔ block b: ω(b); ω(2b), ω(2b+1); ω(4b) … ω(4b+3).
    tail: Vec<Low52Group>,
}

fn roots(direction: Direction) -> &'static Roots {
    static TABLES: [OnceLock<Roots>; 2] = [OnceLock::new(), OnceLock::new()];
    TABLES[direction as usize].get_or_init(|| {
        let roots = twiddle_roots(direction);
        let eight =
            |f: &dyn Fn(usize) -> usize| Low52Group::multipliers(&std::array::from_fn(|lane| roots[f(lane)]));
        let broadcast = (0..roots.len() / 8).map(|i| eight(&|lane| 8 * i + lane)).collect();
        let tail = (0..(1usize << MAX_TILE_LOG) / 64)
            .flat_map(|g| {
                [(1, 0), (2, 0), (2, 1), (4, 0), (4, 1), (4, 2), (4, 3)]
                    .map(|(factor, part)| eight(&move |lane| factor * (8 * g + lane) + part))
            })
            .collect();
        Roots { broadcast, tail }
    })
}

/// The twiddles of one tile on one coset.
#[derive(Default)]
pub(crate) struct Twiddles {
    /// Block i of layer j is lane i mod 8 of group `layer_start(j) + i/8`.
    broadcast: Vec<Low52Group>,
    /// Seven groups for every 64 elements, as in [`Roots`].
    tail: Vec<Low52Group>,
}

/// Layers of fewer than eight blocks have a group of their own.
#[inline(always)]
fn layer_start(layer: u32) -> usize {
    if layer <= 3 { layer as usize } else { (1 << (layer - 3)) + 2 }
}

impl Twiddles {
    /// Fills in the twiddles of a transform of 2^log vectors (a strided tile: no tail) or elements (a row).
    /// Going backward, `coset` is the inverse of the offset.
    pub(crate) fn prepare(
        &mut self,
        log: u32,
        with_tail: bool,
        coset: Felt,
        direction: Direction,
        kernels: Kernels,
    ) {
        let scales: Vec<Multiplier> = layer_scales(coset, log).into_iter().map(Multiplier::new).collect();
        let (layers, tails) = if with_tail { (log - 3, (1 << log) / 64) } else { (log, 0) };
        self.broadcast.resize(layer_start(layers), Low52Group::ZERO);
        self.tail.resize(7 * tails, Low52Group::ZERO);
        enter(kernels, Prepare { roots: roots(direction), scales: &scales, layers, twiddles: self });
    }

    #[inline(always)]
    fn splat<L: Lanes>(&self, l: L, layer: u32, block: usize) -> Low52<L> {
        self.broadcast[layer_start(layer) + block / 8].splat_lane(l, block % 8)
    }
}

struct Prepare<'a> {
    roots: &'a Roots,
    scales: &'a [Multiplier],
    layers: u32,
    twiddles: &'a mut Twiddles,
}

impl LaneTask for Prepare<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for layer in 0..self.layers {
            let scale = self.scales[layer as usize].splat(l);
            let start = layer_start(layer);
            for i in 0..(1usize << layer).div_ceil(8) {
                let root = Low52::load(l, &self.roots.broadcast[i]);
                scale.mul(l, root).carry(l).store(l, &mut self.twiddles.broadcast[start + i]);
            }
        }
        let last = self.layers as usize;
        for (part, layer) in
            [last, last + 1, last + 1, last + 2, last + 2, last + 2, last + 2].into_iter().enumerate()
        {
            // A strided tile has no tail, and no scales for one.
            let Some(scale) = self.scales.get(layer) else { return };
            let scale = scale.splat(l);
            for (root, out) in self.roots.tail.chunks_exact(7).zip(self.twiddles.tail.chunks_exact_mut(7)) {
                scale.mul(l, Low52::load(l, &root[part])).carry(l).store(l, &mut out[part]);
            }
        }
    }
}

#[inline(always)]
fn forward_butterfly<L: Lanes>(l: L, x: Lazy<L>, y: Lazy<L>, w: Low52<L>) -> (Lazy<L>, Lazy<L>) {
    let product = w.mul(l, y.carry(l));
    (x.add(l, product), x.sub(l, product))
}

/// Values in (−p, M·p) become values in (−p, 2M·p), or (−p, 2p) when folding.
#[inline(always)]
fn backward_butterfly<L: Lanes, const FOLD: bool>(
    l: L,
    x: Lazy<L>,
    y: Lazy<L>,
    w: Low52<L>,
    bound: u64,
) -> (Lazy<L>, Lazy<L>) {
    let sum = x.add(l, y);
    let difference = x.sub(l, y).bias(l, bound + 1);
    (if FOLD { sum.normalize(l).fold(l) } else { sum }, w.mul(l, difference.carry(l)))
}

/// Which vectors of the scratch space a run of layers is about: `start + i·stride`, which make up blocks
/// `block << j` … of layer `first + j`.
#[derive(Clone, Copy)]
struct Span {
    start: usize,
    stride: usize,
    log: u32,
    first: u32,
    block: usize,
}

#[inline(always)]
fn forward_layers<L: Lanes>(l: L, scratch: &mut [LazyGroup], span: Span, twiddles: &Twiddles) {
    for layer in 0..span.log {
        let distance = span.stride << (span.log - layer - 1);
        for i in 0..1usize << layer {
            let w = twiddles.splat(l, span.first + layer, (span.block << layer) + i);
            let first = span.start + 2 * i * distance;
            for x in (first..first + distance).step_by(span.stride) {
                let y = x + distance;
                let (a, b) = forward_butterfly(l, Lazy::load(l, &scratch[x]), Lazy::load(l, &scratch[y]), w);
                a.store(l, &mut scratch[x]);
                b.store(l, &mut scratch[y]);
            }
        }
    }
}

#[inline(always)]
fn backward_layer<L: Lanes, const FOLD: bool>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    layer: u32,
    twiddles: &Twiddles,
    bound: u64,
) {
    let distance = span.stride << (span.log - layer - 1);
    for i in 0..1usize << layer {
        let w = twiddles.splat(l, span.first + layer, (span.block << layer) + i);
        let first = span.start + 2 * i * distance;
        for x in (first..first + distance).step_by(span.stride) {
            let y = x + distance;
            let (u, v) = (Lazy::load(l, &scratch[x]), Lazy::load(l, &scratch[y]));
            let (a, b) = backward_butterfly::<L, FOLD>(l, u, v, w, bound);
            a.store(l, &mut scratch[x]);
            b.store(l, &mut scratch[y]);
        }
    }
}

/// Returns the bound after the layers.
#[inline(always)]
fn backward_layers<L: Lanes>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    twiddles: &Twiddles,
    mut bound: u64,
) -> u64 {
    for layer in (0..span.log).rev() {
        if bound > 32 {
            backward_layer::<L, true>(l, scratch, span, layer, twiddles, bound);
            bound = 2;
        } else {
            backward_layer::<L, false>(l, scratch, span, layer, twiddles, bound);
            bound *= 2;
        }
    }
    bound
}

/// A strided tile of 2^log vectors as a matrix in scratch: 2^upper rows of 2^lower vectors. The rows are one
/// vector apart from a power of two, or they would fall into the same cache sets.
#[derive(Clone, Copy)]
struct Shape {
    upper: u32,
    lower: u32,
}

impl Shape {
    fn new(rows: usize) -> Shape {
        let log = rows.trailing_zeros();
        Shape { upper: log / 2, lower: log - log / 2 }
    }

    fn pitch(self) -> usize {
        (1 << self.lower) + 1
    }

    #[inline(always)]
    fn position(self, row: usize) -> usize {
        (row >> self.lower) * self.pitch() + (row & ((1 << self.lower) - 1))
    }

    fn grow(self, scratch: &mut Vec<LazyGroup>) {
        if scratch.len() < self.pitch() << self.upper {
            scratch.resize(self.pitch() << self.upper, LazyGroup::ZERO);
        }
    }

    #[inline(always)]
    fn column(self, column: usize) -> Span {
        Span { start: column, stride: self.pitch(), log: self.upper, first: 0, block: 0 }
    }

    #[inline(always)]
    fn row(self, row: usize) -> Span {
        Span { start: row * self.pitch(), stride: 1, log: self.lower, first: self.upper, block: row }
    }
}

/// How many rows ahead of the one being read a strided pass asks for.
const PREFETCH_ROWS: usize = 12;

/// The first layers of a large transform: rows of `tile`, which are read from `source` if there is one.
pub(crate) fn forward_tile(
    kernels: Kernels,
    tile: &mut Tile<'_>,
    rows: usize,
    source: Option<&[Group]>,
    twiddles: &Twiddles,
    scratch: &mut Vec<LazyGroup>,
) {
    let shape = Shape::new(rows);
    shape.grow(scratch);
    enter(kernels, ForwardTile { tile, rows, source, twiddles, shape, scratch });
}

struct ForwardTile<'a, 'b> {
    tile: &'a mut Tile<'b>,
    rows: usize,
    source: Option<&'a [Group]>,
    twiddles: &'a Twiddles,
    shape: Shape,
    scratch: &'a mut [LazyGroup],
}

impl LaneTask for ForwardTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let ForwardTile { tile, rows, source, twiddles, shape, scratch } = self;
        match source {
            None => {
                for row in 0..rows {
                    prefetch(l, tile.address(row + PREFETCH_ROWS));
                    let value = Stored::load(l, tile.get(row)).to_lazy(l).bias(l, 16);
                    value.store(l, &mut scratch[shape.position(row)]);
                }
            }
            Some(source) => {
                let stride = source.len() / rows;
                for row in 0..rows {
                    let group = &source[row * stride + tile.index()];
                    prefetch(l, (group as *const Group).wrapping_add(PREFETCH_ROWS * stride));
                    let value = Stored::load(l, group).to_lazy(l).bias(l, 16);
                    value.store(l, &mut scratch[shape.position(row)]);
                }
            }
        }
        for column in 0..1usize << shape.lower {
            forward_layers(l, scratch, shape.column(column), twiddles);
        }
        for upper in 0..1usize << shape.upper {
            forward_layers(l, scratch, shape.row(upper), twiddles);
            for row in upper << shape.lower..(upper + 1) << shape.lower {
                let value = Lazy::load(l, &scratch[shape.position(row)]);
                value.pack_reduced(l).store(l, tile.get_mut(row));
            }
        }
    }
}

#[inline(always)]
fn prefetch<L: Lanes>(l: L, group: *const Group) {
    for line in 0..4 {
        l.prefetch(group.cast::<[u64; 8]>().wrapping_add(line));
    }
}

/// The last layers of a large inverse transform. `divide` is log₂ of a divisor, the length of the whole transform.
pub(crate) fn backward_tile(
    kernels: Kernels,
    tile: &mut Tile<'_>,
    rows: usize,
    twiddles: &Twiddles,
    divide: Option<u32>,
    scratch: &mut Vec<LazyGroup>,
) {
    let shape = Shape::new(rows);
    shape.grow(scratch);
    enter(kernels, BackwardTile { tile, twiddles, divide, shape, scratch });
}

struct BackwardTile<'a, 'b> {
    tile: &'a mut Tile<'b>,
    twiddles: &'a Twiddles,
    divide: Option<u32>,
    shape: Shape,
    scratch: &'a mut [LazyGroup],
}

impl LaneTask for BackwardTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let BackwardTile { tile, twiddles, divide, shape, scratch } = self;
        let mut bound = 4;
        for upper in 0..1usize << shape.upper {
            for row in upper << shape.lower..(upper + 1) << shape.lower {
                prefetch(l, tile.address(row + PREFETCH_ROWS));
                let value = Stored::load(l, tile.get(row)).to_lazy(l);
                value.store(l, &mut scratch[shape.position(row)]);
            }
            bound = backward_layers(l, scratch, shape.row(upper), twiddles, 4);
        }
        for column in 0..1usize << shape.lower {
            backward_layers(l, scratch, shape.column(column), twiddles, bound);
        }
        for row in 0..1usize << (shape.lower + shape.upper) {
            let value = Lazy::load(l, &scratch[shape.position(row)]);
            finish_backward(l, value, divide).store(l, tile.get_mut(row));
        }
    }
}

/// Divides at the end of the whole transform, where values become canonical; before that they are only reduced.
#[inline(always)]
fn finish_backward<L: Lanes>(l: L, value: Lazy<L>, divide: Option<u32>) -> Stored<L> {
    match divide {
        None => value.pack_reduced(l),
        Some(log) => value.bias(l, 1).carry(l).divide_by_power_of_two(l, log).canonical(l),
    }
}

/// Rows longer than this many vectors are run in blocks of this many, which fit the first-level cache.
const BLOCK_LOG: u32 = 7;

/// A whole transform of at least 64 elements inside one tile.
pub(crate) fn forward_row(
    kernels: Kernels,
    groups: &mut [Group],
    twiddles: &Twiddles,
    scratch: &mut Vec<LazyGroup>,
) {
    if scratch.len() < groups.len() {
        scratch.resize(groups.len(), LazyGroup::ZERO);
    }
    enter(kernels, ForwardRow { groups, twiddles, scratch });
}

struct ForwardRow<'a> {
    groups: &'a mut [Group],
    twiddles: &'a Twiddles,
    scratch: &'a mut [LazyGroup],
}

impl LaneTask for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let ForwardRow { groups, twiddles, scratch } = self;
        for (group, value) in groups.iter().zip(scratch.iter_mut()) {
            Stored::load(l, group).to_lazy(l).bias(l, 16).store(l, value);
        }
        let log = groups.len().trailing_zeros();
        let inner = log.min(BLOCK_LOG);
        let outer = log - inner;
        if outer > 0 {
            for start in 0..1usize << inner {
                let span = Span { start, stride: 1 << inner, log: outer, first: 0, block: 0 };
                forward_layers(l, scratch, span, twiddles);
            }
        }
        for block in 0..1usize << outer {
            let span = Span { start: block << inner, stride: 1, log: inner, first: outer, block };
            forward_layers(l, scratch, span, twiddles);
            for eight in block << (inner - 3)..(block + 1) << (inner - 3) {
                forward_tail(l, &scratch[8 * eight..], &twiddles.tail[7 * eight..], &mut groups[8 * eight..]);
            }
        }
    }
}

#[inline(always)]
fn load_eight<L: Lanes>(l: L, scratch: &[LazyGroup]) -> [Lazy<L>; 8] {
    let mut values = [Lazy::zero(l); 8];
    for i in 0..8 {
        values[i] = Lazy::load(l, &scratch[i]);
    }
    values
}

/// The pairs of the last three layers within eight vectors, with the twiddle of each.
const TAIL: [[(usize, usize, usize); 4]; 3] = [
    [(0, 4, 0), (1, 5, 0), (2, 6, 0), (3, 7, 0)],
    [(0, 2, 1), (1, 3, 1), (4, 6, 2), (5, 7, 2)],
    [(0, 1, 3), (2, 3, 4), (4, 5, 5), (6, 7, 6)],
];

#[inline(always)]
fn forward_tail<L: Lanes>(l: L, scratch: &[LazyGroup], twiddles: &[Low52Group], groups: &mut [Group]) {
    let (scratch, twiddles, groups) = (&scratch[..8], &twiddles[..7], &mut groups[..8]);
    let mut v = Lazy::transpose(l, load_eight(l, scratch));
    for layer in TAIL {
        for (x, y, w) in layer {
            (v[x], v[y]) = forward_butterfly(l, v[x], v[y], Low52::load(l, &twiddles[w]));
        }
    }
    let v = Lazy::transpose(l, v);
    for i in 0..8 {
        v[i].canonical(l).store(l, &mut groups[i]);
    }
}

/// A whole inverse transform of at least 64 elements inside one tile. `divide` is log₂ of a divisor.
pub(crate) fn backward_row(
    kernels: Kernels,
    groups: &mut [Group],
    twiddles: &Twiddles,
    divide: Option<u32>,
    scratch: &mut Vec<LazyGroup>,
) {
    if scratch.len() < groups.len() {
        scratch.resize(groups.len(), LazyGroup::ZERO);
    }
    enter(kernels, BackwardRow { groups, twiddles, divide, scratch });
}

struct BackwardRow<'a> {
    groups: &'a mut [Group],
    twiddles: &'a Twiddles,
    divide: Option<u32>,
    scratch: &'a mut [LazyGroup],
}

impl LaneTask for BackwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let BackwardRow { groups, twiddles, divide, scratch } = self;
        let log = groups.len().trailing_zeros();
        let inner = log.min(BLOCK_LOG);
        let outer = log - inner;
        // The values read are below 4p, and the tail doubles them three times.
        let mut bound = 32;
        for block in 0..1usize << outer {
            for eight in block << (inner - 3)..(block + 1) << (inner - 3) {
                backward_tail(
                    l,
                    &groups[8 * eight..],
                    &twiddles.tail[7 * eight..],
                    &mut scratch[8 * eight..],
                );
            }
            let span = Span { start: block << inner, stride: 1, log: inner, first: outer, block };
            bound = backward_layers(l, scratch, span, twiddles, 32);
        }
        if outer > 0 {
            for start in 0..1usize << inner {
                let span = Span { start, stride: 1 << inner, log: outer, first: 0, block: 0 };
                backward_layers(l, scratch, span, twiddles, bound);
            }
        }
        for (group, value) in groups.iter_mut().zip(scratch.iter()) {
            finish_backward(l, Lazy::load(l, value), divide).store(l, group);
        }
    }
}

#[inline(always)]
fn backward_tail<L: Lanes>(l: L, groups: &[Group], twiddles: &[Low52Group], scratch: &mut [LazyGroup]) {
    let (groups, twiddles, scratch) = (&groups[..8], &twiddles[..7], &mut scratch[..8]);
    let mut v = [Lazy::zero(l); 8];
    for i in 0..8 {
        v[i] = Stored::load(l, &groups[i]).to_lazy(l);
    }
    v = Lazy::transpose(l, v);
    let mut bound = 4;
    for layer in [TAIL[2], TAIL[1], TAIL[0]] {
        for (x, y, w) in layer {
            let w = Low52::load(l, &twiddles[w]);
            (v[x], v[y]) = backward_butterfly::<L, false>(l, v[x], v[y], w, bound);
        }
        bound *= 2;
    }
    v = Lazy::transpose(l, v);
    for i in 0..8 {
        v[i].store(l, &mut scratch[i]);
    }
}

#[cfg(test)]
mod tests;
