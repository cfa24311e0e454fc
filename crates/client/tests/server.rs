//! The client against a real server in the same process, and against one that misbehaves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ashlar_client::{Client, ClientError, JobFilter, Key, Program, ServerAddress, Settings, Standing, Wish};
use ashlar_engine::Engine;
use ashlar_fault::{Code, Exit, Fault as _};
use ashlar_server::{Secret, Server, ServerSettings};
use ashlar_store::{ArtefactKind, JobId, KeyReach, KeyScope, NewApiKey, Store};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A proposal that the rules accept.
fn proposal(nonce: u64) -> String {
    let row = |id: &str, apy: u64| {
        format!(
            r#"{{"protocol_id": "{id}", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98, "age": 800, "apy": {apy}}}"#
        )
    };
    format!(
        r#"{{"chain_id": "0x534e", "allocator": "0xa110", "nonce": {nonce}, "model_version": 1,
            "constraints": {{"max_single": 6000, "max_volatility": 4000, "min_diversification": 2, "min_liquidity": 2}},
            "rows": [{}, {}]}}"#,
        row("0xa", 500),
        row("0xb", 450)
    )
}

/// A server that wants keys, and a client with one.
struct Served {
    engine: Engine,
    address: SocketAddr,
    key: String,
    /// The pauses that the client made, none of which it waited for.
    pauses: Arc<Mutex<Vec<Duration>>>,
    _folder: tempfile::TempDir,
}

async fn served(change: impl FnOnce(&mut ashlar_engine::Settings)) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let mut settings = ashlar_engine::Settings::default();
    change(&mut settings);
    let engine = Engine::open(store, settings).unwrap();
    let listen = ServerSettings::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    let server = Server::listen(engine.clone(), listen, Arc::new(|_: &str| {})).await.unwrap();
    let address = server.address();
    tokio::spawn(server.run(std::future::pending()));
    let secret = Secret::fresh().unwrap();
    let new = NewApiKey {
        name: "a test's".to_owned(),
        sha256: secret.sha256(),
        scopes: vec![KeyScope::Read, KeyScope::Submit, KeyScope::Cancel],
        reach: KeyReach::Own,
    };
    engine.store().record_key(&new).await.unwrap();
    let key = secret.reveal().to_owned();
    Served { engine, address, key, pauses: Arc::default(), _folder: folder }
}

fn client(address: SocketAddr, key: Option<&str>, pauses: &Arc<Mutex<Vec<Duration>>>) -> Client {
    let server = ServerAddress::parse(&format!("http://{address}"), false).unwrap();
    let mut settings = Settings::new(server, key.map(|key| Key::new(key).unwrap()));
    let pauses = Arc::clone(pauses);
    settings.pause = Arc::new(move |pause| pauses.lock().unwrap().push(pause));
    Client::new(settings)
}

impl Served {
    /// Asks on a thread of its own: calls block.
    async fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&Client) -> T + Send + 'static) -> T {
        let client = client(self.address, Some(&self.key), &self.pauses);
        tokio::task::spawn_blocking(move || ask(&client)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_is_submitted_planned_listed_followed_cancelled_and_done_over() {
    let served = served(|_| {}).await;
    let submitted = served
        .ask(|client| {
            let wish = Wish { minimum_bits: Some(80), priority: Some(7), ..Wish::default() };
            let plan = client.plan(proposal(1).as_bytes(), &wish).unwrap();
            assert_eq!(plan["chosen"]["backend"], "stone_local");
            let first = client.submit_allocations(proposal(1).as_bytes(), &wish, Some("a-key")).unwrap();
            let again = client.submit_allocations(proposal(1).as_bytes(), &wish, Some("a-key")).unwrap();
            assert_eq!((first.existing, again.existing, &again.job), (false, true, &first.job));
            first
        })
        .await;
    let id = submitted.job.clone();
    let view = served
        .ask(move |client| {
            let page = client
                .jobs(&JobFilter { status: Some("queued".to_owned()), ..JobFilter::default() })
                .unwrap();
            assert_eq!((page.jobs.len(), page.next.clone()), (1, None));
            assert_eq!(client.find_job(&id[..12]).unwrap(), id, "the beginning of an id is enough");
            client.job(&id).unwrap()
        })
        .await;
    assert_eq!(view.job.standing(), Standing::Open);
    assert_eq!(view.raw["job"]["request"]["arguments"]["minimum_bits"], 80);
    let allocation = view.raw["allocations"][0].as_str().unwrap().to_owned();
    let shown = served.ask(move |client| client.allocation(&allocation).unwrap()).await;
    assert_eq!((shown.gate.open, shown.gate.state.as_str()), (false, "waiting"));

    let id = submitted.job.clone();
    let (status, names, log) = served
        .ask(move |client| {
            let status = client.cancel(&id).unwrap();
            let mut watching = client.watch(&id).unwrap();
            let mut names = Vec::new();
            while let Some(event) = watching.next_event().unwrap() {
                names.push(event.name);
            }
            (status, names, client.events(&id, 0).unwrap())
        })
        .await;
    assert_eq!(status, "cancelled");
    assert_eq!(names.len(), log.events.len(), "the stream tells what the log has: {names:?}");
    assert!(names.iter().any(|name| name == "status"), "{names:?}");
    let id = submitted.job;
    let (refused, retried) =
        served.ask(move |client| (client.cancel(&id).unwrap_err(), client.retry(&id).unwrap())).await;
    assert_eq!((refused.code(), refused.exit()), (Code(8206), Exit::Negative));
    assert!(!retried.existing);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_submitted_with_everything_that_it_needs() {
    let served = served(|_| {}).await;
    let job = served
        .ask(|client| {
            let program = Program {
                bytes: b"{\"a\": 1}".to_vec(),
                arguments: Some("1 [2 3]".to_owned()),
                layout: Some("small".to_owned()),
                as_built: true,
                steps: 1000,
            };
            client.submit_program(&program, &Wish::default(), None).unwrap().job
        })
        .await;
    let request = served.engine.store().job(JobId::parse(&job).unwrap()).await.unwrap().request.unwrap();
    let expected =
        serde_json::json!({ "args": "1 [2 3]", "layout": "small", "as_built": true, "steps": 1000 });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&request["arguments"][name], value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_keep_code_hint_and_class() {
    let served = served(|settings| settings.queue_limit = 0).await;
    let wrong = client(served.address, Some("ashlar_wrong"), &served.pauses);
    let none = client(served.address, None, &served.pauses);
    let (wrong, none) = tokio::task::spawn_blocking(move || {
        let filter = JobFilter::default();
        (wrong.jobs(&filter).unwrap_err(), none.jobs(&filter).unwrap_err())
    })
    .await
    .unwrap();
    assert_eq!((wrong.code(), wrong.exit()), (Code(8308), Exit::Environment));
    assert!(none.hint().unwrap().contains("ashlar keys create"));
    assert!(!format!("{wrong:?} {wrong}").contains("ashlar_wrong"));

    let unknown = served.ask(|client| client.job("job_01M3EEM2E4GHHC3K36KRX9XY3S").unwrap_err()).await;
    assert_eq!((unknown.code(), unknown.exit()), (Code(4007), Exit::Usage));
    let bad =
        served.ask(|client| client.submit_allocations(b"{}", &Wish::default(), None).unwrap_err()).await;
    assert_eq!((bad.code(), bad.exit()), (Code(3004), Exit::Usage), "{bad}");
    for id in ["../../metrics", "a b", ""] {
        let refused = served.ask(move |client| client.cancel(id).unwrap_err()).await;
        assert!(matches!(refused, ClientError::NoId { .. }), "{refused}");
    }
    let full = served
        .ask(|client| client.submit_allocations(proposal(1).as_bytes(), &Wish::default(), None).unwrap_err())
        .await;
    assert_eq!((full.code(), full.exit()), (Code(8201), Exit::Capacity));
    let pauses = served.pauses.lock().unwrap().clone();
    assert_eq!(pauses.len(), 4, "tried five times: {pauses:?}");
    assert!(pauses.iter().all(|pause| *pause >= Duration::from_secs(1)), "as Retry-After says: {pauses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artefact_is_taken_by_its_hash_only() {
    let served = served(|_| {}).await;
    let sha256 = "0".repeat(64);
    let missing = served.ask(move |client| client.artefact(&sha256).unwrap_err()).await;
    assert_eq!(missing.code(), Code(8315));
    // Something that answers everything with the same bytes.
    let (address, asked) =
        misbehaving(vec![answer("200 OK", "application/octet-stream", "other bytes")]).await;
    let stranger = client(address, Some("ashlar_secret"), &served.pauses);
    let hash =
        served.engine.store().artefacts().put(ArtefactKind::Log, b"bytes").await.unwrap().sha256.to_string();
    let altered = tokio::task::spawn_blocking(move || stranger.artefact(&hash).unwrap_err()).await.unwrap();
    assert!(matches!(&altered, ClientError::Altered { .. }), "{altered}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

fn answer(status: &str, media_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A server that gives these answers, the last one for ever; how many requests came.
async fn misbehaving(answers: Vec<String>) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            // The head is enough: bodies here are small and arrive with it or are left unread.
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                match stream.read(&mut buffer).await {
                    Ok(length) if length > 0 => request.extend_from_slice(&buffer[..length]),
                    _ => break,
                }
            }
            let number = count.fetch_add(1, Ordering::SeqCst);
            let answer = answers.get(number).or(answers.last()).cloned().unwrap_or_default();
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, asked)
}

/// What a client makes of these answers to a look at its jobs, and how often it asked.
async fn asked_for_jobs(answers: Vec<String>) -> (Result<usize, ClientError>, usize) {
    let (address, asked) = misbehaving(answers).await;
    let client = client(address, Some("ashlar_secret"), &Arc::default());
    let outcome = tokio::task::spawn_blocking(move || client.jobs(&JobFilter::default())).await.unwrap();
    (outcome.map(|page| page.jobs.len()), asked.load(Ordering::SeqCst))
}

#[tokio::test(flavor = "multi_thread")]
async fn passing_trouble_is_waited_for_and_lasting_trouble_is_told() {
    let page = answer("200 OK", "application/json", "{\"jobs\": [], \"next\": null}");
    let busy = answer("503 Service Unavailable", "text/html", "<html>");
    let (outcome, asked) = asked_for_jobs(vec![busy.clone(), String::new(), page]).await;
    assert_eq!((outcome.unwrap(), asked), (0, 3));
    let (outcome, asked) = asked_for_jobs(vec![busy]).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.exit(), asked), (Exit::Backend, 5), "{error}");
    let (outcome, asked) = asked_for_jobs(vec![String::new()]).await;
    assert!(matches!(outcome.unwrap_err(), ClientError::Unreachable { attempts: 5, .. }));
    assert_eq!(asked, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_of_the_api_is_refused_at_once() {
    let elsewhere = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    for body in [
        answer("200 OK", "text/html", "<html>"),
        answer("200 OK", "application/json", "{\"jobs\": 7}"),
        answer("404 Not Found", "text/plain", "404 page not found"),
        elsewhere.to_owned(),
    ] {
        let (outcome, asked) = asked_for_jobs(vec![body.clone()]).await;
        assert!(matches!(outcome.unwrap_err(), ClientError::Unexpected { .. }), "{body}");
        assert_eq!(asked, 1, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_safe_to_repeat_is_not_repeated() {
    let (address, asked) = misbehaving(vec![String::new()]).await;
    let client = client(address, None, &Arc::default());
    let error = tokio::task::spawn_blocking(move || client.retry("job_1").unwrap_err()).await.unwrap();
    assert!(matches!(error, ClientError::Unreachable { attempts: 1, .. }), "{error}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_breaks_is_taken_up_after_the_last_event_that_came() {
    let stream = |body: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n{body}")
    };
    let (address, asked) = misbehaving(vec![
        stream("id: 1\nevent: status\ndata: {\"to\":\"tracing\"}\n\nid: 2\nevent: sta"),
        String::new(),
        stream("id: 2\nevent: status\ndata: {\"to\":\"verified\"}\n\nevent: end\ndata: {}\n\n"),
    ])
    .await;
    let client = client(address, None, &Arc::default());
    let events = tokio::task::spawn_blocking(move || {
        let mut watching = client.watch("job_1").unwrap();
        std::iter::from_fn(|| watching.next_event().unwrap()).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    assert_eq!(events.iter().map(|event| event.id).collect::<Vec<_>>(), [Some(1), Some(2)]);
    assert_eq!(events[1].data["to"], "verified");
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let (address, _) = misbehaving(vec![stream("")]).await;
    let client = self::client(address, None, &Arc::default());
    let error = tokio::task::spawn_blocking(move || client.watch("job_1").unwrap().next_event().unwrap_err());
    assert!(matches!(error.await.unwrap(), ClientError::Unreachable { .. }));
}
