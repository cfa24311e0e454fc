//! Typed client of the proving service's HTTP API, blocking: an asynchronous program makes its calls on threads of
//! their own.
//!
//! | module | what it holds |
//! |---|---|
//! | `address` | [`ServerAddress`]: the one host that is spoken to |
//! | `key` | [`Key`]: which nothing prints |
//! | `wish` | [`Wish`], [`Program`], [`JobFilter`]: what a request asks for |
//! | `transport` | [`Settings`]; one exchange, bounded, and which of them are repeated |
//! | `client` | [`Client`]: one method a route |
//! | `events` | [`Watching`]: what happens to a job, as a stream that is taken up again where it broke |
//! | `wire` | [`Job`], [`Allocation`] and other bodies of answers |
//! | `error` | [`ClientError`]; [`Problem`]: what the server refuses, with its code and its hint |
//!
//! What a server says of a proof is no evidence: the proof's bytes are, once the caller's own verifier has accepted
//! them. No redirect is followed, and no address in an answer is gone to.
#![forbid(unsafe_code)]

mod address;
mod client;
mod error;
mod events;
mod key;
mod transport;
mod wire;
mod wish;

pub use address::ServerAddress;
pub use client::{Client, MOST_PROOF_BYTES};
pub use error::{ClientError, Problem};
pub use events::{Event, Watching};
pub use key::Key;
pub use transport::{Pause, Settings, fresh_idempotency_key};
pub use wire::{
    Allocation, AllocationView, Artefact, Attempt, EventPage, Gate, Job, JobPage, JobView, LoggedEvent,
    Standing, Submitted,
};
pub use wish::{JobFilter, Program, Wish};
