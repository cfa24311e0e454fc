//! Uploads: programs go to the disk while they arrive, what is refused leaves nothing there, and what bodies take in memory
//! has a bound.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use ashlar_store::{ContentHash, JobId, PIECE_BYTES};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Reply, Served, served_open};

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn artefacts(served: &Served) -> Vec<PathBuf> {
    files(&served.folder.path().join("artefacts"))
}

/// Waits until so many files are there: a thread may still be about to remove one.
async fn until_there_are(served: &Served, count: usize) {
    for _ in 0..1000 {
        if artefacts(served).len() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("expected {count} files, got {:?}", artefacts(served));
}

fn program(length: usize) -> Vec<u8> {
    (0..length).map(|index| b' ' + (index % 89) as u8).collect()
}

/// A request whose body is of this length, with so much of it as is given.
async fn begin(served: &Served, length: usize, beginning: &[u8]) -> TcpStream {
    let head = format!(
        "POST /api/v1/jobs?steps=1000 HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
         content-type: application/octet-stream\r\ncontent-length: {length}\r\n\r\n",
        served.address
    );
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(beginning).await.unwrap();
    stream
}

async fn answer(mut stream: TcpStream) -> Reply {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap();
    Reply::parse(&answer)
}

async fn upload(served: &Served, body: &[u8]) -> Reply {
    let headers = [("content-type", "application/octet-stream")];
    served.request("POST", "/api/v1/jobs?steps=1000", &headers, body).await
}

/// The content that a job is made from.
async fn input(served: &Served, reply: &Reply) -> ContentHash {
    let job = JobId::parse(reply.json()["job"].as_str().unwrap()).unwrap();
    served.store().inputs_of(job).await.unwrap()[0].sha256
}

#[tokio::test]
async fn a_program_larger_than_what_bodies_may_take_in_memory_is_taken() {
    let served = served_open(|settings| settings.body_bytes = PIECE_BYTES).await;
    let body = program(40 * PIECE_BYTES + 1);
    let taken = upload(&served, &body).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    assert_eq!(input(&served, &taken).await, ContentHash::of(&body));
    assert_eq!(fs::read(served.store().artefacts().path(ContentHash::of(&body))).unwrap(), body);
    // What has to be in memory as a whole has to fit.
    let proof = format!("{{\"proof_hex\": \"0x{}\"}}", "00".repeat(PIECE_BYTES));
    let refused = served.post_json("/api/v1/verify", &[], &proof).await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "ASH-8325"), "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("1"));
    let small = served.post_json("/api/v1/verify", &[], "{}").await;
    assert_ne!(small.status, 429, "{}", small.text());
    assert_eq!(artefacts(&served).len(), 1);
}

#[tokio::test]
async fn uploads_at_once_take_a_piece_each_and_no_more_of_them_are_begun_than_there_is_memory_for() {
    let served = served_open(|settings| settings.body_bytes = 2 * PIECE_BYTES).await;
    let body = program(10 * PIECE_BYTES);
    let (half, rest) = body.split_at(5 * PIECE_BYTES);
    let mut first = begin(&served, body.len(), half).await;
    let mut second = begin(&served, body.len(), half).await;
    until_there_are(&served, 2).await;
    let refused = upload(&served, b"{}").await;
    assert_eq!((refused.status, refused.problem().as_str()), (429, "ASH-8325"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    // Somebody goes away, and there is a place again.
    drop(second);
    until_there_are(&served, 1).await;
    second = begin(&served, body.len(), half).await;
    until_there_are(&served, 2).await;
    first.write_all(rest).await.unwrap();
    let first = answer(first).await;
    assert_eq!(first.status, 202, "{}", first.text());
    let taken = upload(&served, b"{}").await;
    assert_eq!(taken.status, 202, "{}", taken.text());
    second.write_all(rest).await.unwrap();
    let second = answer(second).await;
    assert_eq!(second.status, 202, "{}", second.text());
    // The same content is one artefact.
    assert_eq!(input(&served, &first).await, input(&served, &second).await);
    assert_eq!(artefacts(&served).len(), 2);
}

#[tokio::test]
async fn a_body_that_is_too_long_leaves_no_file() {
    let most = 3 * PIECE_BYTES + 5;
    let served = served_open(|settings| settings.most_program_bytes = most).await;
    let body = program(most + 1);
    let refused = upload(&served, &body).await;
    assert_eq!((refused.status, refused.problem().as_str()), (413, "ASH-8302"), "{}", refused.text());
    until_there_are(&served, 0).await;
    // Without a length said before, it is the last byte that is too much.
    let head = format!(
        "POST /api/v1/jobs?steps=1000 HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\
         content-type: application/octet-stream\r\ntransfer-encoding: chunked\r\n\r\n",
        served.address
    );
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    let (within, beyond) = body.split_at(most);
    let long = [head.as_bytes(), &chunk(within), &chunk(beyond), b"0\r\n\r\n"].concat();
    let refused = served.raw(&long).await;
    assert_eq!((refused.status, refused.problem().as_str()), (413, "ASH-8302"), "{}", refused.text());
    until_there_are(&served, 0).await;
    let taken = served.raw(&[head.as_bytes(), &chunk(within), b"0\r\n\r\n"].concat()).await;
    assert_eq!(taken.status, 202, "{}", taken.text());
}

#[tokio::test]
async fn a_body_that_ends_early_leaves_no_file() {
    let served = served_open(|_| {}).await;
    let body = program(5 * PIECE_BYTES);
    let mut stream = begin(&served, body.len() + 1, &body).await;
    until_there_are(&served, 1).await;
    stream.shutdown().await.unwrap();
    let refused = answer(stream).await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "ASH-8304"), "{}", refused.text());
    until_there_are(&served, 0).await;
    // Nor does one whose sender is gone.
    let stream = begin(&served, body.len() + 1, &body).await;
    until_there_are(&served, 1).await;
    drop(stream);
    until_there_are(&served, 0).await;
    assert_eq!(served.get("/api/v1/jobs").await.json()["jobs"], serde_json::json!([]));
}

#[tokio::test]
async fn a_body_that_is_too_slow_leaves_no_file() {
    let served = served_open(|settings| settings.body_time = Duration::from_millis(500)).await;
    let stream = begin(&served, 5 * PIECE_BYTES, &program(4 * PIECE_BYTES)).await;
    let refused = answer(stream).await;
    assert_eq!((refused.status, refused.problem().as_str()), (408, "ASH-8303"), "{}", refused.text());
    until_there_are(&served, 0).await;
}

#[tokio::test]
async fn an_empty_program_is_refused() {
    let served = served_open(|_| {}).await;
    let refused = upload(&served, b"").await;
    assert_eq!(refused.problem(), "ASH-8204", "{}", refused.text());
}

/// A form as Atlantic's clients send it.
fn form(fields: &str, program: &[u8], end: &str) -> Vec<u8> {
    let head = format!(
        "{fields}--b\r\nContent-Disposition: form-data; name=\"programFile\"; filename=\"p\"\r\n\
         Content-Type: application/json\r\n\r\n"
    );
    [head.as_bytes(), program, end.as_bytes()].concat()
}

#[tokio::test]
async fn a_program_in_a_form_goes_to_the_disk_and_stays_there_only_if_the_form_is_taken() {
    let served = served_open(|settings| settings.body_bytes = 2 * PIECE_BYTES).await;
    let size = "--b\r\nContent-Disposition: form-data; name=\"declaredJobSize\"\r\n\r\nXS\r\n";
    let body = program(10 * PIECE_BYTES + 3);
    let headers = [("content-type", "multipart/form-data; boundary=b")];
    for (form, status) in [
        (form("", &body, "\r\n--b--\r\n"), 400),
        (form(size, &body, "\r\n--b\r\n"), 400),
        (form(size, &body, &format!("\r\n{size}--b--\r\n")), 400),
        (form(size, b"", "\r\n--b--\r\n"), 400),
    ] {
        let refused = served.request("POST", "/atlantic-query", &headers, &form).await;
        assert_eq!(refused.status, status, "{}", refused.text());
        until_there_are(&served, 0).await;
    }
    let good = form(size, &body, "\r\n--b--\r\n");
    let taken = served.request("POST", "/atlantic-query", &headers, &good).await;
    assert_eq!(taken.status, 201, "{}", taken.text());
    assert_eq!(fs::read(served.store().artefacts().path(ContentHash::of(&body))).unwrap(), body);
    // The same program, sent to the other endpoint, is the same artefact.
    assert_eq!(upload(&served, &body).await.status, 202);
    assert_eq!(artefacts(&served).len(), 1);
}
