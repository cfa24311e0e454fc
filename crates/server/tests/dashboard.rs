//! The pages over TCP: what they show, what they refuse, and that nobody's text becomes markup.

use ashlar_store::{JobId, KeyReach, KeyScope, ProofStatus};

use crate::support::{Served, proposal, served, served_closed};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A job in the records, and its allocation.
async fn proposed(served: &Served, nonce: u64) -> (JobId, String) {
    let answer = served.post_json("/api/v1/allocations", &[], &proposal(nonce)).await.json();
    let job = JobId::parse(answer["job"].as_str().unwrap()).unwrap();
    let allocation = served.store().allocations_of(job).await.unwrap().pop().unwrap();
    (job, allocation.id.to_string())
}

/// The token of the form on a page.
fn token(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"token\" value=\"").unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

/// The fields of a sound proposal as a form sends them.
fn fields(token: &str, apy: &str) -> String {
    let mut text = format!(
        "token={token}&action=submit&chain_id=0x534e&allocator=0x1&nonce=1&model_version=1\
         &constraints.max_single=6000&constraints.max_volatility=4000&constraints.min_diversification=2&constraints.min_liquidity=2"
    );
    for (row, protocol, apy) in [(0, "0xa", "500"), (2, "0xb", apy)] {
        for (name, value) in [
            ("protocol_id", protocol),
            ("apy", apy),
            ("utilisation", "6500"),
            ("volatility", "3500"),
            ("liquidity", "1"),
            ("audit", "98"),
            ("age", "800"),
        ] {
            text.push_str(&format!("&rows%5B{row}%5D.{name}={value}"));
        }
    }
    text
}

#[tokio::test]
async fn every_page_and_picture_is_there() {
    let served = served().await;
    let (job, allocation) = proposed(&served, 1).await;
    for path in [
        "/".to_owned(),
        "/ledger".to_owned(),
        "/ledger?status=proposed&limit=1".to_owned(),
        "/jobs".to_owned(),
        "/jobs?status=queued".to_owned(),
        format!("/jobs/{job}"),
        format!("/allocations/{allocation}"),
        "/workers".to_owned(),
        "/propose".to_owned(),
        "/sign-in".to_owned(),
    ] {
        let page = served.get(&path).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8")),
            "{path}"
        );
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("script-src 'self'"),
            "{path}: {policy}"
        );
        // Styles and scripts within a page would be refused by its policy.
        let text = page.text();
        assert!(
            !text.contains("style=\"") && !text.contains("<script>") && !text.contains("onclick"),
            "{path}"
        );
        assert!(!text.contains("http://") || text.contains("http://www.w3.org/2000/svg"), "{path}");
    }
    for path in [
        "/latency.svg",
        "/workers.svg",
        &format!("/jobs/{job}/timeline.svg"),
        &format!("/jobs/{job}/route.svg"),
    ] {
        let picture = served.get(path).await;
        assert_eq!((picture.status, picture.header("content-type")), (200, Some("image/svg+xml")), "{path}");
        assert!(picture.text().starts_with("<svg xmlns") && picture.text().ends_with("</svg>"), "{path}");
    }
    let none = served.get(&format!("/jobs/{job}/anatomy.svg")).await;
    assert_eq!((none.status, none.problem().as_str()), (404, "ASH-8316"));
    for path in ["/assets/style.css", "/assets/live.js", "/assets/icon.svg"] {
        assert_eq!(served.get(path).await.status, 200, "{path}");
    }
    assert_eq!(served.get("/nowhere").await.status, 404);
    assert!(served.get("/nowhere").await.text().contains("ASH-8300"));
}

#[tokio::test]
async fn an_unverified_allocation_is_visibly_blocked_with_the_reason() {
    let served = served().await;
    let (_, allocation) = proposed(&served, 1).await;
    let waiting = served.get("/ledger").await.text();
    assert!(waiting.contains("no proof yet: the job is queued"), "{waiting}");
    served.fail_the_job("the process is gone").await;
    for path in ["/ledger".to_owned(), format!("/allocations/{allocation}"), "/".to_owned()] {
        let page = served.get(&path).await.text();
        assert!(page.contains("✗ blocked"), "{path}");
        assert!(page.contains("no proof: the job is failed, the process is gone"), "{path}");
        assert!(page.contains("ASH-4012"), "{path}");
    }
}

#[tokio::test]
async fn what_others_wrote_never_becomes_markup() {
    let served = served().await;
    let (job, allocation) = proposed(&served, 1).await;
    let hostile = "</text></td><script>alert(1)</script>\"><img src=x onerror=alert(1)>'";
    served.store().note(job, "<b>event</b>", &serde_json::json!({ "text": hostile })).await.unwrap();
    let route = serde_json::json!({ "rule": hostile, "considered": [{ "backend": hostile, "verdict": hostile, "reason": hostile }] });
    served.store().note(job, "route", &route).await.unwrap();
    served.fail_the_job(hostile).await;
    for path in [
        "/".to_owned(),
        "/ledger".to_owned(),
        "/jobs".to_owned(),
        format!("/jobs/{job}"),
        format!("/jobs/{job}/route.svg"),
        format!("/jobs/{job}/timeline.svg"),
        format!("/allocations/{allocation}"),
        format!("/nowhere/{}", "%3Cscript%3Ealert(1)%3C/script%3E"),
        "/jobs?status=%3Cscript%3E".to_owned(),
    ] {
        let page = served.get(&path).await.text();
        assert!(!page.contains("<script>") && !page.contains("<img"), "{path}: {page}");
        assert!(!page.contains("<b>event"), "{path}");
    }
    assert!(
        served.get(&format!("/jobs/{job}")).await.text().contains("&#60;script&#62;"),
        "it is shown as it is"
    );
}

#[tokio::test]
async fn a_form_becomes_an_allocation_and_one_sent_twice_stays_one() {
    let served = served().await;
    let token = token(&served.get("/propose").await.text());
    let first = served.request("POST", "/propose", &[FORM], fields(&token, "450").as_bytes()).await;
    assert_eq!(first.status, 303, "{}", first.text());
    let path = first.header("location").unwrap().to_owned();
    assert!(path.starts_with("/allocations/alc_"), "{path}");
    assert_eq!(served.get(&path).await.status, 200);
    let again = served.request("POST", "/propose", &[FORM], fields(&token, "450").as_bytes()).await;
    assert_eq!((again.status, again.header("location")), (303, Some(path.as_str())));
    let jobs = served.get("/api/v1/jobs").await.json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_form_comes_back_with_its_values_and_its_error() {
    let served = served().await;
    let token = token(&served.get("/propose").await.text());
    for (apy, says) in [
        ("1000001", "rows[1].apy: expected at most 1000000, got 1000001"),
        ("-5", "rows[1].apy: expected an integer from 0, got -5 (ASH-3007)"),
        ("%22%3E%3Cscript%3E", "rows[1].apy: expected an integer, got a text (ASH-3006)"),
    ] {
        let page = served.request("POST", "/propose", &[FORM], fields(&token, apy).as_bytes()).await;
        assert_eq!(page.status, 422);
        let text = page.text();
        assert!(text.contains(says), "{apy}: {text}");
        // The row of the file is the second; the form has an empty one between.
        assert!(text.contains("href=\"#rows[2].apy\""), "{text}");
        assert!(text.contains("value=\"6500\"") && !text.contains("<script>"), "{text}");
    }
    let rejected = fields(&token, "450").replace("max_single=6000", "max_single=4000");
    let page = served.request("POST", "/propose", &[FORM], rejected.as_bytes()).await;
    assert!(page.status == 422 && page.text().contains("a share is above max_single"), "{}", page.text());
    let anyway = rejected.replace("action=submit", "action=anyway");
    assert_eq!(served.request("POST", "/propose", &[FORM], anyway.as_bytes()).await.status, 303);
    let more = fields(&token, "450").replace("action=submit", "action=add");
    let page = served.request("POST", "/propose", &[FORM], more.as_bytes()).await;
    assert!(page.status == 200 && page.text().contains("rows[3].apy"));
}

#[tokio::test]
async fn a_form_without_its_token_or_of_another_page_changes_nothing() {
    let served = served().await;
    let (job, _) = proposed(&served, 1).await;
    let good = token(&served.get("/propose").await.text());
    let cancel = format!("/jobs/{job}/cancel");
    for (path, body) in [
        ("/propose", fields("", "450")),
        (cancel.as_str(), String::new()),
        (cancel.as_str(), "token=00".to_owned()),
    ] {
        let reply = served.request("POST", path, &[FORM], body.as_bytes()).await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(reply.text().contains("ASH-8312"), "{path}");
    }
    let body = format!("token={good}");
    let foreign =
        served.request("POST", &cancel, &[FORM, ("origin", "http://evil.example")], body.as_bytes()).await;
    assert!(foreign.status == 403 && foreign.text().contains("ASH-8311"));
    assert_eq!(served.store().job(job).await.unwrap().proof_status, ProofStatus::Queued);
    let right = served.request("POST", &cancel, &[FORM], body.as_bytes()).await;
    assert_eq!(right.status, 303);
    assert_eq!(served.store().job(job).await.unwrap().proof_status, ProofStatus::Cancelled);
    let retry = served.request("POST", &format!("/jobs/{job}/retry"), &[FORM], body.as_bytes()).await;
    assert_eq!(retry.status, 303);
}

#[tokio::test]
async fn a_person_signs_in_with_a_key_and_out_again() {
    let served = served_closed().await;
    let away = served.get("/").await;
    assert_eq!((away.status, away.header("location")), (303, Some("/sign-in")));
    let wrong = served.request("POST", "/sign-in", &[FORM], b"key=ashlar_wrong").await;
    assert!(
        wrong.status == 401
            && wrong.text().contains("opens nothing")
            && !wrong.text().contains("ashlar_wrong")
    );

    let (key, secret) = served.key(&[KeyScope::Read, KeyScope::Submit], KeyReach::Own).await;
    let body = format!("key={secret}");
    let foreign =
        served.request("POST", "/sign-in", &[FORM, ("origin", "http://evil.example")], body.as_bytes()).await;
    assert_eq!(foreign.status, 403);
    let signed = served.request("POST", "/sign-in", &[FORM], body.as_bytes()).await;
    assert_eq!((signed.status, signed.header("location")), (303, Some("/")));
    let cookie = signed.header("set-cookie").unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(&secret),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = [("cookie", cookie.as_str())];

    let page = served.get_with("/", &with).await;
    assert_eq!(page.status, 200);
    assert!(page.text().contains("sees its own jobs only"), "no figures of the whole service");
    let token = token(&served.get_with("/propose", &with).await.text());
    let sent = served.request("POST", "/propose", &[FORM, with[0]], fields(&token, "450").as_bytes()).await;
    assert_eq!(sent.status, 303, "{}", sent.text());
    let rebound = served.get_with("/", &[with[0], ("host", "rebind.example")]).await;
    assert_eq!(rebound.status, 421);
    let no_token = served.post_json("/api/v1/allocations", &with, &proposal(9)).await;
    assert_eq!(
        (no_token.status, no_token.problem().as_str()),
        (403, "ASH-8312"),
        "a cookie alone changes nothing"
    );

    let out =
        served.request("POST", "/sign-out", &[FORM, with[0]], format!("token={token}").as_bytes()).await;
    assert_eq!(out.status, 303);
    assert_eq!(served.get_with("/", &with).await.status, 303);

    let again = served.request("POST", "/sign-in", &[FORM], body.as_bytes()).await;
    let cookie = again.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    served.store().revoke_key(key.id).await.unwrap();
    assert_eq!(
        served.get_with("/", &[("cookie", &cookie)]).await.status,
        303,
        "a revoked key ends its sessions"
    );
}
