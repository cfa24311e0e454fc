//! `ashlar allocate --server URL`: decided here, proven there, and examined here as the gate would.

use ashlar_risk::{Decision, MAX_FILE_BYTES, Proposal, decide, parse_proposals};
use ashlar_stone::{Policy, read_bounded};
use ashlar_store::{ContentHash, Evidence, GatePolicy, Moment, PaddedFelt, examine};
use serde_json::{Value, json};

use super::{Remote, demand_proof, follow::follow, wish};
use crate::{
    arguments::{Allocate, Execute},
    commands::gate_report,
    failure::{CommandError, Failure},
    session::Session,
};

pub(super) async fn run(session: &Session, remote: &Remote, arguments: Allocate) -> Result<(), Failure> {
    if arguments.execute != Execute::DryRun {
        let text = "what executes is the server's to say: leave out --execute, or --server".to_owned();
        return Err(CommandError::Usage(text).into());
    }
    let bytes = read_bounded(&arguments.file, "proposal", MAX_FILE_BYTES as u64)?;
    let proposals = parse_proposals(&bytes)?;
    if proposals.len() > 1 && !arguments.batch {
        return Err(CommandError::NeedsBatch { got: proposals.len() }.into());
    }
    let decisions = proposals.iter().map(decide).collect::<Result<Vec<_>, _>>()?;
    for (proposal, decision) in proposals.iter().zip(&decisions) {
        session.console.text(&gate_report::decision(proposal, decision))?;
        session.console.event("decision", gate_report::decision_data(proposal, decision))?;
    }
    // The same file with the same wishes is the same job, as without a server.
    let wish = wish(&arguments.security);
    let key = (!arguments.again).then(|| {
        let asked = format!("{}\n{:?}", ContentHash::of(&bytes), wish.query());
        format!("allocate-{}", ContentHash::of(asked.as_bytes()))
    });
    let submitted =
        remote.ask(move |client| client.submit_allocations(&bytes, &wish, key.as_deref())).await?;
    session.console.event("job", json!({ "job": submitted.job, "existing": submitted.existing }))?;
    let known = if submitted.existing { "is known there as" } else { "is proven there as" };
    session.console.remark(&format!("{known} {}; Ctrl-C leaves it going on", submitted.job));
    let view = follow(session, remote, &submitted.job, false).await?;
    demand_proof(session, &view)?;

    let proof = remote.proof(&view).await?;
    let made_at = Moment::parse(&view.job.created_at).unwrap_or_else(Moment::now);
    let age = std::time::Duration::from_secs(u64::from(arguments.proof_age) * 3600);
    let policy = GatePolicy::with_fewer_bits(Policy::strict(arguments.security.minimum_bits), age);
    let evidence = Evidence::local_proof(proof, made_at);
    let examined = tokio::task::spawn_blocking(move || examined(proposals, decisions, &evidence, &policy));
    let examined = examined.await.map_err(|broken| CommandError::Broken(Box::new(broken)))?;
    conclude(session, &submitted.job, examined)
}

/// A proposal, what was decided, and what the gate's examination of the proof came to.
type Examined = (Proposal, Decision, Result<ashlar_store::Admission, ashlar_store::Refusal>);

fn examined(
    proposals: Vec<Proposal>,
    decisions: Vec<Decision>,
    evidence: &Evidence,
    policy: &GatePolicy,
) -> Vec<Examined> {
    let now = Moment::now();
    let examine = |(proposal, decision): (Proposal, Decision)| {
        let admission = examine(&proposal, Some(evidence), policy, now);
        (proposal, decision, admission)
    };
    proposals.into_iter().zip(decisions).map(examine).collect()
}

fn conclude(session: &Session, job: &str, examined: Vec<Examined>) -> Result<(), Failure> {
    let total = examined.len();
    let (mut refused, mut last) = (0, None);
    let mut allocations = Vec::with_capacity(total);
    for (proposal, decision, admission) in examined {
        let id = PaddedFelt(decision.proposal_id);
        let (text, data) = match &admission {
            Ok(admission) => {
                let (conjectured, proven) = admission.bits();
                let text = format!(
                    "Proof accepted here\n  proposal {id}\n  {conjectured} bits conjectured, {proven} proven, output \
                     recomputed\n  job {job}\n"
                );
                let fact = PaddedFelt(admission.fact_hash());
                (
                    text,
                    json!({ "open": true, "executed": false, "fact_hash": fact, "proof_sha256": admission.evidence() }),
                )
            }
            Err(refusal) => {
                let code = ashlar_fault::Fault::code(refusal);
                let text = format!("Proof refused here ({code})\n  proposal {id}\n  {refusal}\n");
                let data = json!({
                    "open": false, "executed": false, "code": code.to_string(), "reason": refusal.to_string(),
                });
                (text, data)
            }
        };
        session.console.text(&text)?;
        session.console.event("gate", data.clone())?;
        allocations.push(json!({
            "decision": gate_report::decision_data(&proposal, &decision), "gate": data,
        }));
        if let Err(refusal) = admission {
            refused += 1;
            last = Some(refusal);
        }
    }
    let proofs: Value = json!([{ "job": job }]);
    session
        .console
        .document("ashlar.allocation/1", json!({ "allocations": allocations, "proofs": proofs }))?;
    match (refused, last, total) {
        (0, ..) => Ok(()),
        (_, Some(refusal), 1) => Err(refusal.into()),
        (refused, ..) => Err(CommandError::SomeRefused { refused, total }.into()),
    }
}
