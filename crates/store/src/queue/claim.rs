//! From waiting to held, and back: claims, and the sweep that finds holders that vanished.

use std::time::Duration;

use super::{Lease, Pauses, WorkInput, WorkItem, view::among};
use crate::{
    Error, JobId, Lane, LeaseToken, Moment, ProofSource, Store,
    fail_point::reach,
    rows::{optional_word, signed, unsigned, word},
    sql::{query, query_scalar},
};

/// Who claims, and what it can take.
#[derive(Clone, Debug)]
pub struct Claimant<'a> {
    /// The worker's name.
    pub worker: &'a str,
    /// What it takes.
    pub lanes: &'a [Lane],
    /// Memory that is free now, in bytes.
    pub free_bytes: u64,
    /// Memory that it has when it holds nothing, in bytes.
    pub total_bytes: u64,
    /// How long its lease holds without being renewed.
    pub lease: Duration,
    /// How long the first in the queue may be overtaken by smaller work that fits while it does not.
    pub patience: Duration,
}

/// A job that somebody now holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The right to it.
    pub lease: Lease,
    /// By which backend it is to be made.
    pub backend: ProofSource,
    /// Its work.
    pub work: WorkItem,
    /// When this attempt must be over.
    pub deadline: Moment,
    /// What it is made from.
    pub inputs: Vec<WorkInput>,
}

/// Work whose holder vanished or whose time ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expired {
    /// Waits for another attempt.
    Again(JobId),
    /// Has no attempt left: failed.
    Buried(JobId),
    /// Its deadline passed: timeout.
    TooLate(JobId),
    /// Somebody had asked for it to be stopped: cancelled.
    Cancelled(JobId),
}

impl Store {
    /// Takes the first job that waits, fits into the claimant's free memory and is of one of its lanes: the highest
    /// priority first, then the oldest. Work that fits the claimant only when it holds nothing else is overtaken
    /// by smaller work, but for no longer than its patience.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn claim_work(&self, by: &Claimant<'_>, now: Moment) -> Result<Option<Claimed>, Error> {
        let fault = |source| self.fault("the queue", "claiming work", source);
        // Most calls find nothing, and a reader disturbs nobody.
        let anything: bool = query_scalar(
            "SELECT EXISTS (SELECT 1 FROM work_items WHERE state = 'waiting' AND not_before <= $1)",
        )
        .bind(now.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(fault)?;
        if !anything {
            return Ok(None);
        }
        self.in_turn(|| self.claim_once(by, now)).await
    }

    async fn claim_once(&self, by: &Claimant<'_>, now: Moment) -> Result<Option<Claimed>, Error> {
        let fault = |source| self.fault("the queue", "claiming work", source);
        let mut transaction = self.write().await?;
        let first = |most: u64| {
            query(
                "SELECT job_id, memory_bytes, not_before FROM work_items
                 WHERE state = 'waiting' AND not_before <= $1 AND memory_bytes <= $2
                       AND (deadline IS NULL OR deadline > $1) AND $3 LIKE '%,' || lane || ',%'
                 ORDER BY priority DESC, job_id LIMIT 1",
            )
            .bind(now.to_string())
            .bind(signed(most))
            .bind(among(by.lanes))
        };
        // Whom the claimant would have to wait for. This row is not taken, so it is not locked either.
        let Some(head) = first(by.total_bytes).fetch_optional(&mut transaction).await.map_err(fault)? else {
            return Ok(None);
        };
        let needs: u64 = unsigned(&head, "memory_bytes").map_err(fault)?.unwrap_or(0);
        let since = word(&head, "not_before", Moment::parse).map_err(fault)?;
        if needs > by.free_bytes && now.since(since) >= by.patience {
            return Ok(None);
        }
        // What somebody else is taking at this moment is passed over.
        let most = by.free_bytes.min(by.total_bytes);
        let chosen = first(most).locked_or_skipped().fetch_optional(&mut transaction).await;
        let Some(chosen) = chosen.map_err(fault)? else { return Ok(None) };
        let job = word(&chosen, "job_id", JobId::parse).map_err(fault)?;
        let token = LeaseToken::fresh();
        let row = query(
            "UPDATE work_items
             SET state = 'claimed', spent = spent + 1, lease_token = $1, lease_until = $2, updated_at = $3
             WHERE job_id = $4 AND state = 'waiting'
             RETURNING *, (SELECT proof_source FROM proof_jobs WHERE id = job_id) AS backend,
                       1 + (SELECT count(*) FROM attempts WHERE attempts.job_id = work_items.job_id) AS n",
        )
        .bind(token.to_string())
        .bind(now.after(by.lease).to_string())
        .bind(now.to_string())
        .bind(job.to_string())
        .fetch_one(&mut transaction)
        .await
        .map_err(fault)?;
        let work = WorkItem::from_row(&row).map_err(fault)?;
        let backend = word(&row, "backend", ProofSource::parse).map_err(fault)?;
        let n: u32 = unsigned(&row, "n").map_err(fault)?.unwrap_or(1);
        let mut deadline = now.after(work.attempt_time());
        if let Some(of_job) = work.deadline {
            deadline = deadline.min(of_job);
        }
        query(
            "INSERT INTO attempts (job_id, n, lease_token, worker, backend, memory_bytes, started_at, deadline,
                                   renewed_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7)",
        )
        .bind(job.to_string())
        .bind(n)
        .bind(token.to_string())
        .bind(by.worker)
        .bind(backend.word())
        .bind(signed(work.memory_bytes))
        .bind(now.to_string())
        .bind(deadline.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        let inputs = query("SELECT role, sha256, size FROM work_inputs WHERE job_id = $1 ORDER BY role")
            .bind(job.to_string())
            .fetch_all(&mut transaction)
            .await
            .map_err(fault)?;
        let inputs =
            inputs.iter().map(WorkInput::from_row).collect::<Result<Vec<_>, sqlx::Error>>().map_err(fault)?;
        reach("claim written");
        transaction.commit().await.map_err(fault)?;
        reach("claim committed");
        Ok(Some(Claimed { lease: Lease { job, n, token }, backend, work, deadline, inputs }))
    }

    /// Takes work back from holders that let their lease run out, and ends jobs whose deadline has passed while they
    /// waited: every job of the queue has a future after this.
    ///
    /// Work that was lost waits for a pause; without an attempt left the job fails with `code`.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error; then nothing was changed.
    pub async fn expire_leases(
        &self,
        now: Moment,
        code: ashlar_fault::Code,
        pauses: Pauses,
    ) -> Result<Vec<Expired>, Error> {
        let fault = |source| self.fault("the queue", "sweeping the queue", source);
        let due: bool = query_scalar(
            "SELECT EXISTS (SELECT 1 FROM work_items WHERE (state = 'claimed' AND lease_until < $1)
                                                           OR (state = 'waiting' AND deadline <= $1))",
        )
        .bind(now.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(fault)?;
        if !due {
            return Ok(Vec::new());
        }
        self.in_turn(|| self.expire_once(now, code, pauses)).await
    }

    async fn expire_once(
        &self,
        now: Moment,
        code: ashlar_fault::Code,
        pauses: Pauses,
    ) -> Result<Vec<Expired>, Error> {
        let fault = |source| self.fault("the queue", "sweeping the queue", source);
        let mut transaction = self.write().await?;
        // Whoever changes one of them at this moment gives it a future, or leaves it to the next sweep.
        let due: Vec<String> = query_scalar(
            "SELECT job_id FROM work_items
             WHERE (state = 'claimed' AND lease_until < $1) OR (state = 'waiting' AND deadline <= $1)
             ORDER BY job_id",
        )
        .bind(now.to_string())
        .locked_or_skipped()
        .fetch_all(&mut transaction)
        .await
        .map_err(fault)?;
        let mut expired = Vec::with_capacity(due.len());
        for id in &due {
            // Read once the row is ours: whoever asks for the job to be stopped has held it before, or waits for us.
            let row = &query(
                "SELECT job_id, state, spent, budget, deadline,
                        (SELECT cancel_requested_at IS NOT NULL FROM proof_jobs WHERE id = job_id) AS unwanted
                 FROM work_items WHERE job_id = $1",
            )
            .bind(id)
            .fetch_one(&mut transaction)
            .await
            .map_err(fault)?;
            let job = word(row, "job_id", JobId::parse).map_err(fault)?;
            let spent: u32 = unsigned(row, "spent").map_err(fault)?.unwrap_or(0);
            let budget: u32 = unsigned(row, "budget").map_err(fault)?.unwrap_or(0);
            let deadline = optional_word(row, "deadline", Moment::parse).map_err(fault)?;
            let unwanted: bool = row.try_get("unwanted").map_err(fault)?;
            let held = row.try_get::<String>("state").map_err(fault)? == "claimed";
            if held {
                query(
                    "UPDATE attempts SET outcome = 'lost', failure_kind = 'lost', finished_at = $1, error_code = $2
                     WHERE job_id = $3 AND outcome IS NULL",
                )
                .bind(now.to_string())
                .bind(code.to_string())
                .bind(job.to_string())
                .execute(&mut transaction)
                .await
                .map_err(fault)?;
            }
            let late = deadline.is_some_and(|deadline| deadline <= now);
            expired.push(if unwanted {
                self.end_job_in(&mut transaction, job, "cancelled", None, now).await?;
                Expired::Cancelled(job)
            } else if late {
                let text = "its deadline passed before it was proven";
                self.end_job_in(&mut transaction, job, "timeout", Some((code, text)), now).await?;
                Expired::TooLate(job)
            } else if spent >= budget {
                let text = format!("the process that worked on it vanished, in {spent} of {budget} attempts");
                self.end_job_in(&mut transaction, job, "failed", Some((code, &text)), now).await?;
                Expired::Buried(job)
            } else {
                self.requeue_in(&mut transaction, job, now.after(pauses.after(spent)), false, now).await?;
                Expired::Again(job)
            });
        }
        reach("sweep written");
        transaction.commit().await.map_err(fault)?;
        reach("sweep committed");
        Ok(expired)
    }
}
