//! Every error code has a page, and every page a code.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::Source;

/// Where the pages are.
const FOLDER: &str = "docs/errors";

/// Codes without a page or of two crates, pages without a code, and pages that lack a part.
pub(crate) fn check(sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let mut used: BTreeMap<u16, String> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.is_rust() && source.path.starts_with("crates")) {
        if source.path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let place = source.path.display().to_string();
        for code in codes(source.without_unit_tests()) {
            let first = used.entry(code).or_insert_with(|| place.clone());
            // Within a crate several types may share a meaning; two crates would not know of each other.
            if crate_of(first) != crate_of(&place) {
                found.push(format!("ASH-{code:04} is given by {first} and by {place}"));
            }
        }
    }
    let mut pages = BTreeSet::new();
    for page in sources.iter().filter(|source| source.path.starts_with(FOLDER) && source.is_document()) {
        let name = page.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if name == "README" {
            continue;
        }
        match name.strip_prefix("ASH-").and_then(|digits| digits.parse().ok()) {
            Some(code) => {
                pages.insert(code);
                if !used.contains_key(&code) {
                    found.push(format!("{FOLDER}/{name}.md explains a code that no error has"));
                }
            }
            None => found.push(format!("{FOLDER}/{name}.md is not named after a code")),
        }
        for part in [format!("# {name}: "), "## What happened".to_owned(), "## What to do".to_owned()] {
            if !page.text.contains(&part) {
                found.push(format!("{FOLDER}/{name}.md lacks {part:?}"));
            }
        }
    }
    for (code, place) in used {
        if !pages.contains(&code) {
            found.push(format!("ASH-{code:04} of {place} has no page in {FOLDER}"));
        }
    }
    found
}

/// The folder of the crate that a file belongs to.
fn crate_of(path: &str) -> Option<&str> {
    path.split(['/', '\\']).nth(1)
}

/// The codes that a text gives: numbers of four digits in `Code(…)` and in the bodies of `fn code`.
fn codes(text: &str) -> BTreeSet<u16> {
    let mut codes = BTreeSet::new();
    for (start, opening) in text.match_indices("Code(") {
        codes.extend(numbers(balanced(&text[start + opening.len() - 1..], '(', ')')));
    }
    for (start, _) in text.match_indices("fn code(&self) -> Code") {
        if let Some(body) = text[start..].find('{') {
            codes.extend(numbers(balanced(&text[start + body..], '{', '}')));
        }
    }
    codes
}

/// The part of a text from its first character, an opening bracket, to the matching closing one.
fn balanced(text: &str, open: char, close: char) -> &str {
    let mut depth = 0usize;
    for (index, character) in text.char_indices() {
        if character == open {
            depth += 1;
        } else if character == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return &text[..=index];
            }
        }
    }
    text
}

/// Literals of exactly four digits, outside comments.
fn numbers(text: &str) -> Vec<u16> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .flat_map(|line| line.split(|character: char| !character.is_ascii_alphanumeric() && character != '_'))
        .filter(|word| word.len() == 4)
        .filter_map(|word| word.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn source(path: &str, text: &str) -> Source {
        Source { path: PathBuf::from(path), text: text.to_owned() }
    }

    const PAGE: &str = "# ASH-1001: A title\n\n## What happened\n\n## What to do\n";

    #[test]
    fn codes_are_found_in_both_ways_of_writing_them() {
        let text = "const A: Code = Code(4012);
            fn code(&self) -> Code { Code(match self { X => 1450, Y { .. } => 1451 }) }
            fn code(&self) -> Code { let number = match self { Z => 1460 }; Code(number) }
            fn exit(&self) -> u16 { 9999 }";
        assert_eq!(codes(text), BTreeSet::from([4012, 1450, 1451, 1460]));
    }

    #[test]
    fn a_code_without_page_and_a_page_without_code_are_found() {
        let code = source("crates/a/src/lib.rs", "Code(1002)");
        let found = check(&[code, source("docs/errors/ASH-1001.md", PAGE)]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_page_that_says_nothing_is_found() {
        let code = source("crates/a/src/lib.rs", "Code(1001)");
        let found = check(&[code, source("docs/errors/ASH-1001.md", "# ASH-1001: A title\n")]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_code_that_two_crates_give_is_found() {
        let one = source("crates/a/src/lib.rs", "Code(1001)");
        let same_crate = source("crates/a/src/b.rs", "Code(1001)");
        let other = source("crates/b/src/lib.rs", "Code(1001)");
        let page = || source("docs/errors/ASH-1001.md", PAGE);
        assert!(check(&[one, same_crate, page()]).is_empty());
        let one = source("crates/a/src/lib.rs", "Code(1001)");
        assert_eq!(check(&[one, other, page()]).len(), 1);
    }

    #[test]
    fn codes_of_tests_need_no_page() {
        let code = source("crates/a/src/lib.rs", "Code(1001)\n#[cfg(test)]\nmod tests { Code(1002) }");
        let test = source("crates/a/tests/b.rs", "Code(1003)");
        assert!(check(&[code, test, source("docs/errors/ASH-1001.md", PAGE)]).is_empty());
    }
}
