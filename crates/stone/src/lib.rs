//! Stone's file formats, its prover and verifier behind them, and programs that stand in for its binaries.
//!
//! | part | what it does |
//! |---|---|
//! | [`Json`] | JSON as Stone writes it, read strictly |
//! | [`read_bounded`], [`OutputFile`] | files in and out |
//! | [`read_trace`], [`read_memory`] | the binary files of a run |
//! | [`public_input_from_json`], [`private_input_from_json`], [`read_run`] | the statement and its witness |
//! | [`ProofParameters`], [`ProverConfig`] | the two settings files |
//! | [`automatic_parameters`], [`predict`] | parameters for any size, and what a proof will cost |
//! | [`calibrate`], [`Rates`] | how fast this machine is |
//! | [`MemoryLimit`] | whether a proof fits, before it starts |
//! | [`ProofFile`] | the proof file |
//! | [`prove`] | a run to a proof that our verifier accepted |
//! | [`Recorder`], [`Profile`], [`ProcessMemory`] | where the time of a proof went, and its memory |
//! | [`ExternalProver`] | another prover, as a supervised child |
//! | [`Policy`], [`verify`] | a proof against what the caller demands |
//! | [`cpu_air_prover`], [`cpu_air_verifier`] | the stand-in programs |
#![forbid(unsafe_code)]

mod automatic;
mod capacity;
mod drop_in;
mod external;
mod files;
mod flags;
mod instance;
mod json;
mod parameters;
mod policy;
mod prediction;
mod private_input;
mod process_memory;
mod profile;
mod proof_file;
mod prove;
mod prover_config;
mod public_input;
mod run;
mod run_files;
mod verify;

pub use automatic::{
    AutomaticError, Chosen, HashChoice, Optimize, Settlement, Target, Wish, automatic_parameters, by_blow_up,
    choose, fri_step_list, trace_shape,
};
pub use capacity::{
    MEMORY_LIMIT_VARIABLE, Memory, MemoryBound, MemoryLimit, StorageChoice, TooMuchMemory, UnknownMemoryLimit,
};
pub use drop_in::{cpu_air_prover, cpu_air_verifier};
pub use external::{ExternalError, ExternalProver, Scratch};
pub use files::{FileError, MOST_INPUT_BYTES, MOST_SETTINGS_BYTES, OutputFile, read_bounded};
pub use flags::FlagError;
pub use instance::InstanceError;
pub use json::{Json, JsonError};
pub use parameters::{ParameterFileError, ProofParameters};
pub use policy::{Allowed, Policy, PolicyError, StatementRule};
pub use prediction::{
    HashRates, MOST_CALLDATA_FELTS, PageZero, PhaseSeconds, Prediction, ProofParts, Rates, TraceShape,
    calibrate, predict, proof_parts,
};
pub use private_input::{PrivateInputFile, private_input_from_json, private_input_to_json};
pub use process_memory::ProcessMemory;
pub use profile::{Profile, Recorder, Stage};
pub use proof_file::ProofFile;
pub use prove::{Echo, ProveError, ProveOptions, SelfVerification, StoneProof, preflight, prove};
pub use prover_config::{ProverConfig, ProverConfigError};
pub use public_input::{public_input_from_json, public_input_to_json};
pub use run::{PublicInputFile, Run, RunError, read_json, read_public_input, read_run};
pub use run_files::{MOST_STEPS, RunFileError, memory_to_bytes, read_memory, read_trace, trace_to_bytes};
pub use verify::{Verified, VerifyError, verify, verify_parts};
