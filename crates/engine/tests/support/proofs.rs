//! Real proofs of the risk engine's decisions, made here.

#![allow(dead_code, reason = "every test program uses a part")]

use ashlar_cpu_air::{layout, statement::StoneVersion};
use ashlar_field::Kernels;
use ashlar_risk::{Proposal, run_model};
use ashlar_stone::{
    HashChoice, Optimize, Policy, ProveOptions, Rates, SelfVerification, Target, Wish, choose, prove,
};

/// A proof of the decisions on these proposals, with as many bits as the gate demands, as a proof file.
pub(crate) fn proof_of(proposals: &[Proposal]) -> Vec<u8> {
    let run = run_model(proposals).unwrap().run;
    let public_input = &run.execution.public_input;
    let layout = layout::by_name(&public_input.layout).unwrap();
    let cells = public_input.public_memory.len() as u64;
    let target = Target::new(layout, public_input.n_steps, cells).unwrap();
    let wish =
        Wish { bits: ashlar_store::DEFAULT_BITS, optimize: Optimize::Time, hashes: HashChoice::Blake248 };
    let chosen = choose(&target, &wish, &Rates::default_of(Kernels::current())).unwrap();
    let options = ProveOptions {
        self_verification: SelfVerification::Skip,
        ..ProveOptions::verified(Policy::strict(ashlar_store::DEFAULT_BITS))
    };
    let proof = prove(run.execution, &chosen.parameters, StoneVersion::Stone6, options, &()).unwrap();
    proof.file.into_json().to_stone_text().into_bytes()
}
