//! Long lists, a page at a time, and what a key reaches.

use ashlar_store::{
    AllocationFilter, ContentHash, Error, JobFilter, JobId, KeyReach, KeyScope, NewApiKey, NewJob,
    ProofSource, ProofStatus, Purpose, Store,
};

use crate::databases::{Records, on_both};
use crate::support::{accepted, job_in_verification, proposal, record, record_proof, rejected};

on_both!(
    pages_follow_each_other_without_gap_or_overlap_while_jobs_arrive,
    a_filter_lets_through_what_it_names_only,
    a_key_of_reach_own_sees_the_jobs_it_asked_for_and_nothing_of_others,
    events_come_in_order_and_go_on_after_the_last_one_seen,
    a_key_is_found_by_its_secret_and_a_revoked_one_says_so_for_ever,
    figures_count_each_record_once,
    what_nothing_brings_through_the_gate_counts_as_blocked,
);

async fn job(store: &Store, source: ProofSource) -> JobId {
    let new =
        NewJob { purpose: Purpose::Program, source, input_commitment: None, request: None, retry_of: None };
    let id = store.create_job(&new, &[]).await.unwrap();
    // Two ids of one millisecond do not sort by their order of making.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    id
}

fn new_key(secret: &[u8], reach: KeyReach) -> NewApiKey {
    NewApiKey {
        name: "a key".to_owned(),
        sha256: ContentHash::of(secret),
        scopes: vec![KeyScope::Read, KeyScope::Submit],
        reach,
    }
}

async fn pages_follow_each_other_without_gap_or_overlap_while_jobs_arrive(records: Records) {
    let store = records.open().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(job(&store, ProofSource::StoneLocal).await);
    }
    let mut seen = Vec::new();
    let mut filter = JobFilter::default();
    loop {
        let page = store.jobs_page(&filter, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        seen.extend(page.iter().map(|job| job.id));
        job(&store, ProofSource::StoneLocal).await; // younger than the cursor: on no later page
    }
    made.reverse();
    assert_eq!(seen, made);
}

async fn a_filter_lets_through_what_it_names_only(records: Records) {
    let store = records.open().await;
    let local = job(&store, ProofSource::StoneLocal).await;
    let mock = job(&store, ProofSource::Mock).await;
    store.cancel(mock).await.unwrap();
    let ids = async |filter: JobFilter| -> Vec<JobId> {
        store.jobs_page(&filter, 100).await.unwrap().iter().map(|job| job.id).collect()
    };
    assert_eq!(ids(JobFilter { source: Some(ProofSource::Mock), ..JobFilter::default() }).await, [mock]);
    assert_eq!(ids(JobFilter { status: Some(ProofStatus::Queued), ..JobFilter::default() }).await, [local]);
    let none = JobFilter { purpose: Some(Purpose::Allocation), ..JobFilter::default() };
    assert!(ids(none).await.is_empty());
}

async fn a_key_of_reach_own_sees_the_jobs_it_asked_for_and_nothing_of_others(records: Records) {
    let store = records.open().await;
    let own = record_proof(&store, &accepted(), b"the proof of its own").await;
    let other = record_proof(&store, &proposal(7), b"the proof of another").await;
    let key = store.record_key(&new_key(b"secret", KeyReach::Own)).await.unwrap();
    store.bring_into_reach(own, key.id).await.unwrap();
    store.bring_into_reach(own, key.id).await.unwrap();
    let reach = key.confines();
    assert_eq!(reach, Some(key.id));

    let jobs = store.jobs_page(&JobFilter { reach, ..JobFilter::default() }, 100).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [own]);
    assert!(store.is_in_reach(own, key.id).await.unwrap());
    assert!(!store.is_in_reach(other, key.id).await.unwrap());

    let filter = AllocationFilter { reach, ..AllocationFilter::default() };
    let allocations = store.allocations_page(&filter, 100).await.unwrap();
    let [allocation] = allocations.as_slice() else { panic!("{allocations:?}") };
    assert_eq!(store.allocation(allocation.id, reach).await.unwrap().id, allocation.id);
    let hidden = record(&store, &proposal(7)).await.id;
    assert!(matches!(store.allocation(hidden, reach).await, Err(Error::UnknownAllocation { .. })));
    assert_eq!(store.allocation(hidden, None).await.unwrap().id, hidden);
    assert!(store.jobs_of(hidden, reach).await.unwrap().is_empty());
    assert_eq!(store.jobs_of(hidden, None).await.unwrap().len(), 1);

    let of_other = ContentHash::of(b"the proof of another");
    assert!(store.artefact(of_other, reach).await.unwrap().is_none());
    assert!(store.artefact(of_other, None).await.unwrap().is_some());
    assert!(store.artefact(ContentHash::of(b"the proof of its own"), reach).await.unwrap().is_some());

    let events = store.events_page(None, reach, 0, 100).await.unwrap();
    assert!(!events.is_empty() && events.iter().all(|event| event.job_id == own));
}

async fn events_come_in_order_and_go_on_after_the_last_one_seen(records: Records) {
    let store = records.open().await;
    let job = record_proof(&store, &accepted(), b"a proof").await;
    let all = store.events_page(Some(job), None, 0, 100).await.unwrap();
    assert!(all.len() >= 4);
    let rest = store.events_page(Some(job), None, all[1].id, 100).await.unwrap();
    assert_eq!(
        rest.iter().map(|event| event.id).collect::<Vec<_>>(),
        all[2..].iter().map(|event| event.id).collect::<Vec<_>>()
    );
    assert_eq!(store.events_page(Some(job), None, 0, 1).await.unwrap().len(), 1);
    assert_eq!(store.last_event().await.unwrap(), all.last().unwrap().id);
}

async fn a_key_is_found_by_its_secret_and_a_revoked_one_says_so_for_ever(records: Records) {
    let store = records.open().await;
    let key = store.record_key(&new_key(b"secret", KeyReach::All)).await.unwrap();
    assert_eq!(store.key_of_secret(ContentHash::of(b"secret")).await.unwrap(), Some(key.clone()));
    assert_eq!(store.key_of_secret(ContentHash::of(b"Secret")).await.unwrap(), None);
    assert!(key.allows(KeyScope::Read) && !key.allows(KeyScope::Cancel));
    store.revoke_key(key.id).await.unwrap();
    assert!(matches!(store.revoke_key(key.id).await, Err(Error::StateRule { .. })));
    assert!(store.key_of_secret(ContentHash::of(b"secret")).await.unwrap().unwrap().revoked_at.is_some());
    assert!(matches!(store.revoke_key(ashlar_store::KeyId::fresh()).await, Err(Error::UnknownKey { .. })));

    let outsider = records.outsider().await;
    for sql in [
        "UPDATE api_keys SET revoked_at = NULL",
        "UPDATE api_keys SET scopes = 'admin'",
        "DELETE FROM api_keys",
    ] {
        assert!(outsider.refused(sql).await.contains("key"), "{sql}");
    }
    outsider.run("SELECT count(*) FROM api_keys").await.unwrap();
}

async fn figures_count_each_record_once(records: Records) {
    let store = records.open().await;
    record_proof(&store, &accepted(), b"a proof").await;
    record(&store, &proposal(9)).await;
    job(&store, ProofSource::Mock).await;
    let figures = store.figures().await.unwrap();
    assert_eq!(figures.all_allocations(), 2);
    assert_eq!(figures.proven_allocations, 1);
    assert_eq!(figures.jobs_that_are(ProofStatus::Verified), 1);
    assert_eq!(figures.jobs_that_are(ProofStatus::Queued), 1);
    assert_eq!(figures.latencies.len(), 1);
    assert_eq!(figures.latencies[0].source, ProofSource::StoneLocal);
}

async fn what_nothing_brings_through_the_gate_counts_as_blocked(records: Records) {
    let store = records.open().await;
    let blocked = async || store.figures().await.unwrap().blocked_allocations;
    record_proof(&store, &accepted(), b"a proof").await;
    let job = job_in_verification(&store, &proposal(9)).await;
    assert_eq!(blocked().await, 0, "of one there is a proof, of the other there will be");
    store.cancel(job).await.unwrap();
    assert_eq!(blocked().await, 1, "nobody makes a proof of it any more");
    record_proof(&store, &rejected(), b"a proof of a rejection").await;
    assert_eq!(blocked().await, 2, "what the rules reject is blocked with a proof too");
}
