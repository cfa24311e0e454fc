//! What a failure means: whose fault it is, whether another attempt makes sense, whether another backend may help.
//!
//! | class | how it shows | reaction |
//! |---|---|---|
//! | caller's bug | 400 with one of twelve codes | no retry, no other backend: the job itself is malformed |
//! | contract drift | a value or a path that the service no longer has, an answer of another form | another backend, and the operator |
//! | account | key missing or invalid | nothing more goes there until the configuration changes; another backend |
//! | money | no credits, 402 | the same |
//! | duplicate | the deduplication id is taken | look it up and adopt it |
//! | server, network | 5xx, HTML, numeric keys, no answer | wait and retry; before a second submission look the first one up |
//! | job: memory | `OOMKilled` | once more with the next size, then another backend |
//! | job: machine | the virtual machine does not know what the compiler made | submit a position-independent execution |
//! | job: terminal | any other reason | another backend |
//! | payment | codes of x402 | never pay again by oneself; another backend |
//! | evidence | a fact, program or file that is not what was computed before | stop; the operator |

use crate::vocabulary::ErrorCode;

/// A kind of failure that is reacted to in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// The submission is malformed.
    CallerBug,
    /// The service no longer has what this client was written against.
    ContractDrift,
    /// The key or the account is not accepted.
    Account,
    /// No credits.
    Money,
    /// The deduplication id is taken.
    Duplicate,
    /// No query has the id.
    NotFound,
    /// The service failed, and said so.
    Server,
    /// No answer of the service came back: a proxy's, or none.
    Network,
    /// Payment for each request failed, or was asked for.
    Payment,
    /// The job needs more memory than the declared size has.
    JobOutOfMemory,
    /// The service's virtual machine cannot run what the compiler made.
    JobMachineMismatch,
    /// The job failed for a reason that will not go away.
    JobTerminal,
    /// What came back is not what was computed before the submission.
    Evidence,
    /// A refusal with a code that is not on record.
    Unknown,
    /// Something on this side: a setting, a file, a deadline.
    Local,
}

/// Who has to change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Whoever made the job.
    Job,
    /// Whoever configured this client or pays for the account.
    Operator,
    /// The service.
    Service,
    /// The network between.
    Network,
}

/// Whether another attempt at the same service makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It does not.
    Never,
    /// After a pause; a submission only after its deduplication id was looked up.
    Later,
    /// The existing query is the result.
    Adopt,
    /// Once, with the next larger size and so another deduplication id.
    LargerSize,
    /// Once, with a position-independent execution instead of the program.
    AsExecution,
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reaction {
    /// Who has to change something.
    pub blame: Blame,
    /// Whether to try again here.
    pub retry: Retry,
    /// Whether another backend may do the job instead.
    pub fall_back: bool,
    /// Whether nothing more should go to this backend until somebody has looked.
    pub open_breaker: bool,
}

impl Class {
    /// What to do about a failure of this class.
    pub const fn reaction(self) -> Reaction {
        let (blame, retry, fall_back, open_breaker) = match self {
            Class::CallerBug => (Blame::Job, Retry::Never, false, false),
            Class::ContractDrift => (Blame::Service, Retry::Never, true, true),
            Class::Account | Class::Money | Class::Payment => (Blame::Operator, Retry::Never, true, true),
            Class::Duplicate => (Blame::Service, Retry::Adopt, false, false),
            Class::NotFound => (Blame::Job, Retry::Never, true, false),
            Class::Server => (Blame::Service, Retry::Later, true, false),
            Class::Network => (Blame::Network, Retry::Later, true, false),
            Class::JobOutOfMemory => (Blame::Job, Retry::LargerSize, true, false),
            Class::JobMachineMismatch => (Blame::Service, Retry::AsExecution, true, false),
            Class::JobTerminal => (Blame::Job, Retry::Never, true, false),
            Class::Evidence => (Blame::Service, Retry::Never, true, true),
            Class::Unknown => (Blame::Service, Retry::Never, true, false),
            Class::Local => (Blame::Operator, Retry::Never, true, false),
        };
        Reaction { blame, retry, fall_back, open_breaker }
    }
}

impl ErrorCode {
    /// The class of a code. `status` decides about codes that are not on record.
    pub fn class(&self, status: u16) -> Class {
        match self {
            ErrorCode::ProgramFileShouldBeJson
            | ErrorCode::InputFileForCairo0ShouldBeJson
            | ErrorCode::InputFileForCairo1ShouldBeTxt
            | ErrorCode::InputFileShouldBeJsonOrTxt
            | ErrorCode::PieFileShouldBeZip
            | ErrorCode::InvalidFileMimeType
            | ErrorCode::ChainIsRequired
            | ErrorCode::SourceIsRequired
            | ErrorCode::ProgramNotFound
            | ErrorCode::Cairo1NotForPython
            | ErrorCode::InputNotForCairo0Rust
            | ErrorCode::LayoutNotForIntegrity => Class::CallerBug,
            ErrorCode::ZodInvalidBodyString => Class::ContractDrift,
            ErrorCode::EmailNotVerified | ErrorCode::MissingApiKey | ErrorCode::InvalidApiKey => {
                Class::Account
            }
            ErrorCode::InsufficientCredits => Class::Money,
            ErrorCode::DuplicateDedupId => Class::Duplicate,
            ErrorCode::QueryNotFound => Class::NotFound,
            ErrorCode::InternalServerError | ErrorCode::ZodParsingError => Class::Server,
            ErrorCode::X402NotEnabled
            | ErrorCode::X402ChallengeFailed
            | ErrorCode::X402SettlementFailed
            | ErrorCode::X402SettlementResponseInvalid
            | ErrorCode::X402ServiceAuthNotConfigured
            | ErrorCode::WalletFlowDedupId
            | ErrorCode::WalletFlowBucket
            | ErrorCode::WalletFlowNotRetriable => Class::Payment,
            ErrorCode::Unknown(_) => match status {
                401 | 403 => Class::Account,
                402 => Class::Money,
                // A path that answers 404 or 405 without our code is a path that is not there.
                404 | 405 | 410 => Class::ContractDrift,
                408 | 425 | 429 | 500..=599 => Class::Server,
                _ => Class::Unknown,
            },
        }
    }
}

/// The class of a failed query, by the reason that the service gives.
pub(crate) fn job_failure(reason: &str) -> Class {
    if reason.contains("OOMKilled") {
        Class::JobOutOfMemory
    } else if reason.contains("VirtualMachine(Unexpected)") {
        Class::JobMachineMismatch
    } else {
        Class::JobTerminal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_on_record_has_a_class_that_does_not_depend_on_the_status() {
        for word in ErrorCode::WORDS {
            let code = ErrorCode::from_word(word);
            assert_eq!(code.class(400), code.class(503), "{word}");
            assert_ne!(code.class(400), Class::Unknown, "{word}");
        }
    }

    #[test]
    fn a_malformed_job_is_malformed_everywhere() {
        let reaction = ErrorCode::PieFileShouldBeZip.class(400).reaction();
        assert_eq!((reaction.retry, reaction.fall_back), (Retry::Never, false));
    }

    #[test]
    fn nothing_is_paid_twice() {
        for code in [
            ErrorCode::InsufficientCredits,
            ErrorCode::X402SettlementFailed,
            ErrorCode::X402SettlementResponseInvalid,
        ] {
            let reaction = code.class(402).reaction();
            assert_eq!(reaction.retry, Retry::Never, "{code}");
            assert!(reaction.fall_back && reaction.open_breaker, "{code}");
        }
        assert_eq!(ErrorCode::DuplicateDedupId.class(400).reaction().retry, Retry::Adopt);
    }

    #[test]
    fn a_code_that_is_not_on_record_is_judged_by_its_status() {
        let code = ErrorCode::Unknown("NEW_THING".to_owned());
        for (status, class) in [
            (400, Class::Unknown),
            (401, Class::Account),
            (402, Class::Money),
            (404, Class::ContractDrift),
            (429, Class::Server),
            (503, Class::Server),
        ] {
            assert_eq!(code.class(status), class, "{status}");
        }
    }

    #[test]
    fn reasons_on_record_are_told_apart() {
        let memory = "Trace generation failed due to OOMKilled, please try again with a larger job size.";
        assert_eq!(job_failure(memory), Class::JobOutOfMemory);
        let machine = "Error: Failed to run cairo1 rust vm: VirtualMachine(Unexpected)";
        assert_eq!(job_failure(machine), Class::JobMachineMismatch);
        assert_eq!(job_failure("inner_exc: DiffAssertValues"), Class::JobTerminal);
        assert_eq!(job_failure(""), Class::JobTerminal);
    }
}
