//! `ashlar allocate`: from a proposal to scores and shares, a verified proof, and the gate.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ashlar_cpu_air::statement::StatementError;
use ashlar_risk::{Decision, MAX_FILE_BYTES, Proposal, decide, parse_proposals, run_model};
use ashlar_stone::{Policy, read_bounded};
use ashlar_store::{
    Allocation, ContentHash, ExecutionPort, GatePolicy, Job, JobId, NewAllocation, PaddedFelt, Purpose,
    Store, gate_outcome,
};
use serde_json::{Value, json};

use super::gate_report;
use crate::{
    arguments::{Allocate, Security},
    asked::Asked,
    console::{ago, duration},
    engine::Provers,
    failure::{CommandError, Failure},
    profiling::Profiling,
    proving::{FIRST_STAGE, Prepared, Request, Runner, prove_recorded},
    service,
    session::Session,
};

/// A proposal on its way.
struct Item {
    proposal: Proposal,
    decision: Decision,
    allocation: Allocation,
}

pub(crate) async fn run(session: &Session, arguments: Allocate) -> Result<(), Failure> {
    let port = port(&arguments)?;
    let profiling = Profiling::of(&arguments.timings)?;
    let bytes = read_bounded(&arguments.file, "proposal", MAX_FILE_BYTES as u64)?;
    let proposals = parse_proposals(&bytes)?;
    if proposals.len() > 1 && !arguments.batch {
        return Err(CommandError::NeedsBatch { got: proposals.len() }.into());
    }
    let decisions = proposals.iter().map(decide).collect::<Result<Vec<_>, _>>()?;
    all_differ(&decisions)?;
    for (proposal, decision) in proposals.iter().zip(&decisions) {
        session.console.text(&gate_report::decision(proposal, decision))?;
        session.console.event("decision", gate_report::decision_data(proposal, decision))?;
    }

    let store = session.store().await?;
    let decided = proposals.into_iter().zip(decisions);
    let new: Vec<NewAllocation> =
        decided.clone().map(|(proposal, decision)| NewAllocation::of(&proposal, &decision)).collect();
    let items: Vec<Item> = decided
        .zip(store.record_allocations(&new).await?)
        .map(|((proposal, decision), allocation)| Item { proposal, decision, allocation })
        .collect();
    let found = if arguments.again { None } else { on_record(&store, &items, &arguments).await? };
    let (jobs, proof) = match found {
        Some(jobs) => {
            let proof = known_proof(session, &jobs)?;
            (jobs.iter().map(|job| job.id).collect(), proof)
        }
        None => {
            let mut request = request(&items, &arguments.security, None)?;
            request.recorder = profiling.recorder(FIRST_STAGE);
            let proven = prove_recorded(session, &store, request).await?;
            session.console.text(&proven.to_text())?;
            if let Some(profile) = &proven.profile {
                profiling.report(session, profile)?;
            }
            (vec![proven.job; items.len()], json!([proven.to_json()]))
        }
    };
    let outcome = pass_gate(session, &store, &items, &jobs, &arguments, port).await;
    let (gate, refused) = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => {
            store.close().await;
            return Err(failure);
        }
    };
    let allocations: Vec<Value> = items
        .iter()
        .zip(gate)
        .map(|(item, gate)| {
            json!({
                "allocation": item.allocation.id,
                "decision": gate_report::decision_data(&item.proposal, &item.decision),
                "gate": gate,
            })
        })
        .collect();
    store.close().await;
    let total = items.len();
    // With a refusal the document is still the result: what was decided and proven stands.
    session
        .console
        .document("ashlar.allocation/1", json!({ "allocations": allocations, "proofs": proof }))?;
    match refused {
        Refusals::None => Ok(()),
        Refusals::Only(failure) => Err(failure),
        Refusals::Some(refused) => Err(CommandError::SomeRefused { refused, total }.into()),
    }
}

/// No proposal may stand twice in a batch.
fn all_differ(decisions: &[Decision]) -> Result<(), CommandError> {
    let mut seen = BTreeMap::new();
    for (number, decision) in (1..).zip(decisions) {
        let proposal_id = PaddedFelt(decision.proposal_id);
        if let Some(first) = seen.insert(proposal_id.to_string(), number) {
            return Err(CommandError::SameProposal { proposal_id, first, second: number });
        }
    }
    Ok(())
}

/// What happens when the gate opens.
fn port(arguments: &Allocate) -> Result<Arc<dyn ExecutionPort>, Failure> {
    let (address, repeatable) = (arguments.webhook_url.as_deref(), arguments.webhook_repeatable);
    service::port(arguments.execute, address, repeatable)?
        .ok_or_else(|| CommandError::Usage("--execute webhook needs --webhook-url URL".to_owned()).into())
}

/// The jobs that have already proven these proposals with enough bits, one each; `None` if one is missing.
async fn on_record(store: &Store, items: &[Item], arguments: &Allocate) -> Result<Option<Vec<Job>>, Failure> {
    let mut jobs = Vec::with_capacity(items.len());
    for item in items {
        match store.verified_job_of(item.allocation.id).await? {
            Some(job) if job.security_bits >= Some(arguments.security.minimum_bits) => jobs.push(job),
            _ => return Ok(None),
        }
    }
    Ok(Some(jobs))
}

/// Shows proofs that are on record; several proposals may share one.
fn known_proof(session: &Session, jobs: &[Job]) -> Result<Value, Failure> {
    let mut distinct: Vec<&Job> = Vec::new();
    for job in jobs {
        if !distinct.iter().any(|known| known.id == job.id) {
            distinct.push(job);
        }
    }
    for job in &distinct {
        let show =
            |felt: &Option<PaddedFelt>| felt.map_or_else(|| "unknown".to_owned(), |felt| felt.to_string());
        session.console.text(&format!(
            "Proof (on record, made {}; --again proves anew)\n  program   {}\n  fact      {}\n  \
             security  {} bits conjectured, {} bits proven\n  time      {}\n  job       {}\n",
            ago(job.created_at),
            show(&job.program_hash),
            show(&job.fact_hash),
            job.security_bits.unwrap_or(0),
            job.proven_bits.unwrap_or(0),
            duration(job.stone_latency_ms.unwrap_or(0)),
            job.id,
        ))?;
        session.console.event("found", json!({ "job": job.id }))?;
    }
    let data: Vec<Value> = distinct.iter().map(|job| json!({ "on_record": true, "job": job })).collect();
    Ok(Value::Array(data))
}

fn request(items: &[Item], security: &Security, retry_of: Option<JobId>) -> Result<Request, Failure> {
    let proposals: Vec<Proposal> = items.iter().map(|item| item.proposal.clone()).collect();
    let ids: String = items.iter().map(|item| PaddedFelt(item.decision.proposal_id).to_string()).collect();
    Ok(Request {
        purpose: Purpose::Allocation,
        allocations: items.iter().map(|item| item.allocation.id).collect(),
        input_commitment: ContentHash::of(ids.as_bytes()).to_string(),
        security: security.clone(),
        policy: Policy::strict(security.minimum_bits),
        provers: Provers::Native,
        asked: Asked::Allocation(security.clone()).to_json()?,
        retry_of,
        recorder: None,
        run: model_run(proposals),
    })
}

/// How the run of the risk engine over some proposals comes about.
pub(crate) fn model_run(proposals: Vec<Proposal>) -> Runner {
    Box::new(move || {
        // The run comes back only if it agrees with the reference, so a disagreement is never proven.
        let run = run_model(&proposals)?.run;
        let claim = run.forms.strict.map_err(StatementError::Entry)?;
        Ok(Prepared { execution: run.execution, claim })
    })
}

/// Does a job over: the same proposals in one proof. The gate is not passed.
pub(crate) async fn again(
    session: &Session,
    store: &Store,
    security: &Security,
    job: &Job,
) -> Result<(), Failure> {
    let mut items = Vec::new();
    for allocation in store.allocations_of(job.id).await? {
        let recorded = parse_proposals(allocation.proposal.to_string().as_bytes())?;
        for proposal in recorded {
            let decision = decide(&proposal)?;
            items.push(Item { proposal, decision, allocation: allocation.clone() });
        }
    }
    let proven = prove_recorded(session, store, request(&items, security, Some(job.id))?).await?;
    session.console.text(&proven.to_text())?;
    session.console.remark("to bring it to the gate: ashlar allocate FILE, which finds this proof");
    session.console.document("ashlar.proof/1", proven.to_json())
}

/// How many of the proposals the gate refused.
enum Refusals {
    None,
    Only(Failure),
    Some(usize),
}

/// Brings every proposal to the gate. A refusal is an outcome; only what breaks the records ends the round.
async fn pass_gate(
    session: &Session,
    store: &Store,
    items: &[Item],
    jobs: &[JobId],
    arguments: &Allocate,
    port: Arc<dyn ExecutionPort>,
) -> Result<(Vec<Value>, Refusals), Failure> {
    let age = Duration::from_secs(u64::from(arguments.proof_age) * 3600);
    // Fewer bits than the default are the caller's word: the flag, the environment, or a settings file that was named.
    let policy = GatePolicy::with_fewer_bits(Policy::strict(arguments.security.minimum_bits), age);
    let mut outcomes = Vec::with_capacity(items.len());
    let mut last = None;
    let mut refused = 0;
    let pairs: Vec<(&Item, JobId)> = items.iter().zip(jobs.iter().copied()).collect();
    // Proposals of one proof come to the gate together, which then verifies it once.
    for together in pairs.chunk_by(|(_, a), (_, b)| a == b) {
        let Some(&(_, job)) = together.first() else { continue };
        let evidence = store.evidence_of(&store.job(job).await?).await?;
        let proposals: Vec<Proposal> = together.iter().map(|(item, _)| item.proposal.clone()).collect();
        let passed =
            store.pass_gate_together(&proposals, evidence.as_ref(), &policy, Arc::clone(&port)).await;
        for ((item, _), outcome) in together.iter().zip(passed) {
            let data = gate_outcome(&outcome);
            session.console.text(&gate_report::outcome(&item.decision, &outcome, port.name()))?;
            session.console.event("gate", data.clone())?;
            store.note(job, "gate", &data).await?;
            outcomes.push(data);
            if let Err(error) = outcome {
                refused += 1;
                last = Some(error);
            }
        }
    }
    let refusals = match (refused, last, items.len()) {
        (0, ..) => Refusals::None,
        (_, Some(error), 1) => Refusals::Only(error.into()),
        (refused, ..) => Refusals::Some(refused),
    };
    Ok((outcomes, refusals))
}
