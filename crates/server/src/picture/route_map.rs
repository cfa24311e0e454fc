//! Picture 3: which backends were considered for a job, in their order, and why each was taken or not; from the events of
//! the job.

use ashlar_store::JobEvent;
use serde_json::Value;

use super::{Anchor, Picture, cut};

const WIDTH: f64 = 760.0;
const ROW: f64 = 66.0;

/// A backend as it was considered.
struct Stop {
    backend: String,
    verdict: String,
    reason: String,
}

/// The route map from a job's events; `None` if no route is on record.
pub(crate) fn route_map(job: &str, events: &[JobEvent]) -> Option<Picture> {
    let routes: Vec<&Value> =
        events.iter().filter(|event| event.event == "route").map(|event| &event.detail).collect();
    if routes.is_empty() {
        return None;
    }
    let decisions: Vec<(String, Vec<Stop>)> =
        routes.iter().map(|route| (text(route, "rule"), stops(route))).collect();
    let rows: usize = decisions.iter().map(|(_, stops)| stops.len()).sum();
    let height = 4.0 + 34.0 * decisions.len() as f64 + ROW * rows as f64;
    let description: Vec<String> = decisions
        .iter()
        .flat_map(|(_, stops)| stops)
        .map(|stop| format!("{}: {}", stop.backend, stop.reason))
        .collect();
    let mut picture = Picture::new(WIDTH, height, &format!("Route of {job}"), &description.join("; "));
    let mut y = 10.0;
    for (number, (rule, stops)) in (1u32..).zip(&decisions) {
        let heading =
            if number == 1 { format!("rule: {rule}") } else { format!("routed again, rule: {rule}") };
        picture.text(10.0, y + 16.0, "heading", Anchor::Start, &cut(&heading, 90));
        y += 34.0;
        for (index, stop) in stops.iter().enumerate() {
            if index > 0 {
                picture.line((120.0, y - 22.0), (120.0, y), "edge");
                picture.text(128.0, y - 7.0, "value", Anchor::Start, "else");
            }
            let taken = stop.verdict == "taken";
            let class = if taken { "taken" } else { "empty" };
            picture.bar(10.0, y, 220.0, 42.0, class, &stop.reason);
            let mark = if taken { "✓" } else { "–" };
            picture.text(
                22.0,
                y + 18.0,
                "label",
                Anchor::Start,
                &format!("{mark} {}", cut(&stop.backend, 26)),
            );
            picture.text(22.0, y + 34.0, "value", Anchor::Start, &stop.verdict.replace('_', " "));
            // Two lines of the reason are shown, the whole of it when a pointer rests on the box.
            let words: Vec<char> = stop.reason.chars().collect();
            for (line, part) in (0u8..2).zip(words.chunks(78)) {
                let part: String = part.iter().collect();
                picture.text(244.0, y + 18.0 + 16.0 * f64::from(line), "value", Anchor::Start, &part);
            }
            y += ROW;
        }
    }
    Some(picture)
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn stops(route: &Value) -> Vec<Stop> {
    /// More are not drawn: there are fewer backends than this.
    const MOST: usize = 12;
    route
        .get("considered")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(MOST)
        .map(|one| Stop {
            backend: text(one, "backend"),
            verdict: text(one, "verdict"),
            reason: text(one, "reason"),
        })
        .collect()
}
