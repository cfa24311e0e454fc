//! Picture 6: workers as boxes, filled by the memory that is set aside for what they hold.

use ashlar_store::Worker;
use serde_json::Value;

use super::{Anchor, Picture, bytes, cut};

const WIDTH: f64 = 760.0;
const BOX: f64 = 96.0;

/// The workers.
pub(crate) fn workers(workers: &[Worker]) -> Picture {
    let words: Vec<String> = workers
        .iter()
        .map(|worker| format!("{} {} with {} jobs", worker.name, worker.state, worker.holds.len()))
        .collect();
    let description = if words.is_empty() { "no worker is there".to_owned() } else { words.join("; ") };
    let height = (BOX + 12.0) * workers.len().max(1) as f64 + 10.0;
    let mut picture = Picture::new(WIDTH, height, "Workers", &description);
    if workers.is_empty() {
        picture.text(
            10.0,
            40.0,
            "label",
            Anchor::Start,
            "no worker was seen in the last two minutes: ashlar worker",
        );
    }
    for (row, worker) in (0u32..).zip(workers) {
        draw(&mut picture, worker, 8.0 + f64::from(row) * (BOX + 12.0));
    }
    picture
}

fn draw(picture: &mut Picture, worker: &Worker, y: f64) {
    let held: u64 = worker.holds.iter().map(|attempt| attempt.memory_bytes).sum();
    let inner = WIDTH - 40.0;
    let scale = inner / (worker.memory_bytes.max(held).max(1)) as f64;
    picture.bar(8.0, y, WIDTH - 16.0, BOX, "box", &worker.name);
    picture.text(
        20.0,
        y + 20.0,
        "label",
        Anchor::Start,
        &format!("{} · {}", cut(&worker.name, 48), worker.state),
    );
    let memory = format!("{} of {} set aside", bytes(held as f64), bytes(worker.memory_bytes as f64));
    picture.text(WIDTH - 20.0, y + 20.0, "value", Anchor::End, &memory);
    picture.bar(20.0, y + 30.0, inner, 28.0, "empty", "free memory");
    let mut x = 20.0;
    for (index, attempt) in worker.holds.iter().enumerate() {
        let width = attempt.memory_bytes as f64 * scale;
        let phase = attempt.progress.as_ref().and_then(|told| told.get("phase")).and_then(Value::as_str);
        let words = format!(
            "{}, attempt {}, {}, {}",
            attempt.job_id,
            attempt.n,
            phase.unwrap_or("begun"),
            bytes(attempt.memory_bytes as f64)
        );
        picture.bar(
            x,
            y + 30.0,
            (width - 1.0).max(3.0),
            28.0,
            if index % 2 == 0 { "part-1" } else { "part-2" },
            &words,
        );
        if index == 0 {
            picture.text(20.0, y + 76.0, "value", Anchor::Start, &cut(&words, 100));
        }
        x += width;
    }
    let lanes: Vec<&str> = worker.lanes.iter().map(|lane| lane.word()).collect();
    let rest = worker.holds.len().saturating_sub(1);
    let words = match worker.holds.len() {
        0 => format!("idle; takes {}", lanes.join(", ")),
        1 => format!("takes {}", lanes.join(", ")),
        _ => format!("and {rest} more; takes {}", lanes.join(", ")),
    };
    picture.text(
        20.0,
        y + if worker.holds.is_empty() { 76.0 } else { 90.0 },
        "value",
        Anchor::Start,
        &cut(&words, 100),
    );
}
