//! The process of an attempt, as its worker sees it: started in a group of its own, watched, and ended with everything
//! that it started.
//!
//! It writes one JSON object a line to its standard output; an object whose `event` is `error` is its own account of why
//! it failed. What it says on standard error is kept from the end, for people.

use std::{
    ffi::OsString,
    fmt, fs,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use ashlar_fault::{Code, Fault as _};
use ashlar_stone::ProcessMemory;
use ashlar_store::FailureKind;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde_json::Value;

use crate::{
    attempt_error::{AttemptError, blame},
    confine::Confinement,
    reins::{Reins, Stop},
};

/// How often the process is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// How much of what it says on standard error is kept: the end says why it failed.
const LAST_WORDS: usize = 8 << 10;

/// The longest line of standard output that is read; the rest of a longer one is dropped.
const LONGEST_LINE: u64 = 64 << 10;

/// The longest text of an error that is recorded, in bytes.
const LONGEST_TEXT: usize = 16 << 10;

/// Variables of a process: what others must not read among its arguments. Prints their names only.
#[derive(Clone, Default)]
pub struct Variables(pub Vec<(OsString, OsString)>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// What is to be started, and within which limits.
#[derive(Clone, Debug)]
pub struct ChildOrder {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// What it has in its environment besides what this process has.
    pub environment: Variables,
    /// How long it may take.
    pub time: Duration,
    /// The memory that was set aside for it, in bytes; 0 for no limit.
    pub memory_bytes: u64,
    /// How long it may take to stop after it was asked to.
    pub grace: Duration,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It ended well. Whether a proof is on record, the records say.
    Well,
    /// It failed.
    Failed {
        /// Whose fault it was.
        kind: FailureKind,
        /// The error's code.
        code: Code,
        /// The error's text.
        text: String,
        /// What it turned out to need, in bytes, where it said so.
        needs_bytes: Option<u64>,
    },
    /// It was stopped, and is gone.
    Stopped(Stop),
}

impl Ended {
    pub(crate) fn by(error: &AttemptError) -> Ended {
        let mut text = error.to_string();
        if let Some(source) = std::error::Error::source(error) {
            text.push_str(&format!(": {source}"));
        }
        Ended::Failed { kind: error.kind(), code: error.code(), text, needs_bytes: None }
    }
}

/// What a process said about itself.
#[derive(Debug, Default)]
struct Account {
    error: Option<Value>,
    needs_bytes: Option<u64>,
}

/// Starts a process and watches over it until it is gone, on the calling thread: the process dies with this thread, so it
/// must not be one that serves others.
pub fn supervise(order: &ChildOrder, reins: &Reins) -> Ended {
    let killed_for_memory = memory_kills();
    let mut command = Command::new(&order.program);
    command
        .args(&order.arguments)
        .envs(order.environment.0.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ended::by(&AttemptError::NotStarted(error)),
    };
    let account = Mutex::new(Account::default());
    let words = Arc::new(Mutex::new(Vec::new()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (why, status) = thread::scope(|scope| {
        if let Some(stdout) = stdout {
            scope.spawn(|| listen(stdout, &account, reins));
        }
        if let Some(stderr) = stderr {
            let words = Arc::clone(&words);
            scope.spawn(move || keep_end(stderr, &words));
        }
        let why = watch(&child, order, reins);
        // Whatever it started goes with it; as long as it is not reaped, nobody else can have its number.
        signal(&child, Signal::KILL);
        (why, child.wait())
    });
    let account = account.into_inner().unwrap_or_else(PoisonError::into_inner);
    let last_words = last_words(&words.lock().unwrap_or_else(PoisonError::into_inner));
    match status {
        Ok(status) => judge(order, reins, why, status, &account, last_words, killed_for_memory),
        Err(error) => Ended::by(&AttemptError::NotStarted(error)),
    }
}

/// Why a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    ByItself,
    Stopped(Stop),
    Time,
    Memory,
}

/// Waits until a process has ended, and ends it if it must; it is not reaped.
fn watch(child: &Child, order: &ChildOrder, reins: &Reins) -> Why {
    let begun = Instant::now();
    let most_bytes = Confinement::most_bytes(order.memory_bytes);
    let mut asked: Option<Instant> = None;
    let mut why = Why::ByItself;
    loop {
        if has_ended(child) {
            return why;
        }
        if let Some(ProcessMemory { peak: bytes, .. }) = ProcessMemory::of(child.id()) {
            reins.saw_memory(bytes);
            if order.memory_bytes > 0 && bytes > most_bytes && why == Why::ByItself {
                why = Why::Memory;
                signal(child, Signal::KILL);
            }
        }
        if why == Why::ByItself && begun.elapsed() > order.time {
            why = Why::Time;
        }
        if let Some(stop) = reins.stopped() {
            if why == Why::ByItself || (stop == Stop::Lost && matches!(why, Why::Stopped(_))) {
                why = Why::Stopped(stop);
            }
            if stop == Stop::Lost {
                // Somebody else works on it now.
                signal(child, Signal::KILL);
            }
        }
        if why != Why::ByItself {
            match asked {
                None => {
                    asked = Some(Instant::now());
                    signal(child, Signal::TERM);
                }
                Some(since) if since.elapsed() > order.grace => signal(child, Signal::KILL),
                Some(_) => {}
            }
        }
        thread::sleep(GLANCE);
    }
}

fn has_ended(child: &Child) -> bool {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return true };
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => status.is_some(),
        Err(rustix::io::Errno::INTR) => false,
        // Nothing to wait for: it is gone.
        Err(_) => true,
    }
}

/// To the process and whatever it started. That nobody is left to hear it is no error.
fn signal(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, signal);
    }
}

fn judge(
    order: &ChildOrder,
    reins: &Reins,
    why: Why,
    status: ExitStatus,
    account: &Account,
    last_words: String,
    killed_for_memory: Option<u64>,
) -> Ended {
    let out_of_memory = |last_words| AttemptError::OutOfMemory {
        peak_bytes: reins.peak_bytes().unwrap_or(0),
        limit_bytes: order.memory_bytes,
        last_words,
    };
    match why {
        // It was all but done when it was asked to stop.
        _ if status.success() => Ended::Well,
        Why::Stopped(stop) => Ended::Stopped(stop),
        Why::Time => Ended::by(&AttemptError::OutOfTime { limit: order.time, last_words }),
        Why::Memory => Ended::by(&out_of_memory(last_words)),
        Why::ByItself => {
            if let Some(error) = &account.error {
                return told(error, account.needs_bytes);
            }
            let refused = last_words.contains("memory allocation of");
            Ended::by(&match (status.signal(), status.code()) {
                (Some(_), _) if refused => out_of_memory(last_words),
                // The system counts the processes that it ends for want of memory.
                (Some(signal), _)
                    if signal == Signal::KILL.as_raw()
                        && killed_for_memory.is_some()
                        && memory_kills() > killed_for_memory =>
                {
                    out_of_memory(last_words)
                }
                (Some(signal), _) => AttemptError::Signal { signal, last_words },
                (None, status) => AttemptError::NoResult { status: status.unwrap_or(-1), last_words },
            })
        }
    }
}

/// The process's own account of why it failed.
fn told(error: &Value, needs_bytes: Option<u64>) -> Ended {
    let code = error
        .get("code")
        .and_then(Value::as_str)
        .and_then(|code| code.strip_prefix("ASH-")?.parse().ok())
        .map_or(Code(8213), Code);
    let status =
        error.get("exit_status").and_then(Value::as_u64).and_then(|status| u8::try_from(status).ok());
    let mut text = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
    for cause in error.get("causes").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(": ");
        text.push_str(cause.as_str().unwrap_or_default());
    }
    let mut end = text.len().min(LONGEST_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    Ended::Failed { kind: blame(code, status.unwrap_or(70)), code, text, needs_bytes }
}

/// Reads what a process tells, line by line, until it has told everything.
fn listen(stdout: impl Read, account: &Mutex<Account>, reins: &Reins) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.last() != Some(&b'\n') && line.len() as u64 == LONGEST_LINE {
            // Too long for anything that we write; the rest of it is skipped, piece by piece.
            continue;
        }
        let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
        match event.get("event").and_then(Value::as_str) {
            Some("error") => account.lock().unwrap_or_else(PoisonError::into_inner).error = Some(event),
            Some("needs") => {
                let bytes = event.get("memory_bytes").and_then(Value::as_u64);
                account.lock().unwrap_or_else(PoisonError::into_inner).needs_bytes = bytes;
            }
            Some("stage" | "progress" | "proving") => reins.say(event),
            _ => {}
        }
    }
}

/// Reads everything and keeps the end of it.
fn keep_end(mut from: impl Read, kept: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(buffer.get(..length).unwrap_or_default());
                let excess = kept.len().saturating_sub(LAST_WORDS);
                kept.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// On lines of their own; empty if there are none.
fn last_words(kept: &[u8]) -> String {
    let text = String::from_utf8_lossy(kept);
    match text.trim() {
        "" => String::new(),
        words => format!(", after saying:\n{words}"),
    }
}

/// How many processes the system has ended for want of memory.
fn memory_kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}
