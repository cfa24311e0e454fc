//! What a server calls: one request is one job, refusals are typed and leave nothing behind, and predictions hold.

use std::{sync::Arc, time::Duration};

use crate::support::{folder, proposals, seconds, submission};
use ashlar_engine::{
    AtlanticTerms, Circumstances, CompiledProgram, Engine, EngineError, Environment, FinishedRunTask,
    ManualClock, ProgramTask, RouterPolicy, RunSize, Settings, Submission, Task, Unable, Verdict, Worker,
    WorkerSettings,
};
use ashlar_fault::{Code, Fault as _};
use ashlar_risk::{Proposal, run_model};
use ashlar_store::{
    AttemptEnd, Claimant, ContentHash, FailureKind, Lane, Moment, Next, ProofSource, ProofStatus, Store,
    StoredContent,
};
use serde_json::json;
use tempfile::TempDir;

struct House {
    engine: Engine,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

async fn house(settings: Settings) -> House {
    let folder = folder();
    let store = Store::open(folder.path()).await.unwrap();
    let clock = Arc::new(ManualClock::at(Moment::from_milliseconds(1_700_000_000_000)));
    let engine = Engine::with_clock(store, settings, clock.clone()).unwrap();
    House { engine, clock, _folder: folder }
}

/// Enough memory for anything here, whatever machine this is.
fn settings() -> Settings {
    Settings { memory_bytes: 64 << 30, ..Settings::default() }
}

fn claimant<'a>() -> Claimant<'a> {
    Claimant {
        worker: "test",
        lanes: Lane::ALL,
        free_bytes: u64::MAX / 4,
        total_bytes: u64::MAX / 4,
        lease: seconds(10),
        patience: seconds(10),
    }
}

#[tokio::test]
async fn the_same_request_under_the_same_key_is_one_job_and_another_one_is_refused() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let first = engine.submit(&submission(1), Some("key")).await.unwrap();
    let again = engine.submit(&submission(1), Some("key")).await.unwrap();
    assert_eq!((first.existing, again.existing, again.job), (false, true, first.job));
    let mut dearer = submission(1);
    dearer.circumstances.priority = Some(9);
    for other in [submission(2), dearer] {
        let refused = engine.submit(&other, Some("key")).await.unwrap_err();
        assert!(matches!(&refused, EngineError::KeyReused { job, .. } if *job == first.job), "{refused}");
    }
    // Without a key, or under another one, it is another job of the same allocation.
    let second = engine.submit(&submission(1), Some("another")).await.unwrap();
    assert_ne!(second.job, first.job);
    let store = engine.store();
    let [a, b] = [first.job, second.job];
    assert_eq!(store.allocations_of(a).await.unwrap()[0].id, store.allocations_of(b).await.unwrap()[0].id);
    for key in [String::new(), "k".repeat(301)] {
        let refused = engine.submit(&submission(3), Some(&key)).await.unwrap_err();
        assert_eq!(refused.code().to_string(), "ASH-8203");
    }
    assert_eq!(engine.queue_depth().await.unwrap().waiting(), 2);
}

#[tokio::test]
async fn a_full_queue_refuses_with_a_time_to_come_back_and_still_answers_known_keys() {
    let house = house(Settings { queue_limit: 2, ..settings() }).await;
    let engine = &house.engine;
    let first = engine.submit(&submission(1), Some("first")).await.unwrap();
    engine.submit(&submission(2), None).await.unwrap();
    match engine.submit(&submission(3), None).await.unwrap_err() {
        EngineError::QueueFull { waiting: 2, limit: 2, retry_after } => assert!(retry_after >= seconds(1)),
        other => panic!("{other}"),
    }
    assert!(engine.submit(&submission(1), Some("first")).await.unwrap().existing);
    // What was refused left nothing behind, not even the allocation.
    let refused = ashlar_risk::proposal_id(&proposals(3..4)[0]);
    assert!(engine.store().allocation_of(refused).await.unwrap().is_none());
    engine.cancel(first.job).await.unwrap();
    engine.submit(&submission(3), None).await.unwrap();
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_recorded() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let program = |bytes: usize, steps| {
        let task = ProgramTask {
            program: vec![b'{'; bytes].into(),
            arguments: None,
            layout: None,
            as_built: false,
            steps,
        };
        Submission { task: Task::Program(task), ..submission(1) }
    };
    let twice =
        Submission { task: Task::Allocation([proposals(1..2), proposals(1..2)].concat()), ..submission(1) };
    let none = Submission { task: Task::Allocation(Vec::new()), ..submission(1) };
    let urgent = Submission {
        circumstances: Circumstances { priority: Some(10), ..Circumstances::default() },
        ..submission(1)
    };
    for wrong in [twice, none, urgent, program(0, 512), program(2, 0), program(2, (1 << 24) + 1)] {
        let refused = engine.submit(&wrong, None).await.unwrap_err();
        assert_eq!(refused.code().to_string(), "ASH-8204", "{refused}");
    }
    assert!(engine.store().jobs(None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_nobody_takes_is_refused_with_every_reason() {
    let policy = RouterPolicy { environment: Environment::Sepolia, ..RouterPolicy::default() };
    let house = house(Settings { memory_bytes: 1, policy, ..Settings::default() }).await;
    let engine = &house.engine;
    let plan = engine.plan(&submission(1)).await.unwrap();
    assert!(plan.chosen.is_none());
    assert!(matches!(plan.considered[0].verdict, Verdict::Unable(Unable::NotConfigured { .. })), "{plan:?}");
    let refused = engine.submit(&submission(1), None).await.unwrap_err();
    assert!(matches!(refused, EngineError::NoRoute { .. }));
    for part in ["sepolia", "no managed service is set up", "stone_local: expected at most 1 bytes"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
}

#[tokio::test]
async fn a_request_is_read_back_from_its_record_as_it_was() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let circumstances = Circumstances {
        critical: true,
        value_usd: Some(7),
        private: true,
        ceiling_micro_usd: Some(9),
        priority: Some(3),
        deadline: Some(engine.now().after(seconds(86_400))),
        backend: Some(ProofSource::StoneLocal),
    };
    let program = ProgramTask {
        program: b"{\"some\": \"program\"}".to_vec().into(),
        arguments: Some("1 2".to_owned()),
        layout: Some("small".to_owned()),
        as_built: true,
        steps: 512,
    };
    for task in [Task::Program(program), Task::Allocation(proposals(5..8))] {
        let asked = Submission { task, circumstances: circumstances.clone(), ..submission(1) };
        let job = engine.submit(&asked, None).await.unwrap().job;
        let read = engine.submission_of(job).await.unwrap();
        assert_eq!(read.digest(), asked.digest());
        assert_eq!(read.circumstances, asked.circumstances);
    }
}

#[tokio::test]
async fn a_program_is_the_same_request_as_bytes_and_as_the_name_of_stored_bytes() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let bytes = b"{\"some\": \"program\"}".to_vec();
    let of = |program: CompiledProgram| {
        let arguments = Some("1 2".to_owned());
        let task = ProgramTask { program, arguments, layout: None, as_built: false, steps: 512 };
        Submission { task: Task::Program(task), ..submission(1) }
    };
    let artefacts = engine.store().artefacts();
    let stored = artefacts.receive().take(&bytes).await.unwrap().finish().await.unwrap();
    let (held, named) = (of(bytes.clone().into()), of(stored.into()));
    assert_eq!(named.digest(), held.digest());
    let first = engine.submit(&held, Some("key")).await.unwrap();
    let again = engine.submit(&named, Some("key")).await.unwrap();
    assert_eq!((again.job, again.existing), (first.job, true));
    let second = engine.submit(&named, None).await.unwrap().job;
    // What earlier versions recorded of the same request: keys that were given to them stay the same requests.
    let commitment = ContentHash::of(format!("{}\n1 2", ContentHash::of(&bytes)).as_bytes());
    let request = json!({
        "kind": "uploaded",
        "arguments": { "minimum_bits": 96, "optimize": "time", "hash": "blake248",
                       "args": "1 2", "layout": null, "as_built": false, "steps": 512 },
        "circumstances": { "critical": false, "value_usd": null, "private": false,
                           "ceiling_micro_usd": null, "priority": null },
    });
    for job in [first.job, second] {
        let record = engine.store().job(job).await.unwrap();
        assert_eq!(record.input_commitment, Some(commitment.to_string()));
        assert_eq!(record.request, Some(request.clone()));
    }
    assert_eq!(named.digest(), ContentHash::of(format!("{commitment}\n{request}").as_bytes()));
    assert_eq!(engine.store().inputs_of(second).await.unwrap()[0].sha256, ContentHash::of(&bytes));
    engine.cancel(second).await.unwrap();
    let third = engine.retry(second).await.unwrap().job;
    let read = engine.submission_of(third).await.unwrap();
    assert_eq!(read.digest(), held.digest());
    let Task::Program(task) = read.task else { panic!("no program") };
    assert_eq!(task.program.read(artefacts).await.unwrap(), bytes);
    // Content that was never stored is no program.
    let nowhere = StoredContent { sha256: ContentHash::of(b"nowhere"), size: 7 };
    assert!(engine.submit(&of(nowhere.into()), None).await.is_err());
}

#[tokio::test]
async fn a_job_that_ended_without_a_proof_is_done_over_once() {
    let house = house(settings()).await;
    let (engine, clock) = (&house.engine, &house.clock);
    let mut asked = submission(1);
    asked.circumstances.deadline = Some(engine.now().after(seconds(60)));
    let job = engine.submit(&asked, None).await.unwrap().job;
    let refused = engine.retry(job).await.unwrap_err();
    assert!(refused.to_string().contains("not over"), "{refused}");
    assert_eq!(engine.cancel(job).await.unwrap(), ProofStatus::Cancelled);
    assert!(matches!(engine.cancel(job).await.unwrap_err(), EngineError::AlreadyOver { .. }));
    clock.advance(seconds(61));
    let second = engine.retry(job).await.unwrap().job;
    let record = engine.store().job(second).await.unwrap();
    assert_eq!((record.retry_of, record.attempts), (Some(job), 2));
    // The deadline that has passed does not end the new job at once.
    assert_eq!(engine.work_of(second).await.unwrap().unwrap().deadline, None);
    assert!(matches!(engine.retry(job).await.unwrap_err(), EngineError::NotRetried { .. }));
}

#[tokio::test]
async fn a_backend_that_keeps_failing_is_left_alone_until_its_time_is_over() {
    let house = house(settings()).await;
    let (engine, clock) = (&house.engine, &house.clock);
    for nonce in 0..3 {
        engine.submit(&submission(nonce), None).await.unwrap();
        let claimed = engine.store().claim_work(&claimant(), engine.now()).await.unwrap().unwrap();
        let end = AttemptEnd::Failed {
            kind: FailureKind::Backend,
            code: Code(1351),
            text: "no answer",
            next: Next::Bury,
        };
        engine.store().end_attempt(&claimed.lease, &end, None, engine.now()).await.unwrap();
    }
    let plan = engine.plan(&submission(9)).await.unwrap();
    assert!(matches!(plan.considered[0].verdict, Verdict::BreakerOpen { .. }), "{}", plan.reason);
    let local = &engine.backends().await.unwrap()[0];
    assert_eq!((local.backend, local.failures), (ProofSource::StoneLocal, 3));
    assert_eq!(local.open_until, Some(engine.now().after(seconds(60))));
    clock.advance(seconds(60));
    assert!(engine.plan(&submission(9)).await.unwrap().chosen.is_some());
    // One success closes it for good.
    engine.submit(&submission(9), None).await.unwrap();
    let claimed = engine.store().claim_work(&claimant(), engine.now()).await.unwrap().unwrap();
    let lease = &claimed.lease;
    engine.store().advance_held(lease, ProofStatus::Verifying, engine.now()).await.unwrap();
    engine
        .store()
        .conclude_held(lease, &crate::support::verified(), b"proof", None, engine.now())
        .await
        .unwrap();
    assert_eq!(engine.backends().await.unwrap()[0].failures, 0);
}

#[tokio::test]
async fn subscribers_are_told_what_happens_in_order() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let mut events = engine.subscribe().await.unwrap();
    let job = engine.submit(&submission(1), None).await.unwrap().job;
    engine.store().claim_work(&claimant(), engine.now()).await.unwrap().unwrap();
    engine.cancel(job).await.unwrap();
    let mut told = Vec::new();
    for _ in 0..4 {
        let event = tokio::time::timeout(Duration::from_secs(60), events.next()).await.unwrap().unwrap();
        assert_eq!(event.job_id, job);
        told.push(event.event);
    }
    assert_eq!(told, ["status", "route", "attempt", "cancel"]);
}

#[tokio::test]
async fn a_program_of_the_old_kind_cannot_take_a_job_of_the_queue() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let job = engine.submit(&submission(1), None).await.unwrap().job;
    let store = engine.store();
    assert!(store.advance(job, ProofStatus::Tracing).await.is_err());
    assert!(store.renew(job).await.is_err());
    assert!(store.conclude_abandoned(Moment::now()).await.unwrap().is_empty());
    assert_eq!(store.job(job).await.unwrap().proof_status, ProofStatus::Queued);
}

#[tokio::test]
async fn inputs_of_jobs_are_no_orphans_and_a_changed_one_is_found() {
    let house = house(settings()).await;
    let engine = &house.engine;
    let program = ProgramTask {
        program: b"{}".to_vec().into(),
        arguments: None,
        layout: None,
        as_built: false,
        steps: 512,
    };
    let asked = Submission { task: Task::Program(program), ..submission(1) };
    let job = engine.submit(&asked, None).await.unwrap().job;
    let store = engine.store();
    assert_eq!(store.sweep_orphans(Duration::ZERO).await.unwrap().files, 0);
    assert_eq!(store.scrub().await.unwrap(), []);
    let input = store.inputs_of(job).await.unwrap()[0].sha256;
    std::fs::write(store.artefacts().path(input), b"[]").unwrap();
    assert_eq!(store.scrub().await.unwrap(), [(job, input)]);
    let read = engine.submission_of(job).await.unwrap();
    let Task::Program(ProgramTask { program, .. }) = read.task else { panic!("no program") };
    assert_eq!(program.read(store.artefacts()).await.unwrap_err().code().to_string(), "ASH-4011");
    engine.cancel(job).await.unwrap();
    assert!(engine.retry(job).await.is_err(), "what cannot be run is not put into the queue again");
}

#[tokio::test]
async fn a_finished_run_is_a_job_of_two_files_that_only_this_house_proves() {
    let terms = AtlanticTerms::usual().unwrap();
    let house = house(Settings { atlantic: Some(terms), ..settings() }).await;
    let engine = &house.engine;
    let artefacts = engine.store().artefacts();
    let (archive, bootloader) = (b"PK an archive".to_vec(), b"{\"a\": \"bootloader\"}".to_vec());
    let stored = artefacts.receive().take(&archive).await.unwrap().finish().await.unwrap();
    let asked = |steps, backend| {
        let task = FinishedRunTask {
            archive: stored,
            bootloader: bootloader.clone().into(),
            layout: Some("starknet".to_owned()),
            steps,
        };
        let circumstances = Circumstances { backend, ..Circumstances::default() };
        Submission { task: Task::FinishedRun(task), circumstances, ..submission(1) }
    };
    let submitted = engine.submit(&asked(4096, None), Some("key")).await.unwrap();
    assert!(engine.submit(&asked(4096, None), Some("key")).await.unwrap().existing);
    let routing = submitted.routing.unwrap();
    assert_eq!(routing.chosen.unwrap().backend, ProofSource::StoneLocal);
    let job = submitted.job;
    let inputs = engine.store().inputs_of(job).await.unwrap();
    let roles: Vec<_> = inputs.iter().map(|input| (input.role.as_str(), input.sha256)).collect();
    assert_eq!(
        roles,
        [("finished_run", ContentHash::of(&archive)), ("program", ContentHash::of(&bootloader))]
    );
    let read = engine.submission_of(job).await.unwrap();
    assert_eq!(read.digest(), asked(4096, None).digest());
    assert_eq!(
        RunSize::of(&read),
        RunSize { layout: "starknet".to_owned(), n_steps: 4096, page_cells: 4096 }
    );
    let Task::FinishedRun(task) = read.task else { panic!("no finished run") };
    assert_eq!(task.bootloader.read(artefacts).await.unwrap(), bootloader);
    assert!(engine.store().allocations_of(job).await.unwrap().is_empty(), "no gate opens for it");

    // The managed service is not offered it, even by name; nor are nonsense and an archive that is not there.
    let plan = engine.plan(&asked(4096, Some(ProofSource::Atlantic))).await.unwrap();
    assert!(plan.chosen.is_none() && plan.reason.contains("bootloader of this house"), "{plan:?}");
    for steps in [0, (1 << 24) + 1] {
        let refused = engine.submit(&asked(steps, None), None).await.unwrap_err();
        assert_eq!(refused.code().to_string(), "ASH-8204", "{refused}");
    }
    engine.cancel(job).await.unwrap();
    let again = engine.retry(job).await.unwrap().job;
    assert_eq!(engine.submission_of(again).await.unwrap().digest(), asked(4096, None).digest());
    engine.cancel(again).await.unwrap();
    std::fs::write(artefacts.path(stored.sha256), b"PK another").unwrap();
    assert!(engine.retry(again).await.is_err(), "what cannot be run is not put into the queue again");
}

#[test]
fn no_run_of_the_risk_engine_is_longer_than_predicted() {
    let rows = |count: usize, rejected: bool, nonce| {
        let mut proposal: Proposal = proposals(nonce..nonce + 1).remove(0);
        let first = proposal.rows[0];
        proposal.rows = (0..count as u64)
            .map(|index| {
                let mut row = first;
                row.protocol_id = ashlar_field::Felt::from_u64(1000 + index);
                row
            })
            .collect();
        if rejected {
            proposal.constraints.max_single = 1;
        }
        proposal
    };
    let mut wrong = Vec::new();
    for (count, width, rejected) in [
        (1, 2, false),
        (1, 2, true),
        (1, 32, true),
        (1, 32, false),
        (4, 3, false),
        (9, 10, true),
        (30, 2, true),
        (2, 32, false),
        (10, 32, true),
        (100, 2, true),
    ] {
        let batch: Vec<Proposal> = (0..count).map(|nonce| rows(width, rejected, nonce)).collect();
        let run = run_model(&batch).unwrap().run;
        let public = &run.execution.public_input;
        let size = RunSize::of(&Submission { task: Task::Allocation(batch), ..submission(1) });
        let cells = public.public_memory.len() as u64;
        let place = format!(
            "{count} proposals of {width} rows, rejected {rejected}: {} steps of {}, {cells} cells of {}",
            public.n_steps, size.n_steps, size.page_cells
        );
        if public.n_steps > size.n_steps || size.n_steps > 4 * public.n_steps || cells > size.page_cells {
            wrong.push(place);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_request_that_is_of_no_use_any_more_is_refused_as_that() {
    let house = house(settings()).await;
    let mut late = submission(1);
    late.circumstances.deadline = Some(house.engine.now());
    let refused = house.engine.submit(&late, None).await.unwrap_err();
    assert_eq!(refused.code().to_string(), "ASH-8217", "{refused}");
    assert_eq!(house.engine.queue_depth().await.unwrap().waiting(), 0);
}

#[tokio::test]
async fn work_that_waits_long_is_raised_until_it_is_first() {
    let house = house(settings()).await;
    let (engine, patience) = (&house.engine, seconds(600));
    let of_priority = async |nonce, priority| {
        let mut asked = submission(nonce);
        asked.circumstances.priority = Some(priority);
        engine.submit(&asked, None).await.unwrap().job
    };
    let humble = of_priority(1, 0).await;
    let raise = async || engine.store().raise_patient_work(engine.now(), patience).await.unwrap();
    assert_eq!(raise().await, 0, "it has not waited as yet");
    for _ in 0..5 {
        house.clock.advance(patience);
        assert_eq!((raise().await, raise().await), (1, 0), "one step at a time");
    }
    assert_eq!(engine.work_of(humble).await.unwrap().unwrap().priority, 5);
    // Of equal priority, the older one is first; a more urgent one still is before both.
    let usual = of_priority(2, 5).await;
    let urgent = of_priority(3, 9).await;
    for expected in [urgent, humble, usual] {
        let claimed = engine.store().claim_work(&claimant(), engine.now()).await.unwrap().unwrap();
        assert_eq!(claimed.lease.job, expected);
    }
    // The highest priority is the end of it.
    let top = of_priority(4, 8).await;
    for _ in 0..3 {
        house.clock.advance(patience);
        raise().await;
    }
    assert_eq!(engine.work_of(top).await.unwrap().unwrap().priority, 9);
}

#[tokio::test]
async fn what_waits_for_a_service_that_is_left_alone_goes_to_others() {
    let policy = RouterPolicy { environment: Environment::Sepolia, ..RouterPolicy::default() };
    let atlantic = Some(AtlanticTerms::usual().unwrap());
    let house = house(Settings { policy, atlantic, ..settings() }).await;
    let (engine, store) = (&house.engine, house.engine.store());
    let first = engine.submit(&submission(1), None).await.unwrap().job;
    let mut stubborn = submission(2);
    stubborn.circumstances.backend = Some(ProofSource::Atlantic);
    let stubborn = engine.submit(&stubborn, None).await.unwrap().job;
    let second = engine.submit(&submission(3), None).await.unwrap().job;
    let set_aside = store.committed_since(Moment::from_milliseconds(0)).await.unwrap();
    // The account has no credits.
    let claimed = store.claim_work(&claimant(), engine.now()).await.unwrap().unwrap();
    assert_eq!((claimed.lease.job, claimed.backend), (first, ProofSource::Atlantic));
    let attempt = claimed.deadline.since(engine.now());
    assert!(attempt > AtlanticTerms::usual().unwrap().deadline, "an attempt may take as long as its query");
    let (kind, code) = (FailureKind::Quota, Code(8114));
    let end = AttemptEnd::Failed { kind, code, text: "no credits", next: Next::Bury };
    store.end_attempt(&claimed.lease, &end, None, engine.now()).await.unwrap();

    let mut of_service = WorkerSettings::new("/nowhere".into(), Vec::new(), 0);
    (of_service.lanes, of_service.poll) = (vec![Lane::RemoteAtlantic], Duration::from_millis(5));
    let worker = Worker::new(engine.clone(), of_service);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut running = Box::pin(worker.run(stopped));
    while store.job(second).await.unwrap().proof_source != ProofSource::StoneLocal {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    stop.send(true).unwrap();
    assert_eq!(running.await.unwrap().claimed, 0, "nothing is taken for a service that is left alone");
    let events = store.events(second, 0).await.unwrap();
    let decision = &events.iter().rfind(|event| event.event == "route").unwrap().detail;
    assert!(decision["reason"].as_str().unwrap().contains("left alone"), "{decision}");
    let work = engine.work_of(second).await.unwrap().unwrap();
    assert_eq!(
        (work.state.as_str(), work.spent, work.attempt_time()),
        ("waiting", 0, settings().attempt_time)
    );
    // Who wants nobody else waits; what the others do not need any more is given back.
    assert_eq!(store.job(stubborn).await.unwrap().proof_source, ProofSource::Atlantic);
    let left = store.committed_since(Moment::from_milliseconds(0)).await.unwrap();
    assert_eq!(left * 3, set_aside);
}
