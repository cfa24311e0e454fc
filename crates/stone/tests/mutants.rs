//! Valid proofs with one thing changed: whatever it is, the verifier rejects it, and does not panic.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod vectors;

use std::panic::{AssertUnwindSafe, catch_unwind};

use ashlar_cpu_air::{
    input::{Execution, MemorySegment, PrivateInput, PublicInput},
    statement::{PageHash, StoneVersion},
};
use ashlar_field::Felt;
use ashlar_hash::{ChannelHash, CommitmentHash};
use ashlar_stark::StarkParameters;
use ashlar_stone::{
    Json, Policy, ProofFile, ProofParameters, ProveOptions, prove, public_input_from_json, read_json,
    read_memory, read_trace, verify_parts,
};
use rayon::prelude::*;
use vectors::{fixtures, variants};

/// A proof taken apart.
#[derive(Clone)]
struct Parts {
    name: String,
    public_input: PublicInput,
    parameters: ProofParameters,
    proof: Vec<u8>,
    policy: Policy,
}

impl Parts {
    /// The proofs of the fixtures.
    fn all() -> Vec<Parts> {
        let read = |variant: &vectors::Variant| {
            let file = ProofFile::from_json(Json::from_slice(&variant.proof(), "p").unwrap(), "p").unwrap();
            let version = if variant.is_stone5() { StoneVersion::Stone5 } else { StoneVersion::Stone6 };
            Parts {
                name: variant.name(),
                public_input: public_input_from_json(&file.public_input, "p").unwrap(),
                parameters: ProofParameters::from_json(&file.proof_parameters, "p").unwrap(),
                proof: file.proof,
                policy: Policy::stone(version),
            }
        };
        let parts: Vec<Parts> = variants(&fixtures(), &["plain", "small"]).iter().map(read).collect();
        assert!(parts.len() >= 10);
        parts
    }

    /// A few that differ in everything: layout, generation, channel, pages.
    fn some() -> Vec<Parts> {
        let names = ["default_params", "stone5_keccak_vf10", "keccak_vf10_pagepedersen"];
        let mut some = Parts::all();
        some.retain(|parts| names.iter().any(|name| parts.name.ends_with(name)));
        assert_eq!(some.len(), names.len());
        some.push(Parts::quick());
        some
    }

    /// A proof of our own with two queries and byte hashes only, which is verified quickly.
    fn quick() -> Parts {
        let case = fixtures().join("plain_512_fib");
        let json = |name: &str| read_json(&case.join(name), "input", 1 << 20).unwrap();
        let public_input = public_input_from_json(&json("air_public_input.json"), "public").unwrap();
        let mut parameters =
            ProofParameters::from_json(&json("default_params/cpu_air_params.json"), "parameters").unwrap();
        parameters.stark.log_n_cosets = 1;
        parameters.stark.fri.n_queries = 2;
        parameters.stark.fri.last_layer_degree_bound = 16;
        parameters.stark.fri.fri_step_list = vec![0, 3, 3, 3];
        let execution = Execution {
            trace: read_trace(&case.join("trace.bin"), public_input.n_steps).unwrap(),
            memory: read_memory(&case.join("memory.bin"), public_input.n_steps).unwrap(),
            private_input: PrivateInput::default(),
            public_input: public_input.clone(),
        };
        let policy = Policy::stone(StoneVersion::Stone6);
        let options = ProveOptions::verified(policy.clone());
        let made = prove(execution, &parameters, policy.version, options, &()).unwrap();
        Parts { name: "two queries".into(), public_input, parameters, proof: made.file.proof, policy }
    }

    fn accepts(&self) -> bool {
        verify_parts(&self.public_input, &self.parameters, &self.proof, &self.policy, false).is_ok()
    }
}

/// A mutant and what was done to it.
struct Mutant {
    what: String,
    parts: Parts,
}

/// Asserts that none is accepted and none makes the verifier panic; returns their number.
fn reject_all(mutants: Vec<Mutant>) -> usize {
    mutants.par_iter().for_each(|Mutant { what, parts }| {
        let outcome = catch_unwind(AssertUnwindSafe(|| parts.accepts()));
        assert!(outcome.is_ok(), "the verifier panicked: {}: {what}", parts.name);
        assert!(!outcome.unwrap(), "accepted: {}: {what}", parts.name);
    });
    mutants.len()
}

/// A fixed sequence of numbers that look random (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn mutate(parts: &Parts, what: impl Into<String>, change: impl FnOnce(&mut Parts)) -> Mutant {
    let mut parts = parts.clone();
    change(&mut parts);
    Mutant { what: what.into(), parts }
}

#[test]
fn a_changed_bit_anywhere_in_a_proof_is_rejected() {
    // Two bits of every byte of the quick proof.
    let quick = Parts::quick();
    let mut numbers = Numbers(1);
    let mut bits = Vec::new();
    for byte in 0..quick.proof.len() {
        let bit = numbers.next() % 8;
        bits.extend([(byte, bit), (byte, (bit + 1 + numbers.next() % 7) % 8)]);
    }
    let flip = |parts: &Parts, byte: usize, bit: u64| {
        mutate(parts, format!("bit {bit} of byte {byte} flipped"), |mutant| mutant.proof[byte] ^= 1 << bit)
    };
    let mut rejected = reject_all(bits.into_iter().map(|(byte, bit)| flip(&quick, byte, bit)).collect());
    // A bit of every sixteenth word of every reference proof.
    for parts in Parts::all() {
        let mutants = (0..parts.proof.len() / 512)
            .map(|chunk| flip(&parts, 512 * chunk + numbers.next() as usize % 512, numbers.next() % 8));
        rejected += reject_all(mutants.collect());
    }
    assert!(rejected >= 10_000, "expected at least 10000 mutants, made {rejected}");
}

#[test]
fn a_word_that_is_not_below_the_prime_is_rejected() {
    // p itself, and 2²⁵⁶ − 1.
    let mut prime = [0; 32];
    prime[..8].copy_from_slice(&[0x08, 0, 0, 0, 0, 0, 0, 0x11]);
    prime[31] = 1;
    for parts in Parts::some() {
        let mutants = (0..parts.proof.len() / 32).step_by(41).flat_map(|word| {
            [prime, [0xff; 32]].map(|value| {
                mutate(&parts, format!("word {word} set to {value:02x?}"), |mutant| {
                    mutant.proof[32 * word..32 * word + 32].copy_from_slice(&value);
                })
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_second_form_of_the_same_element_is_rejected() {
    // x + p where that still fits in 32 bytes: the same field element, other bytes.
    for parts in Parts::some() {
        let mutants = (0..parts.proof.len() / 32).step_by(43).map(|word| {
            mutate(&parts, format!("p added to word {word}"), |mutant| {
                let bytes = &mut mutant.proof[32 * word..32 * word + 32];
                let mut addend = [0u8; 32];
                addend[..8].copy_from_slice(&[0x08, 0, 0, 0, 0, 0, 0, 0x11]);
                addend[31] = 1;
                let mut carry = 0;
                for (byte, added) in bytes.iter_mut().zip(addend).rev() {
                    let sum = u16::from(*byte) + u16::from(added) + carry;
                    (*byte, carry) = (sum as u8, sum >> 8);
                }
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_proof_cut_or_extended_anywhere_is_rejected() {
    for parts in Parts::some() {
        let length = parts.proof.len();
        let cuts = (0..length)
            .step_by(length / 20)
            .chain((length - 33..length).step_by(4))
            .map(|cut| mutate(&parts, format!("cut to {cut} bytes"), |mutant| mutant.proof.truncate(cut)));
        let extensions = [1, 8, 31, 32, 64, 4096].into_iter().flat_map(|more| {
            [0u8, 0xff].map(|byte| {
                mutate(&parts, format!("{more} bytes {byte} appended"), |mutant| {
                    mutant.proof.extend(std::iter::repeat_n(byte, more));
                })
            })
        });
        let doubled = mutate(&parts, "sent twice", |mutant| mutant.proof.extend_from_within(..));
        // A word left out, or put in twice, in the middle.
        let shifts = (1..length / 32).step_by(97).flat_map(|word| {
            let at = 32 * word;
            [
                mutate(&parts, format!("word {word} left out"), |mutant| {
                    drop(mutant.proof.drain(at..at + 32))
                }),
                mutate(&parts, format!("word {word} repeated"), |mutant| {
                    let copy: Vec<u8> = mutant.proof[at..at + 32].to_vec();
                    mutant.proof.splice(at..at, copy);
                }),
            ]
        });
        reject_all(cuts.chain(extensions).chain([doubled]).chain(shifts).collect());
    }
}

#[test]
fn two_words_exchanged_are_rejected() {
    for parts in Parts::some() {
        let words = parts.proof.len() / 32;
        let mutants = (0..words - 1).step_by(61).filter_map(|word| {
            let (a, b) = (32 * word, 32 * word + 32);
            (parts.proof[a..a + 32] != parts.proof[b..b + 32]).then(|| {
                mutate(&parts, format!("words {word} and {} exchanged", word + 1), |mutant| {
                    let (left, right) = mutant.proof.split_at_mut(b);
                    left[a..].swap_with_slice(&mut right[..32]);
                })
            })
        });
        reject_all(mutants.collect());
    }
}

#[test]
fn a_proof_of_another_statement_is_rejected() {
    for parts in Parts::some() {
        let mut mutants = Vec::new();
        for index in (0..parts.public_input.public_memory.len()).step_by(5) {
            mutants.push(mutate(&parts, format!("value of public cell {index} changed"), |mutant| {
                let cell = &mut mutant.public_input.public_memory[index];
                cell.value += Felt::ONE;
            }));
            mutants.push(mutate(&parts, format!("address of public cell {index} changed"), |mutant| {
                mutant.public_input.public_memory[index].address += 1000;
            }));
            mutants.push(mutate(&parts, format!("public cell {index} dropped"), |mutant| {
                mutant.public_input.public_memory.remove(index);
            }));
            mutants.push(mutate(&parts, format!("page of public cell {index} changed"), |mutant| {
                mutant.public_input.public_memory[index].page += 1;
            }));
        }
        mutants.push(mutate(&parts, "public memory reordered", |mutant| {
            mutant.public_input.public_memory.swap(1, 2)
        }));
        mutants.push(mutate(&parts, "no public memory", |mutant| mutant.public_input.public_memory.clear()));
        for (name, segment) in &parts.public_input.memory_segments {
            for (what, begin, stop) in [
                ("begins later", segment.begin_addr + 1, segment.stop_ptr),
                ("stops later", segment.begin_addr, segment.stop_ptr + 1),
                ("begins nowhere", u64::MAX, segment.stop_ptr),
                ("stops nowhere", segment.begin_addr, u64::MAX),
            ] {
                mutants.push(mutate(&parts, format!("segment {name} {what}"), |mutant| {
                    let other = MemorySegment { begin_addr: begin, stop_ptr: stop };
                    mutant.public_input.memory_segments.insert(name.clone(), other);
                }));
            }
            mutants.push(mutate(&parts, format!("segment {name} missing"), |mutant| {
                mutant.public_input.memory_segments.remove(name);
            }));
        }
        type Number = fn(&mut PublicInput) -> &mut u64;
        let numbers: [(&str, Number); 3] = [
            ("n_steps", |input| &mut input.n_steps),
            ("rc_min", |input| &mut input.rc_min),
            ("rc_max", |input| &mut input.rc_max),
        ];
        for (name, field) in numbers {
            let value = *field(&mut parts.public_input.clone());
            for other in
                [0, 1, value - 1, value + 1, 2 * value, value / 2, 65_535, 65_536, 1 << 40, 1 << 63, u64::MAX]
            {
                mutants.push(mutate(&parts, format!("{name} {value} changed to {other}"), |mutant| {
                    *field(&mut mutant.public_input) = other;
                }));
            }
        }
        for layout in ["plain", "small", "dex", "recursive", "dynamic", "", "Plain"] {
            if layout != parts.public_input.layout {
                mutants.push(mutate(&parts, format!("layout changed to {layout:?}"), |mutant| {
                    mutant.public_input.layout = layout.into();
                }));
            }
        }
        mutants.push(mutate(&parts, "a dynamic parameter given", |mutant| {
            mutant.public_input.dynamic_params.insert("cpu_component_step".into(), 1);
        }));
        reject_all(mutants);
    }
}

#[test]
fn a_proof_under_other_parameters_is_rejected() {
    for parts in Parts::some() {
        let stark = &parts.parameters.stark;
        let mut mutants = Vec::new();
        let mut change = |what: String, change: &dyn Fn(&mut StarkParameters)| {
            mutants.push(mutate(&parts, what, |mutant| change(&mut mutant.parameters.stark)));
        };
        for other in [0, 1, stark.log_n_cosets + 1, stark.log_n_cosets + 2, 40, 63, 64, 255, u32::MAX] {
            if other != stark.log_n_cosets {
                change(format!("log_n_cosets {other}"), &|stark| stark.log_n_cosets = other);
            }
        }
        let queries = stark.fri.n_queries;
        for other in [0, 1, queries - 1, queries + 1, 2 * queries, 1 << 16, 1 << 40, u64::MAX] {
            if other != queries {
                change(format!("n_queries {other}"), &|stark| stark.fri.n_queries = other);
            }
        }
        for other in (stark.fri.proof_of_work_bits + 12..64).step_by(5).chain([65, 255, 256, u32::MAX]) {
            change(format!("proof_of_work_bits {other}"), &|stark| stark.fri.proof_of_work_bits = other);
        }
        if stark.fri.proof_of_work_bits > 0 {
            change("no proof of work".into(), &|stark| stark.fri.proof_of_work_bits = 0);
        }
        for other in [
            0,
            1,
            stark.fri.last_layer_degree_bound / 2,
            2 * stark.fri.last_layer_degree_bound,
            100,
            u64::MAX,
        ] {
            change(format!("last_layer_degree_bound {other}"), &|stark| {
                stark.fri.last_layer_degree_bound = other;
            });
        }
        let sum: u32 = stark.fri.fri_step_list.iter().sum();
        for other in [
            vec![],
            vec![0],
            vec![sum],
            vec![0, sum],
            vec![0, 0, sum],
            vec![0, sum - 1, 1],
            vec![0, 1, sum - 1],
            vec![1; sum as usize],
            vec![sum, 0],
            vec![u32::MAX],
            vec![0, u32::MAX, u32::MAX],
            vec![1; 100_000],
        ] {
            if other != stark.fri.fri_step_list {
                change(format!("fri_step_list {:?}", &other[..other.len().min(9)]), &|stark| {
                    stark.fri.fri_step_list.clone_from(&other);
                });
            }
        }
        for other in ChannelHash::ALL.into_iter().filter(|&other| other != stark.channel_hash) {
            change(format!("channel_hash {other}"), &|stark| stark.channel_hash = other);
        }
        for other in CommitmentHash::ALL {
            // The trace tables are trees of at least 15 levels; a hash that no level uses is no part of the proof.
            let friendly = stark.n_verifier_friendly_commitment_layers;
            if other != stark.commitment_hash && friendly <= 15 {
                change(format!("commitment_hash {other}"), &|stark| stark.commitment_hash = other);
            }
            let used = friendly > 0 || stark.verifier_friendly_channel_updates;
            if other != stark.verifier_friendly_commitment_hash && used {
                change(format!("verifier_friendly_commitment_hash {other}"), &|stark| {
                    stark.verifier_friendly_commitment_hash = other;
                });
            }
        }
        change("the granularity of updates".into(), &|stark| {
            stark.verifier_friendly_channel_updates = !stark.verifier_friendly_channel_updates;
        });
        if parts.policy.version == StoneVersion::Stone6 {
            for other in [0, 1, 5, 11, 100, 999, 1001, u64::MAX] {
                if other != stark.n_verifier_friendly_commitment_layers {
                    change(format!("n_verifier_friendly_commitment_layers {other}"), &|stark| {
                        stark.n_verifier_friendly_commitment_layers = other;
                    });
                }
            }
        }
        mutants.push(mutate(&parts, "the other page hash", |mutant| {
            mutant.parameters.page_hash = match mutant.parameters.page_hash {
                PageHash::Keccak256 => PageHash::Pedersen,
                PageHash::Pedersen => PageHash::Keccak256,
            };
        }));
        mutants.push(mutate(&parts, "the other generation", |mutant| {
            mutant.policy.version = match mutant.policy.version {
                StoneVersion::Stone5 => StoneVersion::Stone6,
                StoneVersion::Stone6 => StoneVersion::Stone5,
            };
        }));
        reject_all(mutants);
    }
}

#[test]
fn a_proof_replayed_for_another_is_rejected() {
    let all = Parts::all();
    let mut mutants = Vec::new();
    for parts in &all {
        for other in all.iter().filter(|other| other.proof != parts.proof) {
            mutants.push(mutate(parts, format!("the proof of {}", other.name), |mutant| {
                mutant.proof.clone_from(&other.proof);
            }));
        }
    }
    reject_all(mutants);
}

#[test]
fn random_bytes_and_nothing_are_rejected() {
    for parts in Parts::some() {
        let mut numbers = Numbers(7);
        let mut mutants = vec![mutate(&parts, "an empty proof", |mutant| mutant.proof.clear())];
        for value in [0u8, 1, 0xff] {
            mutants.push(mutate(&parts, format!("all bytes {value}"), |mutant| mutant.proof.fill(value)));
        }
        mutants.push(mutate(&parts, "random bytes", |mutant| {
            mutant.proof.iter_mut().for_each(|byte| *byte = numbers.next() as u8);
        }));
        reject_all(mutants);
    }
}

#[test]
fn the_unchanged_proofs_are_accepted() {
    for parts in Parts::all().into_iter().chain([Parts::quick()]) {
        assert!(parts.accepts(), "{}", parts.name);
    }
}
