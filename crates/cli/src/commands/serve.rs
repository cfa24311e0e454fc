//! `ashlar serve`: HTTP API, dashboard and a worker in one process, until it is asked to end.

use std::{path::Path, sync::Arc, time::Duration};

use ashlar_cairo::Bootloader;
use ashlar_engine::{CompiledProgram, Engine, Worker};
use ashlar_server::{Collector, RateLimit, Server, ServerSettings};
use ashlar_stone::{MOST_INPUT_BYTES, read_bounded};
use serde_json::json;
use tokio::sync::watch;

use super::worker::{engine_settings, worker_settings};
use crate::{arguments::Serve, failure::Failure, service, session::Session};

/// How often it is looked whether somebody asked for an end.
const GLANCE: Duration = Duration::from_millis(100);

pub(crate) async fn run(session: &Session, arguments: Serve) -> Result<(), Failure> {
    let store = session.store().await?;
    session.sweep(&store).await?;
    let engine = Engine::open(store.clone(), engine_settings(session, &arguments.flags)?)?;
    let console = session.console.clone();
    let log = Arc::new(move |line: &str| console.remark(line));
    let server = Server::listen(engine.clone(), settings(&arguments)?, log).await?;
    let address = server.address();
    session.console.text(&format!("http://{address}/\n"))?;
    session.console.event("listening", json!({ "address": address.to_string() }))?;
    if arguments.open_on_loopback {
        session.console.remark("open: whoever is on this machine needs no key");
    }

    let (stop, stopped) = watch::channel(false);
    let working = async {
        if arguments.no_worker {
            return Ok(());
        }
        let worker = Worker::new(engine.clone(), worker_settings(session, &arguments.flags, &engine)?);
        let ended = worker.run(stopped.clone()).await;
        // A server whose worker is gone would take work that nobody does.
        stop.send_replace(true);
        ended.map(drop).map_err(Failure::from)
    };
    let mut asked = stopped.clone();
    let serving = server.run(async move {
        drop(asked.wait_for(|stop| *stop).await);
    });
    let watching = async {
        while !session.interrupt.is_set() && !*stop.borrow() {
            tokio::time::sleep(GLANCE).await;
        }
        stop.send_replace(true);
    };
    let sweeping = session.sweep_again(&store, &stop);
    let (worked, (), (), swept) = tokio::join!(working, serving, watching, sweeping);
    store.close().await;
    session.console.remark("ended");
    worked.and(swept)
}

/// The bootloader of finished runs, without what only people read of it: it is kept with every job.
fn bootloader(file: Option<&Path>) -> Result<Option<CompiledProgram>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let bytes = read_bounded(file, "bootloader", MOST_INPUT_BYTES)?;
    Ok(Some(Bootloader::stripped(&bytes)?.into()))
}

fn settings(arguments: &Serve) -> Result<ServerSettings, Failure> {
    let each_second = arguments.rate_limit;
    Ok(ServerSettings {
        open_on_loopback: arguments.open_on_loopback,
        host_names: arguments.host_names.clone(),
        public_address: arguments.public_address.clone(),
        bootloader: bootloader(arguments.bootloader.as_deref())?,
        atlantic_webhook: service::webhook_secret(arguments.atlantic_webhook_file.as_ref())?,
        collector: arguments.otlp_endpoint.as_deref().map(Collector::parse).transpose()?,
        rate: RateLimit { each_second, at_once: each_second.saturating_mul(2) },
        ..ServerSettings::at(arguments.listen)
    })
}
