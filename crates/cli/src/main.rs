//! The command line: from an allocation proposal to a verified proof.
//!
//! | module | what it holds |
//! |---|---|
//! | `arguments`, `settings` | flags, environment and `ashlar.toml`, defined once |
//! | `asked` | what was asked for, as the records keep it for a retry |
//! | `commands` | one module a verb |
//! | `proving` | what `allocate` and `prove` share: run, parameters, proof, verification, records |
//! | `engine` | who makes a proof: this program, another one, or both to compare |
//! | `calibration`, `estimate` | how fast this machine is, and how long a proof will still take |
//! | `failure`, `catalogue` | errors, their form, and their pages |
//! | `tenure` | by what right a process works on a job |
//! | `console`, `progress` | standard output for data, standard error for people |
//! | `on_server` | the verbs, done by a server |
//! | `sweeping` | what nobody will ask for is removed, at a start and from time to time |
//! | `session` | the records, and work that Ctrl-C can stop |
#![forbid(unsafe_code)]

mod arguments;
mod asked;
mod calibration;
mod catalogue;
mod commands;
mod console;
mod engine;
mod estimate;
mod failure;
mod on_server;
mod policy_file;
mod profiling;
mod progress;
mod proving;
mod service;
mod session;
mod settings;
mod sweeping;
mod tenure;

use std::{process::ExitCode, time::Duration};

use arguments::{Command, CommandLine};
use console::Console;
use failure::{CommandError, Failure};
use progress::Interrupt;
use session::Session;
use settings::Parsed;

/// How long a command that works on a job may take to stop in an orderly way after Ctrl-C. A second one ends it at once.
const GRACE: Duration = Duration::from_secs(30);

/// Within this, a second request to stop is the first one, sent twice.
const ECHO: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    match settings::parse(&arguments) {
        Ok(Parsed::Command(line)) => run(*line),
        Ok(Parsed::Text(text)) => {
            let shown = console::print(&text.render().ansi().to_string());
            shown.map_or_else(|failure| end(&failure), |()| ExitCode::SUCCESS)
        }
        Err(failure) => {
            if wants_document(&arguments)
                && let Err(second) = console::print(&console::document("ashlar.error/1", failure.to_json()))
            {
                console::say(&second.report());
            }
            end(&failure)
        }
    }
}

/// Whether a command line that makes no sense asks for JSON all the same, and for one kind of it.
fn wants_document(arguments: &[std::ffi::OsString]) -> bool {
    let given = |flag| arguments.iter().take_while(|word| *word != "--").any(|word| word == flag);
    given("--json") && !given("--json-stream")
}

fn end(failure: &Failure) -> ExitCode {
    console::say(&failure.report());
    ExitCode::from(failure.exit().status())
}

/// What runs a command. Heavy work has threads of its own in every case.
fn runtime_of(command: &Command) -> tokio::runtime::Builder {
    // A long page that is being written must not hold all other answers up.
    const MOST_THREADS: usize = 4;
    match command {
        Command::Serve(_) => {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
            let mut builder = tokio::runtime::Builder::new_multi_thread();
            builder.worker_threads(threads);
            builder
        }
        _ => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            if matches!(command, Command::WorkOn(_)) {
                // The proof and the threads that it starts; what writes to the records stays as it is.
                builder.on_thread_start(ashlar_engine::yield_to_others);
            }
            builder
        }
    }
}

fn run(line: CommandLine) -> ExitCode {
    let console = Console::new(&line.global);
    let runtime = match runtime_of(&line.command).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return end(&CommandError::Broken(Box::new(error)).into()),
    };
    let interrupt = Interrupt::default();
    // What a server works on goes on without this process.
    let works = line.global.server.is_none()
        && matches!(
            line.command,
            Command::Allocate(_)
                | Command::Prove(_)
                | Command::WorkOn(_)
                | Command::Jobs(arguments::Jobs::Retry { .. })
        );
    let grace = match &line.command {
        // What it holds ends within its own time to drain, and then within moments.
        Command::Serve(serve) => GRACE + Duration::from_secs(serve.flags.drain_seconds),
        Command::Worker(worker) => GRACE + Duration::from_secs(worker.flags.drain_seconds),
        _ if works => GRACE,
        _ => Duration::ZERO,
    };
    let session = Session { console: console.clone(), interrupt: interrupt.clone(), global: line.global };
    let outcome = runtime.block_on(async {
        let command = commands::run(&session, line.command);
        tokio::pin!(command);
        tokio::select! {
            outcome = &mut command => return outcome,
            () = asked_to_stop() => interrupt.set(),
        }
        // What the command holds is put in order by the command itself: it is asked to stop, and waited for. One that
        // was all but done ends as it would have.
        tokio::select! {
            outcome = &mut command => outcome,
            () = asked_again() => Err(CommandError::Interrupted.into()),
            () = tokio::time::sleep(grace) => Err(CommandError::Interrupted.into()),
        }
    });
    // A program that is still running inside the virtual machine cannot be stopped; it is not waited for.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Err(second) = console.failure(&failure) {
                console::say(&second.report());
            }
            end(&failure)
        }
    }
}

/// Waits for a second request to stop. What comes at once is the first one again: `timeout` and shells send a signal to
/// the process and to its group.
async fn asked_again() {
    tokio::time::sleep(ECHO).await;
    asked_to_stop().await;
}

/// Waits for Ctrl-C or a request to terminate.
async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                // If Ctrl-C cannot be listened to, the system's own answer to it ends the process.
                Ok(()) = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
                else => std::future::pending().await,
            }
        }
        Err(_) => {
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
