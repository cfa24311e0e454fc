//! What the figures were measured on.

use std::{fs, process::Command};

/// One line: processor, family, cores, vector extensions that matter.
pub(crate) fn description() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        info.lines()
            .find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))
            .and_then(|line| line.split_once(':'))
            .map_or("unknown", |(_, value)| value.trim())
    };
    let flags = field("flags");
    let extensions: Vec<&str> = ["avx2", "avx512f", "avx512ifma", "avx512_vbmi2"]
        .into_iter()
        .filter(|name| flags.split(' ').any(|flag| flag == *name))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!(
        "{} (family {}, model {}), {cores} cores, {}",
        field("model name"),
        field("cpu family"),
        field("model"),
        extensions.join(" ")
    )
}

/// Today, UTC.
pub(crate) fn date() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%d"]).output();
    output.map_or_else(|_| "unknown date".into(), |o| String::from_utf8_lossy(&o.stdout).trim().to_owned())
}
