//! What a command ends with when it does not succeed, and how that is told.

use std::{error::Error, fmt::Write as _};

use anstyle::{AnsiColor, Style};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_store::PaddedFelt;

/// Any error of the workspace.
#[derive(Debug)]
pub(crate) struct Failure(Box<dyn Fault>);

impl<F: Fault> From<F> for Failure {
    fn from(fault: F) -> Failure {
        Failure(Box::new(fault))
    }
}

const ERROR: Style = AnsiColor::Red.on_default().bold();
const STRONG: Style = Style::new().bold();
const HINT: Style = AnsiColor::Cyan.on_default();

impl Failure {
    pub(crate) fn code(&self) -> Code {
        self.0.code()
    }

    pub(crate) fn exit(&self) -> Exit {
        self.0.exit()
    }

    /// The message and its causes in one line, for records.
    pub(crate) fn one_line(&self) -> String {
        let mut text = self.0.to_string();
        for cause in causes(&*self.0) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    }

    /// The message, its causes, the hint and where to read more; styled, for a stream that strips styles if it must.
    pub(crate) fn report(&self) -> String {
        let code = self.code();
        let mut text = format!("{ERROR}error[{code}]{ERROR:#}{STRONG}: {}{STRONG:#}\n", self.0);
        for cause in causes(&*self.0) {
            let _ = writeln!(text, "  caused by: {cause}");
        }
        if let Some(hint) = self.0.hint() {
            let _ = writeln!(text, "  {HINT}hint{HINT:#}: {hint}");
        }
        let _ = writeln!(text, "  see: ashlar explain {code}");
        text
    }

    /// The same as data.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "code": self.code().to_string(),
            "message": self.0.to_string(),
            "causes": causes(&*self.0),
            "hint": self.0.hint(),
            "exit_status": self.exit().status(),
        })
    }
}

/// The chain of causes, without those that only repeat what was said.
fn causes(fault: &dyn Fault) -> Vec<String> {
    let mut said = fault.to_string();
    let mut causes = Vec::new();
    let mut next = fault.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.ends_with(&text) {
            causes.push(text.clone());
        }
        said = text;
        next = cause.source();
    }
    causes
}

/// Errors of the command line itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// Arguments that make no sense; the text is the parser's.
    #[error("{0}")]
    Usage(String),
    /// A value that came from the environment or from the settings file.
    #[error("{origin}: {message}")]
    Setting { origin: String, message: String },
    /// The settings file cannot be used.
    #[error("the settings file {path} cannot be used: {message}")]
    SettingsFile { path: String, message: String },
    /// A policy file cannot be used.
    #[error("the policy file {path} cannot be used: {message}")]
    PolicyFile { path: String, message: String },
    /// A person pressed Ctrl-C, or the process was asked to end.
    #[error("interrupted")]
    Interrupted,
    /// No such error code.
    #[error("no error has the code {0}")]
    UnknownCode(String),
    /// Several proposals without `--batch`.
    #[error("the file holds {got} proposals, expected one")]
    NeedsBatch { got: usize },
    /// A proposal stands twice in a batch.
    #[error("expected proposals that differ, got {proposal_id} as number {first} and as number {second}")]
    SameProposal { proposal_id: PaddedFelt, first: usize, second: usize },
    /// Some of a batch did not pass the gate.
    #[error("{refused} of {total} proposals did not pass the gate")]
    SomeRefused { refused: usize, total: usize },
    /// The data could not be written to standard output.
    #[error("standard output cannot be written")]
    Output(#[source] std::io::Error),
    /// The checks of `doctor` found something.
    #[error("{failed} checks failed")]
    Unhealthy { failed: usize },
    /// A job without a proof.
    #[error("job {job} has no proof: it is {status}")]
    NoProof { job: String, status: String },
    /// Another process asked for the job to be cancelled.
    #[error("job {job} was cancelled by request")]
    Cancelled { job: String },
    /// A job that is over cannot be cancelled.
    #[error("job {job} is over: it is {status}")]
    AlreadyOver { job: String, status: String },
    /// A job cannot be done over.
    #[error("job {job} cannot be done over: {reason}")]
    NotRetried { job: String, reason: &'static str, hint: Option<String> },
    /// What a job was made from is not what it was.
    #[error("job {job} was made from input {expected}, which is now {got}")]
    OtherInput { job: String, expected: String, got: String },
    /// A program that did another thing when it was run again.
    #[error(
        "expected the program to do the same in both runs, got {expected} and {got} words of output that differ"
    )]
    OtherRun { expected: usize, got: usize },
    /// No external prover is named.
    #[error("expected the path of an external prover, got none")]
    NoExternalProver,
    /// A finished run, and nothing that runs it once more.
    #[error("expected a bootloader for the finished run, got none")]
    NoBootloader,
    /// A proof of another bootloader.
    #[error("expected a proof of the bootloader {expected}, got one of the program {got}")]
    OtherBootloader { expected: PaddedFelt, got: String },
    /// Two provers made two proofs.
    #[error(
        "expected the same proof from both provers, got {native} and {external} bytes that differ at byte {at}"
    )]
    Different { native: usize, external: usize, at: usize },
    /// A server's proof is valid, and of something else.
    #[error("expected a proof of the fact {expected}, which the program has here, got one of {got}")]
    OtherStatement { expected: String, got: String },
    /// The calibration cannot be written.
    #[error("the calibration cannot be kept in {path}")]
    Calibration { path: String, source: Box<dyn Error + Send + Sync> },
    /// A worker thread broke.
    #[error("an internal task broke")]
    Broken(#[source] Box<dyn Error + Send + Sync>),
}

impl Fault for CommandError {
    fn code(&self) -> Code {
        match self {
            CommandError::Usage(_) => Code(5001),
            CommandError::Setting { .. } => Code(5002),
            CommandError::SettingsFile { .. } => Code(5003),
            CommandError::PolicyFile { .. } => Code(5004),
            CommandError::Interrupted => Code(5005),
            CommandError::UnknownCode(_) => Code(5006),
            CommandError::NeedsBatch { .. } => Code(5007),
            CommandError::SomeRefused { .. } => Code(5008),
            CommandError::SameProposal { .. } => Code(5020),
            CommandError::Output(_) => Code(5009),
            CommandError::Unhealthy { .. } => Code(5010),
            CommandError::NoProof { .. } => Code(5012),
            CommandError::Cancelled { .. } => Code(5013),
            CommandError::AlreadyOver { .. } => Code(5014),
            CommandError::NotRetried { .. } => Code(5015),
            CommandError::OtherInput { .. } => Code(5016),
            CommandError::OtherRun { .. } => Code(5021),
            CommandError::NoExternalProver => Code(5017),
            CommandError::Different { .. } => Code(5018),
            CommandError::Calibration { .. } => Code(5019),
            CommandError::NoBootloader => Code(5022),
            CommandError::OtherBootloader { .. } => Code(5023),
            CommandError::OtherStatement { .. } => Code(8339),
            CommandError::Broken(_) => Code(7042),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            CommandError::Usage(_)
            | CommandError::UnknownCode(_)
            | CommandError::NeedsBatch { .. }
            | CommandError::SameProposal { .. }
            | CommandError::OtherInput { .. }
            | CommandError::OtherRun { .. }
            | CommandError::NoBootloader => Exit::Usage,
            CommandError::Setting { .. }
            | CommandError::SettingsFile { .. }
            | CommandError::PolicyFile { .. }
            | CommandError::Output(_)
            | CommandError::NoExternalProver
            | CommandError::Calibration { .. }
            | CommandError::Unhealthy { .. } => Exit::Environment,
            CommandError::Different { .. } | CommandError::OtherStatement { .. } => Exit::Backend,
            CommandError::Interrupted => Exit::Interrupted,
            CommandError::SomeRefused { .. }
            | CommandError::OtherBootloader { .. }
            | CommandError::NoProof { .. }
            | CommandError::Cancelled { .. }
            | CommandError::AlreadyOver { .. }
            | CommandError::NotRetried { .. } => Exit::Negative,
            CommandError::Broken(_) => Exit::Bug,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            CommandError::NeedsBatch { .. } => "prove them together: ashlar allocate FILE --batch".to_owned(),
            CommandError::UnknownCode(_) => "list the codes: ashlar explain".to_owned(),
            CommandError::Usage(_) => "read the help: ashlar --help, ashlar COMMAND --help".to_owned(),
            CommandError::NoExternalProver => {
                "set STONE_BINARY_PATH, or pass --external-prover FILE".to_owned()
            }
            CommandError::NoBootloader => "pass --bootloader FILE, or set ASHLAR_BOOTLOADER".to_owned(),
            CommandError::Cancelled { job } => format!("do it over: ashlar jobs retry {job}"),
            CommandError::AlreadyOver { job, status } if status != "verified" => {
                format!("do it over: ashlar jobs retry {job}")
            }
            CommandError::NotRetried { hint: Some(hint), .. } => hint.clone(),
            CommandError::OtherInput { .. } => "prove what is there now: ashlar prove PROGRAM".to_owned(),
            CommandError::NoProof { job, .. } => format!("see what happened: ashlar jobs logs {job}"),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_code_causes_hint_and_page() {
        let failure = Failure::from(CommandError::Output(std::io::Error::other("disk on fire")));
        let plain = anstream::adapter::strip_str(&failure.report()).to_string();
        assert_eq!(
            plain,
            "error[ASH-5009]: standard output cannot be written\n  caused by: disk on fire\n  see: ashlar explain ASH-5009\n"
        );
        assert_eq!(failure.one_line(), "standard output cannot be written: disk on fire");
        let hinted = Failure::from(CommandError::NeedsBatch { got: 2 }).report();
        assert!(hinted.contains("--batch"), "{hinted}");
    }
}
