//! Reference proofs made again in process: the same file, whatever the kernels and the threads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use ashlar_cpu_air::{
    input::{Execution, MemorySegment},
    statement::{EntryForm, StoneVersion},
};
use ashlar_fault::Fault as _;
use ashlar_field::Kernels;
use ashlar_stark::StoragePolicy;
use ashlar_stone::{
    Echo, HashChoice, Optimize, Policy, ProofFile, ProofParameters, ProveOptions, ProverConfig,
    SelfVerification, StatementRule, StoneProof, automatic_parameters, private_input_from_json, prove,
    public_input_from_json, read_json, read_memory, read_trace, verify,
};
use vectors::{Variant, fixtures, variants};

/// A case, ready to prove.
struct Case {
    variant: Variant,
    execution: Execution,
    parameters: ProofParameters,
    version: StoneVersion,
    options: ProveOptions,
}

impl Case {
    fn read(variant: &Variant) -> Case {
        let json = |path: std::path::PathBuf| read_json(&path, "input", 1 << 20).unwrap();
        let public_json = json(variant.case.join("air_public_input.json"));
        let private_json = json(variant.case.join("air_private_input.json"));
        let parameter_json = json(variant.folder.join("cpu_air_params.json"));
        let config_json = json(variant.folder.join("cpu_air_prover_config.json"));
        let public_input = public_input_from_json(&public_json, "public").unwrap();
        let private = private_input_from_json(&private_json, "private", &public_input).unwrap();
        let n_steps = public_input.n_steps;
        let version = if variant.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 };
        Case {
            execution: Execution {
                trace: read_trace(&variant.case.join(private.trace_path), n_steps).unwrap(),
                memory: read_memory(&variant.case.join(private.memory_path), n_steps).unwrap(),
                private_input: private.instances,
                public_input,
            },
            parameters: ProofParameters::from_json(&parameter_json, "parameters").unwrap(),
            version,
            options: ProveOptions {
                annotations: variant.is_annotated(),
                prover_config: ProverConfig::from_json(config_json, "config").unwrap(),
                echo: Echo {
                    public_input: Some(public_json),
                    private_input: Some(private_json),
                    proof_parameters: Some(parameter_json),
                },
                ..ProveOptions::verified(Policy::stone(version))
            },
            variant: variant.clone(),
        }
    }

    fn prove(&self, options: ProveOptions) -> StoneProof {
        prove(self.execution.clone(), &self.parameters, self.version, options, &())
            .unwrap_or_else(|error| panic!("{}: {error}", self.variant.name()))
    }

    fn assert_same_file(&self, proof: StoneProof, how: &str) {
        let text = proof.file.into_json().to_stone_text();
        assert!(text.as_bytes() == self.variant.proof(), "{} {how}: the file differs", self.variant.name());
    }
}

#[test]
fn every_fixture_is_proven_to_the_same_file() {
    for variant in variants(&fixtures(), &["plain", "small"]) {
        let case = Case::read(&variant);
        let proof = case.prove(case.options.clone());
        assert!(proof.verified.is_some());
        case.assert_same_file(proof, "");
    }
}

/// Proves a fixture again and compares the file.
fn assert_same_with(case: &Case, kernels: Kernels, threads: usize, storage: StoragePolicy) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let options = ProveOptions { kernels, storage, ..case.options.clone() };
    let proof = pool.install(|| case.prove(options));
    case.assert_same_file(proof, &format!("{kernels} with {threads} threads"));
}

#[test]
fn one_two_and_five_threads_give_the_same_file_of_every_fixture() {
    for variant in variants(&fixtures(), &["plain", "small"]) {
        let case = Case::read(&variant);
        for (threads, storage) in
            [(1, StoragePolicy::OneCoset), (2, StoragePolicy::InPlace), (5, StoragePolicy::TwoCosets)]
        {
            assert_same_with(&case, Kernels::fastest(), threads, storage);
        }
    }
}

#[test]
fn every_family_of_kernels_gives_the_same_file() {
    // Every reference proof of these layouts, on every family with 1, 2 and 5 threads: `cargo xtask references --matrix`.
    for name in ["plain_512_fib/keccak_vf10_pow1", "small_512_fib/blake_vf10"] {
        let variant = variants(&fixtures(), &[]).into_iter().find(|variant| variant.name() == name).unwrap();
        let case = Case::read(&variant);
        for kernels in Kernels::supported() {
            assert_same_with(&case, kernels, 2, StoragePolicy::Stored);
        }
    }
}

#[test]
fn a_trace_of_many_columns_on_two_cosets_is_proven_the_same_whatever_is_kept_of_it() {
    // Of 25 columns some have one copy and some two, which changes from step to step.
    let mut case = Case::read(&variants(&fixtures(), &["small_512_fib"])[0]);
    case.parameters.stark.log_n_cosets = 1;
    case.options.echo.proof_parameters = None;
    let prove = |storage, kernels| {
        let proof = case.prove(ProveOptions { storage, kernels, ..case.options.clone() });
        assert!(proof.verified.is_some(), "{storage}, {kernels}");
        proof.file.into_json().to_stone_text()
    };
    let expected = prove(StoragePolicy::Stored, Kernels::fastest());
    for storage in StoragePolicy::ALL {
        assert!(prove(storage, Kernels::fastest()) == expected, "{storage}");
    }
    assert!(prove(StoragePolicy::OneCoset, Kernels::Scalar) == expected);
}

#[test]
fn without_files_to_echo_the_proof_file_leaves_the_private_input_out() {
    let variant = &variants(&fixtures(), &["small_512_fib"])[0];
    let case = Case::read(variant);
    let proof = case.prove(ProveOptions::verified(Policy::stone(case.version)));
    let reference = ProofFile::from_json(
        ashlar_stone::Json::from_slice(&variant.proof(), "proof.json").unwrap(),
        "proof.json",
    )
    .unwrap();
    assert_eq!(proof.file.private_input, ashlar_stone::Json::object([]));
    assert_eq!(proof.file.proof, reference.proof);
    assert_eq!(proof.file.public_input, reference.public_input);
    assert_eq!(verify(&proof.file, &Policy::stone(case.version)).unwrap(), proof.verified.unwrap());
}

/// What Stone's own verifier accepts and the gate must not: a proof of a statement that says less than it seems to.
struct Forgery {
    name: &'static str,
    /// The code with which the gate refuses it.
    code: u16,
    forge: fn(&mut Execution),
}

/// Changes a segment of the public input.
fn segment(execution: &mut Execution, name: &str, change: fn(&mut MemorySegment)) {
    change(execution.public_input.memory_segments.get_mut(name).unwrap());
}

const FORGERIES: [Forgery; 6] = [
    Forgery {
        name: "a stop pointer past what the trace constrains",
        code: 1510,
        forge: |execution| segment(execution, "range_check", |s| s.stop_ptr = s.begin_addr + 512 / 8 + 1),
    },
    Forgery {
        name: "a stop pointer inside an instance",
        code: 1509,
        forge: |execution| segment(execution, "pedersen", |s| s.stop_ptr = s.begin_addr + 1),
    },
    Forgery {
        name: "a segment that stops before it begins",
        code: 1508,
        forge: |execution| segment(execution, "ecdsa", |s| s.stop_ptr = s.begin_addr - 1),
    },
    Forgery {
        name: "a stop pointer that the program did not return",
        code: 1511,
        forge: |execution| segment(execution, "range_check", |s| s.stop_ptr = s.begin_addr + 1),
    },
    Forgery {
        name: "a page 0 that stops inside the program",
        code: 1511,
        forge: |execution| execution.public_input.public_memory.truncate(20),
    },
    Forgery {
        name: "a program word kept secret",
        code: 1511,
        forge: |execution| execution.public_input.public_memory.retain(|cell| cell.address != 7),
    },
];

#[test]
fn statements_that_stone_accepts_but_say_too_little_are_refused_by_the_gate() {
    let variant = variants(&fixtures(), &["small_512_fib"]).into_iter().next().unwrap();
    let case = Case::read(&variant);
    let gate = Policy { statement: StatementRule::Gate(EntryForm::Strict), ..Policy::stone(case.version) };
    let prove_with = |execution, policy: &Policy| {
        let options = ProveOptions::verified(policy.clone());
        prove(execution, &case.parameters, case.version, options, &())
    };
    let honest = prove_with(case.execution.clone(), &gate).unwrap();
    assert!(verify(&honest.file, &gate).is_ok());
    for Forgery { name, code, forge } in FORGERIES {
        let mut execution = case.execution.clone();
        forge(&mut execution);
        let forged = prove_with(execution, &Policy::stone(case.version))
            .unwrap_or_else(|error| panic!("Stone's rules do not see {name}: {error}"));
        let error = verify(&forged.file, &gate).expect_err(name);
        assert_eq!(error.code().0, code, "{name}: {error}");
    }
}

#[test]
fn several_pages_are_no_strict_statement() {
    let variant = variants(&fixtures(), &["small_512_pages"]).into_iter().next().unwrap();
    let case = Case::read(&variant);
    let proof = case.prove(case.options.clone());
    let gate = Policy { statement: StatementRule::Gate(EntryForm::Strict), ..Policy::stone(case.version) };
    assert_eq!(verify(&proof.file, &gate).unwrap_err().code().0, 1511);
}

#[test]
fn a_proof_that_would_fail_the_callers_policy_is_not_even_begun() {
    let variant = variants(&fixtures(), &["plain_512_fib"]).into_iter().next().unwrap();
    let case = Case::read(&variant);
    let options = ProveOptions {
        self_verification: SelfVerification::Policy(Policy::strict(96)),
        ..case.options.clone()
    };
    let outcome = prove(case.execution.clone(), &case.parameters, case.version, options, &());
    assert_eq!(outcome.unwrap_err().code().0, 1351);
}

#[test]
fn automatic_parameters_prove_under_the_strict_policy() {
    let variant = variants(&fixtures(), &["small_512_fib"]).into_iter().next().unwrap();
    let case = Case::read(&variant);
    let layout = ashlar_cpu_air::layout::by_name("small").unwrap();
    let chosen = automatic_parameters(layout, 512, 96, Optimize::Time, HashChoice::Blake248).unwrap();
    let options = ProveOptions::verified(Policy::strict(96));
    let proof =
        prove(case.execution.clone(), &chosen.parameters, StoneVersion::Stone6, options, &()).unwrap();
    let verified = proof.verified.unwrap();
    assert_eq!(verified.security, chosen.security);
    assert!(verified.security.conjectured_bits >= 96);
    let size = verified.statistics.bytes as f64;
    assert!((chosen.prediction.bytes - size).abs() < 0.05 * size, "{:?} for {size}", chosen.prediction);
}
