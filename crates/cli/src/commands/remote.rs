//! An attempt at a job of the queue that the managed service makes: the run here, and then ask, wait, fetch, verify, record.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use ashlar_atlantic::SystemClock;
use ashlar_engine::{RemoteAttempt, RemoteRun, Submission};
use ashlar_stone::{Policy, Scratch};
use ashlar_store::{Lease, PaddedFelt, ProofStatus, Store, VerifiedProof};
use serde_json::json;

use super::work_on::Runnable;

use crate::{
    failure::{CommandError, Failure},
    proving::Prepared,
    service,
    session::Session,
    settings,
    tenure::Tenure,
};

/// How often it is looked whether the attempt is to stop.
const GLANCE: Duration = Duration::from_millis(100);

/// Proves a job of the queue that a worker holds, with the managed service.
pub(crate) async fn prove_held(
    session: &Session,
    store: &Store,
    lease: Lease,
    submission: Submission,
    policy: Policy,
) -> Result<(), Failure> {
    let service = service::managed(&session.global)?.ok_or_else(|| {
        CommandError::Usage("expected a section atlantic in the settings file, got none".to_owned())
    })?;
    let tenure = Tenure::Attempt(lease);
    tenure.advance(store, ProofStatus::Tracing).await?;
    session.console.event("stage", json!({ "stage": "run" }))?;
    // Files of this attempt, gone with it; an earlier one that was too slow has its own.
    let scratch = Scratch::create(&session.scratch_path(lease.job).join(lease.n.to_string()))?;
    let folder = scratch.path().to_owned();
    let runnable = Runnable::of(store, submission.task).await?;
    let run = session.work(store, &tenure, move || run(runnable, &folder)).await?;
    let (n_steps, run) = run;

    let (clock, stop) = (SystemClock::default(), Arc::new(AtomicBool::new(false)));
    let console = session.console.clone();
    let attempt = RemoteAttempt {
        store: store.clone(),
        lease,
        policy,
        terms: service.terms.clone(),
        budget: settings::router(&session.global)?.budget,
        ceiling_micro_usd: submission.circumstances.ceiling_micro_usd,
        client: Arc::new(service.client(&lease, &clock)),
        polling: service.polling,
        scratch: scratch.path().to_owned(),
        clock: Arc::new(ashlar_engine::SystemClock),
        stop: Arc::clone(&stop),
        // An event that cannot be written is reported by the result that follows it.
        say: Arc::new(move |event, detail| drop(console.event(event, detail))),
    };
    let watching = async {
        loop {
            tokio::time::sleep(GLANCE).await;
            if session.interrupt.is_set() {
                stop.store(true, Ordering::SeqCst);
                clock.wake();
            }
        }
    };
    let delivered = tokio::select! {
        delivered = attempt.prove(&run) => delivered?,
        never = watching => never,
    };
    let parameters = delivered.verified.parameters.to_json().to_stone_text();
    let record = VerifiedProof {
        program_hash: delivered.claim.program.hash().0,
        output: delivered.claim.output.0.clone(),
        fact_hash: delivered.claim.fact_hash().0,
        stone_version: "stone6",
        layout: delivered.verified.layout.to_owned(),
        n_steps: delivered.verified.n_steps,
        parameters: serde_json::from_str(&parameters).unwrap_or_default(),
        security_bits: delivered.verified.security.conjectured_bits,
        proven_bits: delivered.verified.security.proven_bits,
        trace_size: n_steps * 24,
        stages: delivered.stages,
    };
    tenure.conclude_verified(store, &record, &delivered.file).await?;
    let program = PaddedFelt(record.program_hash);
    session.console.document(
        "ashlar.proof/1",
        json!({ "job": lease.job, "program_hash": program, "query": delivered.query }),
    )
}

/// Makes a run twice: as a proof of the program alone would state it, and for whoever takes it over; and its steps, padded.
fn run(runnable: Runnable, folder: &Path) -> Result<(u64, RemoteRun), Failure> {
    let begun = Instant::now();
    let execution: PathBuf = folder.join("run.zip");
    let made = runnable.execute(&execution)?;
    let prepared = runnable.into_runner()()?;
    let Prepared { execution: proven, claim } = prepared;
    if made.output != claim.output.0 {
        // Both runs are ours: they can only differ if the program does not always do the same.
        let expected = claim.output.0.len();
        return Err(CommandError::OtherRun { expected, got: made.output.len() }.into());
    }
    let run = RemoteRun {
        execution,
        task_hash: made.program_hash,
        program_hash: claim.program.hash().0,
        output: made.output,
        layout: proven.public_input.layout.clone(),
        steps: made.steps,
        milliseconds: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    Ok((proven.public_input.n_steps, run))
}
