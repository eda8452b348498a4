//! `fstrm replay`, and `fstrm_replay`: the frames of files, to a collector.

mod files;
mod pace;
mod watch;

use core::num::NonZeroU64;
use core::time::Duration;

use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, Host, HostPort, Place};
use fstrm_codec::file::Sequences;
use fstrm_codec::frame::DATA_HEADER_LEN;
use fstrm_codec::sender::{self, Report};
use fstrm_codec::{Config, ContentType, Sender, queue};
use serde::Serialize;
use tokio::sync::oneshot;

use self::files::Files;
use self::pace::Pace;
use self::watch::Watch;
use super::faults::Faults;
use super::feed;
use crate::args::fstrm::{Delivery, Replay};
use crate::cmd::{Session, streams};
use crate::failure::{Code, Failure, Result};
use crate::multicall::Guise;
use crate::output::Progress;
use crate::units;

/// For as long as there is a collector; the watch ends it where there is none.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3600);
/// Bytes that wait to be sent: enough that reading and sending seldom wait for each other, and little enough
/// that what is sent is still in the processor's cache.
const QUEUE: NonZeroU64 = NonZeroU64::new(2 << 20).expect("not zero");
/// Bytes that a Unix socket holds: so are sending and receiving.
const SOCKET: usize = 1 << 20;
/// Bytes of a frame that are not its payload's.
const HEADER_LEN: u64 = DATA_HEADER_LEN as u64;
/// How often the bar is looked after.
const LOOK: Duration = Duration::from_millis(100);
/// How long a command that was told to end goes on sending.
const FAREWELL: Duration = Duration::from_secs(5);

/// The closing line.
#[derive(Default, Serialize)]
struct Summary {
    r#type: &'static str,
    /// Frames read and offered, each round anew.
    frames: u64,
    /// Their payload bytes.
    bytes: u64,
    /// Frames that are done.
    sent: u64,
    /// Frames sent again because a connection was lost.
    resent: u64,
    /// Frames that could not be sent.
    left: u64,
    /// Connections that the collector accepted.
    connections: u64,
    /// Whether the collector confirmed the end of the stream.
    finished: bool,
}

impl Summary {
    fn new(report: &Report) -> Self {
        let frames = report.stats.frames;
        Self {
            r#type: "summary",
            frames: frames.offered,
            bytes: frames.offered_bytes - HEADER_LEN * frames.offered,
            sent: frames.sent,
            resent: frames.resent,
            left: frames.offered - frames.sent,
            connections: report.stats.connected,
            finished: report.finished,
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{}, {}, {} sent",
            units::counted(self.frames, "frame"),
            units::counted(self.bytes, "byte"),
            self.sent
        );
        for (count, what) in [(self.resent, "sent again"), (self.left, "not sent")] {
            if count > 0 {
                text.push_str(&format!(", {count} {what}"));
            }
        }
        text
    }
}

pub(super) async fn run(session: &mut Session, args: &Replay) -> Result {
    let is_tool = session.guise == Some(Guise::FstrmReplay);
    let (endpoint, names) = destination(args)?;
    let dialer = dialer(args, &endpoint)?;
    let total = names.iter().map(|name| feed::len(name)).sum::<Option<u64>>();
    let config = super::content_types(
        Config::new().max_data(args.max_frame),
        args.content_type.as_deref(),
    )?;
    let files = Files {
        names,
        config: config.clone(),
        sequences: if is_tool {
            Sequences::One
        } else {
            Sequences::Concatenated
        },
        rounds: args.rounds,
        pace: Pace::of(args),
    };
    let mut reading = files.spawn();
    let config = match &args.content_type {
        Some(_) => config,
        None => first_type(session, &mut reading.first_type, config).await?,
    };
    let mut faults = Faults::default();
    let sender = spawn(args, dialer, config)?;
    // Where it has found no stream, the thread has ended.
    let _ = reading.sender.send(sender.clone());
    let mut watch = Watch::new(endpoint.to_string(), args.wait)
        .needs_answers(matches!(args.delivery, Delivery::Confirmed));
    let bytes = total
        .map(|total| total.saturating_mul(args.rounds))
        .filter(|total| *total > 0);
    let mut progress = bytes.map(|bytes| session.output.progress(bytes));
    let stop = session.stop.clone();
    let mut look = tokio::time::interval(LOOK);
    let fed = loop {
        tokio::select! {
            biased;
            _ = stop.wait() => break Ok(Some(FAREWELL)),
            fault = reading.faults.recv() => match fault {
                Some(fault) => take_fault(session, &mut faults, fault, is_tool)?,
                None => break Ok(None),
            },
            event = sender.next_event() => watch.see(event, done(&sender), &session.output),
            failure = watch.given_up() => break Err(failure),
            _ = look.tick(), if progress.is_some() => show(progress.as_mut(), &sender),
        }
        if let Some(failure) = watch.failure() {
            break Err(failure);
        }
    };
    drop(progress);
    let (report, ended) = match fed {
        Ok(farewell) => close(session, sender, farewell, &mut watch).await,
        Err(failure) => (sender.close_within(Duration::ZERO).await, Err(failure)),
    };
    while let Ok(fault) = reading.faults.try_recv() {
        take_fault(session, &mut faults, fault, is_tool)?;
    }
    let summary = Summary::new(&report);
    if is_tool {
        return ended.map_err(|failure| Failure::imitated(1, format!("Error: {}", failure.message())));
    }
    session.output.summary(&summary, Summary::text);
    if let Err(failure) = ended {
        faults.take(session, failure)?;
    }
    faults.result()
}

/// Shows how far it is: what is offered has been read.
fn show(progress: Option<&mut Progress>, sender: &Sender) {
    let frames = sender.stats().frames;
    if let Some(progress) = progress {
        progress.show(frames.offered_bytes, &units::counted(frames.offered, "frame"));
    }
}

/// Frames that nobody will send again.
fn done(sender: &Sender) -> u64 {
    sender.stats().frames.sent
}

/// Ends the sender in order, while there is a collector.
async fn close(
    session: &Session,
    sender: Sender,
    farewell: Option<Duration>,
    watch: &mut Watch,
) -> (Report, Result) {
    let other = sender.clone();
    let stop = session.stop.clone();
    let mut closing = core::pin::pin!(sender.close_within(farewell.unwrap_or(PATIENCE)));
    let failure = loop {
        tokio::select! {
            biased;
            report = &mut closing => {
                while let Some(event) = other.poll_event() {
                    watch.see(Some(event), done(&other), &session.output);
                }
                return (report, judge(&report, watch, farewell.is_some()));
            }
            event = other.next_event() => watch.see(event, done(&other), &session.output),
            failure = watch.given_up() => break failure,
            _ = stop.wait(), if farewell.is_none() => {
                let report = other.close_within(FAREWELL).await;
                return (report, judge(&report, watch, true));
            }
        }
        if let Some(failure) = watch.failure() {
            break failure;
        }
    };
    (other.close_within(Duration::ZERO).await, Err(failure))
}

/// A sender that has ended: whether that was in order.
fn judge(report: &Report, watch: &mut Watch, was_stopped: bool) -> Result {
    if was_stopped || report.is_complete() && (report.finished || report.stats.frames.offered == 0) {
        return Ok(());
    }
    let refused = report.stats.frames.dropped.refused;
    if refused > 0 {
        let frames = units::counted(refused, "frame");
        let message = format!("{} closes the connection at {frames}", watch.collector());
        return Err(Failure::new(Code::Lost, message).hint("they may be over its limit"));
    }
    let message = format!(
        "{} did not confirm the end of the stream: the last frames may be missing there",
        watch.collector()
    );
    Err(watch
        .failure()
        .unwrap_or_else(|| Failure::new(Code::Lost, message)))
}

fn take_fault(session: &mut Session, faults: &mut Faults, fault: Failure, is_tool: bool) -> Result {
    if is_tool {
        crate::output::complain(format!("Warning: {}, skipping", fault.message()));
        return Ok(());
    }
    faults.take(session, fault)
}

/// The type of the first stream; the others have to be of it.
async fn first_type(
    session: &Session,
    first: &mut oneshot::Receiver<Option<ContentType>>,
    config: Config,
) -> Result<Config> {
    // No answer: there is no stream in any file.
    let first = async { Ok(first.await.unwrap_or(None)) };
    let first: Option<ContentType> = session.stop.cut(first).await?;
    Ok(first.into_iter().fold(config, Config::content_type))
}

/// Where to, and the files.
fn destination(args: &Replay) -> Result<(Endpoint, Vec<String>)> {
    let mut names: Vec<_> = args.files.iter().chain(&args.words).cloned().collect();
    let endpoint = if let Some(path) = &args.unix {
        Endpoint::new(Place::Unix(path.clone()))
    } else if let (Some(host), Some(port)) = (&args.tcp, args.port) {
        let host = Host::Named(host.trim_matches(['[', ']']).to_owned());
        Endpoint::new(Place::Tcp(HostPort { host, port }))
    } else {
        let Some(last) = args.words.last() else {
            let failure = Failure::new(Code::Usage, "where to?");
            return Err(failure.hint("name a STREAM behind the files, for example unix:/run/dnstap.sock"));
        };
        names.pop();
        last.parse()
            .map_err(|error| Failure::caused(Code::BadAddress, error).context(last))?
    };
    if names.is_empty() {
        return Err(Failure::new(Code::Usage, "no file to replay"));
    }
    Ok((endpoint, names))
}

fn dialer(args: &Replay, endpoint: &Endpoint) -> Result<Dialer> {
    let mut config = DialConfig::new().unix_send_buffer(SOCKET);
    if let Place::Tls(_) = endpoint.place {
        config = streams::client(&args.tls, config)?;
    }
    Dialer::new(endpoint, config).map_err(|error| Failure::caused(Code::BadAddress, error))
}

fn spawn(args: &Replay, dialer: Dialer, handshake: Config) -> Result<Sender> {
    let mut config = sender::Config::new()
        .handshake(handshake)
        .queue(queue::Config::new().max_bytes(QUEUE))
        .delivery(match args.delivery {
            Delivery::Written => queue::Delivery::Written,
            Delivery::Confirmed => queue::Delivery::Confirmed,
        })
        .shutdown_timeout(PATIENCE);
    if !Pace::of(args).is_full() {
        // Who asks for a pace wants frames when they are due.
        config = config.coalesce_delay(Duration::ZERO);
    }
    Sender::spawn(dialer, config).map_err(|error| Failure::caused(Code::Usage, error))
}
