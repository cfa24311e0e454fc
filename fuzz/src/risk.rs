//! Proposals of allocations, and the decisions about them.

use ashlar_risk::{decide, parse_proposals, proposal_id, proposal_to_json};

/// Proposals. What was read can be written, and read again as the same; every proposal in range gets a decision.
pub fn proposals(data: &[u8]) {
    for proposal in parse_proposals(data).into_iter().flatten() {
        let text = proposal_to_json(&proposal).to_string();
        let again = parse_proposals(text.as_bytes()).expect("a proposal that was written");
        assert_eq!(again, std::slice::from_ref(&proposal));
        assert_eq!(proposal_id(&again[0]), proposal_id(&proposal));
        if proposal.range_violation().is_none() {
            let _ = decide(&proposal);
        }
    }
}
