//! From inputs to outlets: what `cat`, `listen` and `dial` do.

use std::collections::BTreeMap;

use fstrm_codec::collector::SessionId;
use fstrm_codec::{End, OwnedRun};

use super::counts::Counts;
use super::manners::Manners;
use super::outlet::Outlets;
use super::printer::{Printer, Wanted};
use crate::cmd::Session;
use crate::cmd::fstrm::check_end;
use crate::cmd::streams::{Arrival, Crowd, Inputs, Source, Ticket, chain};
use crate::failure::Result;
use crate::units;

/// Runs that are written before those who sent them are told.
const TOGETHER: usize = 64;

/// A command at work.
#[derive(Debug)]
pub(super) struct Show {
    printer: Printer,
    outlets: Outlets,
    manners: Manners,
    counts: Counts,
    /// Frames and bytes of peers that are still there.
    peers: BTreeMap<SessionId, (u64, u64)>,
    crowd: Crowd,
    /// Of runs that are written, but perhaps not flushed.
    tickets: Vec<Ticket>,
    /// Whether something was written and not flushed.
    is_dirty: bool,
    /// Whether the file at hand gave anything.
    has_started: bool,
}

impl Show {
    pub(super) fn new(wanted: Wanted, outlets: Outlets) -> Self {
        Self {
            printer: Printer::new(wanted),
            outlets,
            manners: Manners::default(),
            counts: Counts::default(),
            peers: BTreeMap::new(),
            crowd: Crowd::new(),
            tickets: Vec::new(),
            is_dirty: false,
            has_started: false,
        }
    }

    /// With these manners instead of our own.
    pub(super) fn with(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// Shows what comes, until it ends or somebody ends it.
    pub(super) async fn run(mut self, session: &mut Session, mut inputs: Inputs) -> Result {
        let ended = self.all(session, &mut inputs).await;
        let ended = match ended {
            Ok(()) => self.flush(session).await,
            failed => failed,
        };
        if let Some(told) = self.crowd.rest() {
            session.output.notice(told);
        }
        if let Some(stats) = inputs.close().await {
            self.counts.dropped += stats
                .dropped
                .by_reason()
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>();
        }
        let ended = match (ended, self.outlets.finish().await) {
            (Ok(()), Ok(left)) => {
                self.counts.dropped += left;
                Ok(())
            }
            (Ok(()), Err(failure)) => Err(failure),
            (failed, _) => failed,
        };
        self.manners.end(session, ended, &self.counts)
    }

    async fn all(&mut self, session: &mut Session, inputs: &mut Inputs) -> Result {
        let stop = session.stop.clone();
        let mut is_stopped = false;
        loop {
            let arrival = tokio::select! {
                biased;
                _ = stop.wait(), if !is_stopped => {
                    // What has come is shown.
                    is_stopped = true;
                    inputs.stop();
                    continue;
                }
                () = self.manners.hung_up() => {
                    self.outlets.reopen()?;
                    continue;
                }
                arrival = inputs.next() => arrival,
                () = core::future::ready(()), if self.is_dirty => {
                    tokio::select! {
                        biased;
                        flushed = self.flush(session) => flushed?,
                        _ = stop.wait() => return Ok(()),
                    }
                    continue;
                }
            };
            let Some(arrival) = arrival else { return Ok(()) };
            self.take(session, arrival).await?;
            if self.printer.is_done() {
                return Ok(());
            }
            if self.tickets.len() >= TOGETHER {
                self.flush(session).await?;
            }
        }
    }

    async fn take(&mut self, session: &mut Session, arrival: Arrival) -> Result {
        match arrival {
            Arrival::Parcel(parcel) => {
                if let Source::Peer { session, .. } = &parcel.source {
                    let (frames, bytes) = self.peers.entry(*session).or_default();
                    *frames += parcel.run.frames();
                    *bytes += parcel.run.payload_bytes();
                }
                self.has_started = true;
                self.frames(session, &parcel.run).await?;
                self.tickets.push(parcel.ticket);
            }
            Arrival::Ended { source, end } => {
                let has_started = core::mem::take(&mut self.has_started);
                match &source {
                    Source::File(name) => {
                        if let Err(failure) = check_end(name, end) {
                            self.manners.fault(session, failure, has_started)?;
                        }
                    }
                    Source::Peer { session: peer, .. } => {
                        let how = match end {
                            End::Stop => "",
                            End::Eof => " without STOP",
                            End::Truncated { .. } => " within a frame",
                        };
                        self.left(session, *peer, &source, &format!("ended{how}"));
                    }
                }
            }
            Arrival::Broken { source, error } => {
                if let Source::Peer { session: peer, .. } = &source {
                    self.left(session, *peer, &source, &chain(&error));
                }
            }
            Arrival::Failed(failure) => {
                let has_started = core::mem::take(&mut self.has_started);
                self.manners.fault(session, failure, has_started)?;
            }
            Arrival::Told(remark) => session.output.notice(remark),
        }
        Ok(())
    }

    /// Tells that a peer is gone, and what it brought.
    fn left(&mut self, session: &Session, peer: SessionId, source: &Source, how: &str) {
        let (frames, bytes) = self.peers.remove(&peer).unwrap_or_default();
        let (told, may) = self.crowd.remark();
        let remark = may.then(|| {
            let messages = units::counted(frames, "message");
            format!("{source}: {how}; {messages}, {}", units::counted(bytes, "byte"))
        });
        for line in [told, remark].into_iter().flatten() {
            session.output.notice(line);
        }
    }

    async fn frames(&mut self, session: &mut Session, run: &OwnedRun) -> Result {
        self.is_dirty = true;
        if self.printer.passes_all() {
            self.printer.pass(&run.as_run());
            return self.give(session).await;
        }
        for payload in run.as_run().iter() {
            self.printer.frame(payload);
            if self.printer.is_full() {
                self.give(session).await?;
            }
            if self.printer.is_done() {
                break;
            }
        }
        self.give(session).await
    }

    async fn give(&mut self, session: &mut Session) -> Result {
        let piece = self.printer.take();
        self.counts += piece.counts;
        self.outlets.write(session, piece).await
    }

    /// Everything is written; those who sent it are told.
    async fn flush(&mut self, session: &mut Session) -> Result {
        self.outlets.flush(session).await?;
        self.is_dirty = false;
        self.tickets.drain(..).for_each(Ticket::confirm);
        Ok(())
    }
}
