//! The queue: which jobs wait for a worker, who holds one, and what came of every attempt.
//!
//! | module | what it holds |
//! |---|---|
//! | `submission` | [`Store::submit`]: job, allocations, inputs and work in one transaction |
//! | `claim` | [`Store::claim_work`], [`Store::expire_leases`]: from waiting to held, and back when a holder vanished |
//! | `attempt` | what the holder of a [`Lease`] may change: every change carries its token |
//! | `order` | [`Store::raise_patient_work`], [`Store::move_waiting`]: what is first, and who makes it |
//! | `visits` | [`Store::claim_gate_visit`]: proven allocations that are still to be brought to the gate |
//! | `remote` | [`RemoteQuery`]: what was asked of managed services, found again after a crash, paid once |
//! | `view` | depth, workers, attempts, events: numbers for people |
//!
//! A claim is one conditional `UPDATE` inside a transaction that holds the write lock, so one work item has one holder.
//! An attempt is counted when it is claimed: one that takes its process down has counted. A holder that was too slow
//! has lost its token, and whatever it still writes changes nothing.
//!
//! Every method takes the present as a parameter, so that tests bring a clock of their own.

mod attempt;
mod claim;
mod order;
mod remote;
mod submission;
mod view;
mod visits;

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

pub use attempt::{AttemptEnd, Next, Renewed};
pub use claim::{Claimant, Claimed, Expired};
pub use order::Destination;
pub use remote::{DayBudget, HINT_GAP, Intended, NewRemoteQuery, RemoteQuery};
pub use submission::{Commitment, NewInput, NewSubmission, NewWork, SubmissionKey, Submitted};
pub use view::{LaneDepth, QueueDepth, Troubles};

use crate::{ContentHash, FailureKind, JobId, Lane, LeaseToken, Moment, ProofSource, WorkerState};

/// The right to work on a job, for as long as it is renewed in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Lease {
    /// The job.
    pub job: JobId,
    /// Which attempt this is, from 1.
    pub n: u32,
    /// What proves the right.
    pub token: LeaseToken,
}

/// How long work waits after an attempt that counted: twice as long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// After the first attempt.
    pub first: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Pauses {
    /// The pause after so many attempts that counted.
    pub fn after(&self, spent: u32) -> Duration {
        let times = 1u32.checked_shl(spent.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(times).min(self.longest)
    }
}

/// An attempt as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The job.
    pub job_id: JobId,
    /// Which attempt, from 1.
    pub n: u32,
    /// Who made it.
    pub worker: String,
    /// By which backend.
    pub backend: ProofSource,
    /// Predicted peak memory in bytes.
    pub memory_bytes: u64,
    /// When it was claimed.
    pub started_at: Moment,
    /// When it must be over.
    pub deadline: Moment,
    /// When its holder last gave a sign of life.
    pub renewed_at: Moment,
    /// What was last said about how far it is.
    pub progress: Option<Value>,
    /// When it ended.
    pub finished_at: Option<Moment>,
    /// How it ended: `verified`, `failed`, `lost`, `released` or `cancelled`.
    pub outcome: Option<String>,
    /// Whose fault the failure was.
    pub failure_kind: Option<FailureKind>,
    /// The error's code.
    pub error_code: Option<String>,
    /// The error's text.
    pub error_text: Option<String>,
    /// The most memory that was seen, in bytes.
    pub peak_memory_bytes: Option<u64>,
}

/// Work as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct WorkItem {
    /// The job.
    pub job_id: JobId,
    /// Who may take it.
    pub lane: Lane,
    /// `waiting`, `claimed` or `done`.
    pub state: String,
    /// 0 to 9, the highest first.
    pub priority: u8,
    /// Predicted peak memory in bytes.
    pub memory_bytes: u64,
    /// Not to be taken before.
    pub not_before: Moment,
    /// After this the job is a timeout.
    pub deadline: Option<Moment>,
    /// How long one attempt may take, in milliseconds.
    pub attempt_ms: u64,
    /// Attempts that count.
    pub spent: u32,
    /// The most that may count.
    pub budget: u32,
    /// Until when its holder has it.
    pub lease_until: Option<Moment>,
}

impl WorkItem {
    /// How long one attempt may take.
    pub fn attempt_time(&self) -> Duration {
        Duration::from_millis(self.attempt_ms)
    }
}

/// A file that a job is made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WorkInput {
    /// What it is: `program`.
    pub role: String,
    /// Its content.
    pub sha256: ContentHash,
    /// Its size in bytes.
    pub size: u64,
}

/// A worker as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Worker {
    /// Host and the moment of its start.
    pub name: String,
    /// When it started.
    pub started_at: Moment,
    /// When it last gave a sign of life.
    pub seen_at: Moment,
    /// Whether it takes work.
    pub state: WorkerState,
    /// The memory that it may fill with work, in bytes.
    pub memory_bytes: u64,
    /// What it takes.
    pub lanes: Vec<Lane>,
    /// Attempts that it holds now, with how far they are.
    pub holds: Vec<Attempt>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses = Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let seconds: Vec<u64> = [0, 1, 2, 3, 6, 7, 8, 40].map(|spent| pauses.after(spent).as_secs()).into();
        assert_eq!(seconds, [1, 1, 2, 4, 32, 60, 60, 60]);
    }
}
