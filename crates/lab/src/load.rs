//! Load on a server of this machine: how long reads and submissions take at a steady rate, what a full queue answers, and
//! whether the server's memory stays flat.
//!
//! Requests are due at fixed times, whether or not earlier ones were answered, and a latency is counted from when the
//! request was due: a server that stalls is charged for everything that it kept waiting. One request in five, or in as many
//! as is said, submits a proposal that nobody sent before; the others read.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ashlar_stone::ProcessMemory;

use crate::{LabError, machine};

const USAGE: &str = "`load --server ADDRESS:PORT [--rate N] [--seconds N] [--submit-every N] [--flood N] \
    [--process PID]`, with the key in ASHLAR_KEY";

/// Connections, each with a thread: more than requests that are ever under way at once if the server keeps up.
const CONNECTIONS: usize = 16;

/// One request in so many submits, unless it is said.
const SUBMITS: usize = 5;

/// How often memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_secs(10);

/// The longest answer that is read.
const MOST_ANSWER: usize = 8 << 20;

/// What is read, in turn.
const READS: [(&str, &str); 4] = [
    ("list of jobs", "/api/v1/jobs?limit=20"),
    ("list of allocations", "/api/v1/allocations?limit=20"),
    ("backends", "/api/v1/backends"),
    ("events", "/api/v1/events?after=0"),
];

/// What to do.
#[derive(Clone, Debug, PartialEq)]
struct Plan {
    server: SocketAddr,
    /// Requests a second.
    rate: u64,
    seconds: u64,
    /// One request in so many submits.
    submit_every: usize,
    /// Submissions as fast as they go, instead of a steady rate.
    flood: Option<usize>,
    /// The server's process, whose memory is watched.
    process: Option<u32>,
}

impl Plan {
    fn read(words: &[String]) -> Option<Plan> {
        let mut plan = Plan {
            server: "127.0.0.1:8155".parse().ok()?,
            rate: 100,
            seconds: 60,
            submit_every: SUBMITS,
            flood: None,
            process: None,
        };
        for pair in words.chunks(2) {
            let [flag, value] = pair else { return None };
            match flag.as_str() {
                "--server" => plan.server = value.parse().ok()?,
                "--rate" => plan.rate = value.parse().ok()?,
                "--seconds" => plan.seconds = value.parse().ok()?,
                "--submit-every" => plan.submit_every = value.parse().ok()?,
                "--flood" => plan.flood = Some(value.parse().ok()?),
                "--process" => plan.process = Some(value.parse().ok()?),
                _ => return None,
            }
        }
        // A tool for one's own machine, with an end.
        let bounded = (1..=1000).contains(&plan.rate)
            && (1..=7200).contains(&plan.seconds)
            && plan.submit_every > 0
            && plan.flood.is_none_or(|count| (1..=1_000_000).contains(&count));
        (plan.server.ip().is_loopback() && bounded).then_some(plan)
    }
}

/// How one request ended.
struct Sample {
    kind: &'static str,
    /// From when it was due to the end of the answer.
    took: Duration,
    status: u16,
    /// Whether a refusal said when to come again.
    retry_after: bool,
}

/// Runs what the words say and prints a table.
pub(crate) fn run(words: &[String]) -> Result<(), LabError> {
    let plan = Plan::read(words).ok_or_else(|| LabError::Load { why: format!("expected {USAGE}") })?;
    let key = std::env::var("ASHLAR_KEY").unwrap_or_default();
    let busy_before = load_average();
    let start = Instant::now();
    let memory = Mutex::new(Vec::new());
    let over = AtomicUsize::new(0);
    let samples = thread::scope(|scope| {
        if let Some(process) = plan.process {
            let (memory, over) = (&memory, &over);
            scope.spawn(move || watch_memory(process, start, memory, over));
        }
        let samples = send(&plan, &key, start);
        over.store(1, Ordering::SeqCst);
        samples
    })?;
    let elapsed = start.elapsed();
    println!("machine: {}; {}; load average before: {busy_before}", machine::description(), machine::date());
    println!("`ashlar-lab load {}`", words.join(" "));
    print!("{}", table(&samples, elapsed));
    let memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !memory.is_empty() {
        println!("{}", flatness(&memory));
    }
    Ok(())
}

fn send(plan: &Plan, key: &str, start: Instant) -> Result<Vec<Sample>, LabError> {
    let next = AtomicUsize::new(0);
    let total = plan.flood.unwrap_or(usize::try_from(plan.rate * plan.seconds).unwrap_or(usize::MAX));
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let nonces = AtomicU64::new(epoch.wrapping_mul(1_000_000));
    let worker = || -> Result<Vec<Sample>, LabError> {
        let mut connection = Connection::open(plan.server, key)?;
        let mut samples = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return Ok(samples);
            }
            let due = match plan.flood {
                Some(_) => Instant::now(),
                None => start + Duration::from_micros(1_000_000 * number as u64 / plan.rate),
            };
            thread::sleep(due.saturating_duration_since(Instant::now()));
            let submits = plan.flood.is_some() || number.is_multiple_of(plan.submit_every);
            let (kind, answer) = if submits {
                let body = proposal(nonces.fetch_add(1, Ordering::Relaxed));
                ("submission", connection.ask("POST", "/api/v1/allocations", &body)?)
            } else {
                let (kind, path) = READS[number % READS.len()];
                (kind, connection.ask("GET", path, "")?)
            };
            let (status, retry_after) = answer;
            samples.push(Sample { kind, took: due.elapsed(), status, retry_after });
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(worker)).collect();
        let mut samples = Vec::new();
        for worker in workers {
            let broken = |_| LabError::Load { why: "a thread broke".to_owned() };
            samples.extend(worker.join().map_err(broken)??);
        }
        Ok(samples)
    })
}

fn proposal(nonce: u64) -> String {
    let row = |id: &str, apy: u64| {
        format!(
            r#"{{"protocol_id":"{id}","utilisation":6500,"volatility":3500,"liquidity":1,"audit":98,"age":800,"apy":{apy}}}"#
        )
    };
    format!(
        r#"{{"chain_id":"0x534e","allocator":"0xa110","nonce":{nonce},"model_version":1,"constraints":{{"max_single":6000,"max_volatility":4000,"min_diversification":2,"min_liquidity":2}},"rows":[{},{}]}}"#,
        row("0xa", 500),
        row("0xb", 450)
    )
}

/// A connection that is kept for many requests.
struct Connection {
    stream: TcpStream,
    server: SocketAddr,
    key: String,
    /// What has arrived and was not read.
    arrived: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr, key: &str) -> Result<Connection, LabError> {
        let stream = TcpStream::connect(server).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(failed)?;
        Ok(Connection { stream, server, key: key.to_owned(), arrived: Vec::new() })
    }

    /// Sends a request and reads the answer: its status, and whether it says when to come again.
    fn ask(&mut self, method: &str, path: &str, body: &str) -> Result<(u16, bool), LabError> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.server);
        if !self.key.is_empty() {
            request.push_str(&format!("Authorization: Bearer {}\r\n", self.key));
        }
        if !body.is_empty() {
            let length = body.len();
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {length}\r\n"));
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.write_all(request.as_bytes()).map_err(failed)?;
        let end = loop {
            if let Some(at) = self.arrived.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head = String::from_utf8_lossy(&self.arrived[..end]).to_ascii_lowercase();
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        let length: usize = header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0);
        let (retry_after, closes) =
            (header("retry-after:").is_some(), header("connection:") == Some("close"));
        if length > MOST_ANSWER {
            return Err(LabError::Load { why: format!("an answer of {length} bytes") });
        }
        while self.arrived.len() < end + length {
            self.more()?;
        }
        self.arrived.drain(..end + length);
        if closes {
            *self = Connection::open(self.server, &self.key)?;
        }
        Ok((status, retry_after))
    }

    fn more(&mut self) -> Result<(), LabError> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer).map_err(failed)? {
            0 => Err(LabError::Load { why: "the server closed a connection within an answer".to_owned() }),
            length => {
                self.arrived.extend_from_slice(&buffer[..length]);
                Ok(())
            }
        }
    }
}

fn failed(error: std::io::Error) -> LabError {
    LabError::Load { why: error.to_string() }
}

/// The value below which so many per mille of sorted values are.
fn quantile(sorted: &[Duration], per_mille: usize) -> Duration {
    let rank = (sorted.len() * per_mille).div_ceil(1000).max(1) - 1;
    sorted.get(rank).copied().unwrap_or_default()
}

fn table(samples: &[Sample], elapsed: Duration) -> String {
    let mut kinds: Vec<&'static str> = Vec::new();
    for sample in samples {
        if !kinds.contains(&sample.kind) {
            kinds.push(sample.kind);
        }
    }
    let rate = samples.len() as f64 / elapsed.as_secs_f64().max(1e-9);
    let mut text =
        format!("{} requests in {:.1} s, {rate:.1} a second\n\n", samples.len(), elapsed.as_secs_f64());
    text.push_str(
        "| request | count | p50 | p95 | p99 | largest | statuses |\n|---|---|---|---|---|---|---|\n",
    );
    let all = (kinds.len() > 1).then_some("all");
    for kind in kinds.into_iter().chain(all) {
        let of_kind: Vec<&Sample> =
            samples.iter().filter(|sample| kind == "all" || sample.kind == kind).collect();
        let mut took: Vec<Duration> = of_kind.iter().map(|sample| sample.took).collect();
        took.sort_unstable();
        let milliseconds = |per_mille| quantile(&took, per_mille).as_secs_f64() * 1000.0;
        text.push_str(&format!(
            "| {kind} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {:.1} ms | {} |\n",
            took.len(),
            milliseconds(500),
            milliseconds(950),
            milliseconds(990),
            milliseconds(1000),
            statuses(&of_kind),
        ));
    }
    text
}

/// How often each status came, and of refusals how many said when to come again.
fn statuses(samples: &[&Sample]) -> String {
    let mut counts = std::collections::BTreeMap::<u16, (usize, usize)>::new();
    for sample in samples {
        let (count, told) = counts.entry(sample.status).or_default();
        *count += 1;
        *told += usize::from(sample.retry_after);
    }
    let words = counts.iter().map(|(status, (count, told))| match status {
        429 => format!("{status}: {count}, {told} with Retry-After"),
        _ => format!("{status}: {count}"),
    });
    words.collect::<Vec<_>>().join("; ")
}

/// Looks at a process's memory now and then, until the load is over.
fn watch_memory(process: u32, start: Instant, seen: &Mutex<Vec<(u64, u64)>>, over: &AtomicUsize) {
    let mut due = start;
    while over.load(Ordering::SeqCst) == 0 {
        if Instant::now() >= due {
            due += MEMORY_EVERY;
            if let Some(ProcessMemory { resident, .. }) = ProcessMemory::of(process) {
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push((start.elapsed().as_secs(), resident));
            }
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Memory at the start, after a tenth of the time, at the end, and at most, in MiB.
fn flatness(seen: &[(u64, u64)]) -> String {
    const MIB: f64 = (1 << 20) as f64;
    let mib = |index: usize| seen.get(index).map_or(0.0, |(_, bytes)| *bytes as f64 / MIB);
    let most = seen.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0) as f64 / MIB;
    format!(
        "memory of the server: {:.1} MiB at the start, {:.1} MiB after a tenth of the time, {:.1} MiB at the end, {most:.1} MiB \
         at most ({} looks)",
        mib(0),
        mib(seen.len() / 10),
        mib(seen.len().saturating_sub(1)),
        seen.len()
    )
}

fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn load_goes_to_this_machine_only_and_ends() {
        let plan = Plan::read(&words("--server 127.0.0.1:1 --rate 50 --seconds 5")).unwrap();
        assert_eq!((plan.rate, plan.seconds, plan.flood), (50, 5, None));
        for wrong in [
            "--server 192.0.2.1:80",
            "--server example.org:80",
            "--rate 0",
            "--rate 1001",
            "--seconds 7201",
            "--submit-every 0",
            "--flood 0",
            "--seconds",
            "--speed 1",
        ] {
            assert_eq!(Plan::read(&words(wrong)), None, "{wrong}");
        }
    }

    #[test]
    fn a_quantile_is_the_value_that_so_many_do_not_exceed() {
        let sorted: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(quantile(&sorted, 500), Duration::from_millis(100));
        assert_eq!(quantile(&sorted, 990), Duration::from_millis(198));
        assert_eq!(quantile(&sorted, 1000), Duration::from_millis(200));
        assert_eq!(quantile(&sorted[..1], 990), Duration::from_millis(1));
        assert_eq!(quantile(&[], 990), Duration::ZERO);
    }
}
