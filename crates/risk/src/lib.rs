//! The risk engine: how an allocation proposal is scored, shared out and judged, and the Cairo program that proves it.
//!
//! | module | what it computes |
//! |---|---|
//! | [`Proposal`] | what is decided on, with its bounds and the first of them that is broken |
//! | [`decide`] | the reference: scores, shares and the verdict in integers, floor division throughout |
//! | [`proposal_id`], [`output_record`], [`parse_output`] | the identity of a proposal and its record in the program's output |
//! | [`Model`], [`run_model`], [`execute_model`] | the registry of programs, and runs of them: what a prover takes, here or elsewhere |
//! | [`parse_proposals`] | the JSON form of a proposal file, read strictly |
//!
//! The inputs are not authenticated: a proof says that the rule was followed on these numbers, not that the numbers
//! are true.
#![forbid(unsafe_code)]

mod decision;
mod error;
mod json;
mod models;
mod proposal;
mod record;
#[cfg(test)]
mod soundness;
mod witness;

pub use decision::{
    BASIS_POINTS, Category, ConstraintValues, DIVERSIFIED_SHARE, Decision, MODEL_VERSION, Verdict,
    constraint_values, decide,
};
pub use error::RiskError;
pub use json::{MAX_FILE_BYTES, MAX_PROPOSALS, MAX_ROWS, parse_proposals, proposal_to_json};
pub use models::{MODEL_LAYOUT, Model, ModelRun, execute_model, run_model};
pub use proposal::{Constraints, Field, Proposal, ROWS, RangeViolation, Row};
pub use record::{DOMAIN_TAG, Record, output_record, parse_output, proposal_id};
