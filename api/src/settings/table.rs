//! The table of settings: name, place, meaning. Types and defaults follow from the place.

use super::Settings;
use super::value::{Unit, Value};

/// One setting.
pub(super) struct Setting {
    /// `section.key`, or a key of no section.
    pub(super) name: &'static str,
    /// What it means, for the documents.
    pub(super) doc: &'static str,
    /// Whether its value is never shown.
    pub(super) secret: bool,
    pub(super) read: fn(&mut Settings, &str) -> Result<(), String>,
    pub(super) show: fn(&Settings) -> String,
    pub(super) kind: fn() -> &'static str,
}

impl Setting {
    /// The environment variable that sets it.
    pub(super) fn variable(&self) -> String {
        format!("TEPHRA_{}", self.name.replace('.', "_").to_ascii_uppercase())
    }

    /// Its section, empty where it has none, and its key.
    pub(super) fn place(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or(("", self.name))
    }
}

fn kind_of<V: Value>(_: fn(&Settings) -> &V, name: &str) -> &'static str {
    V::kind(Unit::of(name))
}

const fn is_marked(mark: &str) -> bool {
    !mark.is_empty()
}

macro_rules! table {
    ($($(#$mark:ident)? $name:literal $($field:ident).+ : $doc:literal;)+) => {
        /// All settings, section by section.
        pub(super) const TABLE: &[Setting] = &[$(Setting {
            name: $name,
            doc: $doc,
            secret: is_marked(concat!("" $(, stringify!($mark))?)),
            read: |settings, text| {
                settings.$($field).+ = Value::read(Unit::of($name), text)?;
                Ok(())
            },
            show: |settings| settings.$($field).+.show(Unit::of($name)),
            kind: || kind_of(|settings| &settings.$($field).+, $name),
        }),+];
    };
}

table! {
    "data_dir" storage.data_dir: "Where everything that is local lies: the hot tier, the lake unless `cold.url` says otherwise, keys.";
    "node_id" storage.node_id: "The name under which this node's watermark stands in the lake. Never change it for a data directory.";

    "http.address" http.address: "Where REST, OTLP/HTTP, health and metrics are served. Port 0 takes a free one.";
    "http.connections_max" http.connections_max: "Connections at once, over all listeners.";
    "http.idle_ms_max" http.idle_ms_max: "How long a client may take for a request's head, and for each next part of its body.";
    "http.body_ms_max" http.body_ms_max: "How long a client may take for a request's body.";

    "http.public_url" http.public_url: "The address that people use, such as `https://tephra.example.com`; DSNs, links in mails and redirects are made of it, and cookies are for https only where it is. Empty is the listener's own.";
    "http.trusted_proxies" http.trusted_proxies: "Proxies, as `10.0.0.0/8, ::1`, whose `Forwarded` or `X-Forwarded-For`, `-Proto` and `-Host` are believed.";
    "http.cors_origins" http.cors_origins: "Origins, as `https://app.example.com`, whose pages may use the REST API with their users' cookies. Ingest takes events from any origin.";

    "grpc.address" grpc.address: "Where OTLP/gRPC and the native protocol are served; empty is off.";
    "grpc.stream_batches_max" grpc.stream_batches_max: "Batches of one `AppendStream` that are being stored at the same time; more wait.";

    "otlp_http.address" otlp_http.address: "A listener for OTLP/HTTP alone, on the port that SDKs try first; empty is off.";

    "tls.certificate" tls.certificate: "A PEM file with the server's certificate and those between it and the root, for all listeners. Read again when it changes and on SIGHUP. Empty is no TLS.";
    "tls.key" tls.key: "A PEM file with the private key of `tls.certificate`.";

    "limit.address_per_second" limit.address_per_second: "Requests per second to the REST API from one client address (IPv6: one /64) without a right to it; more are answered 429. 0 is no limit.";
    "limit.address_burst" limit.address_burst: "So many of them at once.";
    "limit.token_per_second" limit.token_per_second: "Requests per second with one token or session; more are answered 429. 0 is no limit.";
    "limit.token_burst" limit.token_burst: "So many of them at once.";
    "limit.key_events_per_second" limit.key_events_per_second: "Events per second with one ingest key, where the key has no rate of its own; more are answered 429. 0 is no limit.";
    "limit.key_events_burst" limit.key_events_burst: "So many of them at once; 0 is as many as in a second.";
    "limit.project_events_per_second" limit.project_events_per_second: "Events per second of one project, where the project has no rate of its own. 0 is no limit.";
    "limit.project_events_burst" limit.project_events_burst: "So many of them at once; 0 is as many as in a second.";
    "limit.project_events_per_day" limit.project_events_per_day: "Events that a project may store in a day (UTC), where it has no daily quotas of its own. 0 is no limit.";
    "limit.project_events_per_month" limit.project_events_per_month: "The same in a month.";
    "limit.spike_protection" limit.spike_protection: "Whether far more events than are usual in a project are refused, where the project does not say.";
    "limit.spike_multiple" limit.spike_multiple: "So many times the usual is a spike, from 2 to 1000, where the project does not say.";
    "limit.spike_events_per_minute_min" limit.spike_events_per_minute_min: "Fewer events per minute are no spike, where the project does not say.";

    "ingest.wire_bytes_max" ingest.wire_bytes_max: "The size of a request as it comes over the wire.";
    "ingest.request_bytes_max" ingest.limits.request_bytes_max: "The size of a request once it is inflated.";
    "ingest.event_bytes_max" ingest.limits.event_bytes_max: "The size of one event; larger ones are rejected, their neighbours stored.";
    "ingest.decoded_bytes_max" ingest.limits.decoded_bytes_max: "What a request may become in memory.";
    "ingest.attributes_max" ingest.limits.attributes_max: "Attributes of one event; an event with more is rejected.";
    "ingest.tags_max" ingest.limits.tags_max: "Tags of one event; further ones go to `attributes`.";
    "ingest.depth_max" ingest.limits.depth_max: "How deep attributes may nest; what is deeper becomes `…`.";
    "ingest.text_bytes_max" ingest.limits.text_bytes_max: "A message or another text; a longer one loses its middle.";
    "ingest.stack_bytes_max" ingest.limits.stack_bytes_max: "A stack trace; a longer one loses its middle.";
    "ingest.memory_bytes_max" ingest.memory_bytes_max: "Memory of all requests at hand; more are answered with when to come back.";

    "attachment.bytes_max" attachment.bytes_max: "A file that comes with an event; a larger one is counted and dropped, the event stored. 0 keeps none.";
    "attachment.request_bytes_max" attachment.request_bytes_max: "All files of one request; further ones are counted and dropped. `ingest.wire_bytes_max` and `ingest.request_bytes_max` bound the request itself.";
    "attachment.count_max" attachment.count_max: "Files of one event; further ones are counted and dropped.";

    "hot.append_group_bytes_max" storage.hot.append_group_bytes_max: "Appends that wait are synced together, up to about this size.";
    "hot.append_queue_bytes_max" storage.hot.append_queue_bytes_max: "Appends that wait to be synced; more are answered with when to come back.";
    "hot.memory_bytes_max" storage.hot.memory_bytes_max: "Hot batches kept in memory for queries; older ones are read from disk.";
    "hot.disk_reserve_bytes" storage.hot.disk_reserve_bytes: "Appends are refused while less than this is free on the data directory's disk.";
    "hot.dedup_window_hours" storage.hot.dedup_window_hours: "How long event ids are remembered, so that a retry is stored once.";
    "hot.dedup_bytes_max" storage.hot.dedup_bytes_max: "Room for remembered event ids; the window shrinks where it does not suffice.";
    "hot.durability" storage.hot.durability: "`fsync` answers once the disk has it. `relaxed` answers earlier: a power cut loses the last seconds.";
    "hot.accept_data_loss" storage.hot.accept_data_loss: "Start even though acknowledged events are missing. For one start, by an operator who has read which.";

    "live.keep_ms" storage.hot.keep_rolled_ms: "How long a client of the live view may be away and come back without a gap: rolled batches stay on the hot tier's disk for so long.";

    "live.ping_interval_ms" live.ping_interval_ms: "How often a socket of the live view is pinged; a client that leaves two pings without an answer is gone.";
    "live.check_interval_ms" live.check_interval_ms: "How often it is asked whether the caller of a socket may still follow it. A change by this server is looked at within five seconds.";

    "cold.url" storage.cold.url: "Where the lake lies: `file:///path` or `s3://bucket/prefix`; empty is `lake` in the data directory.";
    "cold.retention_days" storage.cold.retention_days: "How long events are kept.";
    "cold.checkpoint_commits" storage.cold.checkpoint_commits: "A checkpoint of the table's log is written every so many commits.";
    "cold.log_retention_hours" storage.cold.log_retention_hours: "How long old entries of the table's log are kept.";
    "cold.vacuum_grace_minutes" storage.cold.vacuum_grace_minutes: "How long a file that no version names is kept. Longer than any query.";
    "cold.s3_endpoint" storage.cold.s3.endpoint: "An S3-compatible server other than AWS, `https://…`.";
    "cold.s3_region" storage.cold.s3.region: "The region; `us-east-1` where empty.";
    "cold.s3_access_key_id" storage.cold.s3.access_key_id: "Where empty, the environment and the instance's role are asked.";
    #secret "cold.s3_secret_access_key" storage.cold.s3.secret_access_key: "The secret of `cold.s3_access_key_id`.";
    "cold.s3_allow_http" storage.cold.s3.allow_http: "Allow an endpoint without TLS.";

    #secret "meta.url" meta.url: "Where people, projects, keys and issues lie: `postgres://user:password@host/database`; empty is SQLite in the data directory.";
    "meta.connections_max" meta.connections_max: "Connections to the metadata database; 0 is 4 for SQLite and 10 for PostgreSQL.";
    "meta.copy_interval_ms" meta.copy_interval_ms: "How often SQLite is copied to the lake where it changed, and so how much of it a lost machine costs; 0 is only when the server stops.";

    "owner.email" owner.email: "The email address of the owner that the first start makes.";

    #secret "mail.url" mail.url: "The mail server: `smtp://user:password@host:587` (TLS by STARTTLS), `smtps://…` (TLS at once), `smtp://host:25?tls=none` (no TLS). Empty is no mail: links are then not sent, and passwords are set by `tephra admin user password`.";
    "mail.from" mail.from: "The sender of mails.";
    "mail.ca_certificate" mail.ca_certificate: "A PEM file with certificates that may vouch for the mail server, beside the well-known ones.";

    "oidc.issuer" oidc.issuer: "An OpenID Connect provider, `https://…`, by which people log in; empty is none. Its redirect URI is `/api/v1/oidc/callback` at `http.public_url`.";
    "oidc.client_id" oidc.client_id: "The name by which the provider knows Tephra.";
    #secret "oidc.client_secret" oidc.client_secret: "The secret of `oidc.client_id`.";
    "oidc.name" oidc.name: "What people know the provider as.";
    "oidc.allow_signup" oidc.allow_signup: "Whether somebody of the provider who is unknown here is let in and added.";
    "oidc.default_role" oidc.default_role: "What such a person is in the organisation.";

    "secret.key_file" secret.key_file: "The file with the key by which the secrets of second factors are sealed in the metadata, made at the first start; empty is `secrets.key` in the data directory. Servers with one PostgreSQL need the same.";

    "session.rotate_interval_ms" session.rotate_interval_ms: "A session's secret is changed when it is this old and used; the one before holds for a minute longer.";

    "roll.bytes_max" roll.bytes_max: "Hot events are rolled into Parquet when they hold this much.";
    "roll.age_ms_max" roll.age_ms_max: "Hot events are rolled into Parquet when the oldest is this old.";
    "roll.tidy_interval_ms" roll.tidy_interval_ms: "How often the lake is followed, and swept of files that no version names.";

    "query.memory_bytes_max" query.memory_bytes_max: "Memory of all queries; sorts and aggregates spill to disk beyond it.";
    "query.spill_bytes_max" query.spill_bytes_max: "Disk for spilling.";
    "query.rows_max" query.rows_max: "Rows of one answer; more are cut off, and the answer says so.";
    "query.time_ms_max" query.time_ms_max: "How long a query may take.";
    "query.concurrent_max" query.concurrent_max: "Queries at once; more wait for their turn.";
    "query.queue_ms_max" query.queue_ms_max: "How long a query waits for its turn before it is answered with when to come back.";
    "query.threads" query.threads: "Threads for queries, and partitions of a plan; 0 is one for each core.";
    "query.sql_bytes_max" query.sql_bytes_max: "The length of a statement.";
    "query.metadata_cache_bytes" query.metadata_cache_bytes: "Memory for the footers and indexes of Parquet files.";
    "query.answer_cache_bytes" query.answer_cache_bytes: "Memory for answers of lists, which are given again while no event arrives, rolls or goes; 0 keeps none.";

    "log.level" log.level: "`error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,tephra_query=debug`. `TEPHRA_LOG` sets it too.";
    "log.format" log.format: "The form of the server's own log on standard error.";

    "stop.drain_ms_max" stop.drain_ms_max: "How long requests at hand may take once the server stops.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_and_variables_are_distinct() {
        let names: HashSet<_> = TABLE.iter().map(|setting| setting.name).collect();
        let variables: HashSet<_> = TABLE.iter().map(Setting::variable).collect();
        assert_eq!((names.len(), variables.len()), (TABLE.len(), TABLE.len()));
    }

    #[test]
    fn every_default_reads_back() {
        let defaults = Settings::default();
        for setting in TABLE {
            let shown = (setting.show)(&defaults);
            let text = match format!("x = {shown}").parse::<toml::Table>().unwrap().remove("x").unwrap() {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            let mut again = Settings::default();
            (setting.read)(&mut again, &text).unwrap_or_else(|error| panic!("{}: {error}", setting.name));
            assert_eq!((setting.show)(&again), shown, "{}", setting.name);
        }
    }

    #[test]
    fn settings_with_passwords_are_secret() {
        let secret: Vec<_> = TABLE.iter().filter(|setting| setting.secret).map(|setting| setting.name).collect();
        assert_eq!(secret, ["cold.s3_secret_access_key", "meta.url", "mail.url", "oidc.client_secret"]);
    }
}
