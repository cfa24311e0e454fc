//! The records keep their rules, whatever program writes to them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{fs, path::Path, time::Duration};

use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_store::{
    Allocation, AllocationStatus, ArtefactKind, ContentHash, Error, FactSource, JobId, Moment, NewAllocation,
    NewJob, NewSettlement, ProofSource, ProofStatus, Purpose, SettlementId, SettlementState, SettlementStep,
    Store, VerifiedProof,
};
use serde_json::json;
use sqlx::{AssertSqlSafe, SqlitePool, sqlite::SqliteConnectOptions};

const ALLOCATION_JOB: NewJob = NewJob {
    purpose: Purpose::Allocation,
    source: ProofSource::StoneLocal,
    input_commitment: None,
    request: None,
    retry_of: None,
};

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    (folder, store)
}

/// A second program with the database open, which knows none of our types.
async fn outsider(folder: &Path) -> SqlitePool {
    SqlitePool::connect_with(SqliteConnectOptions::new().filename(folder.join("ashlar.sqlite")))
        .await
        .unwrap()
}

async fn refused(pool: &SqlitePool, sql: &str) -> String {
    match sqlx::query(AssertSqlSafe(sql.to_owned())).execute(pool).await {
        Ok(_) => panic!("the database allowed: {sql}"),
        Err(error) => error.to_string(),
    }
}

fn allocation(number: u64, verdict: u8) -> NewAllocation {
    NewAllocation {
        proposal: json!({ "nonce": number }),
        proposal_id: Felt::from_u64(number),
        model_version: 1,
        scores: vec![35, 39],
        shares: vec![5000, 5000],
        verdict,
    }
}

fn verified() -> VerifiedProof {
    VerifiedProof {
        program_hash: Felt::from_u64(7),
        output: vec![Felt::from_u64(1), Felt::from_u64(2)],
        fact_hash: Felt::from_u64(8),
        stone_version: "stone6",
        layout: "small".to_owned(),
        n_steps: 8192,
        parameters: json!({ "n_queries": 18 }),
        security_bits: 96,
        proven_bits: 50,
        trace_size: 1000,
        stages: vec![("run".to_owned(), 3), ("prove".to_owned(), 500)],
    }
}

async fn verified_job(store: &Store, allocations: &[Allocation], proof: &[u8]) -> JobId {
    let ids: Vec<_> = allocations.iter().map(|allocation| allocation.id).collect();
    let job = store.create_job(&ALLOCATION_JOB, &ids).await.unwrap();
    for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
        store.advance(job, status).await.unwrap();
    }
    store.conclude_verified(job, &verified(), proof).await.unwrap();
    job
}

#[tokio::test]
async fn a_verified_proof_is_recorded_with_file_manifest_and_log() {
    let (folder, store) = store().await;
    let recorded = store.record_allocation(&allocation(1, 0)).await.unwrap();
    let id = verified_job(&store, std::slice::from_ref(&recorded), b"the proof").await;

    let job = store.job(id).await.unwrap();
    assert_eq!(job.proof_status, ProofStatus::Verified);
    assert_eq!(job.proof_hash, Some(ContentHash::of(b"the proof")));
    assert_eq!((job.stone_proof_size, job.stone_latency_ms), (Some(9), Some(503)));
    assert_eq!(job.output, Some(json!(["0x1", "0x2"])));
    let artefacts = store.artefacts_of(id).await.unwrap();
    assert_eq!(store.artefacts().read(&artefacts[0]).unwrap(), b"the proof");
    let manifest = fs::read_to_string(folder.path().join(format!("manifests/{id}.json"))).unwrap();
    assert!(manifest.contains(&ContentHash::of(b"the proof").to_string()), "{manifest}");
    let log: Vec<String> = store
        .events(id, 0)
        .await
        .unwrap()
        .iter()
        .map(|event| event.detail["to"].as_str().unwrap().into())
        .collect();
    assert_eq!(log, ["queued", "tracing", "proving", "verifying", "verified"]);
    assert_eq!(store.verified_job_of(recorded.id).await.unwrap().unwrap().id, id);
    assert_eq!(store.allocations_of(id).await.unwrap()[0].id, recorded.id);
}

#[tokio::test]
async fn a_terminal_job_never_changes() {
    let (folder, store) = store().await;
    let pool = outsider(folder.path()).await;
    let verified = verified_job(&store, &[], b"proof").await;
    let failed = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    store.fail(failed, Code(1301), "no").await.unwrap();
    let cancelled = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    store.cancel(cancelled).await.unwrap();
    for job in [verified, failed, cancelled] {
        let error = store.advance(job, ProofStatus::Proving).await.unwrap_err();
        assert!(matches!(&error, Error::StateRule { .. }), "{error:?}");
        assert_eq!((error.code(), error.exit()), (Code(4009), Exit::Negative));
        assert!(matches!(store.fail(job, Code(1), "").await, Err(Error::StateRule { .. })));
        assert!(matches!(store.renew(job).await, Err(Error::StateRule { .. })));
        let change = format!("UPDATE proof_jobs SET security_bits = 200 WHERE id = '{job}'");
        assert!(refused(&pool, &change).await.contains("terminal job never changes"));
        let deletion = format!("DELETE FROM proof_jobs WHERE id = '{job}'");
        assert!(refused(&pool, &deletion).await.contains("never deleted"));
    }
}

#[tokio::test]
async fn a_job_cannot_jump_to_verified_nor_be_verified_without_a_proof() {
    let (folder, store) = store().await;
    let pool = outsider(folder.path()).await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    assert!(matches!(
        store.conclude_verified(job, &verified(), b"proof").await,
        Err(Error::StateRule { .. })
    ));
    store.advance(job, ProofStatus::Proving).await.unwrap();
    store.advance(job, ProofStatus::Verifying).await.unwrap();
    let without_proof = format!("UPDATE proof_jobs SET proof_status = 'verified' WHERE id = '{job}'");
    assert!(refused(&pool, &without_proof).await.contains("CHECK"));
    assert!(matches!(store.advance(job, ProofStatus::Queued).await, Err(Error::StateRule { .. })));
    let born_verified = "INSERT INTO proof_jobs (id, purpose, proof_source, proof_status, created_at, updated_at)
                         VALUES ('job_00000000000000000000000000', 'program', 'stone_local', 'verified', '', '')";
    assert!(refused(&pool, born_verified).await.contains("starts as queued"));
}

#[tokio::test]
async fn a_mock_is_never_verified() {
    let (_folder, store) = store().await;
    let mock = NewJob { source: ProofSource::Mock, ..ALLOCATION_JOB };
    let job = store.create_job(&mock, &[]).await.unwrap();
    store.advance(job, ProofStatus::Proving).await.unwrap();
    store.advance(job, ProofStatus::Verifying).await.unwrap();
    store.conclude_verified(job, &verified(), b"proof").await.unwrap_err();
    assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Verifying);
}

#[tokio::test]
async fn events_are_append_only() {
    let (folder, store) = store().await;
    let pool = outsider(folder.path()).await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    store.note(job, "gate", &json!({ "verdict": "shut" })).await.unwrap();
    assert!(refused(&pool, "UPDATE job_events SET event = 'other'").await.contains("append-only"));
    assert!(refused(&pool, "DELETE FROM job_events").await.contains("append-only"));
    let events = store.events(job, 0).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(store.events(job, events[0].id).await.unwrap()[0].event, "gate");
}

#[tokio::test]
async fn the_same_proposal_is_recorded_once() {
    let (_folder, store) = store().await;
    let first = store.record_allocation(&allocation(5, 0)).await.unwrap();
    let again = store.record_allocation(&allocation(5, 0)).await.unwrap();
    let other = store.record_allocation(&allocation(6, 0)).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, other.id);
    assert_eq!(first.status, AllocationStatus::Proposed);
    assert!(store.verified_job_of(first.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_was_proposed_never_changes_and_states_take_only_known_steps() {
    let (folder, store) = store().await;
    let pool = outsider(folder.path()).await;
    store.record_allocation(&allocation(1, 0)).await.unwrap();
    for (change, rule) in [
        ("UPDATE allocations SET verdict = 0", "never changes"),
        ("UPDATE allocations SET proposal = '{}'", "never changes"),
        (
            "UPDATE allocations SET status = 'executed', executed = 1, proof_verified = 1, executed_at = ''",
            "no such step",
        ),
        ("UPDATE allocations SET status = 'admitted'", "CHECK"),
        ("UPDATE allocations SET executed = 1", "CHECK"),
        ("DELETE FROM allocations", "never deleted"),
    ] {
        let got = refused(&pool, change).await;
        assert!(got.contains(rule), "{change}: {got}");
    }
    let forged = "INSERT INTO allocations (id, proposal, proposal_id, model_version, shares, scores, verdict, status,
                  proof_verified, created_at, updated_at)
                  SELECT 'alc_00000000000000000000000000', proposal, '0x' || printf('%064d', 9), 1, shares, scores, 0,
                  'admitted', 1, created_at, updated_at FROM allocations";
    assert!(refused(&pool, forged).await.contains("starts as proposed"));
}

#[tokio::test]
async fn a_job_is_found_by_a_unique_prefix_of_its_id() {
    let (_folder, store) = store().await;
    let first = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(3))).await.unwrap();
    let second = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let text = first.to_string();
    for given in [text.clone(), text[4..].to_owned(), text.to_lowercase(), text[..29].to_owned()] {
        assert_eq!(store.find_job(&given).await.unwrap().id, first, "{given}");
    }
    let common = text.chars().zip(second.to_string().chars()).take_while(|(a, b)| a == b).count();
    assert!(matches!(store.find_job(&text[..common]).await, Err(Error::AmbiguousJob { count: 2, .. })));
    assert!(matches!(store.find_job("job_ZZZ").await, Err(Error::UnknownJob { .. })));
    assert!(matches!(store.find_job("%").await, Err(Error::UnknownJob { .. })));
    assert_eq!(store.jobs(None, 10).await.unwrap().len(), 2);
    assert_eq!(store.jobs(Some(ProofStatus::Verified), 10).await.unwrap().len(), 0);
    assert_eq!(store.jobs(None, 1).await.unwrap()[0].id, second);
}

#[tokio::test]
async fn a_job_whose_worker_is_gone_fails_once_its_lease_ran_out() {
    let (_folder, store) = store().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    store.advance(job, ProofStatus::Proving).await.unwrap();
    assert!(store.conclude_abandoned(Moment::now()).await.unwrap().is_empty());
    let later = Moment::now().after(ashlar_store::LEASE + Duration::from_secs(1));
    assert_eq!(store.conclude_abandoned(later).await.unwrap(), [job]);
    let job = store.job(job).await.unwrap();
    assert_eq!(job.proof_status, ProofStatus::Failed);
    assert_eq!(job.error_code.as_deref(), Some("ASH-4012"));
    assert!(job.error_text.unwrap().contains("proving"));
}

#[tokio::test]
async fn a_job_that_lost_its_worker_after_a_request_to_cancel_is_cancelled() {
    let (_folder, store) = store().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    assert!(!store.is_cancel_requested(job).await.unwrap());
    store.request_cancel(job).await.unwrap();
    store.request_cancel(job).await.unwrap();
    assert!(store.is_cancel_requested(job).await.unwrap());
    let requests = store.events(job, 0).await.unwrap();
    assert_eq!(requests.iter().filter(|event| event.event == "cancel").count(), 1);
    let later = Moment::now().after(Duration::from_secs(3600));
    assert_eq!(store.conclude_abandoned(later).await.unwrap(), [job]);
    assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Cancelled);
    let over = store.request_cancel(job).await.unwrap_err();
    assert!(matches!(over, Error::StateRule { .. }), "{over}");
}

#[tokio::test]
async fn a_retry_is_a_job_of_its_own_and_there_is_one() {
    let (folder, store) = store().await;
    let first =
        store.create_job(&NewJob { request: Some(json!({ "a": 1 })), ..ALLOCATION_JOB }, &[]).await.unwrap();
    let retry = NewJob { retry_of: Some(first), ..ALLOCATION_JOB };
    let early = store.create_job(&retry, &[]).await.unwrap_err();
    assert!(early.to_string().contains("ended without a proof"), "{early}");
    store.cancel(first).await.unwrap();
    let before = store.job(first).await.unwrap();
    let second = store.create_job(&retry, &[]).await.unwrap();
    assert_eq!(store.successor_of(first).await.unwrap(), Some(second));
    let job = store.job(second).await.unwrap();
    assert_eq!((job.attempts, job.retry_of), (2, Some(first)));
    assert_eq!(store.job(first).await.unwrap().updated_at, before.updated_at, "the first job never changes");
    let twice = store.create_job(&retry, &[]).await.unwrap_err();
    assert!(matches!(twice, Error::StateRule { .. }), "{twice}");
    let proven = verified_job(&store, &[], b"proof").await;
    let needless = NewJob { retry_of: Some(proven), ..ALLOCATION_JOB };
    assert!(matches!(store.create_job(&needless, &[]).await, Err(Error::StateRule { .. })));
    let pool = outsider(folder.path()).await;
    let message =
        refused(&pool, &format!("UPDATE proof_jobs SET request = '{{}}' WHERE id = '{second}'")).await;
    assert!(message.contains("what a job was asked for never changes"), "{message}");
}

fn settlement(job: JobId) -> NewSettlement {
    NewSettlement {
        job,
        fact_source: FactSource::Integrity,
        registry_address: Felt::from_u64(0xabc),
        verifier_config: json!({ "layout": "small", "hasher": "blake2s_248_lsb" }),
        expected_fact: Felt::from_u64(8),
    }
}

#[tokio::test]
async fn a_settlement_goes_on_after_its_job_and_ends_for_good() {
    let (folder, store) = store().await;
    let job = verified_job(&store, &[], b"proof").await;
    let id = store.expect_settlement(&settlement(job)).await.unwrap();
    assert_eq!(
        store.expect_settlement(&settlement(job)).await.unwrap(),
        id,
        "expecting twice is one settlement"
    );
    let seen = SettlementStep::SeenOnL2 { fact: Felt::from_u64(8), block_number: 42 };
    for step in [SettlementStep::Submitted, seen.clone(), SettlementStep::AcceptedOnL1] {
        store.advance_settlement(id, &step).await.unwrap();
    }
    let recorded = store.settlements_of(job).await.unwrap().remove(0);
    assert_eq!(recorded.state, SettlementState::L1Verified);
    assert_eq!((recorded.l2_block_number, recorded.observed_fact), (Some(42), Some(recorded.expected_fact)));
    let states = store.events(job, 0).await.unwrap();
    assert_eq!(states.iter().filter(|event| event.event == "settlement").count(), 4);
    for step in [SettlementStep::Submitted, seen, SettlementStep::Failed("late".to_owned())] {
        let error = store.advance_settlement(id, &step).await.unwrap_err();
        assert!(matches!(error, Error::StateRule { .. }), "{error}");
    }
    let unknown = store.advance_settlement(SettlementId::fresh(), &SettlementStep::Submitted).await;
    assert!(matches!(unknown, Err(Error::UnknownSettlement { .. })));
    let pool = outsider(folder.path()).await;
    for sql in [
        "DELETE FROM settlements",
        "UPDATE settlements SET expected_fact = observed_fact",
        "UPDATE settlements SET state = 'expected'",
        "UPDATE settlements SET l2_block_number = 43",
    ] {
        let message = refused(&pool, sql).await;
        assert!(message.contains("ashlar: "), "{sql}: {message}");
    }
}

#[tokio::test]
async fn another_fact_than_the_expected_one_settles_nothing() {
    let (folder, store) = store().await;
    let job = verified_job(&store, &[], b"proof").await;
    let id = store.expect_settlement(&settlement(job)).await.unwrap();
    let other = SettlementStep::SeenOnL2 { fact: Felt::from_u64(9), block_number: 42 };
    let error = store.advance_settlement(id, &other).await.unwrap_err();
    assert!(error.to_string().contains("the observed fact is not the expected one"), "{error}");
    let skipped = store.advance_settlement(id, &SettlementStep::AcceptedOnL1).await.unwrap_err();
    assert!(matches!(skipped, Error::StateRule { .. }), "{skipped}");
    let recorded = store.settlements_of(job).await.unwrap().remove(0);
    assert_eq!((recorded.state, recorded.observed_fact), (SettlementState::Expected, None));
    let unproven = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let error = store.expect_settlement(&settlement(unproven)).await.unwrap_err();
    assert!(error.to_string().contains("only a verified proof is settled"), "{error}");
    let pool = outsider(folder.path()).await;
    let forged = format!(
        "INSERT INTO settlements SELECT 'stl_' || substr(id, 5, 25) || 'Z', job_id, 'satellite', registry_address,
                verifier_config, expected_fact, expected_fact, 'l2_verified', 1, created_at, NULL, NULL, created_at,
                updated_at FROM settlements WHERE id = '{id}'"
    );
    assert!(refused(&pool, &forged).await.contains("a settlement starts as expected"));
}

#[tokio::test]
async fn a_crash_between_file_and_row_leaves_an_orphan_that_a_sweep_removes() {
    let (_folder, store) = store().await;
    verified_job(&store, &[], b"recorded").await;
    let lost = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let orphan = store.artefacts().put(ArtefactKind::Proof, b"the process died after this").unwrap();
    store.artefacts().write_manifest(lost, &[orphan]).unwrap();

    assert_eq!(store.sweep_orphans(Duration::from_secs(3600)).await.unwrap().files, 0);
    let swept = store.sweep_orphans(Duration::ZERO).await.unwrap();
    assert_eq!((swept.files, swept.bytes > orphan.size), (2, true));
    assert!(matches!(store.artefacts().read(&orphan), Err(Error::MissingArtefact { .. })));
    let kept = store.jobs(Some(ProofStatus::Verified), 1).await.unwrap()[0].id;
    assert_eq!(store.artefacts().read(&store.artefacts_of(kept).await.unwrap()[0]).unwrap(), b"recorded");
    assert!(!store.job(lost).await.unwrap().proof_status.is_terminal());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_on_one_fresh_folder_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..4u64)
        .map(|writer| {
            let path = folder.path().to_owned();
            tokio::spawn(async move {
                // Each opens the folder for itself, as another process would; the first creates the database.
                let store = Store::open(&path).await.unwrap();
                for round in 0..5 {
                    // All writers race for the same allocation; each has jobs of its own.
                    let shared = store.record_allocation(&allocation(100 + round, 0)).await.unwrap();
                    verified_job(&store, &[shared], format!("{writer} {round}").as_bytes()).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let store = Store::open(folder.path()).await.unwrap();
    assert_eq!(store.jobs(Some(ProofStatus::Verified), 100).await.unwrap().len(), 20);
    let pool = outsider(folder.path()).await;
    let allocations: i64 =
        sqlx::query_scalar("SELECT count(*) FROM allocations").fetch_one(&pool).await.unwrap();
    assert_eq!(allocations, 5);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = Store::open(&file.join("data")).await.unwrap_err();
    assert!(matches!(error, Error::Unwritable { .. }), "{error:?}");
    assert_eq!((error.code(), error.exit()), (Code(4002), Exit::Environment));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ashlar.sqlite");
    let content = b"this is certainly not a database, but somebody's notes".repeat(20);
    fs::write(&path, &content).unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), content);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let (folder, store) = store().await;
    store.close().await;
    let pool = outsider(folder.path()).await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'later', 1, x'00', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let error = Store::open(folder.path()).await.unwrap_err();
    assert!(matches!(error, Error::OtherVersion { version: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_record_that_nobody_could_have_written_is_named_not_guessed() {
    let (folder, store) = store().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let pool = outsider(folder.path()).await;
    sqlx::query("UPDATE proof_jobs SET program_hash = 'nonsense'").execute(&pool).await.unwrap();
    let error = store.job(job).await.unwrap_err();
    assert_eq!(error.code(), Code(4013), "{error:?}");
}
