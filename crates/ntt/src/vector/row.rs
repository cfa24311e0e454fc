//! The layers of one contiguous row, down to single elements: the last of a large transform, the first of a large
//! inverse transform, or a whole one.

use ashlar_field::{
    Felt, Group, Kernels,
    lanes::{LaneTask, Lanes},
    packed::{Lazy, LazyGroup, Low52, Low52Group, Stored},
};

use super::{
    Ends, Span, Twiddles, backward_butterfly, backward_layers, enter, finish, forward_butterfly,
    forward_layers,
};

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

pub(super) struct ForwardRow<'a> {
    pub(super) groups: &'a mut [Group],
    pub(super) twiddles: &'a Twiddles,
    pub(super) scratch: &'a mut [LazyGroup],
}

impl LaneTask for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let ForwardRow { groups, twiddles, scratch } = self;
        let log = groups.len().trailing_zeros();
        let inner = log.min(BLOCK_LOG);
        let outer = log - inner;
        for start in 0..1usize << inner {
            let span = Span { start, stride: 1 << inner, log: outer, first: 0, block: 0 };
            forward_layers(l, scratch, span, twiddles, &mut FromRow(groups));
        }
        let mut inside = InsideRow::new(groups);
        for block in 0..1usize << outer {
            let span = Span { start: block << inner, stride: 1, log: inner, first: outer, block };
            forward_layers(l, scratch, span, twiddles, &mut inside);
            for eight in block << (inner - 3)..(block + 1) << (inner - 3) {
                forward_tail(l, &scratch[8 * eight..], &twiddles.tail[7 * eight..], &mut groups[8 * eight..]);
            }
        }
    }
}

/// The first layers of a row read its groups.
struct FromRow<'a>(&'a [Group]);

impl<L: Lanes> Ends<L> for FromRow<'_> {
    #[inline(always)]
    fn read(&mut self, l: L, _scratch: &[LazyGroup], span: Span, k: usize) -> Lazy<L> {
        Stored::load(l, &self.0[span.position(k)]).to_lazy(l).bias(l, 16)
    }
}

/// The last layers of a row going backward write its groups.
struct ToRow<'a> {
    groups: &'a mut [Group],
    divide: Option<u32>,
}

impl<L: Lanes> Ends<L> for ToRow<'_> {
    #[inline(always)]
    fn write(&mut self, l: L, _scratch: &mut [LazyGroup], span: Span, k: usize, value: Lazy<L>) {
        finish(l, value, self.divide).store(l, &mut self.groups[span.position(k)]);
    }
}

/// The layers of a row that begin and end in the scratch space. Meanwhile memory is asked for the row behind this one:
/// the thread most often goes on with it.
struct InsideRow {
    next_row: *const [u64; 8],
    asked: usize,
    lines: usize,
}

impl InsideRow {
    fn new(groups: &[Group]) -> InsideRow {
        InsideRow { next_row: groups.as_ptr_range().end.cast(), asked: 0, lines: 4 * groups.len() }
    }
}

impl<L: Lanes> Ends<L> for InsideRow {
    #[inline(always)]
    fn meanwhile(&mut self, l: L) {
        if self.asked < self.lines {
            l.prefetch_second_level(self.next_row.wrapping_add(self.asked));
            l.prefetch_second_level(self.next_row.wrapping_add(self.asked + 1));
            self.asked += 2;
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
    let mut values = [Stored::splat(l, Felt::ZERO); 8];
    for i in 0..8 {
        values[i] = v[i].canonical(l);
    }
    let values = Stored::transpose(l, values);
    for i in 0..8 {
        values[i].store(l, &mut groups[i]);
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

pub(super) struct BackwardRow<'a> {
    pub(super) groups: &'a mut [Group],
    pub(super) twiddles: &'a Twiddles,
    pub(super) divide: Option<u32>,
    pub(super) scratch: &'a mut [LazyGroup],
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
        let mut inside = InsideRow::new(groups);
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
            bound = backward_layers(l, scratch, span, twiddles, 32, &mut inside);
        }
        let mut ends = ToRow { groups, divide };
        for start in 0..1usize << inner {
            let span = Span { start, stride: 1 << inner, log: outer, first: 0, block: 0 };
            backward_layers(l, scratch, span, twiddles, bound, &mut ends);
        }
    }
}

#[inline(always)]
fn backward_tail<L: Lanes>(l: L, groups: &[Group], twiddles: &[Low52Group], scratch: &mut [LazyGroup]) {
    let (groups, twiddles, scratch) = (&groups[..8], &twiddles[..7], &mut scratch[..8]);
    let mut values = [Stored::splat(l, Felt::ZERO); 8];
    for i in 0..8 {
        values[i] = Stored::load(l, &groups[i]);
    }
    let values = Stored::transpose(l, values);
    let mut v = [Lazy::zero(l); 8];
    for i in 0..8 {
        v[i] = values[i].to_lazy(l);
    }
    let mut bound = 4;
    for layer in [TAIL[2], TAIL[1], TAIL[0]] {
        for (x, y, w) in layer {
            let w = Low52::load(l, &twiddles[w]);
            (v[x], v[y]) = backward_butterfly(l, v[x], v[y], w, bound, false);
        }
        bound *= 2;
    }
    v = Lazy::transpose(l, v);
    for i in 0..8 {
        v[i].store(l, &mut scratch[i]);
    }
}
