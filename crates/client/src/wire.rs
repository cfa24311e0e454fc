//! Bodies of answers. Fields that a newer server adds are ignored, words that it adds are kept as they are.

use serde::Deserialize;
use serde_json::Value;

/// Where a job stands, as far as a caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It goes on: queued, tracing, proving and what else comes before an end.
    Open,
    /// The server's verifier accepted a proof.
    Verified,
    /// It ended without one: failed, timeout or cancelled.
    Ended,
}

/// A job on record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Job {
    /// Its id, `job_…`.
    pub id: String,
    /// Where it stands, in the server's word.
    pub proof_status: String,
    /// Who proves it.
    pub proof_source: String,
    /// Conjectured bits of security of its proof.
    #[serde(default)]
    pub security_bits: Option<u32>,
    /// How long its proof took, in milliseconds.
    #[serde(default)]
    pub stone_latency_ms: Option<u64>,
    /// Why it ended without a proof.
    #[serde(default)]
    pub error_code: Option<String>,
    /// The same in words.
    #[serde(default)]
    pub error_text: Option<String>,
    /// When it was recorded, in RFC 3339.
    pub created_at: String,
}

impl Job {
    /// Where it stands. A word that is not known does not end anything.
    pub fn standing(&self) -> Standing {
        match self.proof_status.as_str() {
            "verified" => Standing::Verified,
            "failed" | "timeout" | "cancelled" => Standing::Ended,
            _ => Standing::Open,
        }
    }
}

/// Something that a job left behind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Artefact {
    /// What it is, such as `proof`.
    pub kind: String,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

/// One attempt at a job.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Attempt {
    /// Which, from 1.
    pub n: u32,
    /// The worker's name.
    pub worker: String,
    /// How far it is, in the prover's own words.
    #[serde(default)]
    pub progress: Option<Value>,
    /// How it ended, if it did.
    #[serde(default)]
    pub outcome: Option<String>,
}

/// A job with what belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobView {
    /// The job.
    pub job: Job,
    /// The attempts at it, in order.
    pub attempts: Vec<Attempt>,
    /// What it left behind.
    pub artefacts: Vec<Artefact>,
    /// The whole answer, as it came.
    pub raw: Value,
}

/// A page of jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct JobPage {
    /// Youngest first.
    pub jobs: Vec<Job>,
    /// The `before` of the next page; `None` on the last.
    pub next: Option<String>,
    /// The whole answer, as it came.
    pub raw: Value,
}

/// A request that the server has.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Submitted {
    /// Its job.
    pub job: String,
    /// Whether the same request was on record before.
    pub existing: bool,
    /// Who makes the proof, and why; `None` for a request that was on record.
    #[serde(default)]
    pub routing: Option<Value>,
}

/// An allocation on record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Allocation {
    /// Its id, `alc_…`.
    pub id: String,
    /// The id that the risk program computes of the proposal, 64 hexadecimal digits after `0x`.
    pub proposal_id: String,
    /// Where it stands, in the server's word.
    pub status: String,
}

/// What the server's gate would say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Gate {
    /// Whether it would open.
    pub open: bool,
    /// `open`, `waiting`, `blocked` or `passed`.
    pub state: String,
    /// Why, in words.
    pub reason: String,
}

/// An allocation with what belongs to it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct AllocationView {
    /// The allocation.
    pub allocation: Allocation,
    /// What the server's gate would say.
    pub gate: Gate,
}

/// An event of a job's log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoggedEvent {
    /// Its place in the log.
    pub id: i64,
    /// The job.
    pub job_id: String,
    /// When, in RFC 3339.
    pub at: String,
    /// What.
    pub event: String,
    /// Particulars.
    #[serde(default)]
    pub detail: Value,
}

/// A part of a log.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EventPage {
    /// In order.
    pub events: Vec<LoggedEvent>,
    /// The id of the last one: the `after` of the next page.
    pub last: i64,
}
