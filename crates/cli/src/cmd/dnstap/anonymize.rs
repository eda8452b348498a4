//! `dnstap anonymize`: a copy that does not say who asked.

use std::path::Path;

use dnstap_codec::anonymize::{Addresses, Anonymizer, Report, Sides};
use fstrm_codec::Config;
use serde::Serialize;
use tokio::sync::mpsc;

use super::convert::{for_each, unhex};
use super::counts::Counts;
use super::manners::Manners;
use super::outlet::{Existing, Frames};
use super::printer::{Piece, Printer, Wanted};
use super::source::{self, AHEAD};
use crate::args::dnstap::{Anonymize, Disguise};
use crate::cmd::Session;
use crate::failure::{Code, Failure, Result};
use crate::units;

/// What was changed, told before the closing line.
#[derive(Serialize)]
struct Changed {
    r#type: &'static str,
    addresses: u64,
    client_subnets: u64,
    /// Other EDNS options.
    options: u64,
    /// DNS messages that could not be read to their end.
    unread: u64,
}

pub(super) async fn run(session: &mut Session, args: Anonymize) -> Result {
    let mut manners = Manners::of(session);
    let anonymizer = anonymizer(&args.disguise)?;
    let existing = if args.append {
        Existing::Append
    } else {
        Existing::Refuse
    };
    let mut way = Way {
        anonymizer,
        outlet: Frames::open(&args.to_file, existing)?,
        payload: Vec::new(),
        report: Report::default(),
    };
    let config = Config::new().max_data(args.max_frame);
    let wanted = Wanted {
        frames: true,
        ..Wanted::default()
    };
    let (sender, items) = mpsc::channel(AHEAD);
    source::spawn(vec![args.input], config, Printer::new(wanted), sender);
    let mut counts = Counts::default();
    let take = |_: &mut Session, piece: &mut Piece| way.pass(piece);
    let ended = source::each(session, items, &mut counts, &mut manners, take).await;
    let Way { outlet, report, .. } = way;
    let ended = ended.and_then(|()| outlet.finish());
    let changed = Changed {
        r#type: "changed",
        addresses: report.addresses,
        client_subnets: report.client_subnets,
        options: report.options,
        unread: report.unread,
    };
    session.output.summary(&changed, |changed| {
        let unread = match changed.unread {
            0 => String::new(),
            unread => format!("; {} not read to the end", units::counted(unread, "DNS message")),
        };
        let (addresses, subnets) = (
            units::counted(changed.addresses, "address"),
            units::counted(changed.client_subnets, "client subnet"),
        );
        let options = match changed.options {
            0 => String::new(),
            options => format!(", {}", units::counted(options, "other option")),
        };
        format!("{addresses}, {subnets}{options} changed{unread}")
    });
    manners.end(session, ended, &counts)
}

struct Way {
    anonymizer: Anonymizer,
    outlet: Frames,
    payload: Vec<u8>,
    report: Report,
}

impl Way {
    fn pass(&mut self, piece: &mut Piece) -> Result {
        let mut written = Ok(());
        for_each(&piece.frames, |frame| {
            if written.is_err() {
                return;
            }
            self.payload.clear();
            match self.anonymizer.apply(frame, &mut self.payload) {
                Ok(report) => {
                    self.report.addresses += report.addresses;
                    self.report.client_subnets += report.client_subnets;
                    self.report.options += report.options;
                    self.report.unread += report.unread;
                    written = self.outlet.write(&self.payload);
                }
                Err(_) => {
                    piece.counts.bad += 1;
                    piece.counts.shown -= 1;
                }
            }
        })?;
        written
    }
}

/// What hides as the flags say.
pub(super) fn anonymizer(disguise: &Disguise) -> Result<Anonymizer> {
    let addresses = match &disguise.key_file {
        Some(path) => Addresses::keyed(key(path)?),
        None => Addresses::cut_to(disguise.v4, disguise.v6),
    };
    let sides = if disguise.both { Sides::Both } else { Sides::Query };
    Ok(Anonymizer::new(addresses)
        .sides(sides)
        .client_subnet(!disguise.keep_subnets)
        .without_options(disguise.no_options)
        .without_ports(disguise.no_ports)
        .without_identity(disguise.no_identity))
}

/// Sixteen bytes, or as many in hexadecimal digits.
fn key(path: &Path) -> Result<[u8; 16]> {
    let bytes =
        std::fs::read(path).map_err(|error| Failure::caused(Code::File, error).context(path.display()))?;
    let digits = || unhex(core::str::from_utf8(&bytes).ok()?.trim()).ok();
    <[u8; 16]>::try_from(bytes.as_slice())
        .ok()
        .or_else(|| digits()?.try_into().ok())
        .ok_or_else(|| {
            let got = units::counted(u64::try_from(bytes.len()).unwrap_or(u64::MAX), "byte");
            let message = format!(
                "{}: {got}, expected a key of 16 bytes or 32 hexadecimal digits",
                path.display()
            );
            Failure::new(Code::Usage, message).hint("head -c 16 /dev/urandom > FILE makes one")
        })
}
