//! The command line, defined once: flags, environment variables, and the keys of `ashlar.toml` all come from here.

mod called;

use std::{net::SocketAddr, path::PathBuf};

use ashlar_stone::{HashChoice, MEMORY_LIMIT_VARIABLE, MemoryLimit, Optimize, StorageChoice};
use ashlar_store::{BucketAddress, BucketKeys, BucketSettings, Database, Error, Store};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde::{Deserialize, Serialize};

pub(crate) use called::{Called, Finished};

/// Proves Cairo programs, and executes allocations only when their proof is verified.
#[derive(Debug, Parser)]
#[command(name = "ashlar", version, propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "\
Examples:
  ashlar allocate examples/allocation.json     propose, prove, verify, pass the gate
  ashlar verify proof.json                     0 valid, 1 invalid, 3-5 undecided
  ashlar explain ASH-4043                      what an error means and what to do

Every flag can be set as ASHLAR_… in the environment or in ashlar.toml. Exit codes: docs/exit-codes.md")]
pub(crate) struct CommandLine {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Where records and artefacts are kept
    #[arg(long, global = true, env = "ASHLAR_DATA_DIR", value_name = "DIR", default_value = "ashlar-data")]
    pub(crate) data_dir: PathBuf,
    /// Where the records are: sqlite (in DIR) or postgres://USER@HOST/NAME
    #[arg(
        long,
        global = true,
        env = DATABASE_VARIABLE,
        value_name = "ADDRESS",
        default_value = "sqlite",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub(crate) database: DatabaseFlag,
    /// Keep artefacts in a bucket too: s3://BUCKET/PREFIX
    #[arg(long, global = true, env = BUCKET_VARIABLE, hide_env_values = true, value_name = "ADDRESS")]
    pub(crate) bucket: Option<BucketFlag>,
    /// Settings file; default: ashlar.toml in the current folder, if there is one
    #[arg(long, global = true, env = "ASHLAR_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Let a server do it: its address; the key comes from ASHLAR_KEY or --key-file, never from the command line
    #[arg(long, global = true, env = "ASHLAR_SERVER", hide_env = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// A file with the server's key
    #[arg(long, global = true, env = "ASHLAR_KEY_FILE", hide_env = true, value_name = "FILE")]
    pub(crate) key_file: Option<PathBuf>,
    /// Speak plain http to a server on another machine, on a network that you trust
    #[arg(long, global = true, env = "ASHLAR_PLAIN_HTTP", hide_env = true)]
    pub(crate) plain_http: bool,
    /// Print one JSON document to standard output
    #[arg(long, global = true, conflicts_with = "json_stream")]
    pub(crate) json: bool,
    /// Print events to standard output as they happen, one JSON object a line
    #[arg(long, global = true)]
    pub(crate) json_stream: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The variable that says where the records are.
pub(crate) const DATABASE_VARIABLE: &str = "ASHLAR_DATABASE";

/// The variable that says in which bucket artefacts are kept.
pub(crate) const BUCKET_VARIABLE: &str = "ASHLAR_BUCKET";

/// The variables that hold the keys of the bucket, as every tool of S3 knows them: key, secret, and the token of temporary
/// ones.
const BUCKET_KEYS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// What was given as the address of a database. It is read later, so that no parser repeats it, and never shown.
#[derive(Clone)]
pub(crate) struct DatabaseFlag(pub(crate) String);

impl std::str::FromStr for DatabaseFlag {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<DatabaseFlag, Self::Err> {
        Ok(DatabaseFlag(text.to_owned()))
    }
}

impl std::fmt::Debug for DatabaseFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DatabaseFlag(not shown)")
    }
}

/// What was given as the address of a bucket, as [`DatabaseFlag`]: somebody may put a key into it.
#[derive(Clone)]
pub(crate) struct BucketFlag(pub(crate) String);

impl std::str::FromStr for BucketFlag {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<BucketFlag, Self::Err> {
        Ok(BucketFlag(text.to_owned()))
    }
}

impl std::fmt::Debug for BucketFlag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BucketFlag(not shown)")
    }
}

impl Global {
    /// The records.
    pub(crate) async fn open_records(&self) -> Result<Store, Error> {
        let database = Database::parse(&self.database.0)?;
        Store::open_with(&self.data_dir, &database, self.bucket()?.as_ref()).await
    }

    /// The bucket of artefacts, if there is one.
    fn bucket(&self) -> Result<Option<BucketSettings>, Error> {
        let Some(BucketFlag(text)) = self.bucket.as_ref().filter(|flag| !flag.0.is_empty()) else {
            return Ok(None);
        };
        let address = BucketAddress::parse(text)?;
        let expected = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let [Some(id), Some(secret), token] = BUCKET_KEYS.map(variable) else {
            return Err(Error::BucketSetting { expected });
        };
        Ok(Some(BucketSettings::new(address, BucketKeys::new(&id, &secret, token.as_deref())?)))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// From a proposal to scores and shares, a verified proof, and the gate
    Allocate(Allocate),
    /// Prove any Cairo program
    Prove(Prove),
    /// Verify a proof file: exit 0 if it is valid, 1 if not
    Verify(Verify),
    /// Say what proving a program would take; nothing is proven
    Plan(Plan),
    /// What was proven, and what became of it
    #[command(subcommand)]
    Jobs(Jobs),
    /// The managed proving service: its contract, and what became of a query
    #[command(subcommand)]
    Atlantic(Atlantic),
    /// Serve the HTTP API and the dashboard, and prove what is submitted
    Serve(Serve),
    /// Keys of the HTTP API
    #[command(subcommand)]
    Keys(Keys),
    /// Take jobs from the queue and prove them, until asked to end
    Worker(Worker),
    /// One attempt at a job of the queue, for the worker that claimed it
    #[command(hide = true)]
    WorkOn(WorkOn),
    /// Check this machine: ok, warn or fail, with the remedy
    Doctor {
        /// Measure how fast it is (some seconds) and predict from that from now on
        #[arg(long)]
        calibrate: bool,
    },
    /// The page of an error code; without a code, the list of them
    Explain {
        /// Such as ASH-4043 or 4043
        code: Option<String>,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page of ashlar or of one of its commands, for man -l -
    Man {
        /// Such as allocate
        command: Option<String>,
    },
}

/// What parameters are chosen for: the least CPU time, the shortest proof, the least calldata on Starknet.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Goal {
    Time,
    Size,
    Calldata,
}

impl From<Goal> for Optimize {
    fn from(goal: Goal) -> Optimize {
        match goal {
            Goal::Time => Optimize::Time,
            Goal::Size => Optimize::Size,
            Goal::Calldata => Optimize::Calldata,
        }
    }
}

/// The hash of the commitments: BLAKE2s with 248 bits kept (124 bits of collision resistance), Poseidon (125), or
/// Keccak with 160 bits kept (80), which is for compatibility only.
#[derive(Clone, Copy, Debug, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Hash {
    Blake248,
    Poseidon,
    Keccak160,
}

impl From<Hash> for HashChoice {
    fn from(hash: Hash) -> HashChoice {
        match hash {
            Hash::Blake248 => HashChoice::Blake248,
            Hash::Poseidon => HashChoice::Poseidon,
            Hash::Keccak160 => HashChoice::Keccak160,
        }
    }
}

/// How proofs are parametrised.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(crate) struct Security {
    /// Least bits of security (conjectured); lower it only by saying so
    #[arg(long, env = "ASHLAR_MINIMUM_BITS", value_name = "N", default_value_t = ashlar_store::DEFAULT_BITS)]
    pub(crate) minimum_bits: u32,
    /// Choose parameters for the least CPU time, the shortest proof, or the least calldata on Starknet
    #[arg(long, env = "ASHLAR_OPTIMIZE", value_enum, default_value_t = Goal::Time)]
    pub(crate) optimize: Goal,
    /// The commitments' hash; collision resistance 124, 125 and 80 bits; Poseidon is cheap in Cairo
    #[arg(long, env = "ASHLAR_HASH", value_enum, default_value_t = Hash::Blake248)]
    pub(crate) hash: Hash,
    /// Refuse a proof predicted to need more memory: available, 24GiB or such, none
    #[arg(long, env = MEMORY_LIMIT_VARIABLE, hide_env = true, value_name = "SIZE", default_value_t = MemoryLimit::Available)]
    #[serde(skip)]
    pub(crate) memory_limit: MemoryLimit,
    /// What of every column to keep in memory: automatic, stored, two-cosets, one-coset, in-place (the least); the
    /// proof is the same
    #[arg(long, env = "ASHLAR_STORAGE", hide_env = true, value_name = "POLICY", default_value_t = StorageChoice::Automatic)]
    #[serde(skip)]
    pub(crate) storage: StorageChoice,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ashlar allocate examples/allocation.json
  ashlar allocate examples/batch.json --batch --json
  ashlar allocate proposal.json --execute webhook --webhook-url http://localhost:8080/execute

Without --execute webhook the gate is passed as a rehearsal: everything is checked, nothing is sent.")]
pub(crate) struct Allocate {
    /// The proposal, or with --batch a JSON array of them
    pub(crate) file: PathBuf,
    /// Prove many proposals in one proof
    #[arg(long)]
    pub(crate) batch: bool,
    /// Prove anew even if a proof is on record
    #[arg(long)]
    pub(crate) again: bool,
    #[command(flatten)]
    pub(crate) security: Security,
    /// What happens when the gate opens: dry-run shows what would be sent, webhook sends it, once
    #[arg(long, env = "ASHLAR_EXECUTE", value_enum, default_value_t = Execute::DryRun)]
    pub(crate) execute: Execute,
    /// Where the webhook sends its order; needed with --execute webhook
    #[arg(long, env = "ASHLAR_WEBHOOK_URL", value_name = "URL")]
    pub(crate) webhook_url: Option<String>,
    /// The receiver recognises the Idempotency-Key of an order it has performed
    #[arg(long, env = "ASHLAR_WEBHOOK_REPEATABLE", hide_env = true)]
    pub(crate) webhook_repeatable: bool,
    /// How old a proof may be when it meets the gate, in hours
    #[arg(long, env = "ASHLAR_PROOF_AGE", value_name = "HOURS", default_value_t = 24)]
    pub(crate) proof_age: u32,
    #[command(flatten)]
    pub(crate) timings: Timings,
}

/// What happens when the gate opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Execute {
    DryRun,
    Webhook,
}

/// Who makes a proof: this program, or the one at `STONE_BINARY_PATH`, such as the C++ `cpu_air_prover`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Engine {
    #[default]
    Native,
    External,
}

#[derive(Clone, Debug, Args, Serialize, Deserialize)]
#[command(after_help = "\
Examples:
  ashlar prove target/dev/hello.executable.json --args '10' --out proof.json
  ashlar prove air_public_input.json --private-input air_private_input.json --out proof.json
  ashlar prove --pie run.zip --bootloader simple_bootloader_compiled.json --out proof.json
  STONE_BINARY_PATH=/opt/stone/cpu_air_prover ashlar prove program.json --compare")]
pub(crate) struct Prove {
    #[command(flatten)]
    pub(crate) called: Called,
    /// Stone's private input file; PROGRAM is then the public input file
    #[arg(long, value_name = "FILE", conflicts_with_all = ["args", "args_file", "executable", "pie"])]
    pub(crate) private_input: Option<PathBuf>,
    #[command(flatten)]
    #[serde(default)]
    pub(crate) finished: Finished,
    /// Where to write the proof file; it is recorded in any case
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Which layout; default: the one that commits to the fewest cells
    #[arg(long, env = "ASHLAR_LAYOUT", hide_env = true, value_name = "NAME")]
    pub(crate) layout: Option<String>,
    /// Accept a program whose public memory does not have the strict form
    #[arg(long, conflicts_with = "pie")]
    pub(crate) as_built: bool,
    /// Who makes the proof: this program or the external prover; it is verified here in any case
    #[arg(long, env = "ASHLAR_ENGINE", hide_env = true, value_enum, default_value_t = Engine::Native)]
    pub(crate) engine: Engine,
    /// Let both make the proof, and fail if a byte differs
    #[arg(long)]
    pub(crate) compare: bool,
    /// The external prover, such as the C++ cpu_air_prover; default: STONE_BINARY_PATH
    #[arg(long, env = "STONE_BINARY_PATH", hide_env = true, value_name = "FILE")]
    pub(crate) external_prover: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) security: Security,
    // Whoever does it over did not ask again.
    #[command(flatten)]
    #[serde(skip)]
    pub(crate) timings: Timings,
}

/// What to tell of the time that a proof took.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Timings {
    /// Say on standard error what every phase took, by thread
    #[arg(long)]
    pub(crate) timings: bool,
    /// Draw the same as a picture (SVG)
    #[arg(long, value_name = "FILE")]
    pub(crate) timeline: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Verify {
    /// The proof file
    pub(crate) proof: PathBuf,
    /// What to demand, as a TOML file (docs/policy.md); default: 96 bits, stone6, the strict statement
    #[arg(long, env = "ASHLAR_POLICY", value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// Demand a finished run inside this bootloader, given as its program hash or as its file
    #[arg(long, value_name = "HASH|FILE")]
    pub(crate) bootloader: Option<String>,
    /// Least bits of security (conjectured), instead of the policy's
    #[arg(long, value_name = "N")]
    pub(crate) minimum_bits: Option<u32>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Plan {
    #[command(flatten)]
    pub(crate) called: Called,
    #[command(flatten)]
    pub(crate) finished: Finished,
    #[command(flatten)]
    pub(crate) security: Security,
}

#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ashlar worker                                as much as this machine has
  ashlar worker --memory 8GiB --at-once 1
  ashlar worker --until-idle                   prove what waits, then end

SIGTERM or Ctrl-C: no more jobs are taken, those that run may end within --drain-seconds, others go back to the queue.")]
pub(crate) struct Worker {
    #[command(flatten)]
    pub(crate) flags: WorkerFlags,
    /// End when nothing waits any more
    #[arg(long)]
    pub(crate) until_idle: bool,
}

/// HTTP API, dashboard and a worker in one process.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  ashlar serve --open-on-loopback              try it: http://127.0.0.1:8155/
  ashlar keys create ci && ashlar serve        whoever asks needs a key
  ashlar serve --listen 0.0.0.0:8155 --host-name ashlar.example

SIGTERM or Ctrl-C: no connection is taken any more, requests are answered, and the worker ends as ashlar worker does.")]
pub(crate) struct Serve {
    /// Where to listen
    #[arg(long, env = "ASHLAR_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8155")]
    pub(crate) listen: SocketAddr,
    /// Ask callers of this machine's loopback for no key
    #[arg(long, env = "ASHLAR_OPEN_ON_LOOPBACK")]
    pub(crate) open_on_loopback: bool,
    /// A name by which browsers reach the server, besides its address; may be given several times
    #[arg(long = "host-name", env = "ASHLAR_HOST_NAMES", value_name = "NAME", value_delimiter = ',')]
    pub(crate) host_names: Vec<String>,
    /// Requests a second that one caller may make in the long run
    #[arg(long, env = "ASHLAR_RATE_LIMIT", value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate_limit: u32,
    /// Where clients reach the server, such as https://ashlar.example, for addresses in answers
    #[arg(long, env = "ASHLAR_PUBLIC_ADDRESS", hide_env = true, value_name = "URL")]
    pub(crate) public_address: Option<String>,
    /// Send what jobs took to an OpenTelemetry collector (OTLP over HTTP), such as http://127.0.0.1:4318
    #[arg(long, env = "ASHLAR_OTLP_ENDPOINT", hide_env = true, value_name = "URL")]
    pub(crate) otlp_endpoint: Option<String>,
    /// Receive webhooks of Atlantic at /webhooks/atlantic/SECRET: the file holds the secret, as does ASHLAR_ATLANTIC_WEBHOOK
    #[arg(long, env = "ASHLAR_ATLANTIC_WEBHOOK_FILE", hide_env = true, value_name = "FILE")]
    pub(crate) atlantic_webhook_file: Option<PathBuf>,
    /// Take finished runs (Cairo PIE) at the endpoint as Atlantic, and prove them inside this compiled simple bootloader
    #[arg(long, env = "ASHLAR_BOOTLOADER", hide_env = true, value_name = "FILE")]
    pub(crate) bootloader: Option<PathBuf>,
    /// Prove nothing here: other processes do, with ashlar worker
    #[arg(long, env = "ASHLAR_NO_WORKER")]
    pub(crate) no_worker: bool,
    #[command(flatten)]
    pub(crate) flags: WorkerFlags,
}

/// Keys of the HTTP API.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key and show it, once
    Create {
        /// What to call it, 1 to 100 characters
        #[arg(value_parser = key_name)]
        name: String,
        /// What it may do: read, submit, cancel, admin
        #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "read,submit")]
        scopes: Vec<String>,
        /// Let it reach every job, not only those that it submits
        #[arg(long)]
        all_jobs: bool,
    },
    /// Every key, without its secret
    List,
    /// Make a key open nothing any more
    Revoke {
        /// The key's id, from the list
        id: String,
    },
}

fn key_name(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if (1..=100).contains(&length) && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(format!("expected 1 to 100 characters, got {length}"))
    }
}

/// How the queue and its workers work.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerFlags {
    /// The memory to fill with proofs, by prediction: available (nine tenths), 24GiB or such, none
    #[arg(long, env = "ASHLAR_WORKER_MEMORY", value_name = "SIZE", default_value_t = MemoryLimit::Available)]
    pub(crate) memory: MemoryLimit,
    /// The most proofs at once; default: the number of processors
    #[arg(long, env = "ASHLAR_AT_ONCE", value_name = "N")]
    pub(crate) at_once: Option<usize>,
    /// How long what runs may go on after a request to end
    #[arg(long, env = "ASHLAR_DRAIN_SECONDS", value_name = "N", default_value_t = 30)]
    pub(crate) drain_seconds: u64,
    /// How long a worker may be silent before its jobs go to others
    #[arg(long, env = "ASHLAR_LEASE_SECONDS", value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) lease_seconds: u64,
    /// How long one attempt at a job may take
    #[arg(long, env = "ASHLAR_ATTEMPT_SECONDS", value_name = "N", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) attempt_seconds: u64,
    /// How many attempts at a job there are
    #[arg(long, env = "ASHLAR_ATTEMPTS", value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) attempts: u32,
    /// How many jobs may wait before submissions are refused
    #[arg(long, env = "ASHLAR_QUEUE_LIMIT", value_name = "N", default_value_t = 1000)]
    pub(crate) queue_limit: u64,
    /// The external prover, such as the C++ cpu_air_prover; default: STONE_BINARY_PATH
    #[arg(long, env = "STONE_BINARY_PATH", hide_env = true, value_name = "FILE")]
    pub(crate) external_prover: Option<PathBuf>,
}

/// One attempt at a job.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkOn {
    /// The job's id
    pub(crate) job: String,
    /// Which attempt
    #[arg(long)]
    pub(crate) attempt: u32,
    /// The token of its lease
    #[arg(long)]
    pub(crate) lease: String,
    /// The worker's process, without which this one ends
    #[arg(long)]
    pub(crate) parent: u32,
    /// The memory that was set aside, in bytes; 0 for no limit
    #[arg(long)]
    pub(crate) memory_bytes: u64,
    /// The external prover
    #[arg(long, env = "STONE_BINARY_PATH", hide_env = true, value_name = "FILE")]
    pub(crate) external_prover: Option<PathBuf>,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Jobs {
    /// The youngest jobs
    List {
        /// Only jobs that stand here, such as verified
        #[arg(long, value_name = "STATUS")]
        status: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: u32,
    },
    /// Everything on record about a job
    Show {
        /// Its id, or a beginning that no other job has
        job: String,
    },
    /// What happened to a job, in order
    Logs {
        /// Its id, or a beginning that no other job has
        job: String,
    },
    /// Follow a job until it is over
    Watch {
        /// Its id, or a beginning that no other job has
        job: String,
    },
    /// Ask for a running job to be stopped, and wait until it is
    Cancel {
        /// Its id, or a beginning that no other job has
        job: String,
    },
    /// Do a job over that failed or was cancelled; it becomes another job
    Retry {
        /// Its id, or a beginning that no other job has
        job: String,
    },
    /// Write a job's proof and record into a folder
    Export {
        /// Its id, or a beginning that no other job has
        job: String,
        /// The folder
        #[arg(long, short, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Herodotus' Atlantic. The key is read from the environment variable `ATLANTIC_API_KEY` alone: a flag would show it to
/// everybody who lists processes, and a file that was only found could send it elsewhere.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Atlantic {
    /// Compare the service's OpenAPI document with what this version assumes: exit 0 if it can work with it, 1 if not
    ContractCheck {
        /// The document, as JSON; the service is said to serve it at /docs/json
        file: PathBuf,
    },
    /// What the service says about a query; nothing of it is evidence
    Show {
        /// The query's id
        query: String,
        /// production, staging, or an address; https, or http to this machine
        #[arg(long, env = "ASHLAR_ATLANTIC_HOST", value_name = "HOST", default_value = "production")]
        host: String,
    },
}
