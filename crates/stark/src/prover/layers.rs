//! The prover's side of the low-degree test: folding in coefficients, and committing to layers.
//!
//! A fold takes coefficients f to 2(f₂ᵢ + ζ·f₂ᵢ₊₁); values are computed only for the layers that are committed to, by
//! one small transform for every coset.

use ashlar_field::{Column, Felt, Group, Kernels, fold_coefficients};
use ashlar_hash::{Digest, HashError};
use ashlar_ntt::evaluate_coset_groups;

use crate::{
    StarkParameters,
    commitment::tree::{RowGroups, Tree},
    domain::reverse_bits,
    fri::FriLayer,
};

/// A layer that has been committed to.
pub(crate) struct CommittedLayer {
    pub(crate) layer: FriLayer,
    pub(crate) tree: Tree,
    pub(crate) root: Digest,
    /// On the whole domain of the layer, bit-reversed.
    values: Column,
}

/// Folds `steps` times, squaring ζ after each.
pub(crate) fn fold(mut coefficients: Column, steps: u32, mut zeta: Felt, kernels: Kernels) -> Column {
    for _ in 0..steps {
        coefficients = fold_coefficients(&coefficients, zeta, kernels);
        zeta = zeta.square();
    }
    coefficients
}

/// The values of a polynomial on the subgroup of order 2^`log_size`, bit-reversed.
fn extend(coefficients: &Column, log_size: u32, kernels: Kernels) -> Column {
    let mut values = Column::unspecified(1 << log_size);
    let length = coefficients.len();
    let generator = Felt::subgroup_generator(log_size).unwrap_or(Felt::ONE);
    let log_cosets = log_size - length.max(1).ilog2();
    if length < 8 {
        // Less than a group: point by point.
        for index in 0..values.len() {
            let x = generator.pow(reverse_bits(index as u64, log_size));
            let value = (0..length).rev().fold(Felt::ZERO, |sum, i| sum * x + coefficients.get(i));
            values.set(index, value);
        }
        return values;
    }
    for (position, out) in values.groups_mut().chunks_exact_mut(length / 8).enumerate() {
        let offset = generator.pow(reverse_bits(position as u64, log_cosets));
        evaluate_coset_groups(&[coefficients.groups()], length, offset, &mut [out], kernels);
    }
    values
}

impl CommittedLayer {
    /// Commits to a layer given by its coefficients.
    pub(crate) fn commit(
        layer: FriLayer,
        coefficients: &Column,
        parameters: &StarkParameters,
        kernels: Kernels,
    ) -> Result<CommittedLayer, HashError> {
        let values = extend(coefficients, layer.log_size, kernels);
        let mut tree = Tree::new(layer.shape());
        let rows = 1usize << layer.shape().log_rows;
        let groups: &[Group] = values.groups();
        tree.fill(0, rows, RowGroups::Chunks(groups), parameters, kernels)?;
        let root = tree.finish(parameters, kernels)?;
        Ok(CommittedLayer { layer, tree, root, values })
    }

    /// The cells of a row.
    pub(crate) fn row(&self, row: u64) -> Vec<Felt> {
        let first = (row as usize) << self.layer.step;
        (first..first + (1 << self.layer.step)).map(|index| self.values.get(index)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fri::last_layer_value;

    #[test]
    fn a_layer_has_the_values_of_its_polynomial() {
        for (length, log_size) in [(2usize, 3), (4, 4), (8, 5), (64, 7)] {
            let coefficients: Vec<Felt> = (0..length as u64).map(|i| Felt::from_u64(i * 7 + 1)).collect();
            let values = extend(&Column::from_felts(&coefficients), log_size, Kernels::current());
            for index in 0..1u64 << log_size {
                let expected = last_layer_value(&coefficients, index, log_size);
                assert_eq!(Some(values.get(index as usize)), expected, "{length} {index}");
            }
        }
    }

    #[test]
    fn folding_twice_is_a_step_of_two() {
        let coefficients = Column::from_felts(&(0..32).map(Felt::from_u64).collect::<Vec<_>>());
        let zeta = Felt::from_u64(11);
        let kernels = Kernels::current();
        let twice = fold(fold(coefficients.clone(), 1, zeta, kernels), 1, zeta.square(), kernels);
        assert_eq!(fold(coefficients, 2, zeta, kernels), twice);
    }
}
