//! The public input file, `air_public_input.json`: the statement to prove.

use std::collections::BTreeMap;

use ashlar_cpu_air::input::{MemorySegment, PublicInput, PublicMemoryCell};

use crate::json::{Json, JsonError, View};

/// Reads a public input. `file` names the source in errors.
///
/// Values of the public memory are reduced modulo p, as Stone does. Which segments, sizes and parameters a layout
/// wants is checked with the layout at hand, not here.
///
/// # Errors
/// For a missing key or a value of another kind.
pub fn public_input_from_json(json: &Json, file: &str) -> Result<PublicInput, JsonError> {
    let root = View::root(json, file);
    let mut memory_segments = BTreeMap::new();
    for (name, segment) in root.key("memory_segments")?.entries()? {
        let begin_addr = segment.key("begin_addr")?.integer()?;
        let stop_ptr = segment.key("stop_ptr")?.integer()?;
        memory_segments.insert(name.clone(), MemorySegment { begin_addr, stop_ptr });
    }
    let cells = root.key("public_memory")?;
    let public_memory = cells
        .items()?
        .map(|cell| {
            Ok(PublicMemoryCell {
                address: cell.key("address")?.integer()?,
                value: cell.key("value")?.felt()?,
                page: cell.key("page")?.small_integer()?,
            })
        })
        .collect::<Result<_, JsonError>>()?;
    let mut dynamic_params = BTreeMap::new();
    if let Some(parameters) = root.setting("dynamic_params")? {
        for (name, value) in parameters.entries()? {
            dynamic_params.insert(name.clone(), value.integer()?);
        }
    }
    Ok(PublicInput {
        layout: root.key("layout")?.text()?.to_owned(),
        n_steps: root.key("n_steps")?.integer()?,
        rc_min: root.key("rc_min")?.integer()?,
        rc_max: root.key("rc_max")?.integer()?,
        memory_segments,
        public_memory,
        dynamic_params,
    })
}

/// The JSON form of a public input, as Cairo runners write it.
pub fn public_input_to_json(input: &PublicInput) -> Json {
    let segments = input.memory_segments.iter().map(|(name, segment)| {
        let bounds =
            [("begin_addr", Json::from(segment.begin_addr)), ("stop_ptr", Json::from(segment.stop_ptr))];
        (name.clone(), Json::object(bounds))
    });
    let cells = input.public_memory.iter().map(|cell| {
        Json::object([
            ("address", Json::from(cell.address)),
            ("page", Json::from(u64::from(cell.page))),
            ("value", Json::text(cell.value.to_string())),
        ])
    });
    let dynamic_params = match input.dynamic_params.is_empty() {
        true => Json::Null,
        false => Json::Object(
            input.dynamic_params.iter().map(|(name, &value)| (name.clone(), Json::from(value))).collect(),
        ),
    };
    Json::object([
        ("dynamic_params", dynamic_params),
        ("layout", Json::text(&input.layout)),
        ("memory_segments", Json::Object(segments.collect())),
        ("n_steps", Json::from(input.n_steps)),
        ("public_memory", Json::Array(cells.collect())),
        ("rc_max", Json::from(input.rc_max)),
        ("rc_min", Json::from(input.rc_min)),
    ])
}
