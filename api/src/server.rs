//! A server from start to stop: lock, listeners, keys, store, roller; and back in the order in which nothing is lost.
//!
//! It listens before it recovers, so that health checks see a starting server and clients are told to come back. Stopping
//! accepts no more, lets the requests at hand end, finishes the roll at hand and closes the store. A crash instead of a stop
//! costs nothing but the recovery: what was acknowledged is durable at any moment.

mod copies;
mod listen;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper::service::service_fn;
use hyper_util::service::TowerToHyperService;
use tephra_alerting::{Mailer, Outbox};
use tephra_compactor::Roller;
use tephra_query::Engine;
use tephra_storage::issues::{CONSUMER, Counter};
use tephra_storage::meta::Meta;
use tephra_storage::{Clock, StorageSettings, Store, SystemClock};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, FirstRun, Urls};
use crate::auth::Auth;
use crate::auth::seal::Sealer;
use crate::lock::DirectoryLock;
use crate::meters::Meters;
use crate::settings::{Address, Settings};
use crate::state::{Core, State};
use crate::tls::Tls;
use crate::{grpc, http};
use copies::Copier;
use listen::{Bounds, listen};

pub(crate) use listen::Peer;

const UPKEEP: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    state: State,
    addresses: Addresses,
    first_run: Option<FirstRun>,
    listeners: Vec<JoinHandle<()>>,
    roller: JoinHandle<()>,
    rolling: CancellationToken,
    /// What goes on until the last event is stored.
    counting: CancellationToken,
    counter: JoinHandle<()>,
    bookkeeper: JoinHandle<()>,
    upkeep: JoinHandle<()>,
    keeper: JoinHandle<()>,
    outbox: Option<JoinHandle<()>>,
    tls: Option<Arc<Tls>>,
    copier: Option<JoinHandle<()>>,
    copying: CancellationToken,
    _lock: DirectoryLock,
}

/// Where a server really listens.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// REST, OTLP/HTTP, health, metrics.
    pub http: Option<SocketAddr>,
    /// OTLP and the native protocol.
    pub grpc: Option<SocketAddr>,
    /// OTLP/HTTP alone.
    pub otlp_http: Option<SocketAddr>,
}

impl Server {
    /// Starts a server; it takes requests when this returns.
    pub async fn start(settings: Settings) -> anyhow::Result<Self> {
        Self::start_with_clock(settings, Arc::new(SystemClock)).await
    }

    /// Starts a server on a clock of the caller's.
    pub async fn start_with_clock(mut settings: Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let lock = DirectoryLock::take(settings.data_dir())?;
        warn_of(&settings);
        let tls = Tls::open(&settings.tls)?;
        let meters = Meters::install()?;
        let http = bind("http.address", settings.http.address).await?;
        let grpc = bind("grpc.address", settings.grpc.address).await?;
        let otlp = bind_if_free("otlp_http.address", settings.otlp_http.address).await?;
        let addresses = Addresses { http: local(&http)?, grpc: local(&grpc)?, otlp_http: local(&otlp)? };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let urls = Urls { http: url(scheme, addresses.http), grpc: url(scheme, addresses.grpc) };
        if settings.public_url().is_empty() {
            settings.http.public_url.0.clone_from(&urls.http);
        }
        let meta = Meta::open(&settings.meta, settings.data_dir(), clock.clone()).await?;
        let mailer = mailer(&settings)?;
        let (access, first_run) = Access::open(meta.clone(), &settings, &urls).await?;

        let sealer = Sealer::open(&settings)?;
        sealer.seal_old(&meta).await?;
        let auth = Auth::new(&settings, sealer);
        let state = State::new(settings, (access, auth), meta, clock.clone(), meters);
        // Before the first event: what a project wants scrubbed must not be stored.
        state.rules.reload(&state.meta).await.context("could not read the rules of projects")?;
        state.gate.reload(&state.meta).await.context("could not read the limits of projects")?;
        let mut listeners = Vec::new();
        let bounds = bounds(&state.settings, tls.clone());
        let stop = &state.stopping;
        if let Some(tls) = &tls {
            tokio::spawn(tls.clone().watch(stop.clone()));
        }
        for (listener, router) in [(http, http::router(state.clone())), (otlp, http::otlp_router(state.clone()))] {
            if let Some(listener) = listener {
                listeners.push(tokio::spawn(serve_http(listener, router, bounds.clone(), stop.clone())));
            }
        }
        if let Some(listener) = grpc {
            let calls = state.clone();
            let service = service_fn(move |request| grpc::serve(calls.clone(), request));
            listeners.push(tokio::spawn(listen(listener, service, bounds, stop.clone())));
        }

        let settings = &state.settings;
        let store = Box::pin(Store::open(consumed(&settings.storage), clock.clone()))
            .await
            .context("could not open the store")?;
        let spill = settings.data_dir().join("spill");
        let engine =
            Engine::new(settings.query.clone(), spill, store.clone()).context("could not start the query engine")?;
        engine.warm();
        let roller = Roller::new(settings.roll, store.clone(), clock);
        let counter =
            Counter::new(state.meta.clone(), store.clone(), state.issue_changes.clone()).following(tephra_ingest::PAST);
        let live_store = store.clone();
        let core = Core { store, engine, roll: roller.handle() };
        let rolling = CancellationToken::new();
        let roller = tokio::spawn(roller.run(rolling.clone()));
        state.open(core);
        let counting = CancellationToken::new();
        let sockets = state.live.clone();
        tokio::spawn(sockets.run(live_store, state.issue_changes.subscribe(), state.stopping.clone()));
        let counter = tokio::spawn(counter.run(counting.clone().cancelled_owned()));
        let bookkeeper = tokio::spawn(keep_ledger(state.clone(), counting.clone()));
        tracing::info!(
            http = %Shown(addresses.http), grpc = %Shown(addresses.grpc), otlp_http = %Shown(addresses.otlp_http),
            data_dir = %settings.data_dir().display(), version = env!("CARGO_PKG_VERSION"), "ready",
        );
        let upkeep = tokio::spawn(upkeep(state.clone()));
        let keeper = tokio::spawn(keep_access(state.clone()));
        let outbox = mailer.map(|mailer| Outbox::new(state.meta.clone(), mailer));
        let outbox = outbox.map(|outbox| tokio::spawn(outbox.run(state.stopping.clone())));
        let copying = CancellationToken::new();
        let copier = Copier::new(state.meta.clone(), &settings.meta, &settings.storage)?;
        let copier = copier.map(|copier| tokio::spawn(copier.run(copying.clone())));
        Ok(Self {
            state,
            addresses,
            first_run,
            listeners,
            roller,
            rolling,
            counting,
            counter,
            bookkeeper,
            upkeep,
            keeper,
            outbox,
            tls,
            copier,
            copying,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The key and token that this start made, if it was the first.
    pub fn first_run(&self) -> Option<&FirstRun> {
        self.first_run.as_ref()
    }

    /// Reads the certificate and its key again.
    pub fn reload(&self) {
        match &self.tls {
            Some(tls) => tls.reload(),
            None => tracing::info!("nothing to read again: there is no `tls.certificate`"),
        }
    }

    /// Accepts no more, lets the requests at hand end, finishes the commit at hand, closes the store, copies the metadata.
    pub async fn stop(self) -> anyhow::Result<()> {
        tracing::info!("stopping: no more requests");
        self.state.stopping.cancel();
        for listener in self.listeners {
            ended("a listener", listener.await);
        }
        tracing::info!("stopping: finishing the roll at hand");
        self.rolling.cancel();
        ended("the roller", self.roller.await);
        self.counting.cancel();
        ended("the counter of events", self.counter.await);
        ended("the ledger", self.bookkeeper.await);
        self.upkeep.abort();
        ended("the keeper of keys", self.keeper.await);
        if let Some(outbox) = self.outbox {
            ended("the outbox", outbox.await);
        }
        if let Some(core) = self.state.core_if_open() {
            core.store.close().await.context("could not close the store")?;
        }
        // Nobody changes the metadata any more: this copy is all of it.
        self.copying.cancel();
        if let Some(copier) = self.copier {
            ended("the copier", copier.await);
        }
        self.state.meta.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}

fn ended(what: &str, result: Result<(), tokio::task::JoinError>) {
    if let Err(error) = result {
        tracing::error!(%error, "{what} ended in a panic");
    }
}

async fn upkeep(state: State) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        state.meters.upkeep();
    }
}

async fn keep_ledger(state: State, shutdown: CancellationToken) {
    state.ledger.keep(&state.meta, &state.settings.storage.node_id, shutdown).await;
}

/// The settings of a store whose batches wait for the counter.
fn consumed(settings: &StorageSettings) -> StorageSettings {
    let mut settings = settings.clone();
    settings.hot.consumers.push(CONSUMER.to_owned());
    settings
}

/// The way to the mail server, where one is set.
fn mailer(settings: &Settings) -> anyhow::Result<Option<Mailer>> {
    if settings.mail.url.is_empty() {
        return Ok(None);
    }
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("could not read `{}`", path.display()));
    let authorities = settings.mail.ca_certificate.as_ref().map(read).transpose()?;
    Mailer::new(&settings.mail.url, &settings.mail.from, authorities.as_deref())
        .map(Some)
        .context("`mail.url`, `mail.from` or `mail.ca_certificate` is not fit")
}

async fn keep_access(state: State) {
    if let Err(error) = state.auth.hasher.warm().await {
        tracing::warn!(%error, "could not make ready for logins");
    }
    tokio::join!(
        state.access.keep(state.stopping.clone()),
        state.rules.keep(&state.meta, state.stopping.clone()),
        state.gate.keep(&state.meta, state.stopping.clone()),
    );
}

async fn serve_http(listener: TcpListener, router: Router, bounds: Bounds, stop: CancellationToken) {
    listen(listener, TowerToHyperService::new(router), bounds, stop).await;
}

fn bounds(settings: &Settings, tls: Option<Arc<Tls>>) -> Bounds {
    Bounds {
        connections: Arc::new(Semaphore::new(settings.http.connections_max.clamp(1, Semaphore::MAX_PERMITS))),
        idle: Duration::from_millis(settings.http.idle_ms_max),
        drain: Duration::from_millis(settings.stop.drain_ms_max),
        tls,
    }
}

async fn bind(name: &str, address: Address) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address.0 else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    Ok(Some(listener.with_context(|| format!("could not listen on `{address}` (`{name}`)"))?))
}

/// The third listener is a convenience on a port that other collectors like too; without it the same routes are on the first.
async fn bind_if_free(name: &str, address: Address) -> anyhow::Result<Option<TcpListener>> {
    match bind(name, address).await {
        Err(error) if address == Address::local(4318) => {
            tracing::warn!("{error:#}; OTLP/HTTP is served at `http.address` only");
            Ok(None)
        }
        result => result,
    }
}

fn local(listener: &Option<TcpListener>) -> anyhow::Result<Option<SocketAddr>> {
    Ok(listener.as_ref().map(TcpListener::local_addr).transpose()?)
}

/// How a client on this machine writes the address.
fn url(scheme: &str, address: Option<SocketAddr>) -> String {
    let Some(mut address) = address else { return String::new() };
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    format!("{scheme}://{address}")
}

struct Shown(Option<SocketAddr>);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(address) => address.fmt(f),
            None => f.write_str("off"),
        }
    }
}

fn warn_of(settings: &Settings) {
    let covered = settings.tls.certificate.is_some() || !settings.http.trusted_proxies.0.is_empty();
    for (name, address) in settings.open_listeners().into_iter().filter(|_| !covered) {
        tracing::warn!(
            "`{name}` is {address}: other machines can reach it, and it has no TLS; set `tls.certificate` and `tls.key`, or \
             put a proxy with TLS before it and name it in `http.trusted_proxies`"
        );
    }
    if settings.storage.hot.durability == tephra_storage::Durability::Relaxed {
        tracing::warn!("`hot.durability` is `relaxed`: a power cut loses what was acknowledged in the last seconds");
    }
    if settings.storage.hot.accept_data_loss {
        tracing::warn!("`hot.accept_data_loss` is set: the store opens even though acknowledged events are missing");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_an_address_that_they_can_reach() {
        assert_eq!(url("http", Some("0.0.0.0:80".parse().unwrap())), "http://127.0.0.1:80");
        assert_eq!(url("http", Some("[::]:80".parse().unwrap())), "http://[::1]:80");
        assert_eq!(url("http", Some("10.0.0.7:80".parse().unwrap())), "http://10.0.0.7:80");
        assert_eq!(url("http", None), "");
    }
}
