//! `dnstap listen`, `dnstap dial`, `dnstap relay`

use clap::Args;
use dnstap_codec::filter::Filter;

use super::cat::Show;
use crate::args::streams::StreamArgs;

pub(super) const LISTEN_EXAMPLES: &str = "\
DNS servers connect to us, with the handshake in two directions or in one. A server is told that
its messages have arrived when they have been written. When one leaves, its counts are shown.

Ends with a signal, --deadline or -n, and shows what has come by then.

Examples:
  tinwire dnstap listen unix:/run/dnstap.sock
  tinwire dnstap listen unix:/run/dnstap.sock --json
  tinwire dnstap listen tcp://[::]:6000 --where 'rcode==SERVFAIL'
  tinwire dnstap listen unix:/run/dnstap.sock -w today.fstrm -a";

pub(super) const DIAL_EXAMPLES: &str = "\
We connect, and read: for sources that listen. When a connection is lost, we connect again.

Examples:
  tinwire dnstap dial tcp://resolver:6000
  tinwire dnstap dial unix:/run/source.sock -y";

pub(super) const RELAY_EXAMPLES: &str = "\
Frames are passed on as they came, byte for byte; with --where, those that it holds for. Where an
output cannot take frames, inputs wait. Files that exist are gone on with.

Examples:
  tinwire dnstap relay unix:/run/dnstap.sock tcp://collector:6000
  tinwire dnstap relay unix:/run/dnstap.sock file:all.fstrm tcp://collector:6000
  tinwire dnstap relay --where 'kind==CR && rcode!=0' file:day.fstrm file:errors.fstrm";

/// `dnstap listen` and `dnstap dial`
#[derive(Args, Debug)]
pub(crate) struct Live {
    /// Sockets: unix:PATH, tcp://HOST:PORT, tls://HOST:PORT
    #[arg(value_name = "STREAM", required = true)]
    pub(crate) from: Vec<String>,
    #[command(flatten)]
    pub(crate) show: Show,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
}

/// `dnstap relay`
#[derive(Args, Debug)]
pub(crate) struct Relay {
    /// Where frames come from: a socket on which we listen, dial+ and one that listens, or a file
    #[arg(value_name = "IN")]
    pub(crate) from: String,
    /// Where they go: sockets of collectors, or files
    #[arg(value_name = "OUT", required = true)]
    pub(crate) to: Vec<String>,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
}
