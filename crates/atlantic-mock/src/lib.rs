//! A stand-in for Herodotus' Atlantic, for tests: it enforces the recorded contract, plays the recorded sequences of stages
//! by a clock that tests move, and misbehaves like the real one when it is told to.
//!
//! It shares no code with the client but the trait of the clock: what both got wrong would go unnoticed otherwise.
//!
//! | module | what it holds |
//! |---|---|
//! | `server` | [`Mock`]: a server on 127.0.0.1, its accounts, its records of what was asked |
//! | `request` | requests, read from the connection |
//! | `multipart` | forms, taken apart strictly |
//! | `rules` | what the service refuses, with its codes |
//! | `script` | [`Script`]: what becomes of a submission, stage by stage |
//! | `fault` | [`Fault`], [`When`]: misbehaviour, and when it happens |
//! | `state` | queries, and how they are told |
//! | `time` | [`FakeClock`], [`FastClock`]: hours in no time |
#![forbid(unsafe_code)]

mod fault;
mod multipart;
mod request;
mod rules;
mod script;
mod server;
mod state;
mod time;

pub use fault::{Endpoint, Fault, When};
pub use multipart::ReceivedFile;
pub use script::{Script, Stage, Submission};
pub use server::{Mock, MockBuilder, Request};
pub use time::{FakeClock, FastClock};
