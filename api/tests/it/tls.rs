//! TLS: every listener speaks it, a renewed certificate is taken while connections live, and a wrong pair harms nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Endpoint;

use crate::grpc;
use crate::protocol::{Protocol, samples};
use crate::server::{Folder, Server, Setup, signal, text};

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// A certificate for this machine, and its files.
struct Pair {
    folder: Folder,
    of: CertifiedKey<KeyPair>,
}

fn certificate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap()
}

impl Pair {
    fn new() -> Self {
        let pair = Self { folder: Folder::new(), of: certificate() };
        pair.write(&pair.of);
        pair
    }

    fn paths(&self) -> [PathBuf; 2] {
        ["certificate.pem", "key.pem"].map(|name| self.folder.path().join(name))
    }

    /// As a renewal does: one file after the other.
    fn write(&self, of: &CertifiedKey<KeyPair>) {
        let [certificate, key] = self.paths();
        replace(&certificate, &of.cert.pem());
        replace(&key, &of.signing_key.serialize_pem());
    }

    fn setup(&self) -> Setup {
        let [certificate, key] = self.paths().map(|path| path.to_str().unwrap().to_owned());
        Setup::default().set("tls.certificate", certificate).set("tls.key", key).trust(&self.of.cert.pem())
    }
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(&new, path).unwrap();
}

/// A connection of our own, which offers `protocols` and trusts `roots`.
async fn connect(address: &str, roots: &[&CertifiedKey<KeyPair>], protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut trusted = RootCertStore::empty();
    for root in roots {
        trusted.add(root.cert.der().clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(trusted).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address.trim_start_matches("https://")).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

/// One request on a connection that stays open.
async fn live(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok\n") {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).await.unwrap();
        assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&part[..read]);
    }
    String::from_utf8(answer).unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_listener_speaks_tls_and_http_2() {
    let pair = Pair::new();
    let server = pair.setup().set("otlp_http.address", "127.0.0.1:0").start().await;
    assert!(server.url.starts_with("https://127.0.0.1:") && server.grpc.starts_with("https://"), "{}", server.url);
    Protocol::Ndjson.send(&server, &samples(2)).await.expect_whole();
    assert_eq!(server.count("true").await, 2);

    let log = server.log();
    let otlp = log.split("otlp_http=").nth(1).unwrap().split_whitespace().next().unwrap();
    for address in [server.url.as_str(), &server.grpc, otlp] {
        let stream = connect(address, &[&pair.of], &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]), "{address}");
        assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3), "{address}");
    }
    let mut stream = connect(otlp, &[&pair.of], &["http/1.1"]).await;
    let answer = live(&mut stream).await.to_lowercase();
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");

    let (address, root) = (server.grpc.clone(), Arc::new(pair.of));
    let connector = tower::service_fn(move |_: http::Uri| {
        let (address, root) = (address.clone(), root.clone());
        async move { Ok::<_, std::io::Error>(TokioIo::new(connect(&address, &[&root], &["h2"]).await)) }
    });
    let plain = server.grpc.replace("https://", "http://");
    let channel = Endpoint::from_shared(plain).unwrap().connect_with_connector(connector).await.unwrap();
    let reply = grpc::call_on(channel, LOGS, Bytes::new(), None, Some(&format!("Bearer {}", server.key))).await;
    assert_eq!(reply.status.code(), tonic::Code::Ok, "{:?}", reply.status);

    let plain = reqwest::get(server.url.replace("https://", "http://")).await;
    assert!(plain.is_err(), "a listener with TLS answered without: {plain:?}");
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_ends_no_connection() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let mut old = connect(&server.url, &[&pair.of], &["http/1.1"]).await;
    live(&mut old).await;

    let renewed = certificate();
    pair.write(&renewed);
    let roots = [&pair.of, &renewed];
    let shows = async |of: &CertifiedKey<KeyPair>| shown(&connect(&server.url, &roots, &[]).await) == *of.cert.der();
    until("the new certificate is never shown", async || shows(&renewed).await).await;
    live(&mut old).await;

    // Half a pair: refused, told once, and the last good one stays.
    replace(&pair.paths()[1], "nonsense");
    let refusals = || server.log().matches("could not take a new certificate").count();
    until("the wrong key is not told", async || refusals() == 1).await;
    assert!(server.log().contains("key.pem` (`tls.key`): it holds no private key"), "{}", server.log());
    signal(server.pid(), "HUP");
    until("SIGHUP does not read again", async || refusals() == 2).await;
    assert!(shows(&renewed).await);

    pair.write(&pair.of);
    signal(server.pid(), "HUP");
    until("the old pair is not taken again", async || shows(&pair.of).await).await;
    live(&mut old).await;
}

#[tokio::test]
async fn sighup_without_tls_ends_nothing() {
    let mut server = Server::start().await;
    signal(server.pid(), "HUP");
    until("SIGHUP is not heard", async || server.log().contains("nothing to read again")).await;
    assert_eq!(server.get("/livez").await.0, 200);
    assert!(server.stop().success());
}

#[tokio::test]
async fn the_commands_trust_a_private_root() {
    let pair = Pair::new();
    let server = pair.setup().start().await;
    let root = pair.paths()[0].to_str().unwrap().to_owned();
    let output = server.cli(&["sql", "SELECT 41 + 1 AS n", "--ca", &root]);
    assert!(output.status.success() && text(&output).contains("42"), "{}", text(&output));
    let output = server.cli(&["roll", "--ca", &root]);
    assert!(output.status.success(), "{}", text(&output));
    let output = server.cli(&["sql", "SELECT 1"]);
    assert!(!output.status.success() && text(&output).contains("certificate"), "{}", text(&output));
    let output = server.cli(&["sql", "SELECT 1", "--ca", pair.paths()[1].to_str().unwrap()]);
    assert!(!output.status.success() && text(&output).contains("key.pem` (`--ca`)"), "{}", text(&output));
}

#[test]
fn a_pair_that_does_not_fit_keeps_the_server_from_starting() {
    let pair = Pair::new();
    replace(&pair.paths()[1], &certificate().signing_key.serialize_pem());
    let printed = pair.setup().refuse(&pair.folder.path().join("data"));
    assert!(printed.contains("does not belong to the certificate"), "{printed}");
    let printed = Setup::default().set("tls.key", "/nowhere").refuse(&pair.folder.path().join("data"));
    assert!(printed.contains("`tls.certificate` is not"), "{printed}");
}

/// Two silent clients take both places; their handshakes are given up, and the third one is served.
#[tokio::test]
async fn silent_handshakes_give_their_places_back() {
    let pair = Pair::new();
    let server = pair.setup().set("http.connections_max", 3).set("http.idle_ms_max", 500).start().await;
    let address = server.url.trim_start_matches("https://");
    let _silent = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
    let mut stream = connect(&server.url, &[&pair.of], &["http/1.1"]).await;
    live(&mut stream).await;
}
