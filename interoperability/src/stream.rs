//! A proof stream taken apart: commitments in the order of the protocol, then the cells and siblings of the queries.
//!
//! Which cells and siblings a stream holds depends on the queries, and they on everything that was committed before:
//! the transcript is that of swiftness.

use std::collections::BTreeSet;

use starknet_crypto::Felt;
use swiftness_air::{domains::StarkDomains, layout::LayoutTrait};
use swiftness_commitment::{table, vector};
use swiftness_fri::types::LayerWitness;
use swiftness_stark::{
    commit::stark_commit, config::StarkConfig, queries::generate_queries, types::StarkProof,
};
use swiftness_transcript::transcript::Transcript;

use crate::bytes::Words;

/// The proof that `stream` is, for the statement and the parameters of `frame`; nothing else of `frame` is read.
///
/// # Errors
/// If the stream is no proof: it is too short or too long, or refused before the queries can be drawn.
pub(crate) fn read<Layout: LayoutTrait>(stream: &[u8], frame: &StarkProof) -> Result<StarkProof, String> {
    let mut words = Words::new(stream);
    let mut proof = frame.clone();
    commitments::<Layout>(&mut words, &mut proof)?;
    let queries = queries::<Layout>(&proof)?;
    witness(&mut words, &mut proof, queries)?;
    words.end()?;
    Ok(proof)
}

/// A number of the configuration.
fn number(value: Felt) -> Result<usize, String> {
    let digits = value.to_biguint().to_u64_digits();
    match digits.as_slice() {
        [] => Ok(0),
        [digit] => usize::try_from(*digit).map_err(|error| error.to_string()),
        _ => Err("a parameter has more than 64 bits".into()),
    }
}

/// Roots, out-of-domain values, FRI's commitments and the nonce.
fn commitments<Layout: LayoutTrait>(words: &mut Words<'_>, proof: &mut StarkProof) -> Result<(), String> {
    let fri = &proof.config.fri;
    let inner_layers = fri.inner_layers.len();
    let coefficients = 1 << number(fri.log_last_layer_degree_bound)?;
    let sent = &mut proof.unsent_commitment;
    sent.traces.original = words.word()?;
    sent.traces.interaction = words.word()?;
    sent.composition = words.word()?;
    sent.oods_values = words.words(Layout::MASK_SIZE + Layout::CONSTRAINT_DEGREE)?;
    sent.fri.inner_layers = words.words(inner_layers)?;
    sent.fri.last_layer_coefficients = words.words(coefficients)?;
    sent.proof_of_work.nonce = words.number()?;
    Ok(())
}

/// The rows that the verifier asks for, each once.
fn queries<Layout: LayoutTrait>(proof: &StarkProof) -> Result<BTreeSet<usize>, String> {
    let StarkConfig { log_trace_domain_size, log_n_cosets, .. } = proof.config;
    let domains = StarkDomains::new(log_trace_domain_size, log_n_cosets);
    let digest = proof.public_input.get_hash(proof.config.n_verifier_friendly_commitment_layers);
    let mut transcript = Transcript::new(digest);
    stark_commit::<Layout>(
        &mut transcript,
        &proof.public_input,
        &proof.unsent_commitment,
        &proof.config,
        &domains,
    )
    .map_err(|error| error.to_string())?;
    let drawn = generate_queries(&mut transcript, proof.config.n_queries, domains.eval_domain_size);
    drawn.into_iter().map(number).collect()
}

/// Cells and siblings of traces, composition and FRI's layers.
fn witness(words: &mut Words<'_>, proof: &mut StarkProof, queries: BTreeSet<usize>) -> Result<(), String> {
    let config = &proof.config;
    let witness = &mut proof.witness;
    let mut table = |config: &table::config::Config| -> Result<_, String> {
        let cells = words.cells(queries.len() * number(config.n_columns)?)?;
        Ok((table::types::Decommitment { values: cells }, siblings(words, config, &queries)?))
    };
    (witness.traces_decommitment.original, witness.traces_witness.original) = table(&config.traces.original)?;
    (witness.traces_decommitment.interaction, witness.traces_witness.interaction) =
        table(&config.traces.interaction)?;
    (witness.composition_decommitment, witness.composition_witness) = table(&config.composition)?;

    let mut points = queries;
    witness.fri_witness.layers.clear();
    for (layer, step) in config.fri.inner_layers.iter().zip(config.fri.fri_step_sizes.iter().skip(1)) {
        // A row is a coset of the fold. The cells at the points themselves follow from the layer before.
        let step = number(*step)?;
        let rows: BTreeSet<usize> = points.iter().map(|point| point >> step).collect();
        let leaves = words.cells((rows.len() << step) - points.len())?;
        let table_witness = siblings(words, layer, &rows)?;
        witness.fri_witness.layers.push(LayerWitness { leaves, table_witness });
        points = rows;
    }
    Ok(())
}

/// The siblings that a Merkle tree needs to be recomputed from `rows`: from the leaves upward, each level from left
/// to right.
fn siblings(
    words: &mut Words<'_>,
    config: &table::config::Config,
    rows: &BTreeSet<usize>,
) -> Result<table::types::Witness, String> {
    let mut nodes = rows.clone();
    let mut missing = 0;
    for _ in 0..number(config.vector.height)? {
        missing += nodes.iter().filter(|&node| !nodes.contains(&(node ^ 1))).count();
        nodes = nodes.iter().map(|node| node >> 1).collect();
    }
    let authentications = words.words(missing)?;
    Ok(table::types::Witness { vector: vector::types::Witness { authentications } })
}
