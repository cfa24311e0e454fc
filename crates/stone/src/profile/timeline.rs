//! A profile as a picture: time from left to right, one lane a thread, filled as far as the thread was busy; below,
//! the memory at the end of every stage. Stages are numbered in the lanes and named in the legend, so that colour says
//! nothing alone; colours follow the reader's light or dark scheme.

use std::{fmt::Write as _, time::Duration};

use super::{Profile, Stage};

const WIDTH: f64 = 1000.0;
/// Left of the lanes, for their names.
const MARGIN: f64 = 90.0;
const LANE: f64 = 34.0;
const GAP: f64 = 8.0;
const MEMORY: f64 = 60.0;
const TOP: f64 = 56.0;
const LEGEND_LINE: f64 = 18.0;
const LEGEND_COLUMNS: usize = 2;
/// Narrower stages are not numbered in the lanes.
const LEAST_LABELLED: f64 = 16.0;

const STYLE: &str = "\
text { font: 12px system-ui, sans-serif; fill: #1c2330 } .small { font-size: 11px } .title { font-size: 15px; font-weight: 600 }
.back { fill: #ffffff } .lane { fill: #eceff3 } .axis { stroke: #9aa4b2 } .memory { fill: #b8c4d6; stroke: #4a5a73 }
.even { fill: #2f6fb7 } .odd { fill: #7fb0e6 } .number { fill: #ffffff; font-size: 11px; text-anchor: middle } .odd-number { fill: #10243d }
@media (prefers-color-scheme: dark) { text { fill: #e4e8ee } .back { fill: #14181f } .lane { fill: #232a35 } .axis { stroke: #5d6877 }
.memory { fill: #3a4658; stroke: #9fb2cd } .even { fill: #3f83cf } .odd { fill: #9cc6f2 } .number { fill: #ffffff } .odd-number { fill: #10243d } }";

/// The picture, as an SVG document.
pub(super) fn draw(profile: &Profile) -> String {
    let seconds = profile.wall().as_secs_f64().max(1e-9);
    let scale = (WIDTH - MARGIN - 20.0) / seconds;
    // Where the system names no threads, the process is one lane, as busy as all of them.
    let lanes = profile.threads.max(1);
    let lanes_end = TOP + lanes as f64 * (LANE + GAP);
    let memory_end = lanes_end + MEMORY + GAP;
    let legend = memory_end + 46.0;
    let legend_lines = profile.stages.len().div_ceil(LEGEND_COLUMNS);
    let height = legend + legend_lines as f64 * LEGEND_LINE + 12.0;
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" \
         aria-labelledby=\"title description\">\n<title id=\"title\">Timeline of a proof</title>\n\
         <desc id=\"description\">{} by thread over {}; memory below</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{WIDTH}\" height=\"{height:.0}\"/>\n\
         <text class=\"title\" x=\"20\" y=\"28\">{} wall, {} CPU on {lanes} threads</text>\n",
        stages(profile.stages.len()),
        time(profile.wall()),
        time(profile.wall()),
        time(profile.cpu()),
    );
    for lane in 0..lanes {
        let top = TOP + lane as f64 * (LANE + GAP);
        let _ = write!(
            svg,
            "<text x=\"20\" y=\"{:.1}\">thread {}</text>\n<rect class=\"lane\" x=\"{MARGIN}\" y=\"{top:.1}\" \
             width=\"{:.1}\" height=\"{LANE}\"/>\n",
            top + LANE / 2.0 + 4.0,
            lane + 1,
            seconds * scale,
        );
        for (index, stage) in profile.stages.iter().enumerate() {
            draw_stage(&mut svg, stage, index, lane, top, scale);
        }
    }
    draw_memory(&mut svg, profile, lanes_end, scale);
    draw_axis(&mut svg, memory_end, seconds, scale);
    for (index, stage) in profile.stages.iter().enumerate() {
        let (column, line) = (index / legend_lines.max(1), index % legend_lines.max(1));
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"{:.1}\" y=\"{:.1}\">{}  {}: {} wall, {} CPU, {:.2} threads</text>",
            20.0 + column as f64 * WIDTH / LEGEND_COLUMNS as f64,
            legend + line as f64 * LEGEND_LINE,
            index + 1,
            escape(&stage.name),
            time(stage.wall),
            time(stage.cpu),
            stage.busy_threads(),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// One stage in one lane, as high as the thread was busy.
fn draw_stage(svg: &mut String, stage: &Stage, index: usize, lane: usize, top: f64, scale: f64) {
    let wall = stage.wall.as_secs_f64();
    let used = stage.by_thread.get(lane).copied().unwrap_or(if stage.by_thread.is_empty() {
        stage.cpu
    } else {
        Duration::ZERO
    });
    let busy = (used.as_secs_f64() / wall.max(1e-9)).clamp(0.0, 1.0);
    let (left, width, height) = (MARGIN + stage.begin.as_secs_f64() * scale, wall * scale, LANE * busy);
    let parity = if index.is_multiple_of(2) { "even" } else { "odd" };
    let _ = writeln!(
        svg,
        "<rect class=\"{parity}\" x=\"{left:.2}\" y=\"{:.2}\" width=\"{width:.2}\" height=\"{height:.2}\">\
         <title>{}: thread {} busy {:.0} % of {}</title></rect>",
        top + LANE - height,
        escape(&stage.name),
        lane + 1,
        busy * 100.0,
        time(stage.wall),
    );
    if width >= LEAST_LABELLED && height >= LANE / 2.0 {
        let _ = writeln!(
            svg,
            "<text class=\"number {parity}-number\" x=\"{:.2}\" y=\"{:.2}\">{}</text>",
            left + width / 2.0,
            top + LANE - height / 2.0 + 4.0,
            index + 1,
        );
    }
}

/// The memory at the end of every stage, as steps.
fn draw_memory(svg: &mut String, profile: &Profile, top: f64, scale: f64) {
    let Some(most) = profile.stages.iter().filter_map(|stage| stage.resident).max().filter(|most| *most > 0)
    else {
        return;
    };
    let bottom = top + MEMORY;
    let mut points = format!("{MARGIN:.1},{bottom:.1}");
    for stage in &profile.stages {
        let height = stage.resident.unwrap_or(0) as f64 / most as f64 * (MEMORY - 12.0);
        let left = MARGIN + stage.begin.as_secs_f64() * scale;
        let right = left + stage.wall.as_secs_f64() * scale;
        let _ = write!(points, " {left:.2},{:.2} {right:.2},{:.2}", bottom - height, bottom - height);
    }
    let end = MARGIN + profile.wall().as_secs_f64() * scale;
    let _ = write!(points, " {end:.2},{bottom:.1}");
    let _ = write!(
        svg,
        "<text x=\"20\" y=\"{:.1}\">memory</text>\n<text class=\"small\" x=\"20\" y=\"{:.1}\">{} MB</text>\n\
         <polygon class=\"memory\" points=\"{points}\"><title>memory in use at the end of every stage, at most {} MB</title></polygon>\n",
        top + MEMORY / 2.0,
        top + MEMORY / 2.0 + 15.0,
        most / 1_000_000,
        most / 1_000_000,
    );
}

/// Seconds below everything: at most ten marks, at one, two or five times a power of ten.
fn draw_axis(svg: &mut String, top: f64, seconds: f64, scale: f64) {
    let rough = seconds / 10.0;
    let power = 10f64.powf(rough.log10().floor());
    let mark = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|step| *step >= rough)
        .unwrap_or(rough);
    let _ = writeln!(
        svg,
        "<line class=\"axis\" x1=\"{MARGIN}\" x2=\"{:.1}\" y1=\"{top:.1}\" y2=\"{top:.1}\"/>",
        MARGIN + seconds * scale
    );
    let marks = (seconds / mark) as u32;
    for index in 0..=marks {
        let at = f64::from(index) * mark;
        let left = MARGIN + at * scale;
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{left:.1}\" x2=\"{left:.1}\" y1=\"{top:.1}\" y2=\"{:.1}\"/>\n\
             <text class=\"small\" text-anchor=\"middle\" x=\"{left:.1}\" y=\"{:.1}\">{}</text>\n",
            top + 5.0,
            top + 19.0,
            time(Duration::from_secs_f64(at)),
        );
    }
}

fn stages(count: usize) -> String {
    if count == 1 { "1 stage".to_owned() } else { format!("{count} stages") }
}

/// A duration for people.
fn time(duration: Duration) -> String {
    match duration.as_secs_f64() {
        0.0 => "0".to_owned(),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds if seconds < 10.0 => format!("{seconds:.2} s"),
        seconds => format!("{seconds:.1} s"),
    }
}

/// Names of stages are ours, but a picture must not depend on that.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, begin: u64, wall: u64, by_thread: &[u64]) -> Stage {
        let by_thread: Vec<Duration> = by_thread.iter().copied().map(Duration::from_millis).collect();
        Stage {
            name: name.to_owned(),
            begin: Duration::from_millis(begin),
            wall: Duration::from_millis(wall),
            cpu: by_thread.iter().sum(),
            by_thread,
            resident: Some(5_000_000),
        }
    }

    #[test]
    fn a_timeline_has_a_lane_a_thread_and_every_stage_in_each() {
        let stages =
            vec![stage("trace & <more>", 0, 100, &[100, 0]), stage("constraints", 100, 300, &[300, 290])];
        let svg = Profile { stages, threads: 2 }.timeline();
        assert_eq!(svg.matches("class=\"lane\"").count(), 2);
        assert_eq!(svg.matches("busy").count(), 4);
        assert!(svg.contains("trace &amp; &lt;more&gt;: 100 ms wall") && !svg.contains("<more>"));
        assert!(svg.contains("thread 2 busy 97 % of 300 ms"));
        assert!(svg.contains("400 ms wall, 690 ms CPU on 2 threads"), "{svg}");
    }

    #[test]
    fn a_profile_without_threads_or_stages_is_still_a_picture() {
        for stages in [Vec::new(), vec![stage("all", 0, 10, &[])]] {
            let svg = Profile { stages, threads: 0 }.timeline();
            assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{svg}");
        }
    }
}
