//! Certificates that we show where we listen, read again at a hangup.

use crate::stop::Stop;

/// What is shown to peers; nothing where nobody listens over TLS. Clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Certificates {
    #[cfg(feature = "tls")]
    server: Option<(fstrm_codec::tls::Server, std::path::PathBuf)>,
}

impl Certificates {
    /// Those of a server, and the file that they are in.
    #[cfg(feature = "tls")]
    pub(super) fn of(server: fstrm_codec::tls::Server, path: &std::path::Path) -> Self {
        Self {
            server: Some((server, path.to_owned())),
        }
    }

    const fn are_shown(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.server.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }

    /// Reads them again, for peers that come from now on; what is to be told of it.
    pub(crate) fn reload(&self) -> Option<String> {
        #[cfg(feature = "tls")]
        return self.server.as_ref().map(|(server, path)| match server.reload() {
            Ok(()) => format!("{}: read again, for peers that come from now on", path.display()),
            Err(error) => {
                let failure = crate::failure::Failure::caused(crate::failure::Code::File, error);
                format!("{}; peers are shown what was read before", failure.message())
            }
        });
        #[cfg(not(feature = "tls"))]
        return None;
    }
}

/// Hangups, at which certificates are read again.
#[derive(Debug)]
pub(super) struct Hangups {
    certificates: Certificates,
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    /// From now on, where certificates are shown: a hangup is no reason to end any more.
    pub(super) fn listen(certificates: Certificates, stop: Option<&Stop>) -> Self {
        #[cfg(unix)]
        let signal = {
            use tokio::signal::unix::{SignalKind, signal};
            let wanted = stop.filter(|_| certificates.are_shown());
            let heard = wanted.and_then(|stop| Some((stop, signal(SignalKind::hangup()).ok()?)));
            heard.map(|(stop, signal)| {
                stop.leave_hangups();
                signal
            })
        };
        #[cfg(not(unix))]
        let _ = (stop, certificates.are_shown());
        Self {
            certificates,
            #[cfg(unix)]
            signal,
        }
    }

    /// What came of the next one; never where none is listened for. May be dropped and called again.
    pub(super) async fn next(&mut self) -> String {
        #[cfg(unix)]
        while let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            if let Some(told) = self.certificates.reload() {
                return told;
            }
        }
        core::future::pending().await
    }
}
