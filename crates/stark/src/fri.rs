//! The low-degree test: the geometry of its layers, and the fold.
//!
//! FRI works on f(X) = F(3X), F the out-of-domain quotient: its domain is ⟨G⟩ without the offset 3, bit-reversed. One
//! fold takes f to f'(X²) = f(X) + f(−X) + ζ·(f(X) − f(−X))/X, which in coefficients is f'ᵢ = 2(f₂ᵢ + ζ·f₂ᵢ₊₁): Stone
//! does not divide by 2. A layer with step k folds k times, squaring ζ after each. X and −X are neighbours in
//! bit-reversed order.

use ashlar_field::Felt;

use crate::{StarkParameters, commitment::plan::TableShape, domain::reverse_bits};

/// A committed layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FriLayer {
    /// Its number, from 1.
    pub(crate) number: usize,
    /// log₂ of the number of values.
    pub(crate) log_size: u32,
    /// log₂ of the values in a row, which one fold of the layer takes to one value.
    pub(crate) step: u32,
}

impl FriLayer {
    /// The committed table: a row for every value of the next layer.
    pub(crate) fn shape(&self) -> TableShape {
        TableShape { log_rows: self.log_size - self.step, width: 1 << self.step }
    }
}

/// The layers of a test.
#[derive(Clone, Debug)]
pub(crate) struct FriLayers {
    /// How often layer 0, the quotient itself, is folded before the first commitment.
    pub(crate) first_step: u32,
    /// log₂ of the size of the evaluation domain.
    pub(crate) log_domain: u32,
    /// The committed layers.
    pub(crate) committed: Vec<FriLayer>,
    /// log₂ of the number of values of the last layer.
    pub(crate) log_last: u32,
}

impl FriLayers {
    /// For validated parameters.
    pub(crate) fn new(parameters: &StarkParameters, log_trace_length: u32) -> FriLayers {
        let log_domain = log_trace_length + parameters.log_n_cosets;
        let steps = &parameters.fri.fri_step_list;
        let first_step = steps.first().copied().unwrap_or(0);
        let mut log_size = log_domain - first_step;
        let mut committed = Vec::with_capacity(steps.len());
        for (index, &step) in steps.iter().enumerate().skip(1) {
            committed.push(FriLayer { number: index, log_size, step });
            log_size -= step;
        }
        FriLayers { first_step, log_domain, committed, log_last: log_size }
    }

    /// log₂ of the number of positions a query can have: the values of layer 1.
    pub(crate) fn log_query_domain(&self) -> u32 {
        self.log_domain - self.first_step
    }
}

/// Folds 2^step neighbouring values of a layer, the first at index `first`, to one value of the next layer.
///
/// `None` only if the domain has no generator, which validated parameters exclude.
pub(crate) fn fold_row(values: &[Felt], first: u64, log_size: u32, zeta: Felt) -> Option<Felt> {
    let mut values = values.to_vec();
    let mut zeta = zeta;
    let (mut log_size, mut first) = (log_size, first);
    while values.len() > 1 {
        // The pairs of a row differ by the bit-reversed small roots of unity.
        let inverse = layer_point(first, log_size)?.inverse()?;
        let pairs = values.len() as u64 / 2;
        let small = Felt::subgroup_generator(pairs.ilog2() + 1)?.inverse()?;
        values = values
            .chunks_exact(2)
            .enumerate()
            .map(|(pair, f)| {
                let rotation = small.pow(reverse_bits(pair as u64, pairs.ilog2()));
                (f[0] + f[1]) + zeta * inverse * rotation * (f[0] - f[1])
            })
            .collect();
        zeta = zeta.square();
        log_size -= 1;
        first >>= 1;
    }
    values.first().copied()
}

/// The point of a layer at an index: that power of its generator, bit-reversed.
pub(crate) fn layer_point(index: u64, log_size: u32) -> Option<Felt> {
    Some(Felt::subgroup_generator(log_size)?.pow(reverse_bits(index, log_size)))
}

/// The value of the last layer at an index: its polynomial at the point there.
pub(crate) fn last_layer_value(coefficients: &[Felt], index: u64, log_last: u32) -> Option<Felt> {
    let x = layer_point(index, log_last)?;
    Some(coefficients.iter().rev().fold(Felt::ZERO, |value, &coefficient| value * x + coefficient))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_values_is_folding_coefficients() {
        let coefficients: Vec<Felt> = (0..16u64).map(|i| Felt::from_u64(i * i * i + 5)).collect();
        let (log_size, step, zeta) = (6, 3, Felt::from_u64(77));
        let folded = (0..step).fold((coefficients.clone(), zeta), |(f, zeta), _| {
            let next = f.chunks(2).map(|pair| (pair[0] + zeta * pair[1]).double()).collect();
            (next, zeta.square())
        });
        for row in 0..1u64 << (log_size - step) {
            let values: Vec<Felt> = (0..1u64 << step)
                .map(|i| last_layer_value(&coefficients, (row << step) + i, log_size).unwrap())
                .collect();
            let expected = last_layer_value(&folded.0, row, log_size - step);
            assert_eq!(fold_row(&values, row << step, log_size, zeta), expected, "row {row}");
        }
    }

    #[test]
    fn every_layer_is_as_much_smaller_as_the_one_before_it_folds() {
        let mut parameters = crate::parameters::tests::parameters();
        parameters.fri.fri_step_list = vec![2, 3, 1];
        parameters.log_n_cosets = 2;
        let layers = FriLayers::new(&parameters, 10);
        let committed =
            [FriLayer { number: 1, log_size: 10, step: 3 }, FriLayer { number: 2, log_size: 7, step: 1 }];
        assert_eq!((layers.log_domain, layers.first_step, layers.log_last), (12, 2, 6));
        assert_eq!(layers.committed, committed);
        assert_eq!(layers.log_query_domain(), 10);
        assert_eq!(layers.committed[0].shape(), TableShape { log_rows: 7, width: 8 });
    }
}
