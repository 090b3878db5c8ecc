//! TLS for the public port: a certificate and its key, read again when their files change.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::{Mutex, RwLock};
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at; that costs a look into their directory.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A certificate chain and its key. Cheap to clone.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
    seen: Mutex<Option<Stamp>>,
}

/// What tells that a file is another one: when it was written, and how long it is.
type Stamp = [(Option<SystemTime>, u64); 2];

/// The files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{key}: {} cannot be read: {error}", file.display())]
    Unreadable {
        /// The key of the configuration that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        error: rustls::pki_types::pem::Error,
    },
    /// They do not go together, or the key is of a kind that is not supported.
    #[error("http.tls_cert_file and http.tls_key_file cannot be used together: {0}")]
    Unusable(#[from] rustls::Error),
}

impl Tls {
    /// Reads a certificate chain and its private key, both PEM.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = stamp(certificate, key).ok();
        let config = config(certificate, key)?;
        Ok(Self(Arc::new(Inner {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: RwLock::new(config),
            seen: Mutex::new(seen),
        })))
    }

    /// Takes TLS connections with the certificate as it is now.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.config.read()))
    }

    /// Reads the files again whenever they have changed, for ever. What cannot be used is told, and what was there
    /// stays in force.
    pub async fn keep_fresh(&self) -> ! {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            ticks.tick().await;
            self.look();
        }
    }

    fn look(&self) {
        let Inner { certificate, key, config: current, seen } = &*self.0;
        let now = stamp(certificate, key).ok();
        if now.is_none() || *seen.lock() == now {
            return;
        }
        *seen.lock() = now;
        match config(certificate, key) {
            Ok(config) => {
                *current.write() = config;
                tracing::info!(certificate = %certificate.display(), "new connections get the new certificate");
            }
            Err(error) => tracing::error!(%error, "the new certificate is not used; the old one stays"),
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> io::Result<Stamp> {
    let of = |file: &Path| {
        let metadata = fs::metadata(file)?;
        Ok::<_, io::Error>((metadata.modified().ok(), metadata.len()))
    };
    Ok([of(certificate)?, of(key)?])
}

fn config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unreadable = |key, file: &Path| {
        let file = file.to_owned();
        move |error| TlsError::Unreadable { key, file, error }
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable("http.tls_cert_file", certificate))?;
    let secret = PrivateKeyDer::from_pem_file(key).map_err(unreadable("http.tls_key_file", key))?;
    // TLS 1.2 and 1.3 with the suites that rustls has: all of them with forward secrecy and authenticated encryption.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, secret)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("certificate", &self.0.certificate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
