//! Allocations: what was proposed, what the rules say of it, and how far it got.

use std::str::FromStr;

use ashlar_field::Felt;
use ashlar_risk::{Decision, Proposal, proposal_to_json};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    AllocationId, AllocationStatus, Error, Job, Moment, PaddedFelt, Store,
    rows::{unsigned, word},
    sql::{FromRow, Row, Transaction, query},
};

/// An allocation about to be recorded, as the Rust reference decided it.
#[derive(Clone, Debug)]
pub struct NewAllocation {
    /// The whole proposal, as it was read.
    pub proposal: Value,
    /// Its identity, which commits to every input.
    pub proposal_id: Felt,
    /// The version of the risk model.
    pub model_version: u64,
    /// Scores in the order of the rows.
    pub scores: Vec<u64>,
    /// Shares in basis points, in the order of the rows.
    pub shares: Vec<u64>,
    /// 0 accepted, otherwise the first rule that fails.
    pub verdict: u8,
}

impl NewAllocation {
    /// A proposal with its decision.
    pub fn of(proposal: &Proposal, decision: &Decision) -> NewAllocation {
        NewAllocation {
            proposal: proposal_to_json(proposal),
            proposal_id: decision.proposal_id,
            model_version: proposal.model_version,
            scores: decision.scores.clone(),
            shares: decision.shares.clone(),
            verdict: decision.verdict as u8,
        }
    }
}

/// An allocation as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Allocation {
    /// Its id.
    pub id: AllocationId,
    /// The proposal.
    pub proposal: Value,
    /// Its identity.
    pub proposal_id: PaddedFelt,
    /// The version of the risk model.
    pub model_version: i64,
    /// Scores.
    pub scores: Value,
    /// Shares in basis points.
    pub shares: Value,
    /// The verdict of the Rust reference.
    pub verdict: u8,
    /// Whether a proof passed the gate. For people: the gate itself never reads it.
    pub proof_verified: bool,
    /// Whether it was executed.
    pub executed: bool,
    /// When.
    pub executed_at: Option<Moment>,
    /// Where it stands.
    pub status: AllocationStatus,
    /// When it was recorded.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

impl Store {
    /// Records an allocation, or finds the one with the same proposal id.
    ///
    /// # Errors
    /// A database error.
    pub async fn record_allocation(&self, new: &NewAllocation) -> Result<Allocation, Error> {
        let mut transaction = self.write().await?;
        let allocation = self.record_allocation_in(&mut transaction, new, Moment::now()).await?;
        transaction.commit().await.map_err(|source| self.allocation_fault(new, source))?;
        Ok(allocation)
    }

    /// [`Store::record_allocation`] of several at once, all or none: a batch waits for the disk once.
    ///
    /// # Errors
    /// As [`Store::record_allocation`].
    pub async fn record_allocations(&self, new: &[NewAllocation]) -> Result<Vec<Allocation>, Error> {
        let mut transaction = self.write().await?;
        let mut allocations = Vec::with_capacity(new.len());
        for new in new {
            allocations.push(self.record_allocation_in(&mut transaction, new, Moment::now()).await?);
        }
        if let Some(last) = new.last() {
            transaction.commit().await.map_err(|source| self.allocation_fault(last, source))?;
        }
        Ok(allocations)
    }

    fn allocation_fault(&self, new: &NewAllocation, source: sqlx::Error) -> Error {
        self.fault(&PaddedFelt(new.proposal_id).to_string(), "recording an allocation", source)
    }

    /// [`Store::record_allocation`] as part of a larger change.
    pub(crate) async fn record_allocation_in(
        &self,
        transaction: &mut Transaction,
        new: &NewAllocation,
        now: Moment,
    ) -> Result<Allocation, Error> {
        let proposal_id = PaddedFelt(new.proposal_id).to_string();
        let fault = |source| self.allocation_fault(new, source);
        query(
            "INSERT INTO allocations (id, proposal, proposal_id, model_version, shares, scores, verdict, status,
                                      created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'proposed', $8, $8)
             ON CONFLICT (proposal_id) DO NOTHING",
        )
        .bind(AllocationId::fresh().to_string())
        .bind(new.proposal.to_string())
        .bind(&proposal_id)
        .bind(i64::try_from(new.model_version).unwrap_or(i64::MAX))
        .bind(json!(new.shares).to_string())
        .bind(json!(new.scores).to_string())
        .bind(new.verdict)
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        let row = query("SELECT * FROM allocations WHERE proposal_id = $1")
            .bind(&proposal_id)
            .fetch_one(&mut *transaction)
            .await
            .map_err(fault)?;
        Allocation::from_row(&row).map_err(fault)
    }

    /// The allocation of a proposal, if it is recorded.
    ///
    /// # Errors
    /// A database error.
    pub async fn allocation_of(&self, proposal_id: Felt) -> Result<Option<Allocation>, Error> {
        let proposal_id = PaddedFelt(proposal_id).to_string();
        let fault = |source| self.fault(&proposal_id, "reading an allocation", source);
        let row = query("SELECT * FROM allocations WHERE proposal_id = $1")
            .bind(&proposal_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        row.map(|row| Allocation::from_row(&row).map_err(fault)).transpose()
    }

    /// The youngest verified job that proves this allocation.
    ///
    /// # Errors
    /// A database error.
    pub async fn verified_job_of(&self, allocation: AllocationId) -> Result<Option<Job>, Error> {
        let fault = |source| self.fault(&allocation.to_string(), "finding a proof", source);
        let row = query(
            "SELECT proof_jobs.* FROM proof_jobs JOIN allocation_proofs ON job_id = id
             WHERE allocation_id = $1 AND proof_status = 'verified' ORDER BY id DESC LIMIT 1",
        )
        .bind(allocation.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        row.map(|row| Job::from_row(&row).map_err(fault)).transpose()
    }

    /// The allocations that a job proves, in their order in the batch.
    ///
    /// # Errors
    /// A database error.
    pub async fn allocations_of(&self, job: crate::JobId) -> Result<Vec<Allocation>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading allocations", source);
        let rows = query(
            "SELECT allocations.* FROM allocations JOIN allocation_proofs ON allocation_id = id
             WHERE job_id = $1 ORDER BY position",
        )
        .bind(job.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        rows.iter().map(|row| Allocation::from_row(row).map_err(fault)).collect()
    }
}

impl FromRow for Allocation {
    fn from_row(row: &Row) -> Result<Allocation, sqlx::Error> {
        let value = |text: &str| serde_json::from_str(text).ok();
        Ok(Allocation {
            id: word(row, "id", AllocationId::parse)?,
            proposal: word(row, "proposal", value)?,
            proposal_id: word(row, "proposal_id", |text| Felt::from_str(text).ok().map(PaddedFelt))?,
            model_version: row.try_get("model_version")?,
            scores: word(row, "scores", value)?,
            shares: word(row, "shares", value)?,
            verdict: unsigned(row, "verdict")?.unwrap_or(u8::MAX),
            proof_verified: row.try_get("proof_verified")?,
            executed: row.try_get("executed")?,
            executed_at: crate::rows::optional_word(row, "executed_at", Moment::parse)?,
            status: word(row, "status", AllocationStatus::parse)?,
            created_at: word(row, "created_at", Moment::parse)?,
            updated_at: word(row, "updated_at", Moment::parse)?,
        })
    }
}
