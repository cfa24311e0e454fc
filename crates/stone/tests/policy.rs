//! Every demand of a policy refuses a proof that does not meet it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use ashlar_cpu_air::{
    layout,
    statement::{EntryForm, StatementError, StoneVersion},
};
use ashlar_fault::{Exit, Fault as _};
use ashlar_hash::{ChannelHash, CommitmentHash};
use ashlar_stone::{Allowed, Json, Policy, PolicyError, ProofFile, StatementRule, VerifyError, verify};
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
fn proofs_in_layouts_that_no_reference_proof_confirms_are_not_for_acting_on() {
    let Allowed::Only(allowed) = Policy::strict(96).layouts else {
        panic!("a strict policy names its layouts")
    };
    for name in layout::NAMES {
        let unconfirmed = ["perpetual", "dex_with_bitwise", "all_cairo"].contains(&name);
        assert_eq!(allowed.iter().any(|allowed| allowed == name), !unconfirmed, "{name}");
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

#[test]
fn a_stop_pointer_past_the_capacity_is_refused_under_every_rule_that_somebody_may_act_on() {
    let path = fixtures().join("small_512_fib/blake_vf10/proof.json");
    let text = std::fs::read_to_string(path).unwrap();
    let mut file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let stop = &mut file["public_input"]["memory_segments"]["range_check"]["stop_ptr"];
    *stop = (stop.as_u64().unwrap() + 512).into();
    let json = Json::from_slice(file.to_string().as_bytes(), "proof.json").unwrap();
    let forged = ProofFile::from_json(json, "proof.json").unwrap();
    let stone = Policy::stone(StoneVersion::Stone6);
    for statement in [
        StatementRule::AnyForm,
        StatementRule::Gate(EntryForm::Strict),
        StatementRule::Gate(EntryForm::Relaxed),
        StatementRule::Gate(EntryForm::Cairo1),
    ] {
        let refused = verify(&forged, &Policy { statement, ..stone.clone() }).unwrap_err();
        assert!(
            matches!(refused, VerifyError::Statement(StatementError::BuiltinCapacity { .. })),
            "{statement:?}: {refused}"
        );
    }
}
