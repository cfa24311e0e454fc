//! The same operation on every element of a column: products, sums, multiples, changes of form.
//!
//! All functions work on [`Group`]s, split the work over threads, and give the same bytes for every family of
//! kernels. Sequences that are combined must be equally long.

use rayon::prelude::*;

use crate::{
    Felt, Group, Kernels,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Multiplier, Stored},
};

/// Groups per task: 64 KiB, some ten microseconds.
const CHUNK: usize = 256;

/// An operation on one element of each of two sequences, in both ways of computing it.
trait Pairwise: Copy + Sync {
    fn scalar(self, a: Felt, b: Felt) -> Felt;
    fn packed<L: Lanes>(self, l: L, a: Stored<L>, b: Stored<L>) -> Stored<L>;
}

struct PairwiseTask<'a, O> {
    operation: O,
    a: &'a mut [Group],
    b: &'a [Group],
}

impl<O: Pairwise> LaneTask for PairwiseTask<'_, O> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for (a, b) in self.a.iter_mut().zip(self.b) {
            self.operation.packed(l, Stored::load(l, a), Stored::load(l, b)).store(l, a);
        }
    }
}

fn pairwise<O: Pairwise>(operation: O, a: &mut [Group], b: &[Group], kernels: Kernels) {
    assert_eq!(a.len(), b.len(), "sequences that are combined are equally long");
    a.par_chunks_mut(CHUNK).zip(b.par_chunks(CHUNK)).for_each(|(a, b)| {
        if let Err(PairwiseTask { a, b, .. }) = dispatch(kernels, PairwiseTask { operation, a, b }) {
            for (a, b) in a.iter_mut().zip(b) {
                for lane in 0..8 {
                    a.set(lane, operation.scalar(a.get(lane), b.get(lane)));
                }
            }
        }
    });
}

#[derive(Clone, Copy)]
struct Product;

impl Pairwise for Product {
    fn scalar(self, a: Felt, b: Felt) -> Felt {
        a * b
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>, b: Stored<L>) -> Stored<L> {
        a.unpack_x16(l).mul(l, b.unpack(l)).canonical(l)
    }
}

#[derive(Clone, Copy)]
struct Sum;

impl Pairwise for Sum {
    fn scalar(self, a: Felt, b: Felt) -> Felt {
        a + b
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>, b: Stored<L>) -> Stored<L> {
        a.to_lazy(l).add(l, b.to_lazy(l)).canonical(l)
    }
}

#[derive(Clone, Copy)]
struct Difference;

impl Pairwise for Difference {
    fn scalar(self, a: Felt, b: Felt) -> Felt {
        a - b
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>, b: Stored<L>) -> Stored<L> {
        a.to_lazy(l).sub(l, b.to_lazy(l)).bias(l, 1).canonical(l)
    }
}

#[derive(Clone, Copy)]
struct AddScaled(Felt, Multiplier);

impl Pairwise for AddScaled {
    fn scalar(self, a: Felt, b: Felt) -> Felt {
        a + self.0 * b
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>, b: Stored<L>) -> Stored<L> {
        self.1.splat(l).mul(l, b.unpack(l)).add(l, a.to_lazy(l)).canonical(l)
    }
}

/// a ← a·b, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn multiply_groups(a: &mut [Group], b: &[Group], kernels: Kernels) {
    pairwise(Product, a, b, kernels);
}

/// a ← a + b, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn add_groups(a: &mut [Group], b: &[Group], kernels: Kernels) {
    pairwise(Sum, a, b, kernels);
}

/// a ← a − b, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn subtract_groups(a: &mut [Group], b: &[Group], kernels: Kernels) {
    pairwise(Difference, a, b, kernels);
}

/// a ← a + factor·b, element by element.
///
/// # Panics
/// If the lengths differ.
pub fn add_scaled_groups(a: &mut [Group], factor: Felt, b: &[Group], kernels: Kernels) {
    pairwise(AddScaled(factor, Multiplier::new(factor)), a, b, kernels);
}

/// An operation on every element of a sequence, in both ways of computing it.
trait Each: Copy + Sync {
    fn scalar(self, a: Felt) -> Felt;
    fn packed<L: Lanes>(self, l: L, a: Stored<L>) -> Stored<L>;
}

struct EachTask<'a, O> {
    operation: O,
    groups: &'a mut [Group],
}

impl<O: Each> LaneTask for EachTask<'_, O> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        for group in self.groups {
            self.operation.packed(l, Stored::load(l, group)).store(l, group);
        }
    }
}

fn each<O: Each>(operation: O, a: &mut [Group], kernels: Kernels) {
    a.par_chunks_mut(CHUNK).for_each(|groups| {
        if let Err(EachTask { groups, .. }) = dispatch(kernels, EachTask { operation, groups }) {
            for group in groups {
                for lane in 0..8 {
                    group.set(lane, operation.scalar(group.get(lane)));
                }
            }
        }
    });
}

#[derive(Clone, Copy)]
struct LessValue(Felt);

impl Each for LessValue {
    fn scalar(self, a: Felt) -> Felt {
        a - self.0
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>) -> Stored<L> {
        a.to_lazy(l).sub(l, Stored::splat(l, self.0).to_lazy(l)).bias(l, 1).canonical(l)
    }
}

#[derive(Clone, Copy)]
struct Scale(Felt, Multiplier);

impl Each for Scale {
    fn scalar(self, a: Felt) -> Felt {
        self.0 * a
    }
    #[inline(always)]
    fn packed<L: Lanes>(self, l: L, a: Stored<L>) -> Stored<L> {
        self.1.splat(l).mul(l, a.unpack(l)).canonical(l)
    }
}

/// a ← a − value, for every element.
pub fn subtract_value(a: &mut [Group], value: Felt, kernels: Kernels) {
    each(LessValue(value), a, kernels);
}

/// a ← factor·a.
pub fn scale_groups(a: &mut [Group], factor: Felt, kernels: Kernels) {
    each(Scale(factor, Multiplier::new(factor)), a, kernels);
}

/// Replaces the integers v < p in every lane by their Montgomery form: what makes elements of plain integers.
pub fn montgomery_from_standard(groups: &mut [Group], kernels: Kernels) {
    // Read as Montgomery forms, the integers are v·2⁻²⁵⁶.
    scale_groups(groups, Felt::from_u64(2).pow(256), kernels);
}

/// Replaces every element by the integer v < p that it denotes, limbs little-endian. The groups then hold plain
/// integers and must not be read as elements.
pub fn standard_from_montgomery(groups: &mut [Group], kernels: Kernels) {
    scale_groups(groups, crate::column::MONTGOMERY_ONE_INVERSE, kernels);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::intervals::{any_group, any_multiplier, prove};

    #[test]
    fn no_sum_overflows_whatever_the_elements_are() {
        fn check<O: Pairwise>(operation: O) {
            let (mut a, b) = ([any_group()], [any_group()]);
            assert_eq!(prove(PairwiseTask { operation, a: &mut a, b: &b }), Ok(()));
        }
        check(Product);
        check(Sum);
        check(Difference);
        check(AddScaled(Felt::ONE, any_multiplier()));
        let mut groups = [any_group()];
        assert_eq!(prove(EachTask { operation: LessValue(-Felt::ONE), groups: &mut [any_group()] }), Ok(()));
        let operation = Scale(Felt::ONE, any_multiplier());
        assert_eq!(prove(EachTask { operation, groups: &mut groups }), Ok(()));
    }
}
