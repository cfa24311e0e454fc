//! Everything that the program of the model is given: its output and the numbers that prove it.
//!
//! The program computes nothing by itself: it reads these cells, in this order, and checks them
//! (`programs/risk/risk.cairo`). So whatever is wrong here, or made wrong, fails there.

use ashlar_field::Felt;
use ashlar_hash::pedersen;
use serde_json::{Value, json};

use crate::{
    Constraints, Decision, Proposal, RangeViolation, RiskError, Row, Verdict, constraint_values, decide,
    decision::weight,
    proposal::Field,
    record::{hashed_elements, output_record},
};

/// Basis points.
const WHOLE: u64 = crate::BASIS_POINTS;

/// How numbers of more than 16 bits are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// As the sum of two numbers whose 16-bit parts are at most 2¹⁵, so that the parts of a run span little more than
    /// 2¹⁵ values: for runs of 4,096 steps, which have no room for more.
    Narrow,
    /// As one number: fewer range checks, for longer runs.
    Wide,
}

/// What the program's hints write for one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowHints {
    /// Quotients of the utilisation by 400, the volatility by 250, the missing days by 73.
    pub(crate) quotients: [Felt; 3],
    /// Whether the row counts as diversification: zero for no.
    pub(crate) is_diversified: Felt,
}

/// What the program's hints write for one proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hints {
    /// The sum of all weights.
    pub(crate) total: Felt,
    /// The rows, in order.
    pub(crate) rows: Vec<RowHints>,
}

/// The cells of the three segments that the program's hint fills, and what the other hints write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    /// How numbers are written.
    pub(crate) width: Width,
    /// Number of proposals.
    pub(crate) proposals: usize,
    /// The output segment.
    pub(crate) output: Vec<Felt>,
    /// The Pedersen segment: inputs and result of every instance.
    pub(crate) pedersen: Vec<Felt>,
    /// The range-check segment.
    pub(crate) checked: Vec<Felt>,
    /// By proposal.
    pub(crate) hints: Vec<Hints>,
}

impl Witness {
    /// The witness of no proposal.
    pub(crate) fn empty(width: Width) -> Witness {
        Witness {
            width,
            proposals: 0,
            output: Vec::new(),
            pedersen: Vec::new(),
            checked: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The witness of a batch.
    pub(crate) fn new(proposals: &[Proposal], width: Width) -> Result<Witness, RiskError> {
        let mut witness = Witness { proposals: proposals.len(), ..Witness::empty(width) };
        for proposal in proposals {
            let decision = decide(proposal)?;
            witness.output.extend(output_record(proposal, &decision));
            witness.hash_inputs(proposal);
            let hints = witness.check(proposal, &decision);
            witness.hints.push(hints);
        }
        Ok(witness)
    }

    /// As the program's hints read it: they count proposals and rows by how many are left.
    pub(crate) fn program_input(&self) -> Value {
        let texts = |cells: &[Felt]| cells.iter().map(Felt::to_string).collect::<Vec<_>>();
        let row = |hints: &RowHints| {
            let [utilisation, volatility, novelty] = hints.quotients;
            texts(&[utilisation, volatility, novelty, hints.is_diversified])
        };
        let rows = |hints: &Hints| hints.rows.iter().rev().map(row).collect::<Vec<_>>();
        json!({
            "proposals": self.proposals,
            "output": texts(&self.output),
            "pedersen": texts(&self.pedersen),
            "range_check": texts(&self.checked),
            "is_wide": u8::from(self.width == Width::Wide),
            "totals": self.hints.iter().rev().map(|hints| hints.total.to_string()).collect::<Vec<_>>(),
            "rows": self.hints.iter().rev().map(rows).collect::<Vec<_>>(),
        })
    }

    /// The Pedersen chain, but for its first hash, which is a constant of the program.
    fn hash_inputs(&mut self, proposal: &Proposal) {
        let mut elements = hashed_elements(proposal);
        elements.push(Felt::from_u64(elements.len() as u64));
        let mut elements = elements.into_iter();
        let mut state = pedersen::hash(Felt::ZERO, elements.next().unwrap_or_default());
        for element in elements {
            let result = pedersen::hash(state, element);
            self.pedersen.extend([state, element, result]);
            state = result;
        }
    }

    fn push(&mut self, values: impl IntoIterator<Item = u64>) {
        self.checked.extend(values.into_iter().map(Felt::from_u64));
    }

    fn check(&mut self, proposal: &Proposal, decision: &Decision) -> Hints {
        let constraints = &proposal.constraints;
        if let Some(violation) = proposal.range_violation() {
            self.push(prove_violation(proposal, violation));
            self.check_small_numbers(proposal);
            return Hints { total: Felt::ZERO, rows: Vec::new() };
        }
        let n = proposal.rows.len() as u64;
        self.push([
            (n - 2) * (32 - n),
            WHOLE - constraints.max_single,
            WHOLE - constraints.max_volatility,
            constraints.min_diversification - 1,
        ]);
        if decision.verdict == Verdict::NothingToShare {
            self.check_rejected_bounds(proposal);
            for row in &proposal.rows {
                self.push(row.numbers().into_iter().take(4).map(|(field, value)| field.limit() - value));
                self.checked.push(age_shifted(row));
            }
            self.check_small_numbers(proposal);
            return Hints { total: Felt::ZERO, rows: Vec::new() };
        }
        let weights: Vec<u64> =
            proposal.rows.iter().zip(&decision.scores).map(|(row, &score)| weight(row, score)).collect();
        let total: u64 = weights.iter().sum();
        let apy_slacks: u64 = proposal.rows.iter().map(|row| Field::Apy.limit() - row.apy).sum();
        let (first, margin) = verdict_numbers(proposal, decision);
        // 2⁶⁴ less the two sums, one of which is positive.
        let bound = (total + apy_slacks).wrapping_neg();
        match self.width {
            Width::Wide => self.push([bound, first, margin]),
            Width::Narrow => {
                let ([bound, bound_other], [margin, margin_other]) = (halves(bound), halves(margin));
                self.push([bound, first, margin, bound_other, margin_other]);
            }
        }
        let rows = self.check_rows(proposal, decision, &weights, total);
        if decision.verdict != Verdict::Accepted {
            self.check_rejected_bounds(proposal);
            self.push(rejection_numbers(proposal, decision));
        }
        Hints { total: Felt::from_u64(total), rows }
    }

    /// What every verdict in range but the accepted one shows of the constraints.
    fn check_rejected_bounds(&mut self, proposal: &Proposal) {
        let constraints = &proposal.constraints;
        self.push([
            constraints.max_single,
            constraints.max_volatility,
            proposal.rows.len() as u64 - constraints.min_diversification,
            10 - constraints.min_diversification,
        ]);
    }

    /// That the numbers of every word are below 2⁶⁴, where no other bound says so.
    fn check_small_numbers(&mut self, proposal: &Proposal) {
        let Constraints { max_single, max_volatility, min_diversification, min_liquidity } =
            proposal.constraints;
        let of_rows = proposal.rows.iter().flat_map(|row| row.numbers().map(|(_, value)| value));
        let numbers =
            [max_single, max_volatility, min_diversification, min_liquidity].into_iter().chain(of_rows);
        self.checked.extend(
            numbers.flat_map(|number| [u128::from(number), u128::from(number) << 64].map(Felt::from_u128)),
        );
    }

    fn check_rows(
        &mut self,
        proposal: &Proposal,
        decision: &Decision,
        weights: &[u64],
        total: u64,
    ) -> Vec<RowHints> {
        let (single_cap, idle_cap, liquidity_cap) = caps(proposal, decision.verdict);
        let mut hints = Vec::new();
        let last = weights.iter().rposition(|&weight| weight > 0);
        for (index, row) in proposal.rows.iter().enumerate() {
            let (score, share, weight) = (decision.scores[index], decision.shares[index], weights[index]);
            let (u, v) = (row.utilisation, row.volatility);
            let is_diversified = share >= crate::DIVERSIFIED_SHARE;
            let class_limit = if share == 0 { 3 } else { liquidity_cap };
            let apy_slack = Field::Apy.limit() - row.apy;
            let weight_rest = WHOLE * row.apy % (score + 1);
            let [weight_part, weight_other] = match self.width {
                Width::Narrow => halves(weight),
                Width::Wide => [weight, 0],
            };
            self.push([
                u,
                WHOLE - u,
                (u % 400) * (399 - u % 400),
                v,
                WHOLE - v,
                (v % 250) * (249 - v % 250),
                row.liquidity * (class_limit - row.liquidity),
                row.audit * (100 - row.audit),
                apy_slack,
                weight_rest * (score - weight_rest),
                if is_diversified { single_cap - share } else { idle_cap - share },
                if is_diversified { share - crate::DIVERSIFIED_SHARE } else { share },
                weight_part,
            ]);
            let mut novelty = 0;
            if row.age >= NEW_AGE {
                self.push([row.age - NEW_AGE]);
                self.checked.extend([age_shifted(row), Felt::ZERO]);
            } else {
                novelty = (730 - row.age) / 73;
                let rest = row.age + 73 * novelty - NEW_AGE;
                self.push([row.age, NEW_AGE - 1 - row.age, rest * (72 - rest)]);
            }
            // Zeros where the rows no longer have floors to prove.
            let rest = if last.is_some_and(|last| index < last) { WHOLE * weight % total } else { total - 1 };
            let product = u128::from(rest) * u128::from(total - 1 - rest);
            let is_last = index + 1 == proposal.rows.len();
            match self.width {
                Width::Wide if is_last => {}
                Width::Wide => self.checked.push(Felt::from_u128(product)),
                Width::Narrow => {
                    self.push([weight_other]);
                    let parts = wide_halves(product).map(Felt::from_u128);
                    // The last row has no floor, and its last cell is the next one's first.
                    self.checked.extend(&parts[..if is_last { 1 } else { 2 }]);
                }
            }
            hints.push(RowHints {
                quotients: [u / 400, v / 250, novelty].map(Felt::from_u64),
                is_diversified: Felt::from_u64(is_diversified.into()),
            });
        }
        hints
    }
}

/// Age in days from which the term for novelty is zero.
const NEW_AGE: u64 = 658;

/// What the shares of rows that count as diversification are held to, those of the others, and the class of all.
fn caps(proposal: &Proposal, verdict: Verdict) -> (u64, u64, u64) {
    let Constraints { max_single, min_liquidity, .. } = proposal.constraints;
    match verdict {
        Verdict::Accepted => (max_single, max_single, min_liquidity),
        Verdict::MaxSingle => (WHOLE, WHOLE, 3),
        Verdict::Diversification => (max_single, max_single.min(crate::DIVERSIFIED_SHARE - 1), 3),
        _ => (max_single, max_single, 3),
    }
}

/// The two numbers of the verdict in front of the rows: the second belongs to the weighted volatility, if that is looked
/// at, and may be wide.
fn verdict_numbers(proposal: &Proposal, decision: &Decision) -> (u64, u64) {
    let Constraints { max_single, max_volatility, min_diversification, .. } = proposal.constraints;
    let values = constraint_values(proposal, &decision.shares);
    let sum: u64 =
        proposal.rows.iter().zip(&decision.shares).map(|(row, share)| row.volatility * share).sum();
    let limit = WHOLE * max_volatility + WHOLE - 1;
    let surplus = values.diversified_rows.wrapping_sub(min_diversification);
    match decision.verdict {
        Verdict::Accepted | Verdict::Liquidity => (surplus, limit - sum),
        Verdict::Volatility => (surplus, sum - limit - 1),
        Verdict::Diversification => (
            min_diversification - 1 - values.diversified_rows,
            max_single - caps(proposal, decision.verdict).1,
        ),
        Verdict::MaxSingle => (decision.shares[failing_row(proposal, decision)] - max_single - 1, 0),
        // Neither reaches this point.
        Verdict::InputOutOfRange | Verdict::NothingToShare => (0, 0),
    }
}

/// The first row that fails the constraint of the verdict.
fn failing_row(proposal: &Proposal, decision: &Decision) -> usize {
    let Constraints { max_single, min_liquidity, .. } = proposal.constraints;
    let rows = proposal.rows.iter().zip(decision.shares.iter().copied());
    let fails = |row: &Row, share: u64| match decision.verdict {
        Verdict::MaxSingle => share > max_single,
        _ => share > 0 && row.liquidity > min_liquidity,
    };
    rows.clone().position(|(row, share)| fails(row, share)).unwrap_or_default()
}

/// What proves a verdict on shares other than accepted, behind the rows.
fn rejection_numbers(proposal: &Proposal, decision: &Decision) -> [u64; 4] {
    let index = failing_row(proposal, decision);
    let place = [index as u64, (proposal.rows.len() - 1 - index) as u64];
    match decision.verdict {
        Verdict::Diversification => {
            [crate::DIVERSIFIED_SHARE - 1 - caps(proposal, decision.verdict).1, 0, 0, 0]
        }
        Verdict::MaxSingle => [place[0], place[1], 0, 0],
        Verdict::Liquidity => {
            let excess = proposal.rows[index].liquidity - proposal.constraints.min_liquidity - 1;
            [place[0], place[1], decision.shares[index] - 1, excess]
        }
        _ => [0; 4],
    }
}

/// A number as the sum of two whose 16-bit parts are at most 2¹⁵; the second is zero where it is not needed.
fn wide_halves(value: u128) -> [u128; 2] {
    if value <= 1 << 15 {
        return [value, 0];
    }
    let half = (0..8).map(|part| ((value >> (16 * part) & 0xffff) / 2) << (16 * part)).sum();
    [half, value - half]
}

/// The same of a shorter number.
fn halves(value: u64) -> [u64; 2] {
    wide_halves(value.into()).map(|half| half as u64)
}

/// age · 2¹¹², which is below 2¹²⁸ if and only if the age is below 2¹⁶.
fn age_shifted(row: &Row) -> Felt {
    Felt::from_u64(row.age) * Felt::from_u128(1 << 112)
}

/// The kind of violation and the numbers that prove it.
fn prove_violation(proposal: &Proposal, violation: RangeViolation) -> [u64; 5] {
    let last = proposal.rows.len().saturating_sub(1) as u64;
    match violation {
        RangeViolation::RowCount { rows } if rows < 2 => [0, 1 - rows as u64, 0, 0, 0],
        RangeViolation::RowCount { rows } => [1, rows as u64 - 33, 0, 0, 0],
        RangeViolation::Constraint { field, value } => {
            let kind = match field {
                Field::MaxSingle => 2,
                Field::MaxVolatility => 3,
                _ => 4,
            };
            [kind, value - field.limit() - 1, 0, 0, 0]
        }
        RangeViolation::Diversification { value: 0, .. } => [5, 0, 0, 0, 0],
        RangeViolation::Diversification { value, .. } if value > 10 => [7, value - 11, 0, 0, 0],
        RangeViolation::Diversification { value, limit } => [6, value - limit - 1, 0, 0, 0],
        RangeViolation::Row { row, field, value } => {
            let kind = match field {
                Field::Utilisation => 8,
                Field::Volatility => 9,
                Field::Liquidity => 10,
                Field::Audit => 11,
                Field::Age => 12,
                _ => 13,
            };
            [kind, value - field.limit() - 1, row as u64, last - row as u64, 0]
        }
        RangeViolation::SameProtocol { first, second } => {
            let (first, second) = (first as u64, second as u64);
            [14, second - first - 1, second, last - second, first]
        }
    }
}
