//! The private input file, `air_private_input.json`: where trace and memory are, and the builtin instances.

use std::path::PathBuf;

use ashlar_cpu_air::input::{
    BitwiseInstance, EcOpInstance, EcdsaInstance, KeccakInstance, ModInput, ModInstance, PedersenInstance,
    PoseidonInstance, PrivateInput, PublicInput, RangeCheckInstance,
};
use ashlar_field::Felt;

use crate::json::{Json, JsonError, View};

/// The segments of a public input that belong to no builtin with instances.
const NOT_BUILTINS: [&str; 3] = ["program", "execution", "output"];

/// What a private input file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateInputFile {
    /// Where the trace is; a relative path is meant from the working directory, as in Stone.
    pub trace_path: PathBuf,
    /// Where the memory is.
    pub memory_path: PathBuf,
    /// The builtin instances.
    pub instances: PrivateInput,
}

/// Reads a private input. Each builtin that has a segment in `public_input` must have its list; lists of other
/// builtins are not looked at, as in Stone.
///
/// # Errors
/// For a missing key or a value of another kind.
pub fn private_input_from_json(
    json: &Json,
    file: &str,
    public_input: &PublicInput,
) -> Result<PrivateInputFile, JsonError> {
    let root = View::root(json, file);
    let mut instances = PrivateInput::default();
    for name in public_input.memory_segments.keys().filter(|name| !NOT_BUILTINS.contains(&name.as_str())) {
        read_builtin(&mut instances, name, &root)?;
    }
    let trace_path = root.key("trace_path")?.text()?.into();
    let memory_path = root.key("memory_path")?.text()?.into();
    Ok(PrivateInputFile { trace_path, memory_path, instances })
}

/// Reads the instances of one builtin; does nothing for a name that is no builtin (the layout refuses it later).
fn read_builtin(instances: &mut PrivateInput, name: &str, root: &View<'_>) -> Result<(), JsonError> {
    match name {
        "pedersen" => {
            instances.pedersen = read_list(root, name, |item| {
                Ok(PedersenInstance { index: index(item)?, x: felt(item, "x")?, y: felt(item, "y")? })
            })?;
        }
        "range_check" => instances.range_check = read_list(root, name, range_check)?,
        "range_check96" => instances.range_check96 = read_list(root, name, range_check)?,
        "ecdsa" => {
            instances.ecdsa = read_list(root, name, |item| {
                let signature = item.key("signature_input")?;
                Ok(EcdsaInstance {
                    index: index(item)?,
                    pubkey: felt(item, "pubkey")?,
                    msg: felt(item, "msg")?,
                    r: felt(&signature, "r")?,
                    w: felt(&signature, "w")?,
                })
            })?;
        }
        "bitwise" => {
            instances.bitwise = read_list(root, name, |item| {
                Ok(BitwiseInstance { index: index(item)?, x: integer(item, "x")?, y: integer(item, "y")? })
            })?;
        }
        "ec_op" => {
            instances.ec_op = read_list(root, name, |item| {
                Ok(EcOpInstance {
                    index: index(item)?,
                    p: [felt(item, "p_x")?, felt(item, "p_y")?],
                    q: [felt(item, "q_x")?, felt(item, "q_y")?],
                    m: felt(item, "m")?,
                })
            })?;
        }
        "keccak" => {
            instances.keccak = read_list(root, name, |item| {
                Ok(KeccakInstance { index: index(item)?, input: numbered(item, "input_s", integer)? })
            })?;
        }
        "poseidon" => {
            instances.poseidon = read_list(root, name, |item| {
                Ok(PoseidonInstance { index: index(item)?, input: numbered(item, "input_s", felt)? })
            })?;
        }
        "add_mod" => instances.add_mod = read_mod(root, name)?,
        "mul_mod" => instances.mul_mod = read_mod(root, name)?,
        _ => {}
    }
    Ok(())
}

fn read_list<T>(
    root: &View<'_>,
    name: &str,
    read: impl Fn(&View<'_>) -> Result<T, JsonError>,
) -> Result<Vec<T>, JsonError> {
    root.key(name)?.items()?.map(|item| read(&item)).collect()
}

fn index(item: &View<'_>) -> Result<u64, JsonError> {
    item.key("index")?.integer()
}

/// A value that Stone reduces modulo p.
fn felt(item: &View<'_>, key: &str) -> Result<Felt, JsonError> {
    item.key(key)?.felt()
}

/// A value of which Stone takes the bits, as they stand.
fn integer(item: &View<'_>, key: &str) -> Result<Felt, JsonError> {
    item.key(key)?.integer_below_prime()
}

/// The values `prefix0`, `prefix1`, …
fn numbered<const COUNT: usize>(
    item: &View<'_>,
    prefix: &str,
    read: impl Fn(&View<'_>, &str) -> Result<Felt, JsonError>,
) -> Result<[Felt; COUNT], JsonError> {
    let mut values = [Felt::ZERO; COUNT];
    for (number, value) in values.iter_mut().enumerate() {
        *value = read(item, &format!("{prefix}{number}"))?;
    }
    Ok(values)
}

fn range_check(item: &View<'_>) -> Result<RangeCheckInstance, JsonError> {
    Ok(RangeCheckInstance { index: index(item)?, value: integer(item, "value")? })
}

fn read_mod(root: &View<'_>, name: &str) -> Result<ModInput, JsonError> {
    let builtin = root.key(name)?;
    Ok(ModInput {
        zero_value_address: builtin.key("zero_value_address")?.integer()?,
        instances: read_list(&builtin, "instances", |item| {
            let batch_list = item.key("batch")?;
            let mut batches = batch_list.items()?;
            let (Some(batch), None) = (batches.next(), batches.next()) else {
                return Err(JsonError::WrongType {
                    place: batch_list.to_string(),
                    expected: "a list of one item",
                    got: batch_list.value().describe(),
                });
            };
            let offset = |key| batch.key(key)?.integer();
            Ok(ModInstance {
                index: index(item)?,
                p: numbered(item, "p", integer)?,
                values_ptr: item.key("values_ptr")?.integer()?,
                offsets_ptr: item.key("offsets_ptr")?.integer()?,
                n: item.key("n")?.integer()?,
                offsets: [offset("a_offset")?, offset("b_offset")?, offset("c_offset")?],
                values: [
                    numbered(&batch, "a", integer)?,
                    numbered(&batch, "b", integer)?,
                    numbered(&batch, "c", integer)?,
                ],
            })
        })?,
    })
}

/// The JSON form of a private input, as Cairo runners write it for the builtins of `public_input`.
pub fn private_input_to_json(input: &PrivateInputFile, public_input: &PublicInput) -> Json {
    let mut entries = std::collections::BTreeMap::from([
        ("trace_path".to_owned(), Json::text(input.trace_path.to_string_lossy())),
        ("memory_path".to_owned(), Json::text(input.memory_path.to_string_lossy())),
    ]);
    let instances = &input.instances;
    for name in public_input.memory_segments.keys() {
        let list = match name.as_str() {
            "pedersen" => list(&instances.pedersen, |i| (i.index, vec![("x", i.x), ("y", i.y)])),
            "range_check" => list(&instances.range_check, |i| (i.index, vec![("value", i.value)])),
            "range_check96" => list(&instances.range_check96, |i| (i.index, vec![("value", i.value)])),
            "ecdsa" => Json::Array(instances.ecdsa.iter().map(ecdsa_to_json).collect()),
            "bitwise" => list(&instances.bitwise, |i| (i.index, vec![("x", i.x), ("y", i.y)])),
            "ec_op" => list(&instances.ec_op, |i| {
                let [p_x, p_y] = i.p;
                let [q_x, q_y] = i.q;
                (i.index, vec![("p_x", p_x), ("p_y", p_y), ("q_x", q_x), ("q_y", q_y), ("m", i.m)])
            }),
            "keccak" => list(&instances.keccak, |i| (i.index, with_numbers(STATE_KEYS, &i.input))),
            "poseidon" => list(&instances.poseidon, |i| (i.index, with_numbers(STATE_KEYS, &i.input))),
            "add_mod" => mod_to_json(&instances.add_mod),
            "mul_mod" => mod_to_json(&instances.mul_mod),
            _ => continue,
        };
        entries.insert(name.clone(), list);
    }
    Json::Object(entries)
}

const STATE_KEYS: [&str; 8] =
    ["input_s0", "input_s1", "input_s2", "input_s3", "input_s4", "input_s5", "input_s6", "input_s7"];

fn with_numbers<const COUNT: usize>(
    keys: [&'static str; COUNT],
    values: &[Felt],
) -> Vec<(&'static str, Felt)> {
    keys.into_iter().zip(values.iter().copied()).collect()
}

fn list<T>(items: &[T], fields: impl Fn(&T) -> (u64, Vec<(&'static str, Felt)>)) -> Json {
    let object = |item| {
        let (index, fields) = fields(item);
        let texts = fields.into_iter().map(|(key, value)| (key.to_owned(), Json::text(value.to_string())));
        Json::Object(texts.chain([("index".to_owned(), Json::from(index))]).collect())
    };
    Json::Array(items.iter().map(object).collect())
}

fn ecdsa_to_json(instance: &EcdsaInstance) -> Json {
    Json::object([
        ("index", Json::from(instance.index)),
        ("pubkey", Json::text(instance.pubkey.to_string())),
        ("msg", Json::text(instance.msg.to_string())),
        (
            "signature_input",
            Json::object([
                ("r", Json::text(instance.r.to_string())),
                ("w", Json::text(instance.w.to_string())),
            ]),
        ),
    ])
}

fn mod_to_json(input: &ModInput) -> Json {
    let instance_to_json = |instance: &ModInstance| {
        let [a_offset, b_offset, c_offset] = instance.offsets.map(Json::from);
        let mut batch = std::collections::BTreeMap::from([
            ("a_offset".to_owned(), a_offset),
            ("b_offset".to_owned(), b_offset),
            ("c_offset".to_owned(), c_offset),
        ]);
        for (name, words) in ["a", "b", "c"].into_iter().zip(instance.values) {
            batch.extend(numbered_to_json(name, words));
        }
        let mut entries = std::collections::BTreeMap::from([
            ("index".to_owned(), Json::from(instance.index)),
            ("values_ptr".to_owned(), Json::from(instance.values_ptr)),
            ("offsets_ptr".to_owned(), Json::from(instance.offsets_ptr)),
            ("n".to_owned(), Json::from(instance.n)),
            ("batch".to_owned(), Json::Array(vec![Json::Object(batch)])),
        ]);
        entries.extend(numbered_to_json("p", instance.p));
        Json::Object(entries)
    };
    Json::object([
        ("zero_value_address", Json::from(input.zero_value_address)),
        ("instances", Json::Array(input.instances.iter().map(instance_to_json).collect())),
    ])
}

fn numbered_to_json(prefix: &str, words: [Felt; 4]) -> impl Iterator<Item = (String, Json)> {
    words.into_iter().enumerate().map(move |(n, word)| (format!("{prefix}{n}"), Json::text(word.to_string())))
}
