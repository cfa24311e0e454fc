//! Ten thousand mutants of valid proofs of every layout: the verifier accepts none and panics at none.
//!
//! The proofs are those in `fixtures/layouts`. Where to change one is read from the annotations of its own verification,
//! so that every kind of message is hit: roots, out-of-domain values, FRI's layers, the nonce, rows and siblings.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod layouts;
mod mutant;
mod vectors;

use std::{
    collections::BTreeMap,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use ashlar_cpu_air::{layout, statement::StoneVersion};
use ashlar_stone::{Json, Policy, ProofFile, ProofParameters, public_input_from_json, verify_parts};
use layouts::{kept_proof, version_of};
use mutant::{Mutant, Numbers, Parts, mutate, of_another_statement, reject_all, under_other_parameters};
use rayon::prelude::*;

/// p, as 32 bytes.
const PRIME: [u8; 32] = {
    let mut prime = [0; 32];
    (prime[0], prime[7], prime[31]) = (0x08, 0x11, 0x01);
    prime
};

/// Places of a kind of message that are changed.
const PLACES: usize = 5;

fn parts_of(name: &str) -> Parts {
    let file = kept_proof(name);
    Parts {
        name: name.to_owned(),
        public_input: public_input_from_json(&file.public_input, name).unwrap(),
        parameters: ProofParameters::from_json(&file.proof_parameters, name).unwrap(),
        proof: file.proof,
        policy: Policy::stone(version_of(name)),
    }
}

/// Some of many, from the first to the last.
fn some<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let count = most.min(all.len());
    (0..count).map(move |index| &all[index * (all.len() - 1) / (count - 1).max(1)])
}

/// The messages of a proof: their bytes, by scope and kind of message.
fn messages(parts: &Parts) -> BTreeMap<String, Vec<Range<usize>>> {
    let verified =
        verify_parts(&parts.public_input, &parts.parameters, &parts.proof, &parts.policy, true).unwrap();
    let mut messages: BTreeMap<String, Vec<Range<usize>>> = BTreeMap::new();
    for line in verified.annotations.unwrap() {
        let Some((bytes, rest)) = line.strip_prefix("P->V[").and_then(|line| line.split_once("]: ")) else {
            continue;
        };
        let (start, end) = bytes.split_once(':').unwrap();
        let (scope, label) = rest.split_once(": ").unwrap();
        // "Row 5, Column 2" is of the kind of all rows; values out of domain are numbered.
        let kind = label.split([' ', ':']).next().unwrap().trim_end_matches(|c: char| c.is_ascii_digit());
        let range = start.parse().unwrap()..end.parse().unwrap();
        messages.entry(format!("{scope}: {kind}")).or_default().push(range);
    }
    let covered: usize = messages.values().flatten().map(ExactSizeIterator::len).sum();
    assert_eq!(covered, parts.proof.len(), "{}: every byte belongs to a message", parts.name);
    messages
}

/// Changed bytes: bits, whole words, and words that are no canonical field element.
fn changed_bytes(parts: &Parts, messages: &BTreeMap<String, Vec<Range<usize>>>) -> Vec<Mutant> {
    let mut numbers = Numbers(3);
    let mut mutants = Vec::new();
    for (kind, ranges) in messages {
        let words: Vec<Range<usize>> = ranges
            .iter()
            .flat_map(|range| range.clone().step_by(32).map(|start| start..range.end.min(start + 32)))
            .collect();
        for word in some(&words, PLACES) {
            let (byte, bit) = (word.start + numbers.next() as usize % word.len(), numbers.next() % 8);
            mutants.push(mutate(parts, format!("{kind}: bit {bit} of byte {byte} flipped"), |mutant| {
                mutant.proof[byte] ^= 1 << bit;
            }));
        }
        for word in some(&words, PLACES / 3).filter(|word| word.len() == 32) {
            let at = word.start;
            let mut replace = |what: &str, value: [u8; 32]| {
                mutants.push(mutate(parts, format!("{kind}: the word at {at} is {what}"), |mutant| {
                    mutant.proof[at..at + 32].copy_from_slice(&value);
                }));
            };
            let before: [u8; 32] = parts.proof[word.clone()].try_into().unwrap();
            replace("zero", [0; 32]);
            replace("p", PRIME);
            replace("2^256 - 1", [0xff; 32]);
            replace("the same element, not reduced", plus_prime(before));
            let other = some(&words, words.len()).find(|other| parts.proof[(*other).clone()] != before);
            if let Some(other) = other.filter(|other| other.len() == 32) {
                replace("another of its kind", parts.proof[other.clone()].try_into().unwrap());
            }
        }
    }
    mutants.retain(|mutant| mutant.parts.proof != parts.proof);
    mutants
}

/// x + p modulo 2²⁵⁶.
fn plus_prime(mut word: [u8; 32]) -> [u8; 32] {
    let mut carry = 0;
    for (byte, added) in word.iter_mut().zip(PRIME).rev() {
        let sum = u16::from(*byte) + u16::from(added) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
    word
}

/// Bytes left out, put in twice, cut off or appended.
fn moved_bytes(parts: &Parts, messages: &BTreeMap<String, Vec<Range<usize>>>) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (kind, ranges) in messages {
        let Some(range) = ranges.first() else { continue };
        let (start, end) = (range.start, range.end);
        for cut in [start, end - 1] {
            mutants.push(mutate(parts, format!("{kind}: cut to {cut} bytes"), |mutant| {
                mutant.proof.truncate(cut);
            }));
        }
        mutants.push(mutate(parts, format!("{kind}: message at {start} left out"), |mutant| {
            drop(mutant.proof.drain(start..end));
        }));
        mutants.push(mutate(parts, format!("{kind}: message at {start} twice"), |mutant| {
            let copy = mutant.proof[start..end].to_vec();
            drop(mutant.proof.splice(start..start, copy));
        }));
    }
    for more in [1, 8, 31, 32, 64, 4096] {
        for byte in [0, 0xff] {
            mutants.push(mutate(parts, format!("{more} bytes {byte} appended"), |mutant| {
                mutant.proof.extend(std::iter::repeat_n(byte, more));
            }));
        }
    }
    mutants.push(mutate(parts, "sent twice", |mutant| mutant.proof.extend_from_within(..)));
    mutants.push(mutate(parts, "an empty proof", |mutant| mutant.proof.clear()));
    mutants
}

/// The proof in the place of another layout's, whole and with everything but the statement.
fn replayed(parts: &Parts, all: &[Parts]) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for other in all.iter().filter(|other| other.name != parts.name) {
        mutants.push(mutate(parts, format!("the proof of {}", other.name), |mutant| {
            mutant.proof.clone_from(&other.proof);
        }));
        mutants.push(mutate(parts, format!("proof and parameters of {}", other.name), |mutant| {
            mutant.proof.clone_from(&other.proof);
            mutant.parameters.clone_from(&other.parameters);
        }));
        mutants.push(mutate(parts, format!("the statement of {}", other.name), |mutant| {
            mutant.public_input.clone_from(&other.public_input);
        }));
    }
    mutants.push(mutate(parts, "the other generation", |mutant| {
        mutant.policy.version = match mutant.policy.version {
            StoneVersion::Stone5 => StoneVersion::Stone6,
            StoneVersion::Stone6 => StoneVersion::Stone5,
        };
    }));
    mutants
}

/// The paths of all values of an object, objects and lists among them.
fn paths(json: &Json, here: &[String]) -> Vec<Vec<String>> {
    let children: Vec<(String, &Json)> = match json {
        Json::Object(entries) => entries.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Json::Array(items) => {
            (0..).zip(items).map(|(index, item): (usize, _)| (index.to_string(), item)).collect()
        }
        _ => Vec::new(),
    };
    let mut all = Vec::new();
    for (key, value) in children {
        let path = [here, &[key]].concat();
        all.extend(paths(value, &path));
        all.push(path);
    }
    all
}

/// Changes the value at a path, or takes it out.
fn set(json: &mut Json, path: &[String], value: Option<Json>) {
    let (key, rest) = path.split_first().unwrap();
    if !rest.is_empty() {
        let child = match json {
            Json::Object(entries) => entries.get_mut(key),
            Json::Array(items) => items.get_mut(key.parse::<usize>().unwrap()),
            _ => None,
        };
        return set(child.unwrap(), rest, value);
    }
    match (json, value) {
        (Json::Object(entries), Some(value)) => drop(entries.insert(key.clone(), value)),
        (Json::Object(entries), None) => drop(entries.remove(key)),
        (Json::Array(items), Some(value)) => items[key.parse::<usize>().unwrap()] = value,
        (Json::Array(items), None) => drop(items.remove(key.parse().unwrap())),
        _ => unreachable!("a path leads through objects and lists"),
    }
}

/// The proof file with a value of statement or parameters taken out or replaced, as text.
fn changed_files(name: &str) -> Vec<(String, Json)> {
    let whole = kept_proof(name).into_json();
    let mut files = Vec::new();
    for path in paths(&whole, &[]) {
        let place = path.join("/");
        if !["public_input", "proof_parameters", "proof_hex"].contains(&path[0].as_str()) {
            continue;
        }
        // Other values of the many dynamic parameters are among the other statements.
        let is_dynamic = path.len() > 2 && path[1] == "dynamic_params";
        let mut values = vec![None];
        if !is_dynamic {
            values.extend(
                [Json::Null, Json::Bool(true), Json::Unsigned(u64::MAX), Json::Negative(-1)].map(Some),
            );
            values.extend(
                [Json::Real(1.5), Json::text(""), Json::Array(Vec::new()), Json::object([])].map(Some),
            );
        }
        for value in values {
            let what = format!("{place} is {value:?}");
            let mut file = whole.clone();
            set(&mut file, &path, value);
            files.push((what, file));
        }
    }
    files
}

/// Whether the verifier accepts a file; `None` if it says the same as the unchanged one.
fn accepts_file(file: Json, parts: &Parts) -> Option<bool> {
    let Ok(file) = ProofFile::from_json(file, "p") else { return Some(false) };
    let (Ok(public_input), Ok(mut parameters)) = (
        public_input_from_json(&file.public_input, "p"),
        ProofParameters::from_json(&file.proof_parameters, "p"),
    ) else {
        return Some(false);
    };
    // Byte channels do the proof of work with their own hash, whatever this says; and the older generation does not
    // look at the number of layers with the other hash where that is the same hash.
    let stark = &parts.parameters.stark;
    parameters.stark.pow_hash = stark.pow_hash;
    if parts.policy.version == StoneVersion::Stone5
        && parameters.stark.verifier_friendly_commitment_hash == parameters.stark.commitment_hash
    {
        parameters.stark.n_verifier_friendly_commitment_layers = stark.n_verifier_friendly_commitment_layers;
    }
    let same =
        (&public_input, &parameters, &file.proof) == (&parts.public_input, &parts.parameters, &parts.proof);
    let verified = verify_parts(&public_input, &parameters, &file.proof, &parts.policy, false);
    (!same).then_some(verified.is_ok())
}

/// Asserts that no changed file is accepted and none makes the verifier panic; returns their number.
fn reject_files(parts: &Parts) -> usize {
    let files = changed_files(&parts.name);
    let rejected = files.into_par_iter().filter(|(what, file)| {
        let outcome = catch_unwind(AssertUnwindSafe(|| accepts_file(file.clone(), parts)));
        assert!(outcome.is_ok(), "the verifier panicked: {}: {what}", parts.name);
        let outcome = outcome.unwrap();
        assert_ne!(outcome, Some(true), "accepted: {}: {what}", parts.name);
        outcome.is_some()
    });
    rejected.count()
}

#[test]
fn ten_thousand_mutants_of_proofs_of_every_layout_are_rejected() {
    let all: Vec<Parts> = layout::NAMES.into_iter().map(parts_of).collect();
    let mut total = 0;
    for parts in &all {
        assert!(parts.accepts(), "{}: the unchanged proof", parts.name);
        let messages = messages(parts);
        let rejected = [
            reject_all(changed_bytes(parts, &messages)),
            reject_all(moved_bytes(parts, &messages)),
            reject_all(of_another_statement(parts)),
            reject_all(under_other_parameters(parts)),
            reject_all(replayed(parts, &all)),
            reject_files(parts),
        ];
        let count: usize = rejected.iter().sum();
        println!("{}: {count} mutants rejected, by kind {rejected:?}", parts.name);
        assert!(rejected.iter().all(|&count| count >= 20), "{}: {rejected:?}", parts.name);
        total += count;
    }
    println!("{total} mutants of {} layouts rejected", all.len());
    assert!(total >= 10_000, "expected at least 10000 mutants, made {total}");
}
