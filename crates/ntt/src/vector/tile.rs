//! The layers of one strided tile: the first of a large transform, the last of a large inverse transform.
//!
//! A tile is run as a matrix, so that the layers of a column and then of a row stay in the first-level cache. Its rows
//! come from memory and go back little by little, while something is computed.

use ashlar_field::{
    Group, Kernels,
    lanes::{LaneTask, Lanes},
    packed::{Lazy, LazyGroup, Stored},
};

use super::{Ends, Span, Twiddles, backward_layers, enter, finish, forward_layers};
use crate::{roots::MAX_TILE_LOG, strided::Tile};

/// A strided tile of 2^log vectors as a matrix in scratch: 2^upper rows of 2^lower vectors. The rows are one
/// vector apart from a power of two, or they would fall into the same cache sets.
#[derive(Clone, Copy)]
pub(super) struct Shape {
    upper: u32,
    lower: u32,
}

impl Shape {
    pub(super) fn new(rows: usize) -> Shape {
        let log = rows.trailing_zeros();
        Shape { upper: log / 2, lower: log - log / 2 }
    }

    fn pitch(self) -> usize {
        (1 << self.lower) + 1
    }

    pub(super) fn grow(self, scratch: &mut Vec<LazyGroup>) {
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

/// The order in which a pass goes through the rows of a tile: by columns of the matrix, or by its rows.
#[derive(Clone, Copy)]
enum Order {
    Columns(Shape),
    Rows(Shape),
}

impl Order {
    /// How many vectors a span has.
    fn span(self) -> usize {
        match self {
            Order::Columns(shape) => 1 << shape.upper,
            Order::Rows(shape) => 1 << shape.lower,
        }
    }

    /// The row of the tile that comes n-th.
    #[inline(always)]
    fn row(self, n: usize) -> usize {
        match self {
            Order::Columns(Shape { upper, lower }) => ((n & ((1 << upper) - 1)) << lower) + (n >> upper),
            Order::Rows(_) => n,
        }
    }
}

/// One span of a tile on its way from memory or back: the most rows or columns of the matrix.
type Staging = [Group; 1 << MAX_TILE_LOG.div_ceil(2)];

const EMPTY: Staging = [Group::ZERO; 1 << MAX_TILE_LOG.div_ceil(2)];

/// The rows of a tile on their way to the first layers that it takes, with BIAS·p added: those of the next span are
/// fetched while the layers of this one are computed. They are copied, not just asked for: rows are a large power of
/// two apart and would push each other out of the caches.
struct Inbound<'a, 'b, const BIAS: u64> {
    tile: &'a Tile<'b>,
    /// Where the rows are if not in the tile.
    source: Option<&'a [Group]>,
    rows: usize,
    order: Order,
    fetched: usize,
    /// How many rows the spans up to this one have.
    needed: usize,
    staging: &'a mut Staging,
}

impl<'a, 'b, const BIAS: u64> Inbound<'a, 'b, BIAS> {
    fn new(
        tile: &'a Tile<'b>,
        source: Option<&'a [Group]>,
        rows: usize,
        order: Order,
        staging: &'a mut Staging,
    ) -> Inbound<'a, 'b, BIAS> {
        Inbound { tile, source, rows, order, fetched: 0, needed: 0, staging }
    }

    #[inline(always)]
    fn fetch<L: Lanes>(&mut self, l: L) {
        /// How many rows ahead of the one being copied: more would push each other out of the second-level cache.
        const AHEAD: usize = 12;
        let (row, ahead) = (self.order.row(self.fetched), self.order.row(self.fetched + AHEAD));
        let group = match self.source {
            Some(source) => {
                let stride = source.len() / self.rows;
                prefetch(l, source.as_ptr().wrapping_add(self.tile.index() + ahead * stride));
                &source[self.tile.index() + row * stride]
            }
            None => {
                prefetch(l, self.tile.address(ahead));
                self.tile.get(row)
            }
        };
        Stored::load(l, group).store(l, &mut self.staging[self.fetched & (self.order.span() - 1)]);
        self.fetched += 1;
    }
}

impl<L: Lanes, const BIAS: u64> Ends<L> for Inbound<'_, '_, BIAS> {
    #[inline(always)]
    fn begin(&mut self, l: L) {
        self.needed += self.order.span();
        while self.fetched < self.needed {
            self.fetch(l);
        }
    }

    #[inline(always)]
    fn read(&mut self, l: L, _scratch: &[LazyGroup], _span: Span, k: usize) -> Lazy<L> {
        let value = Stored::load(l, &self.staging[k]).to_lazy(l);
        if BIAS == 0 { value } else { value.bias(l, BIAS) }
    }

    #[inline(always)]
    fn meanwhile(&mut self, l: L) {
        // Every row of this span has been read by now.
        if self.fetched < self.rows && self.fetched < self.needed + self.order.span() {
            self.fetch(l);
        }
    }
}

/// The rows of a tile on their way from the last layers that it takes: those of the span before are sent to memory
/// while the layers of this one are computed.
struct Outbound<'a, 'b> {
    tile: &'a mut Tile<'b>,
    order: Order,
    /// log₂ of a divisor, at the end of a whole inverse transform.
    divide: Option<u32>,
    /// Past the caches.
    streams: bool,
    sent: usize,
    written: usize,
    staging: &'a mut Staging,
}

impl<'a, 'b> Outbound<'a, 'b> {
    fn new(
        tile: &'a mut Tile<'b>,
        order: Order,
        divide: Option<u32>,
        streams: bool,
        staging: &'a mut Staging,
    ) -> Outbound<'a, 'b> {
        Outbound { tile, order, divide, streams, sent: 0, written: 0, staging }
    }

    #[inline(always)]
    fn send<L: Lanes>(&mut self, l: L) {
        let value = Stored::load(l, &self.staging[self.sent & (self.order.span() - 1)]);
        let group = self.tile.get_mut(self.order.row(self.sent));
        if self.streams {
            value.stream(l, group)
        } else {
            value.store(l, group)
        }
        self.sent += 1;
    }

    /// After the last span.
    #[inline(always)]
    fn finish<L: Lanes>(mut self, l: L) {
        self.settle(l);
        if self.streams {
            l.fence();
        }
    }
}

impl<L: Lanes> Ends<L> for Outbound<'_, '_> {
    #[inline(always)]
    fn meanwhile(&mut self, l: L) {
        if self.sent < self.written {
            self.send(l);
        }
    }

    #[inline(always)]
    fn settle(&mut self, l: L) {
        while self.sent < self.written {
            self.send(l);
        }
    }

    #[inline(always)]
    fn write(&mut self, l: L, _scratch: &mut [LazyGroup], _span: Span, k: usize, value: Lazy<L>) {
        finish(l, value, self.divide).store(l, &mut self.staging[k]);
        self.written += 1;
    }
}

/// The first layers of a large transform: rows of `tile`, which are read from `source` if there is one.
pub(crate) fn forward_tile(
    kernels: Kernels,
    tile: &mut Tile<'_>,
    rows: usize,
    source: Option<&[Group]>,
    twiddles: &Twiddles,
    scratch: &mut Vec<LazyGroup>,
    streams: bool,
) {
    let shape = Shape::new(rows);
    shape.grow(scratch);
    enter(kernels, ForwardTile { tile, rows, source, twiddles, shape, scratch, streams });
}

pub(super) struct ForwardTile<'a, 'b> {
    pub(super) tile: &'a mut Tile<'b>,
    pub(super) rows: usize,
    pub(super) source: Option<&'a [Group]>,
    pub(super) twiddles: &'a Twiddles,
    pub(super) shape: Shape,
    pub(super) scratch: &'a mut [LazyGroup],
    /// Writes past the caches.
    pub(super) streams: bool,
}

impl LaneTask for ForwardTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let ForwardTile { tile, rows, source, twiddles, shape, scratch, streams } = self;
        let mut staging = EMPTY;
        let mut inbound = Inbound::<16>::new(tile, source, rows, Order::Columns(shape), &mut staging);
        for column in 0..1usize << shape.lower {
            forward_layers(l, scratch, shape.column(column), twiddles, &mut inbound);
        }
        let mut outbound = Outbound::new(tile, Order::Rows(shape), None, streams, &mut staging);
        for row in 0..1usize << shape.upper {
            forward_layers(l, scratch, shape.row(row), twiddles, &mut outbound);
        }
        outbound.finish(l);
    }
}

#[inline(always)]
fn prefetch<L: Lanes>(l: L, group: *const Group) {
    for line in 0..4 {
        l.prefetch_second_level(group.cast::<[u64; 8]>().wrapping_add(line));
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
    enter(kernels, BackwardTile { tile, rows, twiddles, divide, shape, scratch });
}

pub(super) struct BackwardTile<'a, 'b> {
    pub(super) tile: &'a mut Tile<'b>,
    pub(super) rows: usize,
    pub(super) twiddles: &'a Twiddles,
    pub(super) divide: Option<u32>,
    pub(super) shape: Shape,
    pub(super) scratch: &'a mut [LazyGroup],
}

impl LaneTask for BackwardTile<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let BackwardTile { tile, rows, twiddles, divide, shape, scratch } = self;
        let mut staging = EMPTY;
        let mut inbound = Inbound::<0>::new(tile, None, rows, Order::Rows(shape), &mut staging);
        let mut bound = 4;
        for row in 0..1usize << shape.upper {
            bound = backward_layers(l, scratch, shape.row(row), twiddles, 4, &mut inbound);
        }
        let mut outbound = Outbound::new(tile, Order::Columns(shape), divide, false, &mut staging);
        for column in 0..1usize << shape.lower {
            backward_layers(l, scratch, shape.column(column), twiddles, bound, &mut outbound);
        }
        outbound.finish(l);
    }
}
