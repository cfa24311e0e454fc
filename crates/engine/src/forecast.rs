//! What a proof will cost, before anything runs: the size of a run from what is declared of it, and from the size time,
//! memory and bytes.
//!
//! Nothing that somebody sends is run to find out how large it is. The figures are upper bounds; a run that turns out
//! to need more than was set aside for it is stopped and given more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use ashlar_cpu_air::layout;
use ashlar_risk::{MODEL_LAYOUT, Proposal};
use ashlar_stark::StoragePolicy;
use ashlar_stone::{Rates, Target, Wish, choose};
use serde::Serialize;

use crate::{Requirements, Submission, Task};

/// The layout that a program is taken to need if none is named: range checks, Pedersen and bitwise operations.
const TYPICAL_LAYOUT: &str = "recursive";

/// Cells of the public memory that a program is taken to have.
const TYPICAL_PAGE: u64 = 4096;

/// What a process needs besides the columns that the prediction counts, in bytes: the program, the machine that ran it,
/// the records.
const BESIDES: u64 = 128 << 20;

/// Cells and registers that the machine keeps for every step, in bytes, while the trace is made.
const MACHINE_BYTES_A_STEP: u64 = 128;

/// The size of a run, as far as the cost of its proof depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct RunSize {
    /// The layout's name.
    pub layout: String,
    /// Steps, padding included.
    pub n_steps: u64,
    /// Cells of the public memory.
    pub page_cells: u64,
}

impl RunSize {
    /// At most what a submission can come to.
    pub fn of(submission: &Submission) -> RunSize {
        match &submission.task {
            Task::Allocation(proposals) => RunSize::of_proposals(proposals),
            Task::Program(task) => RunSize::declared(task.layout.as_deref(), task.steps),
            Task::FinishedRun(task) => RunSize::declared(task.layout.as_deref(), task.steps),
        }
    }

    /// Of a run of which only the steps are known.
    fn declared(layout: Option<&str>, steps: u64) -> RunSize {
        RunSize {
            layout: layout.unwrap_or(TYPICAL_LAYOUT).to_owned(),
            n_steps: steps.max(512).next_power_of_two(),
            page_cells: TYPICAL_PAGE,
        }
    }

    fn of_proposals(proposals: &[Proposal]) -> RunSize {
        // The program's own steps, then those of a proposal and of a row at their most: rejections take more than
        // acceptances. A test compares with runs.
        const OF_PROGRAM: u64 = 1700;
        const OF_PROPOSAL: u64 = 140;
        const OF_ROW: u64 = 245;
        const LEAST: u64 = 512;
        let rows: u64 = proposals.iter().map(|proposal| proposal.rows.len() as u64).sum();
        let count = proposals.len() as u64;
        let steps = OF_PROGRAM + OF_PROPOSAL * count + OF_ROW * rows;
        RunSize {
            layout: MODEL_LAYOUT.to_owned(),
            n_steps: steps.max(LEAST).next_power_of_two(),
            // The program, and one record a proposal: identity, inputs, scores, shares, verdict.
            page_cells: 1500 + 16 * count + 9 * rows,
        }
    }
}

/// What a proof is expected to cost with one backend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Peak memory on this machine, in bytes.
    pub memory_bytes: u64,
    /// CPU seconds on this machine.
    pub cpu_seconds: f64,
    /// Seconds until the proof is there, on two threads or at the managed service.
    pub seconds: f64,
    /// Bytes of the proof.
    pub proof_bytes: u64,
    /// Millionths of a US dollar that somebody else charges.
    pub micro_usd: u64,
}

impl Forecast {
    /// The peak of a process that makes a proof whose columns take so many bytes, over a run of so many steps.
    pub fn with_process(columns: u64, n_steps: u64) -> u64 {
        columns.saturating_add(BESIDES).saturating_add(n_steps.saturating_mul(MACHINE_BYTES_A_STEP))
    }

    /// What is left for columns of the memory that was set aside for a process.
    pub fn columns_of(memory_bytes: u64) -> u64 {
        memory_bytes.saturating_sub(BESIDES).max(1)
    }

    fn at(rates: &Rates, size: &RunSize, requirements: &Requirements) -> Result<Forecast, String> {
        let layout =
            layout::by_name(&size.layout).ok_or_else(|| format!("no layout is called {:?}", size.layout))?;
        let target = Target::new(layout, size.n_steps, size.page_cells).map_err(|error| error.to_string())?;
        let wish = Wish {
            bits: requirements.minimum_bits,
            optimize: requirements.optimize,
            hashes: requirements.hash,
        };
        let chosen = choose(&target, &wish, rates).map_err(|error| error.to_string())?;
        let prediction = &chosen.prediction;
        let columns = prediction.memory_bytes(StoragePolicy::default()) as u64;
        Ok(Forecast {
            memory_bytes: Forecast::with_process(columns, size.n_steps),
            cpu_seconds: prediction.cpu_seconds(),
            seconds: prediction.wall_seconds(2),
            proof_bytes: prediction.bytes as u64,
            micro_usd: 0,
        })
    }
}

/// Forecasts of proofs that are made on this machine. Cheap to clone; clones share what they know.
///
/// Parameters are found by a search, which takes some milliseconds. Requests are much alike, so that what was found is
/// kept.
#[derive(Clone, Debug)]
pub struct Forecaster {
    rates: Rates,
    known: Arc<Mutex<HashMap<(RunSize, Requirements), Forecast>>>,
}

impl Forecaster {
    /// As many as are kept. Who sends requests decides how many different ones there are.
    const MOST_KNOWN: usize = 512;

    /// On a machine of these rates.
    pub fn new(rates: Rates) -> Forecaster {
        Forecaster { rates, known: Arc::default() }
    }

    /// Of a proof of a run of this size.
    ///
    /// # Errors
    /// In words why there is none.
    pub fn forecast(&self, size: &RunSize, requirements: &Requirements) -> Result<Forecast, String> {
        let asked = (size.clone(), *requirements);
        // A panic elsewhere leaves a map of true forecasts.
        if let Some(forecast) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&asked) {
            return Ok(*forecast);
        }
        let forecast = Forecast::at(&self.rates, size, requirements)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= Forecaster::MOST_KNOWN {
            known.clear();
        }
        known.insert(asked, forecast);
        Ok(forecast)
    }
}

#[cfg(test)]
mod tests {
    use ashlar_field::Kernels;

    use super::*;

    fn forecaster() -> Forecaster {
        Forecaster::new(Rates::default_of(Kernels::Scalar))
    }

    fn size(n_steps: u64) -> RunSize {
        RunSize { layout: "small".to_owned(), n_steps, page_cells: 1000 }
    }

    #[test]
    fn a_forecast_that_is_known_is_the_one_that_was_made() {
        let forecaster = forecaster();
        let wish = |minimum_bits| Requirements { minimum_bits, ..Requirements::default() };
        let asked = [(size(4096), wish(96)), (size(8192), wish(96)), (size(4096), wish(80))];
        let first = asked.clone().map(|(size, wish)| forecaster.forecast(&size, &wish).unwrap());
        assert_eq!(forecaster.known.lock().unwrap().len(), asked.len());
        for ((size, wish), first) in asked.iter().zip(first) {
            assert_eq!(forecaster.forecast(size, wish).unwrap(), first);
            assert_eq!(Forecast::at(&forecaster.rates, size, wish).unwrap(), first);
        }
        assert!(first[0].cpu_seconds < first[1].cpu_seconds && first[0] != first[2], "{first:?}");
    }

    #[test]
    fn no_sender_fills_the_memory_with_forecasts() {
        let forecaster = forecaster();
        for page_cells in 0..2 * Forecaster::MOST_KNOWN as u64 {
            let size = RunSize { page_cells, ..size(512) };
            forecaster.forecast(&size, &Requirements::default()).unwrap();
            assert!(forecaster.known.lock().unwrap().len() <= Forecaster::MOST_KNOWN);
        }
        let nonsense = RunSize { layout: "x".repeat(1 << 20), ..size(512) };
        let known = forecaster.known.lock().unwrap().len();
        forecaster.forecast(&nonsense, &Requirements::default()).unwrap_err();
        assert_eq!(forecaster.known.lock().unwrap().len(), known);
    }
}
