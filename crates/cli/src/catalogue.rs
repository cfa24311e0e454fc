//! The pages of the error catalogue, embedded.

use ashlar_fault::Code;

/// By code, ascending.
static PAGES: &[(u16, &str)] = &include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The page of a code.
pub(crate) fn page(code: Code) -> Option<&'static str> {
    let index = PAGES.binary_search_by_key(&code.0, |(code, _)| *code).ok()?;
    PAGES.get(index).map(|(_, page)| *page)
}

/// Every code with the title of its page.
pub(crate) fn titles() -> impl Iterator<Item = (Code, &'static str)> {
    PAGES.iter().map(|(code, page)| {
        let title = page.lines().next().unwrap_or_default();
        (Code(*code), title.split_once(": ").map_or(title, |(_, title)| title))
    })
}

/// Reads `ASH-4043`, `ash-4043` or `4043`.
pub(crate) fn parse_code(text: &str) -> Option<Code> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_prefix("ASH-").unwrap_or(&upper);
    (digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok().map(Code))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_found_and_has_a_title() {
        assert!(titles().count() > 50);
        for (code, title) in titles() {
            assert!(page(code).is_some_and(|page| page.starts_with(&format!("# {code}: "))), "{code}");
            assert!(!title.is_empty());
        }
        assert!(page(Code(1)).is_none());
    }

    #[test]
    fn a_code_is_read_with_and_without_its_prefix() {
        for text in ["ASH-4043", "ash-4043", "4043"] {
            assert_eq!(parse_code(text), Some(Code(4043)));
        }
        for text in ["", "ASH-", "ASH-40430", "+043", "4O43"] {
            assert_eq!(parse_code(text), None, "{text}");
        }
    }
}
