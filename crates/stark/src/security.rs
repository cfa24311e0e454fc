//! How many bits of security a set of parameters gives, as conjectured and as proven.
//!
//! Notation: ρ = 2^(−h) the rate, s queries, ζ bits of grinding, |D| the evaluation domain, |F| = p ≈ 2²⁵¹.
//!
//! * **Conjectured** (the count that Stone's ecosystem uses, ethSTARK documentation, ePrint 2021/582, section 5.10):
//!   s·h + ζ. It rests on the conjecture that nothing beats answering queries at random up to capacity.
//! * **Proven, unique decoding** (Ben-Sasson, Carmon, Ishai, Kopparty, Saraf, *Proximity gaps for Reed–Solomon
//!   codes*, ePrint 2020/654, theorem 4.1 for the folding rounds): a word at distance (1 − ρ)/2 survives a query with
//!   probability (1 + ρ)/2; a folding round errs with probability at most |D|/|F|.
//! * **Proven, Johnson bound** (same paper, theorem 8.3, as used in ePrint 2021/582, theorem 4): for every m ≥ 3 a
//!   query is survived with probability √ρ·(1 + 1/2m), and the rounds err with probability at most
//!   (m + ½)⁷·|D|²/(2ρ^(3/2)|F|) + (2m + 1)(|D| + 1)/√ρ · Σ 2^step / |F|; the random combinations of constraints and
//!   of the out-of-domain quotient err at most L·(constraints + mask·degree)/|F| with L = (m + ½)/√ρ candidates.
//!
//! Proven bounds are for the interactive protocol, whose worst round counts; grinding precedes the queries only. All
//! of them are capped by the cost of a hash collision. Weak Fiat–Shamir losses (a factor of the prover's hash
//! queries) are not subtracted, as is usual.

use ashlar_hash::CommitmentHash;

use crate::StarkParameters;

/// log₂ of the field's size, rounded down.
const FIELD_BITS: f64 = 251.0;

/// The security of a set of parameters, in bits, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Security {
    /// Under the usual conjecture on the soundness of FRI up to capacity.
    pub conjectured_bits: u32,
    /// Proven: the better of unique decoding and the Johnson bound.
    pub proven_bits: u32,
    /// The cost of a collision of the weakest hash in use, which caps both.
    pub collision_bits: u32,
}

impl StarkParameters {
    /// The security for a trace of 2^`log_trace_length` rows and an AIR of so many constraints and mask cells.
    ///
    /// Meaningful for parameters that [`validate`](StarkParameters::validate).
    pub fn security(&self, log_trace_length: u32, n_constraints: usize, mask_size: usize) -> Security {
        let collision_bits = self.collision_bits(log_trace_length);
        let grinding = f64::from(self.fri.proof_of_work_bits);
        let queries = self.fri.n_queries as f64;
        let conjectured = queries * f64::from(self.log_n_cosets) + grinding;
        let proven = self.unique_decoding_bits(log_trace_length, n_constraints, mask_size).max(
            (3..=1000u32)
                .map(|m| self.johnson_bits(f64::from(m), log_trace_length, n_constraints, mask_size))
                .fold(0.0, f64::max),
        );
        let floor = |bits: f64| (bits.max(0.0) as u32).min(collision_bits);
        Security { conjectured_bits: floor(conjectured), proven_bits: floor(proven), collision_bits }
    }

    fn collision_bits(&self, log_trace_length: u32) -> u32 {
        let channel = CommitmentHash::from(self.channel_hash);
        let leaf_depth = log_trace_length.saturating_add(self.log_n_cosets);
        [self.hash_at_depth(0), self.hash_at_depth(leaf_depth), channel, self.seed_hash()]
            .iter()
            .map(|hash| hash.collision_bits())
            .min()
            .unwrap_or(0)
    }

    fn unique_decoding_bits(&self, log_trace_length: u32, n_constraints: usize, mask_size: usize) -> f64 {
        let rate = (-f64::from(self.log_n_cosets)).exp2();
        let log_domain = f64::from(log_trace_length) + f64::from(self.log_n_cosets);
        let queries = -(self.fri.n_queries as f64) * ((1.0 + rate) / 2.0).log2();
        let folds: f64 = self.fri.fri_step_list.iter().map(|&step| f64::from(step).exp2()).sum();
        let algebra = self.algebra_weight(log_trace_length, n_constraints, mask_size);
        let rounds = FIELD_BITS - (log_domain.exp2() * (folds + mask_size as f64) + algebra).log2();
        rounds.min(queries + f64::from(self.fri.proof_of_work_bits))
    }

    fn johnson_bits(&self, m: f64, log_trace_length: u32, n_constraints: usize, mask_size: usize) -> f64 {
        let rate = (-f64::from(self.log_n_cosets)).exp2();
        let root = rate.sqrt();
        let domain = (f64::from(log_trace_length) + f64::from(self.log_n_cosets)).exp2();
        let queries = -(self.fri.n_queries as f64) * (root * (1.0 + 1.0 / (2.0 * m))).log2();
        let folds: f64 = self.fri.fri_step_list.iter().map(|&step| f64::from(step).exp2()).sum();
        let commit = (m + 0.5).powi(7) * domain * domain / (2.0 * rate * root)
            + (2.0 * m + 1.0) * (domain + 1.0) / root * folds;
        let list = (m + 0.5) / root;
        let algebra = list * list * self.algebra_weight(log_trace_length, n_constraints, mask_size);
        let rounds = FIELD_BITS - (commit * mask_size.max(1) as f64 + algebra).log2();
        rounds.min(queries + f64::from(self.fri.proof_of_work_bits))
    }

    /// Roots that an identity between wrong polynomials can have: powers of α, and points out of the domain.
    fn algebra_weight(&self, log_trace_length: u32, n_constraints: usize, mask_size: usize) -> f64 {
        let length = f64::from(log_trace_length).exp2();
        n_constraints as f64 + 3.0 * length + mask_size as f64 * (length + 1.0)
    }
}

#[cfg(test)]
mod tests;
