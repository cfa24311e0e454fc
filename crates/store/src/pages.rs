//! Long lists, a page at a time, and only what a key of the HTTP API reaches.
//!
//! Pages go from young to old. The id of the last item of a page is the cursor of the next one: ids sort by time, so
//! a page stays what it is while younger items arrive.

use crate::{
    Allocation, AllocationId, AllocationStatus, Artefact, ContentHash, Error, Job, JobEvent, JobId, KeyId,
    ProofSource, ProofStatus, Purpose, Store,
    sql::{FromRow, query},
};

/// The most items of a page.
pub const MOST_IN_PAGE: u32 = 200;

/// Which jobs.
#[derive(Clone, Copy, Debug, Default)]
pub struct JobFilter {
    /// Of this status.
    pub status: Option<ProofStatus>,
    /// Proven by this source.
    pub source: Option<ProofSource>,
    /// For this purpose.
    pub purpose: Option<Purpose>,
    /// Older than this one.
    pub before: Option<JobId>,
    /// In the reach of this key; `None` for every job.
    pub reach: Option<KeyId>,
}

/// Which allocations.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllocationFilter {
    /// Of this status.
    pub status: Option<AllocationStatus>,
    /// Older than this one.
    pub before: Option<AllocationId>,
    /// Proven by a job in the reach of this key; `None` for every allocation.
    pub reach: Option<KeyId>,
}

fn text(value: Option<impl ToString>) -> Option<String> {
    value.map(|value| value.to_string())
}

impl Store {
    /// The youngest jobs that pass the filter, youngest first, at most `limit` and one more than [`MOST_IN_PAGE`]:
    /// the one that tells whether there is another page.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn jobs_page(&self, filter: &JobFilter, limit: u32) -> Result<Vec<Job>, Error> {
        let fault = |source| self.fault("the jobs", "listing jobs", source);
        let rows = query(
            "SELECT * FROM proof_jobs
             WHERE ($1 IS NULL OR proof_status = $1) AND ($2 IS NULL OR proof_source = $2)
               AND ($3 IS NULL OR purpose = $3) AND id < coalesce($4, 'k')
               AND ($5 IS NULL OR EXISTS (SELECT 1 FROM job_reach WHERE job_id = id AND key_id = $5))
             ORDER BY id DESC LIMIT $6",
        )
        .bind(filter.status.map(ProofStatus::word))
        .bind(filter.source.map(ProofSource::word))
        .bind(filter.purpose.map(Purpose::word))
        .bind(text(filter.before))
        .bind(text(filter.reach))
        .bind(limit.min(MOST_IN_PAGE + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        rows.iter().map(|row| Job::from_row(row).map_err(fault)).collect()
    }

    /// The youngest allocations that pass the filter, youngest first, at most `limit` and one more than [`MOST_IN_PAGE`]:
    /// the one that tells whether there is another page.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn allocations_page(
        &self,
        filter: &AllocationFilter,
        limit: u32,
    ) -> Result<Vec<Allocation>, Error> {
        let fault = |source| self.fault("the allocations", "listing allocations", source);
        let rows = query(
            "SELECT * FROM allocations
             WHERE ($1 IS NULL OR status = $1) AND id < coalesce($2, 'b')
               AND ($3 IS NULL OR EXISTS (SELECT 1 FROM allocation_proofs JOIN job_reach USING (job_id)
                                          WHERE allocation_id = id AND key_id = $3))
             ORDER BY id DESC LIMIT $4",
        )
        .bind(filter.status.map(AllocationStatus::word))
        .bind(text(filter.before))
        .bind(text(filter.reach))
        .bind(limit.min(MOST_IN_PAGE + 1))
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        rows.iter().map(|row| Allocation::from_row(row).map_err(fault)).collect()
    }

    /// The allocation with this id, if the key reaches it; `None` for a key stands for every one.
    ///
    /// # Errors
    /// [`Error::UnknownAllocation`], also for one out of reach: that it exists is not told.
    pub async fn allocation(&self, id: AllocationId, reach: Option<KeyId>) -> Result<Allocation, Error> {
        let fault = |source| self.fault(&id.to_string(), "reading an allocation", source);
        let row = query(
            "SELECT * FROM allocations
             WHERE id = $1 AND ($2 IS NULL OR EXISTS (SELECT 1 FROM allocation_proofs JOIN job_reach USING (job_id)
                                                      WHERE allocation_id = id AND key_id = $2))",
        )
        .bind(id.to_string())
        .bind(text(reach))
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?
        .ok_or_else(|| Error::UnknownAllocation { given: id.to_string() })?;
        Allocation::from_row(&row).map_err(fault)
    }

    /// The jobs that prove an allocation, youngest first.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn jobs_of(&self, allocation: AllocationId, reach: Option<KeyId>) -> Result<Vec<Job>, Error> {
        let fault = |source| self.fault(&allocation.to_string(), "listing jobs", source);
        let rows = query(
            "SELECT proof_jobs.* FROM proof_jobs JOIN allocation_proofs ON job_id = id
             WHERE allocation_id = $1
               AND ($2 IS NULL OR EXISTS (SELECT 1 FROM job_reach WHERE job_reach.job_id = id AND key_id = $2))
             ORDER BY id DESC LIMIT $3",
        )
        .bind(allocation.to_string())
        .bind(text(reach))
        .bind(MOST_IN_PAGE)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        rows.iter().map(|row| Job::from_row(row).map_err(fault)).collect()
    }

    /// What happened after the event with id `after`, in order, at most `limit`: to one job or to every job in reach.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn events_page(
        &self,
        job: Option<JobId>,
        reach: Option<KeyId>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<JobEvent>, Error> {
        let fault = |source| self.fault("the events", "reading events", source);
        let rows = match job {
            Some(job) => {
                query("SELECT * FROM job_events WHERE job_id = $1 AND id > $2 ORDER BY id LIMIT $3")
                    .bind(job.to_string())
                    .bind(after)
                    .bind(limit)
                    .fetch_all(&self.pool)
                    .await
            }
            None => {
                query(
                    "SELECT * FROM job_events
                     WHERE id > $1 AND ($2 IS NULL OR EXISTS (SELECT 1 FROM job_reach
                                        WHERE job_reach.job_id = job_events.job_id AND key_id = $2))
                     ORDER BY id LIMIT $3",
                )
                .bind(after)
                .bind(text(reach))
                .bind(limit)
                .fetch_all(&self.pool)
                .await
            }
        }
        .map_err(fault)?;
        rows.iter().map(|row| JobEvent::from_row(row).map_err(fault)).collect()
    }

    /// The artefact with this content, if a job in reach made it.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn artefact(
        &self,
        sha256: ContentHash,
        reach: Option<KeyId>,
    ) -> Result<Option<Artefact>, Error> {
        let fault = |source| self.fault(&sha256.to_string(), "looking up an artefact", source);
        let row = query(
            "SELECT * FROM artefacts
             WHERE sha256 = $1 AND ($2 IS NULL OR EXISTS (SELECT 1 FROM job_reach
                                    WHERE job_reach.job_id = artefacts.job_id AND key_id = $2))
             LIMIT 1",
        )
        .bind(sha256.to_string())
        .bind(text(reach))
        .fetch_optional(&self.pool)
        .await
        .map_err(fault)?;
        row.map(|row| Artefact::from_row(&row).map_err(fault)).transpose()
    }
}
