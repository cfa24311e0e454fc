//! Everything that the program of the model is given: its output and the numbers that prove it.
//!
//! The program computes nothing by itself: it reads these cells, in this order, and checks them
//! (`programs/risk/risk.cairo`). So whatever is wrong here, or made wrong, fails there.

use ashlar_field::Felt;
use ashlar_hash::pedersen;
use serde_json::{Value, json};

use crate::{
    Decision, Proposal, RangeViolation, RiskError, Row, Verdict, constraint_values, decide,
    decision::weight,
    proposal::Field,
    record::{inputs, output_record},
};

/// Numbers of the header that the main path checks, and of a row.
const ROW_CHECKED: usize = 33;
/// Basis points.
const WHOLE: u64 = crate::BASIS_POINTS;

/// The cells of the three segments that the program's hint fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Witness {
    /// Number of proposals.
    pub(crate) proposals: usize,
    /// The output segment.
    pub(crate) output: Vec<Felt>,
    /// The Pedersen segment: inputs and result of every instance.
    pub(crate) pedersen: Vec<Felt>,
    /// The range-check segment.
    pub(crate) checked: Vec<Felt>,
}

impl Witness {
    /// The witness of a batch.
    pub(crate) fn new(proposals: &[Proposal]) -> Result<Witness, RiskError> {
        let mut witness = Witness {
            proposals: proposals.len(),
            output: Vec::new(),
            pedersen: Vec::new(),
            checked: Vec::new(),
        };
        for proposal in proposals {
            let decision = decide(proposal)?;
            witness.output.extend(output_record(proposal, &decision));
            witness.hash_inputs(proposal);
            witness.check(proposal, &decision);
        }
        Ok(witness)
    }

    /// As the program's hint reads it.
    pub(crate) fn program_input(&self) -> Value {
        let texts = |cells: &[Felt]| cells.iter().map(Felt::to_string).collect::<Vec<_>>();
        json!({
            "proposals": self.proposals,
            "output": texts(&self.output),
            "pedersen": texts(&self.pedersen),
            "range_check": texts(&self.checked),
        })
    }

    fn hash_inputs(&mut self, proposal: &Proposal) {
        let inputs = inputs(proposal);
        let length = Felt::from_u64(inputs.len() as u64);
        let mut state = Felt::ZERO;
        for input in inputs.into_iter().chain([length]) {
            let result = pedersen::hash(state, input);
            self.pedersen.extend([state, input, result]);
            state = result;
        }
    }

    fn push(&mut self, values: impl IntoIterator<Item = u64>) {
        self.checked.extend(values.into_iter().map(Felt::from_u64));
    }

    fn check(&mut self, proposal: &Proposal, decision: &Decision) {
        self.push([decision.verdict.number()]);
        if let Some(violation) = proposal.range_violation() {
            self.push(prove_violation(proposal, violation));
            return;
        }
        let n = proposal.rows.len() as u64;
        let constraints = &proposal.constraints;
        self.push([
            n - 2,
            32 - n,
            constraints.max_single,
            WHOLE - constraints.max_single,
            constraints.max_volatility,
            WHOLE - constraints.max_volatility,
            constraints.min_liquidity,
            3 - constraints.min_liquidity,
            constraints.min_diversification - 1,
            n - constraints.min_diversification,
            10 - constraints.min_diversification,
        ]);
        if decision.verdict == Verdict::NothingToShare {
            for row in &proposal.rows {
                self.push([
                    row.utilisation,
                    WHOLE - row.utilisation,
                    row.volatility,
                    WHOLE - row.volatility,
                    row.liquidity,
                    3 - row.liquidity,
                    row.audit,
                    100 - row.audit,
                    row.age,
                ]);
                self.checked.push(age_shifted(row));
            }
            return;
        }
        self.check_rows(proposal, decision);
        self.check_verdict(proposal, decision);
    }

    /// The rows, last to first.
    fn check_rows(&mut self, proposal: &Proposal, decision: &Decision) {
        let constraints = &proposal.constraints;
        let weights: Vec<u64> =
            proposal.rows.iter().zip(&decision.scores).map(|(row, &score)| weight(row, score)).collect();
        let total: u64 = weights.iter().sum();
        let (single_cap, liquidity_cap) = match decision.verdict {
            Verdict::Accepted => (constraints.max_single, constraints.min_liquidity),
            Verdict::MaxSingle => (WHOLE, 3),
            _ => (constraints.max_single, 3),
        };
        self.push(halves(total));
        let last = weights.iter().rposition(|&weight| weight > 0);
        for (index, row) in proposal.rows.iter().enumerate().rev() {
            let (score, share, weight) = (decision.scores[index], decision.shares[index], weights[index]);
            let mut cells = [Felt::ZERO; ROW_CHECKED];
            let mut set = |position: usize, values: &[u64]| {
                for (cell, value) in cells[position..].iter_mut().zip(values) {
                    *cell = Felt::from_u64(*value);
                }
            };
            let (u, v) = (row.utilisation, row.volatility);
            set(0, &[u / 400, u % 400, 399 - u % 400, WHOLE - u]);
            set(4, &[v / 250, v % 250, 249 - v % 250, WHOLE - v]);
            set(8, &[row.liquidity, 3 - row.liquidity, row.audit, 100 - row.audit]);
            match 730u64.checked_sub(row.age) {
                Some(missing) if missing > 0 => {
                    set(12, &[0, row.age, missing / 73, missing % 73, 72 - missing % 73]);
                }
                _ => set(12, &[1, row.age - 730]),
            }
            let [apy_slack, apy_slack_other] = halves(Field::Apy.limit() - row.apy);
            let weight_rest = WHOLE * row.apy % (score + 1);
            set(17, &[row.apy, apy_slack]);
            set(19, &halves(weight));
            set(21, &[weight_rest, score - weight_rest, share]);
            if last.is_some_and(|last| index < last) {
                let rest = WHOLE * weight % total;
                set(24, &halves(rest));
                set(26, &halves(total - 1 - rest));
            }
            set(28, &[single_cap - share]);
            match share.checked_sub(crate::DIVERSIFIED_SHARE) {
                Some(above) => set(29, &[1, above]),
                None => set(29, &[0, crate::DIVERSIFIED_SHARE - 1 - share]),
            }
            if share > 0 {
                set(31, &[liquidity_cap - row.liquidity]);
            }
            set(32, &[apy_slack_other]);
            if row.age >= 730 {
                cells[14] = age_shifted(row);
            }
            self.checked.extend(cells);
        }
    }

    /// What proves the verdict, after the rows.
    fn check_verdict(&mut self, proposal: &Proposal, decision: &Decision) {
        let constraints = &proposal.constraints;
        let n = proposal.rows.len() as u64;
        let values = constraint_values(proposal, &decision.shares);
        let sum: u64 =
            proposal.rows.iter().zip(&decision.shares).map(|(row, share)| row.volatility * share).sum();
        let limit = WHOLE * constraints.max_volatility + WHOLE - 1;
        let surplus = values.diversified_rows.wrapping_sub(constraints.min_diversification);
        // The index of the first row that fails, and its distance from the last.
        let failing = |fails: &dyn Fn(&Row, u64) -> bool| {
            let rows = proposal.rows.iter().zip(decision.shares.iter().copied());
            let index = rows.clone().position(|(row, share)| fails(row, share)).unwrap_or_default();
            let (row, share) = (&proposal.rows[index], decision.shares[index]);
            (index as u64, n - 1 - index as u64, row.liquidity, share)
        };
        match decision.verdict {
            Verdict::Accepted => {
                let [slack, other] = halves(limit - sum);
                self.push([surplus, slack, other]);
            }
            Verdict::Diversification => {
                self.push([constraints.min_diversification - 1 - values.diversified_rows]);
            }
            Verdict::Volatility => {
                let [excess, other] = halves(sum - limit - 1);
                self.push([surplus, excess, other]);
            }
            Verdict::MaxSingle => {
                let (index, after, _, share) = failing(&|_, share| share > constraints.max_single);
                self.push([share - constraints.max_single - 1, 0, 0, index, after]);
            }
            Verdict::Liquidity => {
                let (index, after, liquidity, share) =
                    failing(&|row, share| share > 0 && row.liquidity > constraints.min_liquidity);
                let [slack, other] = halves(limit - sum);
                let excess = liquidity - constraints.min_liquidity - 1;
                self.push([surplus, slack, other, index, after, share - 1, excess]);
            }
            // Neither reaches this point.
            Verdict::InputOutOfRange | Verdict::NothingToShare => {}
        }
    }
}

/// A number as the sum of two whose 16-bit parts are at most 2¹⁵.
fn halves(value: u64) -> [u64; 2] {
    let half = (0..4).map(|part| ((value >> (16 * part) & 0xffff) / 2) << (16 * part)).sum();
    [half, value - half]
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
