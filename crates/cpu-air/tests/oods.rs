//! The out-of-domain equation on real proofs: Σ αⁱ·cᵢ(z)/Zᵢ(z) = h₀(z²) + z·h₁(z²).
//!
//! A proof states every value in it. That it holds for random z and α means that, names aside, every constraint, its
//! sign, its rows, the mask and the mask's order are Stone's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::HashMap, path::Path};

use ashlar_cpu_air::{
    air::CpuAir,
    layout,
    statement::{self, StoneVersion},
};
use ashlar_field::Felt;
use ashlar_stark::air::Air;

mod support;
mod vectors;
use support::{Point, evaluate_periodic, evaluate_vanishing};
use vectors::{Proof, Sampling};

/// Layouts that no reference proof has; Stone was given runs of our own, see `docs/reference-proofs.md`.
const WITHOUT_REFERENCE: [&str; 3] = ["perpetual", "dex_with_bitwise", "all_cairo"];

/// Σ αⁱ·cᵢ(z)/Zᵢ(z) from the stated values of the mask.
fn composition(air: &CpuAir, sampling: &Sampling) -> Felt {
    let system = air.constraint_system();
    let log_length = air.log_trace_length();
    let mut cells = HashMap::new();
    for (cell, value) in system.mask.iter().zip(&sampling.values) {
        let before = cells.insert(*cell, *value);
        assert!(before.is_none_or(|before| before == *value), "cell {cell:?} has two values");
    }
    let periodic = system.periodic.iter();
    let periodic: Vec<Felt> =
        periodic.map(|column| evaluate_periodic(column, log_length, sampling.point)).collect();
    let parameters = air.parameters(&sampling.interaction_elements).unwrap();
    let point = Point { cells: &cells, periodic: &periodic, parameters: &parameters };
    let mut known = HashMap::new();
    let mut weight = Felt::ONE;
    let mut sum = Felt::ZERO;
    for constraint in &system.constraints {
        if let Some((expression, domain)) = &constraint.body {
            let vanishing = evaluate_vanishing(domain, log_length, sampling.point);
            sum += weight * point.evaluate(expression, &mut known) * vanishing.inverse().unwrap();
        }
        weight *= sampling.weight;
    }
    sum
}

/// The AIR of a proof, and what the proof says; `None` for a proof whose transcript this test cannot follow.
fn read(variant: &Path) -> Option<(CpuAir, Sampling)> {
    let proof = Proof::read(&variant.join("proof.json"));
    let follows = proof.parameter("/channel_hash").is_some_and(|hash| hash == "poseidon3")
        && proof.parameter("/verifier_friendly_channel_updates").is_some_and(|updates| updates == true);
    if !proof.is_annotated() && !follows {
        return None;
    }
    let public = vectors::public_input(&proof.json["public_input"]);
    let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
    let air = CpuAir::new(&layout, &public).unwrap();
    let layers = proof.parameter("/n_verifier_friendly_commitment_layers");
    let layers = layers.map_or(0, |layers| layers.as_u64().unwrap());
    let page_hash =
        proof.parameter("/statement/page_hash").map_or("keccak256", |hash| hash.as_str().unwrap());
    let seed = statement::seed(&public, &layout, StoneVersion::Stone6, layers, page_hash.parse().unwrap());
    let values = air.constraint_system().mask.len() + 2;
    let sampling = proof.sampling(&seed.unwrap(), air.interaction_element_count(), values);
    Some((air, sampling))
}

/// The AIR of a proof of which only the sampling is kept, and the sampling.
fn read_sampling(layout: &str) -> (CpuAir, Sampling) {
    let json = vectors::json(&vectors::fixtures().join("sampling").join(format!("{layout}.json")));
    let public = vectors::public_input(&json["public_input"]);
    let layout = layout::for_public_input(&public.layout, &public.dynamic_params).unwrap();
    let felts = |name: &str| json[name].as_array().unwrap().iter().map(vectors::felt).collect();
    let sampling = Sampling {
        interaction_elements: felts("interaction_elements"),
        weight: vectors::felt(&json["weight"]),
        point: vectors::felt(&json["point"]),
        values: felts("values"),
    };
    (CpuAir::new(&layout, &public).unwrap(), sampling)
}

/// What the proof says the composition is at its point.
fn claimed(sampling: &Sampling) -> Felt {
    let [even, odd] = sampling.values[sampling.values.len() - 2..] else { unreachable!() };
    even + sampling.point * odd
}

/// Checks all proofs below a folder, and returns the layouts seen.
fn check(folder: &Path) -> Vec<String> {
    let mut layouts = Vec::new();
    for (_, variant) in vectors::proofs(folder) {
        let Some((air, sampling)) = read(&variant) else {
            println!("skipped: {} has no annotations", variant.display());
            continue;
        };
        assert_eq!(composition(&air, &sampling), claimed(&sampling), "{}", variant.display());
        let json = vectors::json(&variant.join("proof.json"));
        layouts.push(json["public_input"]["layout"].as_str().unwrap().to_owned());
    }
    layouts.sort();
    layouts.dedup();
    layouts
}

#[test]
fn the_composition_of_every_fixture_is_what_stone_sent() {
    assert_eq!(check(&vectors::fixtures().join("stone")), ["plain", "small"]);
}

#[test]
fn the_composition_of_a_proof_of_every_other_layout_with_references_is_what_stone_sent() {
    let others = layout::NAMES.into_iter().filter(|name| !["plain", "small"].contains(name));
    for name in others.filter(|name| !WITHOUT_REFERENCE.contains(name)) {
        let (air, sampling) = read_sampling(name);
        assert_eq!(sampling.values.len(), air.constraint_system().mask.len() + 2);
        assert_eq!(composition(&air, &sampling), claimed(&sampling), "{name}");
    }
}

#[test]
fn the_composition_of_every_shared_proof_is_what_stone_sent() {
    let Some(folder) = vectors::shared() else { return };
    let mut layouts = check(&folder.join("stone"));
    layouts.extend(check(&folder.join("integrity")));
    for name in layout::NAMES {
        let expected = !WITHOUT_REFERENCE.contains(&name);
        assert_eq!(layouts.iter().any(|layout| layout == name), expected, "proofs of layout {name}");
    }
}

#[test]
fn a_composition_with_one_wrong_mask_value_is_not_what_stone_sent() {
    let variant = vectors::fixtures().join("stone/plain_512_fib/keccak_vf10_pow1");
    let (air, mut sampling) = read(&variant).unwrap();
    let claimed = claimed(&sampling);
    for index in 0..air.constraint_system().mask.len() {
        sampling.values[index] += Felt::ONE;
        assert_ne!(composition(&air, &sampling), claimed, "mask value {index}");
        sampling.values[index] -= Felt::ONE;
    }
}
