//! How fast each backend proved lately: every proof a dot along a logarithmic axis, the median a line.

use ashlar_store::Latency;

use super::{Anchor, Picture, duration};

const WIDTH: f64 = 760.0;
const LABELS: f64 = 120.0;
const ROW: f64 = 46.0;

/// The latencies of each backend.
pub(crate) fn latency(latencies: &[Latency]) -> Picture {
    let height = 40.0 + ROW * latencies.len().max(1) as f64;
    let words: Vec<String> = latencies
        .iter()
        .map(|latency| {
            format!("{}: median {}", latency.source, duration(latency.percentile(50).unwrap_or(0)))
        })
        .collect();
    let description = if words.is_empty() { "no proof as yet".to_owned() } else { words.join(", ") };
    let mut picture = Picture::new(WIDTH, height, "Latency by backend", &description);
    let all = || latencies.iter().flat_map(|latency| latency.milliseconds.iter().copied());
    let (Some(least), Some(most)) = (all().min(), all().max()) else {
        picture.text(10.0, 40.0, "label", Anchor::Start, "no verified proof as yet");
        return picture;
    };
    // Whole powers of ten around the values.
    let low = f64::from((least.max(1) as f64).log10().floor() as i32);
    let high = f64::from((most.max(1) as f64).log10().ceil() as i32).max(low + 1.0);
    let place = |milliseconds: u64| {
        LABELS + (WIDTH - LABELS - 60.0) * ((milliseconds.max(1) as f64).log10() - low) / (high - low)
    };
    let mut power = low;
    while power <= high {
        let milliseconds = 10f64.powf(power) as u64;
        let x = place(milliseconds);
        picture.line((x, 22.0), (x, height - 8.0), "grid");
        picture.text(x, 16.0, "axis", Anchor::Middle, &duration(milliseconds));
        power += 1.0;
    }
    for (row, latency) in (0u32..).zip(latencies) {
        let y = 50.0 + ROW * f64::from(row);
        picture.text(LABELS - 14.0, y + 4.0, "label", Anchor::End, latency.source.word());
        for (index, milliseconds) in (0u32..).zip(&latency.milliseconds) {
            // Spread over three heights, so that equal ones do not hide each other.
            let shift = f64::from(index % 3) * 5.0 - 5.0;
            picture.dot(place(*milliseconds), y + shift, "part-1 dot", &duration(*milliseconds));
        }
        if let Some(median) = latency.percentile(50) {
            let x = place(median);
            picture.line((x, y - 14.0), (x, y + 14.0), "median");
            picture.text(x + 5.0, y + 21.0, "value", Anchor::Start, &format!("median {}", duration(median)));
        }
    }
    picture
}
