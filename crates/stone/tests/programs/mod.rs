//! The stand-in programs as processes, in folders with the files of a case, as Stone's user runs them.
#![allow(dead_code, clippy::unwrap_used)] // Every test binary uses its part; a broken vector folder ends a test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::vectors::{Variant, fixtures, scratch};

pub(crate) const INPUTS: [&str; 4] =
    ["trace.bin", "memory.bin", "air_public_input.json", "air_private_input.json"];
pub(crate) const SETTINGS: [&str; 2] = ["cpu_air_params.json", "cpu_air_prover_config.json"];

/// The flags that every run of the prover needs, but for that of the output.
pub(crate) const FLAGS: [&str; 4] = [
    "--parameter_file=cpu_air_params.json",
    "--prover_config_file=cpu_air_prover_config.json",
    "--public_input_file=air_public_input.json",
    "--private_input_file=air_private_input.json",
];

/// The prover.
pub(crate) const PROVER: &str = env!("CARGO_BIN_EXE_cpu_air_prover");

/// A folder with the files of a variant.
pub(crate) fn working_folder(name: &str, variant: &Variant) -> PathBuf {
    let folder = scratch(name);
    for file in INPUTS {
        fs::copy(variant.case.join(file), folder.join(file)).unwrap();
    }
    for file in SETTINGS {
        fs::copy(variant.folder.join(file), folder.join(file)).unwrap();
    }
    folder
}

/// The smallest case, for tests of the programs around it.
pub(crate) fn smallest() -> Variant {
    let case = fixtures().join("plain_512_fib");
    Variant { folder: case.join("keccak_vf10_noann"), case }
}

/// A program in a folder, with the fastest kernels.
pub(crate) fn program(program: &str, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("ASHLAR_KERNELS");
    command
}

/// The prover in a folder, with the flags that every run needs.
pub(crate) fn prover_to(folder: &Path, out_file: &str) -> Command {
    let mut command = program(PROVER, folder);
    command.args(FLAGS).args(["--out_file", out_file]);
    command
}

/// The verifier in a folder.
pub(crate) fn verifier(folder: &Path, proof: &str) -> Command {
    let mut command = program(env!("CARGO_BIN_EXE_cpu_air_verifier"), folder);
    command.args(["--in_file", proof]);
    command
}

/// Asks for a proof of work that no machine finishes, so that a run surely ends before its proof.
pub(crate) fn ask_for_endless_work(folder: &Path) {
    let path = folder.join("cpu_air_params.json");
    let text = fs::read_to_string(&path).unwrap();
    let endless = text.replace("\"proof_of_work_bits\": 1", "\"proof_of_work_bits\": 60");
    assert_ne!(text, endless);
    fs::write(path, endless).unwrap();
}
