//! Where frames go to: files, standard output, collectors; each behind a lane of its own.

use core::convert::Infallible;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::io::{self, IsTerminal as _};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use fstrm_codec::conn::ConnError;
use fstrm_codec::endpoint::{Connect, Dialer, Direction, Endpoint, Listener, Place};
use fstrm_codec::handshake::HandshakeError;
use fstrm_codec::queue::{self, Delivery};
use fstrm_codec::rotate::Now;
use fstrm_codec::sender::{self, Sender};
use fstrm_codec::store::{self, Folder, Recorder, RecorderConfig, Store};
use fstrm_codec::{Config, ContentType, Mode, OwnedRun};
use futures::StreamExt as _;
use tinwire_time::Instant;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use super::inputs::refused;
use super::lane::{Ack, Entry, Exit, Freight, LaneStats, Meter, OnFull, lane};
use super::{Settings, Ticket};
use crate::failure::{Code, Failure, Result};
use crate::units;

/// Bytes that a sender holds beside its lane.
const SENDER_BYTES: u64 = 1 << 20;
/// Silence after which frames that wait for confirmation are asked about.
const LULL: Duration = Duration::from_millis(50);
/// How long they wait at most while frames keep coming.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a disk that takes nothing is waited for at the end.
const LAST_WRITE: Duration = Duration::from_secs(10);
/// How long a collector may take nothing at the end.
const LAST_SEND: Duration = Duration::from_secs(5);

/// How outputs behave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutputConfig {
    pub(crate) on_full: OnFull,
    /// Bytes that wait at most.
    pub(crate) queue: usize,
    pub(crate) delivery: Delivery,
    pub(crate) mode: Mode,
}

/// What an output has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Frames that are where they should be.
    pub(crate) frames: u64,
    /// Frames that never can be, by a rule that was told: too large for a broker.
    pub(crate) dropped: u64,
    /// Whether frames came back because the collector did not answer STOP.
    pub(crate) is_unanswered: bool,
}

/// Somebody who takes freight out of a lane and confirms what is where it should be: a broker, say.
///
/// It returns when the lane has ended, and all is confirmed or given up.
pub(crate) trait Carrier: Send + 'static {
    /// Carries what comes out of `exit`; `told` is for remarks.
    fn carry(self, exit: Exit, told: mpsc::Sender<String>) -> impl Future<Output = Result<Delivered>> + Send;
}

/// One output at work.
#[derive(Debug)]
pub(crate) struct Output {
    name: String,
    entry: Entry,
    task: JoinHandle<Result<Delivered>>,
    over: watch::Receiver<bool>,
    on_full: OnFull,
}

impl Output {
    /// Opens an endpoint for a stream of that content type.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        settings: &Settings,
        config: OutputConfig,
        content_type: Option<&ContentType>,
        told: &mpsc::Sender<String>,
    ) -> Result<Self> {
        let name = endpoint.to_string();
        match endpoint.direction_or(Direction::Dial) {
            None => Ok(Self::carried(
                name,
                config,
                Disk {
                    store: open_store(endpoint, settings, content_type)?,
                },
                told,
            )),
            Some(direction) => {
                let config_of_sender = sender_config(settings, config, content_type);
                let sender = if direction == Direction::Dial {
                    let dialer = Dialer::new(endpoint, settings.dial.clone());
                    spawn(
                        dialer.map_err(|error| refused(endpoint, error))?,
                        config_of_sender,
                    )
                } else {
                    let listener = Listener::bind(endpoint, settings.listen.clone()).await;
                    spawn(
                        listener.map_err(|error| refused(endpoint, error))?,
                        config_of_sender,
                    )
                }?;
                let carrier = Remote {
                    name: name.clone(),
                    sender,
                    delivery: config.delivery,
                };
                Ok(Self::carried(name, config, carrier, told))
            }
        }
    }

    /// An output of any kind, behind a lane.
    pub(crate) fn carried(
        name: String,
        config: OutputConfig,
        carrier: impl Carrier,
        told: &mpsc::Sender<String>,
    ) -> Self {
        let (entry, exit) = lane(config.on_full, config.queue);
        let (ended, over) = watch::channel(false);
        let told = told.clone();
        // Where nothing may be lost everything ends with it, and its failure is told then.
        let loser = (config.on_full != OnFull::Block).then(|| name.clone());
        let task = tokio::spawn(async move {
            let outcome = carrier.carry(exit, told.clone()).await;
            if let (Some(name), Err(failure)) = (loser, &outcome) {
                let remark = format!("{name} has failed, its frames are dropped: {}", failure.message());
                // Remarks that nobody has time for are not worth waiting for.
                let _ = told.try_send(remark);
            }
            ended.send_replace(true);
            outcome
        });
        Self {
            name,
            entry,
            task,
            over,
            on_full: config.on_full,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) const fn on_full(&self) -> OnFull {
        self.on_full
    }

    pub(crate) fn stats(&self) -> LaneStats {
        self.entry.stats()
    }

    /// For whoever shows figures.
    pub(crate) fn meter(&self) -> Meter {
        self.entry.meter()
    }

    /// Completes when it has ended, which it does not before it is closed unless it has failed.
    pub(crate) async fn over(&self) {
        // Who would tell is gone when it has been told, or when a panic has ended it.
        let _ = self.over.clone().wait_for(|is_over| *is_over).await;
    }

    pub(crate) async fn offer(&self, freight: Freight) {
        self.entry.offer(freight).await;
    }

    /// Nothing more comes.
    pub(crate) fn close(&self) {
        self.entry.close();
    }

    /// Waits until everything is where it should be, or given up.
    pub(crate) async fn finished(&mut self) -> Result<Delivered> {
        let ended = (&mut self.task).await;
        ended.map_err(|error| Failure::caused(Code::Lost, error).context(&self.name))?
    }
}

/// Gives a parcel to every output.
pub(crate) fn shares(ticket: Ticket, run: &OwnedRun, outputs: usize) -> Vec<Freight> {
    Ack::share(ticket, outputs)
        .map(|ack| Freight {
            run: run.clone(),
            ack,
        })
        .collect()
}

fn spawn<C: Connect + Send + 'static>(connect: C, config: sender::Config) -> Result<Sender> {
    Sender::spawn(connect, config).map_err(|error| Failure::caused(Code::Usage, error))
}

fn sender_config(
    settings: &Settings,
    config: OutputConfig,
    content_type: Option<&ContentType>,
) -> sender::Config {
    let mut handshake = Config::new()
        .mode(config.mode)
        .max_data(settings.max_frame)
        .handshake_timeout(settings.handshake_timeout);
    if let Some(content_type) = content_type {
        handshake = handshake.content_type(content_type.clone());
    }
    let bytes = core::num::NonZeroU64::new(SENDER_BYTES).unwrap_or(core::num::NonZeroU64::MIN);
    sender::Config::new()
        .handshake(handshake)
        .queue(queue::Config::new().max_bytes(bytes).delivery(config.delivery))
        .confirm_interval(PATIENCE)
}

fn open_store(
    endpoint: &Endpoint,
    settings: &Settings,
    content_type: Option<&ContentType>,
) -> Result<Store<Folder>> {
    let mut config = store::Config::new().limits(settings.stream.frame());
    if let Some(content_type) = content_type {
        config = config.content_type(content_type.clone());
    }
    let now = Now {
        at: Instant::ZERO,
        wall: SystemTime::now(),
    };
    match &endpoint.place {
        Place::File(path) => {
            let store = Store::open(Folder, path.clone(), config, now);
            store.map_err(|error| Failure::caused(Code::File, error))
        }
        _ if io::stdout().is_terminal() => {
            Err(Failure::new(Code::Usage, "frames are nothing for a terminal")
                .hint("name a file, or pipe them"))
        }
        _ => Store::stream(io::stdout(), "-", config, now).map_err(|error| Failure::stdout(error.into())),
    }
}

/// A file, or standard output.
struct Disk {
    store: Store<Folder>,
}

impl Carrier for Disk {
    async fn carry(self, exit: Exit, told: mpsc::Sender<String>) -> Result<Delivered> {
        let closing = exit.closing();
        let recorder = Recorder::spawn(self.store, exit, RecorderConfig::new());
        let mut recorder = recorder.map_err(|error| Failure::caused(Code::File, error))?;
        let overdue = async {
            closing.wait().await;
            tokio::time::sleep(LAST_WRITE).await;
        };
        tokio::select! {
            () = tell_events(&mut recorder, &told) => {}
            // A disk that is full now may be so for ever.
            () = overdue => {}
        }
        let stats = recorder.handle();
        match recorder.close().await {
            Ok(_) => Ok(Delivered {
                frames: stats.stats().store.frames,
                ..Delivered::default()
            }),
            Err(error) if error.error.kind() == io::ErrorKind::BrokenPipe => {
                Err(Failure::stdout(io::ErrorKind::BrokenPipe.into()))
            }
            Err(error) => Err(Failure::caused(Code::File, error)),
        }
    }
}

/// Passes on what happens to files, until the recorder has ended.
async fn tell_events(recorder: &mut Recorder, told: &mpsc::Sender<String>) {
    while let Some(event) = recorder.next_event().await {
        let text = match &event {
            store::Event::Failed { path, error } => {
                let place = path
                    .as_deref()
                    .map_or_else(String::new, |path| format!("{}: ", path.display()));
                format!("{place}{error}; what came is kept, and tried again")
            }
            store::Event::Recovered { after } => format!("writing goes on after {after:.1?}"),
            store::Event::SyncFailed { path, error } => format!("{}: {error}", path.display()),
            store::Event::Abandoned { path, frames } => {
                let frames = units::counted(*frames, "frame");
                format!("{}: left without STOP after {frames}", path.display())
            }
            _ => continue,
        };
        // Remarks that nobody has time for are not worth waiting for.
        let _ = told.try_send(text);
    }
}

/// A collector.
struct Remote {
    name: String,
    sender: Sender,
    delivery: Delivery,
}

impl Carrier for Remote {
    async fn carry(self, exit: Exit, told: mpsc::Sender<String>) -> Result<Delivered> {
        let Self {
            name,
            sender,
            delivery,
        } = self;
        let is_unanswered = AtomicBool::new(false);
        let acks = Acks::default();
        let work = async {
            let closing = exit.closing();
            let mut feeding = pin!(feed(&sender, exit, &acks));
            let fed = tokio::select! {
                fed = &mut feeding => Some(fed),
                () = closing.wait() => while_moving(&sender, feeding).await,
            };
            let timeout = match fed {
                Some(fed) => {
                    fed?;
                    while_moving(&sender, sender.flush())
                        .await
                        .map(|_flushed| LAST_SEND)
                }
                None => None,
            };
            // The others go on: what happens at the end is worth telling too.
            Ok(sender.clone().close_within(timeout.unwrap_or_default()).await)
        };
        let report = tokio::select! {
            report = work => report,
            never = confirm(&sender, &acks) => match never {},
            never = tell(&name, &sender, &told, delivery, &is_unanswered) => match never {},
        };
        let report =
            report.map_err(|error: sender::SendError| Failure::caused(Code::Lost, error).context(&name))?;
        let frames = report.stats.frames;
        if report.left() == 0 {
            acks.confirm(usize::MAX);
        }
        Ok(Delivered {
            frames: frames.sent,
            dropped: frames.dropped.refused,
            is_unanswered: is_unanswered.into_inner(),
        })
    }
}

/// Waits for something at the end, but not for a collector that takes nothing: that may be so for ever.
async fn while_moving<T>(sender: &Sender, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut before = sender.stats().frames.sent;
    loop {
        if let Ok(output) = tokio::time::timeout(LAST_SEND, &mut future).await {
            return Some(output);
        }
        let sent = sender.stats().frames.sent;
        if core::mem::replace(&mut before, sent) == sent {
            return None;
        }
    }
}

/// What was handed to a sender and is not where it should be yet.
#[derive(Debug, Default)]
struct Acks {
    waiting: Mutex<Vec<Ack>>,
    came: Notify,
}

impl Acks {
    fn len(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn push(&self, ack: Ack) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(ack);
        self.came.notify_one();
    }

    /// Confirms the oldest ones.
    fn confirm(&self, count: usize) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = count.min(waiting.len());
        waiting.drain(..count).for_each(Ack::confirm);
    }
}

async fn feed(sender: &Sender, mut exit: Exit, acks: &Acks) -> core::result::Result<(), sender::SendError> {
    while let Some(Freight { run, ack }) = exit.next().await {
        sender.send_run(run).await?;
        acks.push(ack);
    }
    Ok(())
}

/// Asks what has arrived: in a lull, and once a second while there is none. Each answer ends a stream and
/// begins the next, so it is not asked for without need.
async fn confirm(sender: &Sender, acks: &Acks) -> Infallible {
    loop {
        while acks.len() == 0 {
            acks.came.notified().await;
        }
        let lull = async { while tokio::time::timeout(LULL, acks.came.notified()).await.is_ok() {} };
        // Either is a reason to ask.
        let _ = tokio::time::timeout(PATIENCE, lull).await;
        let count = acks.len();
        if sender.flush().await.is_err() {
            return core::future::pending().await;
        }
        acks.confirm(count);
    }
}

/// Passes on what happens to the connection; attempts in a row are one remark.
async fn tell(
    name: &str,
    sender: &Sender,
    told: &mpsc::Sender<String>,
    delivery: Delivery,
    is_unanswered: &AtomicBool,
) -> Infallible {
    let mut is_known = false;
    while let Some(event) = sender.next_event().await {
        let text = match event {
            sender::Event::Connected { .. } => {
                if !core::mem::take(&mut is_known) {
                    continue;
                }
                format!("{name}: connected")
            }
            sender::Event::NotConnected { error, .. } => {
                if core::mem::replace(&mut is_known, true) {
                    continue;
                }
                format!("{}; tried again", chain(name, &error))
            }
            sender::Event::Lost { error, .. } => {
                is_known = true;
                // What was written is done, and sent no second time.
                if is_no_answer(&error) && delivery == Delivery::Confirmed {
                    is_unanswered.store(true, Ordering::Relaxed);
                }
                format!("{}; tried again", chain(name, &error))
            }
            sender::Event::Dropped {
                cause: sender::Cause::Refused,
                frames,
            } => {
                let frames = units::counted(frames, "frame");
                format!("{name}: it closes the connection at {frames}, now dropped: over its limit?")
            }
            _ => continue,
        };
        // Remarks that nobody has time for are not worth waiting for.
        let _ = told.try_send(text);
    }
    core::future::pending().await
}

/// What helps where a collector never says that it has the frames: they are sent again and again.
pub(crate) const UNANSWERED: &str = "--delivery written is for collectors that never answer STOP";

/// Whether a collector has not said that it has the frames.
pub(crate) const fn is_no_answer(error: &ConnError) -> bool {
    matches!(error, ConnError::Handshake(HandshakeError::NoFinish { .. }))
}

/// An error with its causes, in one line that names the output.
fn chain(name: &str, error: &dyn core::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    if text.contains(name) {
        text
    } else {
        format!("{name}: {text}")
    }
}
