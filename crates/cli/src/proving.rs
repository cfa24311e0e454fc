//! What `allocate` and `prove` share: run, parameters, proof, verification, records. One job, from queued to its end.

use std::sync::Arc;

use ashlar_cpu_air::{
    input::Execution,
    layout,
    statement::{Claim, StoneVersion},
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_stone::{
    Chosen, Policy, ProofFile, ProveError, ProveOptions, SelfVerification, Verified, automatic_parameters,
    prove, verify,
};
use ashlar_store::{
    AllocationId, JobId, NewJob, PaddedFelt, ProofSource, ProofStatus, Purpose, Store, VerifiedProof,
};
use serde_json::{Value, json};

use crate::{
    arguments::Security,
    console::{duration, size},
    failure::{CommandError, Failure},
    progress::{Stages, Watch, memory_limit},
    session::Session,
};

/// The generation of Stone that new proofs are of.
const VERSION: StoneVersion = StoneVersion::Stone6;

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
    /// Makes the run; on a thread of its own.
    pub(crate) run: Box<dyn FnOnce() -> Result<Prepared, Failure> + Send>,
}

/// A proof that our verifier accepted and the records hold.
pub(crate) struct Proven {
    pub(crate) job: JobId,
    pub(crate) verified: Verified,
    pub(crate) claim: Claim,
    pub(crate) file: Vec<u8>,
    pub(crate) proof_size: u64,
    pub(crate) stages: Stages,
}

/// A proof that this machine has no memory for.
#[derive(Debug, thiserror::Error)]
#[error("the proof needs about {} of memory, this machine allows {}", size(*.needed), size(*.limit))]
struct TooMuchMemory {
    needed: u64,
    limit: u64,
}

impl Fault for TooMuchMemory {
    fn code(&self) -> Code {
        Code(2104)
    }

    fn exit(&self) -> Exit {
        Exit::Capacity
    }

    fn hint(&self) -> Option<String> {
        Some("prove fewer proposals at once, or use a machine with more memory".to_owned())
    }
}

/// Proves what is asked for, as a job on record: whatever happens, the job ends as verified, failed or cancelled.
pub(crate) async fn prove_recorded(
    session: &Session,
    store: &Store,
    request: Request,
) -> Result<Proven, Failure> {
    let new = NewJob {
        purpose: request.purpose,
        source: ProofSource::StoneLocal,
        input_commitment: Some(request.input_commitment.clone()),
    };
    session.sweep(store).await?;
    let job = store.create_job(&new, &request.allocations).await?;
    session.console.event("job", json!({ "job": job }))?;
    session.console.detail(&format!("job {job}"));
    match stages(session, store, job, request).await {
        Ok(proven) => Ok(proven),
        Err(failure) => Err(session.conclude(store, job, failure).await),
    }
}

async fn stages(session: &Session, store: &Store, job: JobId, request: Request) -> Result<Proven, Failure> {
    let watch = Arc::new(Watch::new(session.console.clone(), session.interrupt.clone()));
    store.advance(job, ProofStatus::Tracing).await?;
    watch.begin("run");
    let prepared = session.work(store, job, request.run).await?;
    stop_if_asked(session)?;

    let public_input = &prepared.execution.public_input;
    let n_steps = public_input.n_steps;
    let layout = layout::by_name(&public_input.layout)
        .ok_or_else(|| CommandError::NoLayout(public_input.layout.clone()))?;
    let Security { minimum_bits, optimize, hash } = request.security;
    let chosen = automatic_parameters(layout, n_steps, minimum_bits, optimize.into(), hash.into())?;
    let needed = chosen.prediction.memory_bytes as u64;
    if let Some(limit) = memory_limit().filter(|limit| needed > *limit) {
        return Err(TooMuchMemory { needed, limit }.into());
    }
    let trace_size = n_steps * 24 + prepared.execution.memory.len() * 40;
    announce(session, store, &prepared.claim, layout.name, n_steps, &chosen).await?;

    store.advance(job, ProofStatus::Proving).await?;
    let parameters = chosen.parameters.clone();
    let observer = Arc::clone(&watch);
    let proof = session
        .work(store, job, move || {
            // The proof is verified below, as a stage of its own, against the caller's policy.
            let options = ProveOptions {
                self_verification: SelfVerification::Skip,
                ..ProveOptions::verified(Policy::stone(VERSION))
            };
            Ok(prove(prepared.execution, &parameters, VERSION, options, &*observer)?)
        })
        .await?;

    store.advance(job, ProofStatus::Verifying).await?;
    watch.begin("verify");
    let policy = request.policy;
    let (verified, proof_size, file) = session
        .work(store, job, move || {
            let (verified, file) = checked(proof.file, &policy)?;
            Ok((verified, file.proof.len() as u64, file.into_json().to_stone_text().into_bytes()))
        })
        .await?;
    stop_if_asked(session)?;
    let stages = watch.finish();
    let record = record(&verified, &prepared.claim, &chosen, trace_size, &stages);
    store.conclude_verified(job, &record, &file).await?;
    Ok(Proven { job, verified, claim: prepared.claim, file, proof_size, stages })
}

fn stop_if_asked(session: &Session) -> Result<(), Failure> {
    if session.interrupt.is_set() { Err(CommandError::Interrupted.into()) } else { Ok(()) }
}

/// A proof that our verifier rejects is never called one.
fn checked(file: ProofFile, policy: &Policy) -> Result<(Verified, ProofFile), Failure> {
    let verified = verify(&file, policy).map_err(ProveError::Rejected)?;
    Ok((verified, file))
}

/// Says what is about to be proven, and how long it took before.
async fn announce(
    session: &Session,
    store: &Store,
    claim: &Claim,
    layout: &str,
    n_steps: u64,
    chosen: &Chosen,
) -> Result<(), Failure> {
    let fri = &chosen.parameters.stark.fri;
    let typical = store.typical_latency(layout, n_steps).await?;
    let program = PaddedFelt(claim.program.hash().0);
    session.console.event(
        "proving",
        json!({
            "program_hash": program, "layout": layout, "n_steps": n_steps,
            "security_bits": chosen.security.conjectured_bits, "proven_bits": chosen.security.proven_bits,
            "queries": fri.n_queries, "log_blow_up": chosen.parameters.stark.log_n_cosets,
            "grinding_bits": fri.proof_of_work_bits, "fri_step_list": fri.fri_step_list,
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
    if let Some((runs, milliseconds)) = typical {
        let plural = if runs == 1 { "run" } else { "runs" };
        session.console.remark(&format!("  about {} (from {runs} similar {plural})", duration(milliseconds)));
    }
    Ok(())
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
            "layout": self.verified.layout,
            "n_steps": self.verified.n_steps,
            "security_bits": self.verified.security.conjectured_bits,
            "proven_bits": self.verified.security.proven_bits,
            "proof_bytes": self.proof_size,
            "file_bytes": self.file.len(),
            "stage_times_ms": stages,
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
            "Proof\n  program   {}\n  fact      {}\n  security  {} bits conjectured, {} bits proven\n  \
             statement layout {}, {} steps\n  size      {} proof, {} file\n  time      {}: {}\n  job       {}\n",
            PaddedFelt(self.claim.program.hash().0),
            PaddedFelt(self.claim.fact_hash().0),
            self.verified.security.conjectured_bits,
            self.verified.security.proven_bits,
            self.verified.layout,
            self.verified.n_steps,
            size(self.proof_size),
            size(self.file.len() as u64),
            duration(total),
            stages.join(", "),
            self.job,
        )
    }
}
