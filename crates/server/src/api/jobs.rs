//! Jobs: list, show, submit a program, cancel, retry.

use ashlar_engine::{EngineError, ProgramTask, Submission, Submitted, Task};
use ashlar_fault::Fault;
use ashlar_store::{Error, Job, JobFilter, JobId, ProofSource, ProofStatus, Purpose};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::{page, wish};
use crate::{
    ServerError,
    call::{Answer, Call, json_answer},
    problem::Refused,
    route::{Kind, Parameter},
};

/// The most steps that may be declared: the runner's own limit.
const MOST_STEPS: u64 = 1 << 24;

pub(super) const FILTERS: &[Parameter] = &[
    Parameter::query("status", Kind::Word(statuses), "only jobs of this status"),
    Parameter::query("backend", Kind::Word(sources), "only jobs of this backend"),
    Parameter::query("purpose", Kind::Word(purposes), "only jobs for this purpose"),
];

pub(super) const PROGRAM: &[Parameter] = &[
    Parameter {
        name: "steps",
        place: "query",
        kind: Kind::Number { least: 1, most: MOST_STEPS },
        help: "the most steps that the program may take: what is predicted, and where the run is stopped",
        required: true,
    },
    Parameter::query("args", Kind::Text, "the arguments, such as `1 0x2 [3 4 5]`"),
    Parameter::query("layout", Kind::Text, "which layout; the cheapest that fits unless named"),
    Parameter::query("as_built", Kind::Flag, "accept a program whose public memory has not the strict form"),
];

fn statuses() -> Vec<&'static str> {
    ProofStatus::ALL.iter().map(|status| status.word()).collect()
}

fn sources() -> Vec<&'static str> {
    ProofSource::ALL.iter().map(|source| source.word()).collect()
}

fn purposes() -> Vec<&'static str> {
    Purpose::ALL.iter().map(|purpose| purpose.word()).collect()
}

/// The filter of a list of jobs.
pub(crate) fn filter(call: &Call) -> Result<JobFilter, ServerError> {
    let query = &call.query;
    Ok(JobFilter {
        status: query.read("status", &statuses().join(", "), ProofStatus::parse)?,
        source: query.read("backend", &sources().join(", "), ProofSource::parse)?,
        purpose: query.read("purpose", &purposes().join(", "), Purpose::parse)?,
        before: query.read("before", "the id of a job", JobId::parse)?,
        reach: call.reach(),
    })
}

pub(super) async fn list(call: Call) -> Answer {
    let (filter, limit) = (filter(&call)?, page::limit(&call.query)?);
    let jobs = call.app.store().jobs_page(&filter, limit + 1).await?;
    let (jobs, next) = page::cut(jobs, limit, |job| job.id);
    json_answer(StatusCode::OK, &Page { jobs, next })
}

#[derive(Serialize)]
struct Page {
    jobs: Vec<Job>,
    next: Option<String>,
}

/// The job of the path, if it is in reach: one that is not is as unknown as one that is not there.
pub(crate) async fn in_reach(call: &Call) -> Result<Job, Refused> {
    let given = call.parameter("id");
    let unknown = || Error::UnknownJob { given: crate::call::shortened(given) };
    let id = JobId::parse(given).ok_or_else(unknown)?;
    if let Some(key) = call.reach()
        && !call.app.store().is_in_reach(id, key).await?
    {
        return Err(unknown().into());
    }
    Ok(call.app.store().job(id).await?)
}

pub(super) async fn show(call: Call) -> Answer {
    let job = in_reach(&call).await?;
    let store = call.app.store();
    let artefacts = store.artefacts_of(job.id).await?;
    let attempts = call.app.engine.attempts(job.id).await?;
    let allocations: Vec<_> =
        store.allocations_of(job.id).await?.into_iter().map(|allocation| allocation.id).collect();
    let retried_by = store.successor_of(job.id).await?;
    json_answer(
        StatusCode::OK,
        &json!({
            "job": job, "attempts": attempts, "artefacts": artefacts,
            "allocations": allocations, "retried_by": retried_by,
        }),
    )
}

pub(super) async fn submit(mut call: Call) -> Answer {
    call.demand_media_type("application/octet-stream")?;
    let key = wish::idempotency_key(&call)?;
    let query = &call.query;
    let Some(steps) = wish::number(query, "steps", 1, MOST_STEPS)? else {
        return Err(query.invalid("steps", "missing".to_owned()).into());
    };
    let (requirements, circumstances) = (wish::requirements(query)?, wish::circumstances(query)?);
    let (arguments, layout) = (query.get("args").map(str::to_owned), query.get("layout").map(str::to_owned));
    let as_built = wish::flag(query, "as_built")?;
    let program = call.upload(call.app.settings.most_program_bytes).await?.into();
    let task = Task::Program(ProgramTask { program, arguments, layout, as_built, steps });
    let submitted = record(&call, &Submission { task, requirements, circumstances }, key.as_deref()).await?;
    submitted_answer(&submitted)
}

/// Hands a request to the engine and brings its job into the caller's reach.
pub(crate) async fn record(
    call: &Call,
    submission: &Submission,
    key: Option<&str>,
) -> Result<Submitted, Refused> {
    let submitted = call.app.engine.submit(submission, key).await.map_err(of_engine)?;
    bring_into_reach(call, &submitted).await?;
    Ok(submitted)
}

/// From now on the caller sees the job.
pub(crate) async fn bring_into_reach(call: &Call, submitted: &Submitted) -> Result<(), Refused> {
    if let Some(key) = call.caller.key() {
        call.app.store().bring_into_reach(submitted.job, key.id).await?;
    }
    Ok(())
}

/// A full queue says when to come again.
pub(crate) fn of_engine(error: EngineError) -> Refused {
    let seconds = match &error {
        EngineError::QueueFull { retry_after, .. } => Some(retry_after.as_secs()),
        _ => None,
    };
    let refused = Refused::of(Box::new(error) as Box<dyn Fault>);
    match seconds {
        Some(seconds) => refused.retry_after(seconds),
        None => refused,
    }
}

/// A new job is accepted; one that was on record is shown.
pub(super) fn submitted_answer(submitted: &Submitted) -> Answer {
    let status = if submitted.existing { StatusCode::OK } else { StatusCode::ACCEPTED };
    json_answer(status, submitted)
}

pub(super) async fn cancel(call: Call) -> Answer {
    let job = in_reach(&call).await?;
    let status = call.app.engine.cancel(job.id).await.map_err(of_engine)?;
    json_answer(StatusCode::ACCEPTED, &json!({ "job": job.id, "proof_status": status }))
}

pub(super) async fn retry(call: Call) -> Answer {
    // A new job is a submission too.
    call.demand(ashlar_store::KeyScope::Submit)?;
    let job = in_reach(&call).await?;
    json_answer(StatusCode::ACCEPTED, &do_over(&call, job.id).await?)
}

/// Does a job over, and brings the new one into the caller's reach.
pub(crate) async fn do_over(call: &Call, job: JobId) -> Result<Submitted, Refused> {
    let submitted = call.app.engine.retry(job).await.map_err(of_engine)?;
    bring_into_reach(call, &submitted).await?;
    Ok(submitted)
}
