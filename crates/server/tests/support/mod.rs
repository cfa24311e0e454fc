//! A server on a free port, and a client that sends what it is told, well-formed or not.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use ashlar_engine::{Engine, Settings};
use ashlar_fault::Code;
use ashlar_server::{Secret, Server, ServerSettings};
use ashlar_store::{
    ApiKey, AttemptEnd, Claimant, FailureKind, KeyReach, KeyScope, Lane, Moment, NewApiKey, Next, Store,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// A proposal that the rules accept.
pub(crate) fn proposal(nonce: u64) -> String {
    format!(
        r#"{{"chain_id": "0x534e", "allocator": "0xa110", "nonce": {nonce}, "model_version": 1,
            "constraints": {{"max_single": 6000, "max_volatility": 4000, "min_diversification": 2, "min_liquidity": 2}},
            "rows": [
              {{"protocol_id": "0xa", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98, "age": 800, "apy": 500}},
              {{"protocol_id": "0xb", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98, "age": 800, "apy": 450}}
            ]}}"#
    )
}

pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) engine: Engine,
    pub(crate) log: Arc<Mutex<Vec<String>>>,
    pub(crate) folder: tempfile::TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// A server that is open on the loopback.
pub(crate) async fn served() -> Served {
    served_open(|_| {}).await
}

/// The same with other figures.
pub(crate) async fn served_open(change: impl FnOnce(&mut ServerSettings)) -> Served {
    served_with(
        |settings| {
            settings.open_on_loopback = true;
            change(settings);
        },
        |_| {},
    )
    .await
}

/// A server that wants keys.
pub(crate) async fn served_closed() -> Served {
    served_with(|_| {}, |_| {}).await
}

pub(crate) async fn served_with(
    change: impl FnOnce(&mut ServerSettings),
    change_engine: impl FnOnce(&mut Settings),
) -> Served {
    served_over(tempfile::tempdir().unwrap(), change, change_engine).await
}

/// A server over what a folder holds.
pub(crate) async fn served_over(
    folder: tempfile::TempDir,
    change: impl FnOnce(&mut ServerSettings),
    change_engine: impl FnOnce(&mut Settings),
) -> Served {
    let store = Store::open(folder.path()).await.unwrap();
    let mut engine_settings = Settings::default();
    change_engine(&mut engine_settings);
    served_by(Engine::open(store, engine_settings).unwrap(), folder, change).await
}

/// A server over an engine of the test's own.
pub(crate) async fn served_by(
    engine: Engine,
    folder: tempfile::TempDir,
    change: impl FnOnce(&mut ServerSettings),
) -> Served {
    let mut settings = ServerSettings::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    change(&mut settings);
    let log = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&log);
    let write = Arc::new(move |line: &str| lines.lock().unwrap().push(line.to_owned()));
    let server = Server::listen(engine.clone(), settings, write).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async move {
        stopped.await.ok();
    }));
    Served { address, engine, log, folder, stop: Some(stop), running }
}

impl Served {
    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// Ends the only job that waits, as a worker that fails for good does.
    pub(crate) async fn fail_the_job(&self, text: &str) {
        let (lanes, now) = ([Lane::ProveSmall, Lane::ProveMedium], Moment::now());
        let claimant = Claimant {
            worker: "w",
            lanes: &lanes,
            free_bytes: u64::MAX,
            total_bytes: u64::MAX,
            lease: Duration::from_secs(60),
            patience: Duration::from_secs(60),
        };
        let lease = self.store().claim_work(&claimant, now).await.unwrap().unwrap().lease;
        let (kind, code) = (FailureKind::Program, Code(4012));
        let end = AttemptEnd::Failed { kind, code, text, next: Next::Bury };
        self.store().end_attempt(&lease, &end, None, now).await.unwrap();
    }

    /// Asks the server to stop and waits until it has.
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        tokio::time::timeout(Duration::from_secs(20), self.running).await.unwrap().unwrap();
    }

    /// A new key, and its secret.
    pub(crate) async fn key(&self, scopes: &[KeyScope], reach: KeyReach) -> (ApiKey, String) {
        let secret = Secret::fresh().unwrap();
        let new = NewApiKey {
            name: "a test's".to_owned(),
            sha256: secret.sha256(),
            scopes: scopes.to_vec(),
            reach,
        };
        (self.store().record_key(&new).await.unwrap(), secret.reveal().to_owned())
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"").await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.request("GET", path, headers, b"").await
    }

    pub(crate) async fn post_json(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.request("POST", path, &all, body.as_bytes()).await
    }

    /// Sends one request on a connection of its own. A `host` among the headers replaces the right one.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || method == "POST" {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        self.raw(&bytes).await
    }

    /// Sends these bytes and reads until the server closes.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // A server that has refused may close before everything is sent.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap();
        Reply::parse(&answer)
    }
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn parse(bytes: &[u8]) -> Reply {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
            panic!("no head in {:?}", String::from_utf8_lossy(bytes));
        });
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
            body = unchunked(&body);
        }
        Reply { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The code of a problem document, whose status must be the answer's.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text());
        let document = self.json();
        assert_eq!(document["status"], self.status);
        document["code"].as_str().unwrap().to_owned()
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        if size == 0 || bytes.len() < end + 2 + size {
            break;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 2 + size + 2..];
    }
    body
}
