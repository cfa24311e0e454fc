//! `ashlar atlantic`: the managed service's contract beside what this version assumes, and what it says about a query.

use std::{fmt::Write as _, path::Path};

use ashlar_atlantic::{
    Address, Client, ContractReport, DifferenceKind, JobsAnswer, MOST_CONTRACT_BYTES, Query, QueryId,
    Settings,
};
use ashlar_stone::read_bounded;
use serde_json::json;

use crate::{
    arguments::Atlantic,
    failure::{CommandError, Failure},
    service,
    session::Session,
};

pub(crate) async fn run(session: &Session, verb: Atlantic) -> Result<(), Failure> {
    match verb {
        Atlantic::ContractCheck { file } => contract_check(session, &file),
        Atlantic::Show { query, host } => {
            let shown = tokio::task::spawn_blocking(move || show(&query, &host));
            let (query, raw, jobs) =
                shown.await.map_err(|broken| CommandError::Broken(Box::new(broken)))??;
            session.console.text(&described(&query, jobs.as_ref()))?;
            session.console.document("ashlar.atlantic-query/1", json!({ "answer": raw, "jobs": jobs }))
        }
    }
}

fn contract_check(session: &Session, file: &Path) -> Result<(), Failure> {
    let document = read_bounded(file, "contract document", MOST_CONTRACT_BYTES)?;
    let report = ContractReport::of(&document)?;
    let mut text = format!("{}: {} assumptions looked at\n", report.document, report.assumptions);
    for difference in &report.differences {
        let kind = match difference.kind {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Changed => "changed",
            DifferenceKind::New => "new",
        };
        let mark = if difference.matters { '!' } else { ' ' };
        let _ = write!(text, "{mark} {kind:<8} {}", difference.place);
        if let Some(expected) = &difference.expected {
            let _ = write!(text, ": expected {expected}");
        }
        if let Some(got) = &difference.got {
            let _ = write!(text, ", got {got}");
        }
        text.push('\n');
    }
    if report.more_new > 0 {
        let _ = writeln!(text, "  and {} more new things", report.more_new);
    }
    let verdict = report.verdict();
    text.push_str(match verdict {
        Ok(()) => "nothing that matters is missing or changed\n",
        Err(_) => "what is marked ! matters\n",
    });
    session.console.text(&text)?;
    let agrees = verdict.is_ok();
    session.console.document("ashlar.atlantic-contract/1", json!({ "agrees": agrees, "report": report }))?;
    Ok(verdict?)
}

/// A look at a query, and at its jobs if the service tells them.
fn show(query: &str, host: &str) -> Result<(Query, serde_json::Value, Option<JobsAnswer>), Failure> {
    let query = QueryId::parse(query).ok_or_else(|| {
        CommandError::Usage("expected a query id of 1 to 64 letters, digits, - and _".to_owned())
    })?;
    let client = Client::new(Settings::new(Address::parse(host)?, service::key(None)?, ""));
    let look = client.show(&query)?;
    // Times of stages are a courtesy: without them the query can be shown all the same.
    let jobs = client.jobs(&query).ok();
    Ok((look.answer.atlantic_query, look.raw, jobs))
}

fn described(query: &Query, jobs: Option<&JobsAnswer>) -> String {
    let mut text = format!("query {} is {}, says the service\n", query.id, query.status);
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(text, "  {name:<16} {value}");
        }
    };
    let escaped = |text: &Option<String>| text.as_ref().map(|text| text.escape_debug().to_string());
    line("step", query.step.as_ref().map(ToString::to_string));
    line("result", query.result.as_ref().map(ToString::to_string));
    line("network", query.network.as_ref().map(ToString::to_string));
    line("prover", query.sharp_prover.as_ref().map(ToString::to_string));
    line("declared size", query.declared_job_size.as_ref().map(ToString::to_string));
    line("actual size", query.job_size.as_ref().map(ToString::to_string));
    line("Poseidon fact", escaped(&query.integrity_fact_hash));
    line("Keccak fact", escaped(&query.sharp_fact_hash));
    line("reason", escaped(&query.error_reason));
    line("created", escaped(&query.created_at));
    line("completed", escaped(&query.completed_at));
    for mocked in [(query.is_fact_mocked, "the fact"), (query.is_proof_mocked, "the proof")] {
        if let (Some(true), what) = mocked {
            line("mocked", Some(format!("{what} is a pretence and proves nothing")));
        }
    }
    for job in jobs.iter().flat_map(|jobs| &jobs.jobs) {
        let name = job.job_name.as_ref().map_or_else(|| "job".to_owned(), ToString::to_string);
        let times = [&job.created_at, &job.completed_at].map(|time| escaped(time).unwrap_or_default());
        line("stage", Some(format!("{name} {} {} {}", job.status, times[0], times[1])));
    }
    text
}
