//! An admitted allocation executes once: through crashes, lost answers, and several processes at the gate.

use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use crate::databases::{Outsider, Records, on_both};
use crate::support::{ACCEPTED, accepted, record, store};
use ashlar_fault::{Code, Exit, Fault};
use ashlar_risk::Proposal;
use ashlar_store::{
    AllocationStatus, Evidence, ExecutionError, ExecutionPort, Failure, GateError, GatePolicy, Moment, Order,
    Passage, Refusal, Store, Webhook,
};
use serde_json::{Value, json};

on_both!(
    an_executed_proposal_is_a_replay_ever_after,
    what_was_certainly_not_sent_is_sent_by_the_next_attempt,
    a_refusal_of_the_receiver_is_final,
    a_lost_answer_is_not_repeated_unless_the_receiver_recognises_orders,
    an_attempt_that_sent_nothing_does_not_make_a_doubtful_one_certain,
    an_execution_is_not_taken_up_by_another_adapter,
    an_order_in_doubt_is_not_sent_to_another_place,
    a_refusal_after_a_doubtful_attempt_leaves_the_doubt,
    an_order_with_another_proof_does_not_take_the_place_of_the_one_that_was_begun,
    a_forged_intent_is_not_executed_without_a_proof,
    a_webhook_gets_the_order_with_its_key,
    a_server_error_leaves_the_execution_in_doubt,
    a_redirect_is_not_followed,
    several_processes_at_the_gate_execute_once,
);

/// Counts what it performs, and answers as it was told to.
#[derive(Debug)]
struct Receiver {
    performed: AtomicU32,
    answers: Mutex<Vec<Result<(), Failure>>>,
    repeatable: bool,
    place: &'static str,
}

impl Receiver {
    fn new(repeatable: bool, answers: &[Result<(), Failure>]) -> Arc<Receiver> {
        Receiver::at("here", repeatable, answers)
    }

    fn at(place: &'static str, repeatable: bool, answers: &[Result<(), Failure>]) -> Arc<Receiver> {
        let mut answers = answers.to_vec();
        answers.reverse();
        Arc::new(Receiver { performed: AtomicU32::new(0), answers: Mutex::new(answers), repeatable, place })
    }

    fn performed(&self) -> u32 {
        self.performed.load(Ordering::SeqCst)
    }
}

impl ExecutionPort for Receiver {
    fn name(&self) -> &'static str {
        "receiver"
    }

    fn destination(&self) -> &str {
        self.place
    }

    fn is_rehearsal(&self) -> bool {
        false
    }

    fn repeatable(&self) -> bool {
        self.repeatable
    }

    fn perform(&self, order: &Order) -> Result<Value, Failure> {
        assert!(order.key.starts_with("0x") && order.key.len() == 66, "{}", order.key);
        self.answers.lock().unwrap().pop().unwrap_or(Ok(()))?;
        self.performed.fetch_add(1, Ordering::SeqCst);
        Ok(json!({ "done": true }))
    }
}

async fn execute(
    store: &Store,
    proposal: &Proposal,
    port: Arc<dyn ExecutionPort>,
) -> Result<Passage, GateError> {
    let evidence = Evidence::local_proof(ACCEPTED.clone(), Moment::now());
    store.pass_gate(proposal, Some(&evidence), &GatePolicy::default(), port).await
}

async fn status(store: &Store, proposal: &Proposal) -> AllocationStatus {
    record(store, proposal).await.status
}

/// As if a minute had passed since the last attempt began.
async fn let_the_lease_run_out(outsider: &Outsider) {
    let past = "UPDATE executions SET lease_until = '2000-01-01T00:00:00.000Z' WHERE lease_until IS NOT NULL";
    outsider.run(past).await.unwrap();
}

async fn an_executed_proposal_is_a_replay_ever_after(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let receiver = Receiver::new(true, &[]);
    let passage = execute(&store, &accepted(), receiver.clone()).await.unwrap();
    assert!(!passage.rehearsal && !passage.resumed);
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Executed);
    for _ in 0..2 {
        let again = execute(&store, &accepted(), receiver.clone()).await;
        let executed = AllocationStatus::Executed;
        assert!(
            matches!(&again, Err(GateError::Refused(Refusal::Replay { status, .. })) if *status == executed)
        );
    }
    assert_eq!(receiver.performed(), 1);
}

async fn several_processes_at_the_gate_execute_once(records: Records) {
    let store = records.open().await;
    let records = Arc::new(records);
    record(&store, &accepted()).await;
    let receiver = Receiver::new(true, &[]);
    let rivals: Vec<_> = (0..4)
        .map(|_| {
            let (records, receiver) = (Arc::clone(&records), receiver.clone());
            tokio::spawn(async move {
                let store = records.open().await;
                execute(&store, &accepted(), receiver).await.map(drop)
            })
        })
        .collect();
    let mut opened = 0;
    for rival in rivals {
        match rival.await.unwrap() {
            Ok(()) => opened += 1,
            Err(GateError::Refused(Refusal::Replay { .. }))
            | Err(GateError::Execution(ExecutionError::InProgress { .. })) => {}
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((opened, receiver.performed()), (1, 1));
}

async fn what_was_certainly_not_sent_is_sent_by_the_next_attempt(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let receiver = Receiver::new(false, &[Err(Failure::NotSent("no route".to_owned()))]);
    let error = execute(&store, &accepted(), receiver.clone()).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Code(4062), Exit::Backend));
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Executing);
    let passage = execute(&store, &accepted(), receiver.clone()).await.unwrap();
    assert!(passage.resumed);
    assert_eq!(receiver.performed(), 1);
}

async fn a_refusal_of_the_receiver_is_final(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let receiver = Receiver::new(true, &[Err(Failure::Refused("limit".to_owned()))]);
    let error = execute(&store, &accepted(), receiver.clone()).await.unwrap_err();
    assert_eq!((error.code(), error.exit()), (Code(4060), Exit::Negative));
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Failed);
    let again = execute(&store, &accepted(), receiver.clone()).await;
    assert!(matches!(again, Err(GateError::Refused(Refusal::Replay { .. }))));
    assert_eq!(receiver.performed(), 0);
}

async fn a_lost_answer_is_not_repeated_unless_the_receiver_recognises_orders(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let forgetful = Receiver::new(false, &[Err(Failure::InDoubt("timeout".to_owned()))]);
    for _ in 0..3 {
        let error = execute(&store, &accepted(), forgetful.clone()).await.unwrap_err();
        assert_eq!((error.code(), error.exit()), (Code(4061), Exit::Backend), "{error:?}");
        assert!(error.to_string().contains("timeout"), "{error}");
    }
    assert_eq!(forgetful.performed(), 0);
    let attentive = Receiver::new(true, &[]);
    assert!(execute(&store, &accepted(), attentive.clone()).await.unwrap().resumed);
    assert_eq!(attentive.performed(), 1);
}

async fn an_attempt_that_sent_nothing_does_not_make_a_doubtful_one_certain(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let doubtful = [Err(Failure::InDoubt("timeout".to_owned())), Err(Failure::NotSent("down".to_owned()))];
    let attentive = Receiver::new(true, &doubtful);
    execute(&store, &accepted(), attentive.clone()).await.unwrap_err();
    execute(&store, &accepted(), attentive.clone()).await.unwrap_err();
    let forgetful = Receiver::new(false, &[]);
    let error = execute(&store, &accepted(), forgetful.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code(4061), "{error:?}");
    assert_eq!(forgetful.performed(), 0);
}

async fn an_execution_is_not_taken_up_by_another_adapter(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let receiver = Receiver::new(false, &[Err(Failure::NotSent("down".to_owned()))]);
    execute(&store, &accepted(), receiver).await.unwrap_err();
    let webhook = Arc::new(Webhook::new("http://127.0.0.1:9/", true).unwrap());
    let error = execute(&store, &accepted(), webhook).await.unwrap_err();
    assert_eq!(error.code(), Code(4064), "{error:?}");
}

async fn an_order_in_doubt_is_not_sent_to_another_place(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let first = Receiver::at("first", true, &[Err(Failure::InDoubt("it answered 500".to_owned()))]);
    execute(&store, &accepted(), first.clone()).await.unwrap_err();
    let second = Receiver::at("second", true, &[]);
    let error = execute(&store, &accepted(), second.clone()).await.unwrap_err();
    assert_eq!((error.code(), second.performed()), (Code(4064), 0), "{error:?}");
    assert!(execute(&store, &accepted(), first.clone()).await.unwrap().resumed);
    assert_eq!(first.performed(), 1);
}

async fn a_refusal_after_a_doubtful_attempt_leaves_the_doubt(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let answers = [Err(Failure::InDoubt("lost".to_owned())), Err(Failure::Refused("done before".to_owned()))];
    let receiver = Receiver::new(true, &answers);
    execute(&store, &accepted(), receiver.clone()).await.unwrap_err();
    let error = execute(&store, &accepted(), receiver.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code(4061), "{error:?}");
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Executing);
}

async fn an_order_with_another_proof_does_not_take_the_place_of_the_one_that_was_begun(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let receiver = Receiver::new(true, &[Err(Failure::InDoubt("lost".to_owned()))]);
    execute(&store, &accepted(), receiver.clone()).await.unwrap_err();
    // The same proof in another file: blanks after the document.
    let other = Evidence::local_proof([ACCEPTED.as_slice(), b"\n\n"].concat(), Moment::now());
    let outcome = store.pass_gate(&accepted(), Some(&other), &GatePolicy::default(), receiver.clone()).await;
    let error = outcome.unwrap_err();
    assert_eq!((error.code(), receiver.performed()), (Code(4066), 0), "{error:?}");
    assert!(execute(&store, &accepted(), receiver.clone()).await.unwrap().resumed);
}

/// Set in the process that is to die between intent and outcome: the folder of its records.
const DOOMED: &str = "ASHLAR_TEST_DOOMED_FOLDER";

/// Ends the process without a word when it is asked to perform.
#[derive(Debug)]
struct Abyss;

impl ExecutionPort for Abyss {
    fn name(&self) -> &'static str {
        "receiver"
    }

    fn destination(&self) -> &str {
        "here"
    }

    fn is_rehearsal(&self) -> bool {
        false
    }

    fn repeatable(&self) -> bool {
        false
    }

    fn perform(&self, _: &Order) -> Result<Value, Failure> {
        std::process::abort()
    }
}

#[tokio::test]
async fn a_process_that_dies_between_intent_and_outcome_is_noticed_and_nothing_executes_twice() {
    if let Some(folder) = std::env::var_os(DOOMED) {
        let store = Store::open(Path::new(&folder)).await.unwrap();
        let proof = std::fs::read(Path::new(&folder).join("proof.json")).unwrap();
        let evidence = Evidence::local_proof(proof, Moment::now());
        let _ = store.pass_gate(&accepted(), Some(&evidence), &GatePolicy::default(), Arc::new(Abyss)).await;
        unreachable!("the port ends the process");
    }
    let (folder, store) = store().await;
    record(&store, &accepted()).await;
    std::fs::write(folder.path().join("proof.json"), &*ACCEPTED).unwrap();
    let died = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "executions::a_process_that_dies_between_intent_and_outcome_is_noticed_and_nothing_executes_twice",
        ])
        .env(DOOMED, folder.path())
        .output()
        .unwrap();
    assert_eq!(died.status.code(), None, "it was to be ended by a signal: {died:?}");
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Executing);

    // While its lease lasts, somebody may still be at it.
    let forgetful = Receiver::new(false, &[]);
    let error = execute(&store, &accepted(), forgetful.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code(4063), "{error:?}");
    // Afterwards nobody knows what it sent, and that is what is said.
    let_the_lease_run_out(&Outsider::of_folder(folder.path()).await).await;
    let error = execute(&store, &accepted(), forgetful.clone()).await.unwrap_err();
    assert_eq!(error.code(), Code(4061), "{error:?}");
    assert_eq!(forgetful.performed(), 0);
    // A receiver that recognises orders may be asked again.
    let attentive = Receiver::new(true, &[]);
    let passage = execute(&store, &accepted(), attentive.clone()).await.unwrap();
    assert!(passage.resumed);
    assert_eq!(attentive.performed(), 1);
    assert_eq!(status(&store, &accepted()).await, AllocationStatus::Executed);
}

async fn a_forged_intent_is_not_executed_without_a_proof(records: Records) {
    let store = records.open().await;
    let allocation = record(&store, &accepted()).await;
    let pool = records.outsider().await;
    pool.run("UPDATE allocations SET status = 'executing', proof_verified = 1").await.unwrap();
    let intent = format!(
        "INSERT INTO executions (id, allocation_id, proposal_id, adapter, rehearsal, evidence_sha256, body, state,
                                 intended_at)
         VALUES ('exe_00000000000000000000000000', '{}', '{}', 'receiver', 0, '{:064}', '{{\"shares\": []}}',
                 'intended', '2026-01-01T00:00:00.000Z')",
        allocation.id, allocation.proposal_id, 0
    );
    pool.run(&intent).await.unwrap();
    let receiver = Receiver::new(true, &[]);
    let forged = Evidence::local_proof(b"{\"verified\": true}".to_vec(), Moment::now());
    let outcome = store.pass_gate(&accepted(), Some(&forged), &GatePolicy::default(), receiver.clone()).await;
    assert!(matches!(outcome, Err(GateError::Refused(Refusal::Unreadable(_)))), "{outcome:?}");
    assert_eq!(receiver.performed(), 0);
}

/// Answers one request with this status line, and returns what was sent.
fn serve_once(status: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/execute", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_request(&mut stream);
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok").unwrap();
        request
    });
    (address, server)
}

fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned)
            });
            if length.is_none_or(|length| body.len() >= length.trim().parse().unwrap()) {
                return text;
            }
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request broke off: {text}");
        request.extend_from_slice(&buffer[..read]);
    }
}

async fn a_webhook_gets_the_order_with_its_key(records: Records) {
    let store = records.open().await;
    let allocation = record(&store, &accepted()).await;
    let (address, server) = serve_once("200 OK");
    let webhook = Arc::new(Webhook::new(&address, false).unwrap());
    let passage = execute(&store, &accepted(), webhook).await.unwrap();
    assert_eq!(passage.answer, json!({ "http_status": 200, "answer": "ok" }));
    let request = server.join().unwrap();
    assert!(request.starts_with("POST /execute HTTP/1.1\r\n"), "{request}");
    let key = format!("idempotency-key: {}", allocation.proposal_id);
    assert!(request.to_ascii_lowercase().contains(&key), "{request}");
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body["proposal_id"], allocation.proposal_id.to_string());
    assert_eq!(
        body["shares"][0],
        json!({ "protocol_id": "0xa", "basis_points": record(&store, &accepted()).await.shares[0] })
    );
}

async fn a_server_error_leaves_the_execution_in_doubt(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let (address, server) = serve_once("500 Internal Server Error");
    let error =
        execute(&store, &accepted(), Arc::new(Webhook::new(&address, false).unwrap())).await.unwrap_err();
    assert_eq!(error.code(), Code(4061), "{error:?}");
    server.join().unwrap();
    // Nobody listens any more, and nobody is asked: the doubt stays until a person resolves it.
    let error =
        execute(&store, &accepted(), Arc::new(Webhook::new(&address, false).unwrap())).await.unwrap_err();
    assert_eq!(error.code(), Code(4061), "{error:?}");
}

async fn a_redirect_is_not_followed(records: Records) {
    let store = records.open().await;
    record(&store, &accepted()).await;
    let (address, server) = serve_once("307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/elsewhere");
    let error =
        execute(&store, &accepted(), Arc::new(Webhook::new(&address, false).unwrap())).await.unwrap_err();
    assert_eq!(error.code(), Code(4060), "{error:?}");
    server.join().unwrap();
}
