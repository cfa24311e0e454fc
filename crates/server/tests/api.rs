//! Every route over TCP, and what it refuses.

use ashlar_store::{ArtefactKind, ContentHash, JobId, KeyReach, KeyScope, ProofStatus};
use serde_json::{Value, json};

use crate::support::{proposal, served, served_closed, served_open, served_with};

#[tokio::test]
async fn a_proposal_becomes_a_job_an_allocation_and_events() {
    let served = served().await;
    let submitted = served.post_json("/api/v1/allocations", &[], &proposal(1)).await;
    assert_eq!(submitted.status, 202, "{}", submitted.text());
    let job = submitted.json()["job"].as_str().unwrap().to_owned();
    assert_eq!(submitted.json()["routing"]["chosen"]["backend"], "stone_local");

    let shown = served.get(&format!("/api/v1/jobs/{job}")).await.json();
    assert_eq!(shown["job"]["proof_status"], "queued");
    assert_eq!(shown["attempts"], json!([]));
    let jobs =
        served.get("/api/v1/jobs?status=queued&backend=stone_local&purpose=allocation&limit=1").await.json();
    assert_eq!(jobs["jobs"][0]["id"], job.as_str());
    assert_eq!(jobs["next"], Value::Null);

    let allocations = served.get("/api/v1/allocations?status=proposed").await.json();
    let id = allocations["allocations"][0]["id"].as_str().unwrap();
    let allocation = served.get(&format!("/api/v1/allocations/{id}")).await.json();
    assert_eq!(allocation["gate"]["open"], false);
    assert_eq!(allocation["gate"]["state"], "waiting");
    assert_eq!(allocation["jobs"][0]["id"], job.as_str());

    let events = served.get(&format!("/api/v1/jobs/{job}/events")).await.json();
    assert!(events["events"].as_array().unwrap().iter().any(|event| event["event"] == "route"), "{events}");
    let all = served.get("/api/v1/events?after=0").await.json();
    assert_eq!(all["events"], events["events"]);
    served.stop().await;
}

#[tokio::test]
async fn pages_are_followed_by_their_cursor() {
    let served = served().await;
    for nonce in 1..=3 {
        assert_eq!(served.post_json("/api/v1/allocations", &[], &proposal(nonce)).await.status, 202);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // ids of one millisecond do not sort
    }
    for list in ["jobs", "allocations"] {
        let first = served.get(&format!("/api/v1/{list}?limit=2")).await.json();
        assert_eq!(first[list].as_array().unwrap().len(), 2);
        let next = first["next"].as_str().unwrap();
        let second = served.get(&format!("/api/v1/{list}?limit=2&before={next}")).await.json();
        assert_eq!(second[list].as_array().unwrap().len(), 1);
        assert_eq!(second["next"], Value::Null);
        assert_ne!(second[list][0]["id"], first[list][1]["id"]);
    }
}

#[tokio::test]
async fn a_request_sent_twice_is_one_job_and_a_key_with_another_body_is_refused() {
    let served = served().await;
    let key = [("idempotency-key", "order-66")];
    let first = served.post_json("/api/v1/allocations", &key, &proposal(1)).await;
    let again = served.post_json("/api/v1/allocations", &key, &proposal(1)).await;
    assert_eq!((first.status, again.status), (202, 200));
    assert_eq!(first.json()["job"], again.json()["job"]);
    assert_eq!(again.json()["existing"], true);
    let other = served.post_json("/api/v1/allocations", &key, &proposal(2)).await;
    assert_eq!((other.status, other.problem().as_str()), (409, "ASH-8202"), "{}", other.text());
    for bad in ["", "a b", &"x".repeat(201)] {
        let refused =
            served.post_json("/api/v1/allocations", &[("idempotency-key", bad)], &proposal(1)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (400, "ASH-8306"), "{bad:?}");
    }
}

#[tokio::test]
async fn a_proposal_is_read_as_strictly_as_a_file() {
    let served = served().await;
    let submit = async |body: &str| served.post_json("/api/v1/allocations", &[], body).await.problem();
    assert_eq!(submit("").await, "ASH-3002");
    assert_eq!(submit("[]").await, "ASH-3012");
    assert_eq!(submit(&proposal(1).replace("\"nonce\"", "\"nonsense\"")).await, "ASH-3003");
    assert_eq!(submit(&proposal(1).replacen('{', "{\"nonce\": 7,", 1)).await, "ASH-3005");
    assert_eq!(submit(&proposal(1).replace("\"nonce\": 1", "\"nonce\": -1")).await, "ASH-3007");
    assert_eq!(
        submit(&proposal(1).replace("\"model_version\": 1", "\"model_version\": 9")).await,
        "ASH-3013"
    );
    let wrong = served.request("POST", "/api/v1/allocations", &[("content-type", "text/plain")], b"{}").await;
    assert_eq!((wrong.status, wrong.problem().as_str()), (415, "ASH-8305"));
}

#[tokio::test]
async fn a_program_is_taken_with_its_declared_steps_and_within_its_size() {
    let served = served_open(|settings| settings.most_program_bytes = 1000).await;
    let send = async |query: &str, body: &[u8]| {
        let headers = [("content-type", "application/octet-stream")];
        served.request("POST", &format!("/api/v1/jobs?{query}"), &headers, body).await
    };
    let taken = send("steps=1000&args=1%202&layout=small&minimum_bits=80", b"{\"a program\": 1}").await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    let job = taken.json()["job"].as_str().unwrap().to_owned();
    assert_eq!(served.get(&format!("/api/v1/jobs/{job}")).await.json()["job"]["purpose"], "program");

    assert_eq!(send("", b"{}").await.problem(), "ASH-8306");
    assert_eq!(send("steps=0", b"{}").await.problem(), "ASH-8306");
    assert_eq!(send("steps=1000&unheard=of", b"{}").await.problem(), "ASH-8306");
    assert_eq!(send("steps=1000&steps=2000", b"{}").await.problem(), "ASH-8306");
    let long = send("steps=1000", &[b' '; 1001]).await;
    assert_eq!((long.status, long.problem().as_str()), (413, "ASH-8302"));
    assert_eq!(long.header("connection"), Some("close"));
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_and_done_over_once() {
    let served = served().await;
    let job = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json()["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let early = served.request("POST", &format!("/api/v1/jobs/{job}/retry"), &[], b"").await;
    assert_eq!(early.status, 409, "{}", early.text());
    let cancelled = served.request("POST", &format!("/api/v1/jobs/{job}/cancel"), &[], b"").await;
    assert_eq!((cancelled.status, &cancelled.json()["proof_status"]), (202, &json!("cancelled")));
    let again = served.request("POST", &format!("/api/v1/jobs/{job}/cancel"), &[], b"").await;
    assert_eq!((again.status, again.problem().as_str()), (409, "ASH-8206"));
    let retried = served.request("POST", &format!("/api/v1/jobs/{job}/retry"), &[], b"").await;
    assert_eq!(retried.status, 202, "{}", retried.text());
    assert_ne!(retried.json()["job"], job.as_str());
    let twice = served.request("POST", &format!("/api/v1/jobs/{job}/retry"), &[], b"").await;
    assert_eq!((twice.status, twice.problem().as_str()), (409, "ASH-8207"));
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let served =
        served_with(|settings| settings.open_on_loopback = true, |settings| settings.queue_limit = 2).await;
    for nonce in 1..=2 {
        assert_eq!(served.post_json("/api/v1/allocations", &[], &proposal(nonce)).await.status, 202);
    }
    for nonce in 3..=20 {
        let full = served.post_json("/api/v1/allocations", &[], &proposal(nonce)).await;
        assert_eq!((full.status, full.problem().as_str()), (429, "ASH-8201"));
        assert!(full.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    }
    assert_eq!(served.get("/api/v1/jobs").await.json()["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_plan_says_what_would_happen_and_records_nothing() {
    let served = served().await;
    let plan = served.post_json("/api/v1/plan?critical=true&value_usd=5", &[], &proposal(1)).await;
    assert_eq!(plan.status, 200, "{}", plan.text());
    assert_eq!(plan.json()["chosen"]["backend"], "stone_local");
    assert!(plan.json()["size"]["n_steps"].as_u64().unwrap() >= 512);
    assert_eq!(served.get("/api/v1/jobs").await.json()["jobs"], json!([]));
    let twice = format!("[{0},{0}]", proposal(1));
    assert_eq!(served.post_json("/api/v1/plan", &[], &twice).await.problem(), "ASH-8204");
    let nobody = served.post_json("/api/v1/plan?backend=stwo", &[], &proposal(1)).await;
    assert_eq!((nobody.status, &nobody.json()["chosen"]), (200, &Value::Null));
    let submitted = served.post_json("/api/v1/allocations?backend=stwo", &[], &proposal(1)).await;
    assert_eq!((submitted.status, submitted.problem().as_str()), (409, "ASH-8205"));
}

#[tokio::test]
async fn an_artefact_is_sent_by_its_hash_with_an_etag() {
    let served = served().await;
    let bytes = vec![b'x'; 200_000];
    let hash = ContentHash::of(&bytes);
    let path = format!("/api/v1/artefacts/{hash}");
    // A file that no row names is nobody's to have.
    served.store().artefacts().put(ArtefactKind::Log, &bytes).await.unwrap();
    let orphan = served.get(&path).await;
    assert_eq!((orphan.status, orphan.problem().as_str()), (404, "ASH-8315"));
    name_artefact(&served, hash, bytes.len()).await;

    let whole = served.get(&path).await;
    assert_eq!(whole.status, 200);
    assert_eq!(whole.body, bytes);
    let tag = whole.header("etag").unwrap().to_owned();
    assert_eq!(tag, format!("\"{hash}\""));
    let same = served.get_with(&path, &[("if-none-match", &tag)]).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    for other in ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "ABC", &hash.to_string().to_uppercase()] {
        let refused = served.get(&format!("/api/v1/artefacts/{other}")).await;
        assert_eq!(refused.status, 404, "{other}");
    }
    // A file that has grown is sent as far as it was recorded.
    std::fs::write(served.store().artefacts().path(hash), vec![b'y'; 300_000]).unwrap();
    assert_eq!(served.get(&path).await.body.len(), bytes.len());
}

/// Names content in the records, as the end of a job does.
async fn name_artefact(served: &crate::support::Served, hash: ContentHash, size: usize) {
    let job = served.post_json("/api/v1/allocations", &[], &proposal(77)).await.json()["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(served.folder.path().join("ashlar.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("INSERT INTO artefacts (job_id, kind, sha256, size, created_at) VALUES (?, 'log', ?, ?, '2026-01-01T00:00:00.000Z')")
        .bind(job)
        .bind(hash.to_string())
        .bind(i64::try_from(size).unwrap())
        .execute(&pool)
        .await
        .unwrap();
    pool.close().await;
}

#[tokio::test]
async fn a_stream_of_a_job_goes_on_after_the_last_event_and_ends_with_the_job() {
    let served = served().await;
    let job = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json()["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/jobs/{job}/events");
    let stream = [("accept", "text/event-stream")];
    let streaming = served.get_with(&path, &stream);
    let failing = async {
        // The stream is open, or will be: either way it must not miss this.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        served.fail_the_job("it broke\nevent: forged").await;
    };
    let (reply, ()) = tokio::join!(streaming, failing);
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let text = reply.text();
    assert!(text.ends_with("event: end\ndata: {}\n\n"), "{text}");
    assert!(text.contains("\"to\":\"failed\"") && !text.contains("\nevent: forged"), "{text}");
    let ids: Vec<i64> =
        text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() >= 3 && ids.is_sorted(), "{ids:?}");

    let last = ids[ids.len() - 2].to_string();
    let rest = served.get_with(&path, &[stream[0], ("last-event-id", &last)]).await.text();
    assert_eq!(rest.lines().filter(|line| line.starts_with("id: ")).count(), 1, "{rest}");
    let bad = served.get_with(&path, &[stream[0], ("last-event-id", "yesterday")]).await;
    assert_eq!(bad.problem(), "ASH-8306");
    let beyond = format!("{path}?after=9223372036854775808");
    let bad = served.get_with(&beyond, &[stream[0], ("last-event-id", &last)]).await;
    assert_eq!(bad.problem(), "ASH-8306", "even where the header counts");
}

#[tokio::test]
async fn a_stream_tells_how_far_the_job_is_once_each_time() {
    let served = served().await;
    let submitted = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json();
    let path = format!("/api/v1/jobs/{}/events", submitted["job"].as_str().unwrap());
    let store = served.store();
    let claimant = ashlar_store::Claimant {
        worker: "a worker",
        lanes: ashlar_store::Lane::ALL,
        free_bytes: u64::MAX / 4,
        total_bytes: u64::MAX / 4,
        lease: std::time::Duration::from_secs(60),
        patience: std::time::Duration::from_secs(60),
    };
    let now = ashlar_store::Moment::now();
    let lease = store.claim_work(&claimant, now).await.unwrap().unwrap().lease;
    let progress = json!({ "event": "progress", "phase": "commit\ntrace", "done": 3, "total": 9 });
    let until = now.after(std::time::Duration::from_secs(60));
    store.renew_lease(&lease, now, until, Some(&progress), None).await.unwrap();
    let stream = [("accept", "text/event-stream")];
    let streaming = served.get_with(&path, &stream);
    let ending = async {
        // Two looks at the same progress, of which one is told.
        tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
        let end = ashlar_store::AttemptEnd::Failed {
            kind: ashlar_store::FailureKind::Program,
            code: ashlar_fault::Code(4012),
            text: "it broke",
            next: ashlar_store::Next::Bury,
        };
        store.end_attempt(&lease, &end, None, ashlar_store::Moment::now()).await.unwrap();
    };
    let (reply, ()) = tokio::join!(streaming, ending);
    let told: Vec<Value> = reply
        .text()
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: progress\ndata: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert_eq!(told, [progress]);
}

#[tokio::test]
async fn what_is_no_proof_is_refused_with_the_verifier_s_code() {
    let served = served_open(|settings| settings.most_program_bytes = 1000).await;
    let verify = async |query: &str, body: &str| {
        let reply = served.post_json(&format!("/api/v1/verify{query}"), &[], body).await;
        (reply.status, reply.problem())
    };
    let parts = r#"{"public_input": {}, "proof_parameters": {}, "proof_hex": "0x"}"#;
    for body in ["", "[]", "{}", parts] {
        let (status, code) = verify("", body).await;
        assert!((400..=409).contains(&status) && !code.starts_with("ASH-83"), "{body}: {status} {code}");
    }
    assert_eq!(verify("?minimum_bits=0", parts).await, (400, "ASH-8306".to_owned()));
    assert_eq!(verify("?minimum_bits=", parts).await, (400, "ASH-8306".to_owned()));
    assert_eq!(verify("", &" ".repeat(1001)).await, (413, "ASH-8302".to_owned()));
}

#[tokio::test]
async fn streams_are_counted_and_end_when_the_server_stops() {
    let served = served_open(|settings| settings.streams = 1).await;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut open = tokio::net::TcpStream::connect(served.address).await.unwrap();
    let request = format!(
        "GET /api/v1/events HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n",
        served.address
    );
    open.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 15];
    open.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let refused = served.get_with("/api/v1/events", &[("accept", "text/event-stream")]).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "ASH-8314"));
    assert_eq!(refused.header("retry-after"), Some("5"));
    served.stop().await; // fails if the open stream keeps it
}

#[tokio::test]
async fn health_readiness_and_figures_are_told() {
    let served = served().await;
    assert_eq!(served.get("/healthz").await.json()["status"], "ok");
    let ready = served.get("/readyz").await;
    assert_eq!((ready.status, ready.problem().as_str()), (503, "ASH-8318"), "no worker is there");
    let lanes = ashlar_store::Lane::ALL;
    let now = ashlar_store::Moment::now();
    served
        .store()
        .greet_worker("a worker", ashlar_store::WorkerState::Working, 1 << 30, lanes, now)
        .await
        .unwrap();
    assert_eq!(served.get("/readyz").await.status, 200);

    served.post_json("/api/v1/allocations", &[], &proposal(1)).await;
    let text = served.get("/metrics").await.text();
    for line in [
        "ashlar_jobs{backend=\"stone_local\",status=\"queued\"} 1",
        "ashlar_allocations{status=\"proposed\"} 1",
        "ashlar_workers 1",
        "ashlar_http_requests_total{route=\"/api/v1/allocations\",status=\"202\"} 1",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} in\n{text}");
    }
    assert_eq!(served.get("/api/v1/backends").await.json()["backends"][0]["backend"], "stone_local");
}

#[tokio::test]
async fn what_is_not_there_or_not_taken_is_a_problem() {
    let served = served().await;
    let nowhere = served.get("/api/v1/nowhere").await;
    assert_eq!((nowhere.status, nowhere.problem().as_str()), (404, "ASH-8300"));
    let method = served.request("DELETE", "/api/v1/jobs", &[], b"").await;
    assert_eq!((method.status, method.problem().as_str()), (405, "ASH-8301"));
    assert_eq!(method.header("allow"), Some("GET, POST"));
    let unknown = JobId::fresh();
    for (path, code) in [
        (format!("/api/v1/jobs/{unknown}"), "ASH-4007"),
        (format!("/api/v1/jobs/{unknown}/events"), "ASH-4007"),
        ("/api/v1/jobs/job_".to_owned(), "ASH-4007"),
        ("/api/v1/allocations/alc_x".to_owned(), "ASH-4018"),
    ] {
        let reply = served.get(&path).await;
        assert_eq!((reply.status, reply.problem().as_str()), (404, code), "{path}");
    }
    for query in ["status=lost", "limit=0", "limit=201", "before=job_1", "unheard=of", "limit=1&limit=2"] {
        let reply = served.get(&format!("/api/v1/jobs?{query}")).await;
        assert_eq!((reply.status, reply.problem().as_str()), (400, "ASH-8306"), "{query}");
    }
}

#[tokio::test]
async fn errors_of_ours_are_told_without_particulars_and_logged_with_them() {
    let served = served().await;
    let job = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json()["job"]
        .as_str()
        .unwrap()
        .to_owned();
    let options =
        sqlx::sqlite::SqliteConnectOptions::new().filename(served.folder.path().join("ashlar.sqlite"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::query("UPDATE proof_jobs SET updated_at = 'a secret place'").execute(&pool).await.unwrap();
    let reply = served.get(&format!("/api/v1/jobs/{job}")).await;
    assert_eq!((reply.status, reply.problem().as_str()), (500, "ASH-4013"));
    assert!(!reply.text().contains("secret place"));
    assert!(served.log.lock().unwrap().iter().any(|line| line.contains("secret place")));
}

#[tokio::test]
async fn a_key_of_its_own_reach_finds_nothing_of_others_by_any_route() {
    let served = served_closed().await;
    let (_, mine) = served.key(&[KeyScope::Read, KeyScope::Submit, KeyScope::Cancel], KeyReach::Own).await;
    let (_, theirs) = served.key(&[KeyScope::Read, KeyScope::Submit, KeyScope::Cancel], KeyReach::Own).await;
    let (mine, theirs) = (format!("Bearer {mine}"), format!("Bearer {theirs}"));
    let (me, them) = ([("authorization", mine.as_str())], [("authorization", theirs.as_str())]);
    let submitted = served.post_json("/api/v1/allocations", &them, &proposal(1)).await.json();
    let job = submitted["job"].as_str().unwrap();
    let id = JobId::parse(job).unwrap();
    let allocation = served.get_with("/api/v1/allocations", &them).await.json()["allocations"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();

    for (path, status) in [
        (format!("/api/v1/jobs/{job}"), 404),
        (format!("/api/v1/jobs/{job}/events"), 404),
        (format!("/api/v1/allocations/{allocation}"), 404),
        (format!("/jobs/{job}"), 404),
        (format!("/jobs/{job}/timeline.svg"), 404),
        (format!("/allocations/{allocation}"), 404),
        ("/metrics".to_owned(), 403),
        ("/workers".to_owned(), 403),
    ] {
        assert_eq!(served.get_with(&path, &me).await.status, status, "{path}");
    }
    for action in ["cancel", "retry"] {
        let reply = served.request("POST", &format!("/api/v1/jobs/{job}/{action}"), &me, b"").await;
        assert_eq!((reply.status, reply.problem().as_str()), (404, "ASH-4007"), "{action}");
    }
    assert_eq!(served.store().job(id).await.unwrap().proof_status, ProofStatus::Queued);
    for list in ["jobs", "allocations", "events"] {
        let page = served.get_with(&format!("/api/v1/{list}"), &me).await.json();
        assert_eq!(page[list], json!([]), "{list}");
    }
    assert_eq!(served.get_with("/api/v1/events?after=0", &me).await.json()["events"], json!([]));
    // The same idempotency key of another caller is another key.
    let own = [me[0], ("idempotency-key", "k")];
    let other = [them[0], ("idempotency-key", "k")];
    let first = served.post_json("/api/v1/allocations", &own, &proposal(5)).await;
    let second = served.post_json("/api/v1/allocations", &other, &proposal(6)).await;
    assert_eq!((first.status, second.status), (202, 202));
}
