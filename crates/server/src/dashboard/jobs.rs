//! The jobs, and one of them with its pictures.

use ashlar_store::{Artefact, Attempt, Job, JobEvent, KeyScope, ProofStatus};
use askama::Template;
use axum::http::StatusCode;
use serde_json::Value;

use super::{
    AllocationRow, Frame,
    allocations::{List, filters, next},
    clock, drawn, form, rows, see_other, shown,
};
use crate::{
    ServerError,
    api::{jobs, of_engine, page},
    call::{Answer, Call},
    picture::{anatomy::anatomy, bytes, cut, duration, route_map::route_map, timeline::timeline},
    problem::Refused,
};

/// Events that are shown.
const SHOWN_EVENTS: u32 = 200;

/// Characters of an event's particulars that are shown.
const SHOWN_DETAIL: usize = 300;

pub(super) async fn list(call: Call) -> Answer {
    let (filter, limit) = (jobs::filter(&call)?, page::limit(&call.query)?);
    let found = call.app.store().jobs_page(&filter, limit + 1).await?;
    let (found, cursor) = page::cut(found, limit, |job| job.id);
    let list = List {
        frame: Frame::of(&call, "Jobs", "Jobs", true),
        heading: "Jobs",
        path: "/jobs",
        filters: filters(
            ProofStatus::ALL.iter().map(|status| status.word()),
            filter.status.map(ProofStatus::word),
        ),
        allocations: Vec::new(),
        jobs: found,
        next: next("/jobs", &call, cursor),
    };
    shown(StatusCode::OK, &list)
}

#[derive(Template)]
#[template(path = "job.html")]
struct JobPage {
    frame: Frame,
    job: Job,
    phase: Option<String>,
    timeline: String,
    anatomy: Option<String>,
    route: Option<String>,
    facts: Vec<(&'static str, String)>,
    artefacts: Vec<Artefact>,
    allocations: Vec<AllocationRow>,
    /// Moment, the same for people, event, particulars.
    events: Vec<(String, String, String, String)>,
}

pub(super) async fn show(call: Call) -> Answer {
    let job = jobs::in_reach(&call).await?;
    let store = call.app.store();
    let attempts = call.app.engine.attempts(job.id).await.map_err(of_engine)?;
    let events = store.events_page(Some(job.id), None, 0, SHOWN_EVENTS).await?;
    let allocations = rows(&call, store.allocations_of(job.id).await?).await?;
    let page = JobPage {
        frame: Frame::of(&call, "Job", "Jobs", true).running(!job.proof_status.is_terminal()),
        phase: phase(&job, &attempts),
        timeline: timeline(&job, &attempts, call.app.now().milliseconds()).inline(),
        anatomy: anatomy(&job).ok().map(|picture| picture.inline()),
        route: route_map(&job.id.to_string(), &events).map(|picture| picture.inline()),
        facts: facts(&job, &attempts),
        artefacts: store.artefacts_of(job.id).await?,
        allocations,
        events: events.iter().map(event).collect(),
        job,
    };
    shown(StatusCode::OK, &page)
}

/// What is being done now, in words.
fn phase(job: &Job, attempts: &[Attempt]) -> Option<String> {
    if job.proof_status.is_terminal() {
        return job.stone_latency_ms.map(|took| format!("in {}", duration(took)));
    }
    if job.cancel_requested_at.is_some() {
        return Some("somebody asked for it to be stopped".to_owned());
    }
    let told = attempts.last().filter(|attempt| attempt.finished_at.is_none())?.progress.as_ref()?;
    let phase = told.get("phase").and_then(Value::as_str)?;
    let left = told.get("seconds_left").and_then(Value::as_f64).filter(|left| (0.0..1e9).contains(left));
    Some(match left {
        Some(left) => format!("{}, about {} left", cut(phase, 60), duration((left * 1000.0) as u64)),
        None => cut(phase, 60),
    })
}

/// What is on record of the statement and of the proof.
fn facts(job: &Job, attempts: &[Attempt]) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            facts.push((name, value));
        }
    };
    add("Program hash", job.program_hash.map(|hash| hash.to_string()));
    add("Fact", job.fact_hash.map(|hash| hash.to_string()));
    add("Layout", job.layout.clone());
    add("Steps", job.n_steps.map(|steps| steps.to_string()));
    add(
        "Security",
        job.security_bits
            .map(|bits| format!("{bits} bits conjectured, {} proven", job.proven_bits.unwrap_or(0))),
    );
    add("Proof file", job.stone_proof_size.map(|size| bytes(size as f64)));
    add("Trace and memory", job.stone_trace_size.map(|size| bytes(size as f64)));
    let peak = attempts.iter().filter_map(|attempt| attempt.peak_memory_bytes).max();
    add("Peak memory", peak.map(|peak| bytes(peak as f64)));
    add("Attempts", (!attempts.is_empty()).then(|| attempts.len().to_string()));
    add("Does over", job.retry_of.map(|job| job.to_string()));
    add("Submitted", Some(clock(&job.created_at)));
    facts
}

fn event(event: &JobEvent) -> (String, String, String, String) {
    let detail = cut(&event.detail.to_string(), SHOWN_DETAIL);
    (event.at.to_string(), clock(&event.at), event.event.clone(), detail)
}

/// The picture of a job, or why there is none.
fn no_picture(job: &Job, why: &'static str) -> Refused {
    ServerError::NoPicture { subject: job.id.to_string(), why }.into()
}

pub(super) async fn timeline_picture(call: Call) -> Answer {
    let job = jobs::in_reach(&call).await?;
    let attempts = call.app.engine.attempts(job.id).await.map_err(of_engine)?;
    drawn(&timeline(&job, &attempts, call.app.now().milliseconds()))
}

pub(super) async fn anatomy_picture(call: Call) -> Answer {
    let job = jobs::in_reach(&call).await?;
    drawn(&anatomy(&job).map_err(|why| no_picture(&job, why))?)
}

pub(super) async fn route_picture(call: Call) -> Answer {
    let job = jobs::in_reach(&call).await?;
    let events = call.app.store().events_page(Some(job.id), None, 0, SHOWN_EVENTS).await?;
    let picture = route_map(&job.id.to_string(), &events);
    drawn(&picture.ok_or_else(|| no_picture(&job, "no route is on record"))?)
}

pub(super) async fn cancel(mut call: Call) -> Answer {
    form(&mut call).await?.only(&["token"])?;
    let job = jobs::in_reach(&call).await?;
    call.app.engine.cancel(job.id).await.map_err(of_engine)?;
    see_other(&format!("/jobs/{}", job.id))
}

pub(super) async fn retry(mut call: Call) -> Answer {
    call.demand(KeyScope::Submit)?;
    form(&mut call).await?.only(&["token"])?;
    let job = jobs::in_reach(&call).await?;
    let again = jobs::do_over(&call, job.id).await?;
    see_other(&format!("/jobs/{}", again.job))
}
