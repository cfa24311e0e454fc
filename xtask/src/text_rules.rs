//! What no text of the repository may hold, and how long a source file may be.

use crate::sources::Source;

/// A file has one subject and rarely exceeds this many lines.
const MOST_LINES: usize = 600;

/// Files that may be longer, and why.
const LONG_FILES: [(&str, &str); 0] = [];

/// Rust files that are too long, and exemptions that are no longer needed.
pub(crate) fn check_sizes(sources: &[Source]) -> Vec<String> {
    sizes(sources, &LONG_FILES)
}

fn sizes(sources: &[Source], exempt: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let path = source.path.display().to_string();
        let lines = source.text.lines().count();
        let exemption = exempt.iter().any(|(exempt, _)| *exempt == path);
        if lines > MOST_LINES && !exemption {
            found.push(format!("{path} has {lines} lines, more than {MOST_LINES}"));
        }
        if lines <= MOST_LINES && exemption {
            found.push(format!("{path} has {lines} lines and needs no exemption any more"));
        }
    }
    found
}

/// Words in code and documents that must not be there. Each is spelt in two parts so that this file passes.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("/wo", "rk/", "a path of somebody's machine"),
    ("TO", "DO", "an open end: finish it or describe it in docs/gaps.md"),
    ("FIX", "ME", "an open end: finish it or describe it in docs/gaps.md"),
    ("#[ign", "ore", "a test that never runs"),
    ("todo", "!(", "an open end"),
    ("/ro", "ot/", "a path of somebody's machine"),
];

/// Lines with a forbidden word.
pub(crate) fn check_words(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources {
        for (number, line) in source.text.lines().enumerate() {
            for (first, second, why) in FORBIDDEN {
                let word = format!("{first}{second}");
                if line.contains(&word) {
                    found.push(format!("{}:{}: {word:?}: {why}", source.path.display(), number + 1));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn source(path: &str, text: String) -> Source {
        Source { path: PathBuf::from(path), text }
    }

    #[test]
    fn a_file_that_is_too_long_is_found_unless_it_is_exempt() {
        let long = source("crates/a/src/long.rs", "line\n".repeat(MOST_LINES + 1));
        let short = source("crates/a/src/short.rs", "line\n".repeat(MOST_LINES));
        let sources = [long, short];
        assert_eq!(sizes(&sources, &[]).len(), 1);
        assert!(sizes(&sources, &[("crates/a/src/long.rs", "a table")]).is_empty());
        assert_eq!(
            sizes(&sources, &[("crates/a/src/long.rs", "a table"), ("crates/a/src/short.rs", "")]).len(),
            1
        );
    }

    #[test]
    fn a_forbidden_word_is_found_with_its_line() {
        let text = format!("fine\n// {}{} later\n", "TO", "DO");
        let found = check_words(&[source("docs/a.md", text)]);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("docs/a.md:2:"), "{found:?}");
    }
}
