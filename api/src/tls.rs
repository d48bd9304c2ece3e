//! TLS for every listener: a certificate and its key from two files, read again when they change.
//!
//! A new connection takes the pair that is current when it comes; those at hand keep theirs, so that renewing a certificate
//! ends nothing. The files are replaced one after the other, and a pair that does not fit is refused: the old one stays in
//! force, and the log says why.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, anyhow, bail};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::settings::TlsSettings;

/// How often the files are looked at.
const POLL: Duration = Duration::from_secs(2);

/// The certificate of a server and its key.
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    current: ArcSwap<ServerConfig>,
    asked: Notify,
}

/// What tells that a file is another one; none where there is no file.
type Stamp = Option<(SystemTime, u64, u64)>;

impl Tls {
    /// Reads both files; `None` where the settings name none.
    pub(crate) fn open(settings: &TlsSettings) -> anyhow::Result<Option<Arc<Self>>> {
        let (certificate, key) = match (&settings.certificate, &settings.key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (Some(_), None) => bail!("`tls.certificate` is set and `tls.key` is not: TLS needs both"),
            (None, Some(_)) => bail!("`tls.key` is set and `tls.certificate` is not: TLS needs both"),
        };
        let current = ArcSwap::from(read(&certificate, &key)?);
        Ok(Some(Arc::new(Self { certificate, key, current, asked: Notify::new() })))
    }

    /// For the next connection.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current.load_full())
    }

    /// Asks for both files to be read again, changed or not.
    pub(crate) fn reload(&self) {
        self.asked.notify_one();
    }

    /// Reads both files again whenever they changed, until `stop`.
    pub(crate) async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(POLL);
        let mut taken = self.stamps();
        let mut before = taken;
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                () = self.asked.notified() => true,
                _ = ticks.tick() => false,
            };
            let now = self.stamps();
            // Between the two files of a new pair, neither is read.
            let settled = now == before;
            before = now;
            if asked || (settled && now != taken) {
                taken = now;
                self.take();
            }
        }
    }

    fn stamps(&self) -> [Stamp; 2] {
        [&self.certificate, &self.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        })
    }

    fn take(&self) {
        match read(&self.certificate, &self.key) {
            Ok(config) => {
                self.current.store(config);
                tracing::info!(certificate = %self.certificate.display(), "took a new certificate");
            }
            Err(error) => tracing::error!("could not take a new certificate, the old one stays in force: {error:#}"),
        }
    }
}

fn read(certificate: &Path, key: &Path) -> anyhow::Result<Arc<ServerConfig>> {
    let load = |path: &Path, name: &str| {
        std::fs::read(path).with_context(|| format!("could not read `{}` (`{name}`)", path.display()))
    };
    let holds_no = |path: &Path, name: &str, what: &str| {
        anyhow!("could not use `{}` (`{name}`): it holds no {what} in PEM form", path.display())
    };
    let chain = CertificateDer::pem_slice_iter(&load(certificate, "tls.certificate")?).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| holds_no(certificate, "tls.certificate", "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&load(key, "tls.key")?);
    let private = private.map_err(|_| holds_no(key, "tls.key", "private key"))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().context("could not choose the versions of TLS")?;
    let config = builder.with_no_client_auth().with_single_cert(chain, private);
    let mut config = config.map_err(|error| {
        let (certificate, key) = (certificate.display(), key.display());
        match error {
            rustls::Error::InconsistentKeys(_) => {
                anyhow!("the key in `{key}` (`tls.key`) does not belong to the certificate in `{certificate}`")
            }
            error => anyhow!("could not use the certificate in `{certificate}` with the key in `{key}`: {error}"),
        }
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(dir: &Path, certificate: Option<&str>, key: Option<&str>) -> TlsSettings {
        let write = |name: &str, text: &str| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        TlsSettings {
            certificate: certificate.map(|text| write("certificate.pem", text)),
            key: key.map(|text| write("key.pem", text)),
        }
    }

    #[test]
    fn a_fault_names_the_file_and_what_is_wrong() {
        let dir = tempfile::tempdir().unwrap();
        let pair = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (one, other) = (pair(), pair());
        let (certificate, key) = (one.cert.pem(), one.signing_key.serialize_pem());
        let check = |certificate: Option<&str>, key: Option<&str>, part: &str| {
            let error = Tls::open(&settings(dir.path(), certificate, key)).err().unwrap();
            assert!(format!("{error:#}").contains(part), "{error:#}");
        };
        check(Some(&certificate), None, "`tls.key` is not");
        check(None, Some(&key), "`tls.certificate` is not");
        check(Some("nothing"), Some(&key), "certificate.pem` (`tls.certificate`): it holds no certificate");
        check(Some(&certificate), Some(&certificate), "key.pem` (`tls.key`): it holds no private key");
        check(Some(&certificate), Some(&other.signing_key.serialize_pem()), "does not belong to the certificate");
        let absent =
            TlsSettings { certificate: Some(dir.path().join("absent")), key: Some(dir.path().join("key.pem")) };
        assert!(format!("{:#}", Tls::open(&absent).err().unwrap()).contains("absent` (`tls.certificate`)"));
        assert!(Tls::open(&settings(dir.path(), Some(&certificate), Some(&key))).unwrap().is_some());
        assert!(Tls::open(&TlsSettings::default()).unwrap().is_none());
    }
}
