//! What is to be proven or planned: a program and what it is called with, or a run that was made elsewhere.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

/// A program and what it is called with.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(crate) struct Called {
    /// A compiled program (*.executable.json, Cairo 0 JSON) or a folder with a Scarb package
    #[arg(default_value = ".")]
    pub(crate) program: PathBuf,
    /// The arguments as text, such as "1 0x2 [3 4 5]"
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) args: Option<String>,
    /// The arguments as a JSON file
    #[arg(long, value_name = "FILE", conflicts_with = "args")]
    pub(crate) args_file: Option<PathBuf>,
    /// Which executable of a Scarb package
    #[arg(long, value_name = "NAME")]
    pub(crate) executable: Option<String>,
}

/// A run that was made elsewhere, and the bootloader that runs it once more.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub(crate) struct Finished {
    /// A finished run (Cairo PIE) instead of a program
    #[arg(long, value_name = "FILE", conflicts_with_all = ["program", "args", "args_file", "executable"])]
    pub(crate) pie: Option<PathBuf>,
    /// The compiled simple bootloader that runs it once more (Cairo 0 JSON)
    #[arg(long, env = "ASHLAR_BOOTLOADER", hide_env = true, value_name = "FILE")]
    pub(crate) bootloader: Option<PathBuf>,
}
