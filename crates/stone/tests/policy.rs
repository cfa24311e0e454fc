//! Every demand of a policy refuses a proof that does not meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use ashlar_cpu_air::{
    layout,
    statement::{EntryForm, EntryRefusal, StatementError, StoneVersion},
};
use ashlar_fault::{Exit, Fault as _};
use ashlar_hash::{ChannelHash, CommitmentHash};
use ashlar_stark::ParametersError;
use ashlar_stone::{
    Allowed, InstanceError, Json, Policy, PolicyError, ProofFile, ProofParameters, StatementRule,
    VerifyError, public_input_from_json, verify, verify_parts,
};
use vectors::fixtures;

/// A proof with 18 queries, blow-up 4, one bit of grinding, steps 0, 4, 2, last layer 128, layout plain, 512 steps,
/// keccak trees of 160 bits and a Poseidon channel.
fn proof() -> ProofFile {
    let path = fixtures().join("plain_512_fib/keccak_vf10_pow1/proof.json");
    ProofFile::from_json(Json::from_slice(&std::fs::read(path).unwrap(), "proof.json").unwrap(), "proof.json")
        .unwrap()
}

fn refusal(policy: &Policy) -> PolicyError {
    match verify(&proof(), policy) {
        Err(VerifyError::Policy(error)) => {
            assert_eq!(error.exit(), Exit::Negative);
            error
        }
        other => panic!("expected a refusal by the policy, got {other:?}"),
    }
}

#[test]
fn stones_policy_accepts_any_parameters() {
    assert!(verify(&proof(), &Policy::stone(StoneVersion::Stone6)).is_ok());
}

#[test]
fn too_few_bits_are_refused() {
    let stone = Policy::stone(StoneVersion::Stone6);
    assert!(verify(&proof(), &Policy { least_conjectured_bits: 37, ..stone.clone() }).is_ok());
    let error = refusal(&Policy { least_conjectured_bits: 38, ..stone.clone() });
    assert_eq!(error, PolicyError::TooFewBits { kind: "conjectured", least: 38, got: 37 });
    let error = refusal(&Policy { least_proven_bits: 30, ..stone });
    assert!(matches!(error, PolicyError::TooFewBits { kind: "proven", least: 30, .. }), "{error}");
}

#[test]
fn every_bound_is_enforced_at_both_ends() {
    let stone = Policy::stone(StoneVersion::Stone6);
    let inside = Policy {
        log_n_cosets: 2..=2,
        n_queries: 18..=18,
        proof_of_work_bits: 1..=1,
        most_fri_step: 4,
        most_last_layer_degree_bound: 128,
        most_steps: 512,
        ..stone.clone()
    };
    assert!(verify(&proof(), &inside).is_ok());
    for (name, policy) in [
        ("log_n_cosets", Policy { log_n_cosets: 3..=9, ..stone.clone() }),
        ("log_n_cosets", Policy { log_n_cosets: 1..=1, ..stone.clone() }),
        ("n_queries", Policy { n_queries: 19..=99, ..stone.clone() }),
        ("n_queries", Policy { n_queries: 1..=17, ..stone.clone() }),
        ("proof_of_work_bits", Policy { proof_of_work_bits: 2..=50, ..stone.clone() }),
        ("proof_of_work_bits", Policy { proof_of_work_bits: 0..=0, ..stone.clone() }),
        ("the largest entry of fri_step_list", Policy { most_fri_step: 3, ..stone.clone() }),
        ("last_layer_degree_bound", Policy { most_last_layer_degree_bound: 127, ..stone.clone() }),
        ("n_steps", Policy { most_steps: 511, ..stone.clone() }),
    ] {
        let error = refusal(&policy);
        assert!(
            matches!(error, PolicyError::OutOfBounds { name: refused, .. } if refused == name),
            "{error}"
        );
    }
}

#[test]
fn layouts_and_hashes_that_are_not_listed_are_refused() {
    let stone = Policy::stone(StoneVersion::Stone6);
    let keccak = CommitmentHash::Keccak256Masked160Lsb;
    let inside = Policy {
        layouts: Allowed::Only(vec!["small".into(), "plain".into()]),
        commitment_hashes: Allowed::Only(vec![keccak, CommitmentHash::Poseidon3]),
        channel_hashes: Allowed::Only(vec![ChannelHash::Poseidon3]),
        ..stone.clone()
    };
    assert!(verify(&proof(), &inside).is_ok());
    for (name, policy) in [
        ("layout", Policy { layouts: Allowed::Only(vec!["small".into()]), ..stone.clone() }),
        (
            "commitment_hash",
            Policy { commitment_hashes: Allowed::Only(vec![CommitmentHash::Poseidon3]), ..stone.clone() },
        ),
        (
            "verifier_friendly_commitment_hash",
            Policy { commitment_hashes: Allowed::Only(vec![keccak]), ..stone.clone() },
        ),
        (
            "channel_hash",
            Policy { channel_hashes: Allowed::Only(vec![ChannelHash::Keccak256]), ..stone.clone() },
        ),
    ] {
        let error = refusal(&policy);
        assert!(matches!(error, PolicyError::NotAllowed { name: refused, .. } if refused == name), "{error}");
    }
}

#[test]
fn the_strict_policy_refuses_eighty_bit_hashes_and_few_queries() {
    let error = refusal(&Policy::strict(96));
    assert!(matches!(error, PolicyError::NotAllowed { name: "commitment_hash", .. }), "{error}");
    let error = refusal(&Policy { commitment_hashes: Allowed::Any, ..Policy::strict(96) });
    assert!(matches!(error, PolicyError::TooFewBits { least: 96, got: 37, .. }), "{error}");
}

#[test]
fn proofs_in_layouts_that_stone_does_not_confirm_are_not_for_acting_on() {
    let Allowed::Only(allowed) = Policy::strict(96).layouts else {
        panic!("a strict policy names its layouts")
    };
    for name in layout::NAMES {
        let confirmed = name != "all_cairo";
        assert_eq!(allowed.iter().any(|allowed| allowed == name), confirmed, "{name}");
    }
}

#[test]
fn a_policy_for_one_layout_allows_no_other_and_none_that_it_did_not_allow_before() {
    let stone = Policy::stone(StoneVersion::Stone6);
    assert!(verify(&proof(), &stone.clone().with_layout("plain")).is_ok());
    assert!(matches!(
        refusal(&stone.clone().with_layout("small")),
        PolicyError::NotAllowed { name: "layout", .. }
    ));
    let other = Policy { layouts: Allowed::Only(vec!["small".to_owned()]), ..stone };
    let error = refusal(&other.with_layout("plain"));
    assert!(matches!(error, PolicyError::NotAllowed { name: "layout", .. }), "{error}");
}

/// The verdict on the proof of a run of layout `small` after a change of its statement or parameters.
fn verdict(
    policy: &Policy,
    change: impl FnOnce(&mut ashlar_cpu_air::input::PublicInput, &mut ProofParameters),
) -> Result<(), VerifyError> {
    let path = fixtures().join("small_512_fib/blake_vf10/proof.json");
    let json = Json::from_slice(&std::fs::read(path).unwrap(), "proof.json").unwrap();
    let file = ProofFile::from_json(json, "proof.json").unwrap();
    let mut public_input = public_input_from_json(&file.public_input, "public_input").unwrap();
    let mut parameters = ProofParameters::from_json(&file.proof_parameters, "proof_parameters").unwrap();
    change(&mut public_input, &mut parameters);
    verify_parts(&public_input, &parameters, &file.proof, policy, false).map(drop)
}

/// Cells beyond the capacity are ordinary memory: a run may claim instances there that nothing constrains.
#[test]
fn every_rule_for_acting_on_a_statement_refuses_builtins_beyond_the_trace_and_other_pages() {
    let forms = EntryForm::ALL.map(StatementRule::Gate);
    for statement in forms.into_iter().chain([StatementRule::AnyForm]) {
        let stone = Policy::stone(StoneVersion::Stone6);
        let policy = Policy { statement, ..stone };
        verdict(&policy, |_, _| ()).unwrap();
        let error = verdict(&policy, |public, _| {
            public.memory_segments.get_mut("range_check").unwrap().stop_ptr += 1000;
        });
        assert!(
            matches!(error, Err(VerifyError::Statement(StatementError::BuiltinCapacity { .. }))),
            "{statement:?}: {error:?}"
        );
        let error = verdict(&policy, |public, _| public.public_memory[9].page = 1);
        assert!(
            matches!(
                error,
                Err(VerifyError::Statement(StatementError::Entry(EntryRefusal::OtherPages { cells: 1 })))
            ),
            "{statement:?}: {error:?}"
        );
    }
}

#[test]
fn parameters_for_another_trace_length_are_refused_before_their_bits_are_counted() {
    let error = verdict(&Policy::strict(96), |_, parameters| {
        parameters.stark.commitment_hash = CommitmentHash::Poseidon3;
        parameters.stark.verifier_friendly_commitment_hash = CommitmentHash::Poseidon3;
        parameters.stark.channel_hash = ChannelHash::Poseidon3;
        parameters.stark.fri.last_layer_degree_bound *= 2;
    });
    assert!(matches!(error, Err(VerifyError::Parameters(ParametersError::FriDegree { .. }))), "{error:?}");
}

#[test]
fn what_a_policy_allows_is_told_in_words() {
    assert_eq!(Allowed::<&str>::Any.to_string(), "anything");
    assert_eq!(Allowed::<&str>::Only(Vec::new()).to_string(), "nothing that this policy allows");
    assert_eq!(Allowed::Only(vec!["plain", "small"]).to_string(), "one of plain, small");
}

#[test]
fn a_layout_that_the_generation_defines_inconsistently_is_refused() {
    let refused = |version| {
        let error = verdict(&Policy::stone(version), |public, _| public.layout = "all_cairo".into());
        matches!(error, Err(VerifyError::Instance(InstanceError::OtherGeneration { .. })))
    };
    assert!(refused(StoneVersion::Stone6));
    assert!(!refused(StoneVersion::Stone5));
}
