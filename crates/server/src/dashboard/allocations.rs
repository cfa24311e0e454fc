//! The ledger of allocations, and one of them.

use ashlar_risk::{Proposal, constraint_values, parse_proposals};
use ashlar_store::{Allocation, AllocationStatus, Job};
use askama::Template;
use axum::http::StatusCode;
use serde_json::Value;

use super::{AllocationRow, Frame, percent, rows, rules, shown};
use crate::{
    api::{allocations, page},
    call::{Answer, Call},
    verdict::{GateVerdict, verdict},
};

#[derive(Template)]
#[template(path = "list.html")]
pub(super) struct List {
    pub(super) frame: Frame,
    pub(super) heading: &'static str,
    pub(super) path: &'static str,
    /// Statuses, empty for all, and whether each is the one shown.
    pub(super) filters: Vec<(&'static str, bool)>,
    pub(super) allocations: Vec<AllocationRow>,
    pub(super) jobs: Vec<Job>,
    pub(super) next: Option<String>,
}

/// The filters of a list, all first.
pub(super) fn filters(
    words: impl Iterator<Item = &'static str>,
    chosen: Option<&str>,
) -> Vec<(&'static str, bool)> {
    std::iter::once("").chain(words).map(|word| (word, word == chosen.unwrap_or(""))).collect()
}

/// Where the next page is.
pub(super) fn next(path: &str, call: &Call, cursor: Option<String>) -> Option<String> {
    let cursor = cursor?;
    let status = call.query.get("status").map(|status| format!("&status={status}")).unwrap_or_default();
    Some(format!("{path}?before={cursor}{status}"))
}

pub(super) async fn ledger(call: Call) -> Answer {
    let (filter, limit) = (allocations::filter(&call)?, page::limit(&call.query)?);
    let found = call.app.store().allocations_page(&filter, limit + 1).await?;
    let (found, cursor) = page::cut(found, limit, |allocation| allocation.id);
    let list = List {
        frame: Frame::of(&call, "Ledger", "Ledger", true),
        heading: "Ledger of allocations",
        path: "/ledger",
        filters: filters(
            AllocationStatus::ALL.iter().map(|status| status.word()),
            filter.status.map(AllocationStatus::word),
        ),
        allocations: rows(&call, found).await?,
        jobs: Vec::new(),
        next: next("/ledger", &call, cursor),
    };
    shown(StatusCode::OK, &list)
}

#[derive(Template)]
#[template(path = "allocation.html")]
struct AllocationPage {
    frame: Frame,
    allocation: Allocation,
    gate: GateVerdict,
    jobs: Vec<Job>,
    chain: String,
    allocator: String,
    nonce: String,
    verdict: String,
    rows: Vec<Row>,
    constraints: Vec<(&'static str, String, String, bool)>,
}

struct Row {
    protocol: String,
    apy: String,
    utilisation: String,
    volatility: String,
    liquidity: u64,
    audit: u64,
    age: u64,
    score: String,
    share: String,
    share_points: u64,
}

pub(super) async fn show(call: Call) -> Answer {
    let store = call.app.store();
    let allocation = store.allocation(allocations::id(&call)?, call.reach()).await?;
    let jobs = store.jobs_of(allocation.id, call.reach()).await?;
    let gate = verdict(&call.app, &allocation, &jobs).await?;
    let proposal = parse_proposals(allocation.proposal.to_string().as_bytes())?.pop();
    let running = jobs.iter().any(|job| !job.proof_status.is_terminal());
    let show = |text: Option<String>| text.unwrap_or_else(|| "unreadable".to_owned());
    let page = AllocationPage {
        frame: Frame::of(&call, "Allocation", "Ledger", true).running(running),
        chain: show(proposal.as_ref().map(|proposal| proposal.chain_id.to_string())),
        allocator: show(proposal.as_ref().map(|proposal| proposal.allocator.to_string())),
        nonce: show(proposal.as_ref().map(|proposal| proposal.nonce.to_string())),
        verdict: rules(&allocation.verdict),
        rows: proposal.as_ref().map(|proposal| table(proposal, &allocation)).unwrap_or_default(),
        constraints: proposal.as_ref().map(|proposal| constraints(proposal, &allocation)).unwrap_or_default(),
        gate,
        jobs,
        allocation,
    };
    shown(StatusCode::OK, &page)
}

fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().map(|number| number.as_u64().unwrap_or(0)).collect()
}

fn table(proposal: &Proposal, allocation: &Allocation) -> Vec<Row> {
    let (scores, shares) = (numbers(&allocation.scores), numbers(&allocation.shares));
    let at = |numbers: &[u64], index: usize| numbers.get(index).copied();
    (0..)
        .zip(&proposal.rows)
        .map(|(index, row)| Row {
            protocol: row.protocol_id.to_string(),
            apy: percent(row.apy),
            utilisation: percent(row.utilisation),
            volatility: percent(row.volatility),
            liquidity: row.liquidity,
            audit: row.audit,
            age: row.age,
            score: at(&scores, index).map_or_else(|| "–".to_owned(), |score| score.to_string()),
            share: at(&shares, index).map_or_else(|| "–".to_owned(), percent),
            share_points: at(&shares, index).unwrap_or(0),
        })
        .collect()
}

/// Name, limit, value, and whether it holds; nothing where the inputs are out of range.
fn constraints(proposal: &Proposal, allocation: &Allocation) -> Vec<(&'static str, String, String, bool)> {
    let shares = numbers(&allocation.shares);
    if proposal.range_violation().is_some() || shares.len() != proposal.rows.len() {
        return Vec::new();
    }
    let (values, limits) = (constraint_values(proposal, &shares), &proposal.constraints);
    vec![
        (
            "largest share, at most",
            percent(limits.max_single),
            percent(values.largest_share),
            values.largest_share <= limits.max_single,
        ),
        (
            "rows with at least 10 %, at least",
            limits.min_diversification.to_string(),
            values.diversified_rows.to_string(),
            values.diversified_rows >= limits.min_diversification,
        ),
        (
            "weighted volatility, at most",
            percent(limits.max_volatility),
            percent(values.volatility),
            values.volatility <= limits.max_volatility,
        ),
        (
            "worst liquidity class, at most",
            limits.min_liquidity.to_string(),
            values.worst_liquidity.to_string(),
            values.worst_liquidity <= limits.min_liquidity,
        ),
    ]
}
