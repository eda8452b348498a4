//! `dnstap listen`, `dnstap dial`, `dnstap relay`

use clap::Args;
use dnstap_codec::filter::Filter;

use super::anonymize::Disguise;
use super::cat::Show;
use crate::args::fstrm;
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
As tinwire fstrm relay, for dnstap: frames are passed on as they came, byte for byte, and an input
gets FINISH when every output has what it sent. Outputs may be brokers, too: nats://, kafka://.

With --where, those are passed on that it holds for; with --anonymize, none that says who asked. It
is applied behind --where. What is no dnstap message is counted; it is dropped where messages are
chosen or changed, and passed on otherwise. Files that exist are gone on with.

Exit status: as that of fstrm relay; with --strict 5 also when something was no dnstap message and
was dropped.

Examples:
  tinwire dnstap relay unix:/run/dnstap.sock tcp://collector:6000
  tinwire dnstap relay unix:/run/dnstap.sock file:all.fstrm tcp://collector:6000
  tinwire dnstap relay --where 'kind==CR && rcode!=0' file:day.fstrm file:errors.fstrm
  tinwire dnstap relay --anonymize --no-ports unix:/run/dnstap.sock tcp://collector:6000";

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
#[group(skip)]
pub(crate) struct Relay {
    #[command(flatten)]
    pub(crate) relay: fstrm::Relay,
    /// Only messages for which this holds, for example 'qtype==AAAA && rcode!=0'
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) filter: Option<Filter>,
    /// Hide who asked, as dnstap anonymize; any of its flags does so too
    #[arg(long)]
    pub(crate) anonymize: bool,
    #[command(flatten)]
    pub(crate) disguise: Option<Disguise>,
}

impl Relay {
    /// What is hidden, where anything is.
    pub(crate) fn disguise(&self) -> Option<Disguise> {
        let default = || self.anonymize.then(Disguise::default);
        self.disguise.clone().or_else(default)
    }
}
