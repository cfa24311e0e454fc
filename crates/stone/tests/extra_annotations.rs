//! What the verifier computes on its way through a proof, written for those who verify it in parts: Stone's
//! `--extra_output_file`.
//!
//! Every line is computed again here, from the messages of the proof.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
};

use ashlar_cpu_air::statement::StoneVersion;
use ashlar_field::{Felt, MontgomeryBytes};
use ashlar_stone::{Json, Policy, ProofFile, ProofParameters, public_input_from_json, verify_parts};
use vectors::{Variant, fixtures, scratch, variants};

const DECOMMITMENT: &str = "/cpu air/STARK/FRI/Decommitment/";

/// The cells of a table that lines show, by row and column.
type Cells = BTreeMap<(u64, u64), Felt>;

/// `scope: label: value` of a line, the scope below the decommitment; `None` for lines of other parts of the protocol.
fn parts(line: &str) -> Option<(&str, &str, &str)> {
    let (scope, rest) = line.split_once(DECOMMITMENT)?.1.split_once(": ")?;
    let (label, value) = rest.split_once(": ")?;
    Some((scope, label, value))
}

/// The cell that a label names.
fn cell(label: &str) -> Option<(u64, u64)> {
    let (row, column) = label.strip_prefix("Row ")?.split_once(", Column ")?;
    Some((row.parse().unwrap(), column.parse().unwrap()))
}

fn felt(value: &str) -> Felt {
    value.strip_prefix("Field Element(").unwrap().strip_suffix(')').unwrap().parse().unwrap()
}

/// The cells in some lines, by scope.
fn cells(lines: &[String]) -> BTreeMap<&str, Cells> {
    let mut cells: BTreeMap<&str, Cells> = BTreeMap::new();
    for (scope, label, value) in lines.iter().filter_map(|line| parts(line)) {
        if let Some(cell) = cell(label) {
            cells.entry(scope).or_default().insert(cell, felt(value));
        }
    }
    cells
}

fn reversed(index: u64, bits: u32) -> u64 {
    if bits == 0 { 0 } else { index.reverse_bits() >> (64 - bits) }
}

/// The bytes of a row, as leaves are hashed.
fn bytes(row: &[Felt]) -> Vec<u8> {
    row.iter().flat_map(|&value| MontgomeryBytes::from(value).0).collect()
}

/// Checks every extra line of a proof; returns their number.
fn check(variant: &Variant) -> usize {
    let name = variant.name();
    let file = ProofFile::from_json(Json::from_slice(&variant.proof(), "p").unwrap(), "p").unwrap();
    let version = if variant.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 };
    let public_input = public_input_from_json(&file.public_input, "p").unwrap();
    let parameters = ProofParameters::from_json(&file.proof_parameters, "p").unwrap().stark;
    let steps = &parameters.fri.fri_step_list;
    let policy = Policy::stone(version);
    let all = ProofParameters::from_json(&file.proof_parameters, "p").unwrap();
    let verified = verify_parts(&public_input, &all, &file.proof, &policy, true).unwrap();
    let (lines, extra) = (verified.annotations.unwrap(), verified.extra_annotations.unwrap());
    let (sent, derived) = (cells(&lines), cells(&extra));
    let log_domain = (16 * public_input.n_steps).ilog2() + parameters.log_n_cosets;

    // log₂ of the number of values of a layer, and of the values in a row of it.
    let layer = |scope: &str| match scope.strip_prefix("Layer ").and_then(|rest| rest.parse::<usize>().ok()) {
        Some(number) => (log_domain - steps[..number].iter().sum::<u32>(), steps[number]),
        None => (log_domain - steps.iter().sum::<u32>(), 0),
    };
    let mut order = Vec::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for (scope, label, value) in extra.iter().map(|line| parts(line).unwrap()) {
        if order.last() != Some(&scope) {
            order.push(scope);
        }
        let kind = label.split(' ').next().unwrap();
        *counts.entry((scope, kind)).or_default() += 1;
        if let Some(index) = label.strip_prefix("xInv for index ") {
            let (log_size, _) = layer(scope);
            let generator = Felt::subgroup_generator(log_size).unwrap();
            let point = generator.pow(reversed(index.parse().unwrap(), log_size));
            assert_eq!(felt(value) * point, Felt::ONE, "{name}: {scope}: {label}");
        } else if let Some(node) = label.strip_prefix("For node ") {
            let node: u64 = node.parse().unwrap();
            // All cells of the node's row, those sent and those computed; the composition's tables are no layer.
            let row = node - (1 << node.ilog2());
            let table = [&sent, &derived].into_iter().filter_map(|cells| cells.get(scope)).flatten();
            let known: Cells = table.map(|(&cell, &value)| (cell, value)).collect();
            let is_single = known.keys().all(|&(_, column)| column == 0);
            let row_bytes = if is_single {
                // Two rows of one cell; one of them may have been sent as raw bytes only.
                let pair = [2 * row, 2 * row + 1].map(|row| match known.get(&(row, 0)) {
                    Some(&value) => MontgomeryBytes::from(value).0.to_vec(),
                    None => sibling(&lines, scope, row),
                });
                pair.concat()
            } else {
                bytes(&known.range((row, 0)..(row + 1, 0)).map(|(_, &value)| value).collect::<Vec<_>>())
            };
            let hash = parameters.hash_at_depth(node.ilog2());
            let digest = match is_single {
                true => {
                    let halves = [&row_bytes[..32], &row_bytes[32..]];
                    let [left, right] = halves.map(|half| ashlar_hash::Digest(half.try_into().unwrap()));
                    hash.hash_node(&left, &right).unwrap()
                }
                false => hash.hash_bytes(&row_bytes).unwrap(),
            };
            let digits = value.strip_prefix("Hash(0x").unwrap().strip_suffix(')').unwrap();
            let expected: String = digest.0.iter().map(|byte| format!("{byte:02x}")).collect();
            // Without leading zeros, but for hashes that keep the low bits.
            let same = digits.trim_start_matches('0') == expected.trim_start_matches('0');
            assert!(same, "{name}: {scope}: {label}: {digits}, expected {expected}");
            assert!(!hash.is_lsb_masked() || digits.len() == 64, "{name}: {scope}: {label}: {digits}");
        }
    }
    // Traces, layers and last layer in the order of the protocol; each of them once.
    let traces = (0..3).map(|trace| format!("Layer 0/Virtual Oracle/Trace {trace}"));
    let layers = (1..steps.len()).map(|number| format!("Layer {number}"));
    let expected: Vec<String> = traces.chain(layers).chain(["Last Layer".to_owned()]).collect();
    assert_eq!(order, expected, "{name}");
    for scope in order {
        let rows = |cells: &BTreeMap<&str, Cells>| -> BTreeSet<u64> {
            cells.get(scope).into_iter().flat_map(|cells| cells.keys().map(|&(row, _)| row)).collect()
        };
        let opened: BTreeSet<u64> = rows(&sent).union(&rows(&derived)).copied().collect();
        let count = |kind| counts.get(&(scope, kind)).copied().unwrap_or(0);
        assert_eq!(count("Row"), count("xInv"), "{name}: {scope}: a point beside each value");
        if scope == "Last Layer" {
            assert_eq!((count("Row"), count("For")), (opened.len(), 0), "{name}: {scope}");
            continue;
        }
        let single = |row: u64| !sent.get(scope).is_some_and(|cells| cells.contains_key(&(row, 1)));
        let packages: BTreeSet<u64> =
            match opened.iter().all(|&row| single(row)) && layer_width(scope, steps) == 1 {
                true => opened.iter().map(|row| row / 2).collect(),
                false => opened.clone(),
            };
        assert_eq!(count("For"), packages.len(), "{name}: {scope}: a digest of each package");
        if let Some(computed) = derived.get(scope) {
            let (_, step) = layer(scope);
            let both = computed.len() + sent.get(scope).map_or(0, BTreeMap::len);
            assert_eq!(both, opened.len() << step, "{name}: {scope}: sent and computed cells fill the rows");
        }
    }
    extra.len()
}

/// Columns of a table: a layer's rows are as long as it is folded; a trace has several, or shows it.
fn layer_width(scope: &str, steps: &[u32]) -> u64 {
    match scope.strip_prefix("Layer ").and_then(|rest| rest.parse::<usize>().ok()) {
        Some(number) => 1 << steps[number],
        None => 1,
    }
}

/// The raw bytes that complete a pair of rows of one cell.
fn sibling(lines: &[String], scope: &str, row: u64) -> Vec<u8> {
    let label = format!("To complete packages, element #{row}");
    let mut found = lines.iter().filter_map(|line| parts(line));
    let (_, _, value) = found.find(|(at, what, _)| *at == scope && *what == label).unwrap();
    let digits = value.strip_prefix("Data(0x").unwrap().strip_suffix(')').unwrap();
    let digits = format!("{digits:0>64}");
    (0..32).map(|byte| u8::from_str_radix(&digits[2 * byte..2 * byte + 2], 16).unwrap()).collect()
}

#[test]
fn extra_annotations_are_the_digests_values_and_points_of_the_opened_rows() {
    for variant in variants(&fixtures(), &["plain", "small"]) {
        let count = check(&variant);
        assert!(count > 50, "{}: {count} lines", variant.name());
    }
}

#[test]
fn the_verifier_writes_the_extra_annotations_to_a_file_only_for_an_accepted_proof() {
    let folder = scratch("extra-output-file");
    let run = |proof: &str, flags: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cpu_air_verifier"));
        command.current_dir(&folder).args(["--in_file", proof, "--extra_output_file=extra.txt"]).args(flags);
        command.output().unwrap().status.code()
    };
    let case = fixtures().join("plain_512_fib");
    let variant = Variant { folder: case.join("keccak_vf10_noann"), case };
    let proof = variant.folder.join("proof.json");
    let broken =
        fs::read_to_string(&proof).unwrap().replacen("\"proof_hex\": \"0x0", "\"proof_hex\": \"0x1", 1);
    let broken = if broken.as_bytes() == variant.proof() { broken.replacen("0x", "0x00", 1) } else { broken };
    fs::write(folder.join("broken.json"), broken).unwrap();
    assert_eq!(run("broken.json", &[]), Some(1));
    assert!(!folder.join("extra.txt").exists(), "a file about a proof that was refused");

    assert_eq!(run(&proof.to_string_lossy(), &["--annotation_file=lines.txt"]), Some(0));
    let text = fs::read_to_string(folder.join("extra.txt")).unwrap();
    assert!(text.starts_with(DECOMMITMENT) && text.ends_with(")\n"), "{text}");
    assert!(text.lines().all(|line| parts(line).is_some()));
    let lines = fs::read_to_string(folder.join("lines.txt")).unwrap();
    assert!(!lines.contains("xInv"), "annotations and extra annotations are files of their own");
    // Alone it is the same.
    fs::remove_file(folder.join("lines.txt")).unwrap();
    assert_eq!(run(&proof.to_string_lossy(), &[]), Some(0));
    assert_eq!(fs::read_to_string(folder.join("extra.txt")).unwrap(), text);
    assert!(!folder.join("lines.txt").exists());
}
