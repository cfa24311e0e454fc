//! Proven allocations of the queue at the gate: brought there by whoever works, executed once, whatever dies in between. The
//! proof is real, and so is the gate.

use std::{
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use crate::support::{folder, proofs::proof_of, proposals, submission, verified};
use ashlar_engine::{Engine, Gate, ManualClock, Settings, Worker, WorkerSettings};
use ashlar_store::{
    Allocation, AllocationStatus, Claimant, DryRun, ExecutionPort, Failure, GatePolicy, JobId, Lane, Moment,
    Order, ProofStatus, Store,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

/// A proof of the first proposal.
static PROOF: LazyLock<Vec<u8>> = LazyLock::new(|| proof_of(&proposals(1..2)));

/// Counts the orders that it gets, and answers as it was told to.
#[derive(Debug, Default)]
struct Receiver {
    performed: AtomicU32,
    answers: Mutex<Vec<Result<(), Failure>>>,
    /// Is told that an order has come; then the receiver hangs until the sender is gone.
    hangs: Mutex<Option<(mpsc::Sender<()>, mpsc::Receiver<()>)>>,
}

impl Receiver {
    fn answering(answers: &[Result<(), Failure>]) -> Arc<Receiver> {
        let answers = Mutex::new(answers.iter().rev().cloned().collect());
        Arc::new(Receiver { answers, ..Receiver::default() })
    }

    fn performed(&self) -> u32 {
        self.performed.load(Ordering::SeqCst)
    }
}

impl ExecutionPort for Receiver {
    fn name(&self) -> &'static str {
        "receiver"
    }

    fn is_rehearsal(&self) -> bool {
        false
    }

    fn repeatable(&self) -> bool {
        false
    }

    fn perform(&self, order: &Order) -> Result<Value, Failure> {
        self.performed.fetch_add(1, Ordering::SeqCst);
        if let Some((came, end)) = self.hangs.lock().unwrap().take() {
            came.send(()).unwrap();
            let _ = end.recv();
        }
        match self.answers.lock().unwrap().pop() {
            Some(Err(failure)) => Err(failure),
            _ => Ok(json!({ "took": order.key })),
        }
    }
}

struct Stage {
    folder: TempDir,
    clock: Arc<ManualClock>,
    engine: Engine,
    job: JobId,
}

/// A job of the queue whose proof is on record, as a worker leaves it that then dies.
async fn proven() -> Stage {
    let folder = folder();
    let clock = Arc::new(ManualClock::at(Moment::now()));
    let store = Store::open(folder.path()).await.unwrap();
    let engine = Engine::with_clock(store, Settings::default(), Arc::clone(&clock) as Arc<_>).unwrap();
    let job = engine.submit(&submission(1), None).await.unwrap().job;
    let lanes = [Lane::ProveSmall];
    let claimant = Claimant {
        worker: "w",
        lanes: &lanes,
        free_bytes: u64::MAX,
        total_bytes: u64::MAX,
        lease: Duration::from_secs(60),
        patience: Duration::from_secs(60),
    };
    let store = engine.store();
    let lease = store.claim_work(&claimant, engine.now()).await.unwrap().unwrap().lease;
    for status in [ProofStatus::Tracing, ProofStatus::Proving, ProofStatus::Verifying] {
        store.advance_held(&lease, status, engine.now()).await.unwrap();
    }
    store.conclude_held(&lease, &verified(), &PROOF, None, engine.now()).await.unwrap();
    Stage { folder, clock, engine, job }
}

impl Stage {
    fn gate(&self, port: &Arc<Receiver>) -> Gate {
        Gate { policy: GatePolicy::default(), port: Arc::clone(port) as Arc<_> }
    }

    async fn allocation(&self) -> Allocation {
        self.engine.store().allocations_of(self.job).await.unwrap().remove(0)
    }

    async fn noted(&self) -> Vec<Value> {
        let events = self.engine.store().events(self.job, 0).await.unwrap();
        events.into_iter().filter(|event| event.event == "gate").map(|event| event.detail).collect()
    }

    /// Another process over the same records.
    async fn after_a_crash(&self) -> Engine {
        let store = Store::open(self.folder.path()).await.unwrap();
        Engine::with_clock(store, Settings::default(), Arc::clone(&self.clock) as Arc<_>).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proven_allocation_waits_until_somebody_configured_an_execution_and_is_then_executed_once() {
    let stage = proven().await;
    assert_eq!(stage.allocation().await.status, AllocationStatus::Proposed);
    assert_eq!(stage.engine.store().gate_visits_of(stage.job).await.unwrap(), Some(0), "it waits, visibly");
    // The process that made the proof is gone; another one has a gate.
    let (port, other) = (Receiver::answering(&[]), stage.after_a_crash().await);
    let gate = stage.gate(&port);
    assert_eq!(gate.visit(&other).await.unwrap(), Some(stage.job));
    assert_eq!(stage.allocation().await.status, AllocationStatus::Executed);
    assert_eq!(gate.visit(&other).await.unwrap(), None, "nothing is due any more");
    stage.clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), None);
    assert_eq!(port.performed(), 1);
    let noted = stage.noted().await;
    assert_eq!((noted.len(), &noted[0]["executed"]), (1, &json!(true)), "{noted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_on_the_way_to_the_gate_leaves_a_visit_that_is_due_again() {
    let stage = proven().await;
    let store = stage.engine.store();
    // It claimed the visit, and died.
    let hold = Duration::from_secs(120);
    assert_eq!(store.claim_gate_visit(stage.engine.now(), hold).await.unwrap(), Some(stage.job));
    let port = Receiver::answering(&[]);
    assert_eq!(stage.gate(&port).visit(&stage.engine).await.unwrap(), None, "somebody has it");
    stage.clock.advance(hold);
    assert_eq!(stage.gate(&port).visit(&stage.engine).await.unwrap(), Some(stage.job));
    assert_eq!((port.performed(), stage.allocation().await.status), (1, AllocationStatus::Executed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_after_the_execution_does_not_make_it_happen_twice() {
    let stage = proven().await;
    let store = stage.engine.store();
    let port = Receiver::answering(&[]);
    let gate = stage.gate(&port);
    // Executed, and dead before the visit was recorded as over.
    assert!(store.claim_gate_visit(stage.engine.now(), Duration::ZERO).await.unwrap().is_some());
    let evidence = store.evidence_of(&store.job(stage.job).await.unwrap()).await.unwrap();
    let done = store
        .pass_gate_together(&proposals(1..2), evidence.as_ref(), &gate.policy, Arc::clone(&gate.port))
        .await;
    assert!(done[0].is_ok());
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), Some(stage.job));
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), None);
    assert_eq!((port.performed(), stage.allocation().await.status), (1, AllocationStatus::Executed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_that_nobody_knows_the_end_of_is_not_begun_again() {
    let stage = proven().await;
    let port = Receiver::answering(&[]);
    let ((came, has_come), (keep, end)) = (mpsc::channel(), mpsc::channel());
    *port.hangs.lock().unwrap() = Some((came, end));
    let (gate, engine) = (stage.gate(&port), stage.engine.clone());
    let visit = tokio::spawn(async move { gate.visit(&engine).await });
    let has_come = tokio::task::spawn_blocking(move || has_come.recv()).await.unwrap();
    has_come.unwrap();
    // The process is gone in the middle of the call.
    visit.abort();
    assert!(visit.await.unwrap_err().is_cancelled());
    assert_eq!(stage.allocation().await.status, AllocationStatus::Executing);
    stage.clock.advance(Duration::from_secs(120));
    let gate = stage.gate(&port);
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), Some(stage.job));
    let noted = stage.noted().await;
    assert_eq!(noted.last().unwrap()["code"], "ASH-4063", "another process may still be at it: {noted:?}");
    assert_eq!(port.performed(), 1);
    // It is looked at again, after a pause.
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), None);
    stage.clock.advance(Duration::from_secs(40));
    assert_eq!(gate.visit(&stage.engine).await.unwrap(), Some(stage.job));
    assert_eq!(port.performed(), 1);
    drop(keep);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_not_there_is_asked_again_and_one_that_may_have_executed_is_not() {
    let stage = proven().await;
    let port = Receiver::answering(&[
        Err(Failure::NotSent("no route".to_owned())),
        Err(Failure::InDoubt("no answer".to_owned())),
    ]);
    let gate = stage.gate(&port);
    assert!(gate.visit(&stage.engine).await.unwrap().is_some());
    assert!(gate.visit(&stage.engine).await.unwrap().is_none());
    stage.clock.advance(Duration::from_secs(10));
    assert!(gate.visit(&stage.engine).await.unwrap().is_some());
    stage.clock.advance(Duration::from_secs(1_000_000));
    assert!(gate.visit(&stage.engine).await.unwrap().is_none(), "somebody has to ask the receiver");
    assert_eq!((port.performed(), stage.allocation().await.status), (2, AllocationStatus::Executing));
    let codes: Vec<Value> = stage.noted().await.iter().map(|noted| noted["code"].clone()).collect();
    assert_eq!(codes, ["ASH-4062", "ASH-4061"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_has_changed_executes_nothing() {
    let stage = proven().await;
    let store = stage.engine.store();
    let proof = store.artefacts_of(stage.job).await.unwrap().remove(0);
    std::fs::write(store.artefacts().path(proof.sha256), b"another proof").unwrap();
    let port = Receiver::answering(&[]);
    assert!(stage.gate(&port).visit(&stage.engine).await.unwrap().is_some());
    assert_eq!((port.performed(), stage.allocation().await.status), (0, AllocationStatus::Proposed));
    assert_eq!(stage.noted().await[0]["executed"], false);
    assert!(
        stage.gate(&port).visit(&stage.engine).await.unwrap().is_none(),
        "another proof has a visit of its own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_brings_what_is_proven_to_its_gate_by_itself() {
    for gated in [true, false] {
        let stage = proven().await;
        let mut settings = WorkerSettings::new("/nowhere".into(), Vec::new(), 0);
        settings.poll = Duration::from_millis(5);
        settings.gate = gated.then(|| Gate { policy: GatePolicy::default(), port: Arc::new(DryRun) });
        let worker = Worker::new(stage.engine.clone(), settings);
        let health = worker.health();
        let (stop, stopped) = watch::channel(false);
        let mut running = Box::pin(worker.run(stopped));
        let wanted = if gated { AllocationStatus::Admitted } else { AllocationStatus::Proposed };
        while health.polled_at().is_none() || stage.allocation().await.status != wanted {
            tokio::select! {
                ended = &mut running => panic!("{ended:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        stop.send(true).unwrap();
        running.await.unwrap();
        assert_eq!(stage.allocation().await.status, wanted);
        let visits = stage.engine.store().gate_visits_of(stage.job).await.unwrap();
        assert_eq!(visits, Some(u32::from(gated)));
    }
}
