//! The values of polynomials on some groups of eight rows of a coset, without transforming the whole coset unless
//! there are many.
//!
//! A transform splits X^(2d) − t² into X^d − t and X^d + t, layer by layer. As many layers as it takes to separate the
//! groups are run, tile by tile: equal positions of all blocks. What is left of a group's block is reduced further by
//! Horner's rule as the tiles go by, so nothing but the coefficients is in memory. q groups take
//! min over k of k/2 + q/2ᵏ products a coefficient; a transform takes log₂(N)/2.
//!
//! The eight points of a group are x·ωⁱ, ω of order 8, so they share x⁸: the polynomial modulo X⁸ − x⁸ has eight
//! coefficients, which serve all eight rows.

use ashlar_field::{
    Column, Felt, Group, Kernels, LateFelt,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Lazy, LazyGroup, Multiplier, Stored},
};
use ashlar_ntt::evaluate_coset_groups;
use rayon::prelude::*;

use crate::domain::{EvaluationDomain, reverse_bits};

/// Of more groups than this, a transform of the coset is cheaper.
const MOST_GROUPS: usize = 384;

/// Columns transformed at a time.
const BATCH: usize = 4;

/// The most layers that are run.
const MOST_LAYERS: u32 = 6;

/// Groups side by side in a tile.
const TILE: usize = 4;

/// Tiles of a task.
const TASK_TILES: usize = 64;

/// Groups whose remainders are computed side by side, so that the latency of a product is hidden.
const CHAINS: usize = 4;

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
}

/// A group to evaluate.
struct Target {
    /// Where its polynomial is once the layers are run.
    block: usize,
    points: [Felt; 8],
    /// x⁸.
    power: Felt,
}

/// What is done to every column.
struct Plan {
    layers: u32,
    /// Groups of coefficients of a block, once the layers are run.
    block_groups: usize,
    /// t of block i of layer j at 2ʲ − 1 + i.
    twiddles: Vec<Felt>,
    targets: Vec<Target>,
}

/// The values of every column on these groups of the coset, by column: row 8·group + lane in lane order.
pub(super) fn evaluate_groups(
    columns: &[&Column],
    coset: &Coset,
    groups: &[u64],
    kernels: Kernels,
) -> Vec<Vec<Group>> {
    if groups.len() > MOST_GROUPS {
        let batches = columns.chunks(BATCH);
        return batches.flat_map(|columns| transformed_groups(columns, coset, groups, kernels)).collect();
    }
    let plan = Plan::new(coset, groups);
    let positions: Vec<usize> = (0..plan.block_groups).step_by(TASK_TILES * TILE).collect();
    columns
        .par_iter()
        .map(|column| {
            let parts: Vec<Vec<Group>> = positions
                .par_iter()
                .map(|&start| {
                    let end = plan.block_groups.min(start + TASK_TILES * TILE);
                    let task = Remainders { plan: &plan, coefficients: column.groups(), start, end };
                    dispatch(kernels, task).unwrap_or_else(|task| task.one_by_one())
                })
                .collect();
            plan.targets.iter().enumerate().map(|(index, target)| target.values(index, &parts)).collect()
        })
        .collect()
}

/// [`evaluate_groups`] by transforms of the whole coset.
fn transformed_groups(
    columns: &[&Column],
    coset: &Coset,
    groups: &[u64],
    kernels: Kernels,
) -> Vec<Vec<Group>> {
    let length = 1usize << coset.log_length;
    let coefficients: Vec<&[Group]> = columns.iter().map(|column| column.groups()).collect();
    let mut values: Vec<Column> = columns.iter().map(|_| Column::unspecified(length)).collect();
    let mut out: Vec<&mut [Group]> = values.iter_mut().map(Column::groups_mut).collect();
    evaluate_coset_groups(&coefficients, length, coset.offset, &mut out, kernels);
    values
        .iter()
        .map(|column| groups.iter().map(|&group| column.groups()[group as usize]).collect())
        .collect()
}

impl Plan {
    fn new(coset: &Coset, groups: &[u64]) -> Plan {
        let log_groups = coset.log_length - 3;
        let most = MOST_LAYERS.min(log_groups.saturating_sub(TILE.ilog2()));
        // Half products a coefficient.
        let cost = |layers: &u32| u64::from(*layers) + ((2 * groups.len() as u64) >> layers);
        let layers = (0..=most).min_by_key(cost).unwrap_or(0);
        let first_rows = (0..layers).flat_map(|layer| {
            (0..1u64 << layer).map(move |block| (layer, block << (coset.log_length - layer)))
        });
        let twiddles = first_rows
            .map(|(layer, row)| coset.point(row).pow_power_of_two(coset.log_length - layer - 1))
            .collect();
        let targets = groups.iter().map(|&group| {
            let points: [Felt; 8] = std::array::from_fn(|lane| coset.point(8 * group + lane as u64));
            let block = (group >> (log_groups - layers)) as usize;
            Target { block, points, power: points[0].pow_power_of_two(3) }
        });
        Plan { layers, block_groups: 1 << (log_groups - layers), twiddles, targets: targets.collect() }
    }

    fn twiddle(&self, layer: u32, block: usize) -> Felt {
        self.twiddles[(1 << layer) - 1 + block]
    }
}

impl Target {
    /// From the remainders of all tasks, in order of their positions.
    fn values(&self, index: usize, parts: &[Vec<Group>]) -> Group {
        let step = self.power.pow((TASK_TILES * TILE) as u64);
        let remainder: [Felt; 8] = std::array::from_fn(|lane| {
            parts.iter().rev().fold(Felt::ZERO, |sum, part| sum * step + part[index].get(lane))
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

impl Remainders<'_> {
    fn one_by_one(self) -> Vec<Group> {
        let Remainders { plan, coefficients, start, end } = self;
        // Each of at most six layers adds at most p, so that a coefficient stays below 7·p and a sum below 8·p.
        let mut sums = vec![[LateFelt::ZERO; 8]; plan.targets.len()];
        let mut blocks = vec![[LateFelt::ZERO; 8]; 1 << plan.layers];
        for position in (start..end).rev() {
            for (row, block) in blocks.iter_mut().enumerate() {
                let group = &coefficients[row * plan.block_groups + position];
                for lane in 0..8 {
                    block[lane] = group.get(lane).into();
                }
            }
            for layer in 0..plan.layers {
                let half = blocks.len() >> (layer + 1);
                for (block, rows) in blocks.chunks_exact_mut(2 * half).enumerate() {
                    let twiddle = plan.twiddle(layer, block);
                    let (low, high) = rows.split_at_mut(half);
                    for (x, y) in low.iter_mut().flatten().zip(high.iter_mut().flatten()) {
                        let product = y.multiply(twiddle);
                        (*x, *y) = (x.plus(product), x.minus(product, 1));
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
}

impl LaneTask for Remainders<'_> {
    type Output = Vec<Group>;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Vec<Group> {
        let Remainders { plan, coefficients, start, end } = self;
        let tile = TILE.min(plan.block_groups);
        let rows = 1usize << plan.layers;
        let mut scratch = vec![LazyGroup::ZERO; rows * tile];
        let mut sums = vec![LazyGroup::ZERO; plan.targets.len()];
        let powers: Vec<Multiplier> =
            plan.targets.iter().map(|target| Multiplier::new(target.power)).collect();
        let twiddles: Vec<Multiplier> = plan.twiddles.iter().copied().map(Multiplier::new).collect();
        for position in (start..end).step_by(tile).rev() {
            for row in 0..rows {
                for i in 0..tile {
                    let group = &coefficients[row * plan.block_groups + position + i];
                    // Six layers move a value by less than 1.2p each: it stays in (0, 25p).
                    Stored::load(l, group).to_lazy(l).bias(l, 16).store(l, &mut scratch[row * tile + i]);
                }
            }
            for layer in 0..plan.layers {
                let half = (rows >> (layer + 1)) * tile;
                for block in 0..1usize << layer {
                    let twiddle = twiddles[(1 << layer) - 1 + block].splat(l);
                    let first = 2 * block * half;
                    for x in first..first + half {
                        let y = x + half;
                        let product = twiddle.mul(l, Lazy::load(l, &scratch[y]).carry(l));
                        let sum = Lazy::load(l, &scratch[x]);
                        sum.add(l, product).store(l, &mut scratch[x]);
                        sum.sub(l, product).store(l, &mut scratch[y]);
                    }
                }
            }
            for first in (0..sums.len()).step_by(CHAINS) {
                let count = CHAINS.min(sums.len() - first);
                for i in (0..tile).rev() {
                    for target in first..first + count {
                        // Below 27p: a product of a sum below that and a constant is below 1.1p.
                        let sum = Lazy::load(l, &sums[target]).carry(l);
                        let coefficient = Lazy::load(l, &scratch[plan.targets[target].block * tile + i]);
                        let sum = powers[target].splat(l).mul(l, sum).add(l, coefficient);
                        sum.store(l, &mut sums[target]);
                    }
                }
            }
        }
        let mut out = vec![Group::ZERO; sums.len()];
        for target in 0..sums.len() {
            Lazy::load(l, &sums[target]).canonical(l).store(l, &mut out[target]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::lanes::intervals::{any_group, prove};
    use ashlar_ntt::evaluate_coset;

    use super::*;

    #[test]
    fn no_sum_overflows_whatever_the_coefficients_are() {
        let coset = Coset {
            offset: Felt::GENERATOR,
            log_length: 13,
            generator: Felt::subgroup_generator(13).unwrap(),
        };
        let coefficients = vec![any_group(); 1 << 10];
        for groups in [1u64, 9, 300] {
            let plan = Plan::new(&coset, &(0..groups).map(|i| 3 * i).collect::<Vec<_>>());
            let end = plan.block_groups.min(TASK_TILES * TILE);
            let task = Remainders { plan: &plan, coefficients: &coefficients, start: 0, end };
            assert!(matches!(prove(task), Ok(values) if values.len() == groups as usize));
        }
    }

    #[test]
    fn groups_have_the_values_that_the_transform_of_the_coset_has() {
        for log_length in [3u32, 4, 5, 8, 11, 13] {
            let length = 1u64 << log_length;
            let columns = [3u64, 11].map(|seed| {
                let value = |i: u64| Felt::from_u64(i * i + seed) * Felt::from_u64(i ^ seed);
                Column::from_felts(&(0..length).map(value).collect::<Vec<_>>())
            });
            let columns: Vec<&Column> = columns.iter().collect();
            let generator = Felt::subgroup_generator(log_length).unwrap();
            let coset = Coset { offset: Felt::from_u64(7), log_length, generator };
            // 2¹³ rows have more groups than are evaluated one by one.
            // All groups, every third one, the last one.
            let last = length / 8 - 1;
            let choices: [Vec<u64>; 3] = [(0..=last).collect(), (0..=last).step_by(3).collect(), vec![last]];
            for kernels in Kernels::supported() {
                let owned: Vec<Column> = columns.iter().map(|column| (*column).clone()).collect();
                let mut expected = [Column::zeros(length as usize), Column::zeros(length as usize)];
                evaluate_coset(&owned, coset.offset, &mut expected, kernels);
                for groups in &choices {
                    let values = evaluate_groups(&columns, &coset, groups, kernels);
                    for (values, expected) in values.iter().zip(&expected) {
                        let expected: Vec<Group> =
                            groups.iter().map(|&group| expected.groups()[group as usize]).collect();
                        assert!(*values == expected, "{kernels}, 2^{log_length}, {} groups", groups.len());
                    }
                }
            }
        }
    }
}
