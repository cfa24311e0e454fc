//! Reads the reference vectors: runs as Stone's files, and the annotated proofs of them.
//!
//! Only as much of the formats as these tests need; the product's readers live in `ashlar-stone`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use ashlar_cpu_air::input::{
    BitwiseInstance, EcOpInstance, EcdsaInstance, Execution, KeccakInstance, Memory, MemorySegment, ModInput,
    ModInstance, PedersenInstance, PoseidonInstance, PrivateInput, PublicInput, PublicMemoryCell,
    RangeCheckInstance, RegisterState,
};
use ashlar_field::Felt;
use ashlar_hash::{CommitmentHash, poseidon};
use serde_json::Value;

/// The vectors in the repository.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures"))
}

/// The large vectors outside the repository, where there are any; says so where not.
pub(crate) fn shared() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors");
    let root = std::env::var_os("ASHLAR_VECTORS").map_or_else(|| PathBuf::from(default), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no vectors at {}; set ASHLAR_VECTORS", root.display());
    None
}

pub(crate) fn json(path: &Path) -> Value {
    let text = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_slice(&text).unwrap()
}

pub(crate) fn felt(value: &Value) -> Felt {
    match value {
        Value::String(text) => text.parse().unwrap(),
        number => Felt::from_u64(number.as_u64().unwrap()),
    }
}

fn integer(value: &Value) -> u64 {
    felt(value).to_u64().unwrap()
}

pub(crate) fn public_input(json: &Value) -> PublicInput {
    let segments = json["memory_segments"].as_object().unwrap();
    let cells = json["public_memory"].as_array().unwrap();
    PublicInput {
        layout: json["layout"].as_str().unwrap().to_owned(),
        n_steps: integer(&json["n_steps"]),
        rc_min: integer(&json["rc_min"]),
        rc_max: integer(&json["rc_max"]),
        memory_segments: segments
            .iter()
            .map(|(name, segment)| {
                let segment = MemorySegment {
                    begin_addr: integer(&segment["begin_addr"]),
                    stop_ptr: integer(&segment["stop_ptr"]),
                };
                (name.clone(), segment)
            })
            .collect(),
        public_memory: cells
            .iter()
            .map(|cell| PublicMemoryCell {
                address: integer(&cell["address"]),
                value: felt(&cell["value"]),
                page: integer(&cell["page"]) as u32,
            })
            .collect(),
        dynamic_params: match &json["dynamic_params"] {
            Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), integer(value))).collect(),
            _ => Default::default(),
        },
    }
}

fn instances<T>(json: &Value, name: &str, read: impl Fn(u64, &Value) -> T) -> Vec<T> {
    let list = json[name].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|instance| read(integer(&instance["index"]), instance)).collect()
}

fn modular(json: &Value, name: &str) -> ModInput {
    let builtin = &json[name];
    if builtin.is_null() {
        return ModInput::default();
    }
    let words = |value: &Value, prefix: &str| std::array::from_fn(|i| felt(&value[format!("{prefix}{i}")]));
    ModInput {
        zero_value_address: integer(&builtin["zero_value_address"]),
        instances: instances(builtin, "instances", |index, instance| {
            let batch = &instance["batch"][0];
            ModInstance {
                index,
                p: words(instance, "p"),
                values_ptr: integer(&instance["values_ptr"]),
                offsets_ptr: integer(&instance["offsets_ptr"]),
                n: integer(&instance["n"]),
                offsets: ["a_offset", "b_offset", "c_offset"].map(|name| integer(&batch[name])),
                values: ["a", "b", "c"].map(|prefix| words(batch, prefix)),
            }
        }),
    }
}

fn private_input(json: &Value) -> PrivateInput {
    let range_checks = |name| {
        instances(json, name, |index, instance| RangeCheckInstance { index, value: felt(&instance["value"]) })
    };
    PrivateInput {
        pedersen: instances(json, "pedersen", |index, instance| PedersenInstance {
            index,
            x: felt(&instance["x"]),
            y: felt(&instance["y"]),
        }),
        range_check: range_checks("range_check"),
        ecdsa: instances(json, "ecdsa", |index, instance| EcdsaInstance {
            index,
            pubkey: felt(&instance["pubkey"]),
            msg: felt(&instance["msg"]),
            r: felt(&instance["signature_input"]["r"]),
            w: felt(&instance["signature_input"]["w"]),
        }),
        bitwise: instances(json, "bitwise", |index, instance| BitwiseInstance {
            index,
            x: felt(&instance["x"]),
            y: felt(&instance["y"]),
        }),
        ec_op: instances(json, "ec_op", |index, instance| EcOpInstance {
            index,
            p: [felt(&instance["p_x"]), felt(&instance["p_y"])],
            q: [felt(&instance["q_x"]), felt(&instance["q_y"])],
            m: felt(&instance["m"]),
        }),
        keccak: instances(json, "keccak", |index, instance| KeccakInstance {
            index,
            input: std::array::from_fn(|i| felt(&instance[format!("input_s{i}")])),
        }),
        poseidon: instances(json, "poseidon", |index, instance| PoseidonInstance {
            index,
            input: std::array::from_fn(|i| felt(&instance[format!("input_s{i}")])),
        }),
        range_check96: range_checks("range_check96"),
        add_mod: modular(json, "add_mod"),
        mul_mod: modular(json, "mul_mod"),
    }
}

/// A file of the case, unpacking `name.gz` where only that exists.
fn binary(case: &Path, name: &str) -> Vec<u8> {
    let path = case.join(name);
    if path.is_file() {
        return fs::read(path).unwrap();
    }
    let packed = case.join(format!("{name}.gz"));
    let mut bytes = Vec::new();
    let file = fs::File::open(&packed).unwrap_or_else(|error| panic!("{}: {error}", packed.display()));
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(file), &mut bytes).unwrap();
    bytes
}

fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

/// The run of a case folder.
pub(crate) fn execution(case: &Path) -> Execution {
    overlaid(case, case)
}

/// The run of a case folder with the files of another folder over it.
pub(crate) fn overlaid(case: &Path, over: &Path) -> Execution {
    let source = |name: &str| if over.join(name).is_file() { over } else { case };
    let binary = |name: &str| binary(source(name), name);
    let json = |name: &str| json(&source(name).join(name));
    let trace = binary("trace.bin");
    let trace = trace.chunks_exact(24).map(|record| RegisterState {
        ap: word(&record[..8]),
        fp: word(&record[8..16]),
        pc: word(&record[16..]),
    });
    let mut memory = Memory::new();
    for record in binary("memory.bin").chunks_exact(40) {
        let limbs = std::array::from_fn(|i| word(&record[8 + 8 * i..16 + 8 * i]));
        memory.insert(word(&record[..8]), Felt::from_standard_limbs(limbs).unwrap());
    }
    Execution {
        public_input: public_input(&json("air_public_input.json")),
        trace: trace.collect(),
        memory,
        private_input: private_input(&json("air_private_input.json")),
    }
}

/// An annotated proof.
pub(crate) struct Proof {
    pub(crate) json: Value,
    annotations: Vec<String>,
}

impl Proof {
    pub(crate) fn read(path: &Path) -> Proof {
        let json = json(path);
        let annotations = json["annotations"].as_array().map(Vec::as_slice).unwrap_or_default();
        let annotations = annotations.iter().map(|line| line.as_str().unwrap().to_owned()).collect();
        Proof { json, annotations }
    }

    pub(crate) fn is_annotated(&self) -> bool {
        !self.annotations.is_empty()
    }

    /// The hexadecimal texts of all annotations of this scope and kind, in order.
    fn values(&self, scope: &str, kind: &str) -> Vec<String> {
        let inside = format!("/cpu air/STARK/{scope}: ");
        let kind = format!(": {kind}");
        let lines = self.annotations.iter().filter(|line| line.contains(&inside));
        let values = lines.filter_map(|line| {
            let at = line.rfind(&kind)? + kind.len();
            Some(line[at..].trim_start_matches('s').trim_matches(['(', ')']).split(", ").map(str::to_owned))
        });
        values.flatten().collect()
    }

    fn felts(&self, scope: &str) -> Vec<Felt> {
        self.values(scope, "Field Element").iter().map(|text| text.parse().unwrap()).collect()
    }

    pub(crate) fn interaction_elements(&self) -> Vec<Felt> {
        self.felts("Interaction")
    }

    /// The root of the first trace, 32 bytes.
    pub(crate) fn first_root(&self) -> [u8; 32] {
        let roots = self.values("Original/Commit on Trace", "Hash");
        let digits = roots[0].trim_start_matches("0x");
        let digits = format!("{digits:0>64}");
        std::array::from_fn(|i| u8::from_str_radix(&digits[2 * i..2 * i + 2], 16).unwrap())
    }

    /// The point z and the values of the mask there, followed by those of the composition.
    pub(crate) fn out_of_domain(&self) -> (Felt, Vec<Felt>) {
        let mut felts = self.felts("Out Of Domain Sampling/OODS values");
        let point = felts.remove(0);
        (point, felts)
    }

    /// A parameter by its path, `None` where the file leaves it to the default.
    pub(crate) fn parameter(&self, path: &str) -> Option<&Value> {
        self.json["proof_parameters"].pointer(path)
    }
}

/// What a proof says up to the out-of-domain values.
pub(crate) struct Sampling {
    pub(crate) interaction_elements: Vec<Felt>,
    /// α, whose powers weight the constraints.
    pub(crate) weight: Felt,
    pub(crate) point: Felt,
    /// The values of the mask at the point, then those of the composition.
    pub(crate) values: Vec<Felt>,
}

impl Proof {
    /// From the annotations, or, where there are none, from the proof's bytes by way of the Poseidon channel.
    pub(crate) fn sampling(&self, seed: &[u8], interaction_elements: usize, values: usize) -> Sampling {
        if self.is_annotated() {
            let (point, values) = self.out_of_domain();
            let interaction_elements = self.interaction_elements();
            return Sampling { interaction_elements, weight: self.felts("Original")[0], point, values };
        }
        assert_eq!(self.parameter("/channel_hash").unwrap(), "poseidon3");
        assert_eq!(self.parameter("/verifier_friendly_channel_updates").unwrap(), true);
        let digits = self.json["proof_hex"].as_str().unwrap().trim_start_matches("0x");
        let mut words = (0..digits.len() / 64)
            .map(|word| format!("0x{}", &digits[64 * word..64 * (word + 1)]).parse::<Felt>().unwrap());
        let mut state = CommitmentHash::Poseidon3.hash_bytes(seed).unwrap().to_felt().unwrap();
        let mut send = || {
            state = poseidon::hash_many(&[state + Felt::ONE, words.next().unwrap()]);
            state
        };
        let draw = |state: Felt, counter: usize| poseidon::hash_pair(state, Felt::from_u64(counter as u64));
        let state = send();
        let interaction_elements = (0..interaction_elements).map(|counter| draw(state, counter)).collect();
        let weight = draw(send(), 0);
        let point = draw(send(), 0);
        Sampling { interaction_elements, weight, point, values: words.take(values).collect() }
    }
}

/// The folders of a folder, sorted.
pub(crate) fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut entries: Vec<PathBuf> = entries.unwrap_or_default();
    entries.sort();
    entries
}

/// All (case folder, variant folder) pairs below `root` that hold a proof, sorted.
pub(crate) fn proofs(root: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut found = Vec::new();
    for case in folders(root) {
        for variant in folders(&case) {
            if variant.join("proof.json").is_file() {
                found.push((case.clone(), variant));
            }
        }
    }
    found
}
