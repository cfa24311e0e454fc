//! How long a proof will still take: the prediction by phase, corrected by how the phases so far have gone.

use std::time::{Duration, Instant};

use ashlar_stark::{Phase, Progress};
use ashlar_stone::Prediction;

/// The share of the work after which only the progress counts, and no longer the prediction.
const TRUSTED: f64 = 0.3;

/// What is expected of a proof that is being made.
#[derive(Clone, Debug)]
pub(crate) struct Estimate {
    /// Predicted seconds of every phase, on all threads.
    phases: Vec<(Phase, f64)>,
    total: f64,
    started: Instant,
    /// How the estimate came about, for people.
    pub(crate) basis: String,
}

impl Estimate {
    /// From a prediction; where similar proofs are on record, from how long they took: their number and mean
    /// milliseconds.
    pub(crate) fn new(prediction: &Prediction, threads: usize, similar: Option<(u32, u64)>) -> Estimate {
        let proving = prediction.cpu_seconds().max(1e-9);
        let (wall, basis) = match similar {
            Some((runs, milliseconds)) => {
                let plural = if runs == 1 { "run" } else { "runs" };
                (milliseconds as f64 / 1000.0, format!("from {runs} similar {plural}"))
            }
            None => (prediction.wall_seconds(threads), "predicted".to_owned()),
        };
        let phases: Vec<(Phase, f64)> =
            prediction.phases.iter().map(|(phase, seconds)| (phase, seconds / proving * wall)).collect();
        Estimate { total: wall, phases, started: Instant::now(), basis }
    }

    /// Seconds expected in all.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_secs_f64(self.total)
    }

    /// What is left after this progress.
    pub(crate) fn left(&self, progress: Progress) -> Duration {
        self.left_after(progress, self.started.elapsed())
    }

    fn left_after(&self, progress: Progress, elapsed: Duration) -> Duration {
        let before = self.phases.iter().take_while(|(phase, _)| *phase != progress.phase);
        let here = self.phases.iter().find(|(phase, _)| *phase == progress.phase).map_or(0.0, |(_, s)| *s);
        let share = (progress.done as f64 / progress.total.max(1) as f64).min(1.0);
        let done = before.map(|(_, seconds)| seconds).sum::<f64>() + share * here;
        let total = self.total.max(1e-9);
        let weight = (done / total / TRUSTED).min(1.0);
        // The first phases are short: how they go says little about the rest.
        let pace = if done > 0.0 { elapsed.as_secs_f64() / done } else { 1.0 };
        let left = (total - done).max(0.0) * (1.0 - weight + weight * pace);
        Duration::try_from_secs_f64(left).unwrap_or(Duration::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate() -> Estimate {
        let phases = Phase::ALL.into_iter().map(|phase| (phase, 1.0)).collect();
        Estimate { phases, total: 11.0, started: Instant::now(), basis: String::new() }
    }

    fn at(phase: Phase, done: u64) -> Progress {
        Progress { phase, done, total: 4, proof_bytes: 0 }
    }

    #[test]
    fn before_anything_is_done_the_prediction_is_all_there_is() {
        let left = estimate().left_after(at(Phase::FirstTrace, 0), Duration::from_secs(5));
        assert_eq!(left, Duration::from_secs(11));
    }

    #[test]
    fn a_proof_at_twice_the_predicted_pace_is_over_in_half_the_time() {
        let middle = at(Phase::CompositionCommitment, 2);
        let as_predicted = estimate().left_after(middle, Duration::from_secs_f64(5.5));
        assert!((as_predicted.as_secs_f64() - 5.5).abs() < 1e-6);
        let twice = estimate().left_after(middle, Duration::from_secs_f64(2.75));
        assert!((twice.as_secs_f64() - 2.75).abs() < 1e-6);
    }

    #[test]
    fn more_nonces_than_expected_leave_what_comes_after() {
        let unlucky = Progress { phase: Phase::ProofOfWork, done: 400, total: 100, proof_bytes: 0 };
        let left = estimate().left_after(unlucky, Duration::from_secs(10));
        assert!((left.as_secs_f64() - 1.0).abs() < 1e-6, "{left:?}");
    }
}
