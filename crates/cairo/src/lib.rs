//! Cairo programs: runs them in proof mode, in this process, and hands over what a prover takes.
//!
//! | module | what it computes |
//! |---|---|
//! | [`Program`] | a compiled program: Cairo 0 JSON or a Cairo 1 executable |
//! | [`Arguments`] | what it is called with, from JSON or from a line of text |
//! | [`run`] | statement, trace, memory and builtin inputs of one run, padded for a layout |
//! | [`plan`] | which layouts can hold a run, how long each makes it, and why the others cannot |
//! | [`execute_position_independently`] | a run as a Cairo PIE, for a prover elsewhere |
//! | [`FinishedRun`] | a Cairo PIE of somebody else's, read within bounds and checked |
//! | [`Bootloader`] | that run once more, inside a bootloader, so that it can be proven |
//! | [`build_package`] | the executables of a Scarb package, by calling `scarb build` |
//!
//! A program is hostile until proven otherwise: every run has limits on steps and memory ([`Limits`]), and a fault
//! inside the virtual machine comes back as an error.
#![forbid(unsafe_code)]

mod arguments;
mod bootloader;
mod convert;
mod core_hints;
mod error;
mod executable;
mod finished;
mod hint_script;
mod hints;
mod layouts;
mod machine;
mod pie;
mod plan;
mod program;
mod run;
mod scarb;
mod shim;

pub use arguments::{Arguments, ArgumentsError};
pub use bootloader::{BootloadedRun, Bootloader};
pub use error::{CairoError, FinishedRunError};
pub use finished::{FinishedRun, MOST_ARCHIVE_BYTES};
pub use layouts::{LayoutChoice, PROVABLE_LAYOUTS};
pub use machine::Limits;
pub use pie::{PositionIndependentExecution, execute_position_independently};
pub use plan::{Demand, LayoutPlan, Plan, Resources, Sizing, Unfit, plan};
pub use program::{Program, ProgramKind};
pub use run::{EntryChoice, Run, RunOptions, run};
pub use scarb::{BuiltExecutable, build_package};
