//! Every file that Stone's formats know. Whatever the bytes, reading ends with a value or a typed error; what was read
//! can be written, and read again as the same.

use std::{fs, path::PathBuf};

use ashlar_cpu_air::input::PublicInput;
use ashlar_stone::{
    Json, ProofFile, ProofParameters, ProverConfig, memory_to_bytes, private_input_from_json,
    private_input_to_json, public_input_from_json, public_input_to_json, read_memory, read_trace,
    trace_to_bytes,
};

fn parse(data: &[u8]) -> Option<Json> {
    Json::from_slice(data, "input").ok()
}

/// JSON as Stone writes it.
pub fn json(data: &[u8]) {
    if let Some(value) = parse(data) {
        let text = value.to_stone_text();
        assert_eq!(parse(text.as_bytes()), Some(value), "{text}");
    }
}

/// Proof files.
pub fn proof_file(data: &[u8]) {
    if let Some(file) = parse(data).and_then(|json| ProofFile::from_json(json, "input").ok()) {
        let again = ProofFile::from_json(file.clone().into_json(), "again");
        assert_eq!(again.ok(), Some(file));
    }
}

/// Public inputs.
pub fn public_input(data: &[u8]) {
    if let Some(input) = parse(data).and_then(|json| public_input_from_json(&json, "input").ok()) {
        let again = public_input_from_json(&public_input_to_json(&input), "again");
        assert_eq!(again.ok(), Some(input));
    }
}

/// Private inputs, for the public input of a small run.
pub fn private_input(data: &[u8]) {
    let public = small_public_input();
    if let Some(input) = parse(data).and_then(|json| private_input_from_json(&json, "input", &public).ok()) {
        let again = private_input_from_json(&private_input_to_json(&input, &public), "again", &public);
        assert_eq!(again.ok(), Some(input));
    }
}

fn small_public_input() -> PublicInput {
    let bytes = include_bytes!("../../fixtures/stone/small_512_fib/air_public_input.json");
    parse(bytes).and_then(|json| public_input_from_json(&json, "small").ok()).expect("a fixture")
}

/// Parameter files.
pub fn parameters(data: &[u8]) {
    if let Some(parameters) = parse(data).and_then(|json| ProofParameters::from_json(&json, "input").ok()) {
        let again = ProofParameters::from_json(&parameters.to_json(), "again");
        assert_eq!(again.ok(), Some(parameters));
    }
}

/// Prover configs.
pub fn prover_config(data: &[u8]) {
    if let Some(config) = parse(data).and_then(|json| ProverConfig::from_json(json, "input").ok()) {
        assert!(config.n_tasks_per_segment().is_power_of_two());
    }
}

/// Trace files: the first byte says how many steps are expected.
pub fn trace_file(data: &[u8]) {
    let Some((&n_steps, bytes)) = data.split_first() else { return };
    let file = file_of("trace", bytes);
    if let Ok(trace) = read_trace(&file.0, u64::from(n_steps)) {
        assert_eq!(trace.len(), usize::from(n_steps));
        assert_eq!(trace_to_bytes(&trace), bytes);
    }
}

/// Memory files: the first byte says how many steps the run had.
pub fn memory_file(data: &[u8]) {
    let Some((&n_steps, bytes)) = data.split_first() else { return };
    let file = file_of("memory", bytes);
    if let Ok(memory) = read_memory(&file.0, u64::from(n_steps)) {
        let again = file_of("memory-again", &memory_to_bytes(&memory));
        assert_eq!(read_memory(&again.0, u64::from(n_steps)).ok(), Some(memory));
    }
}

/// A file that is gone when its value is.
struct TemporaryFile(PathBuf);

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.0));
    }
}

/// A file with these bytes, one for each role, process and thread.
fn file_of(role: &str, bytes: &[u8]) -> TemporaryFile {
    let thread = format!("{:?}", std::thread::current().id()).replace(|c: char| !c.is_ascii_digit(), "");
    let path = std::env::temp_dir().join(format!("ashlar-fuzz-{role}-{}-{thread}", std::process::id()));
    fs::write(&path, bytes).expect("a temporary file");
    TemporaryFile(path)
}
