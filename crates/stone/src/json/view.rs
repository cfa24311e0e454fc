//! Typed access to a [`Json`] value that knows where in which file it stands.

use std::fmt;

use ashlar_field::Felt;

use super::{error::JsonError, value::Json};

/// One step of the way from a file's root to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    File(&'a str),
    Key(&'a str),
    Index(usize),
}

/// A value and the way to it. Cheap: the way is a chain of borrows, spelt out only in an error.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    value: &'a Json,
    step: Step<'a>,
    parent: Option<&'a View<'a>>,
}

impl fmt::Display for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            fmt::Display::fmt(parent, f)?;
        }
        match self.step {
            Step::File(file) => write!(f, "{file}: /"),
            Step::Key(key) => write!(f, "{key}/"),
            Step::Index(index) => write!(f, "{index}/"),
        }
    }
}

impl<'a> View<'a> {
    /// The root of a file.
    pub(crate) fn root(value: &'a Json, file: &'a str) -> View<'a> {
        View { value, step: Step::File(file), parent: None }
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &'a Json {
        self.value
    }

    fn wrong_type(&self, expected: &'static str) -> JsonError {
        JsonError::WrongType { place: self.to_string(), expected, got: self.value.describe() }
    }

    /// The value of a key that must be there.
    pub(crate) fn key(&'a self, key: &'a str) -> Result<View<'a>, JsonError> {
        self.optional_key(key)?
            .ok_or_else(|| JsonError::MissingKey { place: self.to_string(), key: key.to_owned() })
    }

    /// The value of a key, or `None` if the object lacks it.
    pub(crate) fn optional_key(&'a self, key: &'a str) -> Result<Option<View<'a>>, JsonError> {
        let Json::Object(entries) = self.value else { return Err(self.wrong_type("an object")) };
        Ok(entries.get(key).map(|value| View { value, step: Step::Key(key), parent: Some(self) }))
    }

    /// The value of a key, or `None` if the object lacks it or holds null there: Stone's settings do not tell the two
    /// apart.
    pub(crate) fn setting(&'a self, key: &'a str) -> Result<Option<View<'a>>, JsonError> {
        Ok(self.optional_key(key)?.filter(|view| *view.value != Json::Null))
    }

    /// All entries of an object, sorted by key.
    pub(crate) fn entries(&'a self) -> Result<impl Iterator<Item = (&'a String, View<'a>)>, JsonError> {
        let Json::Object(entries) = self.value else { return Err(self.wrong_type("an object")) };
        Ok(entries
            .iter()
            .map(move |(key, value)| (key, View { value, step: Step::Key(key), parent: Some(self) })))
    }

    /// All items of a list.
    pub(crate) fn items(&'a self) -> Result<impl ExactSizeIterator<Item = View<'a>>, JsonError> {
        let Json::Array(items) = self.value else { return Err(self.wrong_type("a list")) };
        Ok(items.iter().enumerate().map(move |(index, value)| View {
            value,
            step: Step::Index(index),
            parent: Some(self),
        }))
    }

    /// A text.
    pub(crate) fn text(&self) -> Result<&'a str, JsonError> {
        match self.value {
            Json::String(text) => Ok(text),
            _ => Err(self.wrong_type("a text")),
        }
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Result<bool, JsonError> {
        match self.value {
            Json::Bool(value) => Ok(*value),
            _ => Err(self.wrong_type("true or false")),
        }
    }

    /// An integer from 0 to `most`. A real without fraction, such as 18.0, is one, as for jsoncpp.
    pub(crate) fn integer_up_to(&self, most: u64) -> Result<u64, JsonError> {
        /// 2⁶⁴: the first double that no `u64` can hold.
        const BEYOND: f64 = 18_446_744_073_709_551_616.0;
        let number = match self.value {
            Json::Unsigned(value) => Some(*value),
            Json::Real(value) if *value >= 0.0 && *value < BEYOND && value.fract() == 0.0 => {
                Some(*value as u64)
            }
            Json::Negative(_) | Json::Real(_) => None,
            _ => return Err(self.wrong_type("an integer")),
        };
        number.filter(|&value| value <= most).ok_or_else(|| JsonError::NumberOutOfRange {
            place: self.to_string(),
            most,
            got: self.value.describe(),
        })
    }

    /// An integer below 2⁶⁴.
    pub(crate) fn integer(&self) -> Result<u64, JsonError> {
        self.integer_up_to(u64::MAX)
    }

    /// An integer below 2³².
    pub(crate) fn small_integer(&self) -> Result<u32, JsonError> {
        self.integer_up_to(u64::from(u32::MAX)).map(|value| value as u32)
    }

    /// An integer below p as `0x…`, for numbers that Stone keeps as integers and does not reduce.
    pub(crate) fn integer_below_prime(&self) -> Result<Felt, JsonError> {
        limbs_from_hex(self.text()?)
            .and_then(Felt::from_standard_limbs)
            .ok_or_else(|| self.bad_hex("0x and a hexadecimal number below the field prime"))
    }

    /// A field element: `0x` and a hexadecimal number below 2²⁵⁶, reduced modulo p as Stone does.
    pub(crate) fn felt(&self) -> Result<Felt, JsonError> {
        let text = match self.value {
            Json::String(text) => text,
            _ => return Err(self.wrong_type("a field element as a text")),
        };
        limbs_from_hex(text)
            .map(Felt::from_limbs_reduced)
            .ok_or_else(|| self.bad_hex("0x and a hexadecimal number below 2²⁵⁶"))
    }

    fn bad_hex(&self, expected: &'static str) -> JsonError {
        JsonError::BadHex { place: self.to_string(), expected, got: self.value.describe() }
    }

    /// The one of `all` that prints as this text.
    pub(crate) fn one_of<T: Copy + fmt::Display>(&self, all: &[T]) -> Result<T, JsonError> {
        let name = self.text()?;
        all.iter().find(|known| known.to_string() == name).copied().ok_or_else(|| JsonError::UnknownName {
            place: self.to_string(),
            expected: all.iter().map(T::to_string).collect(),
            got: name.to_owned(),
        })
    }
}

/// The number behind `0x…`, lowest limb first; `None` unless it is below 2²⁵⁶. It may begin with any number of zeros.
fn limbs_from_hex(text: &str) -> Option<[u64; 4]> {
    let all = text.strip_prefix("0x").filter(|digits| !digits.is_empty())?;
    let digits = all.trim_start_matches('0');
    if digits.len() > 64 {
        return None;
    }
    let mut limbs = [0u64; 4];
    for (position, digit) in digits.bytes().rev().enumerate() {
        let value = char::from(digit).to_digit(16)?;
        limbs[position / 16] |= u64::from(value) << (4 * (position % 16));
    }
    Some(limbs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Json {
        Json::from_slice(text.as_bytes(), "t.json").unwrap()
    }

    #[test]
    fn an_error_names_the_file_and_the_path() {
        let value = at(r#"{"stark": {"steps": [0, "4"]}}"#);
        let root = View::root(&value, "t.json");
        let stark = root.key("stark").unwrap();
        let steps = stark.key("steps").unwrap();
        let error = steps.items().unwrap().map(|item| item.integer()).last().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "expected an integer at t.json: /stark/steps/1/, got the text \"4\"");
        let error = stark.key("fri").map(|_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected the key \"fri\" at t.json: /stark/, got an object without it"
        );
    }

    #[test]
    fn integers_are_neither_negative_nor_fractional_nor_too_large() {
        for text in ["-1", "1.5", "-0.5", "1e30", "18446744073709551616"] {
            let value = at(text);
            let error = View::root(&value, "t.json").integer().unwrap_err();
            assert!(matches!(error, JsonError::NumberOutOfRange { .. }), "{text}: {error}");
        }
        assert_eq!(View::root(&at("18.0"), "t.json").integer(), Ok(18));
        assert_eq!(View::root(&at("18446744073709551615"), "t.json").integer(), Ok(u64::MAX));
        assert!(View::root(&at("4294967296"), "t.json").small_integer().is_err());
    }

    #[test]
    fn field_elements_are_hexadecimal_and_reduced() {
        let p = "\"0x800000000000011000000000000000000000000000000000000000000000001\"";
        assert_eq!(View::root(&at(p), "t.json").felt(), Ok(Felt::ZERO));
        assert_eq!(View::root(&at("\"0x12\""), "t.json").felt(), Ok(Felt::from_u64(18)));
        let longest = format!("\"0x{}\"", "f".repeat(64));
        assert!(View::root(&at(&longest), "t.json").felt().is_ok());
        let padded = format!("\"0x{}12\"", "0".repeat(100));
        assert_eq!(View::root(&at(&padded), "t.json").felt(), Ok(Felt::from_u64(18)));
        let too_long = format!("\"0x1{}\"", "0".repeat(64));
        for text in ["\"12\"", "\"0x\"", "\"0xg\"", "\"0x-1\"", "\"0x+1\"", "\"\"", &too_long] {
            assert!(View::root(&at(text), "t.json").felt().is_err(), "{text}");
        }
    }

    #[test]
    fn a_number_that_is_no_field_element_is_never_reduced() {
        let prime = "0x800000000000011000000000000000000000000000000000000000000000001";
        let number = |text: &str| {
            let value = Json::String(text.to_owned());
            View::root(&value, "t.json").integer_below_prime()
        };
        assert_eq!(number("0x2a").unwrap(), Felt::from_u64(42));
        for text in [prime, "2a", "42", "0x", ""] {
            assert!(matches!(number(text), Err(JsonError::BadHex { .. })), "{text}");
        }
        let reduced = Json::String(prime.to_owned());
        assert_eq!(View::root(&reduced, "t.json").felt().unwrap(), Felt::ZERO);
    }
}
