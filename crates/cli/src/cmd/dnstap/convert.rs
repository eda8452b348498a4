//! `dnstap convert`: a file in another form.

mod objects;
mod packets;

use dnstap_codec::packet::Ports;
use fstrm_codec::Config;
use fstrm_codec::frame::{FrameConfig, Run};
use tokio::sync::mpsc;

pub(super) use self::objects::unhex;
use self::packets::Packets;
use super::counts::Counts;
use super::manners::Manners;
use super::outlet::{Existing, Frames, Text};
use super::printer::{Piece, Printer, Wanted};
use super::source::{self, AHEAD};
use crate::args::dnstap::{Convert, Source, Target};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};

pub(super) async fn run(session: &mut Session, args: Convert) -> Result {
    let mut manners = Manners::of(session);
    let from = args.from.unwrap_or_else(|| match Target::named(&args.input) {
        Some(Target::Json) => Source::Json,
        _ => Source::Fstrm,
    });
    let to = args.to.or_else(|| Target::named(&args.to_file)).ok_or_else(|| {
        Failure::new(
            Code::Usage,
            format!("{}: its name does not tell its form", args.to_file),
        )
        .hint("--to fstrm, json, yaml, quiet or pcapng tells")
    })?;
    let mut outlet = Outlet::open(&args, to)?;
    let config = Config::new().max_data(args.max_frame);
    let printer = Printer::new(Wanted {
        text: to.style(),
        frames: to.style().is_none(),
        filter: args.filter,
        ..Wanted::default()
    });
    let (sender, items) = mpsc::channel(AHEAD);
    match from {
        Source::Fstrm => source::spawn(vec![args.input], config, printer, sender),
        Source::Json => objects::spawn(args.input, args.max_frame, printer, sender),
    }
    let mut counts = Counts::default();
    let take = |session: &mut Session, piece: &mut Piece| outlet.write(session, piece);
    let ended = source::each(session, items, &mut counts, &mut manners, take).await;
    let ended = ended
        .and_then(|()| session.output.flush())
        .and_then(|()| outlet.finish());
    manners.end(session, ended, &counts)
}

/// Where it goes.
#[derive(Debug)]
enum Outlet {
    Frames(Frames),
    /// Bytes to a file, or to standard output.
    Bytes(Option<Text>, Option<Packets>),
}

impl Outlet {
    fn open(args: &Convert, to: Target) -> Result<Self> {
        let existing = if args.append {
            Existing::Append
        } else {
            Existing::Refuse
        };
        if to == Target::Fstrm {
            return Frames::open(&args.to_file, existing).map(Self::Frames);
        }
        let ports = if args.keep_ports {
            Ports::AsTold
        } else {
            Ports::Dns
        };
        let packets = (to == Target::Pcapng).then(|| Packets::new(&args.input, ports));
        let file = (args.to_file != "-").then(|| Text::open(&args.to_file, existing));
        Ok(Self::Bytes(file.transpose()?, packets))
    }

    fn write(&mut self, session: &mut Session, piece: &mut Piece) -> Result {
        let (file, packets) = match self {
            Self::Frames(frames) => return frames.write_wire(&piece.frames),
            Self::Bytes(file, packets) => (file, packets),
        };
        if let Some(packets) = packets {
            for_each(&piece.frames, |payload| {
                if packets.add(payload).is_err() {
                    piece.counts.bad += 1;
                    piece.counts.shown -= 1;
                }
            })?;
            piece.text.append(&mut packets.take());
        }
        match file {
            Some(file) => file.write(&piece.text),
            None => session.output.raw(&piece.text),
        }
    }

    fn finish(self) -> Result {
        match self {
            Self::Frames(frames) => frames.finish(),
            Self::Bytes(..) => Ok(()),
        }
    }
}

/// The payloads of frames as they stand on the wire.
pub(super) fn for_each(wire: &[u8], work: impl FnMut(&[u8])) -> Result {
    if !wire.is_empty() {
        let config = FrameConfig::new().max_data(core::num::NonZeroU32::MAX);
        let run = Run::decode(wire, config).map_err(|error| Failure::caused(Code::Malformed, error))?;
        run.iter().for_each(work);
    }
    Ok(())
}
