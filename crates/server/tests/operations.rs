//! What operators rely on: the board and the page of figures name what is there, and a backup can be restored.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use ashlar_field::Felt;
use ashlar_store::{
    ArtefactKind, Claimant, JobId, KeyReach, KeyScope, Lane, Moment, ProofStatus, VerifiedProof,
};
use serde_json::{Value, json};

use crate::support::{Served, proposal, served_closed, served_open, served_over};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap()
}

/// Every name of a figure in a text: `ashlar_` and more, without what histograms add.
fn figures(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("ashlar_") {
        let name: String = text[at..]
            .chars()
            .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
            .collect();
        let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        found.insert(base.unwrap_or(&name).to_owned());
    }
    found
}

/// The families that a server shows, with their kinds.
async fn shown() -> BTreeMap<String, String> {
    let served = served_open(|_| {}).await;
    let text = served.get("/metrics").await.text();
    text.lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// What the board asks Prometheus, one query a line.
fn queries_of_the_board() -> String {
    let board: Value = serde_json::from_str(&read("deployment/grafana.json")).unwrap();
    let panels = board["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    let mut asked = String::new();
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            asked.push_str(target["expr"].as_str().unwrap());
            asked.push('\n');
        }
    }
    asked
}

/// What an instruction of the container file, or a key of a settings file, says: the rest of the first such line.
fn said<'a>(text: &'a str, instruction: &str) -> &'a str {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(instruction));
    line.unwrap_or_else(|| panic!("no {instruction} in {text}"))
}

#[tokio::test]
async fn every_figure_of_the_board_is_there_and_every_figure_is_described() {
    let shown: BTreeSet<String> = shown().await.into_keys().collect();
    assert_eq!(figures(&queries_of_the_board()), shown, "the board shows what there is, and nothing else");
    let page = read("docs/operations.md");
    let table: String = page.lines().filter(|line| line.starts_with("| `ashlar_")).collect();
    assert_eq!(figures(&table), shown, "docs/operations.md describes what there is, and nothing else");
}

/// A gauge may fall, and Prometheus would take that for a restart of the server.
#[tokio::test]
async fn the_board_asks_for_increases_of_counters_only() {
    let shown = shown().await;
    let mut asked = 0;
    for query in queries_of_the_board().lines() {
        for growth in ["increase(", "rate("] {
            for (at, _) in query.match_indices(growth) {
                let inner = &query[at + growth.len()..];
                let range = &inner[..inner.find('[').unwrap()];
                for name in figures(range) {
                    assert_ne!(shown[&name], "gauge", "{query}");
                    asked += 1;
                }
            }
        }
    }
    assert!(asked >= 4, "{asked}");
}

/// The first failure must be an increase too: the row is there before it.
#[tokio::test]
async fn every_route_shows_its_failures_from_zero() {
    let served = served_open(|_| {}).await;
    let text = served.get("/metrics").await.text();
    for route in ["/api/v1/allocations", "/api/v1/verify", "/atlantic-query", "/readyz", "/sign-in"] {
        for status in ["429", "500", "502", "503"] {
            let row = format!("ashlar_http_requests_total{{route=\"{route}\",status=\"{status}\"}} 0\n");
            assert!(text.contains(&row), "no {row} in {text}");
        }
    }
}

/// Otherwise rustup fetches another compiler, or more parts of this one, while the image is built.
#[test]
fn the_image_is_built_with_the_compiler_that_the_repository_names() {
    let (image, toolchain) = (read("deployment/Containerfile"), read("rust-toolchain.toml"));
    let version = said(&toolchain, "channel = ").trim_matches('"');
    assert_eq!(version.split('.').count(), 3, "{version}");
    assert_eq!(said(&image, "FROM "), format!("docker.io/library/rust:{version}-bookworm AS build"));
    assert_eq!(said(&image, "ENV RUSTUP_TOOLCHAIN="), version);
}

#[test]
fn records_and_secrets_of_a_service_that_was_tried_here_reach_neither_history_nor_image() {
    let (history, image) = (read(".gitignore"), read(".dockerignore"));
    let secrets = said(&read("deployment/compose.yaml"), "env_file: ").to_owned();
    assert!(history.lines().any(|line| line == format!("/deployment/{secrets}")), "{history}");
    assert!(history.lines().any(|line| line == "/ashlar-data"), "{history}");
    for folder in [".git", "**/target", "ashlar-data", "deployment"] {
        assert!(image.lines().any(|line| line == folder), "{folder} is not kept out: {image}");
    }
    assert!(image.lines().any(|line| line == "!docs/errors"), "the program has these pages in it: {image}");
}

/// Podman's own format of images has no check, and the workers wait for one.
#[test]
fn the_compose_file_checks_health_by_itself_and_as_the_image_does() {
    let (image, compose) = (read("deployment/Containerfile"), read("deployment/compose.yaml"));
    // Without the brackets and quotes in which the two files have the same words.
    let check = |text: &str| {
        let words = text.replace("\", \"", " ").replace("\\\"", "'");
        let probe = &words[words.find("timeout 4 bash -c ").unwrap()..];
        let probe = &probe[..probe.find(" <&3").unwrap()];
        probe.replacen("-c '", "-c ", 1)
    };
    let serve = compose.split("\n  serve:\n").nth(1).unwrap().split("\n  worker-1:\n").next().unwrap();
    assert_eq!(check(serve), check(&image));
    assert!(check(&image).contains("GET /healthz"), "{}", check(&image));
}

#[test]
fn names_of_figures_are_found_in_queries() {
    let text = "rate(ashlar_a_bucket{x=\"1\"}[5m]) / ashlar_b_count + ashlar_c";
    assert_eq!(figures(text), ["ashlar_a", "ashlar_b", "ashlar_c"].map(String::from).into());
}

/// A job that is verified, with a proof of these bytes.
async fn verified(served: &Served, nonce: u64, proof: &[u8], headers: &[(&str, &str)]) -> JobId {
    let submitted =
        served.post_json("/api/v1/allocations?priority=9", headers, &proposal(nonce)).await.json();
    prove_next(served, proof).await;
    JobId::parse(submitted["job"].as_str().unwrap()).unwrap()
}

/// Claims the first job that waits and ends it with a proof of these bytes.
async fn prove_next(served: &Served, proof: &[u8]) {
    let store = served.store();
    let claimant = Claimant {
        worker: "a worker",
        lanes: Lane::ALL,
        free_bytes: u64::MAX / 4,
        total_bytes: u64::MAX / 4,
        lease: Duration::from_secs(60),
        patience: Duration::from_secs(60),
    };
    let lease = store.claim_work(&claimant, Moment::now()).await.unwrap().unwrap().lease;
    store.advance_held(&lease, ProofStatus::Verifying, Moment::now()).await.unwrap();
    let record = VerifiedProof {
        program_hash: Felt::from_u64(7),
        output: Vec::new(),
        fact_hash: Felt::from_u64(42),
        stone_version: "stone6",
        layout: "small".to_owned(),
        n_steps: 512,
        parameters: json!({}),
        security_bits: 96,
        proven_bits: 50,
        trace_size: 1,
        stages: Vec::new(),
    };
    store.conclude_held(&lease, &record, proof, None, Moment::now()).await.unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
}

/// The drill of docs/operations.md: a snapshot of the records while the service works, then the artefacts; and from both a
/// service that goes on.
#[tokio::test]
async fn a_backup_taken_while_the_service_works_is_restored_to_one_that_goes_on() {
    let served = served_closed().await;
    let (_, secret) = served.key(&[KeyScope::Read, KeyScope::Submit], KeyReach::Own).await;
    let bearer = format!("Bearer {secret}");
    let me = [("authorization", bearer.as_str())];
    let proven = verified(&served, 1, b"the proof", &me).await;
    let waiting = served.post_json("/api/v1/allocations", &me, &proposal(2)).await.json();

    let backup = tempfile::tempdir().unwrap();
    let snapshot = backup.path().join("ashlar.sqlite");
    let records = served.folder.path().join("ashlar.sqlite");
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&records);
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    // A value that a person chose, in a statement that takes no parameters.
    let statement = format!("VACUUM INTO '{}'", snapshot.display());
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await.unwrap();
    pool.close().await;
    // The service goes on between the two steps: what it makes now is not in the backup, and does not harm it.
    let later = verified(&served, 3, b"a later proof", &me).await;
    copy(&served.folder.path().join("artefacts"), &backup.path().join("artefacts"));
    served.stop().await;

    let again = served_over(backup, |_| {}, |_| {}).await;
    let store = again.store();
    assert_eq!(store.job(proven).await.unwrap().proof_status, ProofStatus::Verified);
    let artefacts = store.artefacts_of(proven).await.unwrap();
    let proof = artefacts.iter().find(|artefact| artefact.kind == ArtefactKind::Proof).unwrap();
    assert_eq!(store.artefacts().read(proof).await.unwrap(), b"the proof", "re-hashed as it is read");
    assert!(store.job(later).await.is_err(), "it was made after the snapshot");
    // What no row names is an orphan, and the sweep takes it once it is old enough.
    assert!(store.sweep_orphans(Duration::ZERO).await.unwrap().files >= 1, "the later proof");
    assert!(store.artefacts().read(proof).await.is_ok());
    assert!(store.jobs_without_a_future().await.unwrap().is_empty());

    let waiting = JobId::parse(waiting["job"].as_str().unwrap()).unwrap();
    let shown = again.get_with(&format!("/api/v1/jobs/{waiting}"), &me).await;
    assert_eq!(shown.json()["job"]["proof_status"], "queued", "keys and queue are those of the backup");
    prove_next(&again, b"the second proof").await;
    let done = store.job(waiting).await.unwrap();
    assert_eq!(done.proof_status, ProofStatus::Verified, "what waited is done after the restore");
}
