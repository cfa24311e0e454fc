//! Allocations: list, show, propose.

use ashlar_engine::{Submission, Task};
use ashlar_risk::{MAX_FILE_BYTES, Proposal, parse_proposals};
use ashlar_store::{Allocation, AllocationFilter, AllocationId, AllocationStatus, Error};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::json;

use super::{jobs, page, wish};
use crate::{
    ServerError,
    call::{Answer, Call, json_answer},
    problem::Refused,
    route::{Kind, Parameter},
    verdict::verdict,
};

pub(super) const FILTERS: &[Parameter] =
    &[Parameter::query("status", Kind::Word(statuses), "only allocations of this status")];

fn statuses() -> Vec<&'static str> {
    AllocationStatus::ALL.iter().map(|status| status.word()).collect()
}

/// The filter of a list of allocations.
pub(crate) fn filter(call: &Call) -> Result<AllocationFilter, ServerError> {
    Ok(AllocationFilter {
        status: call.query.read("status", &statuses().join(", "), AllocationStatus::parse)?,
        before: call.query.read("before", "the id of an allocation", AllocationId::parse)?,
        reach: call.reach(),
    })
}

pub(super) async fn list(call: Call) -> Answer {
    let (filter, limit) = (filter(&call)?, page::limit(&call.query)?);
    let allocations = call.app.store().allocations_page(&filter, limit + 1).await?;
    let (allocations, next) = page::cut(allocations, limit, |allocation| allocation.id);
    json_answer(StatusCode::OK, &Page { allocations, next })
}

#[derive(Serialize)]
struct Page {
    allocations: Vec<Allocation>,
    next: Option<String>,
}

/// The id in the path.
pub(crate) fn id(call: &Call) -> Result<AllocationId, Error> {
    let given = call.parameter("id");
    AllocationId::parse(given)
        .ok_or_else(|| Error::UnknownAllocation { given: crate::call::shortened(given) })
}

pub(super) async fn show(call: Call) -> Answer {
    let store = call.app.store();
    let allocation = store.allocation(id(&call)?, call.reach()).await?;
    let jobs = store.jobs_of(allocation.id, call.reach()).await?;
    let gate = verdict(&call.app, &allocation, &jobs).await?;
    json_answer(StatusCode::OK, &json!({ "allocation": allocation, "jobs": jobs, "gate": gate }))
}

/// The proposals of the body, read as strictly as a file of them.
pub(super) async fn proposals(call: &mut Call) -> Result<Vec<Proposal>, Refused> {
    call.demand_media_type("application/json")?;
    let body = call.body(MAX_FILE_BYTES).await?;
    Ok(parse_proposals(&body)?)
}

pub(super) async fn submit(mut call: Call) -> Answer {
    let key = wish::idempotency_key(&call)?;
    let (requirements, circumstances) = (wish::requirements(&call.query)?, wish::circumstances(&call.query)?);
    let task = Task::Allocation(proposals(&mut call).await?);
    let submitted =
        jobs::record(&call, &Submission { task, requirements, circumstances }, key.as_deref()).await?;
    jobs::submitted_answer(&submitted)
}
