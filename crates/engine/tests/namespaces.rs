//! Two workers on two machines and a server on a third, as far as one machine can be three: each in a network namespace of
//! its own, with nothing but a cable to the server's. Work is shared; one worker is killed, and nothing is lost.
//!
//! It takes the rights to make namespaces; without them, or without PostgreSQL, the test says that it was skipped.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    process::Command,
};

use crate::support::Records;
use crate::workers::{PATIENCE, attempts, children_of, job, start_worker_within, submit, wait_until, with};
use ashlar_postgres_cluster::Cluster;
use ashlar_store::{JobId, ProofStatus};

/// The server's address, in a network that no cable leaves.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 213, 7, 1);

fn ip(words: &str) -> Result<(), String> {
    let output =
        Command::new("ip").args(words.split(' ')).output().map_err(|error| format!("ip: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// A namespace for the server and one for each worker. Dropped, they are gone.
struct Network {
    server: String,
    workers: Vec<String>,
}

impl Network {
    fn lay(workers: u8) -> Result<Network, String> {
        let own = std::process::id();
        let server = format!("ashlar-{own}-server");
        ip(&format!("netns add {server}"))?;
        let mut network = Network { server: server.clone(), workers: Vec::new() };
        ip(&format!("-n {server} link set lo up"))?;
        ip(&format!("-n {server} link add hub type bridge"))?;
        ip(&format!("-n {server} addr add {SERVER}/24 dev hub"))?;
        ip(&format!("-n {server} link set hub up"))?;
        for number in 0..workers {
            let name = format!("ashlar-{own}-worker{number}");
            ip(&format!("netns add {name}"))?;
            network.workers.push(name.clone());
            ip(&format!("-n {server} link add port{number} type veth peer name cable netns {name}"))?;
            ip(&format!("-n {server} link set port{number} master hub up"))?;
            ip(&format!("-n {name} addr add {}/24 dev cable", address(number)))?;
            ip(&format!("-n {name} link set lo up"))?;
            ip(&format!("-n {name} link set cable up"))?;
        }
        Ok(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.workers.iter().chain([&self.server]) {
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

fn address(worker: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 213, 7, 2 + worker)
}

#[test]
fn two_workers_in_two_namespaces_share_the_work_and_one_that_is_killed_loses_nothing() {
    let network = match Network::lay(2) {
        Ok(network) => network,
        Err(reason) => return eprintln!("skipped: no network namespaces can be made here: {reason}"),
    };
    let inside = ["ip", "netns", "exec", &network.server];
    let cluster = match Cluster::start_within(&inside, IpAddr::V4(SERVER)) {
        Ok(cluster) => cluster,
        Err(reason) => return eprintln!("skipped on PostgreSQL: {reason}"),
    };
    // The workers reach it through their cables, with its password; this test through its socket.
    let near = cluster.fresh_database().unwrap();
    let far = cluster.over_the_network(&near, IpAddr::V4(SERVER));
    let records = Records::at(near);
    let theirs = records.elsewhere(far);

    let jobs: Vec<_> = (0..40).map(|_| submit(&records, "prove slowly", 100, PATIENCE)).collect();
    let start = |name: &str| start_worker_within(&["ip", "netns", "exec", name], &theirs, &[]);
    let (mut one, mut other) = (start(&network.workers[0]), start(&network.workers[1]));
    wait_until("both have proven something", || {
        let proven = |id: &JobId| attempts(&records, *id).pop().filter(|last| last.outcome.is_some());
        jobs.iter().filter_map(proven).map(|last| last.worker).collect::<BTreeSet<_>>().len() == 2
    });
    wait_until("both work", || {
        let open = with(&records, async |store| store.open_attempts().await.unwrap());
        open.iter().map(|attempt| &attempt.worker).collect::<BTreeSet<_>>().len() == 2
    });
    let seen = cluster
        .sql("postgres", "SELECT DISTINCT client_addr FROM pg_stat_activity WHERE client_addr IS NOT NULL")
        .unwrap();
    assert!((0..2).all(|number| seen.contains(&address(number).to_string())), "{seen}");
    one.kill().unwrap();
    one.wait().unwrap();
    wait_until("everything is proven", || {
        jobs.iter().all(|id| job(&records, *id).proof_status == ProofStatus::Verified)
    });
    other.kill().unwrap();
    other.wait().unwrap();

    wait_until("their children are gone", || children_of(&jobs).is_empty());
    let mut lost = 0;
    let mut provers = BTreeSet::new();
    for &id in &jobs {
        let attempts = attempts(&records, id);
        let (last, before) = attempts.split_last().unwrap();
        assert_eq!(last.outcome.as_deref(), Some("verified"), "{id}");
        assert!(before.iter().all(|attempt| attempt.outcome.as_deref() == Some("lost")), "{attempts:?}");
        lost += before.len();
        provers.insert(last.worker.clone());
    }
    assert!(lost > 0, "the worker held nothing when it was killed");
    assert_eq!(provers.len(), 2, "the work was not shared");
    with(&records, async |store| {
        assert_eq!(store.jobs_without_a_future().await.unwrap(), []);
        assert_eq!(store.scrub().await.unwrap(), []);
    });
}
