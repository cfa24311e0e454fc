//! Herodotus' managed prover: the run is made here, in a process of its own, which then asks, waits, fetches and verifies.

use std::time::Duration;

use ashlar_atlantic::{Goal, JobSize, Network, PriceTable, SharpProver, declared_size};
use ashlar_field::Felt;
use ashlar_store::{Lane, ProofSource};

use super::{Backend, Order, Unable, in_child};
use crate::{Ended, Forecast, Reins, RunSize, Submission, Task};

/// Started minutes of a trace that are reckoned with: recorded ones took 41 to 96 seconds.
const TRACE_MINUTES: u64 = 2;

/// What the process of an attempt may use, in bytes: the longest run that is allowed, and the largest proof file, read.
/// Nothing is set aside for it, because it waits for hours in a hundredth of that.
const MOST_BYTES: u64 = 4 << 30;

/// How much longer an attempt may take than the query that it waits for: the run before it, the verification after it.
const MARGIN: Duration = Duration::from_secs(600);

/// On which terms the service is asked.
#[derive(Clone, Debug)]
pub struct AtlanticTerms {
    /// The network that prices depend on, and that the service is told.
    pub network: Option<Network>,
    /// What it costs.
    pub prices: PriceTable,
    /// How long one query may take.
    pub deadline: Duration,
    /// Queries that one worker waits for at once.
    pub at_once: usize,
    /// The prover to ask for; the service's own choice if none is named.
    pub prover: Option<SharpProver>,
    /// Bootloaders that an operator has accepted, as their program hashes: a proof of the run inside one of them counts.
    pub bootloaders: Vec<Felt>,
}

impl AtlanticTerms {
    /// At most two hours a query, eight queries at once, at the recorded prices, and no bootloader.
    ///
    /// # Errors
    /// [`ashlar_atlantic::Error::Prices`], in no release.
    pub fn usual() -> Result<AtlanticTerms, ashlar_atlantic::Error> {
        Ok(AtlanticTerms {
            network: None,
            prices: PriceTable::recorded()?,
            deadline: Duration::from_secs(2 * 60 * 60),
            at_once: 8,
            prover: None,
            bootloaders: Vec::new(),
        })
    }

    /// What a proof of a declared size costs, in millionths of a US dollar; `None` if nobody knows.
    pub fn micro_usd(&self, size: &JobSize) -> Option<u64> {
        let goal = Goal::ProofGeneration;
        let estimate = self.prices.estimate(size, TRACE_MINUTES, &goal, self.network.as_ref())?;
        self.prices.micro_dollars(estimate.amount)
    }
}

/// The managed service.
#[derive(Clone, Debug)]
pub struct Atlantic {
    /// On which terms; `None` if it is not set up here.
    pub terms: Option<AtlanticTerms>,
}

impl Backend for Atlantic {
    fn source(&self) -> ProofSource {
        ProofSource::Atlantic
    }

    fn forecast(&self, submission: &Submission, size: &RunSize) -> Result<Forecast, Unable> {
        if matches!(submission.task, Task::FinishedRun(_)) {
            // What it states could not be computed here but by running it, which is all that is left to do.
            let reason = "a finished run is proven here, inside the bootloader of this house".to_owned();
            return Err(Unable::Unsuited { reason });
        }
        let Some(terms) = &self.terms else {
            let missing = "no managed service is set up: section atlantic of ashlar.toml".to_owned();
            return Err(Unable::NotConfigured { missing });
        };
        let declared = declared_size(size.n_steps, &[]);
        let Some(micro_usd) = terms.micro_usd(&declared) else {
            let reason = format!("nobody knows what a job of size {declared} costs");
            return Err(Unable::Unsuited { reason });
        };
        // The only published run that ended with a proof file took 83 s, as S; larger ones are assumed.
        let seconds = match declared {
            JobSize::Xs | JobSize::S => 90.0,
            JobSize::M => 600.0,
            JobSize::L | JobSize::Unknown(_) => 3600.0,
        };
        Ok(Forecast { memory_bytes: 0, cpu_seconds: 0.0, seconds, proof_bytes: 0, micro_usd })
    }

    fn lane(&self, _: &Forecast) -> Lane {
        Lane::RemoteAtlantic
    }

    fn attempt_time(&self, usual: Duration) -> Duration {
        self.terms.as_ref().map_or(usual, |terms| terms.deadline.saturating_add(MARGIN))
    }

    fn make(&self, order: &Order, reins: &Reins) -> Ended {
        in_child(order, MOST_BYTES, reins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Circumstances, ProgramTask, Requirements};

    fn forecast(terms: Option<AtlanticTerms>, steps: u64) -> Result<Forecast, Unable> {
        let task =
            ProgramTask { program: vec![1].into(), arguments: None, layout: None, as_built: false, steps };
        let submission = Submission {
            task: Task::Program(task),
            requirements: Requirements::default(),
            circumstances: Circumstances::default(),
        };
        Atlantic { terms }.forecast(&submission, &RunSize::of(&submission))
    }

    #[test]
    fn a_larger_run_costs_more_and_takes_longer_and_no_memory_here() {
        let terms = AtlanticTerms::usual().unwrap();
        let [small, middle, large] =
            [1 << 14, 1 << 22, 1 << 24].map(|steps| forecast(Some(terms.clone()), steps).unwrap());
        assert!(
            0 < small.micro_usd && small.micro_usd < middle.micro_usd && middle.micro_usd < large.micro_usd
        );
        assert!(small.seconds < middle.seconds && middle.seconds < large.seconds);
        assert_eq!(large.memory_bytes, 0);
    }

    #[test]
    fn what_is_not_set_up_or_has_no_price_is_not_offered() {
        assert!(matches!(forecast(None, 512), Err(Unable::NotConfigured { .. })));
        let mut terms = AtlanticTerms::usual().unwrap();
        terms.prices.proof.s = u64::MAX;
        assert!(matches!(forecast(Some(terms), 512), Err(Unable::Unsuited { .. })));
    }

    #[test]
    fn an_attempt_may_take_longer_than_the_query_that_it_waits_for() {
        let usual = Duration::from_secs(3600);
        assert_eq!(Atlantic { terms: None }.attempt_time(usual), usual);
        let terms = AtlanticTerms::usual().unwrap();
        let deadline = terms.deadline;
        assert!(Atlantic { terms: Some(terms) }.attempt_time(usual) > deadline);
    }
}
