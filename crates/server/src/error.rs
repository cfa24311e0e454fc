//! What the HTTP side itself refuses: one variant for each way.

use std::{io, net::SocketAddr};

use ashlar_fault::{Code, Exit, Fault};

/// A refusal of the server, before anything of the service was asked, or a start that failed.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Nothing lives at this path.
    #[error("nothing lives at {path}")]
    NoSuchPath {
        /// The path, without its query.
        path: String,
    },
    /// The path exists, but not with this method.
    #[error("{path} does not take {method}; it takes {allowed}")]
    WrongMethod {
        /// The path.
        path: String,
        /// What was asked.
        method: String,
        /// What it takes.
        allowed: String,
    },
    /// The body is longer than this request may be.
    #[error("expected a body of at most {limit} bytes, got more")]
    BodyTooLong {
        /// The bound.
        limit: usize,
    },
    /// The request did not arrive within its time.
    #[error("the request did not arrive within {seconds} s")]
    TooSlow {
        /// The bound.
        seconds: u64,
    },
    /// The connection broke within the body.
    #[error("the body broke off")]
    BodyBroke,
    /// The body is of another kind.
    #[error("expected a body of type {expected}, got {got}")]
    WrongMediaType {
        /// What belongs there.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// A value of the query, the path, a header or the body is missing, unknown, doubled or makes no sense.
    #[error("{place}: {message}")]
    Invalid {
        /// Where.
        place: String,
        /// Expected and got.
        message: String,
    },
    /// There is no key, and none can be done without.
    #[error("a key is needed: send it as Authorization: Bearer ashlar_…")]
    NoKey,
    /// The key is none of ours, or was revoked. Which of the two is not told.
    #[error("this key opens nothing")]
    BadKey,
    /// The key may not do this.
    #[error("this needs a key with the scope {needed}")]
    OutOfScope {
        /// The scope.
        needed: &'static str,
    },
    /// The key sees the jobs that it submitted, and this is about all of them.
    #[error("this needs a key that reaches every job")]
    OutOfReach,
    /// The request was addressed to another host, as one is whose name was made to point here.
    #[error("expected a request to a host that is served here, got {got:?}")]
    ForeignHost {
        /// The `Host` header.
        got: String,
    },
    /// A page of another origin sent the request.
    #[error("a page of another origin may not do this: {got:?}")]
    ForeignOrigin {
        /// The `Origin` header, or what the browser said of it.
        got: String,
    },
    /// A browser's request that changes something came without the page's token.
    #[error("the page's token is missing or old: load the page again")]
    NoToken,
    /// Too many requests of one caller.
    #[error("too many requests: try again in {seconds} s")]
    TooManyRequests {
        /// When to try again.
        seconds: u64,
    },
    /// Too many event streams are open.
    #[error("{open} event streams are open, which is the most there may be")]
    TooManyStreams {
        /// How many.
        open: usize,
    },
    /// Bodies of other requests take as much memory as bodies may.
    #[error("bodies of other requests take all {bytes} bytes of memory that there are for them")]
    BodiesHeld {
        /// The bound.
        bytes: usize,
    },
    /// No artefact has this content, or none in reach.
    #[error("no artefact has the hash {given}")]
    NoSuchArtefact {
        /// What was asked for.
        given: String,
    },
    /// There is nothing to draw as yet.
    #[error("there is no such picture of {subject}: {why}")]
    NoPicture {
        /// The job.
        subject: String,
        /// Why.
        why: &'static str,
    },
    /// Handling a request broke.
    #[error("the request broke an internal task")]
    Broken,
    /// The records or the queue do not answer.
    #[error("not ready: {why}")]
    NotReady {
        /// Which part.
        why: String,
    },
    /// The address of a collector cannot be used.
    #[error("expected {expected} as the collector's address, got {got:?}")]
    Collector {
        /// What was given.
        got: String,
        /// What would be right.
        expected: &'static str,
    },
    /// The secret of the path of webhooks cannot be used. What was given is not shown.
    #[error(
        "expected 32 to 128 letters, digits, hyphens and underscores as the secret of the webhooks' path, got {got}"
    )]
    WebhookSecret {
        /// What is wrong with it, in words that hold nothing of it.
        got: String,
    },
    /// Another process listens there.
    #[error("another process listens at {address}")]
    AddressInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    CannotListen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Being open without a key is for the loopback only.
    #[error("expected an address of this machine's loopback to be open without a key, got {address}")]
    OpenToOthers {
        /// The address.
        address: SocketAddr,
    },
}

impl ServerError {
    /// When the same request may succeed, in seconds.
    pub(crate) fn retry_after(&self) -> Option<u64> {
        match self {
            ServerError::TooManyRequests { seconds } => Some(*seconds),
            ServerError::BodiesHeld { .. } => Some(1),
            ServerError::TooManyStreams { .. } => Some(10),
            _ => None,
        }
    }
}

impl Fault for ServerError {
    fn code(&self) -> Code {
        Code(match self {
            ServerError::NoSuchPath { .. } => 8300,
            ServerError::WrongMethod { .. } => 8301,
            ServerError::BodyTooLong { .. } => 8302,
            ServerError::TooSlow { .. } => 8303,
            ServerError::BodyBroke => 8304,
            ServerError::WrongMediaType { .. } => 8305,
            ServerError::Invalid { .. } => 8306,
            ServerError::NoKey => 8307,
            ServerError::BadKey => 8308,
            ServerError::OutOfScope { .. } | ServerError::OutOfReach => 8309,
            ServerError::ForeignHost { .. } => 8310,
            ServerError::ForeignOrigin { .. } => 8311,
            ServerError::NoToken => 8312,
            ServerError::TooManyRequests { .. } => 8313,
            ServerError::TooManyStreams { .. } => 8314,
            ServerError::NoSuchArtefact { .. } => 8315,
            ServerError::NoPicture { .. } => 8316,
            ServerError::Broken => 8317,
            ServerError::NotReady { .. } => 8318,
            ServerError::AddressInUse { .. } => 8319,
            ServerError::CannotListen { .. } => 8320,
            ServerError::OpenToOthers { .. } => 8321,
            ServerError::Collector { .. } => 8324,
            ServerError::BodiesHeld { .. } => 8325,
            ServerError::WebhookSecret { .. } => 8326,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            ServerError::Broken => Exit::Bug,
            ServerError::TooManyRequests { .. }
            | ServerError::TooManyStreams { .. }
            | ServerError::BodiesHeld { .. } => Exit::Capacity,
            ServerError::NotReady { .. }
            | ServerError::AddressInUse { .. }
            | ServerError::CannotListen { .. } => Exit::Environment,
            _ => Exit::Usage,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            ServerError::NoKey | ServerError::BadKey => {
                "make a key on the machine that serves: ashlar keys create NAME".to_owned()
            }
            ServerError::OutOfScope { needed } => {
                format!("make a key that may: ashlar keys create NAME --scopes {needed}")
            }
            ServerError::OutOfReach => "make a key that may: ashlar keys create NAME --all-jobs".to_owned(),
            ServerError::ForeignHost { .. } => {
                "name the host when serving: ashlar serve --host-name NAME".to_owned()
            }
            ServerError::AddressInUse { .. } => {
                "choose another port: ashlar serve --listen 127.0.0.1:PORT".to_owned()
            }
            ServerError::WebhookSecret { .. } => "make one: openssl rand -hex 32".to_owned(),
            ServerError::OpenToOthers { .. } => {
                "leave out --open-on-loopback and make a key: ashlar keys create NAME".to_owned()
            }
            _ => return None,
        })
    }
}
