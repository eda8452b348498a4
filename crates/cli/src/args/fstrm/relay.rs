//! `fstrm relay`

use clap::{Args, ValueEnum};
use fstrm_codec::endpoint::Endpoint;

use super::Delivery;
use crate::args::streams::StreamArgs;
use crate::cmd::streams::OnFull;
use crate::metrics;

pub(super) const EXAMPLES: &str = "\
STREAM: unix:PATH, tcp://HOST:PORT, tls://HOST:PORT, file:PATH or a bare path, - for standard input
or output; in front listen+ or dial+ where the default is wrong. Inputs listen, outputs are dialed.
:PORT is this machine alone, *:PORT listens on all addresses.

An input that ends its stream gets FINISH when every output has what it sent: a collector has sent
FINISH for it, or a file holds it. Whatever was not confirmed when we are killed is sent again by
senders that keep it.

A socket that systemd hands over stands for the input of the same path or port, so that one command
line serves with and without; others are inputs too. READY=1, STATUS= and the watchdog are served.

Without -t the first stream says what all others have to be.

Exit status: 1 when a file ends within a frame, 3 when a stream cannot be opened or frames could
not be delivered in the end, 4 when an input is malformed, 5 with --strict when frames were
dropped.

Examples:
  tinwire fstrm relay unix:/run/dnstap.sock tcp://collector:6000
  tinwire fstrm relay capture.fstrm tls://collector:6001 --tls-ca ca.crt
  tinwire fstrm relay unix:/run/a.sock -i tcp://:6000 tcp://one:6000 file:copy.fstrm
  tinwire fstrm relay unix:/run/a.sock tcp://far:6000 copy.fstrm --on-full tcp://far:6000=drop-old";

/// `fstrm relay`
#[derive(Args, Debug)]
pub(crate) struct Relay {
    /// Where frames come from
    #[arg(value_name = "IN")]
    pub(crate) input: String,
    /// Where they go to
    #[arg(value_name = "OUT", required = true)]
    pub(crate) outputs: Vec<String>,
    /// Another input
    #[arg(short, long = "input", value_name = "IN")]
    pub(crate) inputs: Vec<String>,
    /// What becomes of frames that an output has no room for: block, drop-new, drop-old; for one output
    /// alone OUT=RULE
    #[arg(long, value_name = "[OUT=]RULE", value_parser = rule)]
    pub(crate) on_full: Vec<Rule>,
    /// Bytes that wait at most for each output
    #[arg(long, value_name = "BYTES", default_value = "8388608")]
    pub(crate) queue: usize,
    /// When a collector has a frame
    #[arg(long, value_enum, default_value_t = Delivery::Confirmed)]
    pub(crate) delivery: Delivery,
    /// Send without a handshake, to readers that know none; there is no FINISH then
    #[arg(long)]
    pub(crate) unidirectional: bool,
    /// Do not connect again to an input that has ended
    #[arg(long)]
    pub(crate) once: bool,
    /// End with status 5 when frames were dropped
    #[arg(long)]
    pub(crate) strict: bool,
    /// Figures for Prometheus: :9187 for this machine, *:9187 for all, :0 for any port
    #[arg(long, value_name = "ADDRESS", value_parser = metrics::address)]
    pub(crate) metrics: Option<Endpoint>,
    #[command(flatten)]
    pub(crate) stream: StreamArgs,
}

/// What `--on-full` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    /// For this output alone.
    pub(crate) output: Option<String>,
    pub(crate) on_full: OnFull,
}

fn rule(text: &str) -> Result<Rule, String> {
    let (output, word) = match text.rsplit_once('=') {
        Some((output, word)) => (Some(output.to_owned()), word),
        None => (None, text),
    };
    let on_full = OnFull::from_str(word, false)
        .map_err(|_| format!("\"{word}\" is no rule; known: block drop-new drop-old"))?;
    Ok(Rule { output, on_full })
}
