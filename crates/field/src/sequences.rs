//! Sequences that depend on their predecessors: geometric sequences and running products.

use rayon::prelude::*;

use crate::{
    Column, Felt, Group, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Low52, Multiplier, Stored},
};

/// Groups per task.
const CHUNK: usize = 512;

/// Groups of a geometric sequence computed side by side, so that the latency of a product is hidden.
const CHAINS: usize = 4;

/// The column start, start·ratio, start·ratio², …
pub fn geometric_sequence(length: usize, start: Felt, ratio: Felt, kernels: Kernels) -> Column {
    let mut column = Column::unspecified(length);
    fill_geometric(column.groups_mut(), start, ratio, kernels);
    for padding in length..length.next_multiple_of(8) {
        column.groups_mut()[padding / 8].set(padding % 8, Felt::ZERO);
    }
    column
}

/// Fills groups with start, start·ratio, start·ratio², …
pub fn fill_geometric(groups: &mut [Group], start: Felt, ratio: Felt, kernels: Kernels) {
    let mut first = Group::ZERO;
    let mut element = start;
    for lane in 0..8 {
        first.set(lane, element);
        element *= ratio;
    }
    fill_geometric_lanes(groups, first, ratio.pow(8), kernels);
}

/// Fills groups with `first`, `first`·ratio, `first`·ratio², …: eight geometric sequences, one a lane.
pub fn fill_geometric_lanes(groups: &mut [Group], first: Group, ratio: Felt, kernels: Kernels) {
    let chunk_ratio = ratio.pow(CHUNK as u64);
    groups.par_chunks_mut(CHUNK).enumerate().for_each(|(index, groups)| {
        let first = scaled(&first, chunk_ratio.pow(index as u64));
        if let Err(Geometric { groups, .. }) = dispatch(kernels, Geometric { groups, first, ratio }) {
            fill_one_by_one(groups, first, ratio);
        }
    });
}

fn scaled(group: &Group, factor: Felt) -> Group {
    let mut product = Group::ZERO;
    for lane in 0..8 {
        product.set(lane, group.get(lane) * factor);
    }
    product
}

fn fill_one_by_one(groups: &mut [Group], mut next: Group, ratio: Felt) {
    for group in groups {
        *group = next;
        next = scaled(&next, ratio);
    }
}

struct Geometric<'a> {
    groups: &'a mut [Group],
    first: Group,
    ratio: Felt,
}

impl LaneTask for Geometric<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Geometric { groups, first, ratio } = self;
        let alone = groups.len().min(CHAINS);
        fill_one_by_one(&mut groups[..alone], first, ratio);
        let step: Low52<L> = Multiplier::new(ratio.pow(CHAINS as u64)).splat(l);
        for i in CHAINS..groups.len() {
            let before = Stored::load(l, &groups[i - CHAINS]).unpack(l);
            step.mul(l, before).canonical(l).store(l, &mut groups[i]);
        }
    }
}

/// The longest run of consecutive groups that one lane multiplies up.
const MAX_RUN: usize = 64;

/// Replaces element i by the product of the elements 0 … i.
///
/// Each run of groups is first multiplied up as a whole, which gives the product before every run; then eight runs
/// go side by side, one a lane.
pub fn prefix_products(column: &mut Column, kernels: Kernels) {
    let length = column.len();
    let whole = length / 8;
    let groups = column.groups_mut();
    let run = (whole / 8).clamp(1, MAX_RUN);
    let totals: Vec<Felt> =
        groups[..whole].par_chunks_exact(run).map(|run| product_of(run, kernels)).collect();
    let mut before = vec![Felt::ONE];
    before.extend(totals.into_iter().scan(Felt::ONE, |product, total| {
        *product *= total;
        Some(*product)
    }));
    // Blocks of eight whole runs go side by side, what is left one by one.
    let blocks = whole / (8 * run);
    let (vectorised, rest) = groups.split_at_mut(blocks * 8 * run);
    vectorised.par_chunks_exact_mut(8 * run).zip(before.par_chunks(8)).for_each(|(groups, before)| {
        let mut start = Group::ZERO;
        for (lane, &product) in before.iter().enumerate() {
            start.set(lane, product);
        }
        if let Err(Running { groups, .. }) = dispatch(kernels, Running { groups, run, start }) {
            for (run, &product) in groups.chunks_exact_mut(run).zip(before) {
                running_one_by_one(run, 8 * run.len(), product);
            }
        }
    });
    running_one_by_one(rest, length - 64 * blocks * run, before[8 * blocks]);
}

/// Running products of the first `length` elements, times `product`.
fn running_one_by_one(groups: &mut [Group], length: usize, mut product: Felt) {
    for i in 0..length {
        product *= groups[i / 8].get(i % 8);
        groups[i / 8].set(i % 8, product);
    }
}

fn product_of(groups: &[Group], kernels: Kernels) -> Felt {
    let lanes = dispatch(kernels, Total { groups }).unwrap_or_else(|Total { groups }| {
        let mut product = Group::splat(Felt::ONE);
        for group in groups {
            for lane in 0..8 {
                product.set(lane, product.get(lane) * group.get(lane));
            }
        }
        product
    });
    (0..8).map(|lane| lanes.get(lane)).product()
}

struct Total<'a> {
    groups: &'a [Group],
}

impl LaneTask for Total<'_> {
    type Output = Group;

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) -> Group {
        let one = Stored::splat(l, Felt::ONE).unpack(l);
        let mut products = [one; 2];
        for pair in self.groups.chunks(2) {
            for (product, group) in products.iter_mut().zip(pair) {
                *product = product.mul(l, Stored::load(l, group).unpack_x16(l)).carry(l);
            }
        }
        let mut out = Group::ZERO;
        let second = products[1].mul(l, Multiplier::new(Felt::ONE).splat(l)).canonical(l);
        products[0].mul(l, second.unpack_x16(l)).canonical(l).store(l, &mut out);
        out
    }
}

/// Running products of eight runs of groups, one a lane, times the elements of `start`.
struct Running<'a> {
    groups: &'a mut [Group],
    run: usize,
    start: Group,
}

impl LaneTask for Running<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Running { groups, run, start } = self;
        let mut product = Stored::load(l, &start).unpack(l);
        for step in 0..run {
            let mut rows = [Stored::splat(l, Felt::ZERO); 8];
            for lane in 0..8 {
                rows[lane] = Stored::load(l, &groups[lane * run + step]);
            }
            let mut columns = Stored::transpose(l, rows);
            for column in &mut columns {
                let next = column.unpack_x16(l).mul(l, product);
                product = next.carry(l);
                *column = next.canonical(l);
            }
            let rows = Stored::transpose(l, columns);
            for lane in 0..8 {
                rows[lane].store(l, &mut groups[lane * run + step]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::intervals::{any_group, prove};

    #[test]
    fn no_sum_overflows_whatever_the_elements_are() {
        let groups = &mut [any_group(); 3 * CHAINS];
        assert_eq!(
            prove(Geometric { groups, first: Group::splat(Felt::GENERATOR), ratio: -Felt::ONE }),
            Ok(())
        );
        assert!(prove(Total { groups: &[any_group(); 9] }).is_ok());
        let groups = &mut [any_group(); 24];
        assert_eq!(prove(Running { groups, run: 3, start: any_group() }), Ok(()));
    }
}
