//! `ashlar jobs`: what was proven, and what became of it.

use std::{fs, path::Path, time::Duration};

use ashlar_engine::{Engine, Settings};
use ashlar_stone::OutputFile;
use ashlar_store::{Artefact, ArtefactKind, Job, JobEvent, Moment, ProofStatus, Store, WorkerState};
use serde_json::{Value, json};

use super::{allocate, prove};
use crate::{
    arguments::Jobs,
    asked::Asked,
    console::{Form, ago, duration, print, size},
    failure::{CommandError, Failure},
    service,
    session::Session,
    settings,
};

/// How often a followed job is looked at.
const GLANCE: Duration = Duration::from_millis(200);

pub(crate) async fn run(session: &Session, verb: Jobs) -> Result<(), Failure> {
    let store = session.store().await?;
    let outcome = match verb {
        Jobs::List { status, limit } => list(session, &store, status.as_deref(), limit).await,
        Jobs::Show { job } => show(session, &store, &job).await,
        Jobs::Logs { job } => logs(session, &store, &job).await,
        Jobs::Watch { job } => watch(session, &store, &job).await,
        Jobs::Cancel { job } => cancel(session, &store, &job).await,
        Jobs::Retry { job } => retry(session, &store, &job).await,
        Jobs::Export { job, out } => export(session, &store, &job, &out).await,
    };
    store.close().await;
    outcome
}

async fn list(session: &Session, store: &Store, status: Option<&str>, limit: u32) -> Result<(), Failure> {
    let status = match status {
        None => None,
        Some(word) => Some(ProofStatus::parse(word).ok_or_else(|| {
            let known: Vec<&str> = ProofStatus::ALL.iter().map(|status| status.word()).collect();
            CommandError::Usage(format!("--status: expected one of {}, got {word:?}", known.join(", ")))
        })?),
    };
    let jobs = store.jobs(status, limit).await?;
    let mut text = String::new();
    if jobs.is_empty() {
        session.console.remark("no jobs");
    } else {
        text.push_str(HEADING);
    }
    for job in &jobs {
        text.push_str(
            &JobLine {
                id: &job.id.to_string(),
                status: job.proof_status.word(),
                source: job.proof_source.word(),
                bits: job.security_bits,
                milliseconds: job.stone_latency_ms,
                made_at: job.created_at,
                error: job.error_code.as_deref(),
            }
            .to_text(),
        );
    }
    session.console.text(&text)?;
    session.console.document("ashlar.jobs/1", json!({ "jobs": jobs }))
}

/// What stands above a list of jobs.
pub(crate) const HEADING: &str =
    "job                             status     source       bits  time       when\n";

/// A job in a list, wherever it is on record.
pub(crate) struct JobLine<'a> {
    pub(crate) id: &'a str,
    pub(crate) status: &'a str,
    pub(crate) source: &'a str,
    pub(crate) bits: Option<u32>,
    pub(crate) milliseconds: Option<u64>,
    pub(crate) made_at: Moment,
    pub(crate) error: Option<&'a str>,
}

impl JobLine<'_> {
    pub(crate) fn to_text(&self) -> String {
        format!(
            "{}  {:9}  {:11}  {:>4}  {:9}  {}{}\n",
            self.id,
            self.status,
            self.source,
            self.bits.map(|bits| bits.to_string()).unwrap_or_default(),
            self.milliseconds.map(duration).unwrap_or_default(),
            ago(self.made_at),
            self.error.map(|code| format!("  {code}")).unwrap_or_default(),
        )
    }
}

/// An object's fields, one a line; what is long is counted.
pub(crate) fn fields_text(record: &Value) -> String {
    let mut text = String::new();
    for (key, value) in record.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(word) => text.push_str(&format!("{key:18} {word}\n")),
            Value::Array(items) if items.len() > 8 => {
                text.push_str(&format!("{key:18} {} entries (--json shows them)\n", items.len()));
            }
            other => text.push_str(&format!("{key:18} {other}\n")),
        }
    }
    text
}

async fn show(session: &Session, store: &Store, given: &str) -> Result<(), Failure> {
    let job = store.find_job(given).await?;
    let record = record(store, &job).await?;
    session.console.text(&fields_text(&record))?;
    session.console.document("ashlar.job/1", record)
}

/// Everything on record about a job.
async fn record(store: &Store, job: &Job) -> Result<Value, Failure> {
    let mut record = serde_json::to_value(job).map_err(|error| CommandError::Broken(Box::new(error)))?;
    if let Value::Object(fields) = &mut record {
        let allocations: Vec<Value> = store
            .allocations_of(job.id)
            .await?
            .iter()
            .map(|allocation| json!({ "id": allocation.id, "proposal_id": allocation.proposal_id, "status": allocation.status }))
            .collect();
        fields.insert("allocations".to_owned(), Value::Array(allocations));
        fields.insert("artefacts".to_owned(), json!(store.artefacts_of(job.id).await?));
        fields.insert("queries".to_owned(), json!(store.queries_of(job.id).await?));
        fields.insert("settlements".to_owned(), json!(store.settlements_of(job.id).await?));
        fields.insert("retried_by".to_owned(), json!(store.successor_of(job.id).await?));
    }
    Ok(record)
}

/// An event of a job's log in one line.
pub(crate) fn event_line(at: &str, event: &str, detail: &Value) -> String {
    let detail = match (event, detail) {
        ("status", detail) => {
            let code = detail["error_code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
            format!("{}{code}", detail["to"].as_str().unwrap_or_default())
        }
        (_, detail) => detail.to_string(),
    };
    format!("{at}  {event:9}  {detail}\n")
}

fn show_event(session: &Session, event: &JobEvent) -> Result<(), Failure> {
    match session.console.form() {
        Form::Text => session.console.text(&event_line(&event.at.to_string(), &event.event, &event.detail)),
        Form::Events => session.console.event("log", json!({ "entry": event })),
        Form::Document => Ok(()),
    }
}

async fn logs(session: &Session, store: &Store, given: &str) -> Result<(), Failure> {
    let job = store.find_job(given).await?;
    let events = store.events(job.id, 0).await?;
    for event in &events {
        show_event(session, event)?;
    }
    session.console.document("ashlar.log/1", json!({ "job": job.id, "events": events }))
}

async fn watch(session: &Session, store: &Store, given: &str) -> Result<(), Failure> {
    let mut job = store.find_job(given).await?;
    let mut seen = 0;
    loop {
        for event in store.events(job.id, seen).await? {
            seen = event.id;
            show_event(session, &event)?;
        }
        if job.proof_status.is_terminal() {
            break;
        }
        tokio::time::sleep(GLANCE).await;
        job = store.job(job.id).await?;
    }
    session.console.document("ashlar.job/1", record(store, &job).await?)?;
    if job.proof_status == ProofStatus::Verified { Ok(()) } else { Err(no_proof(&job).into()) }
}

async fn cancel(session: &Session, store: &Store, given: &str) -> Result<(), Failure> {
    let mut job = store.find_job(given).await?;
    if job.proof_status.is_terminal() {
        return Err(over(&job).into());
    }
    store.request_cancel(job.id).await?;
    session.console.remark(&format!("{} is asked to stop", job.id));
    while !job.proof_status.is_terminal() {
        tokio::time::sleep(GLANCE).await;
        // A job without a worker is concluded here, once its lease has run out.
        store.conclude_abandoned(Moment::now()).await?;
        job = store.job(job.id).await?;
    }
    session.console.text(&format!("{} {}\n", job.id, job.proof_status))?;
    session.console.document("ashlar.job/1", record(store, &job).await?)?;
    // It may have ended by itself before anybody saw the request.
    if job.proof_status == ProofStatus::Cancelled { Ok(()) } else { Err(over(&job).into()) }
}

fn over(job: &Job) -> CommandError {
    CommandError::AlreadyOver { job: job.id.to_string(), status: job.proof_status.to_string() }
}

async fn retry(session: &Session, store: &Store, given: &str) -> Result<(), Failure> {
    let job = store.find_job(given).await?;
    if store.work_of(job.id).await?.is_some() {
        return queue_again(session, store, &job).await;
    }
    let refused =
        |reason, hint| Err(Failure::from(CommandError::NotRetried { job: job.id.to_string(), reason, hint }));
    if let Some(successor) = store.successor_of(job.id).await? {
        return refused(
            "it was done over already",
            Some(format!("see that one: ashlar jobs show {successor}")),
        );
    }
    match job.proof_status {
        ProofStatus::Failed | ProofStatus::Timeout | ProofStatus::Cancelled => {}
        ProofStatus::Verified => return refused("it has a proof", None),
        _ => return refused("it is not over", Some(format!("stop it first: ashlar jobs cancel {}", job.id))),
    }
    match job.request.as_ref().and_then(Asked::from_json) {
        Some(Asked::Allocation(security)) => allocate::again(session, store, &security, &job).await,
        Some(Asked::Program(arguments)) => prove::again(session, *arguments, &job).await,
        None => refused("its record does not say what was asked for", None),
    }
}

/// A job of the queue goes back to the queue, as another job, and is made by whoever works there.
async fn queue_again(session: &Session, store: &Store, job: &Job) -> Result<(), Failure> {
    let settings = Settings {
        policy: settings::router(&session.global)?,
        rates: session.rates().rates,
        atlantic: service::managed(&session.global)?.map(|service| service.terms),
        ..Settings::default()
    };
    let engine = Engine::open(store.clone(), settings)?;
    let submitted = engine.retry(job.id).await?;
    if engine.workers().await?.iter().all(|worker| worker.state == WorkerState::Stopped) {
        session.console.remark("no worker was seen in the last two minutes: ashlar worker");
    }
    session.console.text(&format!("{} queued\n", submitted.job))?;
    session.console.document("ashlar.submitted/1", json!(submitted))
}

fn no_proof(job: &Job) -> CommandError {
    CommandError::NoProof { job: job.id.to_string(), status: job.proof_status.to_string() }
}

async fn export(session: &Session, store: &Store, given: &str, out: &Path) -> Result<(), Failure> {
    let job = store.find_job(given).await?;
    let artefacts = store.artefacts_of(job.id).await?;
    let proof = artefacts
        .iter()
        .find(|artefact| artefact.kind == ArtefactKind::Proof)
        .ok_or_else(|| no_proof(&job))?;
    let bytes = store.artefacts().read(proof).await?;
    fs::create_dir_all(out).map_err(|source| ashlar_stone::FileError::Unwritable {
        role: "export folder",
        path: out.to_owned(),
        source,
    })?;
    let mut record = record(store, &job).await?;
    if let Value::Object(fields) = &mut record {
        fields.insert("events".to_owned(), json!(store.events(job.id, 0).await?));
    }
    let mut text =
        serde_json::to_string_pretty(&record).map_err(|error| CommandError::Broken(Box::new(error)))?;
    text.push('\n');
    OutputFile::prepare(&out.join("proof.json"), "proof")?.write(&bytes)?;
    OutputFile::prepare(&out.join("record.json"), "record")?.write(text.as_bytes())?;
    told(session, proof, out)
}

fn told(session: &Session, proof: &Artefact, out: &Path) -> Result<(), Failure> {
    if session.console.form() == Form::Text {
        session.console.remark(&format!("wrote proof.json ({}) and record.json", size(proof.size)));
        return print(&format!("{}\n", out.display()));
    }
    session
        .console
        .document("ashlar.export/1", json!({ "folder": out.display().to_string(), "proof": proof }))
}
