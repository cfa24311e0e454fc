//! `ashlar prove`: any Cairo program.

use std::path::Path;

use ashlar_cairo::{EntryChoice, LayoutChoice, Limits, MOST_ARCHIVE_BYTES, RunOptions};
use ashlar_cpu_air::{
    layout,
    statement::{Claim, EntryForms, EntryRefusal, StatementError, classify},
};
use ashlar_stone::{
    MOST_INPUT_BYTES, OutputFile, Policy, StatementRule, public_input_from_json, read_bounded, read_json,
    read_public_input, read_run,
};
use ashlar_store::{ContentHash, Job, Purpose};

use super::{program, work_on};
use crate::{
    arguments::{Finished, Prove},
    asked::Asked,
    engine::Provers,
    failure::{CommandError, Failure},
    profiling::Profiling,
    proving::{FIRST_STAGE, Prepared, Request, Runner, prove_recorded},
    session::Session,
};

pub(crate) async fn run(session: &Session, arguments: Prove) -> Result<(), Failure> {
    make(session, arguments, None).await
}

/// Does a job over. The files that it was made from must be what they were.
pub(crate) async fn again(session: &Session, arguments: Prove, job: &Job) -> Result<(), Failure> {
    make(session, arguments, Some(job)).await
}

async fn make(session: &Session, arguments: Prove, retried: Option<&Job>) -> Result<(), Failure> {
    // A file that cannot be written is found before the work, not after.
    let out = arguments.out.as_deref().map(|path| OutputFile::prepare(path, "proof")).transpose()?;
    let profiling = Profiling::of(&arguments.timings)?;
    let policy = policy(&arguments)?;
    let provers = Provers::of(&arguments)?;
    let security = arguments.security.clone();
    let (input_commitment, run) = runner(&arguments)?;
    if let Some(job) = retried
        && job.input_commitment.as_ref() != Some(&input_commitment)
    {
        return Err(CommandError::OtherInput {
            job: job.id.to_string(),
            expected: job.input_commitment.clone().unwrap_or_default(),
            got: input_commitment,
        }
        .into());
    }
    let store = session.store().await?;
    let request = Request {
        purpose: Purpose::Program,
        allocations: Vec::new(),
        input_commitment,
        security,
        policy,
        provers,
        asked: Asked::Program(Box::new(absolute(arguments))).to_json()?,
        retry_of: retried.map(|job| job.id),
        recorder: profiling.recorder(FIRST_STAGE),
        run,
    };
    let proven = prove_recorded(session, &store, request).await?;
    if let Some(out) = out {
        let path = out.path().to_owned();
        out.write(&proven.file)?;
        session.console.remark(&format!("wrote {}", path.display()));
    }
    session.console.text(&proven.to_text())?;
    if let Some(profile) = &proven.profile {
        profiling.report(session, profile)?;
    }
    session.console.document("ashlar.proof/1", proven.to_json())?;
    store.close().await;
    Ok(())
}

/// The same request with paths that mean the same from every folder.
fn absolute(mut arguments: Prove) -> Prove {
    let paths = [
        Some(&mut arguments.called.program),
        arguments.called.args_file.as_mut(),
        arguments.private_input.as_mut(),
        arguments.finished.pie.as_mut(),
        arguments.finished.bootloader.as_mut(),
        arguments.out.as_mut(),
        arguments.external_prover.as_mut(),
    ];
    for path in paths.into_iter().flatten() {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute;
        }
    }
    arguments
}

/// How the run comes about, and a digest of what it is made from.
fn runner(arguments: &Prove) -> Result<(String, Runner), Failure> {
    if let Some(private) = &arguments.private_input {
        let json = read_json(&arguments.called.program, "public input", MOST_INPUT_BYTES)?;
        public_input_from_json(&json, &arguments.called.program.to_string_lossy())?;
        let commitment = ContentHash::of(json.to_stone_text().as_bytes()).to_string();
        let (public, private) = (arguments.called.program.clone(), private.clone());
        let run: Runner = Box::new(move || {
            let execution = read_run(read_public_input(&public)?, &private)?.execution;
            let public_input = &execution.public_input;
            let layout = layout::for_public_input(&public_input.layout, &public_input.dynamic_params)?;
            let claim = claim(&classify(public_input, &layout))?;
            Ok(Prepared { execution, claim })
        });
        return Ok((commitment, run));
    }
    let layout = arguments.layout.clone().map_or_else(LayoutChoice::automatic, LayoutChoice::Named);
    if let Some(finished) = &arguments.finished.pie {
        let FinishedCall { archive, bootloader, commitment } = finished_call(finished, &arguments.finished)?;
        let run: Runner =
            Box::new(move || work_on::bootloaded(&archive, &bootloader, &layout, &Limits::default()));
        return Ok((commitment, run));
    }
    let call = program::read(&arguments.called)?;
    let entry = if arguments.as_built { EntryChoice::AsBuilt } else { EntryChoice::Strict };
    let options = RunOptions { layout, entry, ..RunOptions::default() };
    let commitment = call.commitment.clone();
    let run: Runner = Box::new(move || {
        let run = ashlar_cairo::run(&call.program, &call.arguments, &options)?;
        Ok(Prepared { claim: claim(&run.forms)?, execution: run.execution })
    });
    Ok((commitment, run))
}

/// A finished run and a bootloader, as files, and a digest of both.
pub(super) struct FinishedCall {
    pub(super) archive: Vec<u8>,
    pub(super) bootloader: Vec<u8>,
    pub(super) commitment: String,
}

/// Reads them.
pub(super) fn finished_call(archive: &Path, given: &Finished) -> Result<FinishedCall, Failure> {
    let bootloader = given.bootloader.as_ref().ok_or(CommandError::NoBootloader)?;
    let archive = read_bounded(archive, "finished run", MOST_ARCHIVE_BYTES)?;
    let bootloader = read_bounded(bootloader, "bootloader", MOST_INPUT_BYTES)?;
    let digests = format!("{} {}", ContentHash::of(&bootloader), ContentHash::of(&archive));
    let commitment = ContentHash::of(digests.as_bytes()).to_string();
    Ok(FinishedCall { archive, bootloader, commitment })
}

/// What a run states, by the strictest form that it has.
pub(crate) fn claim(forms: &EntryForms) -> Result<Claim, Failure> {
    let refusal = |refusal: &EntryRefusal| Failure::from(StatementError::Entry(refusal.clone()));
    forms.strictest().cloned().map_err(refusal)
}

/// What a proof must satisfy before it counts as one.
pub(crate) fn policy(arguments: &Prove) -> Result<Policy, Failure> {
    let mut policy = Policy::strict(arguments.security.minimum_bits);
    if arguments.finished.pie.is_some() {
        policy.statement = StatementRule::Bootloaded;
    } else if arguments.as_built || arguments.private_input.is_some() {
        // Without the strict form a proof says less, and the gate will refuse it; but builtins that nothing constrains
        // are no proof of anything, in any form.
        policy.statement = StatementRule::AnyForm;
    }
    Ok(policy)
}
