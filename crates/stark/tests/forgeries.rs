//! What a liar might try: every kind of change to a proof, and why it is rejected.
#![allow(clippy::unwrap_used, reason = "a test that meets an error fails")]

mod fibonacci;

use ashlar_field::Felt;
use ashlar_stark::{
    FriParameters, ParametersError, ProveError, ProveOptions, Scope, StarkParameters, StoragePolicy,
    VerifyError,
    air::{Air, ConstraintSystem},
    prove, verify,
};
use fibonacci::{Fibonacci, NoTrace, parameters};

const SEED: &[u8; 32] = &[1; 32];

struct Made {
    air: Fibonacci,
    parameters: StarkParameters,
    proof: Vec<u8>,
    /// The annotations: which bytes are what.
    lines: Vec<String>,
}

fn made_with(channel: &str, hash: &str, updates: bool) -> Made {
    let air = Fibonacci::new(6, 1, 5);
    let mut parameters = parameters(6, 2, &[0, 2, 2]);
    parameters.channel_hash = channel.parse().unwrap();
    parameters.commitment_hash = hash.parse().unwrap();
    parameters.verifier_friendly_commitment_hash = hash.parse().unwrap();
    parameters.verifier_friendly_channel_updates = updates;
    let options = ProveOptions { annotate: Some("test"), ..ProveOptions::default() };
    let proof = prove(&air, &mut air.witness(), SEED, &parameters, &options, &()).unwrap();
    Made { air, parameters, proof: proof.bytes, lines: proof.annotations.unwrap() }
}

fn made() -> Made {
    made_with("keccak256", "keccak256_masked160_msb", false)
}

impl Made {
    fn verdict(&self, proof: &[u8]) -> Result<(), VerifyError> {
        verify(&self.air, SEED, &self.parameters, proof, None).map(|_| ())
    }

    /// The bytes of the messages whose annotation contains this.
    fn ranges(&self, text: &str) -> Vec<std::ops::Range<usize>> {
        let lines = self.lines.iter().filter(|line| line.contains(text));
        lines
            .filter_map(|line| {
                let (range, _) = line.strip_prefix("P->V[")?.split_once(']')?;
                let (start, end) = range.split_once(':')?;
                Some(start.parse().ok()?..end.parse().ok()?)
            })
            .collect()
    }

    /// The bytes of the first message whose annotation contains this.
    fn range(&self, text: &str) -> std::ops::Range<usize> {
        self.ranges(text)[0].clone()
    }

    /// The verdict on a proof with the lowest bit of that message flipped.
    fn flipped(&self, text: &str) -> VerifyError {
        let mut proof = self.proof.clone();
        proof[self.range(text).end - 1] ^= 1;
        self.verdict(&proof).unwrap_err()
    }

    /// The verdict on a proof in which all bits of that message are set.
    fn filled(&self, text: &str) -> VerifyError {
        let mut proof = self.proof.clone();
        proof[self.range(text)].fill(0xff);
        self.verdict(&proof).unwrap_err()
    }
}

#[test]
fn the_honest_proof_is_accepted() {
    let made = made();
    assert_eq!(made.verdict(&made.proof), Ok(()));
}

#[test]
fn a_flipped_trace_root_changes_all_randomness_and_fails_out_of_domain() {
    for root in ["Original/Commit", "Interaction/Commit", "Out Of Domain Sampling/Commit"] {
        let error = made().flipped(root);
        assert!(matches!(error, VerifyError::OutOfDomain { .. }), "{root}: {error}");
    }
}

#[test]
fn a_flipped_out_of_domain_value_is_rejected() {
    let error = made().flipped("OODS values: 3:");
    assert!(matches!(error, VerifyError::OutOfDomain { .. }), "{error}");
}

#[test]
fn a_flipped_layer_root_or_coefficient_breaks_the_proof_of_work_or_the_openings() {
    for text in ["FRI/Commitment/Layer 1", "FRI/Commitment/Layer 2", "Coefficients", "POW"] {
        let error = made().flipped(text);
        let expected = matches!(
            error,
            VerifyError::ProofOfWork { .. }
                | VerifyError::WrongRoot { scope: Scope::TraceDecommitment(0), .. }
                // Fewer or more distinct rows than before shift every later message.
                | VerifyError::NotCanonical { .. }
        );
        assert!(expected, "{text}: {error}");
    }
}

#[test]
fn a_last_layer_that_is_not_what_the_layers_fold_to_is_rejected() {
    for steps in [&[0][..], &[1], &[0, 1]] {
        let air = Fibonacci::new(3, 1, 5);
        let mut parameters = parameters(3, 1, steps);
        // Every row is opened, whatever the randomness. So a forged coefficient, which changes the queries, leaves
        // everything after it valid, as a prover would make it who forges before he draws them.
        parameters.fri.n_queries = 1000;
        parameters.fri.proof_of_work_bits = 0;
        let options = ProveOptions { annotate: Some("test"), ..ProveOptions::default() };
        let proof = prove(&air, &mut air.witness(), SEED, &parameters, &options, &()).unwrap();
        let made = Made { air, parameters, proof: proof.bytes, lines: proof.annotations.unwrap() };
        assert_eq!(made.verdict(&made.proof), Ok(()));
        let error = made.flipped("Coefficients");
        assert!(matches!(error, VerifyError::LastLayer { .. }), "{steps:?}: {error}");
    }
}

#[test]
fn a_flipped_cell_sibling_or_node_is_found_in_its_own_table() {
    let made = made();
    for (text, scope) in [
        ("Trace 0: Row", Scope::TraceDecommitment(0)),
        ("Trace 0: For node", Scope::TraceDecommitment(0)),
        ("Trace 1: Row", Scope::TraceDecommitment(1)),
        ("Trace 1: To complete packages", Scope::TraceDecommitment(1)),
        ("Trace 1: For node", Scope::TraceDecommitment(1)),
        ("Trace 2: Row", Scope::TraceDecommitment(2)),
        ("Decommitment/Layer 1: Row", Scope::FriDecommitment(1)),
        ("Decommitment/Layer 1: For node", Scope::FriDecommitment(1)),
        ("Decommitment/Layer 2: Row", Scope::FriDecommitment(2)),
    ] {
        let error = made.flipped(text);
        assert!(matches!(error, VerifyError::WrongRoot { scope: at, .. } if at == scope), "{text}: {error}");
    }
}

#[test]
fn every_flipped_byte_is_rejected() {
    let made = made();
    for position in 0..made.proof.len() {
        let mut proof = made.proof.clone();
        proof[position] ^= 0x10;
        assert!(made.verdict(&proof).is_err(), "byte {position}");
    }
}

#[test]
fn every_truncation_is_rejected_as_too_short() {
    let made = made();
    for length in 0..made.proof.len() {
        let error = made.verdict(&made.proof[..length]).unwrap_err();
        assert!(matches!(error, VerifyError::ProofTooShort { .. }), "{length} bytes: {error}");
    }
}

#[test]
fn a_proof_cut_inside_a_message_is_rejected_where_the_message_begins() {
    // There, before anything is allocated for what was announced and is not there. The rows of all three tables are
    // announced together: it does not help that those of the first are there.
    let made = made();
    let end = |text: &str| made.ranges(text).last().unwrap().end;
    for (first, end, scope) in [
        ("OODS values: 0:", end("OODS values: 3:"), Scope::OutOfDomainValues),
        ("Coefficients", end("Coefficients"), Scope::FriLastLayer),
        ("Trace 0: Row", made.range("Trace 0: For node").end, Scope::TraceDecommitment(0)),
        ("Decommitment/Layer 1: Row", end("Decommitment/Layer 1: Row"), Scope::FriDecommitment(1)),
        ("Decommitment/Layer 2: Row", end("Decommitment/Layer 2: Row"), Scope::FriDecommitment(2)),
    ] {
        let length = end - 1;
        let expected = VerifyError::ProofTooShort { scope, position: made.range(first).start, length };
        assert_eq!(made.verdict(&made.proof[..length]), Err(expected), "{first}");
    }
}

/// An AIR that constrains nothing, so that zeros are its out-of-domain values, of any size.
struct Unconstrained {
    width: usize,
    system: ConstraintSystem,
}

impl Air for Unconstrained {
    fn log_trace_length(&self) -> u32 {
        47
    }
    fn trace_widths(&self) -> [usize; 2] {
        [self.width, 0]
    }
    fn interaction_element_count(&self) -> usize {
        0
    }
    fn constraint_system(&self) -> &ConstraintSystem {
        &self.system
    }
    fn parameters(&self, _: &[Felt]) -> Option<Vec<Felt>> {
        Some(Vec::new())
    }
}

#[test]
fn an_opening_whose_size_wraps_to_nothing_is_rejected_before_memory_is_taken() {
    // A query opens 2^47 rows. Of 2^12 columns they have 2^64 bytes, of 2^17 columns 2^64 cells.
    for columns in [1 << 12, 1 << 17] {
        let system = ConstraintSystem { constraints: vec![], mask: vec![], periodic: vec![] };
        let air = Unconstrained { width: columns - 2, system };
        let mut parameters = parameters(6, 1, &[0]);
        parameters.fri = FriParameters {
            fri_step_list: vec![47],
            last_layer_degree_bound: 1,
            n_queries: 1,
            proof_of_work_bits: 0,
        };
        // Three roots, two out-of-domain values, one coefficient.
        let error = verify(&air, SEED, &parameters, &[0; 6 * 32], None).unwrap_err();
        let scope = Scope::TraceDecommitment(0);
        assert_eq!(error, VerifyError::ProofTooShort { scope, position: 6 * 32, length: 6 * 32 });
    }
}

#[test]
fn bytes_after_the_proof_are_rejected() {
    let made = made();
    let mut proof = made.proof.clone();
    proof.extend([0; 32]);
    let expected = VerifyError::TrailingBytes { position: made.proof.len(), length: made.proof.len() + 32 };
    assert_eq!(made.verdict(&proof), Err(expected));
}

#[test]
fn a_number_above_the_prime_is_rejected_in_both_forms() {
    let bytes = made();
    for text in ["OODS values: 0:", "Coefficients", "Trace 0: Row", "To complete packages", "Layer 1: Row"] {
        let error = bytes.filled(text);
        let expected = matches!(error, VerifyError::NotCanonical { .. });
        assert!(expected, "{text}: {error}");
    }
    let felts = made_with("poseidon3", "poseidon3", true);
    for text in ["Original/Commit", "OODS values: :", "FRI/Commitment/Layer 1", "Coefficients", "Row"] {
        let error = felts.filled(text);
        assert!(matches!(error, VerifyError::NotCanonical { .. }), "{text}: {error}");
    }
}

#[test]
fn a_nonce_of_more_than_64_bits_is_rejected() {
    let made = made_with("poseidon3", "poseidon3", true);
    let range = made.range("POW");
    let mut proof = made.proof.clone();
    proof[range.start + 23] = 1;
    let expected = VerifyError::NonceTooLarge { position: range.start };
    assert_eq!(made.verdict(&proof), Err(expected));
}

#[test]
fn random_bytes_are_rejected_without_panic() {
    let made = made();
    let mut state = 1u64;
    for length in [0, 1, 31, 32, 1000, 20_000] {
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                (state >> 60) as u8
            })
            .collect();
        assert!(made.verdict(&bytes).is_err());
    }
}

#[test]
fn another_statement_is_rejected() {
    let made = made();
    let other = verify(&made.air, &[2; 32], &made.parameters, &made.proof, None).unwrap_err();
    assert!(matches!(other, VerifyError::OutOfDomain { .. }), "{other}");
    let start = Fibonacci::new(6, 1, 6);
    let other = verify(&start, SEED, &made.parameters, &made.proof, None).unwrap_err();
    assert!(matches!(other, VerifyError::OutOfDomain { .. }), "{other}");
}

#[test]
fn weaker_or_stronger_parameters_than_the_proofs_are_rejected() {
    type Change = fn(&mut StarkParameters);
    let changes: [(&str, Change); 5] = [
        ("a query less", |p| p.fri.n_queries -= 1),
        ("a query more", |p| p.fri.n_queries += 1),
        ("more proof of work", |p| p.fri.proof_of_work_bits = 40),
        ("another tree hash", |p| p.commitment_hash = "blake256".parse().unwrap()),
        ("other layers", |p| p.fri.fri_step_list = vec![0, 3, 1]),
    ];
    for (name, change) in changes {
        let mut made = made();
        change(&mut made.parameters);
        assert!(made.verdict(&made.proof).is_err(), "{name}");
    }
}

#[test]
fn hostile_parameters_are_refused_without_panic() {
    let made = made();
    for (steps, bound, queries, cosets) in [
        (vec![0, 40], 1, 7, 2),
        (vec![u32::MAX], 1, 7, 2),
        (vec![0, 6], 1, u64::MAX, 2),
        (vec![0, 6], u64::MAX, 7, 2),
        (vec![0, 6], 1, 7, u32::MAX),
    ] {
        let mut parameters = made.parameters.clone();
        parameters.fri.fri_step_list = steps;
        parameters.fri.last_layer_degree_bound = bound;
        parameters.fri.n_queries = queries;
        parameters.log_n_cosets = cosets;
        let error = verify(&made.air, SEED, &parameters, &made.proof, None).unwrap_err();
        assert!(matches!(error, VerifyError::Parameters(_)), "{error}");
    }
    // Valid ones that would open whole tables: nothing is allocated for bytes that are not there.
    let mut parameters = made.parameters.clone();
    parameters.log_n_cosets = 40;
    parameters.fri.n_queries = 1 << 16;
    parameters.fri.fri_step_list = vec![6];
    parameters.fri.last_layer_degree_bound = 1;
    assert!(verify(&made.air, SEED, &parameters, &made.proof, None).is_err());
}

#[test]
fn a_trace_that_breaks_a_constraint_is_named_by_constraint_and_row() {
    let air = Fibonacci::new(6, 1, 5);
    let mut witness = air.witness();
    witness.columns[1][20] += Felt::ONE;
    for (storage, log_n_cosets) in
        StoragePolicy::ALL.into_iter().flat_map(|policy| [(policy, 1), (policy, 2)])
    {
        let parameters = parameters(6, log_n_cosets, &[0, 2]);
        let options = ProveOptions { storage, ..ProveOptions::default() };
        let error = prove(&air, &mut witness, SEED, &parameters, &options, &()).unwrap_err();
        // b is wrong on row 20: the step from row 19 is the first that fails.
        let expected = ProveError::ConstraintsViolated { constraint: "step".into(), row: 19 };
        assert_eq!(error, expected, "{storage}, 2^{log_n_cosets} cosets");
    }
}

#[test]
fn a_shuffle_that_loses_a_value_breaks_the_permutation() {
    let air = Fibonacci::new(6, 1, 5);
    let mut witness = air.witness();
    witness.columns[3][9] = Felt::from_u64(1_000_000);
    let error = prove(&air, &mut witness, SEED, &parameters(6, 2, &[0, 2]), &ProveOptions::default(), &())
        .unwrap_err();
    let expected = ProveError::ConstraintsViolated { constraint: "permutation/last".into(), row: 63 };
    assert_eq!(error, expected);
}

#[test]
fn a_proof_of_a_corrupted_trace_is_rejected_out_of_domain() {
    let air = Fibonacci::new(6, 2, 5);
    let parameters = parameters(6, 2, &[0, 2]);
    let mut witness = air.witness();
    witness.columns[1][20] += Felt::ONE;
    let options = ProveOptions { skip_consistency_check: true, ..ProveOptions::default() };
    let proof = prove(&air, &mut witness, SEED, &parameters, &options, &()).unwrap();
    let error = verify(&air, SEED, &parameters, &proof.bytes, None).unwrap_err();
    assert!(matches!(error, VerifyError::OutOfDomain { .. }), "{error}");
}

#[test]
fn a_witness_without_a_trace_is_its_own_error() {
    let air = Fibonacci::new(6, 1, 5);
    let mut witness = air.witness();
    witness.fails = true;
    let error = prove(&air, &mut witness, SEED, &parameters(6, 2, &[0]), &ProveOptions::default(), &());
    assert_eq!(error.unwrap_err(), ProveError::Witness(NoTrace));
}

#[test]
fn parameters_are_refused_before_the_witness_is_asked() {
    let air = Fibonacci::new(6, 1, 5);
    let mut witness = air.witness();
    witness.fails = true;
    let error = prove(&air, &mut witness, SEED, &parameters(7, 2, &[0]), &ProveOptions::default(), &());
    assert!(matches!(error.unwrap_err(), ProveError::Parameters(ParametersError::FriDegree { .. })));
}
