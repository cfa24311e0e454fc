//! Every reference file is read and written back to the same bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use ashlar_stone::{
    Json, PrivateInputFile, ProofFile, ProofParameters, ProverConfig, private_input_from_json,
    private_input_to_json, public_input_from_json, public_input_to_json,
};
use vectors::{Variant, fixtures, larger_set, variants};

/// Fixtures always; the larger set where it is found.
fn all_variants() -> Vec<Variant> {
    let mut all = variants(&fixtures(), &[]);
    match larger_set() {
        Some(root) => all.extend(variants(&root, &[])),
        None => eprintln!("skipped: the larger set of vectors is absent"),
    }
    assert!(all.len() >= 10, "expected the fixtures, got {} variants", all.len());
    all
}

fn json(path: &std::path::Path) -> Json {
    Json::from_slice(&std::fs::read(path).unwrap(), &path.to_string_lossy()).unwrap()
}

#[test]
fn a_proof_file_is_written_back_to_the_same_bytes() {
    for variant in all_variants() {
        let text = variant.proof();
        let value = Json::from_slice(&text, "proof.json").unwrap();
        assert!(value.to_stone_text().as_bytes() == text, "{}: the JSON text differs", variant.name());
        let file = ProofFile::from_json(value, "proof.json").unwrap();
        assert!(
            file.into_json().to_stone_text().as_bytes() == text,
            "{}: the proof file differs",
            variant.name()
        );
    }
}

#[test]
fn a_proof_file_echoes_the_inputs_it_was_made_from() {
    for variant in all_variants() {
        let file = ProofFile::from_json(json(&variant.folder.join("proof.json")), "proof.json").unwrap();
        assert_eq!(
            file.public_input,
            json(&variant.case.join("air_public_input.json")),
            "{}",
            variant.name()
        );
        assert_eq!(file.private_input, json(&variant.case.join("air_private_input.json")));
        assert_eq!(file.proof_parameters, json(&variant.folder.join("cpu_air_params.json")));
        assert_eq!(file.prover_config, json(&variant.folder.join("cpu_air_prover_config.json")));
        assert_eq!(file.version, ProofFile::stone_version_object());
    }
}

#[test]
fn inputs_and_settings_survive_the_way_through_their_types() {
    for variant in all_variants() {
        let public_json = json(&variant.case.join("air_public_input.json"));
        let public_input = public_input_from_json(&public_json, "public").unwrap();
        assert_eq!(public_input_to_json(&public_input), public_json, "{}", variant.name());
        let private_json = json(&variant.case.join("air_private_input.json"));
        let private: PrivateInputFile =
            private_input_from_json(&private_json, "private", &public_input).unwrap();
        assert_eq!(private_input_to_json(&private, &public_input), private_json, "{}", variant.name());
        let parameters =
            ProofParameters::from_json(&json(&variant.folder.join("cpu_air_params.json")), "p").unwrap();
        assert_eq!(ProofParameters::from_json(&parameters.to_json(), "p"), Ok(parameters));
        let config = json(&variant.folder.join("cpu_air_prover_config.json"));
        assert_eq!(ProverConfig::from_json(config.clone(), "c").unwrap().to_json(), &config);
    }
}

#[test]
fn a_missing_builtin_list_is_refused() {
    let case = fixtures().join("small_512_fib");
    let public_input = public_input_from_json(&json(&case.join("air_public_input.json")), "public").unwrap();
    let Json::Object(mut entries) = json(&case.join("air_private_input.json")) else { panic!("an object") };
    entries.remove("ecdsa").unwrap();
    let error = private_input_from_json(&Json::Object(entries), "private", &public_input).unwrap_err();
    assert_eq!(error.to_string(), "expected the key \"ecdsa\" at private: /, got an object without it");
}

#[test]
fn field_elements_of_a_private_input_are_reduced_and_integers_are_not() {
    let case = fixtures().join("small_512_fib");
    let mut public_input =
        public_input_from_json(&json(&case.join("air_public_input.json")), "public").unwrap();
    for name in ["bitwise", "keccak", "poseidon", "ec_op"] {
        public_input.memory_segments.insert(name.to_owned(), public_input.memory_segments["pedersen"]);
    }
    let read = |name: &str, keys: &[&str], value: &str| {
        let values = keys.iter().map(|key| ((*key).to_owned(), Json::text(value)));
        let signature = Json::Object(["r", "w"].map(|key| (key.to_owned(), Json::text(value))).into());
        let mut instance: std::collections::BTreeMap<_, _> = values.collect();
        instance.insert("index".to_owned(), Json::from(0));
        instance.insert("signature_input".to_owned(), signature);
        let mut file: std::collections::BTreeMap<_, _> =
            public_input.memory_segments.keys().map(|name| (name.clone(), Json::Array(Vec::new()))).collect();
        file.insert(name.to_owned(), Json::Array(vec![Json::Object(instance)]));
        file.extend(["trace_path", "memory_path"].map(|key| (key.to_owned(), Json::text("run"))));
        private_input_from_json(&Json::Object(file), "private", &public_input).map(|file| file.instances)
    };
    // p + 5
    let beyond = "0x800000000000011000000000000000000000000000000000000000000000006";
    let states =
        ["input_s0", "input_s1", "input_s2", "input_s3", "input_s4", "input_s5", "input_s6", "input_s7"];
    for (name, keys) in [
        ("pedersen", &["x", "y"][..]),
        ("ecdsa", &["pubkey", "msg"]),
        ("ec_op", &["p_x", "p_y", "q_x", "q_y", "m"]),
        ("poseidon", &states[..3]),
    ] {
        assert_eq!(read(name, keys, beyond).unwrap(), read(name, keys, "0x5").unwrap(), "{name}");
    }
    for (name, keys) in [("range_check", &["value"][..]), ("bitwise", &["x", "y"]), ("keccak", &states[..])] {
        assert!(read(name, keys, "0x5").is_ok(), "{name}");
        let error = read(name, keys, beyond).unwrap_err().to_string();
        assert!(error.contains("below the field prime"), "{name}: {error}");
    }
}
