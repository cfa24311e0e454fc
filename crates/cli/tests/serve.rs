//! `ashlar serve` as a process: where it listens, and how it ends.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::Path,
    process::{Child, Stdio},
};

use crate::support::{ashlar, run, status, stderr};

/// A server on a free port, and its address.
fn served(folder: &Path) -> (Child, String) {
    let mut child = ashlar(folder)
        .args(["serve", "--listen", "127.0.0.1:0", "--no-worker"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
    (child, address.unwrap_or_else(|| panic!("{line:?}")).to_owned())
}

/// The first line of the answer to a request.
fn answer(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_server_answers_refuses_whoever_shows_no_key_and_ends_when_it_is_asked_to() {
    for signal in ["-TERM", "-INT"] {
        let folder = tempfile::tempdir().unwrap();
        let (mut child, address) = served(folder.path());
        assert!(answer(&address, "/healthz").ends_with("200 OK"), "{signal}");
        assert!(answer(&address, "/api/v1/jobs").contains(" 401 "), "{signal}");
        let asked = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(asked.unwrap().success());
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{signal}: {ended}");
        assert!(TcpStream::connect(&address).is_err(), "{signal}: it still listens");
    }
}

#[test]
fn an_address_in_use_is_refused_with_what_helps() {
    let folder = tempfile::tempdir().unwrap();
    let (mut child, address) = served(folder.path());
    let other = tempfile::tempdir().unwrap();
    let refused = run(other.path(), &["serve", "--listen", &address, "--no-worker"]);
    assert_eq!(status(&refused), 3, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("error[ASH-8319]"), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("hint:"), "{}", stderr(&refused));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_server_without_keys_is_refused_on_an_address_that_others_reach() {
    let folder = tempfile::tempdir().unwrap();
    let refused = run(folder.path(), &["serve", "--listen", "0.0.0.0:0", "--open-on-loopback"]);
    assert_eq!(status(&refused), 2, "{}", stderr(&refused));
    assert!(stderr(&refused).contains("error[ASH-8321]"), "{}", stderr(&refused));
}
