//! Attempts with the managed service: paid once, whatever happens, and believed for a proof only. The service is a mock that
//! misbehaves; the proofs are real.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{folder, proofs::proof_of, proposals, submission};
use ashlar_atlantic::{Address, ApiKey, Client, Polling, Settings as ClientSettings};
use ashlar_atlantic_mock::{Endpoint, FakeClock, Fault, Mock, Script, Submission as Posted, When};
use ashlar_engine::{
    AtlanticTerms, Budget, Delivered, Engine, Environment, RemoteAttempt, RemoteError, RemoteRun,
    RouterPolicy, Settings, SystemClock,
};
use ashlar_fault::Fault as _;
use ashlar_risk::{execute_model, run_model};
use ashlar_stone::Policy;
use ashlar_store::{
    ArtefactKind, AttemptEnd, Claimant, DEFAULT_BITS, Destination, FailureKind, JobId, Lane, Lease, Moment,
    Next, ProofSource, ProofStatus, RemoteState, Store,
};
use serde_json::json;
use tempfile::TempDir;

/// Proofs of two proposals.
static PROOFS: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [1, 2].map(|nonce| proof_of(&proposals(nonce..nonce + 1))));

/// Records, a mock, and a job that waits for the service.
struct Stage {
    folder: TempDir,
    store: Store,
    mock: Mock,
    clock: FakeClock,
    job: JobId,
    terms: AtlanticTerms,
    budget: Budget,
    stop: Arc<AtomicBool>,
    /// Milliseconds by which the queue is ahead of this machine.
    skew: AtomicU64,
}

async fn stage(script: impl Fn(&Posted) -> Script + Send + Sync + 'static) -> Stage {
    let folder = folder();
    let store = Store::open(folder.path()).await.unwrap();
    let clock = FakeClock::default();
    let mock = Mock::builder(Arc::new(clock.clone())).script(script).start().unwrap();
    let terms = AtlanticTerms::usual().unwrap();
    let settings = Settings {
        policy: RouterPolicy { environment: Environment::Sepolia, ..RouterPolicy::default() },
        atlantic: Some(terms.clone()),
        ..Settings::default()
    };
    let engine = Engine::open(store.clone(), settings).unwrap();
    let submitted = engine.submit(&submission(1), None).await.unwrap();
    assert_eq!(submitted.routing.unwrap().chosen.unwrap().backend, ProofSource::Atlantic);
    let (job, budget) = (submitted.job, Budget::default());
    Stage { folder, store, mock, clock, job, terms, budget, stop: Arc::default(), skew: AtomicU64::new(0) }
}

/// The recorded way of a proof file, with these bytes at its end.
fn bringing(proof: &[u8]) -> Script {
    Script::proof_only().proof(proof.to_vec())
}

impl Stage {
    async fn claim(&self) -> Lease {
        let lanes = [Lane::RemoteAtlantic];
        let claimant = Claimant {
            worker: "w",
            lanes: &lanes,
            free_bytes: 0,
            total_bytes: 0,
            lease: Duration::from_secs(30),
            patience: Duration::from_secs(60),
        };
        self.store.claim_work(&claimant, self.now()).await.unwrap().expect("work").lease
    }

    fn client(&self, lease: &Lease) -> Client {
        let key = ApiKey::new("the-account-s-key").unwrap();
        let address = Address::parse(&self.mock.address()).unwrap();
        let settings = ClientSettings::new(address, Some(key), &RemoteAttempt::namespace(lease));
        Client::with_clock(settings, Arc::new(self.clock.clone()))
    }

    /// What a process of an attempt is made of. Nothing of it outlives the process.
    fn attempt(&self, lease: Lease) -> RemoteAttempt {
        RemoteAttempt {
            store: self.store.clone(),
            lease,
            policy: Policy::strict(DEFAULT_BITS),
            terms: self.terms.clone(),
            budget: self.budget,
            ceiling_micro_usd: None,
            client: Arc::new(self.client(&lease)),
            polling: Polling::until(Duration::from_secs(7200)),
            scratch: self.folder.path().to_owned(),
            clock: Arc::new(SystemClock),
            stop: Arc::clone(&self.stop),
            say: Arc::new(|_, _| {}),
        }
    }

    fn run(&self) -> RemoteRun {
        let proposals = proposals(1..2);
        let execution = self.folder.path().join("run.zip");
        let made = execute_model(&proposals, &execution).unwrap();
        let run = run_model(&proposals).unwrap().run;
        let claim = run.claim().unwrap();
        RemoteRun {
            execution,
            task_hash: made.program_hash,
            program_hash: claim.program.hash().0,
            output: made.output,
            layout: "small".to_owned(),
            steps: made.steps,
            milliseconds: 1,
        }
    }

    async fn prove(&self, lease: Lease) -> Result<Delivered, RemoteError> {
        self.store.advance_held(&lease, ProofStatus::Tracing, Moment::now()).await.unwrap();
        self.attempt(lease).prove(&self.run()).await
    }

    /// The process of an attempt is gone, and its lease runs out.
    async fn lose(&self) {
        self.skew.fetch_add(31_000, Ordering::SeqCst);
        let pauses = ashlar_store::Pauses { first: Duration::ZERO, longest: Duration::ZERO };
        let expired = self.store.expire_leases(self.now(), ashlar_fault::Code(8216), pauses).await.unwrap();
        assert_eq!(expired.len(), 1);
    }

    fn now(&self) -> Moment {
        Moment::now().after(Duration::from_millis(self.skew.load(Ordering::SeqCst)))
    }

    async fn state(&self) -> Vec<RemoteState> {
        self.store.queries_of(self.job).await.unwrap().iter().map(|query| query.state).collect()
    }

    async fn committed(&self) -> u64 {
        self.store.committed_since(Moment::from_milliseconds(0)).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_of_the_service_is_verified_here_and_paid_once() {
    let stage = stage(|_| bringing(&PROOFS[0])).await;
    let lease = stage.claim().await;
    let delivered = stage.prove(lease).await.unwrap();
    assert_eq!(delivered.verified.layout, "small");
    assert_eq!(delivered.claim.program.hash().0, stage.run().program_hash);
    assert_eq!(stage.mock.accepted().len(), 1);
    let posted = stage.mock.accepted().remove(0);
    assert_eq!(posted.field("externalId"), Some(stage.job.to_string().as_str()));
    assert_eq!((posted.field("result"), posted.field("layout")), (Some("PROOF_GENERATION"), Some("small")));
    let queries = stage.store.queries_of(stage.job).await.unwrap();
    assert_eq!(queries[0].state, RemoteState::Delivered);
    assert_eq!(queries[0].query_id, stage.mock.queries().first().cloned());
    assert_eq!(stage.committed().await, queries[0].micro_usd, "the day's budget counts what was paid");
    // Private inputs are in no stored proof.
    let file = String::from_utf8(delivered.file).unwrap();
    assert!(!file.contains("\"private_input\": {\n"), "{}", &file[..200]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_comes_after_a_crash_finds_the_query_and_pays_for_no_other() {
    // Dead before it was sent, after it was sent, after the answer was on record, after the proof was verified.
    for dead_after in 0..4 {
        let stage = stage(|_| bringing(&PROOFS[0])).await;
        let first = stage.claim().await;
        if dead_after == 3 {
            stage.prove(first).await.unwrap();
        } else {
            let client = stage.client(&first);
            let run = stage.run();
            let form = ashlar_atlantic::Form {
                pie_file: Some(
                    ashlar_atlantic::Attachment::from_file(&run.execution, ashlar_atlantic::ZIP).unwrap(),
                ),
                declared_job_size: Some(ashlar_atlantic::JobSize::S),
                layout: Some(ashlar_atlantic::Layout::Small),
                result: Some(ashlar_atlantic::Goal::ProofGeneration),
                external_id: Some(stage.job.to_string()),
                ..Default::default()
            };
            let dedup_id = client.dedup_id(&form, 0);
            let intent = ashlar_store::NewRemoteQuery {
                dedup_id: dedup_id.clone(),
                repetition: 0,
                backend: ProofSource::Atlantic,
                size: "S".to_owned(),
                micro_usd: 1,
            };
            let day =
                ashlar_store::DayBudget { since: Moment::from_milliseconds(0), most_micro_usd: u64::MAX };
            stage.store.intend_query(&first, &intent, day, Moment::now()).await.unwrap();
            if dead_after > 0 {
                let receipt =
                    tokio::task::spawn_blocking(move || client.submit(&form, 0)).await.unwrap().unwrap();
                if dead_after > 1 {
                    let query = receipt.query.to_string();
                    stage.store.accept_query(&first, &dedup_id, &query, Moment::now()).await.unwrap();
                }
            }
        }
        stage.lose().await;
        let second = stage.claim().await;
        assert_eq!(second.n, 2);
        stage.prove(second).await.unwrap();
        assert_eq!(stage.mock.accepted().len(), 1, "paid twice after {dead_after}");
        assert_eq!(stage.state().await, [RemoteState::Delivered], "{dead_after}");
        // The first attempt, frozen perhaps and thawed, changes nothing any more.
        let late = stage.attempt(first).prove(&stage.run()).await.unwrap_err();
        assert!(matches!(late, RemoteError::Store(ashlar_store::Error::LostLease { .. })), "{late}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_our_verifier_rejects_is_kept_as_evidence_and_not_paid_for_again() {
    let mut forged = String::from_utf8(PROOFS[0].clone()).unwrap();
    let at = forged.find("\"proof_hex\"").unwrap() + 2000;
    let digit = if &forged[at..=at] == "0" { "1" } else { "0" };
    forged.replace_range(at..=at, digit);
    let cases: [(&[u8], u16); 4] = [
        (forged.as_bytes(), 8161),
        (&PROOFS[1], 8162),
        (b"{\"proof\": \"trust me\"}", 8160),
        (b"[1, 2, 3]", 8160),
    ];
    for (bytes, code) in cases {
        let brought = bytes.to_vec();
        let stage = stage(move |_| bringing(&brought)).await;
        let lease = stage.claim().await;
        let error = stage.prove(lease).await.unwrap_err();
        assert_eq!(error.code().0, code, "{error}");
        let artefacts = stage.store.artefacts_of(stage.job).await.unwrap();
        assert_eq!((artefacts.len(), artefacts[0].kind), (1, ArtefactKind::Log), "no proof is on record");
        assert_eq!(stage.store.artefacts().read(&artefacts[0]).await.unwrap(), bytes);
        assert_eq!(stage.state().await, [RemoteState::Failed]);
        let job = stage.store.job(stage.job).await.unwrap();
        assert_eq!(job.proof_status, ProofStatus::Verifying, "never verified");
        stage.lose().await;
        let again = stage.claim().await;
        let error = stage.prove(again).await.unwrap_err();
        assert!(matches!(error, RemoteError::SpentBefore { .. }), "{error}");
        assert_eq!(stage.mock.accepted().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_the_service_itself_calls_something_else_is_refused() {
    let other_fact = format!("{:#x}", 1234);
    let cases: [(Script, u16); 4] = [
        (bringing(&PROOFS[0]).with("isProofMocked", json!(true)), 8132),
        (bringing(&PROOFS[0]).ending_with("integrityFactHash", json!(other_fact)), 8130),
        (bringing(&PROOFS[0]).with("programHash", json!("0x1")), 8131),
        (bringing(&PROOFS[0]).with("result", json!("TRACE_GENERATION")), 8164),
    ];
    for (script, code) in cases {
        let stage = stage(move |_| script.clone()).await;
        let lease = stage.claim().await;
        let error = stage.prove(lease).await.unwrap_err();
        assert_eq!(error.code().0, code, "{error}");
        assert_eq!(stage.state().await, [RemoteState::Failed]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_nobody_recorded_end_nothing() {
    let strange = bringing(&PROOFS[0])
        .with("step", json!("PROOF_POLISHING"))
        .with("sharpProver", json!("stwo3000"))
        .with("chain", json!("MOON"))
        .with("jobSize", json!("XXL"));
    let stage = stage(move |_| strange.clone()).await;
    let lease = stage.claim().await;
    stage.prove(lease).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_wants_credits_keeps_no_money_of_the_day() {
    let stage = stage(|_| bringing(&PROOFS[0])).await;
    stage.mock.misbehave(Endpoint::Submit, Fault::InsufficientCredits, When::Always);
    let lease = stage.claim().await;
    let set_aside = stage.committed().await;
    assert!(set_aside > 0);
    let error = stage.prove(lease).await.unwrap_err();
    assert_eq!(error.code().0, 8114);
    assert_eq!(stage.state().await, [RemoteState::Refused]);
    let to = Destination {
        backend: ProofSource::StoneLocal,
        lane: Lane::ProveSmall,
        memory_bytes: 1,
        micro_usd: 0,
        attempt_time: Duration::from_secs(60),
    };
    let (kind, code, next) = (FailureKind::Quota, error.code(), Next::Elsewhere(to));
    let end = AttemptEnd::Failed { kind, code, text: "no credits", next };
    stage.store.end_attempt(&lease, &end, None, Moment::now()).await.unwrap();
    assert_eq!(stage.committed().await, 0, "nothing was bought");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submission_that_nobody_can_account_for_stays_committed() {
    let stage = stage(|_| bringing(&PROOFS[0])).await;
    stage.mock.misbehave(Endpoint::Submit, Fault::ResetAfter, When::Always);
    stage.mock.misbehave(Endpoint::ByDedupId, Fault::Html(502), When::After(1, 100_000));
    let lease = stage.claim().await;
    let set_aside = stage.committed().await;
    let error = stage.prove(lease).await.unwrap_err();
    assert_eq!(error.code().0, 8119, "{error}");
    assert_eq!(stage.state().await, [RemoteState::Intended]);
    stage.lose().await;
    assert_eq!(stage.committed().await, set_aside, "it may have been bought");
    // It was: whoever comes next finds it.
    stage.mock.behave();
    let again = stage.claim().await;
    stage.prove(again).await.unwrap();
    assert_eq!(stage.mock.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_is_killed_for_its_memory_is_paid_for_once_more_in_the_next_size() {
    let hungry = || bringing(&PROOFS[0]).steps(7_000_000);
    let larger = stage(move |_| hungry()).await;
    let lease = larger.claim().await;
    larger.prove(lease).await.unwrap();
    let sizes: Vec<String> = larger
        .mock
        .accepted()
        .iter()
        .map(|posted| posted.field("declaredJobSize").unwrap().to_owned())
        .collect();
    assert_eq!(sizes, ["S", "M"]);
    assert_eq!(larger.state().await, [RemoteState::Failed, RemoteState::Delivered]);
    let costs: u64 =
        larger.store.queries_of(larger.job).await.unwrap().iter().map(|query| query.micro_usd).sum();
    assert_eq!(larger.committed().await, costs);

    // Not beyond what may be spent on one job, or in a day.
    for budget in [
        Budget { job_micro_usd: 1_000_000, ..Budget::default() },
        Budget { day_micro_usd: 1_000_000, ..Budget::default() },
    ] {
        let mut stage = stage(move |_| hungry()).await;
        stage.budget = budget;
        let lease = stage.claim().await;
        let error = stage.prove(lease).await.unwrap_err();
        assert_eq!(error.code().0, 8125, "{error}");
        assert_eq!(stage.mock.accepted().len(), 1);
    }

    // And not a third time.
    let insatiable = stage(|_| bringing(&PROOFS[0]).steps(13_000_000)).await;
    let lease = insatiable.claim().await;
    let error = insatiable.prove(lease).await.unwrap_err();
    assert_eq!((error.code().0, insatiable.mock.accepted().len()), (8125, 2));
    insatiable.lose().await;
    let again = insatiable.claim().await;
    insatiable.prove(again).await.unwrap_err();
    assert_eq!(insatiable.mock.accepted().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_that_is_to_stop_stops_waiting_and_the_query_stays_on_record() {
    let stage = stage(|_| bringing(&PROOFS[0])).await;
    stage.stop.store(true, Ordering::SeqCst);
    let lease = stage.claim().await;
    let error = stage.prove(lease).await.unwrap_err();
    assert_eq!(error.code().0, 8124, "{error}");
    assert_eq!(stage.state().await, [RemoteState::Accepted]);
}

/// Lets an attempt wait for its query, with `tell` called after each look, which it is given the number of, and says how
/// long the pauses between looks were.
async fn pauses(tell: impl Fn(&Store, &str, usize) + Send + Sync + 'static) -> Vec<Duration> {
    let stage = stage(|_| bringing(&PROOFS[0])).await;
    let lease = stage.claim().await;
    stage.store.advance_held(&lease, ProofStatus::Tracing, Moment::now()).await.unwrap();
    let (store, looks) = (stage.store.clone(), AtomicU64::new(0));
    let say = move |event: &'static str, detail: serde_json::Value| {
        if event == "progress" {
            let number = looks.fetch_add(1, Ordering::SeqCst);
            tell(&store, detail["query"].as_str().unwrap(), usize::try_from(number).unwrap());
        }
    };
    let attempt = RemoteAttempt { say: Arc::new(say), ..stage.attempt(lease) };
    let delivered = attempt.prove(&stage.run()).await.unwrap();
    assert_eq!(delivered.claim.program.hash().0, stage.run().program_hash, "what counts is the proof");
    let requests = stage.mock.requests();
    let looks = requests.iter().filter(|request| request.endpoint == Endpoint::Show);
    let looks: Vec<Duration> = looks.map(|request| request.at).collect();
    looks.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// Records a hint, at a moment that is later with each look.
fn hint(store: &Store, query: &str, look: usize) -> bool {
    let now = Moment::now().after(Duration::from_secs(3600 * look as u64));
    tokio::runtime::Handle::current().block_on(store.hint_query(query, now)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hint_makes_the_attempt_look_early_and_hints_without_end_look_no_more_often_than_polling_may() {
    let shortest = Polling::until(Duration::from_secs(7200)).shortest;
    let without = pauses(|_, _, _| {}).await;
    let widest = (0..without.len()).max_by_key(|index| without[*index]).unwrap();
    assert!(without[widest] > 2 * shortest, "{without:?}");

    let once = pauses(move |store, query, look| {
        if look == widest {
            assert!(hint(store, query, look));
            assert!(!hint(store, query, look), "the same again is no news");
        }
    })
    .await;
    assert_eq!(once[..widest], without[..widest], "until then nothing is different");
    assert_eq!(once[widest], shortest, "{once:?}");

    let forged = pauses(|store, query, look| assert!(!hint(store, &format!("{query}X"), look))).await;
    assert_eq!(forged, without);

    let always = pauses(|store, query, look| assert!(hint(store, query, look))).await;
    assert!(always.iter().all(|pause| *pause >= shortest), "{always:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_not_over_in_time_is_given_up() {
    let mut stage = stage(|_| Script::route_s()).await;
    stage.terms.deadline = Duration::from_secs(600);
    let lease = stage.claim().await;
    stage.store.advance_held(&lease, ProofStatus::Tracing, Moment::now()).await.unwrap();
    let attempt = RemoteAttempt { polling: Polling::until(stage.terms.deadline), ..stage.attempt(lease) };
    let error = attempt.prove(&stage.run()).await.unwrap_err();
    assert_eq!(error.code().0, 8123, "{error}");
}
