//! What people and scaling want to know of the queue.

use serde::Serialize;

use super::{Attempt, WorkInput, WorkItem, Worker};
use crate::{
    ContentHash, Error, FailureKind, JobId, Lane, Moment, ProofSource, Store, WorkerState,
    rows::{json_value, optional_word, signed, unsigned, word},
    sql::{Row, query, query_scalar},
};

/// How much waits in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LaneDepth {
    /// The lane.
    pub lane: Lane,
    /// Jobs that wait and could be taken now.
    pub ready: u64,
    /// Jobs that wait for a moment to come, after a failure.
    pub delayed: u64,
    /// Jobs that somebody holds.
    pub claimed: u64,
    /// Predicted memory of what waits, in bytes.
    pub waiting_bytes: u64,
}

/// How much waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct QueueDepth {
    /// By lane; lanes without work are left out.
    pub lanes: Vec<LaneDepth>,
    /// Since when the oldest job waits that could be taken now.
    pub oldest_ready: Option<Moment>,
}

/// The failures of a backend since it last succeeded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// The code of each, the youngest first; of a thousand at most.
    pub codes: Vec<Option<String>>,
    /// When the last of them was.
    pub last: Option<Moment>,
}

impl QueueDepth {
    /// Jobs that wait, in all lanes.
    pub fn waiting(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ready + lane.delayed).sum()
    }

    /// Jobs that could be taken now, in all lanes.
    pub fn ready(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.ready).sum()
    }

    /// Jobs that somebody holds, in all lanes.
    pub fn claimed(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.claimed).sum()
    }
}

/// Lanes as a parameter, for `$n LIKE '%,' || lane || ',%'`.
pub(super) fn among(lanes: &[Lane]) -> String {
    let mut text = String::from(",");
    for lane in lanes {
        text.push_str(lane.word());
        text.push(',');
    }
    text
}

impl Store {
    /// How much waits.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn queue_depth(&self, now: Moment) -> Result<QueueDepth, Error> {
        let fault = |source| self.fault("the queue", "measuring the queue", source);
        let rows = query(
            "SELECT lane,
                    count(CASE WHEN state = 'waiting' AND not_before <= $1 THEN 1 END) AS ready,
                    count(CASE WHEN state = 'waiting' AND not_before > $1 THEN 1 END) AS delayed,
                    count(CASE WHEN state = 'claimed' THEN 1 END) AS claimed,
                    CAST(sum(CASE WHEN state = 'waiting' THEN memory_bytes ELSE 0 END) AS BIGINT)
                        AS waiting_bytes
             FROM work_items WHERE state IN ('waiting', 'claimed') GROUP BY lane ORDER BY lane",
        )
        .bind(now.to_string())
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        let mut lanes = Vec::with_capacity(rows.len());
        for row in &rows {
            let number = |column| unsigned::<u64>(row, column).map(Option::unwrap_or_default).map_err(fault);
            lanes.push(LaneDepth {
                lane: word(row, "lane", Lane::parse).map_err(fault)?,
                ready: number("ready")?,
                delayed: number("delayed")?,
                claimed: number("claimed")?,
                waiting_bytes: number("waiting_bytes")?,
            });
        }
        let oldest: Option<String> = query_scalar(
            "SELECT min(not_before) FROM work_items WHERE state = 'waiting' AND not_before <= $1",
        )
        .bind(now.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(fault)?;
        Ok(QueueDepth { lanes, oldest_ready: oldest.as_deref().and_then(Moment::parse) })
    }

    /// Whether there is work that a worker with these lanes and so much memory could take.
    ///
    /// # Errors
    /// A database error.
    pub async fn has_ready_work(&self, lanes: &[Lane], total_bytes: u64, now: Moment) -> Result<bool, Error> {
        query_scalar(
            "SELECT EXISTS (SELECT 1 FROM work_items
                            WHERE state = 'waiting' AND not_before <= $1 AND memory_bytes <= $2
                                  AND (deadline IS NULL OR deadline > $1)
                                  AND $3 LIKE '%,' || lane || ',%')",
        )
        .bind(now.to_string())
        .bind(signed(total_bytes))
        .bind(among(lanes))
        .fetch_one(&self.pool)
        .await
        .map_err(|source| self.fault("the queue", "looking for work", source))
    }

    /// The work of a job; `None` for a job that was never in the queue.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn work_of(&self, job: JobId) -> Result<Option<WorkItem>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading work", source);
        let row = query("SELECT * FROM work_items WHERE job_id = $1")
            .bind(job.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        row.map(|row| WorkItem::from_row(&row).map_err(fault)).transpose()
    }

    /// The attempts at a job, in order.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn attempts_at(&self, job: JobId) -> Result<Vec<Attempt>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading attempts", source);
        let rows = query("SELECT * FROM attempts WHERE job_id = $1 ORDER BY n")
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| Attempt::from_row(row).map_err(fault)).collect()
    }

    /// The attempts that are being made now.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn open_attempts(&self) -> Result<Vec<Attempt>, Error> {
        let fault = |source| self.fault("the attempts", "reading attempts", source);
        let rows = query("SELECT * FROM attempts WHERE outcome IS NULL ORDER BY job_id")
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| Attempt::from_row(row).map_err(fault)).collect()
    }

    /// The files that a job is made from.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn inputs_of(&self, job: JobId) -> Result<Vec<WorkInput>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading inputs", source);
        let rows = query("SELECT role, sha256, size FROM work_inputs WHERE job_id = $1 ORDER BY role")
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| WorkInput::from_row(row).map_err(fault)).collect()
    }

    /// The id of the youngest event; 0 if there is none.
    ///
    /// # Errors
    /// A database error.
    pub async fn last_event(&self) -> Result<i64, Error> {
        query_scalar("SELECT coalesce(max(id), 0) FROM job_events")
            .fetch_one(&self.pool)
            .await
            .map_err(|source| self.fault("the events", "reading events", source))
    }

    /// Records that a worker is there, and how it stands.
    ///
    /// # Errors
    /// A database error.
    pub async fn greet_worker(
        &self,
        name: &str,
        state: WorkerState,
        memory_bytes: u64,
        lanes: &[Lane],
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "INSERT INTO workers (name, started_at, seen_at, state, memory_bytes, lanes)
             VALUES ($1, $2, $2, $3, $4, $5)
             ON CONFLICT (name) DO UPDATE SET seen_at = $2, state = $3, memory_bytes = $4",
        )
        .bind(name)
        .bind(now.to_string())
        .bind(state.word())
        .bind(signed(memory_bytes))
        .bind(serde_json::json!(lanes).to_string())
        .execute(&self.pool)
        .await
        .map(drop)
        .map_err(|source| self.fault(name, "recording a worker", source))
    }

    /// Workers that gave a sign of life after `since`, with what they hold.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn workers(&self, since: Moment) -> Result<Vec<Worker>, Error> {
        let fault = |source| self.fault("the workers", "reading workers", source);
        let rows = query("SELECT * FROM workers WHERE seen_at >= $1 ORDER BY name")
            .bind(since.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        let open = self.open_attempts().await?;
        let mut workers = Vec::with_capacity(rows.len());
        for row in &rows {
            let name: String = row.try_get("name").map_err(fault)?;
            let lanes = word(row, "lanes", json_value).map_err(fault)?;
            workers.push(Worker {
                started_at: word(row, "started_at", Moment::parse).map_err(fault)?,
                seen_at: word(row, "seen_at", Moment::parse).map_err(fault)?,
                state: word(row, "state", WorkerState::parse).map_err(fault)?,
                memory_bytes: unsigned(row, "memory_bytes").map_err(fault)?.unwrap_or(0),
                lanes: lanes
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|lane| Lane::parse(lane.as_str()?))
                    .collect(),
                holds: open.iter().filter(|attempt| attempt.worker == name).cloned().collect(),
                name,
            });
        }
        Ok(workers)
    }

    /// The job that a submission with this key became, if there is one.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn job_of_submission(&self, key: &str) -> Result<Option<JobId>, Error> {
        let fault = |source| self.fault(key, "looking up a submission", source);
        let row = query("SELECT job_id FROM submissions WHERE idempotency_key = $1")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        row.map(|row| word(&row, "job_id", JobId::parse).map_err(fault)).transpose()
    }

    /// What was committed to be spent since a moment, and not given back, in millionths of a US dollar.
    ///
    /// # Errors
    /// A database error.
    pub async fn committed_since(&self, since: Moment) -> Result<u64, Error> {
        let sum: i64 = query_scalar(
            "SELECT CAST(coalesce(sum(micro_usd), 0) AS BIGINT) FROM commitments
             WHERE committed_at >= $1 AND released_at IS NULL",
        )
        .bind(since.to_string())
        .fetch_one(&self.pool)
        .await
        .map_err(|source| self.fault("the commitments", "adding up what was committed", source))?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }

    /// How often a backend has failed since it last succeeded, by its own fault or on the way to it.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn troubles_with(&self, backend: ProofSource) -> Result<Troubles, Error> {
        /// More failures in a row than any breaker waits for.
        const MOST: u32 = 1000;
        let fault = |source| self.fault(backend.word(), "counting failures of a backend", source);
        let rows = query(
            "SELECT finished_at, error_code FROM attempts
             WHERE backend = $1 AND failure_kind IN ('backend', 'quota')
                   AND finished_at > coalesce((SELECT max(finished_at) FROM attempts
                                               WHERE backend = $1 AND outcome = 'verified'), '')
             ORDER BY finished_at DESC LIMIT $2",
        )
        .bind(backend.word())
        .bind(MOST)
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?;
        let mut troubles = Troubles::default();
        for row in &rows {
            let at = optional_word(row, "finished_at", Moment::parse).map_err(fault)?;
            troubles.last = troubles.last.or(at);
            troubles.codes.push(row.try_get::<Option<String>>("error_code").map_err(fault)?);
        }
        Ok(troubles)
    }

    /// Jobs that will never be over, because nobody is responsible for them: none, as long as the queue keeps its rules.
    ///
    /// # Errors
    /// A database error.
    pub async fn jobs_without_a_future(&self) -> Result<Vec<JobId>, Error> {
        let ids: Vec<String> = query_scalar(
            "SELECT id FROM proof_jobs LEFT JOIN work_items ON job_id = id
             WHERE proof_status NOT IN ('verified', 'failed', 'timeout', 'cancelled')
                   AND CASE WHEN job_id IS NULL THEN proof_jobs.lease_until IS NULL
                            ELSE state = 'done' OR (state = 'claimed'
                                                    AND NOT EXISTS (SELECT 1 FROM attempts
                                                                    WHERE attempts.job_id = id AND outcome IS NULL))
                       END
             ORDER BY id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(|source| self.fault("the queue", "looking for jobs without a future", source))?;
        Ok(ids.iter().filter_map(|id| JobId::parse(id)).collect())
    }
}

impl WorkItem {
    pub(super) fn from_row(row: &Row) -> Result<WorkItem, sqlx::Error> {
        Ok(WorkItem {
            job_id: word(row, "job_id", JobId::parse)?,
            lane: word(row, "lane", Lane::parse)?,
            state: row.try_get("state")?,
            priority: unsigned(row, "priority")?.unwrap_or(0),
            memory_bytes: unsigned(row, "memory_bytes")?.unwrap_or(0),
            not_before: word(row, "not_before", Moment::parse)?,
            deadline: optional_word(row, "deadline", Moment::parse)?,
            attempt_ms: unsigned(row, "attempt_ms")?.unwrap_or(0),
            spent: unsigned(row, "spent")?.unwrap_or(0),
            budget: unsigned(row, "budget")?.unwrap_or(0),
            lease_until: optional_word(row, "lease_until", Moment::parse)?,
        })
    }
}

impl WorkInput {
    pub(super) fn from_row(row: &Row) -> Result<WorkInput, sqlx::Error> {
        Ok(WorkInput {
            role: row.try_get("role")?,
            sha256: word(row, "sha256", ContentHash::parse)?,
            size: unsigned(row, "size")?.unwrap_or(0),
        })
    }
}

impl Attempt {
    fn from_row(row: &Row) -> Result<Attempt, sqlx::Error> {
        Ok(Attempt {
            job_id: word(row, "job_id", JobId::parse)?,
            n: unsigned(row, "n")?.unwrap_or(0),
            worker: row.try_get("worker")?,
            backend: word(row, "backend", ProofSource::parse)?,
            memory_bytes: unsigned(row, "memory_bytes")?.unwrap_or(0),
            started_at: word(row, "started_at", Moment::parse)?,
            deadline: word(row, "deadline", Moment::parse)?,
            renewed_at: word(row, "renewed_at", Moment::parse)?,
            progress: optional_word(row, "progress", json_value)?,
            finished_at: optional_word(row, "finished_at", Moment::parse)?,
            outcome: row.try_get("outcome")?,
            failure_kind: optional_word(row, "failure_kind", FailureKind::parse)?,
            error_code: row.try_get("error_code")?,
            error_text: row.try_get("error_text")?,
            peak_memory_bytes: unsigned(row, "peak_memory_bytes")?,
        })
    }
}
