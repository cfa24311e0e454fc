//! The gate: an allocation executes only through it.
//!
//! It takes the proposal, a policy and the bytes of the evidence, never a flag of a row. It re-hashes the bytes,
//! verifies the proof again, recomputes what the output must say, and then changes one row under one condition. So no
//! edit of the database makes a rejected, another or an unproven proposal pass, and two processes at the gate at once
//! execute once.
//!
//! Being fresh and not having been executed are the two demands that only the records can answer: whoever can write
//! them can make old evidence young and an executed proposal new. Against that, as against records that were rolled
//! back, the receiver has the order's key, which is the proposal's identity.

mod evidence;
mod examination;
mod policy;
mod refusal;

use std::{sync::Arc, time::Duration};

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_risk::Proposal;
use serde_json::{Value, json};

pub use evidence::{Evidence, EvidenceKind};
pub use examination::{Admission, examine};
pub use policy::{DEFAULT_AGE, DEFAULT_BITS, GatePolicy};
pub use refusal::Refusal;

use examination::Examiner;

use crate::{
    AllocationStatus, Error, ExecutionError, ExecutionId, ExecutionPort, ExecutionState, Failure, Moment,
    Order, PaddedFelt, Store,
    rows::word,
    sql::{Transaction, query, query_scalar},
};

/// How long an attempt may take; after that, another process may take the execution over.
const ATTEMPT_LEASE: Duration = Duration::from_secs(60);

/// Why nothing was executed.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The gate stayed shut.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The gate opened; the execution did not succeed.
    #[error(transparent)]
    Execution(#[from] ExecutionError),
    /// The records failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The examination itself broke. The gate stayed shut.
    #[error("expected the examination of the evidence to come to a result, but it broke")]
    ExaminationBroke,
}

impl GateError {
    fn inner(&self) -> Option<&dyn Fault> {
        match self {
            GateError::Refused(error) => Some(error),
            GateError::Execution(error) => Some(error),
            GateError::Store(error) => Some(error),
            GateError::ExaminationBroke => None,
        }
    }
}

impl Fault for GateError {
    fn code(&self) -> Code {
        self.inner().map_or(Code(7043), Fault::code)
    }

    fn exit(&self) -> Exit {
        self.inner().map_or(Exit::Bug, Fault::exit)
    }

    fn hint(&self) -> Option<String> {
        self.inner().and_then(Fault::hint)
    }
}

/// The gate opened and the order was performed, or rehearsed.
#[derive(Clone, Debug)]
pub struct Passage {
    /// What the examination found.
    pub admission: Admission,
    /// The execution's record.
    pub execution: ExecutionId,
    /// Whether nothing changed in the world.
    pub rehearsal: bool,
    /// Whether an earlier attempt was taken up again.
    pub resumed: bool,
    /// What the receiver answered.
    pub answer: Value,
}

/// What came of a visit to the gate, as the records and machines are told it.
pub fn gate_outcome(outcome: &Result<Passage, GateError>) -> Value {
    match outcome {
        Ok(passage) => json!({
            "open": true,
            "executed": !passage.rehearsal,
            "rehearsal": passage.rehearsal,
            "resumed": passage.resumed,
            "execution": passage.execution,
            "fact_hash": PaddedFelt(passage.admission.fact_hash()),
            "proof_sha256": passage.admission.evidence(),
            "answer": passage.answer,
        }),
        Err(error) => json!({
            "open": matches!(error, GateError::Execution(_)),
            "executed": false,
            "code": error.code().to_string(),
            "reason": error.to_string(),
        }),
    }
}

/// An execution that this process may now attempt.
struct Claimed {
    execution: ExecutionId,
    resumed: bool,
    /// Whether an earlier attempt may have been performed.
    doubtful: bool,
}

impl Store {
    /// Examines the evidence for a recorded proposal and, if it suffices, executes the allocation through `port`,
    /// once: an intent that an earlier process left behind is taken up only if that cannot execute twice.
    ///
    /// # Errors
    /// A [`Refusal`] if the gate stays shut; an [`ExecutionError`] if it opened and the execution did not succeed.
    pub async fn pass_gate(
        &self,
        proposal: &Proposal,
        evidence: Option<&Evidence>,
        policy: &GatePolicy,
        port: Arc<dyn ExecutionPort>,
    ) -> Result<Passage, GateError> {
        let mut passages =
            self.pass_gate_together(std::slice::from_ref(proposal), evidence, policy, port).await;
        passages.pop().unwrap_or(Err(GateError::ExaminationBroke))
    }

    /// As [`Store::pass_gate`] for several proposals in turn, each on its own merits, with one piece of evidence, whose
    /// proof is verified once. One outcome for each proposal, in their order.
    pub async fn pass_gate_together(
        &self,
        proposals: &[Proposal],
        evidence: Option<&Evidence>,
        policy: &GatePolicy,
        port: Arc<dyn ExecutionPort>,
    ) -> Vec<Result<Passage, GateError>> {
        let count = proposals.len();
        let (proposals, evidence, policy) = (proposals.to_vec(), evidence.cloned(), policy.clone());
        // The examination computes for a while: it must not keep other tasks of this thread waiting.
        let examined = tokio::task::spawn_blocking(move || {
            let mut examiner = Examiner::new(evidence.as_ref(), &policy, Moment::now());
            proposals.iter().map(|proposal| examiner.examine(proposal)).collect::<Vec<_>>()
        });
        let Ok(examined) = examined.await else {
            return (0..count).map(|_| Err(GateError::ExaminationBroke)).collect();
        };
        let mut passages = Vec::with_capacity(count);
        for examined in examined {
            passages.push(self.pass(examined, Arc::clone(&port)).await);
        }
        passages
    }

    /// Executes what the examination admitted.
    async fn pass(
        &self,
        examined: Result<Admission, Refusal>,
        port: Arc<dyn ExecutionPort>,
    ) -> Result<Passage, GateError> {
        let admission = match examined {
            Ok(admission) => admission,
            Err(refusal) => {
                if let Refusal::RejectedProposal { proposal_id, .. } = refusal {
                    self.record_rejection(proposal_id).await?;
                }
                return Err(refusal.into());
            }
        };
        let claimed = self.claim(&admission, port.as_ref()).await?;
        let answer = self.attempt(&admission, &claimed, Arc::clone(&port)).await?;
        Ok(Passage {
            admission,
            execution: claimed.execution,
            rehearsal: port.is_rehearsal(),
            resumed: claimed.resumed,
            answer,
        })
    }

    /// A rejection that is proven is for good.
    async fn record_rejection(&self, proposal_id: Felt) -> Result<(), Error> {
        let id = PaddedFelt(proposal_id).to_string();
        query(
            "UPDATE allocations SET status = 'rejected', proof_verified = 1, updated_at = $1
             WHERE proposal_id = $2 AND status = 'proposed'",
        )
        .bind(Moment::now().to_string())
        .bind(&id)
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|source| self.fault(&id, "recording a rejection", source))
    }

    /// The one conditional update, with the intent in the same transaction.
    async fn claim(&self, admission: &Admission, port: &dyn ExecutionPort) -> Result<Claimed, GateError> {
        let proposal_id = admission.decision().proposal_id;
        let id = PaddedFelt(proposal_id).to_string();
        let fault = |source| self.fault(&id, "passing the gate", source);
        let now = Moment::now();
        let mut transaction = self.write().await?;
        let status =
            if port.is_rehearsal() { AllocationStatus::Admitted } else { AllocationStatus::Executing };
        let changed = query(
            "UPDATE allocations SET status = $1, proof_verified = 1, updated_at = $2
             WHERE proposal_id = $3 AND executed = 0 AND status IN ('proposed', 'admitted')",
        )
        .bind(status.word())
        .bind(now.to_string())
        .bind(&id)
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        let claimed = if changed.rows_affected() == 1 {
            let execution = ExecutionId::fresh();
            query(
                "INSERT INTO executions (id, allocation_id, proposal_id, adapter, destination, rehearsal,
                                         evidence_sha256, body, state, attempts, lease_until, intended_at)
                 SELECT $1, id, proposal_id, $2, $3, $4, $5, $6, 'intended', 1, $7, $8 FROM allocations WHERE proposal_id = $9",
            )
            .bind(execution.to_string())
            .bind(port.name())
            .bind(port.destination())
            .bind(port.is_rehearsal())
            .bind(admission.evidence().to_string())
            .bind(admission.order().to_string())
            .bind(now.after(ATTEMPT_LEASE).to_string())
            .bind(now.to_string())
            .bind(&id)
            .execute(&mut transaction)
            .await
            .map_err(fault)?;
            Claimed { execution, resumed: false, doubtful: false }
        } else {
            self.take_up(&mut transaction, admission, port, now).await?
        };
        transaction.commit().await.map_err(fault)?;
        Ok(claimed)
    }

    /// Takes up an execution that an earlier process began and did not conclude, if that cannot execute twice.
    async fn take_up(
        &self,
        transaction: &mut Transaction,
        admission: &Admission,
        port: &dyn ExecutionPort,
        now: Moment,
    ) -> Result<Claimed, GateError> {
        let proposal_id = admission.decision().proposal_id;
        let id = PaddedFelt(proposal_id).to_string();
        let fault = |source| self.fault(&id, "taking up an execution", source);
        let status: Option<String> = query_scalar("SELECT status FROM allocations WHERE proposal_id = $1")
            .bind(&id)
            .locked()
            .fetch_optional(&mut *transaction)
            .await
            .map_err(fault)?;
        let status = status.ok_or(Refusal::NotRecorded { proposal_id })?;
        let status = AllocationStatus::parse(&status).unwrap_or(AllocationStatus::Executed);
        if status != AllocationStatus::Executing {
            return Err(Refusal::Replay { proposal_id, status }.into());
        }
        let row = query("SELECT * FROM executions WHERE proposal_id = $1 AND rehearsal = 0")
            .bind(&id)
            .locked()
            .fetch_one(&mut *transaction)
            .await
            .map_err(fault)?;
        let execution = word(&row, "id", ExecutionId::parse).map_err(fault)?;
        let state = word(&row, "state", ExecutionState::parse).map_err(fault)?;
        let adapter: String = row.try_get("adapter").map_err(fault)?;
        let lease: Option<String> = row.try_get("lease_until").map_err(fault)?;
        if let Some(until) = lease.filter(|until| *until >= now.to_string()) {
            return Err(ExecutionError::InProgress { execution, until }.into());
        }
        if adapter != port.name() {
            return Err(
                ExecutionError::OtherAdapter { execution, expected: adapter, got: port.name() }.into()
            );
        }
        let destination: String = row.try_get("destination").map_err(fault)?;
        if destination != port.destination() {
            let got = port.destination().to_owned();
            return Err(ExecutionError::OtherDestination { execution, expected: destination, got }.into());
        }
        // Whoever reads the records later must find in them what was sent, and a receiver that recognises a key
        // expects the same order under it.
        let body: String = row.try_get("body").map_err(fault)?;
        let order = admission.order().to_string();
        if body != order {
            let expected = row.try_get("evidence_sha256").map_err(fault)?;
            return Err(ExecutionError::OtherOrder { execution, expected, got: admission.evidence() }.into());
        }
        let begun: i64 = row.try_get("attempts").map_err(fault)?;
        // No attempt is open if the last one certainly sent nothing: its lease was then given back with its count.
        if begun > 0 && !port.repeatable() {
            let reason = match state {
                ExecutionState::InDoubt => row.try_get::<Option<String>>("outcome").map_err(fault)?,
                _ => None,
            };
            let reason = reason.unwrap_or_else(|| "the process that was performing it ended".to_owned());
            return Err(ExecutionError::InDoubt { execution, adapter, reason }.into());
        }
        query("UPDATE executions SET attempts = attempts + 1, lease_until = $1 WHERE id = $2")
            .bind(now.after(ATTEMPT_LEASE).to_string())
            .bind(execution.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        Ok(Claimed { execution, resumed: true, doubtful: begun > 0 })
    }

    /// Performs a claimed execution and records the outcome.
    async fn attempt(
        &self,
        admission: &Admission,
        claimed: &Claimed,
        port: Arc<dyn ExecutionPort>,
    ) -> Result<Value, GateError> {
        let execution = claimed.execution;
        let adapter = port.name();
        let order =
            Order { key: PaddedFelt(admission.decision().proposal_id).to_string(), body: admission.order() };
        let rehearsal = port.is_rehearsal();
        let performed = tokio::task::spawn_blocking(move || port.perform(&order))
            .await
            .map_err(|_| ExecutionError::PortBroke { execution, adapter })?;
        match performed {
            Ok(answer) => {
                self.conclude_execution(admission, execution, ExecutionState::Performed, &answer, rehearsal)
                    .await?;
                Ok(answer)
            }
            // A refusal of this attempt says nothing about an earlier one, which may have been performed.
            Err(Failure::Refused(reason)) if claimed.doubtful => {
                self.release(execution, ExecutionState::InDoubt, &reason).await?;
                Err(ExecutionError::InDoubt { execution, adapter: adapter.to_owned(), reason }.into())
            }
            Err(Failure::Refused(reason)) => {
                let outcome = json!({ "reason": reason });
                self.conclude_execution(admission, execution, ExecutionState::Refused, &outcome, rehearsal)
                    .await?;
                Err(ExecutionError::Refused { execution, adapter, reason }.into())
            }
            Err(Failure::NotSent(reason)) => {
                self.release(execution, ExecutionState::Intended, &reason).await?;
                Err(ExecutionError::NotReached { execution, adapter, reason }.into())
            }
            Err(Failure::InDoubt(reason)) => {
                self.release(execution, ExecutionState::InDoubt, &reason).await?;
                Err(ExecutionError::InDoubt { execution, adapter: adapter.to_owned(), reason }.into())
            }
        }
    }

    /// Records a certain outcome: of the execution and, unless it was a rehearsal, of the allocation.
    async fn conclude_execution(
        &self,
        admission: &Admission,
        execution: ExecutionId,
        state: ExecutionState,
        outcome: &Value,
        rehearsal: bool,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&execution.to_string(), "recording an outcome", source);
        let now = Moment::now().to_string();
        let mut transaction = self.write().await?;
        // The allocation first, as everywhere.
        if !rehearsal {
            let executed = state == ExecutionState::Performed;
            let status = if executed { AllocationStatus::Executed } else { AllocationStatus::Failed };
            query(
                "UPDATE allocations SET status = $1, executed = $2, executed_at = $3, updated_at = $4
                 WHERE proposal_id = $5",
            )
            .bind(status.word())
            .bind(executed)
            .bind(executed.then_some(&now))
            .bind(&now)
            .bind(PaddedFelt(admission.decision().proposal_id).to_string())
            .execute(&mut transaction)
            .await
            .map_err(fault)?;
        }
        query(
            "UPDATE executions SET state = $1, outcome = $2, concluded_at = $3, lease_until = NULL WHERE id = $4",
        )
        .bind(state.word())
        .bind(outcome.to_string())
        .bind(&now)
        .bind(execution.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    /// Gives an execution back without a certain outcome. An attempt that certainly sent nothing does not count.
    async fn release(
        &self,
        execution: ExecutionId,
        state: ExecutionState,
        reason: &str,
    ) -> Result<(), Error> {
        let uncounted = i64::from(state == ExecutionState::Intended);
        query(
            "UPDATE executions SET state = $1, outcome = $2, lease_until = NULL, attempts = attempts - $3 WHERE id = $4",
        )
        .bind(state.word())
        .bind(reason)
        .bind(uncounted)
        .bind(execution.to_string())
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|source| self.fault(&execution.to_string(), "recording an attempt", source))
    }
}
