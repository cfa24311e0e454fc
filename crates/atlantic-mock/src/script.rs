//! What becomes of a submission: its stages, with the times that recorded runs took, and its end.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use crate::multipart::ReceivedFile;

/// What was submitted.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Text fields by name.
    pub fields: BTreeMap<String, String>,
    /// Files by name.
    pub files: BTreeMap<String, ReceivedFile>,
}

impl Submission {
    /// A text field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

/// A stage and how long it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name on the wire.
    pub name: &'static str,
    /// How long it takes.
    pub length: Duration,
    /// What its job says when it is over.
    pub context: Option<Value>,
}

/// What becomes of a submission.
#[derive(Clone, Debug)]
pub struct Script {
    pub(crate) stages: Vec<Stage>,
    /// Fields of the query beyond those that the form and the stages give; they win.
    pub(crate) overrides: BTreeMap<String, Value>,
    /// Fields that the query has only once it is done.
    pub(crate) at_the_end: BTreeMap<String, Value>,
    pub(crate) failure: Option<(usize, String)>,
    pub(crate) steps: u64,
    pub(crate) artefacts: BTreeMap<String, Vec<u8>>,
    /// How many requests for each artefact find nothing.
    pub(crate) missing_first: u32,
    /// How many requests for each artefact get half of it.
    pub(crate) truncated_first: u32,
}

fn stage(name: &'static str, seconds: u64) -> Stage {
    Stage { name, length: Duration::from_secs(seconds), context: None }
}

impl Script {
    fn of(stages: Vec<Stage>) -> Script {
        Script {
            stages,
            overrides: BTreeMap::new(),
            at_the_end: BTreeMap::new(),
            failure: None,
            steps: 1_000_000,
            artefacts: BTreeMap::new(),
            missing_first: 0,
            truncated_first: 0,
        }
    }

    /// A proof file and nothing on a chain: 83 s, as recorded in June 2025.
    pub fn proof_only() -> Script {
        Script::of(vec![stage("TRACE_GENERATION", 23), stage("PROOF_GENERATION", 60)])
    }

    /// A Stone proof, verified in parts on Integrity: about nine minutes, as recorded in May 2026.
    pub fn route_i() -> Script {
        let parts: Vec<Value> = ["initial", "step1", "step2", "step3", "final"]
            .into_iter()
            .enumerate()
            .map(|(index, step)| {
                json!({ "step": step, "transactionHash": format!("0x{:x}", 0xabc0 + index), "price": "0.48",
                    "gasAmount": "1200000" })
            })
            .collect();
        let mut verification = stage("PROOF_VERIFICATION_ON_L2", 240);
        verification.context =
            Some(json!({ "transactions": parts, "numberOfSteps": 3, "hasher": "keccak_160_lsb" }));
        Script::of(vec![
            stage("TRACE_GENERATION", 63),
            stage("PROOF_GENERATION", 200),
            stage("FACT_HASH_GENERATION", 50),
            verification,
        ])
        .with("sharpProver", json!("stone"))
        .with("layout", json!("recursive_with_poseidon"))
    }

    /// A Stwo proof by the shared prover, verified on Ethereum, its fact carried over to Starknet: 66 minutes, as recorded in
    /// September 2026.
    pub fn route_s() -> Script {
        Script::of(vec![
            stage("TRACE_AND_METADATA_GENERATION", 41),
            stage("PROOF_GENERATION_AND_VERIFICATION", 3_650),
            stage("BRIDGE_FACT_HASH", 269),
        ])
        .with("sharpProver", json!("stwo"))
        .with("layout", json!("dynamic"))
    }

    /// Sets a field of the query.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Script {
        self.overrides.insert(field.to_owned(), value);
        self
    }

    /// Sets a field that the query has once it is done, such as a fact.
    #[must_use]
    pub fn ending_with(mut self, field: &str, value: Value) -> Script {
        self.at_the_end.insert(field.to_owned(), value);
        self
    }

    /// Fails in a stage, by its index, with a reason.
    #[must_use]
    pub fn failing(mut self, stage: usize, reason: &str) -> Script {
        self.failure = Some((stage, reason.to_owned()));
        self
    }

    /// How many steps the run has, the bootloader's included: a declared size that is too small for them is killed.
    #[must_use]
    pub fn steps(mut self, steps: u64) -> Script {
        self.steps = steps;
        self
    }

    /// Adds an artefact.
    #[must_use]
    pub fn artefact(mut self, name: &str, bytes: Vec<u8>) -> Script {
        self.artefacts.insert(name.to_owned(), bytes);
        self
    }

    /// Adds `proof.json`: whatever bytes a test has.
    #[must_use]
    pub fn proof(self, bytes: Vec<u8>) -> Script {
        self.artefact("proof.json", bytes)
    }

    /// Answers the first so many requests for each artefact with 404.
    #[must_use]
    pub fn artefacts_missing_first(mut self, requests: u32) -> Script {
        self.missing_first = requests;
        self
    }

    /// Answers the first so many requests for each artefact (after those that find nothing) with half of it.
    #[must_use]
    pub fn artefacts_truncated_first(mut self, requests: u32) -> Script {
        self.truncated_first = requests;
        self
    }

    /// The most steps that a declared size survives, as the recorded kills suggest.
    pub(crate) fn survives(&self, declared: &str) -> bool {
        let most = match declared {
            "XS" => 3_000_000,
            "S" => 6_000_000,
            "M" => 12_000_000,
            _ => u64::MAX,
        };
        self.steps <= most
    }
}
