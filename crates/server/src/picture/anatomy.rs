//! Picture 2: what a proof is made of. Which component fills which column of the trace, how the layers of the low-degree
//! test shrink, and where the bytes are; all from the parameters on record.

use std::collections::BTreeMap;

use ashlar_cpu_air::layout::{self, Layout};
use ashlar_stone::{Json, ProofParameters, proof_parts, trace_shape};
use ashlar_store::Job;

use super::{Anchor, Picture, bytes};

const WIDTH: f64 = 760.0;
const COLUMNS_TOP: f64 = 54.0;
const COLUMNS_HEIGHT: f64 = 150.0;

/// Components by the first word of their virtual columns, with the words of the key and its class.
const COMPONENTS: [(&[&str], &str, &str); 8] = [
    (&["cpu", "orig"], "instructions", "part-1"),
    (&["mem_pool", "memory"], "memory", "part-2"),
    (
        &["range_check16", "range_check16_pool", "range_check_builtin", "range_check96_builtin"],
        "range checks",
        "part-3",
    ),
    (&["pedersen", "poseidon"], "hashes", "part-4"),
    (&["ecdsa", "ec_op"], "elliptic curve", "part-5"),
    (&["bitwise", "diluted_check", "diluted_pool"], "bitwise", "part-6"),
    (&["keccak"], "Keccak", "part-7"),
    (&["add_mod", "mul_mod"], "modular arithmetic", "part-8"),
];

/// The anatomy of a job's proof; says why there is none.
pub(crate) fn anatomy(job: &Job) -> Result<Picture, &'static str> {
    let (Some(name), Some(n_steps), Some(parameters)) = (&job.layout, job.n_steps, &job.parameters) else {
        return Err("it has no proof as yet");
    };
    let layout = layout::by_name(name).ok_or("its layout is made from parameters that are not on record")?;
    let parameters = Json::from_slice(parameters.to_string().as_bytes(), "parameters")
        .ok()
        .and_then(|json| ProofParameters::from_json(&json, "parameters").ok())
        .ok_or("its parameters cannot be read")?;
    let shape = trace_shape(layout, n_steps).map_err(|_| "its statement makes no trace")?;
    // A shift further than this is no proof's, and would not end.
    if shape.log_trace_length + parameters.stark.log_n_cosets > 60 {
        return Err("its parameters are of no proof");
    }
    let parts = proof_parts(&parameters.stark, &shape);
    let columns = layout.first_columns + layout.second_columns;
    let layers = parameters.stark.fri.fri_step_list.len();
    let description = format!(
        "{columns} columns of {} rows, {layers} layers, about {}",
        1u64 << shape.log_trace_length,
        bytes(parts.total())
    );
    let height = COLUMNS_TOP + COLUMNS_HEIGHT + 90.0 + 22.0 * layers.max(1) as f64 + 190.0;
    let mut picture =
        Picture::new(WIDTH, height, &format!("Anatomy of the proof of {}", job.id), &description);
    let y = trace(&mut picture, layout, shape.log_trace_length);
    let y = low_degree_test(
        &mut picture,
        &parameters.stark.fri.fri_step_list,
        shape.log_trace_length + parameters.stark.log_n_cosets,
        y,
    );
    let parts = parts.named();
    whereabouts(&mut picture, &parts, y);
    Ok(picture)
}

/// The share of every column that each component fills: a virtual column fills one row in `step`.
fn shares(layout: &Layout) -> Vec<[f64; COMPONENTS.len()]> {
    let mut cells: Vec<BTreeMap<usize, f64>> =
        vec![BTreeMap::new(); layout.first_columns + layout.second_columns];
    for (name, column) in layout.columns() {
        let word = name.split('/').next().unwrap_or_default();
        let component = COMPONENTS.iter().position(|(words, ..)| words.contains(&word));
        if let (Some(component), Some(cells)) = (component, cells.get_mut(column.column)) {
            *cells.entry(component).or_default() += 1.0 / column.step.max(1) as f64;
        }
    }
    cells
        .into_iter()
        .map(|filled| {
            let mut shares = [0.0; COMPONENTS.len()];
            // Names of one cell overlap (a pool and what lies in it): no column is more than full.
            let most = filled.values().sum::<f64>().max(1.0);
            for (component, share) in filled {
                if let Some(own) = shares.get_mut(component) {
                    *own = share / most;
                }
            }
            shares
        })
        .collect()
}

fn trace(picture: &mut Picture, layout: &Layout, log_rows: u32) -> f64 {
    let shares = shares(layout);
    let title = format!(
        "Trace: {} + {} columns of 2^{log_rows} rows, layout {}",
        layout.first_columns, layout.second_columns, layout.name
    );
    picture.text(10.0, 20.0, "heading", Anchor::Start, &title);
    picture.text(
        10.0,
        42.0,
        "value",
        Anchor::Start,
        "the share of its rows that each component fills, by column",
    );
    let width = ((WIDTH - 20.0) / shares.len().max(1) as f64).min(40.0);
    for (index, column) in (0u32..).zip(&shares) {
        let x = 10.0 + f64::from(index) * width;
        picture.bar(x, COLUMNS_TOP, width - 2.0, COLUMNS_HEIGHT, "empty", &format!("column {index}"));
        let mut top = COLUMNS_TOP + COLUMNS_HEIGHT;
        for ((_, words, class), share) in COMPONENTS.iter().zip(column) {
            if *share > 0.0 {
                let height = share * COLUMNS_HEIGHT;
                top -= height;
                let words = format!("column {index}: {words}, {:.0} %", share * 100.0);
                picture.bar(x, top, width - 2.0, height, class, &words);
            }
        }
        // The interaction columns are set apart by a line and a word.
        if index as usize == layout.first_columns {
            picture.line((x - 1.0, COLUMNS_TOP - 6.0), (x - 1.0, COLUMNS_TOP + COLUMNS_HEIGHT + 6.0), "edge");
        }
    }
    let mut x = 10.0;
    let y = COLUMNS_TOP + COLUMNS_HEIGHT + 16.0;
    for (index, (_, words, class)) in COMPONENTS.iter().enumerate() {
        if shares.iter().any(|column| column.get(index).is_some_and(|share| *share > 0.0)) {
            picture.bar(x, y, 12.0, 12.0, class, "");
            picture.text(x + 17.0, y + 11.0, "value", Anchor::Start, words);
            x += 32.0 + 7.2 * words.len() as f64;
        }
    }
    y + 50.0
}

fn low_degree_test(picture: &mut Picture, steps: &[u32], log_domain: u32, top: f64) -> f64 {
    picture.text(10.0, top, "heading", Anchor::Start, "Low-degree test: each layer folds the one before");
    let mut log_size = log_domain;
    let mut y = top + 12.0;
    for (index, step) in steps.iter().enumerate() {
        log_size = log_size.saturating_sub(*step);
        // By the logarithm: true to scale, the second layer would be invisible.
        let width = 420.0 * f64::from(log_size) / f64::from(log_domain.max(1));
        let words = format!("layer {index}: 2^{log_size} values, folded {} at a time", 1u64 << step.min(&40));
        picture.bar(110.0, y, width, 16.0, "part-2", &words);
        picture.text(100.0, y + 13.0, "label", Anchor::End, &format!("layer {index}"));
        picture.text(
            116.0 + width,
            y + 13.0,
            "value",
            Anchor::Start,
            &format!("2^{log_size} values, ÷ {}", 1u64 << step.min(&40)),
        );
        y += 22.0;
    }
    y + 28.0
}

fn whereabouts(picture: &mut Picture, parts: &[(&'static str, f64)], top: f64) {
    let total = parts.iter().map(|(_, bytes)| bytes).sum::<f64>().max(1.0);
    let title = format!("Where the bytes are: {} in expectation", bytes(total));
    picture.text(10.0, top, "heading", Anchor::Start, &title);
    let most = parts.iter().map(|(_, bytes)| *bytes).fold(1.0, f64::max);
    for (row, (name, size)) in (0u32..).zip(parts) {
        let y = top + 12.0 + 22.0 * f64::from(row);
        let width = 330.0 * size / most;
        picture.text(210.0, y + 13.0, "label", Anchor::End, name);
        picture.bar(220.0, y, width.max(1.0), 16.0, "part-1", name);
        let words = format!("{}, {:.1} %", bytes(*size), 100.0 * size / total);
        picture.text(226.0 + width, y + 13.0, "value", Anchor::Start, &words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_component_of_every_layout_has_its_place_in_the_key() {
        for name in layout::NAMES.iter().filter(|name| **name != "dynamic") {
            let layout = layout::by_name(name).unwrap();
            for (column, _) in layout.columns() {
                let word = column.split('/').next().unwrap();
                assert!(COMPONENTS.iter().any(|(words, ..)| words.contains(&word)), "{name}: {column}");
            }
            for shares in shares(layout) {
                assert!(shares.iter().sum::<f64>() <= 1.0 + 1e-9);
            }
        }
    }
}
