//! The one check that swiftness 1.0.0 leaves out: it recomputes the Merkle root of every inner FRI layer and throws
//! the verdict away, so a proof with other siblings in these layers passes it. Here the same functions of swiftness
//! run again, and the verdict counts.

use starknet_crypto::Felt;
use swiftness_air::layout::LayoutTrait;
use swiftness_commitment::table::{decommit::table_decommit, types::Decommitment};
use swiftness_fri::{
    first_layer::gather_first_layer_queries,
    group::get_fri_group,
    layer::{FriLayerComputationParams, compute_next_layer},
};
use swiftness_stark::{
    oods::{OodsEvaluationInfo, eval_oods_boundary_poly_at_points},
    queries::queries_to_points,
    types::StarkProof,
};

use crate::committed::{Committed, number};

/// Checks the cells of every inner FRI layer against the layer's root, for a proof that swiftness accepts.
///
/// # Errors
/// If a layer's root is another one.
pub(crate) fn check<Layout: LayoutTrait>(proof: &StarkProof) -> Result<(), String> {
    let Committed { commitment, queries, domains } = Committed::<Layout>::read(proof)?;
    let columns = |count: Felt| u32::try_from(number(count)?).map_err(|error| error.to_string());
    let points = queries_to_points(&queries, &domains);
    let values = eval_oods_boundary_poly_at_points::<Layout>(
        columns(proof.config.traces.original.n_columns)?,
        columns(proof.config.traces.interaction.n_columns)?,
        &proof.public_input,
        &OodsEvaluationInfo {
            oods_values: commitment.oods_values,
            oods_point: commitment.interaction_after_composition,
            trace_generator: domains.trace_generator,
            constraint_coefficients: commitment.interaction_after_oods,
        },
        &points,
        &proof.witness.traces_decommitment,
        &proof.witness.composition_decommitment,
    );
    let mut queries = gather_first_layer_queries(&queries, values, points);
    let fri = commitment.fri;
    let steps = fri.config.fri_step_sizes.iter().skip(1);
    let layers =
        fri.inner_layers.into_iter().zip(steps).zip(fri.eval_points).zip(&proof.witness.fri_witness.layers);
    for (layer, (((root, step), eval_point), witness)) in layers.enumerate() {
        let coset_size = Felt::TWO.pow_felt(step);
        let params = FriLayerComputationParams { coset_size, fri_group: get_fri_group(), eval_point };
        let mut siblings = witness.leaves.clone();
        let (next, rows, cells) = compute_next_layer(&mut queries, &mut siblings, params)
            .map_err(|error| format!("FRI layer {layer}: {error}"))?;
        table_decommit(root, &rows, Decommitment { values: cells }, witness.table_witness.clone())
            .map_err(|error| format!("FRI layer {layer}: {error}"))?;
        queries = next;
    }
    Ok(())
}
