//! Pages of long lists.

use ashlar_store::MOST_IN_PAGE;

use crate::{
    ServerError,
    call::Fields,
    route::{Kind, Parameter},
};

/// Items of a page unless asked otherwise.
const USUAL: u32 = 50;

const BEFORE: &str = "only items older than the one with this id: the page's `next`";

const LIMIT: Parameter = Parameter::query(
    "limit",
    Kind::Number { least: 1, most: MOST_IN_PAGE as u64 },
    "how many items; 50 unless said otherwise",
);

/// What a list of jobs takes.
pub(crate) const JOBS: &[Parameter] =
    &[Parameter::query("before", Kind::Match("^job_[0-7][0-9A-HJKMNP-TV-Z]{25}$"), BEFORE), LIMIT];

/// What a list of allocations takes.
pub(crate) const ALLOCATIONS: &[Parameter] =
    &[Parameter::query("before", Kind::Match("^alc_[0-7][0-9A-HJKMNP-TV-Z]{25}$"), BEFORE), LIMIT];

/// How many items were asked for.
pub(crate) fn limit(query: &Fields) -> Result<u32, ServerError> {
    let expected = format!("a number from 1 to {MOST_IN_PAGE}");
    let read = |text: &str| text.parse().ok().filter(|limit| (1..=MOST_IN_PAGE).contains(limit));
    Ok(query.read("limit", &expected, read)?.unwrap_or(USUAL))
}

/// A list without its last item where it has one more than a page, and the cursor of the next page.
pub(crate) fn cut<T, I: ToString>(
    mut items: Vec<T>,
    limit: u32,
    id: impl Fn(&T) -> I,
) -> (Vec<T>, Option<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| id(last).to_string());
    (items, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_has_a_next_one_only_if_there_is_more() {
        assert_eq!(cut(vec![3, 2, 1], 2, |item| *item), (vec![3, 2], Some("2".to_owned())));
        assert_eq!(cut(vec![3, 2], 2, |item| *item), (vec![3, 2], None));
    }
}
