//! One module a verb.

mod allocate;
mod atlantic;
mod doctor;
mod explain;
pub(crate) mod gate_report;
mod jobs;
mod keys;
mod manual;
mod plan;
pub(crate) mod program;
pub(crate) mod prove;
mod remote;
mod serve;
mod verify;
mod work_on;
mod worker;

pub(crate) use jobs::{HEADING, JobLine, event_line, fields_text};

use crate::{arguments::Command, failure::Failure, on_server, session::Session};

/// Runs a command to its end: on a server if one is named, otherwise here.
pub(crate) async fn run(session: &Session, command: Command) -> Result<(), Failure> {
    match &session.global.server {
        Some(server) => on_server::run(session, server, command).await,
        None => run_here(session, command).await,
    }
}

/// Runs a command here.
pub(crate) async fn run_here(session: &Session, command: Command) -> Result<(), Failure> {
    match command {
        Command::Allocate(arguments) => allocate::run(session, arguments).await,
        Command::Prove(arguments) => prove::run(session, arguments).await,
        Command::Verify(arguments) => verify::run(session, &arguments),
        Command::Plan(arguments) => plan::run(session, arguments).await,
        Command::Jobs(verb) => jobs::run(session, verb).await,
        Command::Atlantic(verb) => atlantic::run(session, verb).await,
        Command::Serve(arguments) => serve::run(session, arguments).await,
        Command::Keys(verb) => keys::run(session, verb).await,
        Command::Worker(arguments) => worker::run(session, arguments).await,
        Command::WorkOn(arguments) => work_on::run(session, arguments).await,
        Command::Doctor { calibrate } => doctor::run(session, calibrate).await,
        Command::Explain { code } => explain::run(session, code.as_deref()),
        Command::Completions { shell } => manual::completions(session, shell),
        Command::Man { command } => manual::run(session, command.as_deref()),
    }
}
