//! Whole proofs of every layout: a run at each of its edges is proven and verified, and one proof of each is kept in
//! `fixtures/layouts`.
//!
//! Proofs that take long are made where `ASHLAR_EDGES` asks for them: `cargo xtask edges [LAYOUT]…`. With
//! `ASHLAR_KEEP=1` the kept proofs are written instead of compared. Where `STONE_BINARY_PATH` names a C++ prover, every
//! proof at an edge is made by it too, and the two must be the same.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod layouts;
mod vectors;

use std::{fs, path::Path};

use ashlar_cpu_air::{
    input::Execution,
    layout::{self, Builtin},
    statement::builtin_usage,
};
use ashlar_stone::{ExternalProver, Policy, ProofFile, Scratch, verify};
use layouts::{
    Choice, KEPT, kept_proof, kept_proofs, parameters_of, proof_of, run_of,
    synthetic::{Filling, Shape},
    version_of,
};

/// Layouts whose proofs at every edge take some seconds.
const QUICK_EDGES: [&str; 2] = ["plain", "small"];
/// Layouts whose kept proof takes a second or less.
const QUICK_KEPT: [&str; 3] = ["plain", "small", "dex"];

/// Around the run's only offset, 2¹⁵.
const CLOSEST: (u64, u64) = (32_768, 32_769);
const WIDEST: (u64, u64) = (0, 65_535);
/// More than any pool has room for: as many are left as fit.
const MOST_HOLES: u64 = 1 << 32;

/// Instances: none, one, as many as fit. Range-check bounds: as close and as far apart as can be. Addresses that nobody
/// uses: none, and as many as the memory pool has room for.
const EDGES: [Shape; 5] = [
    Shape { filling: Filling::None, range_check: CLOSEST, holes: 0 },
    Shape { filling: Filling::None, range_check: WIDEST, holes: MOST_HOLES },
    Shape { filling: Filling::One, range_check: CLOSEST, holes: MOST_HOLES },
    Shape { filling: Filling::All, range_check: CLOSEST, holes: 0 },
    Shape { filling: Filling::All, range_check: WIDEST, holes: MOST_HOLES },
];

/// The layouts that are proven here and now, the quick ones unless others are asked for; says which are not.
fn chosen(quick: &[&str]) -> Vec<&'static str> {
    let wanted = std::env::var("ASHLAR_EDGES").unwrap_or_default();
    let is_chosen = |name: &&str| match wanted.as_str() {
        "" => quick.contains(name),
        "all" => true,
        list => list.split(',').any(|wanted| wanted == *name),
    };
    let (chosen, skipped): (Vec<_>, Vec<_>) = layout::NAMES.into_iter().partition(is_chosen);
    if !skipped.is_empty() {
        eprintln!("skipped: {}; `cargo xtask edges` proves them", skipped.join(", "));
    }
    assert!(!chosen.is_empty(), "ASHLAR_EDGES names no layout: {wanted}");
    chosen
}

/// A run of this shape has as many instances, and bounds as far apart, as it says; it is proven, and the proof accepted.
fn assert_proven(choice: &Choice, shape: Shape) {
    let execution = run_of(choice, shape);
    let public = execution.public_input.clone();
    let layout = &choice.layout;
    let case = format!("{}, {} steps, {shape:?}", layout.name, public.n_steps);
    for usage in builtin_usage(&public, layout).unwrap() {
        let capacity = if layout.has(usage.builtin) { usage.capacity } else { 0 };
        let expected = match shape.filling {
            Filling::None => 0,
            Filling::One => capacity.min(1),
            Filling::Some => usage.instances,
            Filling::All => capacity,
        };
        assert_eq!(usage.instances, expected, "{case}: {}", usage.builtin.segment());
    }
    // A layout that multiplies needs every 16-bit value.
    let bounds = if layout.has(Builtin::MulMod) { WIDEST } else { shape.range_check };
    assert_eq!((public.rc_min, public.rc_max), bounds, "{case}");
    let stop = public.memory_segments.values().map(|segment| segment.stop_ptr).max().unwrap();
    let last = public.public_memory.last().unwrap().address;
    assert_eq!(last > stop, shape.holes > 0, "{case}: the last address {last}, segments up to {stop}");
    let started = std::time::Instant::now();
    let other = std::env::var_os("STONE_BINARY_PATH").map(|program| {
        let file = proof_of_other(Path::new(&program), choice, &execution);
        (file, started.elapsed().as_secs_f64())
    });
    let started = std::time::Instant::now();
    let file = proof_of(choice, execution, other.is_some());
    let seconds = started.elapsed().as_secs_f64();
    eprint!("{case}: {} bytes, {seconds:.1} s", file.proof.len());
    if let Some((mut other, seconds)) = other {
        // Ours leaves the private input out.
        other.private_input = file.private_input.clone();
        assert!(other.into_json().to_stone_text() == file.into_json().to_stone_text(), "{case}: differs");
        eprint!("; the other prover's is the same, {seconds:.1} s");
    }
    eprintln!();
}

/// The same proof from another prover, of the generation whose definition of the layout is sound.
fn proof_of_other(program: &Path, choice: &Choice, execution: &Execution) -> ProofFile {
    let name = format!("ashlar-edges-{}-{}", std::process::id(), choice.layout.name);
    let scratch = Scratch::create(&std::env::temp_dir().join(name)).unwrap();
    let parameters = parameters_of(choice, execution);
    ExternalProver::new(program).prove(execution, &parameters, scratch.path(), &()).unwrap()
}

#[test]
fn runs_at_the_edges_of_a_layout_are_proven_and_verified() {
    for name in chosen(&QUICK_EDGES) {
        let choice = Choice::of(name);
        EDGES.into_iter().for_each(|shape| assert_proven(&choice, shape));
    }
}

#[test]
fn the_kept_proof_of_a_layout_comes_out_again_byte_for_byte() {
    for name in chosen(&QUICK_KEPT) {
        let choice = Choice::of(name);
        let made = proof_of(&choice, run_of(&choice, KEPT), false);
        let path = kept_proofs().join(format!("{name}.json"));
        let text = made.into_json().to_stone_text();
        if std::env::var_os("ASHLAR_KEEP").is_some() {
            fs::write(&path, &text).unwrap();
        }
        assert!(fs::read_to_string(&path).unwrap() == text, "{}: the proof differs", path.display());
    }
}

#[test]
fn the_kept_proof_of_every_layout_is_accepted() {
    for name in layout::NAMES {
        let verified = verify(&kept_proof(name), &Policy::stone(version_of(name))).unwrap();
        assert_eq!(verified.layout, name);
    }
}
