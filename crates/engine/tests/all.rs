//! All tests of the queue as one program: each program would compile the futures of the queue and of the records anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod contention;
#[cfg(all(unix, feature = "fail-points"))]
mod fail_points;
mod gate;
#[cfg(all(target_os = "linux", feature = "postgres"))]
mod namespaces;
#[cfg(unix)]
mod processes;
mod queue_model;
mod remote;
mod service;
mod support;
#[cfg(unix)]
mod workers;
