//! What can go wrong between a caller and a server: one variant for each way.

use std::fmt;

use ashlar_fault::{Code, Exit, Fault};
use serde::Deserialize;

/// The most characters of a server's words that are repeated.
const MOST_WORDS: usize = 1000;

/// A problem document (RFC 9457), as the server sent it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, such as `ASH-8201`.
    pub code: String,
    /// What was expected and what was got.
    pub detail: String,
    /// What to do, if the server knows.
    #[serde(default)]
    pub hint: Option<String>,
    /// After how many seconds trying again makes sense.
    #[serde(skip)]
    pub retry_after: Option<u64>,
}

/// Safe to show: control characters are escaped, and it ends.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.detail))
    }
}

/// A text from elsewhere, safe to show.
pub(crate) fn shown(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().take(MOST_WORDS).map(escaped).collect()
}

impl Problem {
    /// The number of its code; 0 for one that is none of ours.
    pub fn number(&self) -> u16 {
        self.code.strip_prefix("ASH-").and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }
}

/// A failure of a call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot be used.
    #[error("expected {expected}, got {got:?} as the server's address")]
    Address {
        /// The address, without secrets.
        got: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The address needs TLS, which this build lacks.
    #[error("{got} needs TLS, which this build does not have")]
    NoTls {
        /// The address.
        got: String,
    },
    /// The key cannot be used.
    #[error("the key cannot be used: {why}")]
    Key {
        /// Why, without the key.
        why: String,
    },
    /// No answer came, after so many tries.
    #[error("{place}: {reason}, after {attempts} attempts")]
    Unreachable {
        /// The request.
        place: String,
        /// Why.
        reason: &'static str,
        /// How often it was tried.
        attempts: u32,
    },
    /// The answer is not of this API.
    #[error("{place}: expected an answer of this API, got {got}")]
    Unexpected {
        /// The request.
        place: String,
        /// What came.
        got: String,
    },
    /// The answer is longer than any should be.
    #[error("{place}: expected an answer of at most {limit} bytes, got more")]
    Oversized {
        /// The request.
        place: String,
        /// The bound.
        limit: u64,
    },
    /// The bytes of an artefact are not those of its hash.
    #[error("expected an artefact with the SHA-256 {expected}, got {got}")]
    Altered {
        /// What was asked for.
        expected: String,
        /// What came.
        got: String,
    },
    /// The beginning of an id that several jobs have.
    #[error("expected the id of one job, got {given:?}, with which {count} begin, such as {first}")]
    Ambiguous {
        /// What was given.
        given: String,
        /// How many jobs.
        count: usize,
        /// One of them.
        first: String,
    },
    /// A text that cannot be an id.
    #[error("expected an id of letters, digits and _, got {given:?}")]
    NoId {
        /// What was given.
        given: String,
    },
    /// The server refused.
    #[error("{0}")]
    Refused(Problem),
    /// This system gives no random numbers, of which idempotency keys are made.
    #[error("the system gives no random numbers")]
    NoRandomness,
}

impl Fault for ClientError {
    fn code(&self) -> Code {
        match self {
            ClientError::Address { .. } => Code(8340),
            ClientError::NoTls { .. } => Code(8341),
            ClientError::Key { .. } => Code(8342),
            ClientError::Unreachable { .. } => Code(8343),
            ClientError::Unexpected { .. } => Code(8344),
            ClientError::Oversized { .. } => Code(8345),
            ClientError::Altered { .. } => Code(8346),
            ClientError::NoRandomness => Code(8347),
            ClientError::Ambiguous { .. } => Code(8348),
            ClientError::NoId { .. } => Code(8349),
            ClientError::Refused(problem) => Code(problem.number()),
        }
    }

    /// The class that the same refusal has without a server between, as far as the status tells it.
    fn exit(&self) -> Exit {
        match self {
            ClientError::Address { .. } | ClientError::Ambiguous { .. } | ClientError::NoId { .. } => {
                Exit::Usage
            }
            ClientError::NoTls { .. } | ClientError::Key { .. } | ClientError::NoRandomness => {
                Exit::Environment
            }
            ClientError::Refused(problem) => match problem.status {
                409 => Exit::Negative,
                401 | 403 => Exit::Environment,
                429 => Exit::Capacity,
                400..=499 => Exit::Usage,
                _ => Exit::Backend,
            },
            _ => Exit::Backend,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ClientError::NoTls { .. } => {
                "build with --features tls, or reach the server through a tunnel: ssh -L 8155:127.0.0.1:8155 HOST".to_owned()
            }
            ClientError::Key { .. } => {
                "put the key into ASHLAR_KEY or a file named by --key-file; ashlar keys create NAME makes one, where the \
                 server runs"
                    .to_owned()
            }
            ClientError::Unreachable { .. } => "see whether the server runs: ashlar serve".to_owned(),
            ClientError::Refused(problem) => return problem.hint.as_deref().map(shown),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: &str) -> ClientError {
        let (code, detail) = (code.to_owned(), "no\u{1b}[2J".to_owned());
        ClientError::Refused(Problem { status, code, detail, hint: None, retry_after: None })
    }

    #[test]
    fn a_refusal_keeps_its_code_and_ends_as_it_would_without_a_server_between() {
        for (status, exit) in [
            (400, Exit::Usage),
            (401, Exit::Environment),
            (404, Exit::Usage),
            (409, Exit::Negative),
            (429, Exit::Capacity),
            (500, Exit::Backend),
            (503, Exit::Backend),
        ] {
            let error = refused(status, "ASH-8201");
            assert_eq!((error.code(), error.exit()), (Code(8201), exit), "{status}");
        }
        assert_eq!(refused(400, "E42").code(), Code(0));
    }

    #[test]
    fn a_server_cannot_drive_a_terminal() {
        assert_eq!(refused(400, "ASH-8306").to_string(), "no\\u{1b}[2J");
    }
}
