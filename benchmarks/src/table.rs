//! Times as tables, with ratios and the machine.

use std::{fmt::Write as _, fs, process::Command};

use crate::timing::{Subject, measure};

/// What is compared with what.
pub struct Table {
    /// The heading.
    pub title: &'static str,
    /// What is counted.
    pub element: &'static str,
    /// Rivals first, ours last: the first is what ratios are taken to unless another rival is faster.
    pub rivals: Vec<Subject>,
    /// Ours, by family of kernels.
    pub ours: Vec<Subject>,
}

/// Measures a table and writes it.
pub fn markdown(table: Table) -> String {
    let Table { title, element, rivals, ours } = table;
    let rival_count = rivals.len();
    let times = measure(rivals.into_iter().chain(ours).collect());
    let best_rival = times[..rival_count].iter().map(|time| time.median).min_by(f64::total_cmp);
    let mut out = format!("### {title}\n\n");
    let _ = writeln!(out, "| | ns a {element}, median | fastest | upper quartile | best rival ÷ this |");
    let _ = writeln!(out, "|---|---|---|---|---|");
    for time in &times {
        let ratio = best_rival.map_or("–".to_owned(), |rival| format!("{:.2}", rival / time.median));
        let [median, fastest, upper] = [time.median, time.fastest, time.upper].map(digits);
        let _ = writeln!(out, "| {} | {median} | {fastest} | {upper} | {ratio} |", time.name);
    }
    out
}

/// Three significant digits.
fn digits(value: f64) -> String {
    let decimals = (2 - value.log10().floor() as i32).clamp(0, 3) as usize;
    format!("{value:.decimals$}")
}

/// Processor, clock, load and date.
pub fn machine(cycle: f64) -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = info.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let date = Command::new("date").args(["-u", "+%Y-%m-%d %H:%M"]).output();
    format!(
        "{} (family {}, model {}), {:.2} GHz by a chain of products, {} cores, load {}, {} UTC.",
        field("model name"),
        field("cpu family"),
        field("model"),
        1.0 / cycle,
        std::thread::available_parallelism().map_or(1, usize::from),
        load.split(' ').next().unwrap_or("unknown"),
        date.map_or_else(
            |_| "unknown date".into(),
            |out| String::from_utf8_lossy(&out.stdout).trim().to_owned()
        ),
    )
}
