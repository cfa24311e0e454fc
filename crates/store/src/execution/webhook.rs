//! An order as an HTTP POST, with its key in the header `Idempotency-Key`.

use std::time::Duration;

use serde_json::{Value, json};
use ureq::{Agent, http::StatusCode};

use super::{ExecutionError, ExecutionPort, Failure, Order};

/// The whole exchange ends within this, well before the lease of an execution runs out.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of an answer is kept.
const MOST_ANSWER: u64 = 4096;

/// Sends orders to one address.
#[derive(Clone, Debug)]
pub struct Webhook {
    agent: Agent,
    address: String,
    repeatable: bool,
}

impl Webhook {
    /// For this `http://` or `https://` address. `repeatable` promises that the receiver recognises the key of an
    /// order it has already performed.
    ///
    /// # Errors
    /// [`ExecutionError::Address`], [`ExecutionError::NoTls`].
    pub fn new(address: &str, repeatable: bool) -> Result<Webhook, ExecutionError> {
        let unusable = |expected| Err(ExecutionError::Address { got: address.to_owned(), expected });
        match address.split_once("://") {
            Some(("http", host)) if !host.is_empty() => {}
            Some(("https", host)) if !host.is_empty() => {
                if !cfg!(feature = "tls") {
                    return Err(ExecutionError::NoTls { got: address.to_owned() });
                }
            }
            _ => return unusable("expected http:// or https:// and a host"),
        }
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            // An order goes where the operator said, and nowhere else.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(concat!("ashlar/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Ok(Webhook { agent, address: address.to_owned(), repeatable })
    }
}

impl ExecutionPort for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn destination(&self) -> &str {
        &self.address
    }

    fn is_rehearsal(&self) -> bool {
        false
    }

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn perform(&self, order: &Order) -> Result<Value, Failure> {
        let sent = self
            .agent
            .post(&self.address)
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &order.key)
            .send(order.body.to_string());
        let mut response = sent.map_err(|error| failure(&error))?;
        let status = response.status();
        let answer = response.body_mut().with_config().limit(MOST_ANSWER).lossy_utf8(true).read_to_string();
        // The status has decided; an answer that breaks off does not undo what it says.
        let answer = answer.unwrap_or_default();
        match judge(status) {
            Judgement::Performed => Ok(json!({ "http_status": status.as_u16(), "answer": answer })),
            Judgement::TryLater => Err(Failure::NotSent(format!("HTTP {status}"))),
            Judgement::Refused => Err(Failure::Refused(format!("HTTP {status}: {answer}"))),
            Judgement::Unclear => Err(Failure::InDoubt(format!("HTTP {status}: {answer}"))),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    Performed,
    TryLater,
    Refused,
    Unclear,
}

/// What a status says about whether the order was performed.
fn judge(status: StatusCode) -> Judgement {
    match status.as_u16() {
        200..=299 => Judgement::Performed,
        // Turned away before it was looked at.
        425 | 429 => Judgement::TryLater,
        // Given up while it was looked at, or an earlier attempt is still being looked at.
        408 | 409 => Judgement::Unclear,
        300..=499 => Judgement::Refused,
        _ => Judgement::Unclear,
    }
}

/// What an exchange without an answer says.
fn failure(error: &ureq::Error) -> Failure {
    let reason = error.to_string();
    match error {
        ureq::Error::BadUri(_)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => Failure::NotSent(reason),
        // The receiver answered, and not by performing it.
        ureq::Error::RedirectFailed | ureq::Error::TooManyRedirects => Failure::Refused(reason),
        ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused => Failure::NotSent(reason),
        _ => Failure::InDoubt(reason),
    }
}

#[cfg(test)]
mod tests {
    use ashlar_fault::Fault as _;

    use super::*;

    #[test]
    fn addresses_that_cannot_be_used_are_refused() {
        for address in ["", "example.org", "ftp://example.org", "http://", "https://"] {
            assert!(matches!(Webhook::new(address, false), Err(ExecutionError::Address { .. })), "{address}");
        }
        assert!(Webhook::new("http://localhost:1", false).is_ok());
        let secure = Webhook::new("https://example.org", false);
        if cfg!(feature = "tls") {
            assert!(secure.is_ok());
        } else {
            let error = secure.unwrap_err();
            assert!(matches!(error, ExecutionError::NoTls { .. }), "{error}");
            assert!(error.hint().is_some_and(|hint| hint.contains("--features tls")));
        }
    }

    #[test]
    fn only_an_answer_that_excludes_execution_allows_another_attempt() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap());
        assert_eq!(judged(204), Judgement::Performed);
        assert_eq!(judged(429), Judgement::TryLater);
        for refused in [301, 400, 401, 404, 422] {
            assert_eq!(judged(refused), Judgement::Refused, "{refused}");
        }
        for unclear in [408, 409, 500, 502, 504] {
            assert_eq!(judged(unclear), Judgement::Unclear, "{unclear}");
        }
    }

    #[test]
    fn a_refused_connection_means_that_nothing_was_sent() {
        // A port that was just free: nobody listens there.
        let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let webhook = Webhook::new(&format!("http://{address}/"), false).unwrap();
        let failure = webhook.perform(&Order { key: "0x1".to_owned(), body: json!({}) }).unwrap_err();
        assert!(matches!(failure, Failure::NotSent(_)), "{failure:?}");
    }
}
