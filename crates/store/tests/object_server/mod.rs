//! An S3-compatible server of a test's own, on a port of this machine's loopback: the program that `ASHLAR_S3_SERVER`
//! names, `s3s-fs`, which keeps objects as files, so that a test can change them behind everybody's back. It checks the
//! signatures of requests. `cargo xtask object-storage` installs it and runs these tests.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

pub(crate) const KEY: &str = "AKIATESTOFASHLAR";
pub(crate) const SECRET: &str = "hunter2/of+the=bucket";
const BUCKET: &str = "proofs";
const PREFIX: &str = "team/a";

/// A server that ends with this value.
pub(crate) struct ObjectServer {
    root: TempDir,
    port: u16,
    process: Option<Child>,
}

impl ObjectServer {
    /// A new one; `None`, after saying so, where no server is named.
    pub(crate) fn start() -> Option<ObjectServer> {
        if std::env::var_os("ASHLAR_S3_SERVER").is_none() {
            eprintln!("skipped: ASHLAR_S3_SERVER names no server; cargo xtask object-storage does");
            return None;
        }
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join(BUCKET)).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut server = ObjectServer { root, port, process: None };
        server.go_on();
        Some(server)
    }

    /// Starts it again over the same objects.
    pub(crate) fn go_on(&mut self) {
        let process = Command::new(std::env::var_os("ASHLAR_S3_SERVER").unwrap())
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", KEY, "--secret-key", SECRET])
            .arg(self.root.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the object server did not come up within 10 s");
    }

    /// Ends it: nobody listens there any more.
    pub(crate) fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("s3://{BUCKET}/{PREFIX}?endpoint=http://127.0.0.1:{}", self.port)
    }

    /// The file of an object, by its name below the prefix.
    pub(crate) fn object(&self, name: &str) -> PathBuf {
        self.root.path().join(BUCKET).join(PREFIX).join(name)
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.end();
    }
}
