//! One run of the prover in a process of its own, with the resources it used.
//!
//! The kernel reports the peak memory of "the largest child so far", so every run gets a parent of its own: this
//! program again, as `measure-child`, which starts the prover, waits, and prints what its only child used.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use nix::sys::resource::{UsageWho, getrusage};
use serde_json::{Value, json};

use crate::{LabError, Options, vectors::Case};

/// What one run used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    /// User and system CPU seconds.
    pub(crate) cpu_seconds: f64,
    /// Wall-clock seconds.
    pub(crate) wall_seconds: f64,
    /// Peak resident memory in MB (10⁶ bytes).
    pub(crate) peak_megabytes: f64,
}

/// Runs `arguments[0]` with the rest and prints its usage as JSON.
pub(crate) fn child(arguments: &[String]) -> Result<(), LabError> {
    let (program, rest) = arguments.split_first().ok_or_else(|| LabError::Usage(arguments.to_vec()))?;
    let start = Instant::now();
    let output = Command::new(program)
        .args(rest)
        .output()
        .map_err(|source| LabError::Spawn { program: program.into(), source })?;
    let wall = start.elapsed().as_secs_f64();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(LabError::Failed { what: program.clone(), status: output.status.to_string(), stderr });
    }
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_err(|errno| LabError::Spawn { program: program.into(), source: errno.into() })?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 * 1e-6;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    println!("{}", json!({"cpu": cpu, "wall": wall, "peak_kib": usage.max_rss()}));
    Ok(())
}

/// Proves `case` once from the files in `inputs` and checks the bytes.
pub(crate) fn prove(options: &Options, case: &Case, inputs: &Path) -> Result<Usage, LabError> {
    let this = PathBuf::from("/proc/self/exe");
    let out = inputs.join("measured_proof.json");
    let variant = case.variant_directory();
    let mut command = Command::new(&this);
    command.current_dir(inputs).arg("measure-child").arg(&options.prover);
    for (flag, path) in [
        ("--parameter_file", variant.join("cpu_air_params.json")),
        ("--prover_config_file", variant.join("cpu_air_prover_config.json")),
        ("--public_input_file", case.directory().join("air_public_input.json")),
        ("--private_input_file", case.directory().join("air_private_input.json")),
        ("--out_file", out.clone()),
    ] {
        command.arg(format!("{flag}={}", path.display()));
    }
    command.arg(format!("--n_threads={}", options.threads));
    if case.is_stone5() {
        command.arg("--stone_version=stone5");
    }
    let output = command.output().map_err(|source| LabError::Spawn { program: this, source })?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(LabError::Failed { what: case.name(), status: output.status.to_string(), stderr });
    }
    if case.proof_hex(&out)? != case.proof_hex(&variant.join("proof.json"))? {
        return Err(LabError::WrongProof(case.name()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let usage: Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let figure = |key: &str| {
        usage[key].as_f64().ok_or_else(|| LabError::Format {
            place: format!("usage of {}", case.name()),
            expected: "cpu, wall and peak_kib",
            got: text.to_string(),
        })
    };
    Ok(Usage {
        cpu_seconds: figure("cpu")?,
        wall_seconds: figure("wall")?,
        peak_megabytes: figure("peak_kib")? * 1024.0 / 1e6,
    })
}
