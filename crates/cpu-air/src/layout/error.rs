//! The ways in which a layout can be wrong.

use ashlar_fault::{Code, Exit, Fault};
use thiserror::Error;

/// A layout that does not exist, or does not fit its use.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// No layout has this name.
    #[error("unknown layout \"{name}\"; known: {}", super::NAMES.join(", "))]
    UnknownLayout {
        /// The name given.
        name: String,
    },
    /// A static layout takes no parameters.
    #[error("layout {layout} takes no dynamic parameters, got {count}")]
    UnexpectedParameters {
        /// The layout.
        layout: &'static str,
        /// How many were given.
        count: usize,
    },
    /// A dynamic parameter is missing.
    #[error("dynamic parameter {name} is missing")]
    MissingParameter {
        /// The parameter.
        name: &'static str,
    },
    /// A dynamic parameter that the layout does not know.
    #[error("unknown dynamic parameter \"{name}\"")]
    UnknownParameter {
        /// The parameter.
        name: String,
    },
    /// A dynamic parameter out of its range.
    #[error("dynamic parameter {name} must be {expected}, got {got}")]
    BadParameter {
        /// The parameter.
        name: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        got: u64,
    },
    /// The parameters place a virtual column where it cannot be.
    #[error("virtual column {column}: {expected}, got {got}")]
    BadPlacement {
        /// The virtual column.
        column: &'static str,
        /// What must hold.
        expected: String,
        /// What was found.
        got: String,
    },
    /// The layout lacks a virtual or periodic column that a component needs.
    #[error("layout {layout} has no column {column}")]
    MissingColumn {
        /// The layout.
        layout: &'static str,
        /// The column's name.
        column: String,
    },
    /// The number of steps is not a power of two.
    #[error("n_steps must be a power of two, got {got}")]
    StepsNotPowerOfTwo {
        /// The steps given.
        got: u64,
    },
    /// The trace is shorter than a component of the layout.
    #[error("layout {layout} needs at least {minimum} steps, got {got}")]
    TooFewSteps {
        /// The layout.
        layout: &'static str,
        /// The smallest number of steps.
        minimum: u64,
        /// The steps given.
        got: u64,
    },
    /// The trace would be longer than 2⁴⁰ rows.
    #[error("n_steps {got} makes a trace of more than 2^40 rows")]
    TooManySteps {
        /// The steps given.
        got: u64,
    },
    /// A line of a built-in table cannot be read: a bug of ours.
    #[error("built-in table of layout {layout}, line {line}: cannot read it")]
    BadTable {
        /// The layout.
        layout: &'static str,
        /// Line number, from 1.
        line: usize,
    },
}

impl Fault for LayoutError {
    fn code(&self) -> Code {
        Code(match self {
            LayoutError::UnknownLayout { .. } => 1160,
            LayoutError::UnexpectedParameters { .. } => 1161,
            LayoutError::MissingParameter { .. } => 1162,
            LayoutError::UnknownParameter { .. } => 1163,
            LayoutError::BadParameter { .. } => 1164,
            LayoutError::BadPlacement { .. } => 1165,
            LayoutError::StepsNotPowerOfTwo { .. } => 1166,
            LayoutError::TooFewSteps { .. } => 1167,
            LayoutError::TooManySteps { .. } => 1168,
            LayoutError::MissingColumn { .. } | LayoutError::BadTable { .. } => 7015,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            LayoutError::MissingColumn { .. } | LayoutError::BadTable { .. } => Exit::Bug,
            _ => Exit::Usage,
        }
    }
}
