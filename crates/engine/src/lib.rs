//! The proving service without its wire: from a request to a job that is never lost, and from a job to a proof.
//!
//! | module | what it holds |
//! |---|---|
//! | `service` | [`Engine`]: submit, plan, cancel, retry, depth, workers, events: what a server calls |
//! | `submission` | [`Submission`]: what is asked for, and under which [`Circumstances`] |
//! | `backend` | [`Backend`]: who makes proofs, what each can take, what it predicts |
//! | `forecast` | [`RunSize`], [`Forecast`]: what a proof will cost, before anything runs |
//! | `router` | [`RouterPolicy`], [`route`]: which backend, and why; pure |
//! | `breaker` | [`Breaker`]: a backend that keeps failing is left alone for a while |
//! | `settings` | [`Settings`]: limits, leases, retries |
//! | `clock` | [`Clock`]: the present, which tests replace |
//! | `error` | [`EngineError`] |
#![forbid(unsafe_code)]

mod backend;
mod breaker;
mod clock;
mod error;
mod forecast;
mod router;
mod service;
mod settings;
mod submission;

pub use backend::{Backend, Mock, StoneExternal, StoneLocal, Unable};
pub use breaker::{Breaker, BreakerPolicy};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::EngineError;
pub use forecast::{Forecast, RunSize};
pub use router::{
    Budget, Choice, Condition, Considered, Environment, Offer, Question, RouterPolicy, Routing, Rule,
    Verdict, route,
};
pub use service::{BackendState, Engine, Events, Submitted};
pub use settings::Settings;
pub use submission::{Circumstances, ProgramTask, Requirements, Submission, Task};
