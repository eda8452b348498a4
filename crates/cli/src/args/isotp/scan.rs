//! `isotp scan`: who talks to whom.

use core::time::Duration;

use can_link::{ExtendedId, Id, StandardId};
use clap::{ArgGroup, Args, ValueEnum};
use isotp::survey::Confidence;

use super::endpoint::{self, Filling, LinkLayer};
use crate::units;

pub(super) const EXAMPLES: &str = "\
--passive listens: pairs are known by first frames that flow control answers, and by answers that
fit requests. --active asks one identifier after the other and takes down who answers, twice over;
it leaves out identifiers that are in use.

Ranges: 7E0, 700-7FF, 18DAxxF1 (every digit for an x), several separated by commas.

Exit status: 1 when nobody was found.

Examples:
  tinwire isotp scan --passive can0 --for 30s
  tinwire isotp scan --passive log:drive.log --json
  tinwire isotp scan --active 700-7FF can0
  tinwire isotp scan --active 18DAxxF1 can0 --probe 1001 --gap 20ms
  tinwire isotp scan --active 6F1 -x 00-FF can0 --probe ff";

/// Identifiers that are asked at most: with the shortest gap this takes minutes.
const MAX_IDS: u64 = 1 << 16;

/// `isotp scan`
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("how").required(true).args(["passive", "active"]))]
pub(crate) struct Scan {
    /// The link
    #[arg(value_name = "LINK", conflicts_with = "link")]
    pub(crate) named: Option<String>,
    /// The link; also taken as the first word
    #[arg(long, value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Only listen
    #[arg(long)]
    pub(crate) passive: bool,
    /// Ask these identifiers
    #[arg(long, value_name = "RANGE", value_parser = ids)]
    pub(crate) active: Option<Ids>,
    /// Listen this long; without it until interrupted, or to the end of a log
    #[arg(long = "for", value_name = "TIME", value_parser = units::duration, conflicts_with = "active")]
    pub(crate) duration: Option<Duration>,
    /// Show only pairs of which we are at least so sure
    #[arg(long, value_name = "WORD", default_value = "possible")]
    pub(crate) confidence: AtLeast,
    /// What to ask: a request in hex that fits one frame, or ff for the first frame of a long message
    #[arg(long, value_name = "HEX|ff", default_value = "3E00", value_parser = probe)]
    pub(crate) probe: Probe,
    /// Between two probes; a bare number counts milliseconds
    #[arg(long, value_name = "TIME", default_value = "10ms", value_parser = units::millis)]
    pub(crate) gap: Duration,
    /// How long an answer may take; a bare number counts milliseconds
    #[arg(long, value_name = "TIME", default_value = "100ms", value_parser = units::millis)]
    pub(crate) wait: Duration,
    /// How often everybody who answered is asked again
    #[arg(long, value_name = "COUNT", default_value = "2", value_parser = clap::value_parser!(u8).range(1..))]
    pub(crate) confirm: u8,
    /// Listen this long before the first probe, for identifiers in use; a bare number counts milliseconds
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = units::millis)]
    pub(crate) listen: Duration,
    /// Ask identifiers that are in use, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Ask with each of these address bytes, extended addressing
    #[arg(short = 'x', long = "extended", value_name = "RANGE", value_parser = bytes)]
    pub(crate) extended: Option<Bytes>,
    /// Fill frames with this byte, or none; without -p they are filled with CC
    #[arg(short = 'p', long = "padding", value_name = "TX|none", value_parser = endpoint::padding)]
    pub(crate) padding: Option<Filling>,
    /// CAN FD: MTU, frame length and flags, for example 72:64:1
    #[arg(short = 'L', long = "link-layer", value_name = "MTU:DL:FLAGS", value_parser = endpoint::link_layer)]
    pub(crate) link_layer: Option<LinkLayer>,
}

/// `--confidence`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AtLeast {
    Possible,
    Likely,
    Certain,
}

impl From<AtLeast> for Confidence {
    fn from(word: AtLeast) -> Self {
        match word {
            AtLeast::Possible => Self::Possible,
            AtLeast::Likely => Self::Likely,
            AtLeast::Certain => Self::Certain,
        }
    }
}

/// `--probe`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Probe {
    /// A request in a single frame.
    Request(Vec<u8>),
    /// The first frame of a message that is never completed.
    FirstFrame,
}

/// Identifiers, in the order they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ids(pub(crate) Vec<Id>);

/// Address bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

fn probe(text: &str) -> Result<Probe, String> {
    if text.eq_ignore_ascii_case("ff") {
        return Ok(Probe::FirstFrame);
    }
    match units::hex_bytes(text)? {
        request if (1..=7).contains(&request.len()) => Ok(Probe::Request(request)),
        request => Err(format!("{} bytes; 1 to 7 fit a single frame", request.len())),
    }
}

fn ids(text: &str) -> Result<Ids, String> {
    let mut ids = Vec::new();
    for part in text.split(',') {
        let found = match part.split_once('-') {
            Some((from, to)) => between(from, to)?,
            None => pattern(part)?,
        };
        ids.extend(found);
        if u64::try_from(ids.len()).is_ok_and(|count| count > MAX_IDS) {
            return Err(too_many(part));
        }
    }
    Ok(Ids(ids))
}

fn too_many(text: &str) -> String {
    format!("{text}: more than {MAX_IDS} identifiers; an x stands for one digit, as in 18DAxxF1")
}

/// All identifiers from one to another.
fn between(from: &str, to: &str) -> Result<Vec<Id>, String> {
    match (units::can_id(from)?, units::can_id(to)?) {
        (Id::Standard(from), Id::Standard(to)) => {
            let raw = from.as_raw()..=to.as_raw();
            Ok(raw.filter_map(StandardId::new).map(Id::from).collect())
        }
        (Id::Extended(first), Id::Extended(last)) => {
            let raw = first.as_raw()..=last.as_raw();
            if u64::from(last.as_raw().saturating_sub(first.as_raw())) >= MAX_IDS {
                return Err(too_many(&format!("{from}-{to}")));
            }
            Ok(raw.filter_map(ExtendedId::new).map(Id::from).collect())
        }
        _ => Err(format!("{from}-{to}: one end has 11 bits and the other 29")),
    }
}

/// One identifier, or several where digits are open.
fn pattern(text: &str) -> Result<Vec<Id>, String> {
    let is_open = |letter: char| matches!(letter, 'x' | 'X');
    let open = text.matches(is_open).count();
    if open > 4 {
        return Err(too_many(text));
    }
    let count = 16_u32.pow(u32::try_from(open).unwrap_or_default());
    (0..count)
        .map(|number| {
            let digits = format!("{number:0open$X}");
            let mut digits = digits.chars();
            let filled: String = text
                .chars()
                .map(|letter| match is_open(letter) {
                    true => digits.next().unwrap_or('0'),
                    false => letter,
                })
                .collect();
            units::can_id(&filled)
        })
        .collect()
}

fn bytes(text: &str) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    for part in text.split(',') {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        bytes.extend(units::hex_byte(from)?..=units::hex_byte(to)?);
    }
    Ok(Bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let Ids(ids) = ids(text).unwrap();
        ids.into_iter().map(units::id_text).collect()
    }

    #[test]
    fn ranges_are_lists_of_ends_and_of_open_digits() {
        assert_eq!(shown("7E0"), ["7E0"]);
        assert_eq!(shown("7DF,7E0-7E2"), ["7DF", "7E0", "7E1", "7E2"]);
        let fixed = shown("18DAxxF1");
        assert_eq!(
            (fixed.len(), &*fixed[0], &*fixed[255]),
            (256, "18DA00F1", "18DAFFF1")
        );
        assert_eq!(shown("7Ex").len(), 16);
        assert_eq!(shown("18DA00F1-18DA01F1").len(), 257);
    }

    #[test]
    fn what_would_take_too_long_is_refused() {
        for text in ["00000000-1FFFFFFF", "18xxxxxx", "700-18DA10F1", "7E", "", "900"] {
            let refused = ids(text);
            assert!(refused.is_err() || text == "7E", "{text}: {refused:?}");
        }
        assert_eq!(shown("7E"), ["07E"]);
    }

    #[test]
    fn a_probe_fits_one_frame() {
        assert_eq!(probe("3E00"), Ok(Probe::Request(vec![0x3E, 0x00])));
        assert_eq!(probe("ff"), Ok(Probe::FirstFrame));
        assert!(probe("").is_err() && probe("0102030405060708").is_err());
        assert_eq!(bytes("00,10-12"), Ok(Bytes(vec![0, 0x10, 0x11, 0x12])));
    }
}
