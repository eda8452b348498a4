//! `fstrm capture`.

use core::net::IpAddr;
use core::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use core::time::Duration;
use std::path::PathBuf;

use clap::{ArgAction, ArgGroup, Args, ValueEnum};
use fstrm_codec::endpoint::Endpoint;

use crate::{metrics, units};

pub(super) const EXAMPLES: &str = "\
Signals: HUP writes out what waits in the buffer and reads certificates again, USR1 goes on in the
next file, INT and TERM take what has come, close the file and end with exit status 0; a second one
ends at once.

A file that exists is gone on with, after a frame that a crash has torn was cut off; it is never
overwritten. A name that is taken when a file is due gets a number. With systemd, sockets that were
handed over are listened on too, and readiness is told.

Exit status: 0 when ended by a signal, -n or --deadline, 3 when a socket or the file cannot be
opened.

Examples:
  tinwire fstrm capture -t protobuf:dnstap.Dnstap -u /run/dnstap.sock -w dnstap.fstrm
  tinwire fstrm capture -t protobuf:dnstap.Dnstap tcp://:6000 -w %Y%m%d-%H.fstrm --gmtime -s 1h
  tinwire fstrm capture -t x unix:x.sock tcp://*:6000 -w x.fstrm --split-size 1GB --metrics :9187";

/// `fstrm capture`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("clock").args(["gmtime", "localtime"]))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that people type")]
pub(crate) struct Capture {
    /// Where to listen: unix:PATH, tcp://HOST:PORT, tls://HOST:PORT
    #[arg(value_name = "STREAM")]
    pub(crate) streams: Vec<Endpoint>,
    /// Content type that senders must offer, and that files carry
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) content_type: String,
    /// Unix socket to listen on
    #[arg(short = 'u', long, value_name = "PATH")]
    pub(crate) unix: Option<PathBuf>,
    /// Address to listen on over TCP; with --port
    #[arg(short = 'a', long, value_name = "ADDRESS", requires = "port")]
    pub(crate) tcp: Option<IpAddr>,
    /// Its port; 0x and a leading 0 are understood as in C
    #[arg(short = 'p', long, value_name = "PORT", value_parser = units::port, requires = "tcp")]
    pub(crate) port: Option<u16>,
    /// File to write, strftime letters with --gmtime or --localtime; - is standard output
    #[arg(short = 'w', long, value_name = "FILE")]
    pub(crate) write: PathBuf,
    /// Pass over frames that do not fit into so many bytes, 4 for the length included, as fstrm_capture
    #[arg(
        short = 'b',
        long = "buffersize",
        value_name = "BYTES",
        conflicts_with = "max_frame"
    )]
    #[arg(allow_negative_numbers = true)]
    pub(crate) buffer_size: Option<i64>,
    /// Longest data frame, in bytes; a sender of a longer one is disconnected
    #[arg(long, value_name = "BYTES", default_value = "1048576")]
    pub(crate) max_frame: NonZeroU32,
    /// Most connections at a time; others wait
    #[arg(short = 'c', long = "maxconns", value_name = "COUNT")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Close connections over the limit instead of letting them wait
    #[arg(long)]
    pub(crate) refuse: bool,
    /// A new file after this time; a bare number counts seconds
    #[arg(short = 's', long, value_name = "TIME", value_parser = units::seconds, requires = "clock")]
    pub(crate) split: Option<Duration>,
    /// With --split: at multiples of the time, so that files begin on the hour
    #[arg(long, requires = "split")]
    pub(crate) align: bool,
    /// A new file before one gets longer than this: 500k, 100MB, 2GiB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    pub(crate) split_size: Option<NonZeroU64>,
    /// Names of files go through strftime, in UTC
    #[arg(long)]
    pub(crate) gmtime: bool,
    /// Names of files go through strftime, in local time
    #[arg(long)]
    pub(crate) localtime: bool,
    /// Files are called NAME.part until they are whole
    #[arg(long)]
    pub(crate) part: bool,
    /// Bring files to the disk: when they end, after each write, or this long after one
    #[arg(long, value_name = "WHEN", num_args = 0..=1, default_missing_value = "rotate")]
    pub(crate) fsync: Option<Fsync>,
    /// How long a frame may wait in the buffer
    #[arg(long, value_name = "TIME", value_parser = units::duration, default_value = "100ms")]
    pub(crate) flush: Duration,
    /// Permissions of Unix sockets, in octal
    #[arg(long, value_name = "MODE", value_parser = units::octal)]
    pub(crate) mode: Option<u32>,
    /// What senders begin with: READY, START, or either
    #[arg(long, value_name = "KIND", default_value = "bidirectional")]
    pub(crate) handshake: Handshake,
    /// Disconnect senders that are silent for this time
    #[arg(long, value_name = "TIME", value_parser = units::duration)]
    pub(crate) idle: Option<Duration>,
    /// Certificate chain for tls://, PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Senders must show a certificate that one of these has signed, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// Figures for Prometheus: :9187 for this machine, *:9187 for all, :0 for any port
    #[arg(long, value_name = "ADDRESS", value_parser = metrics::address)]
    pub(crate) metrics: Option<Endpoint>,
    /// End after this many frames
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,
    /// Tell of connections too; twice: of their handshakes
    #[arg(short = 'd', long = "debug", action = ArgAction::Count)]
    pub(crate) debug: u8,
}

/// When files are brought to the disk.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fsync {
    Rotate,
    Write,
    Interval(Duration),
}

impl core::str::FromStr for Fsync {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "rotate" => Ok(Self::Rotate),
            "write" => Ok(Self::Write),
            _ => units::duration(text)
                .map(Self::Interval)
                .map_err(|_| format!("{text:?} is neither rotate nor write nor a time like 1s")),
        }
    }
}

/// Which handshake is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Handshake {
    /// READY, ACCEPT, START: DNS servers on sockets
    Bidirectional,
    /// START at once: unbound with dnstap-bidirectional: no, the Rust crate dnstap
    Unidirectional,
    /// The first control frame decides
    Either,
}
