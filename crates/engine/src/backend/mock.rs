//! A backend for trying things out: it does everything but prove.

use ashlar_store::{Lane, ProofSource};

use super::{Backend, Order, Unable};
use crate::{AttemptError, Ended, Forecast, Reins, RunSize, Submission};

/// What everything that comes from the mock is marked with.
pub(crate) const MARK: &str = "MOCK — PROVES NOTHING";

/// Takes every request and proves none: its jobs end as failed, marked `MOCK — PROVES NOTHING`, because no job is verified
/// without a proof.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mock;

impl Backend for Mock {
    fn source(&self) -> ProofSource {
        ProofSource::Mock
    }

    fn forecast(&self, _: &Submission, _: &RunSize) -> Result<Forecast, Unable> {
        Ok(Forecast { memory_bytes: 0, cpu_seconds: 0.0, seconds: 0.0, proof_bytes: 0, micro_usd: 0 })
    }

    fn lane(&self, _: &Forecast) -> Lane {
        Lane::ProveSmall
    }

    fn make(&self, _: &Order, _: &Reins) -> Ended {
        Ended::by(&AttemptError::Mock { mark: MARK })
    }
}
