//! What every request has at hand.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use ashlar_engine::{Clock, Engine};
use ashlar_store::{Moment, Store};
use tokio::sync::{Semaphore, watch};

use crate::{
    ServerSettings, access::Hosts, body::BodyMemory, metrics::Metrics, rate::Buckets, session::Sessions,
    verdict::Verdicts, webhook::LOOKED_INTO,
};

/// Where a line of the log goes.
pub type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// Proofs that are verified at once for callers.
const VERIFICATIONS: usize = 2;

/// The state of a server.
pub(crate) struct App {
    pub(crate) engine: Engine,
    pub(crate) settings: ServerSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hosts: Hosts,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    pub(crate) buckets: Buckets,
    /// How many webhooks are looked into.
    pub(crate) hints: Buckets,
    pub(crate) sessions: Sessions,
    pub(crate) metrics: Metrics,
    pub(crate) verdicts: Verdicts,
    pub(crate) log: Log,
    /// The id of the youngest event, as it grows.
    pub(crate) newest: watch::Receiver<i64>,
    /// Whether the server is to stop.
    pub(crate) stopping: watch::Receiver<bool>,
    /// What bodies of requests may take in memory.
    pub(crate) bodies: BodyMemory,
    /// Proofs that may be verified at once: each takes a processor for a while.
    pub(crate) verifications: Semaphore,
    streams: AtomicUsize,
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl App {
    pub(crate) fn new(
        engine: Engine,
        settings: ServerSettings,
        clock: Arc<dyn Clock>,
        hosts: Hosts,
        address: SocketAddr,
        sessions: Sessions,
        log: Log,
        newest: watch::Receiver<i64>,
        stopping: watch::Receiver<bool>,
    ) -> App {
        App {
            bodies: BodyMemory::new(settings.body_bytes),
            buckets: Buckets::new(settings.rate),
            hints: Buckets::new(LOOKED_INTO),
            metrics: Metrics::new(clock.now()),
            verdicts: Verdicts::default(),
            verifications: Semaphore::new(VERIFICATIONS),
            streams: AtomicUsize::new(0),
            engine,
            settings,
            clock,
            hosts,
            address,
            sessions,
            log,
            newest,
            stopping,
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    /// How addresses in an answer begin, for a request to this host.
    pub(crate) fn public_address(&self, host: Option<&str>) -> String {
        match (&self.settings.public_address, host.filter(|host| self.hosts.serve(host))) {
            (Some(address), _) => address.trim_end_matches('/').to_owned(),
            (None, Some(host)) => format!("http://{host}"),
            (None, None) => format!("http://{}", self.address),
        }
    }

    /// A place for one more event stream, which is given back when it is dropped.
    pub(crate) fn open_stream(self: &Arc<App>) -> Result<StreamPlace, crate::ServerError> {
        let open = self.streams.fetch_add(1, Ordering::Relaxed);
        let place = StreamPlace(Arc::clone(self));
        if open >= self.settings.streams {
            return Err(crate::ServerError::TooManyStreams { open });
        }
        Ok(place)
    }

    pub(crate) fn open_streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }
}

/// One of the event streams that may be open.
#[derive(Debug)]
pub(crate) struct StreamPlace(Arc<App>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
