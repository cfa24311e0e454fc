//! What the gate would say of an allocation, for people: the same examination as at the gate, remembered for a moment
//! so that a page of many allocations does not verify each proof at every look. Nothing executes by it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use ashlar_fault::Fault;
use ashlar_risk::parse_proposals;
use ashlar_store::{
    Allocation, AllocationId, AllocationStatus, Error, GatePolicy, Job, Moment, ProofStatus, examine,
};
use serde::Serialize;

use crate::{app::App, call::shortened};

/// How long a verdict is remembered: evidence ages.
const REMEMBERED: Duration = Duration::from_secs(30);
/// Verdicts remembered at most.
const MOST: usize = 2000;

/// What the gate would say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct GateVerdict {
    /// Whether it would open.
    pub(crate) open: bool,
    /// `open`, `waiting`, `blocked` or `passed`.
    pub(crate) state: &'static str,
    /// Why, in words.
    pub(crate) reason: String,
    /// The code of the refusal.
    pub(crate) code: Option<String>,
}

/// Verdicts on proofs, by allocation, with the time when they were found.
#[derive(Debug, Default)]
pub(crate) struct Verdicts(Mutex<HashMap<AllocationId, (Moment, String, GateVerdict)>>);

impl GateVerdict {
    fn blocked(reason: String, code: Option<String>) -> GateVerdict {
        GateVerdict { open: false, state: "blocked", reason, code }
    }

    fn waiting(reason: &str) -> GateVerdict {
        GateVerdict { open: false, state: "waiting", reason: reason.to_owned(), code: None }
    }
}

/// What the gate would say of an allocation now. `jobs` are those that prove it, youngest first.
pub(crate) async fn verdict(app: &App, allocation: &Allocation, jobs: &[Job]) -> Result<GateVerdict, Error> {
    match allocation.status {
        AllocationStatus::Executed => {
            let reason = "executed: a proof passed the gate".to_owned();
            return Ok(GateVerdict { open: false, state: "passed", reason, code: None });
        }
        AllocationStatus::Executing => return Ok(GateVerdict::waiting("the intent to execute is recorded")),
        AllocationStatus::Failed => {
            return Ok(GateVerdict::blocked("the receiver refused it for good".to_owned(), None));
        }
        AllocationStatus::Proposed | AllocationStatus::Admitted | AllocationStatus::Rejected => {}
    }
    let Some(proven) = jobs.iter().find(|job| job.proof_status == ProofStatus::Verified) else {
        return Ok(unproven(jobs.first()));
    };
    let proof = proven.proof_hash.map(|hash| hash.to_string()).unwrap_or_default();
    let now = app.now();
    if let Some(known) = app.verdicts.find(allocation.id, &proof, now) {
        return Ok(known);
    }
    let found = examined(app, allocation, proven, now).await?;
    app.verdicts.keep(allocation.id, now, proof, found.clone());
    Ok(found)
}

/// Why an allocation without a proof is blocked.
fn unproven(youngest: Option<&Job>) -> GateVerdict {
    let Some(job) = youngest else {
        return GateVerdict::blocked("no proof: nothing proves this allocation".to_owned(), None);
    };
    if !job.proof_status.is_terminal() {
        return GateVerdict::waiting(&format!("no proof yet: the job is {}", job.proof_status));
    }
    let why = job.error_text.as_deref().map(shortened).unwrap_or_default();
    let reason =
        format!("no proof: the job is {}{}{why}", job.proof_status, if why.is_empty() { "" } else { ", " });
    GateVerdict::blocked(reason, job.error_code.clone())
}

/// The gate's own examination.
async fn examined(app: &App, allocation: &Allocation, job: &Job, now: Moment) -> Result<GateVerdict, Error> {
    let evidence = match app.store().evidence_of(job).await {
        Ok(evidence) => evidence,
        Err(error) if error.is_damage() || error.is_of_bucket() => {
            // The path is nobody's business; which of these it is, is.
            let words = match error {
                Error::MissingArtefact { .. } | Error::MissingObject { .. } => "the proof is missing",
                Error::AlteredArtefact { .. } | Error::AlteredObject { .. } => "the proof has changed",
                _ => "the proof cannot be fetched at the moment",
            };
            return Ok(GateVerdict::blocked(words.to_owned(), Some(error.code().to_string())));
        }
        Err(error) => return Err(error),
    };
    let Some(proposal) = parse_proposals(allocation.proposal.to_string().as_bytes())
        .ok()
        .and_then(|mut proposals| proposals.pop())
    else {
        return Ok(GateVerdict::blocked("the recorded proposal cannot be read".to_owned(), None));
    };
    let task = tokio::task::spawn_blocking(move || {
        examine(&proposal, evidence.as_ref(), &GatePolicy::default(), now)
    });
    Ok(match task.await {
        Ok(Ok(admission)) => {
            let (conjectured, proven) = admission.bits();
            GateVerdict {
                open: true,
                state: "open",
                reason: format!("verified again just now: {conjectured} bits conjectured, {proven} proven"),
                code: None,
            }
        }
        Ok(Err(refusal)) => {
            let mut reason = refusal.to_string();
            let mut next = std::error::Error::source(&refusal);
            while let Some(cause) = next {
                reason.push_str(": ");
                reason.push_str(&cause.to_string());
                next = cause.source();
            }
            GateVerdict::blocked(reason, Some(refusal.code().to_string()))
        }
        Err(_) => GateVerdict::blocked("the examination broke".to_owned(), None),
    })
}

impl Verdicts {
    fn find(&self, allocation: AllocationId, proof: &str, now: Moment) -> Option<GateVerdict> {
        let verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, of, verdict) = verdicts.get(&allocation)?;
        (of == proof && now >= *at && now.since(*at) < REMEMBERED).then(|| verdict.clone())
    }

    fn keep(&self, allocation: AllocationId, now: Moment, proof: String, verdict: GateVerdict) {
        let mut verdicts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= MOST {
            verdicts.retain(|_, (at, ..)| now.since(*at) < REMEMBERED);
            if verdicts.len() >= MOST {
                verdicts.clear();
            }
        }
        verdicts.insert(allocation, (now, proof, verdict));
    }
}
