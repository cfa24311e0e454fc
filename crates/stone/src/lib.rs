//! Stone's file formats, and Stone's prover and verifier behind them.
//!
//! | part | what it does |
//! |---|---|
//! | [`Json`] | JSON as Stone writes it, read strictly |
//! | [`read_bounded`], [`OutputFile`] | files in and out |
//! | [`read_trace`], [`read_memory`] | the binary files of a run |
//! | [`public_input_from_json`], [`private_input_from_json`] | the statement and the builtin instances |
//! | [`ProofParameters`], [`ProverConfig`] | the two settings files |
//! | [`ProofFile`] | the proof file |
#![forbid(unsafe_code)]

mod files;
mod json;
mod parameters;
mod private_input;
mod proof_file;
mod prover_config;
mod public_input;
mod run_files;

pub use files::{FileError, MOST_INPUT_BYTES, MOST_SETTINGS_BYTES, OutputFile, read_bounded};
pub use json::{Json, JsonError};
pub use parameters::{FriParameters, ParameterFileError, ProofParameters};
pub use private_input::{PrivateInputFile, private_input_from_json, private_input_to_json};
pub use proof_file::ProofFile;
pub use prover_config::{ProverConfig, ProverConfigError};
pub use public_input::{public_input_from_json, public_input_to_json};
pub use run_files::{MOST_STEPS, RunFileError, memory_to_bytes, read_memory, read_trace, trace_to_bytes};
