//! Workers, queue and backends: figures of the whole service, for whoever sees every job.

use ashlar_engine::BackendState;
use ashlar_store::LaneDepth;
use askama::Template;
use axum::http::StatusCode;

use super::{Frame, drawn, shown};
use crate::{
    api::of_engine,
    call::{Answer, Call},
    picture::workers::workers,
};

#[derive(Template)]
#[template(path = "workers.html")]
struct WorkersPage {
    frame: Frame,
    workers: String,
    lanes: Vec<LaneDepth>,
    backends: Vec<BackendState>,
}

pub(super) async fn show(call: Call) -> Answer {
    call.caller.demand_all()?;
    let engine = &call.app.engine;
    let seen = engine.workers().await.map_err(of_engine)?;
    let running = seen.iter().any(|worker| !worker.holds.is_empty());
    let page = WorkersPage {
        frame: Frame::of(&call, "Workers", "Workers", true).running(running),
        workers: workers(&seen).inline(),
        lanes: engine.queue_depth().await.map_err(of_engine)?.lanes,
        backends: engine.backends().await.map_err(of_engine)?,
    };
    shown(StatusCode::OK, &page)
}

pub(super) async fn workers_picture(call: Call) -> Answer {
    call.caller.demand_all()?;
    drawn(&workers(&call.app.engine.workers().await.map_err(of_engine)?))
}
