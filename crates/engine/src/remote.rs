//! One attempt at a job with the managed service: ask once, wait, fetch, and believe nothing but a proof.
//!
//! | step | on record before it | if the process ends in it |
//! |---|---|---|
//! | submit | the intent, with the deduplication id | the next attempt looks by that id before it sends anything |
//! | wait | the query's id | the next attempt waits for the same query |
//! | fetch, verify | | the next attempt fetches again |
//! | record the proof | that the query delivered | the next attempt fetches and verifies again |
//!
//! So one job is paid once, however many attempts it takes; twice only if the service kills the run for its memory, the
//! budget allows the next size, and that was not tried before. What comes back counts if our verifier accepts it under the
//! job's policy, and if it states our program and our output, by itself or inside a bootloader that an operator has accepted.

mod error;

use std::{
    ops::ControlFlow,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use ashlar_atlantic::{
    Attachment, Bootloaders, Class, Client, Evidence, ExpectedRun, Form, Goal, JobSize, Layout, Look,
    Polling, QueryId, QueryStatus, Sight, ZIP, declared_size, examine,
};
use ashlar_cpu_air::statement::Claim;
use ashlar_fault::Fault as _;
use ashlar_field::Felt;
use ashlar_stone::{Json, Policy, ProofFile, Verified, read_bounded, verify};
use ashlar_store::{
    DayBudget, Intended, Lease, Moment, NewRemoteQuery, ProofSource, ProofStatus, RemoteQuery, RemoteState,
    Store,
};
use serde_json::{Value, json};
use tokio::{runtime::Handle, task::spawn_blocking};

pub use error::{RemoteError, Stated};

use crate::{AtlanticTerms, Budget, Clock};

/// The file that a query leaves.
const PROOF: &str = "proof.json";

/// The largest proof file that is read, in bytes.
pub const MOST_PROOF_BYTES: u64 = 64 << 20;

/// A run that was made here, for somebody else to prove.
#[derive(Clone, Debug)]
pub struct RemoteRun {
    /// The position-independent execution, as a file.
    pub execution: PathBuf,
    /// The program's hash as a bootloader states it.
    pub task_hash: Felt,
    /// The program's hash as a proof of the program alone states it.
    pub program_hash: Felt,
    /// What it put out.
    pub output: Vec<Felt>,
    /// The layout that it is to be proven in.
    pub layout: String,
    /// Its steps, without padding.
    pub steps: u64,
    /// Milliseconds that making it took.
    pub milliseconds: u64,
}

/// One attempt, and everything that it may use.
#[derive(Clone)]
pub struct RemoteAttempt {
    /// The records.
    pub store: Store,
    /// The right to the job.
    pub lease: Lease,
    /// What the proof must satisfy before it counts as one.
    pub policy: Policy,
    /// On which terms the service is asked.
    pub terms: AtlanticTerms,
    /// What may be spent.
    pub budget: Budget,
    /// The most that whoever asked for the job wants to pay, in millionths of a US dollar.
    pub ceiling_micro_usd: Option<u64>,
    /// The service. Its namespace must be the job's own: see [`RemoteAttempt::namespace`].
    pub client: Arc<Client>,
    /// How often a query is looked at.
    pub polling: Polling,
    /// A folder for what is fetched.
    pub scratch: PathBuf,
    /// The present, for the records.
    pub clock: Arc<dyn Clock>,
    /// Set when the attempt is to stop.
    pub stop: Arc<AtomicBool>,
    /// Is told how far it is: the kind of event, and its particulars.
    pub say: Arc<dyn Fn(&'static str, Value) + Send + Sync>,
}

/// A proof that our verifier accepted, of the statement that was asked for.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// What our verifier says.
    pub verified: Verified,
    /// What it states.
    pub claim: Claim,
    /// The file, without private inputs.
    pub file: Vec<u8>,
    /// The query that brought it.
    pub query: String,
    /// Milliseconds by stage, in order.
    pub stages: Vec<(String, u64)>,
}

impl RemoteAttempt {
    /// What goes into a job's deduplication ids: two jobs are two payments, a job is one.
    pub fn namespace(lease: &Lease) -> String {
        lease.job.to_string()
    }

    /// Lets the service prove a run, and verifies what it brings.
    ///
    /// # Errors
    /// [`RemoteError`], whose class says what becomes of the job.
    pub async fn prove(&self, run: &RemoteRun) -> Result<Delivered, RemoteError> {
        let queries = self.store.queries_of(self.lease.job).await?;
        let mut known = queries.last().cloned();
        let mut stages = vec![("run".to_owned(), run.milliseconds)];
        loop {
            let begun = Instant::now();
            let (form, record) = self.prepare(run, known.take())?;
            let (query, dedup_id) = match record {
                Some(RemoteQuery { state: RemoteState::Failed, query_id, reason, .. }) => {
                    let reason = reason.unwrap_or_default();
                    return Err(RemoteError::SpentBefore { query: query_id.unwrap_or_default(), reason });
                }
                Some(RemoteQuery { query_id: Some(query), dedup_id, .. }) => {
                    (QueryId::parse(&query).ok_or(unreadable(&query))?, dedup_id)
                }
                record => self.submit(&form, record).await?,
            };
            self.store.advance_held(&self.lease, ProofStatus::Submitted, self.clock.now()).await?;
            (self.say)("stage", json!({ "stage": "submitted", "query": query.to_string() }));
            let look = self.wait(&query, &dedup_id).await?;
            stages.push(("service".to_owned(), milliseconds(begun)));
            if look.answer.atlantic_query.status == QueryStatus::Failed {
                let failed = self.failed(&look, run);
                let reason = failed.to_string();
                self.conclude(&dedup_id, RemoteState::Failed, Some(&reason)).await?;
                if failed.class() != Class::JobOutOfMemory || !self.may_repeat(&form)? {
                    return Err(failed.into());
                }
                let Some(larger) = self.intend_larger(&form).await? else { return Err(failed.into()) };
                (self.say)("progress", json!({ "stage": "larger", "size": larger.size }));
                known = Some(larger);
                continue;
            }
            let begun = Instant::now();
            self.store.advance_held(&self.lease, ProofStatus::Verifying, self.clock.now()).await?;
            (self.say)("stage", json!({ "stage": "verify", "query": query.to_string() }));
            let bytes = self.fetch(&query, &look).await?;
            let judged = self.judge(run, &query, &look, bytes.clone()).await;
            let (verified, claim, file) = match judged {
                Ok(judged) => judged,
                Err(error) => {
                    if error.is_about_evidence() {
                        self.reject(&dedup_id, &error, &bytes).await?;
                    }
                    return Err(error);
                }
            };
            self.conclude(&dedup_id, RemoteState::Delivered, None).await?;
            stages.push(("verify".to_owned(), milliseconds(begun)));
            return Ok(Delivered { verified, claim, file, query: query.to_string(), stages });
        }
    }

    /// The form of the submission that is next or on record, and the record.
    fn prepare(
        &self,
        run: &RemoteRun,
        record: Option<RemoteQuery>,
    ) -> Result<(Form, Option<RemoteQuery>), RemoteError> {
        let layout = Some(Layout::from_word(&run.layout)).filter(Layout::is_known);
        let size = match &record {
            Some(record) => JobSize::from_word(&record.size),
            None => declared_size(run.steps, &[]),
        };
        let form = Form {
            pie_file: Some(Attachment::from_file(&run.execution, ZIP)?),
            declared_job_size: Some(size),
            layout,
            result: Some(Goal::ProofGeneration),
            network: self.terms.network.clone(),
            sharp_prover: self.terms.prover.clone(),
            external_id: Some(self.lease.job.to_string()),
            dedup_id: record.as_ref().map(|record| record.dedup_id.clone()),
            ..Form::default()
        };
        Ok((form, record))
    }

    /// Sends a form, if the service does not have it; the intent is on record before.
    async fn submit(
        &self,
        form: &Form,
        record: Option<RemoteQuery>,
    ) -> Result<(QueryId, String), RemoteError> {
        // Whoever intended it before may have sent it: only for a fresh intent it is certain that nobody did.
        let fresh = record.as_ref().is_none_or(|record| record.state == RemoteState::Refused);
        let repetition = record.as_ref().map_or(0, |record| record.repetition);
        let dedup_id = self.client.dedup_id(form, repetition);
        if fresh {
            let intent = self.intent(form, repetition, &dedup_id);
            self.store.intend_query(&self.lease, &intent, self.day(), self.clock.now()).await?;
        }
        let (client, sent) = (Arc::clone(&self.client), form.clone());
        let receipt = spawn_blocking(move || client.submit(&sent, repetition)).await.map_err(broken)?;
        match receipt {
            Ok(receipt) => {
                let (query, now) = (receipt.query, self.clock.now());
                self.store.accept_query(&self.lease, &dedup_id, &query.to_string(), now).await?;
                Ok((query, dedup_id))
            }
            Err(error) => {
                let in_doubt = matches!(error, ashlar_atlantic::Error::InDoubt { .. });
                if fresh && !in_doubt {
                    let reason = error.to_string();
                    self.conclude(&dedup_id, RemoteState::Refused, Some(&reason)).await?;
                }
                Err(error.into())
            }
        }
    }

    fn intent(&self, form: &Form, repetition: u32, dedup_id: &str) -> NewRemoteQuery {
        let size = form.declared_job_size.clone().unwrap_or(JobSize::L);
        NewRemoteQuery {
            dedup_id: dedup_id.to_owned(),
            repetition,
            backend: ProofSource::Atlantic,
            micro_usd: self.terms.micro_usd(&size).unwrap_or(self.budget.job_micro_usd),
            size: size.as_str().to_owned(),
        }
    }

    fn day(&self) -> DayBudget {
        const DAY: u64 = 24 * 60 * 60 * 1000;
        let since = self.clock.now().milliseconds().saturating_sub(DAY);
        DayBudget { since: Moment::from_milliseconds(since), most_micro_usd: self.budget.day_micro_usd }
    }

    /// Whether a job whose run was killed for its memory may be paid for once more, as far as its own budget goes.
    fn may_repeat(&self, form: &Form) -> Result<bool, RemoteError> {
        let (Some(now), Some(larger)) = (&form.declared_job_size, form.with_larger_size()) else {
            return Ok(false);
        };
        let Some(size) = &larger.declared_job_size else { return Ok(false) };
        let (Some(first), Some(second)) = (self.terms.micro_usd(now), self.terms.micro_usd(size)) else {
            return Ok(false);
        };
        let most = self
            .ceiling_micro_usd
            .map_or(self.budget.job_micro_usd, |most| most.min(self.budget.job_micro_usd));
        Ok(first.saturating_add(second) <= most)
    }

    /// Records the intent to ask for the next larger size; `None` if that was done before, or the day's budget is spent.
    async fn intend_larger(&self, form: &Form) -> Result<Option<RemoteQuery>, RemoteError> {
        const REPETITION: u32 = 1;
        let Some(larger) = form.with_larger_size() else { return Ok(None) };
        let of_job = self.store.queries_of(self.lease.job).await?;
        if of_job.iter().any(|query| query.repetition >= REPETITION) {
            return Ok(None);
        }
        let dedup_id = self.client.dedup_id(&larger, REPETITION);
        let intent = self.intent(&larger, REPETITION, &dedup_id);
        match self.store.intend_query(&self.lease, &intent, self.day(), self.clock.now()).await? {
            Intended::OverBudget(_) => Ok(None),
            Intended::Recorded => Ok(self.store.queries_of(self.lease.job).await?.pop()),
        }
    }

    /// Waits for a query's end. A hint that others put into the records makes it look earlier, no more: what a hint says is
    /// not in it.
    async fn wait(&self, query: &QueryId, dedup_id: &str) -> Result<Look, RemoteError> {
        let (client, query, polling) = (Arc::clone(&self.client), query.clone(), self.polling);
        let (stop, say) = (Arc::clone(&self.stop), Arc::clone(&self.say));
        let (store, dedup_id, runtime) = (self.store.clone(), dedup_id.to_owned(), Handle::current());
        let mut seen = self.store.hint_of(&dedup_id).await?;
        let mut hinted = move || {
            // Records that cannot be read now say nothing; the next look is due anyway.
            let last = runtime.block_on(store.hint_of(&dedup_id)).unwrap_or(seen);
            std::mem::replace(&mut seen, last) != last
        };
        let waiting = spawn_blocking(move || {
            let mut watch = |sight: Sight<'_>| {
                if let Sight::Query(seen) = sight {
                    let step = seen.step.as_ref().map(ToString::to_string);
                    let seen = json!({ "stage": "submitted", "query": query.to_string(),
                        "service_status": seen.status.to_string(), "service_step": step });
                    say("progress", seen);
                }
                match stop.load(Ordering::SeqCst) {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            };
            client.wait_with_hints(&query, polling, &mut watch, &mut hinted)
        });
        Ok(waiting.await.map_err(broken)??)
    }

    /// Why a query failed.
    fn failed(&self, look: &Look, run: &RemoteRun) -> ashlar_atlantic::Error {
        let expected = plain(run);
        match examine(&look.answer, None, &expected, &self.bootloaders()) {
            Err(error) => error,
            // A query that failed is never examined to a claim.
            Ok(_) => ashlar_atlantic::Error::NotOver {
                query: look.answer.atlantic_query.id.clone(),
                status: look.answer.atlantic_query.status.clone(),
            },
        }
    }

    async fn fetch(&self, query: &QueryId, look: &Look) -> Result<Vec<u8>, RemoteError> {
        let (client, answer) = (Arc::clone(&self.client), look.answer.clone());
        let to = self.scratch.join(format!("{query}-{PROOF}"));
        let unreadable = query.to_string();
        spawn_blocking(move || {
            let address = client.artefact(&answer, PROOF)?;
            client.download(&address, &to)?;
            let bytes = read_bounded(&to, "proof", MOST_PROOF_BYTES);
            // What counts of it is kept by content.
            let _ = std::fs::remove_file(&to);
            bytes.map_err(|_| RemoteError::NoProofFile { query: unreadable })
        })
        .await
        .map_err(broken)?
    }

    /// Whether what came back is a proof that our verifier accepts, of the statement that was asked for, and fits what the
    /// service says about it.
    async fn judge(
        &self,
        run: &RemoteRun,
        query: &QueryId,
        look: &Look,
        bytes: Vec<u8>,
    ) -> Result<(Verified, Claim, Vec<u8>), RemoteError> {
        let (policy, name) = (self.policy.clone(), query.to_string());
        let checked = spawn_blocking(move || checked(&bytes, &policy, &name)).await.map_err(broken)?;
        let stated = checked.as_ref().ok().and_then(|(verified, claim, _)| self.stated(run, verified, claim));
        // What the service itself says is wrong says more than what is wrong with the file.
        let expected = stated.clone().unwrap_or_else(|| plain(run));
        let said = examine(&look.answer, None, &expected, &self.bootloaders());
        let claimed = said?;
        let (verified, claim, file) = checked?;
        if stated.is_none() {
            return Err(RemoteError::OtherStatement {
                query: query.to_string(),
                expected: Box::new(Stated {
                    program: run.program_hash,
                    layout: run.layout.clone(),
                    words: run.output.len(),
                }),
                got: Box::new(Stated {
                    program: claim.program.hash().0,
                    layout: verified.layout.to_owned(),
                    words: claim.output.0.len(),
                }),
            });
        }
        if claimed.evidence != Evidence::ProofFile {
            return Err(RemoteError::NoProofFile { query: query.to_string() });
        }
        Ok((verified, claim, file))
    }

    /// Which of the statements that count a proof makes, if any: our program in our layout, or our program inside an
    /// accepted bootloader.
    fn stated(&self, run: &RemoteRun, verified: &Verified, claim: &Claim) -> Option<ExpectedRun> {
        let program = claim.program.hash().0;
        let alone = plain(run);
        if program == run.program_hash && verified.layout == run.layout && claim.output.0 == alone.output() {
            return Some(alone);
        }
        let inside =
            ExpectedRun::Bootloaded { bootloader: program, child: run.task_hash, output: run.output.clone() };
        let accepted = self.terms.bootloaders.contains(&program);
        (accepted && claim.output.0 == inside.output()).then_some(inside)
    }

    fn bootloaders(&self) -> Bootloaders {
        Bootloaders { service: self.terms.bootloaders.clone(), ..Bootloaders::recorded() }
    }

    /// Keeps what came back, and records that the query brought nothing.
    async fn reject(&self, dedup_id: &str, error: &RemoteError, bytes: &[u8]) -> Result<(), RemoteError> {
        let now = self.clock.now();
        self.store.keep_rejected(&self.lease, error.code(), bytes, now).await?;
        self.conclude(dedup_id, RemoteState::Failed, Some(&error.to_string())).await
    }

    /// Records how a query ended, unless it is on record as over.
    async fn conclude(
        &self,
        dedup_id: &str,
        state: RemoteState,
        reason: Option<&str>,
    ) -> Result<(), RemoteError> {
        let of_job = self.store.queries_of(self.lease.job).await?;
        let over = of_job.iter().any(|query| {
            query.dedup_id == dedup_id && matches!(query.state, RemoteState::Delivered | RemoteState::Failed)
        });
        if !over {
            self.store.conclude_query(&self.lease, dedup_id, state, reason, self.clock.now()).await?;
        }
        Ok(())
    }
}

/// What a proof of the program alone states.
fn plain(run: &RemoteRun) -> ExpectedRun {
    ExpectedRun::Plain { program_hash: run.program_hash, output: run.output.clone() }
}

/// Verifies what came back.
fn checked(bytes: &[u8], policy: &Policy, query: &str) -> Result<(Verified, Claim, Vec<u8>), RemoteError> {
    let no_proof = |source| RemoteError::NotAProof { query: query.to_owned(), source };
    let json = Json::from_slice(bytes, "proof file").map_err(no_proof)?;
    let mut file = ProofFile::from_json(json, "proof file").map_err(no_proof)?;
    let rejected = |source| RemoteError::Rejected { query: query.to_owned(), source: Box::new(source) };
    let verified = verify(&file, policy).map_err(rejected)?;
    let claim =
        verified.claim().cloned().ok_or_else(|| RemoteError::NoProofFile { query: query.to_owned() })?;
    // A stored proof does not repeat private inputs.
    file.private_input = Json::object([]);
    Ok((verified, claim, file.into_json().to_stone_text().into_bytes()))
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn broken(error: tokio::task::JoinError) -> RemoteError {
    RemoteError::Broken(Box::new(error))
}

fn unreadable(query: &str) -> RemoteError {
    RemoteError::NoProofFile { query: query.escape_default().to_string() }
}
