//! The example files say what the documentation says they say.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use ashlar_risk::{Verdict, decide, parse_proposals};

fn verdicts(name: &str) -> Vec<Verdict> {
    let path = format!("{}/../../examples/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let proposals = parse_proposals(&std::fs::read(path).unwrap()).unwrap();
    proposals.iter().map(|proposal| decide(proposal).unwrap().verdict).collect()
}

#[test]
fn the_examples_hold_an_accepted_a_rejected_and_several_proposals() {
    assert_eq!(verdicts("allocation"), [Verdict::Accepted]);
    assert_eq!(verdicts("rejected"), [Verdict::MaxSingle]);
    assert_eq!(
        verdicts("batch"),
        [Verdict::Accepted, Verdict::Accepted, Verdict::Accepted, Verdict::MaxSingle, Verdict::Accepted]
    );
}
