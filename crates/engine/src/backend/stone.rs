//! Proofs made on this machine: by this program, or by another one with Stone's flags and files.

use std::path::PathBuf;

use ashlar_store::{Lane, ProofSource};

use super::{Backend, Order, Unable, in_child};
use crate::{Ended, Forecast, Forecaster, Reins, RunSize, Submission};

/// The prover of this workspace, in a child process of this program.
#[derive(Clone, Debug)]
pub struct StoneLocal {
    /// How fast this machine is.
    pub forecaster: Forecaster,
    /// The memory that the largest worker may use, in bytes.
    pub most_bytes: u64,
}

impl Backend for StoneLocal {
    fn source(&self) -> ProofSource {
        ProofSource::StoneLocal
    }

    fn forecast(&self, submission: &Submission, size: &RunSize) -> Result<Forecast, Unable> {
        let forecast = here(submission, size, &self.forecaster)?;
        let (needs_bytes, most_bytes) = (forecast.memory_bytes, self.most_bytes);
        if needs_bytes > most_bytes {
            Err(Unable::TooLarge { needs_bytes, most_bytes })
        } else {
            Ok(forecast)
        }
    }

    fn lane(&self, forecast: &Forecast) -> Lane {
        Lane::of_memory(forecast.memory_bytes)
    }

    fn make(&self, order: &Order, reins: &Reins) -> Ended {
        in_child(order, order.memory_bytes, reins)
    }
}

/// Another program, such as the C++ `cpu_air_prover`, as a child of the child process.
#[derive(Clone, Debug)]
pub struct StoneExternal {
    /// The program; `None` if there is none here.
    pub program: Option<PathBuf>,
    /// How fast this machine is.
    pub forecaster: Forecaster,
    /// The memory that the largest worker may use, in bytes.
    pub most_bytes: u64,
}

impl Backend for StoneExternal {
    fn source(&self) -> ProofSource {
        ProofSource::StoneExternal
    }

    fn forecast(&self, submission: &Submission, size: &RunSize) -> Result<Forecast, Unable> {
        // Assumed, not measured here: by the figures that come with the reference proofs, made on another machine, the
        // C++ prover takes two to three times our seconds and about our memory; memory is set aside generously.
        const TIMES: u64 = 3;
        if self.program.is_none() {
            let missing = "no external prover is set up: STONE_BINARY_PATH names one".to_owned();
            return Err(Unable::NotConfigured { missing });
        }
        let ours = here(submission, size, &self.forecaster)?;
        let forecast = Forecast {
            memory_bytes: ours.memory_bytes.saturating_mul(TIMES),
            cpu_seconds: ours.cpu_seconds * TIMES as f64,
            seconds: ours.seconds * TIMES as f64,
            ..ours
        };
        let (needs_bytes, most_bytes) = (forecast.memory_bytes, self.most_bytes);
        if needs_bytes > most_bytes {
            Err(Unable::TooLarge { needs_bytes, most_bytes })
        } else {
            Ok(forecast)
        }
    }

    fn lane(&self, _: &Forecast) -> Lane {
        Lane::ProveExternal
    }

    fn make(&self, order: &Order, reins: &Reins) -> Ended {
        // The other program is not this process's to limit: it is a child of the child, with needs of its own.
        in_child(order, 0, reins)
    }
}

fn here(submission: &Submission, size: &RunSize, forecaster: &Forecaster) -> Result<Forecast, Unable> {
    forecaster.forecast(size, &submission.requirements).map_err(|reason| Unable::Unsuited { reason })
}
