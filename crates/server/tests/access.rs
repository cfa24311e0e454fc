//! Who gets in, how fast, how large and how often.

use std::time::Duration;

use ashlar_server::{RateLimit, Secret, Server, ServerError, ServerSettings};
use ashlar_store::{KeyReach, KeyScope};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::{proposal, served, served_closed, served_open, served_with};

#[tokio::test]
async fn without_a_key_nothing_but_health_and_the_document_is_told() {
    let served = served_closed().await;
    for path in ["/api/v1/jobs", "/api/v1/allocations", "/api/v1/backends", "/api/v1/events", "/metrics"] {
        let reply = served.get(path).await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "ASH-8307"), "{path}");
        assert!(reply.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    assert_eq!(served.post_json("/api/v1/allocations", &[], &proposal(1)).await.status, 401);
    assert_eq!(served.get("/healthz").await.status, 200);
    assert_eq!(served.get("/api/v1/openapi.json").await.status, 200);
}

#[tokio::test]
async fn a_key_opens_what_its_scopes_name_until_it_is_revoked() {
    let served = served_closed().await;
    let (key, secret) = served.key(&[KeyScope::Read], KeyReach::All).await;
    let bearer = format!("Bearer {secret}");
    let with = [("authorization", bearer.as_str())];
    assert_eq!(served.get_with("/api/v1/jobs", &with).await.status, 200);
    let submit = served.post_json("/api/v1/allocations", &with, &proposal(1)).await;
    assert_eq!((submit.status, submit.problem().as_str()), (403, "ASH-8309"));
    let cancel = served.request("POST", "/api/v1/jobs/job_x/cancel", &with, b"").await;
    assert_eq!((cancel.status, cancel.problem().as_str()), (403, "ASH-8309"));
    let (_, admin) = served.key(&[KeyScope::Admin], KeyReach::All).await;
    let admin = format!("bearer {admin}");
    assert_eq!(
        served.post_json("/api/v1/allocations", &[("authorization", &admin)], &proposal(1)).await.status,
        202
    );

    served.store().revoke_key(key.id).await.unwrap();
    let revoked = served.get_with("/api/v1/jobs", &with).await;
    assert_eq!((revoked.status, revoked.problem().as_str()), (401, "ASH-8308"));
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_neither_told_nor_logged() {
    let served = served_closed().await;
    let unknown = Secret::fresh().unwrap();
    for given in [
        format!("Bearer {}", unknown.reveal()),
        format!("Bearer {}x", unknown.reveal()),
        format!("Basic {}", unknown.reveal()),
        unknown.reveal().to_owned(),
        "Bearer".to_owned(),
    ] {
        let reply = served.get_with("/api/v1/jobs", &[("authorization", &given)]).await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "ASH-8308"), "{given}");
        assert!(!reply.text().contains(unknown.reveal()));
    }
    let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
    assert_eq!(served.get_with("/api/v1/jobs", &twice).await.status, 400);
    // A key belongs into its header; in a query it would be written into logs on its way.
    let query = served.get(&format!("/api/v1/jobs?key={}", unknown.reveal())).await;
    assert_eq!(query.status, 401);
    assert!(served.log.lock().unwrap().iter().all(|line| !line.contains(unknown.reveal())));
}

#[tokio::test]
async fn the_records_hold_no_secret() {
    let served = served_closed().await;
    let (_, secret) = served.key(&[KeyScope::Read], KeyReach::All).await;
    let mut bytes = Vec::new();
    for file in std::fs::read_dir(served.folder.path()).unwrap().flatten() {
        if file.path().is_file() {
            bytes.extend(std::fs::read(file.path()).unwrap());
        }
    }
    let digits = secret.as_bytes();
    assert!(bytes.len() > 10_000);
    assert!(!bytes.windows(digits.len()).any(|window| window == digits));
}

#[tokio::test]
async fn a_name_that_was_made_to_point_here_is_refused() {
    let served = served().await;
    for host in ["rebind.example", "rebind.example:80", "localhost", ""] {
        let reply = served.get_with("/api/v1/jobs", &[("host", host)]).await;
        assert_eq!((reply.status, reply.problem().as_str()), (421, "ASH-8310"), "{host:?}");
    }
    let right = format!("localhost:{}", served.address.port());
    assert_eq!(served.get_with("/api/v1/jobs", &[("host", &right)]).await.status, 200);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let served = served().await;
    let own = format!("http://{}", served.address);
    for (headers, code) in [
        (vec![("origin", "http://evil.example")], "ASH-8311"),
        (vec![("origin", "null")], "ASH-8311"),
        (vec![("sec-fetch-site", "cross-site")], "ASH-8311"),
        (vec![("origin", own.as_str())], "ASH-8312"), // the same origin, and no token
        (vec![("origin", own.as_str()), ("x-ashlar-token", "0000")], "ASH-8312"),
    ] {
        let reply = served.post_json("/api/v1/allocations", &headers, &proposal(1)).await;
        assert_eq!((reply.status, reply.problem().as_str()), (403, code), "{headers:?}");
    }
    let jobs = served.get("/api/v1/jobs").await.json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn behind_a_proxy_the_loopback_is_not_open() {
    let served = served().await;
    for name in ["forwarded", "x-forwarded-for", "x-real-ip"] {
        let reply = served.get_with("/api/v1/jobs", &[(name, "203.0.113.9")]).await;
        assert_eq!((reply.status, reply.problem().as_str()), (401, "ASH-8307"), "{name}");
    }
}

#[tokio::test]
async fn only_the_loopback_can_be_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = ashlar_store::Store::open(folder.path()).await.unwrap();
    let engine = ashlar_engine::Engine::open(store, ashlar_engine::Settings::default()).unwrap();
    let mut settings = ServerSettings::at("0.0.0.0:0".parse().unwrap());
    settings.open_on_loopback = true;
    let refused = Server::listen(engine, settings, std::sync::Arc::new(|_| {})).await;
    assert!(matches!(refused, Err(ServerError::OpenToOthers { .. })));
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let served = served().await;
    let settings = ServerSettings::at(served.address);
    let second = Server::listen(served.engine.clone(), settings, std::sync::Arc::new(|_| {})).await;
    let Err(error @ ServerError::AddressInUse { .. }) = second else { panic!("{second:?}") };
    assert!(error.to_string().contains(&served.address.to_string()));
}

#[tokio::test]
async fn a_body_or_head_that_does_not_come_is_not_waited_for() {
    let served = served_open(|settings| {
        settings.head_time = Duration::from_millis(300);
        settings.body_time = Duration::from_millis(300);
    })
    .await;
    let head = format!(
        "POST /api/v1/allocations HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
        served.address
    );
    let slow_body = served.raw(head.as_bytes()).await;
    assert_eq!((slow_body.status, slow_body.problem().as_str()), (408, "ASH-8303"));
    let slow_head = served.raw(b"GET /api/v1/jobs HTTP/1.1\r\nhost: ").await;
    assert_eq!(slow_head.status, 408);
}

#[tokio::test]
async fn a_head_without_end_or_of_nonsense_is_refused() {
    let served = served().await;
    let long = format!("GET / HTTP/1.1\r\nhost: {}\r\nx: {}\r\n\r\n", served.address, "y".repeat(60_000));
    assert_eq!(served.raw(long.as_bytes()).await.status, 431);
    assert_eq!(served.raw(b"nonsense\r\n\r\n").await.status, 400);
    let both = format!(
        "POST /api/v1/allocations HTTP/1.1\r\nhost: {}\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        served.address
    );
    assert!(served.raw(both.as_bytes()).await.status >= 400, "two lengths are no length");
    // A body that breaks off is nobody's request.
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = format!(
        "POST /api/v1/allocations HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n",
        served.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(proposal(1).as_bytes()).await.unwrap();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(served.get("/api/v1/jobs").await.json()["jobs"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_body_of_chunks_is_bounded_too() {
    let served = served_open(|settings| settings.most_program_bytes = 1000).await;
    let chunk = format!("{:x}\r\n{}\r\n", 600, "z".repeat(600));
    let request = format!(
        "POST /api/v1/jobs?steps=9 HTTP/1.1\r\nhost: {}\r\ncontent-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n",
        served.address
    );
    let reply = served.raw(request.as_bytes()).await;
    assert_eq!((reply.status, reply.problem().as_str()), (413, "ASH-8302"));
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_when_to_come_again() {
    let served =
        served_with(|settings| settings.rate = RateLimit { each_second: 1, at_once: 3 }, |_| {}).await;
    let (_, one) = served.key(&[KeyScope::Read], KeyReach::All).await;
    let (_, other) = served.key(&[KeyScope::Read], KeyReach::All).await;
    let (one, other) = (format!("Bearer {one}"), format!("Bearer {other}"));
    let mut refused = 0;
    for _ in 0..20 {
        let reply = served.get_with("/api/v1/backends", &[("authorization", &one)]).await;
        if reply.status == 429 {
            assert_eq!(reply.problem(), "ASH-8313");
            assert!(reply.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
            refused += 1;
        }
    }
    assert!(refused >= 10, "{refused} of 20");
    assert_eq!(served.get_with("/api/v1/backends", &[("authorization", &other)]).await.status, 200);
}

#[tokio::test]
async fn every_answer_forbids_sniffing_framing_and_foreign_sources() {
    let served = served().await;
    for path in ["/", "/api/v1/jobs", "/nowhere", "/api/v1/nowhere", "/healthz"] {
        let reply = served.get(path).await;
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(reply.header("x-frame-options"), Some("DENY"), "{path}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("http"), "{path}: {policy}");
    }
}
