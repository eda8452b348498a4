//! The side that connects.

use std::path::PathBuf;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{self, DigitallySignedStruct, SignatureScheme};

use super::TlsError;
use super::files::{self, Identity};

/// How a server is recognised, and what we show it.
#[derive(Clone, Debug, Default)]
pub struct ClientConfig {
    authorities: Vec<PathBuf>,
    trust: Trust,
    identity: Option<Identity>,
    server_name: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Trust {
    #[default]
    Authorities,
    Anyone,
}

impl ClientConfig {
    /// Trusts nobody yet, and shows no certificate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts servers whose certificates are signed by those in `file` (PEM, one or many). Adds to earlier
    /// ones. Default none.
    #[must_use]
    pub fn authority(mut self, file: impl Into<PathBuf>) -> Self {
        self.authorities.push(file.into());
        self
    }

    /// Shows this certificate to servers that ask for one. PEM; the certificate's file may hold those
    /// between it and the authority. Default none.
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.identity = Some(Identity {
            certificate: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// The name that the server's certificate has to bear. Default the host of the endpoint.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Takes any server for the right one. The connection is then hidden from listeners, and open to
    /// whoever stands between; unbound does the same when `dnstap-tls-cert-bundle` is empty.
    #[must_use]
    pub const fn dangerously_trust_anyone(mut self) -> Self {
        self.trust = Trust::Anyone;
        self
    }

    /// Reads the files.
    ///
    /// # Errors
    /// When one cannot be read or used, or nobody is trusted.
    pub fn load(&self) -> Result<Client, TlsError> {
        let provider = files::provider();
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match self.trust {
            Trust::Anyone => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Anyone(provider))),
            Trust::Authorities => {
                let roots = Arc::new(files::authorities(&self.authorities)?);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|_| TlsError::NoTrust)?;
                builder.with_webpki_verifier(verifier)
            }
        };
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.load()?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|source| identity.mismatch(source))?
            }
        };
        let server_name = self.server_name.as_deref().map(server_name).transpose()?;
        Ok(Client {
            config: Arc::new(config),
            server_name,
        })
    }
}

fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    // A zone, as in fe80::1%eth0, is no part of the name.
    let name = name.split('%').next().unwrap_or(name);
    ServerName::try_from(name.to_string()).map_err(|_| TlsError::BadName {
        name: name.to_string(),
    })
}

/// TLS for a [`Dialer`](crate::endpoint::Dialer). Clones are cheap.
#[derive(Clone, Debug)]
pub struct Client {
    config: Arc<rustls::ClientConfig>,
    server_name: Option<ServerName<'static>>,
}

impl Client {
    pub(crate) fn connector(&self) -> TlsConnector {
        TlsConnector::from(Arc::clone(&self.config))
    }

    /// The name that the certificate of `host` has to bear.
    pub(crate) fn name_for(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        self.server_name.clone().map_or_else(|| server_name(host), Ok)
    }
}

/// Takes every certificate; its key must still be the server's.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
