//! One listener: takes connections, speaks TLS where there is a certificate, HTTP/1 and HTTP/2 on each, and ends them
//! gracefully.
//!
//! `axum::serve` sets no timer, so its header timeout never fires; this loop sets one, and bounds streams, resets and
//! connections. A connection that says nothing, or one byte a minute, is closed before a request exists (`Patience`); one
//! that does not finish its handshake in time is closed as well, and has its place among the connections until then.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Sleep;
use tokio_util::sync::CancellationToken;

use crate::tls::Tls;

/// What bounds the connections of a listener.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// Shared by all listeners.
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) idle: Duration,
    pub(crate) drain: Duration,
    /// Plain where there is none.
    pub(crate) tls: Option<Arc<Tls>>,
}

/// The other end of a connection; an extension of every request. It is also the connection's place among all connections: a
/// task that outlives its request, as that of a WebSocket does, keeps a clone.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Peer {
    /// Of a connection that has no place.
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self { address, tls: false, _place: None }
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Serves until `stop`, then lets the requests at hand end.
pub(crate) async fn listen<S, B>(listener: TcpListener, service: S, bounds: Bounds, stop: CancellationToken)
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Failure>,
    B: Body + Send + 'static,
    B::Data: Send + 'static,
    B::Error: Into<Failure>,
{
    let builder = Arc::new(builder(&bounds));
    let graceful = GracefulShutdown::new();
    loop {
        let place = tokio::select! {
            () = stop.cancelled() => break,
            place = bounds.connections.clone().acquire_owned() => place,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: pause, so that closing connections can return some.
                tracing::warn!(%error, "could not accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let peer = Peer { address, tls: bounds.tls.is_some(), _place: place.ok().map(Arc::new) };
        let connection = Connection {
            builder: builder.clone(),
            service: service.clone(),
            watcher: graceful.watcher(),
            peer,
            idle: bounds.idle,
        };
        match bounds.tls.clone() {
            None => tokio::spawn(connection.serve(stream)),
            Some(tls) => tokio::spawn(connection.shake_hands(stream, tls, stop.clone())),
        };
    }
    drop(listener);
    if tokio::time::timeout(bounds.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests were cut off: they took longer than `stop.drain_ms_max`");
    }
}

/// One connection on its own task.
struct Connection<S> {
    builder: Arc<auto::Builder<TokioExecutor>>,
    service: S,
    watcher: Watcher,
    peer: Peer,
    idle: Duration,
}

impl<S, B> Connection<S>
where
    S: hyper::service::Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Failure>,
    B: Body + Send + 'static,
    B::Data: Send + 'static,
    B::Error: Into<Failure>,
{
    async fn shake_hands(self, stream: TcpStream, tls: Arc<Tls>, stop: CancellationToken) {
        let shaken = tokio::select! {
            () = stop.cancelled() => return,
            shaken = tokio::time::timeout(self.idle, tls.acceptor().accept(stream)) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, peer = %self.peer.address, "a TLS handshake failed"),
            Err(_) => tracing::debug!(peer = %self.peer.address, "a TLS handshake took too long"),
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let Self { builder, service, watcher, peer, idle } = self;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            service.call(request)
        });
        let stream = TokioIo::new(Patience::new(stream, idle));
        let connection = builder.serve_connection_with_upgrades(stream, service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn builder(bounds: &Bounds) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(bounds.idle).max_headers(100).max_buf_size(64 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(200)
        .max_pending_accept_reset_streams(50)
        .max_local_error_reset_streams(200)
        .max_header_list_size(16 << 10)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_frame_size(64 << 10)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// A connection whose first bytes must come in time: the versions of HTTP are told apart by 24 bytes, and neither hyper's
/// header timer nor its pings run before.
struct Patience<I> {
    stream: I,
    read: usize,
    deadline: Option<Pin<Box<Sleep>>>,
}

const PREFACE_BYTES: usize = 24;

impl<I> Patience<I> {
    fn new(stream: I, patience: Duration) -> Self {
        Self { stream, read: 0, deadline: Some(Box::pin(tokio::time::sleep(patience))) }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Patience<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(deadline) = &mut this.deadline {
            this.read += buf.filled().len() - before;
            if this.read >= PREFACE_BYTES {
                this.deadline = None;
            } else if polled.is_pending() && deadline.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
            }
        }
        polled
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Patience<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        this.deadline = None;
        Pin::new(&mut this.stream).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let this = self.get_mut();
        this.deadline = None;
        Pin::new(&mut this.stream).poll_write_vectored(cx, bufs)
    }
}
