//! The HTTP API, `/api/v1`: the table of its routes. What a route takes and answers stands here once; router and
//! OpenAPI document are made from it.

pub(crate) mod allocations;
pub(crate) mod artefacts;
mod events;
pub(crate) mod jobs;
pub(crate) mod page;
mod service;
mod verify;
pub(crate) mod wish;

use ashlar_store::KeyScope::{Cancel, Read, Submit};

pub(crate) use jobs::of_engine;
pub use verify::{task_stated, verification};

use crate::{
    openapi,
    problem::PROBLEM_TYPE,
    route::{
        Content, Kind, Parameter, Route,
        Verb::{Get, Post},
    },
};

const JOB: &[Content] = &[Content::json("Job")];
const SUBMITTED: &[Content] = &[Content::json("Submitted")];
const EVENTS: &[Content] = &[Content::of("text/event-stream"), Content::json("EventPage")];

const LAST_EVENT: &[Parameter] = &[
    Parameter::header(
        "Last-Event-ID",
        Kind::Number { least: 0, most: i64::MAX as u64 },
        "the id of the last event that was received; the stream goes on after it",
    ),
    Parameter::query(
        "after",
        Kind::Number { least: 0, most: i64::MAX as u64 },
        "the same, for clients that cannot set the header",
    ),
];

/// The routes of the API and of what watches over the service.
pub(crate) const ROUTES: &[Route] = &[
    Route {
        verb: Get,
        path: "/api/v1/jobs",
        scope: Some(Read),
        summary: "The jobs in reach, youngest first, a page at a time",
        parameters: &[page::JOBS, jobs::FILTERS],
        body: None,
        answers: &[(200, &[Content::json("JobPage")])],
        problems: &[],
        handler: |call| Box::pin(jobs::list(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/jobs",
        scope: Some(Submit),
        summary: "Submit a Cairo program: the body is the program, the query says the rest",
        parameters: &[wish::KEY, wish::PARAMETERS, jobs::PROGRAM],
        body: Some(Content::of("application/octet-stream")),
        answers: &[(200, SUBMITTED), (202, SUBMITTED)],
        problems: &[408, 409, 413, 415, 429],
        handler: |call| Box::pin(jobs::submit(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/jobs/{id}",
        scope: Some(Read),
        summary: "A job, its attempts and its artefacts",
        parameters: &[],
        body: None,
        answers: &[(200, JOB)],
        problems: &[404],
        handler: |call| Box::pin(jobs::show(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/jobs/{id}/events",
        scope: Some(Read),
        summary: "What happened to a job: a stream that goes on until the job is over, or a page of JSON",
        parameters: &[LAST_EVENT],
        body: None,
        answers: &[(200, EVENTS)],
        problems: &[404],
        handler: |call| Box::pin(events::of_job(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/jobs/{id}/cancel",
        scope: Some(Cancel),
        summary: "Ask for a job to be stopped",
        parameters: &[],
        body: None,
        answers: &[(202, &[Content::json("Status")])],
        problems: &[404, 409],
        handler: |call| Box::pin(jobs::cancel(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/jobs/{id}/retry",
        scope: Some(Cancel),
        summary: "Do a job over that ended without a proof",
        parameters: &[],
        body: None,
        answers: &[(202, SUBMITTED)],
        problems: &[404, 409, 429],
        handler: |call| Box::pin(jobs::retry(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/events",
        scope: Some(Read),
        summary: "What happens to any job in reach, from now on or after an event: a stream, or a page of JSON",
        parameters: &[LAST_EVENT],
        body: None,
        answers: &[(200, EVENTS)],
        problems: &[],
        handler: |call| Box::pin(events::of_all(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/artefacts/{sha256}",
        scope: Some(Read),
        summary: "The bytes of an artefact, by their SHA-256",
        parameters: &[&[Parameter::header(
            "If-None-Match",
            Kind::Text,
            "the ETag of the bytes that are there already",
        )]],
        body: None,
        answers: &[(200, &[Content::of("application/octet-stream")]), (304, &[])],
        problems: &[404],
        handler: |call| Box::pin(artefacts::download(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/allocations",
        scope: Some(Read),
        summary: "The allocations in reach, youngest first, a page at a time",
        parameters: &[page::ALLOCATIONS, allocations::FILTERS],
        body: None,
        answers: &[(200, &[Content::json("AllocationPage")])],
        problems: &[],
        handler: |call| Box::pin(allocations::list(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/allocations",
        scope: Some(Submit),
        summary: "Propose allocations: the body is a proposal or an array of them, proven together",
        parameters: &[wish::KEY, wish::PARAMETERS],
        body: Some(Content::json("Proposals")),
        answers: &[(200, SUBMITTED), (202, SUBMITTED)],
        problems: &[408, 409, 413, 415, 429],
        handler: |call| Box::pin(allocations::submit(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/allocations/{id}",
        scope: Some(Read),
        summary: "An allocation, the jobs that prove it, and what the gate would say",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::json("AllocationView")])],
        problems: &[404],
        handler: |call| Box::pin(allocations::show(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/plan",
        scope: Some(Read),
        summary: "What would happen to a proposal: who would prove it, why, and what it would take",
        parameters: &[wish::PARAMETERS],
        body: Some(Content::json("Proposals")),
        answers: &[(200, &[Content::json("Routing")])],
        problems: &[408, 413, 415],
        handler: |call| Box::pin(service::plan(call)),
    },
    Route {
        verb: Post,
        path: "/api/v1/verify",
        scope: Some(Read),
        summary: "Verify a proof file; what this server says of it is its word, not evidence",
        parameters: &[verify::PARAMETERS],
        body: Some(Content::json("ProofFile")),
        answers: &[(200, &[Content::json("Verification")])],
        problems: &[408, 409, 413, 415],
        handler: |call| Box::pin(verify::file(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/backends",
        scope: Some(Read),
        summary: "How the backends stand",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::json("Backends")])],
        problems: &[],
        handler: |call| Box::pin(service::backends(call)),
    },
    Route {
        verb: Get,
        path: "/api/v1/openapi.json",
        scope: None,
        summary: "This document",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::json("OpenApi")])],
        problems: &[],
        handler: |call| Box::pin(openapi::show(call)),
    },
    Route {
        verb: Get,
        path: "/healthz",
        scope: None,
        summary: "Whether the process answers",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::json("Health")])],
        problems: &[],
        handler: |call| Box::pin(service::health(call)),
    },
    Route {
        verb: Get,
        path: "/readyz",
        scope: None,
        summary: "Whether the service takes work: the records answer, a worker is there and well, and nobody asked it to stop",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::json("Readiness")])],
        problems: &[503],
        handler: |call| Box::pin(service::ready(call)),
    },
    Route {
        verb: Get,
        path: "/metrics",
        scope: Some(Read),
        summary: "Figures for Prometheus; needs a key that reaches every job",
        parameters: &[],
        body: None,
        answers: &[(200, &[Content::of("text/plain")])],
        problems: &[],
        handler: |call| Box::pin(service::metrics(call)),
    },
];

/// Statuses that every route of this kind may answer with, besides its own.
pub(crate) fn general_problems(route: &Route) -> &'static [u16] {
    match (route.scope.is_some(), route.verb) {
        (false, _) => &[400, 500],
        (true, Get) => &[400, 401, 403, 421, 429, 500, 503],
        (true, Post) => &[400, 401, 403, 421, 429, 500, 503],
    }
}

/// The media type of every problem.
pub(crate) const PROBLEM: Content = Content { media_type: PROBLEM_TYPE, schema: Some("Problem") };
