//! The channel and the opening plan replayed against proofs that Stone made, value by value.

use std::{collections::BTreeMap, fs, path::Path};

use ashlar_field::{Felt, StandardBytes};
use ashlar_hash::{ChannelHash, CommitmentHash, Digest, verify_nonce};
use serde_json::Value;

use super::{randomness::Randomness, record::Record, scope::Scope, verifier::VerifierChannel};
use crate::{
    VerifyError,
    commitment::plan::{DecommitmentPlan, TableShape},
};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}

/// A Stone proof file with annotations.
struct Recorded {
    name: String,
    parameters: Value,
    public_input: Value,
    proof: Vec<u8>,
    annotations: Vec<String>,
}

fn recorded_proofs() -> Vec<Recorded> {
    let fixtures = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/stone"));
    let mut proofs = Vec::new();
    for case in fs::read_dir(fixtures).unwrap() {
        let case = case.unwrap().path();
        if !case.is_dir() || case.ends_with("bad") {
            continue;
        }
        for variant in fs::read_dir(case).unwrap() {
            let path = variant.unwrap().path().join("proof.json");
            let Ok(text) = fs::read(&path) else { continue };
            let mut file: Value = serde_json::from_slice(&text).unwrap();
            let Some(lines) = file.get("annotations").and_then(Value::as_array) else { continue };
            let annotations = lines.iter().map(|line| line.as_str().unwrap().to_string()).collect();
            let hex = file["proof_hex"].as_str().unwrap().as_bytes()[2..].to_vec();
            let digit = |byte: u8| (byte as char).to_digit(16).unwrap() as u8;
            proofs.push(Recorded {
                name: path.display().to_string(),
                proof: hex.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect(),
                parameters: file["proof_parameters"].take(),
                public_input: file["public_input"].take(),
                annotations,
            });
        }
    }
    assert!(proofs.len() >= 8, "the fixtures hold annotated proofs");
    proofs
}

impl Recorded {
    fn hash(&self, key: &str, default: &str) -> String {
        self.parameters.get(key).and_then(Value::as_str).unwrap_or(default).to_string()
    }

    /// The seed of a static layout's statement, as words.
    fn seed(&self) -> Vec<u8> {
        let input = &self.public_input;
        let mut words: Vec<[u8; 32]> = Vec::new();
        let integer = |value: u64| StandardBytes::from(Felt::from_u64(value)).0;
        let felt = |value: &Value| StandardBytes::from(value.as_str().unwrap().parse::<Felt>().unwrap()).0;
        if !self.name.contains("stone5") {
            words.push(integer(
                self.parameters.get("n_verifier_friendly_commitment_layers").map_or(0, number),
            ));
        }
        words.push(integer(u64::from(number(&input["n_steps"]).ilog2())));
        words.extend([integer(number(&input["rc_min"])), integer(number(&input["rc_max"]))]);
        let name = input["layout"].as_str().unwrap().as_bytes();
        let mut word = [0; 32];
        word[32 - name.len()..].copy_from_slice(name);
        words.push(word);
        for segment in ["program", "execution", "output", "pedersen", "range_check", "ecdsa"] {
            if let Some(segment) = input["memory_segments"].get(segment) {
                words.extend(["begin_addr", "stop_ptr"].map(|key| integer(number(&segment[key]))));
            }
        }
        let cells = input["public_memory"].as_array().unwrap();
        words.extend([integer(number(&cells[0]["address"])), felt(&cells[0]["value"])]);
        let mut pages: BTreeMap<u64, Vec<&Value>> = BTreeMap::new();
        cells.iter().for_each(|cell| pages.entry(number(&cell["page"])).or_default().push(cell));
        words.push(integer(pages.len() as u64));
        let page_hash =
            self.parameters["statement"].get("page_hash").and_then(Value::as_str).unwrap_or("keccak256");
        let page_hash: CommitmentHash = page_hash.parse().unwrap();
        for (page, cells) in pages {
            let mut message = Vec::new();
            for cell in &cells {
                if page == 0 {
                    message.extend(integer(number(&cell["address"])));
                }
                message.extend(felt(&cell["value"]));
            }
            if page != 0 {
                words.push(integer(number(&cells[0]["address"])));
            }
            words.extend([integer(cells.len() as u64), page_hash.hash_bytes(&message).unwrap().0]);
        }
        words.concat()
    }

    fn randomness(&self) -> Randomness {
        let channel: ChannelHash = self.hash("channel_hash", "keccak256").parse().unwrap();
        let friendly = self.parameters.get("verifier_friendly_channel_updates") == Some(&Value::Bool(true));
        let hash = if friendly {
            let below = self.hash("commitment_hash", "keccak256_masked160_msb");
            self.hash("verifier_friendly_commitment_hash", &below).parse().unwrap()
        } else {
            CommitmentHash::from(channel)
        };
        Randomness::new(channel, hash.hash_bytes(&self.seed()).unwrap()).unwrap()
    }
}

/// The byte range of a line `P->V[a:b]: …`.
fn range_of(line: &str) -> Option<std::ops::Range<usize>> {
    let (range, _) = line.strip_prefix("P->V[")?.split_once("]: ")?;
    let (start, end) = range.split_once(':')?;
    Some(start.parse().ok()?..end.parse().ok()?)
}

/// What stands between the last pair of parentheses.
fn value_of(line: &str) -> &str {
    line[line.rfind('(').unwrap() + 1..].trim_end_matches(')')
}

#[test]
fn every_value_that_stone_drew_is_drawn() {
    for recorded in recorded_proofs() {
        let mut randomness = recorded.randomness();
        let fri = &recorded.parameters["stark"]["fri"];
        let first_step = number(&fri["fri_step_list"][0]) as u32;
        let log_length = number(&recorded.public_input["n_steps"]).ilog2() + 4;
        let bits = log_length + number(&recorded.parameters["stark"]["log_n_cosets"]) as u32 - first_step;
        let mut drawn = 0;
        for line in recorded.annotations.iter().take_while(|line| !line.contains("/Decommitment/")) {
            if let Some(range) = range_of(line) {
                let message = &recorded.proof[range];
                if line.contains("Proof of Work") {
                    let nonce = u64::from_be_bytes(*message.last_chunk().unwrap());
                    let channel = recorded.hash("channel_hash", "keccak256");
                    let hash = match channel.as_str() {
                        "poseidon3" => recorded.hash("pow_hash", "blake256"),
                        _ => channel,
                    };
                    let bits = number(&fri["proof_of_work_bits"]) as u32;
                    let state = randomness.state_bytes();
                    assert!(verify_nonce(hash.parse().unwrap(), &state, bits, nonce), "{}", recorded.name);
                }
                randomness.absorb(message).unwrap();
            } else if line.starts_with("V->P") {
                let got = if line.contains("QueryIndices") {
                    randomness.draw_number(bits).to_string()
                } else {
                    randomness.draw_felt().to_string()
                };
                assert_eq!(got, value_of(line), "{}: {line}", recorded.name);
                drawn += 1;
            }
        }
        assert!(drawn > number(&fri["n_queries"]), "{}", recorded.name);
    }
}

/// One table's openings as annotated.
#[derive(Default)]
struct Opened {
    /// One entry a cell.
    rows: Vec<u64>,
    width: usize,
    siblings: Vec<u64>,
    nodes: Vec<u64>,
}

#[test]
fn the_plan_opens_what_stone_opened() {
    for recorded in recorded_proofs() {
        let mut tables: BTreeMap<String, Opened> = BTreeMap::new();
        for line in &recorded.annotations {
            let Some((scope, rest)) = line.split_once("/Decommitment/").and_then(|(_, l)| l.split_once(": "))
            else {
                continue;
            };
            let table = tables.entry(scope.to_string()).or_default();
            let label = rest.split_once(": ").unwrap().0;
            if let Some((row, column)) = label.strip_prefix("Row ").and_then(|l| l.split_once(", Column ")) {
                table.rows.push(row.parse().unwrap());
                table.width = table.width.max(column.parse::<usize>().unwrap() + 1);
            } else if let Some(row) = label.strip_prefix("To complete packages, element #") {
                table.siblings.push(row.parse().unwrap());
            } else {
                table.nodes.push(label.strip_prefix("For node ").unwrap().parse().unwrap());
            }
        }
        let steps = recorded.parameters["stark"]["fri"]["fri_step_list"].as_array().unwrap();
        let log_length = number(&recorded.public_input["n_steps"]).ilog2() + 4;
        let log_domain = log_length + number(&recorded.parameters["stark"]["log_n_cosets"]) as u32;
        for (scope, Opened { rows, width, siblings, nodes }) in tables {
            // The table of layer i has a row for every value of layer i + 1.
            let layer: usize = if scope.contains('/') { 0 } else { scope["Layer ".len()..].parse().unwrap() };
            let folded: u64 = steps[..=layer].iter().map(number).sum();
            let log_rows = if layer == 0 { log_domain } else { log_domain - folded as u32 };
            let plan = DecommitmentPlan::new(TableShape { log_rows, width }, rows);
            assert_eq!(plan.nodes, nodes, "{} {scope}", recorded.name);
            assert_eq!(plan.sibling_rows, siblings, "{} {scope}", recorded.name);
        }
    }
}

#[test]
fn a_word_above_the_prime_does_not_enter_an_algebraic_channel() {
    let mut randomness = Randomness::new(ChannelHash::Poseidon3, Digest::from(Felt::ONE)).unwrap();
    assert!(randomness.absorb(&[0xff; 32]).is_err());
    assert!(Randomness::new(ChannelHash::Poseidon3, Digest([0xff; 32])).is_err());
    let mut bytes = Randomness::new(ChannelHash::Keccak256, Digest([0xff; 32])).unwrap();
    bytes.absorb(&[0xff; 32]).unwrap();
}

#[test]
fn four_numbers_come_from_one_block_of_a_byte_channel() {
    let digest = Digest([7; 32]);
    let mut numbers = Randomness::new(ChannelHash::Blake256, digest).unwrap();
    let mut input = [0; 64];
    input[..32].copy_from_slice(&digest.0);
    let block = ashlar_hash::blake2s256(&input);
    for chunk in block.0.chunks(8) {
        let expected = u64::from_be_bytes(chunk.try_into().unwrap());
        assert_eq!(numbers.draw_number(63), expected & (u64::MAX >> 1));
    }
}

#[test]
fn a_short_proof_ends_the_drawing_of_queries_however_many_are_asked_for() {
    const WORDS_OF_A_QUERY: u64 = 25;
    let proof = [0; 100 * 32];
    for hash in [ChannelHash::Keccak256, ChannelHash::Blake256, ChannelHash::Poseidon3] {
        let channel = || {
            let randomness = Randomness::new(hash, Digest([0; 32])).unwrap();
            VerifierChannel::new(randomness, Record::new(None), &proof)
        };
        let drawn = channel().draw_queries(4, 40, Some(WORDS_OF_A_QUERY)).unwrap();
        assert_eq!(drawn.len(), 4);
        // Drawing all of these would never end.
        let error = channel().draw_queries(u64::MAX, 40, Some(WORDS_OF_A_QUERY)).unwrap_err();
        assert!(matches!(error, VerifyError::ProofTooShort { position: 0, length: 3200, .. }), "{error}");
        let error = channel().draw_queries(u64::MAX, 40, None).unwrap_err();
        assert!(matches!(error, VerifyError::ProofTooShort { .. }), "{error}");
    }
}

#[test]
fn no_query_is_drawn_once_every_position_is() {
    let proof = [0; 16 * 32];
    for hash in [ChannelHash::Keccak256, ChannelHash::Blake256, ChannelHash::Poseidon3] {
        let randomness = Randomness::new(hash, Digest([0; 32])).unwrap();
        let mut channel = VerifierChannel::new(randomness, Record::new(None), &proof);
        // Drawing all of these would never end.
        let drawn = channel.draw_queries(u64::MAX, 4, Some(1)).unwrap();
        assert_eq!(drawn, (0..16).collect::<Vec<u64>>());
    }
    // Annotations name every draw, as Stone's do.
    let randomness = Randomness::new(ChannelHash::Keccak256, Digest([0; 32])).unwrap();
    let mut channel = VerifierChannel::new(randomness, Record::new(Some("test")), &proof);
    assert_eq!(channel.draw_queries(1000, 4, Some(1)).unwrap().len(), 16);
    channel.receive_felts(Scope::FriLastLayer, format_args!("all"), 16).unwrap();
    let (_, lines) = channel.finish().unwrap().finish();
    assert_eq!(lines.unwrap().iter().filter(|line| line.starts_with("V->P")).count(), 1000);
}
