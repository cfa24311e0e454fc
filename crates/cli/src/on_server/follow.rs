//! A job on its way: the server's stream of events as the same line on the terminal as for a proof that is made here.

use std::{sync::Arc, time::Duration};

use ashlar_client::{ClientError, Event, JobView};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Remote;
use crate::{
    commands::event_line,
    console::Form,
    failure::{CommandError, Failure},
    progress::Line,
    session::Session,
};

/// Events that wait to be shown.
const WAITING: usize = 64;

/// Follows a job until it is over. With `log` every event of its log is data; otherwise only its progress is shown.
pub(super) async fn follow(
    session: &Session,
    remote: &Remote,
    job: &str,
    log: bool,
) -> Result<JobView, Failure> {
    let (sender, mut events) = mpsc::channel(WAITING);
    let (client, id) = (Arc::clone(&remote.client), job.to_owned());
    let reading = tokio::task::spawn_blocking(move || -> Result<(), ClientError> {
        let mut watching = client.watch(&id)?;
        while let Some(event) = watching.next_event()? {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
        Ok(())
    });
    let line = Line::on_terminal(&session.console);
    while let Some(event) = events.recv().await {
        match event.name.as_str() {
            "progress" => show_progress(session, &line, &event.data)?,
            _ if log => show_event(session, &event)?,
            _ => show_standing(session, &line, &event)?,
        }
    }
    line.clear();
    reading.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
    let id = job.to_owned();
    remote.ask(move |client| client.job(&id)).await
}

fn show_event(session: &Session, event: &Event) -> Result<(), Failure> {
    let data = &event.data;
    match session.console.form() {
        Form::Text => {
            let at = data["at"].as_str().unwrap_or_default();
            session.console.text(&event_line(at, &event.name, &data["detail"]))
        }
        Form::Events => {
            let mut entry = data.clone();
            if let Value::Object(fields) = &mut entry {
                fields.insert("id".to_owned(), json!(event.id));
            }
            session.console.event("log", json!({ "entry": entry }))
        }
        Form::Document => Ok(()),
    }
}

/// Where the job stands now, which begins a stage.
fn show_standing(session: &Session, line: &Line, event: &Event) -> Result<(), Failure> {
    let Some(to) = event.data["detail"]["to"].as_str().filter(|_| event.name == "status") else {
        return Ok(());
    };
    line.begin(&plain(to));
    session.console.event("stage", json!({ "stage": to }))
}

/// How far the prover is, in its own words.
fn show_progress(session: &Session, line: &Line, said: &Value) -> Result<(), Failure> {
    match said["event"].as_str() {
        Some("stage") => line.begin(&plain(said["stage"].as_str().unwrap_or_default())),
        Some("progress") => {
            line.begin(&plain(said["phase"].as_str().unwrap_or_default()));
            let left = said["seconds_left"].as_f64().filter(|left| left.is_finite() && *left >= 0.0);
            let left = left.map(|left| Duration::from_secs_f64(left.min(1e9)));
            let basis = plain(said["basis"].as_str().unwrap_or_default());
            let number = |name: &str| said[name].as_u64().unwrap_or(0);
            line.draw(number("done"), number("total"), left.map(|left| (left, basis.as_str())), None);
        }
        _ => {}
    }
    let mut detail = said.clone();
    if let Value::Object(fields) = &mut detail {
        // The server's own time and name of the event are replaced by ours.
        fields.retain(|name, _| !matches!(name.as_str(), "schema" | "ts" | "event"));
    }
    session.console.event("progress", detail)
}

/// Words from elsewhere that cannot drive a terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
