//! One exchange with the server: bounded in time and size, without redirects, the key in its place; and which exchanges
//! are repeated.
//!
//! What reads is repeated when no answer came or the server says that it is busy. What submits is repeated with the same
//! idempotency key, so that it is done once. Everything else is repeated only where the server said that it did nothing.

use std::{fmt, io::Read, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{Response, header},
};

use crate::{ClientError, Key, Problem, ServerAddress, error::shown};

/// The longest answer of JSON.
const MOST_ANSWER: u64 = 64 << 20;

/// The longest problem document.
const MOST_PROBLEM: u64 = 64 << 10;

/// How long a server's wish to be left alone is heeded.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Waits; tests give one that does not.
pub type Pause = Arc<dyn Fn(Duration) + Send + Sync>;

/// Everything that is configured.
#[derive(Clone)]
pub struct Settings {
    /// Where the server is.
    pub server: ServerAddress,
    /// The key; `None` for a server that is open on the loopback.
    pub key: Option<Key>,
    /// How often an exchange is tried in all.
    pub attempts: u32,
    /// The pause after the first try; it doubles with each.
    pub first_pause: Duration,
    /// How long connecting and each answer may take.
    pub answer_time: Duration,
    /// How long sending or receiving a large body may take.
    pub transfer_time: Duration,
    /// How to wait.
    pub pause: Pause,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("server", &self.server)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Settings {
    /// For a server, with everything else as usual: five tries with pauses from half a second, 30 s for an answer,
    /// 15 minutes for a transfer.
    pub fn new(server: ServerAddress, key: Option<Key>) -> Settings {
        Settings {
            server,
            key,
            attempts: 5,
            first_pause: Duration::from_millis(500),
            answer_time: Duration::from_secs(30),
            transfer_time: Duration::from_secs(900),
            pause: Arc::new(std::thread::sleep),
        }
    }
}

/// When an exchange may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It reads, or carries an idempotency key.
    Always,
    /// Only where the server says that it did nothing: 429.
    IfUndone,
}

/// What is sent.
pub(crate) struct Sending<'a> {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: &'a [u8],
    pub(crate) idempotency_key: Option<&'a str>,
}

/// Speaks to one server.
#[derive(Debug)]
pub(crate) struct Transport {
    agent: Agent,
    streams: Agent,
    pub(crate) settings: Settings,
}

/// A random text that makes a second sending of a request the same request.
///
/// # Errors
/// [`ClientError::NoRandomness`].
pub fn fresh_idempotency_key() -> Result<String, ClientError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| ClientError::NoRandomness)?;
    Ok(hexadecimal(&bytes))
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Transport {
        let agent = |receive: Duration| {
            let mut config = Agent::config_builder()
                .timeout_connect(Some(settings.answer_time))
                .timeout_resolve(Some(settings.answer_time))
                .timeout_send_request(Some(settings.answer_time))
                .timeout_send_body(Some(settings.transfer_time))
                .timeout_recv_response(Some(settings.answer_time))
                .timeout_recv_body(Some(receive))
                // The key goes where the operator said and nowhere else.
                .max_redirects(0)
                .max_redirects_will_error(false)
                .http_status_as_error(false)
                .user_agent(concat!("ashlar/", env!("CARGO_PKG_VERSION")));
            if settings.server.is_loopback() {
                config = config.proxy(None);
            }
            config.build().new_agent()
        };
        // A stream that says nothing for long may be dead: it is taken up again.
        let streams = agent(settings.answer_time * 2);
        Transport { agent: agent(settings.transfer_time), streams, settings }
    }

    /// A `GET` whose answer is JSON.
    pub(crate) fn get(&self, path: &str, query: &[(&str, String)]) -> Result<Value, ClientError> {
        self.repeated("GET", path, Repeat::Always, || self.ask(&self.agent, path, query, &[]))
            .and_then(|response| json(&format!("GET {path}"), response))
    }

    /// A `GET` whose answer is bytes, at most `limit`.
    pub(crate) fn bytes(&self, path: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        let response =
            self.repeated("GET", path, Repeat::Always, || self.ask(&self.agent, path, &[], &[]))?;
        body(&format!("GET {path}"), response, limit)
    }

    /// A `POST` whose answer is JSON.
    pub(crate) fn post(
        &self,
        path: &str,
        query: &[(&str, String)],
        sending: Option<&Sending<'_>>,
        repeat: Repeat,
    ) -> Result<Value, ClientError> {
        let send = || {
            let mut request = self.agent.post(format!("{}{path}", self.settings.server));
            for (name, value) in query {
                request = request.query(name, value);
            }
            if let Some(key) = &self.settings.key {
                request = request.header(header::AUTHORIZATION, key.header()?);
            }
            let sent = match sending {
                Some(Sending { media_type, bytes, idempotency_key }) => {
                    request = request.header(header::CONTENT_TYPE, *media_type);
                    if let Some(key) = idempotency_key {
                        request = request.header("idempotency-key", *key);
                    }
                    request.send(*bytes)
                }
                None => request.send_empty(),
            };
            Ok(sent.map_err(|error| reason(&error)))
        };
        let response = self.repeated("POST", path, repeat, send)?;
        json(&format!("POST {path}"), response)
    }

    /// A stream of events, from after the one with this id.
    pub(crate) fn stream(&self, path: &str, after: i64) -> Result<Box<dyn Read + Send>, ClientError> {
        let headers = [("accept", "text/event-stream".to_owned()), ("last-event-id", after.to_string())];
        let response =
            self.repeated("GET", path, Repeat::Always, || self.ask(&self.streams, path, &[], &headers))?;
        let media_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if !media_type.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            let got = shown(media_type.unwrap_or("nothing"));
            return Err(ClientError::Unexpected { place: format!("GET {path}"), got });
        }
        // The one who reads counts.
        Ok(Box::new(response.into_body().into_with_config().limit(u64::MAX).reader()))
    }

    fn ask(
        &self,
        agent: &Agent,
        path: &str,
        query: &[(&str, String)],
        headers: &[(&str, String)],
    ) -> Result<Result<Response<Body>, &'static str>, ClientError> {
        let mut request = agent.get(format!("{}{path}", self.settings.server));
        for (name, value) in query {
            request = request.query(name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(key) = &self.settings.key {
            request = request.header(header::AUTHORIZATION, key.header()?);
        }
        Ok(request.call().map_err(|error| reason(&error)))
    }

    /// Asks until there is an answer that is no passing trouble.
    fn repeated(
        &self,
        verb: &str,
        path: &str,
        repeat: Repeat,
        ask: impl Fn() -> Result<Result<Response<Body>, &'static str>, ClientError>,
    ) -> Result<Response<Body>, ClientError> {
        let place = format!("{verb} {path}");
        let mut pause = self.settings.first_pause;
        for attempt in 1.. {
            let last = attempt >= self.settings.attempts.max(1);
            let wait = match ask()? {
                Ok(response) => match refusal(&place, response) {
                    Ok(response) => return Ok(response),
                    Err(ClientError::Refused(problem)) if !last && is_passing(&problem, repeat) => {
                        problem.retry_after.map_or(pause, Duration::from_secs).min(LONGEST_PAUSE)
                    }
                    Err(error) => return Err(error),
                },
                Err(reason) if last || repeat == Repeat::IfUndone => {
                    return Err(ClientError::Unreachable { place, reason, attempts: attempt });
                }
                Err(_) => pause,
            };
            (self.settings.pause)(wait);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(ClientError::Unreachable { place, reason: "no answer", attempts: self.settings.attempts })
    }
}

/// Whether the same request may succeed a little later.
fn is_passing(problem: &Problem, repeat: Repeat) -> bool {
    match problem.status {
        429 => true,
        502..=504 => repeat == Repeat::Always,
        _ => false,
    }
}

/// The answer, unless it is a refusal.
fn refusal(place: &str, response: Response<Body>) -> Result<Response<Body>, ClientError> {
    let status = response.status().as_u16();
    if (200..300).contains(&status) {
        return Ok(response);
    }
    let number = |name| response.headers().get(name)?.to_str().ok()?.parse().ok();
    let retry_after = number(header::RETRY_AFTER);
    let text = body(place, response, MOST_PROBLEM)?;
    match serde_json::from_slice::<Problem>(&text) {
        Ok(problem) if problem.number() != 0 => {
            Err(ClientError::Refused(Problem { status, retry_after, ..problem }))
        }
        // A proxy's page, say: passing trouble where its status says so.
        _ if matches!(status, 429 | 502..=504) => {
            let detail = format!("{place}: the answer was {status}, and no problem document");
            let code = "ASH-8344".to_owned();
            Err(ClientError::Refused(Problem { status, code, detail, hint: None, retry_after }))
        }
        _ => {
            let got = format!(
                "status {status}: {}",
                shown(&String::from_utf8_lossy(text.get(..200).unwrap_or(&text)))
            );
            Err(ClientError::Unexpected { place: place.to_owned(), got })
        }
    }
}

fn body(place: &str, mut response: Response<Body>, limit: u64) -> Result<Vec<u8>, ClientError> {
    match response.body_mut().with_config().limit(limit).read_to_vec() {
        Ok(bytes) => Ok(bytes),
        Err(ureq::Error::BodyExceedsLimit(_)) => {
            Err(ClientError::Oversized { place: place.to_owned(), limit })
        }
        Err(error) => {
            Err(ClientError::Unreachable { place: place.to_owned(), reason: reason(&error), attempts: 1 })
        }
    }
}

fn json(place: &str, response: Response<Body>) -> Result<Value, ClientError> {
    let bytes = body(place, response, MOST_ANSWER)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| ClientError::Unexpected { place: place.to_owned(), got: error.to_string() })
}

/// JSON as a type.
pub(crate) fn typed<T: DeserializeOwned>(place: &str, value: &Value) -> Result<T, ClientError> {
    T::deserialize(value)
        .map_err(|error| ClientError::Unexpected { place: place.to_owned(), got: shown(&error.to_string()) })
}

/// The library's error in our words.
fn reason(error: &ureq::Error) -> &'static str {
    use std::io::ErrorKind;
    match error {
        ureq::Error::HostNotFound => "the host's name is not known",
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => "no connection in time",
        ureq::Error::Timeout(_) => "the answer did not come in time",
        ureq::Error::Io(io) => match io.kind() {
            ErrorKind::ConnectionRefused => "the connection was refused",
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => {
                "the connection was reset"
            }
            ErrorKind::UnexpectedEof => "the answer broke off",
            ErrorKind::TimedOut | ErrorKind::WouldBlock => "the answer did not come in time",
            _ => "the connection failed",
        },
        ureq::Error::ConnectionFailed => "no connection",
        #[cfg(feature = "tls")]
        ureq::Error::Rustls(_) => "the TLS connection failed",
        ureq::Error::Tls(_) => "the TLS connection failed",
        _ => "the answer is no HTTP",
    }
}
