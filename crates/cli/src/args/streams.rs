//! What every command takes that reads or writes live streams.

use core::num::NonZeroU32;
use core::time::Duration;
use std::path::PathBuf;

use clap::Args;

use crate::units;

/// Limits, timeouts and certificates of streams.
#[derive(Args, Clone, Debug)]
pub(crate) struct StreamArgs {
    /// Only streams of this content type
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: Option<String>,
    /// Longest data frame that is read, in bytes; longer ones are an error
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
    #[command(flatten)]
    pub(crate) sockets: SocketArgs,
}

/// What concerns sockets alone.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sockets")]
pub(crate) struct SocketArgs {
    /// Permissions of a Unix socket's file, as 660; the umask decides otherwise
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub(crate) socket_mode: Option<u32>,
    /// Most connections at a time; further ones wait
    #[arg(long, value_name = "COUNT", default_value = "4096")]
    pub(crate) max_connections: core::num::NonZeroUsize,
    /// Give a peer up that sends no data for so long
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) idle_timeout: Option<Duration>,
    /// Longest wait for a connection, and for a peer to begin its stream
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = units::duration)]
    pub(crate) connect_timeout: Duration,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

/// Certificates for `tls://`.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Certificate that we show (PEM), with those between it and its authority; where we listen, a hangup
    /// (SIGHUP) reads it again instead of ending the command
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Certificates of the authorities that peers have to be signed by (PEM); where we listen, peers
    /// without a certificate are refused then
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Name that the server's certificate has to bear, where it is not the host of tls://HOST:PORT
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_name: Option<String>,
    /// Take any server for the right one: whoever stands between can read and change everything
    #[arg(long, conflicts_with_all = ["tls_ca", "tls_name"])]
    pub(crate) tls_dangerously_trust_anyone: bool,
}

/// Permissions in octal.
fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o777)
        .ok_or_else(|| format!("\"{text}\" is no permission; expected octal digits, as 660"))
}
