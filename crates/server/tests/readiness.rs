//! Whether the server says that it takes work only as long as it does.

use std::{sync::Arc, time::Duration};

use crate::support::{Served, served_by};
use ashlar_engine::{
    Circumstances, Engine, ManualClock, ProgramTask, Requirements, Settings, Submission, Task, Worker,
    WorkerSettings,
};
use ashlar_store::{Lane, Moment, Store};
use tokio::sync::watch;

/// A server and an engine by a clock that stands still.
async fn served(clock: &Arc<ManualClock>) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).await.unwrap();
    let engine = Engine::with_clock(store, Settings::default(), Arc::clone(clock) as Arc<_>).unwrap();
    served_by(engine, folder, |settings| settings.open_on_loopback = true).await
}

fn worker(served: &Served) -> Worker {
    let mut settings = WorkerSettings::new("/nowhere".into(), Vec::new(), 1 << 30);
    settings.poll = Duration::from_millis(5);
    settings.lanes = vec![Lane::ProveSmall];
    Worker::new(served.engine.clone(), settings)
}

#[tokio::test]
async fn a_worker_that_does_not_look_for_work_any_more_makes_the_service_unready() {
    let clock = Arc::new(ManualClock::at(Moment::now()));
    let served = served(&clock).await;
    assert_eq!(served.get("/readyz").await.status, 503, "no worker was ever there");
    let (stop, stopped) = watch::channel(false);
    let worker = worker(&served);
    let health = worker.health();
    let mut running = Box::pin(worker.run(stopped));
    // The worker looks for work as long as somebody lets it.
    while health.polled_at().is_none() {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    let ready = served.get("/readyz").await;
    assert_eq!((ready.status, ready.text().contains("\"ok\"")), (200, true), "{}", ready.text());
    // From here on nobody does: it is stuck.
    clock.advance(Duration::from_secs(31));
    let unready = served.get("/readyz").await;
    assert_eq!(unready.status, 503);
    assert!(unready.text().contains("has not looked for work"), "{}", unready.text());
    // It moves again, and is well.
    while health.trouble(served.engine.now()).is_some() {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => {}
        }
    }
    assert_eq!(served.get("/readyz").await.status, 200);
    // It ends, in good order: nobody is there any more.
    stop.send(true).unwrap();
    running.await.unwrap();
    assert_eq!(served.get("/readyz").await.status, 503);
}

#[tokio::test]
async fn damaged_artefacts_are_told_to_whoever_asks_whether_the_service_is_ready() {
    let clock = Arc::new(ManualClock::at(Moment::now()));
    let served = served(&clock).await;
    let task = ProgramTask {
        program: b"a program".to_vec().into(),
        arguments: None,
        layout: None,
        as_built: false,
        steps: 512,
    };
    let submission = Submission {
        task: Task::Program(task),
        requirements: Requirements::default(),
        circumstances: Circumstances::default(),
    };
    let job = served.engine.submit(&submission, None).await.unwrap().job;
    let input = served.store().inputs_of(job).await.unwrap().remove(0);
    std::fs::write(served.store().artefacts().path(input.sha256), b"another program").unwrap();
    let (_stop, stopped) = watch::channel(false);
    let mut settings = WorkerSettings::new("/nowhere".into(), Vec::new(), 0);
    settings.poll = Duration::from_millis(5);
    settings.scrub = Duration::from_secs(60);
    let worker = Worker::new(served.engine.clone(), settings);
    let health = worker.health();
    let mut running = Box::pin(worker.run(stopped));
    while health.damaged_artefacts() == 0 {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = tokio::time::sleep(Duration::from_millis(5)) => clock.advance(Duration::from_secs(5)),
        }
    }
    let ready = served.get("/readyz").await;
    assert_eq!(ready.status, 200);
    assert_eq!(ready.text(), r#"{"status":"degraded","damaged_artefacts":1}"#);
}
