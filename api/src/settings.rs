//! What the server is told: one TOML file, `TEPHRA_*` variables and a few flags, read into plain values.
//!
//! One table (`table.rs`) names every setting with its place, its type and its meaning. Reading, `tephra config` and
//! `docs/SETTINGS.md` all derive from it, so none of them can forget one.

mod edge;
mod load;
mod people;
mod show;
mod table;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;

use tephra_compactor::RollSettings;
use tephra_ingest::Limits;
use tephra_query::QuerySettings;
use tephra_storage::StorageSettings;
use tephra_storage::meta::MetaSettings;

pub use edge::{Networks, Origins, PublicUrl};
pub use load::{Flag, Loaded, Origin, load, load_from};
pub use people::{LiveSettings, MailSettings, OidcSettings, OwnerSettings, SecretSettings, SessionSettings};
pub use show::{markdown, show};
pub use value::Address;

/// Everything the server is told; each part of it takes its own by value.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The HTTP listener: REST, OTLP/HTTP, health, metrics.
    pub http: HttpSettings,
    /// The gRPC listener: OTLP and the native protocol.
    pub grpc: GrpcSettings,
    /// A listener for OTLP/HTTP alone, on the port that SDKs try first.
    pub otlp_http: OtlpHttpSettings,
    /// Certificate and key of all listeners.
    pub tls: TlsSettings,
    /// How often one client may ask.
    pub limit: LimitSettings,
    /// What a request may hold.
    pub ingest: IngestSettings,
    /// Files that come with events.
    pub attachment: AttachmentSettings,
    /// Both tiers.
    pub storage: StorageSettings,
    /// Where everything besides events lies.
    pub meta: MetaSettings,
    /// The first owner.
    pub owner: OwnerSettings,
    /// How mails are sent.
    pub mail: MailSettings,
    /// Single sign-on.
    pub oidc: OidcSettings,
    /// The key of what must be read again.
    pub secret: SecretSettings,
    /// The sessions of people.
    pub session: SessionSettings,
    /// The live view.
    pub live: LiveSettings,
    /// When hot becomes cold.
    pub roll: RollSettings,
    /// What a query may use.
    pub query: QuerySettings,
    /// The server's own log.
    pub log: LogSettings,
    /// How the server ends.
    pub stop: StopSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            http: HttpSettings::default(),
            grpc: GrpcSettings::default(),
            otlp_http: OtlpHttpSettings::default(),
            tls: TlsSettings::default(),
            limit: LimitSettings::default(),
            ingest: IngestSettings::default(),
            attachment: AttachmentSettings::default(),
            storage: storage(),
            meta: MetaSettings::default(),
            owner: OwnerSettings::default(),
            mail: MailSettings::default(),
            oidc: OidcSettings::default(),
            secret: SecretSettings::default(),
            session: SessionSettings::default(),
            live: LiveSettings::default(),
            roll: RollSettings::default(),
            query: QuerySettings::default(),
            log: LogSettings::default(),
            stop: StopSettings::default(),
        }
    }
}

fn storage() -> StorageSettings {
    let mut storage = StorageSettings::new("./data");
    storage.hot.keep_rolled_ms = 60_000;
    storage
}

impl Settings {
    /// Where everything that is local lies.
    pub fn data_dir(&self) -> &PathBuf {
        &self.storage.data_dir
    }

    /// The address that people use, without a slash at its end. Links, DSNs and redirects are made of it.
    pub fn public_url(&self) -> &str {
        &self.http.public_url.0
    }

    /// Whether people reach the server by https, so that cookies are for https only.
    pub fn public_is_https(&self) -> bool {
        self.public_url().starts_with("https://")
    }

    /// The listeners that other machines can reach, by the names of their settings.
    pub fn open_listeners(&self) -> Vec<(&'static str, SocketAddr)> {
        [
            ("http.address", &self.http.address),
            ("grpc.address", &self.grpc.address),
            ("otlp_http.address", &self.otlp_http.address),
        ]
        .into_iter()
        .filter_map(|(name, address)| Some((name, address.0?)))
        .filter(|(_, address)| !address.ip().is_loopback())
        .collect()
    }
}

/// The HTTP listener.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub address: Address,
    /// Connections at once, over all listeners.
    pub connections_max: usize,
    /// A request's head, and each part of its body, comes within this time.
    pub idle_ms_max: u64,
    /// A request's body comes within this time.
    pub body_ms_max: u64,
    /// The address that people use; the server fills in its listener's where it is empty.
    pub public_url: PublicUrl,
    /// Proxies whose word about a client's address is believed.
    pub trusted_proxies: Networks,
    /// Origins whose pages may use the REST API with the cookies of their users.
    pub cors_origins: Origins,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            address: Address::local(8080),
            connections_max: 8192,
            idle_ms_max: 10_000,
            body_ms_max: 60_000,
            public_url: PublicUrl::default(),
            trusted_proxies: Networks::default(),
            cors_origins: Origins::default(),
        }
    }
}

/// The gRPC listener.
#[derive(Clone, Debug)]
pub struct GrpcSettings {
    /// Where it listens; off where empty.
    pub address: Address,
    /// Batches of one `AppendStream` that are stored at the same time.
    pub stream_batches_max: usize,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        Self { address: Address::local(4317), stream_batches_max: 8 }
    }
}

/// The listener for OTLP/HTTP alone.
#[derive(Clone, Debug)]
pub struct OtlpHttpSettings {
    /// Where it listens; off where empty.
    pub address: Address,
}

impl Default for OtlpHttpSettings {
    fn default() -> Self {
        Self { address: Address::local(4318) }
    }
}

/// Certificate and key of all listeners; both or neither.
#[derive(Clone, Debug, Default)]
pub struct TlsSettings {
    /// A PEM file: the server's certificate, then those between it and the root.
    pub certificate: Option<PathBuf>,
    /// A PEM file with the private key.
    pub key: Option<PathBuf>,
}

/// How often one client may ask, and how many events may come; 0 is no limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitSettings {
    /// Requests of one client address without a right.
    pub address_per_second: u32,
    /// So many of them at once.
    pub address_burst: u32,
    /// Requests with one token or session.
    pub token_per_second: u32,
    /// So many of them at once.
    pub token_burst: u32,
    /// Events with one ingest key, where the key has no rate of its own.
    pub key_events_per_second: u32,
    /// So many of them at once; 0 is as many as in a second.
    pub key_events_burst: u32,
    /// Events of one project, where the project has no rate of its own.
    pub project_events_per_second: u32,
    /// So many of them at once; 0 is as many as in a second.
    pub project_events_burst: u32,
    /// Events that a project without a quota of its own may store in a day.
    pub project_events_per_day: u64,
    /// The same in a month.
    pub project_events_per_month: u64,
    /// Whether projects are protected from spikes, where they do not say.
    pub spike_protection: bool,
    /// So many times the usual is a spike.
    pub spike_multiple: u32,
    /// Fewer events per minute are none.
    pub spike_events_per_minute_min: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            address_per_second: 50,
            address_burst: 200,
            token_per_second: 100,
            token_burst: 400,
            key_events_per_second: 0,
            key_events_burst: 0,
            project_events_per_second: 0,
            project_events_burst: 0,
            project_events_per_day: 0,
            project_events_per_month: 0,
            spike_protection: true,
            spike_multiple: 10,
            spike_events_per_minute_min: 1000,
        }
    }
}

/// What a request may hold.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// Limits of the decoders.
    pub limits: Limits,
    /// A request's size on the wire.
    pub wire_bytes_max: usize,
    /// Memory of all requests at hand; more are answered Busy.
    pub memory_bytes_max: usize,
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self { limits: Limits::default(), wire_bytes_max: 20 << 20, memory_bytes_max: 128 << 20 }
    }
}

/// Files that come with events.
#[derive(Clone, Copy, Debug)]
pub struct AttachmentSettings {
    /// One file; 0 keeps none.
    pub bytes_max: usize,
    /// All files of a request.
    pub request_bytes_max: usize,
    /// Files of one event.
    pub count_max: usize,
}

impl Default for AttachmentSettings {
    fn default() -> Self {
        Self { bytes_max: 10 << 20, request_bytes_max: 20 << 20, count_max: 30 }
    }
}

/// The form of the server's own log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object per line.
    Json,
}

/// The server's own log, on standard error.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,tephra_query=debug`.
    pub level: String,
    /// Its form.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How the server ends.
#[derive(Clone, Debug)]
pub struct StopSettings {
    /// How long requests at hand may take once the server stops.
    pub drain_ms_max: u64,
}

impl Default for StopSettings {
    fn default() -> Self {
        Self { drain_ms_max: 15_000 }
    }
}
