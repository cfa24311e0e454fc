//! The records keep their rules, whatever program writes to them, on both databases.

use std::{fs, sync::Arc, time::Duration};

use crate::{
    databases::{Records, on_both},
    support::outsider,
};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_field::Felt;
use ashlar_store::{
    Allocation, AllocationStatus, ArtefactKind, ContentHash, Error, FactSource, JobId, Moment, NewAllocation,
    NewJob, NewSettlement, ProofSource, ProofStatus, Purpose, SettlementId, SettlementState, SettlementStep,
    Store, VerifiedProof,
};
use serde_json::json;

on_both!(
    a_verified_proof_is_recorded_with_file_manifest_and_log,
    a_terminal_job_never_changes,
    a_job_cannot_jump_to_verified_nor_be_verified_without_a_proof,
    a_mock_is_never_verified,
    events_are_append_only,
    the_same_proposal_is_recorded_once,
    the_proposals_of_a_batch_are_recorded_in_their_order_and_found_again,
    what_was_proposed_never_changes_and_states_take_only_known_steps,
    nothing_is_emptied_at_once,
    a_job_is_found_by_a_unique_prefix_of_its_id,
    a_job_whose_worker_is_gone_fails_once_its_lease_ran_out,
    a_job_that_lost_its_worker_after_a_request_to_cancel_is_cancelled,
    a_retry_is_a_job_of_its_own_and_there_is_one,
    a_settlement_goes_on_after_its_job_and_ends_for_good,
    another_fact_than_the_expected_one_settles_nothing,
    a_crash_between_file_and_row_leaves_an_orphan_that_a_sweep_removes,
    a_record_that_nobody_could_have_written_is_named_not_guessed,
    many_writers_on_fresh_records_lose_nothing,
    a_database_of_a_newer_version_is_refused,
);

const ALLOCATION_JOB: NewJob = NewJob {
    purpose: Purpose::Allocation,
    source: ProofSource::StoneLocal,
    input_commitment: None,
    request: None,
    retry_of: None,
};

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

async fn a_verified_proof_is_recorded_with_file_manifest_and_log(records: Records) {
    let store = records.open().await;
    let recorded = store.record_allocation(&allocation(1, 0)).await.unwrap();
    let id = verified_job(&store, std::slice::from_ref(&recorded), b"the proof").await;

    let job = store.job(id).await.unwrap();
    assert_eq!(job.proof_status, ProofStatus::Verified);
    assert_eq!(job.proof_hash, Some(ContentHash::of(b"the proof")));
    assert_eq!((job.stone_proof_size, job.stone_latency_ms), (Some(9), Some(503)));
    assert_eq!(job.output, Some(json!(["0x1", "0x2"])));
    let artefacts = store.artefacts_of(id).await.unwrap();
    assert_eq!(store.artefacts().read(&artefacts[0]).await.unwrap(), b"the proof");
    let manifest = fs::read_to_string(records.path().join(format!("manifests/{id}.json"))).unwrap();
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

async fn a_terminal_job_never_changes(records: Records) {
    let store = records.open().await;
    let pool = records.outsider().await;
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
        assert!(pool.refused(&change).await.contains("terminal job never changes"));
        let deletion = format!("DELETE FROM proof_jobs WHERE id = '{job}'");
        assert!(pool.refused(&deletion).await.contains("never deleted"));
    }
}

async fn a_job_cannot_jump_to_verified_nor_be_verified_without_a_proof(records: Records) {
    let store = records.open().await;
    let pool = records.outsider().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    assert!(matches!(
        store.conclude_verified(job, &verified(), b"proof").await,
        Err(Error::StateRule { .. })
    ));
    store.advance(job, ProofStatus::Proving).await.unwrap();
    store.advance(job, ProofStatus::Verifying).await.unwrap();
    let without_proof = format!("UPDATE proof_jobs SET proof_status = 'verified' WHERE id = '{job}'");
    assert!(pool.refused(&without_proof).await.contains("check"));
    assert!(matches!(store.advance(job, ProofStatus::Queued).await, Err(Error::StateRule { .. })));
    let born_verified = "INSERT INTO proof_jobs (id, purpose, proof_source, proof_status, created_at, updated_at)
                         VALUES ('job_00000000000000000000000000', 'program', 'stone_local', 'verified', '', '')";
    assert!(pool.refused(born_verified).await.contains("starts as queued"));
}

async fn a_mock_is_never_verified(records: Records) {
    let store = records.open().await;
    let mock = NewJob { source: ProofSource::Mock, ..ALLOCATION_JOB };
    let job = store.create_job(&mock, &[]).await.unwrap();
    store.advance(job, ProofStatus::Proving).await.unwrap();
    store.advance(job, ProofStatus::Verifying).await.unwrap();
    store.conclude_verified(job, &verified(), b"proof").await.unwrap_err();
    assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Verifying);
}

async fn events_are_append_only(records: Records) {
    let store = records.open().await;
    let pool = records.outsider().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    store.note(job, "gate", &json!({ "verdict": "shut" })).await.unwrap();
    assert!(pool.refused("UPDATE job_events SET event = 'other'").await.contains("append-only"));
    assert!(pool.refused("DELETE FROM job_events").await.contains("append-only"));
    let events = store.events(job, 0).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(store.events(job, events[0].id).await.unwrap()[0].event, "gate");
}

async fn the_same_proposal_is_recorded_once(records: Records) {
    let store = records.open().await;
    let first = store.record_allocation(&allocation(5, 0)).await.unwrap();
    let again = store.record_allocation(&allocation(5, 0)).await.unwrap();
    let other = store.record_allocation(&allocation(6, 0)).await.unwrap();
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, other.id);
    assert_eq!(first.status, AllocationStatus::Proposed);
    assert!(store.verified_job_of(first.id).await.unwrap().is_none());
}

async fn the_proposals_of_a_batch_are_recorded_in_their_order_and_found_again(records: Records) {
    let store = records.open().await;
    let known = store.record_allocation(&allocation(6, 0)).await.unwrap();
    let batch = [7, 6, 5].map(|nonce| allocation(nonce, 0));
    let recorded = store.record_allocations(&batch).await.unwrap();
    let ids: Vec<Felt> = recorded.iter().map(|allocation| allocation.proposal_id.0).collect();
    assert_eq!(ids, batch.map(|new| new.proposal_id));
    assert_eq!(recorded[1].id, known.id);
    for allocation in recorded {
        let found = store.allocation_of(allocation.proposal_id.0).await.unwrap();
        assert_eq!(found.map(|found| found.id), Some(allocation.id));
    }
    assert!(store.record_allocations(&[]).await.unwrap().is_empty());
}

async fn what_was_proposed_never_changes_and_states_take_only_known_steps(records: Records) {
    let store = records.open().await;
    let pool = records.outsider().await;
    store.record_allocation(&allocation(1, 0)).await.unwrap();
    for (change, rule) in [
        ("UPDATE allocations SET verdict = 0", "never changes"),
        ("UPDATE allocations SET proposal = '{}'", "never changes"),
        (
            "UPDATE allocations SET status = 'executed', executed = 1, proof_verified = 1, executed_at = ''",
            "no such step",
        ),
        ("UPDATE allocations SET status = 'admitted'", "check"),
        ("UPDATE allocations SET executed = 1", "check"),
        ("DELETE FROM allocations", "never deleted"),
    ] {
        let got = pool.refused(change).await;
        assert!(got.contains(rule), "{change}: {got}");
    }
    let forged = "INSERT INTO allocations (id, proposal, proposal_id, model_version, shares, scores, verdict, status,
                  proof_verified, created_at, updated_at)
                  SELECT 'alc_00000000000000000000000000', proposal, '0x' || '0000000000000000000000000000000000000000000000000000000000000009', 1, shares, scores, 0,
                  'admitted', 1, created_at, updated_at FROM allocations";
    assert!(pool.refused(forged).await.contains("starts as proposed"));
}

async fn nothing_is_emptied_at_once(records: Records) {
    // SQLite has no such statement: without WHERE it deletes row by row.
    if records.database == ashlar_store::Database::Folder {
        return;
    }
    let store = records.open().await;
    let pool = records.outsider().await;
    verified_job(&store, &[], b"proof").await;
    for table in
        ["proof_jobs", "job_events", "allocations", "executions", "work_items", "attempts", "submissions"]
    {
        let got = pool.refused(&format!("TRUNCATE {table} CASCADE")).await;
        assert!(got.contains("ashlar: "), "{table}: {got}");
    }
    let got = pool
        .refused("INSERT INTO job_events (id, job_id, at, event) SELECT 9, id, '', '' FROM proof_jobs")
        .await;
    assert!(got.contains("numbered when it is committed"), "{got}");
}

async fn a_job_is_found_by_a_unique_prefix_of_its_id(records: Records) {
    let store = records.open().await;
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

async fn a_job_whose_worker_is_gone_fails_once_its_lease_ran_out(records: Records) {
    let store = records.open().await;
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

async fn a_job_that_lost_its_worker_after_a_request_to_cancel_is_cancelled(records: Records) {
    let store = records.open().await;
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

async fn a_retry_is_a_job_of_its_own_and_there_is_one(records: Records) {
    let store = records.open().await;
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
    let pool = records.outsider().await;
    let message =
        pool.refused(&format!("UPDATE proof_jobs SET request = '{{}}' WHERE id = '{second}'")).await;
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

async fn a_settlement_goes_on_after_its_job_and_ends_for_good(records: Records) {
    let store = records.open().await;
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
    let pool = records.outsider().await;
    for sql in [
        "DELETE FROM settlements",
        "UPDATE settlements SET expected_fact = observed_fact",
        "UPDATE settlements SET state = 'expected'",
        "UPDATE settlements SET l2_block_number = 43",
    ] {
        let message = pool.refused(sql).await;
        assert!(message.contains("ashlar: "), "{sql}: {message}");
    }
}

async fn another_fact_than_the_expected_one_settles_nothing(records: Records) {
    let store = records.open().await;
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
    let pool = records.outsider().await;
    let forged = format!(
        "INSERT INTO settlements SELECT 'stl_' || substr(id, 5, 25) || 'Z', job_id, 'satellite', registry_address,
                verifier_config, expected_fact, expected_fact, 'l2_verified', 1, created_at, NULL, NULL, created_at,
                updated_at FROM settlements WHERE id = '{id}'"
    );
    assert!(pool.refused(&forged).await.contains("a settlement starts as expected"));
}

async fn a_crash_between_file_and_row_leaves_an_orphan_that_a_sweep_removes(records: Records) {
    let store = records.open().await;
    verified_job(&store, &[], b"recorded").await;
    let lost = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let orphan = store.artefacts().put(ArtefactKind::Proof, b"the process died after this").await.unwrap();
    store.artefacts().write_manifest(lost, &[orphan]).await.unwrap();

    assert_eq!(store.sweep_orphans(Duration::from_secs(3600)).await.unwrap().files, 0);
    let swept = store.sweep_orphans(Duration::ZERO).await.unwrap();
    assert_eq!((swept.files, swept.bytes > orphan.size), (2, true));
    assert!(matches!(store.artefacts().read(&orphan).await, Err(Error::MissingArtefact { .. })));
    let kept = store.jobs(Some(ProofStatus::Verified), 1).await.unwrap()[0].id;
    let kept = store.artefacts_of(kept).await.unwrap()[0];
    assert_eq!(store.artefacts().read(&kept).await.unwrap(), b"recorded");
    assert!(!store.job(lost).await.unwrap().proof_status.is_terminal());
}

async fn many_writers_on_fresh_records_lose_nothing(records: Records) {
    let records = Arc::new(records);
    let writers: Vec<_> = (0..4u64)
        .map(|writer| {
            let records = Arc::clone(&records);
            tokio::spawn(async move {
                // Each opens them for itself, as another process would; the first makes the tables.
                let store = records.open().await;
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
    let store = records.open().await;
    assert_eq!(store.jobs(Some(ProofStatus::Verified), 100).await.unwrap().len(), 20);
    assert_eq!(store.figures().await.unwrap().all_allocations(), 5);
}

/// Of SQLite: a server's readers wait for nobody.
#[tokio::test]
async fn changes_that_wait_for_another_process_hold_up_no_reader() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let other = outsider(folder.path()).await;
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let changes: Vec<_> = (0..16)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.create_job(&ALLOCATION_JOB, &[]).await })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(store.job(job).await.unwrap().id, job);
    }
    assert!(changes.iter().all(|change| !change.is_finished()));
    held.rollback().await.unwrap();
    for change in changes {
        change.await.unwrap().unwrap();
    }
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

async fn a_database_of_a_newer_version_is_refused(records: Records) {
    records.open().await.close().await;
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
                 VALUES (99, 'later', true, '', 0)";
    records.outsider().await.run(later).await.unwrap();
    let error = Store::open_at(records.path(), &records.database).await.unwrap_err();
    assert!(matches!(error, Error::OtherVersion { version: 99, .. }), "{error:?}");
}

async fn a_record_that_nobody_could_have_written_is_named_not_guessed(records: Records) {
    let store = records.open().await;
    let job = store.create_job(&ALLOCATION_JOB, &[]).await.unwrap();
    let pool = records.outsider().await;
    pool.run("UPDATE proof_jobs SET program_hash = 'nonsense'").await.unwrap();
    let error = store.job(job).await.unwrap_err();
    assert_eq!(error.code(), Code(4013), "{error:?}");
}
