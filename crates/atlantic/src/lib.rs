//! Client of Herodotus' Atlantic, the managed proving service.
//!
//! | module | what it holds |
//! |---|---|
//! | `vocabulary`, `wire` | the contract: [`QueryStatus`] and other open enumerations, [`Query`] and other bodies, for both sides |
//! | `form`, `sierra` | [`Form`]: a submission, and every rule that is checked before it is uploaded |
//! | `dedup` | [`dedup_id`]: by which a submission is found again |
//! | `size`, `price` | [`declared_size`], [`PriceTable`]: what to declare, and what it costs |
//! | `address`, `key` | [`Address`]: where requests may go; [`ApiKey`]: which nothing prints |
//! | `multipart`, `transport`, `answer` | one bounded exchange, and what its answer is |
//! | `clock` | [`Clock`], [`Backoff`], [`Polling`]: time that tests can replace |
//! | `client`, `artefact` | [`Client`]: submit once, wait, fetch |
//! | `fact`, `examine` | [`ExpectedRun`]: facts computed before a submission; [`examine`]: what came back, beside them |
//! | `webhook` | [`Hint`]: a reason to look, no more |
//! | `class`, `error` | [`Class`]: whose fault a failure is and what to do; [`Error`] |
//! | `contract` | [`ContractReport`]: an OpenAPI document beside what this client assumes |
//!
//! ```no_run
//! use std::{ops::ControlFlow, path::Path, time::Duration};
//!
//! use ashlar_atlantic::*;
//! # fn prove(run: ExpectedRun) -> Result<(), Error> {
//! let key = ApiKey::new("the account's key, from the environment")?;
//! let client = Client::new(Settings::new(Address::parse("staging")?, Some(key), "this installation's id"));
//! let form = Form {
//!     pie_file: Some(Attachment::from_file(Path::new("run.zip"), ZIP)?),
//!     declared_job_size: Some(declared_size(2_000_000, &[])),
//!     result: Some(Goal::ProofGeneration),
//!     ..Form::default()
//! };
//! // The fact and the deduplication id belong on record before anything is sent.
//! let (expected, found_by) = (run.fact(), client.dedup_id(&form, 0));
//! let receipt = client.submit(&form, 0)?;
//! let two_hours = Polling::until(Duration::from_secs(7200));
//! let look = client.wait(&receipt.query, two_hours, &mut |_| ControlFlow::Continue(()))?;
//! let claim = examine(&look.answer, None, &run, &Bootloaders::recorded())?;
//! if claim.evidence == Evidence::ProofFile {
//!     let address = client.artefact(&look.answer, "proof.json")?;
//!     client.download(&address, Path::new("proof.json"))?; // and now our verifier decides
//! }
//! # let _ = (expected, found_by);
//! # Ok(())
//! # }
//! ```
//!
//! What the service says is no evidence. [`examine`] refuses what contradicts the facts computed here; the rest is a
//! [`Claim`], which a verifier or a chain must confirm.
#![forbid(unsafe_code)]

mod address;
mod answer;
mod artefact;
mod class;
mod client;
mod clock;
mod contract;
mod dedup;
mod error;
mod examine;
mod fact;
mod form;
mod key;
mod multipart;
mod price;
mod quoted;
mod sierra;
mod size;
mod transport;
mod vocabulary;
mod webhook;
mod wire;

pub use address::{ARTEFACTS, Address, ArtefactAddress, PRODUCTION, STAGING};
pub use answer::Infrastructure;
pub use artefact::Downloaded;
pub use class::{Blame, Class, Reaction, Retry};
pub use client::{Client, Listing, Look, Receipt, Settings, Sight};
pub use clock::{Backoff, Clock, Polling, SystemClock};
pub use contract::{ContractReport, Difference, DifferenceKind, MOST_CONTRACT_BYTES};
pub use dedup::dedup_id;
pub use error::Error;
pub use examine::{Claim, Evidence, Registry, examine};
pub use fact::{
    Bootloaders, Configuration, ExpectedFact, ExpectedRun, bootloaded_fact, plain_fact, shared_fact,
    shared_output, verification_key,
};
pub use form::{Attachment, Form, FormFault, JSON, MOST_UPLOAD_BYTES, TEXT, ZIP};
pub use key::{ApiKey, KeyPlace};
pub use price::{ByNetwork, BySize, Cost, Estimate, MicroCredits, PriceTable};
pub use size::{BOOTLOADER_STEPS, SizeExperience, declared_size};
pub use transport::{Limits, Timeouts};
pub use vocabulary::{
    CairoVersion, CairoVm, Chain, ErrorCode, Goal, JobSize, JobStatus, Layout, Network, QueryStatus,
    SharpProver, Step, WebhookKind,
};
pub use webhook::{Hint, MOST_WEBHOOK_BYTES};
pub use wire::{
    Alive, ErrorBody, ExecutionResources, JobRecord, JobsAnswer, ListAnswer, Metadata, Query, QueryAnswer,
    QueryId, Submitted, WebhookEvent, without_client,
};
