//! `cpu_air_prover`: proves a run given by Stone's files.

use std::{
    ffi::OsString,
    fmt,
    path::Path,
    process::ExitCode,
    sync::{Mutex, PoisonError},
};

use ashlar_field::Kernels;
use ashlar_stark::{Observer, Phase, Progress};

use super::{
    Failure, LOGGING, STONE_VERSION, SetupError, logs_to_stderr, run, start_threads, stone_version,
    write_output,
};
use crate::{
    capacity::{MEMORY_LIMIT_VARIABLE, MemoryLimit, StorageChoice},
    files::{MOST_SETTINGS_BYTES, OutputFile},
    flags::{Flag, FlagError, Flags, Help, Takes, followed_by},
    parameters::ProofParameters,
    policy::Policy,
    prediction::{PageZero, Rates, predict},
    profile::Recorder,
    prove::{Echo, ProveOptions, SelfVerification, preflight, prove},
    prover_config::ProverConfig,
    run::{read_json, read_public_input, read_run},
};

static FLAGS: [Flag; 19] = followed_by(
    [
        Flag { name: "parameter_file", takes: Takes::Value("FILE"), help: "parameters of the proof" },
        Flag {
            name: "prover_config_file",
            takes: Takes::Value("FILE"),
            help: "Stone's prover config; echoed",
        },
        Flag { name: "public_input_file", takes: Takes::Value("FILE"), help: "the statement" },
        Flag {
            name: "private_input_file",
            takes: Takes::Value("FILE"),
            help: "trace, memory, builtin instances",
        },
        Flag { name: "out_file", takes: Takes::Value("FILE"), help: "where the proof goes" },
        Flag {
            name: "generate_annotations",
            takes: Takes::Switch,
            help: "write the protocol's annotations too",
        },
        Flag { name: "n_threads", takes: Takes::Value("N"), help: "threads; 0 (default) is one a core" },
        Flag {
            name: "skip_self_verification",
            takes: Takes::Switch,
            help: "write the proof unchecked, as Stone does",
        },
        Flag {
            name: "fix_public_input",
            takes: Takes::Switch,
            help: "refused: not supported for Cairo runs",
        },
        Flag {
            name: "memory_limit",
            takes: Takes::Value("SIZE"),
            help: "refuse a proof predicted to need more, such as 24GiB; none for any (default: what is available)",
        },
        Flag {
            name: "storage",
            takes: Takes::Value("POLICY"),
            help: "what of every column to keep in memory: automatic (default), stored, two-cosets, one-coset, in-place; the proof is the same",
        },
        Flag {
            name: "timings",
            takes: Takes::Switch,
            help: "say on standard error what every phase took, by thread",
        },
        Flag { name: "timeline_file", takes: Takes::Value("FILE"), help: "the same as a picture (SVG)" },
        STONE_VERSION,
    ],
    LOGGING,
);

/// The text of `--help`.
struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Proves a Cairo run, byte for byte as Stone's cpu_air_prover.\n")?;
        writeln!(f, "usage: cpu_air_prover --parameter_file P --prover_config_file C --public_input_file X")?;
        writeln!(f, "                      --private_input_file W --out_file proof.json [flags]\n")?;
        write!(f, "{}", Help(&FLAGS))?;
        write!(f, "\nThe proof is verified before it is written. Exit 0 only for an accepted proof.")
    }
}

/// Runs the program with the words after its name.
pub fn cpu_air_prover(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    run(&Usage, &FLAGS, words, work)
}

/// Names every phase on stderr as it starts, and records what it takes if somebody wants to know.
struct Log {
    to_stderr: bool,
    current: Mutex<Option<Phase>>,
    recorder: Option<Recorder>,
}

impl Observer for Log {
    fn progress(&self, progress: Progress) {
        if let Some(recorder) = &self.recorder {
            recorder.progress(progress);
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if self.to_stderr && *current != Some(progress.phase) {
            eprintln!("{} …", progress.phase);
            *current = Some(progress.phase);
        }
    }

    fn finished(&self) {
        if let Some(recorder) = &self.recorder {
            recorder.finished();
        }
    }
}

/// The flag, else the environment, else what is available.
fn memory_limit(flags: &Flags) -> Result<MemoryLimit, Failure> {
    let otherwise = match std::env::var_os(MEMORY_LIMIT_VARIABLE) {
        Some(value) => value.to_string_lossy().parse().map_err(SetupError::MemoryLimit)?,
        None => MemoryLimit::Available,
    };
    Ok(flags.parsed("memory_limit", "available, none, or a size such as 24GiB", otherwise)?)
}

fn work(flags: &Flags) -> Result<(), Failure> {
    let timings = flags.switch("timings")?;
    let recorder = (timings || flags.get("timeline_file").is_some()).then(|| Recorder::new("input"));
    if flags.switch("fix_public_input")? {
        return Err(FlagError::Unsupported { name: "fix_public_input" }.into());
    }
    let version = stone_version(flags)?;
    let path = |name| flags.required(name).map(Path::new);
    let parameter_path = path("parameter_file")?;
    let config_path = path("prover_config_file")?;
    let public_path = path("public_input_file")?;
    let private_path = path("private_input_file")?;
    let output = OutputFile::prepare(path("out_file")?, "proof")?;
    let timeline = flags
        .get("timeline_file")
        .map(|path| OutputFile::prepare(Path::new(path), "timeline"))
        .transpose()?;
    start_threads(flags.parsed("n_threads", "a number", 0)?)?;

    let parameter_json = read_json(parameter_path, "parameters", MOST_SETTINGS_BYTES)?;
    let parameters = ProofParameters::from_json(&parameter_json, &parameter_path.to_string_lossy())?;
    let config_json = read_json(config_path, "prover config", MOST_SETTINGS_BYTES)?;
    let prover_config = ProverConfig::from_json(config_json, &config_path.to_string_lossy())?;
    let public = read_public_input(public_path)?;
    // What can be refused without the trace is refused before it is read.
    let shape = preflight(&public.public_input, &parameters, version)?;
    let page = PageZero { segments: 0, cells: 0 };
    let prediction = predict(&parameters.stark, &shape, page, &Rates::default_of(Kernels::current()));
    let names = "automatic, stored, two-cosets, one-coset or in-place";
    let choice = flags.parsed("storage", names, StorageChoice::Automatic)?;
    let limit = memory_limit(flags)?;
    let storage = limit.storage(&prediction, choice);
    limit.check(&prediction, storage)?;
    parameters.stark.validate_segments(prover_config.n_tasks_per_segment())?;
    let read = read_run(public, private_path)?;

    let options = ProveOptions {
        annotations: flags.switch("generate_annotations")?,
        kernels: Kernels::current(),
        storage,
        self_verification: match flags.switch("skip_self_verification")? {
            true => SelfVerification::Skip,
            false => SelfVerification::Policy(Policy::stone(version)),
        },
        prover_config,
        echo: Echo {
            public_input: Some(read.public_json),
            private_input: Some(read.private_json),
            proof_parameters: Some(parameter_json),
        },
    };
    let log = Log { to_stderr: logs_to_stderr(flags)?, current: Mutex::new(None), recorder };
    let proof = prove(read.execution, &parameters, version, options, &log)?;
    if let Some(recorder) = &log.recorder {
        recorder.begin("output");
    }
    let verified = proof.verified;
    write_output(output, proof.file.into_json().to_stone_text().as_bytes())?;
    match verified {
        Some(verified) => eprintln!(
            "proof accepted: {}, {} steps, {version}, {} bits conjectured, {} proven",
            verified.layout,
            verified.n_steps,
            verified.security.conjectured_bits,
            verified.security.proven_bits
        ),
        None => eprintln!("proof written without verifying it"),
    }
    let Some(profile) = log.recorder.map(Recorder::finish) else { return Ok(()) };
    if timings {
        eprint!("{profile}");
        let serial = profile.serial_share(rayon::current_num_threads());
        eprintln!("{:.1} % of the CPU time had one thread at work", 100.0 * serial);
    }
    if let Some(timeline) = timeline {
        write_output(timeline, profile.timeline().as_bytes())?;
    }
    Ok(())
}
