//! `ashlar jobs --server URL`: the server's jobs, as far as the key reaches.

use std::{fs, path::Path, time::Duration};

use ashlar_client::{JobFilter, JobView, Standing};
use ashlar_stone::OutputFile;
use ashlar_store::Moment;
use serde_json::{Value, json};

use super::{Remote, demand_proof, follow::follow};
use crate::{
    arguments::Jobs,
    commands::{HEADING, JobLine, event_line, fields_text},
    console::{Form, print},
    failure::{CommandError, Failure},
    session::Session,
};

/// How often a job that was asked to stop is looked at.
const GLANCE: Duration = Duration::from_millis(500);

pub(super) async fn run(session: &Session, remote: &Remote, verb: Jobs) -> Result<(), Failure> {
    match verb {
        Jobs::List { status, limit } => list(session, remote, status, limit).await,
        Jobs::Show { job } => {
            let view = found(remote, job).await?;
            let record = record(&view);
            session.console.text(&fields_text(&record))?;
            session.console.document("ashlar.job/1", record)
        }
        Jobs::Logs { job } => logs(session, remote, job).await,
        Jobs::Watch { job } => {
            let id = found(remote, job).await?.job.id;
            let view = follow(session, remote, &id, true).await?;
            session.console.document("ashlar.job/1", record(&view))?;
            demand_proof(session, &view)
        }
        Jobs::Cancel { job } => cancel(session, remote, job).await,
        Jobs::Retry { job } => {
            let id = found(remote, job).await?.job.id;
            let submitted = remote.ask(move |client| client.retry(&id)).await?;
            session.console.remark(&format!("it is done over as {}", submitted.job));
            let view = follow(session, remote, &submitted.job, false).await?;
            session.console.text(&format!("{} {}\n", view.job.id, view.job.proof_status))?;
            session.console.document("ashlar.job/1", record(&view))?;
            demand_proof(session, &view)
        }
        Jobs::Export { job, out } => export(session, remote, job, &out).await,
    }
}

async fn found(remote: &Remote, given: String) -> Result<JobView, Failure> {
    remote.ask(move |client| client.job(&client.find_job(&given)?)).await
}

async fn list(session: &Session, remote: &Remote, status: Option<String>, limit: u32) -> Result<(), Failure> {
    let filter = JobFilter { status, limit: Some(limit.clamp(1, 200)), before: None };
    let page = remote.ask(move |client| client.jobs(&filter)).await?;
    if page.jobs.is_empty() {
        session.console.remark("no jobs");
    } else {
        let mut text = HEADING.to_owned();
        for job in &page.jobs {
            text.push_str(
                &JobLine {
                    id: &job.id,
                    status: &job.proof_status,
                    source: &job.proof_source,
                    bits: job.security_bits,
                    milliseconds: job.stone_latency_ms,
                    made_at: Moment::parse(&job.created_at).unwrap_or_else(Moment::now),
                    error: job.error_code.as_deref(),
                }
                .to_text(),
            );
        }
        session.console.text(&text)?;
    }
    session.console.document("ashlar.jobs/1", json!({ "jobs": page.raw["jobs"] }))
}

/// Everything that the server tells of a job, with the job's own fields on top.
fn record(view: &JobView) -> Value {
    let mut record = view.raw["job"].clone();
    if let (Value::Object(record), Value::Object(rest)) = (&mut record, &view.raw) {
        for (name, value) in rest.iter().filter(|(name, _)| *name != "job") {
            // The job counts its attempts under the same name.
            let name = if name == "attempts" { "attempts_made" } else { name };
            record.insert(name.to_owned(), value.clone());
        }
    }
    record
}

async fn logs(session: &Session, remote: &Remote, given: String) -> Result<(), Failure> {
    let events = remote
        .ask(move |client| {
            let id = client.find_job(&given)?;
            let (mut events, mut after) = (Vec::new(), 0);
            loop {
                let page = client.events(&id, after)?;
                if page.events.is_empty() {
                    return Ok(events);
                }
                after = page.last;
                events.extend(page.events);
            }
        })
        .await?;
    let mut entries = Vec::with_capacity(events.len());
    for event in &events {
        let entry = json!({
            "id": event.id, "job_id": event.job_id, "at": event.at, "event": event.event, "detail": event.detail,
        });
        match session.console.form() {
            Form::Text => session.console.text(&event_line(&event.at, &event.event, &event.detail))?,
            Form::Events => session.console.event("log", json!({ "entry": entry }))?,
            Form::Document => {}
        }
        entries.push(entry);
    }
    let job = events.first().map(|event| event.job_id.clone());
    session.console.document("ashlar.log/1", json!({ "job": job, "events": entries }))
}

async fn cancel(session: &Session, remote: &Remote, given: String) -> Result<(), Failure> {
    let id = found(remote, given).await?.job.id;
    let asked = id.clone();
    remote.ask(move |client| client.cancel(&asked)).await?;
    session.console.remark(&format!("{id} is asked to stop"));
    let view = loop {
        let asked = id.clone();
        let view = remote.ask(move |client| client.job(&asked)).await?;
        if view.job.standing() != Standing::Open {
            break view;
        }
        tokio::time::sleep(GLANCE).await;
    };
    session.console.text(&format!("{id} {}\n", view.job.proof_status))?;
    session.console.document("ashlar.job/1", record(&view))?;
    if view.job.proof_status == "cancelled" {
        return Ok(());
    }
    // It ended by itself before anybody saw the request.
    Err(CommandError::AlreadyOver { job: id, status: view.job.proof_status }.into())
}

async fn export(session: &Session, remote: &Remote, given: String, out: &Path) -> Result<(), Failure> {
    let view = found(remote, given).await?;
    let bytes = remote.proof(&view).await?;
    fs::create_dir_all(out).map_err(|source| ashlar_stone::FileError::Unwritable {
        role: "export folder",
        path: out.to_owned(),
        source,
    })?;
    let text = format!("{:#}\n", record(&view));
    OutputFile::prepare(&out.join("proof.json"), "proof")?.write(&bytes)?;
    OutputFile::prepare(&out.join("record.json"), "record")?.write(text.as_bytes())?;
    if session.console.form() == Form::Text {
        session.console.remark("wrote proof.json and record.json");
        return print(&format!("{}\n", out.display()));
    }
    let folder = out.display().to_string();
    session.console.document("ashlar.export/1", json!({ "folder": folder, "bytes": bytes.len() }))
}
