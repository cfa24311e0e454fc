//! The service itself: plan, backends, health, figures.

use ashlar_engine::{Submission, Task};
use ashlar_store::WorkerState;
use axum::{body::Body, http::StatusCode};
use serde_json::json;

use super::{allocations, jobs::of_engine, wish};
use crate::{
    ServerError,
    call::{Answer, Call, answer, json_answer},
};

pub(super) async fn plan(mut call: Call) -> Answer {
    let (requirements, circumstances) = (wish::requirements(&call.query)?, wish::circumstances(&call.query)?);
    let task = Task::Allocation(allocations::proposals(&mut call).await?);
    let routing =
        call.app.engine.plan(&Submission { task, requirements, circumstances }).await.map_err(of_engine)?;
    json_answer(StatusCode::OK, &routing)
}

pub(super) async fn backends(call: Call) -> Answer {
    let backends = call.app.engine.backends().await.map_err(of_engine)?;
    json_answer(StatusCode::OK, &json!({ "backends": backends }))
}

pub(super) async fn health(_call: Call) -> Answer {
    json_answer(StatusCode::OK, &json!({ "status": "ok" }))
}

pub(super) async fn ready(call: Call) -> Answer {
    let not_ready = |why: &str| ServerError::NotReady { why: why.to_owned() };
    if *call.app.stopping.borrow() {
        return Err(not_ready("the server was asked to stop").into());
    }
    // Whoever asks needs no key, so the reason is short of particulars.
    call.app.store().last_event().await.map_err(|_| not_ready("the records do not answer"))?;
    let workers = call.app.engine.workers().await.map_err(|_| not_ready("the records do not answer"))?;
    if workers.iter().all(|worker| worker.state == WorkerState::Stopped) {
        return Err(not_ready("no worker was seen in the last two minutes").into());
    }
    if let Some(trouble) = call.app.engine.trouble() {
        return Err(not_ready(&trouble.to_string()).into());
    }
    // Damaged artefacts keep nobody from working; somebody should look all the same.
    let damaged = call.app.engine.damaged_artefacts();
    let status = if damaged == 0 { "ok" } else { "degraded" };
    json_answer(StatusCode::OK, &json!({ "status": status, "damaged_artefacts": damaged }))
}

pub(super) async fn metrics(call: Call) -> Answer {
    call.caller.demand_all()?;
    let app = &call.app;
    let figures = app.store().figures().await?;
    let queue = app.engine.queue_depth().await.map_err(of_engine)?;
    let workers = app.engine.workers().await.map_err(of_engine)?;
    let text = app.metrics.text(&figures, &queue, &workers, app.open_streams());
    Ok(answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", Body::from(text)))
}
