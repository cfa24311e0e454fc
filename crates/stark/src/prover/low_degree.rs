//! Values of a polynomial of low degree on a whole coset, without the layers of a transform that would only copy zeros.

use ashlar_field::{Column, Felt, Kernels};
use ashlar_ntt::evaluate_coset_groups;
use rayon::prelude::*;

use crate::domain::reverse_bits;

/// log₂ of the least number of points that are transformed at once, however few the coefficients are: below, a
/// transform is mostly the making of its roots.
const MIN_LOG_BLOCK: u32 = 10;

/// The values on offset·⟨generator⟩, a group of `length` points, in bit-reversed order. `coefficients` are in natural
/// order; there may be more of them than points.
///
/// In bit-reversed order, block b of 2ᵏ rows is the coset of the subgroup of 2ᵏ points with offset
/// offset·generator^bitrev(b): as many small transforms as there are blocks.
pub(crate) fn evaluate_low_degree(
    coefficients: &[Felt],
    length: usize,
    offset: Felt,
    generator: Felt,
    kernels: Kernels,
) -> Column {
    let block = coefficients.len().next_power_of_two().max(1 << MIN_LOG_BLOCK).min(length);
    // y^length has one value on all points, so that no more coefficients than points are needed.
    let wrapped = offset.pow(length as u64);
    let mut short = vec![Felt::ZERO; block];
    let mut power = Felt::ONE;
    for part in coefficients.chunks(block) {
        short.iter_mut().zip(part).for_each(|(sum, &coefficient)| *sum += power * coefficient);
        power *= wrapped;
    }
    let short = Column::from_felts(&short);
    let mut values = Column::unspecified(length);
    let bits = (length / block).ilog2();
    values.groups_mut().par_chunks_mut(block.div_ceil(8)).enumerate().for_each(|(index, out)| {
        let offset = offset * generator.pow(reverse_bits(index as u64, bits));
        evaluate_coset_groups(&[short.groups()], block, offset, &mut [out], kernels);
    });
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_points_and_wrapped_coefficients_have_the_values_of_the_polynomial() {
        let offset = Felt::from_u64(7);
        for (log_length, count) in [(12u32, 3usize), (12, 1500), (10, 1024), (3, 8), (3, 9), (1, 5), (0, 2)] {
            let length = 1usize << log_length;
            let coefficients: Vec<Felt> = (0..count as u64).map(|i| Felt::from_u64(i * i + 3)).collect();
            let generator = Felt::subgroup_generator(log_length).unwrap();
            let values = evaluate_low_degree(&coefficients, length, offset, generator, Kernels::current());
            assert_eq!(values.len(), length);
            for row in (0..length).step_by(length.div_ceil(16)) {
                let x = offset * generator.pow(reverse_bits(row as u64, log_length));
                let expected = coefficients.iter().rev().fold(Felt::ZERO, |sum, &c| sum * x + c);
                assert_eq!(
                    values.get(row),
                    expected,
                    "2^{log_length} points, {count} coefficients, row {row}"
                );
            }
        }
    }
}
