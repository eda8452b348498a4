//! Any number of inputs as one sequence.

use core::fmt;
use std::sync::Arc;

use fstrm_codec::collector::{
    self, Batch, Batches, Collector, Event, Receipt, SessionError, SessionId, Watch,
};
use fstrm_codec::endpoint::{Dialer, Direction, Endpoint, EndpointError, Listener, Peer, Place};
use fstrm_codec::{ContentType, End, OwnedRun};
use futures::FutureExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::certificates::Hangups;
use super::dialed::Dialed;
use super::{Settings, file};
use crate::failure::{Code, Failure, Result};
use crate::units;

/// Arrivals of files that are ahead of whoever takes them.
const AHEAD: usize = 4;

/// Whether a stream that we connect to is connected to again when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redial {
    /// Its end is the end of the input, and that it cannot be had a failure.
    Never,
    /// It is waited for, for ever.
    Always,
}

/// Where frames come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file, by its word.
    File(Arc<str>),
    /// A connection.
    Peer {
        /// Its number, in the order in which they came.
        session: SessionId,
        /// Who it is.
        peer: Peer,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Peer { session, peer } => write!(f, "{peer} #{session}"),
        }
    }
}

/// Frames that belong together.
#[derive(Debug)]
pub(crate) struct Parcel {
    /// The frames, as they stand on the wire.
    pub(crate) run: OwnedRun,
    /// Where they come from.
    pub(crate) source: Source,
    /// What they are.
    pub(crate) content_type: Option<ContentType>,
    /// To be confirmed when they are where they should be.
    pub(crate) ticket: Ticket,
}

/// Confirms a parcel. A peer gets FINISH when all its parcels have been confirmed, and is cut off without
/// when one is dropped.
#[derive(Debug)]
#[must_use = "dropping it says that the frames are lost"]
pub(crate) struct Ticket(pub(super) Option<Receipt>);

impl Ticket {
    /// The frames are where they should be.
    pub(crate) fn confirm(self) {
        if let Some(receipt) = self.0 {
            receipt.confirm();
        }
    }
}

/// What comes out of inputs.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Frames.
    Parcel(Parcel),
    /// A stream has ended: a file's, or a peer's.
    Ended {
        /// Whose.
        source: Source,
        /// How.
        end: End,
    },
    /// A peer was cut off; others go on.
    Broken {
        /// Who.
        source: Source,
        /// Why.
        error: SessionError,
    },
    /// An input that was to be read to its end cannot be.
    Failed(Failure),
    /// Something worth a remark has happened.
    Told(Remark),
}

/// What has happened, in words.
#[derive(Debug)]
pub(crate) struct Remark {
    text: String,
    /// Whose frame was passed over, because it is over the limit.
    pub(crate) oversize: Option<SessionId>,
}

impl From<String> for Remark {
    fn from(text: String) -> Self {
        Self { text, oversize: None }
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Any number of inputs.
#[derive(Debug)]
pub(crate) struct Inputs {
    arrivals: mpsc::Receiver<Arrival>,
    /// Whether nothing comes from files and connections of our own any more.
    is_read: bool,
    live: Option<Live>,
    /// Where we listen, with the ports that the system chose.
    listening: Vec<Endpoint>,
    hangups: Hangups,
}

/// Sockets.
#[derive(Debug)]
struct Live {
    collector: Option<Collector>,
    batches: Batches,
    watch: Watch,
    closing: Option<JoinHandle<collector::Stats>>,
    is_over: bool,
}

impl Inputs {
    /// Opens all of them. Files are read one after the other; sockets at the same time.
    pub(crate) async fn open(endpoints: &[Endpoint], settings: &Settings) -> Result<Self> {
        Self::open_with(endpoints, Vec::new(), settings).await
    }

    /// The same, with sockets that were handed over: one stands for the endpoint that names its place, the
    /// others are inputs of their own.
    pub(crate) async fn open_with(
        endpoints: &[Endpoint],
        mut handed: Vec<Listener>,
        settings: &Settings,
    ) -> Result<Self> {
        let (sender, arrivals) = mpsc::channel(AHEAD);
        let mut files = Vec::new();
        let mut listening = Vec::new();
        let mut live = None;
        for endpoint in endpoints {
            let Some(direction) = endpoint.direction_or(Direction::Listen) else {
                files.push(match &endpoint.place {
                    Place::File(path) => path.to_string_lossy().into_owned(),
                    _ => "-".to_owned(),
                });
                continue;
            };
            let live: &Live = live.get_or_insert_with(|| Live::new(settings.collector.clone()));
            let Some(collector) = &live.collector else {
                continue;
            };
            match direction {
                Direction::Listen => {
                    let ready = handed
                        .iter()
                        .position(|listener| is_same_socket(&listener.local_endpoint(), endpoint));
                    let listener = match ready {
                        Some(index) => handed.swap_remove(index),
                        None => Listener::bind(endpoint, settings.listen.clone())
                            .await
                            .map_err(|error| refused(endpoint, error))?,
                    };
                    listening.push(listener.local_endpoint());
                    collector.listen(listener);
                }
                Direction::Dial => {
                    let dialer = Dialer::new(endpoint, settings.dial.clone());
                    let dialer = dialer.map_err(|error| refused(endpoint, error))?;
                    collector.listen(Dialed::new(dialer, settings.redial, sender.clone()));
                }
            }
        }
        for listener in handed {
            let live: &Live = live.get_or_insert_with(|| Live::new(settings.collector.clone()));
            listening.push(listener.local_endpoint());
            if let Some(collector) = &live.collector {
                collector.listen(listener);
            }
        }
        if !files.is_empty() {
            file::spawn(files, settings.stream.clone(), sender);
        }
        Ok(Self {
            arrivals,
            is_read: false,
            live,
            listening,
            hangups: Hangups::listen(settings.certificates.clone(), settings.stop.as_ref()),
        })
    }

    /// Where we listen, with the ports that the system chose.
    pub(crate) fn listening(&self) -> &[Endpoint] {
        &self.listening
    }

    /// The counters of the sockets, if there are any.
    pub(crate) fn watch(&self) -> Option<Watch> {
        self.live.as_ref().map(|live| live.watch.clone())
    }

    /// Takes nothing more, and waits until peers have been told what became of their frames. The counters of
    /// the sockets, if there are any.
    pub(crate) async fn close(mut self) -> Option<collector::Stats> {
        self.stop();
        let Live {
            batches,
            watch,
            closing,
            ..
        } = self.live?;
        drop(batches);
        if let Some(closing) = closing {
            // It panics or is aborted only with everything else.
            let _ = closing.await;
        }
        Some(watch.stats())
    }

    /// Takes no new peers and reads no more, but for what has come: go on with [`next`](Self::next) until
    /// there is none. Peers that are not done after 5 s are cut off.
    pub(crate) fn stop(&mut self) {
        self.arrivals.close();
        if let Some(live) = &mut self.live
            && let Some(collector) = live.collector.take()
        {
            live.closing = Some(tokio::spawn(collector.close()));
        }
    }

    /// What comes next; `None` when all inputs have ended. Sockets that listen never do by themselves.
    ///
    /// May be dropped and called again; nothing is lost between.
    pub(crate) async fn next(&mut self) -> Option<Arrival> {
        loop {
            let live = self.live.as_mut();
            let is_over = live.as_ref().is_none_or(|live| live.is_over);
            if self.is_read && is_over {
                // What was told last.
                return self.live.as_mut()?.next_event().now_or_never()?;
            }
            let came = async {
                match live {
                    None => self.arrivals.recv().await.ok_or(Over::Read),
                    Some(live) => tokio::select! {
                        arrival = self.arrivals.recv(), if !self.is_read => arrival.ok_or(Over::Read),
                        arrival = live.next(), if !live.is_over => arrival.ok_or(Over::Live),
                    },
                }
            };
            let came = tokio::select! {
                came = came => came,
                told = self.hangups.next() => Ok(Arrival::Told(told.into())),
            };
            match came {
                Ok(arrival) => return Some(arrival),
                Err(Over::Live) => {
                    if let Some(live) = &mut self.live {
                        live.is_over = true;
                    }
                }
                Err(Over::Read) => {
                    self.is_read = true;
                    if self.listening.is_empty() {
                        self.stop();
                    }
                }
            }
        }
    }
}

/// Whether a socket that was handed over is the one that is meant; of a TCP socket the port tells.
fn is_same_socket(handed: &Endpoint, meant: &Endpoint) -> bool {
    match (&handed.place, &meant.place) {
        (Place::Tcp(handed) | Place::Tls(handed), Place::Tcp(meant) | Place::Tls(meant)) => {
            handed.port == meant.port
        }
        (Place::Unix(handed), Place::Unix(meant)) => {
            std::path::absolute(handed).ok() == std::path::absolute(meant).ok()
        }
        _ => false,
    }
}

/// What has come to its end.
enum Over {
    /// Files, and connections of our own.
    Read,
    /// Everything that comes over sockets.
    Live,
}

impl Live {
    fn new(config: collector::Config) -> Self {
        let (collector, batches) = Collector::spawn(config);
        Self {
            watch: collector.watch(),
            collector: Some(collector),
            batches,
            closing: None,
            is_over: false,
        }
    }

    /// The next batch or event; `None` when no batch will come any more.
    async fn next(&mut self) -> Option<Arrival> {
        tokio::select! {
            batch = self.batches.next() => batch.map(parcel),
            told = next_event(&self.watch) => told,
        }
    }

    async fn next_event(&self) -> Option<Arrival> {
        next_event(&self.watch).await
    }
}

fn parcel(batch: Batch) -> Arrival {
    let source = Source::Peer {
        session: batch.session,
        peer: batch.peer.clone(),
    };
    let content_type = batch.content_type.clone();
    let (run, receipt) = batch.split();
    Arrival::Parcel(Parcel {
        run,
        source,
        content_type,
        ticket: Ticket(Some(receipt)),
    })
}

/// The next event that is worth telling.
async fn next_event(watch: &Watch) -> Option<Arrival> {
    loop {
        return Some(match watch.next_event().await {
            Event::Ended {
                session,
                peer,
                outcome,
                ..
            } => {
                let source = Source::Peer { session, peer };
                match outcome {
                    Ok(end) => Arrival::Ended { source, end },
                    Err(error) => Arrival::Broken { source, error },
                }
            }
            Event::Oversize { session, len } => Arrival::Told(Remark {
                text: format!(
                    "#{session}: a frame of {} is over the limit and was passed over",
                    units::counted(len.into(), "byte")
                ),
                oversize: Some(session),
            }),
            Event::Refused { peer } => {
                Arrival::Told(format!("{peer}: refused, there are too many connections").into())
            }
            Event::AcceptFailed { error } => Arrival::Told(error.to_string().into()),
            // That a peer has come is seen by what it brings.
            _ => continue,
        });
    }
}

pub(super) fn refused(endpoint: &Endpoint, error: EndpointError) -> Failure {
    let code = match &error {
        EndpointError::Unfit { .. } => Code::BadAddress,
        _ => Code::CannotOpen,
    };
    let failure = Failure::caused(code, error);
    match endpoint.place {
        Place::Unix(_) => failure,
        _ if code == Code::CannotOpen => failure.context(endpoint),
        _ => failure,
    }
}
