//! Picture 1: the phases of a job along time, and its memory against what was set aside for it.

use ashlar_store::{Attempt, Job};
use serde_json::Value;

use super::{Anchor, Picture, bytes, cut, duration};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 190.0;
const ROW: f64 = 24.0;
const RIGHT: f64 = 90.0;

/// A phase: its name, when it began and how long it took, in milliseconds, and whether it goes on.
struct Phase {
    name: String,
    from: u64,
    took: u64,
    open: bool,
    note: String,
}

/// The timeline of a job; `now` is in milliseconds since 1970.
pub(crate) fn timeline(job: &Job, attempts: &[Attempt], now: u64) -> Picture {
    let phases = phases(job, attempts, now);
    let total = phases.iter().map(|phase| phase.from + phase.took).max().unwrap_or(0).max(1);
    let height = 100.0 + ROW * phases.len().max(1) as f64;
    let words: Vec<String> =
        phases.iter().map(|phase| format!("{} {}", phase.name, duration(phase.took))).collect();
    let description = if words.is_empty() { "nothing has begun".to_owned() } else { words.join(", ") };
    let mut picture = Picture::new(WIDTH, height, &format!("Phases of {}", job.id), &description);
    let scale = (WIDTH - LABELS - RIGHT) / total as f64;
    for quarter in 0u32..=4 {
        let x = LABELS + (WIDTH - LABELS - RIGHT) * f64::from(quarter) / 4.0;
        picture.line((x, 24.0), (x, 30.0 + ROW * phases.len() as f64), "grid");
        picture.text(x, 16.0, "axis", Anchor::Middle, &duration(total * u64::from(quarter) / 4));
    }
    for (row, phase) in (0u32..).zip(&phases) {
        let y = 30.0 + ROW * f64::from(row);
        picture.text(LABELS - 10.0, y + 15.0, "label", Anchor::End, &cut(&phase.name, 26));
        let x = LABELS + phase.from as f64 * scale;
        // What takes no time to speak of is still seen.
        let width = (phase.took as f64 * scale).max(2.0);
        let class = if phase.open { "open" } else { "part-1" };
        picture.bar(
            x,
            y + 3.0,
            width,
            ROW - 6.0,
            class,
            &format!("{}: {}", phase.name, duration(phase.took)),
        );
        let words = format!("{}{}", duration(phase.took), phase.note);
        picture.text((x + width + 6.0).min(WIDTH - 84.0), y + 15.0, "value", Anchor::Start, &words);
    }
    if phases.is_empty() {
        picture.text(LABELS, 46.0, "label", Anchor::Start, "waiting: no phase has begun");
    }
    memory(&mut picture, attempts, 50.0 + ROW * phases.len().max(1) as f64);
    picture
}

/// Recorded phases, or the one that goes on.
fn phases(job: &Job, attempts: &[Attempt], now: u64) -> Vec<Phase> {
    let mut phases = Vec::new();
    let mut from = 0;
    if let Some(Value::Object(stages)) = &job.stage_times {
        for (name, milliseconds) in stages {
            let took = milliseconds.as_u64().unwrap_or(0);
            phases.push(Phase { name: name.clone(), from, took, open: false, note: String::new() });
            from += took;
        }
        return phases;
    }
    for attempt in attempts {
        let start = attempt.started_at.milliseconds();
        let waited = start.saturating_sub(job.created_at.milliseconds());
        if phases.is_empty() {
            phases.push(Phase {
                name: "waiting".to_owned(),
                from: 0,
                took: waited,
                open: false,
                note: String::new(),
            });
        }
        let open = attempt.finished_at.is_none();
        let end = attempt.finished_at.map_or(now, |moment| moment.milliseconds());
        let told = attempt.progress.as_ref().filter(|_| open);
        let phase = told.and_then(|told| told.get("phase")).and_then(Value::as_str);
        let name = match (phase, &attempt.outcome) {
            (Some(phase), _) => format!("attempt {}: {phase}", attempt.n),
            (None, Some(outcome)) => format!("attempt {}: {outcome}", attempt.n),
            (None, None) => format!("attempt {}", attempt.n),
        };
        let share = told.and_then(share).map(|percent| format!(", {percent} %")).unwrap_or_default();
        phases.push(Phase { name, from: waited, took: end.saturating_sub(start), open, note: share });
    }
    phases
}

/// How much of its phase is done, in per cent.
fn share(progress: &Value) -> Option<u64> {
    let (done, total) = (progress.get("done")?.as_u64()?, progress.get("total")?.as_u64()?);
    (total > 0).then(|| done.min(total).saturating_mul(100) / total)
}

/// The memory of the last attempt against what was set aside.
fn memory(picture: &mut Picture, attempts: &[Attempt], y: f64) {
    let Some(attempt) = attempts.last() else { return };
    let told = attempt.progress.as_ref().and_then(|told| told.get("memory_bytes")).and_then(Value::as_u64);
    let used = attempt.peak_memory_bytes.or(told);
    let limit = attempt.memory_bytes;
    let most = limit.max(used.unwrap_or(0)).max(1) as f64;
    let scale = (WIDTH - LABELS - RIGHT) / most;
    picture.text(LABELS - 10.0, y + 15.0, "label", Anchor::End, "memory");
    picture.bar(LABELS, y + 3.0, limit as f64 * scale, ROW - 6.0, "empty", "set aside");
    let words = match used {
        Some(used) => {
            picture.bar(LABELS, y + 3.0, used as f64 * scale, ROW - 6.0, "part-2", "most that was used");
            format!("{} used of {} set aside", bytes(used as f64), bytes(limit as f64))
        }
        None => format!("{} set aside", bytes(limit as f64)),
    };
    picture.text(LABELS, y + ROW + 14.0, "value", Anchor::Start, &words);
}
