//! The thread that keeps a broker fed.
//!
//! A connection lives in a runtime of its own and dies with it: what a client library still had to send when
//! its connection was lost can never overtake what the window sends again.

use core::fmt;
use core::hash::{BuildHasher as _, Hasher as _};
use std::collections::hash_map::RandomState;
use std::time::{Instant as StdInstant, SystemTime};

use fstrm_codec::ContentType;
use fstrm_codec::frame::OwnedRun;
use tinwire_time::{Instant, Origin};
use tokio::sync::{mpsc, oneshot, watch};

use super::address::{Kind, Oversize, Target};
use super::package::{Message, Packer};
use super::stats::DropReason;
use super::watch::Watch;
use super::window::{Config, Event, MAX_IN_FLIGHT, Window};
use crate::failure::{Code, Failure, Result};
use crate::units::counted;

/// Parcels between the relay and the thread: enough to keep both busy.
const PARCELS: usize = 16;
/// Things to tell that may wait for being told; when nobody listens, the newest are left out.
const NOTES: usize = 64;

/// Frames of one stream, and what is to happen when the broker has them.
pub(crate) struct Parcel {
    pub(crate) run: OwnedRun,
    pub(crate) content_type: Option<ContentType>,
    /// Called when all of the frames are stored or dropped by reason; dropped uncalled otherwise.
    pub(crate) confirm: Confirm,
}

/// What is called when frames are stored.
pub(crate) type Confirm = Box<dyn FnOnce() + Send>;

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel")
            .field("run", &self.run)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// Something that whoever runs the relay wants to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    Connected { target: String },
    Lost { target: String, why: String },
    Dropped { reason: DropReason, frames: u64 },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { target } => write!(f, "{target}: connected"),
            Self::Lost { target, why } => write!(f, "{target}: {why}; trying again"),
            Self::Dropped { reason, frames } => {
                write!(f, "{} dropped: {}", counted(*frames, "frame"), reason.name())
            }
        }
    }
}

/// A broker that frames are given to.
#[derive(Debug)]
pub(crate) struct Broker {
    parcels: mpsc::Sender<Parcel>,
    notes: mpsc::Receiver<Note>,
    ended: oneshot::Receiver<Result>,
    /// Its end is the thread's.
    _alive: watch::Sender<()>,
}

/// Where frames are given to a broker.
#[derive(Clone, Debug)]
pub(crate) struct Entry(mpsc::Sender<Parcel>);

impl Entry {
    /// Gives frames to the broker; waits while too much is outstanding.
    ///
    /// # Cancel safety
    ///
    /// The parcel was not taken when the future is dropped before it is done.
    pub(crate) async fn send(&self, parcel: Parcel) -> core::result::Result<(), Ended> {
        self.0.send(parcel).await.map_err(|_| Ended)
    }
}

/// The broker takes no more; [`Broker::close`] says why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended;

impl Broker {
    /// Starts the thread. Nobody needs to answer at the target yet.
    ///
    /// # Errors
    ///
    /// When this program was built without what the target needs, or no thread can be had.
    pub(crate) fn open(target: Target, watch: Watch) -> Result<Self> {
        require(target.kind)?;
        let (parcels, incoming) = mpsc::channel(PARCELS);
        let (tell, notes) = mpsc::channel(NOTES);
        let (end, ended) = oneshot::channel();
        let (alive, is_alive) = watch::channel(());
        let core = Core::new(&target, incoming, tell, is_alive, watch);
        std::thread::Builder::new()
            .name(format!("{} relay", target.kind.scheme()))
            .spawn(move || {
                // Nobody listens when the handle was dropped.
                let _ = end.send(run(&target, core));
            })
            .map_err(|error| Failure::caused(Code::CannotOpen, error).context("starting a thread"))?;
        Ok(Self {
            parcels,
            notes,
            ended,
            _alive: alive,
        })
    }

    /// Where frames are given to the broker.
    pub(crate) fn entry(&self) -> Entry {
        Entry(self.parcels.clone())
    }

    /// The next thing to tell; `None` when the thread has ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next_note(&mut self) -> Option<Note> {
        self.notes.recv().await
    }

    /// Waits until all that was given is stored or dropped by reason. Dropped before, it ends the thread.
    ///
    /// # Errors
    ///
    /// What ended the thread before.
    pub(crate) async fn close(mut self, mut tell: impl FnMut(Note)) -> Result {
        drop(self.parcels);
        // Until its end, which is the end of what it tells.
        while let Some(note) = self.notes.recv().await {
            tell(note);
        }
        let ended = self.ended.await;
        ended.unwrap_or_else(|_| Err(Failure::new(Code::Lost, "the thread of the broker has ended")))
    }
}

/// Whether this program can speak to such a broker.
fn require(kind: Kind) -> Result {
    let is_built = match kind {
        Kind::Nats => cfg!(feature = "nats"),
        Kind::Kafka => cfg!(feature = "kafka"),
    };
    if is_built {
        return Ok(());
    }
    let scheme = kind.scheme();
    let message = format!("this tinwire was built without {scheme}");
    Err(Failure::new(Code::Usage, message).hint(format!("cargo install tinwire --features {scheme}")))
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// All is stored and nothing more will come, or nobody wants it any more.
    Over,
    /// It is gone; a new one may help.
    Lost(String),
}

fn run(target: &Target, mut core: Core) -> Result {
    loop {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::caused(Code::CannotOpen, error).context("starting the runtime"))?;
        let end = runtime.block_on(core.attempt(target));
        runtime.shutdown_background();
        core.publish_stats();
        match end? {
            End::Over => return Ok(()),
            End::Lost(why) => core.lost(target, why),
        }
    }
}

/// What all connections share.
#[derive(Debug)]
pub(super) struct Core {
    window: Window<Mark>,
    packer: Packer,
    oversize: Oversize,
    /// Tells this process' messages from those of others and of earlier ones.
    pub(super) relay: String,
    incoming: mpsc::Receiver<Parcel>,
    /// No more will come.
    is_closing: bool,
    notes: mpsc::Sender<Note>,
    alive: watch::Receiver<()>,
    watch: Watch,
    clock: Origin,
    /// Why the last connection was lost, so that the same is not told for every attempt.
    told: Option<String>,
}

/// What a window gives back.
struct Mark(Confirm);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

/// What a driver has to look at.
#[derive(Debug)]
pub(super) enum Turn<A> {
    /// Give what may be given.
    Again,
    /// The connection said something.
    Answer(A),
    /// The connection is to be left.
    End(End),
}

impl Core {
    fn new(
        target: &Target,
        incoming: mpsc::Receiver<Parcel>,
        notes: mpsc::Sender<Note>,
        alive: watch::Receiver<()>,
        watch: Watch,
    ) -> Self {
        let seed = RandomState::new().build_hasher().finish();
        let clock = Origin::new(StdInstant::now());
        let config = Config {
            max_bytes: target.window,
            max_in_flight: MAX_IN_FLIGHT,
            ack_timeout: target.timeout,
        };
        Self {
            window: Window::new(config, seed, clock.at(StdInstant::now())),
            packer: Packer::new(target.grain, target.kind == Kind::Kafka, usize::MAX),
            oversize: target.oversize,
            relay: format!("{seed:016x}"),
            incoming,
            is_closing: false,
            notes,
            alive,
            watch,
            clock,
            told: None,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.at(StdInstant::now())
    }

    /// Waits until it is time, connects, and serves the connection until its end.
    async fn attempt(&mut self, target: &Target) -> Result<End> {
        let mut alive = self.alive.clone();
        while let Some(at) = self.window.poll_timeout() {
            tokio::select! {
                () = sleep_until(self.clock, Some(at)) => {}
                // The handle is gone.
                _ = alive.changed() => return Ok(End::Over),
            }
            let now = self.now();
            self.window.handle_timeout(now);
            if matches!(self.window.poll_event(), Some(Event::Connect)) {
                break;
            }
        }
        tokio::select! {
            end = self.serve(target) => end,
            _ = alive.changed() => Ok(End::Over),
        }
    }

    #[cfg_attr(
        not(any(feature = "nats", feature = "kafka")),
        expect(
            clippy::needless_pass_by_ref_mut,
            reason = "the drivers that were not built change it"
        )
    )]
    async fn serve(&mut self, target: &Target) -> Result<End> {
        match target.kind {
            #[cfg(feature = "nats")]
            Kind::Nats => super::nats::serve(target, self).await,
            #[cfg(feature = "kafka")]
            Kind::Kafka => super::kafka::serve(target, self).await,
            #[cfg(not(all(feature = "nats", feature = "kafka")))]
            kind => require(kind).map(|()| End::Over),
        }
    }

    /// A connection stands, whose messages may have `limit` bytes.
    pub(super) fn connected(&mut self, target: &Target, limit: usize) {
        self.packer
            .set_limit(target.max.map_or(limit, |max| max.min(limit)));
        self.window.handle_connected();
        self.told = None;
        self.publish_stats();
        self.note(Note::Connected {
            target: target.to_string(),
        });
    }

    fn lost(&mut self, target: &Target, why: String) {
        let now = self.now();
        self.window.handle_lost(now);
        self.publish_stats();
        if self.told.as_ref() != Some(&why) {
            self.note(Note::Lost {
                target: target.to_string(),
                why: why.clone(),
            });
            self.told = Some(why);
        }
    }

    /// The next message for the connection, and when it was given.
    pub(super) fn next_message(&mut self) -> Option<&Message> {
        let now = self.now();
        self.window.poll_transmit(now)
    }

    pub(super) fn stored(&mut self, number: u64, duplicate: bool) {
        let now = self.now();
        self.window.handle_ack(now, number, duplicate);
    }

    pub(super) fn refused(&mut self, number: u64, reason: DropReason) {
        let now = self.now();
        self.window.handle_refused(now, number, reason);
    }

    /// Whether the broker has ever stored anything of ours.
    pub(super) fn has_stored(&self) -> bool {
        self.window.stats().stored > 0
    }

    /// Waits for what comes first: frames to take, time that is over, or what `answer` gives.
    pub(super) async fn turn<A>(&mut self, answer: impl Future<Output = A>) -> Result<Turn<A>> {
        self.settle()?;
        if self.is_closing && self.window.is_idle() {
            return Ok(Turn::End(End::Over));
        }
        let (clock, timeout) = (self.clock, self.window.poll_timeout());
        let is_taking = !self.is_closing && self.window.has_room();
        let taken = tokio::select! {
            biased;
            answer = answer => return Ok(Turn::Answer(answer)),
            parcel = self.incoming.recv(), if is_taking => parcel,
            () = sleep_until(clock, timeout) => {
                let now = self.now();
                let is_overdue = self.window.handle_timeout(now);
                let silent = || End::Lost("no acknowledgement in time".to_owned());
                return Ok(if is_overdue { Turn::End(silent()) } else { Turn::Again });
            }
        };
        match taken {
            Some(parcel) => {
                self.take(parcel);
                // What else has come in the meantime goes with it.
                while self.window.has_room()
                    && let Ok(parcel) = self.incoming.try_recv()
                {
                    self.take(parcel);
                }
            }
            None => self.is_closing = true,
        }
        self.settle()?;
        Ok(Turn::Again)
    }

    fn take(&mut self, parcel: Parcel) {
        let content_type = parcel.content_type.as_ref();
        let packed = self
            .packer
            .pack(parcel.run.payloads(), content_type, SystemTime::now());
        let too_large = u64::try_from(packed.too_large.len()).unwrap_or(u64::MAX);
        self.window
            .offer(packed.messages, too_large, Mark(parcel.confirm));
    }

    /// Confirms and tells what there is, and ends where the address says so.
    fn settle(&mut self) -> Result {
        // First: who is told that frames are stored finds them counted.
        self.publish_stats();
        while let Some(event) = self.window.poll_event() {
            match event {
                Event::Confirmed(Mark(confirm)) => confirm(),
                Event::Dropped { reason, frames } if self.oversize == Oversize::End => {
                    let message = format!("{frames} frames cannot be stored: {}", reason.name());
                    return Err(Failure::new(Code::NotSent, message));
                }
                Event::Dropped { reason, frames } => self.note(Note::Dropped { reason, frames }),
                // Only while there is no connection, and then `attempt` takes it.
                Event::Connect => {}
            }
        }
        Ok(())
    }

    fn publish_stats(&self) {
        self.watch.publish(self.window.stats());
    }

    fn note(&self, note: Note) {
        // Whoever does not read notes wants none.
        let _ = self.notes.try_send(note);
    }
}

async fn sleep_until(clock: Origin, at: Option<Instant>) {
    match at.and_then(|at| clock.deadline(at)) {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => core::future::pending().await,
    }
}
