//! How an attempt with a managed service can end without a proof.

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_stone::{JsonError, VerifyError};

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
    #[error(
        "query {query} brought a proof of another statement: expected {expected_words} words of output by the program \
         {expected_program} in layout {expected_layout}, got {got_words} by {got_program} in {got_layout}"
    )]
    OtherStatement {
        /// The query.
        query: String,
        /// The program of our run.
        expected_program: Felt,
        /// The layout of our run.
        expected_layout: String,
        /// Words of its output.
        expected_words: usize,
        /// The program that was proven.
        got_program: Felt,
        /// The layout in which it was.
        got_layout: String,
        /// Words of its output.
        got_words: usize,
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
