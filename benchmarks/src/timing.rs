//! Times of several pieces of work in turn, so that whatever else the machine does falls on all of them alike; and in
//! processor time of the calling thread, so that waiting for a busy processor does not count.

use std::time::Duration;

use cpu_time::ThreadTime;

/// A piece of work that is measured.
pub struct Subject {
    /// Whose it is.
    pub name: String,
    /// Elements (products, butterflies, hashes …) that one call of `work` computes.
    pub elements: usize,
    /// Computes them.
    pub work: Box<dyn FnMut()>,
}

impl Subject {
    /// A piece of work.
    pub fn new(name: impl Into<String>, elements: usize, work: impl FnMut() + 'static) -> Subject {
        Subject { name: name.into(), elements, work: Box::new(work) }
    }
}

/// What was measured, in nanoseconds an element.
pub struct Time {
    /// Whose it is.
    pub name: String,
    /// The fastest window: the least disturbed one.
    pub fastest: f64,
    /// The median of all windows.
    pub median: f64,
    /// The upper quartile.
    pub upper: f64,
}

/// Windows of each subject.
const WINDOWS: usize = 41;
/// The shortest window.
const WINDOW: Duration = Duration::from_millis(2);

/// Measures the subjects window by window, in turn.
pub fn measure(mut subjects: Vec<Subject>) -> Vec<Time> {
    let calls: Vec<u32> = subjects.iter_mut().map(calls_in_a_window).collect();
    let mut windows = vec![Vec::with_capacity(WINDOWS); subjects.len()];
    for _ in 0..WINDOWS {
        for ((subject, &calls), windows) in subjects.iter_mut().zip(&calls).zip(&mut windows) {
            let start = ThreadTime::now();
            for _ in 0..calls {
                (subject.work)();
            }
            let elements = f64::from(calls) * subject.elements as f64;
            windows.push(start.elapsed().as_secs_f64() * 1e9 / elements);
        }
    }
    subjects
        .into_iter()
        .zip(windows)
        .map(|(subject, mut windows)| {
            windows.sort_by(f64::total_cmp);
            Time {
                name: subject.name,
                fastest: windows[0],
                median: windows[WINDOWS / 2],
                upper: windows[WINDOWS * 3 / 4],
            }
        })
        .collect()
}

/// Doubles the calls until they fill a window; the first ones also warm caches and tables.
fn calls_in_a_window(subject: &mut Subject) -> u32 {
    let mut calls = 1;
    loop {
        let start = ThreadTime::now();
        for _ in 0..calls {
            (subject.work)();
        }
        if start.elapsed() >= WINDOW || calls >= 1 << 20 {
            return calls;
        }
        calls *= 2;
    }
}

/// Nanoseconds of a clock cycle: a chain of products and sums, three cycles and one on every processor of the last ten
/// years.
pub fn cycle() -> f64 {
    const LINKS: usize = 20_000;
    let chain = Subject::new("chain", 4 * LINKS, || {
        let mut value = std::hint::black_box(3u64);
        for _ in 0..LINKS {
            value = value.wrapping_mul(value) ^ 5;
        }
        std::hint::black_box(value);
    });
    measure(vec![chain])[0].fastest
}
