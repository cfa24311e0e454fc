//! The reference of the decision: scores, shares and the verdict, in integers with floor division.
//!
//! The Cairo program computes the same and proves it; the gate compares its output with what is computed here.

use std::fmt;

use ashlar_field::Felt;

use crate::{Proposal, RiskError, Row, proposal_id};

/// The one set of weights known so far.
pub const MODEL_VERSION: u64 = 1;
/// The whole, in basis points.
pub const BASIS_POINTS: u64 = 10_000;
/// A row counts as diversification from this share on, in basis points.
pub const DIVERSIFIED_SHARE: u64 = 1_000;
/// Score of the liquidity classes 0 … 3.
const LIQUIDITY_SCORES: [u64; 4] = [0, 5, 15, 30];
/// Age in days from which a protocol carries no risk of novelty.
const MATURE_AGE: u64 = 730;
/// Lowest and highest score.
const SCORE_BOUNDS: (u64, u64) = (5, 95);

/// How a proposal ends: the first constraint that fails, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Verdict {
    /// Every constraint holds.
    Accepted = 0,
    /// A number is out of its bounds; nothing was scored.
    InputOutOfRange = 1,
    /// No row has a positive yield to share by; nothing was shared.
    NothingToShare = 2,
    /// A share is above `max_single`.
    MaxSingle = 3,
    /// Fewer than `min_diversification` rows hold 1000 basis points.
    Diversification = 4,
    /// The weighted volatility is above `max_volatility`.
    Volatility = 5,
    /// A row with a share is of a worse liquidity class than `min_liquidity`.
    Liquidity = 6,
}

impl Verdict {
    /// All of them, by number.
    pub const ALL: [Verdict; 7] = [
        Verdict::Accepted,
        Verdict::InputOutOfRange,
        Verdict::NothingToShare,
        Verdict::MaxSingle,
        Verdict::Diversification,
        Verdict::Volatility,
        Verdict::Liquidity,
    ];

    /// The number in the program's output.
    pub const fn number(self) -> u64 {
        self as u64
    }

    /// The verdict of this number.
    pub fn from_number(number: u64) -> Option<Verdict> {
        usize::try_from(number).ok().and_then(|index| Verdict::ALL.get(index)).copied()
    }

    /// Whether the allocation may be executed.
    pub const fn is_accepted(self) -> bool {
        matches!(self, Verdict::Accepted)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Accepted => "accepted",
            Verdict::InputOutOfRange => "rejected: an input is out of range",
            Verdict::NothingToShare => "rejected: no row has a yield to share by",
            Verdict::MaxSingle => "rejected: a share is above max_single",
            Verdict::Diversification => "rejected: too few rows hold 1000 basis points",
            Verdict::Volatility => "rejected: the weighted volatility is above max_volatility",
            Verdict::Liquidity => "rejected: a row with a share is less liquid than min_liquidity",
        })
    }
}

/// How risky a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Category {
    /// Below 30.
    Low,
    /// Below 70.
    Medium,
    /// 70 and above.
    High,
}

impl Category {
    /// The category of a score.
    pub const fn of(score: u64) -> Category {
        match score {
            0..30 => Category::Low,
            30..70 => Category::Medium,
            _ => Category::High,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Category::Low => "low",
            Category::Medium => "medium",
            Category::High => "high",
        })
    }
}

/// The outcome for one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The proposal's identity.
    pub proposal_id: Felt,
    /// A score a row, 5 … 95; zeros when nothing was scored or shared.
    pub scores: Vec<u64>,
    /// A share a row in basis points, 10000 together; zeros when nothing was scored or shared.
    pub shares: Vec<u64>,
    /// Accepted, or the first constraint that fails.
    pub verdict: Verdict,
}

/// What the constraints are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstraintValues {
    /// Largest share, in basis points: at most `max_single`.
    pub largest_share: u64,
    /// Rows with at least 1000 basis points: at least `min_diversification`.
    pub diversified_rows: u64,
    /// Weighted volatility in basis points: at most `max_volatility`.
    pub volatility: u64,
    /// The worst liquidity class that holds a share: at most `min_liquidity`.
    pub worst_liquidity: u64,
}

/// What the constraints are compared with, for these shares, one a row.
pub fn constraint_values(proposal: &Proposal, shares: &[u64]) -> ConstraintValues {
    let held = || proposal.rows.iter().zip(shares.iter().copied()).filter(|(_, share)| *share > 0);
    ConstraintValues {
        largest_share: held().map(|(_, share)| share).max().unwrap_or(0),
        diversified_rows: held().filter(|(_, share)| *share >= DIVERSIFIED_SHARE).count() as u64,
        volatility: held().map(|(row, share)| share * row.volatility).sum::<u64>() / BASIS_POINTS,
        worst_liquidity: held().map(|(row, _)| row.liquidity).max().unwrap_or(0),
    }
}

/// Decides a proposal.
///
/// # Errors
/// [`RiskError::UnknownModel`] if there is no model of the proposal's version: never another one in its place.
pub fn decide(proposal: &Proposal) -> Result<Decision, RiskError> {
    if proposal.model_version != MODEL_VERSION {
        return Err(RiskError::UnknownModel { version: proposal.model_version });
    }
    let nothing = |verdict| Decision {
        proposal_id: proposal_id(proposal),
        scores: vec![0; proposal.rows.len()],
        shares: vec![0; proposal.rows.len()],
        verdict,
    };
    if proposal.range_violation().is_some() {
        return Ok(nothing(Verdict::InputOutOfRange));
    }
    let scores: Vec<u64> = proposal.rows.iter().map(score).collect();
    let Some(shares) = shares(&proposal.rows, &scores) else {
        return Ok(nothing(Verdict::NothingToShare));
    };
    let constraints = &proposal.constraints;
    let values = constraint_values(proposal, &shares);
    let verdict = if values.largest_share > constraints.max_single {
        Verdict::MaxSingle
    } else if values.diversified_rows < constraints.min_diversification {
        Verdict::Diversification
    } else if values.volatility > constraints.max_volatility {
        Verdict::Volatility
    } else if values.worst_liquidity > constraints.min_liquidity {
        Verdict::Liquidity
    } else {
        Verdict::Accepted
    };
    Ok(Decision { proposal_id: proposal_id(proposal), scores, shares, verdict })
}

/// The score of a row in range: each term floored, then the sum, then the clamp.
fn score(row: &Row) -> u64 {
    let novelty = match MATURE_AGE.checked_sub(row.age) {
        Some(missing) => 10 * missing / MATURE_AGE,
        None => 0,
    };
    let liquidity = LIQUIDITY_SCORES.get(row.liquidity as usize).copied().unwrap_or_default();
    let sum = 25 * row.utilisation / BASIS_POINTS
        + 40 * row.volatility / BASIS_POINTS
        + liquidity
        + 3 * (100 - row.audit) / 10
        + novelty;
    sum.clamp(SCORE_BOUNDS.0, SCORE_BOUNDS.1)
}

/// The weight of a row: its yield over its risk, ⌊10000·apy/(score + 1)⌋.
pub(crate) fn weight(row: &Row, score: u64) -> u64 {
    BASIS_POINTS * row.apy / (score + 1)
}

/// The shares: floors of the parts by weight, and what the floors leave over to the last row with a weight.
/// `None` if all weights are zero.
fn shares(rows: &[Row], scores: &[u64]) -> Option<Vec<u64>> {
    let weights: Vec<u64> = rows.iter().zip(scores).map(|(row, &score)| weight(row, score)).collect();
    let last = weights.iter().rposition(|&weight| weight > 0)?;
    let total: u64 = weights.iter().sum();
    let mut shares: Vec<u64> = weights.iter().map(|&weight| BASIS_POINTS * weight / total).collect();
    shares[last] += BASIS_POINTS - shares.iter().sum::<u64>();
    Some(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(utilisation: u64, volatility: u64, liquidity: u64, audit: u64, age: u64) -> Row {
        Row { protocol_id: Felt::ONE, utilisation, volatility, liquidity, audit, age, apy: 500 }
    }

    #[test]
    fn the_two_published_vectors_score_35_and_39() {
        assert_eq!(score(&row(6500, 3500, 1, 98, 800)), 35);
        assert_eq!(score(&row(5000, 2500, 2, 95, 600)), 39);
    }

    #[test]
    fn a_score_stays_between_5_and_95() {
        assert_eq!(score(&row(0, 0, 0, 100, 65_535)), 5);
        assert_eq!(score(&row(10_000, 10_000, 3, 0, 0)), 95);
    }

    #[test]
    fn what_the_floors_leave_over_goes_to_the_last_row_with_a_weight() {
        let rows = [500, 500, 500, 0].map(|apy| Row { apy, ..row(0, 0, 0, 100, 730) });
        assert_eq!(shares(&rows, &[5; 4]), Some(vec![3333, 3333, 3334, 0]));
        assert_eq!(shares(&rows[3..], &[5]), None);
    }

    #[test]
    fn categories_change_at_30_and_70() {
        let categories = [29, 30, 69, 70].map(Category::of);
        assert_eq!(categories, [Category::Low, Category::Medium, Category::Medium, Category::High]);
    }

    #[test]
    fn a_verdict_keeps_its_number() {
        for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict.number(), number as u64);
            assert_eq!(Verdict::from_number(number as u64), Some(verdict));
        }
        assert_eq!(Verdict::from_number(7), None);
    }
}
