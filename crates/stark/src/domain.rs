//! The evaluation domain 3·⟨G⟩ and its orders.
//!
//! G has order 2^(n + h) for a trace of N = 2ⁿ rows and a blow-up of 2^h; g = G^(2^h) generates the trace domain.
//! Table row ρ of every commitment is the point 3·G^bitrev(ρ): the cosets 3·Gⁱ·⟨g⟩ follow one another in bit-reversed
//! order of i, and inside a coset the N points are bit-reversed too.

use ashlar_field::Felt;

/// The domains that belong to a trace length and a blow-up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EvaluationDomain {
    /// log₂ N.
    pub(crate) log_trace_length: u32,
    /// log₂ of the number of cosets.
    pub(crate) log_n_cosets: u32,
    /// g.
    pub(crate) trace_generator: Felt,
    /// G.
    pub(crate) generator: Felt,
}

/// The lowest `bits` bits of `index`, reversed.
#[inline]
pub(crate) fn reverse_bits(index: u64, bits: u32) -> u64 {
    if bits == 0 { 0 } else { index.reverse_bits() >> (64 - bits) }
}

impl EvaluationDomain {
    /// `None` if the domain would exceed the field's two-adicity (or 62 bits).
    pub(crate) fn new(log_trace_length: u32, log_n_cosets: u32) -> Option<EvaluationDomain> {
        let log_size = log_trace_length.checked_add(log_n_cosets).filter(|&log_size| log_size <= 62)?;
        Some(EvaluationDomain {
            log_trace_length,
            log_n_cosets,
            trace_generator: Felt::subgroup_generator(log_trace_length)?,
            generator: Felt::subgroup_generator(log_size)?,
        })
    }

    /// log₂ of the number of points.
    pub(crate) fn log_size(&self) -> u32 {
        self.log_trace_length + self.log_n_cosets
    }

    /// N.
    pub(crate) fn trace_length(&self) -> u64 {
        1 << self.log_trace_length
    }

    /// The point of a table row: 3·G^bitrev(row).
    pub(crate) fn point(&self, row: u64) -> Felt {
        Felt::GENERATOR * self.generator.pow(reverse_bits(row, self.log_size()))
    }

    /// G^i for the coset of points that is the `position`-th of every table.
    pub(crate) fn coset_shift(&self, position: u64) -> Felt {
        self.generator.pow(reverse_bits(position, self.log_n_cosets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_more_points_than_an_index_can_number_does_not_exist() {
        assert!(EvaluationDomain::new(60, 2).is_some());
        for (log_trace_length, log_n_cosets) in [(60, 3), (0, 63), (63, 0), (1, u32::MAX), (u32::MAX, 1)] {
            assert!(EvaluationDomain::new(log_trace_length, log_n_cosets).is_none());
        }
    }
}
