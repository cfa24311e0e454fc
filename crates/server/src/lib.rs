//! The proving service on the wire: HTTP API, event streams, keys, and the dashboard.
//!
//! | module | what it holds |
//! |---|---|
//! | `listen` | [`Server`]: listening, answering within bounds of time and size, stopping |
//! | `settings` | [`ServerSettings`]: where to listen, and every bound |
//! | `route`, `router` | one table of routes, from which router and OpenAPI document are made |
//! | `access` | who may do what: keys, sessions of browsers, the open loopback |
//! | `secret`, `session` | the [`Secret`] of a key; who is signed in with a browser |
//! | `rate` | [`RateLimit`]: how often one caller may ask |
//! | `call` | a request on its way through a handler |
//! | `body` | bodies of requests, in memory or on their way to the disk, within bounds |
//! | `api` | jobs, allocations, artefacts, events, plan, health, figures |
//! | `atlantic` | the endpoint that speaks like the managed service |
//! | `webhook` | [`WebhookSecret`]: hints of the managed service |
//! | `openapi`, `schema` | the document of the API |
//! | `metrics` | figures for Prometheus |
//! | `telemetry` | spans of jobs for OpenTelemetry |
//! | `problem`, `error` | problem documents, and what the server itself refuses |
//! | `verdict` | what the gate would say of an allocation |
//! | `dashboard` | the pages |
//! | `picture` | the pictures, as SVG |
//!
//! The server decides nothing about proofs: what it shows as verified, the gate's own examination has verified.
#![forbid(unsafe_code)]

mod access;
mod api;
mod app;
mod atlantic;
mod body;
mod call;
mod dashboard;
mod error;
mod listen;
mod metrics;
mod openapi;
mod picture;
mod problem;
mod rate;
mod route;
mod router;
mod schema;
mod secret;
mod session;
mod settings;
mod telemetry;
mod verdict;
mod webhook;

pub use api::{task_stated, verification};
pub use app::Log;
pub use error::ServerError;
pub use listen::Server;
pub use rate::RateLimit;
pub use secret::{PREFIX, Secret};
pub use settings::ServerSettings;
pub use telemetry::Collector;
pub use webhook::WebhookSecret;
