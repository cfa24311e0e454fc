//! The identity of a proposal and its record in the program's output.
//!
//! A record is one run of field elements: proposal id, verdict; chain id, allocator, nonce, model version;
//! `max_single`, `max_volatility`, `min_diversification`, `min_liquidity`; the number of rows n; nine elements a row
//! (protocol id, utilisation, volatility, liquidity, audit, age, apy, score, share). Records follow one another without
//! a count; a single proposal is a batch of one.

use ashlar_field::Felt;
use ashlar_hash::pedersen;

use crate::{Constraints, Decision, MAX_ROWS, Proposal, RiskError, Row, Verdict};

/// Separates proposal ids from every other use of the hash: `ashlar:allocation:2` in ASCII.
pub const DOMAIN_TAG: Felt = domain_tag(b"ashlar:allocation:2");

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

/// The inputs of a proposal before its rows, as the record has them.
pub(crate) fn header(proposal: &Proposal) -> [Felt; 9] {
    let constraints = &proposal.constraints;
    let [nonce, version, max_single, max_volatility, min_diversification, min_liquidity, rows] = [
        proposal.nonce,
        proposal.model_version,
        constraints.max_single,
        constraints.max_volatility,
        constraints.min_diversification,
        constraints.min_liquidity,
        proposal.rows.len() as u64,
    ]
    .map(Felt::from_u64);
    let (chain_id, allocator) = (proposal.chain_id, proposal.allocator);
    [
        chain_id,
        allocator,
        nonce,
        version,
        max_single,
        max_volatility,
        min_diversification,
        min_liquidity,
        rows,
    ]
}

/// Three numbers below 2⁶⁴ in one element, the first lowest: different numbers make different words.
fn word([low, middle, high]: [u64; 3]) -> Felt {
    // 192 bits, always below the prime.
    Felt::from_standard_limbs([low, middle, high, 0]).unwrap_or(Felt::ZERO)
}

/// What the identity hashes, in order and without its length: see [`proposal_id`].
pub(crate) fn hashed_elements(proposal: &Proposal) -> Vec<Felt> {
    let Constraints { max_single, max_volatility, min_diversification, min_liquidity } = proposal.constraints;
    let mut elements = vec![
        DOMAIN_TAG,
        proposal.chain_id,
        proposal.allocator,
        Felt::from_u64(proposal.nonce),
        word([max_single, max_volatility, min_diversification]),
        word([min_liquidity, proposal.rows.len() as u64, proposal.model_version]),
    ];
    for row in &proposal.rows {
        elements.extend([
            row.protocol_id,
            word([row.utilisation, row.volatility, row.liquidity]),
            word([row.audit, row.age, row.apy]),
        ]);
    }
    elements
}

/// The identity of a proposal: Starknet's `compute_hash_on_elements` (a Pedersen chain from zero, the number of elements
/// last) over
///
/// * the domain tag, the chain id, the allocator and the nonce,
/// * a word of `max_single`, `max_volatility` and `min_diversification`, and one of `min_liquidity`, the number of rows
///   and the model version,
/// * for each row its protocol id, a word of utilisation, volatility and liquidity, and one of audit, age and yield.
///
/// A word is three numbers below 2⁶⁴: the first + 2⁶⁴ · the second + 2¹²⁸ · the third. So two proposals share an identity
/// only through a collision of the hash. Why this hash and why words: `docs/adr/0007-the-batch.md`.
pub fn proposal_id(proposal: &Proposal) -> Felt {
    let elements = hashed_elements(proposal);
    let chain = elements.iter().fold(Felt::ZERO, |state, &element| pedersen::hash(state, element));
    pedersen::hash(chain, Felt::from_u64(elements.len() as u64))
}

/// The record of a decided proposal, as the program outputs it.
pub fn output_record(proposal: &Proposal, decision: &Decision) -> Vec<Felt> {
    let mut record = vec![decision.proposal_id, Felt::from_u64(decision.verdict.number())];
    record.extend(header(proposal));
    let outcomes = decision.scores.iter().zip(&decision.shares);
    for (row, (&score, &share)) in proposal.rows.iter().zip(outcomes) {
        record.push(row.protocol_id);
        record.extend(row.numbers().map(|(_, value)| Felt::from_u64(value)));
        record.extend([score, share].map(Felt::from_u64));
    }
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
        let verdict = self.number()?;
        let verdict = Verdict::from_number(verdict)
            .ok_or(RiskError::OutputVerdict { record: self.record, got: verdict })?;
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
        let mut parsed = Vec::with_capacity(count);
        let (mut scores, mut shares) = (Vec::with_capacity(count), Vec::with_capacity(count));
        for _ in 0..count {
            parsed.push(self.row()?);
            scores.push(self.number()?);
            shares.push(self.number()?);
        }
        let proposal = Proposal { chain_id, allocator, nonce, model_version, constraints, rows: parsed };
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
        assert!(matches!(with(10, Felt::from_u64(65)), RiskError::OutputRowCount { record: 0, got: 65 }));
        assert!(matches!(with(4, -Felt::ONE), RiskError::OutputNumber { record: 0, position: 4, .. }));
        assert!(matches!(with(1, Felt::from_u64(7)), RiskError::OutputVerdict { record: 0, got: 7 }));
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

    #[test]
    fn the_numbers_of_a_word_keep_to_their_places() {
        let max = u64::MAX;
        let words = [[max, 0, 0], [0, 1, 0], [0, max, 0], [0, 0, 1], [0, 0, max], [max, max, max]].map(word);
        for (index, first) in words.iter().enumerate() {
            assert!(words[index + 1..].iter().all(|second| second != first), "word {index}");
        }
        let two = Felt::from_u64(2);
        let radix = (0..64).fold(Felt::ONE, |power, _| power * two);
        assert_eq!(
            word([7, 8, 9]),
            Felt::from_u64(7) + radix * (Felt::from_u64(8) + radix * Felt::from_u64(9))
        );
    }
}
