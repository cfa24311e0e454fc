//! The programs that stand in for Stone's: `cpu_air_prover` and `cpu_air_verifier`, with its flags and files.
//!
//! Exit statuses are those of [`Exit`]: 0 only for a proof that our verifier accepted.

mod prover;
mod verifier;

use std::{
    ffi::OsString,
    fmt,
    path::PathBuf,
    process::{self, ExitCode},
    sync::{Mutex, PoisonError},
};

use ashlar_cpu_air::statement::StoneVersion;
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::{Kernels, UnknownKernels};

use crate::{
    files::{FileError, OutputFile},
    flags::{Flag, FlagError, Flags, Takes},
};

pub use prover::cpu_air_prover;
pub use verifier::cpu_air_verifier;

/// The flag that Stone's programs lack.
const STONE_VERSION: Flag = Flag {
    name: "stone_version",
    takes: Takes::Value("stone5|stone6"),
    help: "the generation of Stone (default stone6); never guessed",
};
/// Settings of Stone's logging library, which its users' scripts pass.
const LOGGING: [Flag; 5] = [
    Flag { name: "logtostderr", takes: Takes::Switch, help: "name the phases on stderr" },
    Flag { name: "alsologtostderr", takes: Takes::Switch, help: "the same" },
    Flag { name: "minloglevel", takes: Takes::Value("N"), help: "accepted and ignored" },
    Flag { name: "log_dir", takes: Takes::Value("DIR"), help: "accepted and ignored" },
    Flag { name: "v", takes: Takes::Value("N"), help: "accepted and ignored" },
];

fn stone_version(flags: &Flags) -> Result<StoneVersion, FlagError> {
    flags.parsed("stone_version", "stone5 or stone6", StoneVersion::Stone6)
}

fn logs_to_stderr(flags: &Flags) -> Result<bool, FlagError> {
    Ok(flags.switch("logtostderr")? || flags.switch("alsologtostderr")?)
}

/// What can go wrong around the work itself.
#[derive(Debug, thiserror::Error)]
enum SetupError {
    /// The environment names kernels that do not exist or cannot run here.
    #[error("ASHLAR_KERNELS: {0}")]
    Kernels(#[from] UnknownKernels),
    /// The environment has a memory limit that is none.
    #[error("{variable}: {0}", variable = crate::MEMORY_LIMIT_VARIABLE)]
    MemoryLimit(crate::UnknownMemoryLimit),
    /// The system gives us no threads.
    #[error("expected to start {wanted} threads, got: {source}")]
    Threads {
        /// Threads asked for; 0 for one a core.
        wanted: usize,
        /// What the system says.
        source: rayon::ThreadPoolBuildError,
    },
    /// The system does not let us handle Ctrl-C.
    #[error("expected to be able to handle interrupts, got: {0}")]
    Interrupts(#[from] ctrlc::Error),
}

impl Fault for SetupError {
    fn code(&self) -> Code {
        Code(match self {
            SetupError::Kernels(_) => 5051,
            SetupError::MemoryLimit(_) => 5054,
            SetupError::Threads { .. } | SetupError::Interrupts(_) => 5052,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Environment
    }

    fn hint(&self) -> Option<String> {
        match self {
            SetupError::Kernels(_) => Some("unset ASHLAR_KERNELS to use the fastest ones".into()),
            _ => None,
        }
    }
}

/// Starts the threads of a process. 0 means one a core.
fn start_threads(wanted: usize) -> Result<(), SetupError> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(wanted)
        .build_global()
        .map_err(|source| SetupError::Threads { wanted, source })
}

/// The temporary file that an interrupt must remove.
static PARTIAL: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on Ctrl-C removes what is half written and ends the process with its exit status.
fn handle_interrupts() -> Result<(), SetupError> {
    Ok(ctrlc::set_handler(|| {
        let partial = PARTIAL.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = partial.as_ref() {
            // Gone already, if the interrupt came just after the file took its name.
            let _ = std::fs::remove_file(path);
        }
        report(&Interrupted);
        process::exit(i32::from(Exit::Interrupted.status()));
    })?)
}

/// Writes an output file such that an interrupt leaves nothing half written.
fn write_output(output: OutputFile, bytes: &[u8]) -> Result<(), FileError> {
    let set = |path: Option<PathBuf>| *PARTIAL.lock().unwrap_or_else(PoisonError::into_inner) = path;
    set(output.partial_path().map(PathBuf::from));
    let outcome = output.write(bytes);
    set(None);
    outcome
}

/// The person pressed Ctrl-C.
#[derive(Debug, thiserror::Error)]
#[error("interrupted; no file was written")]
struct Interrupted;

impl Fault for Interrupted {
    fn code(&self) -> Code {
        Code(5053)
    }

    fn exit(&self) -> Exit {
        Exit::Interrupted
    }
}

/// Says on stderr what went wrong and what helps.
fn report(fault: &dyn Fault) {
    eprintln!("error[{}]: {fault}", fault.code());
    if let Some(hint) = fault.hint() {
        eprintln!("  hint: {hint}");
    }
    eprintln!("  see: ashlar explain {}", fault.code());
}

/// Any error of a program.
struct Failure(Box<dyn Fault>);

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Failure {
        Failure(Box::new(fault))
    }
}

/// Runs a program: usage on `--help`, the report and the exit status otherwise.
fn run(
    usage: &dyn fmt::Display,
    table: &'static [Flag],
    words: impl IntoIterator<Item = OsString>,
    work: impl FnOnce(&Flags) -> Result<(), Failure>,
) -> ExitCode {
    let outcome = Flags::parse(table, words).map_err(Failure::from).and_then(|flags| {
        if flags.help {
            println!("{usage}");
            return Ok(());
        }
        Kernels::from_environment().map_err(SetupError::from)?;
        handle_interrupts()?;
        work(&flags)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(fault)) => {
            report(&*fault);
            ExitCode::from(fault.exit().status())
        }
    }
}
