//! The proving service without its wire: from a request to a job that is never lost, and from a job to a proof.
//!
//! | module | what it holds |
//! |---|---|
//! | `service` | [`Engine`]: submit, plan, cancel, retry, depth, workers, events: what a server calls |
//! | `submission` | [`Submission`]: what is asked for, and under which [`Circumstances`] |
//! | `program` | [`CompiledProgram`]: a program's bytes, or the name under which they are stored
//! | `backend` | [`Backend`]: who makes proofs, what each can take, what it predicts |
//! | `forecast` | [`RunSize`], [`Forecast`], [`Forecaster`]: what a proof will cost, before anything runs |
//! | `router` | [`RouterPolicy`], [`route`]: which backend, and why; pure |
//! | `breaker` | [`Breaker`]: a backend that keeps failing is left alone for a while |
//! | `settings` | [`Settings`]: limits, leases, retries |
//! | `clock` | [`Clock`]: the present, which tests replace |
//! | `health` | [`Health`]: how the workers of this process are |
//! | `gate` | [`Gate`]: where proven allocations are brought |
//! | `port` | [`JobEngine`]: what a worker trusts the queue with |
//! | `worker` | [`Worker`]: claims what fits, keeps leases alive, sweeps, scrubs, drains |
//! | `child` | [`supervise`]: the process of an attempt, watched until it is gone |
//! | `confine` | [`Confinement`]: what that process does to itself first |
//! | `remote` | [`RemoteAttempt`]: one attempt with the managed service, in that process |
//! | `reins` | [`Reins`]: what heartbeat and maker say to each other |
//! | `retry` | what becomes of a job whose attempt failed; pure |
//! | `attempt_error` | [`AttemptError`] |
//! | `error` | [`EngineError`] |
#![forbid(unsafe_code)]

mod attempt_error;
mod backend;
mod breaker;
mod child;
mod clock;
mod confine;
mod error;
mod forecast;
mod gate;
mod health;
mod port;
mod program;
mod reins;
mod remote;
mod retry;
mod router;
mod service;
mod settings;
mod submission;
mod worker;

pub use attempt_error::AttemptError;
pub use backend::{Atlantic, AtlanticTerms, Backend, Mock, Order, StoneExternal, StoneLocal, Unable};
pub use breaker::{Breaker, BreakerPolicy};
pub use child::{ChildOrder, Ended, Variables, supervise};
pub use clock::{Clock, ManualClock, SystemClock};
pub use confine::{Confinement, ConfinementError, yield_to_others};
pub use error::EngineError;
pub use forecast::{Forecast, Forecaster, RunSize};
pub use gate::Gate;
pub use health::{Health, Trouble};
pub use port::JobEngine;
pub use program::CompiledProgram;
pub use reins::{Reins, Stop};
pub use remote::{Delivered, MOST_PROOF_BYTES, RemoteAttempt, RemoteError, RemoteRun, Stated};
pub use router::{
    Budget, Choice, Condition, Considered, Environment, Offer, Question, RouterPolicy, Routing, Rule,
    Verdict, route,
};
pub use service::{BackendState, Engine, Events, Submitted};
pub use settings::Settings;
pub use submission::{
    Circumstances, FINISHED_RUN, FinishedRunTask, ProgramTask, Requirements, Submission, Task,
};
pub use worker::{Worker, WorkerReport, WorkerSettings};
