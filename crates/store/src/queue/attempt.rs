//! What the holder of a lease may change. Every statement carries the token, so that a holder that was too slow, frozen
//! and thawed perhaps, changes nothing any more.

use std::time::Duration;

use ashlar_fault::Code;
use serde_json::Value;

use super::{Destination, Lease};
use crate::{
    Artefact, Error, FailureKind, JobId, Moment, ProofSource, ProofStatus, Store, VerifiedProof,
    fail_point::reach,
    rows::signed,
    sql::{Transaction, query, query_scalar},
};

/// What a holder learns when it renews its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// It holds the job, and is to go on.
    GoOn,
    /// It holds the job, and somebody asked for it to be stopped.
    Stop,
    /// It does not hold the job any more.
    Lost,
}

/// How an attempt ended that did not end with a proof.
#[derive(Clone, Debug)]
pub enum AttemptEnd<'a> {
    /// It failed.
    Failed {
        /// Whose fault it was.
        kind: FailureKind,
        /// The error's code.
        code: Code,
        /// The error's text, with the last words of the process.
        text: &'a str,
        /// What is to become of the job.
        next: Next,
    },
    /// It was stopped because somebody asked for that: the job is cancelled.
    Cancelled,
    /// The worker gives the job back untouched, because it is to stop. The attempt does not count.
    Released,
}

/// What becomes of a job whose attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Another attempt by the same backend, if one is left.
    Again {
        /// Not before this much time has passed.
        after: Duration,
        /// What it turned out to need at its peak, in bytes, if that is known better now.
        memory_bytes: Option<u64>,
    },
    /// Another attempt, by another backend, if one is left.
    Elsewhere(Destination),
    /// None: the job has failed.
    Bury,
    /// None: the job's time is over.
    TimeOut,
}

impl Store {
    /// Renews a lease until `until`, with what there is to say about how far the work is.
    ///
    /// # Errors
    /// A database error. That the lease is lost is an answer.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        now: Moment,
        until: Moment,
        progress: Option<&Value>,
        peak_memory_bytes: Option<u64>,
    ) -> Result<Renewed, Error> {
        self.in_turn(|| self.renew_once(lease, now, until, progress, peak_memory_bytes)).await
    }

    async fn renew_once(
        &self,
        lease: &Lease,
        now: Moment,
        until: Moment,
        progress: Option<&Value>,
        peak_memory_bytes: Option<u64>,
    ) -> Result<Renewed, Error> {
        let fault = |source| self.fault(&lease.job.to_string(), "renewing a lease", source);
        let mut transaction = self.write().await?;
        let renewed = query(
            "UPDATE work_items SET lease_until = $1
             WHERE job_id = $2 AND state = 'claimed' AND lease_token = $3",
        )
        .bind(until.to_string())
        .bind(lease.job.to_string())
        .bind(lease.token.to_string())
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        if renewed.rows_affected() == 0 {
            return Ok(Renewed::Lost);
        }
        query(
            "UPDATE attempts SET renewed_at = $1, progress = coalesce($2, progress),
                    peak_memory_bytes = CASE WHEN $3 > coalesce(peak_memory_bytes, 0) THEN $3
                                             ELSE coalesce(peak_memory_bytes, 0) END
             WHERE job_id = $4 AND n = $5 AND outcome IS NULL",
        )
        .bind(now.to_string())
        .bind(progress.map(Value::to_string))
        .bind(peak_memory_bytes.map(signed))
        .bind(lease.job.to_string())
        .bind(lease.n)
        .execute(&mut transaction)
        .await
        .map_err(fault)?;
        let unwanted: bool =
            query_scalar("SELECT cancel_requested_at IS NOT NULL FROM proof_jobs WHERE id = $1")
                .bind(lease.job.to_string())
                .fetch_one(&mut transaction)
                .await
                .map_err(fault)?;
        reach("renewal written");
        transaction.commit().await.map_err(fault)?;
        reach("renewal committed");
        Ok(if unwanted { Renewed::Stop } else { Renewed::GoOn })
    }

    /// What [`Store::renew_lease`] would answer, without renewing.
    ///
    /// # Errors
    /// A database error. That the lease is lost is an answer.
    pub async fn look_at_lease(&self, lease: &Lease) -> Result<Renewed, Error> {
        let unwanted: Option<bool> = query_scalar(
            "SELECT cancel_requested_at IS NOT NULL FROM work_items JOIN proof_jobs ON id = job_id
             WHERE job_id = $1 AND state = 'claimed' AND lease_token = $2",
        )
        .bind(lease.job.to_string())
        .bind(lease.token.to_string())
        .fetch_optional(&self.pool)
        .await
        .map_err(|source| self.fault(&lease.job.to_string(), "looking at a lease", source))?;
        Ok(match unwanted {
            None => Renewed::Lost,
            Some(true) => Renewed::Stop,
            Some(false) => Renewed::GoOn,
        })
    }

    /// Moves a held job to another state that is not terminal.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds it; [`Error::StateRule`] if there is no such step.
    pub async fn advance_held(&self, lease: &Lease, to: ProofStatus, now: Moment) -> Result<(), Error> {
        self.in_turn(|| self.advance_held_once(lease, to, now)).await
    }

    async fn advance_held_once(&self, lease: &Lease, to: ProofStatus, now: Moment) -> Result<(), Error> {
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        query("UPDATE proof_jobs SET proof_status = $1, updated_at = $2 WHERE id = $3")
            .bind(to.word())
            .bind(now.to_string())
            .bind(lease.job.to_string())
            .execute(&mut transaction)
            .await
            .map_err(|source| self.fault(&lease.job.to_string(), "moving a job on", source))?;
        reach("step written");
        self.commit_held(transaction, lease).await?;
        reach("step committed");
        Ok(())
    }

    /// Stores the proof that a holder made and our verifier accepted, and ends job, attempt and work with it.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; otherwise as [`Store::conclude_verified`].
    pub async fn conclude_held(
        &self,
        lease: &Lease,
        verified: &VerifiedProof,
        proof: &[u8],
        peak_memory_bytes: Option<u64>,
        now: Moment,
    ) -> Result<Artefact, Error> {
        let artefact = self.put_proof(lease.job, proof).await?;
        reach("proof stored");
        self.in_turn(|| self.conclude_held_once(lease, verified, artefact, peak_memory_bytes, now)).await
    }

    async fn conclude_held_once(
        &self,
        lease: &Lease,
        verified: &VerifiedProof,
        artefact: Artefact,
        peak_memory_bytes: Option<u64>,
        now: Moment,
    ) -> Result<Artefact, Error> {
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        self.end_attempt_in(&mut transaction, lease, "verified", None, peak_memory_bytes, now).await?;
        self.verified_in(&mut transaction, lease.job, verified, artefact, now).await?;
        reach("proof written");
        self.note_gate_visit_in(&mut transaction, lease.job, now).await?;
        self.commit_held(transaction, lease).await?;
        reach("proof committed");
        Ok(artefact)
    }

    /// Ends an attempt without a proof, and says what becomes of its job; the job's status then.
    ///
    /// # Errors
    /// [`Error::LostLease`] if somebody else holds the job; a database error.
    pub async fn end_attempt(
        &self,
        lease: &Lease,
        end: &AttemptEnd<'_>,
        peak_memory_bytes: Option<u64>,
        now: Moment,
    ) -> Result<ProofStatus, Error> {
        self.in_turn(|| self.end_attempt_once(lease, end, peak_memory_bytes, now)).await
    }

    async fn end_attempt_once(
        &self,
        lease: &Lease,
        end: &AttemptEnd<'_>,
        peak_memory_bytes: Option<u64>,
        now: Moment,
    ) -> Result<ProofStatus, Error> {
        let fault = |source| self.fault(&lease.job.to_string(), "ending an attempt", source);
        let mut transaction = self.write().await?;
        self.must_hold(&mut transaction, lease).await?;
        let job = lease.job;
        let (outcome, error) = match end {
            AttemptEnd::Failed { kind, code, text, .. } => ("failed", Some((*kind, *code, *text))),
            AttemptEnd::Cancelled => ("cancelled", None),
            AttemptEnd::Released => ("released", None),
        };
        self.end_attempt_in(&mut transaction, lease, outcome, error, peak_memory_bytes, now).await?;
        let exhausted: bool = query_scalar("SELECT spent >= budget FROM work_items WHERE job_id = $1")
            .bind(job.to_string())
            .fetch_one(&mut transaction)
            .await
            .map_err(fault)?;
        let unwanted: bool =
            query_scalar("SELECT cancel_requested_at IS NOT NULL FROM proof_jobs WHERE id = $1")
                .bind(job.to_string())
                .fetch_one(&mut transaction)
                .await
                .map_err(fault)?;
        let status = match end {
            AttemptEnd::Cancelled => {
                self.end_job_in(&mut transaction, job, "cancelled", None, now).await?;
                ProofStatus::Cancelled
            }
            // What somebody wants to be stopped never waits again.
            AttemptEnd::Released
            | AttemptEnd::Failed { next: Next::Again { .. } | Next::Elsewhere(_), .. }
                if unwanted =>
            {
                self.end_job_in(&mut transaction, job, "cancelled", None, now).await?;
                ProofStatus::Cancelled
            }
            AttemptEnd::Released => {
                self.requeue_in(&mut transaction, job, now, true, now).await?;
                ProofStatus::Queued
            }
            AttemptEnd::Failed { code, text, next, .. } => match *next {
                Next::TimeOut => {
                    self.end_job_in(&mut transaction, job, "timeout", Some((*code, text)), now).await?;
                    ProofStatus::Timeout
                }
                Next::Again { after, memory_bytes } if !exhausted => {
                    self.requeue_in(&mut transaction, job, now.after(after), false, now).await?;
                    if let Some(bytes) = memory_bytes {
                        query("UPDATE work_items SET memory_bytes = $1 WHERE job_id = $2")
                            .bind(signed(bytes))
                            .bind(job.to_string())
                            .execute(&mut transaction)
                            .await
                            .map_err(fault)?;
                    }
                    ProofStatus::Queued
                }
                Next::Elsewhere(to) if !exhausted => {
                    self.requeue_in(&mut transaction, job, now, false, now).await?;
                    self.move_in(&mut transaction, job, &to, now).await?;
                    if to.micro_usd > 0 {
                        let n = lease.n.saturating_add(1);
                        self.commit_spending_in(&mut transaction, job, n, to.backend, to.micro_usd, now)
                            .await?;
                    }
                    ProofStatus::Queued
                }
                Next::Again { .. } | Next::Elsewhere(_) | Next::Bury => {
                    self.end_job_in(&mut transaction, job, "failed", Some((*code, text)), now).await?;
                    ProofStatus::Failed
                }
            },
        };
        reach("end written");
        self.commit_held(transaction, lease).await?;
        reach("end committed");
        Ok(status)
    }

    /// Whether a lease still holds, and goes on holding until the change is over.
    pub(super) async fn must_hold(&self, transaction: &mut Transaction, lease: &Lease) -> Result<(), Error> {
        let holds: Option<String> = query_scalar(
            "SELECT job_id FROM work_items WHERE job_id = $1 AND state = 'claimed' AND lease_token = $2",
        )
        .bind(lease.job.to_string())
        .bind(lease.token.to_string())
        .locked()
        .fetch_optional(&mut *transaction)
        .await
        .map_err(|source| self.fault(&lease.job.to_string(), "looking at a lease", source))?;
        if holds.is_some() {
            Ok(())
        } else {
            Err(Error::LostLease { job: lease.job.to_string(), n: lease.n })
        }
    }

    async fn commit_held(&self, transaction: Transaction, lease: &Lease) -> Result<(), Error> {
        transaction
            .commit()
            .await
            .map_err(|source| self.fault(&lease.job.to_string(), "recording an attempt", source))
    }

    async fn end_attempt_in(
        &self,
        transaction: &mut Transaction,
        lease: &Lease,
        outcome: &str,
        error: Option<(FailureKind, Code, &str)>,
        peak_memory_bytes: Option<u64>,
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "UPDATE attempts
             SET outcome = $1, finished_at = $2, failure_kind = $3, error_code = $4, error_text = $5,
                 peak_memory_bytes = CASE WHEN $6 > coalesce(peak_memory_bytes, 0) THEN $6
                                          ELSE coalesce(peak_memory_bytes, 0) END
             WHERE job_id = $7 AND n = $8 AND outcome IS NULL",
        )
        .bind(outcome)
        .bind(now.to_string())
        .bind(error.map(|(kind, ..)| kind.word()))
        .bind(error.map(|(_, code, _)| code.to_string()))
        .bind(error.map(|(.., text)| text))
        .bind(peak_memory_bytes.map(signed))
        .bind(lease.job.to_string())
        .bind(lease.n)
        .execute(&mut *transaction)
        .await
        .map(drop)
        .map_err(|source| self.fault(&lease.job.to_string(), "ending an attempt", source))
    }

    /// Ends a job without a proof; a trigger ends its work and an open attempt.
    pub(crate) async fn end_job_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        status: &str,
        error: Option<(Code, &str)>,
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "UPDATE proof_jobs SET proof_status = $1, error_code = $2, error_text = $3, updated_at = $4 WHERE id = $5",
        )
        .bind(status)
        .bind(error.map(|(code, _)| code.to_string()))
        .bind(error.map(|(_, text)| text))
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(|source| self.fault(&job.to_string(), "concluding a job", source))?;
        self.release_spending_in(transaction, job, now).await
    }

    /// Lets the work of a job wait again; `uncounted` gives its attempt back.
    pub(super) async fn requeue_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        not_before: Moment,
        uncounted: bool,
        now: Moment,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&job.to_string(), "returning work to the queue", source);
        query(
            "UPDATE work_items
             SET state = 'waiting', lease_token = NULL, lease_until = NULL, not_before = $1, spent = spent - $2,
                 updated_at = $3
             WHERE job_id = $4",
        )
        .bind(not_before.to_string())
        .bind(u8::from(uncounted))
        .bind(now.to_string())
        .bind(job.to_string())
        .execute(&mut *transaction)
        .await
        .map_err(fault)?;
        query("UPDATE proof_jobs SET proof_status = 'queued', updated_at = $1 WHERE id = $2")
            .bind(now.to_string())
            .bind(job.to_string())
            .execute(&mut *transaction)
            .await
            .map(drop)
            .map_err(fault)
    }

    /// Gives work that waits to another backend.
    pub(super) async fn move_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        to: &Destination,
        now: Moment,
    ) -> Result<(), Error> {
        let fault = |source| self.fault(&job.to_string(), "moving work to another backend", source);
        self.release_spending_in(transaction, job, now).await?;
        query("UPDATE work_items SET lane = $1, memory_bytes = $2, attempt_ms = $3 WHERE job_id = $4")
            .bind(to.lane.word())
            .bind(signed(to.memory_bytes))
            .bind(i64::try_from(to.attempt_time.as_millis()).unwrap_or(i64::MAX).max(1))
            .bind(job.to_string())
            .execute(&mut *transaction)
            .await
            .map_err(fault)?;
        query("UPDATE proof_jobs SET proof_source = $1, updated_at = $2 WHERE id = $3")
            .bind(to.backend.word())
            .bind(now.to_string())
            .bind(job.to_string())
            .execute(&mut *transaction)
            .await
            .map(drop)
            .map_err(fault)
    }

    /// Records what an attempt commits to spend, on top of what it has committed.
    pub(super) async fn commit_spending_in(
        &self,
        transaction: &mut Transaction,
        job: JobId,
        n: u32,
        backend: ProofSource,
        micro_usd: u64,
        now: Moment,
    ) -> Result<(), Error> {
        query(
            "INSERT INTO commitments (job_id, n, backend, micro_usd, committed_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (job_id, n) DO UPDATE SET micro_usd = commitments.micro_usd + excluded.micro_usd",
        )
        .bind(job.to_string())
        .bind(n)
        .bind(backend.word())
        .bind(signed(micro_usd))
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await
        .map(drop)
        .map_err(|source| self.fault(&job.to_string(), "recording what a job may cost", source))
    }
}
