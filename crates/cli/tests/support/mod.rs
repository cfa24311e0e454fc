//! Whole commands, as a person or a script runs them.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use ashlar_engine::{Engine, Settings};
use ashlar_store::Store;

/// Longer than anything here takes, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command with nothing from this process's environment that could change what it says.
pub(crate) fn ashlar(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ashlar"));
    command.current_dir(folder).env_clear();
    for kept in ["PATH", "HOME", "ASHLAR_KERNELS"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command
}

pub(crate) fn run(folder: &Path, arguments: &[&str]) -> Output {
    ashlar(folder).args(arguments).output().unwrap()
}

pub(crate) fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn json(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// Everything that a command says and how it ends, for a snapshot; the folder's name is left out.
pub(crate) fn transcript(folder: &Path, arguments: &[&str]) -> String {
    let output = run(folder, arguments);
    let text = format!(
        "$ ashlar {}\nstatus: {}\n--- stdout\n{}--- stderr\n{}",
        arguments.join(" "),
        status(&output),
        stdout(&output),
        stderr(&output)
    );
    text.replace(&folder.display().to_string(), "[FOLDER]")
}

pub(crate) fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

pub(crate) fn example(name: &str) -> String {
    repository().join("examples").join(name).display().to_string()
}

pub(crate) fn fixture(path: &str) -> String {
    repository().join("fixtures/stone").join(path).display().to_string()
}

/// The files below a folder that are not the database.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(folder) = pending.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A Cairo 1 executable that outputs its first argument, in `folder`.
pub(crate) fn echo_program(folder: &Path) -> PathBuf {
    // `ap += 1; call rel 4; jmp rel 0`, then: make room, copy the argument to the output, return.
    let bytecode = [
        "0x40780017fff7fff",
        "0x1",
        "0x1104800180018000",
        "0x4",
        "0x10780017fff7fff",
        "0x0",
        "0x40780017fff7fff",
        "0x2",
        "0x4802800080008000",
        "0x400280007ffd7fff",
        "0x482680017ffd8000",
        "0x1",
        "0x208b7fff7fff7ffe",
    ];
    let hint = serde_json::json!([{
        "WriteRunParam": { "index": { "Immediate": "0x0" }, "dst": { "register": "AP", "offset": 0 } }
    }]);
    let program = serde_json::json!({
        "program": { "bytecode": bytecode, "hints": [[6, hint]] },
        "entrypoints": [{ "builtins": ["output"], "offset": 0, "kind": "Standalone" }],
    });
    let path = folder.join("echo.executable.json");
    std::fs::write(&path, program.to_string()).unwrap();
    path
}

/// The drop-in prover of this workspace, which stands for the C++ one. The tests of the whole workspace have it beside
/// them; those of this crate alone build it once.
pub(crate) fn drop_in_prover() -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_ashlar")).parent().unwrap();
    let prover = folder.join("cpu_air_prover");
    if prover.exists() {
        return prover;
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--package", "ashlar-stone", "--bin", "cpu_air_prover"]);
    build.current_dir(repository()).env("CARGO_TARGET_DIR", folder.parent().unwrap());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the drop-in prover cannot be built");
    prover
}

/// A shell script in `folder` that stands for another prover.
pub(crate) fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The jobs on record, youngest first.
pub(crate) fn jobs(folder: &Path) -> Vec<serde_json::Value> {
    json(&run(folder, &["jobs", "list", "--json"]))["jobs"].as_array().unwrap().clone()
}

/// Waits until something holds.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "still no {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Where commands that are run in a folder keep their records.
pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("ashlar-data")
}

/// Something that is done with the records, on a runtime of its own: nothing stays open between two of them.
pub(crate) fn with_engine<T>(folder: &Path, settings: Settings, act: impl AsyncFnOnce(&Engine) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::open(&data(folder)).await.unwrap();
        let engine = Engine::open(store.clone(), settings).unwrap();
        let done = act(&engine).await;
        store.close().await;
        done
    })
}

/// `ashlar serve` on a free port. Dropped, it is killed.
pub(crate) struct Served {
    pub(crate) child: Child,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Served {
    pub(crate) fn start(folder: &Path, flags: &[&str]) -> Served {
        let mut child = ashlar(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").and_then(|rest| rest.strip_suffix('/'));
        Served { child, address: address.unwrap_or_else(|| panic!("{line:?}")).to_owned() }
    }

    pub(crate) fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The whole answer to a request.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}
