//! One module a verb.

mod allocate;
mod atlantic;
mod doctor;
mod explain;
mod gate_report;
mod jobs;
mod keys;
mod manual;
mod plan;
mod program;
mod prove;
mod remote;
mod serve;
mod verify;
mod work_on;
mod worker;

use crate::{arguments::Command, failure::Failure, session::Session};

/// Runs a command to its end.
pub(crate) async fn run(session: &Session, command: Command) -> Result<(), Failure> {
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
