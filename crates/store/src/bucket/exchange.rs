//! One request and its answer, by the HTTP library of everything else here: bounded in time and in size, without
//! redirects, and judged before anybody else reads it.
//!
//! `ureq` waits where it is called, so each exchange has a thread of the runtime's pool for that. A body arrives in pieces
//! through a channel of a few: a large object is never in memory as a whole, however slowly it is taken.

use std::{
    io::{ErrorKind, Read as _},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody,
        HttpService,
    },
};
use tokio::sync::{mpsc, oneshot};
use ureq::{
    Agent,
    http::{Method, Request, StatusCode},
};

/// To find and reach the server.
const CONNECT: Duration = Duration::from_secs(5);

/// Until an answer begins.
const ANSWER: Duration = Duration::from_secs(30);

/// For the content of an object, either way.
const CONTENT: Duration = Duration::from_secs(900);

/// For a whole exchange that others wait for.
pub(super) const BRISK: Duration = Duration::from_secs(8);

/// The largest answer that is no object: a page of a listing has 1000 names of at most 1024 bytes, which may be escaped.
const MOST_LISTING: u64 = 16 << 20;

/// How much of an answer that says no is read.
const MOST_REFUSAL: u64 = 64 << 10;

/// Bytes of a body that are read at once.
const PIECE: usize = 64 << 10;

/// Pieces that may wait to be taken.
const AHEAD: usize = 4;

/// Why an exchange did not succeed, in our own words: what a server says may repeat what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    /// It may succeed later.
    #[error("{0}")]
    Unreachable(&'static str),
    /// It will not, until somebody changes something.
    #[error("{0}")]
    Refused(&'static str),
}

/// Speaks to one server.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    agent: Agent,
}

impl Exchange {
    /// For an endpoint; `whole` bounds an exchange from beginning to end.
    pub(super) fn with(endpoint: Option<&str>, whole: Option<Duration>) -> Exchange {
        let mut config = Agent::config_builder()
            .timeout_global(whole)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_send_request(Some(ANSWER))
            .timeout_send_body(Some(CONTENT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(CONTENT))
            // What is signed goes where the operator said, and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("ashlar/", env!("CARGO_PKG_VERSION")));
        if endpoint.is_some_and(is_loopback) {
            config = config.proxy(None);
        }
        Exchange { agent: config.build().new_agent() }
    }
}

fn is_loopback(endpoint: &str) -> bool {
    let authority = endpoint.split_once("://").map_or(endpoint, |(_, authority)| authority);
    authority.starts_with("127.") || authority.starts_with("[::1]") || authority.starts_with("localhost")
}

impl HttpConnector for Exchange {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait::async_trait]
impl HttpService for Exchange {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let agent = self.agent.clone();
        let (answered, answer) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            perform(&agent, Request::from_parts(parts, body), answered);
        });
        // A task that ends without an answer has panicked.
        answer.await.unwrap_or_else(|_| Err(unreachable(HttpErrorKind::Unknown, "the exchange broke off")))
    }
}

/// Makes the exchange, and hands the body on for as long as somebody takes it.
fn perform(
    agent: &Agent,
    request: Request<Bytes>,
    answered: oneshot::Sender<Result<HttpResponse, HttpError>>,
) {
    let is_object = *request.method() == Method::GET && request.uri().query().is_none();
    let sent = match *request.method() {
        Method::GET | Method::HEAD | Method::DELETE => agent.run(request.map(drop)),
        _ => {
            let (parts, body) = request.into_parts();
            agent.run(Request::from_parts(parts, &body[..]))
        }
    };
    let (parts, body) = match sent {
        Ok(response) => response.into_parts(),
        Err(error) => return drop(answered.send(Err(failure(&error)))),
    };
    if !parts.status.is_success() {
        let mut words = Vec::new();
        // Its status says no, whether or not the rest of it arrives.
        let _ = body.into_with_config().limit(MOST_REFUSAL).reader().read_to_end(&mut words);
        let told = match judge(parts.status, &words) {
            Some(error) => Err(error),
            None => Ok(HttpResponse::from_parts(parts, HttpResponseBody::from(Bytes::new()))),
        };
        return drop(answered.send(told));
    }
    let mut reader = body.into_with_config().limit(if is_object { u64::MAX } else { MOST_LISTING }).reader();
    let (pieces, arriving) = mpsc::channel(AHEAD);
    let response = HttpResponse::from_parts(parts, HttpResponseBody::new(Arriving(arriving)));
    if answered.send(Ok(response)).is_err() {
        return;
    }
    loop {
        let mut piece = vec![0; PIECE];
        let read = match reader.read(&mut piece) {
            Ok(0) => return,
            Ok(read) => {
                piece.truncate(read);
                Ok(Bytes::from(piece))
            }
            Err(error) => Err(broken(&error)),
        };
        let is_over = read.is_err();
        if pieces.blocking_send(read).is_err() || is_over {
            return;
        }
    }
}

/// A body that arrives.
struct Arriving(mpsc::Receiver<Result<Bytes, HttpError>>);

impl Body for Arriving {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

/// What a server means that says no; `None` if there is no such object.
fn judge(status: StatusCode, answer: &[u8]) -> Option<HttpError> {
    let code = code_in(answer);
    let refused = |words| Some(HttpError::new(HttpErrorKind::Unknown, Trouble::Refused(words)));
    match code {
        "NoSuchBucket" => return refused("there is no such bucket"),
        "InvalidAccessKeyId" => return refused("the access key is not known there"),
        "SignatureDoesNotMatch" => return refused("the secret key does not fit the access key"),
        "ExpiredToken" | "InvalidToken" => return refused("the session token is not valid any more"),
        "RequestTimeTooSkewed" => return refused("the clocks of this machine and of the server differ"),
        "AuthorizationHeaderMalformed" | "PermanentRedirect" => return refused("the region is another one"),
        _ => {}
    }
    match status.as_u16() {
        404 => None,
        401 | 403 => refused("access is denied"),
        300..=399 => refused("the server sends callers elsewhere: another region or endpoint"),
        413 => refused("the object is too large for the server"),
        507 => refused("the server has no space left"),
        // These were not performed; `Request` says that they may be sent again.
        408 | 429 => Some(unreachable(HttpErrorKind::Request, "the server asks for patience")),
        500..=599 => Some(unreachable(HttpErrorKind::Request, "the server failed")),
        _ => refused("the server does not take the request"),
    }
}

/// The code in an answer of the form `<Error><Code>NoSuchBucket</Code>…`; empty if there is none.
fn code_in(answer: &[u8]) -> &str {
    let text = match std::str::from_utf8(answer) {
        Ok(text) => text,
        Err(error) => {
            std::str::from_utf8(answer.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default()
        }
    };
    let code = text.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map_or("", |(code, _)| code)
}

fn unreachable(kind: HttpErrorKind, words: &'static str) -> HttpError {
    HttpError::new(kind, Trouble::Unreachable(words))
}

/// The library's error in our words: its own can hold an address.
fn failure(error: &ureq::Error) -> HttpError {
    match error {
        ureq::Error::HostNotFound => unreachable(HttpErrorKind::Connect, "the host's name is not known"),
        ureq::Error::ConnectionFailed => unreachable(HttpErrorKind::Connect, "no connection"),
        ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => {
            unreachable(HttpErrorKind::Connect, "no connection in time")
        }
        ureq::Error::Timeout(_) => unreachable(HttpErrorKind::Timeout, "no answer in time"),
        ureq::Error::Tls(_) => HttpError::new(HttpErrorKind::Unknown, Trouble::Refused("no TLS connection")),
        ureq::Error::Io(error) => broken(error),
        _ => unreachable(HttpErrorKind::Interrupted, "the answer is no HTTP"),
    }
}

/// A connection that failed, or broke in the middle of an answer.
fn broken(error: &std::io::Error) -> HttpError {
    match error.kind() {
        ErrorKind::ConnectionRefused => unreachable(HttpErrorKind::Connect, "the connection was refused"),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => {
            unreachable(HttpErrorKind::Timeout, "no answer in time")
        }
        _ => unreachable(HttpErrorKind::Interrupted, "the connection broke off"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a judgement says, if it says anything.
    fn words(status: u16, answer: &str) -> Option<Trouble> {
        let error = judge(StatusCode::from_u16(status).unwrap(), answer.as_bytes())?;
        let source = std::error::Error::source(&error).unwrap();
        Some(*source.downcast_ref::<Trouble>().unwrap())
    }

    #[test]
    fn an_answer_that_says_no_is_told_in_our_words() {
        let echo = "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>";
        assert_eq!(words(403, echo), Some(Trouble::Refused("the secret key does not fit the access key")));
        assert_eq!(words(403, ""), Some(Trouble::Refused("access is denied")));
        assert_eq!(words(403, "<Code>AKIA1"), Some(Trouble::Refused("access is denied")));
        assert_eq!(words(404, "<Code>NoSuchKey</Code>"), None);
        assert_eq!(
            words(404, "<Code>NoSuchBucket</Code>"),
            Some(Trouble::Refused("there is no such bucket"))
        );
        assert_eq!(words(503, "<Code>SlowDown</Code>"), Some(Trouble::Unreachable("the server failed")));
        assert_eq!(words(429, ""), Some(Trouble::Unreachable("the server asks for patience")));
        assert!(matches!(words(301, ""), Some(Trouble::Refused(_))));
        assert!(matches!(words(400, "<Code>ExpiredToken</Code>"), Some(Trouble::Refused(_))));
    }

    #[test]
    fn an_answer_that_is_no_text_has_no_code() {
        assert_eq!(code_in(b"\xff<Code>NoSuchBucket</Code>"), "");
        assert_eq!(code_in(b"<Code>NoSuchBucket</Code>\xff"), "NoSuchBucket");
    }
}
