//! What the engine and its workers trust a queue with: deliver at least once, to one holder at a time, roughly in the
//! order of priority; and never believe a holder without its token.
//!
//! The queue is part of the records, because a job without work, or work without a job, must not exist. [`Store`]
//! implements it over SQLite and PostgreSQL, and the tests hold both against the same model.

use std::future::Future;

use ashlar_fault::Code;
use ashlar_store::{
    AttemptEnd, Claimant, Claimed, Error, Expired, JobId, Lease, Moment, NewSubmission, Pauses, ProofStatus,
    QueueDepth, Renewed, Store, Submitted,
};
use serde_json::Value;

/// A queue of jobs that are also records.
pub trait JobEngine: Clone + Send + Sync + 'static {
    /// Records a job with its work, unless `limit` jobs wait already or its key is known.
    fn enqueue(
        &self,
        new: &NewSubmission,
        limit: u64,
        now: Moment,
    ) -> impl Future<Output = Result<Submitted, Error>> + Send;

    /// Gives the first job that fits to a claimant, for as long as its lease holds. The attempt counts from here on.
    fn claim(
        &self,
        by: &Claimant<'_>,
        now: Moment,
    ) -> impl Future<Output = Result<Option<Claimed>, Error>> + Send;

    /// Renews a lease, and says whether the holder is to go on.
    fn extend(
        &self,
        lease: &Lease,
        now: Moment,
        until: Moment,
        progress: Option<&Value>,
        peak_bytes: Option<u64>,
    ) -> impl Future<Output = Result<Renewed, Error>> + Send;

    /// Says whether the holder is to go on.
    fn look(&self, lease: &Lease) -> impl Future<Output = Result<Renewed, Error>> + Send;

    /// Ends an attempt that made no proof: the job waits again, or is over.
    fn end(
        &self,
        lease: &Lease,
        end: &AttemptEnd<'_>,
        peak_bytes: Option<u64>,
        now: Moment,
    ) -> impl Future<Output = Result<ProofStatus, Error>> + Send;

    /// Takes back what vanished holders held, and ends what is too late.
    fn expire(
        &self,
        now: Moment,
        code: Code,
        pauses: Pauses,
    ) -> impl Future<Output = Result<Vec<Expired>, Error>> + Send;

    /// Asks for a job to be stopped; one that nobody holds is over at once.
    fn ask_to_stop(&self, job: JobId) -> impl Future<Output = Result<(), Error>> + Send;

    /// How much waits.
    fn depth(&self, now: Moment) -> impl Future<Output = Result<QueueDepth, Error>> + Send;
}

impl JobEngine for Store {
    async fn enqueue(&self, new: &NewSubmission, limit: u64, now: Moment) -> Result<Submitted, Error> {
        self.submit(new, limit, now).await
    }

    async fn claim(&self, by: &Claimant<'_>, now: Moment) -> Result<Option<Claimed>, Error> {
        self.claim_work(by, now).await
    }

    async fn extend(
        &self,
        lease: &Lease,
        now: Moment,
        until: Moment,
        progress: Option<&Value>,
        peak_bytes: Option<u64>,
    ) -> Result<Renewed, Error> {
        self.renew_lease(lease, now, until, progress, peak_bytes).await
    }

    async fn look(&self, lease: &Lease) -> Result<Renewed, Error> {
        self.look_at_lease(lease).await
    }

    async fn end(
        &self,
        lease: &Lease,
        end: &AttemptEnd<'_>,
        peak_bytes: Option<u64>,
        now: Moment,
    ) -> Result<ProofStatus, Error> {
        self.end_attempt(lease, end, peak_bytes, now).await
    }

    async fn expire(&self, now: Moment, code: Code, pauses: Pauses) -> Result<Vec<Expired>, Error> {
        self.expire_leases(now, code, pauses).await
    }

    async fn ask_to_stop(&self, job: JobId) -> Result<(), Error> {
        self.request_cancel(job).await
    }

    async fn depth(&self, now: Moment) -> Result<QueueDepth, Error> {
        self.queue_depth(now).await
    }
}
