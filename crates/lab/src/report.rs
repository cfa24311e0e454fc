//! The report: a Markdown table that carries its own origin.

use std::fmt::Write;

use crate::{
    machine,
    measure::Usage,
    options::Options,
    vectors::{Case, rates},
};

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

fn spread(values: impl Iterator<Item = f64> + Clone) -> String {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(0.0, f64::max);
    format!("{low:.2} – {high:.2}")
}

/// The report on `rows`; each case has at least one run.
pub(crate) fn markdown(options: &Options, rows: &[(&Case, Vec<Usage>)]) -> String {
    let mut text = String::new();
    let kernels = std::env::var("ASHLAR_KERNELS").unwrap_or_else(|_| "chosen by the machine".into());
    let _ = writeln!(
        text,
        "Measured on {} with {} · {} runs a case, {} threads, kernels {kernels}.",
        machine::date(),
        machine::description(),
        options.runs,
        options.threads.first().copied().unwrap_or(1)
    );
    let _ = writeln!(
        text,
        "Whole process of the drop-in prover, self-verification included; CPU is user + system. Proof bytes compared with the reference in every run. Predictions are at rates measured just now.\n"
    );
    let _ = writeln!(
        text,
        "| case | CPU s, median | CPU s, spread | CPU s, predicted | wall s, median | peak MB | peak MB, predicted | Stone CPU s (Zen 4) | Stone peak MB |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|---|---|---|");
    let rates = rates();
    for (case, runs) in rows {
        let cpu = runs.iter().map(|run| run.cpu_seconds);
        let wall = median(runs.iter().map(|run| run.wall_seconds));
        let peak = runs.iter().map(|run| run.peak_megabytes).fold(0.0, f64::max);
        let (stone_cpu, stone_peak) = case
            .stone
            .map_or(("–".into(), "–".into()), |(cpu, peak)| (format!("{cpu:.2}"), format!("{peak:.0}")));
        let (cpu_prediction, peak_prediction) = case
            .predicted(&rates)
            .map_or(("–".into(), "–".into()), |(cpu, peak)| (format!("{cpu:.2}"), format!("{peak:.0}")));
        let _ = writeln!(
            text,
            "| `{}` | {:.2} | {} | {cpu_prediction} | {wall:.2} | {peak:.0} | {peak_prediction} | {stone_cpu} | {stone_peak} |",
            case.name(),
            median(cpu.clone()),
            spread(cpu),
        );
    }
    text
}
