//! `isotp dump`: what others say, frame by frame or message by message.

mod line;
mod pair;
mod record;
mod uds;
mod whole;

use std::time::SystemTime;

use can_link::candump::LogTime;
use can_link::link::Received;
use isotp::Pci;
use serde::Serialize;
use tinwire_sim::ecu::{REQUEST_ID, RESPONSE_ID};

use self::line::Lines;
use self::pair::{Pair, Talk};
use self::record::Naming;
use self::whole::{Failed, Listeners, Message, Outcome};
use crate::args::isotp::dump::Dump;
use crate::cmd::Session;
use crate::cmd::clock::Clock;
use crate::cmd::stamps::Stamps;
use crate::cmd::watch::Watch;
use crate::failure::{Code, Failure, Result, data_lost};
use crate::links;
use crate::units;

/// The closing line.
#[derive(Debug, Default, Serialize)]
struct Summary {
    r#type: &'static str,
    frames: u64,
    /// Frames that no receiver takes, or that were part of no message.
    bad: u64,
    messages: u64,
    failed: u64,
    /// Frames that the link lost before we saw them.
    dropped: u64,
}

pub(super) async fn run(session: &mut Session, args: Dump) -> Result {
    let pair = pair(&args)?;
    if args.colored {
        // Asked for by letter, as of isotpdump.
        anstream::ColorChoice::Always.write_global();
    }
    let link = links::named_or_configured(session, args.link.as_deref().or(args.named.as_deref()))?;
    let filters = pair.filters();
    let opening = Watch::open(session, link, Some(&filters));
    let mut watch = session.stop.cut(opening).await?;
    let mut dump = Dumper::new(pair, &args);
    let ended = follow(session, &mut watch, &mut dump, &args).await;
    dump.summary.dropped = watch.dropped;
    dump.summary.failed += u64::try_from(dump.listeners.unfinished()).unwrap_or_default();
    let form = if args.reassemble { of_messages } else { of_frames };
    session.output.summary(&dump.summary, form);
    ended?;
    let Summary {
        bad, failed, dropped, ..
    } = dump.summary;
    if args.strict && dropped > 0 {
        return Err(data_lost(dropped));
    }
    if args.strict && bad + failed > 0 {
        let message = format!(
            "{} out of place, {} not whole",
            units::counted(bad, "frame"),
            units::counted(failed, "message")
        );
        return Err(Failure::new(Code::Malformed, message));
    }
    Ok(())
}

fn pair(args: &Dump) -> Result<Pair> {
    let standard = |raw| can_link::id::standard(u32::from(raw)).into();
    let (source, destination) = match (args.source, args.destination) {
        (None, None) => (standard(REQUEST_ID), standard(RESPONSE_ID)),
        (Some(source), Some(destination)) => (source, destination),
        _ => {
            let message = "-s and -d belong together: the identifiers of both sides";
            return Err(Failure::new(Code::Usage, message));
        }
    };
    if source == destination {
        let message = format!("both sides have the identifier {}", units::id_text(source));
        return Err(Failure::new(Code::Usage, message));
    }
    Ok(Pair {
        source,
        destination,
        broadcast: args.broadcast,
        source_byte: args.extended,
        destination_byte: args.rx_extended,
    })
}

/// Shows frames until something ends it: a signal, a deadline, the count, silence, the end of the link.
async fn follow(session: &mut Session, watch: &mut Watch, dump: &mut Dumper<'_>, args: &Dump) -> Result {
    let mut lines = 0;
    loop {
        if !watch.is_behind() {
            session.output.flush()?;
        }
        let idle = async {
            match args.timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => core::future::pending().await,
            }
        };
        let (link, received) = tokio::select! {
            biased;
            _ = session.stop.wait() => break,
            frame = watch.frame(session) => match frame? {
                Some(frame) => frame,
                None => break,
            },
            () = idle => break,
        };
        lines += dump.show(session, &link, &received)?;
        if args.count.is_some_and(|count| lines >= count) {
            break;
        }
    }
    session.output.flush()
}

/// Turns frames into lines.
struct Dumper<'a> {
    pair: Pair,
    args: &'a Dump,
    naming: Naming,
    lines: Lines,
    stamps: Stamps,
    listeners: Listeners,
    clock: Clock,
    summary: Summary,
}

impl<'a> Dumper<'a> {
    fn new(pair: Pair, args: &'a Dump) -> Self {
        Self {
            pair,
            args,
            naming: if args.uds { Naming::Uds } else { Naming::Silent },
            lines: Lines::new(args.colored, args.ascii, args.uds),
            stamps: Stamps::bare(args.time),
            listeners: Listeners::new(pair, args.max_len),
            clock: Clock::default(),
            summary: Summary {
                r#type: "summary",
                ..Summary::default()
            },
        }
    }

    /// Shows a frame, or what it completes; how many lines that were.
    fn show(&mut self, session: &mut Session, link: &str, received: &Received) -> Result<u64> {
        let pair = self.pair;
        let Some(talk) = pair.talk(&received.frame) else {
            return Ok(0);
        };
        self.summary.frames += 1;
        if !self.args.reassemble {
            self.frame(session, link, received.time.host, talk)?;
            return Ok(1);
        }
        let mut lines = 0;
        let now = self.clock.at(received.time.host);
        for outcome in self.listeners.handle(now, talk) {
            match outcome {
                Outcome::Message(message) => {
                    lines += 1;
                    self.message(session, link, received.time.host, talk, &message)?;
                }
                Outcome::Failed(failed) => self.failed(session, link, received.time.host, talk, &failed)?,
                Outcome::Bad => self.summary.bad += 1,
            }
        }
        Ok(lines)
    }

    fn frame(&mut self, session: &mut Session, link: &str, time: SystemTime, talk: Talk<'_>) -> Result {
        let pci = talk.pci();
        self.summary.bad += u64::from(pci.is_err());
        self.summary.messages += u64::from(matches!(
            pci,
            Ok((Pci::SingleFrame { .. } | Pci::FirstFrame { .. }, _))
        ));
        if session.output.is_json() {
            return session.output.json(&record::pdu(time, link, talk, self.naming));
        }
        let stamp = self.stamps.text(LogTime::from(time));
        session.output.text(self.lines.line(&stamp, link, talk))
    }

    fn message(
        &mut self,
        session: &mut Session,
        link: &str,
        time: SystemTime,
        talk: Talk<'_>,
        message: &Message,
    ) -> Result {
        self.summary.messages += 1;
        if session.output.is_json() {
            let line = record::message(time, link, talk, message, self.naming);
            return session.output.json(&line);
        }
        let stamp = self.stamps.text(LogTime::from(time));
        let byte = talk.address_byte().filter(|_| !self.pair.knows_byte(talk.from));
        let content = self.form(&message.data);
        let mut text = line::message(self.args.colored, &stamp, link, talk, byte, &content);
        if self.naming == Naming::Uds {
            text.push_str(&format!(" - {}", uds::of(&message.data)));
        }
        if self.args.colored {
            text.push_str(line::RESET);
        }
        session.output.text(text)
    }

    fn form(&self, data: &[u8]) -> String {
        let head = self
            .args
            .head
            .map_or(data.len(), |head| usize::try_from(head).unwrap_or(usize::MAX));
        line::content(data, head, self.args.forms)
    }

    fn failed(
        &mut self,
        session: &mut Session,
        link: &str,
        time: SystemTime,
        talk: Talk<'_>,
        failed: &Failed,
    ) -> Result {
        self.summary.failed += 1;
        if session.output.is_json() {
            return session.output.json(&record::failed(time, link, talk, failed));
        }
        let id = units::id_text(talk.frame.id());
        session.output.notice(format_args!("{link}: {id}: {failed}"));
        Ok(())
    }
}

fn of_frames(summary: &Summary) -> String {
    let Summary {
        frames, bad, dropped, ..
    } = summary;
    format!(
        "{}, {bad} bad, {dropped} dropped",
        units::counted(*frames, "frame")
    )
}

fn of_messages(summary: &Summary) -> String {
    let Summary {
        frames,
        bad,
        messages,
        failed,
        dropped,
        ..
    } = summary;
    format!(
        "{}, {failed} failed; {}, {bad} bad, {dropped} dropped",
        units::counted(*messages, "message"),
        units::counted(*frames, "frame"),
    )
}
