//! The operands of programs, and the order in which programs visit rows.
//!
//! **Block order.** In a bit-reversed coset the eight elements of a group are rows {j + k·N/8}, k = 0 … 7, lane λ
//! holding k = bitrev(λ). Block order keeps the groups but sorts them by j: group j, lane λ is row j + bitrev(λ)·N/8.
//! The neighbour r rows on of a whole group is then group (j + r) mod N/8, with its lanes rotated where that wraps:
//! every access is to a whole group, and consecutive blocks read consecutive memory. [`bit_reverse_group_order`] goes
//! from one order to the other, and back.

use ashlar_field::{
    Column, Felt, Group, Kernels, fill_geometric_lanes,
    lanes::Lanes,
    packed::{Multiplier, Stored},
};
use ashlar_ntt::{bit_reverse, bit_reverse_group_order};
use rayon::prelude::*;

use crate::domain::reverse_bits;

/// A column or table that a program reads.
#[derive(Clone, Copy)]
pub(crate) enum ColumnData<'a> {
    /// N values in block order.
    Full(&'a [Group]),
    /// One period of a column with a period (a power of two) of at most N/8 rows: the same value in all lanes.
    Periodic(&'a [Felt]),
    /// The points of a coset.
    Points(&'a CosetPoints),
}

/// A table that belongs to a program.
pub(crate) enum Table {
    /// As [`ColumnData::Full`].
    Full(Column),
    /// As [`ColumnData::Periodic`].
    Periodic(Vec<Felt>),
}

impl Table {
    /// A column of N rows that repeats these values in bit-reversed order, a power of two many.
    pub(crate) fn new(mut values: Column, length: usize, kernels: Kernels) -> Table {
        if values.len() <= length / 8 {
            bit_reverse(&mut values, kernels);
            return Table::Periodic(values.to_felts());
        }
        let mut column = repeated(values, length);
        bit_reverse_group_order(column.groups_mut());
        Table::Full(column)
    }

    pub(crate) fn data(&self) -> ColumnData<'_> {
        match self {
            Table::Full(column) => ColumnData::Full(column.groups()),
            Table::Periodic(values) => ColumnData::Periodic(values),
        }
    }
}

/// k for a lane: the group's row in the k-th eighth of the trace.
#[inline]
pub(crate) fn row_block(lane: usize) -> usize {
    reverse_bits(lane as u64, 3) as usize
}

/// The lanes to read for a rotation by `blocks` eighths of the trace: lane λ of the result is this lane.
#[inline]
pub(crate) fn rotated_lanes(blocks: usize) -> [u64; 8] {
    std::array::from_fn(|lane| reverse_bits(((row_block(lane) + blocks) % 8) as u64, 3))
}

/// A value with its lanes rotated by `blocks` eighths of the trace; `rotations` are the [`rotated_lanes`] by eighths.
#[inline(always)]
pub(crate) fn rotate<L: Lanes>(
    l: L,
    value: Stored<L>,
    blocks: usize,
    rotations: &[[u64; 8]; 8],
) -> Stored<L> {
    if blocks == 0 { value } else { value.permute(l, l.load(&rotations[blocks])) }
}

/// The group and the rotation at which to find the rows `offset` after those of `group`, of 2^`log_groups` groups.
#[inline(always)]
pub(crate) fn locate(group: usize, offset: u64, log_groups: u32) -> (usize, usize) {
    let at = group.wrapping_add(offset as usize);
    (at & ((1 << log_groups) - 1), (at >> log_groups) & 7)
}

/// A periodic column over `length` rows, both in bit-reversed order: every value fills neighbouring rows, because row
/// ρ of 2ᵐ is the point bitrev(ρ), whose rest modulo 2ᵏ is in the highest k bits of ρ.
pub(crate) fn repeated(column: Column, length: usize) -> Column {
    let times = length / column.len().max(1);
    if times <= 1 {
        return column;
    }
    let mut out = Column::unspecified(length);
    if times < 8 {
        (0..length).for_each(|index| out.set(index, column.get(index / times)));
        return out;
    }
    out.groups_mut()
        .par_chunks_mut(times / 8)
        .enumerate()
        .for_each(|(index, groups)| groups.fill(Group::splat(column.get(index))));
    out
}

/// The points shift·gʲ of a coset in block order, g of order N = 8·`groups`, as a column.
pub(crate) fn coset_points(shift: Felt, generator: Felt, groups: usize, kernels: Kernels) -> Column {
    let mut points = Column::unspecified(8 * groups);
    fill_geometric_lanes(points.groups_mut(), first_points(shift, generator, groups), generator, kernels);
    points
}

/// The first group of the points of a coset.
fn first_points(shift: Felt, generator: Felt, groups: usize) -> Group {
    let eighth = generator.pow(groups as u64);
    let mut first = Group::ZERO;
    for lane in 0..8 {
        first.set(lane, shift * eighth.pow(row_block(lane) as u64));
    }
    first
}

/// The points of a coset in block order, two short tables instead of a column: group j is entry j mod 2ʰ of the one
/// times entry ⌊j/2ʰ⌋ of the other.
pub(crate) struct CosetPoints {
    near: Vec<Group>,
    far: Vec<(Felt, Multiplier)>,
}

/// Log₂ of the most groups of the first table: 256 KiB.
const LOG_NEAR: u32 = 10;

impl CosetPoints {
    /// The points shift·gʲ, g of order N = 8·`groups`.
    pub(crate) fn new(shift: Felt, generator: Felt, groups: usize, kernels: Kernels) -> CosetPoints {
        let mut near = vec![Group::ZERO; groups.min(1 << LOG_NEAR)];
        fill_geometric_lanes(&mut near, first_points(shift, generator, groups), generator, kernels);
        let step = generator.pow(near.len() as u64);
        let powers = std::iter::successors(Some(Felt::ONE), |&power| Some(power * step));
        let far = powers.take(groups / near.len()).map(|power| (power, Multiplier::new(power))).collect();
        CosetPoints { near, far }
    }

    /// The points of group `index`.
    pub(crate) fn get(&self, index: usize) -> [Felt; 8] {
        let (near, (far, _)) = (&self.near[index % self.near.len()], &self.far[index / self.near.len()]);
        std::array::from_fn(|lane| near.get(lane) * *far)
    }

    /// The same on vectors.
    #[inline(always)]
    pub(crate) fn load<L: Lanes>(&self, l: L, index: usize) -> Stored<L> {
        let bits = self.near.len().trailing_zeros();
        let (near, (_, far)) = (&self.near[index & (self.near.len() - 1)], &self.far[index >> bits]);
        far.splat(l).mul(l, Stored::load(l, near).unpack(l)).canonical(l)
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::lanes::{LaneTask, dispatch, intervals::prove};

    use super::*;

    #[test]
    fn the_rows_after_a_group_are_where_locate_says() {
        let groups = 4;
        let row = |group: usize, lane: usize| group + row_block(lane) * groups;
        for group in 0..groups {
            for offset in [0u64, 1, 3, 4, 9, 31, 32 + 5] {
                let (at, blocks) = locate(group, offset, 2);
                let lanes = rotated_lanes(blocks);
                for lane in 0..8 {
                    let expected = (row(group, lane) + offset as usize) % (8 * groups);
                    assert_eq!(row(at, lanes[lane] as usize), expected);
                }
            }
        }
    }

    #[test]
    fn the_short_tables_of_a_coset_have_its_points() {
        struct All<'a>(&'a CosetPoints, &'a mut [Group]);
        impl LaneTask for All<'_> {
            type Output = ();

            #[inline(always)]
            fn run<L: Lanes>(self, l: L) {
                self.1
                    .iter_mut()
                    .enumerate()
                    .for_each(|(index, group)| self.0.load(l, index).store(l, group));
            }
        }
        for groups in [1usize, 2, 1 << LOG_NEAR, 4 << LOG_NEAR] {
            let generator = Felt::subgroup_generator(3 + groups.ilog2()).unwrap();
            let column = coset_points(Felt::GENERATOR, generator, groups, Kernels::Scalar);
            let points = CosetPoints::new(Felt::GENERATOR, generator, groups, Kernels::Scalar);
            for (index, group) in column.groups().iter().enumerate() {
                assert_eq!(
                    points.get(index),
                    std::array::from_fn(|lane| group.get(lane)),
                    "{index} of {groups}"
                );
            }
            let mut computed = vec![Group::ZERO; groups];
            for kernels in Kernels::supported() {
                if dispatch(kernels, All(&points, &mut computed)).is_ok() {
                    assert_eq!(computed, column.groups(), "{kernels}, {groups}");
                }
            }
            assert_eq!(prove(All(&points, &mut computed)), Ok(()));
        }
    }

    #[test]
    fn block_order_sorts_a_bit_reversed_coset() {
        let length = 64u64;
        let mut groups: Vec<Group> = (0..8u64)
            .map(|group| {
                let mut out = Group::ZERO;
                (0..8)
                    .for_each(|lane| out.set(lane, Felt::from_u64(reverse_bits(8 * group + lane as u64, 6))));
                out
            })
            .collect();
        bit_reverse_group_order(&mut groups);
        for (j, group) in groups.iter().enumerate() {
            for lane in 0..8 {
                let row = j + row_block(lane) * length as usize / 8;
                assert_eq!(group.get(lane), Felt::from_u64(row as u64));
            }
        }
    }

    #[test]
    fn a_long_table_is_spread_over_the_lanes() {
        let values: Vec<Felt> = (0..16).map(Felt::from_u64).collect();
        let kernels = Kernels::current();
        let mut reversed = Column::from_felts(&values);
        bit_reverse(&mut reversed, kernels);
        let Table::Full(column) = Table::new(reversed.clone(), 32, kernels) else {
            panic!("period above N/8")
        };
        for (j, group) in column.groups().iter().enumerate() {
            (0..8).for_each(|lane| assert_eq!(group.get(lane), values[(j + row_block(lane) * 4) % 16]));
        }
        let Table::Periodic(period) = Table::new(reversed, 128, kernels) else { panic!("period of N/8") };
        assert_eq!(period, values);
    }

    #[test]
    fn a_period_fills_neighbouring_rows_in_bit_reversed_order() {
        let natural: Vec<Felt> = (0..4).map(Felt::from_u64).collect();
        let mut short = Column::zeros(4);
        (0..4).for_each(|row| short.set(row, natural[reverse_bits(row as u64, 2) as usize]));
        for bits in 2..7 {
            let long = repeated(short.clone(), 1 << bits);
            for row in 0..1u64 << bits {
                assert_eq!(long.get(row as usize), natural[reverse_bits(row, bits) as usize % 4]);
            }
        }
    }
}
