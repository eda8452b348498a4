//! A link that is listened to besides: what passes by on the bus, whoever it is for.
//!
//! A node's interface asks its link for frames with its own addresses. Here everything is heard, told to an
//! [`Overheard`], and only then filtered as the interface asked. When nothing answers, what was overheard is
//! often the reason.

use core::task::{Context, Poll};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use can_link::error_frame::{BusState, Cause, ErrorClasses};
use can_link::link::{
    CanRx, CanTx, Capabilities, Event, EventBuf, FilterPlace, LinkChange, LinkError, Origin, SendError,
};
use can_link::{CanFrame, ExtendedId, Filter, FilterSet, Id};
use csp_can::{Cfp1Id, Cfp2Id, Sender};
use csp_core::{Address, Header, Port, Version};

use crate::links::AnyLink;

/// Different talks that are remembered; further ones are only counted as frames.
const MAX_TALKS: usize = 512;
/// How often in a row the link is asked when all that came was filtered out.
const MAX_ROUNDS: usize = 32;

/// What passed by on a link.
#[derive(Clone, Debug, Default)]
pub(super) struct Overheard {
    /// Frames of others, whatever they carried.
    pub(super) frames: u64,
    /// Packets that began, by header version and by who talked to whom.
    pub(super) talks: BTreeMap<Talk, u64>,
    /// Those of them whose identifiers have source and destination in the order of csp-py.
    pub(super) swapped: BTreeMap<Talk, u64>,
    /// Whether the link is down.
    pub(super) is_down: bool,
    /// The controller's state.
    pub(super) state: BusState,
    /// Reports that nobody acknowledged a frame.
    pub(super) unacknowledged: u64,
    /// What the link said last when it did not send.
    pub(super) not_sent: Option<String>,
}

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Talk {
    pub(super) version: Version,
    pub(super) source: Address,
    pub(super) source_port: Port,
    pub(super) destination: Address,
    pub(super) destination_port: Port,
}

impl Overheard {
    /// Packets that began in talks of which `which` holds.
    pub(super) fn count(&self, which: impl Fn(&Talk) -> bool) -> u64 {
        self.talks
            .iter()
            .filter(|(talk, _)| which(talk))
            .map(|(_, count)| count)
            .sum()
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Frame(received) if received.origin != Origin::Own => {
                self.frames += 1;
                if let Some(talk) = Talk::begun_by(&received.frame)
                    && (self.talks.len() < MAX_TALKS || self.talks.contains_key(&talk))
                {
                    *self.talks.entry(talk).or_default() += 1;
                    if talk.is_swapped(&received.frame) {
                        *self.swapped.entry(talk).or_default() += 1;
                    }
                }
            }
            Event::BusError(error) => {
                let causes = error.report.causes();
                let unacknowledged = causes.filter(|cause| matches!(cause, Cause::NoAcknowledgement));
                self.unacknowledged += u64::try_from(unacknowledged.count()).unwrap_or_default();
                self.state = self.state.after(&error.report);
            }
            Event::State(state) => self.state = *state,
            Event::Link(change) => {
                self.is_down = matches!(change, LinkChange::Down | LinkChange::Gone);
            }
            _ => {}
        }
    }
}

impl Talk {
    /// The packet that begins with `frame`, if one does, in the one of both forms that agrees with itself.
    ///
    /// A first frame of CFP 1 says three things twice: the source, that it is the first, and the length. One
    /// of CFP 2 says the low bits of the source twice, where nobody forwards it.
    pub(super) fn begun_by(frame: &CanFrame) -> Option<Self> {
        let Id::Extended(id) = frame.id() else {
            return None;
        };
        if frame.is_remote() {
            return None;
        }
        cfp1(id, frame.payload()).or_else(|| cfp2(id, frame.payload()))
    }

    /// Whether the identifier of its first frame has the destination where libcsp has the source.
    fn is_swapped(&self, frame: &CanFrame) -> bool {
        let Id::Extended(id) = frame.id() else {
            return false;
        };
        self.version == Version::V1 && Cfp1Id::from_id(id).source != self.source
    }

    const fn of(version: Version, header: &Header) -> Self {
        Self {
            version,
            source: header.source,
            source_port: header.source_port,
            destination: header.destination,
            destination_port: header.destination_port,
        }
    }
}

fn cfp1(id: ExtendedId, data: &[u8]) -> Option<Talk> {
    let id = Cfp1Id::from_id(id);
    let (header, rest) = Header::decode(Version::V1, data).ok()?;
    let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
    // csp-py has source and destination the other way round.
    let is_first = !id.more
        && [id.source, id.destination].contains(&header.source)
        && (length + 5) / 8 == usize::from(id.remaining);
    is_first.then(|| Talk::of(Version::V1, &header))
}

fn cfp2(id: ExtendedId, data: &[u8]) -> Option<Talk> {
    let id = Cfp2Id::from_id(id);
    let [a, b, c, d] = *data.first_chunk()?;
    let word = u16::from(id.priority.to_bits()) << 14 | id.destination.to_bits();
    let [high, low] = word.to_be_bytes();
    let (header, _) = Header::decode(Version::V2, &[high, low, a, b, c, d]).ok()?;
    let is_first = id.begin && Sender::of(Version::V2, header.source) == id.sender;
    is_first.then(|| Talk::of(Version::V2, &header))
}

/// Where what is overheard is kept. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear(Arc<Mutex<Overheard>>);

impl Ear {
    /// What was overheard so far.
    pub(super) fn heard(&self) -> Overheard {
        self.with(|heard| heard.clone())
    }

    fn with<T>(&self, what: impl FnOnce(&mut Overheard) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A link, and who listens to it besides.
pub(super) struct Listened {
    link: AnyLink,
    ear: Ear,
    /// What the owner wants of it.
    filters: FilterSet,
    events: EventBuf,
}

impl Listened {
    /// Listens to all of `link`.
    ///
    /// # Errors
    /// The link refuses to deliver everything.
    pub(super) fn new(mut link: AnyLink, ear: Ear) -> Result<Self, LinkError> {
        let filters = FilterSet::any([Filter::ALL]);
        link.set_filters(&filters.clone().with_errors(ErrorClasses::ALL))?;
        Ok(Self {
            link,
            ear,
            filters,
            events: EventBuf::new(),
        })
    }

    fn note<T>(&self, sent: Poll<Result<T, SendError>>) -> Poll<Result<T, SendError>> {
        if let Poll::Ready(Err(error)) = &sent {
            self.ear.with(|heard| heard.not_sent = Some(error.to_string()));
        }
        sent
    }
}

impl CanRx for Listened {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        for _ in 0..MAX_ROUNDS {
            if core::task::ready!(self.link.poll_recv(cx, &mut self.events, max))? == 0 {
                return Poll::Ready(Ok(0));
            }
            let before = out.len();
            self.ear.with(|heard| {
                for event in self.events.drain(..) {
                    heard.take(&event);
                    let is_wanted = match &event {
                        Event::Frame(received) => self.filters.accepts(&received.frame),
                        Event::BusError(_) => false,
                        _ => true,
                    };
                    if is_wanted {
                        out.push_back(event);
                    }
                }
            });
            let passed = out.len() - before;
            if passed > 0 {
                return Poll::Ready(Ok(passed));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.filters = filters.clone();
        Ok(FilterPlace::Software)
    }

    fn capabilities(&self) -> Capabilities {
        self.link.capabilities()
    }
}

impl CanTx for Listened {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        let sent = self.link.poll_send(cx, frames);
        self.note(sent)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let flushed = self.link.poll_flush(cx);
        self.note(flushed)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.link.poll_close(cx)
    }
}
