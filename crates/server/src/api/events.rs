//! What happens, as server-sent events. The id of an event is its place in the log: whoever lost the connection goes on
//! where it was.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use ashlar_store::{JobEvent, JobId, KeyId};
use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use futures_util::stream;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::jobs;
use crate::{
    ServerError,
    app::{App, StreamPlace},
    call::{Answer, Call, answer, json_answer},
    listen::asked_to_stop,
    problem::Refused,
};

/// Events that are read at once.
const AT_ONCE: u32 = 256;

/// A silent stream says so this often, so that proxies keep it and a peer that is gone is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often it is looked how far a job is whose stream is open. Progress is no event of the log: it has no id, and what
/// was missed of it is not told later.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// A stream ends after this long; the client comes again, and its key is looked at again.
const LONGEST: Duration = Duration::from_secs(15 * 60);

pub(super) async fn of_job(call: Call) -> Answer {
    let job = jobs::in_reach(&call).await?;
    serve(call, Some(job.id), 0).await
}

pub(super) async fn of_all(call: Call) -> Answer {
    let newest = call.app.store().last_event().await?;
    serve(call, None, newest).await
}

/// After which event to begin: the header's, the query's, or from the start. Both must be ids, whichever counts.
fn after(call: &Call, start: i64) -> Result<i64, ServerError> {
    let read = |text: &str| text.parse::<i64>().ok().filter(|id| *id >= 0);
    let queried = call.query.read("after", "the id of an event", read)?;
    let Some(given) = call.header("last-event-id") else { return Ok(queried.unwrap_or(start)) };
    read(given).ok_or_else(|| ServerError::Invalid {
        place: "header Last-Event-ID".to_owned(),
        message: "expected the id of an event".to_owned(),
    })
}

/// A piece of the log.
#[derive(Serialize)]
struct Page {
    events: Vec<JobEvent>,
    /// Where the next one begins.
    last: i64,
}

async fn serve(call: Call, job: Option<JobId>, start: i64) -> Answer {
    let wants_stream = call.header("accept").is_some_and(|kinds| kinds.contains("text/event-stream"));
    let after = after(&call, start)?;
    if !wants_stream {
        let events = call.app.store().events_page(job, call.reach(), after, AT_ONCE).await?;
        let last = events.last().map_or(after, |event| event.id);
        return json_answer(StatusCode::OK, &Page { events, last });
    }
    let place = call.app.open_stream().map_err(|error| Refused::from(error).retry_after(5))?;
    let log = EventLog {
        reach: call.reach(),
        app: Arc::clone(&call.app),
        job,
        after,
        read: VecDeque::new(),
        end: Instant::now() + LONGEST,
        said: Instant::now(),
        progress: None,
        over: false,
        _place: place,
    };
    Ok(answer(StatusCode::OK, "text/event-stream", Body::from_stream(stream::unfold(log, EventLog::next))))
}

/// A stream of events, as far as it was sent.
struct EventLog {
    app: Arc<App>,
    job: Option<JobId>,
    reach: Option<KeyId>,
    after: i64,
    read: VecDeque<JobEvent>,
    end: Instant,
    /// When something was sent last.
    said: Instant,
    /// What was told last of how far the job is.
    progress: Option<Value>,
    over: bool,
    _place: StreamPlace,
}

impl EventLog {
    async fn next(mut self) -> Option<(std::io::Result<Bytes>, EventLog)> {
        if self.over {
            return None;
        }
        let text = self.text().await?;
        self.said = Instant::now();
        Some((Ok(Bytes::from(text)), self))
    }

    /// The next thing to send; `None` when the stream is over.
    async fn text(&mut self) -> Option<String> {
        let (mut newest, mut stopping) = (self.app.newest.clone(), self.app.stopping.clone());
        loop {
            // Seen before reading: what comes meanwhile is not slept over.
            newest.borrow_and_update();
            if self.read.is_empty() {
                let store = self.app.store();
                self.read.extend(store.events_page(self.job, self.reach, self.after, AT_ONCE).await.ok()?);
            }
            if !self.read.is_empty() {
                let events = std::mem::take(&mut self.read);
                self.after = events.back().map_or(self.after, |event| event.id);
                return Some(events.iter().map(one).collect());
            }
            if self.job_is_over().await {
                self.over = true;
                return Some("event: end\ndata: {}\n\n".to_owned());
            }
            if let Some(text) = self.news_of_progress().await {
                return Some(text);
            }
            let silence = self.said + KEEP_ALIVE;
            let look = if self.job.is_some() { PROGRESS_EVERY } else { KEEP_ALIVE };
            tokio::select! {
                // The log's watcher is gone only when the server is.
                changed = newest.changed() => changed.ok()?,
                () = asked_to_stop(&mut stopping) => return None,
                () = tokio::time::sleep_until(self.end) => return None,
                () = tokio::time::sleep_until(silence) => return Some(": nothing new\n\n".to_owned()),
                () = tokio::time::sleep(look) => {}
            }
        }
    }

    /// How far the attempt at the job is that goes on, if that is another place than was told last.
    async fn news_of_progress(&mut self) -> Option<String> {
        let attempts = self.app.engine.attempts(self.job?).await.ok()?;
        let going_on = attempts.into_iter().next_back().filter(|attempt| attempt.outcome.is_none())?;
        let progress = going_on.progress.filter(|progress| self.progress.as_ref() != Some(progress))?;
        let text = format!("event: progress\ndata: {progress}\n\n");
        self.progress = Some(progress);
        Some(text)
    }

    /// Whether nothing more will happen to the job: it is over, and everything was sent.
    async fn job_is_over(&self) -> bool {
        let Some(id) = self.job else { return false };
        let Ok(job) = self.app.store().job(id).await else { return true };
        job.proof_status.is_terminal()
            && self
                .app
                .store()
                .events_page(self.job, self.reach, self.after, 1)
                .await
                .is_ok_and(|more| more.is_empty())
    }
}

/// An event as it is sent. JSON has no line breaks; a name may have none either.
fn one(event: &JobEvent) -> String {
    let name: String =
        event.event.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect();
    let data =
        json!({ "job_id": event.job_id, "at": event.at, "event": event.event, "detail": event.detail });
    format!("id: {}\nevent: {name}\ndata: {data}\n\n", event.id)
}

#[cfg(test)]
mod tests {
    use ashlar_store::Moment;

    use super::*;

    #[test]
    fn an_event_is_one_event_whatever_its_text() {
        let event = JobEvent {
            id: 7,
            job_id: JobId::fresh(),
            at: Moment::from_milliseconds(0),
            event: "a\ndata: forged".to_owned(),
            detail: json!({ "text": "\n\nevent: forged\n" }),
        };
        let text = one(&event);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.starts_with("id: 7\nevent: adataforged\ndata: {"), "{text}");
    }
}
