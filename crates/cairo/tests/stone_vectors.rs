//! Runs the programs of the published Stone vectors again and compares with what StarkWare's runner wrote.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use ashlar_cairo::{Arguments, EntryChoice, LayoutChoice, Program, RunOptions, plan, run};
use ashlar_cpu_air::input::{Memory, MemorySegment, PublicMemoryCell, RegisterState};
use ashlar_field::Felt;
use serde_json::Value;

/// The cases of this repository, and those of the shared folder where it is present.
fn cases() -> Vec<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases: Vec<PathBuf> = ["plain_512_fib", "small_512_fib", "small_512_pages"]
        .iter()
        .map(|name| manifest.join("../../fixtures/stone").join(name))
        .collect();
    let shared = std::env::var("ASHLAR_VECTORS")
        .map_or_else(|_| manifest.join("../../../shared/vectors"), PathBuf::from)
        .join("stone");
    for name in [
        "small_8192_builtins",
        "dex_8192_builtins",
        "all_solidity_16384_builtins",
        "recursive_16384_fib",
        "recursive_with_poseidon_32768_builtins",
        "starknet_with_keccak_32768_fib",
    ] {
        let case = shared.join(name);
        if case.join("memory.bin").is_file() {
            cases.push(case);
        } else {
            println!("skipped: {name} (no shared vectors)");
        }
    }
    cases
}

fn json(case: &Path, name: &str) -> Value {
    serde_json::from_slice(&fs::read(case.join(name)).unwrap()).unwrap()
}

fn felt(value: &Value) -> Felt {
    value.as_str().unwrap().parse().unwrap()
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u64; N]> + '_ {
    bytes.chunks_exact(8 * N).map(|record| {
        std::array::from_fn(|i| u64::from_le_bytes(record[8 * i..8 * i + 8].try_into().unwrap()))
    })
}

fn trace(case: &Path) -> Vec<RegisterState> {
    let bytes = fs::read(case.join("trace.bin")).unwrap();
    words(&bytes).map(|[ap, fp, pc]| RegisterState { ap, fp, pc }).collect()
}

fn memory(case: &Path) -> BTreeMap<u64, Felt> {
    let bytes = fs::read(case.join("memory.bin")).unwrap();
    words(&bytes)
        .map(|[address, a, b, c, d]| (address, Felt::from_standard_limbs([a, b, c, d]).unwrap()))
        .collect()
}

fn cells(memory: &Memory) -> BTreeMap<u64, Felt> {
    memory.iter().collect()
}

fn options(layout: &str) -> RunOptions {
    RunOptions {
        layout: LayoutChoice::Named(layout.into()),
        entry: EntryChoice::AsBuilt,
        ..RunOptions::default()
    }
}

#[test]
fn a_run_equals_that_of_starkwares_runner() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let public = json(&case, "air_public_input.json");
        let program = Program::from_bytes(&fs::read(case.join("program.json")).unwrap()).unwrap();
        let arguments = Arguments::from_json(&fs::read(case.join("program_input.json")).unwrap()).unwrap();
        let run = run(&program, &arguments, &options(public["layout"].as_str().unwrap())).unwrap();

        let got = &run.execution.public_input;
        assert_eq!(got.n_steps, public["n_steps"].as_u64().unwrap(), "{name}");
        assert_eq!(
            (Some(got.rc_min), Some(got.rc_max)),
            (public["rc_min"].as_u64(), public["rc_max"].as_u64())
        );
        let segments: BTreeMap<String, MemorySegment> = public["memory_segments"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(segment, addresses)| {
                let address = |key: &str| addresses[key].as_u64().unwrap();
                let value =
                    MemorySegment { begin_addr: address("begin_addr"), stop_ptr: address("stop_ptr") };
                (segment.clone(), value)
            })
            .collect();
        assert_eq!(got.memory_segments, segments, "{name}");
        let public_memory: Vec<PublicMemoryCell> = public["public_memory"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cell| PublicMemoryCell {
                address: cell["address"].as_u64().unwrap(),
                value: felt(&cell["value"]),
                page: cell["page"].as_u64().unwrap() as u32,
            })
            .collect();
        assert_eq!(got.public_memory, public_memory, "{name}: public memory and its order");
        assert!(run.execution.trace == trace(&case), "{name}: the traces differ");
        let (got, expected) = (cells(&run.execution.memory), memory(&case));
        let first = got.iter().find(|(a, v)| expected.get(a) != Some(v));
        let missing = expected.iter().find(|(a, _)| !got.contains_key(a));
        assert!(first.is_none() && missing.is_none(), "{name}: memory: {first:?}, missing {missing:?}");

        let private = json(&case, "air_private_input.json");
        let count = |key: &str| private[key].as_array().map_or(0, Vec::len);
        let input = &run.execution.private_input;
        for (key, got) in [
            ("pedersen", input.pedersen.len()),
            ("range_check", input.range_check.len()),
            ("ecdsa", input.ecdsa.len()),
            ("bitwise", input.bitwise.len()),
            ("ec_op", input.ec_op.len()),
            ("keccak", input.keccak.len()),
            ("poseidon", input.poseidon.len()),
        ] {
            assert_eq!(got, count(key), "{name}: {key}");
        }
        for (index, instance) in input.ecdsa.iter().enumerate() {
            let expected = &private["ecdsa"][index];
            assert_eq!(instance.index, expected["index"].as_u64().unwrap(), "{name}");
            assert_eq!([instance.pubkey, instance.msg], [felt(&expected["pubkey"]), felt(&expected["msg"])]);
            let signature = &expected["signature_input"];
            assert_eq!([instance.r, instance.w], [felt(&signature["r"]), felt(&signature["w"])], "{name}");
        }
    }
}

#[test]
fn the_padding_formula_gives_the_length_of_every_run() {
    for case in cases() {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let public = json(&case, "air_public_input.json");
        let program = Program::from_bytes(&fs::read(case.join("program.json")).unwrap()).unwrap();
        let arguments = Arguments::from_json(&fs::read(case.join("program_input.json")).unwrap()).unwrap();
        let plan = plan(&program, &arguments, &RunOptions::default().limits).unwrap();
        let of_layout = plan.layouts.iter().find(|plan| plan.layout == public["layout"]).unwrap();
        let sizing = of_layout.outcome.as_ref().unwrap();
        assert_eq!(Some(sizing.n_steps), public["n_steps"].as_u64(), "{name}: {}", sizing.reason);
    }
}
