//! The JSON form of a proposal file: one proposal, or an array of them.
//!
//! ```json
//! { "chain_id": "0x534e5f5345504f4c4941", "allocator": "0x1", "nonce": 1, "model_version": 1,
//!   "constraints": { "max_single": 6000, "max_volatility": 4000, "min_diversification": 2, "min_liquidity": 2 },
//!   "rows": [ { "protocol_id": "0xa1", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98,
//!               "age": 800, "apy": 450 } ] }
//! ```
//!
//! Field elements are texts, decimal or hexadecimal after `0x`, or integers; everything else is an integer below
//! 2⁶⁴. Unknown, missing and doubled keys are errors: a proposal has exactly one reading.

use std::fmt;

use ashlar_field::Felt;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::json;

use crate::{Constraints, Proposal, RiskError, Row};

/// The longest proposal file.
pub const MAX_FILE_BYTES: usize = 16 << 20;
/// The most proposals in a batch.
pub const MAX_PROPOSALS: usize = 4096;
/// The most rows that a file may give a proposal. More than 32 are out of range, but decided upon.
pub const MAX_ROWS: usize = 64;

const PROPOSAL_KEYS: [&str; 6] = ["chain_id", "allocator", "nonce", "model_version", "constraints", "rows"];
const CONSTRAINT_KEYS: [&str; 4] = ["max_single", "max_volatility", "min_diversification", "min_liquidity"];
const ROW_KEYS: [&str; 7] = ["protocol_id", "utilisation", "volatility", "liquidity", "audit", "age", "apy"];

/// The proposals of a file: one from an object, many from an array.
///
/// # Errors
/// [`RiskError`] names the place in the file, what belongs there and what is there.
pub fn parse_proposals(bytes: &[u8]) -> Result<Vec<Proposal>, RiskError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(RiskError::FileTooLong { got: bytes.len() });
    }
    match serde_json::from_slice(bytes).map_err(RiskError::Json)? {
        Node::Array(items) => {
            if items.is_empty() || items.len() > MAX_PROPOSALS {
                return Err(RiskError::BatchSize { got: items.len() });
            }
            items.into_iter().enumerate().map(|(i, item)| Place(format!("[{i}]")).proposal(item)).collect()
        }
        node => Ok(vec![Place(String::new()).proposal(node)?]),
    }
}

/// The JSON form of a proposal, as [`parse_proposals`] reads it.
pub fn proposal_to_json(proposal: &Proposal) -> serde_json::Value {
    let constraints = &proposal.constraints;
    let rows: Vec<_> = proposal
        .rows
        .iter()
        .map(|row| {
            json!({
                "protocol_id": row.protocol_id.to_string(),
                "utilisation": row.utilisation,
                "volatility": row.volatility,
                "liquidity": row.liquidity,
                "audit": row.audit,
                "age": row.age,
                "apy": row.apy,
            })
        })
        .collect();
    json!({
        "chain_id": proposal.chain_id.to_string(),
        "allocator": proposal.allocator.to_string(),
        "nonce": proposal.nonce,
        "model_version": proposal.model_version,
        "constraints": {
            "max_single": constraints.max_single,
            "max_volatility": constraints.max_volatility,
            "min_diversification": constraints.min_diversification,
            "min_liquidity": constraints.min_liquidity,
        },
        "rows": rows,
    })
}

/// A path within the file; empty at the top.
struct Place(String);

impl Place {
    fn at(&self, key: &str) -> Place {
        Place(if self.0.is_empty() { key.into() } else { format!("{}.{key}", self.0) })
    }

    fn name(&self) -> String {
        if self.0.is_empty() { "the proposal".into() } else { self.0.clone() }
    }

    fn proposal(&self, node: Node) -> Result<Proposal, RiskError> {
        let [chain_id, allocator, nonce, model_version, constraints, rows] =
            self.object(node, PROPOSAL_KEYS)?;
        Ok(Proposal {
            chain_id: self.at("chain_id").felt(chain_id)?,
            allocator: self.at("allocator").felt(allocator)?,
            nonce: self.at("nonce").number(nonce)?,
            model_version: self.at("model_version").number(model_version)?,
            constraints: self.at("constraints").constraints(constraints)?,
            rows: self.at("rows").rows(rows)?,
        })
    }

    fn constraints(&self, node: Node) -> Result<Constraints, RiskError> {
        let [max_single, max_volatility, min_diversification, min_liquidity] =
            self.object(node, CONSTRAINT_KEYS)?;
        Ok(Constraints {
            max_single: self.at("max_single").number(max_single)?,
            max_volatility: self.at("max_volatility").number(max_volatility)?,
            min_diversification: self.at("min_diversification").number(min_diversification)?,
            min_liquidity: self.at("min_liquidity").number(min_liquidity)?,
        })
    }

    fn rows(&self, node: Node) -> Result<Vec<Row>, RiskError> {
        let Node::Array(items) = node else { return Err(self.wrong_kind("an array of rows", &node)) };
        if items.len() > MAX_ROWS {
            return Err(RiskError::TooManyRows { place: self.name(), got: items.len() });
        }
        items.into_iter().enumerate().map(|(i, item)| Place(format!("{}[{i}]", self.0)).row(item)).collect()
    }

    fn row(&self, node: Node) -> Result<Row, RiskError> {
        let [protocol_id, utilisation, volatility, liquidity, audit, age, apy] =
            self.object(node, ROW_KEYS)?;
        Ok(Row {
            protocol_id: self.at("protocol_id").felt(protocol_id)?,
            utilisation: self.at("utilisation").number(utilisation)?,
            volatility: self.at("volatility").number(volatility)?,
            liquidity: self.at("liquidity").number(liquidity)?,
            audit: self.at("audit").number(audit)?,
            age: self.at("age").number(age)?,
            apy: self.at("apy").number(apy)?,
        })
    }

    /// The values of exactly these keys.
    fn object<const N: usize>(&self, node: Node, keys: [&'static str; N]) -> Result<[Node; N], RiskError> {
        let Node::Object(entries) = node else { return Err(self.wrong_kind("an object", &node)) };
        let mut values: [Option<Node>; N] = [const { None }; N];
        for (key, value) in entries {
            let Some(index) = keys.iter().position(|known| *known == key) else {
                return Err(RiskError::UnknownKey { place: self.name(), key, expected: keys.join(", ") });
            };
            if values[index].replace(value).is_some() {
                return Err(RiskError::DoubledKey { place: self.name(), key });
            }
        }
        if let Some(index) = values.iter().position(Option::is_none) {
            return Err(RiskError::MissingKey { place: self.name(), key: keys[index] });
        }
        Ok(values.map(|value| value.unwrap_or(Node::Null)))
    }

    fn number(&self, node: Node) -> Result<u64, RiskError> {
        let Node::Number(text) = node else { return Err(self.wrong_kind("an integer", &node)) };
        let place = self.name();
        if text.starts_with('-') {
            Err(RiskError::Negative { place, got: text })
        } else if !text.bytes().all(|byte| byte.is_ascii_digit()) {
            Err(RiskError::Fractional { place, got: text })
        } else {
            text.parse().map_err(|_| RiskError::TooLarge { place, got: text })
        }
    }

    fn felt(&self, node: Node) -> Result<Felt, RiskError> {
        match node {
            Node::Text(text) => {
                text.parse().map_err(|source| RiskError::NotAFelt { place: self.name(), source })
            }
            Node::Number(_) => self.number(node).map(Felt::from_u64),
            other => Err(self.wrong_kind("a field element", &other)),
        }
    }

    fn wrong_kind(&self, expected: &'static str, got: &Node) -> RiskError {
        RiskError::WrongKind { place: self.name(), expected, got: got.kind() }
    }
}

/// A JSON value that keeps what `serde_json::Value` loses: doubled keys.
enum Node {
    Null,
    Bool,
    /// As it is written.
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool => "a truth value",
            Node::Number(_) => "a number",
            Node::Text(_) => "a text",
            Node::Array(_) => "an array",
            Node::Object(_) => "an object",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Bool)
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Node, E> {
        Ok(Node::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            // With its feature `arbitrary_precision`, which cairo-vm turns on, serde_json hands over every number as
            // a map with this one key.
            if entries.is_empty() && key == "$serde_json::private::Number" {
                return access.next_value().map(Node::Number);
            }
            entries.push((key, access.next_value()?));
        }
        Ok(Node::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ashlar_fault::Fault;

    const PROPOSAL: &str = r#"{
        "chain_id": "0x534e5f5345504f4c4941", "allocator": "12345", "nonce": 7, "model_version": 1,
        "constraints": { "max_single": 6000, "max_volatility": 4000, "min_diversification": 2, "min_liquidity": 2 },
        "rows": [
            { "protocol_id": "0xa1", "utilisation": 6500, "volatility": 3500, "liquidity": 1, "audit": 98, "age": 800, "apy": 450 },
            { "protocol_id": 162, "utilisation": 5000, "volatility": 2500, "liquidity": 2, "audit": 95, "age": 600, "apy": 620 }
        ] }"#;

    fn refusal(from: &str, to: &str) -> (u16, String) {
        let text = PROPOSAL.replacen(from, to, 1);
        assert_ne!(text, PROPOSAL, "{from:?} does not occur");
        let error = parse_proposals(text.as_bytes()).expect_err(&text);
        (error.code().0, error.to_string())
    }

    #[test]
    fn a_proposal_survives_the_way_through_json() {
        let proposals = parse_proposals(PROPOSAL.as_bytes()).unwrap();
        let again = serde_json::to_vec(&proposal_to_json(&proposals[0])).unwrap();
        assert_eq!(parse_proposals(&again).unwrap(), proposals);
        assert_eq!(proposals[0].rows[1].protocol_id, Felt::from_u64(162));
        assert_eq!(parse_proposals(format!("[{PROPOSAL},{PROPOSAL}]").as_bytes()).unwrap().len(), 2);
    }

    #[test]
    fn a_number_that_is_not_a_64_bit_integer_is_refused_by_its_kind_and_place() {
        assert_eq!(
            refusal("450", "-450"),
            (3007, "rows[0].apy: expected an integer from 0, got -450".into())
        );
        assert_eq!(refusal("450", "-1e300").0, 3007);
        assert_eq!(
            refusal("620", "6.5"),
            (3008, "rows[1].apy: expected an integer written in digits only, got 6.5".into())
        );
        assert_eq!(refusal("6000", "6.1e3").0, 3008);
        assert_eq!(refusal("450", "123456789012345678901234567890").0, 3009);
        assert_eq!(refusal("\"nonce\": 7", "\"nonce\": 18446744073709551616").0, 3009);
        assert_eq!(refusal("\"nonce\": 7", "\"nonce\": \"7\"").0, 3006);
        let largest = PROPOSAL.replacen("\"nonce\": 7", "\"nonce\": 18446744073709551615", 1);
        assert_eq!(parse_proposals(largest.as_bytes()).unwrap()[0].nonce, u64::MAX);
    }

    #[test]
    fn unknown_missing_and_doubled_keys_are_refused() {
        assert_eq!(refusal("\"apy\"", "\"yield\"").0, 3003);
        assert_eq!(refusal(", \"apy\": 450", ""), (3004, "rows[0]: the key \"apy\" is missing".into()));
        assert_eq!(
            refusal("\"apy\": 450", "\"apy\": 450, \"apy\": 450"),
            (3005, "rows[0]: the key \"apy\" is given twice".into())
        );
        assert_eq!(
            refusal("\"nonce\": 7", "\"nonce\": 7, \"nonce\": 8").1,
            "the proposal: the key \"nonce\" is given twice"
        );
    }

    #[test]
    fn a_text_that_is_no_field_element_is_refused() {
        assert_eq!(refusal("0xa1", "lido").0, 3010);
        assert_eq!(
            refusal("0xa1", "0x800000000000011000000000000000000000000000000000000000000000001").0,
            3010
        );
        assert_eq!(refusal("\"0xa1\"", "null").0, 3006);
    }

    #[test]
    fn what_is_not_json_or_beyond_the_limits_is_refused() {
        assert_eq!(refusal("\n        ] }", "").0, 3002);
        assert_eq!(parse_proposals(b"[]").unwrap_err().code().0, 3012);
        let deep = "[".repeat(100_000);
        assert_eq!(parse_proposals(deep.as_bytes()).unwrap_err().code().0, 3002);
        assert_eq!(parse_proposals(&vec![b' '; MAX_FILE_BYTES + 1]).unwrap_err().code().0, 3001);
        let (head, row) = PROPOSAL.split_once("\"rows\": [").unwrap();
        let row = row.split_once("},").unwrap().0;
        let many = format!("{head}\"rows\": [{}{row}}}]}}", format!("{row}}},").repeat(MAX_ROWS));
        assert_eq!(parse_proposals(many.as_bytes()).unwrap_err().code().0, 3011);
    }
}
