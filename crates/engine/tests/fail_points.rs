//! A process is killed at every place where it has written something or is about to: of a submission, a claim, a renewal,
//! a step, a proof, an end, a sweep and a request to cancel, before and after it is committed, on both databases. Whoever
//! comes next finds nothing lost and nothing twice.

use std::{
    ffi::OsStr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::support::{Kind, Records};
use crate::workers::{
    PATIENCE, block_on, children_of, job, myself, request, start_worker, submit, wait_until, with,
    work_until_idle,
};
use ashlar_store::{
    Claimant, ContentHash, FAIL_AT, FAIL_MARK, FAIL_POINTS, JobId, Lane, Moment, NewSubmission, ProofStatus,
    SubmissionKey, Submitted,
};

/// What a process that is neither worker nor child is to do.
const ERRAND: &str = "ASHLAR_TEST_ERRAND";

/// A request that is sent twice if its sender dies.
fn keyed(key: &str) -> NewSubmission {
    let key = SubmissionKey { key: key.to_owned(), body: ContentHash::of(b"the same") };
    NewSubmission { key: Some(key), ..request("prove", 100, PATIENCE) }
}

/// Not a test when tests are run: a process that submits the keyed request, or asks for a job to be stopped.
#[test]
fn somebody_on_an_errand() {
    let Ok(errand) = std::env::var(ERRAND) else { return };
    let records = Records::of_parent().unwrap();
    with(&records, async |store| match JobId::parse(&errand) {
        Some(job) => store.request_cancel(job).await.unwrap(),
        None => drop(store.submit(&keyed(&errand), 1000, Moment::now()).await.unwrap()),
    });
}

fn send(records: &Records, errand: &str, variables: &[(&str, &OsStr)]) -> Child {
    let (program, arguments) = myself("fail_points::somebody_on_an_errand");
    let mut command = Command::new(program);
    command.args(arguments).envs(records.environment()).envs(variables.iter().copied()).env(ERRAND, errand);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A job whose holder has vanished: its lease is over at once.
fn abandoned(records: &Records) -> JobId {
    submit(records, "prove", 100, PATIENCE);
    let by = Claimant {
        worker: "vanished",
        lanes: Lane::ALL,
        free_bytes: u64::MAX / 4,
        total_bytes: u64::MAX / 4,
        lease: Duration::from_millis(1),
        patience: PATIENCE,
    };
    with(records, async |store| store.claim_work(&by, Moment::now()).await.unwrap().unwrap().lease.job)
}

fn kill_at_every_point(kind: Kind) {
    let Some(records) = Records::new(kind) else { return };
    let mut jobs = Vec::new();
    for point in FAIL_POINTS {
        let mark = records.path().join(point.replace(' ', "-"));
        let variables = [(FAIL_AT, OsStr::new(point)), (FAIL_MARK, mark.as_os_str())];
        let own = jobs.len();
        let unwanted = if let Some(errand) = errand(point) {
            let first = match errand {
                Errand::Submit => {
                    send(&records, point, &variables).wait().unwrap();
                    None
                }
                Errand::Cancel => {
                    let unwanted = submit(&records, "prove", 100, PATIENCE);
                    send(&records, &unwanted.to_string(), &variables).wait().unwrap();
                    jobs.push(unwanted);
                    Some(unwanted)
                }
            };
            assert!(mark.exists(), "{point} was not reached");
            match first {
                None => jobs.push(submitted_once(&records, point)),
                // Whether the request was recorded or not, asking again is asking once.
                Some(job) => drop(with(&records, async |store| store.request_cancel(job).await)),
            }
            first
        } else {
            jobs.push(abandoned(&records));
            jobs.extend(
                ["prove slowly", "prove", "nothing at first"]
                    .map(|kind| submit(&records, kind, 100, PATIENCE)),
            );
            let mut worker = start_worker(&records, &variables);
            wait_until(point, || mark.exists());
            // The worker, or one of its children, is dead at this point of its life; it takes the rest with it.
            worker.kill().unwrap();
            worker.wait().unwrap();
            wait_until("its children die with it", || children_of(&jobs[own..]).is_empty());
            None
        };
        work_until_idle(&records);
        for &id in &jobs[own..] {
            let status = job(&records, id).proof_status;
            let expected = if unwanted == Some(id) { ProofStatus::Cancelled } else { ProofStatus::Verified };
            assert_eq!(status, expected, "{id} after {point}");
        }
    }
    everything_is_there_once(&records, &jobs);
}

enum Errand {
    Submit,
    Cancel,
}

/// Who comes by a point that neither a worker nor its children come by.
fn errand(point: &str) -> Option<Errand> {
    match point.split(' ').next() {
        Some("submission") => Some(Errand::Submit),
        Some("cancel") => Some(Errand::Cancel),
        _ => None,
    }
}

/// Sends the keyed request again: it is the same job, however often it is sent.
fn submitted_once(records: &Records, key: &str) -> JobId {
    with(records, async |store| {
        let mut known = None;
        for _ in 0..2 {
            let id = match store.submit(&keyed(key), 1000, Moment::now()).await.unwrap() {
                Submitted::Recorded(id) | Submitted::Existing(id) => id,
                other => panic!("{other:?}"),
            };
            assert_eq!(*known.get_or_insert(id), id);
        }
        known.unwrap()
    })
}

fn everything_is_there_once(records: &Records, jobs: &[JobId]) {
    with(records, async |store| {
        assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
        assert_eq!(store.scrub().await.unwrap(), []);
        for &id in jobs {
            let ends = store.events(id, 0).await.unwrap();
            let ends: Vec<_> = ends
                .iter()
                .filter_map(|event| event.detail["to"].as_str().and_then(ProofStatus::parse))
                .filter(|status| status.is_terminal())
                .collect();
            assert_eq!(ends.len(), 1, "{id}");
            let open = store.attempts_at(id).await.unwrap();
            assert!(open.iter().all(|attempt| attempt.outcome.is_some()), "{id}");
        }
    });
}

#[test]
fn a_kill_at_any_point_loses_nothing_in_sqlite() {
    kill_at_every_point(Kind::Sqlite);
}

#[cfg(feature = "postgres")]
#[test]
fn a_kill_at_any_point_loses_nothing_in_postgresql() {
    kill_at_every_point(Kind::Postgres);
}

#[test]
fn a_point_that_nobody_has_named_ends_nothing() {
    let records = Records::new(Kind::Sqlite).unwrap();
    let mark = records.path().join("mark");
    let variables = [(FAIL_AT, OsStr::new("nowhere")), (FAIL_MARK, mark.as_os_str())];
    assert!(send(&records, "submit", &variables).wait().unwrap().success());
    assert!(!Path::exists(&mark));
    assert_eq!(
        block_on(async { records.open().await.queue_depth(Moment::now()).await.unwrap().waiting() }),
        1
    );
}
