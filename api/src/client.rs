//! The client's side: finds the server, and reads its problem documents.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use reqwest::header::AUTHORIZATION;
use reqwest::{Certificate, ClientBuilder, Method, RequestBuilder, Response};
use serde::Deserialize;

use crate::access::{FIRST_RUN_FILE, read_first_run};
use crate::cli::ServerArgs;

/// A server, and the right to ask it.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// What a server says went wrong.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ProblemDetails {
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) request_id: String,
    pub(crate) line: Option<usize>,
    pub(crate) column: Option<usize>,
    pub(crate) hint: Option<String>,
}

impl Client {
    /// Finds the server by flags, then variables, then `first-run.env` of the data directory.
    pub(crate) fn find(args: &ServerArgs) -> anyhow::Result<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let data_dir = args.data_dir.clone().or_else(|| variable("TEPHRA_DATA_DIR").map(PathBuf::from));
        let named = data_dir.is_some();
        let data_dir = data_dir.unwrap_or_else(|| PathBuf::from("./data"));
        let (mut url, mut token) = (args.url.clone(), args.token.clone());
        // A data directory that is named says which server is meant; variables may be another's.
        if !(named && args.data_dir.is_some()) {
            url = url.or_else(|| variable("TEPHRA_URL"));
            token = token.or_else(|| variable("TEPHRA_TOKEN"));
        }
        if url.is_none() || token.is_none() {
            let path = data_dir.join(FIRST_RUN_FILE);
            let file = read_first_run(&data_dir)?.unwrap_or_default();
            url = url.or_else(|| file.get("TEPHRA_URL").cloned());
            token = token.or_else(|| file.get("TEPHRA_TOKEN").cloned());
            let missing = |what: &str, flag: &str, name: &str| {
                let path = path.display();
                anyhow!("could not find {what}: give `{flag}` or `{name}`, or `--data-dir` with a `{path}`")
            };
            url = Some(url.ok_or_else(|| missing("the server", "--url", "TEPHRA_URL"))?);
            token = Some(token.ok_or_else(|| missing("a token", "--token", "TEPHRA_TOKEN"))?);
        }
        let ca = args.ca.clone().or_else(|| variable("TEPHRA_CA").map(PathBuf::from));
        let http = trusting(ca.as_deref())?
            .user_agent(concat!("tephra/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(10))
            .build()
            .context("could not make the HTTP client")?;
        let url = url.unwrap_or_default().trim_end_matches('/').to_owned();
        Ok(Self { http, url, token: token.unwrap_or_default() })
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    pub(crate) fn delete(&self, path: &str) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).header(AUTHORIZATION, format!("Bearer {}", self.token))
    }

    /// Says that there was no answer.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> anyhow::Error {
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        anyhow!("could not ask the server at `{}`: {cause}", self.url)
    }

    /// Reads what a server says went wrong.
    pub(crate) async fn problem(response: Response) -> ProblemDetails {
        let status = response.status();
        let body = response.bytes().await.unwrap_or_default();
        serde_json::from_slice(&body).unwrap_or_else(|_| ProblemDetails {
            detail: format!("the server answered {status}: {}", String::from_utf8_lossy(&body).trim()),
            ..ProblemDetails::default()
        })
    }
}

/// A client that also trusts the certificates of a file.
fn trusting(ca: Option<&Path>) -> anyhow::Result<ClientBuilder> {
    let builder = reqwest::Client::builder();
    let Some(path) = ca else { return Ok(builder) };
    let text = std::fs::read(path).with_context(|| format!("could not read `{}` (`--ca`)", path.display()))?;
    let certificates = Certificate::from_pem_bundle(&text).ok().filter(|list| !list.is_empty());
    let certificates = certificates
        .ok_or_else(|| anyhow!("could not use `{}` (`--ca`): it holds no certificate in PEM form", path.display()))?;
    Ok(certificates.into_iter().fold(builder, ClientBuilder::add_root_certificate))
}

impl fmt::Display for ProblemDetails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, " (line {line}, column {column})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        if self.kind == "internal" || self.kind == "corrupt" {
            write!(f, "\nrequest id: {}", self.request_id)?;
        }
        Ok(())
    }
}

impl std::error::Error for ProblemDetails {}
