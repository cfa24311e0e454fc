//! The verbs, done by a server: `--server URL`.
//!
//! | module | what it holds |
//! |---|---|
//! | `allocate`, `prove` | submitted there, proven there, and verified here |
//! | `verify`, `plan` | what the server says |
//! | `jobs` | the server's jobs |
//! | `follow` | a job on its way, with the same line on the terminal as a proof that is made here |
//!
//! What a server says is no evidence: a proof is fetched, and this program's own verifier decides.

mod allocate;
mod follow;
mod jobs;
mod prove;
mod verify;

use std::sync::Arc;

use ashlar_client::{Client, ClientError, JobView, Key, ServerAddress, Settings, Standing, Wish};

use crate::{
    arguments::{Command, Goal, Hash, Security},
    failure::{CommandError, Failure},
    session::Session,
};

/// Where a server's key is, unless a file is named.
const KEY_VARIABLE: &str = "ASHLAR_KEY";

/// One server.
#[derive(Clone)]
pub(crate) struct Remote {
    client: Arc<Client>,
    address: String,
}

impl Remote {
    fn connect(session: &Session, address: &str) -> Result<Remote, Failure> {
        let server = ServerAddress::parse(address, session.global.plain_http)?;
        let key = match (&session.global.key_file, std::env::var(KEY_VARIABLE)) {
            (Some(path), _) => Some(Key::from_file(path)?),
            (None, Ok(text)) => Some(Key::new(&text)?),
            (None, Err(std::env::VarError::NotPresent)) => None,
            (None, Err(_)) => Some(Key::new("")?),
        };
        let address = server.to_string();
        Ok(Remote { client: Arc::new(Client::new(Settings::new(server, key))), address })
    }

    /// Asks on a thread of its own: calls block.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T, Failure> {
        let client = Arc::clone(&self.client);
        let answer = tokio::task::spawn_blocking(move || ask(&client)).await;
        Ok(answer.map_err(|broken| CommandError::Broken(Box::new(broken)))??)
    }

    /// The proof that a job left behind: bytes that nobody here has looked at yet.
    async fn proof(&self, view: &JobView) -> Result<Vec<u8>, Failure> {
        let proof = view.artefacts.iter().find(|artefact| artefact.kind == "proof");
        let Some(sha256) = proof.map(|artefact| artefact.sha256.clone()) else {
            return Err(no_proof(view).into());
        };
        self.ask(move |client| client.artefact(&sha256)).await
    }
}

/// Runs a command on a server.
pub(crate) async fn run(session: &Session, server: &str, command: Command) -> Result<(), Failure> {
    let here = |verb: &str| {
        let text = format!("{verb} works on this machine: leave out --server, and unset ASHLAR_SERVER");
        Err(CommandError::Usage(text).into())
    };
    match command {
        Command::Allocate(arguments) => {
            allocate::run(session, &Remote::connect(session, server)?, arguments).await
        }
        Command::Prove(arguments) => prove::run(session, &Remote::connect(session, server)?, arguments).await,
        Command::Verify(arguments) => {
            verify::run(session, &Remote::connect(session, server)?, arguments).await
        }
        Command::Plan(arguments) => {
            verify::plan(session, &Remote::connect(session, server)?, arguments).await
        }
        Command::Jobs(verb) => jobs::run(session, &Remote::connect(session, server)?, verb).await,
        Command::Serve(_) => here("serve"),
        Command::Worker(_) => here("worker"),
        Command::WorkOn(_) => here("work-on"),
        Command::Keys(_) => here("keys"),
        Command::Atlantic(_) => here("atlantic"),
        Command::Doctor { .. } => here("doctor"),
        // These speak of this program alone.
        other @ (Command::Explain { .. } | Command::Completions { .. } | Command::Man { .. }) => {
            crate::commands::run_here(session, other).await
        }
    }
}

/// The same wishes as a proof made here would have.
fn wish(security: &Security) -> Wish {
    let optimize = match security.optimize {
        Goal::Time => "time",
        Goal::Size => "size",
        Goal::Calldata => "calldata",
    };
    let hash = match security.hash {
        Hash::Blake248 => "blake248",
        Hash::Poseidon => "poseidon",
        Hash::Keccak160 => "keccak160",
    };
    Wish {
        minimum_bits: Some(security.minimum_bits),
        optimize: Some(optimize.to_owned()),
        hash: Some(hash.to_owned()),
        ..Wish::default()
    }
}

fn no_proof(view: &JobView) -> CommandError {
    CommandError::NoProof { job: view.job.id.clone(), status: view.job.proof_status.clone() }
}

/// Refuses a job that is over without a proof, with what the server says of it.
fn demand_proof(session: &Session, view: &JobView) -> Result<(), Failure> {
    if view.job.standing() == Standing::Verified {
        return Ok(());
    }
    if let Some(text) = &view.job.error_text {
        let code = view.job.error_code.as_deref().unwrap_or_default();
        let words: String = text.chars().take(2000).filter(|c| *c == '\n' || !c.is_control()).collect();
        session.console.remark(&format!("the server says: {code} {words}"));
    }
    Err(no_proof(view).into())
}
