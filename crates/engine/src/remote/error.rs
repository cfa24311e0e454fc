//! How an attempt with a managed service can end without a proof.

use std::fmt;

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_stone::{JsonError, VerifyError};

/// What a run states, as far as people tell statements apart.
#[derive(Debug)]
pub struct Stated {
    /// The program's hash.
    pub program: Felt,
    /// The layout.
    pub layout: String,
    /// Words of output.
    pub words: usize,
}

impl fmt::Display for Stated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} words of output by the program {} in layout {}", self.words, self.program, self.layout)
    }
}

/// An attempt with a managed service that brought no proof.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The service, or the way to it.
    #[error(transparent)]
    Service(#[from] ashlar_atlantic::Error),
    /// The records.
    #[error(transparent)]
    Store(#[from] ashlar_store::Error),
    /// What came back is no proof file.
    #[error("query {query} brought something that is no proof file")]
    NotAProof {
        /// The query.
        query: String,
        /// What is wrong with it.
        source: JsonError,
    },
    /// Our verifier rejects what came back.
    #[error("query {query} brought a proof that our verifier rejects")]
    Rejected {
        /// The query.
        query: String,
        /// Why.
        source: Box<VerifyError>,
    },
    /// A proof of something else.
    #[error("query {query} brought a proof of another statement: expected {expected}, got {got}")]
    OtherStatement {
        /// The query.
        query: String,
        /// What our run states.
        expected: Box<Stated>,
        /// What was proven.
        got: Box<Stated>,
    },
    /// The query of an earlier attempt at this job is over and brought nothing; it is not paid for again.
    #[error("query {query} of an earlier attempt brought nothing, and is not paid for again: {reason}")]
    SpentBefore {
        /// The query.
        query: String,
        /// How it ended.
        reason: String,
    },
    /// The query ended without a proof file.
    #[error("query {query} is over, and there is no proof file to it")]
    NoProofFile {
        /// The query.
        query: String,
    },
    /// A thread broke.
    #[error("an internal task of the attempt broke")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl RemoteError {
    /// Whether what came back contradicts what was asked for: the attempt's failure is the job's, and people have to look.
    pub(super) fn is_about_evidence(&self) -> bool {
        crate::attempt_error::is_hard(self.code())
    }
}

impl Fault for RemoteError {
    fn code(&self) -> Code {
        match self {
            RemoteError::Service(error) => error.code(),
            RemoteError::Store(error) => error.code(),
            RemoteError::NotAProof { .. } => Code(8160),
            RemoteError::Rejected { .. } => Code(8161),
            RemoteError::OtherStatement { .. } => Code(8162),
            RemoteError::SpentBefore { .. } => Code(8163),
            RemoteError::NoProofFile { .. } => Code(8164),
            RemoteError::Broken(_) => Code(7044),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            RemoteError::Service(error) => error.exit(),
            RemoteError::Store(error) => error.exit(),
            RemoteError::Broken(_) => Exit::Bug,
            _ => Exit::Backend,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            RemoteError::Service(error) => error.hint(),
            RemoteError::Store(error) => error.hint(),
            RemoteError::OtherStatement { .. } => Some(
                "a bootloader is accepted by its program hash only: bootloaders in the section atlantic of ashlar.toml"
                    .to_owned(),
            ),
            RemoteError::SpentBefore { .. } => Some("do it over, and pay again: ashlar jobs retry JOB".to_owned()),
            _ => None,
        }
    }
}
