//! Our proofs before an independent verifier: the drop-in prover makes them, and `swiftness` verifies their bytes.
//!
//! swiftness is compiled for one layout, one hash and one generation of Stone at a time, so every combination is a
//! build of the package `interoperability`, which is no part of the workspace. A combination passes if the verifier
//! accepts our proof and refuses it with one bit changed, at each of several places.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{build_programs, cargo, output_of, program, references::vectors, target_folder};

/// A layout that swiftness knows, with the reference run that is proven.
const RUNS: [(&str, &str); 6] = [
    ("small", "small_512_fib"),
    ("dex", "dex_8192_builtins"),
    ("recursive", "recursive_16384_fib"),
    ("recursive_with_poseidon", "recursive_with_poseidon_32768_builtins"),
    ("starknet_with_keccak", "starknet_with_keccak_32768_fib"),
    ("starknet", "starknet_131072_builtins"),
];

/// What swiftness calls a hash, and what Stone's parameters call it for commitments and for the proof of work.
const HASHES: [(&str, &str, &str); 2] = [
    ("keccak_160_lsb", "keccak256_masked160_lsb", "keccak256"),
    ("blake2s_248_lsb", "blake256_masked248_lsb", "blake256"),
];

const GENERATIONS: [&str; 2] = ["stone6", "stone5"];

const QUERIES: u64 = 18;
const LOG_COSETS: u64 = 2;
/// The least that swiftness accepts.
const WORK_BITS: u64 = 20;
const LOG_LAST_LAYER: u64 = 7;

/// One build of swiftness.
struct Combination {
    layout: &'static str,
    case: &'static str,
    hash: (&'static str, &'static str, &'static str),
    generation: &'static str,
}

/// Runs every combination of the chosen layouts, all for none, and prints a table.
pub(crate) fn run(root: &Path, layouts: &[String]) -> Result<(), Vec<String>> {
    if let Some(unknown) = layouts.iter().find(|name| RUNS.iter().all(|(layout, _)| layout != name)) {
        return Err(vec![format!("expected layouts that swiftness knows, got {unknown}")]);
    }
    build_programs(root).map_err(|error| vec![error])?;
    let mut failures = Vec::new();
    println!("| layout | run | hash | generation | our proof | one bit changed |");
    println!("|---|---|---|---|---|---|");
    for (layout, case) in RUNS {
        if !layouts.is_empty() && !layouts.iter().any(|name| name == layout) {
            continue;
        }
        if !vectors(root).join(case).is_dir() {
            println!("| `{layout}` | `{case}` | – | – | skipped: the run is absent | – |");
            continue;
        }
        for generation in GENERATIONS {
            for hash in HASHES {
                let combination = Combination { layout, case, hash, generation };
                let row = format!("| `{layout}` | `{case}` | {} | {generation}", hash.0);
                match combination.check(root) {
                    Ok(refused) => println!("{row} | accepted | refused at {refused} of {refused} places |"),
                    Err(why) => {
                        println!("{row} | **failed: {why}** | – |");
                        failures.push(format!("{layout} {} {generation}: {why}", hash.0));
                    }
                }
            }
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

impl Combination {
    /// How many changed proofs were refused, all of them; or the first thing that was not as it should be.
    fn check(&self, root: &Path) -> Result<usize, String> {
        let folder = target_folder(root).join("interoperability-proofs");
        let proof = self.prove(root, &folder)?;
        let verifier = self.build(root)?;
        let bits = QUERIES * LOG_COSETS + WORK_BITS;
        match verdict(&verifier, &proof, bits)? {
            (Some(0), _) => {}
            (_, said) => return Err(format!("our proof is not accepted: {said}")),
        }
        let text = read(&proof)?;
        let changed = folder.join("changed.json");
        let places = places(&text)?;
        for &place in &places {
            write(&changed, &with_changed_bit(&text, place)?)?;
            match verdict(&verifier, &changed, bits)? {
                (Some(1), _) => {}
                (_, said) => return Err(format!("a changed bit (digit {place}) is not refused: {said}")),
            }
        }
        Ok(places.len())
    }

    /// Proves the run and returns the proof file.
    fn prove(&self, root: &Path, folder: &Path) -> Result<PathBuf, String> {
        let case = vectors(root).join(self.case);
        // A folder may be left from an earlier combination.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for name in ["air_public_input.json", "air_private_input.json", "trace.bin", "memory.bin"] {
            let (plain, packed) = (case.join(name), case.join(format!("{name}.gz")));
            let bytes = if plain.is_file() {
                fs::read(&plain).map_err(|error| format!("{}: {error}", plain.display()))?
            } else {
                output_of(Command::new("gzip").arg("-dc").arg(&packed))?
            };
            let target = folder.join(name);
            fs::write(&target, bytes).map_err(|error| format!("{}: {error}", target.display()))?;
        }
        let public: Value = serde_json::from_str(&read(&folder.join("air_public_input.json"))?)
            .map_err(|error| format!("public input: {error}"))?;
        let n_steps = public["n_steps"].as_u64().filter(|steps| steps.is_power_of_two());
        let n_steps = n_steps.ok_or("n_steps: expected a power of two")?;
        write(&folder.join("parameters.json"), &self.parameters(n_steps).to_string())?;
        write(&folder.join("config.json"), &prover_config().to_string())?;
        let mut prover = Command::new(program(root, "cpu_air_prover"));
        prover.current_dir(folder).args([
            "--parameter_file=parameters.json",
            "--prover_config_file=config.json",
            "--public_input_file=air_public_input.json",
            "--private_input_file=air_private_input.json",
            "--out_file=proof.json",
            "--generate_annotations",
            "--stone_version",
            self.generation,
        ]);
        output_of(&mut prover)?;
        Ok(folder.join("proof.json"))
    }

    /// Parameters within what swiftness accepts, for a run of `n_steps`.
    fn parameters(&self, n_steps: u64) -> Value {
        let (_, commitment_hash, pow_hash) = self.hash;
        json!({
            "field": "PrimeField0",
            "channel_hash": "poseidon3",
            "commitment_hash": commitment_hash,
            "n_verifier_friendly_commitment_layers": 10,
            "pow_hash": pow_hash,
            "statement": { "page_hash": "pedersen" },
            "stark": {
                "fri": {
                    "fri_step_list": fri_steps(u64::from(n_steps.ilog2()) + 4),
                    "last_layer_degree_bound": 1 << LOG_LAST_LAYER,
                    "n_queries": QUERIES,
                    "proof_of_work_bits": WORK_BITS,
                },
                "log_n_cosets": LOG_COSETS,
            },
            "use_extension_field": false,
            "verifier_friendly_channel_updates": true,
            "verifier_friendly_commitment_hash": "poseidon3",
        })
    }

    /// Builds the verifier for this combination and returns its path.
    fn build(&self, root: &Path) -> Result<PathBuf, String> {
        let package = root.join("interoperability");
        let target = target_folder(root).join("interoperability");
        let features = [self.layout, self.hash.0, self.generation].join(",");
        let manifest = package.join("Cargo.toml");
        let (manifest, folder) = (manifest.to_string_lossy(), target.to_string_lossy());
        cargo(
            root,
            &[
                "build",
                "--release",
                "--locked",
                "--quiet",
                "--manifest-path",
                &manifest,
                "--target-dir",
                &folder,
                "--features",
                &features,
            ],
        )?;
        Ok(target.join("release/ashlar-interoperability"))
    }
}

/// Reductions of a trace of 2^`log_length` rows: none before the first layer, then as large as may be.
fn fri_steps(log_length: u64) -> Vec<u64> {
    let mut left = log_length.saturating_sub(LOG_LAST_LAYER);
    let mut steps = vec![0];
    while left > 0 {
        steps.push(left.min(4));
        left -= left.min(4);
    }
    steps
}

/// A prover config in Stone's usual form.
fn prover_config() -> Value {
    json!({
        "cached_lde_config": { "store_full_lde": false, "use_fft_for_eval": false },
        "constraint_polynomial_task_size": 256,
        "n_out_of_memory_merkle_layers": 0,
        "table_prover_n_tasks_per_segment": 1,
    })
}

/// The exit status of the verifier on a proof, and what it said.
fn verdict(verifier: &Path, proof: &Path, bits: u64) -> Result<(Option<i32>, String), String> {
    let output = Command::new(verifier)
        .arg(proof)
        .arg(bits.to_string())
        .output()
        .map_err(|error| format!("{} cannot be run: {error}", verifier.display()))?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Ok((output.status.code(), said.concat()))
}

/// Digits of `proof_hex` to change: in the first root, the values out of the domain, a cell or sibling in the middle,
/// and the last one.
fn places(text: &str) -> Result<Vec<usize>, String> {
    let (_, digits) = hex_digits(text)?;
    let count = digits.len();
    Ok(vec![63, 400, (count / 2) | 1, count - 1])
}

/// Where the digits of `proof_hex` begin in a proof file, and the digits.
fn hex_digits(text: &str) -> Result<(usize, &str), String> {
    let mark = "\"proof_hex\" : \"0x";
    let start = text.find(mark).ok_or("the proof file has no proof_hex")? + mark.len();
    let rest = text.get(start..).unwrap_or_default();
    let end = rest.find('"').ok_or("proof_hex has no end")?;
    Ok((start, rest.get(..end).unwrap_or_default()))
}

/// The proof file with the lowest bit of a digit changed; the annotations stay as they are.
fn with_changed_bit(text: &str, place: usize) -> Result<String, String> {
    let (start, digits) = hex_digits(text)?;
    let digit = digits.chars().nth(place).and_then(|digit| digit.to_digit(16));
    let digit = digit.and_then(|digit| char::from_digit(digit ^ 1, 16)).ok_or("proof_hex is too short")?;
    let mut changed = text.to_owned();
    changed.replace_range(start + place..=start + place, &digit.to_string());
    Ok(changed)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions_leave_the_last_layer() {
        assert_eq!(fri_steps(13), [0, 4, 2]);
        assert_eq!(fri_steps(15), [0, 4, 4]);
        assert_eq!(fri_steps(21).iter().sum::<u64>() + LOG_LAST_LAYER, 21);
    }

    #[test]
    fn a_changed_bit_changes_one_digit_and_nothing_else() {
        let text = "{\n\t\"proof_hex\" : \"0x00ff\",\n\t\"public_input\" : {}\n}";
        assert_eq!(with_changed_bit(text, 3), Ok(text.replace("0x00ff", "0x00fe")));
        assert!(with_changed_bit(text, 4).is_err());
    }
}
