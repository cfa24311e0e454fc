//! The endpoint that speaks like Atlantic: our own client of the service works with it, and so do requests as clients of
//! the service send them.

use std::time::Duration;

use ashlar_atlantic as atlantic;
use ashlar_field::Felt;
use ashlar_store::{
    AttemptEnd, Claimant, FailureKind, JobId, KeyReach, KeyScope, Lane, Moment, Next, ProofStatus,
    VerifiedProof,
};
use atlantic::{
    Address, ApiKey, Attachment, CairoVersion, Class, Client, Error, Form, Goal, JSON, JobSize, JobStatus,
    QueryStatus, Settings, TEXT, ZIP,
};
use serde_json::json;

use crate::support::{Served, proposal, served, served_closed, served_open};

/// Our client with a key, on a thread of its own: its calls block.
async fn with_client<T: Send + 'static>(
    served: &Served,
    key: Option<&str>,
    ask: impl FnOnce(&Client) -> T + Send + 'static,
) -> T {
    let address = Address::parse(&format!("http://{}", served.address)).unwrap();
    let key = key.map(|key| ApiKey::new(key).unwrap());
    tokio::task::spawn_blocking(move || ask(&Client::new(Settings::new(address, key, "a test"))))
        .await
        .unwrap()
}

fn form(nonce: u64) -> Form {
    let program = format!("{{\"a program\": {nonce}}}").into_bytes();
    Form {
        program_file: Some(Attachment::from_bytes(program, "program.json", JSON).unwrap()),
        input_file: Some(Attachment::from_bytes(b"[1 2 3]".to_vec(), "input.txt", TEXT).unwrap()),
        declared_job_size: Some(JobSize::Xs),
        cairo_version: Some(CairoVersion::Cairo0),
        result: Some(Goal::ProofGeneration),
        external_id: Some(format!("label-{nonce}")),
        ..Form::default()
    }
}

/// Cairo 1, as a client of the service sends it.
fn cairo_1(nonce: u64) -> Form {
    Form { cairo_version: None, ..form(nonce) }
}

async fn reader(served: &Served) -> String {
    served.key(&[KeyScope::Read, KeyScope::Submit], KeyReach::Own).await.1
}

fn job(query: &str) -> JobId {
    JobId::parse(&format!("job_{query}")).unwrap()
}

/// Claims the oldest job and brings it to the prover.
async fn begin(served: &Served) -> ashlar_store::Lease {
    let claimant = Claimant {
        worker: "a worker",
        lanes: Lane::ALL,
        free_bytes: u64::MAX / 4,
        total_bytes: u64::MAX / 4,
        lease: Duration::from_secs(60),
        patience: Duration::from_secs(60),
    };
    let store = served.store();
    let lease = store.claim_work(&claimant, Moment::now()).await.unwrap().unwrap().lease;
    for status in [ProofStatus::Tracing, ProofStatus::Proving] {
        store.advance_held(&lease, status, Moment::now()).await.unwrap();
    }
    lease
}

fn verified() -> VerifiedProof {
    VerifiedProof {
        program_hash: Felt::from_u64(7),
        output: vec![Felt::from_u64(1), Felt::from_u64(2)],
        fact_hash: Felt::from_u64(42),
        stone_version: "stone6",
        layout: "small".to_owned(),
        n_steps: 1024,
        parameters: json!({}),
        security_bits: 96,
        proven_bits: 50,
        trace_size: 1,
        stages: vec![("run".to_owned(), 1)],
    }
}

async fn finish(served: &Served, lease: &ashlar_store::Lease, proof: &[u8]) {
    let store = served.store();
    store.advance_held(lease, ProofStatus::Verifying, Moment::now()).await.unwrap();
    store.conclude_held(lease, &verified(), proof, None, Moment::now()).await.unwrap();
}

#[tokio::test]
async fn our_client_of_the_service_submits_waits_and_fetches_with_no_change_but_address_and_key() {
    let served = served_closed().await;
    let key = reader(&served).await;
    let receipt = with_client(&served, Some(&key), |client| {
        assert!(client.is_alive().unwrap());
        let first = client.submit(&cairo_1(1), 0).unwrap();
        let again = client.submit(&cairo_1(1), 0).unwrap();
        assert_eq!((first.adopted, again.adopted, &again.query), (false, true, &first.query));
        first
    })
    .await;
    let id = receipt.query.clone();
    let look = with_client(&served, Some(&key), move |client| client.show(&id).unwrap()).await;
    let query = &look.answer.atlantic_query;
    assert_eq!(query.status, QueryStatus::Received);
    assert_eq!(
        (query.external_id.as_deref(), query.dedup_id.as_deref()),
        (Some("label-1"), Some(&*receipt.dedup_id))
    );
    assert_eq!((query.is_fact_mocked, query.declared_job_size.clone()), (Some(false), Some(JobSize::Xs)));
    assert_eq!(look.answer.metadata_urls, Some(Vec::new()));

    let lease = begin(&served).await;
    assert_eq!(lease.job, job(receipt.query.as_str()));
    let (id, other) = (receipt.query.clone(), receipt.query.clone());
    let (running, jobs) = with_client(&served, Some(&key), move |client| {
        (client.show(&id).unwrap().answer.atlantic_query, client.jobs(&other).unwrap())
    })
    .await;
    assert_eq!(
        (running.status, running.step),
        (QueryStatus::InProgress, Some(atlantic::Step::ProofGeneration))
    );
    let stages: Vec<_> = jobs.jobs.iter().map(|job| job.status.clone()).collect();
    assert_eq!(stages, [JobStatus::Completed, JobStatus::InProgress]);

    finish(&served, &lease, b"{\"a\": \"proof\"}").await;
    let id = receipt.query.clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.json");
    let (look, metadata, downloaded) = with_client(&served, Some(&key), move |client| {
        let look = client.wait(&id, atlantic::Polling::until(Duration::from_secs(20)), &mut |_| {
            std::ops::ControlFlow::Continue(())
        });
        let look = look.unwrap();
        let metadata = client.metadata(&client.artefact(&look.answer, "metadata.json").unwrap()).unwrap();
        // Artefacts are fetched without the key, as the service's are.
        let address = client.artefact(&look.answer, "proof.json").unwrap();
        (look, metadata, client.download(&address, &path).unwrap())
    })
    .await;
    assert_eq!(look.answer.atlantic_query.status, QueryStatus::Done);
    assert_eq!(look.answer.atlantic_query.job_size, Some(JobSize::Xs));
    assert_eq!(metadata.execution_resources.unwrap().n_steps, Some(1024));
    assert_eq!(metadata.integrity_fact_hash, look.answer.atlantic_query.integrity_fact_hash);
    assert_eq!(std::fs::read(&downloaded.path).unwrap(), b"{\"a\": \"proof\"}");
}

#[tokio::test]
async fn a_query_that_fails_says_why() {
    let served = served().await;
    let receipt = with_client(&served, None, |client| client.submit(&cairo_1(1), 0).unwrap()).await;
    let lease = begin(&served).await;
    let end = AttemptEnd::Failed {
        kind: FailureKind::Program,
        code: ashlar_fault::Code(2012),
        text: "the program divides by zero",
        next: Next::Bury,
    };
    served.store().end_attempt(&lease, &end, None, Moment::now()).await.unwrap();
    let look = with_client(&served, None, move |client| client.show(&receipt.query).unwrap()).await;
    let query = look.answer.atlantic_query;
    assert_eq!(query.status, QueryStatus::Failed);
    assert_eq!(query.error_reason.as_deref(), Some("ASH-2012 the program divides by zero"));
    assert!(query.completed_at.is_some());
}

#[tokio::test]
async fn refusals_are_of_the_class_that_the_service_s_are() {
    let served = served_closed().await;
    let key = reader(&served).await;
    let class = |error: Error| match error {
        Error::Refused { class, .. } => class,
        other => panic!("{other}"),
    };
    for (given, expected) in [(None, Class::Account), (Some("ashlar_0000000000"), Class::Account)] {
        let refused = with_client(&served, given, |client| client.submit(&cairo_1(1), 0)).await;
        assert_eq!(class(refused.unwrap_err()), expected, "{given:?}");
    }
    let (_, read_only) = served.key(&[KeyScope::Read], KeyReach::Own).await;
    let refused = with_client(&served, Some(&read_only), |client| client.submit(&cairo_1(1), 0)).await;
    assert_eq!(class(refused.unwrap_err()), Class::Account, "a key that may only read");

    let pie = Form {
        program_file: None,
        input_file: None,
        cairo_version: None,
        pie_file: Some(Attachment::from_bytes(bomb(), "../../etc/run.zip", ZIP).unwrap()),
        ..form(1)
    };
    let on_chain = Form {
        result: Some(Goal::ProofVerificationOnL2),
        network: Some(atlantic::Network::Testnet),
        ..cairo_1(1)
    };
    for (what, form) in [("a finished run", pie), ("a fact on a chain", on_chain)] {
        let refused = with_client(&served, Some(&key), move |client| client.submit(&form, 0)).await;
        assert_eq!(class(refused.unwrap_err()), Class::ContractDrift, "{what}");
    }
    let nobody = atlantic::QueryId::parse("01M3EEM2E4GHHC3K36KRX9XY3S").unwrap();
    let refused = with_client(&served, Some(&key), move |client| client.show(&nobody)).await;
    assert_eq!(class(refused.unwrap_err()), Class::NotFound);
    assert_eq!(served.get_with("/atlantic-queries", &[("api-key", &key)]).await.json()["total"], 0);
}

#[tokio::test]
async fn a_finished_run_is_taken_where_there_is_a_bootloader_and_its_answers_name_both_programs() {
    let served =
        served_open(|settings| settings.bootloader = Some(b"{\"a\": \"bootloader\"}".to_vec().into()));
    let served = served.await;
    let archive = [b"PK\x03\x04".as_slice(), &[7; 100_000]].concat();
    let pie = |nonce: u64, bytes: &[u8]| Form {
        pie_file: Some(Attachment::from_bytes(bytes.to_vec(), "../../etc/pie.cairo0.zip", ZIP).unwrap()),
        program_file: None,
        input_file: None,
        cairo_version: None,
        ..form(nonce)
    };
    let sent = pie(1, &archive);
    let receipt = with_client(&served, None, move |client| client.submit(&sent, 0).unwrap()).await;
    let job = job(receipt.query.as_str());
    let inputs = served.store().inputs_of(job).await.unwrap();
    let roles: Vec<_> = inputs.iter().map(|input| (input.role.as_str(), input.size)).collect();
    assert_eq!(roles, [("finished_run", archive.len() as u64), ("program", 19)]);
    assert_eq!(served.store().job(job).await.unwrap().request.unwrap()["kind"], "finished_run");

    // The output of a bootloader that ran one task.
    let lease = begin(&served).await;
    let verified = VerifiedProof {
        program_hash: Felt::from_u64(7),
        output: [1, 4, 99, 5, 6].map(Felt::from_u64).to_vec(),
        fact_hash: Felt::from_u64(42),
        ..verified()
    };
    served.store().advance_held(&lease, ProofStatus::Verifying, Moment::now()).await.unwrap();
    served.store().conclude_held(&lease, &verified, b"{}", None, Moment::now()).await.unwrap();
    let metadata = with_client(&served, None, move |client| {
        let look = client.show(&receipt.query).unwrap();
        assert_eq!(look.answer.atlantic_query.status, QueryStatus::Done);
        client.metadata(&client.artefact(&look.answer, "metadata.json").unwrap()).unwrap()
    });
    let metadata = metadata.await;
    let felt = |text: &Option<String>| text.as_deref().unwrap().parse::<Felt>().unwrap();
    assert_eq!(felt(&metadata.program_hash), Felt::from_u64(7));
    assert_eq!(felt(&metadata.child_program_hash), Felt::from_u64(99));
    assert_eq!(metadata.output.unwrap().len(), 5);

    let none = with_client(&served, None, move |client| client.submit(&pie(2, b"no archive"), 0)).await;
    assert!(none.is_err());
}

/// An archive whose one entry claims to unpack to far more than any memory has.
fn bomb() -> Vec<u8> {
    let mut archive = b"PK\x03\x04\x14\x00\x00\x00\x08\x00".to_vec();
    archive.extend([0; 8]);
    archive.extend([0xff; 8]);
    archive.extend(b"\x10\x00\x00\x00../../etc/passwd");
    archive.resize(200_000, 0);
    archive
}

/// A form as curl sends it: `programFile` first, a content type for each file, headers in its order.
fn curl_form(fields: &[(&str, &str)], files: &[(&str, &str, &str, &[u8])]) -> (String, Vec<u8>) {
    let boundary = "------------------------d74496d66958873e";
    let mut body = Vec::new();
    for (name, file_name, media_type, bytes) in files {
        body.extend(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
                 Content-Type: {media_type}\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    for (name, value) in fields {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        body.extend(part.as_bytes());
    }
    body.extend(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

const PROGRAM: (&str, &str, &str, &[u8]) =
    ("programFile", "program.json", "application/json", b"{\"data\": []}");

#[tokio::test]
async fn requests_as_clients_of_the_service_send_them_are_answered_as_it_answers() {
    let served = served_closed().await;
    let key = reader(&served).await;
    let with = [("api-key", key.as_str())];
    let post = async |fields: &[(&str, &str)], files: &[(&str, &str, &str, &[u8])]| {
        let (content_type, body) = curl_form(fields, files);
        let headers = [("api-key", key.as_str()), ("content-type", content_type.as_str())];
        served.request("POST", "/atlantic-query", &headers, &body).await
    };
    assert_eq!(served.get("/is-alive").await.json(), json!({ "alive": true }));
    let fields = [
        ("declaredJobSize", "S"),
        ("layout", "auto"),
        ("cairoVersion", "cairo1"),
        ("cairoVm", "rust"),
        ("result", "PROOF_GENERATION"),
        ("network", "TESTNET"),
        ("externalId", "pile10-reference"),
        ("dedupId", "d-1"),
    ];
    let input: (&str, &str, &str, &[u8]) = ("inputFile", "input.txt", "text/plain", b"[1 2 [3 4]]");
    let submitted = post(&fields, &[PROGRAM, input]).await;
    assert_eq!(submitted.status, 201, "{}", submitted.text());
    let id = submitted.json()["atlanticQueryId"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 26, "a ULID");
    let request = served.store().job(job(&id)).await.unwrap().request.unwrap();
    assert_eq!(request["arguments"]["args"], "[1 2 [3 4]]");

    let shown = served.get_with(&format!("/atlantic-query/{id}"), &with).await.json();
    assert_eq!(shown["atlanticQuery"]["status"], "RECEIVED");
    assert_eq!(shown["atlanticQuery"]["network"], "TESTNET");
    let found = served.get_with("/atlantic-query-by-dedup-id?dedupId=d-1", &with).await;
    assert_eq!((found.status, &found.json()["atlanticQuery"]["id"]), (200, &json!(id)));
    let listed = served.get_with("/atlantic-queries?limit=5&offset=0&search=pile10", &with).await.json();
    assert_eq!((&listed["total"], &listed["atlanticQueries"][0]["id"]), (&json!(1), &json!(id)));
    assert_eq!(served.get_with("/atlantic-queries?network=MAINNET", &with).await.json()["total"], 0);
    assert_eq!(
        served.get_with("/atlantic-queries?offset=1", &with).await.json()["atlanticQueries"],
        json!([])
    );
    let jobs = served.get_with(&format!("/atlantic-query-jobs/{id}"), &with).await.json();
    assert_eq!((&jobs["jobs"], &jobs["steps"][0]), (&json!([]), &json!("TRACE_GENERATION")));

    // The service's codes, each in the form in which it sends them.
    for (reply, status, code) in [
        (post(&fields, &[PROGRAM, input]).await, 400, "ATLANTIC_QUERY_WITH_DEDUP_ID_ALREADY_EXISTS"),
        (post(&[], &[PROGRAM]).await, 400, "ZOD_INVALID_BODY_STRING"),
        (
            post(&[("declaredJobSize", "S")], &[]).await,
            400,
            "PROGRAM_FILE_OR_PIE_FILE_OR_PROGRAM_HASH_IS_REQUIRED",
        ),
        (
            post(&[("declaredJobSize", "S")], &[("pieFile", "a.zip", "application/zip", b"no archive")])
                .await,
            400,
            "PIE_FILE_SHOULD_BE_ZIP",
        ),
        (
            served.get_with("/atlantic-query/01M3EEM2E4GHHC3K36KRX9XY3S", &with).await,
            404,
            "ATLANTIC_QUERY_NOT_FOUND",
        ),
        (
            served.get_with("/atlantic-query-by-dedup-id?dedupId=other", &with).await,
            404,
            "ATLANTIC_QUERY_NOT_FOUND",
        ),
        (served.get("/atlantic-queries").await, 401, "MISSING_API_KEY"),
        (served.get_with("/atlantic-queries", &[("api-key", "wrong")]).await, 401, "INVALID_API_KEY"),
        (served.request("POST", "/buckets", &with, b"{}").await, 404, "Route POST:/buckets not found"),
        (served.request("DELETE", "/atlantic-queries", &with, b"").await, 405, "ZOD_INVALID_BODY_STRING"),
        (
            served
                .request("POST", "/atlantic-query", &[with[0], ("content-type", "application/json")], b"{}")
                .await,
            400,
            "ZOD_INVALID_BODY_STRING",
        ),
    ] {
        assert_eq!(
            (reply.status, reply.json()["message"].as_str()),
            (status, Some(code)),
            "{}",
            reply.text()
        );
    }
}

#[tokio::test]
async fn another_key_sees_nothing_of_a_query_and_a_ticket_ends_with_its_key() {
    let served = served_closed().await;
    let (owner, mine) = served.key(&[KeyScope::Read, KeyScope::Submit], KeyReach::Own).await;
    let theirs = reader(&served).await;
    let receipt = with_client(&served, Some(&mine), |client| client.submit(&cairo_1(1), 0).unwrap()).await;
    let id = receipt.query.to_string();
    let lease = begin(&served).await;
    finish(&served, &lease, b"{}").await;

    let me = [("api-key", mine.as_str())];
    let them = [("api-key", theirs.as_str())];
    let dedup = format!("/atlantic-query-by-dedup-id?dedupId={}", receipt.dedup_id);
    for path in [
        format!("/atlantic-query/{id}"),
        format!("/atlantic-query-jobs/{id}"),
        format!("/queries/{id}/proof.json"),
        dedup,
    ] {
        assert_eq!(served.get_with(&path, &me).await.status, 200, "{path}");
        let refused = served.get_with(&path, &them).await;
        assert_eq!(
            (refused.status, &refused.json()["message"]),
            (404, &json!("ATLANTIC_QUERY_NOT_FOUND")),
            "{path}"
        );
        assert_eq!(served.get(&path).await.status, 401, "{path}");
    }
    assert_eq!(served.get_with("/atlantic-queries", &them).await.json()["total"], 0);

    let shown = served.get_with(&format!("/atlantic-query/{id}"), &me).await.json();
    let address = shown["metadataUrls"][1].as_str().unwrap().to_owned();
    let path = address.strip_prefix(&format!("http://{}", served.address)).unwrap();
    assert_eq!(served.get(path).await.body, b"{}", "the ticket is enough");
    let parts: Vec<&str> = path.split('/').collect();
    for wrong in [
        format!("/queries/{id}/{}/proof.json", "0".repeat(64)),
        format!("/queries/{id}/{}/..%2f..%2fashlar.sqlite", parts[3]),
        format!("/queries/01M3EEM2E4GHHC3K36KRX9XY3S/{}/proof.json", parts[3]),
    ] {
        assert_eq!(served.get(&wrong).await.status, 404, "{wrong}");
    }
    served.store().revoke_key(owner.id).await.unwrap();
    assert_eq!(served.get(path).await.status, 404, "the key is revoked");
}

#[tokio::test]
async fn an_upload_without_end_is_refused_while_it_arrives() {
    let served = served_open(|settings| settings.most_program_bytes = 10_000).await;
    let (content_type, body) = curl_form(
        &[("declaredJobSize", "S")],
        &[("programFile", "p", "application/json", &vec![b' '; 20_000])],
    );
    let headers = [("content-type", content_type.as_str())];
    let refused = served.request("POST", "/atlantic-query", &headers, &body).await;
    assert_eq!((refused.status, refused.header("connection")), (413, Some("close")), "{}", refused.text());
    // An allocation is no query.
    let submitted = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json();
    let id = submitted["job"].as_str().unwrap().trim_start_matches("job_").to_owned();
    assert_eq!(served.get(&format!("/atlantic-query/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let served = crate::support::served_with(
        |settings| settings.open_on_loopback = true,
        |engine| engine.queue_limit = 1,
    )
    .await;
    let post = async || {
        let (content_type, body) = curl_form(&[("declaredJobSize", "XS")], &[PROGRAM]);
        served.request("POST", "/atlantic-query", &[("content-type", content_type.as_str())], &body).await
    };
    assert_eq!(post().await.status, 201);
    let full = post().await;
    assert_eq!((full.status, &full.json()["message"]), (429, &json!("TOO_MANY_REQUESTS")));
    assert!(full.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
}

#[tokio::test]
async fn addresses_in_answers_are_where_the_operator_says_that_the_server_is() {
    let served =
        served_open(|settings| settings.public_address = Some("https://ashlar.example/".to_owned())).await;
    let receipt = with_client(&served, None, |client| client.submit(&cairo_1(1), 0).unwrap()).await;
    let lease = begin(&served).await;
    finish(&served, &lease, b"{}").await;
    let shown = served.get(&format!("/atlantic-query/{}", receipt.query)).await.json();
    let expected = format!("https://ashlar.example/queries/{}/metadata.json", receipt.query);
    assert_eq!(shown["metadataUrls"][0], json!(expected));
    let other =
        served.get_with(&format!("/atlantic-query/{}", receipt.query), &[("host", "evil.example")]).await;
    assert_eq!(other.status, 421, "an open loopback answers to its own names only");
}
