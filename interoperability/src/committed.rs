//! The protocol up to the queries, by swiftness.

use starknet_crypto::Felt;
use swiftness_air::{domains::StarkDomains, layout::LayoutTrait};
use swiftness_stark::{
    commit::stark_commit,
    config::StarkConfig,
    queries::generate_queries,
    types::{StarkCommitment, StarkProof},
};
use swiftness_transcript::transcript::Transcript;

/// What a proof has committed to when the queries are drawn.
pub(crate) struct Committed<Layout: LayoutTrait> {
    pub(crate) commitment: StarkCommitment<Layout::InteractionElements>,
    /// The rows that the verifier asks for, ascending.
    pub(crate) queries: Vec<Felt>,
    pub(crate) domains: StarkDomains,
}

impl<Layout: LayoutTrait> Committed<Layout> {
    /// Reads the commitments of a proof.
    ///
    /// # Errors
    /// If the out-of-domain values or the proof of work are refused.
    pub(crate) fn read(proof: &StarkProof) -> Result<Committed<Layout>, String> {
        let StarkConfig { log_trace_domain_size, log_n_cosets, .. } = proof.config;
        let domains = StarkDomains::new(log_trace_domain_size, log_n_cosets);
        let digest = proof.public_input.get_hash(proof.config.n_verifier_friendly_commitment_layers);
        let mut transcript = Transcript::new(digest);
        let commitment = stark_commit::<Layout>(
            &mut transcript,
            &proof.public_input,
            &proof.unsent_commitment,
            &proof.config,
            &domains,
        )
        .map_err(|error| error.to_string())?;
        let queries = generate_queries(&mut transcript, proof.config.n_queries, domains.eval_domain_size);
        Ok(Committed { commitment, queries, domains })
    }
}

/// A number of the configuration.
pub(crate) fn number(value: Felt) -> Result<usize, String> {
    match value.to_biguint().to_u64_digits().as_slice() {
        [] => Ok(0),
        [digit] => usize::try_from(*digit).map_err(|error| error.to_string()),
        _ => Err("a parameter has more than 64 bits".into()),
    }
}
