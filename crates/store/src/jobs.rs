//! Proof jobs and their events.

use std::time::Duration;

use ashlar_fault::Code;
use ashlar_field::Felt;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    AllocationId, Artefact, ContentHash, Error, JobId, Moment, PaddedFelt, ProofSource, ProofStatus, Purpose,
    Store,
    fail_point::reach,
    rows::{signed, unsigned},
    sql::{FromRow, Transaction, query, query_scalar},
};

/// A job's worker renews its lease more often than this; a job whose lease ran out has lost its worker.
pub const LEASE: Duration = Duration::from_secs(60);

/// What is recorded of a job that lost its worker.
pub const ABANDONED: Code = Code(4012);

/// A job about to be recorded.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What its proof is for.
    pub purpose: Purpose,
    /// Who proves.
    pub source: ProofSource,
    /// A digest of program and inputs, by which an equal job can be found again.
    pub input_commitment: Option<String>,
    /// What was asked for, as far as it takes to ask for it again.
    pub request: Option<Value>,
    /// The job that this one does over.
    pub retry_of: Option<JobId>,
}

/// What is recorded of a proof that our verifier accepted.
#[derive(Clone, Debug)]
pub struct VerifiedProof {
    /// The hash of the program that ran.
    pub program_hash: Felt,
    /// What it put out.
    pub output: Vec<Felt>,
    /// The fact: a hash of program hash and output.
    pub fact_hash: Felt,
    /// `stone5` or `stone6`.
    pub stone_version: &'static str,
    /// The layout's name.
    pub layout: String,
    /// Steps, padding included.
    pub n_steps: u64,
    /// The proof's parameters, as JSON.
    pub parameters: Value,
    /// Security bits under the usual conjecture.
    pub security_bits: u32,
    /// The proven bound.
    pub proven_bits: u32,
    /// Size of trace and memory in bytes.
    pub trace_size: u64,
    /// Milliseconds by stage, in order.
    pub stages: Vec<(String, u64)>,
}

/// A job as recorded.
#[derive(Clone, Debug, Serialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What its proof is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub proof_status: ProofStatus,
    /// Who proves.
    pub proof_source: ProofSource,
    /// The hash of the program that ran.
    pub program_hash: Option<PaddedFelt>,
    /// A digest of program and inputs.
    pub input_commitment: Option<String>,
    /// What the program put out.
    pub output: Option<Value>,
    /// The fact.
    pub fact_hash: Option<PaddedFelt>,
    /// `stone5` or `stone6`.
    pub stone_version: Option<String>,
    /// The layout's name.
    pub layout: Option<String>,
    /// Steps, padding included.
    pub n_steps: Option<u64>,
    /// The proof's parameters.
    pub parameters: Option<Value>,
    /// Security bits under the usual conjecture.
    pub security_bits: Option<u32>,
    /// The proven bound.
    pub proven_bits: Option<u32>,
    /// SHA-256 of the proof's bytes.
    pub proof_hash: Option<ContentHash>,
    /// Size of trace and memory in bytes.
    pub stone_trace_size: Option<u64>,
    /// Size of the proof in bytes.
    pub stone_proof_size: Option<u64>,
    /// Milliseconds from the first stage to the last.
    pub stone_latency_ms: Option<u64>,
    /// Milliseconds by stage.
    pub stage_times: Option<Value>,
    /// Which attempt at the same request this is, from 1.
    pub attempts: u32,
    /// The job that this one does over.
    pub retry_of: Option<JobId>,
    /// What was asked for.
    pub request: Option<Value>,
    /// When somebody asked for it to be stopped.
    pub cancel_requested_at: Option<Moment>,
    /// The code of the error it ended with.
    pub error_code: Option<String>,
    /// The text of the error it ended with.
    pub error_text: Option<String>,
    /// When it was recorded.
    pub created_at: Moment,
    /// When it last changed.
    pub updated_at: Moment,
}

/// Something that happened to a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobEvent {
    /// Its place in the log.
    pub id: i64,
    /// The job.
    pub job_id: JobId,
    /// When.
    pub at: Moment,
    /// What: `status`, `gate`, `execution`, …
    pub event: String,
    /// The particulars.
    pub detail: Value,
}

impl Store {
    /// Records a job as queued, together with the allocations it will prove, in their order in the batch.
    ///
    /// # Errors
    /// A database error; then nothing is recorded.
    pub async fn create_job(&self, job: &NewJob, allocations: &[AllocationId]) -> Result<JobId, Error> {
        let id = JobId::fresh();
        let now = Moment::now();
        let mut transaction = self.write().await?;
        self.create_job_in(&mut transaction, id, job, allocations, Some(now.after(LEASE)), now).await?;
        transaction
            .commit()
            .await
            .map_err(|source| self.fault(&id.to_string(), "recording a job", source))?;
        Ok(id)
    }

    /// [`Store::create_job`] as part of a larger change. `lease_until` is for a job that one process proves by itself.
    pub(crate) async fn create_job_in(
        &self,
        transaction: &mut Transaction,
        id: JobId,
        job: &NewJob,
        allocations: &[AllocationId],
        lease_until: Option<Moment>,
        now: Moment,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&id.to_string(), "recording a job", source);
        query(
            "INSERT INTO proof_jobs (id, purpose, proof_source, proof_status, input_commitment, request, retry_of,
                                     attempts, lease_until, created_at, updated_at)
             VALUES ($1, $2, $3, 'queued', $4, $5, $6,
                     1 + coalesce((SELECT attempts FROM proof_jobs WHERE id = $6), 0), $7, $8, $8)",
        )
        .bind(id.to_string())
        .bind(job.purpose.word())
        .bind(job.source.word())
        .bind(&job.input_commitment)
        .bind(job.request.as_ref().map(Value::to_string))
        .bind(job.retry_of.map(|job| job.to_string()))
        .bind(lease_until.map(|until| until.to_string()))
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        for (position, allocation) in allocations.iter().enumerate() {
            query("INSERT INTO allocation_proofs (allocation_id, job_id, position) VALUES ($1, $2, $3)")
                .bind(allocation.to_string())
                .bind(id.to_string())
                .bind(position as i64)
                .execute(&mut *transaction)
                .await
                .map_err(fault)?;
        }
        Ok(())
    }

    /// Moves a job to another state that is not terminal, and renews its lease.
    ///
    /// # Errors
    /// [`Error::StateRule`] if there is no such step, as when somebody else concluded the job.
    pub async fn advance(&self, job: JobId, to: ProofStatus) -> Result<(), Error> {
        let now = Moment::now();
        let changed =
            query("UPDATE proof_jobs SET proof_status = $1, lease_until = $2, updated_at = $3 WHERE id = $4")
                .bind(to.word())
                .bind(now.after(LEASE).to_string())
                .bind(now.to_string())
                .bind(job.to_string())
                .execute(&self.pool)
                .await
                .map_err(|source| self.fault(&job.to_string(), "moving a job on", source))?;
        if changed.rows_affected() == 1 { Ok(()) } else { Err(Error::UnknownJob { given: job.to_string() }) }
    }

    /// Renews the lease of a job that is being worked on.
    ///
    /// # Errors
    /// [`Error::StateRule`] if the job is over.
    pub async fn renew(&self, job: JobId) -> Result<(), Error> {
        query("UPDATE proof_jobs SET lease_until = $1 WHERE id = $2")
            .bind(Moment::now().after(LEASE).to_string())
            .bind(job.to_string())
            .execute(&self.pool)
            .await
            .map(drop)
            .map_err(|source| self.fault(&job.to_string(), "renewing a lease", source))
    }

    /// Appends an event to a job's log.
    ///
    /// # Errors
    /// A database error.
    pub async fn note(&self, job: JobId, event: &str, detail: &Value) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        self.note_in(&mut transaction, job, event, detail).await?;
        transaction
            .commit()
            .await
            .map_err(|source| self.fault(&job.to_string(), "recording an event", source))
    }

    pub(crate) async fn note_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        event: &str,
        detail: &Value,
    ) -> Result<(), Error> {
        query("INSERT INTO job_events (job_id, at, event, detail) VALUES ($1, $2, $3, $4)")
            .bind(job.to_string())
            .bind(Moment::now().to_string())
            .bind(event)
            .bind(detail.to_string())
            .execute(&mut *transaction)
            .await
            .map(drop)
            .map_err(|source| self.fault(&job.to_string(), "recording an event", source))
    }

    /// Stores a proof that our verifier accepted and concludes its job: the file first, durably, then its manifest,
    /// then the rows, in one transaction.
    ///
    /// # Errors
    /// Of writing, of the state rules, or of the database; then the job is as it was, and what was written is an
    /// orphan at most.
    pub async fn conclude_verified(
        &self,
        job: JobId,
        verified: &VerifiedProof,
        proof: &[u8],
    ) -> Result<Artefact, Error> {
        let artefact = self.put_proof_alone(job, proof).await?;
        let mut transaction = self.write().await?;
        self.must_be_no_work(&mut transaction, job).await?;
        self.verified_in(&mut transaction, job, verified, artefact, Moment::now()).await?;
        transaction
            .commit()
            .await
            .map_err(|source| self.fault(&job.to_string(), "recording a proof", source))?;
        Ok(artefact)
    }

    /// The rows of a proof whose file is there.
    pub(crate) async fn verified_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        verified: &VerifiedProof,
        artefact: Artefact,
        now: Moment,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&job.to_string(), "recording a proof", source);
        let output: Vec<String> = verified.output.iter().map(Felt::to_string).collect();
        let stages: serde_json::Map<String, Value> =
            verified.stages.iter().map(|(name, milliseconds)| (name.clone(), json!(milliseconds))).collect();
        let latency: u64 = verified.stages.iter().map(|(_, milliseconds)| milliseconds).sum();
        query(
            "UPDATE proof_jobs
             SET proof_status = 'verified', program_hash = $1, output = $2, fact_hash = $3, stone_version = $4,
                 layout = $5, n_steps = $6, parameters = $7, security_bits = $8, proven_bits = $9, proof_hash = $10,
                 stone_trace_size = $11, stone_proof_size = $12, stone_latency_ms = $13, stage_times = $14,
                 lease_until = NULL, updated_at = $15
             WHERE id = $16",
        )
        .bind(PaddedFelt(verified.program_hash).to_string())
        .bind(json!(output).to_string())
        .bind(PaddedFelt(verified.fact_hash).to_string())
        .bind(verified.stone_version)
        .bind(&verified.layout)
        .bind(signed(verified.n_steps))
        .bind(verified.parameters.to_string())
        .bind(verified.security_bits)
        .bind(verified.proven_bits)
        .bind(artefact.sha256.to_string())
        .bind(signed(verified.trace_size))
        .bind(signed(artefact.size))
        .bind(signed(latency))
        .bind(Value::Object(stages).to_string())
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        query("INSERT INTO artefacts (job_id, kind, sha256, size, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(job.to_string())
            .bind(artefact.kind.word())
            .bind(artefact.sha256.to_string())
            .bind(signed(artefact.size))
            .bind(now.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        // A sweep that ran before would have taken the file for an orphan. None can run now.
        self.artefacts.must_be_there(artefact.sha256, artefact.size).await
    }

    /// Concludes a job as failed, with the error's code and text.
    ///
    /// # Errors
    /// [`Error::StateRule`] if the job is over, or of the queue: that is ended by whoever holds its lease.
    pub async fn fail(&self, job: JobId, code: Code, text: &str) -> Result<(), Error> {
        self.conclude(job, ProofStatus::Failed, Some((code, text))).await
    }

    /// Concludes a job as cancelled by a person.
    ///
    /// # Errors
    /// As [`Store::fail`].
    pub async fn cancel(&self, job: JobId) -> Result<(), Error> {
        self.conclude(job, ProofStatus::Cancelled, None).await
    }

    /// Asks whoever works on a job to stop; a job of the queue that nobody holds is cancelled at once. Asking twice is
    /// asking once.
    ///
    /// # Errors
    /// [`Error::StateRule`] if the job is over.
    pub async fn request_cancel(&self, job: JobId) -> Result<(), Error> {
        self.in_turn(|| self.request_cancel_once(job)).await
    }

    async fn request_cancel_once(&self, job: JobId) -> Result<(), Error> {
        let now = Moment::now();
        let fault = |source| self.fault(&job.to_string(), "asking to cancel a job", source);
        let mut transaction = self.write().await?;
        // The work first, as everywhere: nobody takes it or gives it back until this is recorded.
        let work: Option<String> = query_scalar("SELECT state FROM work_items WHERE job_id = $1")
            .bind(job.to_string())
            .locked()
            .fetch_optional(&mut transaction)
            .await
            .map_err(fault)?;
        query(
            "UPDATE proof_jobs SET cancel_requested_at = coalesce(cancel_requested_at, $1), updated_at = $1
             WHERE id = $2",
        )
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        if work.as_deref() == Some("waiting") {
            self.end_job_in(&mut transaction, job, "cancelled", None, now).await?;
        }
        reach("cancel written");
        transaction.commit().await.map_err(fault)?;
        reach("cancel committed");
        Ok(())
    }

    /// Whether somebody asked for a job to be stopped.
    ///
    /// # Errors
    /// A database error.
    pub async fn is_cancel_requested(&self, job: JobId) -> Result<bool, Error> {
        let requested: Option<bool> =
            query_scalar("SELECT cancel_requested_at IS NOT NULL FROM proof_jobs WHERE id = $1")
                .bind(job.to_string())
                .fetch_optional(&self.pool)
                .await
                .map_err(|source| self.fault(&job.to_string(), "reading a job", source))?;
        Ok(requested.unwrap_or(false))
    }

    /// The job that does this one over, if one was begun.
    ///
    /// # Errors
    /// A database error.
    pub async fn successor_of(&self, job: JobId) -> Result<Option<JobId>, Error> {
        let id: Option<String> = query_scalar("SELECT id FROM proof_jobs WHERE retry_of = $1")
            .bind(job.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(|source| self.fault(&job.to_string(), "finding a retry", source))?;
        Ok(id.as_deref().and_then(JobId::parse))
    }

    async fn conclude(
        &self,
        job: JobId,
        status: ProofStatus,
        error: Option<(Code, &str)>,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&job.to_string(), "concluding a job", source);
        let mut transaction = self.write().await?;
        self.must_be_no_work(&mut transaction, job).await?;
        query(
            "UPDATE proof_jobs
             SET proof_status = $1, error_code = $2, error_text = $3, lease_until = NULL, updated_at = $4
             WHERE id = $5",
        )
        .bind(status.word())
        .bind(error.map(|(code, _)| code.to_string()))
        .bind(error.map(|(_, text)| text))
        .bind(Moment::now().to_string())
        .bind(job.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)
    }

    /// A job that waits or is worked on in the queue is changed by whoever shows the token of its lease, and by nobody
    /// else: an attempt that was too slow may still be running.
    async fn must_be_no_work(&self, transaction: &mut Transaction, job: JobId) -> Result<(), Error> {
        let subject = job.to_string();
        let open: bool =
            query_scalar("SELECT EXISTS (SELECT 1 FROM work_items WHERE job_id = $1 AND state <> 'done')")
                .bind(&subject)
                .fetch_one(transaction)
                .await
                .map_err(|source| self.fault(&subject, "looking at the queue", source))?;
        match open {
            false => Ok(()),
            true => Err(Error::StateRule {
                subject,
                rule: "a job of the queue is ended by whoever holds its lease".to_owned(),
            }),
        }
    }

    /// Concludes every job whose worker let its lease run out before `now`: as cancelled if somebody had asked for that,
    /// as failed with [`ABANDONED`] otherwise.
    ///
    /// # Errors
    /// A database error.
    pub async fn conclude_abandoned(&self, now: Moment) -> Result<Vec<JobId>, Error> {
        let fault = |source| self.fault("abandoned jobs", "concluding abandoned jobs", source);
        let mut transaction = self.write().await?;
        let ids: Vec<String> = query_scalar(
            "UPDATE proof_jobs
             SET proof_status = CASE WHEN cancel_requested_at IS NULL THEN 'failed' ELSE 'cancelled' END,
                 error_code = CASE WHEN cancel_requested_at IS NULL THEN $1 END, lease_until = NULL, updated_at = $2,
                 error_text = 'the process that worked on it is gone (state ' || proof_status || ')'
             WHERE lease_until < $3 AND proof_status NOT IN ('verified', 'failed', 'timeout', 'cancelled')
             RETURNING id",
        )
        .bind(ABANDONED.to_string())
        .bind(now.to_string())
        .bind(now.to_string())
        .fetch_all(&mut transaction)
        .await
        .map_err(fault)?;
        transaction.commit().await.map_err(fault)?;
        Ok(ids.iter().filter_map(|id| JobId::parse(id)).collect())
    }

    /// The job with this id, or the only one whose id starts with it; the prefix `job_` may be left out.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::AmbiguousJob`].
    pub async fn find_job(&self, given: &str) -> Result<Job, Error> {
        let prefix = given.strip_prefix(JobId::PREFIX).unwrap_or(given).to_ascii_uppercase();
        let ids: Vec<String> =
            query_scalar("SELECT id FROM proof_jobs WHERE substr(id, 5, length($1)) = $1 ORDER BY id")
                .bind(&prefix)
                .fetch_all(&self.pool)
                .await
                .map_err(|source| self.fault(given, "finding a job", source))?;
        let unknown = || Error::UnknownJob { given: given.to_owned() };
        match ids.as_slice() {
            [] => Err(unknown()),
            [id] => self.job(JobId::parse(id).ok_or_else(unknown)?).await,
            [first, ..] => {
                Err(Error::AmbiguousJob { given: given.to_owned(), count: ids.len(), first: first.clone() })
            }
        }
    }

    /// The job with this id.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::UnreadableRecord`].
    pub async fn job(&self, id: JobId) -> Result<Job, Error> {
        let fault = |source| self.fault(&id.to_string(), "reading a job", source);
        let row = query("SELECT * FROM proof_jobs WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(fault)?
            .ok_or_else(|| Error::UnknownJob { given: id.to_string() })?;
        Job::from_row(&row).map_err(fault)
    }

    /// The youngest `limit` jobs, youngest first, of one status if one is given.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn jobs(&self, status: Option<ProofStatus>, limit: u32) -> Result<Vec<Job>, Error> {
        let fault = |source| self.fault("the jobs", "listing jobs", source);
        let rows =
            query("SELECT * FROM proof_jobs WHERE $1 IS NULL OR proof_status = $1 ORDER BY id DESC LIMIT $2")
                .bind(status.map(ProofStatus::word))
                .bind(limit)
                .fetch_all(&self.pool)
                .await
                .map_err(fault)?;
        rows.iter().map(|row| Job::from_row(row).map_err(fault)).collect()
    }

    /// How many of the last twenty verified jobs with this layout and length there are, and their mean milliseconds.
    ///
    /// # Errors
    /// A database error.
    pub async fn typical_latency(&self, layout: &str, n_steps: u64) -> Result<Option<(u32, u64)>, Error> {
        let fault = |source| self.fault("the jobs", "looking for similar jobs", source);
        let row = query(
            "SELECT count(*) AS runs, CAST(coalesce(avg(stone_latency_ms), 0) AS BIGINT) AS milliseconds FROM
             (SELECT stone_latency_ms FROM proof_jobs
              WHERE proof_status = 'verified' AND layout = $1 AND n_steps = $2 ORDER BY id DESC LIMIT 20) AS recent",
        )
        .bind(layout)
        .bind(signed(n_steps))
        .fetch_one(&self.pool)
        .await
        .map_err(fault)?;
        let runs: u32 = unsigned(&row, "runs").map_err(fault)?.unwrap_or(0);
        let milliseconds = unsigned(&row, "milliseconds").map_err(fault)?.unwrap_or(0);
        Ok((runs > 0).then_some((runs, milliseconds)))
    }

    /// What happened to a job after the event with id `after`, in order.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn events(&self, job: JobId, after: i64) -> Result<Vec<JobEvent>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading events", source);
        let rows = query("SELECT * FROM job_events WHERE job_id = $1 AND id > $2 ORDER BY id")
            .bind(job.to_string())
            .bind(after)
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| JobEvent::from_row(row).map_err(fault)).collect()
    }

    /// The artefacts of a job.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn artefacts_of(&self, job: JobId) -> Result<Vec<Artefact>, Error> {
        let fault = |source| self.fault(&job.to_string(), "reading artefacts", source);
        let rows = query("SELECT * FROM artefacts WHERE job_id = $1 ORDER BY kind")
            .bind(job.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
        rows.iter().map(|row| Artefact::from_row(row).map_err(fault)).collect()
    }
}
