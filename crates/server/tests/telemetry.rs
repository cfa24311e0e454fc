//! Spans of jobs arrive at a collector, whole and once, also if it was away.

use std::{net::SocketAddr, time::Duration};

use ashlar_server::Collector;
use ashlar_store::JobId;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::support::{proposal, served_open};

/// Reads one request of a listener and answers it; its first line and its body.
async fn one(listener: &TcpListener, status: &str) -> (String, Value) {
    let (mut stream, _) = timeout(Duration::from_secs(30), listener.accept()).await.unwrap().unwrap();
    let mut bytes = Vec::new();
    let body = loop {
        if let Some(body) = body(&bytes) {
            break body;
        }
        assert!(read(&mut stream, &mut bytes).await > 0, "the request broke off");
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    let line = String::from_utf8_lossy(&bytes).lines().next().unwrap().to_owned();
    (line, body)
}

async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> usize {
    let mut buffer = [0; 8192];
    let length = stream.read(&mut buffer).await.unwrap();
    bytes.extend_from_slice(&buffer[..length]);
    length
}

/// The body once it is whole.
fn body(bytes: &[u8]) -> Option<Value> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: "))?.trim().parse::<usize>().ok()?;
    serde_json::from_slice(bytes.get(end..end + length)?).ok()
}

#[tokio::test]
async fn a_job_that_ends_is_a_trace_with_a_span_for_each_state() {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let served = served_open(|settings| settings.collector = Some(Collector::parse(&address).unwrap())).await;
    // The exporter begins with what happens after it started; its start is seen by the first job that goes missing.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let submitted = served.post_json("/api/v1/allocations", &[], &proposal(1)).await.json();
    let job = JobId::parse(submitted["job"].as_str().unwrap()).unwrap();
    served.fail_the_job("it broke").await;

    let (line, refused) = one(&listener, "503 Service Unavailable").await;
    assert_eq!(line, "POST /v1/traces HTTP/1.1");
    let (_, sent) = one(&listener, "200 OK").await;
    assert_eq!(sent, refused, "what was not taken is sent again, with the same ids");
    let spans = sent["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap();
    let root = &spans[0];
    assert_eq!((root["name"].as_str(), root["status"]["code"].as_u64()), (Some("prove allocation"), Some(2)));
    let has = |key: &str, value: &str| {
        let attributes = root["attributes"].as_array().unwrap();
        attributes.iter().any(|one| one["key"] == key && one["value"]["stringValue"] == value)
    };
    assert!(has("ashlar.job.id", &job.to_string()) && has("error.type", "ASH-4012"), "{root}");
    assert!(!sent.to_string().contains("it broke"), "texts of errors stay in the records");
    assert_eq!(spans[1]["name"], "queued");
    for span in &spans[1..] {
        assert_eq!((&span["traceId"], &span["parentSpanId"]), (&root["traceId"], &root["spanId"]));
        let at = |key: &str| span[key].as_str().unwrap().parse::<u128>().unwrap();
        assert!(at("startTimeUnixNano") <= at("endTimeUnixNano"));
    }
    let metrics = served.get("/metrics").await.text();
    assert!(
        metrics.lines().any(|line| line == format!("ashlar_spans_sent_total {}", spans.len())),
        "{metrics}"
    );
    served.stop().await;
}
