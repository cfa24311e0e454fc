//! The hybrid policy with whole processes: proposals that go to the managed service, a mock of which fails half of its calls
//! and returns real proofs, and to this machine where the service does not manage. Everything ends verified, and nothing is
//! paid twice.
//!
//! `ASHLAR_HYBRID=100` makes it 100 proposals instead of 8; the figures are printed.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use crate::support::{Served, ashlar, example, json, run, status, stderr, wait_for, with_engine};
use ashlar_atlantic_mock::{Endpoint, FakeClock, FastClock, Fault, Mock, Script, Submission as Posted, When};
use ashlar_cpu_air::{layout, statement::StoneVersion};
use ashlar_engine::{
    AtlanticTerms, Circumstances, Engine, Environment, Requirements, RouterPolicy, Settings, Submission, Task,
};
use ashlar_field::Kernels;
use ashlar_risk::{Proposal, parse_proposals, run_model};
use ashlar_stone::{
    HashChoice, Optimize, Policy, ProveOptions, Rates, SelfVerification, Target, Wish, choose, prove,
};
use ashlar_store::{DEFAULT_BITS, Job, JobId, Moment, ProofSource, ProofStatus, RemoteState};

/// The account's key. It must be in no file and in nothing that is said.
const KEY: &str = "hybrid-0123456789-secret";

/// Something that is done with the records, with the hybrid policy.
fn with<T>(folder: &Path, act: impl AsyncFnOnce(&Engine) -> T) -> T {
    let settings = Settings {
        policy: RouterPolicy { environment: Environment::Sepolia, ..policy() },
        atlantic: Some(AtlanticTerms::usual().unwrap()),
        ..Settings::default()
    };
    with_engine(folder, settings, act)
}

/// The default one, with a budget that 100 proposals fit into.
fn policy() -> RouterPolicy {
    let mut policy = RouterPolicy::default();
    policy.budget.day_micro_usd = 200_000_000;
    policy
}

fn proposals(count: u64) -> Vec<Proposal> {
    let text = std::fs::read(example("allocation.json")).unwrap();
    let first = parse_proposals(&text).unwrap().remove(0);
    (0..count).map(|nonce| Proposal { nonce: 5000 + nonce, ..first.clone() }).collect()
}

/// Each as a job of its own.
fn submit(folder: &Path, proposals: &[Proposal]) -> Vec<JobId> {
    with(folder, async |engine| {
        let mut jobs = Vec::new();
        for proposal in proposals {
            let submission = Submission {
                task: Task::Allocation(vec![proposal.clone()]),
                requirements: Requirements::default(),
                circumstances: Circumstances::default(),
            };
            let submitted = engine.submit(&submission, None).await.unwrap();
            assert_eq!(submitted.routing.unwrap().chosen.unwrap().backend, ProofSource::Atlantic);
            jobs.push(submitted.job);
        }
        jobs
    })
}

/// What the real service would bring: a proof of the same statement, made by somebody else's process.
fn proof_of(proposal: &Proposal) -> Vec<u8> {
    let run = run_model(std::slice::from_ref(proposal)).unwrap().run;
    let public_input = &run.execution.public_input;
    let layout = layout::by_name(&public_input.layout).unwrap();
    let target = Target::new(layout, public_input.n_steps, public_input.public_memory.len() as u64).unwrap();
    let wish = Wish { bits: DEFAULT_BITS, optimize: Optimize::Time, hashes: HashChoice::Blake248 };
    let chosen = choose(&target, &wish, &Rates::default_of(Kernels::current())).unwrap();
    let options = ProveOptions {
        self_verification: SelfVerification::Skip,
        ..ProveOptions::verified(Policy::strict(DEFAULT_BITS))
    };
    let proof = prove(run.execution, &chosen.parameters, StoneVersion::Stone6, options, &()).unwrap();
    proof.file.into_json().to_stone_text().into_bytes()
}

fn settings(folder: &Path, mock: &Mock, more: &str) -> String {
    let text = format!(
        "[router]\nenvironment = 'sepolia'\n[router.budget]\nday-micro-usd = 200000000\n\
         [atlantic]\nhost = '{}'\nnetwork = 'testnet'\n{more}",
        mock.address()
    );
    let path = folder.join("service.toml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// A worker that deals with the service; it has the key, and no flag of it says so.
fn worker(folder: &Path, config: &str, flags: &[&str]) -> Command {
    let mut command = ashlar(folder);
    command.args(["--config", config, "worker"]).args(flags).env("ATLANTIC_API_KEY", KEY);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn job(folder: &Path, id: JobId) -> Job {
    with(folder, async |engine| engine.store().job(id).await.unwrap())
}

/// How often each job was accepted by the service: each time costs money.
fn payments(mock: &Mock) -> BTreeMap<String, usize> {
    let mut payments = BTreeMap::new();
    for posted in mock.accepted() {
        *payments.entry(posted.field("externalId").unwrap().to_owned()).or_default() += 1;
    }
    payments
}

#[test]
fn proposals_at_once_through_a_service_that_fails_half_of_its_calls_are_all_verified_and_paid_once() {
    let count: u64 = std::env::var("ASHLAR_HYBRID").ok().and_then(|count| count.parse().ok()).unwrap_or(8);
    let folder = tempfile::tempdir().unwrap();
    let proposals = proposals(count);
    let jobs = submit(folder.path(), &proposals);
    let begun = Instant::now();
    let proofs: BTreeMap<String, Vec<u8>> =
        jobs.iter().zip(&proposals).map(|(job, proposal)| (job.to_string(), proof_of(proposal))).collect();
    let made = begun.elapsed();
    // One query in six comes to nothing at the service itself.
    let doomed: Vec<String> = jobs.iter().skip(4).step_by(6).map(JobId::to_string).collect();
    let mock = Mock::builder(Arc::new(FastClock::new(200)))
        .keys(&[KEY])
        .script(move |posted: &Posted| {
            let job = posted.field("externalId").unwrap_or_default().to_owned();
            match doomed.contains(&job) {
                true => Script::proof_only().failing(1, "inner_exc: DiffAssertValues"),
                false => Script::proof_only().proof(proofs.get(&job).cloned().unwrap_or_default()),
            }
        })
        .start()
        .unwrap();
    // Together half of all calls: each rule strikes 13 of 100 that the ones before it left alone.
    for (seed, fault) in (1..).zip([
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Html(502),
        Fault::Code(500, "INTERNAL_SERVER_ERROR".to_owned()),
        Fault::CutOff,
    ]) {
        mock.misbehave(Endpoint::Any, fault, When::PerMille(130, seed));
    }
    let quick = "poll-milliseconds = 50\nlongest-poll-milliseconds = 300\nretry-milliseconds = 20\n\
                 give-up-milliseconds = 3000\nat-once = 6\n";
    let config = settings(folder.path(), &mock, quick);
    let begun = Instant::now();
    let done = worker(folder.path(), &config, &["--until-idle", "--json"]).output().unwrap();
    let took = begun.elapsed();
    assert_eq!(status(&done), 0, "{}", stderr(&done));

    let mut by_source: BTreeMap<&str, u64> = BTreeMap::new();
    let payments = payments(&mock);
    let mut expected_spending = 0;
    for id in &jobs {
        let record = job(folder.path(), *id);
        assert_eq!(record.proof_status, ProofStatus::Verified, "{record:?}");
        *by_source.entry(record.proof_source.word()).or_default() += 1;
        let paid = payments.get(&id.to_string()).copied().unwrap_or(0);
        assert!(paid <= 1, "{id} was paid {paid} times");
        let queries = with(folder.path(), async |engine| engine.store().queries_of(*id).await.unwrap());
        if record.proof_source == ProofSource::Atlantic {
            assert_eq!(paid, 1);
            assert_eq!(queries[0].state, RemoteState::Delivered, "{queries:?}");
        }
        assert!(paid <= queries.len(), "what was paid for is on record");
        // What is on record as refused was certainly not accepted.
        let refused = queries.iter().all(|query| query.state == RemoteState::Refused);
        assert!(!(refused && paid > 0), "{queries:?}");
        expected_spending += queries
            .iter()
            .filter(|query| query.state != RemoteState::Refused)
            .map(|query| query.micro_usd)
            .sum::<u64>();
    }
    assert!(by_source.contains_key("atlantic") && by_source.contains_key("stone_local"), "{by_source:?}");
    let committed = with(folder.path(), async |engine| {
        engine.store().committed_since(Moment::from_milliseconds(0)).await.unwrap()
    });
    assert_eq!(
        committed, expected_spending,
        "the budget counts what was or may have been paid, and nothing else"
    );

    let picture = Served::start(folder.path(), &["--no-worker", "--open-on-loopback"]).get("/latency.svg");
    for backend in ["atlantic", "stone_local"] {
        assert!(picture.contains(backend), "{backend} in\n{picture}");
    }
    let told = format!("{}{}", String::from_utf8_lossy(&done.stdout), stderr(&done));
    assert!(!told.contains(KEY));
    for file in crate::support::files(folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()), "{}", file.display());
    }
    let latencies = with(folder.path(), async |engine| engine.store().figures().await.unwrap().latencies);
    for latency in latencies {
        let at = |percent| latency.percentile(percent).unwrap();
        println!(
            "{}: {} proofs, median {} ms, 95 of 100 within {} ms",
            latency.source,
            latency.milliseconds.len(),
            at(50),
            at(95)
        );
    }
    println!(
        "{count} proposals: proofs made for the mock in {made:?}, all verified in {took:?}; {} calls, {} accepted",
        mock.requests().len(),
        mock.accepted().len()
    );
}

#[test]
fn a_worker_killed_while_it_waits_for_the_service_pays_for_no_second_query() {
    let folder = tempfile::tempdir().unwrap();
    let proposals = proposals(1);
    let id = submit(folder.path(), &proposals)[0];
    let proof = proof_of(&proposals[0]);
    let clock = FakeClock::default();
    let script = move |_: &Posted| Script::proof_only().proof(proof.clone());
    let mock = Mock::builder(Arc::new(clock.clone())).keys(&[KEY]).script(script).start().unwrap();
    let config = settings(folder.path(), &mock, "poll-milliseconds = 50\nlongest-poll-milliseconds = 50\n");
    let mut first = worker(folder.path(), &config, &["--lease-seconds", "1"]).spawn().unwrap();
    wait_for("query on record", || {
        let queries = with(folder.path(), async |engine| engine.store().queries_of(id).await.unwrap());
        queries.iter().any(|query| query.state == RemoteState::Accepted).then_some(())
    });
    first.kill().unwrap();
    first.wait().unwrap();
    // An hour passes at the service.
    clock.advance(Duration::from_secs(3600));
    let done = worker(folder.path(), &config, &["--lease-seconds", "1", "--until-idle"]).output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Verified);
    assert_eq!(mock.accepted().len(), 1);
    let attempts = with(folder.path(), async |engine| engine.attempts(id).await.unwrap());
    let outcomes: Vec<_> = attempts.iter().map(|attempt| attempt.outcome.as_deref()).collect();
    assert_eq!(outcomes, [Some("lost"), Some("verified")]);
}

#[test]
fn a_job_that_waits_for_the_service_is_cancelled_and_its_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let id = submit(folder.path(), &proposals(1))[0];
    let mock = Mock::builder(Arc::new(FakeClock::default())).keys(&[KEY]).start().unwrap();
    // It would look again in an hour.
    let slow = "poll-milliseconds = 3600000\nlongest-poll-milliseconds = 3600000\n";
    let config = settings(folder.path(), &mock, slow);
    let mut waiting = worker(folder.path(), &config, &[]).spawn().unwrap();
    wait_for("query on record", || {
        (job(folder.path(), id).proof_status == ProofStatus::Submitted).then_some(())
    });
    let asked = run(folder.path(), &["jobs", "cancel", &id.to_string()]);
    assert_eq!(status(&asked), 0, "{}", stderr(&asked));
    assert_eq!(job(folder.path(), id).proof_status, ProofStatus::Cancelled);
    let sent = Command::new("kill").args(["-TERM", &waiting.id().to_string()]).status().unwrap();
    assert!(sent.success() && waiting.wait().unwrap().success());
    // What was asked for is paid for, whatever becomes of it.
    let committed = with(folder.path(), async |engine| {
        engine.store().committed_since(Moment::from_milliseconds(0)).await.unwrap()
    });
    assert!(committed > 0);
}

#[test]
fn a_service_without_a_key_is_refused_before_any_job_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let mock = Mock::builder(Arc::new(FakeClock::default())).start().unwrap();
    let config = settings(folder.path(), &mock, "");
    let refused = run(folder.path(), &["--config", &config, "worker", "--until-idle"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("ATLANTIC_API_KEY"), "{}", stderr(&refused));
    // A key in a file is a key.
    std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
    let key_file = format!("key-file = '{}'\n", folder.path().join("key").display());
    let config = settings(folder.path(), &mock, &key_file);
    let idle = run(folder.path(), &["--config", &config, "worker", "--until-idle", "--json"]);
    assert_eq!((status(&idle), json(&idle)["claimed"].as_u64()), (0, Some(0)), "{}", stderr(&idle));
    assert_eq!(mock.requests().len(), 0, "there was nothing to ask");
    let doctor = run(folder.path(), &["--config", &config, "doctor"]);
    assert!(
        String::from_utf8_lossy(&doctor.stdout).contains("managed service answers"),
        "{}",
        String::from_utf8_lossy(&doctor.stdout)
    );
}

/// Takes orders by HTTP, and remembers under which keys.
struct Receiver {
    address: String,
    keys: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    fn start() -> Receiver {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/execute", listener.local_addr().unwrap());
        let keys: Arc<Mutex<Vec<String>>> = Arc::default();
        let taken = Arc::clone(&keys);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut bytes = Vec::new();
                let mut buffer = [0; 4096];
                // Head, then the body that it announces.
                let (mut head, mut length) = (None, 0);
                while head.is_none_or(|at: usize| bytes.len() < at + length) {
                    let read = stream.read(&mut buffer).unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    bytes.extend_from_slice(&buffer[..read]);
                    let text = String::from_utf8_lossy(&bytes).to_lowercase();
                    head = text.find("\r\n\r\n").map(|at| at + 4);
                    let announced = text
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
                    length = announced.unwrap_or(0);
                }
                let text = String::from_utf8_lossy(&bytes).to_lowercase();
                let key =
                    text.lines().find_map(|line| line.strip_prefix("idempotency-key: ")).unwrap_or_default();
                taken.lock().unwrap().push(key.to_owned());
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
            }
        });
        Receiver { address, keys }
    }
}

#[test]
fn a_queued_allocation_is_executed_at_the_end_where_the_operator_says_so_and_waits_where_nobody_does() {
    let folder = tempfile::tempdir().unwrap();
    let proposals = proposals(2);
    let id = with(folder.path(), async |engine| {
        let submission = Submission {
            task: Task::Allocation(proposals.clone()),
            requirements: Requirements::default(),
            circumstances: Circumstances {
                backend: Some(ProofSource::StoneLocal),
                ..Circumstances::default()
            },
        };
        engine.submit(&submission, None).await.unwrap().job
    });
    // Nobody said what is to happen.
    let done = run(folder.path(), &["worker", "--until-idle"]);
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    let statuses = || {
        with(folder.path(), async |engine| {
            let allocations = engine.store().allocations_of(id).await.unwrap();
            allocations.iter().map(|allocation| allocation.status.word()).collect::<Vec<_>>()
        })
    };
    assert_eq!(statuses(), ["proposed", "proposed"]);
    // Somebody does, in a file that is named; one that is only found may not.
    let receiver = Receiver::start();
    let gate = format!("[gate]\nexecute = 'webhook'\nwebhook-url = '{}'\n", receiver.address);
    std::fs::write(folder.path().join("ashlar.toml"), &gate).unwrap();
    let refused = run(folder.path(), &["worker", "--until-idle"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    assert_eq!(receiver.keys.lock().unwrap().len(), 0);
    let mut gated = ashlar(folder.path());
    gated.args(["--config", "ashlar.toml", "worker"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut gated = gated.spawn().unwrap();
    wait_for("execution", || (statuses() == ["executed", "executed"]).then_some(()));
    let sent = Command::new("kill").args(["-TERM", &gated.id().to_string()]).status().unwrap();
    assert!(sent.success() && gated.wait().unwrap().success());
    let mut keys = receiver.keys.lock().unwrap().clone();
    keys.sort();
    keys.dedup();
    assert_eq!((keys.len(), receiver.keys.lock().unwrap().len()), (2, 2), "once each");
}
