//! What jobs took, as spans for OpenTelemetry: OTLP over HTTP with JSON, to one collector that the operator names.
//!
//! A job is a trace: one span from its record to its end, and below it one for each state that it stood in. Spans are made
//! from the log once a job is over, so that nothing is kept in memory, and a collector that is away for a while misses
//! nothing. Ids are digests of the job's: a span that is sent twice is one span.

use std::{sync::Arc, time::Duration};

use ashlar_store::{ContentHash, Job, JobEvent, Moment, ProofStatus};
use serde_json::{Value, json};
use ureq::{Agent, http::Uri};

use crate::{ServerError, app::App, listen::asked_to_stop};

/// How often it is looked for jobs that are over.
const EVERY: Duration = Duration::from_secs(2);

/// The longest pause after the collector did not take something.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Events that are read at once.
const AT_ONCE: u32 = 256;

/// Events of one job that are looked at.
const MOST_OF_A_JOB: u32 = 1000;

/// How long the collector may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where spans go.
#[derive(Clone, Debug)]
pub struct Collector {
    address: String,
}

impl Collector {
    /// Reads a collector's address, such as `http://127.0.0.1:4318`; spans go to `/v1/traces` below it. They hold no
    /// secrets: ids, times, sizes, and codes of errors.
    ///
    /// # Errors
    /// [`ServerError::Collector`].
    pub fn parse(text: &str) -> Result<Collector, ServerError> {
        let unusable = |expected| ServerError::Collector { got: crate::call::shortened(text), expected };
        let uri: Uri = text.parse().map_err(|_| unusable("an address such as http://127.0.0.1:4318"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if cfg!(feature = "tls") => {}
            Some("https") => return Err(unusable("http://: this build has no TLS")),
            _ => return Err(unusable("http:// or https://")),
        }
        let authority = uri.authority().ok_or_else(|| unusable("an address with a host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() || text.contains('#') {
            return Err(unusable("an address without user, query and fragment"));
        }
        Ok(Collector { address: format!("{}/v1/traces", text.trim_end_matches('/')) })
    }

    fn send(&self, agent: &Agent, spans: &[Value]) -> Result<(), String> {
        let body = envelope(spans).to_string();
        let sent = agent.post(&self.address).header("content-type", "application/json").send(body.as_bytes());
        match sent {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => Err(format!("the collector answered {}", answer.status().as_u16())),
            Err(error) => Err(format!("the collector was not reached: {error}")),
        }
    }
}

/// Sends spans of jobs that end from now on, until the server stops.
pub(crate) async fn export(app: Arc<App>, collector: Collector) {
    let agent = Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // Spans go where the operator said and nowhere else.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .build()
        .new_agent();
    let mut stopping = app.stopping.clone();
    let Ok(mut after) = app.store().last_event().await else { return };
    let mut pause = EVERY;
    loop {
        tokio::select! {
            () = asked_to_stop(&mut stopping) => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = match round(&app, &collector, &agent, after).await {
            Ok(seen) => {
                after = seen;
                EVERY
            }
            Err(why) => {
                if pause == EVERY {
                    (app.log)(&format!("spans wait: {why}"));
                }
                (pause * 2).min(LONGEST_PAUSE)
            }
        };
    }
}

/// Sends what ended after an event; up to which event was looked.
async fn round(app: &App, collector: &Collector, agent: &Agent, after: i64) -> Result<i64, String> {
    let of = |error: ashlar_store::Error| error.to_string();
    let store = app.store();
    let events = store.events_page(None, None, after, AT_ONCE).await.map_err(of)?;
    let Some(last) = events.last().map(|event| event.id) else { return Ok(after) };
    let mut sent = Vec::new();
    for event in events.iter().filter(|event| is_end(event)) {
        let job = store.job(event.job_id).await.map_err(of)?;
        let log = store.events_page(Some(job.id), None, 0, MOST_OF_A_JOB).await.map_err(of)?;
        sent.extend(spans(&job, &log));
    }
    if !sent.is_empty() {
        let (collector, agent, count) = (collector.clone(), agent.clone(), sent.len() as u64);
        let sending = tokio::task::spawn_blocking(move || collector.send(&agent, &sent));
        sending.await.map_err(|_| "sending broke".to_owned())??;
        app.metrics.count_spans(count);
    }
    Ok(last)
}

fn is_end(event: &JobEvent) -> bool {
    stood(event).is_some_and(ProofStatus::is_terminal)
}

/// Which state an event begins.
fn stood(event: &JobEvent) -> Option<ProofStatus> {
    if event.event != "status" {
        return None;
    }
    ProofStatus::parse(event.detail["to"].as_str()?)
}

/// The spans of a job that is over: the job's, then one for each state that it stood in.
fn spans(job: &Job, log: &[JobEvent]) -> Vec<Value> {
    let trace = digits(&format!("trace {}", job.id), 32);
    let root = digits(&format!("span {}", job.id), 16);
    let changes: Vec<(ProofStatus, Moment)> =
        log.iter().filter_map(|event| Some((stood(event)?, event.at))).collect();
    let end = changes.last().map_or(job.updated_at, |(_, at)| *at);
    let mut attributes = vec![
        text("ashlar.job.id", &job.id.to_string()),
        text("ashlar.job.purpose", job.purpose.word()),
        text("ashlar.job.backend", job.proof_source.word()),
        text("ashlar.job.status", job.proof_status.word()),
        number("ashlar.job.attempts", u64::from(job.attempts)),
    ];
    attributes.extend(job.layout.as_deref().map(|layout| text("ashlar.proof.layout", layout)));
    attributes.extend(job.n_steps.map(|steps| number("ashlar.proof.n_steps", steps)));
    attributes.extend(job.security_bits.map(|bits| number("ashlar.proof.security_bits", u64::from(bits))));
    attributes.extend(job.error_code.as_deref().map(|code| text("error.type", code)));
    let ok = job.proof_status == ProofStatus::Verified;
    let whole = json!({
        "traceId": trace, "spanId": root, "name": format!("prove {}", job.purpose.word()), "kind": 1,
        "startTimeUnixNano": nanoseconds(job.created_at), "endTimeUnixNano": nanoseconds(end.max(job.created_at)),
        "attributes": attributes,
        "status": { "code": if ok { 1 } else { 2 } },
    });
    // Its record is the first change, to `queued`.
    let below = changes.iter().zip(changes.iter().skip(1)).enumerate().map(|(index, ((status, since), (_, until)))| {
        json!({
            "traceId": trace, "parentSpanId": root, "name": status.word(), "kind": 1,
            "spanId": digits(&format!("span {} {index}", job.id), 16),
            "startTimeUnixNano": nanoseconds(*since), "endTimeUnixNano": nanoseconds((*until).max(*since)),
        })
    });
    std::iter::once(whole).chain(below).collect()
}

/// So many hexadecimal digits of a digest.
fn digits(of: &str, count: usize) -> String {
    ContentHash::of(of.as_bytes()).to_string().chars().take(count).collect()
}

/// 64-bit numbers are texts in OTLP's JSON.
fn nanoseconds(at: Moment) -> String {
    (u128::from(at.milliseconds()) * 1_000_000).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn number(key: &str, value: u64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}

fn envelope(spans: &[Value]) -> Value {
    json!({
        "resourceSpans": [{
            "resource": { "attributes": [text("service.name", "ashlar"), text("service.version", env!("CARGO_PKG_VERSION"))] },
            "scopeSpans": [{ "scope": { "name": "ashlar.jobs" }, "spans": spans }],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_is_a_collector() {
        for right in ["http://127.0.0.1:4318", "http://otel-collector:4318/"] {
            assert!(Collector::parse(right).unwrap().address.ends_with("4318/v1/traces"), "{right}");
        }
        for wrong in ["", "localhost:4318", "ftp://a", "http://user:pw@a", "http://a/?key=1", "http://a/#b"] {
            assert!(Collector::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Collector::parse("https://a").is_ok(), cfg!(feature = "tls"));
    }
}
