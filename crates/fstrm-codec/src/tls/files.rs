//! Certificates and keys out of PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::vec::Vec;

use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// A certificate with those that vouch for it, and its key.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Identity {
    pub(super) fn load(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| match error {
            PemError::Io(source) => TlsError::Read {
                path: self.key.clone(),
                source,
            },
            _ => TlsError::NoKey {
                path: self.key.clone(),
            },
        })?;
        Ok((chain, key))
    }

    pub(super) fn mismatch(&self, source: tokio_rustls::rustls::Error) -> TlsError {
        TlsError::Mismatch {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source,
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |error| match error {
        PemError::Io(source) => TlsError::Read {
            path: path.into(),
            source,
        },
        _ => TlsError::NoCertificate { path: path.into() },
    };
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(read)?;
    if found.is_empty() {
        return Err(TlsError::NoCertificate { path: path.into() });
    }
    Ok(found)
}

/// The authorities of all `files`.
pub(super) fn authorities(files: &[PathBuf]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in files {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|source| TlsError::BadAuthority {
                path: path.clone(),
                source,
            })?;
        }
    }
    if roots.is_empty() {
        return Err(TlsError::NoTrust);
    }
    Ok(roots)
}

/// The cryptography, named here so that no process-wide choice is needed.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}
