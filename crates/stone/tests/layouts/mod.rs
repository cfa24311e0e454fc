//! Proofs of runs of every layout: one jump in place, again and again, and builtins as full as a test wants them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::{collections::BTreeMap, path::PathBuf};

use ashlar_cpu_air::{
    input::Execution,
    layout::{self, Layout},
    statement::{PageHash, StoneVersion},
};
use ashlar_hash::{ChannelHash, CommitmentHash, ProofOfWorkHash};
use ashlar_stark::{FriParameters, StarkParameters};
use ashlar_stone::{
    Json, Policy, ProofFile, ProofParameters, ProveOptions, prove, public_input_from_json, read_json,
};

#[path = "../../../cpu-air/tests/synthetic/mod.rs"]
pub(crate) mod synthetic;

use crate::vectors::fixtures;
use synthetic::{Filling, Shape, smallest};

/// A layout with its parameters, if it is the dynamic one.
pub(crate) struct Choice {
    pub(crate) layout: Layout,
    pub(crate) dynamic_params: BTreeMap<String, u64>,
}

impl Choice {
    /// A layout by name; `dynamic` with the parameters of a real run.
    pub(crate) fn of(name: &str) -> Choice {
        if let Some(layout) = layout::by_name(name) {
            return Choice { layout: layout.clone(), dynamic_params: BTreeMap::new() };
        }
        let path = fixtures().join("../sampling/dynamic.json");
        let Json::Object(file) = read_json(&path, "sampling", 1 << 20).unwrap() else {
            panic!("{}: an object", path.display())
        };
        let dynamic_params =
            public_input_from_json(&file["public_input"], "sampling").unwrap().dynamic_params;
        Choice { layout: Layout::dynamic(&dynamic_params).unwrap(), dynamic_params }
    }
}

/// The cheapest parameters with which the machinery of a proof is complete: two queries, blow-up 2, byte hashes, and a
/// nonce that somebody else's does not fit.
pub(crate) fn cheapest(log_trace_length: u32) -> ProofParameters {
    let steps = (log_trace_length - 4) / 4;
    let mut fri_step_list = vec![0];
    fri_step_list.extend(vec![4; steps as usize]);
    ProofParameters {
        stark: StarkParameters {
            log_n_cosets: 1,
            fri: FriParameters {
                fri_step_list,
                last_layer_degree_bound: 1 << (log_trace_length - 4 * steps),
                n_queries: 2,
                proof_of_work_bits: 10,
            },
            channel_hash: ChannelHash::Keccak256,
            commitment_hash: CommitmentHash::Blake256Masked160Msb,
            verifier_friendly_commitment_hash: CommitmentHash::Blake256Masked160Msb,
            n_verifier_friendly_commitment_layers: 0,
            verifier_friendly_channel_updates: false,
            pow_hash: ProofOfWorkHash::Keccak256,
        },
        page_hash: PageHash::Keccak256,
    }
}

/// The generation whose definition of a layout is sound: the newer one, but for `all_cairo`.
pub(crate) fn version_of(name: &str) -> StoneVersion {
    if name == "all_cairo" { StoneVersion::Stone5 } else { StoneVersion::Stone6 }
}

/// The smallest run of a layout that has this shape.
pub(crate) fn run_of(choice: &Choice, shape: Shape) -> Execution {
    smallest(&choice.layout, &choice.dynamic_params, shape, 1).execution
}

/// The parameters with which a run is proven here.
pub(crate) fn parameters_of(choice: &Choice, execution: &Execution) -> ProofParameters {
    cheapest(choice.layout.trace_length(execution.public_input.n_steps).unwrap().ilog2())
}

/// A proof of a run, which the verifier has accepted.
pub(crate) fn proof_of(choice: &Choice, execution: Execution, annotations: bool) -> ProofFile {
    let parameters = parameters_of(choice, &execution);
    let version = version_of(choice.layout.name);
    let options = ProveOptions { annotations, ..ProveOptions::verified(Policy::stone(version)) };
    let made = prove(execution, &parameters, version, options, &());
    let proof = made.unwrap_or_else(|error| panic!("{}: {error}", choice.layout.name));
    assert!(proof.verified.is_some());
    proof.file
}

/// The folder of a proof of every layout, made by [`proof_of`] from runs that are [`KEPT`].
pub(crate) fn kept_proofs() -> PathBuf {
    fixtures().join("../layouts")
}

/// The shape of the run whose proof is kept: as many instances as fit, and some addresses left out.
pub(crate) const KEPT: Shape = Shape { filling: Filling::All, range_check: (32_760, 32_775), holes: 16 };

/// The proof that is kept of a layout.
pub(crate) fn kept_proof(name: &str) -> ProofFile {
    let path = kept_proofs().join(format!("{name}.json"));
    ProofFile::from_json(read_json(&path, "proof", 1 << 22).unwrap(), name).unwrap()
}
