//! A proof stream taken apart: commitments in the order of the protocol, then the cells and siblings of the queries.
//!
//! Which cells and siblings a stream holds depends on the queries, and they on everything that was committed before:
//! the transcript is that of swiftness.

use std::collections::BTreeSet;

use swiftness_air::layout::LayoutTrait;
use swiftness_commitment::{table, vector};
use swiftness_fri::types::LayerWitness;
use swiftness_stark::types::StarkProof;

use crate::{
    bytes::Words,
    committed::{Committed, number},
};

/// The proof that `stream` is, for the statement and the parameters of `frame`; nothing else of `frame` is read.
///
/// # Errors
/// If the stream is no proof: it is too short or too long, or refused before the queries can be drawn.
pub(crate) fn read<Layout: LayoutTrait>(stream: &[u8], frame: &StarkProof) -> Result<StarkProof, String> {
    let mut words = Words::new(stream);
    let mut proof = frame.clone();
    commitments::<Layout>(&mut words, &mut proof)?;
    let queries =
        Committed::<Layout>::read(&proof)?.queries.into_iter().map(number).collect::<Result<_, _>>()?;
    witness(&mut words, &mut proof, queries)?;
    words.end()?;
    Ok(proof)
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
