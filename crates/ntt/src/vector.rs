//! The layers of one tile, eight elements at a time.
//!
//! Values stay in un-carried limbs and are not reduced inside a pass. Going forward, 16p is added on loading and a
//! layer x ± w·y moves a value by less than 1.2p, so twelve layers keep every value in (0, 64p). Going backward
//! the sums double: a bound M with values in (−p, M·p) is carried from layer to layer, and a layer that would pass
//! 64p folds its sums. A limb of a product is below 2⁵⁶ and doubles at most six times until then.
//!
//! Layers at a distance of at least eight elements multiply whole vectors by one twiddle; the last three run
//! between two 8×8 transposes, with a twiddle for each lane.

mod row;
mod tile;

use std::sync::OnceLock;

use ashlar_field::{
    Felt, Kernels,
    lanes::{LaneTask, Lanes, Portable, dispatch},
    packed::{Lazy, LazyGroup, Low52, Low52Group, Multiplier, Stored},
};

use crate::roots::{Direction, MAX_TILE_LOG, layer_scales, twiddle_roots};

pub(crate) use row::{backward_row, forward_row};
pub(crate) use tile::{backward_tile, forward_tile};

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
fn backward_butterfly<L: Lanes>(
    l: L,
    x: Lazy<L>,
    y: Lazy<L>,
    w: Low52<L>,
    bound: u64,
    folds: bool,
) -> (Lazy<L>, Lazy<L>) {
    let sum = x.add(l, y);
    let difference = x.sub(l, y).bias(l, bound + 1);
    (if folds { sum.normalize(l).fold(l) } else { sum }, w.mul(l, difference.carry(l)))
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

impl Span {
    #[inline(always)]
    fn position(self, k: usize) -> usize {
        self.start + k * self.stride
    }
}

/// What the layers of a span begin with and end in, by the number of a vector in the span, and what they do meanwhile:
/// memory is far slower than one layer and far faster than all of them, so it is asked for little by little.
trait Ends<L: Lanes> {
    /// Called before the first layer.
    #[inline(always)]
    fn begin(&mut self, _l: L) {}
    /// A vector before the first layer.
    #[inline(always)]
    fn read(&mut self, l: L, scratch: &[LazyGroup], span: Span, k: usize) -> Lazy<L> {
        Lazy::load(l, &scratch[span.position(k)])
    }
    /// Called after every butterfly of the layers between the first and the last.
    #[inline(always)]
    fn meanwhile(&mut self, _l: L) {}
    /// Called before the last layer.
    #[inline(always)]
    fn settle(&mut self, _l: L) {}
    /// A vector after the last layer.
    #[inline(always)]
    fn write(&mut self, l: L, scratch: &mut [LazyGroup], span: Span, k: usize, value: Lazy<L>) {
        value.store(l, &mut scratch[span.position(k)]);
    }
}

/// One layer. Neither the first nor the last layer of a span needs a visit of the scratch space of its own.
#[inline(always)]
fn forward_layer<L: Lanes, const FIRST: bool, const LAST: bool>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    layer: u32,
    twiddles: &Twiddles,
    ends: &mut impl Ends<L>,
) {
    let distance = 1 << (span.log - layer - 1);
    for i in 0..1usize << layer {
        let w = twiddles.splat(l, span.first + layer, (span.block << layer) + i);
        let first = 2 * i * distance;
        for x in first..first + distance {
            let (u, v) = load_pair::<L, FIRST>(l, scratch, span, [x, x + distance], ends);
            let pair = forward_butterfly(l, u, v, w);
            store_pair::<L, LAST>(l, scratch, span, [x, x + distance], pair, ends);
            if !FIRST && !LAST {
                ends.meanwhile(l);
            }
        }
    }
}

#[inline(always)]
fn load_pair<L: Lanes, const FIRST: bool>(
    l: L,
    scratch: &[LazyGroup],
    span: Span,
    [x, y]: [usize; 2],
    ends: &mut impl Ends<L>,
) -> (Lazy<L>, Lazy<L>) {
    if FIRST {
        (ends.read(l, scratch, span, x), ends.read(l, scratch, span, y))
    } else {
        (Lazy::load(l, &scratch[span.position(x)]), Lazy::load(l, &scratch[span.position(y)]))
    }
}

#[inline(always)]
fn store_pair<L: Lanes, const LAST: bool>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    [x, y]: [usize; 2],
    (a, b): (Lazy<L>, Lazy<L>),
    ends: &mut impl Ends<L>,
) {
    if LAST {
        ends.write(l, scratch, span, x, a);
        ends.write(l, scratch, span, y, b);
    } else {
        a.store(l, &mut scratch[span.position(x)]);
        b.store(l, &mut scratch[span.position(y)]);
    }
}

/// A span without layers.
#[inline(always)]
fn copy<L: Lanes>(l: L, scratch: &mut [LazyGroup], span: Span, ends: &mut impl Ends<L>) {
    let value = ends.read(l, scratch, span, 0);
    ends.settle(l);
    ends.write(l, scratch, span, 0, value);
}

/// The layers of a span.
#[inline(always)]
fn forward_layers<L: Lanes>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    twiddles: &Twiddles,
    ends: &mut impl Ends<L>,
) {
    ends.begin(l);
    match span.log {
        0 => copy(l, scratch, span, ends),
        1 => {
            ends.settle(l);
            forward_layer::<L, true, true>(l, scratch, span, 0, twiddles, ends);
        }
        log => {
            forward_layer::<L, true, false>(l, scratch, span, 0, twiddles, ends);
            for layer in 1..log - 1 {
                forward_layer::<L, false, false>(l, scratch, span, layer, twiddles, ends);
            }
            ends.settle(l);
            forward_layer::<L, false, true>(l, scratch, span, log - 1, twiddles, ends);
        }
    }
}

/// One layer going backward, where `FIRST` is the one that reads. `bound` becomes the bound after it.
#[inline(always)]
fn backward_layer<L: Lanes, const FIRST: bool, const LAST: bool>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    layer: u32,
    twiddles: &Twiddles,
    bound: &mut u64,
    ends: &mut impl Ends<L>,
) {
    let distance = 1 << (span.log - layer - 1);
    let folds = *bound > 32;
    for i in 0..1usize << layer {
        let w = twiddles.splat(l, span.first + layer, (span.block << layer) + i);
        let first = 2 * i * distance;
        for x in first..first + distance {
            let (u, v) = load_pair::<L, FIRST>(l, scratch, span, [x, x + distance], ends);
            let pair = backward_butterfly(l, u, v, w, *bound, folds);
            store_pair::<L, LAST>(l, scratch, span, [x, x + distance], pair, ends);
            if !FIRST && !LAST {
                ends.meanwhile(l);
            }
        }
    }
    *bound = if folds { 2 } else { 2 * *bound };
}

/// The layers of a span going backward. Returns the bound after them.
#[inline(always)]
fn backward_layers<L: Lanes>(
    l: L,
    scratch: &mut [LazyGroup],
    span: Span,
    twiddles: &Twiddles,
    mut bound: u64,
    ends: &mut impl Ends<L>,
) -> u64 {
    ends.begin(l);
    match span.log {
        0 => copy(l, scratch, span, ends),
        1 => {
            ends.settle(l);
            backward_layer::<L, true, true>(l, scratch, span, 0, twiddles, &mut bound, ends);
        }
        log => {
            backward_layer::<L, true, false>(l, scratch, span, log - 1, twiddles, &mut bound, ends);
            for layer in (1..log - 1).rev() {
                backward_layer::<L, false, false>(l, scratch, span, layer, twiddles, &mut bound, ends);
            }
            ends.settle(l);
            backward_layer::<L, false, true>(l, scratch, span, 0, twiddles, &mut bound, ends);
        }
    }
    bound
}

/// Divides at the end of a whole inverse transform, where values become canonical; before that they are only reduced.
#[inline(always)]
fn finish<L: Lanes>(l: L, value: Lazy<L>, divide: Option<u32>) -> Stored<L> {
    match divide {
        None => value.pack_reduced(l),
        Some(log) => value.bias(l, 1).carry(l).divide_by_power_of_two(l, log).canonical(l),
    }
}

#[cfg(test)]
mod tests;
