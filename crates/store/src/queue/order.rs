//! The order of what waits, and who is to make it: work that waits long is raised, work for a backend that is left alone
//! goes to another.

use std::time::Duration;

use serde_json::Value;

use crate::{
    Error, JobId, Lane, Moment, ProofSource, Store,
    sql::{query, query_scalar},
};

/// Where work goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Who makes the proof.
    pub backend: ProofSource,
    /// Who may take it.
    pub lane: Lane,
    /// Predicted peak memory there, in bytes.
    pub memory_bytes: u64,
    /// What it commits to spend, in millionths of a US dollar.
    pub micro_usd: u64,
    /// How long one attempt there may take.
    pub attempt_time: Duration,
}

impl Store {
    /// Raises the priority of everything that has waited at its present one for as long as `patience`, by one step; how
    /// many were raised.
    ///
    /// # Errors
    /// A database error.
    pub async fn raise_patient_work(&self, now: Moment, patience: Duration) -> Result<u64, Error> {
        let since = Moment::from_milliseconds(
            now.milliseconds().saturating_sub(u64::try_from(patience.as_millis()).unwrap_or(u64::MAX)),
        );
        // Two that raise at once may wait for each other's rows; the second finds nothing left to raise.
        self.in_turn(|| async {
            let raised = query(
                "UPDATE work_items SET priority = priority + 1, raised_at = $1
                 WHERE state = 'waiting' AND priority < 9 AND coalesce(raised_at, created_at) <= $2",
            )
            .bind(now.to_string())
            .bind(since.to_string())
            .execute(&self.pool)
            .await
            .map_err(|source| self.fault("the queue", "raising work that waits", source))?;
            Ok(raised.rows_affected())
        })
        .await
    }

    /// Jobs that wait in a lane, the first to be taken first, `limit` at most.
    ///
    /// # Errors
    /// A database error.
    pub async fn waiting_in(&self, lane: Lane, limit: u32) -> Result<Vec<JobId>, Error> {
        let ids: Vec<String> = query_scalar(
            "SELECT job_id FROM work_items WHERE state = 'waiting' AND lane = $1
             ORDER BY priority DESC, job_id LIMIT $2",
        )
        .bind(lane.word())
        .bind(limit)
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.fault("the queue", "looking for waiting work", source))?;
        Ok(ids.iter().filter_map(|id| JobId::parse(id)).collect())
    }

    /// Gives work that waits for one backend to another, with the decision for the log; `false` if it does not wait for
    /// that one any more.
    ///
    /// # Errors
    /// A database error; then nothing was changed.
    pub async fn move_waiting(
        &self,
        job: JobId,
        from: ProofSource,
        to: &Destination,
        decision: &Value,
        now: Moment,
    ) -> Result<bool, Error> {
        self.in_turn(|| self.move_waiting_once(job, from, to, decision, now)).await
    }

    async fn move_waiting_once(
        &self,
        job: JobId,
        from: ProofSource,
        to: &Destination,
        decision: &Value,
        now: Moment,
    ) -> Result<bool, Error> {
        let fault = |source| self.fault(&job.to_string(), "moving work to another backend", source);
        let mut transaction = self.write().await?;
        // The work first, as everywhere; what else counts is read when nobody can take or stop it any more.
        query("SELECT job_id FROM work_items WHERE job_id = $1")
            .bind(job.to_string())
            .locked()
            .fetch_optional(&mut transaction)
            .await
            .map_err(fault)?;
        let n: Option<i64> = query_scalar(
            "SELECT 1 + (SELECT count(*) FROM attempts WHERE attempts.job_id = id)
             FROM proof_jobs JOIN work_items ON work_items.job_id = id
             WHERE id = $1 AND state = 'waiting' AND proof_source = $2 AND cancel_requested_at IS NULL",
        )
        .bind(job.to_string())
        .bind(from.word())
        .fetch_optional(&mut transaction)
        .await
        .map_err(fault)?;
        let Some(n) = n.and_then(|n| u32::try_from(n).ok()) else { return Ok(false) };
        self.move_in(&mut transaction, job, to, now).await?;
        if to.micro_usd > 0 {
            self.commit_spending_in(&mut transaction, job, n, to.backend, to.micro_usd, now).await?;
        }
        self.note_in(&mut transaction, job, "route", decision).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(true)
    }
}
