//! `ashlar serve` as a process: where it listens, and how it ends.

use std::{net::TcpStream, process::Command};

use crate::support::{Served, run, status, stderr};

#[test]
fn a_server_answers_refuses_whoever_shows_no_key_and_ends_when_it_is_asked_to() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut served = Served::start(folder.path(), &["--no-worker"]);
        let first_line = |path| served.get(path).lines().next().unwrap_or_default().to_owned();
        assert!(first_line("/healthz").ends_with("200 OK"), "{signal}");
        assert!(first_line("/api/v1/jobs").contains(" 401 "), "{signal}");
        let asked = Command::new("kill").args([signal, &served.child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let ended = served.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{signal}: {ended}");
        assert!(TcpStream::connect(&served.address).is_err(), "{signal}: it still listens");
    }
}

#[test]
fn an_address_in_use_is_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--no-worker"]);
    let other = tempfile::tempdir().unwrap();
    let refused = run(other.path(), &["serve", "--listen", &served.address, "--no-worker"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("error[ASH-8319]"), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("hint:"), "{}", stderr(&refused));
}

#[test]
fn a_server_without_keys_is_refused_on_an_address_that_others_reach() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(folder.path(), &["serve", "--listen", "0.0.0.0:0", "--open-on-loopback"]);
    assert_eq!(status(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("error[ASH-8321]"), "{}", stderr(&refused));
}
