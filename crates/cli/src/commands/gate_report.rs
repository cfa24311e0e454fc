//! Decisions and the gate's verdicts, in words and as data.

use ashlar_fault::Fault;
use ashlar_risk::{Category, Decision, Proposal, Verdict, constraint_values};
use ashlar_store::{GateError, PaddedFelt, Passage};
use serde_json::{Value, json};

/// Scores, shares and constraints as a table.
pub(crate) fn decision(proposal: &Proposal, decision: &Decision) -> String {
    let mut text = format!(
        "Proposal {}\n  chain {}, allocator {}, nonce {}, model {}\n\n",
        PaddedFelt(decision.proposal_id),
        proposal.chain_id,
        proposal.allocator,
        proposal.nonce,
        proposal.model_version,
    );
    if let Some(violation) = proposal.range_violation() {
        text.push_str(&format!("  out of range: {violation}\n\n"));
    } else {
        text.push_str("  protocol             yield    score            share\n");
        for ((row, score), share) in proposal.rows.iter().zip(&decision.scores).zip(&decision.shares) {
            text.push_str(&format!(
                "  {:18} {:>7} %  {:>5} {:6} {:>8} %\n",
                shortened(&row.protocol_id.to_string()),
                percent(row.apy),
                score,
                Category::of(*score).to_string(),
                percent(*share),
            ));
        }
        text.push_str("\n  constraint                    limit      value\n");
        for (name, limit, value, holds) in constraints(proposal, decision) {
            let mark = if holds { "ok" } else { "broken" };
            text.push_str(&format!("  {name:26} {limit:>8} {value:>10}   {mark}\n"));
        }
        text.push('\n');
    }
    text.push_str(&format!("  verdict: {}\n\n", decision.verdict));
    text
}

/// The same as data.
pub(crate) fn decision_data(proposal: &Proposal, decision: &Decision) -> Value {
    let rows: Vec<Value> = proposal
        .rows
        .iter()
        .zip(decision.scores.iter().zip(&decision.shares))
        .map(|(row, (score, share))| {
            json!({ "protocol_id": row.protocol_id.to_string(), "score": score, "share_basis_points": share })
        })
        .collect();
    let constraints: Vec<Value> = match proposal.range_violation() {
        Some(_) => Vec::new(),
        None => constraints(proposal, decision)
            .iter()
            .map(|(name, limit, value, holds)| json!({ "name": name, "limit": limit, "value": value, "holds": holds }))
            .collect(),
    };
    json!({
        "proposal_id": PaddedFelt(decision.proposal_id),
        "verdict": decision.verdict.number(),
        "accepted": decision.verdict == Verdict::Accepted,
        "explanation": decision.verdict.to_string(),
        "out_of_range": proposal.range_violation().map(|violation| violation.to_string()),
        "rows": rows,
        "constraints": constraints,
    })
}

/// Name, limit, value, and whether it holds.
fn constraints(proposal: &Proposal, decision: &Decision) -> [(&'static str, String, String, bool); 4] {
    let values = constraint_values(proposal, &decision.shares);
    let limits = &proposal.constraints;
    let shared = decision.verdict != Verdict::NothingToShare;
    [
        (
            "largest share",
            format!("{} %", percent(limits.max_single)),
            format!("{} %", percent(values.largest_share)),
            shared && values.largest_share <= limits.max_single,
        ),
        (
            "rows with at least 10 %",
            format!("{}", limits.min_diversification),
            format!("{}", values.diversified_rows),
            shared && values.diversified_rows >= limits.min_diversification,
        ),
        (
            "weighted volatility",
            format!("{} %", percent(limits.max_volatility)),
            format!("{} %", percent(values.volatility)),
            shared && values.volatility <= limits.max_volatility,
        ),
        (
            "worst liquidity class",
            format!("{}", limits.min_liquidity),
            format!("{}", values.worst_liquidity),
            shared && values.worst_liquidity <= limits.min_liquidity,
        ),
    ]
}

/// Basis points as per cent with two decimals, without floating point.
fn percent(basis_points: u64) -> String {
    format!("{}.{:02}", basis_points / 100, basis_points % 100)
}

/// A long number by its ends.
fn shortened(text: &str) -> String {
    match (text.get(..10), text.get(text.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if text.len() > 18 => format!("{head}..{tail}"),
        _ => text.to_owned(),
    }
}

/// The gate's verdict in words.
pub(crate) fn outcome(decision: &Decision, outcome: &Result<Passage, GateError>, adapter: &str) -> String {
    match outcome {
        Ok(passage) => {
            let (conjectured, proven) = passage.admission.bits();
            let what = match (passage.rehearsal, passage.resumed) {
                (true, _) => format!("{adapter}: nothing was sent"),
                (false, true) => format!("executed through {adapter}, taking up an earlier attempt"),
                (false, false) => format!("executed through {adapter}"),
            };
            format!(
                "Gate: open\n  proof re-hashed, verified again ({conjectured} bits conjectured, {proven} proven), \
                 output recomputed\n  {what} ({})\n",
                passage.execution
            )
        }
        Err(GateError::Refused(refusal)) => {
            format!(
                "Gate: shut ({})\n  proposal {}\n  {refusal}\n",
                refusal.code(),
                PaddedFelt(decision.proposal_id)
            )
        }
        Err(error @ GateError::Execution(_)) => {
            format!("Gate: open, but not executed ({})\n  {error}\n", error.code())
        }
        Err(error) => format!("Gate: could not decide ({})\n  {error}\n", error.code()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basis_points_are_shown_exactly() {
        assert_eq!(percent(0), "0.00");
        assert_eq!(percent(5), "0.05");
        assert_eq!(percent(10_000), "100.00");
        assert_eq!(percent(1_234_567), "12345.67");
    }

    #[test]
    fn long_numbers_are_shown_by_their_ends() {
        assert_eq!(shortened("0xa1"), "0xa1");
        assert_eq!(shortened("0x0123456789abcdef0123"), "0x01234567..ef0123");
    }
}
