//! The gate at the end of the queue: a worker brings proven allocations to it, where somebody configured an execution.
//! Without one they wait there, visibly.
//!
//! The visit is on record together with the proof, and whoever claims it has it for a while: a process that dies on the way
//! leaves a visit that is due again. What may happen twice, and what may not, is the gate's own affair
//! ([`ashlar_store::Store::pass_gate_together`]): an allocation executes once, however often it is brought.

use std::{fmt, sync::Arc, time::Duration};

use ashlar_fault::Fault as _;
use ashlar_risk::{Proposal, parse_proposals};
use ashlar_store::{
    AllocationStatus, ExecutionError, ExecutionPort, GateError, GatePolicy, JobId, gate_outcome,
};
use serde_json::json;

use crate::{Engine, EngineError};

/// How long whoever claims a visit has it to itself: longer than the gate's own lease on an execution.
const HOLD: Duration = Duration::from_secs(120);

/// The first pause after a visit that has to be repeated; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// What the gate demands, and what happens when it opens.
#[derive(Clone)]
pub struct Gate {
    /// The demands.
    pub policy: GatePolicy,
    /// The execution.
    pub port: Arc<dyn ExecutionPort>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("policy", &self.policy).field("port", &self.port.name()).finish()
    }
}

impl Gate {
    /// Brings the proof that waits longest to the gate, if one is due; its job.
    ///
    /// # Errors
    /// Of the records; then the visit is due again after a while.
    pub async fn visit(&self, engine: &Engine) -> Result<Option<JobId>, EngineError> {
        let store = engine.store();
        let Some(job) = store.claim_gate_visit(engine.now(), HOLD).await? else { return Ok(None) };
        let mut proposals: Vec<Proposal> = Vec::new();
        for allocation in store.allocations_of(job).await? {
            if !matches!(allocation.status, AllocationStatus::Proposed | AllocationStatus::Executing) {
                continue;
            }
            proposals.extend(parse_proposals(allocation.proposal.to_string().as_bytes())?);
        }
        let evidence = match store.evidence_of(&store.job(job).await?).await {
            Ok(evidence) => evidence,
            // The gate says what is missing.
            Err(error) if error.is_damage() => {
                let detail = json!({ "code": error.code().to_string(), "reason": "the proof is missing or has changed" });
                store.note(job, "damaged", &detail).await?;
                None
            }
            Err(error) => return Err(error.into()),
        };
        let port = Arc::clone(&self.port);
        let outcomes = match proposals.is_empty() {
            true => Vec::new(),
            false => store.pass_gate_together(&proposals, evidence.as_ref(), &self.policy, port).await,
        };
        let mut again = false;
        for outcome in &outcomes {
            store.note(job, "gate", &gate_outcome(outcome)).await?;
            again |= outcome.as_ref().err().is_some_and(passes);
        }
        let next = match again {
            false => None,
            true => {
                let visits = store.gate_visits_of(job).await?.unwrap_or(1);
                Some(engine.now().after(pause(visits)))
            }
        };
        store.conclude_gate_visit(job, next).await?;
        Ok(Some(job))
    }
}

/// Whether what kept the gate from executing may be gone by itself.
fn passes(error: &GateError) -> bool {
    match error {
        GateError::Refused(_) => false,
        GateError::Execution(error) => match error {
            ExecutionError::NotReached { .. } | ExecutionError::InProgress { .. } => true,
            ExecutionError::Store(_) => true,
            // Somebody has to look: at the receiver, or at the configuration.
            ExecutionError::Refused { .. }
            | ExecutionError::InDoubt { .. }
            | ExecutionError::OtherAdapter { .. }
            | ExecutionError::OtherDestination { .. }
            | ExecutionError::OtherOrder { .. }
            | ExecutionError::Address { .. }
            | ExecutionError::NoTls { .. }
            | ExecutionError::PortBroke { .. } => false,
        },
        GateError::Store(_) | GateError::ExaminationBroke => true,
    }
}

fn pause(visits: u32) -> Duration {
    let times = 1u32.checked_shl(visits.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(times).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_between_visits_double_up_to_an_hour() {
        let seconds: Vec<u64> = [0, 1, 2, 3, 9, 10, 40].map(|visits| pause(visits).as_secs()).into();
        assert_eq!(seconds, [10, 10, 20, 40, 2560, 3600, 3600]);
    }
}
