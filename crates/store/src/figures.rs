//! What was made, by whom, and how fast: the figures of an overview.

use crate::{
    AllocationStatus, Error, ProofSource, ProofStatus, Store,
    rows::{unsigned, word},
    sql::query,
};

/// Latencies are those of the last this many verified jobs of a source.
const RECENT: u32 = 500;

/// How fast one source proved lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Who proved.
    pub source: ProofSource,
    /// Milliseconds from the first stage to the last, ascending.
    pub milliseconds: Vec<u64>,
}

impl Latency {
    /// The value that this share of the runs, in per cent, does not exceed; `None` without runs.
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let count = self.milliseconds.len();
        // The smallest rank that covers the share.
        let rank = (count * percent.min(100)).div_ceil(100).max(1);
        self.milliseconds.get(rank - 1).copied()
    }
}

/// The figures of all records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Allocations by status.
    pub allocations: Vec<(AllocationStatus, u64)>,
    /// Allocations with a proof that our verifier accepted.
    pub proven_allocations: u64,
    /// Allocations that nothing will bring through the gate: rejected by the rules, refused for good, or without a proof and
    /// without a job that may still make one.
    pub blocked_allocations: u64,
    /// Jobs by source and status.
    pub jobs: Vec<(ProofSource, ProofStatus, u64)>,
    /// How fast each source proved lately.
    pub latencies: Vec<Latency>,
}

impl Figures {
    /// How many allocations there are.
    pub fn all_allocations(&self) -> u64 {
        self.allocations.iter().map(|(_, count)| count).sum()
    }

    /// How many allocations have this status.
    pub fn allocations_that_are(&self, status: AllocationStatus) -> u64 {
        self.allocations.iter().filter(|(own, _)| *own == status).map(|(_, count)| count).sum()
    }

    /// How many jobs have this status.
    pub fn jobs_that_are(&self, status: ProofStatus) -> u64 {
        self.jobs.iter().filter(|(_, own, _)| *own == status).map(|(.., count)| count).sum()
    }
}

impl Store {
    /// The figures of all records, as of now.
    ///
    /// # Errors
    /// [`Error::UnreadableRecord`] or a database error.
    pub async fn figures(&self) -> Result<Figures, Error> {
        let fault = |source| self.fault("the figures", "counting records", source);
        let mut figures = Figures::default();
        for row in query("SELECT status, count(*) AS count FROM allocations GROUP BY status")
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?
        {
            let status = word(&row, "status", AllocationStatus::parse).map_err(fault)?;
            figures.allocations.push((status, unsigned(&row, "count").map_err(fault)?.unwrap_or(0)));
        }
        figures.proven_allocations = {
            let row = query(
                "SELECT count(DISTINCT allocation_id) AS count FROM allocation_proofs
                 JOIN proof_jobs ON id = job_id WHERE proof_status = 'verified'",
            )
            .fetch_one(&self.pool)
            .await
            .map_err(fault)?;
            unsigned(&row, "count").map_err(fault)?.unwrap_or(0)
        };
        figures.blocked_allocations = {
            let row = query(
                "SELECT count(*) AS count FROM allocations
                 WHERE status IN ('rejected', 'failed')
                       OR (status IN ('proposed', 'admitted')
                           AND (verdict <> 0
                                OR NOT EXISTS (SELECT 1 FROM allocation_proofs JOIN proof_jobs ON proof_jobs.id = job_id
                                               WHERE allocation_id = allocations.id
                                                     AND proof_status NOT IN ('failed', 'timeout', 'cancelled'))))",
            )
            .fetch_one(&self.pool)
            .await
            .map_err(fault)?;
            unsigned(&row, "count").map_err(fault)?.unwrap_or(0)
        };
        for row in query(
            "SELECT proof_source, proof_status, count(*) AS count FROM proof_jobs GROUP BY proof_source, proof_status",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(fault)?
        {
            figures.jobs.push((
                word(&row, "proof_source", ProofSource::parse).map_err(fault)?,
                word(&row, "proof_status", ProofStatus::parse).map_err(fault)?,
                unsigned(&row, "count").map_err(fault)?.unwrap_or(0),
            ));
        }
        for source in ProofSource::ALL {
            let rows = query(
                "SELECT stone_latency_ms FROM proof_jobs
                 WHERE proof_status = 'verified' AND proof_source = $1 AND stone_latency_ms IS NOT NULL
                 ORDER BY id DESC LIMIT $2",
            )
            .bind(source.word())
            .bind(RECENT)
            .fetch_all(&self.pool)
            .await
            .map_err(fault)?;
            let mut milliseconds = rows
                .iter()
                .map(|row| {
                    row.try_get::<i64>("stone_latency_ms").map(|value| u64::try_from(value).unwrap_or(0))
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(fault)?;
            milliseconds.sort_unstable();
            if !milliseconds.is_empty() {
                figures.latencies.push(Latency { source: *source, milliseconds });
            }
        }
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_smallest_value_that_covers_the_share() {
        let latency = Latency { source: ProofSource::StoneLocal, milliseconds: (1..=10).collect() };
        assert_eq!(latency.percentile(50), Some(5));
        assert_eq!(latency.percentile(95), Some(10));
        assert_eq!(latency.percentile(0), Some(1));
        assert_eq!(Latency { milliseconds: Vec::new(), ..latency }.percentile(50), None);
    }
}
