//! TLS towards a broker whose library takes a whole configuration.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::address::Tls;
use crate::failure::{Code, Failure, Result};

/// Who is trusted and what we show, as the address says.
pub(super) fn client(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let trusted = match &tls.ca {
        Some(path) => certificates(path)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    roots.add_parsable_certificates(trusted);
    if roots.is_empty() {
        return Err(
            Failure::new(Code::CannotOpen, "no certificate of a trusted authority")
                .hint("ca=FILE names a file in PEM form"),
        );
    }
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::caused(Code::CannotOpen, error))?
        .with_root_certificates(roots);
    let config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, error))?;
            builder
                .with_client_auth_cert(certificates(cert)?, secret)
                .map_err(|error| unreadable(cert, error))?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| unreadable(path, error))
}

fn unreadable(path: &Path, error: impl Into<anyhow::Error>) -> Failure {
    Failure::caused(Code::File, error).context(format!("reading {}", path.display()))
}
