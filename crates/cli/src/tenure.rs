//! By what right a process works on a job: it recorded the job itself and proves it alone, or it makes one attempt for a
//! worker that claimed it. What it may change, and who keeps the lease, follow from that.

use ashlar_stone::ProcessMemory;
use ashlar_store::{Artefact, Error, JobId, Lease, Moment, ProofStatus, Store, VerifiedProof};

/// The right to a job.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tenure {
    /// It recorded the job, renews its lease, and looks for requests to cancel.
    Alone(JobId),
    /// A worker claimed the job, renews the lease, and ends this process when it is to stop.
    Attempt(Lease),
}

impl Tenure {
    pub(crate) fn job(&self) -> JobId {
        match self {
            Tenure::Alone(job) => *job,
            Tenure::Attempt(lease) => lease.job,
        }
    }

    /// Moves the job on.
    pub(crate) async fn advance(&self, store: &Store, to: ProofStatus) -> Result<(), Error> {
        match self {
            Tenure::Alone(job) => store.advance(*job, to).await,
            Tenure::Attempt(lease) => store.advance_held(lease, to, Moment::now()).await,
        }
    }

    /// Says that this process is alive.
    pub(crate) async fn renew(&self, store: &Store) -> Result<(), Error> {
        match self {
            Tenure::Alone(job) => store.renew(*job).await,
            Tenure::Attempt(_) => Ok(()),
        }
    }

    /// Whether somebody asked for the job to be stopped, and nobody else looks.
    pub(crate) async fn is_unwanted(&self, store: &Store) -> Result<bool, Error> {
        match self {
            Tenure::Alone(job) => store.is_cancel_requested(*job).await,
            Tenure::Attempt(_) => Ok(false),
        }
    }

    /// Ends the job with a proof that our verifier accepted.
    pub(crate) async fn conclude_verified(
        &self,
        store: &Store,
        verified: &VerifiedProof,
        proof: &[u8],
    ) -> Result<Artefact, Error> {
        match self {
            Tenure::Alone(job) => store.conclude_verified(*job, verified, proof).await,
            Tenure::Attempt(lease) => {
                store
                    .conclude_held(
                        lease,
                        verified,
                        proof,
                        ProcessMemory::own().map(|memory| memory.peak),
                        Moment::now(),
                    )
                    .await
            }
        }
    }
}
