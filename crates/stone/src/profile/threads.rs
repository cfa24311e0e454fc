//! CPU time of this process as Linux tells them: `/proc/self/task/*/schedstat` counts nanoseconds on a
//! processor by thread. Other systems say only what the whole process used.

use std::{collections::BTreeMap, fs, time::Duration};

use rustix::time::{ClockId, clock_gettime};

/// The system's number of a thread.
pub(super) type ThreadId = u64;

/// CPU time of this process so far, user and system, over all threads.
pub(super) fn process_cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// CPU time of every thread that now lives; empty where the system does not say.
pub(super) fn thread_cpu_times() -> BTreeMap<ThreadId, Duration> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return BTreeMap::new() };
    tasks
        .filter_map(|task| {
            let task = task.ok()?;
            let id = task.file_name().to_str()?.parse().ok()?;
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
            Some((id, Duration::from_nanos(nanoseconds)))
        })
        .collect()
}
