//! A client that tells apart what it knows and what it does not: acknowledged, refused, or no clear answer.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use futures::StreamExt;
use serde_json::Value;

use crate::events::{COLUMNS, Content, Events};
use crate::grpc::Grpc;
use crate::ledger::{Batch, Stored};
use crate::wire;

/// The answer to a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is durable. `counts`: events stored now and events stored before, where the answer tells them apart.
    Acked { counts: Option<(u64, u64)>, rejected: u64 },
    /// The request is at fault: nothing was stored.
    Refused(String),
    /// The connection broke, or the server is busy or failed: nobody knows. It is sent again later.
    Unknown(String),
}

/// A way in whose requests are answered one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Newline-delimited JSON over HTTP.
    Ndjson,
    /// OTLP over gRPC.
    Otlp,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Ndjson, Self::Otlp];
}

/// Speaks to one server. Cheap to clone; connections are kept alive.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) grpc: Grpc,
    http: reqwest::Client,
    url: String,
    key: String,
    token: String,
}

impl Client {
    /// Whether the server at `url` says that it is ready.
    pub(crate) async fn is_ready(url: &str) -> bool {
        let answer = reqwest::Client::new().get(format!("{url}/readyz")).timeout(Duration::from_secs(2)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// A client with the secrets of `first-run.env`.
    pub(crate) fn new(url: &str, grpc_url: &str, secrets: &str) -> Result<Self> {
        let secret = |name: &str| {
            let line = secrets
                .lines()
                .find_map(|line| line.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('='));
            line.map(|value| value.trim_matches(['"', '\'']).to_owned())
                .with_context(|| format!("`first-run.env` has no {name}"))
        };
        let http = reqwest::Client::builder().timeout(Duration::from_secs(120)).build()?;
        let key = secret("TEPHRA_KEY")?;
        Ok(Self { grpc: Grpc::new(grpc_url, &key)?, http, url: url.to_owned(), key, token: secret("TEPHRA_TOKEN")? })
    }

    /// Sends one batch.
    pub(crate) async fn send(&self, way: Way, events: &Events, batch: &Batch) -> Answer {
        match way {
            Way::Ndjson => self.ingest(wire::lines(events, batch)).await,
            Way::Otlp => self.grpc.export(wire::otlp(events, batch)).await,
        }
    }

    async fn ingest(&self, lines: String) -> Answer {
        let request = self.http.post(format!("{}/api/v1/ingest", self.url)).bearer_auth(&self.key);
        let answer = match request.header("content-type", "application/x-ndjson").body(lines).send().await {
            Ok(answer) => answer,
            Err(error) => return Answer::Unknown(format!("{:#}", anyhow!(error))),
        };
        let status = answer.status();
        let body = match answer.bytes().await {
            Ok(body) => body,
            Err(error) => return Answer::Unknown(format!("{:#}", anyhow!(error))),
        };
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let count = |name: &str| match &body[name] {
            Value::Array(items) => items.len() as u64,
            value => value.as_u64().unwrap_or(0),
        };
        if status.is_success() {
            let duplicates = count("duplicates").max(count("duplicate"));
            return Answer::Acked { counts: Some((count("accepted"), duplicates)), rejected: count("rejected") };
        }
        let why = format!("{status}: {body}");
        if status.is_client_error() { Answer::Refused(why) } else { Answer::Unknown(why) }
    }

    /// Runs a statement and hands each row over as it arrives.
    pub(crate) async fn sql(&self, sql: &str, mut each: impl FnMut(Value) -> Result<()>) -> Result<()> {
        let request = self.http.post(format!("{}/api/v1/sql", self.url)).bearer_auth(&self.token);
        let request = request.header("accept", "application/x-ndjson").header("content-type", "application/json");
        let body = serde_json::json!({ "sql": sql, "rows_max": 10_000_000, "time_ms_max": 100_000 });
        let answer = request.body(body.to_string()).send().await?;
        if !answer.status().is_success() {
            bail!("{}: {}", answer.status(), answer.text().await.unwrap_or_default());
        }
        let mut stream = answer.bytes_stream();
        let mut rest: Vec<u8> = Vec::new();
        while let Some(chunk) = stream.next().await {
            rest.extend_from_slice(&chunk?);
            let mut from = 0;
            while let Some(length) = rest[from..].iter().position(|byte| *byte == b'\n') {
                let line = &rest[from..from + length];
                if !line.is_empty() {
                    each(serde_json::from_slice(line)?)?;
                }
                from += length + 1;
            }
            rest.drain(..from);
        }
        if !rest.is_empty() {
            bail!("the answer ends within a line: {}", String::from_utf8_lossy(&rest));
        }
        Ok(())
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> Result<u64> {
        let mut number = None;
        self.sql(sql, |row| {
            number = row.as_object().and_then(|row| row.values().next()).and_then(Value::as_u64);
            Ok(())
        })
        .await?;
        number.context("the answer holds no number")
    }

    /// Reads every event into `stored`.
    pub(crate) async fn read_all(&self, stored: &mut Stored) -> Result<()> {
        let columns = COLUMNS.map(|column| match column {
            "timestamp" => "CAST(timestamp AS BIGINT) AS timestamp",
            other => other,
        });
        let count = self.number("SELECT count(*) AS n FROM events").await?;
        let sql = format!("SELECT {} FROM events", columns.join(", "));
        self.sql(&sql, |row| {
            let (id, content) = parse(&row).with_context(|| format!("an unexpected row: {row}"))?;
            stored.row(&id, &content);
            Ok(())
        })
        .await?;
        if stored.rows() != count {
            bail!("`SELECT count(*)` answers {count} and reading all answers {} rows", stored.rows());
        }
        Ok(())
    }

    /// Rolls all hot events now.
    pub(crate) async fn roll(&self) -> Result<()> {
        let answer = self.http.post(format!("{}/api/v1/admin/roll", self.url)).bearer_auth(&self.token).send().await?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => bail!("{status}: {}", answer.text().await.unwrap_or_default()),
        }
    }

    /// A gauge or counter of `/metrics`, summed over its labels.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        let text = self.http.get(format!("{}/metrics", self.url)).bearer_auth(&self.token).send().await?.text().await?;
        let lines = text
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{')));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }
}

fn parse(row: &Value) -> Result<([u8; 16], Content)> {
    let text = |name: &str| row[name].as_str().map(str::to_owned);
    let id = hex::decode(text("event_id").context("no `event_id`")?)?;
    let id = id.try_into().map_err(|_| anyhow!("`event_id` is not 16 bytes"))?;
    let timestamp = match &row["timestamp"] {
        Value::String(text) => text.parse()?,
        value => value.as_i64().context("no `timestamp`")?,
    };
    let tags = row["tags"].as_object().map(|tags| {
        tags.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
    });
    let content = Content {
        timestamp,
        level: text("level").unwrap_or_default(),
        message: text("message"),
        exception_type: text("exception_type"),
        stack: text("stack"),
        service: text("service"),
        user_id: text("user_id"),
        trace_id: text("trace_id"),
        tags: tags.unwrap_or_default(),
    };
    Ok((id, content))
}
