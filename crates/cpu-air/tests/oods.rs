//! The out-of-domain equation on real proofs: Σ αⁱ·cᵢ(z)/Z_i(z) = h₀(z²) + z·h₁(z²).
//!
//! Annotated proofs of Stone state every value in it. That it holds for random z and α means that names aside, every
//! constraint, its sign, its rows, the mask and its order are Stone's.

mod support;

use ashlar_stark::air::Air;

use support::{AnnotatedProof, annotated_proofs, evaluate_composition};

fn check(proof: &AnnotatedProof) {
    let air = proof.air();
    let (composition, expected) = evaluate_composition(&air, proof);
    assert_eq!(composition, expected, "{}", proof.name);
}

#[test]
fn the_composition_of_the_committed_fixtures_is_what_stone_sent() {
    let proofs = annotated_proofs(&support::fixtures());
    assert!(proofs.len() >= 5, "fixtures are part of the repository");
    proofs.iter().for_each(check);
}

#[test]
fn the_composition_of_the_shared_vectors_is_what_stone_sent() {
    let Some(folder) = support::shared_vectors() else {
        eprintln!("skipped: no shared vectors (set ASHLAR_VECTORS)");
        return;
    };
    for part in ["integrity", "stone"] {
        let proofs = annotated_proofs(&folder.join(part));
        assert!(!proofs.is_empty(), "{part}");
        let wrong: Vec<&str> = proofs
            .iter()
            .filter(|p| {
                let a = p.air();
                let ok = a.constraint_system().mask.len() == p.mask_values.len() && {
                    let (x, y) = evaluate_composition(&a, p);
                    x == y
                };
                eprintln!("{} {ok}", p.name);
                !ok
            })
            .map(|p| p.name.as_str())
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
}
