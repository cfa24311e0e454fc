//! Webhooks of the managed service: hints, at a path that nobody can guess, which say nothing and are answered with nothing.

use std::time::Duration;

use ashlar_engine::{AtlanticTerms, Environment, RouterPolicy};
use ashlar_server::WebhookSecret;
use ashlar_store::{
    Claimant, DayBudget, HINT_GAP, JobId, KeyReach, KeyScope, Lane, Lease, Moment, NewRemoteQuery,
    ProofSource,
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Reply, Served, proposal, served_closed, served_with};

const SECRET: &str = "2f7c1d5e9b3a48608c4d1f2e3a5b6c7d";
const QUERY: &str = "01M3EEM2E4GHHC3K36KRX9XY3S";

/// A server that receives webhooks, wants keys, and gives proposals to the managed service.
async fn receiving() -> Served {
    served_with(
        |settings| {
            settings.atlantic_webhook = Some(WebhookSecret::parse(SECRET).unwrap());
            settings.body_time = Duration::from_secs(2);
        },
        |settings| {
            settings.policy = RouterPolicy { environment: Environment::Sepolia, ..RouterPolicy::default() };
            settings.atlantic = Some(AtlanticTerms::usual().unwrap());
        },
    )
    .await
}

fn path(secret: &str) -> String {
    format!("/webhooks/atlantic/{secret}")
}

fn webhook(query: &str) -> String {
    json!({ "type": "ATLANTIC_QUERY_COMPLETED", "atlanticQueryId": query, "status": "DONE",
            "context": { "proof": "trust me" }, "jobName": null, "error": null })
    .to_string()
}

async fn post(served: &Served, secret: &str, body: &str) -> Reply {
    served.post_json(&path(secret), &[], body).await
}

/// A job whose query the service has.
async fn waiting(served: &Served) -> Lease {
    let (_, key) = served.key(&[KeyScope::Read, KeyScope::Submit], KeyReach::Own).await;
    let bearer = format!("Bearer {key}");
    let submitted =
        served.post_json("/api/v1/allocations", &[("authorization", &bearer)], &proposal(1)).await;
    assert_eq!(submitted.json()["routing"]["chosen"]["backend"], "atlantic", "{}", submitted.text());
    let claimant = Claimant {
        worker: "w",
        lanes: &[Lane::RemoteAtlantic],
        free_bytes: 0,
        total_bytes: 0,
        lease: Duration::from_secs(60),
        patience: Duration::from_secs(60),
    };
    let (store, now) = (served.store(), Moment::now());
    let lease = store.claim_work(&claimant, now).await.unwrap().unwrap().lease;
    let new = NewRemoteQuery {
        dedup_id: "d".to_owned(),
        repetition: 0,
        backend: ProofSource::Atlantic,
        size: "S".to_owned(),
        micro_usd: 1,
    };
    let day = DayBudget { since: Moment::from_milliseconds(0), most_micro_usd: u64::MAX };
    store.intend_query(&lease, &new, day, now).await.unwrap();
    store.accept_query(&lease, "d", QUERY, now).await.unwrap();
    lease
}

async fn hinted_at(served: &Served, job: JobId) -> Option<Moment> {
    served.store().queries_of(job).await.unwrap()[0].hinted_at
}

#[tokio::test]
async fn a_webhook_is_a_hint_and_changes_nothing_else() {
    let served = receiving().await;
    let lease = waiting(&served).await;
    let before = served.store().job(lease.job).await.unwrap();
    assert_eq!(hinted_at(&served, lease.job).await, None);
    let answered = post(&served, SECRET, &webhook(QUERY)).await;
    assert_eq!((answered.status, answered.body.as_slice()), (204, &b""[..]));
    let hinted = hinted_at(&served, lease.job).await;
    assert!(hinted.is_some());
    let after = served.store().job(lease.job).await.unwrap();
    assert_eq!((after.proof_status, after.updated_at), (before.proof_status, before.updated_at));
    // Repeated before its time, it is nothing new.
    assert_eq!(post(&served, SECRET, &webhook(QUERY)).await.status, 204);
    let (first, again) = (hinted.unwrap(), hinted_at(&served, lease.job).await.unwrap());
    assert!(again == first || again.since(first) >= HINT_GAP, "{first} {again}");
}

#[tokio::test]
async fn whatever_a_webhook_says_the_answer_is_the_same() {
    let served = receiving().await;
    let lease = waiting(&served).await;
    let right = post(&served, SECRET, &webhook(QUERY)).await;
    let hinted = hinted_at(&served, lease.job).await;
    let mut headers = right.headers.clone();
    headers.retain(|(name, _)| name != "date");
    for body in [
        String::new(),
        "[]".to_owned(),
        "{".to_owned(),
        webhook("01M3EEM2E4GHHC3K36KRX9XY3T"),
        webhook("../../etc/passwd"),
        webhook("' OR 1=1 --"),
        webhook(&"x".repeat(10_000)),
        "[".repeat(10_000),
        json!({ "type": 7, "atlanticQueryId": QUERY }).to_string(),
        " ".repeat(ashlar_atlantic::MOST_WEBHOOK_BYTES),
    ] {
        let mut answered = post(&served, SECRET, &body).await;
        answered.headers.retain(|(name, _)| name != "date");
        assert_eq!((answered.status, answered.headers, answered.body), (204, headers.clone(), Vec::new()));
        assert_eq!(hinted_at(&served, lease.job).await, hinted, "{body:.80}");
    }
    // More than are looked into are answered the same.
    for _ in 0..150 {
        assert_eq!(post(&served, SECRET, &webhook(QUERY)).await.status, 204);
    }
    assert!(served.log.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_webhook_is_refused_for_its_size_its_time_and_its_method_only() {
    let served = receiving().await;
    let long = " ".repeat(ashlar_atlantic::MOST_WEBHOOK_BYTES + 1);
    let refused = post(&served, SECRET, &long).await;
    assert_eq!((refused.status, refused.problem().as_str()), (413, "ASH-8302"));
    let refused = served.get(&path(SECRET)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (405, "ASH-8301"));
    assert_eq!(refused.header("allow"), Some("POST"));
    let mut slow = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 10\r\n\r\n{{",
        path(SECRET)
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    let refused = Reply::parse(&answer);
    assert_eq!((refused.status, refused.problem().as_str()), (408, "ASH-8303"));
}

#[tokio::test]
async fn without_the_secret_there_is_no_such_path() {
    let (served, without) = (receiving().await, served_closed().await);
    let lease = waiting(&served).await;
    let absent = post(&without, SECRET, &webhook(QUERY)).await;
    assert_eq!((absent.status, absent.problem().as_str()), (404, "ASH-8300"));
    let wrong = [&SECRET[1..], &SECRET.to_uppercase(), "x", "%32f7c1d5e9b3a48608c4d1f2e3a5b6c7d"];
    for (server, secret) in wrong.iter().map(|wrong| (&served, *wrong)).chain([(&without, SECRET)]) {
        let refused = post(server, secret, &webhook(QUERY)).await;
        assert_eq!((refused.status, refused.text()), (404, absent.text()), "{secret}");
        // The body of one that is refused is not read, however long it is.
        let long = " ".repeat(ashlar_atlantic::MOST_WEBHOOK_BYTES + 1);
        assert_eq!(post(server, secret, &long).await.status, 404);
    }
    assert_eq!(hinted_at(&served, lease.job).await, None);
}

#[tokio::test]
async fn the_secret_is_shown_nowhere() {
    let served = receiving().await;
    waiting(&served).await;
    let (_, key) = served.key(&[KeyScope::Read], KeyReach::All).await;
    let bearer = format!("Bearer {key}");
    let me = [("authorization", bearer.as_str())];
    let mut shown = String::new();
    let mut look = |reply: Reply| {
        shown.push_str(&format!("{:?}\n{}\n", reply.headers, String::from_utf8_lossy(&reply.body)));
    };
    look(post(&served, SECRET, &webhook(QUERY)).await);
    look(post(&served, SECRET, &" ".repeat(ashlar_atlantic::MOST_WEBHOOK_BYTES + 1)).await);
    for wrong in [format!("{}/", path(SECRET)), format!("{}?a=1", path(SECRET)), path(SECRET)] {
        look(served.get(&wrong).await);
        look(served.post_json(&wrong, &[], "{}").await);
    }
    // Without its table a hint cannot be recorded: the answer stays the same, and the log says why.
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(served.folder.path().join("ashlar.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("ALTER TABLE remote_queries RENAME TO elsewhere").execute(&pool).await.unwrap();
    pool.close().await;
    let answered = post(&served, SECRET, &webhook(QUERY)).await;
    assert_eq!(answered.status, 204);
    look(answered);
    for path in ["/metrics", "/api/v1/openapi.json", "/api/v1/events?after=0", "/api/v1/jobs"] {
        look(served.get_with(path, &me).await);
    }
    let log = served.log.lock().unwrap().join("\n");
    assert!(log.contains("a webhook of Atlantic"), "{log}");
    assert!(shown.contains("route=\"/webhooks/atlantic/{secret}\""), "the metrics name the pattern");
    let settings = format!("{:?}", WebhookSecret::parse(SECRET));
    for text in [shown, log, settings] {
        assert!(!text.contains(SECRET), "{text}");
    }
    assert!(!served.get("/api/v1/openapi.json").await.text().contains("webhook"));
}
