//! Figures for Prometheus, in its text format.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ashlar_store::{Figures, Moment, QueueDepth, Worker};

/// Upper bounds of the latency buckets, in milliseconds.
const BUCKETS: [u64; 11] = [1, 2, 5, 10, 20, 50, 100, 250, 1000, 5000, 30_000];

/// Statuses that somebody watches. Prometheus sees an increase from a row that it has seen before: one that is born
/// with the first failure, as 1, never increased.
const WATCHED: [u16; 4] = [429, 500, 502, 503];

/// How requests of one route ended.
#[derive(Debug, Default)]
struct Requests {
    by_status: BTreeMap<u16, u64>,
    buckets: [u64; BUCKETS.len()],
    count: u64,
    microseconds: u64,
}

/// What was asked since the server started.
#[derive(Debug)]
pub(crate) struct Metrics {
    started: Moment,
    /// Spans that a collector took.
    spans: AtomicU64,
    /// By route, never by path: a caller must not be able to make new rows.
    routes: Mutex<BTreeMap<&'static str, Requests>>,
}

impl Metrics {
    pub(crate) fn new(started: Moment) -> Metrics {
        Metrics { started, spans: AtomicU64::new(0), routes: Mutex::new(BTreeMap::new()) }
    }

    /// Shows a route from now on, before anybody asks for it.
    pub(crate) fn expect(&self, route: &'static str) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = routes.entry(route).or_default();
        for status in WATCHED {
            requests.by_status.entry(status).or_default();
        }
    }

    /// Counts spans that the collector took.
    pub(crate) fn count_spans(&self, count: u64) {
        self.spans.fetch_add(count, Ordering::Relaxed);
    }

    /// Counts a request; of an event stream, the time until its head was sent.
    pub(crate) fn count(&self, route: &'static str, status: u16, took: Duration) {
        let microseconds = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let requests = routes.entry(route).or_default();
        *requests.by_status.entry(status).or_default() += 1;
        requests.count += 1;
        requests.microseconds = requests.microseconds.saturating_add(microseconds);
        for (bucket, bound) in requests.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(microseconds <= bound * 1000);
        }
    }

    /// The text.
    pub(crate) fn text(
        &self,
        figures: &Figures,
        queue: &QueueDepth,
        workers: &[Worker],
        streams: usize,
    ) -> String {
        let mut page = Page::default();
        page.family("ashlar_up_since_seconds", "gauge", "When the server started, seconds since 1970.");
        page.row("ashlar_up_since_seconds", &[], self.started.milliseconds() as f64 / 1000.0);
        page.family("ashlar_jobs", "gauge", "Jobs on record by backend and status.");
        for (source, status, count) in &figures.jobs {
            page.row("ashlar_jobs", &[("backend", source.word()), ("status", status.word())], *count as f64);
        }
        page.family("ashlar_allocations", "gauge", "Allocations on record by status.");
        for (status, count) in &figures.allocations {
            page.row("ashlar_allocations", &[("status", status.word())], *count as f64);
        }
        page.family(
            "ashlar_proof_latency_seconds",
            "summary",
            "From the first stage of a proof to the last, of the last 500 verified proofs by backend.",
        );
        for latency in &figures.latencies {
            for (percent, quantile) in [(50, "0.5"), (95, "0.95"), (99, "0.99")] {
                if let Some(milliseconds) = latency.percentile(percent) {
                    page.row(
                        "ashlar_proof_latency_seconds",
                        &[("backend", latency.source.word()), ("quantile", quantile)],
                        milliseconds as f64 / 1000.0,
                    );
                }
            }
        }
        page.family("ashlar_queue_jobs", "gauge", "Jobs of the queue by lane and state.");
        for lane in &queue.lanes {
            for (state, count) in
                [("ready", lane.ready), ("delayed", lane.delayed), ("claimed", lane.claimed)]
            {
                page.row("ashlar_queue_jobs", &[("lane", lane.lane.word()), ("state", state)], count as f64);
            }
        }
        page.family("ashlar_workers", "gauge", "Workers that were seen in the last two minutes.");
        page.row("ashlar_workers", &[], workers.len() as f64);
        page.family(
            "ashlar_worker_memory_bytes",
            "gauge",
            "Memory of a worker: what it has, and what is set aside.",
        );
        for worker in workers {
            let held: u64 = worker.holds.iter().map(|attempt| attempt.memory_bytes).sum();
            for (kind, bytes) in [("total", worker.memory_bytes), ("set_aside", held)] {
                page.row(
                    "ashlar_worker_memory_bytes",
                    &[("worker", &worker.name), ("kind", kind)],
                    bytes as f64,
                );
            }
        }
        page.family("ashlar_event_streams", "gauge", "Event streams that are open.");
        page.row("ashlar_event_streams", &[], streams as f64);
        page.family("ashlar_spans_sent_total", "counter", "Spans that the OpenTelemetry collector took.");
        page.row("ashlar_spans_sent_total", &[], self.spans.load(Ordering::Relaxed) as f64);
        self.requests(&mut page);
        page.0
    }

    fn requests(&self, page: &mut Page) {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        page.family("ashlar_http_requests_total", "counter", "Requests by route and status.");
        for (route, requests) in routes.iter() {
            for (status, count) in &requests.by_status {
                let status = status.to_string();
                page.row(
                    "ashlar_http_requests_total",
                    &[("route", route), ("status", &status)],
                    *count as f64,
                );
            }
        }
        page.family("ashlar_http_request_seconds", "histogram", "How long requests took.");
        for (route, requests) in routes.iter().filter(|(_, requests)| requests.count > 0) {
            for (bound, count) in BUCKETS.iter().zip(requests.buckets) {
                let bound = (*bound as f64 / 1000.0).to_string();
                page.row(
                    "ashlar_http_request_seconds_bucket",
                    &[("route", route), ("le", &bound)],
                    count as f64,
                );
            }
            let count = requests.count as f64;
            page.row("ashlar_http_request_seconds_bucket", &[("route", route), ("le", "+Inf")], count);
            page.row("ashlar_http_request_seconds_count", &[("route", route)], count);
            page.row(
                "ashlar_http_request_seconds_sum",
                &[("route", route)],
                requests.microseconds as f64 / 1e6,
            );
        }
    }
}

/// A page of figures.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let opening = if index == 0 { '{' } else { ',' };
            let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{opening}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_fall_into_every_bucket_that_is_large_enough() {
        let metrics = Metrics::new(Moment::from_milliseconds(0));
        metrics.count("/a", 200, Duration::from_millis(3));
        metrics.count("/a", 500, Duration::from_millis(3));
        let text =
            metrics.text(&Figures::default(), &QueueDepth { lanes: Vec::new(), oldest_ready: None }, &[], 0);
        assert!(text.contains("ashlar_http_requests_total{route=\"/a\",status=\"500\"} 1\n"), "{text}");
        assert!(text.contains("ashlar_http_request_seconds_bucket{route=\"/a\",le=\"0.002\"} 0\n"), "{text}");
        assert!(text.contains("ashlar_http_request_seconds_bucket{route=\"/a\",le=\"0.005\"} 2\n"), "{text}");
        assert!(text.contains("ashlar_http_request_seconds_count{route=\"/a\"} 2\n"), "{text}");
    }

    #[test]
    fn a_failure_is_an_increase_even_if_it_is_the_first() {
        let metrics = Metrics::new(Moment::from_milliseconds(0));
        let nothing = QueueDepth { lanes: Vec::new(), oldest_ready: None };
        let row = "ashlar_http_requests_total{route=\"/a\",status=\"503\"}";
        metrics.expect("/a");
        let before = metrics.text(&Figures::default(), &nothing, &[], 0);
        assert!(before.contains(&format!("{row} 0\n")), "{before}");
        assert!(!before.contains("_bucket{"), "nobody asked, so that nothing took any time: {before}");
        metrics.count("/a", 503, Duration::from_millis(3));
        let after = metrics.text(&Figures::default(), &nothing, &[], 0);
        assert!(after.contains(&format!("{row} 1\n")), "{after}");
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut page = Page::default();
        page.row("a", &[("b", "x\"} 1\nevil{c=\"\\")], 1.0);
        assert_eq!(page.0, "a{b=\"x\\\"} 1\\nevil{c=\\\"\\\\\"} 1\n");
    }
}
