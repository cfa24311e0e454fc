//! Reading the tables of static layouts.
//!
//! One fact a line: `segments`, `columns` (first, interaction), `interaction_elements`, `periodic` (name, step) and
//! `column` (name, trace column, step, offset). `#` opens a comment line.

use std::{collections::BTreeMap, str::FromStr};

use super::{Builtin, Layout, LayoutError, VirtualColumn};

/// The next word of a line as a number.
pub(super) fn number<T: FromStr>(word: Option<&str>) -> Option<T> {
    word?.parse().ok()
}

/// The lines that say something, with their numbers from 1: first word, and the other words.
pub(super) fn facts(text: &'static str) -> impl Iterator<Item = (usize, &'static str, &'static str)> {
    text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty()).map(
        |(index, line)| {
            let (fact, rest) = line.split_once(' ').unwrap_or((line, ""));
            (index + 1, fact, rest)
        },
    )
}

/// Reads the table of a static layout.
pub(super) fn parse_static(name: &'static str, text: &'static str) -> Result<Layout, LayoutError> {
    let mut layout = Layout {
        name,
        segments: Vec::new(),
        first_columns: 0,
        second_columns: 0,
        interaction_element_count: 0,
        columns: BTreeMap::new(),
        periodic: BTreeMap::new(),
        mask: None,
        builtins: Vec::new(),
    };
    for (line, fact, rest) in facts(text) {
        parse_fact(&mut layout, fact, rest).ok_or(LayoutError::BadTable { layout: name, line })?;
    }
    layout.builtins =
        Builtin::ALL.into_iter().filter(|builtin| layout.segments.contains(&builtin.segment())).collect();
    Ok(layout)
}

fn parse_fact(layout: &mut Layout, fact: &str, rest: &'static str) -> Option<()> {
    let mut words = rest.split(' ');
    match fact {
        "segments" => layout.segments = words.collect(),
        "columns" => {
            layout.first_columns = number(words.next())?;
            layout.second_columns = number(words.next())?;
        }
        "interaction_elements" => layout.interaction_element_count = number(words.next())?,
        "periodic" => {
            layout.periodic.insert(words.next()?, number(words.next())?);
        }
        "column" => {
            let name = words.next()?;
            let column = number(words.next())?;
            let step = number(words.next())?;
            let offset = number(words.next())?;
            layout.columns.insert(name, VirtualColumn { column, step, offset });
        }
        _ => return None,
    }
    Some(())
}
