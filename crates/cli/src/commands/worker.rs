//! `ashlar worker`: takes jobs from the queue and proves them, until it is asked to end.

use std::{path::PathBuf, time::Duration};

use ashlar_engine::{Engine, Settings, Variables, Worker, WorkerSettings};
use ashlar_stone::{Memory, MemoryLimit};
use ashlar_store::Lane;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    arguments::{self, BUCKET_VARIABLE, DATABASE_VARIABLE, WorkerFlags},
    console::size,
    failure::{CommandError, Failure},
    service,
    session::Session,
    settings,
};

/// How often a worker that was asked to end looks whether it was.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) async fn run(session: &Session, arguments: arguments::Worker) -> Result<(), Failure> {
    let store = session.store().await?;
    session.sweep(&store).await?;
    let engine = Engine::open(store.clone(), engine_settings(session, &arguments.flags)?)?;
    let worker = Worker::new(engine.clone(), worker_settings(session, &arguments.flags, &engine)?);
    let name = worker.name().to_owned();
    session.console.remark(&format!(
        "worker {name} takes jobs of up to {} from {}",
        size(engine.settings().memory_bytes),
        session.global.data_dir.display()
    ));
    session.console.event("worker", json!({ "worker": name }))?;
    let (stop, stopped) = watch::channel(false);
    let interrupt = session.interrupt.clone();
    let until_idle = arguments.until_idle;
    let asked = async {
        loop {
            tokio::time::sleep(GLANCE).await;
            let idle = until_idle && engine.queue_depth().await.is_ok_and(|depth| depth.lanes.is_empty());
            if interrupt.is_set() || idle {
                let _ = stop.send(true);
            }
        }
    };
    let working = async {
        let ended = worker.run(stopped).await;
        stop.send_replace(true);
        ended
    };
    let both = async { tokio::join!(working, session.sweep_again(&store, &stop)) };
    let report = tokio::select! {
        (worked, swept) = both => {
            swept?;
            worked?
        }
        () = asked => return Err(CommandError::Interrupted.into()),
    };
    session.console.remark(&format!(
        "worker {name} ended: {} jobs taken, {} verified, {} attempts failed, {} given back",
        report.claimed, report.verified, report.failed, report.released
    ));
    session.console.document("ashlar.worker/1", json!(report))?;
    store.close().await;
    Ok(())
}

/// The engine's figures, as flags and settings file say.
pub(crate) fn engine_settings(session: &Session, flags: &WorkerFlags) -> Result<Settings, Failure> {
    let defaults = Settings::default();
    let memory_bytes = match flags.memory {
        MemoryLimit::Bytes(bytes) | MemoryLimit::Reserved(bytes) => bytes,
        MemoryLimit::Unlimited => u64::MAX / 2,
        MemoryLimit::Available => Memory::now().map_or(defaults.memory_bytes, |memory| memory.limit / 10 * 9),
    };
    Ok(Settings {
        queue_limit: flags.queue_limit,
        attempts: flags.attempts,
        attempt_time: Duration::from_secs(flags.attempt_seconds),
        lease: Duration::from_secs(flags.lease_seconds),
        policy: settings::router(&session.global)?,
        rates: session.rates().rates,
        memory_bytes,
        external_prover: flags.external_prover.clone(),
        atlantic: service::managed(&session.global)?.map(|service| service.terms),
        ..defaults
    })
}

/// How a worker of this program works over an engine.
pub(crate) fn worker_settings(
    session: &Session,
    flags: &WorkerFlags,
    engine: &Engine,
) -> Result<WorkerSettings, Failure> {
    let program = std::env::current_exe().map_err(|error| CommandError::Broken(Box::new(error)))?;
    let data =
        std::path::absolute(&session.global.data_dir).unwrap_or_else(|_| session.global.data_dir.clone());
    let mut arguments: Vec<std::ffi::OsString> =
        vec!["--json-stream".into(), "--data-dir".into(), data.into()];
    if let Some(config) = &session.global.config {
        let config = std::path::absolute(config).unwrap_or_else(|_| config.clone());
        arguments.extend(["--config".into(), config.into()]);
    }
    arguments.push("work-on".into());
    let external: Option<&PathBuf> = flags.external_prover.as_ref();
    if let Some(prover) = external {
        let prover = std::path::absolute(prover).unwrap_or_else(|_| prover.clone());
        arguments.extend(["--external-prover".into(), prover.into()]);
    }
    let mut settings = WorkerSettings::new(program, arguments, engine.settings().memory_bytes);
    if external.is_some() {
        settings.lanes.push(Lane::ProveExternal);
    }
    if let Some(terms) = &engine.settings().atlantic {
        settings.lanes.push(Lane::RemoteAtlantic);
        settings.remote_at_once = terms.at_once;
    }
    settings.gate = service::gate(&session.global)?;
    if let Some(most) = flags.at_once {
        settings.most_at_once = most.max(1);
    }
    settings.drain = Duration::from_secs(flags.drain_seconds);
    // It may hold a password, and everybody on this machine can read arguments.
    let mut variables: Vec<(std::ffi::OsString, std::ffi::OsString)> =
        vec![(DATABASE_VARIABLE.into(), session.global.database.0.clone().into())];
    if let Some(bucket) = &session.global.bucket {
        variables.push((BUCKET_VARIABLE.into(), bucket.0.clone().into()));
    }
    settings.environment = Variables(variables);
    Ok(settings)
}
