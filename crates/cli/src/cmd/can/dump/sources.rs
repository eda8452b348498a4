//! The links of a dump, received from in turn.

use core::task::{Context, Poll};
use std::collections::VecDeque;

use can_link::FilterSet;
use can_link::address::LinkAddress;
use can_link::candump::parse_filters;
use can_link::link::{CanRx, Event};
use futures::future::poll_fn;

use super::super::super::Session;
use crate::args::can::Dump;
use crate::failure::{Code, Failure, Result};
use crate::links::{self, End, Opened};

/// Events taken from one link before the next one has its turn.
const BATCH: usize = 64;
/// As many as candump takes.
const MAX_LINKS: usize = 16;

/// An event and the name of its link.
#[derive(Debug)]
pub(super) struct Tagged {
    pub(super) link: String,
    pub(super) event: Event,
}

pub(super) struct Sources {
    /// Links that have not ended.
    open: Vec<Opened>,
    /// How the last link that ended did.
    end: End,
    incoming: VecDeque<Event>,
}

impl Sources {
    /// Opens what the command line names, or the configured link.
    pub(super) async fn open(session: &Session, args: &Dump) -> Result<Self> {
        if args.links.len() > MAX_LINKS {
            let message = format!(
                "{} links; at most {MAX_LINKS} are shown at once",
                args.links.len()
            );
            return Err(Failure::new(Code::Usage, message));
        }
        let mut open = Vec::new();
        for (address, filters) in understand(session, args)? {
            open.push(links::open_filtered(&session.door, address, filters.as_ref()).await?);
        }
        Ok(Self {
            open,
            end: End::Lost,
            incoming: VecDeque::new(),
        })
    }

    /// Appends events of all links; tells how the last one ended when it has. Nothing is lost when the future
    /// is dropped.
    pub(super) async fn recv(&mut self, out: &mut Vec<Tagged>) -> Result<Option<End>> {
        poll_fn(|cx| self.poll_recv(cx, out)).await
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, out: &mut Vec<Tagged>) -> Poll<Result<Option<End>>> {
        let mut at = 0;
        while let Some(source) = self.open.get_mut(at) {
            match source.link.poll_recv(cx, &mut self.incoming, BATCH) {
                Poll::Pending => {
                    at += 1;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(links::trouble(error, &source.name))),
                Poll::Ready(Ok(0)) => self.end = self.open.remove(at).end,
                Poll::Ready(Ok(_)) => {
                    out.extend(self.incoming.drain(..).map(|event| Tagged {
                        link: source.label(&event),
                        event,
                    }));
                    at += 1;
                }
            }
        }
        match (out.is_empty(), self.open.is_empty()) {
            (false, _) => Poll::Ready(Ok(None)),
            (true, true) => Poll::Ready(Ok(Some(self.end))),
            (true, false) => Poll::Pending,
        }
    }
}

/// The links and their filters; all are understood before the first one is opened.
fn understand(session: &Session, args: &Dump) -> Result<Vec<(LinkAddress, Option<FilterSet>)>> {
    let halves = |text: &'_ str| match text.split_once(',') {
        Some((address, filters)) => (address.to_owned(), Some(filters.to_owned())),
        None => (text.to_owned(), None),
    };
    let named: Vec<_> = args.links.iter().map(|text| halves(text)).collect();
    if named.is_empty() {
        let address = links::named_or_configured(session, None)?;
        return Ok(vec![(
            links::with_receive_buffer(address, args.receive_buffer)?,
            None,
        )]);
    }
    named
        .into_iter()
        .map(|(address, filters)| {
            let address = links::with_receive_buffer(links::parse(&address)?, args.receive_buffer)?;
            let filters = filters
                .map(|text| parse_filters(&text))
                .transpose()
                .map_err(|error| Failure::caused(Code::Usage, error))?;
            Ok((address, filters))
        })
        .collect()
}
