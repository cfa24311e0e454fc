//! What can go wrong between a program file and a finished run.

use ashlar_cpu_air::statement::{EntryForm, EntryRefusal};
use ashlar_fault::{Code, Exit, Fault};

use crate::{ArgumentsError, Plan};

/// A program that cannot be read, cannot be run, or does not fit.
#[derive(Debug, thiserror::Error)]
pub enum CairoError {
    /// Neither form of a compiled program.
    #[error("expected a Cairo 0 program or a Cairo 1 executable in JSON: {detail}")]
    NotAProgram {
        /// What the reader stumbled over.
        detail: String,
    },
    /// A Cairo 0 program without the labels of proof mode.
    #[error("the program was compiled without proof mode: there is no label __start__")]
    NotProofMode,
    /// A program whose parts contradict each other.
    #[error("the program is inconsistent: {detail}")]
    Inconsistent {
        /// Which parts.
        detail: String,
    },
    /// An executable without the entry point that a proof needs.
    #[error("the executable has no standalone entry point; it has: {found}")]
    NoStandaloneEntry {
        /// The kinds of entry point that it has.
        found: String,
    },
    /// A program that cannot be run from its `main`, as a bootloader would call it.
    #[error("expected a Cairo 0 program with a main, which alone can be run for another prover")]
    NoMain,
    /// Arguments that cannot be read.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// A layout that does not exist, or for which no inputs can be made.
    #[error("expected one of {known}; got layout {name:?}")]
    UnknownLayout {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The program uses builtins that the layout lacks.
    #[error("layout {layout} lacks the builtins {missing}; layouts that have them: {fitting}")]
    MissingBuiltins {
        /// The layout.
        layout: String,
        /// The builtins it lacks.
        missing: String,
        /// The layouts that have all that the program uses.
        fitting: String,
    },
    /// No layout of those allowed can hold the run.
    #[error("no layout can hold this run:\n{0}")]
    NoLayoutFits(Plan),
    /// A hint that nobody here can carry out.
    #[error("unknown hint at pc {pc}: {hint:?}")]
    UnknownHint {
        /// Where in the program.
        pc: usize,
        /// Its text.
        hint: String,
    },
    /// A hint that asks the program input for what is not there.
    #[error("hint at pc {pc}: {detail}, in {hint:?}")]
    HintFailed {
        /// Where in the program.
        pc: usize,
        /// Its text.
        hint: String,
        /// What is wrong.
        detail: String,
    },
    /// The program refused to go on: an assertion failed.
    #[error("the program failed at {place}: {message}")]
    ProgramFailed {
        /// Program counter, with file and line where the program file has them.
        place: String,
        /// The program's own words where it has any, else the machine's.
        message: String,
    },
    /// A Cairo 1 program panicked.
    #[error("the program panicked: {message}")]
    Panicked {
        /// The panic data as text, or in hexadecimal.
        message: String,
    },
    /// The virtual machine failed outside of any instruction.
    #[error("the virtual machine failed: {detail}")]
    Machine {
        /// Its words.
        detail: String,
    },
    /// The run needs more steps than allowed: an endless loop, or a limit set too low.
    #[error("the run did not end within {limit} steps")]
    StepLimit {
        /// The limit.
        limit: u64,
    },
    /// The run needs more memory than allowed.
    #[error("the run touched more than {limit} memory cells")]
    MemoryLimit {
        /// The limit.
        limit: u64,
    },
    /// The run is short enough, but its padding is not.
    #[error("layout {layout} pads the run to {n_steps} steps, for {reason}; the limit is {limit}")]
    PaddedStepLimit {
        /// The layout.
        layout: String,
        /// The padded length.
        n_steps: u64,
        /// What forces the padding.
        reason: crate::Demand,
        /// The limit.
        limit: u64,
    },
    /// The public memory does not have the entry form that was asked for.
    #[error("the run does not have the entry form {form}: {refusal}")]
    EntryForm {
        /// The form asked for.
        form: EntryForm,
        /// Why not.
        refusal: EntryRefusal,
    },
    /// A finished run that cannot be read, or is none.
    #[error(transparent)]
    Finished(#[from] FinishedRunError),
    /// There is no `scarb` to call.
    #[error("scarb is not on PATH; it is needed to build the package {package}")]
    ScarbMissing {
        /// The package directory.
        package: String,
    },
    /// `scarb build` failed.
    #[error("scarb build failed in {package} ({status}):\n{output}")]
    ScarbFailed {
        /// The package directory.
        package: String,
        /// The exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// The package has no executable, or not the one asked for.
    #[error("{package}: expected {expected}, found {found}")]
    NoExecutable {
        /// The package directory.
        package: String,
        /// What was looked for.
        expected: String,
        /// What there is.
        found: String,
    },
    /// A file of the package could not be read.
    #[error("{path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
}

/// A finished run of somebody else's that cannot be proven.
#[derive(Debug, thiserror::Error)]
pub enum FinishedRunError {
    /// No ZIP archive with the files of a Cairo PIE.
    #[error("expected a Cairo PIE, which is a ZIP archive: {detail}")]
    NotAnArchive {
        /// What is wrong with it.
        detail: String,
    },
    /// More than is taken.
    #[error("{what}: expected at most {limit}, got {got}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The most.
        limit: u64,
        /// What the archive says.
        got: u64,
    },
    /// A file of the archive that cannot be read.
    #[error("{file} of the Cairo PIE: {detail}")]
    Malformed {
        /// Which.
        file: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Files that contradict each other.
    #[error("the Cairo PIE is inconsistent: {detail}")]
    Inconsistent {
        /// How.
        detail: String,
    },
    /// A program that is no bootloader.
    #[error("expected a compiled simple bootloader: {detail}")]
    NotABootloader {
        /// What it lacks.
        detail: String,
    },
    /// The memory is not that of a run of the program.
    #[error("the Cairo PIE is not of a run of its program: {detail} ({place})")]
    NotARun {
        /// Where the bootloader found out.
        place: String,
        /// What it found.
        detail: String,
    },
    /// The bootloader's run states something else than the archive.
    #[error("the bootloader states something else than the Cairo PIE: {got}")]
    OtherStatement {
        /// What it states.
        got: String,
    },
}

impl Fault for FinishedRunError {
    fn code(&self) -> Code {
        Code(match self {
            FinishedRunError::NotAnArchive { .. } => 2020,
            FinishedRunError::Malformed { .. } => 2021,
            FinishedRunError::Inconsistent { .. } => 2022,
            FinishedRunError::NotABootloader { .. } => 2023,
            FinishedRunError::NotARun { .. } => 2024,
            FinishedRunError::OtherStatement { .. } => 2025,
            FinishedRunError::TooLarge { .. } => 2105,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            FinishedRunError::NotARun { .. } | FinishedRunError::OtherStatement { .. } => Exit::Negative,
            FinishedRunError::TooLarge { .. } => Exit::Capacity,
            _ => Exit::Usage,
        }
    }
}

impl Fault for CairoError {
    fn code(&self) -> Code {
        Code(match self {
            CairoError::NotAProgram { .. } => 2001,
            CairoError::NotProofMode => 2002,
            CairoError::Inconsistent { .. } => 2003,
            CairoError::NoStandaloneEntry { .. } => 2004,
            CairoError::Arguments(_) => 2005,
            CairoError::UnknownLayout { .. } => 2006,
            CairoError::MissingBuiltins { .. } => 2007,
            CairoError::NoLayoutFits(_) => 2008,
            CairoError::UnknownHint { .. } => 2009,
            CairoError::HintFailed { .. } => 2010,
            CairoError::ProgramFailed { .. } => 2011,
            CairoError::Panicked { .. } => 2012,
            CairoError::Machine { .. } => 2013,
            CairoError::EntryForm { .. } => 2014,
            CairoError::Finished(error) => return error.code(),
            CairoError::ScarbMissing { .. } => 2015,
            CairoError::ScarbFailed { .. } => 2016,
            CairoError::NoExecutable { .. } => 2017,
            CairoError::Read { .. } => 2018,
            CairoError::NoMain => 2019,
            CairoError::StepLimit { .. } => 2101,
            CairoError::MemoryLimit { .. } => 2102,
            CairoError::PaddedStepLimit { .. } => 2103,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            CairoError::ProgramFailed { .. }
            | CairoError::Panicked { .. }
            | CairoError::ScarbFailed { .. } => Exit::Negative,
            CairoError::ScarbMissing { .. } | CairoError::Read { .. } => Exit::Environment,
            CairoError::StepLimit { .. }
            | CairoError::MemoryLimit { .. }
            | CairoError::PaddedStepLimit { .. } => Exit::Capacity,
            CairoError::Machine { .. } => Exit::Negative,
            CairoError::Finished(error) => error.exit(),
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            CairoError::NotProofMode => Some("compile with cairo-compile --proof_mode".into()),
            CairoError::NoStandaloneEntry { .. } => Some(
                "set `allow-syscalls = false` and build the executable target with a current scarb".into(),
            ),
            CairoError::ScarbMissing { .. } => {
                Some("install scarb, or give the file target/<profile>/<name>.executable.json".into())
            }
            CairoError::MissingBuiltins { .. } => {
                Some("choose another layout, or leave the choice open".into())
            }
            _ => None,
        }
    }
}
