//! The values of polynomials on some groups of eight rows of cosets, without transforming whole cosets unless there are
//! many.
//!
//! A transform splits X^(2d) − t² into X^d − t and X^d + t, layer by layer. A few layers are run, tile by tile: equal
//! positions of all blocks. What is left of a group's block is a dot product with powers of its point, reduced once a
//! tile, and Horner's rule joins the tiles, so nothing but the coefficients is in memory. They are read once for all
//! cosets. q groups on c cosets take min over k of c·k/2 products and q/2ᵏ terms of dot products a coefficient; transforms
//! take c·log₂(N)/2 products.
//!
//! The eight points of a group are x·ωⁱ, ω of order 8, so they share x⁸: the polynomial modulo X⁸ − x⁸ has eight
//! coefficients, which serve all eight rows.

use std::ops::Range;

use ashlar_field::{
    Column, Felt, Group, Kernels, LateFelt,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Accumulator, Lazy, LazyGroup, Low52, Low52Group, Multiplier, Stored},
};
use ashlar_ntt::evaluate_coset_groups;
use rayon::prelude::*;

use crate::domain::{EvaluationDomain, reverse_bits};

/// Of more groups a coset than this, transforms of the cosets are cheaper.
const MOST_GROUPS: usize = 512;

/// Columns transformed at a time.
const BATCH: usize = 4;

/// The most layers that are run.
const MOST_LAYERS: u32 = 6;

/// Groups of coefficients in a tile of all blocks of all cosets, unless that makes it too short or too long: what a core
/// has in its second-level cache while it takes the dot products.
const TILE_GROUPS: usize = 512;

/// The shortest and the longest tile, in positions: the terms of a dot product. A short one is reduced too often.
const TILES: (usize, usize) = (8, 64);

/// Positions of a task: whole tiles.
const TASK: usize = 1024;

/// Cache lines of a group.
const LINES: usize = size_of::<Group>() / 64;

/// A coset of the rows of a trace, bit-reversed: row r is offset·g^bitrev(r).
#[derive(Clone, Copy, Debug)]
pub(super) struct Coset {
    offset: Felt,
    /// log₂ of the number of rows, at least 3.
    log_length: u32,
    /// g, of order 2^`log_length`.
    generator: Felt,
}

impl Coset {
    /// The rows of the trace, moved by `offset`.
    pub(super) fn new(domain: &EvaluationDomain, offset: Felt) -> Coset {
        Coset { offset, log_length: domain.log_trace_length, generator: domain.trace_generator }
    }

    fn point(&self, row: u64) -> Felt {
        self.offset * self.generator.pow(reverse_bits(row, self.log_length))
    }

    /// t of block i of layer j at 2ʲ − 1 + i.
    fn twiddles(&self, layers: u32) -> Vec<Felt> {
        let first_rows = (0..layers).flat_map(|layer| {
            (0..1u64 << layer).map(move |block| (layer, block << (self.log_length - layer)))
        });
        first_rows.map(|(layer, row)| self.point(row).pow_power_of_two(self.log_length - layer - 1)).collect()
    }
}

/// A group to evaluate.
struct Target {
    /// Where its polynomial is once the layers are run: the blocks of all cosets, one coset after the other.
    block: usize,
    points: [Felt; 8],
    /// x⁸.
    power: Felt,
    /// x⁸ to the number of positions of a task.
    task_power: Felt,
    /// The powers of x⁸ from the zeroth on, one for every position of a tile, and the next one.
    powers: Vec<Multiplier>,
}

/// What is done to every column.
struct Plan {
    layers: u32,
    /// Groups of coefficients of a block, once the layers are run.
    block_groups: usize,
    /// Positions of a tile.
    tile: usize,
    /// Of every coset, t of block i of layer j at 2ʲ − 1 + i.
    twiddles: Vec<Vec<Felt>>,
    targets: Vec<Target>,
}

/// The values of every column on these groups of these cosets, by column, the cosets one after the other: row
/// 8·group + lane in lane order.
pub(super) fn evaluate_groups(
    columns: &[&Column],
    cosets: &[(Coset, &[u64])],
    kernels: Kernels,
) -> Vec<Vec<Group>> {
    let count: usize = cosets.iter().map(|(_, groups)| groups.len()).sum();
    if count == 0 || columns.is_empty() {
        return columns.iter().map(|_| Vec::new()).collect();
    }
    if count > MOST_GROUPS * cosets.len() {
        let batches = columns.chunks(BATCH);
        return batches.flat_map(|columns| transformed_groups(columns, cosets, kernels)).collect();
    }
    let plan = Plan::new(cosets, kernels);
    let positions: Vec<usize> = (0..plan.block_groups).step_by(TASK).collect();
    columns
        .par_iter()
        .map(|column| {
            let parts: Vec<Vec<Group>> = positions
                .par_iter()
                .map(|&start| {
                    let end = plan.block_groups.min(start + TASK);
                    let task = Remainders { plan: &plan, coefficients: column.groups(), start, end };
                    dispatch(kernels, task).unwrap_or_else(|task| task.one_by_one())
                })
                .collect();
            plan.targets.iter().enumerate().map(|(index, target)| target.values(index, &parts)).collect()
        })
        .collect()
}

/// [`evaluate_groups`] by transforms of the whole cosets.
fn transformed_groups(columns: &[&Column], cosets: &[(Coset, &[u64])], kernels: Kernels) -> Vec<Vec<Group>> {
    let mut out = vec![Vec::new(); columns.len()];
    let Some(length) = cosets.first().map(|(coset, _)| 1usize << coset.log_length) else { return out };
    let coefficients: Vec<&[Group]> = columns.iter().map(|column| column.groups()).collect();
    let mut values: Vec<Column> = columns.iter().map(|_| Column::unspecified(length)).collect();
    for (coset, groups) in cosets {
        let mut transformed: Vec<&mut [Group]> = values.iter_mut().map(Column::groups_mut).collect();
        evaluate_coset_groups(&coefficients, length, coset.offset, &mut transformed, kernels);
        for (out, column) in out.iter_mut().zip(&values) {
            out.extend(groups.iter().map(|&group| column.groups()[group as usize]));
        }
    }
    out
}

impl Plan {
    /// For at least one coset, all of one length.
    fn new(cosets: &[(Coset, &[u64])], kernels: Kernels) -> Plan {
        let log_length = cosets[0].0.log_length;
        let log_groups = log_length - 3;
        let count: u64 = cosets.iter().map(|(_, groups)| groups.len() as u64).sum();
        let most = MOST_LAYERS.min(log_groups.saturating_sub(TILES.0.ilog2()));
        // What a layer takes of a coefficient, in halves of a term, as measured: it is half a reduced product, and only
        // vectors reduce the terms late.
        let of_layer = if matches!(kernels, Kernels::Scalar | Kernels::Avx2) { 1 } else { 3 };
        let cost = |&layers: &u32| {
            let of_layers = of_layer * cosets.len() as u64 * u64::from(layers);
            (of_layers << MOST_LAYERS) + ((2 * count) << (MOST_LAYERS - layers))
        };
        let layers = (0..=most).min_by_key(cost).unwrap_or(0);
        let block_groups = 1usize << (log_groups - layers);
        let tile = (TILE_GROUPS >> layers) / cosets.len().next_power_of_two();
        let tile = tile.clamp(TILES.0, TILES.1).min(block_groups);
        let twiddles = cosets.iter().map(|(coset, _)| coset.twiddles(layers)).collect();
        let targets = cosets.iter().enumerate().flat_map(|(index, (coset, groups))| {
            let first = index << layers;
            let block = move |group: u64| first + (group >> (log_groups - layers)) as usize;
            groups.iter().map(move |&group| Target::new(coset, group, block(group), tile))
        });
        Plan { layers, block_groups, tile, twiddles, targets: targets.collect() }
    }
}

impl Target {
    fn new(coset: &Coset, group: u64, block: usize, tile: usize) -> Target {
        let points: [Felt; 8] = std::array::from_fn(|lane| coset.point(8 * group + lane as u64));
        let power = points[0].pow_power_of_two(3);
        let powers = std::iter::successors(Some(Felt::ONE), |&last| Some(last * power));
        let powers = powers.take(tile + 1).map(Multiplier::new).collect();
        Target { block, points, power, task_power: power.pow(TASK as u64), powers }
    }

    /// From the remainders of all tasks, in order of their positions.
    fn values(&self, index: usize, parts: &[Vec<Group>]) -> Group {
        let remainder: [Felt; 8] = std::array::from_fn(|lane| {
            parts.iter().rev().fold(Felt::ZERO, |sum, part| sum * self.task_power + part[index].get(lane))
        });
        let mut values = Group::ZERO;
        for (lane, &x) in self.points.iter().enumerate() {
            values.set(
                lane,
                remainder.iter().rev().fold(Felt::ZERO, |sum, &coefficient| sum * x + coefficient),
            );
        }
        values
    }
}

/// Σ c_i·(x⁸)^(i − start) over the positions of a task, for every target, c being the coefficients of its block.
struct Remainders<'a> {
    plan: &'a Plan,
    coefficients: &'a [Group],
    start: usize,
    end: usize,
}

/// What the layers of one coset read and write at the positions of a tile.
struct TileWork<'a> {
    /// The first position.
    position: usize,
    /// The cache lines of every group of the tile that comes next which are asked for meanwhile.
    lines: Range<usize>,
    scratch: &'a mut [LazyGroup],
    /// The result: all blocks of the coset, as multiplicands.
    blocks: &'a mut [Low52Group],
}

impl Remainders<'_> {
    fn one_by_one(self) -> Vec<Group> {
        let Remainders { plan, coefficients, start, end } = self;
        let rows = 1usize << plan.layers;
        // Each of at most six layers adds at most p, so that a coefficient stays below 7·p and a sum below 8·p.
        let mut sums = vec![[LateFelt::ZERO; 8]; plan.targets.len()];
        let mut blocks = vec![[LateFelt::ZERO; 8]; rows * plan.twiddles.len()];
        for position in (start..end).rev() {
            for (blocks, twiddles) in blocks.chunks_exact_mut(rows).zip(&plan.twiddles) {
                for (row, block) in blocks.iter_mut().enumerate() {
                    let group = &coefficients[row * plan.block_groups + position];
                    for lane in 0..8 {
                        block[lane] = group.get(lane).into();
                    }
                }
                for layer in 0..plan.layers {
                    let half = rows >> (layer + 1);
                    for (rows, &twiddle) in
                        blocks.chunks_exact_mut(2 * half).zip(&twiddles[(1 << layer) - 1..])
                    {
                        let (low, high) = rows.split_at_mut(half);
                        for (x, y) in low.iter_mut().flatten().zip(high.iter_mut().flatten()) {
                            let product = y.multiply(twiddle);
                            (*x, *y) = (x.plus(product), x.minus(product, 1));
                        }
                    }
                }
            }
            for (sum, target) in sums.iter_mut().zip(&plan.targets) {
                for (sum, coefficient) in sum.iter_mut().zip(blocks[target.block]) {
                    *sum = coefficient.plus(sum.multiply(target.power));
                }
            }
        }
        let group = |sum: &[LateFelt; 8]| {
            let mut group = Group::ZERO;
            sum.iter().enumerate().for_each(|(lane, value)| group.set(lane, value.reduce()));
            group
        };
        sums.iter().map(group).collect()
    }

    /// The coefficients of all blocks of a coset at the positions of a tile, block by block.
    #[inline(always)]
    fn blocks<L: Lanes>(&self, l: L, twiddles: &[Multiplier], work: &mut TileWork<'_>) {
        match self.plan.layers {
            0 => {
                for (block, group) in work.blocks.iter_mut().zip(&self.coefficients[work.position..]) {
                    Stored::load(l, group).unpack(l).store(l, block);
                }
            }
            1 => self.layer::<L, true, true>(l, twiddles, work),
            layers => {
                let of_layer = |layer: u32| &twiddles[(1 << layer) - 1..(2 << layer) - 1];
                self.layer::<L, true, false>(l, of_layer(0), work);
                for layer in 1..layers - 1 {
                    self.layer::<L, false, false>(l, of_layer(layer), work);
                }
                self.layer::<L, false, true>(l, of_layer(layers - 1), work);
            }
        }
    }

    /// A layer of as many blocks as there are twiddles. The first one reads the column and asks for what comes next, the
    /// last one writes the blocks as multiplicands.
    #[inline(always)]
    fn layer<L: Lanes, const FIRST: bool, const LAST: bool>(
        &self,
        l: L,
        twiddles: &[Multiplier],
        work: &mut TileWork<'_>,
    ) {
        let Plan { layers, block_groups, tile, .. } = *self.plan;
        let TileWork { position, lines, scratch, blocks } = work;
        let half = (1usize << layers) / (2 * twiddles.len());
        for (block, twiddle) in twiddles.iter().enumerate() {
            let twiddle = twiddle.splat(l);
            for row in 2 * block * half..(2 * block + 1) * half {
                let low = &self.coefficients[row * block_groups + *position..][..tile];
                let high = &self.coefficients[(row + half) * block_groups + *position..][..tile];
                let (scratch_low, scratch_high) = two_rows(scratch, row, row + half, tile);
                let (block_low, block_high) = two_rows(blocks, row, row + half, tile);
                // Two by two, so that the products do not wait for one another.
                for pair in 0..tile / 2 {
                    let mut products = [Lazy::zero(l); 2];
                    for n in 0..2 {
                        let i = 2 * pair + n;
                        let factor = if FIRST {
                            for line in lines.clone() {
                                l.prefetch_second_level(before(&low[i], tile, line));
                                l.prefetch_second_level(before(&high[i], tile, line));
                            }
                            Stored::load(l, &high[i]).unpack(l)
                        } else {
                            Lazy::load(l, &scratch_high[i]).carry(l)
                        };
                        products[n] = twiddle.mul(l, factor);
                    }
                    for n in 0..2 {
                        let i = 2 * pair + n;
                        let value = if FIRST {
                            // Six layers move a value by less than 1.2p each: it stays in (0, 25p).
                            Stored::load(l, &low[i]).to_lazy(l).bias(l, 16)
                        } else {
                            Lazy::load(l, &scratch_low[i])
                        };
                        let (sum, difference) = (value.add(l, products[n]), value.sub(l, products[n]));
                        if LAST {
                            sum.carry(l).store(l, &mut block_low[i]);
                            difference.carry(l).store(l, &mut block_high[i]);
                        } else {
                            sum.store(l, &mut scratch_low[i]);
                            difference.store(l, &mut scratch_high[i]);
                        }
                    }
                }
            }
        }
    }
}

/// The address of a cache line of a group, so many groups before this one: of a task's first tile, not in its row.
#[inline(always)]
fn before(group: &Group, count: usize, line: usize) -> *const [u64; 8] {
    (&raw const *group).wrapping_sub(count).cast::<[u64; 8]>().wrapping_add(line)
}

/// Two rows of a tile, the lower one first.
#[inline(always)]
fn two_rows<T>(rows: &mut [T], low: usize, high: usize, tile: usize) -> (&mut [T], &mut [T]) {
    let (before, after) = rows.split_at_mut(high * tile);
    (&mut before[low * tile..][..tile], &mut after[..tile])
}

/// Adds the terms of a tile to the sums of N targets, side by side so that they do not wait for one another.
#[inline(always)]
fn add_tile<L: Lanes, const N: usize>(
    l: L,
    targets: &[Target; N],
    sums: &mut [LazyGroup; N],
    tile: usize,
    blocks: &[Low52Group],
) {
    let factors: [(&[Low52Group], &[Multiplier]); N] = std::array::from_fn(
        #[inline(always)]
        |n| (&blocks[targets[n].block * tile..][..tile], &targets[n].powers[..tile]),
    );
    let mut terms = [Accumulator::zero(l); N];
    for i in 0..tile {
        for n in 0..N {
            let (coefficients, powers) = factors[n];
            let coefficient = Low52::load(l, &coefficients[i]);
            terms[n] = terms[n].add_product(l, powers[i].splat(l), coefficient);
        }
    }
    for n in 0..N {
        // At most 64 terms below 25p·p add less than 4.2p to a product below 1.1p.
        let sum = Lazy::load(l, &sums[n]).carry(l);
        targets[n].powers[tile].splat(l).mul(l, sum).add(l, terms[n].reduce(l)).store(l, &mut sums[n]);
    }
}

impl LaneTask for Remainders<'_> {
    type Output = Vec<Group>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Vec<Group> {
        let plan = self.plan;
        let rows = 1usize << plan.layers;
        let twiddles = plan.twiddles.iter().map(|coset| coset.iter().copied().map(Multiplier::new).collect());
        let twiddles: Vec<Vec<Multiplier>> = twiddles.collect();
        let mut scratch = vec![LazyGroup::ZERO; rows * plan.tile];
        let mut blocks = vec![Low52Group::ZERO; rows * plan.tile * twiddles.len()];
        let mut sums = vec![LazyGroup::ZERO; plan.targets.len()];
        for position in (self.start..self.end).step_by(plan.tile).rev() {
            for (index, blocks) in blocks.chunks_exact_mut(rows * plan.tile).enumerate() {
                let lines = LINES * index / twiddles.len()..LINES * (index + 1) / twiddles.len();
                let mut work = TileWork { position, lines, scratch: &mut scratch, blocks };
                self.blocks(l, &twiddles[index], &mut work);
            }
            let (pairs, target) = plan.targets.as_chunks::<2>();
            let (pair_sums, sum) = sums.as_chunks_mut::<2>();
            for (targets, sums) in pairs.iter().zip(pair_sums) {
                add_tile(l, targets, sums, plan.tile, &blocks);
            }
            if let ([target], [sum]) = (target, sum) {
                add_tile(l, std::array::from_ref(target), std::array::from_mut(sum), plan.tile, &blocks);
            }
        }
        let mut out = vec![Group::ZERO; sums.len()];
        for (out, sum) in out.iter_mut().zip(&sums) {
            Lazy::load(l, sum).canonical(l).store(l, out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::lanes::intervals::{any_group, prove};
    use ashlar_ntt::evaluate_coset;

    use super::*;

    fn coset(offset: u64, log_length: u32) -> Coset {
        let generator = Felt::subgroup_generator(log_length).unwrap();
        Coset { offset: Felt::from_u64(offset), log_length, generator }
    }

    #[test]
    fn no_sum_overflows_whatever_the_coefficients_are() {
        let coefficients = vec![any_group(); 1 << 10];
        // No layer and the longest tile, a few layers, the most layers and the shortest tile.
        for (cosets, groups, layers) in [(1, 1u64, 0), (1, 2, 0), (4, 5, 1), (1, 9, 2), (1, 300, 6)] {
            let groups: Vec<u64> = (0..groups).map(|i| 3 * i).collect();
            let cosets: Vec<(Coset, &[u64])> =
                (0..cosets).map(|i| (coset(3 + i, 13), groups.as_slice())).collect();
            let plan = Plan::new(&cosets, Kernels::Portable);
            assert_eq!(plan.layers, layers);
            let end = plan.block_groups.min(2 * plan.tile);
            let task = Remainders { plan: &plan, coefficients: &coefficients, start: 0, end };
            assert!(matches!(prove(task), Ok(values) if values.len() == groups.len() * cosets.len()));
        }
    }

    #[test]
    fn groups_have_the_values_that_the_transforms_of_the_cosets_have() {
        for log_length in [3u32, 4, 5, 8, 11, 13] {
            let length = 1u64 << log_length;
            let columns = [3u64, 11].map(|seed| {
                let value = |i: u64| Felt::from_u64(i * i + seed) * Felt::from_u64(i ^ seed);
                Column::from_felts(&(0..length).map(value).collect::<Vec<_>>())
            });
            let references: Vec<&Column> = columns.iter().collect();
            let cosets = [7, 3, 5].map(|offset| coset(offset, log_length));
            // All groups, every third one, the last one, none. 2¹³ rows have more groups than are evaluated one by one.
            let last = length / 8 - 1;
            let all: Vec<u64> = (0..=last).collect();
            let third: Vec<u64> = (0..=last).step_by(3).collect();
            let choices: [[&[u64]; 3]; 6] = [
                [&all, &[], &[]],
                [&third, &[], &[]],
                [&[last], &[], &[]],
                [&third, &[last], &all],
                [&[last], &third, &[]],
                [&[], &[], &[]],
            ];
            for kernels in Kernels::supported() {
                let expected = cosets.map(|coset| {
                    let mut values = columns.clone();
                    evaluate_coset(&columns, coset.offset, &mut values, kernels);
                    values
                });
                for choice in &choices {
                    // One coset by itself, and all three.
                    for count in [1, 3] {
                        let wanted: Vec<(Coset, &[u64])> =
                            cosets.into_iter().zip(choice.iter().copied()).take(count).collect();
                        let got = evaluate_groups(&references, &wanted, kernels);
                        for (column, got) in got.iter().enumerate() {
                            let of_coset = |(values, (_, groups)): (&[Column; 2], &(Coset, &[u64]))| {
                                let values = values[column].groups();
                                groups.iter().map(|&group| values[group as usize]).collect::<Vec<Group>>()
                            };
                            let expected: Vec<Group> =
                                expected.iter().zip(&wanted).flat_map(of_coset).collect();
                            assert!(
                                *got == expected,
                                "{kernels}, 2^{log_length}, {count} cosets, {choice:?}"
                            );
                        }
                    }
                }
            }
        }
    }
}
