//! Proposals, and real proofs of them, made once a test program.

use std::{path::Path, sync::LazyLock};

use ashlar_cpu_air::statement::StoneVersion;
use ashlar_field::Felt;
use ashlar_risk::{Constraints, Proposal, Row, decide, proposal_to_json, run_model};
use ashlar_stone::{HashChoice, Optimize, Policy, ProveOptions, automatic_parameters, prove};
use ashlar_store::{
    Allocation, DEFAULT_BITS, JobId, NewAllocation, NewJob, ProofSource, ProofStatus, Purpose, Store,
    VerifiedProof,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, SqlitePool, sqlite::SqliteConnectOptions};

/// A proof of [`accepted`].
pub(crate) static ACCEPTED: LazyLock<Vec<u8>> = LazyLock::new(|| proof_of(&accepted()));
/// A proof of [`rejected`], which proves the rejection.
pub(crate) static REJECTED: LazyLock<Vec<u8>> = LazyLock::new(|| proof_of(&rejected()));

pub(crate) fn proposal(nonce: u64) -> Proposal {
    let row = |protocol: u64, apy: u64| Row {
        protocol_id: Felt::from_u64(protocol),
        utilisation: 6500,
        volatility: 3500,
        liquidity: 1,
        audit: 98,
        age: 800,
        apy,
    };
    Proposal {
        chain_id: Felt::from_u64(0x534e),
        allocator: Felt::from_u64(0xa110),
        nonce,
        model_version: 1,
        constraints: Constraints {
            max_single: 6000,
            max_volatility: 4000,
            min_diversification: 2,
            min_liquidity: 2,
        },
        rows: vec![row(10, 500), row(11, 450)],
    }
}

pub(crate) fn accepted() -> Proposal {
    proposal(1)
}

pub(crate) fn rejected() -> Proposal {
    let mut proposal = proposal(2);
    proposal.constraints.max_single = 4000;
    proposal
}

pub(crate) fn proof_of(proposal: &Proposal) -> Vec<u8> {
    proof_of_batch(std::slice::from_ref(proposal))
}

pub(crate) fn proof_of_batch(proposals: &[Proposal]) -> Vec<u8> {
    let run = run_model(proposals).unwrap().run;
    let layout = ashlar_cpu_air::layout::by_name(&run.execution.public_input.layout).unwrap();
    let steps = run.execution.public_input.n_steps;
    let chosen =
        automatic_parameters(layout, steps, DEFAULT_BITS, Optimize::Time, HashChoice::Blake248).unwrap();
    let options = ProveOptions { annotations: false, ..ProveOptions::verified(Policy::strict(DEFAULT_BITS)) };
    let proof = prove(run.execution, &chosen.parameters, StoneVersion::Stone6, options, &()).unwrap();
    proof.file.into_json().to_stone_text().into_bytes()
}

pub(crate) async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    (folder, store)
}

pub(crate) async fn record(store: &Store, proposal: &Proposal) -> Allocation {
    let decision = decide(proposal).unwrap();
    let new = NewAllocation {
        proposal: proposal_to_json(proposal),
        proposal_id: decision.proposal_id,
        model_version: proposal.model_version,
        scores: decision.scores,
        shares: decision.shares,
        verdict: decision.verdict as u8,
    };
    store.record_allocation(&new).await.unwrap()
}

/// Records a proposal and a job that has proven it.
pub(crate) async fn record_proof(store: &Store, proposal: &Proposal, proof: &[u8]) -> JobId {
    let job = job_in_verification(store, proposal).await;
    store.conclude_verified(job, &verified_record(), proof).await.unwrap();
    job
}

pub(crate) fn job_of(purpose: Purpose) -> NewJob {
    NewJob { purpose, source: ProofSource::StoneLocal, input_commitment: None, request: None, retry_of: None }
}

/// Records a proposal and a job whose proof is being verified.
pub(crate) async fn job_in_verification(store: &Store, proposal: &Proposal) -> JobId {
    let allocation = record(store, proposal).await;
    let job = store.create_job(&job_of(Purpose::Allocation), &[allocation.id]).await.unwrap();
    for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
        store.advance(job, status).await.unwrap();
    }
    job
}

/// What is recorded of a proof.
pub(crate) fn verified_record() -> VerifiedProof {
    VerifiedProof {
        program_hash: Felt::ONE,
        output: Vec::new(),
        fact_hash: Felt::ONE,
        stone_version: "stone6",
        layout: "small".to_owned(),
        n_steps: 8192,
        parameters: json!({}),
        security_bits: DEFAULT_BITS,
        proven_bits: 0,
        trace_size: 0,
        stages: Vec::new(),
    }
}

/// A second program with the database open, which knows none of our types.
pub(crate) async fn outsider(folder: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.join("ashlar.sqlite")))
        .await
        .unwrap()
}

pub(crate) async fn run_sql(pool: &SqlitePool, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await.unwrap();
}
