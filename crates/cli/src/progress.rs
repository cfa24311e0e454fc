//! How far a proof is: times by phase for the records, a line on the terminal, events on request; and the way in
//! which Ctrl-C reaches the prover.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ashlar_stark::{Observer, Phase, Progress};
use ashlar_stone::{Memory, ProcessMemory, Profile, Recorder};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use crate::{
    console::{Console, Form, duration, size},
    estimate::Estimate,
};

/// Set once a person asked to stop: here, by Ctrl-C, or elsewhere, through the records.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    here: Arc<AtomicBool>,
    elsewhere: Arc<AtomicBool>,
}

impl Interrupt {
    pub(crate) fn set(&self) {
        self.here.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_from_elsewhere(&self) {
        self.elsewhere.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.here.load(Ordering::Relaxed) || self.elsewhere.load(Ordering::Relaxed)
    }

    /// Whether it was asked through the records, and not here.
    pub(crate) fn is_from_elsewhere(&self) -> bool {
        !self.here.load(Ordering::Relaxed) && self.elsewhere.load(Ordering::Relaxed)
    }
}

/// How often progress is told as an event.
const EVENT_EVERY: Duration = Duration::from_secs(1);
/// How often the line is drawn again: the prover reports far more often.
const DRAW_EVERY: Duration = Duration::from_millis(100);

/// Milliseconds by stage, in order.
pub(crate) type Stages = Vec<(String, u64)>;

/// The line on the terminal that says how far something is; nothing where there is no terminal.
#[derive(Debug)]
pub(crate) struct Line(Option<ProgressBar>);

impl Line {
    /// A line if standard error is a terminal and somebody wants to see it.
    pub(crate) fn on_terminal(console: &Console) -> Line {
        let wanted = console.shows_progress()
            && console.form() != Form::Events
            && std::io::stderr().is_terminal()
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        Line(wanted.then(|| {
            let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr_with_hz(10));
            let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            // A line that wraps cannot be drawn over, so what matters least is left out first.
            let template = match (plain, is_narrow()) {
                (true, true) => "{prefix:22!} {elapsed:>4} {msg}",
                (true, false) => "{prefix:24} {bar:16} {elapsed:>4}  {wide_msg}",
                (false, true) => "{prefix:22!.bold} {elapsed:>4} {msg}",
                (false, false) => "{prefix:24.bold} {bar:16.cyan} {elapsed:>4}  {wide_msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        }))
    }

    /// Begins a stage.
    pub(crate) fn begin(&self, stage: &str) {
        if let Some(bar) = self.0.as_ref().filter(|bar| bar.prefix() != stage) {
            bar.set_length(1);
            bar.set_position(0);
            bar.set_prefix(stage.to_owned());
            bar.tick();
        }
    }

    /// Draws how much of a stage is done, how long the whole will still take and by what that is known, and a remark.
    pub(crate) fn draw(&self, done: u64, total: u64, left: Option<(Duration, &str)>, remark: Option<&str>) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(total.max(1));
        bar.set_position(done.min(total.max(1)));
        let mut message = match left {
            Some((left, _)) if is_narrow() => format!("{} left", about(left)),
            Some((left, basis)) => format!("{} left ({basis})  ", about(left)),
            None => String::new(),
        };
        if !is_narrow() {
            message.push_str(remark.unwrap_or_default());
        }
        bar.set_message(message);
    }

    /// Takes the line away.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// Watches the stages of a job.
#[derive(Debug)]
pub(crate) struct Watch {
    console: Console,
    interrupt: Interrupt,
    line: Line,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    stages: Stages,
    current: Option<(String, Instant)>,
    phase: Option<Phase>,
    estimate: Option<Estimate>,
    told: Option<Instant>,
    drawn: Option<Instant>,
    recorder: Option<Recorder>,
}

/// Whether it is time for the next one, which is then this one.
fn is_due(last: &mut Option<Instant>, every: Duration) -> bool {
    let due = last.is_none_or(|last| last.elapsed() >= every);
    if due {
        *last = Some(Instant::now());
    }
    due
}

impl Watch {
    /// A watch that shows a line if standard error is a terminal. The recorder is told of every stage.
    pub(crate) fn new(console: Console, interrupt: Interrupt, recorder: Option<Recorder>) -> Watch {
        let line = Line::on_terminal(&console);
        let state = State {
            stages: Vec::new(),
            current: None,
            phase: None,
            estimate: None,
            told: None,
            drawn: None,
            recorder,
        };
        Watch { console, interrupt, line, state: Mutex::new(state) }
    }

    /// From now on says how long the proof will still take.
    pub(crate) fn expect(&self, estimate: Estimate) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).estimate = Some(estimate);
    }

    /// Begins a stage, which ends the one before.
    pub(crate) fn begin(&self, stage: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end();
        state.current = Some((stage.to_owned(), Instant::now()));
        if let Some(recorder) = &state.recorder {
            recorder.begin(stage);
        }
        drop(state);
        self.line.begin(stage);
        // An event that cannot be written is reported by the result that follows it.
        let _ = self.console.event("stage", json!({ "stage": stage }));
    }

    /// Ends the last stage, clears the line, and returns the times, with the profile if one was recorded.
    pub(crate) fn finish(&self) -> (Stages, Option<Profile>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.end();
        self.line.clear();
        (std::mem::take(&mut state.stages), state.recorder.take().map(Recorder::finish))
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
        let (entered, tell, draw, left) = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let entered = state.phase.replace(progress.phase) != Some(progress.phase);
            let tell = is_due(&mut state.told, EVENT_EVERY) || entered;
            let draw = is_due(&mut state.drawn, DRAW_EVERY) || entered;
            let left =
                state.estimate.as_ref().map(|estimate| (estimate.left(progress), estimate.basis.clone()));
            (entered, tell, draw, left)
        };
        if entered {
            self.begin(&progress.phase.to_string());
        }
        if tell {
            // An event that cannot be written is reported by the result that follows it.
            let _ = self.console.event(
                "progress",
                json!({
                    "phase": progress.phase.to_string(), "done": progress.done, "total": progress.total,
                    "seconds_left": left.as_ref().map(|(left, _)| left.as_secs_f64()),
                    "basis": left.as_ref().map(|(_, basis)| basis),
                }),
            );
        }
        if draw {
            let memory = ProcessMemory::own().zip(Memory::now());
            let memory = memory.map(|(used, all)| format!("{} of {}", size(used.resident), size(all.limit)));
            let left = left.as_ref().map(|(left, basis)| (*left, basis.as_str()));
            self.line.draw(progress.done, progress.total, left, memory.as_deref());
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set()
    }
}

/// An estimate with as many digits as it is worth.
fn about(left: Duration) -> String {
    match left.as_secs() {
        0 => "under 1 s".to_owned(),
        seconds @ 1..60 => format!("about {seconds} s"),
        seconds => format!("about {}", duration(seconds * 1000)),
    }
}

/// Whether the terminal that standard error goes to has no room for more than a phase and a time.
fn is_narrow() -> bool {
    const TOO_FEW: std::ops::Range<u16> = 1..100;
    rustix::termios::tcgetwinsize(std::io::stderr()).is_ok_and(|size| TOO_FEW.contains(&size.ws_col))
}
