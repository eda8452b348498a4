//! TLS beneath endpoints: certificates in, [`Client`] for a [`Dialer`](crate::endpoint::Dialer) and
//! [`Server`] for a [`Listener`](crate::endpoint::Listener) out.
//!
//! Files are PEM, as everywhere. There is no ALPN: no sender of dnstap has one. TLS 1.2 and 1.3.
//!
//! ```no_run
//! use fstrm_codec::endpoint::{ListenConfig, Listener};
//! use fstrm_codec::tls::ServerConfig;
//!
//! # async fn run() -> Result<(), Box<dyn core::error::Error>> {
//! let tls = ServerConfig::new("collector.crt", "collector.key").load()?;
//! let listener = Listener::bind(&"tls://*:6000".parse()?, ListenConfig::new().tls(tls)).await?;
//! # Ok(())
//! # }
//! ```

mod client;
mod fault;
mod files;
mod server;
mod stream;

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use tokio_rustls::rustls;

pub use client::{Client, ClientConfig};
pub use server::{Server, ServerConfig};

pub(crate) use stream::TlsConnection;

/// Why certificates or keys cannot be used. Each text says which file, and what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: cannot be read", .path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds no certificate.
    #[error("{}: no certificate in it; expected PEM, -----BEGIN CERTIFICATE-----", .path.display())]
    NoCertificate {
        /// Its path.
        path: PathBuf,
    },
    /// A file holds no private key, or one that is locked by a password.
    #[error(
        "{}: no private key in it; expected PEM without a password, -----BEGIN PRIVATE KEY-----",
        .path.display()
    )]
    NoKey {
        /// Its path.
        path: PathBuf,
    },
    /// A certificate is unfit to vouch for others.
    #[error("{}: not the certificate of an authority", .path.display())]
    BadAuthority {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Key and certificate do not belong together, or cannot be used.
    #[error(
        "{} and {}: the key and the certificate do not fit each other",
        .certificate.display(),
        .key.display()
    )]
    Mismatch {
        /// Path of the certificate.
        certificate: PathBuf,
        /// Path of the key.
        key: PathBuf,
        /// What is wrong.
        source: rustls::Error,
    },
    /// Nobody is trusted: no certificate could ever be accepted.
    #[error("nobody to trust; name a file with the certificate of the server's authority")]
    NoTrust,
    /// A name that no certificate can bear.
    #[error("\"{name}\" is no name of a server; expected a host name or an address")]
    BadName {
        /// The name.
        name: std::string::String,
    },
    /// The settings contradict each other.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

#[cfg(test)]
pub(crate) mod tests;
