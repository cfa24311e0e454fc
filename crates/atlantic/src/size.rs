//! How large a job to declare: too small and the service kills it, too large and it costs more.
//!
//! | size | steps, the bootloader's included |
//! |---|---|
//! | `S` | up to 13 million |
//! | `M` | up to 30 million |
//! | `L` | more |
//!
//! Those are the documented bounds; recorded runs died below them: 6.3 million steps as `S`, 12.7 million as `M`. So the
//! count is taken times 5/2, the least round factor that puts both recorded runs where they succeeded. `XS` is
//! never declared: it is billed as `S` and has less memory.

use crate::vocabulary::JobSize;

/// Steps that the bootloader adds, rounded up from the 3.6 million that were measured.
pub const BOOTLOADER_STEPS: u64 = 4_000_000;

/// The safety factor as a fraction.
const FACTOR: (u64, u64) = (5, 2);

/// The most steps of each size but the largest.
const BOUNDS: [(u64, JobSize); 2] = [(13_000_000, JobSize::S), (30_000_000, JobSize::M)];

/// What became of an earlier job of the same program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeExperience {
    /// Its steps, without the bootloader's.
    pub steps: u64,
    /// The size that was declared.
    pub declared: JobSize,
    /// Whether it ran out of memory; otherwise it succeeded.
    pub out_of_memory: bool,
}

/// The size to declare for a run of `steps`, measured here without the bootloader, and what earlier jobs of the same
/// program taught. A failure teaches more than a success: it only ever makes the size larger.
pub fn declared_size(steps: u64, experience: &[SizeExperience]) -> JobSize {
    let counted = steps.saturating_add(BOOTLOADER_STEPS).saturating_mul(FACTOR.0) / FACTOR.1;
    let measured = BOUNDS.iter().find(|(bound, _)| counted <= *bound);
    let mut size = measured.map_or(JobSize::L, |(_, size)| size.clone());
    let sufficed = |candidate: &JobSize| {
        experience
            .iter()
            .any(|past| !past.out_of_memory && past.steps >= steps && past.declared == *candidate)
    };
    // What was enough for a run that was not shorter is enough.
    if let Some(smaller) = [JobSize::S, JobSize::M].into_iter().find(|candidate| sufficed(candidate))
        && rank(&smaller) < rank(&size)
    {
        size = smaller;
    }
    for past in experience.iter().filter(|past| past.out_of_memory && past.steps <= steps) {
        let larger = past.declared.larger().unwrap_or(JobSize::L);
        if rank(&larger) > rank(&size) {
            size = larger;
        }
    }
    size
}

fn rank(size: &JobSize) -> u8 {
    match size {
        JobSize::Xs => 0,
        JobSize::S => 1,
        JobSize::M => 2,
        JobSize::L | JobSize::Unknown(_) => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_runs_get_the_size_in_which_they_succeeded() {
        assert_eq!(declared_size(2_668_607, &[]), JobSize::M);
        assert_eq!(declared_size(9_035_872, &[]), JobSize::L);
        assert_eq!(declared_size(8_784_517, &[]), JobSize::L);
        assert_eq!(declared_size(100_000, &[]), JobSize::S);
        assert_eq!(declared_size(u64::MAX, &[]), JobSize::L);
    }

    #[test]
    fn a_failure_makes_the_size_larger_and_a_success_makes_it_smaller() {
        let past = |steps, declared, out_of_memory| SizeExperience { steps, declared, out_of_memory };
        assert_eq!(declared_size(1_000_000, &[past(900_000, JobSize::S, true)]), JobSize::M);
        assert_eq!(declared_size(1_000_000, &[past(2_000_000, JobSize::S, true)]), JobSize::S);
        assert_eq!(declared_size(9_000_000, &[past(9_000_000, JobSize::M, false)]), JobSize::M);
        assert_eq!(declared_size(9_000_000, &[past(8_000_000, JobSize::M, false)]), JobSize::L);
        let both = [past(9_000_000, JobSize::S, false), past(9_000_000, JobSize::S, true)];
        assert_eq!(declared_size(9_000_000, &both), JobSize::M, "the failure counts");
    }
}
