//! All tests of whole commands, but the browser's, as one program.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod allocate;
mod atlantic;
#[cfg(all(unix, feature = "postgres", feature = "s3"))]
mod bucket;
mod commands;
#[cfg(all(unix, feature = "postgres"))]
mod database;
mod external;
#[cfg(unix)]
mod finished;
#[cfg(unix)]
mod hybrid;
#[cfg(unix)]
mod killed;
#[cfg(all(unix, feature = "postgres", feature = "s3"))]
#[path = "../../store/tests/object_server/mod.rs"]
mod object_server;
#[cfg(unix)]
mod queue;
#[cfg(unix)]
mod remote;
#[cfg(unix)]
mod serve;
mod support;
