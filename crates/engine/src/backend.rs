//! Who makes proofs.
//!
//! | module | backend |
//! |---|---|
//! | `stone` | [`StoneLocal`], [`StoneExternal`]: on this machine, in a supervised child process |
//! | `atlantic` | [`Atlantic`]: Herodotus' managed prover |
//! | `mock` | [`Mock`]: everything but the proof |

mod atlantic;
mod mock;
mod stone;

use std::{ffi::OsString, fmt, path::PathBuf, time::Duration};

use ashlar_store::{Lane, Lease, ProofSource};
use serde::Serialize;

pub use atlantic::{Atlantic, AtlanticTerms};
pub use mock::Mock;
pub use stone::{StoneExternal, StoneLocal};

use crate::{ChildOrder, Ended, Forecast, Reins, RunSize, Submission, Variables, supervise};

/// Why a backend cannot take a request. The router decides by the variant, people read the text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "unable", rename_all = "snake_case")]
pub enum Unable {
    /// It would need more memory than any worker has.
    #[error("expected at most {most_bytes} bytes of memory, got a proof predicted to need {needs_bytes}")]
    TooLarge {
        /// Predicted peak in bytes.
        needs_bytes: u64,
        /// What the largest worker may use.
        most_bytes: u64,
    },
    /// It is not set up here.
    #[error("{missing}")]
    NotConfigured {
        /// What is missing.
        missing: String,
    },
    /// It cannot make such a proof at all.
    #[error("{reason}")]
    Unsuited {
        /// Why.
        reason: String,
    },
}

/// What a backend is to make.
#[derive(Clone, Debug)]
pub struct Order {
    /// The right to the job, which whoever records its result must show.
    pub lease: Lease,
    /// The process that makes proofs here: a program, and what its arguments begin with.
    pub program: PathBuf,
    /// See `program`.
    pub arguments: Vec<OsString>,
    /// What it has in its environment besides what its worker has.
    pub environment: Variables,
    /// How long it may take.
    pub time: Duration,
    /// The memory that was set aside for it, in bytes.
    pub memory_bytes: u64,
    /// How long it may take to stop after it was asked to.
    pub grace: Duration,
}

/// A maker of proofs. What it says is a claim: whatever it makes is verified here before it counts.
pub trait Backend: Send + Sync + fmt::Debug {
    /// Its name in the records.
    fn source(&self) -> ProofSource;

    /// What a proof would cost.
    ///
    /// # Errors
    /// Why it cannot make it.
    fn forecast(&self, submission: &Submission, size: &RunSize) -> Result<Forecast, Unable>;

    /// What a worker needs to have to let it work.
    fn lane(&self, forecast: &Forecast) -> Lane;

    /// How long one attempt may take; `usual` is what is configured for all.
    fn attempt_time(&self, usual: Duration) -> Duration {
        usual
    }

    /// Makes a proof, on a thread of its own, until it is on record, failed, or stopped by the reins.
    fn make(&self, order: &Order, reins: &Reins) -> Ended;
}

/// In a process of this program that holds the job's lease, and records the result itself.
fn in_child(order: &Order, memory_bytes: u64, reins: &Reins) -> Ended {
    let Lease { job, n, token } = order.lease;
    let mut arguments = order.arguments.clone();
    let own = [
        job.to_string(),
        "--attempt".to_owned(),
        n.to_string(),
        "--lease".to_owned(),
        token.to_string(),
        "--parent".to_owned(),
        std::process::id().to_string(),
        "--memory-bytes".to_owned(),
        memory_bytes.to_string(),
    ];
    arguments.extend(own.map(Into::into));
    let child = ChildOrder {
        program: order.program.clone(),
        arguments,
        environment: order.environment.clone(),
        time: order.time,
        memory_bytes,
        grace: order.grace,
    };
    supervise(&child, reins)
}
