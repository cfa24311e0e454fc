//! What `allocate` and `prove` share: run, parameters, proof, verification, records. One job, from queued to its end.

use std::sync::Arc;

use ashlar_cpu_air::{
    input::Execution,
    layout,
    statement::{Claim, StoneVersion},
};
use ashlar_engine::Forecast;
use ashlar_field::Felt;
use ashlar_server::task_stated;
use ashlar_stark::StoragePolicy;
use ashlar_stone::{
    Chosen, MemoryLimit, Policy, Profile, ProofFile, ProveError, Recorder, Settlement, Target, Verified,
    Wish, choose, verify,
};
use ashlar_store::{
    AllocationId, JobId, Lease, NewJob, PaddedFelt, ProofStatus, Purpose, Store, VerifiedProof,
};
use serde_json::{Value, json};

use crate::{
    arguments::{Goal, Security},
    calibration::{RatesInUse, threads},
    console::{duration, size},
    engine::{Comparison, Provers},
    estimate::Estimate,
    failure::{CommandError, Failure},
    profiling,
    progress::{Stages, Watch},
    session::Session,
    tenure::Tenure,
};

/// The generation of Stone that new proofs are of.
const VERSION: StoneVersion = StoneVersion::Stone6;

/// What a recording begins with: choosing the work and writing it down.
pub(crate) const FIRST_STAGE: &str = "request";

/// A run that is ready to be proven.
pub(crate) struct Prepared {
    /// Statement and witness.
    pub(crate) execution: Execution,
    /// What the run states.
    pub(crate) claim: Claim,
}

/// What is to be proven, and how.
pub(crate) struct Request {
    /// What the proof is for.
    pub(crate) purpose: Purpose,
    /// The allocations that it proves, in the order of the batch.
    pub(crate) allocations: Vec<AllocationId>,
    /// A digest of program and inputs.
    pub(crate) input_commitment: String,
    /// The parameters to choose.
    pub(crate) security: Security,
    /// What the proof must satisfy before it counts as one.
    pub(crate) policy: Policy,
    /// Who makes it.
    pub(crate) provers: Provers,
    /// What the person asked for, for the records.
    pub(crate) asked: Value,
    /// The job that this one does over.
    pub(crate) retry_of: Option<JobId>,
    /// Whether and how to record where the time goes.
    pub(crate) recorder: Option<Recorder>,
    /// Makes the run; on a thread of its own.
    pub(crate) run: Runner,
}

/// Makes a run that is ready to be proven.
pub(crate) type Runner = Box<dyn FnOnce() -> Result<Prepared, Failure> + Send>;

/// What an attempt at a recorded job takes.
pub(crate) struct Attempted {
    /// The parameters to choose.
    pub(crate) security: Security,
    /// What the proof must satisfy before it counts as one.
    pub(crate) policy: Policy,
    /// Who makes it.
    pub(crate) provers: Provers,
    /// Whether and how to record where the time goes.
    pub(crate) recorder: Option<Recorder>,
    /// Makes the run; on a thread of its own.
    pub(crate) run: Runner,
}

/// A proof that our verifier accepted and the records hold.
pub(crate) struct Proven {
    pub(crate) job: JobId,
    pub(crate) verified: Verified,
    pub(crate) claim: Claim,
    pub(crate) file: Vec<u8>,
    pub(crate) proof_size: u64,
    pub(crate) stages: Stages,
    /// Where the time went, if it was recorded.
    pub(crate) profile: Option<Profile>,
    chosen: Chosen,
    storage: StoragePolicy,
    rates: RatesInUse,
    comparison: Option<Comparison>,
}

/// Proves what is asked for, as a job on record: whatever happens, the job ends as verified, failed or cancelled.
pub(crate) async fn prove_recorded(
    session: &Session,
    store: &Store,
    request: Request,
) -> Result<Proven, Failure> {
    let new = NewJob {
        purpose: request.purpose,
        source: request.provers.source(),
        input_commitment: Some(request.input_commitment.clone()),
        request: Some(request.asked.clone()),
        retry_of: request.retry_of,
    };
    session.sweep(store).await?;
    let job = store.create_job(&new, &request.allocations).await?;
    session.console.event("job", json!({ "job": job }))?;
    session.console.detail(&format!("job {job}"));
    let Request { security, policy, provers, recorder, run, .. } = request;
    let attempted = Attempted { security, policy, provers, recorder, run };
    match stages(session, store, Tenure::Alone(job), attempted).await {
        Ok(proven) => Ok(proven),
        Err(failure) => Err(session.conclude(store, job, failure).await),
    }
}

/// Proves a job of the queue that a worker holds. A proof is recorded with the worker's lease; what a failure means for
/// the job is the worker's to say.
pub(crate) async fn prove_held(
    session: &Session,
    store: &Store,
    lease: Lease,
    attempted: Attempted,
) -> Result<Proven, Failure> {
    stages(session, store, Tenure::Attempt(lease), attempted).await
}

async fn stages(
    session: &Session,
    store: &Store,
    tenure: Tenure,
    request: Attempted,
) -> Result<Proven, Failure> {
    let job = tenure.job();
    let watch = Arc::new(Watch::new(session.console.clone(), session.interrupt.clone(), request.recorder));
    tenure.advance(store, ProofStatus::Tracing).await?;
    watch.begin("run");
    let prepared = session.work(store, &tenure, request.run).await?;
    stop_if_asked(session)?;

    let public_input = &prepared.execution.public_input;
    let n_steps = public_input.n_steps;
    let layout = layout::for_public_input(&public_input.layout, &public_input.dynamic_params)?;
    let Security { minimum_bits, optimize, hash, memory_limit, storage } = request.security;
    let rates = session.rates();
    let target = Target::new(&layout, n_steps, public_input.public_memory.len() as u64)
        .map_err(ashlar_stone::AutomaticError::from)?;
    let wish = Wish { bits: minimum_bits, optimize: optimize.into(), hashes: hash.into() };
    let chosen = choose(&target, &wish, &rates.rates)?;
    // Another program has needs of its own, and a memory of its own to run out of.
    let limit =
        if matches!(request.provers, Provers::External(_)) { MemoryLimit::Unlimited } else { memory_limit };
    // Whoever set too little aside learns how much it takes.
    let least = chosen.prediction.memory_bytes(StoragePolicy::InPlace) as u64;
    session.console.event("needs", json!({ "memory_bytes": Forecast::with_process(least, n_steps) }))?;
    let storage = limit.storage(&chosen.prediction, storage);
    limit.check(&chosen.prediction, storage)?;
    let trace_size = n_steps * 24 + prepared.execution.memory.len() * 40;
    let estimate =
        Estimate::new(&chosen.prediction, threads(), store.typical_latency(layout.name, n_steps).await?);
    announce(session, &prepared.claim, layout.name, n_steps, &chosen, storage, &rates, &estimate)?;
    if matches!(optimize, Goal::Calldata) {
        settlement_remark(session, &chosen);
    }

    tenure.advance(store, ProofStatus::Proving).await?;
    let parameters = chosen.parameters.clone();
    let observer = Arc::clone(&watch);
    let (provers, scratch) = (request.provers, session.scratch_path(job));
    watch.expect(estimate);
    let (proof, comparison) = session
        .work(store, &tenure, move || {
            provers.prove(prepared.execution, &parameters, VERSION, storage, scratch, &observer)
        })
        .await?;

    tenure.advance(store, ProofStatus::Verifying).await?;
    watch.begin("verify");
    let policy = request.policy;
    let (verified, proof_size, file) = session
        .work(store, &tenure, move || {
            let (verified, file) = checked(proof, &policy)?;
            Ok((verified, file.proof.len() as u64, file.into_json().to_stone_text().into_bytes()))
        })
        .await?;
    stop_if_asked(session)?;
    let (stages, profile) = watch.finish();
    let record = record(&verified, &prepared.claim, &chosen, trace_size, &stages);
    tenure.conclude_verified(store, &record, &file).await?;
    let claim = prepared.claim;
    Ok(Proven { job, verified, claim, file, proof_size, stages, profile, chosen, storage, rates, comparison })
}

fn stop_if_asked(session: &Session) -> Result<(), Failure> {
    if session.interrupt.is_set() { Err(CommandError::Interrupted.into()) } else { Ok(()) }
}

/// A proof that our verifier rejects is never called one.
fn checked(file: ProofFile, policy: &Policy) -> Result<(Verified, ProofFile), Failure> {
    let verified = verify(&file, policy).map_err(ProveError::Rejected)?;
    Ok((verified, file))
}

/// Says what is about to be proven, and what it is expected to take.
fn announce(
    session: &Session,
    claim: &Claim,
    layout: &str,
    n_steps: u64,
    chosen: &Chosen,
    storage: StoragePolicy,
    rates: &RatesInUse,
    estimate: &Estimate,
) -> Result<(), Failure> {
    let fri = &chosen.parameters.stark.fri;
    let program = PaddedFelt(claim.program.hash().0);
    session.console.event(
        "proving",
        json!({
            "program_hash": program, "layout": layout, "n_steps": n_steps,
            "security_bits": chosen.security.conjectured_bits, "proven_bits": chosen.security.proven_bits,
            "queries": fri.n_queries, "log_blow_up": chosen.parameters.stark.log_n_cosets,
            "grinding_bits": fri.proof_of_work_bits, "fri_step_list": fri.fri_step_list,
            "predicted": predicted(chosen, storage, rates),
        }),
    )?;
    session.console.remark(&format!("proving program {program}"));
    session.console.remark(&format!(
        "  layout {layout}, {n_steps} steps, {} queries, blow-up {}, {} bits of grinding: {} bits (conjectured)",
        fri.n_queries,
        1u64 << chosen.parameters.stark.log_n_cosets.min(63),
        fri.proof_of_work_bits,
        chosen.security.conjectured_bits,
    ));
    let total = u64::try_from(estimate.total().as_millis()).unwrap_or(u64::MAX);
    session.console.remark(&format!(
        "  about {} ({}), {} of memory",
        duration(total),
        estimate.basis,
        size(chosen.prediction.memory_bytes(storage) as u64)
    ));
    session.console.detail(&format!("  predicted from {}", rates.basis));
    Ok(())
}

/// What was expected of a proof, as data.
fn predicted(chosen: &Chosen, storage: StoragePolicy, rates: &RatesInUse) -> Value {
    json!({
        "cpu_seconds": chosen.prediction.cpu_seconds(),
        "verification_seconds": chosen.prediction.verification_seconds,
        "storage": storage.name(),
        "memory_bytes": chosen.prediction.memory_bytes(storage) as u64,
        "proof_bytes": chosen.prediction.bytes as u64,
        "calldata_felts": chosen.prediction.calldata_felts as u64,
        "one_transaction": chosen.settlement == Settlement::OneTransaction,
        "rates": rates.basis,
    })
}

/// Whoever asked for little calldata is told if it is not little enough.
fn settlement_remark(session: &Session, chosen: &Chosen) {
    let felts = chosen.prediction.calldata_felts as u64;
    session.console.remark(&match chosen.settlement {
        Settlement::OneTransaction => format!("  about {felts} field elements of calldata: one transaction"),
        Settlement::Split => format!(
            "  about {felts} field elements of calldata: no parameters fit into one transaction, which takes {}; \
             registering takes several",
            ashlar_stone::MOST_CALLDATA_FELTS
        ),
        Settlement::UnknownLayout => {
            "  the verifier contract on Starknet does not know this layout".to_owned()
        }
    });
}

fn record(
    verified: &Verified,
    claim: &Claim,
    chosen: &Chosen,
    trace_size: u64,
    stages: &Stages,
) -> VerifiedProof {
    let parameters = chosen.parameters.to_json().to_stone_text();
    VerifiedProof {
        program_hash: claim.program.hash().0,
        output: claim.output.0.clone(),
        fact_hash: claim.fact_hash().0,
        stone_version: "stone6",
        layout: verified.layout.to_owned(),
        n_steps: verified.n_steps,
        parameters: serde_json::from_str(&parameters).unwrap_or(Value::Null),
        security_bits: verified.security.conjectured_bits,
        proven_bits: verified.security.proven_bits,
        trace_size,
        stages: stages.clone(),
    }
}

impl Proven {
    /// The proof as data.
    pub(crate) fn to_json(&self) -> Value {
        let stages: serde_json::Map<String, Value> =
            self.stages.iter().map(|(stage, milliseconds)| (stage.clone(), json!(milliseconds))).collect();
        let output: Vec<String> = self.claim.output.0.iter().map(Felt::to_string).collect();
        json!({
            "job": self.job,
            "program_hash": PaddedFelt(self.claim.program.hash().0),
            "fact_hash": PaddedFelt(self.claim.fact_hash().0),
            "output": output,
            "task": task_stated(&self.verified),
            "layout": self.verified.layout,
            "n_steps": self.verified.n_steps,
            "security_bits": self.verified.security.conjectured_bits,
            "proven_bits": self.verified.security.proven_bits,
            "proof_bytes": self.proof_size,
            "file_bytes": self.file.len(),
            "stage_times_ms": stages,
            "predicted": predicted(&self.chosen, self.storage, &self.rates),
            "compared": self.comparison.map(Comparison::to_json),
            "profile": self.profile.as_ref().map(profiling::to_json),
        })
    }

    /// The proof in words.
    pub(crate) fn to_text(&self) -> String {
        let total: u64 = self.stages.iter().map(|(_, milliseconds)| milliseconds).sum();
        let stages: Vec<String> = self
            .stages
            .iter()
            .map(|(stage, milliseconds)| format!("{stage} {}", duration(*milliseconds)))
            .collect();
        format!(
            "Proof\n  program   {}\n{}  fact      {}\n  security  {} bits conjectured, {} bits proven\n  \
             statement layout {}, {} steps\n  size      {} proof, {} file\n  time      {}: {}\n{}  job       {}\n",
            PaddedFelt(self.claim.program.hash().0),
            task_line(&self.verified),
            PaddedFelt(self.claim.fact_hash().0),
            self.verified.security.conjectured_bits,
            self.verified.security.proven_bits,
            self.verified.layout,
            self.verified.n_steps,
            size(self.proof_size),
            size(self.file.len() as u64),
            duration(total),
            stages.join(", "),
            self.comparison.map(Comparison::to_text).unwrap_or_default(),
            self.job,
        )
    }
}

/// What a bootloader ran, in a line of its own; nothing if no bootloader was demanded.
pub(crate) fn task_line(verified: &Verified) -> String {
    let Some(task) = verified.task() else { return String::new() };
    format!("  task      {}, {} words\n", PaddedFelt(task.program_hash), task.output.len())
}
