//! What went wrong, in a form that survives the trip from the deepest crate to the person at the terminal.
//!
//! Every error type of the workspace implements [`Fault`]: a stable [`Code`] with a page in `docs/errors`, an
//! [`Exit`] class that decides the process's exit status, and, where there is one, the command that helps.
//!
//! Codes are grouped by room: 10xx files and JSON, 11xx parameters, 12xx traces and prover inputs, 13xx proving,
//! 14xx proof verification, 15xx statement checks, 20xx Cairo programs, 21xx capacity, 30xx risk engine,
//! 40xx records and gate, 50xx command line and configuration, 70xx our own bugs, 81xx the managed service,
//! 82xx queue, router and workers, 83xx the service on the wire and its client.
#![forbid(unsafe_code)]

use std::{error::Error, fmt};

/// A stable error code, printed as `ASH-1234`. Once released, a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub u16);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ASH-{:04}", self.0)
    }
}

/// The class of an outcome, which decides the exit status of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// 1: an expected negative answer: a proof is invalid, a job failed, the gate stays shut.
    Negative,
    /// 2: the command was used wrongly, or an input file says something impossible.
    Usage,
    /// 3: configuration or environment: a file cannot be read or written, a setting is wrong.
    Environment,
    /// 4: this machine cannot do it: memory, disk, trace size.
    Capacity,
    /// 5: a backend or the network failed.
    Backend,
    /// 70: a bug of ours: an internal check failed.
    Bug,
    /// 130: the person pressed Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The process's exit status for this class.
    pub const fn status(self) -> u8 {
        match self {
            Exit::Negative => 1,
            Exit::Usage => 2,
            Exit::Environment => 3,
            Exit::Capacity => 4,
            Exit::Backend => 5,
            Exit::Bug => 70,
            Exit::Interrupted => 130,
        }
    }
}

/// An error that knows its code, its exit class and, if there is one, the remedy.
///
/// `Display` carries *expected* and *got* and the place, in one line without a trailing full stop.
pub trait Fault: Error + Send + Sync + 'static {
    /// The stable code; `docs/errors/ASH-….md` explains it.
    fn code(&self) -> Code;
    /// The class that decides the exit status.
    fn exit(&self) -> Exit;
    /// What to do, ideally the exact command. `None` where only the page helps.
    fn hint(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_prints_with_its_prefix_and_four_digits() {
        assert_eq!(Code(1203).to_string(), "ASH-1203");
        assert_eq!(Code(7).to_string(), "ASH-0007");
    }

    #[test]
    fn exit_classes_have_the_documented_statuses() {
        let statuses: Vec<u8> = [
            Exit::Negative,
            Exit::Usage,
            Exit::Environment,
            Exit::Capacity,
            Exit::Backend,
            Exit::Bug,
            Exit::Interrupted,
        ]
        .map(Exit::status)
        .to_vec();
        assert_eq!(statuses, [1, 2, 3, 4, 5, 70, 130]);
    }
}
