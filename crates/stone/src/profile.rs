//! Where the time of one proof goes: wall and CPU time of every phase, by thread, and the memory at its end.
//!
//! | module | what it makes of it |
//! |---|---|
//! | `threads` | the CPU time of every thread so far, as the system tells it |
//! | `timeline` | the profile as a picture |
//!
//! A [`Recorder`] notes the clocks whenever a phase begins, some fifteen times a proof, so that watching costs nothing
//! that could be seen in what it measures.

mod threads;
mod timeline;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ashlar_stark::{Observer, Phase, Progress};

use crate::process_memory::ProcessMemory;
use threads::{ThreadId, process_cpu_time, thread_cpu_times};

/// The share of the CPU time below which a thread is left out.
const LEAST_SHARE: f64 = 1e-3;

/// What the clocks said at one moment.
#[derive(Clone, Debug)]
struct Reading {
    wall: Instant,
    process: Duration,
    threads: BTreeMap<ThreadId, Duration>,
}

impl Reading {
    fn now() -> Reading {
        Reading { wall: Instant::now(), process: process_cpu_time(), threads: thread_cpu_times() }
    }
}

/// Memory in use by this process, in bytes.
fn resident_bytes() -> Option<u64> {
    ProcessMemory::own().map(|memory| memory.resident)
}

/// One phase of a proof, or a step before or after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// What was done.
    pub name: String,
    /// When it began, from the start of the recording.
    pub begin: Duration,
    /// How long it took.
    pub wall: Duration,
    /// CPU time of the whole process, user and system.
    pub cpu: Duration,
    /// CPU time by thread, in the order of [`Profile::threads`]. A thread that ended in this stage has what it had
    /// used when the stage began.
    pub by_thread: Vec<Duration>,
    /// Memory in use when it ended, in bytes; nothing where the system does not say.
    pub resident: Option<u64>,
}

impl Stage {
    /// Threads that worked on it, on average: CPU time over wall time.
    pub fn busy_threads(&self) -> f64 {
        self.cpu.as_secs_f64() / self.wall.as_secs_f64().max(1e-9)
    }
}

/// Where the time of one proof went.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// In order, without gaps.
    pub stages: Vec<Stage>,
    /// Threads that used a thousandth of the CPU time or more, by the system's number.
    pub threads: usize,
}

/// Records a [`Profile`] while a proof is made.
#[derive(Debug)]
pub struct Recorder(Mutex<Recording>);

#[derive(Debug)]
struct Recording {
    /// The name of every stage with the clocks at its beginning.
    begun: Vec<(String, Reading)>,
    /// Memory at the end of every stage but the last.
    resident: Vec<Option<u64>>,
    phase: Option<Phase>,
}

impl Recorder {
    /// A recording that begins now, with this stage.
    pub fn new(first: &str) -> Recorder {
        let begun = vec![(first.to_owned(), Reading::now())];
        Recorder(Mutex::new(Recording { begun, resident: Vec::new(), phase: None }))
    }

    /// Begins a stage, which ends the one before.
    pub fn begin(&self, stage: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).begin(stage);
    }

    /// Begins the stage of a phase, unless it is already that one's.
    pub fn note(&self, phase: Phase) {
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if recording.phase.replace(phase) != Some(phase) {
            recording.begin(&phase.to_string());
        }
    }

    /// Ends the last stage.
    pub fn finish(self) -> Profile {
        let end = Reading::now();
        let Recording { begun, mut resident, .. } =
            self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        resident.push(resident_bytes());
        let Some(start) = begun.first().map(|(_, reading)| reading.wall) else {
            return Profile { stages: Vec::new(), threads: 0 };
        };
        // Threads are numbered in the order of their ids: the main thread has the process's own. One that only waits,
        // as that for signals does, is no worker.
        let mut threads: Vec<ThreadId> = Vec::new();
        for reading in begun.iter().map(|(_, reading)| reading).chain([&end]) {
            let worked = |used: &Duration| used.as_secs_f64() > LEAST_SHARE * end.process.as_secs_f64();
            threads.extend(reading.threads.iter().filter(|(_, used)| worked(used)).map(|(id, _)| *id));
        }
        threads.sort_unstable();
        threads.dedup();
        let ends = begun.iter().skip(1).map(|(_, reading)| reading).chain([&end]);
        let stages = begun
            .iter()
            .zip(ends)
            .zip(resident)
            .map(|(((name, from), to), resident)| Stage {
                name: name.clone(),
                begin: from.wall.saturating_duration_since(start),
                wall: to.wall.saturating_duration_since(from.wall),
                cpu: to.process.saturating_sub(from.process),
                by_thread: threads
                    .iter()
                    .map(|id| {
                        let used = |reading: &Reading| reading.threads.get(id).copied().unwrap_or_default();
                        used(to).saturating_sub(used(from))
                    })
                    .collect(),
                resident,
            })
            .collect();
        Profile { stages, threads: threads.len() }
    }
}

impl Recording {
    fn begin(&mut self, stage: &str) {
        self.resident.push(resident_bytes());
        self.begun.push((stage.to_owned(), Reading::now()));
    }
}

impl Observer for Recorder {
    fn progress(&self, progress: Progress) {
        self.note(progress.phase);
    }

    fn finished(&self) {
        self.begin("verification");
    }
}

impl Profile {
    /// From the first stage to the end of the last.
    pub fn wall(&self) -> Duration {
        self.stages.iter().map(|stage| stage.wall).sum()
    }

    /// CPU time of all stages.
    pub fn cpu(&self) -> Duration {
        self.stages.iter().map(|stage| stage.cpu).sum()
    }

    /// The share of the CPU time that was used while no second thread worked: of every stage, the part of its wall
    /// time in which one thread alone must have been at work if never more than `threads` were. A lower bound is zero,
    /// an upper bound needs a trace of every switch; this is exact where a stage either uses one thread or all.
    pub fn serial_share(&self, threads: usize) -> f64 {
        let all = threads.max(2) as f64;
        let serial: f64 = self
            .stages
            .iter()
            .map(|stage| {
                let (wall, cpu) = (stage.wall.as_secs_f64(), stage.cpu.as_secs_f64());
                // wall = alone + together, cpu = alone + all · together.
                ((all * wall - cpu) / (all - 1.0)).clamp(0.0, cpu.min(wall))
            })
            .sum();
        serial / self.cpu().as_secs_f64().max(1e-9)
    }

    /// The profile as a picture (SVG).
    pub fn timeline(&self) -> String {
        timeline::draw(self)
    }
}

/// A table: one line a stage, times in milliseconds, memory in megabytes.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1e3;
        writeln!(
            f,
            "{:24} {:>9} {:>9} {:>7} {:>9}  CPU ms by thread",
            "phase", "wall ms", "CPU ms", "threads", "MB"
        )?;
        for stage in &self.stages {
            write!(
                f,
                "{:24} {:>9.1} {:>9.1} {:>7.2} {:>9}  ",
                stage.name,
                milliseconds(stage.wall),
                milliseconds(stage.cpu),
                stage.busy_threads(),
                stage.resident.map(|bytes| (bytes / 1_000_000).to_string()).unwrap_or_default(),
            )?;
            let threads: Vec<String> =
                stage.by_thread.iter().map(|used| format!("{:.0}", milliseconds(*used))).collect();
            writeln!(f, "{}", threads.join(" "))?;
        }
        let (wall, cpu) = (self.wall(), self.cpu());
        let busy = cpu.as_secs_f64() / wall.as_secs_f64().max(1e-9);
        writeln!(f, "{:24} {:>9.1} {:>9.1} {busy:>7.2}", "all", milliseconds(wall), milliseconds(cpu))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Uses about this much CPU time.
    fn work(duration: Duration) {
        let start = process_cpu_time();
        let mut sum = 0u64;
        while process_cpu_time().saturating_sub(start) < duration {
            sum = sum.wrapping_mul(3).wrapping_add(1);
        }
        std::hint::black_box(sum);
    }

    #[test]
    fn stages_follow_each_other_without_gaps_and_have_the_time_that_was_used_in_them() {
        let recorder = Recorder::new("first");
        work(Duration::from_millis(20));
        recorder.begin("second");
        recorder.note(Phase::Constraints);
        recorder.note(Phase::Constraints);
        work(Duration::from_millis(20));
        let profile = recorder.finish();
        let names: Vec<&str> = profile.stages.iter().map(|stage| stage.name.as_str()).collect();
        assert_eq!(names, ["first", "second", "constraints"]);
        for (stage, next) in profile.stages.iter().zip(profile.stages.iter().skip(1)) {
            assert_eq!(stage.begin + stage.wall, next.begin);
        }
        let [first, _, last] = &profile.stages[..] else { panic!("{profile}") };
        assert!(first.cpu >= Duration::from_millis(20) && last.cpu >= Duration::from_millis(20), "{profile}");
        assert!(profile.stages.iter().all(|stage| stage.by_thread.len() == profile.threads));
        assert_eq!(profile.to_string().lines().count(), 5);
    }

    #[test]
    fn the_serial_share_is_what_one_thread_did_alone() {
        let stage = |wall: u64, cpu: u64| Stage {
            name: "any".to_owned(),
            begin: Duration::ZERO,
            wall: Duration::from_secs(wall),
            cpu: Duration::from_secs(cpu),
            by_thread: Vec::new(),
            resident: None,
        };
        let share =
            |stages: &[Stage], threads| Profile { stages: stages.to_vec(), threads: 2 }.serial_share(threads);
        assert_eq!(share(&[stage(10, 20)], 2), 0.0);
        assert_eq!(share(&[stage(10, 10)], 2), 1.0);
        // Five seconds alone, five together: five of fifteen.
        assert!((share(&[stage(10, 15)], 2) - 1.0 / 3.0).abs() < 1e-9);
        assert!((share(&[stage(10, 10), stage(10, 160)], 16) - 10.0 / 170.0).abs() < 1e-9);
    }
}
