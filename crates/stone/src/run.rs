//! A run as its files tell it: public input, private input, trace and memory.

use std::path::Path;

use ashlar_cpu_air::input::{Execution, PublicInput};
use ashlar_fault::{Code, Exit, Fault};

use crate::{
    files::{FileError, MOST_INPUT_BYTES, read_bounded},
    json::{Json, JsonError},
    private_input::private_input_from_json,
    public_input::public_input_from_json,
    run_files::{RunFileError, read_memory, read_trace},
};

/// A file of a run that cannot be read as what it should be.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A JSON file is wrong.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A binary file is wrong.
    #[error(transparent)]
    Binary(#[from] RunFileError),
}

impl RunError {
    fn inner(&self) -> &dyn Fault {
        match self {
            RunError::File(error) => error,
            RunError::Json(error) => error,
            RunError::Binary(error) => error,
        }
    }
}

impl Fault for RunError {
    fn code(&self) -> Code {
        self.inner().code()
    }

    fn exit(&self) -> Exit {
        self.inner().exit()
    }

    fn hint(&self) -> Option<String> {
        self.inner().hint()
    }
}

/// A public input and the file it came from.
#[derive(Clone, Debug)]
pub struct PublicInputFile {
    /// The statement.
    pub public_input: PublicInput,
    /// The file, for the echo in a proof.
    pub json: Json,
}

/// A run and the files it came from.
#[derive(Clone, Debug)]
pub struct Run {
    /// Statement and witness.
    pub execution: Execution,
    /// The public input file.
    pub public_json: Json,
    /// The private input file.
    pub private_json: Json,
}

/// Reads a JSON file of at most `limit` bytes.
///
/// # Errors
/// If it cannot be read, is too large, or is no JSON.
pub fn read_json(path: &Path, role: &'static str, limit: u64) -> Result<Json, RunError> {
    let bytes = read_bounded(path, role, limit)?;
    Ok(Json::from_slice(&bytes, &path.to_string_lossy())?)
}

/// Reads a public input file.
///
/// # Errors
/// If it cannot be read, or a part of it is missing or wrong.
pub fn read_public_input(path: &Path) -> Result<PublicInputFile, RunError> {
    let json = read_json(path, "public input", MOST_INPUT_BYTES)?;
    let public_input = public_input_from_json(&json, &path.to_string_lossy())?;
    Ok(PublicInputFile { public_input, json })
}

/// Reads a private input file, and the trace and memory that it names, for a public input that is read already.
/// Relative paths are resolved against the working directory, as in Stone.
///
/// # Errors
/// If a file cannot be read, or a part of it is missing or wrong.
pub fn read_run(public: PublicInputFile, private_path: &Path) -> Result<Run, RunError> {
    let private_json = read_json(private_path, "private input", MOST_INPUT_BYTES)?;
    let PublicInputFile { public_input, json: public_json } = public;
    let file = private_input_from_json(&private_json, &private_path.to_string_lossy(), &public_input)?;
    let trace = read_trace(&file.trace_path, public_input.n_steps)?;
    let memory = read_memory(&file.memory_path, public_input.n_steps)?;
    let execution = Execution { public_input, trace, memory, private_input: file.instances };
    Ok(Run { execution, public_json, private_json })
}
