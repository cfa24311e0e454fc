//! Every proof that is made is accepted, whatever the parameters, kernels, threads and storage; and is the same.
#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod fibonacci;

use std::sync::Mutex;

use ashlar_field::Kernels;
use ashlar_stark::{
    Observer, Phase, Progress, Proof, ProveError, ProveOptions, StarkParameters, StoragePolicy, prove, verify,
};
use fibonacci::{Fibonacci, parameters};

const SEED: &[u8; 32] = &[1; 32];

fn prove_with(air: &Fibonacci, parameters: &StarkParameters, options: &ProveOptions<'_>) -> Proof {
    prove(air, &mut air.witness(), SEED, parameters, options, &()).unwrap()
}

fn round_trip(air: &Fibonacci, parameters: &StarkParameters) -> Proof {
    let options = ProveOptions { annotate: Some("test"), ..ProveOptions::default() };
    let proof = prove_with(air, parameters, &options);
    let verified = verify(air, SEED, parameters, &proof.bytes, Some("test")).unwrap();
    assert_eq!(verified.annotations, proof.annotations);
    assert_eq!(verified.statistics, proof.statistics);
    assert_eq!(proof.statistics.bytes, proof.bytes.len() as u64);
    proof
}

#[test]
fn every_shape_of_the_low_degree_test_is_accepted() {
    let lists: [&[u32]; 9] =
        [&[0], &[0, 1], &[0, 2, 3], &[3], &[1, 1, 1], &[2, 4], &[0, 6], &[0, 1, 1, 1, 1, 1, 1], &[6]];
    for steps in lists {
        for log_n_cosets in 1..=4 {
            round_trip(&Fibonacci::new(6, 2, 5), &parameters(6, log_n_cosets, steps));
        }
    }
}

#[test]
fn every_trace_length_is_accepted() {
    for log_length in 3..=11 {
        for width in [1, 2] {
            round_trip(&Fibonacci::new(log_length, width, 5), &parameters(log_length, 2, &[0, 2]));
        }
    }
}

#[test]
fn every_channel_and_pair_of_tree_hashes_is_accepted() {
    let air = Fibonacci::new(5, 1, 5);
    let bytes = ["keccak256", "blake256", "keccak256_masked160_msb", "blake256_masked160_msb"];
    let felts = ["keccak256_masked160_lsb", "blake256_masked248_lsb", "poseidon3", "pedersen"];
    let mut made = 0;
    for channel in ["keccak256", "blake256", "poseidon3"] {
        for below in bytes.iter().chain(&felts) {
            for above in bytes.iter().chain(&felts) {
                for (layers, updates) in [(0, true), (3, true), (4, false), (100, false)] {
                    let mut parameters = parameters(5, 1, &[0, 2]);
                    parameters.fri.n_queries = 3;
                    parameters.channel_hash = channel.parse().unwrap();
                    parameters.commitment_hash = below.parse().unwrap();
                    parameters.verifier_friendly_commitment_hash = above.parse().unwrap();
                    parameters.n_verifier_friendly_commitment_layers = layers;
                    parameters.verifier_friendly_channel_updates = updates;
                    // Trees that an algebraic hash cannot read are refused beforehand.
                    if parameters.validate(5).is_ok() {
                        round_trip(&air, &parameters);
                        made += 1;
                    }
                }
            }
        }
    }
    assert!(made > 300, "only {made} combinations were valid");
}

#[test]
fn kernels_threads_and_storage_do_not_change_a_byte() {
    let air = Fibonacci::new(9, 2, 5);
    for log_n_cosets in [1, 3] {
        let parameters = parameters(9, log_n_cosets, &[0, 3, 2]);
        let options = ProveOptions { kernels: Kernels::Scalar, ..ProveOptions::default() };
        let expected = prove_with(&air, &parameters, &options);
        for (kernels, storage) in Kernels::supported()
            .into_iter()
            .flat_map(|kernels| StoragePolicy::ALL.map(|storage| (kernels, storage)))
        {
            for threads in [1, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let options = ProveOptions { kernels, storage, ..ProveOptions::default() };
                let proof = pool.install(|| prove_with(&air, &parameters, &options));
                assert!(
                    proof == expected,
                    "{kernels}, {storage}, {threads} threads, 2^{log_n_cosets} cosets"
                );
            }
        }
    }
}

/// Notes every phase, and cancels at one.
#[derive(Default)]
struct Watcher {
    phases: Mutex<Vec<Phase>>,
    cancel_at: Option<Phase>,
}

impl Observer for Watcher {
    fn progress(&self, progress: Progress) {
        let mut phases = self.phases.lock().unwrap();
        assert!(progress.done <= progress.total || progress.phase == Phase::ProofOfWork);
        if phases.last() != Some(&progress.phase) {
            phases.push(progress.phase);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.cancel_at.is_some() && self.phases.lock().unwrap().last() == self.cancel_at.as_ref()
    }
}

#[test]
fn progress_goes_through_all_phases_in_order() {
    let air = Fibonacci::new(6, 1, 5);
    let watcher = Watcher::default();
    let options = ProveOptions::default();
    prove(&air, &mut air.witness(), SEED, &parameters(6, 2, &[0, 2]), &options, &watcher).unwrap();
    assert_eq!(*watcher.phases.lock().unwrap(), Phase::ALL);
}

#[test]
fn a_proof_can_be_cancelled_in_every_phase() {
    let air = Fibonacci::new(6, 1, 5);
    for phase in Phase::ALL {
        let watcher = Watcher { cancel_at: Some(phase), ..Watcher::default() };
        let options = ProveOptions::default();
        let result = prove(&air, &mut air.witness(), SEED, &parameters(6, 2, &[0, 2]), &options, &watcher);
        assert_eq!(result.unwrap_err(), ProveError::Cancelled { phase });
    }
}

#[test]
fn many_and_few_queries_open_the_same_rows_under_every_storage_policy() {
    let air = Fibonacci::new(8, 2, 5);
    for (n_queries, log_n_cosets) in [(1, 3), (3, 3), (40, 3), (200, 3), (1, 1), (50, 1), (200, 1)] {
        let mut parameters = parameters(8, log_n_cosets, &[0, 3, 2]);
        parameters.fri.n_queries = n_queries;
        let made = StoragePolicy::ALL.map(|storage| {
            prove_with(&air, &parameters, &ProveOptions { storage, ..ProveOptions::default() })
        });
        assert!(
            made[1..].iter().all(|proof| *proof == made[0]),
            "{n_queries} queries, 2^{log_n_cosets} cosets"
        );
    }
}
