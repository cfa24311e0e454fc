//! The figures of the server.

use std::{net::SocketAddr, time::Duration};

use ashlar_engine::CompiledProgram;

use crate::{Collector, RateLimit, WebhookSecret};

/// How the server works.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Callers of this machine's loopback need no key.
    pub open_on_loopback: bool,
    /// Names by which the server is reached, besides its address; with a port where it is not the one listened at.
    pub host_names: Vec<String>,
    /// Where clients reach the server, such as `https://ashlar.example`, for addresses in answers; what the request was
    /// addressed to unless it is given.
    pub public_address: Option<String>,
    /// Where spans of jobs go; nowhere unless it is given.
    pub collector: Option<Collector>,
    /// The compiled bootloader in which finished runs are proven; they are refused unless it is given.
    pub bootloader: Option<CompiledProgram>,
    /// What the path of the managed service's webhooks holds; they are not received unless it is given.
    pub atlantic_webhook: Option<WebhookSecret>,
    /// How long a request's head may take to arrive, and an idle connection may wait for the next one.
    pub head_time: Duration,
    /// How long a request's body may take to arrive.
    pub body_time: Duration,
    /// Connections at once; further ones wait.
    pub connections: usize,
    /// Event streams at once.
    pub streams: usize,
    /// Requests of each caller.
    pub rate: RateLimit,
    /// How long a stop waits for requests that are being answered.
    pub drain_time: Duration,
    /// How long a person stays signed in.
    pub session_time: Duration,
    /// Bytes of a program or a proof that may be sent.
    pub most_program_bytes: usize,
    /// Bytes that bodies of requests may take in memory, all together. A program takes a piece of
    /// [`PIECE_BYTES`](ashlar_store::PIECE_BYTES), whatever its size; everything else takes what it has.
    pub body_bytes: usize,
}

impl ServerSettings {
    /// The default figures at an address, closed to whoever has no key.
    pub fn at(listen: SocketAddr) -> ServerSettings {
        ServerSettings {
            listen,
            open_on_loopback: false,
            host_names: Vec::new(),
            public_address: None,
            collector: None,
            bootloader: None,
            atlantic_webhook: None,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(60),
            connections: 512,
            streams: 128,
            rate: RateLimit { each_second: 200, at_once: 400 },
            drain_time: Duration::from_secs(10),
            session_time: Duration::from_secs(12 * 3600),
            most_program_bytes: 64 << 20,
            body_bytes: 256 << 20,
        }
    }
}
