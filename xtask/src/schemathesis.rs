//! The API before schemathesis, which makes requests of every kind from the OpenAPI document and looks for answers that
//! the document does not have.
//!
//! The server is this repository's, on the loopback, over a folder of its own, with a key of every scope. A worker is
//! there, so that the service is ready, whose memory nothing fits into, so that nothing is proven.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{cargo, output_of, program, target_folder};

/// The version whose findings are on record.
const VERSION: &str = "4.32.5";

/// Test cases of an operation, at most, unless the caller says otherwise.
const EXAMPLES: &str = "50";

/// More requests and waiting jobs than a run makes.
const PLENTY: &str = "10000000";

/// A process that ends with this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended by itself cannot be ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs schemathesis against a server of this repository; `more` are arguments of `st run`.
pub(crate) fn run(root: &Path, more: &[String]) -> Result<(), Vec<String>> {
    cargo(root, &["build", "--release", "--package", "ashlar"])
        .and_then(|()| against_a_server(root, more))
        .map_err(|error| vec![error])
}

fn against_a_server(root: &Path, more: &[String]) -> Result<(), String> {
    let folder = target_folder(root).join("schemathesis");
    let data = folder.join("data");
    // A folder may be left from an earlier run.
    let _ = fs::remove_dir_all(&data);
    fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    let tester = install(&folder.join("environment"))?;
    let ashlar = |words: &[&str]| {
        let mut command = Command::new(program(root, "ashlar"));
        command.current_dir(&folder).arg("--data-dir").arg(&data).args(words);
        command
    };
    let scopes = "read,submit,cancel,admin";
    let key = output_of(&mut ashlar(&["keys", "create", "schemathesis", "--scopes", scopes, "--all-jobs"]))?;
    let key = String::from_utf8_lossy(&key);
    let mut serve = ashlar(&["serve", "--listen", "127.0.0.1:0", "--no-worker"]);
    serve.args(["--rate-limit", PLENTY, "--queue-limit", PLENTY]);
    let mut server = start(serve.stdout(Stdio::piped()))?;
    let address = first_line(&mut server.0)?;
    let _worker = start(&mut ashlar(&["--quiet", "worker", "--memory", "1MiB"]))?;
    wait_until_ready(&address)?;

    // The key stands in the environment of the tester, not among its arguments.
    let settings = folder.join("schemathesis.toml");
    let text = "[headers]\nAuthorization = \"Bearer ${ASHLAR_KEY}\"\n";
    fs::write(&settings, text).map_err(|error| format!("{}: {error}", settings.display()))?;
    let mut tester = Command::new(tester);
    tester.current_dir(&folder).env("ASHLAR_KEY", key.trim()).arg("--config-file").arg(&settings);
    tester.arg("run").arg(format!("{address}api/v1/openapi.json"));
    // That what the schema allows is accepted cannot be asked: no schema says that a deadline is in the future, or that a
    // body is a program.
    tester.args(["--exclude-checks", "positive_data_acceptance"]);
    if !more.iter().any(|word| word == "--max-examples" || word == "-n") {
        tester.args(["--max-examples", EXAMPLES]);
    }
    let status = tester.args(more).status().map_err(|error| format!("schemathesis: {error}"))?;
    if let Ok(Some(ended)) = server.0.try_wait() {
        return Err(format!("the server ended while it was tested ({ended})"));
    }
    if status.success() { Ok(()) } else { Err(format!("schemathesis has findings ({status})")) }
}

/// An environment of its own with the tester in it; the path of the tester.
fn install(environment: &Path) -> Result<PathBuf, String> {
    let tester = environment.join("bin/schemathesis");
    let said = Command::new(&tester).arg("--version").output().map(|output| output.stdout);
    if said.is_ok_and(|said| String::from_utf8_lossy(&said).contains(VERSION)) {
        return Ok(tester);
    }
    output_of(Command::new("python3").args(["-m", "venv"]).arg(environment))?;
    let wanted = format!("schemathesis=={VERSION}");
    output_of(Command::new(environment.join("bin/pip")).args(["install", "--quiet", &wanted]))?;
    Ok(tester)
}

fn start(command: &mut Command) -> Result<Running, String> {
    command.spawn().map(Running).map_err(|error| format!("{command:?}: {error}"))
}

/// Where the server says that it listens.
fn first_line(server: &mut Child) -> Result<String, String> {
    let mut line = String::new();
    let stdout = server.stdout.as_mut().ok_or("the server has no standard output")?;
    BufReader::new(stdout).read_line(&mut line).map_err(|error| format!("the server: {error}"))?;
    let address = line.trim();
    if address.starts_with("http://127.0.0.1:") {
        Ok(address.to_owned())
    } else {
        Err(format!("the server: expected its address, got {address:?}"))
    }
}

/// Waits until a worker was seen.
fn wait_until_ready(address: &str) -> Result<(), String> {
    use std::{io::Write as _, net::TcpStream, thread::sleep, time::Duration};
    let host = address.trim_start_matches("http://").trim_end_matches('/');
    for _ in 0..100 {
        let mut line = String::new();
        let mut stream = TcpStream::connect(host).map_err(|error| format!("{host}: {error}"))?;
        let request = format!("GET /readyz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).map_err(|error| format!("{host}: {error}"))?;
        BufReader::new(stream).read_line(&mut line).map_err(|error| format!("{host}: {error}"))?;
        if line.contains(" 200 ") {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    Err("the service was not ready within 10 s".to_owned())
}
