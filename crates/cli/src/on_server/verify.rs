//! What a server says of a proof file, and of what it would do with a proposal.

use ashlar_risk::MAX_FILE_BYTES;
use ashlar_stone::{MOST_INPUT_BYTES, read_bounded};

use super::{Remote, wish};
use crate::{
    arguments::{Plan, Verify},
    commands::fields_text,
    failure::{CommandError, Failure},
    session::Session,
};

pub(super) async fn run(session: &Session, remote: &Remote, arguments: Verify) -> Result<(), Failure> {
    if arguments.policy.is_some() || arguments.bootloader.is_some() {
        let text =
            "--policy and --bootloader are for this program's own verifier: leave out --server".to_owned();
        return Err(CommandError::Usage(text).into());
    }
    let file = read_bounded(&arguments.proof, "proof", MOST_INPUT_BYTES)?;
    let said = remote.ask(move |client| client.verify(&file, arguments.minimum_bits)).await?;
    session.console.remark(&format!("verified by {}, whose word it is", remote.address));
    session.console.text(&fields_text(&said))?;
    session.console.document("ashlar.verification/1", said)
}

/// Who would prove a proposal there, and why.
pub(super) async fn plan(session: &Session, remote: &Remote, arguments: Plan) -> Result<(), Failure> {
    let called = &arguments.called;
    if arguments.finished.pie.is_some()
        || called.args.is_some()
        || called.args_file.is_some()
        || called.executable.is_some()
        || called.program.is_dir()
    {
        let text = "a server plans proposals: name a proposal file, or leave out --server to plan a program"
            .to_owned();
        return Err(CommandError::Usage(text).into());
    }
    let proposals = read_bounded(&called.program, "proposal", MAX_FILE_BYTES as u64)?;
    let wish = wish(&arguments.security);
    let routing = remote.ask(move |client| client.plan(&proposals, &wish)).await?;
    session.console.text(&fields_text(&routing))?;
    session.console.document("ashlar.routing/1", routing)
}
