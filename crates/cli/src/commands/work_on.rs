//! `ashlar work-on`: one attempt at a job of the queue, in a process of its own, for the worker that claimed it.
//!
//! It is no verb for people. It is confined before it reads anything, tells the worker on standard output how far it is,
//! records a proof itself with the lease that it was given, and leaves everything else to the worker.

use std::path::Path;

use ashlar_cairo::{
    Arguments, BootloadedRun, Bootloader, CairoError, EntryChoice, FinishedRun, LayoutChoice, Limits,
    PositionIndependentExecution, Program, RunOptions, execute_position_independently,
};
use ashlar_engine::{Confinement, FinishedRunTask, ProgramTask, Requirements, Submission, Task};
use ashlar_risk::Proposal;
use ashlar_stone::{ExternalProver, HashChoice, MemoryLimit, Optimize, Policy, StatementRule, StorageChoice};
use ashlar_store::{JobId, Lease, LeaseToken, ProofSource, Store};

use super::{allocate, prove, remote};
use crate::{
    arguments::{Goal, Hash, Security, WorkOn},
    engine::Provers,
    failure::{CommandError, Failure},
    proving::{Attempted, Prepared, Runner, prove_held},
    session::Session,
};

pub(crate) async fn run(session: &Session, arguments: WorkOn) -> Result<(), Failure> {
    Confinement { parent: arguments.parent, memory_bytes: arguments.memory_bytes }.apply()?;
    let usage = |what: &str, got: &str| CommandError::Usage(format!("expected {what}, got {got:?}"));
    let job = JobId::parse(&arguments.job).ok_or_else(|| usage("the id of a job", &arguments.job))?;
    let token =
        LeaseToken::parse(&arguments.lease).ok_or_else(|| usage("the token of a lease", &arguments.lease))?;
    let lease = Lease { job, n: arguments.attempt, token };
    let store = session.global.open_records().await?;
    let submission = Submission::recorded(&store, job).await?;
    let source = store.job(job).await?.proof_source;
    let provers = match source {
        ProofSource::StoneExternal => {
            let program = arguments.external_prover.as_ref().ok_or(CommandError::NoExternalProver)?;
            Provers::External(ExternalProver::new(program))
        }
        _ => Provers::Native,
    };
    let security = security(&submission.requirements, arguments.memory_bytes);
    let mut policy = Policy::strict(security.minimum_bits);
    match &submission.task {
        Task::Program(ProgramTask { as_built: true, .. }) => policy.statement = StatementRule::AnyForm,
        Task::FinishedRun(_) => policy.statement = StatementRule::Bootloaded,
        Task::Program(_) | Task::Allocation(_) => {}
    }
    if source == ProofSource::Atlantic {
        remote::prove_held(session, &store, lease, submission, policy).await?;
        store.close().await;
        return Ok(());
    }
    let run = Runnable::of(&store, submission.task).await?.into_runner();
    prove_held(session, &store, lease, Attempted { security, policy, provers, recorder: None, run }).await?;
    store.close().await;
    Ok(())
}

/// What was asked for, within the memory that was set aside.
fn security(requirements: &Requirements, memory_bytes: u64) -> Security {
    Security {
        minimum_bits: requirements.minimum_bits,
        optimize: match requirements.optimize {
            Optimize::Time => Goal::Time,
            Optimize::Size => Goal::Size,
            Optimize::Calldata => Goal::Calldata,
        },
        hash: match requirements.hash {
            HashChoice::Blake248 => Hash::Blake248,
            HashChoice::Poseidon => Hash::Poseidon,
            HashChoice::Keccak160 => Hash::Keccak160,
        },
        memory_limit: match memory_bytes {
            0 => MemoryLimit::Unlimited,
            bytes => MemoryLimit::Reserved(ashlar_engine::Forecast::columns_of(bytes)),
        },
        storage: StorageChoice::Automatic,
    }
}

/// What is asked for, with everything at hand that it is made from.
pub(crate) enum Runnable {
    /// The decisions on these proposals.
    Model(Vec<Proposal>),
    /// A program that somebody sent, and what was asked for with it.
    Program(Vec<u8>, ProgramTask),
    /// A finished run that somebody sent, and the bootloader's bytes.
    FinishedRun { archive: Vec<u8>, bootloader: Vec<u8>, task: FinishedRunTask },
}

impl Runnable {
    /// Reads a program's bytes, which are compared with their hash.
    pub(crate) async fn of(store: &Store, task: Task) -> Result<Runnable, Failure> {
        Ok(match task {
            Task::Allocation(proposals) => Runnable::Model(proposals),
            Task::Program(task) => Runnable::Program(task.program.read(store.artefacts()).await?, task),
            Task::FinishedRun(task) => {
                let artefacts = store.artefacts();
                let archive = artefacts.read_content(task.archive.sha256, task.archive.size).await?;
                let bootloader = task.bootloader.read(artefacts).await?;
                Runnable::FinishedRun { archive, bootloader, task }
            }
        })
    }

    /// What runs it here; a program for no more steps than were declared.
    pub(crate) fn into_runner(self) -> Runner {
        match self {
            Runnable::Model(proposals) => allocate::model_run(proposals),
            Runnable::FinishedRun { archive, bootloader, task } => Box::new(move || {
                let limits = Limits { steps: task.steps, ..Limits::default() };
                let layout = task.layout.map_or_else(LayoutChoice::automatic, LayoutChoice::Named);
                bootloaded(&archive, &bootloader, &layout, &limits)
            }),
            Runnable::Program(bytes, task) => Box::new(move || {
                let (program, arguments) = called(&bytes, &task)?;
                let options = RunOptions {
                    layout: task.layout.map_or_else(LayoutChoice::automatic, LayoutChoice::Named),
                    entry: if task.as_built { EntryChoice::AsBuilt } else { EntryChoice::Strict },
                    limits: Limits { steps: task.steps, ..Limits::default() },
                };
                let run = ashlar_cairo::run(&program, &arguments, &options)?;
                Ok(Prepared { claim: prove::claim(&run.forms)?, execution: run.execution })
            }),
        }
    }

    /// Runs it for a prover elsewhere, into a file.
    pub(crate) fn execute(&self, to: &Path) -> Result<PositionIndependentExecution, Failure> {
        Ok(match self {
            Runnable::Model(proposals) => ashlar_risk::execute_model(proposals, to)?,
            Runnable::Program(bytes, task) => {
                let (program, arguments) = called(bytes, task)?;
                let limits = Limits { steps: task.steps, ..Limits::default() };
                execute_position_independently(&program, &arguments, &limits, to)?
            }
            // No backend elsewhere is offered one.
            Runnable::FinishedRun { .. } => return Err(CairoError::NoMain.into()),
        })
    }
}

/// Runs a finished run once more, inside a bootloader.
pub(crate) fn bootloaded(
    archive: &[u8],
    bootloader: &[u8],
    layout: &LayoutChoice,
    limits: &Limits,
) -> Result<Prepared, Failure> {
    let finished = FinishedRun::from_archive(archive, limits).map_err(CairoError::from)?;
    let BootloadedRun { run, claim, .. } =
        Bootloader::from_bytes(bootloader)?.run(&finished, layout, limits)?;
    Ok(Prepared { execution: run.execution, claim })
}

fn called(bytes: &[u8], task: &ProgramTask) -> Result<(Program, Arguments), Failure> {
    let program = Program::from_bytes(bytes)?;
    let arguments = match &task.arguments {
        Some(text) => Arguments::from_text(text).map_err(CairoError::from)?,
        None => Arguments::none(),
    };
    Ok((program, arguments))
}
