//! A JSON value as jsoncpp keeps it: integers, reals and text apart, object keys sorted.

use std::collections::BTreeMap;

/// A JSON value. Object keys are sorted by their bytes, as in Stone's files.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number written without fraction or exponent, 0 ≤ n < 2⁶⁴.
    Unsigned(u64),
    /// A number written without fraction or exponent, −2⁶³ ≤ n < 0.
    Negative(i64),
    /// Any other number, as a double.
    Real(f64),
    /// A text.
    String(String),
    /// A list.
    Array(Vec<Json>),
    /// An object.
    Object(BTreeMap<String, Json>),
}

impl Json {
    /// An object from pairs; a repeated key keeps its last value.
    pub fn object<const LENGTH: usize>(entries: [(&str, Json); LENGTH]) -> Json {
        Json::Object(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Json {
        Json::String(text.into())
    }

    /// What this is, for messages: `an object`, `the number 18`, …
    pub(crate) fn describe(&self) -> String {
        const LONGEST: usize = 60;
        match self {
            Json::Null => "null".into(),
            Json::Bool(value) => format!("{value}"),
            Json::Unsigned(value) => format!("the number {value}"),
            Json::Negative(value) => format!("the number {value}"),
            Json::Real(value) => format!("the number {value}"),
            Json::String(text) if text.chars().count() <= LONGEST => format!("the text {text:?}"),
            Json::String(text) => {
                format!("the text {:?}…", text.chars().take(LONGEST).collect::<String>())
            }
            Json::Array(items) => format!("a list of {} items", items.len()),
            Json::Object(_) => "an object".into(),
        }
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Json {
        Json::Unsigned(value)
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Json {
        Json::Bool(value)
    }
}
