//! The statement against real proofs: the first interaction element depends on every byte of the seed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;

use ashlar_cpu_air::{
    layout,
    statement::{self, Claim, EntryRefusal, PageHash, StoneVersion},
};
use ashlar_field::{Felt, MontgomeryBytes, StandardBytes};
use ashlar_hash::{CommitmentHash, poseidon};

mod vectors;
use vectors::Proof;

fn parameter_or<'a>(proof: &'a Proof, path: &str, default: &'a str) -> &'a str {
    proof.parameter(path).and_then(|value| value.as_str()).unwrap_or(default)
}

/// Stone's channel as far as the first drawn element.
fn first_element(proof: &Proof, seed: &[u8]) -> Felt {
    let channel = parameter_or(proof, "/channel_hash", "keccak256");
    let commitment = parameter_or(proof, "/commitment_hash", "keccak256_masked160_msb");
    let friendly = parameter_or(proof, "/verifier_friendly_commitment_hash", commitment);
    let updates = proof.parameter("/verifier_friendly_channel_updates").is_some_and(|value| value == true);
    let hash = |name: &str| CommitmentHash::ALL.into_iter().find(|hash| hash.name() == name).unwrap();
    let digest = hash(if updates { friendly } else { channel }).hash_bytes(seed).unwrap();
    let root = proof.first_root();
    if channel == "poseidon3" {
        let root = Felt::try_from(StandardBytes(root)).unwrap();
        let state = poseidon::hash_many(&[digest.to_felt().unwrap() + Felt::ONE, root]);
        return poseidon::hash_pair(state, Felt::ZERO);
    }
    let mut incremented = digest.0;
    for byte in incremented.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    let state = hash(channel).hash_bytes(&[incremented, root].concat()).unwrap();
    (0u64..)
        .find_map(|counter| {
            let message = [&state.0[..], &[0; 24], &counter.to_be_bytes()].concat();
            let drawn = hash(channel).hash_bytes(&message).unwrap().0;
            montgomery_below_31_primes(drawn)
        })
        .unwrap()
}

/// t·2⁻²⁵⁶ for the drawn integer t, unless t ≥ 31·p.
fn montgomery_below_31_primes(bytes: [u8; 32]) -> Option<Felt> {
    // 31·p = 0xf8000000000002 0f 00… 1f: the bytes above 31·p all start with 0xf8 and more.
    let mut limit = [0u8; 32];
    let high = 31u64 * 0x0800_0000_0000_0011;
    limit[..8].copy_from_slice(&high.to_be_bytes());
    limit[31] = 31;
    (bytes < limit).then(|| {
        let reduced = StandardBytes::from(Felt::from_bytes_reduced(&bytes));
        Felt::try_from(MontgomeryBytes(reduced.0)).unwrap()
    })
}

/// Checks all annotated proofs of a folder; returns how many.
fn check_folder(root: &Path) -> usize {
    let mut checked = 0;
    for (_, variant) in vectors::proofs(root) {
        let proof = Proof::read(&variant.join("proof.json"));
        if !proof.is_annotated() {
            continue;
        }
        let public = vectors::public_input(&proof.json["public_input"]);
        let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
        statement::check(&public, &layout).unwrap();
        let version = match variant.to_string_lossy().contains("stone5") {
            true => StoneVersion::Stone5,
            false => StoneVersion::Stone6,
        };
        let layers = proof.parameter("/n_verifier_friendly_commitment_layers");
        let layers = layers.map_or(0, |value| value.as_u64().unwrap());
        let page_hash: PageHash = parameter_or(&proof, "/statement/page_hash", "keccak256").parse().unwrap();
        let seed = statement::seed(&public, &layout, version, layers, page_hash).unwrap();
        let expected = proof.interaction_elements()[0];
        assert_eq!(first_element(&proof, &seed), expected, "{}", variant.display());
        checked += 1;
    }
    checked
}

#[test]
fn the_seed_leads_to_the_first_interaction_element_of_every_fixture() {
    assert!(check_folder(&vectors::fixtures().join("stone")) >= 10);
}

/// The reasons of the verifier contract and our own, for one entry form.
fn check_form(expected: &serde_json::Value, got: &Result<Claim, EntryRefusal>, place: &str) {
    match got {
        Ok(claim) => {
            let felt = |key: &str| vectors::felt(&expected[key]);
            assert_eq!(claim.program.hash().0, felt("program_hash"), "{place}");
            assert_eq!(claim.output.hash().0, felt("output_hash"), "{place}");
            assert_eq!(claim.fact_hash().0, felt("fact_hash"), "{place}");
        }
        Err(refusal) => {
            assert!(expected.get("fact_hash").is_none(), "{place}: {refusal}, expected {expected}")
        }
    }
}

#[test]
fn entry_forms_and_facts_are_those_of_the_verifier_contract() {
    let Some(root) = vectors::shared() else { return };
    for (_, variant) in vectors::proofs(&root.join("integrity")) {
        let proof = Proof::read(&variant.join("proof.json"));
        let expected = vectors::json(&variant.join("expected.json"));
        let public = vectors::public_input(&proof.json["public_input"]);
        let layout = layout::by_name(&public.layout).unwrap();
        let forms = statement::classify(&public, layout);
        let place = variant.display().to_string();
        check_form(&expected["facts"]["strict"], &forms.strict, &format!("{place} strict"));
        check_form(&expected["facts"]["relaxed"], &forms.relaxed, &format!("{place} relaxed"));
        check_form(&expected["facts"]["cairo1"], &forms.cairo1, &format!("{place} cairo1"));
        assert_eq!(statement::check_gate(&public, layout).is_ok(), forms.strict.is_ok(), "{place}");
    }
}

#[test]
fn the_seed_leads_to_the_first_interaction_element_of_every_shared_proof() {
    let Some(root) = vectors::shared() else { return };
    assert!(check_folder(&root.join("stone")) >= 20);
    assert_eq!(check_folder(&root.join("integrity")), 12);
}
