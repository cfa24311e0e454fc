//! What the process of an attempt does to itself before it touches anything: it dies with its worker, may not take more
//! memory than was set aside, and its heavy threads yield to whatever else runs.

use std::io;

use ashlar_fault::{Code, Exit, Fault};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getppid, nice, set_parent_process_death_signal, setrlimit,
};

/// Address space that a process takes without using it: program, stacks, what the allocator reserves.
const RESERVED: u64 = 768 << 20;

/// The same for each thread: its stack and the part of the heap that the allocator reserves for it.
const RESERVED_BY_THREAD: u64 = 80 << 20;

/// How much a thread that proves yields to others, in steps of `nice`.
const YIELD: i32 = 10;

/// What the process of an attempt is given.
#[derive(Clone, Copy, Debug)]
pub struct Confinement {
    /// The process that started it, and without which it must not be.
    pub parent: u32,
    /// The memory that was set aside for it, in bytes; 0 for no limit.
    pub memory_bytes: u64,
}

/// A process that cannot be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfinementError {
    /// Its worker is gone already.
    #[error("expected to be started by process {expected}, which is gone")]
    Orphan {
        /// The worker's process.
        expected: u32,
    },
    /// The system refuses a limit.
    #[error("the system refuses the limit on {what}")]
    Refused {
        /// Which.
        what: &'static str,
        /// What it says.
        source: io::Error,
    },
}

impl Fault for ConfinementError {
    fn code(&self) -> Code {
        match self {
            ConfinementError::Orphan { .. } => Code(8218),
            ConfinementError::Refused { .. } => Code(8219),
        }
    }

    fn exit(&self) -> Exit {
        Exit::Environment
    }
}

impl Confinement {
    /// The memory beyond which a process of an attempt is stopped: what was set aside, and a quarter.
    pub(crate) fn most_bytes(memory_bytes: u64) -> u64 {
        memory_bytes.saturating_add(memory_bytes / 4)
    }

    /// Confines this process.
    ///
    /// # Errors
    /// [`ConfinementError`]; then nothing must be begun.
    pub fn apply(&self) -> Result<(), ConfinementError> {
        let refused =
            |what| move |error: rustix::io::Errno| ConfinementError::Refused { what, source: error.into() };
        set_parent_process_death_signal(Some(Signal::KILL)).map_err(refused("its life"))?;
        // A worker that died before the line above sends no signal any more.
        let parent = getppid().map(Pid::as_raw_nonzero).and_then(|pid| u32::try_from(pid.get()).ok());
        if parent != Some(self.parent) {
            return Err(ConfinementError::Orphan { expected: self.parent });
        }
        if self.memory_bytes > 0 {
            let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
            let most = Confinement::most_bytes(self.memory_bytes)
                .saturating_add(RESERVED)
                .saturating_add(RESERVED_BY_THREAD.saturating_mul(threads + 2));
            setrlimit(Resource::As, Rlimit { current: Some(most), maximum: Some(most) })
                .map_err(refused("its memory"))?;
        }
        // Should the machine run out of memory all the same, this process goes first. Where that cannot be said, the
        // system chooses.
        let _ = std::fs::write("/proc/self/oom_score_adj", "800");
        Ok(())
    }
}

/// Lets this thread, and those that it starts from now on, yield to whatever else runs.
///
/// The thread that writes to the records is not to yield: while it waits for its turn it would hold everybody else up.
pub fn yield_to_others() {
    // On Linux the value is a thread's. One that is not allowed to yield runs as it is.
    let _ = nice(YIELD);
}
