//! Which proven allocations are still to be brought to the gate. The visit is on record together with the proof; whoever
//! claims one has it for a while, and after that another may.

use std::time::Duration;

use crate::{
    Error, JobId, Moment, Store,
    sql::{Transaction, query, query_scalar},
};

impl Store {
    /// Takes the longest overdue visit, for as long as `hold`: until then nobody else takes it.
    ///
    /// # Errors
    /// A database error.
    pub async fn claim_gate_visit(&self, now: Moment, hold: Duration) -> Result<Option<JobId>, Error> {
        let fault = |source| self.fault("the gate", "claiming a visit to the gate", source);
        // Most calls find nothing, and a reader disturbs nobody.
        let due: Option<String> = query_scalar(
            "SELECT job_id FROM gate_visits WHERE next_at IS NOT NULL AND next_at <= $1
             ORDER BY next_at, job_id LIMIT 1",
        )
        .bind(now.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        let Some(job) = due.as_deref().and_then(JobId::parse) else { return Ok(None) };
        let mut transaction = self.write().await?;
        let claimed = query(
            "UPDATE gate_visits SET next_at = $1, visits = visits + 1, visited_at = $2
             WHERE job_id = $3 AND next_at IS NOT NULL AND next_at <= $4",
        )
        .bind(now.after(hold).to_string())
        .bind(now.to_string())
        .bind(job.to_string())
        .bind(now.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok((claimed.rows_affected() == 1).then_some(job))
    }

    /// Records that a visit is over: the next one is due at a moment, or none is.
    ///
    /// # Errors
    /// A database error.
    pub async fn conclude_gate_visit(&self, job: JobId, next: Option<Moment>) -> Result<(), Error> {
        query("UPDATE gate_visits SET next_at = $1 WHERE job_id = $2")
            .bind(next.map(|next| next.to_string()))
            .bind(job.to_string())
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|source| self.fault(&job.to_string(), "recording a visit to the gate", source))
    }

    /// How often a job's proof was brought to the gate; `None` for a job that is not to be brought there.
    ///
    /// # Errors
    /// A database error.
    pub async fn gate_visits_of(&self, job: JobId) -> Result<Option<u32>, Error> {
        let visits: Option<i64> = query_scalar("SELECT visits FROM gate_visits WHERE job_id = $1")
            .bind(job.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| self.fault(&job.to_string(), "reading visits to the gate", source))?;
        Ok(visits.map(|visits| u32::try_from(visits).unwrap_or(0)))
    }

    /// An allocation job that is proven is to be brought to the gate.
    pub(super) async fn note_gate_visit_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "INSERT INTO gate_visits (job_id, next_at) SELECT id, $1 FROM proof_jobs
             WHERE id = $2 AND purpose = 'allocation'",
        )
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(transaction)
        .await
        .map(drop)
        .map_err(|source| self.fault(&job.to_string(), "recording a visit to the gate", source))
    }
}
