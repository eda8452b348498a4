//! The side that listens.

use core::time::Duration;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::vec::Vec;

use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::files::{self, Identity};
use super::{TlsConnection, TlsError};

/// Default time for a peer to finish the TLS handshake: 5 s.
const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Who we are to peers, and whom we let in.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    identity: Identity,
    authorities: Vec<PathBuf>,
    handshake_timeout: Duration,
}

impl ServerConfig {
    /// Shows this certificate. PEM; the certificate's file may hold those between it and the authority.
    #[must_use]
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self {
            identity: Identity {
                certificate: certificate.into(),
                key: key.into(),
            },
            authorities: Vec::new(),
            handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
        }
    }

    /// Lets only peers in whose certificates are signed by those in `file` (mutual TLS). Adds to earlier
    /// ones. Default none: everybody gets in, and nobody is asked.
    #[must_use]
    pub fn client_authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities.push(file.into());
        self
    }

    /// Longest time for a peer to finish the TLS handshake. Default 5 s.
    #[must_use]
    pub const fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or used.
    pub fn load(self) -> Result<Server, TlsError> {
        let current = Arc::new(RwLock::new(self.read()?));
        Ok(Server {
            config: self,
            current,
        })
    }

    fn read(&self) -> Result<Arc<rustls::ServerConfig>, TlsError> {
        let provider = files::provider();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.authorities.is_empty() {
            builder.with_no_client_auth()
        } else {
            let roots = Arc::new(files::authorities(&self.authorities)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|_| TlsError::NoTrust)?;
            builder.with_client_cert_verifier(verifier)
        };
        let (chain, key) = self.identity.load()?;
        builder
            .with_single_cert(chain, key)
            .map(Arc::new)
            .map_err(|source| self.identity.mismatch(source))
    }
}

/// TLS for a [`Listener`](crate::endpoint::Listener). Clones share their certificates.
#[derive(Clone, Debug)]
pub struct Server {
    config: ServerConfig,
    current: Arc<RwLock<Arc<rustls::ServerConfig>>>,
}

impl Server {
    /// Reads the files again, for peers that come from now on.
    ///
    /// # Errors
    /// When one cannot be read or used; the old ones stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = self.config.read()?;
        // Whoever held the lock put a whole value in, or none.
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// A connection whose handshake is done by its first reads and writes, so that no peer keeps another
    /// from being accepted.
    pub(crate) fn accept(&self, stream: TcpStream) -> TlsConnection {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        TlsConnection::accepting(
            TlsAcceptor::from(current).accept(stream),
            self.config.handshake_timeout,
        )
    }
}
