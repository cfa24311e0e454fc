//! The fields of a proposal: as a form shows them, and as the JSON of a proposal file, which one parser reads.

use ashlar_store::Moment;
use serde_json::Value;

use crate::{ServerError, call::Fields};

/// Rows that a form may have.
pub(super) const MOST_ROWS: usize = 32;

/// Rows that a new form has.
const FIRST_ROWS: usize = 3;

/// A field: its key in a proposal file, its label, its help, whether it is a number, and what a new form says.
type Description = (&'static str, &'static str, &'static str, bool, &'static str);

pub(super) const HEAD: [Description; 4] = [
    ("chain_id", "Chain", "a field element", false, "0x534e5f5345504f4c4941"),
    ("allocator", "Allocator", "its address", false, "0x1"),
    ("nonce", "Nonce", "tells equal proposals apart", true, ""),
    ("model_version", "Risk model", "its version", true, "1"),
];

pub(super) const CONSTRAINTS: [Description; 4] = [
    ("max_single", "Largest share", "basis points, at most 10000", true, "6000"),
    ("max_volatility", "Largest volatility", "basis points, at most 10000", true, "4000"),
    ("min_diversification", "Diversification", "rows with at least 10 %", true, "2"),
    ("min_liquidity", "Worst liquidity", "class, 0 best to 3", true, "2"),
];

pub(super) const ROW: [Description; 7] = [
    ("protocol_id", "Protocol", "a field element", false, ""),
    ("apy", "Yield", "basis points", true, ""),
    ("utilisation", "Utilisation", "basis points", true, ""),
    ("volatility", "Volatility", "basis points", true, ""),
    ("liquidity", "Liquidity", "class, 0 best to 3", true, ""),
    ("audit", "Audit mark", "0 to 100", true, ""),
    ("age", "Age", "days", true, ""),
];

/// A field as the page shows it.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) help: &'static str,
    pub(super) value: String,
    pub(super) number: bool,
    pub(super) wrong: bool,
}

/// A proposal as it was typed.
#[derive(Clone, Debug)]
pub(super) struct ProposalForm {
    /// By name, which is the place in a proposal file: `rows[1].apy`.
    values: Vec<(String, String)>,
    rows: usize,
}

impl ProposalForm {
    /// A new form. Its nonce is the time, so that two forms make two proposals.
    pub(super) fn fresh(now: Moment) -> ProposalForm {
        let mut form = ProposalForm { values: Vec::new(), rows: FIRST_ROWS };
        for (name, .., value) in HEAD {
            form.values.push((name.to_owned(), value.to_owned()));
        }
        for (name, .., value) in CONSTRAINTS {
            form.values.push((format!("constraints.{name}"), value.to_owned()));
        }
        form.set("nonce", now.milliseconds().to_string());
        form
    }

    fn set(&mut self, name: &str, value: String) {
        match self.values.iter_mut().find(|(own, _)| own == name) {
            Some((_, own)) => *own = value,
            None => self.values.push((name.to_owned(), value)),
        }
    }

    /// What somebody sent. Names of no proposal are refused.
    pub(super) fn read(fields: &Fields) -> Result<ProposalForm, ServerError> {
        let rows = (0..=MOST_ROWS)
            .rev()
            .find(|row| ROW.iter().any(|(name, ..)| fields.has(&format!("rows[{row}].{name}"))))
            .map_or(0, |row| row + 1);
        if rows > MOST_ROWS {
            let message =
                format!("expected at most {MOST_ROWS} rows; larger proposals go to /api/v1/allocations");
            return Err(fields.invalid("rows", message));
        }
        let names = names(rows);
        let mut known: Vec<&str> = names.iter().map(String::as_str).collect();
        known.extend(["token", "action"]);
        fields.only(&known)?;
        let value = |name: &String| (name.clone(), fields.get(name).unwrap_or_default().trim().to_owned());
        Ok(ProposalForm { values: names.iter().map(value).collect(), rows: rows.max(1) })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// One more row, as far as there is room.
    pub(super) fn add_row(&mut self) {
        self.rows = (self.rows + 1).min(MOST_ROWS);
    }

    fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(own, _)| own == name).map_or("", |(_, value)| value)
    }

    /// The fields of a part of the form. `wrong` is the name of the one with an error.
    pub(super) fn fields(&self, prefix: &str, fields: &[Description], wrong: Option<&str>) -> Vec<Field> {
        let field = |(name, label, help, number, _): &Description| {
            let name = format!("{prefix}{name}");
            Field {
                value: self.value(&name).to_owned(),
                wrong: wrong == Some(name.as_str()),
                name,
                label,
                help,
                number: *number,
            }
        };
        fields.iter().map(field).collect()
    }

    /// The rows that somebody has filled in, by their index in the form.
    fn filled(&self) -> Vec<usize> {
        let is_filled =
            |row: &usize| ROW.iter().any(|(name, ..)| !self.value(&format!("rows[{row}].{name}")).is_empty());
        (0..self.rows).filter(is_filled).collect()
    }

    /// The proposal file that says the same. What is no number where one belongs stays the text that it is, for the
    /// parser to refuse in its own words.
    pub(super) fn to_json(&self) -> String {
        let object = |prefix: &str, fields: &[Description]| {
            fields
                .iter()
                .map(|(name, .., number, _)| {
                    let value = self.value(&format!("{prefix}{name}"));
                    let digits = value.strip_prefix('-').unwrap_or(value);
                    let plain = !digits.is_empty()
                        && digits.len() <= 40
                        && digits.bytes().all(|byte| byte.is_ascii_digit());
                    // A number with leading zeros is none in JSON.
                    let as_number = *number && plain && (digits == "0" || !digits.starts_with('0'));
                    let value = if as_number { value.to_owned() } else { Value::from(value).to_string() };
                    format!("\"{name}\":{value}")
                })
                .collect::<Vec<_>>()
                .join(",")
        };
        let rows: Vec<String> = self
            .filled()
            .iter()
            .map(|row| format!("{{{}}}", object(&format!("rows[{row}]."), &ROW)))
            .collect();
        format!(
            "{{{},\"constraints\":{{{}}},\"rows\":[{}]}}",
            object("", &HEAD),
            object("constraints.", &CONSTRAINTS),
            rows.join(",")
        )
    }

    /// The field that an error's words begin with, where it names a place.
    pub(super) fn field_of(&self, words: &str) -> Option<String> {
        let place = words.split([':', ' ']).next().unwrap_or_default();
        // Rows that are left empty do not count in the file, but are there in the form.
        let place = match place.strip_prefix("rows[").and_then(|rest| rest.split_once(']')) {
            Some((index, rest)) => {
                let row = self.filled().get(index.parse::<usize>().ok()?).copied()?;
                let rest = if rest.is_empty() { ".protocol_id" } else { rest };
                format!("rows[{row}]{rest}")
            }
            None => place.to_owned(),
        };
        names(self.rows).into_iter().find(|name| *name == place)
    }
}

/// The names of all fields of a form.
fn names(rows: usize) -> Vec<String> {
    let mut names: Vec<String> = HEAD.iter().map(|(name, ..)| (*name).to_owned()).collect();
    names.extend(CONSTRAINTS.iter().map(|(name, ..)| format!("constraints.{name}")));
    for row in 0..rows {
        names.extend(ROW.iter().map(|(name, ..)| format!("rows[{row}].{name}")));
    }
    names
}

#[cfg(test)]
mod tests {
    use ashlar_risk::{RiskError, parse_proposals};

    use super::*;

    fn filled() -> ProposalForm {
        let mut form = ProposalForm::fresh(Moment::from_milliseconds(7));
        // The first row is left empty.
        for (row, protocol) in [(1, "0xa"), (2, "0xb")] {
            for ((name, ..), value) in ROW.iter().zip([protocol, "500", "6500", "3500", "1", "98", "800"]) {
                form.set(&format!("rows[{row}].{name}"), value.to_owned());
            }
        }
        form
    }

    #[test]
    fn a_form_makes_the_proposal_that_it_shows() {
        let proposal = parse_proposals(filled().to_json().as_bytes()).unwrap().pop().unwrap();
        assert_eq!((proposal.nonce, proposal.rows.len(), proposal.rows[1].apy), (7, 2, 500));
    }

    #[test]
    fn what_is_wrong_is_said_by_the_parser_and_leads_to_its_field() {
        for (value, check) in [
            ("-1", (|error| matches!(error, RiskError::Negative { .. })) as fn(&RiskError) -> bool),
            ("1.5", |error| matches!(error, RiskError::WrongKind { .. })),
            ("", |error| matches!(error, RiskError::WrongKind { .. })),
            ("007", |error| matches!(error, RiskError::WrongKind { .. })),
            ("99999999999999999999", |error| matches!(error, RiskError::TooLarge { .. })),
            ("1, \"nonce\": 2", |error| matches!(error, RiskError::WrongKind { .. })),
        ] {
            let mut form = filled();
            form.set("rows[2].apy", value.to_owned());
            let error = parse_proposals(form.to_json().as_bytes()).unwrap_err();
            assert!(check(&error), "{value:?}: {error}");
            assert_eq!(form.field_of(&error.to_string()).as_deref(), Some("rows[2].apy"), "{error}");
        }
    }

    #[test]
    fn a_place_that_no_form_has_leads_nowhere() {
        for words in
            ["rows[99].apy: x", "rows[x]: y", "the proposal: z", "", "rows[18446744073709551616].apy: x"]
        {
            assert_eq!(filled().field_of(words), None, "{words}");
        }
    }
}
