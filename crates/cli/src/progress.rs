//! How far a proof is: times by phase for the records, a line on the terminal, events on request; and the way in
//! which Ctrl-C reaches the prover.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use ashlar_stark::{Observer, Phase, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::console::{Console, Form, size};

/// Set once a person asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Milliseconds by stage, in order.
pub(crate) type Stages = Vec<(String, u64)>;

/// Watches the stages of a job.
#[derive(Debug)]
pub(crate) struct Watch {
    console: Console,
    interrupt: Interrupt,
    bar: Option<ProgressBar>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stages: Stages,
    current: Option<(String, Instant)>,
    phase: Option<Phase>,
}

impl Watch {
    /// A watch that shows a line if standard error is a terminal.
    pub(crate) fn new(console: Console, interrupt: Interrupt) -> Watch {
        let on_terminal = console.shows_progress()
            && console.form() != Form::Events
            && std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let bar = on_terminal.then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let template = if plain {
                "{prefix:24} {bar:24} {elapsed:>4}  {msg}"
            } else {
                "{prefix:24.bold} {bar:24.cyan} {elapsed:>4}  {msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        let state = Mutex::new(State { stages: Vec::new(), current: None, phase: None });
        Watch { console, interrupt, bar, state }
    }

    /// Begins a stage, which ends the one before.
    pub(crate) fn begin(&self, stage: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end();
        state.current = Some((stage.to_owned(), Instant::now()));
        drop(state);
        if let Some(bar) = &self.bar {
            bar.set_length(1);
            bar.set_position(0);
            bar.set_prefix(stage.to_owned());
            bar.tick();
        }
        // An event that cannot be written is reported by the result that follows it.
        let _ = self.console.event("stage", json!({ "stage": stage }));
    }

    /// Ends the last stage, clears the line, and returns the times.
    pub(crate) fn finish(&self) -> Stages {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        std::mem::take(&mut state.stages)
    }
}

impl State {
    fn end(&mut self) {
        if let Some((stage, since)) = self.current.take() {
            let milliseconds = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.stages.push((stage, milliseconds));
        }
    }
}

impl Observer for Watch {
    fn progress(&self, progress: Progress) {
        let entered = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.phase.replace(progress.phase) != Some(progress.phase)
        };
        if entered {
            self.begin(&progress.phase.to_string());
        }
        if let Some(bar) = &self.bar {
            bar.set_length(progress.total.max(1));
            bar.set_position(progress.done.min(progress.total.max(1)));
            let memory = match (resident_bytes(), memory_limit()) {
                (Some(used), Some(limit)) => format!("{} of {}", size(used), size(limit)),
                _ => String::new(),
            };
            bar.set_message(memory);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// This process's memory, where the system tells it.
fn resident_bytes() -> Option<u64> {
    status_kib("/proc/self/status", "VmRSS:")
}

/// The most memory that this process may use: its control group's limit, or the machine's memory.
pub(crate) fn memory_limit() -> Option<u64> {
    let machine = status_kib("/proc/meminfo", "MemTotal:");
    let group =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (machine, group) {
        (Some(machine), Some(group)) => Some(u64::min(machine, group)),
        (machine, group) => machine.or(group),
    }
}

fn status_kib(path: &str, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
