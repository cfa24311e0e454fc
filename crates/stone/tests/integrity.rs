//! The example proofs of Integrity, Starknet's verifier contract of Stone proofs: six layouts, both generations of
//! Stone, runs of Cairo 0 and of Cairo 1. Nobody of this project made them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use std::{collections::BTreeSet, fs};

use ashlar_cpu_air::statement::{Claim, EntryRefusal, StoneVersion};
use ashlar_fault::{Exit, Fault as _};
use ashlar_field::Felt;
use ashlar_stone::{
    Json, Policy, ProofFile, ProofParameters, Verified, VerifyError, public_input_from_json, verify_parts,
};
use serde_json::Value;
use vectors::{Variant, integrity_fixtures, larger_integrity_set, variants};

/// A proof with what the contract says about it.
struct Example {
    name: String,
    version: StoneVersion,
    file: ProofFile,
    expected: Value,
}

impl Example {
    fn read(variant: &Variant) -> Example {
        let json = Json::from_slice(&variant.proof(), "proof.json").unwrap();
        Example {
            name: variant.name(),
            version: if variant.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 },
            file: ProofFile::from_json(json, "proof.json").unwrap(),
            expected: serde_json::from_slice(&fs::read(variant.folder.join("expected.json")).unwrap())
                .unwrap(),
        }
    }

    /// Our verifier's word on the example with these proof bytes, under a generation of Stone.
    fn verify(&self, proof: &[u8], version: StoneVersion) -> Result<Verified, VerifyError> {
        let public_input = public_input_from_json(&self.file.public_input, "public_input").unwrap();
        let parameters = ProofParameters::from_json(&self.file.proof_parameters, "proof_parameters").unwrap();
        verify_parts(&public_input, &parameters, proof, &Policy::stone(version), true)
    }

    fn accepted(&self) -> Verified {
        self.verify(&self.file.proof, self.version)
            .unwrap_or_else(|error| panic!("{} is not accepted: {error}", self.name))
    }
}

/// The example of the repository, and all of the larger set where it is found.
fn examples() -> Vec<Example> {
    let mut all = variants(&integrity_fixtures(), &[]);
    match larger_integrity_set() {
        Some(root) => all = variants(&root, &[]),
        None => eprintln!("skipped: all of Integrity's example proofs but one, because they are absent"),
    }
    assert!(!all.is_empty());
    all.iter().map(Example::read).collect()
}

#[test]
fn every_example_is_accepted_with_the_annotations_that_stone_wrote() {
    for example in examples() {
        let verified = example.accepted();
        assert_eq!(verified.layout, example.expected["layout"], "{}", example.name);
        assert_eq!(verified.n_steps, example.expected["n_steps"].as_u64().unwrap(), "{}", example.name);
        assert!(example.file.annotations.is_some(), "{} has annotations", example.name);
        assert!(verified.annotations == example.file.annotations, "{}: annotations differ", example.name);
        // Integrity counts queries and work alone; so do we, up to what a collision of the hash would cost.
        let bits = example.expected["facts"]["security_bits"].as_u64().unwrap() as u32;
        assert_eq!(verified.security.conjectured_bits, bits.min(verified.security.collision_bits));
    }
}

#[test]
fn hashes_of_program_output_and_fact_are_those_of_the_contract() {
    for example in examples() {
        let verified = example.accepted();
        let facts = &example.expected["facts"];
        let check = |form: &Result<Claim, EntryRefusal>, mode: &str| {
            let expected = &facts[mode];
            let place = format!("{} {mode}", example.name);
            match form {
                Ok(claim) => {
                    assert_eq!(claim.program.hash().to_string(), expected["program_hash"], "{place}");
                    assert_eq!(claim.output.hash().to_string(), expected["output_hash"], "{place}");
                    assert_eq!(claim.fact_hash().to_string(), expected["fact_hash"], "{place}");
                }
                Err(refusal) => assert!(expected["rejected"].is_string(), "{place}: {refusal}"),
            }
        };
        check(&verified.forms.strict, "strict");
        check(&verified.forms.relaxed, "relaxed");
        check(&verified.forms.cairo1, "cairo1");
        let output: Vec<Felt> = facts["output"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_str().unwrap().parse().unwrap())
            .collect();
        assert_eq!(verified.output().unwrap().0, output, "{}", example.name);
    }
}

#[test]
fn one_changed_bit_of_a_proof_is_refused_wherever_it_is() {
    const PLACES: usize = 24;
    for example in examples() {
        let length = example.file.proof.len();
        for place in 0..PLACES {
            // From the first byte, which is of the trace's root, to the last, which is of the last layer's siblings.
            let byte = place * (length - 1) / (PLACES - 1);
            let mut proof = example.file.proof.clone();
            proof[byte] ^= 1 << (place % 8);
            let error =
                example.verify(&proof, example.version).expect_err(&format!("{} byte {byte}", example.name));
            assert!(matches!(error, VerifyError::Rejected(_)), "{} byte {byte}: {error}", example.name);
            assert_eq!(error.exit(), Exit::Negative);
        }
    }
}

#[test]
fn another_output_is_refused() {
    for mut example in examples() {
        let text = example.file.public_input.to_stone_text();
        let Json::Object(mut public) = example.file.public_input.clone() else { panic!("an object") };
        let Some(Json::Array(cells)) = public.get_mut("public_memory") else { panic!("a list") };
        let Some(Json::Object(last)) = cells.last_mut() else { panic!("a cell") };
        last.insert("value".into(), Json::text("0x2711"));
        example.file.public_input = Json::Object(public);
        assert_ne!(example.file.public_input.to_stone_text(), text);
        let error = example.verify(&example.file.proof, example.version).expect_err(&example.name);
        assert!(matches!(error, VerifyError::Rejected(_)), "{}: {error}", example.name);
    }
}

#[test]
fn an_example_of_one_generation_is_refused_as_one_of_the_other() {
    for example in examples() {
        let other = match example.version {
            StoneVersion::Stone5 => StoneVersion::Stone6,
            StoneVersion::Stone6 => StoneVersion::Stone5,
        };
        let error = example.verify(&example.file.proof, other).expect_err(&example.name);
        assert!(matches!(error, VerifyError::Rejected(_)), "{}: {error}", example.name);
    }
}

#[test]
fn the_larger_set_has_every_layout_and_setting_of_the_contract() {
    if larger_integrity_set().is_none() {
        eprintln!("skipped: the larger set of Integrity's example proofs is absent");
        return;
    }
    let all = examples();
    let of = |key: &str| -> BTreeSet<String> {
        all.iter().map(|example| example.expected["facts"][key].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of("layout").len(), 6);
    assert_eq!(of("hasher").len(), 2);
    assert_eq!(of("stone_version").len(), 2);
    assert!(all.iter().any(|example| example.accepted().forms.strict.is_err()), "a run of Cairo 1");
}
