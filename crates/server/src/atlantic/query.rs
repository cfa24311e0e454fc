//! From a job to a query as the service tells it.

use ashlar_atlantic::{
    Chain, Goal, JobRecord, JobSize, JobStatus, JobsAnswer, Layout, Query, QueryId, QueryStatus, SharpProver,
    Step,
};
use ashlar_cpu_air::statement::{Output, Task};
use ashlar_engine::FINISHED_RUN;
use ashlar_field::Felt;
use ashlar_store::{Job, JobEvent, JobId, Moment, PaddedFelt, ProofStatus};
use serde_json::{Value, json};

use super::form::size_of;

/// The event that holds the form's fields.
pub(super) const NOTE: &str = "atlantic";

/// What becomes of every query here.
const STEPS: [Step; 2] = [Step::TraceGeneration, Step::ProofGeneration];

/// The query's id of a job: the job's without its prefix.
pub(super) fn id_of(job: JobId) -> String {
    let text = job.to_string();
    text.strip_prefix(JobId::PREFIX).unwrap_or(&text).to_owned()
}

/// The job of a query's id.
pub(super) fn job_of(id: &str) -> Option<JobId> {
    JobId::parse(&format!("{}{id}", JobId::PREFIX))
}

fn status(job: &Job) -> QueryStatus {
    match job.proof_status {
        ProofStatus::Queued => QueryStatus::Received,
        ProofStatus::Verified => QueryStatus::Done,
        status if status.is_terminal() => QueryStatus::Failed,
        _ => QueryStatus::InProgress,
    }
}

/// A job, with its log, as a query.
pub(super) fn query(job: &Job, events: &[JobEvent]) -> Option<Query> {
    let note = events.iter().find(|event| event.event == NOTE).map(|event| &event.detail);
    let field = |name: &str| note.and_then(|note| note.get(name)).and_then(Value::as_str).map(str::to_owned);
    let mut query = Query::new(QueryId::parse(&id_of(job.id))?, status(job));
    query.external_id = field("externalId");
    query.dedup_id = field("dedupId");
    query.declared_job_size = field("declaredJobSize").map(|word| JobSize::from_word(&word));
    query.layout = job.layout.clone().or_else(|| field("layout")).map(|word| Layout::from_word(&word));
    query.cairo_vm = field("cairoVm").map(|word| ashlar_atlantic::CairoVm::from_word(&word));
    query.cairo_version = field("cairoVersion").map(|word| ashlar_atlantic::CairoVersion::from_word(&word));
    query.network = field("network").map(|word| ashlar_atlantic::Network::from_word(&word));
    query.result = Some(Goal::ProofGeneration);
    query.sharp_prover = Some(SharpProver::Stone);
    query.chain = Some(Chain::Offchain);
    query.steps = Some(STEPS.to_vec());
    query.step = match job.proof_status {
        ProofStatus::Queued => None,
        ProofStatus::Tracing => Some(Step::TraceGeneration),
        _ => Some(Step::ProofGeneration),
    };
    query.is_fact_mocked = Some(false);
    query.is_proof_mocked = Some(false);
    query.integrity_fact_hash = job.fact_hash.map(|fact| fact.to_string());
    query.job_size = job.n_steps.map(size_of);
    query.is_job_size_valid = query.job_size.is_some().then_some(true);
    query.retry_count = Some(u64::from(job.attempts.saturating_sub(1)));
    query.created_at = Some(job.created_at.to_string());
    if job.proof_status.is_terminal() {
        query.completed_at = Some(job.updated_at.to_string());
    }
    if query.status == QueryStatus::Failed {
        let code = job.error_code.clone().unwrap_or_default();
        let text = job.error_text.as_deref().unwrap_or(job.proof_status.word());
        query.error_reason =
            Some(format!("{code} {}", text.chars().take(500).collect::<String>()).trim().to_owned());
    }
    Some(query)
}

/// When a job came to stand here last.
fn when(events: &[JobEvent], status: ProofStatus) -> Option<Moment> {
    let is_it = |event: &&JobEvent| event.event == "status" && event.detail["to"] == status.word();
    events.iter().rev().find(is_it).map(|event| event.at)
}

/// The stages of a query with their times.
pub(super) fn jobs(job: &Job, events: &[JobEvent]) -> JobsAnswer {
    let (tracing, proving) = (when(events, ProofStatus::Tracing), when(events, ProofStatus::Proving));
    // After a failure the run is made again: a proof that began before is of an attempt that is over.
    let proving = proving.filter(|at| tracing.is_none_or(|tracing| tracing <= *at));
    let ended = job.proof_status.is_terminal().then_some(job.updated_at);
    let stage = |step: &Step, began: Option<Moment>, over: Option<Moment>| {
        let began = began?;
        let status = match (over, ended, job.proof_status) {
            (Some(_), _, _) | (None, Some(_), ProofStatus::Verified) => JobStatus::Completed,
            (None, Some(_), _) => JobStatus::Failed,
            (None, None, _) => JobStatus::InProgress,
        };
        Some(JobRecord {
            id: format!("{}-{step}", id_of(job.id)),
            status,
            job_name: Some(step.clone()),
            created_at: Some(began.to_string()),
            completed_at: over.or(ended).map(|at| at.to_string()),
            context: None,
        })
    };
    let [trace, proof] = &STEPS;
    let records = [stage(trace, tracing, proving), stage(proof, proving, None)];
    JobsAnswer { jobs: records.into_iter().flatten().collect(), steps: Some(STEPS.to_vec()) }
}

/// The file `metadata.json` of a query that is done: the program as the verifier contract hashes it. Of a finished run
/// that is the bootloader, and the program of the run is its child, by the hash that the bootloader puts out.
pub(super) fn metadata(job: &Job) -> Value {
    let mut metadata = json!({
        "program_hash": job.program_hash,
        "output": job.output,
        "integrity_fact_hash": job.fact_hash,
        "execution_resources": { "n_steps": job.n_steps },
    });
    if let (Some(task), Value::Object(fields)) = (task_of(job), &mut metadata) {
        fields.insert("child_program_hash".to_owned(), json!(PaddedFelt(task.program_hash)));
    }
    metadata
}

/// What a bootloader ran, of a job whose request was a finished run.
fn task_of(job: &Job) -> Option<Task> {
    job.request.as_ref().filter(|request| request["kind"] == FINISHED_RUN)?;
    let words = job.output.as_ref()?.as_array()?.iter();
    let words: Option<Vec<Felt>> = words.map(|word| word.as_str()?.parse().ok()).collect();
    Task::of_output(&Output(words?)).ok()
}
