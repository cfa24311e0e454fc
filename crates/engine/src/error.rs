//! What can go wrong between a request and its proof: one variant for each way.

use std::time::Duration;

use ashlar_fault::{Code, Exit, Fault};
use ashlar_risk::RiskError;
use ashlar_store::{JobId, Moment};

/// An error of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// As many jobs wait as may.
    #[error("expected fewer than {limit} waiting jobs, got {waiting}: the queue is full")]
    QueueFull {
        /// Jobs that wait.
        waiting: u64,
        /// The most that may.
        limit: u64,
        /// When trying again makes sense.
        retry_after: Duration,
    },
    /// An idempotency key that stands for another request.
    #[error("the idempotency key {key:?} stands for another request, which is {job}")]
    KeyReused {
        /// The key.
        key: String,
        /// The job of the other request.
        job: JobId,
    },
    /// An idempotency key of a wrong length.
    #[error("expected an idempotency key of 1 to {most} characters, got {got}")]
    KeyLength {
        /// The longest that is taken.
        most: usize,
        /// Its length.
        got: usize,
    },
    /// A request that makes no sense.
    #[error("{reason}")]
    Unusable {
        /// What was expected, and what was got.
        reason: String,
    },
    /// No backend may or can make the proof.
    #[error("no backend takes this request under the rule {rule:?}: {reasons}")]
    NoRoute {
        /// The rule of the policy.
        rule: String,
        /// Every backend with its reason.
        reasons: String,
    },
    /// A request that is of no use any more.
    #[error("expected a deadline in the future, got {deadline}")]
    DeadlinePassed {
        /// When it was of no use any more.
        deadline: Moment,
    },
    /// A job that is over is asked to stop.
    #[error("{job} is over: {status}")]
    AlreadyOver {
        /// The job.
        job: JobId,
        /// How it ended.
        status: String,
    },
    /// A job that cannot be done over.
    #[error("{job} cannot be done over: {reason}")]
    NotRetried {
        /// The job.
        job: JobId,
        /// Why.
        reason: String,
    },
    /// A job whose record does not say what was asked for.
    #[error("the record of the request cannot be read: {got}")]
    UnreadableRequest {
        /// What is wrong with it.
        got: String,
    },
    /// A routing policy that makes no sense.
    #[error("the routing policy cannot be used: {reason}")]
    UnusablePolicy {
        /// What is wrong with it.
        reason: String,
    },
    /// Of the records.
    #[error(transparent)]
    Store(#[from] ashlar_store::Error),
    /// Of the proposals.
    #[error(transparent)]
    Risk(#[from] RiskError),
}

impl Fault for EngineError {
    fn code(&self) -> Code {
        match self {
            EngineError::QueueFull { .. } => Code(8201),
            EngineError::KeyReused { .. } => Code(8202),
            EngineError::KeyLength { .. } => Code(8203),
            EngineError::Unusable { .. } => Code(8204),
            EngineError::NoRoute { .. } => Code(8205),
            EngineError::DeadlinePassed { .. } => Code(8217),
            EngineError::AlreadyOver { .. } => Code(8206),
            EngineError::NotRetried { .. } => Code(8207),
            EngineError::UnreadableRequest { .. } => Code(8208),
            EngineError::UnusablePolicy { .. } => Code(8209),
            EngineError::Store(error) => error.code(),
            EngineError::Risk(error) => error.code(),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            EngineError::QueueFull { .. } => Exit::Capacity,
            EngineError::KeyReused { .. }
            | EngineError::KeyLength { .. }
            | EngineError::Unusable { .. }
            | EngineError::DeadlinePassed { .. }
            | EngineError::NotRetried { .. } => Exit::Usage,
            EngineError::NoRoute { .. } | EngineError::AlreadyOver { .. } => Exit::Negative,
            EngineError::UnreadableRequest { .. } | EngineError::UnusablePolicy { .. } => Exit::Environment,
            EngineError::Store(error) => error.exit(),
            EngineError::Risk(error) => error.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            EngineError::QueueFull { retry_after, .. } => {
                Some(format!("try again in {} s, or add a worker: ashlar worker", retry_after.as_secs()))
            }
            EngineError::NoRoute { .. } => {
                Some("the routing policy is in ashlar.toml, section router".to_owned())
            }
            EngineError::Store(error) => error.hint(),
            EngineError::Risk(error) => error.hint(),
            _ => None,
        }
    }
}
