//! `csp sniff`: the packets of others.

mod export;
mod line;
mod reading;
mod summary;

use core::time::Duration;
use std::collections::BTreeMap;

use can_link::candump::Precision;
use can_link::link::Received as Frame;
use csp_can::{Reassembled, Reassembler, ReassemblyConfig, Received};
use csp_core::hmac::Key;
use csp_core::{Address, Header, Version};
use tinwire_time::Instant;

use self::export::Export;
use self::line::{Discarded, Packet};
use self::reading::Reading;
use self::summary::Summary;
use super::overheard::Talk;
use super::station::Berth;
use super::whom;
use crate::args::csp::Interface;
use crate::args::csp::sniff::Sniff;
use crate::cmd::Session;
use crate::cmd::clock::Clock;
use crate::cmd::stamps::Stamps;
use crate::cmd::watch::Watch;
use crate::failure::{Result, data_lost};
use crate::output::timestamp;
use crate::stop;

/// First frames of the other header version, and none of ours, after which that is told.
const FOREIGN: u64 = 3;

/// Longer than anything waits for its next frame.
const LONG_AFTER: Duration = Duration::from_secs(3600);

pub(super) async fn run(session: &mut Session, args: Sniff) -> Result {
    let interface = Interface {
        iface: args.named.clone().or_else(|| args.iface.clone()),
        addr: None,
    };
    let berth = Berth::of(session, &interface)?;
    let nodes = args.node.iter().map(|name| whom::any(session, name, &berth));
    let nodes = nodes.collect::<Result<Vec<_>>>()?;
    let key = args
        .hmac
        .as_ref()
        .map(|phrase| Key::from_pass_phrase(phrase.as_bytes()));
    let mut watch = session
        .stop
        .cut(Watch::open(session, berth.link.clone(), None))
        .await?;
    let version = berth.iface.version;
    let export = args.pcapng.as_deref().map(|path| Export::begin(path, version));
    let mut sniffer = Sniffer {
        version,
        args: &args,
        export: export.transpose()?,
        nodes,
        key,
        stamps: Stamps::new(Some(args.time), Precision::Micro),
        clock: Clock::default(),
        links: BTreeMap::new(),
        ours: 0,
        theirs: 0,
        summary: Summary::default(),
    };
    let ended = sniffer.watch(session, &mut watch).await;
    let flushed = sniffer.flush(session);
    let mut summary = sniffer.finish();
    summary.dropped = watch.dropped;
    session.output.summary(&summary, Summary::text);
    ended.and(flushed)?;
    if args.strict && summary.dropped > 0 {
        return Err(data_lost(summary.dropped));
    }
    Ok(())
}

struct Sniffer<'a> {
    version: Version,
    args: &'a Sniff,
    nodes: Vec<Address>,
    key: Option<Key>,
    export: Option<Export>,
    stamps: Stamps,
    clock: Clock,
    /// What is in the making on each interface, and the frame it last had.
    links: BTreeMap<String, (Reassembler, Frame)>,
    /// First frames of our header version, and of the other.
    ours: u64,
    theirs: u64,
    summary: Summary,
}

impl Sniffer<'_> {
    /// Shows packets until something ends it.
    async fn watch(&mut self, session: &mut Session, watch: &mut Watch) -> Result {
        let stopped = session.stop.clone();
        let (mut shown, mut since) = (0, tokio::time::Instant::now());
        // Who reads the export while it grows wants its beginning now.
        self.flush(session)?;
        loop {
            let stale = self.stale_after();
            tokio::select! {
                biased;
                _ = stopped.wait() => return Ok(()),
                frame = watch.frame(session) => match frame? {
                    Some((name, frame)) => {
                        let now = self.clock.at(frame.time.host);
                        self.take(session, &name, now, frame)?;
                    }
                    None => {
                        // What is unfinished at the end of a log stays so.
                        return self.expire(session, LONG_AFTER);
                    }
                },
                () = stop::at(stale.map(|stale| tokio::time::Instant::now() + stale)) => {
                    self.expire(session, stale.unwrap_or_default())?;
                }
                () = stop::at(self.args.idle.map(|idle| since + idle)) => return Ok(()),
            }
            // A bus is never idle for the traffic of others: what counts is what was shown.
            let lines = self.summary.packets + self.summary.discarded;
            if core::mem::replace(&mut shown, lines) != lines {
                since = tokio::time::Instant::now();
            }
            if self.args.count.is_some_and(|count| self.summary.packets >= count) {
                return Ok(());
            }
            if !watch.is_behind() {
                self.flush(session)?;
            }
        }
    }

    /// How long after the latest frame something becomes too old.
    fn stale_after(&self) -> Option<Duration> {
        let deadlines = self.links.values().filter_map(|(link, _)| link.poll_timeout());
        Some(deadlines.max()?.saturating_since(self.clock.latest()))
    }

    /// So much time has passed since the latest frame.
    fn expire(&mut self, session: &mut Session, after: Duration) -> Result {
        let now = self.clock.latest() + after;
        let names: Vec<_> = self.links.keys().cloned().collect();
        for name in names {
            if let Some((link, _)) = self.links.get_mut(&name) {
                link.handle_timeout(now);
            }
            self.show_all(session, &name)?;
        }
        self.flush(session)
    }

    fn flush(&mut self, session: &mut Session) -> Result {
        if let Some(export) = &mut self.export {
            export.flush(&mut session.output)?;
        }
        session.output.flush()
    }

    fn take(&mut self, session: &mut Session, name: &str, now: Instant, frame: Frame) -> Result {
        self.notice_version(session, name, &frame);
        let version = self.version;
        let (link, latest) = self.links.entry(name.to_owned()).or_insert_with(|| {
            (
                Reassembler::new(version, ReassemblyConfig::default()),
                frame.clone(),
            )
        });
        link.handle_timeout(now);
        link.handle_frame(now, &frame.frame);
        *latest = frame;
        self.show_all(session, name)
    }

    /// Nothing on a bus says which header version it is, but first frames agree with themselves in one only.
    fn notice_version(&mut self, session: &Session, name: &str, frame: &Frame) {
        match Talk::begun_by(&frame.frame) {
            Some(talk) if talk.version == self.version => self.ours += 1,
            Some(_) => self.theirs += 1,
            None => return,
        }
        if (self.ours, self.theirs) == (0, FOREIGN) {
            let other = match self.version {
                Version::V1 => 2,
                Version::V2 => 1,
            };
            session.output.notice(format_args!(
                "{name}: these are packets of header version {other}: add ,v{other} to the interface"
            ));
        }
    }

    fn show_all(&mut self, session: &mut Session, name: &str) -> Result {
        while let Some((link, frame)) = self.links.get_mut(name)
            && let Some(received) = link.poll_received()
        {
            let frame = frame.clone();
            match received {
                Received::Packet(packet) => self.show(session, name, &frame, &packet)?,
                Received::Discarded { source, reason } => {
                    self.summary.discard(reason);
                    if self.has_no_lines() {
                        continue;
                    }
                    let line = Discarded {
                        r#type: "discarded",
                        ts: timestamp(frame.time.host),
                        link: name,
                        sender: source.to_bits(),
                        reason: reason.to_string(),
                    };
                    let stamps = &mut self.stamps;
                    session.output.either(&line, |line| {
                        let stamp = stamps.text(frame.time.host.into());
                        format!(
                            "({stamp}) {name} sender {}: discarded: {}",
                            line.sender, line.reason
                        )
                    })?;
                }
                Received::Ignored(_) => self.summary.other += 1,
                _ => {}
            }
        }
        Ok(())
    }

    fn show(&mut self, session: &mut Session, name: &str, frame: &Frame, packet: &Reassembled) -> Result {
        let header = &packet.packet.header;
        if !self.is_wanted(header) {
            return Ok(());
        }
        self.summary.packets += 1;
        if let Some(export) = &mut self.export {
            export.packet(name, frame, &packet.packet);
        }
        if self.has_no_lines() {
            return Ok(());
        }
        let reading = Reading::of(self.version, &packet.packet, self.key.as_ref());
        let line = Packet::of(self.version, name, frame, packet, &reading);
        let stamps = &mut self.stamps;
        session
            .output
            .either(&line, |line| line.text(stamps, frame, header, &reading))
    }

    /// Whether standard output is taken.
    fn has_no_lines(&self) -> bool {
        self.export.as_ref().is_some_and(Export::is_stdout)
    }

    fn is_wanted(&self, header: &Header) -> bool {
        let has_node = |node: &Address| [header.source, header.destination].contains(node);
        let has_port = |port: &csp_core::Port| [header.source_port, header.destination_port].contains(port);
        (self.nodes.is_empty() || self.nodes.iter().any(has_node))
            && (self.args.port.is_empty() || self.args.port.iter().any(has_port))
    }

    fn finish(mut self) -> Summary {
        self.summary.frames = self.links.values().map(|(link, _)| link.stats().frames).sum();
        self.summary
    }
}
