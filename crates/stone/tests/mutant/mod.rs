//! A valid proof with one thing changed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test file compiles this module and uses a part of it")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use ashlar_cpu_air::{
    input::{Execution, MemorySegment, PrivateInput, PublicInput},
    layout,
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

use crate::vectors::{self, fixtures, variants};

/// A proof taken apart.
#[derive(Clone)]
pub(crate) struct Parts {
    pub(crate) name: String,
    pub(crate) public_input: PublicInput,
    pub(crate) parameters: ProofParameters,
    pub(crate) proof: Vec<u8>,
    pub(crate) policy: Policy,
}

impl Parts {
    /// The proofs of the fixtures.
    pub(crate) fn all() -> Vec<Parts> {
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
    pub(crate) fn some() -> Vec<Parts> {
        let names = ["default_params", "stone5_keccak_vf10", "keccak_vf10_pagepedersen"];
        let mut some = Parts::all();
        some.retain(|parts| names.iter().any(|name| parts.name.ends_with(name)));
        assert_eq!(some.len(), names.len());
        some.push(Parts::quick());
        some
    }

    /// A proof of our own with two queries and byte hashes only, which is verified quickly.
    pub(crate) fn quick() -> Parts {
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

    pub(crate) fn accepts(&self) -> bool {
        verify_parts(&self.public_input, &self.parameters, &self.proof, &self.policy, false).is_ok()
    }
}

/// A mutant and what was done to it.
pub(crate) struct Mutant {
    pub(crate) what: String,
    pub(crate) parts: Parts,
}

/// Asserts that none is accepted and none makes the verifier panic; returns their number.
pub(crate) fn reject_all(mutants: Vec<Mutant>) -> usize {
    mutants.par_iter().for_each(|Mutant { what, parts }| {
        let outcome = catch_unwind(AssertUnwindSafe(|| parts.accepts()));
        assert!(outcome.is_ok(), "the verifier panicked: {}: {what}", parts.name);
        assert!(!outcome.unwrap(), "accepted: {}: {what}", parts.name);
    });
    mutants.len()
}

/// A fixed sequence of numbers that look random (splitmix64).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

pub(crate) fn mutate(parts: &Parts, what: impl Into<String>, change: impl FnOnce(&mut Parts)) -> Mutant {
    let mut parts = parts.clone();
    change(&mut parts);
    Mutant { what: what.into(), parts }
}

/// The proof, said to be of another statement: every part of the public input changed.
pub(crate) fn of_another_statement(parts: &Parts) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for index in (0..parts.public_input.public_memory.len()).step_by(5) {
        mutants.push(mutate(parts, format!("value of public cell {index} changed"), |mutant| {
            let cell = &mut mutant.public_input.public_memory[index];
            cell.value += Felt::ONE;
        }));
        mutants.push(mutate(parts, format!("address of public cell {index} changed"), |mutant| {
            mutant.public_input.public_memory[index].address += 1000;
        }));
        mutants.push(mutate(parts, format!("public cell {index} dropped"), |mutant| {
            mutant.public_input.public_memory.remove(index);
        }));
        mutants.push(mutate(parts, format!("page of public cell {index} changed"), |mutant| {
            mutant.public_input.public_memory[index].page += 1;
        }));
    }
    mutants.push(mutate(parts, "public memory reordered", |mutant| {
        mutant.public_input.public_memory.swap(1, 2)
    }));
    mutants.push(mutate(parts, "no public memory", |mutant| mutant.public_input.public_memory.clear()));
    for (name, segment) in &parts.public_input.memory_segments {
        for (what, begin, stop) in [
            ("begins later", segment.begin_addr + 1, segment.stop_ptr),
            ("stops later", segment.begin_addr, segment.stop_ptr + 1),
            ("begins nowhere", u64::MAX, segment.stop_ptr),
            ("stops nowhere", segment.begin_addr, u64::MAX),
        ] {
            mutants.push(mutate(parts, format!("segment {name} {what}"), |mutant| {
                let other = MemorySegment { begin_addr: begin, stop_ptr: stop };
                mutant.public_input.memory_segments.insert(name.clone(), other);
            }));
        }
        mutants.push(mutate(parts, format!("segment {name} missing"), |mutant| {
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
        let others = [0, 1, value.wrapping_sub(1), value + 1, 2 * value, value / 2];
        let others = others.into_iter().chain([65_535, 65_536, 1 << 40, 1 << 63, u64::MAX]);
        for other in others.filter(|&other| other != value) {
            mutants.push(mutate(parts, format!("{name} {value} changed to {other}"), |mutant| {
                *field(&mut mutant.public_input) = other;
            }));
        }
    }
    for layout in layout::NAMES.into_iter().chain(["", "Plain"]) {
        if layout != parts.public_input.layout {
            mutants.push(mutate(parts, format!("layout changed to {layout:?}"), |mutant| {
                mutant.public_input.layout = layout.into();
            }));
        }
    }
    for (name, value) in &parts.public_input.dynamic_params {
        for other in [value + 1, 2 * value + 16] {
            mutants.push(mutate(parts, format!("{name} {value} changed to {other}"), |mutant| {
                mutant.public_input.dynamic_params.insert(name.clone(), other);
            }));
        }
    }
    let is_dynamic = !parts.public_input.dynamic_params.is_empty();
    let unknown = if is_dynamic { "cpu_component_stop" } else { "cpu_component_step" };
    mutants.push(mutate(parts, "a dynamic parameter given", |mutant| {
        mutant.public_input.dynamic_params.insert(unknown.into(), 1);
    }));
    mutants
}

/// The proof, said to be under other parameters: each of them changed.
pub(crate) fn under_other_parameters(parts: &Parts) -> Vec<Mutant> {
    let stark = &parts.parameters.stark;
    let mut mutants = Vec::new();
    let mut change = |what: String, change: &dyn Fn(&mut StarkParameters)| {
        mutants.push(mutate(parts, what, |mutant| change(&mut mutant.parameters.stark)));
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
    for other in
        [0, 1, stark.fri.last_layer_degree_bound / 2, 2 * stark.fri.last_layer_degree_bound, 100, u64::MAX]
    {
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
    mutants.push(mutate(parts, "the other page hash", |mutant| {
        mutant.parameters.page_hash = match mutant.parameters.page_hash {
            PageHash::Keccak256 => PageHash::Pedersen,
            PageHash::Pedersen => PageHash::Keccak256,
        };
    }));
    mutants.push(mutate(parts, "the other generation", |mutant| {
        mutant.policy.version = match mutant.policy.version {
            StoneVersion::Stone5 => StoneVersion::Stone6,
            StoneVersion::Stone6 => StoneVersion::Stone5,
        };
    }));
    mutants
}
