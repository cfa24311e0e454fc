//! Listening, answering, and stopping.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use ashlar_engine::{Clock, Engine, SystemClock};
use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::JoinSet,
};

use crate::{
    ServerError, ServerSettings,
    access::Hosts,
    app::{App, Log},
    router::router,
    session::Sessions,
    telemetry,
};

/// How often the records are asked for new events.
const GLANCE: Duration = Duration::from_millis(250);

/// The most bytes of a request's head.
const MOST_HEAD_BYTES: usize = 32 * 1024;

/// The most headers of a request.
const MOST_HEADERS: usize = 64;

/// What a connection gets whose request does not come to an end.
const TIMED_OUT: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    app: Arc<App>,
    newest: watch::Sender<i64>,
    stopping: watch::Sender<bool>,
}

impl Server {
    /// Listens where the settings say. `log` gets a line for each request that the service failed.
    ///
    /// # Errors
    /// [`ServerError::AddressInUse`], [`ServerError::CannotListen`], [`ServerError::OpenToOthers`].
    pub async fn listen(engine: Engine, settings: ServerSettings, log: Log) -> Result<Server, ServerError> {
        Server::with_clock(engine, settings, log, Arc::new(SystemClock)).await
    }

    /// [`Server::listen`] with a clock of the caller's.
    ///
    /// # Errors
    /// As [`Server::listen`].
    pub async fn with_clock(
        engine: Engine,
        settings: ServerSettings,
        log: Log,
        clock: Arc<dyn Clock>,
    ) -> Result<Server, ServerError> {
        let address = settings.listen;
        if settings.open_on_loopback && !address.ip().is_loopback() {
            return Err(ServerError::OpenToOthers { address });
        }
        let cannot = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => ServerError::AddressInUse { address },
            _ => ServerError::CannotListen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let sessions = Sessions::new(settings.session_time).map_err(cannot)?;
        let hosts = Hosts::new(&settings, address);
        let (newest, newest_seen) = watch::channel(0);
        let (stopping, stopping_seen) = watch::channel(false);
        let app =
            App::new(engine, settings, clock, hosts, address, sessions, log, newest_seen, stopping_seen);
        Ok(Server { listener, address, app: Arc::new(app), newest, stopping })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is over; then no connection is taken any more, streams end, and requests that are being
    /// answered are waited for, within the drain time.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let router = router(&self.app);
        let places = Arc::new(Semaphore::new(self.app.settings.connections.max(1)));
        let mut connections = JoinSet::new();
        let watching = watch_events(Arc::clone(&self.app), self.newest);
        if let Some(collector) = self.app.settings.collector.clone() {
            connections.spawn(telemetry::export(Arc::clone(&self.app), collector));
        }
        tokio::pin!(stop, watching);
        loop {
            while connections.try_join_next().is_some() {}
            let taken = async {
                // The semaphore is never closed.
                let place = Arc::clone(&places).acquire_owned().await.ok();
                (place, self.listener.accept().await)
            };
            tokio::select! {
                () = &mut stop => break,
                () = &mut watching => {}
                (place, accepted) = taken => match accepted {
                    Ok((stream, peer)) => {
                        let connection = answer(stream, peer, router.clone(), Arc::clone(&self.app));
                        connections.spawn(async move { connection.await; drop(place) });
                    }
                    // Out of descriptors, say: others will be given back.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        }
        drop(self.listener);
        self.stopping.send_replace(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        // What is not done by then is cut off.
        let _ = tokio::time::timeout(self.app.settings.drain_time, drained).await;
    }
}

/// Keeps the number of the youngest event up to date, for every stream at once.
async fn watch_events(app: Arc<App>, newest: watch::Sender<i64>) {
    loop {
        if let Ok(id) = app.store().last_event().await {
            newest.send_if_modified(|known| std::mem::replace(known, id) != id);
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Answers the requests of one connection.
async fn answer(stream: TcpStream, peer: SocketAddr, router: Router, app: Arc<App>) {
    // Small answers are not held back to be sent with others.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        Box::pin(async move { Ok::<_, Infallible>(call(router, request).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.head_time)
        .max_buf_size(MOST_HEAD_BYTES)
        .max_headers(MOST_HEADERS)
        .serve_connection(TokioIo::new(stream), service);
    let mut stopping = app.stopping.clone();
    let ended = tokio::select! {
        ended = std::future::poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
        () = asked_to_stop(&mut stopping) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        None => {
            std::pin::Pin::new(&mut connection).graceful_shutdown();
            std::future::poll_fn(|context| connection.poll_without_shutdown(context)).await
        }
    };
    let mut stream = connection.into_parts().io.into_inner();
    if ended.is_err_and(|error| error.is_timeout()) {
        // Best effort: whoever is that slow may be gone.
        let _ = stream.write_all(TIMED_OUT).await;
    }
    let _ = stream.shutdown().await;
}

/// Waits until the server is to stop.
pub(crate) async fn asked_to_stop(stopping: &mut watch::Receiver<bool>) {
    // A sender that is gone is a server that is gone.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

async fn call(mut router: Router, request: Request<Body>) -> axum::response::Response {
    use tower_service::Service as _;
    match router.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
