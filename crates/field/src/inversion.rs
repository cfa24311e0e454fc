//! Inverses of many elements at the price of one inversion (Montgomery's trick), eight lanes and four chains wide.

use rayon::prelude::*;

use crate::{
    Felt, Group, Kernels, batch_inverse,
    lanes::{LaneTask, Lanes, dispatch},
    packed::{Low52, Low52Group, Stored},
};

/// Groups per task: the prefix products take 160 KiB, the one inversion about a nanosecond an element.
const CHUNK: usize = 512;

/// Independent chains of products, so that the latency of a product is hidden.
const CHAINS: usize = 4;

/// Replaces every element by its inverse. Zeros stay zero.
pub fn batch_inverse_groups(groups: &mut [Group], kernels: Kernels) {
    groups.par_chunks_mut(CHUNK).for_each_init(
        || vec![Low52Group::ZERO; CHUNK],
        |prefixes, groups| {
            if let Err(Invert { groups, .. }) = dispatch(kernels, Invert { groups, prefixes }) {
                let mut elements = vec![[Felt::ZERO; 8]; groups.len()];
                for (elements, group) in elements.iter_mut().zip(groups.iter()) {
                    for lane in 0..8 {
                        elements[lane] = group.get(lane);
                    }
                }
                batch_inverse(elements.as_flattened_mut());
                for (elements, group) in elements.iter().zip(groups) {
                    for lane in 0..8 {
                        group.set(lane, elements[lane]);
                    }
                }
            }
        },
    );
}

struct Invert<'a> {
    groups: &'a mut [Group],
    prefixes: &'a mut [Low52Group],
}

impl LaneTask for Invert<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self, l: L) {
        let Invert { groups, prefixes } = self;
        let one = Stored::splat(l, Felt::ONE);
        // Products are kept with the factor 2²⁶⁰ of a multiplier, which sixteen times an element has as well.
        let mut products = [one.unpack_x16(l); CHAINS];
        for (i, group) in groups.iter().enumerate() {
            products[i % CHAINS].store(l, &mut prefixes[i]);
            products[i % CHAINS] = products[i % CHAINS].mul(l, factor(l, group)).carry(l);
        }
        let totals = inverse_totals(l, products);
        divide_back(l, groups, prefixes, totals);
    }
}

/// The inverses of the products of the chains.
#[inline(always)]
fn inverse_totals<L: Lanes>(l: L, products: [Low52<L>; CHAINS]) -> [Group; CHAINS] {
    let one = Stored::splat(l, Felt::ONE);
    let mut groups = [Group::ZERO; CHAINS];
    for (product, group) in products.into_iter().zip(&mut groups) {
        product.mul(l, one.unpack(l)).canonical(l).store(l, group);
    }
    let mut totals = [Felt::ZERO; 8 * CHAINS];
    for (i, total) in totals.iter_mut().enumerate() {
        *total = groups[i / 8].get(i % 8);
    }
    batch_inverse(&mut totals);
    for (i, total) in totals.into_iter().enumerate() {
        groups[i / 8].set(i % 8, total);
    }
    groups
}

/// From the last group to the first: each becomes the inverse of what it was, given the inverses of whole chains.
#[inline(always)]
fn divide_back<L: Lanes>(l: L, groups: &mut [Group], prefixes: &[Low52Group], totals: [Group; CHAINS]) {
    let mut products = [Stored::splat(l, Felt::ONE).unpack(l); CHAINS];
    for (product, total) in products.iter_mut().zip(&totals) {
        *product = Stored::load(l, total).unpack(l);
    }
    for (i, group) in groups.iter_mut().enumerate().rev() {
        let zeros = Stored::load(l, group).zero_mask(l);
        let inverse = products[i % CHAINS].mul(l, Low52::load(l, &prefixes[i])).canonical(l);
        products[i % CHAINS] = products[i % CHAINS].mul(l, factor(l, group)).carry(l);
        Stored::select(l, zeros, Stored::splat(l, Felt::ZERO), inverse).store(l, group);
    }
}

/// The group as a factor, ones in place of zeros.
#[inline(always)]
fn factor<L: Lanes>(l: L, group: &Group) -> Low52<L> {
    let value = Stored::load(l, group);
    Stored::select(l, value.zero_mask(l), Stored::splat(l, Felt::ONE), value).unpack_x16(l)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::intervals::{any_group, prove};

    #[test]
    fn no_sum_overflows_whatever_the_elements_are() {
        const GROUPS: usize = 3 * CHAINS + 1;
        struct Back<'a>(&'a [Low52Group]);
        impl LaneTask for Back<'_> {
            type Output = ();
            fn run<L: Lanes>(self, l: L) {
                divide_back(l, &mut [any_group(); GROUPS], self.0, [any_group(); CHAINS]);
            }
        }
        let mut prefixes = [Low52Group::ZERO; GROUPS];
        let task = Invert { groups: &mut [any_group(); GROUPS], prefixes: &mut prefixes };
        assert_eq!(prove(task), Ok(()));
        assert_eq!(prove(Back(&prefixes)), Ok(()));
    }
}
