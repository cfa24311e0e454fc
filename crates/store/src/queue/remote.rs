//! What was asked of managed services: recorded before it is sent, found again after a crash, and paid once.

use std::time::Duration;

use super::Lease;
use crate::{
    Error, JobId, Moment, ProofSource, RemoteState, Store,
    rows::{optional_word, signed, unsigned, word},
    sql::{FromRow, Query, Row, Transaction, query, query_scalar},
};
use ashlar_fault::Code;
use serde::Serialize;

/// A query about to be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRemoteQuery {
    /// By which the service finds it.
    pub dedup_id: String,
    /// 0, or the number of the deliberate repetition, which is paid again.
    pub repetition: u32,
    /// The service.
    pub backend: ProofSource,
    /// The size that is declared, in the service's words.
    pub size: String,
    /// What it is expected to cost, in millionths of a US dollar.
    pub micro_usd: u64,
}

/// What may still be spent when a query is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayBudget {
    /// Since when commitments count.
    pub since: Moment,
    /// The most that all of them may come to, in millionths of a US dollar.
    pub most_micro_usd: u64,
}

/// What became of the intent to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intended {
    /// It is on record, and may be sent.
    Recorded,
    /// The day's budget does not allow it: so much is committed already, in millionths of a US dollar. Nothing was
    /// recorded.
    OverBudget(u64),
}

/// A query as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemoteQuery {
    /// The job.
    pub job_id: JobId,
    /// 0, or the number of the deliberate repetition.
    pub repetition: u32,
    /// By which the service finds it.
    pub dedup_id: String,
    /// The service.
    pub backend: ProofSource,
    /// The declared size.
    pub size: String,
    /// What it is expected to cost, in millionths of a US dollar.
    pub micro_usd: u64,
    /// Where it stands.
    pub state: RemoteState,
    /// The service's id of it.
    pub query_id: Option<String>,
    /// How it ended, in words.
    pub reason: Option<String>,
    /// When it was about to be sent.
    pub intended_at: Moment,
    /// When the service was known to have it.
    pub accepted_at: Option<Moment>,
    /// When it was over.
    pub concluded_at: Option<Moment>,
    /// When it was said last that there may be news of it. Nothing vouches for that.
    pub hinted_at: Option<Moment>,
}

/// The least time between two hints of one query that are recorded: what comes in between says nothing new.
pub const HINT_GAP: Duration = Duration::from_secs(2);

impl Store {
    /// Records that a query is about to be sent. One that is on record already stays as it is, unless the service had
    /// certainly refused it: then it is about to be sent again. A repetition commits what it costs, if `budget` allows.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; [`Error::StateRule`], a database error.
    pub async fn intend_query(
        &self,
        lease: &Lease,
        new: &NewRemoteQuery,
        budget: DayBudget,
        now: Moment,
    ) -> Result<Intended, Error> {
        let fault = |source| self.fault(&lease.job.to_string(), "recording a query", source);
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        let inserted = query(
            "INSERT INTO remote_queries (dedup_id, job_id, repetition, backend, size, micro_usd, state, intended_at)
             VALUES ($1, $2, $3, $4, $5, $6, 'intended', $7) ON CONFLICT (dedup_id) DO NOTHING",
        )
        .bind(&new.dedup_id)
        .bind(lease.job.to_string())
        .bind(new.repetition)
        .bind(new.backend.word())
        .bind(&new.size)
        .bind(signed(new.micro_usd))
        .bind(now.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        if inserted.rows_affected() == 0 {
            query(
                "UPDATE remote_queries SET state = 'intended', reason = NULL
                 WHERE dedup_id = $1 AND job_id = $2 AND state = 'refused'",
            )
            .bind(&new.dedup_id)
            .bind(lease.job.to_string())
            .execute(&mut transaction)
            .await
            .map_err(fault)?;
        } else if new.repetition > 0 {
            transaction.alone_in("commitments").await.map_err(fault)?;
            let committed = self.committed_in(&mut transaction, budget.since).await?;
            if committed.saturating_add(new.micro_usd) > budget.most_micro_usd {
                return Ok(Intended::OverBudget(committed));
            }
            self.commit_spending_in(&mut transaction, lease.job, lease.n, new.backend, new.micro_usd, now)
                .await?;
        }
        transaction.commit().await.map_err(fault)?;
        Ok(Intended::Recorded)
    }

    /// Records that the service has a query, and by which id.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; [`Error::StateRule`] if it was accepted as another one.
    pub async fn accept_query(
        &self,
        lease: &Lease,
        dedup_id: &str,
        query_id: &str,
        now: Moment,
    ) -> Result<(), Error> {
        let change = query(
            "UPDATE remote_queries SET state = 'accepted', query_id = $1, accepted_at = coalesce(accepted_at, $2)
             WHERE dedup_id = $3 AND job_id = $4",
        )
        .bind(query_id)
        .bind(now.to_string());
        self.change_query(lease, dedup_id, change).await
    }

    /// Records how a query ended: what it brought, or why it brought nothing.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; [`Error::StateRule`] if it is over already.
    pub async fn conclude_query(
        &self,
        lease: &Lease,
        dedup_id: &str,
        state: RemoteState,
        reason: Option<&str>,
        now: Moment,
    ) -> Result<(), Error> {
        let change = query(
            "UPDATE remote_queries SET state = $1, reason = $2, concluded_at = $3 WHERE dedup_id = $4 AND job_id = $5",
        )
        .bind(state.word())
        .bind(reason)
        .bind(now.to_string());
        self.change_query(lease, dedup_id, change).await
    }

    /// Carries out `change`, whose last two places are the query's and the job's ids, if the lease still holds.
    async fn change_query(&self, lease: &Lease, dedup_id: &str, change: Query) -> Result<(), Error> {
        let fault = |source| self.fault(&lease.job.to_string(), "recording a query", source);
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        change.bind(dedup_id).bind(lease.job.to_string()).execute(&mut transaction).await.map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    /// Keeps what a service delivered and our verifier rejected, as evidence: it is no proof, and is called a log.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; of writing; a database error.
    pub async fn keep_rejected(
        &self,
        lease: &Lease,
        code: Code,
        bytes: &[u8],
        now: Moment,
    ) -> Result<crate::Artefact, Error> {
        let fault = |source| self.fault(&lease.job.to_string(), "keeping what was rejected", source);
        let artefact = self.artefacts.put(crate::ArtefactKind::Log, bytes).await?;
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        query(
            "INSERT INTO artefacts (job_id, kind, sha256, size, created_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (job_id, kind) DO NOTHING",
        )
        .bind(lease.job.to_string())
        .bind(artefact.kind.word())
        .bind(artefact.sha256.to_string())
        .bind(signed(artefact.size))
        .bind(now.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        // A sweep that ran before would have taken the file for an orphan. None can run now.
        self.artefacts.must_be_there(artefact.sha256, artefact.size).await?;
        let detail = serde_json::json!({ "code": code.to_string(), "sha256": artefact.sha256 });
        self.note_in(&mut transaction, lease.job, "rejected", &detail).await?;
        transaction.commit().await.map_err(fault)?;
        Ok(artefact)
    }

    /// What was asked of services for a job, in order.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn queries_of(&self, job: JobId) -> Result<Vec<RemoteQuery>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading queries", source);
        let rows = query("SELECT * FROM remote_queries WHERE job_id = $1 ORDER BY repetition")
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| RemoteQuery::from_row(row).map_err(fault)).collect()
    }

    /// Records that somebody says that there may be news of a query, by the service's id. Whether it was recorded is for
    /// the caller only: no hint of a query that nobody waits for is, and of the others one in [`HINT_GAP`]. The rest reads,
    /// and changes nothing.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn hint_query(&self, query_id: &str, now: Moment) -> Result<bool, Error> {
        let fault = |source| self.fault("a query of a service", "recording a hint", source);
        let gap = u64::try_from(HINT_GAP.as_millis()).unwrap_or(u64::MAX);
        let before = Moment::from_milliseconds(now.milliseconds().saturating_sub(gap)).to_string();
        const NEWS: &str = "query_id = $1 AND state = 'accepted' AND (hinted_at IS NULL OR hinted_at <= $2)";
        // Whoever changes something waits for others who do, and a forger is not to make them wait.
        let waiting: i64 = query_scalar(format!("SELECT count(*) FROM remote_queries WHERE {NEWS}"))
            .bind(query_id)
            .bind(&before)
            .fetch_one(&self.pool)
            .await
            .map_err(fault)?;
        if waiting == 0 {
            return Ok(false);
        }
        let changed = query(format!("UPDATE remote_queries SET hinted_at = $3 WHERE {NEWS}"))
            .bind(query_id)
            .bind(&before)
            .bind(now.to_string())
            .execute(&self.pool)
            .await
            .map_err(fault)?;
        Ok(changed.rows_affected() > 0)
    }

    /// When it was said last that there may be news of a query; `None` if never.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn hint_of(&self, dedup_id: &str) -> Result<Option<Moment>, Error> {
        let fault = |source| self.fault("a query of a service", "looking for a hint", source);
        let row = query("SELECT hinted_at FROM remote_queries WHERE dedup_id = $1")
            .bind(dedup_id)
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?;
        row.map_or(Ok(None), |row| optional_word(&row, "hinted_at", Moment::parse)).map_err(fault)
    }

    /// Gives back what was set aside for a service that certainly has nothing of a job.
    pub(super) async fn release_spending_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "UPDATE commitments SET released_at = $1
             WHERE job_id = $2 AND released_at IS NULL
                   AND NOT EXISTS (SELECT 1 FROM remote_queries
                                   WHERE remote_queries.job_id = commitments.job_id AND state <> 'refused')",
        )
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(transaction)
        .await
        .map(drop)
        .map_err(|source| self.fault(&job.to_string(), "giving back what was set aside", source))
    }

    pub(super) async fn committed_in(
        &self,
        transaction: &mut Transaction,
        since: Moment,
    ) -> Result<u64, Error> {
        let sum: i64 = query_scalar(
            "SELECT CAST(coalesce(sum(micro_usd), 0) AS BIGINT) FROM commitments
             WHERE committed_at >= $1 AND released_at IS NULL",
        )
        .bind(since.to_string())
        .fetch_one(transaction)
        .await
        .map_err(|source| self.fault("the commitments", "adding up what was committed", source))?;
        Ok(u64::try_from(sum).unwrap_or(0))
    }
}

impl FromRow for RemoteQuery {
    fn from_row(row: &Row) -> Result<RemoteQuery, sqlx::Error> {
        Ok(RemoteQuery {
            job_id: word(row, "job_id", JobId::parse)?,
            repetition: unsigned(row, "repetition")?.unwrap_or(0),
            dedup_id: row.try_get("dedup_id")?,
            backend: word(row, "backend", ProofSource::parse)?,
            size: row.try_get("size")?,
            micro_usd: unsigned(row, "micro_usd")?.unwrap_or(0),
            state: word(row, "state", RemoteState::parse)?,
            query_id: row.try_get("query_id")?,
            reason: row.try_get("reason")?,
            intended_at: word(row, "intended_at", Moment::parse)?,
            accepted_at: optional_word(row, "accepted_at", Moment::parse)?,
            concluded_at: optional_word(row, "concluded_at", Moment::parse)?,
            hinted_at: optional_word(row, "hinted_at", Moment::parse)?,
        })
    }
}
