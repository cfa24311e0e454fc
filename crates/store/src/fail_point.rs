//! Places at which a test ends the process, as a kill from outside would: before and after everything that is committed.
//! Builds without the feature `fail-points` have none.

/// The variable that names the point.
#[cfg(feature = "fail-points")]
pub const FAIL_AT: &str = "ASHLAR_FAIL_AT";

/// The variable that names a file: the first process that reaches the point makes it and dies; whoever comes by later
/// goes on.
#[cfg(feature = "fail-points")]
pub const FAIL_MARK: &str = "ASHLAR_FAIL_MARK";

/// All points.
#[cfg(feature = "fail-points")]
pub const FAIL_POINTS: [&str; 17] = [
    "submission written",
    "submission committed",
    "claim written",
    "claim committed",
    "renewal written",
    "renewal committed",
    "step written",
    "step committed",
    "proof stored",
    "proof written",
    "proof committed",
    "end written",
    "end committed",
    "sweep written",
    "sweep committed",
    "cancel written",
    "cancel committed",
];

/// Comes by a point.
#[cfg(feature = "fail-points")]
pub(crate) fn reach(point: &'static str) {
    debug_assert!(FAIL_POINTS.contains(&point));
    if std::env::var_os(FAIL_AT).is_none_or(|wanted| wanted != point) {
        return;
    }
    let Some(mark) = std::env::var_os(FAIL_MARK) else { return };
    if std::fs::File::create_new(mark).is_ok() {
        // Nothing is unwound or flushed, and nobody is told.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Comes by a point.
#[cfg(not(feature = "fail-points"))]
#[inline(always)]
pub(crate) fn reach(_point: &'static str) {}
