//! The figures of the engine.

use std::{path::PathBuf, time::Duration};

use ashlar_field::Kernels;
use ashlar_stone::{Memory, Rates};
use ashlar_store::Pauses;

use crate::{AtlanticTerms, RouterPolicy};

/// How the engine works. [`Settings::default`] suits one machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The most jobs that may wait; beyond it submissions are refused.
    pub queue_limit: u64,
    /// The most attempts at a job that count.
    pub attempts: u32,
    /// How long one attempt may take.
    pub attempt_time: Duration,
    /// How long a lease holds without being renewed.
    pub lease: Duration,
    /// How long a job waits after a failure.
    pub pauses: Pauses,
    /// How long the first in the queue may be overtaken by smaller work while it does not fit.
    pub patience: Duration,
    /// Who makes which proof.
    pub policy: RouterPolicy,
    /// How fast this machine is.
    pub rates: Rates,
    /// The memory that the largest worker may use, in bytes.
    pub memory_bytes: u64,
    /// The external prover, if there is one.
    pub external_prover: Option<PathBuf>,
    /// On which terms the managed service is asked, if it is.
    pub atlantic: Option<AtlanticTerms>,
    /// How long a job waits at one priority before it is raised to the next.
    pub raise_after: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        const UNKNOWN: u64 = 4 << 30;
        Settings {
            queue_limit: 1000,
            attempts: 3,
            attempt_time: Duration::from_secs(3600),
            lease: Duration::from_secs(30),
            pauses: Pauses { first: Duration::from_secs(1), longest: Duration::from_secs(60) },
            patience: Duration::from_secs(60),
            policy: RouterPolicy::default(),
            rates: Rates::default_of(Kernels::current()),
            // A tenth is left to the system and to the service itself.
            memory_bytes: Memory::now().map_or(UNKNOWN, |memory| memory.limit / 10 * 9),
            external_prover: None,
            atlantic: None,
            raise_after: Duration::from_secs(600),
        }
    }
}
