//! The pages: made here as HTML, complete without a script, and kept up to date by a small one of our own. No page
//! fetches anything from anywhere else, which the content security policy of each enforces.

mod allocations;
mod assets;
mod jobs;
mod overview;
mod proposal_form;
mod propose;
mod sign_in;
mod workers;

use std::fmt::Display;

use ashlar_risk::Verdict;
use ashlar_store::{
    Allocation, Job,
    KeyScope::{Cancel, Read, Submit},
    Moment,
};
use askama::Template;
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

use crate::{
    ServerError, access,
    api::page,
    call::{Answer, Call, Fields, answer},
    picture::{self, Picture},
    problem::Refused,
    route::{Content, Handler, Kind, Parameter, Route, Verb},
    verdict::GateVerdict,
};

/// What a page may load: its own style sheet, script and icon; what it may speak to: this server.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                           form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// A picture of its own has its style within; nothing else may be in it.
const PICTURE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// The longest form, in bytes.
const MOST_FORM_BYTES: usize = 64 * 1024;

const HTML: &[(u16, &[Content])] = &[(200, &[Content::of("text/html")])];
const SVG: &[(u16, &[Content])] = &[(200, &[Content::of("image/svg+xml")])];
const STATUS: &[Parameter] = &[Parameter::query("status", Kind::Text, "only those of this status")];

/// A page.
const fn page(verb: Verb, path: &'static str, scope: ashlar_store::KeyScope, handler: Handler) -> Route {
    Route {
        verb,
        path,
        scope: Some(scope),
        summary: "a page",
        parameters: &[],
        body: None,
        answers: HTML,
        problems: &[],
        handler,
    }
}

/// A list of which a part can be asked for.
const fn list(path: &'static str, handler: Handler) -> Route {
    Route { parameters: &[page::JOBS, STATUS], ..page(Verb::Get, path, Read, handler) }
}

const fn drawing(path: &'static str, handler: Handler) -> Route {
    Route { answers: SVG, summary: "a picture", ..page(Verb::Get, path, Read, handler) }
}

const fn open(verb: Verb, path: &'static str, handler: Handler) -> Route {
    Route { scope: None, ..page(verb, path, Read, handler) }
}

/// The routes of the pages.
pub(crate) const ROUTES: &[Route] = &[
    page(Verb::Get, "/", Read, |call| Box::pin(overview::show(call))),
    drawing("/latency.svg", |call| Box::pin(overview::latency_picture(call))),
    list("/ledger", |call| Box::pin(allocations::ledger(call))),
    page(Verb::Get, "/allocations/{id}", Read, |call| Box::pin(allocations::show(call))),
    list("/jobs", |call| Box::pin(jobs::list(call))),
    page(Verb::Get, "/jobs/{id}", Read, |call| Box::pin(jobs::show(call))),
    page(Verb::Post, "/jobs/{id}/cancel", Cancel, |call| Box::pin(jobs::cancel(call))),
    page(Verb::Post, "/jobs/{id}/retry", Cancel, |call| Box::pin(jobs::retry(call))),
    drawing("/jobs/{id}/timeline.svg", |call| Box::pin(jobs::timeline_picture(call))),
    drawing("/jobs/{id}/anatomy.svg", |call| Box::pin(jobs::anatomy_picture(call))),
    drawing("/jobs/{id}/route.svg", |call| Box::pin(jobs::route_picture(call))),
    page(Verb::Get, "/workers", Read, |call| Box::pin(workers::show(call))),
    drawing("/workers.svg", |call| Box::pin(workers::workers_picture(call))),
    page(Verb::Get, "/propose", Submit, |call| Box::pin(propose::show(call))),
    page(Verb::Post, "/propose", Submit, |call| Box::pin(propose::submit(call))),
    open(Verb::Get, "/sign-in", |call| Box::pin(sign_in::show(call))),
    open(Verb::Post, "/sign-in", |call| Box::pin(sign_in::begin(call))),
    page(Verb::Post, "/sign-out", Read, |call| Box::pin(sign_in::end(call))),
    open(Verb::Get, "/assets/style.css", |call| Box::pin(assets::style(call))),
    open(Verb::Get, "/assets/live.js", |call| Box::pin(assets::script(call))),
    open(Verb::Get, "/assets/icon.svg", |call| Box::pin(assets::icon(call))),
];

/// What surrounds the content of every page.
pub(crate) struct Frame {
    title: String,
    section: &'static str,
    token: String,
    signed_in: Option<String>,
    /// Whether the page keeps itself up to date.
    live: bool,
    /// Whether something on it is being made at this moment.
    running: bool,
}

impl Frame {
    fn of(call: &Call, title: &str, section: &'static str, live: bool) -> Frame {
        Frame {
            title: title.to_owned(),
            section,
            token: call.caller.token_owner().map(|owner| call.app.sessions.token(owner)).unwrap_or_default(),
            signed_in: match &call.caller {
                access::Caller::Person(key, _) => Some(key.name.clone()),
                _ => None,
            },
            live,
            running: false,
        }
    }

    fn bare(title: &str) -> Frame {
        Frame {
            title: title.to_owned(),
            section: "",
            token: String::new(),
            signed_in: None,
            live: false,
            running: false,
        }
    }

    fn running(mut self, running: bool) -> Frame {
        self.running = running;
        self
    }

    fn sections(&self) -> [(&'static str, &'static str); 5] {
        [
            ("/", "Overview"),
            ("/ledger", "Ledger"),
            ("/jobs", "Jobs"),
            ("/workers", "Workers"),
            ("/propose", "Propose"),
        ]
    }
}

/// An allocation as a table shows it.
struct AllocationRow {
    allocation: Allocation,
    /// The youngest job that proves it.
    job: Option<Job>,
    gate: GateVerdict,
}

/// Allocations with the verdict of the gate on each.
async fn rows(call: &Call, allocations: Vec<Allocation>) -> Result<Vec<AllocationRow>, Refused> {
    let mut rows = Vec::with_capacity(allocations.len());
    for allocation in allocations {
        let jobs = call.app.store().jobs_of(allocation.id, call.reach()).await?;
        let gate = crate::verdict::verdict(&call.app, &allocation, &jobs).await?;
        // A verified proof counts for more than a younger attempt at one.
        let verified = jobs.iter().find(|job| job.proof_status == ashlar_store::ProofStatus::Verified);
        let job = verified.or(jobs.first()).cloned();
        rows.push(AllocationRow { allocation, job, gate });
    }
    Ok(rows)
}

/// A sign that says the same as the colour of a state.
fn mark(word: &str) -> &'static str {
    match word {
        "verified" | "open" | "executed" | "passed" | "admitted" => "✓",
        "failed" | "timeout" | "blocked" | "rejected" => "✗",
        "cancelled" => "⊘",
        _ => "…",
    }
}

/// An id as far as it tells things apart.
fn short(id: &impl Display) -> String {
    let id = id.to_string();
    let (head, tail) = (id.get(..4).unwrap_or_default(), id.get(id.len().saturating_sub(8)..).unwrap_or(&id));
    format!("{head}…{tail}")
}

/// A moment to the second.
fn clock(moment: &Moment) -> String {
    let text = moment.to_string();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// What the rules say, in a few words.
fn rules(verdict: &u8) -> String {
    Verdict::from_number(u64::from(*verdict))
        .map_or_else(|| "unknown".to_owned(), |verdict| verdict.to_string())
}

/// Milliseconds for people.
fn took(milliseconds: &u64) -> String {
    picture::duration(*milliseconds)
}

/// Bytes for people.
fn size(bytes: &u64) -> String {
    picture::bytes(*bytes as f64)
}

/// Per cent from basis points.
fn percent(basis_points: u64) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

/// A page as an answer.
fn shown(status: StatusCode, template: &impl Template) -> Answer {
    let text = template.render().map_err(|_| ServerError::Broken)?;
    let mut response = answer(status, "text/html; charset=utf-8", Body::from(text));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
    Ok(response)
}

/// A picture of its own as an answer.
fn drawn(picture: &Picture) -> Answer {
    let mut response = answer(StatusCode::OK, "image/svg+xml", Body::from(picture.standalone()));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(PICTURE_POLICY));
    Ok(response)
}

/// To another page, which the browser gets with GET.
fn see_other(path: &str) -> Answer {
    let mut response = answer(StatusCode::SEE_OTHER, "text/plain", Body::empty());
    let location = HeaderValue::from_str(path).map_err(|_| ServerError::Broken)?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// The fields of a form of ours: it must carry the page's token.
async fn form(call: &mut Call) -> Result<Fields, ServerError> {
    let fields = call.form(MOST_FORM_BYTES).await?;
    access::demand_token(&call.app, &call.caller, &call.headers, fields.get("token"), true)?;
    Ok(fields)
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    frame: Frame,
    title: &'static str,
    code: String,
    detail: String,
    hint: Option<String>,
}

/// What a person sees when a request does not succeed. Whoever has no key is asked for one.
pub(crate) fn problem_page(refused: Refused) -> Response<Body> {
    let status = refused.status();
    if status == StatusCode::UNAUTHORIZED
        && let Ok(response) = see_other("/sign-in")
    {
        return response;
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let page = ProblemPage {
        frame: Frame::bare(title),
        title,
        code: refused.code().to_string(),
        detail: refused.detail(),
        hint: refused.hint(),
    };
    match shown(status, &page) {
        Ok(mut response) => {
            refused.add_headers(&mut response);
            response
        }
        Err(broken) => broken.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use ashlar_store::JobId;

    use super::*;

    #[test]
    fn ids_moments_and_shares_read_well() {
        let id = JobId::parse("job_01ARZ3NDEKTSV4RRFFQ69G5FAV").unwrap();
        assert_eq!(short(&id), "job_…Q69G5FAV");
        assert_eq!(clock(&Moment::from_milliseconds(1_767_225_600_042)), "2026-01-01 00:00:00");
        assert_eq!(percent(5025), "50.25 %");
        assert_eq!(rules(&3), "rejected: a share is above max_single");
        assert_eq!(rules(&77), "unknown");
    }

    #[test]
    fn no_state_is_told_by_colour_alone() {
        for status in ashlar_store::ProofStatus::ALL {
            assert!(!mark(status.word()).is_empty());
        }
        assert_ne!(mark("verified"), mark("failed"));
        assert_ne!(mark("open"), mark("blocked"));
        assert_ne!(mark("waiting"), mark("blocked"));
    }
}
