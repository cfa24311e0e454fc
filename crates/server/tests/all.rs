//! All tests of the server as one program: each program would compile the server's futures anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod access;
mod api;
mod atlantic;
mod dashboard;
mod openapi;
mod operations;
mod readiness;
mod support;
mod telemetry;
mod uploads;
mod webhooks;
