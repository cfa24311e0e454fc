//! Records, artefacts and the gate.
//!
//! | module | what it holds |
//! |---|---|
//! | `database` | [`Store`]: one database, SQLite's or PostgreSQL's ([`Database`]), and one folder of artefacts, safe for several processes |
//! | `fail_point` | where tests end a process |
//! | `sql` | one set of statements for both databases |
//! | `padded` | [`PaddedFelt`]: hashes and addresses as they print |
//! | `jobs` | [`Job`]s, their [`JobEvent`]s, what a verified proof leaves behind |
//! | `settlements` | [`Settlement`]s: a verified proof's way to a fact on chain |
//! | `allocations` | [`Allocation`]s and which job proves them |
//! | `keys` | [`ApiKey`]s of the HTTP API, and which jobs each reaches |
//! | `pages` | [`JobFilter`], [`AllocationFilter`]: long lists, a page at a time |
//! | `figures` | [`Figures`]: what was made, by whom, how fast |
//! | `queue` | work that waits, [`Lease`]s on it, [`Attempt`]s at it, and the workers |
//! | `rows` | reading rows, every column checked |
//! | `arriving` | [`Arriving`]: content that is stored while it arrives
//! | `artefacts` | [`Artefacts`]: files by their content, durable before any row names them |
//! | `bucket` | [`BucketSettings`]: a bucket of artefacts, for machines that share no folder |
//! | `durable` | [`write_durably`]: a file has its whole content or no name |
//! | `keeping` | artefacts and the rows that name them: kept before, swept where none does, looked through |
//! | `gate` | [`examine`], [`Store::pass_gate`]: what stands between a decision and its execution |
//! | `execution` | [`ExecutionPort`] and its adapters [`DryRun`] and [`Webhook`] |
//!
//! What may never happen (a terminal state that changes, an event that disappears, a second execution of one
//! proposal) is forbidden by the database itself, see `migrations/`.
#![forbid(unsafe_code)]

mod allocations;
mod arriving;
mod artefacts;
mod bucket;
mod database;
mod durable;
mod error;
mod execution;
mod fail_point;
mod figures;
mod gate;
mod id;
mod jobs;
mod keeping;
mod keys;
mod moment;
mod padded;
mod pages;
mod queue;
mod rows;
mod settlements;
mod sql;
mod status;

pub use allocations::{Allocation, NewAllocation};
pub use arriving::{Arriving, PIECE_BYTES};
pub use artefacts::{Artefact, Artefacts, ContentHash, StoredContent, Swept};
pub use bucket::{BucketAddress, BucketKeys, BucketSettings};
pub use database::{Database, PostgresAddress, Store};
pub use durable::write_durably;
pub use error::Error;
pub use execution::{DryRun, ExecutionError, ExecutionPort, Failure, Order, Webhook};
#[cfg(feature = "fail-points")]
pub use fail_point::{FAIL_AT, FAIL_MARK, FAIL_POINTS};
pub use figures::{Figures, Latency};
pub use gate::{
    Admission, DEFAULT_AGE, DEFAULT_BITS, Evidence, EvidenceKind, GateError, GatePolicy, Passage, Refusal,
    examine, gate_outcome,
};
pub use id::{AllocationId, ExecutionId, JobId, KeyId, LeaseToken, RecordsId, SettlementId};
pub use jobs::{ABANDONED, Job, JobEvent, LEASE, NewJob, VerifiedProof};
pub use keys::{ApiKey, NewApiKey};
pub use moment::Moment;
pub use padded::PaddedFelt;
pub use pages::{AllocationFilter, JobFilter, MOST_IN_PAGE};
pub use queue::{
    Attempt, AttemptEnd, Claimant, Claimed, Commitment, DayBudget, Destination, Expired, HINT_GAP, Intended,
    LaneDepth, Lease, NewInput, NewRemoteQuery, NewSubmission, NewWork, Next, Pauses, QueueDepth,
    RemoteQuery, Renewed, SubmissionKey, Submitted, Troubles, WorkInput, WorkItem, Worker,
};
pub use settlements::{NewSettlement, Settlement, SettlementStep};
pub use status::{
    AllocationStatus, ArtefactKind, ExecutionState, FactSource, FailureKind, KeyReach, KeyScope, Lane,
    ProofSource, ProofStatus, Purpose, RemoteState, SettlementState, WorkerState,
};
