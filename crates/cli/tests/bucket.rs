//! Machines that share a database and a bucket, and no folder: a server, a worker, and a person who has neither. The
//! processes, the database, the object server and the proofs are real.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use ashlar_postgres_cluster::Cluster;

use crate::{
    object_server::{KEY, ObjectServer, SECRET},
    support::{self, ashlar, echo_program, example, files, json, status, stderr, stdout},
};

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command on a machine that knows the database and the bucket.
fn on(folder: &Path, database: &str, bucket: &str) -> Command {
    let mut command = ashlar(folder);
    command
        .env("ASHLAR_DATABASE", database)
        .env("ASHLAR_BUCKET", bucket)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET);
    command
}

#[test]
fn a_program_that_one_machine_takes_another_proves_and_the_first_one_sends_the_proof() {
    let Some(objects) = ObjectServer::start() else { return };
    let Ok(cluster) = Cluster::start().map_err(|reason| eprintln!("skipped on PostgreSQL: {reason}")) else {
        return;
    };
    let (database, bucket) = (cluster.fresh_database().unwrap(), objects.address());
    let [front, back, person] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let made = on(front.path(), &database, &bucket)
        .args(["keys", "create", "a test's", "--scopes", "read,submit"])
        .output()
        .unwrap();
    let key = stdout(&made).trim().to_owned();
    let mut server = Running(
        on(front.path(), &database, &bucket)
            .args(["serve", "--listen", "127.0.0.1:0", "--no-worker"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let mut line = String::new();
    BufReader::new(server.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().trim_end_matches('/').to_owned();
    let _worker = Running(
        on(back.path(), &database, &bucket)
            .args(["--quiet", "worker"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );

    let program = echo_program(person.path()).display().to_string();
    let proof = person.path().join("proof.json");
    let asked = ashlar(person.path())
        .args(["--server", &address, "prove", &program, "--args", "7", "--json", "--out"])
        .arg(&proof)
        .env("ASHLAR_KEY", &key)
        .output()
        .unwrap();
    assert_eq!(status(&asked), 0, "{}", stderr(&asked));
    let verified = support::run(person.path(), &["verify", &proof.display().to_string(), "--json"]);
    assert_eq!(status(&verified), 0, "{}", stderr(&verified));
    // Each has now near what it made or sent: program and proof.
    for machine in [&front, &back] {
        assert_eq!(files(&machine.path().join("ashlar-data/artefacts")).len(), 2);
    }
    let job = json(&asked)["job"].as_str().unwrap().to_owned();
    assert!(objects.object(&format!("manifests/{job}.json")).is_file());
}

#[test]
fn a_proof_is_found_on_another_machine_and_nobody_shows_a_key() {
    let Some(mut objects) = ObjectServer::start() else { return };
    let Ok(cluster) = Cluster::start().map_err(|reason| eprintln!("skipped on PostgreSQL: {reason}")) else {
        return;
    };
    let (database, bucket) = (cluster.fresh_database().unwrap(), objects.address());
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let run = |folder: &Path, words: &[&str]| {
        let said = on(folder, &database, &bucket).args(words).output().unwrap();
        for text in [stdout(&said), stderr(&said)] {
            assert!(!text.contains(SECRET) && !text.contains(KEY), "{text}");
        }
        said
    };
    let proposal = example("allocation.json");
    let proven = run(one.path(), &["allocate", &proposal, "--json", "-v"]);
    assert_eq!(status(&proven), 0, "{}", stderr(&proven));
    let job = json(&proven)["proofs"][0]["job"].as_str().unwrap().to_owned();
    let found = run(other.path(), &["allocate", &proposal, "--json", "-v"]);
    assert_eq!(status(&found), 0, "{}", stderr(&found));
    assert_eq!(
        json(&found)["proofs"][0]["job"]["id"],
        job.as_str(),
        "the gate opened for the first one's proof"
    );
    let exported = run(other.path(), &["jobs", "export", &job, "--out", "there"]);
    assert_eq!(status(&exported), 0, "{}", stderr(&exported));
    let well = run(other.path(), &["doctor", "--json"]);
    assert!(
        stdout(&well).contains("artefacts in s3://proofs/team/a at http://127.0.0.1:"),
        "{}",
        stdout(&well)
    );

    objects.end();
    let well = run(other.path(), &["doctor", "--json"]);
    assert!(stdout(&well).contains("ASH-8252"), "{}", stdout(&well));
    // What is near is had without the bucket; what is to be recorded is not.
    assert_eq!(status(&run(other.path(), &["jobs", "export", &job, "--out", "again"])), 0);
}
