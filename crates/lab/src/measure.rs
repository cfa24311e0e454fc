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
use serde_json::Value;

use crate::{
    LabError,
    options::Options,
    vectors::{Case, json},
};

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
    let (program, rest) =
        arguments.split_first().ok_or_else(|| LabError::Usage { got: arguments.to_vec() })?;
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
    println!("{}", serde_json::json!({"cpu": cpu, "wall": wall, "peak_kib": usage.max_rss()}));
    Ok(())
}

/// Runs a program with `words` in `folder` and says what it used. `variables` are added to the environment.
///
/// # Errors
/// If it cannot be run, or ends with another status than 0: with what it said.
pub(crate) fn run(
    program: &Path,
    words: &[String],
    folder: &Path,
    variables: &[(&str, String)],
) -> Result<Usage, LabError> {
    let this = PathBuf::from("/proc/self/exe");
    let mut command = Command::new(&this);
    command.current_dir(folder).arg("measure-child").arg(program).args(words);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    let output = command.output().map_err(|source| LabError::Spawn { program: this, source })?;
    if !output.status.success() {
        let what = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(LabError::Failed { what, status: output.status.to_string(), stderr });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let usage: Value = serde_json::from_str(text.trim()).unwrap_or_default();
    let figure = |key: &str| {
        usage[key].as_f64().ok_or_else(|| LabError::Format {
            place: format!("usage of {}", program.display()),
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

/// The flags with which the drop-in prover proves a case from its working folder into [`PROOF`].
pub(crate) fn prover_flags(case: &Case, threads: usize) -> Vec<String> {
    let mut flags: Vec<String> = [
        "--parameter_file=cpu_air_params.json",
        "--prover_config_file=cpu_air_prover_config.json",
        "--public_input_file=air_public_input.json",
        "--private_input_file=air_private_input.json",
    ]
    .map(String::from)
    .into();
    flags.push(format!("--out_file={PROOF}"));
    flags.push(format!("--n_threads={threads}"));
    flags.extend(generation_flag(case));
    flags
}

/// The file that [`prover_flags`] has the proof written to, in the working folder.
pub(crate) const PROOF: &str = "made_proof.json";

/// The flag without which both programs take a case for one of the current generation of Stone.
pub(crate) fn generation_flag(case: &Case) -> Option<String> {
    case.is_stone5().then(|| "--stone_version=stone5".to_owned())
}

/// Proves `case` once in its working folder and compares the proof's bytes.
pub(crate) fn prove(options: &Options, case: &Case, folder: &Path) -> Result<Usage, LabError> {
    let threads = options.threads.first().copied().unwrap_or(1);
    let usage = run(&options.prover, &prover_flags(case, threads), folder, &[])?;
    if json(&folder.join(PROOF))?["proof_hex"] != json(&case.proof_path())?["proof_hex"] {
        return Err(LabError::WrongProof(case.name()));
    }
    Ok(usage)
}
