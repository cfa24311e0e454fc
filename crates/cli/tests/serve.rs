//! `ashlar serve` as a process: where it listens, and how it ends.

use std::{fs, net::TcpStream, process::Command};

use crate::support::{Served, ashlar, run, status, stderr};

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
fn webhooks_are_received_where_a_secret_is_set_and_it_is_shown_nowhere() {
    const SECRET: &str = "2f7c1d5e9b3a48608c4d1f2e3a5b6c7d";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook");
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let flag = ["--no-worker", "--atlantic-webhook-file", file.to_str().unwrap()];
    let path = format!("/webhooks/atlantic/{SECRET}");
    for (flags, expected) in [(&flag[..], "405"), (&flag[..1], "404")] {
        let served = Served::start(folder.path(), flags);
        let answer = served.get(&path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{answer}");
        assert!(!answer.contains(SECRET), "{answer}");
    }
    // In the environment, it is read the same; what is none is refused.
    let mut command = ashlar(folder.path());
    command.args(["serve", "--listen", "127.0.0.1:0", "--no-worker"]);
    let refused = command.env("ASHLAR_ATLANTIC_WEBHOOK", "hunter2").output().unwrap();
    assert!(stderr(&refused).contains("error[ASH-8326]"), "{}", stderr(&refused));
    for unfit in ["hunter2", "hunter2/hunter2/hunter2/hunter2/hunter2"] {
        fs::write(&file, unfit).unwrap();
        let mut arguments = vec!["serve", "--listen", "127.0.0.1:0"];
        arguments.extend(flag);
        let refused = run(folder.path(), &arguments);
        assert_eq!(status(&refused), 2, "{}", stderr(&refused));
        assert!(stderr(&refused).contains("error[ASH-8326]"), "{}", stderr(&refused));
        assert!(!stderr(&refused).contains("hunter2"), "{}", stderr(&refused));
    }
    // A file that was only found cannot open the path.
    fs::write(folder.path().join("ashlar.toml"), "[serve]\natlantic-webhook-file = \"webhook\"\n").unwrap();
    let refused = run(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--no-worker"]);
    assert!(stderr(&refused).contains("--config"), "{}", stderr(&refused));
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
