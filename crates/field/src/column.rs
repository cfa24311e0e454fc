//! Columns: the memory layout that every kernel builds on.
//!
//! Eight consecutive elements form a [`Group`]: four 64-byte vectors, one for each 64-bit limb, so that a vector
//! register holds one limb of eight elements and no kernel ever shuffles. Elements are in Stone's Montgomery form
//! (radix 2²⁵⁶) and canonical: a canonical element is, byte-swapped, exactly what Stone hashes.

use crate::{Felt, memory::Groups};

/// Eight consecutive elements, limb-major: `0[limb][lane]`, limbs little-endian, canonical Montgomery form.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(pub [[u64; 8]; 4]);

impl Group {
    /// Eight zeros.
    pub const ZERO: Group = Group([[0; 8]; 4]);

    /// Eight times the same element.
    pub fn splat(value: Felt) -> Group {
        Group(value.to_montgomery_limbs().map(|limb| [limb; 8]))
    }

    /// The element in one lane. The caller keeps groups canonical; a non-canonical lane reads as reduced.
    #[inline(always)]
    pub fn get(&self, lane: usize) -> Felt {
        let limbs = [self.0[0][lane], self.0[1][lane], self.0[2][lane], self.0[3][lane]];
        debug_assert!(Felt::from_montgomery_limbs(limbs).is_some(), "a stored group is canonical");
        Felt::from_montgomery_limbs(limbs).unwrap_or_else(|| reduced(limbs))
    }

    /// Replaces the element in one lane.
    #[inline(always)]
    pub fn set(&mut self, lane: usize, value: Felt) {
        let limbs = value.to_montgomery_limbs();
        for limb in 0..4 {
            self.0[limb][lane] = limbs[limb];
        }
    }
}

/// The element with a representation that is not canonical.
#[cold]
fn reduced(limbs: [u64; 4]) -> Felt {
    Felt::from_limbs_reduced(limbs) * MONTGOMERY_ONE_INVERSE
}

/// 2⁻²⁵⁶, to re-read a non-canonical Montgomery integer by its value.
pub(crate) const MONTGOMERY_ONE_INVERSE: Felt = match Felt::from_montgomery_limbs([1, 0, 0, 0]) {
    Some(value) => value,
    None => Felt::ZERO,
};

/// A sequence of field elements stored in [`Group`]s. Lanes past the length are zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    groups: Groups,
    length: usize,
}

impl Column {
    /// A column of `length` zeros. A large one costs nothing until it is written, and is then backed by huge pages
    /// where the system has them; write it first from the threads that will use it.
    pub fn zeros(length: usize) -> Column {
        Column { groups: Groups::zeros(length.div_ceil(8)), length }
    }

    /// A column of `length` elements that are all to be written: until then they may be those of a dropped column,
    /// or bits that are no element's. Cheaper than [`Column::zeros`] while [`Recycling`](crate::Recycling) lasts.
    pub fn unspecified(length: usize) -> Column {
        let mut groups = Groups::unspecified(length.div_ceil(8));
        // Lanes past the length are zero. Only then: a write by one thread would make it fetch the page for all.
        if !length.is_multiple_of(8)
            && let Some(last) = groups.last_mut()
        {
            *last = Group::ZERO;
        }
        Column { groups, length }
    }

    /// A column with these elements.
    pub fn from_felts(values: &[Felt]) -> Column {
        let mut column = Column::zeros(values.len());
        for (group, chunk) in column.groups.iter_mut().zip(values.chunks(8)) {
            for (lane, &value) in chunk.iter().enumerate() {
                group.set(lane, value);
            }
        }
        column
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The element at `index`.
    ///
    /// # Panics
    /// If `index` is not below the length: an index is computed by us, never taken from input.
    #[inline]
    pub fn get(&self, index: usize) -> Felt {
        assert!(index < self.length);
        self.groups[index / 8].get(index % 8)
    }

    /// Replaces the element at `index`.
    ///
    /// # Panics
    /// If `index` is not below the length: an index is computed by us, never taken from input.
    #[inline]
    pub fn set(&mut self, index: usize, value: Felt) {
        assert!(index < self.length);
        self.groups[index / 8].set(index % 8, value);
    }

    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Felt> + '_ {
        (0..self.length).map(|index| self.groups[index / 8].get(index % 8))
    }

    /// The elements in order, as a vector.
    pub fn to_felts(&self) -> Vec<Felt> {
        self.iter().collect()
    }

    /// The groups; element i is lane i mod 8 of group ⌊i/8⌋.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The groups, to be changed in place. The writer keeps every lane canonical and padding lanes zero.
    pub fn groups_mut(&mut self) -> &mut [Group] {
        &mut self.groups
    }
}
