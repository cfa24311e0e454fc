//! How time and memory grow with the number of steps: the same loop, run for longer and longer, with fixed parameters.
//!
//! The run is made here, not by a virtual machine: two instructions that add the last two cells and jump back. Builtins
//! have no instances, which leaves their columns as long as ever. No proof of work, because its luck would show.

use std::{
    fs,
    path::{Path, PathBuf},
};

use ashlar_cpu_air::{
    input::{Execution, Memory, MemorySegment, PrivateInput, PublicInput, PublicMemoryCell, RegisterState},
    layout::{self, Layout},
};
use ashlar_field::Felt;
use ashlar_stone::{
    Json, PrivateInputFile, fri_step_list, memory_to_bytes, private_input_to_json, public_input_to_json,
    trace_to_bytes,
};
use serde_json::{Value, json};

use crate::{
    LabError, machine,
    measure::{self, PROOF, Usage},
    vectors::Scratch,
};

/// What the command line looks like.
pub(crate) const USAGE: &str =
    "`growth --prover PATH --layout NAME --from LOG2_STEPS --to LOG2_STEPS [--threads N]`";

/// log₂ of the degree bound of the last layer.
const LOG_LAST_LAYER: u32 = 7;
/// Cosets of the trace domain: 2 to this.
const LOG_COSETS: u32 = 2;

struct Options {
    prover: PathBuf,
    layout: &'static Layout,
    /// log₂ of the numbers of steps, both ends included.
    steps: std::ops::RangeInclusive<u32>,
    threads: usize,
}

impl Options {
    fn read(arguments: &[String]) -> Option<Options> {
        let (mut prover, mut layout, mut from, mut to) = (None, None, None, None);
        let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
        for pair in arguments.chunks(2) {
            let [flag, value] = pair else { return None };
            match flag.as_str() {
                "--prover" => prover = Some(PathBuf::from(value)),
                "--layout" => layout = Some(layout::by_name(value)?),
                "--from" => from = value.parse().ok(),
                "--to" => to = value.parse().ok(),
                "--threads" => threads = value.parse().ok().filter(|&threads| threads > 0)?,
                _ => return None,
            }
        }
        let steps = from?..=to?;
        // Fewer steps have no room for the last layer; more have no place in memory.
        let reasonable = !steps.is_empty() && *steps.start() >= LOG_LAST_LAYER && *steps.end() <= 24;
        reasonable.then_some(Options { prover: prover?, layout: layout?, steps, threads })
    }
}

/// Measures every size and prints the table.
///
/// # Errors
/// If the command line is not understood, or a run fails.
pub(crate) fn run(arguments: &[String]) -> Result<(), LabError> {
    let mut options = Options::read(arguments).ok_or_else(|| LabError::Usage { got: arguments.to_vec() })?;
    options.prover = options.prover.canonicalize().map_err(LabError::file(&options.prover))?;
    let layout = options.layout;
    println!("Measured on {} with {}.", machine::date(), machine::description());
    println!(
        "Layout `{}`, {} cosets, {} threads; one run a size, a process each; CPU is user + system, verification \
         included.\n",
        layout.name,
        1 << LOG_COSETS,
        options.threads
    );
    println!("| steps | rows | CPU s | wall s | peak MB | CPU µs a row | bytes a row |");
    println!("|---|---|---|---|---|---|---|");
    let mut per_row: Vec<[f64; 2]> = Vec::new();
    for log_steps in options.steps.clone() {
        let n_steps = 1 << log_steps;
        let rows = layout.trace_length(n_steps).map_err(|error| LabError::Format {
            place: "--to".to_owned(),
            expected: "a number of steps that the layout can hold",
            got: error.to_string(),
        })?;
        let usage = measure_size(&options, n_steps, rows)?;
        let figures = [usage.cpu_seconds * 1e6 / rows as f64, usage.peak_megabytes * 1e6 / rows as f64];
        println!(
            "| 2^{log_steps} | 2^{} | {:.2} | {:.2} | {:.0} | {:.2} | {:.0} |",
            rows.ilog2(),
            usage.cpu_seconds,
            usage.wall_seconds,
            usage.peak_megabytes,
            figures[0],
            figures[1],
        );
        per_row.push(figures);
    }
    println!();
    for (what, index) in [("CPU time", 0), ("Memory", 1)] {
        let figures: Vec<f64> = per_row.iter().map(|figures| figures[index]).collect();
        let (low, high) = deviation(&figures);
        println!("{what} a row is between {low:+.0} % and {high:+.0} % of its mean over these sizes.");
    }
    Ok(())
}

/// The lowest and the highest figure, in per cent above the mean.
fn deviation(figures: &[f64]) -> (f64, f64) {
    let mean = figures.iter().sum::<f64>() / figures.len().max(1) as f64;
    let above = figures.iter().map(|figure| 100.0 * (figure / mean - 1.0));
    above.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
}

fn measure_size(options: &Options, n_steps: u64, rows: u64) -> Result<Usage, LabError> {
    let scratch = Scratch::create()?;
    let folder = scratch.path();
    write_run(folder, looping(options.layout, n_steps, rows))?;
    write(folder, "parameters.json", parameters(rows.ilog2()).to_string().as_bytes())?;
    write(folder, "config.json", CONFIG.as_bytes())?;
    let flags: [String; 6] = [
        "--parameter_file=parameters.json".to_owned(),
        "--prover_config_file=config.json".to_owned(),
        "--public_input_file=public.json".to_owned(),
        "--private_input_file=private.json".to_owned(),
        format!("--out_file={PROOF}"),
        format!("--n_threads={}", options.threads),
    ];
    measure::run(&options.prover, &flags, folder, &[])
}

/// What Stone's tests use.
const CONFIG: &str = r#"{"cached_lde_config": {"store_full_lde": false, "use_fft_for_eval": false},
    "constraint_polynomial_task_size": 256, "n_out_of_memory_merkle_layers": 0, "table_prover_n_tasks_per_segment": 32}"#;

/// Those of the reference proofs, but for the proof of work.
fn parameters(log_rows: u32) -> Value {
    json!({
        "field": "PrimeField0",
        "channel_hash": "poseidon3",
        "commitment_hash": "keccak256_masked160_lsb",
        "n_verifier_friendly_commitment_layers": 10,
        "pow_hash": "keccak256",
        "statement": { "page_hash": "pedersen" },
        "stark": {
            "fri": {
                "fri_step_list": fri_step_list(log_rows, LOG_LAST_LAYER, 4),
                "last_layer_degree_bound": 1 << LOG_LAST_LAYER,
                "n_queries": 18,
                "proof_of_work_bits": 0,
            },
            "log_n_cosets": LOG_COSETS,
        },
        "use_extension_field": false,
        "verifier_friendly_channel_updates": true,
        "verifier_friendly_commitment_hash": "poseidon3",
    })
}

/// `[ap] = [ap − 2] + [ap − 1]; ap++` and `jmp rel −1`, whose operand follows it.
const ADD: u64 = 0x4830_7fff_7ffe_8000;
const JUMP: u64 = 0x0107_8001_7fff_7fff;
/// Address of the first instruction.
const ADD_ADDRESS: u64 = 1;
/// Address of the jump.
const JUMP_ADDRESS: u64 = 2;
/// Where the run begins to write: after the program and two cells to start with.
const FRAME: u64 = 6;

/// The loop, for an even number of steps.
fn looping(layout: &Layout, n_steps: u64, rows: u64) -> Execution {
    let last_ap = FRAME + n_steps / 2;
    let mut cells = vec![
        None,
        Some(Felt::from_u64(ADD)),
        Some(Felt::from_u64(JUMP)),
        Some(-Felt::ONE),
        Some(Felt::ONE),
        Some(Felt::ONE),
    ];
    let public_memory = (0..)
        .zip(&cells)
        .filter_map(|(address, value)| Some(PublicMemoryCell { address, value: (*value)?, page: 0 }))
        .collect();
    let (mut before, mut last) = (Felt::ONE, Felt::ONE);
    for _ in 0..n_steps / 2 {
        (before, last) = (last, before + last);
        cells.push(Some(last));
    }
    let segment = |begin_addr, stop_ptr| MemorySegment { begin_addr, stop_ptr };
    let mut next = last_ap;
    let mut memory_segments = std::collections::BTreeMap::from([
        ("program".to_owned(), segment(ADD_ADDRESS, JUMP_ADDRESS)),
        ("execution".to_owned(), segment(FRAME, last_ap)),
    ]);
    for &name in &layout.segments {
        memory_segments.entry(name.to_owned()).or_insert(segment(next, next));
    }
    for &builtin in layout.builtins() {
        memory_segments.insert(builtin.segment().to_owned(), segment(next, next));
        // Instances that nobody asked for still have their cells.
        next += rows / layout.row_ratio(builtin).unwrap_or(rows) * builtin.cells_per_instance();
    }
    let state = |step: u64| RegisterState {
        ap: FRAME + step.div_ceil(2),
        fp: FRAME,
        pc: if step.is_multiple_of(2) { ADD_ADDRESS } else { JUMP_ADDRESS },
    };
    Execution {
        public_input: PublicInput {
            layout: layout.name.to_owned(),
            n_steps,
            // The offsets of the two instructions: −2 to 1 above 2¹⁵.
            rc_min: 0x7ffe,
            rc_max: 0x8001,
            memory_segments,
            public_memory,
            dynamic_params: Default::default(),
        },
        trace: (0..n_steps).map(state).collect(),
        memory: Memory::from_dense(cells),
        private_input: PrivateInput::default(),
    }
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), LabError> {
    let path = folder.join(name);
    fs::write(&path, bytes).map_err(LabError::file(&path))
}

fn write_run(folder: &Path, execution: Execution) -> Result<(), LabError> {
    let private = PrivateInputFile {
        trace_path: "trace.bin".into(),
        memory_path: "memory.bin".into(),
        instances: execution.private_input,
    };
    let text = |json: Json| json.to_stone_text().into_bytes();
    write(folder, "public.json", &text(public_input_to_json(&execution.public_input)))?;
    write(folder, "private.json", &text(private_input_to_json(&private, &execution.public_input)))?;
    write(folder, "trace.bin", &trace_to_bytes(&execution.trace))?;
    write(folder, "memory.bin", &memory_to_bytes(&execution.memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loop_is_a_run_that_satisfies_its_layout() {
        let layout = layout::by_name("small").expect("a layout");
        let rows = layout.trace_length(512).expect("rows");
        let execution = looping(layout, 512, rows);
        let json =
            Json::from_slice(parameters(rows.ilog2()).to_string().as_bytes(), "parameters").expect("JSON");
        let parameters = ashlar_stone::ProofParameters::from_json(&json, "parameters").expect("parameters");
        let version = ashlar_cpu_air::statement::StoneVersion::Stone6;
        let options = ashlar_stone::ProveOptions::verified(ashlar_stone::Policy::stone(version));
        let proof = ashlar_stone::prove(execution, &parameters, version, options, &());
        assert_eq!(proof.expect("a proof").verified.expect("verified").n_steps, 512);
    }

    #[test]
    fn deviations_are_relative_to_the_mean() {
        assert_eq!(deviation(&[9.0, 10.0, 11.0]).0.round(), -10.0);
        assert_eq!(deviation(&[9.0, 10.0, 11.0]).1.round(), 10.0);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let read =
            |line: &str| Options::read(&line.split(' ').map(String::from).collect::<Vec<_>>()).is_some();
        assert!(read("--prover p --layout small --from 13 --to 17"));
        for line in [
            "--prover p --layout small --from 13",
            "--prover p --layout none --from 13 --to 17",
            "--prover p --layout small --from 17 --to 13",
            "--prover p --layout small --from 3 --to 17",
            "--prover p --layout small --from 13 --to 17 --threads 0",
            "--prover p --layout small --from 13 --to 17 --fast",
        ] {
            assert!(!read(line), "{line}");
        }
    }
}
