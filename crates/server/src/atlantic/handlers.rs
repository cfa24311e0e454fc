//! One function a route.

use std::sync::Arc;

use ashlar_engine::{Circumstances, Requirements, Submission, Submitted};
use ashlar_store::{
    ArtefactKind, ContentHash, Job, JobEvent, JobFilter, KeyReach, KeyScope, ProofStatus, Purpose,
    StoredContent,
};
use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};
use serde_json::{Value, json};

use super::{form, multipart, query, refusal::AtlanticRefusal, ticket};
use crate::{
    ServerError,
    api::{artefacts, jobs::bring_into_reach, of_engine},
    call::{Answer, Call, json_answer},
    problem::{Refused, broken},
};

/// The most bytes of a form besides its program.
const BESIDES: u64 = 4 << 20;

/// The largest archive that is read to its end before it is refused; clients send up to 512 MiB.
const MOST_ARCHIVE: u64 = 512 << 20;

/// The fewest steps that a declared size is taken for.
const LEAST_STEPS: u64 = 1 << 16;

/// Events of a job that are looked at.
const MOST_EVENTS: u32 = 256;

/// Jobs that a listing looks at.
const MOST_LISTED: usize = 1000;

/// What a query leaves behind.
const FILES: [&str; 2] = ["metadata.json", "proof.json"];

pub(super) async fn alive(_call: Call) -> Answer {
    json_answer(StatusCode::OK, &json!({ "alive": true }))
}

pub(super) async fn submit(mut call: Call) -> Answer {
    let boundary = multipart::boundary(call.header("content-type")).ok_or_else(|| {
        AtlanticRefusal::unsupported("the form", "expected multipart/form-data with a boundary")
    })?;
    let most_program = call.app.settings.most_program_bytes;
    let most = MOST_ARCHIVE.max(most_program as u64) + BESIDES;
    let time = call.app.settings.body_time;
    let (app, body) = (Arc::clone(&call.app), call.take_body());
    let bootloader = app.settings.bootloader.as_ref();
    let room = multipart::Room { memory: &app.bodies, artefacts: app.store().artefacts() };
    let reading = multipart::read(body, &boundary, most, room, |name| {
        form::keep(name, most_program, bootloader.is_some())
    });
    let mut parts = tokio::time::timeout(time, reading).await.map_err(|_| call.too_slow())??;
    let _share = parts.share.take();
    let mut asked = form::read(parts, bootloader.is_some())?;
    let upload = asked.upload.take().ok_or_else(|| {
        let detail = "programFile or pieFile: expected a file";
        AtlanticRefusal::form(ashlar_atlantic::ErrorCode::SourceIsRequired, detail)
    })?;
    // Of a form that is refused nothing stays.
    let content = upload.finish().await?;
    let submission = fitting(&call, &asked, content).await?;
    let form::Asked { dedup_id, note, .. } = asked;
    let key = dedup_id.map(|id| submission_key(&call, &id));
    let submitted = call.app.engine.submit_with_note(&submission, key.as_deref(), (query::NOTE, note)).await;
    let submitted = match submitted {
        Ok(Submitted { existing: true, .. }) | Err(ashlar_engine::EngineError::KeyReused { .. }) => {
            let detail = "dedupId: a query with this id is there already";
            return Err(AtlanticRefusal::form(ashlar_atlantic::ErrorCode::DuplicateDedupId, detail).into());
        }
        other => other.map_err(of_engine)?,
    };
    bring_into_reach(&call, &submitted).await?;
    json_answer(StatusCode::CREATED, &json!({ "atlanticQueryId": query::id_of(submitted.job) }))
}

/// The run with as many steps as the declared size has and somebody here can prove: a size is a bound, not a prediction,
/// and most runs take far fewer.
async fn fitting(call: &Call, asked: &form::Asked, content: StoredContent) -> Result<Submission, Refused> {
    let mut steps = asked.steps;
    loop {
        let submission = Submission {
            task: asked.task(content, call.app.settings.bootloader.as_ref(), steps)?,
            requirements: Requirements::default(),
            circumstances: Circumstances::default(),
        };
        let routing = call.app.engine.plan(&submission).await.map_err(of_engine)?;
        if routing.chosen.is_some() || steps <= LEAST_STEPS {
            return Ok(submission);
        }
        steps = (steps.next_power_of_two() / 2).max(LEAST_STEPS);
    }
}

/// Deduplication ids are the caller's own, and no idempotency keys of the API.
fn submission_key(call: &Call, dedup_id: &str) -> String {
    format!("{}/atlantic/{dedup_id}", call.caller.name())
}

/// A query with its log, if it is in reach: one that is not is as unknown as one that is not there.
async fn in_reach(call: &Call, id: &str) -> Result<(Job, Vec<JobEvent>), Refused> {
    let store = call.app.store();
    let job = query::job_of(id).ok_or_else(AtlanticRefusal::unknown)?;
    if let Some(key) = call.reach()
        && !store.is_in_reach(job, key).await?
    {
        return Err(AtlanticRefusal::unknown().into());
    }
    let job = match store.job(job).await {
        Err(ashlar_store::Error::UnknownJob { .. }) => return Err(AtlanticRefusal::unknown().into()),
        found => found?,
    };
    if job.purpose != Purpose::Program {
        return Err(AtlanticRefusal::unknown().into());
    }
    let events = store.events_page(Some(job.id), None, 0, MOST_EVENTS).await?;
    Ok((job, events))
}

fn told(job: &Job, events: &[JobEvent]) -> Result<Value, Refused> {
    let query = query::query(job, events).ok_or_else(broken)?;
    serde_json::to_value(query).map_err(|_| broken())
}

pub(super) async fn show(call: Call) -> Answer {
    let (job, events) = in_reach(&call, call.parameter("id")).await?;
    let urls = if job.proof_status == ProofStatus::Verified { urls(&call, &job) } else { Vec::new() };
    json_answer(StatusCode::OK, &json!({ "atlanticQuery": told(&job, &events)?, "metadataUrls": urls }))
}

/// Where a query's files are, for whoever asked.
fn urls(call: &Call, job: &Job) -> Vec<String> {
    let base = call.app.public_address(call.header(header::HOST.as_str()));
    let id = query::id_of(job.id);
    let place = match call.caller.key() {
        Some(key) => format!("{base}/queries/{id}/{}", ticket::ticket(key, job.id)),
        None => format!("{base}/queries/{id}"),
    };
    FILES.iter().map(|name| format!("{place}/{name}")).collect()
}

pub(super) async fn jobs(call: Call) -> Answer {
    let (job, events) = in_reach(&call, call.parameter("id")).await?;
    json_answer(StatusCode::OK, &query::jobs(&job, &events))
}

pub(super) async fn by_dedup_id(call: Call) -> Answer {
    let given = call.query.get("dedupId").unwrap_or_default();
    let found = call.app.store().job_of_submission(&submission_key(&call, given)).await?;
    let id = found.map(query::id_of).ok_or_else(AtlanticRefusal::unknown)?;
    let (job, events) = in_reach(&call, &id).await?;
    json_answer(StatusCode::OK, &json!({ "atlanticQuery": told(&job, &events)? }))
}

pub(super) async fn list(call: Call) -> Answer {
    let number = |name: &str, usual: usize, most: usize| -> Result<usize, ServerError> {
        let read = |text: &str| text.parse().ok().filter(|number| *number <= most);
        Ok(call.query.read(name, &format!("a number up to {most}"), read)?.unwrap_or(usual))
    };
    let (limit, offset) = (number("limit", 20, 100)?, number("offset", 0, MOST_LISTED)?);
    let (search, network) = (call.query.get("search"), call.query.get("network"));
    let mut matching = Vec::new();
    let mut filter =
        JobFilter { purpose: Some(Purpose::Program), reach: call.reach(), ..JobFilter::default() };
    let store = call.app.store();
    for _ in 0..MOST_LISTED / ashlar_store::MOST_IN_PAGE as usize {
        let page = store.jobs_page(&filter, ashlar_store::MOST_IN_PAGE).await?;
        for job in &page {
            let events = store.events_page(Some(job.id), None, 0, MOST_EVENTS).await?;
            let query = told(job, &events)?;
            let has = |name: &str, text: &str| query[name].as_str().is_some_and(|value| value.contains(text));
            let wanted = search
                .is_none_or(|text| ["id", "externalId", "dedupId"].iter().any(|name| has(name, text)))
                && network.is_none_or(|network| query["network"] == network);
            if wanted {
                matching.push(query);
            }
        }
        match page.last() {
            Some(last) if page.len() == ashlar_store::MOST_IN_PAGE as usize => filter.before = Some(last.id),
            _ => break,
        }
    }
    let total = matching.len();
    let page: Vec<Value> = matching.into_iter().skip(offset).take(limit).collect();
    json_answer(StatusCode::OK, &json!({ "atlanticQueries": page, "total": total }))
}

pub(super) async fn artefact(call: Call) -> Answer {
    let (job, _) = in_reach(&call, call.parameter("id")).await?;
    file(&call, &job).await
}

/// A file by an address that [`urls`] gave. Whose ticket it is, is found out by trying: there are few keys.
pub(super) async fn artefact_by_ticket(call: Call) -> Answer {
    let unknown = || Refused::from(AtlanticRefusal::unknown());
    let given = ContentHash::parse(call.parameter("ticket")).ok_or_else(unknown)?;
    let job = query::job_of(call.parameter("id")).ok_or_else(unknown)?;
    let store = call.app.store();
    let keys = store.keys().await?;
    let owner = keys.iter().find(|key| ticket::is_of(given, key, job)).ok_or_else(unknown)?;
    let may = owner.revoked_at.is_none() && owner.allows(KeyScope::Read);
    if !may || (owner.reach == KeyReach::Own && !store.is_in_reach(job, owner.id).await?) {
        return Err(unknown());
    }
    let job = store.job(job).await?;
    file(&call, &job).await
}

async fn file(call: &Call, job: &Job) -> Answer {
    let unknown = || Refused::from(AtlanticRefusal::unknown());
    if job.proof_status != ProofStatus::Verified {
        return Err(unknown());
    }
    let mut response: Response<Body> = match call.parameter("name") {
        "metadata.json" => json_answer(StatusCode::OK, &query::metadata(job))?,
        "proof.json" => {
            let left = call.app.store().artefacts_of(job.id).await?;
            let proof =
                left.iter().find(|artefact| artefact.kind == ArtefactKind::Proof).ok_or_else(unknown)?;
            artefacts::sent(&call.app, proof, "application/json").await?
        }
        _ => return Err(unknown()),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    Ok(response)
}
