//! The port through which an admitted allocation is executed, and two adapters.
//!
//! The gate records the intent before it calls a port and the outcome after. Between the two a process may die; what
//! is safe then depends on the adapter, which says so in [`ExecutionPort::repeatable`]. An order has a key, the
//! proposal's identity, under which a receiver can recognise it: even a receiver that gets an order twice, from two
//! copies of the records, can execute it once.

mod webhook;

use ashlar_fault::{Code, Exit, Fault};
use serde_json::{Value, json};

pub use webhook::Webhook;

use crate::{ContentHash, Error, ExecutionId};

/// What is to be executed.
#[derive(Clone, Debug)]
pub struct Order {
    /// The same for every attempt of one proposal: its identity, `0x` and 64 digits.
    pub key: String,
    /// The order itself.
    pub body: Value,
}

/// What a port knows after an attempt that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Certainly nothing happened; it may be tried again.
    NotSent(String),
    /// The receiver certainly did not do it and never will.
    Refused(String),
    /// It may or may not have happened.
    InDoubt(String),
}

/// Something that executes orders. Adapters are blocking; the gate calls them on a thread of their own.
pub trait ExecutionPort: Send + Sync + 'static {
    /// The adapter's name in the records.
    fn name(&self) -> &'static str;

    /// Where orders go, in the adapter's own terms; empty if there is only one place. An execution that was begun
    /// towards one destination is never continued towards another, which would not recognise its key.
    fn destination(&self) -> &str {
        ""
    }

    /// Whether performing changes nothing in the world, so that it does not use the proposal up.
    fn is_rehearsal(&self) -> bool;

    /// Whether an order that may already have been performed may be sent again, because the receiver recognises its
    /// key.
    fn repeatable(&self) -> bool;

    /// Performs the order and returns what the receiver answered.
    ///
    /// # Errors
    /// A [`Failure`], which says whether anything can have happened.
    fn perform(&self, order: &Order) -> Result<Value, Failure>;
}

/// Performs nothing: its answer is the order that would have been sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct DryRun;

impl ExecutionPort for DryRun {
    fn name(&self) -> &'static str {
        "dry-run"
    }

    fn is_rehearsal(&self) -> bool {
        true
    }

    fn repeatable(&self) -> bool {
        true
    }

    fn perform(&self, order: &Order) -> Result<Value, Failure> {
        Ok(json!({ "would_send": order.body }))
    }
}

/// An admitted allocation that was not executed, or of which nobody knows.
#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    /// The receiver refused it for good.
    #[error("{adapter} refused the execution {execution}: {reason}")]
    Refused {
        /// The execution.
        execution: ExecutionId,
        /// The adapter.
        adapter: &'static str,
        /// The receiver's words.
        reason: String,
    },
    /// It may or may not have been executed, and sending it again is not known to be safe.
    #[error("nobody knows whether {adapter} performed the execution {execution}: {reason}")]
    InDoubt {
        /// The execution.
        execution: ExecutionId,
        /// The adapter.
        adapter: String,
        /// What is known.
        reason: String,
    },
    /// The receiver was not reached; nothing happened.
    #[error("{adapter} was not reached for the execution {execution}: {reason}")]
    NotReached {
        /// The execution.
        execution: ExecutionId,
        /// The adapter.
        adapter: &'static str,
        /// Why.
        reason: String,
    },
    /// Another process is executing it at this moment.
    #[error("another process is performing the execution {execution}, until {until} at the latest")]
    InProgress {
        /// The execution.
        execution: ExecutionId,
        /// When its lease runs out.
        until: String,
    },
    /// The execution was begun through another adapter.
    #[error("the execution {execution} was begun with the adapter {expected}, not {got}")]
    OtherAdapter {
        /// The execution.
        execution: ExecutionId,
        /// The adapter of the intent.
        expected: String,
        /// The adapter now.
        got: &'static str,
    },
    /// The execution was begun towards another destination, which may already have performed it.
    #[error("the execution {execution} was begun towards {expected:?}, not {got:?}")]
    OtherDestination {
        /// The execution.
        execution: ExecutionId,
        /// The destination of the intent.
        expected: String,
        /// The destination now.
        got: String,
    },
    /// The execution was begun with another order: the evidence was another.
    #[error("the execution {execution} was begun with the proof {expected}, not {got}")]
    OtherOrder {
        /// The execution.
        execution: ExecutionId,
        /// The digest of the evidence of the intent.
        expected: String,
        /// The digest of the evidence now.
        got: ContentHash,
    },
    /// The webhook's address cannot be used.
    #[error("the webhook address {got:?} cannot be used: {expected}")]
    Address {
        /// What was given.
        got: String,
        /// What is expected.
        expected: &'static str,
    },
    /// An https address, and a build without TLS.
    #[error("the webhook address {got:?} needs TLS, and this build has none")]
    NoTls {
        /// What was given.
        got: String,
    },
    /// The port itself broke.
    #[error("the adapter {adapter} broke while performing the execution {execution}")]
    PortBroke {
        /// The execution.
        execution: ExecutionId,
        /// The adapter.
        adapter: &'static str,
    },
    /// The records failed around the execution.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Fault for ExecutionError {
    fn code(&self) -> Code {
        match self {
            ExecutionError::Refused { .. } => Code(4060),
            ExecutionError::InDoubt { .. } => Code(4061),
            ExecutionError::NotReached { .. } => Code(4062),
            ExecutionError::InProgress { .. } => Code(4063),
            ExecutionError::OtherAdapter { .. } | ExecutionError::OtherDestination { .. } => Code(4064),
            ExecutionError::OtherOrder { .. } => Code(4066),
            ExecutionError::Address { .. } => Code(4065),
            ExecutionError::NoTls { .. } => Code(4067),
            ExecutionError::PortBroke { .. } => Code(7041),
            ExecutionError::Store(error) => error.code(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            ExecutionError::Refused { .. } => Exit::Negative,
            ExecutionError::InDoubt { .. }
            | ExecutionError::NotReached { .. }
            | ExecutionError::InProgress { .. } => Exit::Backend,
            ExecutionError::OtherAdapter { .. }
            | ExecutionError::OtherDestination { .. }
            | ExecutionError::OtherOrder { .. }
            | ExecutionError::Address { .. } => Exit::Usage,
            ExecutionError::NoTls { .. } => Exit::Environment,
            ExecutionError::PortBroke { .. } => Exit::Bug,
            ExecutionError::Store(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ExecutionError::InDoubt { .. } => {
                "ask the receiver about this proposal id; if it recognises keys, run again with --webhook-repeatable"
                    .to_owned()
            }
            ExecutionError::NotReached { .. } => "run the same command again when the receiver is up".to_owned(),
            ExecutionError::OtherDestination { expected, .. } => {
                format!("ask that receiver about this proposal id, or send to {expected} again")
            }
            ExecutionError::OtherOrder { .. } => {
                "run the same command without --again: the first proof is the one that was sent".to_owned()
            }
            ExecutionError::NoTls { .. } => {
                "build with TLS: cargo build --release --features tls; or send to a relay on this machine by http://"
                    .to_owned()
            }
            ExecutionError::Store(error) => return error.hint(),
            _ => return None,
        })
    }
}
