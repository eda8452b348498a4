//! TLS errors in words that say what to do.

use std::format;
use std::io;
use std::string::String;

use tokio_rustls::rustls::{AlertDescription, CertificateError, Error, InvalidMessage};

/// Adds to an error of TLS what it most likely means; other errors stay as they are.
pub(super) fn explain(error: io::Error) -> io::Error {
    let kind = error.kind();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(fault) => {
            let text = meaning(fault).unwrap_or_else(|| format!("TLS: {fault}"));
            io::Error::new(kind, text)
        }
        None if kind == io::ErrorKind::UnexpectedEof => io::Error::new(
            kind,
            "the peer closed the connection during the TLS handshake; perhaps it expects plain tcp://",
        ),
        None => error,
    }
}

fn meaning(fault: &Error) -> Option<String> {
    let text = match fault {
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "the peer does not speak TLS; one side says tls:// and the other means tcp://",
        Error::NoCertificatesPresented => {
            "the peer shows no certificate, and only peers with one are let in; give it one of the authority"
        }
        // A wrong signature is that of another authority of the same name.
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "the peer's certificate is not signed by an authority that is trusted here; \
             name the file with the certificate of its authority"
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "the peer's certificate has expired; renew it (or set this machine's clock right)"
        }
        Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        ) => "the peer's certificate is not valid yet; set this machine's clock right",
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { expected, presented }) => {
            return Some(format!(
                "the certificate is not for {}, it is for {}; connect to that, or tell the name to expect",
                expected.to_str(),
                presented.join(", ")
            ));
        }
        Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the peer lets in only those who show a certificate; give one with its key"
        }
        Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::DecryptError
            | AlertDescription::UnsupportedCertificate,
        ) => "the peer does not trust the certificate of this side; have it signed by an authority it trusts",
        Error::AlertReceived(AlertDescription::CertificateExpired) => {
            "the peer takes the certificate of this side for expired; renew it"
        }
        _ => return None,
    };
    Some(text.into())
}
