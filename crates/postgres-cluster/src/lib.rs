//! A private PostgreSQL server for tests: made in a folder of its own, reached through a socket there, and gone with the
//! process that made it, however that ends.
//!
//! The server refuses to run as root, so it runs as `postgres` or `nobody` where the tests do. It does not sync to the
//! disk: what is tested is what happens when processes are killed, not when the power fails. Its language sorts text
//! otherwise than bytes are sorted, as many servers' do.
#![forbid(unsafe_code)]

mod programs;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::IpAddr,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicU32, Ordering},
    },
};

use programs::Programs;

/// The password that connections over the network need.
const PASSWORD: &str = "a password of a test";

/// [`PASSWORD`], as an address has it.
const ENCODED_PASSWORD: &str = "a%20password%20of%20a%20test";

/// A running server. Dropped, it is stopped and its folder removed.
#[derive(Debug)]
pub struct Cluster {
    programs: Programs,
    folder: PathBuf,
    made: AtomicU32,
    /// A shell that stops the server once nobody holds the other end of its standard input.
    watch: Child,
    alive: Option<ChildStdin>,
}

impl Cluster {
    /// Makes a server that is reached through its socket alone.
    ///
    /// # Errors
    /// Why there is none: PostgreSQL is not installed, most often.
    pub fn start() -> Result<Cluster, String> {
        Cluster::start_with(&[], None)
    }

    /// Makes a server that listens on an address too, for whoever knows its password, and that is started by a program
    /// that becomes the server: words that a command line begins with.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_within(within: &[&str], listen: IpAddr) -> Result<Cluster, String> {
        Cluster::start_with(within, Some(listen))
    }

    /// The one server of this test program; `None`, after saying so, where there is none.
    pub fn shared() -> Option<&'static Cluster> {
        static SHARED: LazyLock<Option<Cluster>> = LazyLock::new(|| match Cluster::start() {
            Ok(cluster) => Some(cluster),
            Err(reason) => {
                eprintln!("skipped on PostgreSQL: {reason}");
                None
            }
        });
        SHARED.as_ref()
    }

    fn start_with(within: &[&str], listen: Option<IpAddr>) -> Result<Cluster, String> {
        let programs = Programs::find()?;
        let folder = folder()?;
        let data = folder.join("data");
        programs.give(&folder)?;
        let language = ["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"];
        let common =
            ["--username=ashlar", "--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8"];
        programs.run("initdb", |command| {
            command.arg("--no-sync").args(common).args(language).arg("--pgdata").arg(&data);
        })?;
        let mut settings = format!(
            "unix_socket_directories = '{}'\nlisten_addresses = '{}'\nfsync = off\nfull_page_writes = off\n\
             shared_buffers = 32MB\nmax_connections = 200\nautovacuum_naptime = 5s\nlog_min_messages = warning\n",
            folder.display(),
            listen.map(|address| address.to_string()).unwrap_or_default()
        );
        let mut admitted = String::new();
        if let Some(address) = listen {
            admitted.push_str(&format!("host all all {address}/24 scram-sha-256\n"));
        }
        append(&data.join("pg_hba.conf"), &admitted)?;
        settings.push_str("port = 5432\n");
        append(&data.join("postgresql.conf"), &settings)?;

        let script = "\"$0/pg_ctl\" start --wait --silent --pgdata \"$1/data\" --log \"$1/log\" </dev/null >/dev/null || exit 1
echo ready
read -r _
\"$0/pg_ctl\" stop --mode immediate --silent --pgdata \"$1/data\" </dev/null >/dev/null 2>&1
rm -rf \"$1\"";
        let mut command = programs.command_within(within, Path::new("/bin/sh"));
        command.args(["-c", script]).arg(programs.folder()).arg(&folder);
        // Whoever interrupts the test from a terminal does not interrupt the shell that cleans up.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut watch = command.spawn().map_err(|error| format!("the shell cannot be started: {error}"))?;
        let alive = watch.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = watch.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).map_err(|error| error.to_string())?;
        }
        let cluster = Cluster { programs, folder, made: AtomicU32::new(0), watch, alive };
        if line.trim() != "ready" {
            let log = fs::read_to_string(cluster.folder.join("log")).unwrap_or_default();
            return Err(format!("the server did not start: {log}"));
        }
        if listen.is_some() {
            cluster.sql("postgres", &format!("ALTER ROLE ashlar PASSWORD '{PASSWORD}'"))?;
        }
        Ok(cluster)
    }

    /// The address of a new, empty database.
    ///
    /// # Errors
    /// What the server said.
    pub fn fresh_database(&self) -> Result<String, String> {
        let name = format!("records_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"))?;
        Ok(format!("postgres:///{name}?host={}&user=ashlar", self.folder.display()))
    }

    /// The address of the same database over the network, with the password that it takes there.
    pub fn over_the_network(&self, database: &str, server: IpAddr) -> String {
        let name = database.trim_start_matches("postgres:///").split('?').next().unwrap_or_default();
        format!("postgres://ashlar:{ENCODED_PASSWORD}@{server}/{name}")
    }

    /// Runs statements as another program would, and returns what they print, one row a line.
    ///
    /// # Errors
    /// What the server said.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String, String> {
        self.programs.run("psql", |command| {
            command
                .args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"])
                .args(["--username=ashlar", "--dbname", database, "--command", statements, "--host"])
                .arg(&self.folder);
        })
    }

    /// The server dies in the middle of whatever it does, and starts again.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn crash_and_restart(&self) -> Result<(), String> {
        self.programs
            .run("pg_ctl", |command| {
                command
                    .args(["restart", "--wait", "--silent", "--mode", "immediate", "--pgdata"])
                    .arg(self.folder.join("data"))
                    .arg("--log")
                    .arg(self.folder.join("log"));
            })
            .map(drop)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // The shell reads the end of its input, stops the server and removes the folder.
        drop(self.alive.take());
        let _ = self.watch.wait();
    }
}

/// A new folder, in memory where the system has such a place.
fn folder() -> Result<PathBuf, String> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("ashlar-pg-").permissions(fs::Permissions::from_mode(0o700));
    let memory = Path::new("/dev/shm");
    let made = builder.tempdir_in(memory).or_else(|_| builder.tempdir());
    // The shell that watches removes it, after the server has stopped writing there.
    made.map(tempfile::TempDir::keep).map_err(|error| format!("no folder can be made: {error}"))
}

fn append(path: &Path, text: &str) -> Result<(), String> {
    let old = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    fs::write(path, old + text).map_err(|error| format!("{}: {error}", path.display()))
}
