//! Words of others in our own messages: bounded, and without control characters.

use std::fmt;

/// How many characters of foreign text a message holds.
const MOST_CHARACTERS: usize = 300;

/// Shows text with control characters escaped.
pub(crate) fn escaped(text: &str) -> impl fmt::Display + '_ {
    Escaped(text)
}

struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if is_harmless(character) {
                fmt::Write::write_char(f, character)?;
            } else {
                write!(f, "{}", character.escape_default())?;
            }
        }
        Ok(())
    }
}

/// Neither a control character nor one that turns the direction of writing.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The beginning of foreign text, safe to show and to keep in a record.
pub(crate) fn quoted(text: &str) -> String {
    let mut beginning: String = text.chars().take(MOST_CHARACTERS).collect();
    if beginning.len() < text.len() {
        beginning.push('…');
    }
    escaped(&beginning).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_cut_and_escaped() {
        assert_eq!(quoted("a\r\n\u{1b}[31mb"), "a\\r\\n\\u{1b}[31mb");
        assert_eq!(quoted("\u{202e}txt"), "\\u{202e}txt");
        let long = quoted(&"é".repeat(1000));
        assert_eq!(long.chars().count(), MOST_CHARACTERS + 1);
        assert!(long.ends_with('…'));
    }
}
