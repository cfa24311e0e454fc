//! Every reference proof is accepted, with what it proves; every manipulated one is rejected.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use ashlar_cpu_air::statement::{EntryForm, FactHash, StoneVersion};
use ashlar_fault::{Exit, Fault as _};
use ashlar_field::Kernels;
use ashlar_stone::{
    Json, PageZero, Policy, ProofFile, ProofParameters, Rates, Verified, VerifyError, predict,
    public_input_from_json, trace_shape, verify, verify_parts,
};
use vectors::{Variant, fixtures, larger_set, variants};

fn proof_file(bytes: &[u8]) -> ProofFile {
    ProofFile::from_json(Json::from_slice(bytes, "proof.json").unwrap(), "proof.json").unwrap()
}

fn version(variant: &Variant) -> StoneVersion {
    if variant.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 }
}

fn verify_variant(variant: &Variant) -> Result<Verified, VerifyError> {
    verify(&proof_file(&variant.proof()), &Policy::stone(version(variant)))
}

/// The proofs of layouts `plain` and `small`.
fn plain_and_small() -> Vec<Variant> {
    let mut all = variants(&fixtures(), &["plain", "small"]);
    match larger_set() {
        Some(root) => all.extend(variants(&root, &["plain", "small"])),
        None => eprintln!("skipped: the larger set of vectors is absent"),
    }
    all
}

#[test]
fn every_reference_proof_is_accepted() {
    for variant in plain_and_small() {
        let verified = verify_variant(&variant).unwrap_or_else(|error| panic!("{}: {error}", variant.name()));
        let stark = &verified.parameters.stark;
        let by_queries = stark.fri.n_queries as u32 * stark.log_n_cosets + stark.fri.proof_of_work_bits;
        let bits = by_queries.min(verified.security.collision_bits);
        assert_eq!(verified.security.conjectured_bits, bits, "{}", variant.name());
        assert_eq!(verified.statistics.bytes as usize, proof_file(&variant.proof()).proof.len());
    }
}

#[test]
fn the_annotations_of_the_verifier_are_those_of_stones_prover() {
    for variant in plain_and_small() {
        let file = proof_file(&variant.proof());
        let public_input = public_input_from_json(&file.public_input, "public_input").unwrap();
        let parameters = ProofParameters::from_json(&file.proof_parameters, "proof_parameters").unwrap();
        let policy = Policy::stone(version(&variant));
        let verified = verify_parts(&public_input, &parameters, &file.proof, &policy, true).unwrap();
        if let Some(expected) = &file.annotations {
            assert!(
                verified.annotations.as_ref() == Some(expected),
                "{}: annotations differ",
                variant.name()
            );
        }
    }
}

#[test]
fn an_accepted_proof_says_what_ran() {
    let variant = &variants(&fixtures(), &["small_512_fib"])[0];
    let verified = verify_variant(variant).unwrap();
    assert_eq!((verified.layout, verified.n_steps), ("small", 512));
    let claim = verified.claim().unwrap();
    assert_eq!(claim.form, EntryForm::Strict);
    assert_eq!(verified.fact_hash(), Some(FactHash::new(claim.program.hash(), claim.output.hash())));
    assert_eq!(verified.program_hash(), Some(claim.program.hash()));
    assert_eq!(verified.output(), Some(&claim.output));
}

#[test]
fn a_rejection_advises_who_received_the_proof_and_not_who_chose_its_parameters() {
    let variants = variants(&fixtures(), &["plain_512_fib"]);
    let variant = variants.iter().find(|variant| !variant.is_stone5()).unwrap();
    let verdict = |change: &dyn Fn(&mut ProofFile), version| {
        let mut file = proof_file(&variant.proof());
        change(&mut file);
        verify(&file, &Policy::stone(version)).unwrap_err()
    };
    // The seed of the other generation changes every random value, so nothing fits out of the domain.
    let other = verdict(&|_| {}, StoneVersion::Stone5);
    assert!(other.hint().is_some_and(|hint| hint.contains("--stone_version")), "{other}");
    let parameters = verdict(
        &|file| {
            let Json::Object(parameters) = &mut file.proof_parameters else { panic!("an object") };
            let Some(Json::Object(stark)) = parameters.get_mut("stark") else { panic!("an object") };
            stark.insert("log_n_cosets".into(), Json::Unsigned(1));
        },
        StoneVersion::Stone6,
    );
    assert!(parameters.hint().is_none(), "{parameters}");
    let layout = verdict(
        &|file| {
            let Json::Object(statement) = &mut file.public_input else { panic!("an object") };
            statement.insert("layout".into(), Json::String("all_cairo".into()));
        },
        StoneVersion::Stone6,
    );
    assert_eq!(layout.hint().as_deref(), Some("pass --stone_version=stone5"), "{layout}");
}

#[test]
fn every_manipulated_proof_is_rejected() {
    let folder = fixtures().join("bad/proofs");
    let cases = Json::from_slice(&std::fs::read(folder.join("expect.json")).unwrap(), "expect.json").unwrap();
    let Json::Array(cases) = cases else { panic!("a list") };
    assert!(cases.len() >= 19);
    for case in cases {
        let Json::Object(case) = case else { panic!("an object") };
        let (Json::String(name), Json::String(verifier), Json::Unsigned(exit)) =
            (&case["file"], &case["verifier"], &case["exit"])
        else {
            panic!("{case:?}")
        };
        let file = proof_file(&std::fs::read(folder.join(name)).unwrap());
        let outcome = verify(&file, &Policy::stone(verifier.parse().unwrap()));
        // Stone accepts bytes after the proof; here they are refused.
        match (name.as_str(), exit) {
            ("extended.json", _) => {
                let error = outcome.unwrap_err();
                assert!(
                    matches!(error, VerifyError::Rejected(ashlar_stark::VerifyError::TrailingBytes { .. })),
                    "{error}"
                );
            }
            (_, 0) => drop(outcome.unwrap()),
            _ => assert_eq!(outcome.unwrap_err().exit(), Exit::Negative, "{name}"),
        }
    }
}

#[test]
fn a_proof_of_one_generation_is_not_one_of_the_other() {
    for variant in variants(&fixtures(), &["plain"]) {
        let other = match version(&variant) {
            StoneVersion::Stone5 => StoneVersion::Stone6,
            StoneVersion::Stone6 => StoneVersion::Stone5,
        };
        let outcome = verify(&proof_file(&variant.proof()), &Policy::stone(other));
        assert!(matches!(outcome, Err(VerifyError::Rejected(_))), "{}", variant.name());
    }
}

#[test]
fn predicted_sizes_are_those_of_the_reference_proofs() {
    for variant in plain_and_small() {
        let verified = verify_variant(&variant).unwrap();
        let layout = ashlar_cpu_air::layout::by_name(verified.layout).unwrap();
        let shape = trace_shape(layout, verified.n_steps).unwrap();
        let page = PageZero { segments: 0, cells: 0 };
        let rates = Rates::default_of(Kernels::Scalar);
        let predicted = predict(&verified.parameters.stark, &shape, page, &rates).bytes;
        let actual = verified.statistics.bytes as f64;
        // Only how often queries meet is left to chance; with a single query nothing is.
        let tolerance = if verified.parameters.stark.fri.n_queries == 1 { 0.5 } else { 0.05 * actual };
        assert!((predicted - actual).abs() <= tolerance, "{}: {predicted} for {actual}", variant.name());
    }
}
