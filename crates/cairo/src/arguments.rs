//! What a program is called with.
//!
//! A Cairo 0 program reads a JSON object through its hints. A Cairo 1 executable takes a list of field elements, the
//! `Serde` form of its parameters one after another, which can be written
//!
//! - as a JSON array of hexadecimal or decimal texts and numbers, `["0x1", "27", 3]`: the list itself;
//! - as a JSON array with typed entries: a nested array is an `Array` (its length goes first), `true` is 1, a
//!   negative number −x is p − x, `{"u256": "0x…"}` is low and high half, `{"bytes": "text"}` a `ByteArray`,
//!   `{"some": …}` and `{"none": []}` an `Option`, `{"variant": [index, …]}` an enum, `{"fields": […]}` a struct,
//!   tuple or fixed-size array (entries only, no length);
//! - as a line of text, `1 0x2 [3 4 5]`, where brackets are an `Array`.

use ashlar_field::Felt;
use serde_json::{Map, Value};

/// The arguments of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Arguments {
    /// For a Cairo 0 program: what its hints find in `program_input`.
    ProgramInput(Value),
    /// For a Cairo 1 executable: the `Serde` form of its parameters.
    Felts(Vec<Felt>),
}

/// Arguments that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentsError {
    /// Not JSON.
    #[error("the arguments are not JSON: {0}")]
    Json(String),
    /// An entry that has no reading as field elements.
    #[error("argument {place}: expected {expected}, got {got}")]
    Entry {
        /// Its path, such as `[2][0]`.
        place: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
    /// A bracket without its partner.
    #[error("argument text: a bracket is not closed, or not opened")]
    Bracket,
    /// Arguments of the other kind of program.
    #[error("expected {expected}")]
    Kind {
        /// What this kind of program takes.
        expected: &'static str,
    },
}

impl Arguments {
    /// No arguments: they suit both kinds of program.
    pub fn none() -> Arguments {
        Arguments::Felts(Vec::new())
    }

    /// From JSON: an object is a program input, an array a list of parameters.
    ///
    /// # Errors
    /// [`ArgumentsError::Json`] or [`ArgumentsError::Entry`] with the place.
    pub fn from_json(bytes: &[u8]) -> Result<Arguments, ArgumentsError> {
        match serde_json::from_slice(bytes).map_err(|error| ArgumentsError::Json(error.to_string()))? {
            Value::Array(entries) => {
                let mut felts = Vec::new();
                serialize_entries(&entries, "", &mut felts)?;
                Ok(Arguments::Felts(felts))
            }
            object @ Value::Object(_) => Ok(Arguments::ProgramInput(object)),
            other => Err(entry("", "an object or an array", &other)),
        }
    }

    /// From a line of text such as `1 0x2 [3 4 5]`.
    ///
    /// # Errors
    /// [`ArgumentsError::Entry`] or [`ArgumentsError::Bracket`].
    pub fn from_text(text: &str) -> Result<Arguments, ArgumentsError> {
        let spaced = text.replace('[', " [ ").replace(']', " ] ").replace(',', " ");
        let mut felts = Vec::new();
        // Where the length of each open array will be written.
        let mut open: Vec<(usize, u64)> = Vec::new();
        for (index, word) in spaced.split_whitespace().enumerate() {
            if word == "]" {
                let (position, length) = open.pop().ok_or(ArgumentsError::Bracket)?;
                felts[position] = Felt::from_u64(length);
                continue;
            }
            if let Some((_, length)) = open.last_mut() {
                *length += 1;
            }
            if word == "[" {
                open.push((felts.len(), 0));
                felts.push(Felt::ZERO);
            } else {
                felts.push(number(word).ok_or_else(|| ArgumentsError::Entry {
                    place: format!("{index}"),
                    expected: "a number below the field prime",
                    got: word.into(),
                })?);
            }
        }
        if !open.is_empty() {
            return Err(ArgumentsError::Bracket);
        }
        Ok(Arguments::Felts(felts))
    }
}

/// A decimal or hexadecimal number, negative ones as p − |x|.
fn number(text: &str) -> Option<Felt> {
    match text.strip_prefix('-') {
        Some(magnitude) => magnitude.parse::<Felt>().ok().map(|value| -value),
        None => text.parse().ok(),
    }
}

fn entry(place: &str, expected: &'static str, got: &Value) -> ArgumentsError {
    let mut got = got.to_string();
    if got.len() > 60 {
        got = got.chars().take(60).chain("…".chars()).collect();
    }
    ArgumentsError::Entry {
        place: if place.is_empty() { "list".into() } else { place.into() },
        expected,
        got,
    }
}

fn serialize_entries(entries: &[Value], place: &str, felts: &mut Vec<Felt>) -> Result<(), ArgumentsError> {
    entries
        .iter()
        .enumerate()
        .try_for_each(|(index, value)| serialize(value, &format!("{place}[{index}]"), felts))
}

/// Appends the `Serde` form of a typed entry.
fn serialize(value: &Value, place: &str, felts: &mut Vec<Felt>) -> Result<(), ArgumentsError> {
    match value {
        Value::Bool(flag) => felts.push(Felt::from_u64(u64::from(*flag))),
        Value::Number(_) | Value::String(_) => felts.push(element(value, place)?),
        Value::Array(entries) => {
            felts.push(Felt::from_u64(entries.len() as u64));
            serialize_entries(entries, place, felts)?;
        }
        Value::Object(map) => serialize_typed(map, value, place, felts)?,
        Value::Null => return Err(entry(place, "a number, a text, an array or a typed value", value)),
    }
    Ok(())
}

fn element(value: &Value, place: &str) -> Result<Felt, ArgumentsError> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => String::new(),
    };
    number(&text).ok_or_else(|| entry(place, "an integer below the field prime", value))
}

fn serialize_typed(
    map: &Map<String, Value>,
    whole: &Value,
    place: &str,
    felts: &mut Vec<Felt>,
) -> Result<(), ArgumentsError> {
    const TYPES: &str = "one key of u256, bytes, some, none, variant, fields";
    let mut keys = map.iter();
    let (Some((key, content)), None) = (keys.next(), keys.next()) else {
        return Err(entry(place, TYPES, whole));
    };
    match (key.as_str(), content) {
        ("u256", _) => {
            let [low, high] = halves(content, place)?;
            felts.extend([low, high]);
        }
        ("bytes", Value::String(text)) => serialize_bytes(text.as_bytes(), felts),
        ("some", _) => {
            felts.push(Felt::ZERO);
            serialize(content, place, felts)?;
        }
        ("none", _) => felts.push(Felt::ONE),
        ("variant", Value::Array(entries)) if !entries.is_empty() => {
            felts.push(element(&entries[0], place)?);
            serialize_entries(&entries[1..], place, felts)?;
        }
        ("fields", Value::Array(entries)) => serialize_entries(entries, place, felts)?,
        _ => return Err(entry(place, TYPES, whole)),
    }
    Ok(())
}

/// The low and the high 128 bits of a 256-bit number.
fn halves(value: &Value, place: &str) -> Result<[Felt; 2], ArgumentsError> {
    let wrong = || entry(place, "a 256-bit integer", value);
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return Err(wrong()),
    };
    let (digits, base) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text.as_str(), 10),
    };
    if digits.is_empty() {
        return Err(wrong());
    }
    let mut limbs = [0u64; 4];
    for character in digits.chars() {
        let mut carry = u128::from(character.to_digit(base).ok_or_else(wrong)?);
        for limb in &mut limbs {
            let wide = u128::from(*limb) * u128::from(base) + carry;
            *limb = wide as u64;
            carry = wide >> 64;
        }
        if carry != 0 {
            return Err(wrong());
        }
    }
    let half = |low: u64, high: u64| Felt::from_u128(u128::from(high) << 64 | u128::from(low));
    Ok([half(limbs[0], limbs[1]), half(limbs[2], limbs[3])])
}

/// A `ByteArray`: the number of full 31-byte words, the words, the pending word, its length.
fn serialize_bytes(bytes: &[u8], felts: &mut Vec<Felt>) {
    let word = |chunk: &[u8]| {
        let mut padded = [0; 32];
        padded[32 - chunk.len()..].copy_from_slice(chunk);
        Felt::from_bytes_reduced(&padded)
    };
    let chunks = bytes.chunks_exact(31);
    let pending = chunks.remainder();
    felts.push(Felt::from_u64(chunks.len() as u64));
    felts.extend(chunks.map(word));
    felts.extend([word(pending), Felt::from_u64(pending.len() as u64)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn felts(values: &[i64]) -> Arguments {
        Arguments::Felts(values.iter().map(|&value| Felt::from_i64(value)).collect())
    }

    fn json(text: &str) -> Result<Arguments, ArgumentsError> {
        Arguments::from_json(text.as_bytes())
    }

    #[test]
    fn a_flat_list_may_be_hexadecimal_decimal_or_numbers() {
        assert_eq!(json(r#"["0x1", "27", 3, -4, "-0x5"]"#), Ok(felts(&[1, 27, 3, -4, -5])));
        assert_eq!(json("[]"), Ok(Arguments::none()));
    }

    #[test]
    fn typed_entries_have_their_serde_form() {
        assert_eq!(json("[true, [7, 8], [[1], []]]"), Ok(felts(&[1, 2, 7, 8, 2, 1, 1, 0])));
        assert_eq!(json(r#"[{"u256": "0x100000000000000000000000000000002"}]"#), Ok(felts(&[2, 1])));
        assert_eq!(json(r#"[{"some": 5}, {"none": []}, {"variant": [2, 9]}]"#), Ok(felts(&[0, 5, 1, 2, 9])));
        assert_eq!(json(r#"[{"fields": [1, [2], {"bytes": "A"}]}]"#), Ok(felts(&[1, 1, 2, 0, 0x41, 1])));
    }

    #[test]
    fn a_text_line_knows_brackets() {
        assert_eq!(Arguments::from_text("1 0x2 [1 2 3] []"), Ok(felts(&[1, 2, 3, 1, 2, 3, 0])));
        assert_eq!(Arguments::from_text("[1 [2]]"), Ok(felts(&[2, 1, 1, 2])));
        assert_eq!(Arguments::from_text("[1"), Err(ArgumentsError::Bracket));
        assert_eq!(Arguments::from_text("1]"), Err(ArgumentsError::Bracket));
    }

    #[test]
    fn what_has_no_reading_is_refused_with_its_place() {
        for (text, place) in [
            ("[1, 2.5]", "[1]"),
            ("[[1, null]]", "[0][1]"),
            (r#"["x"]"#, "[0]"),
            (r#"[{"u8": 1}]"#, "[0]"),
            (r#"[{"u256": "0x10000000000000000000000000000000000000000000000000000000000000000"}]"#, "[0]"),
            ("[3618502788666131213697322783095070105623107215331596699973092056135872020481]", "[0]"),
        ] {
            let Err(ArgumentsError::Entry { place: got, .. }) = json(text) else { panic!("{text} was read") };
            assert_eq!(got, place, "{text}");
        }
        assert!(matches!(json("3"), Err(ArgumentsError::Entry { .. })));
        assert!(matches!(json("{"), Err(ArgumentsError::Json(_))));
    }
}
