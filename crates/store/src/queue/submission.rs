//! From a request to a job that waits: everything in one transaction, so that a job without work, work without a job, or
//! two jobs of one request cannot exist.

use std::time::Duration;

use super::DayBudget;
use crate::{
    ContentHash, Error, JobId, Lane, Moment, NewAllocation, NewJob, Store,
    fail_point::reach,
    rows::signed,
    sql::{query, query_scalar},
};

/// A request about to be recorded.
#[derive(Clone, Debug)]
pub struct NewSubmission {
    /// The job.
    pub job: NewJob,
    /// What it proves, in the order of the batch.
    pub allocations: Vec<NewAllocation>,
    /// What it is made from.
    pub inputs: Vec<NewInput>,
    /// How it waits.
    pub work: NewWork,
    /// What makes a second sending of the request the same request.
    pub key: Option<SubmissionKey>,
    /// What is told about it in the log: event and particulars.
    pub notes: Vec<(&'static str, serde_json::Value)>,
    /// What it commits to spend.
    pub commitment: Option<Commitment>,
}

/// What a request commits to spend, if the day's budget still has it when the request is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment {
    /// With whom.
    pub backend: crate::ProofSource,
    /// How much, in millionths of a US dollar.
    pub micro_usd: u64,
    /// What it must fit into, with everything that others have committed.
    pub budget: DayBudget,
}

/// A file, stored already, that a job is made from.
#[derive(Clone, Copy, Debug)]
pub struct NewInput {
    /// What it is: `program`.
    pub role: &'static str,
    /// Its content, which must be among the artefacts.
    pub sha256: ContentHash,
    /// Its size in bytes.
    pub size: u64,
}

/// How a job waits.
#[derive(Clone, Copy, Debug)]
pub struct NewWork {
    /// Who may take it.
    pub lane: Lane,
    /// 0 to 9, the highest first.
    pub priority: u8,
    /// Predicted peak memory in bytes.
    pub memory_bytes: u64,
    /// Not to be taken before.
    pub not_before: Moment,
    /// After this the job is a timeout.
    pub deadline: Option<Moment>,
    /// How long one attempt may take.
    pub attempt_time: Duration,
    /// The most attempts that count.
    pub budget: u32,
}

/// The sender's key for a request, and a digest of the request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionKey {
    /// 1 to 300 characters, unique for the sender.
    pub key: String,
    /// The body's digest.
    pub body: ContentHash,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// A new job waits.
    Recorded(JobId),
    /// The same request was recorded before.
    Existing(JobId),
    /// The key stands for another request, recorded as this job. Nothing was recorded.
    OtherBody(JobId),
    /// So many jobs wait already. Nothing was recorded.
    Full(u64),
    /// What it commits to spend is not left of the day's budget, of which others have committed so much, in millionths
    /// of a US dollar. Nothing was recorded.
    OverBudget(u64),
}

impl Store {
    /// Records a job, its allocations, inputs and work, unless `limit` jobs wait already or the key is known.
    ///
    /// # Errors
    /// [`Error::MissingArtefact`] if an input is not among the artefacts; [`Error::StateRule`], as for a job that was
    /// done over already; a database error. Then nothing is recorded.
    pub async fn submit(&self, new: &NewSubmission, limit: u64, now: Moment) -> Result<Submitted, Error> {
        self.in_turn(|| self.submit_once(new, limit, now)).await
    }

    async fn submit_once(&self, new: &NewSubmission, limit: u64, now: Moment) -> Result<Submitted, Error> {
        let id = JobId::fresh();
        let text = id.to_string();
        let fault = |source| self.fault(&text, "recording a submission", source);
        let mut transaction = self.write().await?;
        // One submission after the other: the same key has one job, and the limit is kept exactly.
        transaction.alone_in("submissions").await.map_err(fault)?;
        if let Some(SubmissionKey { key, body }) = &new.key {
            let known = query("SELECT body_sha256, job_id FROM submissions WHERE idempotency_key = $1")
                .bind(key)
                .fetch_optional(&mut transaction)
                .await
                .map_err(fault)?;
            if let Some(row) = known {
                let job = crate::rows::word(&row, "job_id", JobId::parse).map_err(fault)?;
                let recorded: String = row.try_get("body_sha256").map_err(fault)?;
                let same = recorded == body.to_string();
                return Ok(if same { Submitted::Existing(job) } else { Submitted::OtherBody(job) });
            }
        }
        let waiting: i64 = query_scalar("SELECT count(*) FROM work_items WHERE state = 'waiting'")
            .fetch_one(&mut transaction)
            .await
            .map_err(fault)?;
        let waiting = u64::try_from(waiting).unwrap_or(0);
        if waiting >= limit {
            return Ok(Submitted::Full(waiting));
        }
        let mut allocations = Vec::with_capacity(new.allocations.len());
        for allocation in &new.allocations {
            allocations.push(self.record_allocation_in(&mut transaction, allocation, now).await?.id);
        }
        self.create_job_in(&mut transaction, id, &new.job, &allocations, None, now).await?;
        for input in &new.inputs {
            let NewInput { role, sha256, size } = *input;
            query("INSERT INTO work_inputs (job_id, role, sha256, size) VALUES ($1, $2, $3, $4)")
                .bind(&text)
                .bind(role)
                .bind(sha256.to_string())
                .bind(signed(size))
                .execute(&mut transaction)
                .await
                .map_err(fault)?;
            // A sweep that ran before would have taken the file for an orphan. None can run now.
            self.artefacts.must_be_there(sha256, size).await?;
        }
        let work = &new.work;
        query(
            "INSERT INTO work_items (job_id, lane, state, priority, memory_bytes, not_before, deadline, attempt_ms,
                                     budget, created_at, updated_at)
             VALUES ($1, $2, 'waiting', $3, $4, $5, $6, $7, $8, $9, $9)",
        )
        .bind(&text)
        .bind(work.lane.word())
        .bind(work.priority.min(9))
        .bind(signed(work.memory_bytes))
        .bind(work.not_before.to_string())
        .bind(work.deadline.map(|deadline| deadline.to_string()))
        .bind(i64::try_from(work.attempt_time.as_millis()).unwrap_or(i64::MAX))
        .bind(work.budget.max(1))
        .bind(now.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        if let Some(SubmissionKey { key, body }) = &new.key {
            query(
                "INSERT INTO submissions (idempotency_key, body_sha256, job_id, created_at) VALUES ($1, $2, $3, $4)",
            )
            .bind(key)
            .bind(body.to_string())
            .bind(&text)
            .bind(now.to_string())
            .execute(&mut transaction)
            .await
            .map_err(fault)?;
        }
        for (event, detail) in &new.notes {
            self.note_in(&mut transaction, id, event, detail).await?;
        }
        if let Some(Commitment { backend, micro_usd, budget }) = new.commitment {
            transaction.alone_in("commitments").await.map_err(fault)?;
            let committed = self.committed_in(&mut transaction, budget.since).await?;
            if committed.saturating_add(micro_usd) > budget.most_micro_usd {
                return Ok(Submitted::OverBudget(committed));
            }
            self.commit_spending_in(&mut transaction, id, 1, backend, micro_usd, now).await?;
        }
        reach("submission written");
        transaction.commit().await.map_err(fault)?;
        reach("submission committed");
        Ok(Submitted::Recorded(id))
    }
}
