//! Ways in which a JSON file can be wrong.

use ashlar_fault::{Code, Exit, Fault};

/// A JSON file that cannot be read as what it should be. `place` is the file and the path inside it, in Stone's
/// notation: `cpu_air_params.json: /stark/fri/n_queries/`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON.
    #[error("expected a JSON file, but {file} is broken: {message}")]
    Syntax {
        /// The file.
        file: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// One object has the same key twice.
    #[error(
        "expected every key once, got the key {key:?} twice in one object of {file}, line {line} column {column}"
    )]
    DuplicateKey {
        /// The file.
        file: String,
        /// The key.
        key: String,
        /// Line of the second one, from 1.
        line: usize,
        /// Column of the second one, from 1.
        column: usize,
    },
    /// A key is missing.
    #[error("expected the key {key:?} at {place}, got an object without it")]
    MissingKey {
        /// File and path of the object.
        place: String,
        /// The key.
        key: String,
    },
    /// A value of another kind.
    #[error("expected {expected} at {place}, got {got}")]
    WrongType {
        /// File and path of the value.
        place: String,
        /// The kind that belongs there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
    /// A number that is negative, fractional or too large.
    #[error("expected an integer from 0 to {most} at {place}, got {got}")]
    NumberOutOfRange {
        /// File and path of the value.
        place: String,
        /// The largest number that fits.
        most: u64,
        /// What is there.
        got: String,
    },
    /// A text that is not a hexadecimal number, or one too large.
    #[error("expected {expected} at {place}, got {got}")]
    BadHex {
        /// File and path of the value.
        place: String,
        /// The form that belongs there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
    /// A name that is none of the known ones.
    #[error("expected one of {} at {place}, got {got:?}", expected.join(", "))]
    UnknownName {
        /// File and path of the value.
        place: String,
        /// The known names.
        expected: Vec<String>,
        /// What is there.
        got: String,
    },
}

impl Fault for JsonError {
    fn code(&self) -> Code {
        Code(match self {
            JsonError::Syntax { .. } => 1001,
            JsonError::DuplicateKey { .. } => 1002,
            JsonError::MissingKey { .. } => 1003,
            JsonError::WrongType { .. } => 1004,
            JsonError::NumberOutOfRange { .. } => 1005,
            JsonError::BadHex { .. } => 1006,
            JsonError::UnknownName { .. } => 1007,
        })
    }

    fn exit(&self) -> Exit {
        Exit::Usage
    }
}
