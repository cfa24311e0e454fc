//! The identity of a proposal and its record in the program's output.
//!
//! A record is one run of field elements: proposal id; chain id, allocator, nonce, model version; `max_single`,
//! `max_volatility`, `min_diversification`, `min_liquidity`; the number of rows n; seven elements a row (protocol
//! id, utilisation, volatility, liquidity, audit, age, apy); n scores; n shares; the verdict. Records follow one
//! another without a count; a single proposal is a batch of one.

use ashlar_field::Felt;
use ashlar_hash::{pedersen, poseidon};

use crate::{Constraints, Decision, MAX_ROWS, Proposal, RiskError, Row, Verdict};

/// Separates proposal ids from every other use of Poseidon: `ashlar:allocation:1` in ASCII.
pub const DOMAIN_TAG: Felt = domain_tag(b"ashlar:allocation:1");

/// The big-endian integer that the bytes spell.
const fn domain_tag(text: &[u8; 19]) -> Felt {
    let mut high = 0u64;
    let mut low = 0u128;
    let mut i = 0;
    while i < text.len() {
        if i < 3 {
            high = high << 8 | text[i] as u64;
        } else {
            low = low << 8 | text[i] as u128;
        }
        i += 1;
    }
    match Felt::from_standard_limbs([low as u64, (low >> 64) as u64, high, 0]) {
        Some(tag) => tag,
        None => Felt::ZERO,
    }
}

/// One proposal and what was decided about it, as the program's output says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The inputs.
    pub proposal: Proposal,
    /// The outcome, with the identity that the program computed.
    pub decision: Decision,
}

/// The inputs of a proposal as field elements: the record without proposal id, scores, shares and verdict.
pub(crate) fn inputs(proposal: &Proposal) -> Vec<Felt> {
    let constraints = &proposal.constraints;
    let mut inputs = vec![proposal.chain_id, proposal.allocator];
    inputs.extend(
        [
            proposal.nonce,
            proposal.model_version,
            constraints.max_single,
            constraints.max_volatility,
            constraints.min_diversification,
            constraints.min_liquidity,
            proposal.rows.len() as u64,
        ]
        .map(Felt::from_u64),
    );
    for row in &proposal.rows {
        inputs.push(row.protocol_id);
        inputs.extend(row.numbers().map(|(_, value)| Felt::from_u64(value)));
    }
    inputs
}

/// The identity of a proposal: Poseidon(domain tag, Pedersen chain over all inputs).
///
/// The chain is that of Starknet's `compute_hash_on_elements` (from zero, the number of elements last) over chain
/// id, allocator, nonce, model version, constraints, row count and rows; the compression to two elements is
/// Starknet's `poseidon_hash`. Two proposals share an identity only through a collision of one of the two hashes.
/// The layout `small` has a Pedersen builtin and no Poseidon builtin: why both, see `docs/adr/0003-risk-program.md`.
pub fn proposal_id(proposal: &Proposal) -> Felt {
    let inputs = inputs(proposal);
    let chain = inputs.iter().fold(Felt::ZERO, |state, &input| pedersen::hash(state, input));
    poseidon::hash_pair(DOMAIN_TAG, pedersen::hash(chain, Felt::from_u64(inputs.len() as u64)))
}

/// The record of a decided proposal, as the program outputs it.
pub fn output_record(proposal: &Proposal, decision: &Decision) -> Vec<Felt> {
    let mut record = vec![decision.proposal_id];
    record.extend(inputs(proposal));
    record.extend(decision.scores.iter().chain(&decision.shares).copied().map(Felt::from_u64));
    record.push(Felt::from_u64(decision.verdict.number()));
    record
}

/// The records of a program's output, which must consist of whole records.
///
/// Nothing is recomputed here: a record says what the output says.
///
/// # Errors
/// [`RiskError::OutputTruncated`], [`RiskError::OutputRowCount`], [`RiskError::OutputNumber`] and
/// [`RiskError::OutputVerdict`], each with the record and the position in the output.
pub fn parse_output(output: &[Felt]) -> Result<Vec<Record>, RiskError> {
    let mut reader = Reader { output, position: 0, record: 0 };
    let mut records = Vec::new();
    while reader.position < output.len() {
        records.push(reader.record()?);
        reader.record += 1;
    }
    Ok(records)
}

struct Reader<'a> {
    output: &'a [Felt],
    position: usize,
    record: usize,
}

impl Reader<'_> {
    fn element(&mut self) -> Result<Felt, RiskError> {
        let element = self
            .output
            .get(self.position)
            .copied()
            .ok_or(RiskError::OutputTruncated { record: self.record })?;
        self.position += 1;
        Ok(element)
    }

    fn number(&mut self) -> Result<u64, RiskError> {
        let got = self.element()?;
        let position = self.position - 1;
        got.to_u64().ok_or(RiskError::OutputNumber { record: self.record, position, got })
    }

    fn record(&mut self) -> Result<Record, RiskError> {
        let proposal_id = self.element()?;
        let chain_id = self.element()?;
        let allocator = self.element()?;
        let nonce = self.number()?;
        let model_version = self.number()?;
        let constraints = Constraints {
            max_single: self.number()?,
            max_volatility: self.number()?,
            min_diversification: self.number()?,
            min_liquidity: self.number()?,
        };
        let rows = self.number()?;
        let count = usize::try_from(rows)
            .ok()
            .filter(|&count| count <= MAX_ROWS)
            .ok_or(RiskError::OutputRowCount { record: self.record, got: rows })?;
        let rows = (0..count).map(|_| self.row()).collect::<Result<Vec<_>, _>>()?;
        let scores = (0..count).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
        let shares = (0..count).map(|_| self.number()).collect::<Result<Vec<_>, _>>()?;
        let verdict = self.number()?;
        let verdict = Verdict::from_number(verdict)
            .ok_or(RiskError::OutputVerdict { record: self.record, got: verdict })?;
        let proposal = Proposal { chain_id, allocator, nonce, model_version, constraints, rows };
        Ok(Record { proposal, decision: Decision { proposal_id, scores, shares, verdict } })
    }

    fn row(&mut self) -> Result<Row, RiskError> {
        Ok(Row {
            protocol_id: self.element()?,
            utilisation: self.number()?,
            volatility: self.number()?,
            liquidity: self.number()?,
            audit: self.number()?,
            age: self.number()?,
            apy: self.number()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide;

    fn proposal() -> Proposal {
        let row = |protocol: u64, apy| Row {
            protocol_id: Felt::from_u64(protocol),
            utilisation: 6500,
            volatility: 3500,
            liquidity: 1,
            audit: 98,
            age: 800,
            apy,
        };
        Proposal {
            chain_id: Felt::from_u64(1),
            allocator: Felt::from_u64(2),
            nonce: 3,
            model_version: 1,
            constraints: Constraints {
                max_single: 6000,
                max_volatility: 4000,
                min_diversification: 2,
                min_liquidity: 2,
            },
            rows: vec![row(10, 500), row(11, 450)],
        }
    }

    #[test]
    fn records_survive_the_way_through_the_output() {
        let proposal = proposal();
        let decision = decide(&proposal).unwrap();
        let record = output_record(&proposal, &decision);
        let output = [record.clone(), record].concat();
        let expected = Record { proposal, decision };
        assert_eq!(parse_output(&output).unwrap(), [expected.clone(), expected]);
    }

    #[test]
    fn an_output_that_is_not_whole_records_is_refused() {
        let proposal = proposal();
        let record = output_record(&proposal, &decide(&proposal).unwrap());
        for length in 1..record.len() {
            assert!(matches!(parse_output(&record[..length]), Err(RiskError::OutputTruncated { record: 0 })));
        }
        let with = |position: usize, value| {
            let mut changed = record.clone();
            changed[position] = value;
            parse_output(&changed).unwrap_err()
        };
        assert!(matches!(with(9, Felt::from_u64(65)), RiskError::OutputRowCount { record: 0, got: 65 }));
        assert!(matches!(with(3, -Felt::ONE), RiskError::OutputNumber { record: 0, position: 3, .. }));
        assert!(matches!(
            with(record.len() - 1, Felt::from_u64(7)),
            RiskError::OutputVerdict { record: 0, got: 7 }
        ));
    }

    #[test]
    fn every_input_changes_the_proposal_id() {
        let original = proposal_id(&proposal());
        let changes: [fn(&mut Proposal); 16] = [
            |p| p.chain_id += Felt::ONE,
            |p| p.allocator += Felt::ONE,
            |p| p.nonce += 1,
            |p| p.model_version += 1,
            |p| p.constraints.max_single += 1,
            |p| p.constraints.max_volatility += 1,
            |p| p.constraints.min_diversification += 1,
            |p| p.constraints.min_liquidity += 1,
            |p| p.rows[1].protocol_id += Felt::ONE,
            |p| p.rows[1].utilisation += 1,
            |p| p.rows[1].volatility += 1,
            |p| p.rows[1].liquidity += 1,
            |p| p.rows[1].audit += 1,
            |p| p.rows[1].age += 1,
            |p| p.rows[1].apy += 1,
            |p| p.rows.swap(0, 1),
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = proposal();
            change(&mut changed);
            assert_ne!(proposal_id(&changed), original, "change {index}");
        }
    }
}
