//! From bytes to a [`Json`] value, strictly: one value, no comments, no key twice, bounded depth and size.
//!
//! Stone reads with jsoncpp, which keeps the last of two equal keys and allows comments. A file that says one thing
//! twice is ambiguous, so it is refused here.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::{error::JsonError, value::Json};

/// The most values in one file. Together with the file size limit this bounds the memory of a parsed file to
/// about 1.5 GiB.
const MOST_VALUES: usize = 1 << 25;

/// The key under which serde_json, with its feature `arbitrary_precision`, hands over a number that is no 64-bit integer,
/// as text. Without the feature -0 and -0.0 would both arrive as the same double; jsoncpp echoes 0 and -0.0.
const BIG_NUMBER_KEY: &str = "$serde_json::private::Number";

/// A number that serde_json does not count among the 64-bit integers, from its text. One of them is -0, which jsoncpp
/// reads as the integer 0.
fn real<E: serde::de::Error>(text: &str) -> Result<Json, E> {
    match text.parse::<f64>() {
        Ok(_) if text == "-0" => Ok(Json::Unsigned(0)),
        Ok(value) if value.is_finite() => Ok(Json::Real(value)),
        _ => Err(E::custom("number out of range")),
    }
}

/// What is remembered while a text is read.
#[derive(Default)]
struct Reading {
    values: Cell<usize>,
    duplicate: RefCell<Option<String>>,
}

impl Json {
    /// Reads one JSON value. `file` names the source in errors.
    ///
    /// # Errors
    /// For broken JSON (also one nested deeper than 127 levels, or text that is not UTF-8), anything after the
    /// value, a key given twice in one object, and more than 2²⁵ values.
    pub fn from_slice(bytes: &[u8], file: &str) -> Result<Json, JsonError> {
        let reading = Reading::default();
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        let outcome = Value { reading: &reading }
            .deserialize(&mut deserializer)
            .and_then(|value| deserializer.end().map(|()| value));
        outcome.map_err(|error| match reading.duplicate.take() {
            Some(key) => {
                JsonError::DuplicateKey { file: file.into(), key, line: error.line(), column: error.column() }
            }
            None => JsonError::Syntax { file: file.into(), message: error.to_string() },
        })
    }
}

#[derive(Clone, Copy)]
struct Value<'r> {
    reading: &'r Reading,
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let count = self.reading.values.get() + 1;
        if count > MOST_VALUES {
            return Err(D::Error::custom(format!("more than {MOST_VALUES} values")));
        }
        self.reading.values.set(count);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(u64::try_from(value).map_or(Json::Negative(value), Json::Unsigned))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Json::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = access.next_key::<String>()? {
            if key == BIG_NUMBER_KEY && entries.is_empty() {
                return real(&access.next_value::<String>()?);
            }
            if entries.contains_key(&key) {
                self.reading.duplicate.replace(Some(key));
                return Err(A::Error::custom("a key is given twice"));
            }
            let value = access.next_value_seed(self)?;
            entries.insert(key, value);
        }
        Ok(Json::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Json, JsonError> {
        Json::from_slice(text.as_bytes(), "test.json")
    }

    #[test]
    fn integers_reals_and_texts_are_kept_apart() {
        let list = read(r#"[18, -18, 18.0, 18446744073709551615, 18446744073709551616, "18", -0]"#).unwrap();
        assert_eq!(
            list,
            Json::Array(vec![
                Json::Unsigned(18),
                Json::Negative(-18),
                Json::Real(18.0),
                Json::Unsigned(u64::MAX),
                Json::Real(18446744073709551616.0),
                Json::text("18"),
                Json::Unsigned(0),
            ])
        );
    }

    #[test]
    fn a_key_given_twice_is_refused_with_its_place() {
        let error = read("{\"a\": 1,\n \"b\": {\"c\": 1, \"c\": 2}}").unwrap_err();
        assert!(matches!(error, JsonError::DuplicateKey { ref key, line: 2, .. } if key == "c"), "{error}");
    }

    #[test]
    fn more_values_than_memory_is_meant_for_are_refused() {
        let read_after = |values| {
            let reading = Reading { values: Cell::new(values), ..Reading::default() };
            Value { reading: &reading }.deserialize(&mut serde_json::Deserializer::from_str("[1, 2]"))
        };
        assert!(read_after(MOST_VALUES - 3).is_ok());
        let error = read_after(MOST_VALUES - 2).unwrap_err();
        assert!(error.to_string().contains("more than 33554432 values"), "{error}");
    }

    #[test]
    fn broken_texts_are_refused() {
        for text in ["", "{", "[1,]", "{\"a\":1} x", "nul", "'a'", "// note\n1", "\u{1}", "01", "\"\\ud800\""]
        {
            assert!(matches!(read(text), Err(JsonError::Syntax { .. })), "{text}");
        }
        assert!(matches!(Json::from_slice(b"\"\xff\"", "x"), Err(JsonError::Syntax { .. })));
    }

    #[test]
    fn endless_nesting_is_refused_without_a_stack_overflow() {
        let error = read(&"[".repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().contains("recursion limit"), "{error}");
    }
}
