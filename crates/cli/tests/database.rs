//! Records on a PostgreSQL server, as a person sets them up; and addresses that hold a password, which nobody else may
//! see.

use std::{process::Stdio, time::Duration};

use crate::support::{ashlar, example, run, status, stderr, stdout};
use ashlar_engine::{Circumstances, Engine, Requirements, Settings, Submission, Task};
use ashlar_postgres_cluster::Cluster;
use ashlar_risk::parse_proposals;
use ashlar_store::{Database, JobId, ProofStatus, Store};

const SECRET: &str = "hunter2";

/// Command lines and environments of the processes that name a job on their command line.
fn processes_of(job: JobId) -> Vec<(String, String)> {
    let text = |path: std::path::PathBuf| {
        String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
    };
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .map(|entry| (text(entry.path().join("cmdline")), text(entry.path().join("environ"))))
        .filter(|(line, _)| line.contains(&job.to_string()))
        .collect()
}

#[test]
fn a_worker_proves_what_waits_on_a_server_and_its_children_are_told_the_password_in_private() {
    let Ok(cluster) = Cluster::start().map_err(|reason| eprintln!("skipped on PostgreSQL: {reason}")) else {
        return;
    };
    let near = cluster.fresh_database().unwrap();
    // Through its socket the server asks for no password; one may be given all the same.
    let (name, rest) = near.trim_start_matches("postgres:///").split_once("?host=").unwrap();
    let socket = rest.split('&').next().unwrap().replace('/', "%2F");
    let with_password = format!("postgres://ashlar:{SECRET}@{socket}/{name}");
    let folder = tempfile::tempdir().unwrap();
    let proposals = parse_proposals(&std::fs::read(example("allocation.json")).unwrap()).unwrap();
    let submission = Submission {
        task: Task::Allocation(proposals),
        requirements: Requirements::default(),
        circumstances: Circumstances::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (data, database) = (folder.path().join("ashlar-data"), Database::parse(&with_password).unwrap());
    let open = async || Store::open_at(&data, &database).await.unwrap();
    let id = runtime.block_on(async {
        let engine = Engine::open(open().await, Settings::default()).unwrap();
        engine.submit(&submission, None).await.unwrap().job
    });

    let worker = ashlar(folder.path())
        .args(["worker", "--until-idle", "--json", "-v"])
        .env("ASHLAR_DATABASE", &with_password)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = None;
    let status_of = || runtime.block_on(async { open().await.job(id).await.unwrap().proof_status });
    while !status_of().is_terminal() {
        child = processes_of(id).into_iter().find(|(_, environment)| !environment.is_empty()).or(child);
        std::thread::sleep(Duration::from_millis(5));
    }
    let done = worker.wait_with_output().unwrap();
    assert_eq!(status(&done), 0, "{}", stderr(&done));
    assert_eq!(status_of(), ProofStatus::Verified);
    let (line, environment) = child.expect("the proof was made in a process of its own");
    assert!(!line.contains(SECRET), "{line}");
    assert!(environment.contains(SECRET));
    assert!(!stderr(&done).contains(SECRET) && !stdout(&done).contains(SECRET));
    assert!(!folder.path().join("ashlar-data/ashlar.sqlite").exists());

    // The gate passes there as it does at home, and doctor says where the records are.
    for arguments in [vec!["allocate".to_owned(), example("allocation.json")], vec!["doctor".to_owned()]] {
        let said =
            ashlar(folder.path()).args(arguments).env("ASHLAR_DATABASE", &with_password).output().unwrap();
        assert_eq!(status(&said), 0, "{}", stderr(&said));
        assert!(!stderr(&said).contains(SECRET) && !stdout(&said).contains(SECRET));
    }
}

#[test]
fn an_address_that_cannot_be_used_is_refused_without_being_repeated() {
    let folder = tempfile::tempdir().unwrap();
    for address in
        ["postgres://ashlar:hunter2/x@host/records", "mysql://ashlar:hunter2@host/records", "hunter2"]
    {
        for flags in [vec!["--database", address, "jobs", "list"], vec!["--json", "jobs", "list"]] {
            let refused = ashlar(folder.path()).args(flags).env("ASHLAR_DATABASE", address).output().unwrap();
            assert_eq!(status(&refused), 2, "{}", stderr(&refused));
            let said = stdout(&refused) + &stderr(&refused);
            assert!(said.contains("ASH-8240") && !said.contains("hunter2"), "{said}");
        }
        let help = ashlar(folder.path()).arg("--help").env("ASHLAR_DATABASE", address).output().unwrap();
        assert!(!stdout(&help).contains("hunter2"));
    }
}

#[test]
fn a_file_that_was_only_found_does_not_say_where_the_records_are() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ashlar.toml");
    std::fs::write(&file, "database = 'postgres://ashlar:hunter2@host'\n").unwrap();
    let refused = run(folder.path(), &["jobs", "list"]);
    let said = stdout(&refused) + &stderr(&refused);
    assert!(said.contains("--config") && !said.contains("hunter2"), "{said}");
    // Named, it counts; the address has no database, and is not shown.
    let refused = run(folder.path(), &["--config", "ashlar.toml", "jobs", "list"]);
    let said = stdout(&refused) + &stderr(&refused);
    assert!(said.contains("ASH-8240") && !said.contains("hunter2"), "{said}");
    let help = run(folder.path(), &["--config", "ashlar.toml", "jobs", "--help"]);
    assert!(!(stdout(&help) + &stderr(&help)).contains("hunter2"));
}
