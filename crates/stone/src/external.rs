//! Another prover of the protocol as a supervised child: any program with the flags and files of `cpu_air_prover`.
//!
//! Its inputs are written into a folder of their own, its last words are kept, and it is ended, with whatever it has
//! started, when the observer cancels. What it writes is only a claim: the caller verifies it.

use std::{
    fs,
    io::{self, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use ashlar_cpu_air::input::Execution;
use ashlar_fault::{Code, Exit, Fault};
use ashlar_stark::Observer;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::{
    files::{FileError, MOST_INPUT_BYTES, OutputFile},
    json::Json,
    parameters::ProofParameters,
    private_input::{PrivateInputFile, private_input_to_json},
    proof_file::ProofFile,
    prover_config::ProverConfig,
    public_input::public_input_to_json,
    run::{RunError, read_json},
    run_files::{memory_to_bytes, trace_to_bytes},
};

/// How much of the child's output is kept: its end says why it failed.
const LAST_WORDS: usize = 8 << 10;

/// How often the child and the observer are looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// How long a child may take to stop after it was asked to.
const GRACE: Duration = Duration::from_secs(3);

/// A program that proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalProver {
    program: PathBuf,
}

/// Why another prover made no proof.
#[derive(Debug, thiserror::Error)]
pub enum ExternalError {
    /// There is no such program, or it cannot be run.
    #[error("expected a program at {program:?}, got: {source}")]
    NotStarted {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It ended with something else than success.
    #[error("expected {program:?} to end with exit status 0, got {status}{last_words}")]
    Failed {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said, on lines of its own; empty if it said nothing.
        last_words: String,
    },
    /// It ended with success, and its proof file is missing or is none.
    #[error("expected {program:?} to write a proof file, got: {source}")]
    NoProof {
        /// The program.
        program: PathBuf,
        /// What is wrong with the file.
        source: RunError,
    },
    /// The observer cancelled; the child is gone.
    #[error("the external prover was stopped")]
    Cancelled,
    /// An input file for it cannot be written.
    #[error(transparent)]
    Files(#[from] FileError),
}

impl Fault for ExternalError {
    fn code(&self) -> Code {
        match self {
            ExternalError::NotStarted { .. } => Code(1310),
            ExternalError::Failed { .. } => Code(1311),
            ExternalError::NoProof { .. } => Code(1312),
            ExternalError::Cancelled => Code(1313),
            ExternalError::Files(error) => error.code(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            ExternalError::NotStarted { .. } => Exit::Environment,
            ExternalError::Failed { .. } | ExternalError::NoProof { .. } => Exit::Backend,
            ExternalError::Cancelled => Exit::Interrupted,
            ExternalError::Files(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            ExternalError::NotStarted { .. } => {
                Some("point STONE_BINARY_PATH at an executable cpu_air_prover".to_owned())
            }
            ExternalError::Failed { .. } => Some(
                "prove with the native prover to see which input is at fault: --engine native".to_owned(),
            ),
            ExternalError::Files(error) => error.hint(),
            _ => None,
        }
    }
}

impl ExternalProver {
    /// The prover at this path.
    pub fn new(program: &Path) -> ExternalProver {
        ExternalProver { program: program.to_owned() }
    }

    /// Proves a run in an existing folder that nobody else uses, and reads the proof file. It is not verified.
    ///
    /// # Errors
    /// [`ExternalError`]; the child is gone in any case.
    pub fn prove(
        &self,
        execution: &Execution,
        parameters: &ProofParameters,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<ProofFile, ExternalError> {
        let out = folder.join("proof.json");
        let mut command = Command::new(&self.program);
        for (flag, path) in write_inputs(execution, parameters, folder)? {
            command.arg(flag).arg(path);
        }
        command.arg("--out_file").arg(&out).arg("--generate_annotations");
        // A group of its own: Ctrl-C reaches it through us, and with it goes all that it has started.
        command.current_dir(folder).process_group(0).stdin(Stdio::null());
        let not_started = |source| ExternalError::NotStarted { program: self.program.clone(), source };
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_started)?;
        let ears = [child.stdout.take().map(listen), child.stderr.take().map(listen)];
        let status = wait(&mut child, observer).map_err(not_started)?;
        // Something that it started and left behind may keep the pipes open: that is not waited for.
        let said = ears.into_iter().flatten().filter_map(|ear| ear.recv_timeout(GRACE).ok());
        let last_words: String = said.map(|bytes| indented(&bytes)).collect();
        match status {
            None => Err(ExternalError::Cancelled),
            Some(status) if !status.success() => {
                Err(ExternalError::Failed { program: self.program.clone(), status, last_words })
            }
            Some(_) => read_proof(&out)
                .map_err(|source| ExternalError::NoProof { program: self.program.clone(), source }),
        }
    }
}

/// Writes the files that the prover reads, and returns them by flag.
fn write_inputs(
    execution: &Execution,
    parameters: &ProofParameters,
    folder: &Path,
) -> Result<[(&'static str, PathBuf); 4], FileError> {
    let write = |name: &str, role, bytes: &[u8]| -> Result<PathBuf, FileError> {
        let path = folder.join(name);
        OutputFile::prepare(&path, role)?.write(bytes)?;
        Ok(path)
    };
    let private = PrivateInputFile {
        trace_path: write("trace.bin", "trace", &trace_to_bytes(&execution.trace))?,
        memory_path: write("memory.bin", "memory", &memory_to_bytes(&execution.memory))?,
        instances: execution.private_input.clone(),
    };
    let json = |name, role, json: Json| write(name, role, json.to_stone_text().as_bytes());
    Ok([
        ("--parameter_file", json("cpu_air_params.json", "parameters", parameters.to_json())?),
        (
            "--prover_config_file",
            json("cpu_air_prover_config.json", "prover config", ProverConfig::default().to_json().clone())?,
        ),
        (
            "--public_input_file",
            json("air_public_input.json", "public input", public_input_to_json(&execution.public_input))?,
        ),
        (
            "--private_input_file",
            json(
                "air_private_input.json",
                "private input",
                private_input_to_json(&private, &execution.public_input),
            )?,
        ),
    ])
}

fn read_proof(path: &Path) -> Result<ProofFile, RunError> {
    let json = read_json(path, "proof", MOST_INPUT_BYTES)?;
    Ok(ProofFile::from_json(json, &path.to_string_lossy())?)
}

/// Reads everything that a child says, so that it never waits for us, and keeps the end of it.
fn listen(mut source: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (said, ear) = mpsc::channel();
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..count]);
            if kept.len() > 2 * LAST_WORDS {
                kept.drain(..kept.len() - LAST_WORDS);
            }
        }
        kept.drain(..kept.len().saturating_sub(LAST_WORDS));
        // Nobody listens any more if this took too long.
        let _ = said.send(kept);
    });
    ear
}

/// The lines of an output, each under the message that they explain.
fn indented(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).lines().map(|line| format!("\n  | {line}")).collect()
}

/// Waits for the child; `None` if the observer cancelled and the child was ended.
fn wait(child: &mut Child, observer: &dyn Observer) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if observer.is_cancelled() {
            end(child)?;
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

/// Asks the child's group to stop, and makes it stop when it does not.
fn end(child: &mut Child) -> io::Result<()> {
    // The group's number is the child's. It may be gone already, which is as good.
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let signal = |signal| group.map(|group| kill_process_group(group, signal));
    let _ = signal(Signal::TERM);
    let asked = Instant::now();
    while child.try_wait()?.is_none() && asked.elapsed() < GRACE {
        thread::sleep(GLANCE);
    }
    let _ = signal(Signal::KILL);
    child.wait().map(drop)
}

/// Removes a folder with everything in it when it goes out of scope.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes the folder.
    ///
    /// # Errors
    /// [`FileError::Unwritable`].
    pub fn create(path: &Path) -> Result<Scratch, FileError> {
        let unwritable = |source| FileError::Unwritable { role: "scratch folder", path: path.into(), source };
        fs::create_dir_all(path).map_err(unwritable)?;
        // The prover has a working directory of its own, so its paths must not be relative to ours.
        Ok(Scratch(fs::canonicalize(path).map_err(unwritable)?))
    }

    /// The folder, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Best effort: what stays is swept later.
        let _ = fs::remove_dir_all(&self.0);
    }
}
