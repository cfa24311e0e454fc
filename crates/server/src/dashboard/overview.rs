//! The overview: what was created, proven, executed, by whom, how fast, at what cost.

use ashlar_store::{AllocationFilter, AllocationStatus, Job, JobFilter, Latency, Moment, ProofStatus};
use askama::Template;
use axum::http::StatusCode;

use super::{AllocationRow, Frame, drawn, rows, shown};
use crate::{
    api::of_engine,
    call::{Answer, Call},
    picture::{duration, latency::latency},
};

/// Allocations and jobs that are shown.
const SHOWN: u32 = 8;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    figures: Option<Totals>,
    latency: Option<String>,
    by_backend: Vec<String>,
    allocations: Vec<AllocationRow>,
    jobs: Vec<Job>,
}

struct Totals {
    created: u64,
    proven: u64,
    executed: u64,
    blocked: u64,
    waiting: u64,
    working: u64,
    failed: u64,
    workers: usize,
    cost: String,
}

pub(super) async fn show(call: Call) -> Answer {
    let store = call.app.store();
    let (mut figures, mut picture, mut by_backend) = (None, None, Vec::new());
    if call.reach().is_none() {
        let records = store.figures().await?;
        let depth = call.app.engine.queue_depth().await.map_err(of_engine)?;
        let workers = call.app.engine.workers().await.map_err(of_engine)?;
        let committed = store.committed_since(Moment::from_milliseconds(0)).await?;
        picture = Some(latency(&records.latencies).inline());
        by_backend = records.latencies.iter().map(words).collect();
        let created = records.all_allocations();
        figures = Some(Totals {
            created,
            proven: records.proven_allocations,
            executed: records.allocations_that_are(AllocationStatus::Executed),
            blocked: records.blocked_allocations,
            waiting: depth.waiting(),
            working: depth.claimed(),
            failed: records.jobs_that_are(ProofStatus::Failed) + records.jobs_that_are(ProofStatus::Timeout),
            workers: workers.len(),
            cost: dollars(committed),
        });
    }
    let jobs = store.jobs_page(&JobFilter { reach: call.reach(), ..JobFilter::default() }, SHOWN).await?;
    let filter = AllocationFilter { reach: call.reach(), ..AllocationFilter::default() };
    let allocations = rows(&call, store.allocations_page(&filter, SHOWN).await?).await?;
    let frame = Frame::of(&call, "Overview", "Overview", true);
    shown(StatusCode::OK, &Overview { frame, figures, latency: picture, by_backend, allocations, jobs })
}

fn words(latency: &Latency) -> String {
    let at = |percent| latency.percentile(percent).map_or_else(|| "–".to_owned(), duration);
    format!(
        "{}: {} proofs, half within {}, 95 of 100 within {}",
        latency.source,
        latency.milliseconds.len(),
        at(50),
        at(95)
    )
}

/// Dollars from millionths, to the cent.
fn dollars(micro_usd: u64) -> String {
    let cents = micro_usd.div_ceil(10_000);
    format!("${}.{:02}", cents / 100, cents % 100)
}

pub(super) async fn latency_picture(call: Call) -> Answer {
    call.caller.demand_all()?;
    drawn(&latency(&call.app.store().figures().await?.latencies))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cost_is_told_to_the_cent_and_never_too_low() {
        assert_eq!(
            [0, 1, 10_000, 1_239_999, 3_000_000].map(dollars),
            ["$0.00", "$0.01", "$0.01", "$1.24", "$3.00"]
        );
    }
}
