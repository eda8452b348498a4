//! A link that is listened to frame by frame, and what was lost on it.

use can_link::FilterSet;
use can_link::address::LinkAddress;
use can_link::link::{CanRxExt as _, Event, EventBuf, LinkChange, Received};

use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, AnyLink, End, Opened};

/// Events taken at once.
const BATCH: usize = 64;
/// What is asked of the kernel as receive buffer, where the link does not say: a burst of several thousand
/// frames.
const RECEIVE_BUFFER: usize = 8 << 20;

pub(crate) struct Watch {
    opened: Opened,
    incoming: EventBuf,
    /// Frames that the link lost before we saw them.
    pub(crate) dropped: u64,
}

impl Watch {
    pub(crate) async fn open(
        session: &Session,
        mut address: LinkAddress,
        filters: Option<&FilterSet>,
    ) -> Result<Self> {
        if let LinkAddress::SocketCan(socket) = &mut address {
            socket.receive_buffer.get_or_insert(RECEIVE_BUFFER);
        }
        Ok(Self {
            opened: links::open_filtered(&session.door, address, filters).await?,
            incoming: EventBuf::with_capacity(BATCH),
            dropped: 0,
        })
    }

    /// The name of the link, where a frame does not tell its own.
    pub(crate) fn name(&self) -> &str {
        &self.opened.name
    }

    /// The link, to send on.
    pub(crate) const fn link(&mut self) -> &mut AnyLink {
        &mut self.opened.link
    }

    /// The next frame and the name of its interface; `None` at the end of a log. What else happens is told
    /// as a notice, and losses are counted. Nothing is lost when the future is dropped.
    pub(crate) async fn frame(&mut self, session: &Session) -> Result<Option<(String, Received)>> {
        loop {
            if self.incoming.is_empty() {
                let taken = self.opened.link.recv_many(&mut self.incoming, BATCH).await;
                let taken = taken.map_err(|error| links::trouble(error, &self.opened.name))?;
                if taken == 0 {
                    return match self.opened.end {
                        End::Natural => Ok(None),
                        End::Lost => Err(Failure::new(
                            Code::Lost,
                            format!("{}: the link has ended", self.opened.name),
                        )),
                    };
                }
            }
            let Some(event) = self.incoming.pop_front() else {
                continue;
            };
            let label = self.opened.label(&event);
            match event {
                Event::Frame(received) => return Ok(Some((label, received))),
                other => self.note(session, &label, &other),
            }
        }
    }

    /// Whether another frame may be had without waiting.
    pub(crate) fn is_behind(&self) -> bool {
        !self.incoming.is_empty()
    }

    fn note(&mut self, session: &Session, label: &str, event: &Event) {
        let notice = |what: &dyn core::fmt::Display| session.output.notice(format_args!("{label}: {what}"));
        match event {
            Event::Dropped { count, .. } => self.dropped += count,
            Event::Link(LinkChange::Down) => notice(&"interface is down; waiting until it is up again"),
            Event::Link(change) => notice(change),
            Event::State(state) => notice(&format_args!("controller is {state}")),
            Event::BadInput(what) => notice(what),
            _ => {}
        }
    }
}
