//! What can go wrong with proposals, models and outputs.

use ashlar_cairo::CairoError;
use ashlar_cpu_air::statement::EntryForm;
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::{Felt, ParseFeltError};

use crate::{MAX_FILE_BYTES, MAX_PROPOSALS, MAX_ROWS, MODEL_VERSION};

/// A proposal file, a model or an output that cannot be used.
///
/// `place` is the path of a value in the file, such as `rows[2].apy`, or `[3].rows[2].apy` in a batch.
#[derive(Debug, thiserror::Error)]
pub enum RiskError {
    /// The file is longer than any batch within the limits.
    #[error("expected a proposal file of at most {MAX_FILE_BYTES} bytes, got {got}")]
    FileTooLong {
        /// The length in bytes.
        got: usize,
    },
    /// The file is not JSON.
    #[error("the proposal file is not JSON: {0}")]
    Json(#[source] serde_json::Error),
    /// A key that no proposal has.
    #[error("{place}: unknown key {key:?}; expected {expected}")]
    UnknownKey {
        /// The object.
        place: String,
        /// The key.
        key: String,
        /// The keys there are.
        expected: String,
    },
    /// A key that every proposal has.
    #[error("{place}: the key {key:?} is missing")]
    MissingKey {
        /// The object.
        place: String,
        /// The key.
        key: &'static str,
    },
    /// A key given twice: whichever value counted, a reader could have meant the other.
    #[error("{place}: the key {key:?} is given twice")]
    DoubledKey {
        /// The object.
        place: String,
        /// The key.
        key: String,
    },
    /// A value of another kind.
    #[error("{place}: expected {expected}, got {got}")]
    WrongKind {
        /// The value.
        place: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        got: &'static str,
    },
    /// A number below zero.
    #[error("{place}: expected an integer from 0, got {got}")]
    Negative {
        /// The number's place.
        place: String,
        /// The number, as read.
        got: String,
    },
    /// A number with a decimal point or an exponent.
    #[error("{place}: expected an integer written in digits only, got {got}")]
    Fractional {
        /// The number's place.
        place: String,
        /// The number.
        got: String,
    },
    /// A number of 2⁶⁴ or more.
    #[error("{place}: expected an integer below 2^64, got {got}")]
    TooLarge {
        /// The number's place.
        place: String,
        /// The number, as read.
        got: String,
    },
    /// A text that is not a field element.
    #[error("{place}: {source}")]
    NotAFelt {
        /// The text's place.
        place: String,
        /// Why not.
        source: ParseFeltError,
    },
    /// More rows than a program run accepts, in range or not.
    #[error("{place}: expected at most {MAX_ROWS} rows, got {got}")]
    TooManyRows {
        /// The array.
        place: String,
        /// How many.
        got: usize,
    },
    /// No proposal at all, or more than a batch holds.
    #[error("expected 1 to {MAX_PROPOSALS} proposals, got {got}")]
    BatchSize {
        /// How many.
        got: usize,
    },
    /// There is no model of this version.
    #[error("there is no model of version {version}; known: {MODEL_VERSION}")]
    UnknownModel {
        /// The version asked for.
        version: u64,
    },
    /// An output that ends within a record.
    #[error("record {record}: the output ends within it")]
    OutputTruncated {
        /// Index of the record, from 0.
        record: usize,
    },
    /// A record with more rows than the program accepts.
    #[error("record {record}: expected at most {MAX_ROWS} rows, got {got}")]
    OutputRowCount {
        /// Index of the record, from 0.
        record: usize,
        /// The row count.
        got: u64,
    },
    /// An element that should be a 64-bit number.
    #[error("record {record}: output element {position}: expected an integer below 2^64, got {got}")]
    OutputNumber {
        /// Index of the record, from 0.
        record: usize,
        /// Index in the whole output, from 0.
        position: usize,
        /// The element.
        got: Felt,
    },
    /// The model's program could not be run.
    #[error(transparent)]
    Run(#[from] CairoError),
    /// The program's output is not what the reference computes: a bug of ours.
    #[error("the program's output differs from the reference at element {position}")]
    OutputDiffers {
        /// Index in the output, from 0.
        position: usize,
    },
    /// The program is not the pinned one: a bug of ours.
    #[error("the program has another hash in the {form} entry form: expected {expected}, got {got}")]
    ProgramHash {
        /// The entry form by which the program was read.
        form: EntryForm,
        /// The pinned hash.
        expected: Felt,
        /// The hash of the run.
        got: Felt,
    },
    /// A number that is no verdict.
    #[error("record {record}: expected a verdict from 0 to 6, got {got}")]
    OutputVerdict {
        /// Index of the record, from 0.
        record: usize,
        /// The number.
        got: u64,
    },
}

impl Fault for RiskError {
    fn code(&self) -> Code {
        Code(match self {
            RiskError::Run(error) => return error.code(),
            RiskError::FileTooLong { .. } => 3001,
            RiskError::Json(_) => 3002,
            RiskError::UnknownKey { .. } => 3003,
            RiskError::MissingKey { .. } => 3004,
            RiskError::DoubledKey { .. } => 3005,
            RiskError::WrongKind { .. } => 3006,
            RiskError::Negative { .. } => 3007,
            RiskError::Fractional { .. } => 3008,
            RiskError::TooLarge { .. } => 3009,
            RiskError::NotAFelt { .. } => 3010,
            RiskError::TooManyRows { .. } => 3011,
            RiskError::BatchSize { .. } => 3012,
            RiskError::UnknownModel { .. } => 3013,
            RiskError::OutputTruncated { .. } => 3014,
            RiskError::OutputRowCount { .. } => 3015,
            RiskError::OutputNumber { .. } => 3016,
            RiskError::OutputVerdict { .. } => 3017,
            RiskError::OutputDiffers { .. } => 3018,
            RiskError::ProgramHash { .. } => 3019,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            RiskError::Run(error) => error.exit(),
            RiskError::OutputDiffers { .. } | RiskError::ProgramHash { .. } => Exit::Bug,
            RiskError::OutputTruncated { .. }
            | RiskError::OutputRowCount { .. }
            | RiskError::OutputNumber { .. }
            | RiskError::OutputVerdict { .. } => Exit::Negative,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RiskError::Run(error) => error.hint(),
            _ => None,
        }
    }
}
