//! Waiting for a query's end: hours on a clock that moves only when somebody waits by it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test program uses its part of the support")]

mod support;

use std::{ops::ControlFlow, time::Duration};

use ashlar_atlantic::{
    Clock as _, Error, Hint, JobStatus, Listing, Network, Polling, QueryStatus, Sight, Step,
};
use ashlar_atlantic_mock::{Endpoint, Fault, Script, When};
use ashlar_fault::Fault as _;
use support::{Stage, form, id, scripted, stage};

const HOURS: Polling = Polling {
    shortest: Duration::from_secs(5),
    longest: Duration::from_secs(60),
    deadline: Duration::from_secs(3 * 3600),
    outage: Duration::from_secs(600),
};

fn patiently(_: Sight<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

#[test]
fn a_query_of_66_minutes_is_followed_with_few_looks() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let mut steps = Vec::new();
    let look = stage
        .client
        .wait(&query, HOURS, &mut |sight| {
            if let Sight::Query(query) = sight
                && let Some(step) = &query.step
                && steps.last() != Some(step)
            {
                steps.push(step.clone());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(look.answer.atlantic_query.status, QueryStatus::Done);
    assert_eq!(
        steps,
        [Step::TraceAndMetadataGeneration, Step::ProofGenerationAndVerification, Step::BridgeFactHash]
    );
    let looks = stage.mock.requests();
    let looks: Vec<Duration> =
        looks.iter().filter(|request| request.endpoint == Endpoint::Show).map(|request| request.at).collect();
    assert!((60..110).contains(&looks.len()), "{} looks", looks.len());
    let pauses: Vec<Duration> = looks.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| *pause >= HOURS.shortest && *pause <= HOURS.longest), "{pauses:?}");
    assert!(pauses.contains(&HOURS.longest));
    // The end is seen within a minute.
    assert!(*looks.last().unwrap() < Duration::from_secs(41 + 3_650 + 269 + 60));
}

#[test]
fn looks_that_fail_for_a_while_are_endured() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    for fault in [Fault::Html(502), Fault::NotFoundPage, Fault::NumericKeys(404), Fault::ResetBefore] {
        stage.mock.misbehave(Endpoint::Show, fault, When::PerMille(200, 3));
    }
    stage.mock.misbehave(
        Endpoint::Show,
        Fault::Code(404, "ATLANTIC_QUERY_NOT_FOUND".to_owned()),
        When::Next(1),
    );
    let mut failed = 0;
    let look = stage.client.wait(&query, HOURS, &mut |sight| {
        failed += u32::from(matches!(sight, Sight::Failed(_)));
        ControlFlow::Continue(())
    });
    assert_eq!(look.unwrap().answer.atlantic_query.status, QueryStatus::Done);
    assert!(failed > 5, "{failed}");
}

#[test]
fn an_outage_that_lasts_ends_the_waiting_and_not_the_query() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    stage.mock.misbehave(Endpoint::Show, Fault::Html(503), When::After(3, 1000));
    let error = stage.client.wait(&query, HOURS, &mut patiently).unwrap_err();
    assert!(matches!(error, Error::Infrastructure { status: 503, .. }), "{error}");
    stage.mock.behave();
    let look = stage.client.wait(&query, HOURS, &mut patiently).unwrap();
    assert_eq!(look.answer.atlantic_query.status, QueryStatus::Done);
}

#[test]
fn a_key_that_is_no_longer_valid_ends_the_waiting_at_once() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    stage.mock.misbehave(Endpoint::Show, Fault::InvalidKey, When::After(1, 1000));
    let error = stage.client.wait(&query, HOURS, &mut patiently).unwrap_err();
    assert_eq!(error.code().0, 8113, "{error}");
    assert_eq!(stage.mock.count(Endpoint::Show), 2);
}

#[test]
fn a_deadline_is_kept_and_a_request_to_stop_is_heard() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let short = Polling { deadline: Duration::from_secs(100), ..HOURS };
    let error = stage.client.wait(&query, short, &mut patiently).unwrap_err();
    let Error::Deadline { waited, status, .. } = &error else { panic!("{error}") };
    assert_eq!((*waited, status), (Duration::from_secs(100), &QueryStatus::InProgress));

    let mut looks = 0;
    let error = stage.client.wait(&query, HOURS, &mut |_| {
        looks += 1;
        if looks == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(error, Err(Error::Stopped { .. })));
    assert_eq!(looks, 3);
}

#[test]
fn words_that_nobody_recorded_do_not_break_the_waiting() {
    let stage = scripted(|_| {
        Script::proof_only()
            .with("step", "QUANTUM_POLISHING".into())
            .with("chain", "L3".into())
            .with("declaredJobSize", "XXL".into())
            .with("sharpProver", "stoneAgain".into())
            .with("retryCount", serde_json::Value::Null)
            .with("brandNew", serde_json::json!({ "deep": [1, 2] }))
    });
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let look = stage.client.wait(&query, HOURS, &mut patiently).unwrap();
    let told = look.answer.atlantic_query;
    assert_eq!(told.step, Some(Step::Unknown("QUANTUM_POLISHING".to_owned())));
    assert!(told.chain.is_some_and(|chain| !chain.is_known()));
    assert!(!look.raw.to_string().contains('@'), "an e-mail address was kept");
    assert!(look.raw.to_string().contains("brandNew"));
}

#[test]
fn an_unknown_status_ends_nothing() {
    let stage = scripted(|_| Script::proof_only().with("status", "DONE_MAYBE".into()));
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let error = stage.client.wait(&query, HOURS, &mut patiently).unwrap_err();
    assert!(matches!(error, Error::Deadline { .. }), "{error}");
}

#[test]
fn another_query_s_answer_is_refused() {
    let stage = scripted(|_| Script::proof_only().with("id", "01K0THER0000000000000000AA".into()));
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let error = stage.client.wait(&query, HOURS, &mut patiently).unwrap_err();
    assert!(matches!(error, Error::Foreign { field: "id", .. }), "{error}");
}

#[test]
fn jobs_tell_the_time_and_the_transactions_of_each_stage() {
    let Stage { mock, client, clock } = scripted(|_| Script::route_i());
    let query = client.submit(&form(), 0).unwrap().query;
    clock.advance(Duration::from_secs(100));
    let jobs = client.jobs(&query).unwrap();
    let statuses: Vec<&JobStatus> = jobs.jobs.iter().map(|job| &job.status).collect();
    assert_eq!(statuses, [&JobStatus::Completed, &JobStatus::InProgress]);
    clock.advance(Duration::from_secs(1000));
    let jobs = client.jobs(&query).unwrap();
    assert_eq!(jobs.jobs.len(), 4);
    let verification = jobs.jobs.last().unwrap();
    assert_eq!(verification.job_name, Some(Step::ProofVerificationOnL2));
    assert_eq!(verification.context.as_ref().unwrap()["transactions"].as_array().unwrap().len(), 5);
    assert!(client.jobs(&id("01KN0BODY")).is_err());
    assert_eq!(mock.count(Endpoint::Jobs), 3);
}

#[test]
fn queries_are_listed_by_page() {
    let stage = stage();
    for attempt in 0..3 {
        stage.client.submit(&form(), attempt).unwrap();
    }
    let page =
        Listing { limit: 2, offset: 1, search: Some("test".to_owned()), network: Some(Network::Testnet) };
    let listed = stage.client.list(&page).unwrap();
    assert_eq!((listed.atlantic_queries.len(), listed.total), (2, Some(3)));
    let none = Listing { search: Some("a b&network=MAINNET".to_owned()), ..page };
    assert_eq!(stage.client.list(&none).unwrap().total, Some(0));
    assert!(stage.client.is_alive().unwrap());
}

#[test]
fn a_forged_webhook_changes_nothing() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    // A forger says that it is done, twice.
    let forged = stage.mock.webhook(query.as_str()).to_string().replace("RECEIVED", "DONE");
    for _ in 0..2 {
        let hint = Hint::read(forged.as_bytes()).unwrap();
        let look = stage.client.show(hint.query()).unwrap();
        assert_eq!(look.answer.atlantic_query.status, QueryStatus::Received);
    }
}

/// When a query was looked at.
fn looks(stage: &Stage) -> Vec<Duration> {
    let requests = stage.mock.requests();
    requests.iter().filter(|request| request.endpoint == Endpoint::Show).map(|request| request.at).collect()
}

#[test]
fn a_hint_makes_the_waiting_look_at_once_and_hints_without_end_look_no_more_often_than_allowed() {
    // Nothing ever changes, so that pauses only grow.
    let stage =
        scripted(|_| Script::proof_only().with("status", "DONE_MAYBE".into()).with("step", "NONE".into()));
    let query = stage.client.submit(&form(), 0).unwrap().query;
    let rarely = Polling {
        shortest: Duration::from_secs(5),
        longest: Duration::from_secs(600),
        deadline: Duration::from_secs(2000),
        ..HOURS
    };
    let wait = |hinted: &mut dyn FnMut() -> bool| {
        let (before, began) = (looks(&stage).len(), stage.clock.now());
        let error = stage.client.wait_with_hints(&query, rarely, &mut patiently, hinted).unwrap_err();
        assert!(matches!(error, Error::Deadline { .. }), "{error}");
        looks(&stage).split_off(before).iter().map(|at| at.saturating_sub(began)).collect::<Vec<_>>()
    };
    let without = wait(&mut || false);
    let widest = without.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(widest > Duration::from_secs(300), "{without:?}");

    // In the middle of the widest pause, once.
    let (from, until) = (without[without.len() - 3], without[without.len() - 2]);
    let (at, began) = (from + (until - from) / 2, stage.clock.now());
    let mut told = false;
    let once = wait(&mut || {
        let tell = !told && stage.clock.now() >= began + at;
        told |= tell;
        tell
    });
    let next = once.iter().find(|look| **look > from).unwrap();
    assert!(*next >= at && *next <= at + Duration::from_secs(2), "{once:?}, hinted at {at:?}");
    assert_eq!(once.len(), without.len() + 1, "{once:?}");

    // As often as anybody asks.
    let often = wait(&mut || true);
    assert!(often.windows(2).all(|pair| pair[1] - pair[0] >= rarely.shortest), "{often:?}");
    assert!(often.len() > 100, "{}", often.len());
}

#[test]
fn an_answer_that_is_too_large_or_too_slow_is_not_read() {
    let stage = stage();
    let query = stage.client.submit(&form(), 0).unwrap().query;
    stage.mock.misbehave(Endpoint::Show, Fault::Huge((1 << 20) + 1), When::Next(1));
    let error = stage.client.show(&query).unwrap_err();
    assert!(matches!(error, Error::Oversized { limit, .. } if limit == 1 << 20), "{error}");

    let mut settings = support::settings(&stage.mock);
    settings.timeouts.answer = Duration::from_millis(200);
    let hurried = ashlar_atlantic::Client::new(settings);
    stage.mock.behave();
    stage.mock.misbehave(Endpoint::Show, Fault::Slow(Duration::from_millis(20)), When::Always);
    let error = hurried.show(&query).unwrap_err();
    assert!(matches!(error, Error::Unreachable { reason: "the answer did not come in time", .. }), "{error}");
}
