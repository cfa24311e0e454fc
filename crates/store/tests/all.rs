//! All tests of the records as one program: each program would compile the futures of the records anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "s3")]
mod bucket;
mod databases;
mod executions;
mod gate;
mod hints;
#[cfg(feature = "s3")]
mod object_server;
mod pages;
mod records;
mod support;
