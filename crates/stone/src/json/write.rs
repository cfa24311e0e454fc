//! From a [`Json`] value to the bytes that jsoncpp 1.8.4's stream operator writes, which is what Stone's files hold.
//!
//! Indentation is one tab a level; a key is followed by space, colon, space; a list or object that is not empty
//! starts on a line of its own, one item a line; characters outside ASCII are escaped; no newline at the end.

use std::fmt::Write as _;

use super::value::Json;

impl Json {
    /// The text of Stone's files.
    pub fn to_stone_text(&self) -> String {
        let mut text = String::new();
        write_value(&mut text, self, 0, true);
        text
    }
}

/// Writes `value` inside `depth` levels. `fresh` tells that the line holds nothing but indentation so far.
fn write_value(text: &mut String, value: &Json, depth: usize, fresh: bool) {
    match value {
        Json::Null => text.push_str("null"),
        Json::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Json::Unsigned(value) => push_formatted(text, format_args!("{value}")),
        Json::Negative(value) => push_formatted(text, format_args!("{value}")),
        Json::Real(value) => text.push_str(&real(*value)),
        Json::String(value) => write_text(text, value),
        Json::Array(items) if items.is_empty() => text.push_str("[]"),
        Json::Object(entries) if entries.is_empty() => text.push_str("{}"),
        Json::Array(items) => {
            open(text, '[', depth, fresh);
            for (index, item) in items.iter().enumerate() {
                new_item(text, index, depth);
                write_value(text, item, depth + 1, true);
            }
            close(text, ']', depth);
        }
        Json::Object(entries) => {
            open(text, '{', depth, fresh);
            for (index, (key, item)) in entries.iter().enumerate() {
                new_item(text, index, depth);
                write_text(text, key);
                text.push_str(" : ");
                write_value(text, item, depth + 1, false);
            }
            close(text, '}', depth);
        }
    }
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n('\t', depth));
}

fn open(text: &mut String, bracket: char, depth: usize, fresh: bool) {
    if !fresh {
        new_line(text, depth);
    }
    text.push(bracket);
}

fn new_item(text: &mut String, index: usize, depth: usize) {
    if index != 0 {
        text.push(',');
    }
    new_line(text, depth + 1);
}

fn close(text: &mut String, bracket: char, depth: usize) {
    new_line(text, depth);
    text.push(bracket);
}

/// Writing to a `String` cannot fail.
fn push_formatted(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    let _ = text.write_fmt(arguments);
}

fn write_text(text: &mut String, value: &str) {
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            ' '..='\u{7f}' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    push_formatted(text, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    text.push('"');
}

/// C's `%.17g`, with `.0` appended where it would read as an integer (jsoncpp keeps that it was a real).
fn real(value: f64) -> String {
    const DIGITS: i32 = 17;
    let scientific = format!("{:.*e}", DIGITS as usize - 1, value);
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return "null".into() };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let without_zeros = |number: &str| match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => number.to_owned(),
    };
    if (-4..DIGITS).contains(&exponent) {
        let decimals = (DIGITS - 1 - exponent).unsigned_abs() as usize;
        let fixed = without_zeros(&format!("{value:.decimals$}"));
        if fixed.contains('.') { fixed } else { fixed + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_objects_start_on_their_own_line() {
        let value = Json::object([
            ("list", Json::Array(vec![Json::from(1), Json::Array(vec![]), Json::Array(vec![Json::Null])])),
            ("empty", Json::object([])),
            ("inner", Json::object([("flag", Json::from(true))])),
        ]);
        assert_eq!(
            value.to_stone_text(),
            "{\n\t\"empty\" : {},\n\t\"inner\" : \n\t{\n\t\t\"flag\" : true\n\t},\n\t\"list\" : \n\t[\n\t\t1,\n\t\t[],\n\t\t[\n\t\t\tnull\n\t\t]\n\t]\n}"
        );
    }

    #[test]
    fn texts_are_escaped_as_jsoncpp_does() {
        let text = Json::text("a/\"\\\u{8}\u{c}\n\r\t\u{1}\u{7f}é€😀");
        assert_eq!(
            text.to_stone_text(),
            "\"a/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\u{7f}\\u00e9\\u20ac\\ud83d\\ude00\""
        );
    }

    #[test]
    fn reals_keep_seventeen_digits_and_stay_reals() {
        for (value, text) in [
            (18.0, "18.0"),
            (0.1, "0.10000000000000001"),
            (-0.0, "-0.0"),
            (0.5, "0.5"),
            (1e16, "10000000000000000.0"),
            (1e17, "1e+17"),
            (1.5e300, "1.5000000000000001e+300"),
            (1e-5, "1.0000000000000001e-05"),
            (0.0001, "0.0001"),
            (18446744073709551616.0, "1.8446744073709552e+19"),
        ] {
            assert_eq!(Json::Real(value).to_stone_text(), text);
        }
    }
}
