//! What can go wrong with the service: one variant for each way.

use std::{io, path::PathBuf, time::Duration};

use ashlar_fault::{Code, Exit, Fault};

use crate::{
    answer::Infrastructure,
    class::Class,
    form::FormFault,
    vocabulary::{ErrorCode, JobSize, QueryStatus},
    wire::QueryId,
};

/// An error of the client. No variant holds the key, or an address with a query in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that cannot be used.
    #[error("the address {got} cannot be used: expected {expected}")]
    Address {
        /// What was given, without what could be a secret.
        got: String,
        /// What would be right.
        expected: &'static str,
    },
    /// An address with `https` in a build that has no TLS.
    #[error("this build has no TLS, which {got} needs")]
    NoTls {
        /// The address.
        got: String,
    },
    /// A key that cannot be one. The key itself is not repeated.
    #[error("the key cannot be used: expected 8 to 512 printable ASCII characters, got {got}")]
    Key {
        /// What is wrong with it.
        got: &'static str,
    },
    /// A form that the service would refuse.
    #[error(transparent)]
    Form(#[from] FormFault),
    /// A file that is to be uploaded cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file changed between its digest and its upload.
    #[error("{} changed while it was uploaded", path.display())]
    UploadChanged {
        /// The file.
        path: PathBuf,
    },
    /// No answer.
    #[error("{place}: no answer: {reason}")]
    Unreachable {
        /// The request, as method and path without parameters.
        place: &'static str,
        /// What happened to it.
        reason: &'static str,
    },
    /// An answer of something that stands before the service.
    #[error("{place}: expected an answer of the service, got status {status} with {got}")]
    Infrastructure {
        /// The request.
        place: &'static str,
        /// The status.
        status: u16,
        /// The form of the body.
        got: Infrastructure,
    },
    /// An answer that is larger than any answer of its kind may be.
    #[error("{place}: expected an answer of at most {limit} bytes, got more")]
    Oversized {
        /// The request.
        place: &'static str,
        /// The limit.
        limit: u64,
    },
    /// JSON that is not what the contract says.
    #[error("{place}: the answer cannot be read: {reason}")]
    UnexpectedAnswer {
        /// The request.
        place: &'static str,
        /// What is wrong, in the parser's words.
        reason: String,
    },
    /// The service refused, with a code.
    #[error("{place}: the service refuses with status {status} and {code}{}", more(.said))]
    Refused {
        /// The request.
        place: &'static str,
        /// The status.
        status: u16,
        /// The code.
        code: ErrorCode,
        /// The class of the code.
        class: Class,
        /// What else the body said.
        said: Option<String>,
    },
    /// A submission was sent, and nothing says whether it arrived.
    #[error(
        "nobody can say whether the submission {dedup_id} was accepted: {attempts} attempts in {waited:?}"
    )]
    InDoubt {
        /// The deduplication id, by which it is found later.
        dedup_id: String,
        /// How many requests were sent.
        attempts: u32,
        /// How long it took.
        waited: Duration,
        /// The last failure.
        source: Box<Error>,
    },
    /// Retries ran out.
    #[error("gave up after {attempts} attempts in {waited:?}")]
    GaveUp {
        /// How many requests were sent.
        attempts: u32,
        /// How long it took.
        waited: Duration,
        /// The last failure.
        source: Box<Error>,
    },
    /// The deduplication id is taken, and no query has it.
    #[error("the deduplication id {dedup_id} is taken, but no query is found by it")]
    Unexplained {
        /// The id.
        dedup_id: String,
    },
    /// The query found by a deduplication id is not the one that was to be submitted.
    #[error("query {query} has our deduplication id but another {field}: expected {expected}, got {got}")]
    Foreign {
        /// The query.
        query: QueryId,
        /// What differs.
        field: &'static str,
        /// What was to be submitted.
        expected: String,
        /// What the query has.
        got: String,
    },
    /// The query is not over in time.
    #[error("query {query} is not over after {waited:?}: it is {status}")]
    Deadline {
        /// The query.
        query: QueryId,
        /// How long was waited.
        waited: Duration,
        /// Where it stands.
        status: QueryStatus,
    },
    /// The caller asked to stop waiting.
    #[error("waiting for query {query} was stopped")]
    Stopped {
        /// The query, which goes on.
        query: QueryId,
    },
    /// The query failed.
    #[error("query {query} failed: {reason}")]
    JobFailed {
        /// The query.
        query: QueryId,
        /// The class of the reason.
        class: Class,
        /// The size that was declared.
        declared: Option<JobSize>,
        /// The reason, in the service's words.
        reason: String,
    },
    /// A query that is not over was judged.
    #[error("query {query} is not over: it is {status}")]
    NotOver {
        /// The query.
        query: QueryId,
        /// Where it stands.
        status: QueryStatus,
    },
    /// A fact or output that is not the one computed before the submission.
    #[error("FACT_MISMATCH: query {query} has another {what}: expected {expected}, got {got}")]
    FactMismatch {
        /// The query.
        query: QueryId,
        /// Which.
        what: &'static str,
        /// What was computed.
        expected: String,
        /// What came back.
        got: String,
    },
    /// The query is about another program.
    #[error("query {query} is about another program: expected {expected}, got {got}")]
    OtherProgram {
        /// The query.
        query: QueryId,
        /// The program's hash.
        expected: String,
        /// The hash that came back.
        got: String,
    },
    /// A pretended fact or proof.
    #[error("query {query} has a mocked {what}, which proves nothing")]
    Mocked {
        /// The query.
        query: QueryId,
        /// Which.
        what: &'static str,
    },
    /// A bootloader that nobody here has accepted.
    #[error("query {query} was run by the bootloader {got}, which is not in the list of accepted ones")]
    UnknownBootloader {
        /// The query.
        query: QueryId,
        /// Its program hash.
        got: String,
    },
    /// An artefact is not there.
    #[error("the artefact {name} is not there after {attempts} attempts")]
    ArtefactMissing {
        /// Its file name.
        name: String,
        /// How many requests were sent.
        attempts: u32,
    },
    /// An artefact's address leads to a host that is not configured.
    #[error("the artefact address {got} is not below any configured artefact host")]
    ArtefactHost {
        /// The address, without its query.
        got: String,
    },
    /// An artefact is larger than allowed.
    #[error("the artefact {name} is larger than {limit} bytes")]
    ArtefactTooLarge {
        /// Its file name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// An artefact is cut off.
    #[error("the artefact {name} is broken: expected {expected}, got {got}")]
    ArtefactBroken {
        /// Its file name.
        name: String,
        /// What a whole one has.
        expected: &'static str,
        /// What came.
        got: String,
    },
    /// An artefact cannot be written here.
    #[error("{} cannot be written", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document that is no OpenAPI document.
    #[error("the contract document cannot be read: {reason}")]
    ContractDocument {
        /// What is wrong.
        reason: String,
    },
    /// The service's contract is not the one this client was written against.
    #[error("the contract differs from what this client assumes: {missing} missing, {changed} changed")]
    ContractDiffers {
        /// How many assumptions are not met.
        missing: usize,
        /// How many are met in another way.
        changed: usize,
    },
    /// A table of prices that makes no sense.
    #[error("the price table cannot be read: {reason}")]
    Prices {
        /// What is wrong.
        reason: String,
    },
    /// A webhook's body that is no event about a known query.
    #[error("the webhook cannot be read: {reason}")]
    Webhook {
        /// What is wrong.
        reason: String,
    },
}

fn more(said: &Option<String>) -> String {
    said.as_ref().map_or_else(String::new, |said| format!(" ({said})"))
}

impl Error {
    /// The class of the failure, which says what to do about it: [`Class::reaction`].
    pub fn class(&self) -> Class {
        match self {
            Error::Refused { class, .. } | Error::JobFailed { class, .. } => *class,
            Error::Form(_) => Class::CallerBug,
            Error::Unreachable { .. } | Error::Infrastructure { .. } => Class::Network,
            Error::InDoubt { source, .. } | Error::GaveUp { source, .. } => source.class(),
            Error::UnexpectedAnswer { .. } | Error::Oversized { .. } | Error::ContractDiffers { .. } => {
                Class::ContractDrift
            }
            Error::Unexplained { .. } => Class::Server,
            Error::Foreign { .. }
            | Error::FactMismatch { .. }
            | Error::OtherProgram { .. }
            | Error::Mocked { .. }
            | Error::UnknownBootloader { .. }
            | Error::ArtefactHost { .. }
            | Error::ArtefactTooLarge { .. } => Class::Evidence,
            Error::ArtefactMissing { .. } | Error::ArtefactBroken { .. } => Class::Server,
            Error::Address { .. }
            | Error::NoTls { .. }
            | Error::Key { .. }
            | Error::Unreadable { .. }
            | Error::UploadChanged { .. }
            | Error::Deadline { .. }
            | Error::Stopped { .. }
            | Error::NotOver { .. }
            | Error::Unwritable { .. }
            | Error::ContractDocument { .. }
            | Error::Prices { .. }
            | Error::Webhook { .. } => Class::Local,
        }
    }

    /// Whether the same request may succeed after a pause.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Error::Refused { .. } | Error::Unreachable { .. } | Error::Infrastructure { .. })
            && matches!(self.class(), Class::Server | Class::Network)
    }
}

impl Fault for Error {
    fn code(&self) -> Code {
        Code(match self {
            Error::Address { .. } => 8101,
            Error::NoTls { .. } => 8102,
            Error::Key { .. } => 8103,
            Error::Form(_) => 8104,
            Error::Unreadable { .. } => 8105,
            Error::UploadChanged { .. } => 8106,
            Error::Unreachable { .. } => 8107,
            Error::Infrastructure { .. } => 8108,
            Error::Oversized { .. } => 8109,
            Error::UnexpectedAnswer { .. } => 8110,
            Error::Refused { class, .. } => match class {
                Class::CallerBug => 8111,
                Class::ContractDrift => 8112,
                Class::Account => 8113,
                Class::Money => 8114,
                Class::Payment => 8115,
                Class::NotFound => 8116,
                Class::Server => 8117,
                _ => 8118,
            },
            Error::InDoubt { .. } => 8119,
            Error::GaveUp { .. } => 8120,
            Error::Unexplained { .. } => 8121,
            Error::Foreign { .. } => 8122,
            Error::Deadline { .. } => 8123,
            Error::Stopped { .. } => 8124,
            Error::JobFailed { class, .. } => match class {
                Class::JobOutOfMemory => 8125,
                Class::JobMachineMismatch => 8126,
                _ => 8127,
            },
            Error::NotOver { .. } => 8128,
            Error::FactMismatch { .. } => 8130,
            Error::OtherProgram { .. } => 8131,
            Error::Mocked { .. } => 8132,
            Error::UnknownBootloader { .. } => 8133,
            Error::ArtefactMissing { .. } => 8140,
            Error::ArtefactHost { .. } => 8141,
            Error::ArtefactTooLarge { .. } => 8142,
            Error::ArtefactBroken { .. } => 8143,
            Error::Unwritable { .. } => 8144,
            Error::ContractDocument { .. } => 8150,
            Error::ContractDiffers { .. } => 8151,
            Error::Prices { .. } => 8152,
            Error::Webhook { .. } => 8153,
        })
    }

    fn exit(&self) -> Exit {
        match self {
            Error::Form(_) | Error::ContractDocument { .. } | Error::Webhook { .. } => Exit::Usage,
            Error::Refused { class: Class::CallerBug | Class::NotFound, .. } => Exit::Usage,
            Error::Refused { class: Class::Account, .. }
            | Error::Address { .. }
            | Error::NoTls { .. }
            | Error::Key { .. }
            | Error::Unreadable { .. }
            | Error::UploadChanged { .. }
            | Error::Unwritable { .. }
            | Error::Prices { .. } => Exit::Environment,
            Error::ContractDiffers { .. } | Error::NotOver { .. } => Exit::Negative,
            Error::Stopped { .. } => Exit::Interrupted,
            Error::GaveUp { source, .. } | Error::InDoubt { source, .. } => source.exit(),
            _ => Exit::Backend,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Error::NoTls { .. } => "build with it: cargo build --release --features tls".to_owned(),
            Error::Address { .. } => "say production, staging, or an address: --host HOST".to_owned(),
            Error::Key { .. } | Error::Refused { class: Class::Account, .. } => {
                "put the key of your account into ATLANTIC_API_KEY".to_owned()
            }
            Error::Refused { class: Class::ContractDrift, .. } | Error::UnexpectedAnswer { .. } => {
                "compare the service's /docs/json: ashlar atlantic contract-check FILE".to_owned()
            }
            Error::Deadline { query, .. } | Error::Stopped { query } | Error::NotOver { query, .. } => {
                format!("look at it later: ashlar atlantic show {query}")
            }
            _ => return None,
        })
    }
}
