//! Hints that there may be news of a query at a managed service, on both databases: recorded for a query that is waited
//! for, seldom, and saying nothing else.

use std::time::Duration;

use crate::databases::{Records, on_both};
use ashlar_fault::Code;
use ashlar_store::{
    AttemptEnd, Claimant, DayBudget, FailureKind, HINT_GAP, Lane, Lease, Moment, NewJob, NewRemoteQuery,
    NewSubmission, NewWork, Next, ProofSource, Purpose, RemoteState, Store, Submitted,
};

on_both!(
    a_hint_of_a_query_that_is_waited_for_is_recorded_and_no_other,
    hints_without_end_are_recorded_seldom,
    a_hint_changes_nothing_but_its_time,
    a_query_that_is_over_takes_no_hint,
);

/// A job that waits for the service, and who holds it.
async fn held(store: &Store) -> Lease {
    let new = NewSubmission {
        job: NewJob {
            purpose: Purpose::Program,
            source: ProofSource::Atlantic,
            input_commitment: None,
            request: None,
            retry_of: None,
        },
        allocations: Vec::new(),
        inputs: Vec::new(),
        work: NewWork {
            lane: Lane::RemoteAtlantic,
            priority: 5,
            memory_bytes: 1,
            not_before: Moment::now(),
            deadline: None,
            attempt_time: Duration::from_secs(3600),
            budget: 3,
        },
        key: None,
        notes: Vec::new(),
        commitment: None,
    };
    let Submitted::Recorded(_) = store.submit(&new, 100, Moment::now()).await.unwrap() else {
        panic!("not recorded")
    };
    let claimant = Claimant {
        worker: "a worker",
        lanes: &[Lane::RemoteAtlantic],
        free_bytes: 1 << 30,
        total_bytes: 1 << 30,
        lease: Duration::from_secs(3600),
        patience: Duration::from_secs(60),
    };
    store.claim_work(&claimant, Moment::now()).await.unwrap().unwrap().lease
}

/// A query that the service has, by this id.
async fn accepted(store: &Store, lease: &Lease, query: &str) -> String {
    let dedup_id = format!("dedup-{query}");
    let new = NewRemoteQuery {
        dedup_id: dedup_id.clone(),
        repetition: 0,
        backend: ProofSource::Atlantic,
        size: "S".to_owned(),
        micro_usd: 1,
    };
    let day = DayBudget { since: Moment::from_milliseconds(0), most_micro_usd: u64::MAX };
    store.intend_query(lease, &new, day, Moment::now()).await.unwrap();
    // What the service does not have as yet cannot be hinted at.
    assert!(!store.hint_query(query, Moment::now()).await.unwrap());
    store.accept_query(lease, &dedup_id, query, Moment::now()).await.unwrap();
    dedup_id
}

async fn a_hint_of_a_query_that_is_waited_for_is_recorded_and_no_other(records: Records) {
    let store = records.open().await;
    let (one, other) = (held(&store).await, held(&store).await);
    let one = accepted(&store, &one, "01ONE").await;
    let other = accepted(&store, &other, "01OTHER").await;
    assert_eq!(store.hint_of(&one).await.unwrap(), None);
    for forged in ["", "01ONE'; DROP TABLE remote_queries; --", "01one", "01ON", "%", &"x".repeat(300_000)] {
        assert!(!store.hint_query(forged, Moment::now()).await.unwrap(), "{forged:.20}");
    }
    let now = Moment::now();
    assert!(store.hint_query("01ONE", now).await.unwrap());
    assert_eq!(store.hint_of(&one).await.unwrap(), Some(now));
    assert_eq!(store.hint_of(&other).await.unwrap(), None);
    assert_eq!(store.hint_of("dedup-nobody").await.unwrap(), None);
}

async fn hints_without_end_are_recorded_seldom(records: Records) {
    let store = records.open().await;
    let lease = held(&store).await;
    let dedup_id = accepted(&store, &lease, "01ONE").await;
    let began = Moment::now();
    let mut recorded = 0;
    for milliseconds in (0..10_000).step_by(100) {
        let now = began.after(Duration::from_millis(milliseconds));
        recorded += u32::from(store.hint_query("01ONE", now).await.unwrap());
    }
    assert_eq!(u128::from(recorded), 10_000 / HINT_GAP.as_millis());
    // A machine whose clock is behind does not take a hint back.
    let last = store.hint_of(&dedup_id).await.unwrap();
    assert!(!store.hint_query("01ONE", began).await.unwrap());
    assert_eq!(store.hint_of(&dedup_id).await.unwrap(), last);
}

async fn a_hint_changes_nothing_but_its_time(records: Records) {
    let store = records.open().await;
    let lease = held(&store).await;
    accepted(&store, &lease, "01ONE").await;
    let before = store.queries_of(lease.job).await.unwrap().remove(0);
    let (job, events) = (store.job(lease.job).await.unwrap(), store.last_event().await.unwrap());
    let now = Moment::now();
    assert!(store.hint_query("01ONE", now).await.unwrap());
    let mut after = store.queries_of(lease.job).await.unwrap().remove(0);
    assert_eq!(after.hinted_at.take(), Some(now));
    assert_eq!(after, before);
    assert_eq!(store.job(lease.job).await.unwrap().updated_at, job.updated_at);
    assert_eq!(store.last_event().await.unwrap(), events);
}

async fn a_query_that_is_over_takes_no_hint(records: Records) {
    let store = records.open().await;
    for state in [RemoteState::Delivered, RemoteState::Failed] {
        let lease = held(&store).await;
        let query = format!("01{}", state.word());
        let dedup_id = accepted(&store, &lease, &query).await;
        store.conclude_query(&lease, &dedup_id, state, None, Moment::now()).await.unwrap();
        assert!(!store.hint_query(&query, Moment::now()).await.unwrap(), "{state:?}");
        let (kind, code) = (FailureKind::Backend, Code(8216));
        let end = AttemptEnd::Failed { kind, code, text: "over", next: Next::Bury };
        store.end_attempt(&lease, &end, None, Moment::now()).await.unwrap();
    }
}
