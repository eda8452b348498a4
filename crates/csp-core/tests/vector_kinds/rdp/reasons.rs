//! Where ours does on purpose what libcsp 2.2 does not, told from the first frame that differs.
//!
//! Each reason is computed from what the entry shows until then. What comes later is compared by meaning.

use super::transcript::{Sent, without_stale_flag};
use super::*;

const IMMEDIATE: &str = "9.5: without delayed acknowledgements, what is repeated is acknowledged again";
const HELD_BACK: &str = "9.5: an acknowledgement held back while nobody read is sent";
const READS_LATE: &str = "9.5: while its user does not read, a connection tells that it lives";
const HEARD: &str = "9.4: what is repeated is heard for what it acknowledges";
const ENDED: &str = "9.6: nothing is repeated for longer than the connection timeout after the end";
const PENDING: &str = "9.6: an ended connection waits to be accepted as long as others";

/// The first frame that differs, as ours and as the captured one.
struct Difference<'a> {
    entry: &'a Value,
    from: char,
    at: u64,
    ours: Option<Segment>,
    theirs: Option<Segment>,
}

/// A captured frame.
struct Frame {
    at: u64,
    /// When it arrived; `None`: it did not.
    arrived: Option<u64>,
    from: char,
    segment: Segment,
    data: Vec<u8>,
}

/// Why ours differs from the events before `place`; `None` where it does not, or should not.
pub(super) fn reason(entry: &Value, place: usize, sent: &[Sent]) -> Option<&'static str> {
    let differences = ['A', 'B'].map(|from| first(entry, place, sent, from));
    let differences = differences.iter().flatten();
    let at = differences.clone().map(|difference| difference.at).min()?;
    // At one time, either may be what brought about the other.
    differences
        .filter(|difference| difference.at == at)
        .find_map(Difference::reason)
}

fn first<'a>(entry: &'a Value, place: usize, sent: &[Sent], from: char) -> Option<Difference<'a>> {
    let version = version(&entry["in"]);
    let captured = events(entry)[..place].iter();
    let captured =
        captured.filter(|event| optional(event, "dir").is_some_and(|dir| text(dir).starts_with(from)));
    let theirs: Vec<_> = captured
        .map(|event| (number(&event["t"]), without_stale_flag(version, event).0))
        .collect();
    let ours: Vec<_> = sent
        .iter()
        .filter(|(_, sender, _)| *sender == from)
        .map(|(at, _, frame)| (*at, frame.clone()))
        .collect();
    let same = ours
        .iter()
        .zip(&theirs)
        .take_while(|(ours, theirs)| ours == theirs)
        .count();
    let (ours, theirs) = (ours.get(same), theirs.get(same));
    let at = ours.into_iter().chain(theirs).map(|(at, _)| *at).min()?;
    let of = |frame: Option<&(u64, Vec<u8>)>| {
        let (when, frame) = frame?;
        (*when == at).then(|| segment(version, frame).0)
    };
    Some(Difference {
        entry,
        from,
        at,
        ours: of(ours),
        theirs: of(theirs),
    })
}

impl Difference<'_> {
    /// Everything on the link until now.
    fn frames(&self) -> Vec<Frame> {
        let frames = events(self.entry)
            .iter()
            .filter(|event| optional(event, "dir").is_some());
        let frames = frames.map(|event| {
            let at = number(&event["t"]);
            let (segment, data) = segment(version(&self.entry["in"]), &bytes(&event["frame"]));
            Frame {
                at,
                arrived: (event["lost"] != true).then(|| event["delivered_at"].as_u64().unwrap_or(at)),
                from: text(&event["dir"]).chars().next().unwrap(),
                segment,
                data,
            }
        });
        frames.filter(|frame| frame.at <= self.at).collect()
    }

    fn option(&self, name: &str) -> u64 {
        number(&self.entry["in"]["rdp_options"][name])
    }

    fn reason(&self) -> Option<&'static str> {
        let is_lone = |segment: &Segment, data: bool| segment.flags == SegmentFlags::ACK && !data;
        let frames = self.frames();
        let is_told_again = self.ours.as_ref().is_some_and(|ours| is_lone(ours, false));
        let is_immediate = self.option("delayed_acks") == 0;
        if is_told_again && is_immediate && self.is_repeated(&frames) {
            return Some(IMMEDIATE);
        }
        if is_told_again && is_immediate && self.has_read(self.at) {
            return Some(HELD_BACK);
        }
        if is_told_again && !is_immediate && self.unread(&frames) {
            return Some(READS_LATE);
        }
        let theirs = self.theirs.as_ref()?;
        let before = |frame: &&Frame| frame.from == self.from && frame.at < self.at;
        let ends = |frame: &&Frame| frame.segment.flags.contains(SegmentFlags::RST);
        let end = frames.iter().filter(before).find(ends);
        let is_late = end.is_some_and(|end| self.at > end.at + self.option("conn_timeout_ms"));
        let is_reset = theirs.flags.contains(SegmentFlags::RST);
        if is_late && !is_reset {
            return Some(ENDED);
        }
        if is_late && self.from == 'B' && !self.is_accepted() {
            return Some(PENDING);
        }
        let is_repetition =
            |frame: &&Frame| frame.segment.sequence == theirs.sequence && !frame.data.is_empty();
        if is_reset || !frames.iter().filter(before).any(|frame| is_repetition(&frame)) {
            return None;
        }
        // What arrived, is not taken as it stands, and acknowledges what is repeated here.
        let mut heard = frames.iter().filter(|frame| {
            let arrived = frame.arrived.is_some_and(|arrived| arrived <= self.at);
            let number = frame.segment.acknowledgement;
            frame.from != self.from && arrived && !number.is_before(theirs.sequence)
        });
        let is_short = self.option("packet_timeout_ms") <= self.option("ack_timeout_ms");
        (is_short && heard.any(|frame| !frame.data.is_empty())).then_some(HEARD)
    }

    /// Whether something arrives from the other end that it sent once more.
    fn is_repeated(&self, frames: &[Frame]) -> bool {
        let is_numbered =
            |frame: &&Frame| !frame.data.is_empty() || frame.segment.flags.contains(SegmentFlags::SYN);
        let others = frames
            .iter()
            .filter(|frame| frame.from != self.from)
            .filter(is_numbered);
        let mut arriving = others.clone().filter(|frame| frame.arrived == Some(self.at));
        arriving.any(|frame| {
            let same = others
                .clone()
                .filter(|other| other.segment.sequence == frame.segment.sequence);
            same.count() > 1
        })
    }

    fn reads(&self) -> impl Iterator<Item = u64> {
        let name = format!("{}.read", self.from);
        let reads = events(self.entry)
            .iter()
            .filter(move |event| event["app"] == name.as_str());
        reads
            .filter(|event| event["data"].is_string())
            .map(|event| number(&event["t"]))
    }

    fn has_read(&self, at: u64) -> bool {
        self.reads().any(|read| read == at)
    }

    /// Whether fewer places than a window are free of the 16 for what waits to be read (9.5).
    fn unread(&self, frames: &[Frame]) -> bool {
        let arrived = frames.iter().filter(|frame| {
            let is_here = frame.arrived.is_some_and(|arrived| arrived <= self.at);
            frame.from != self.from
                && is_here
                && !frame.data.is_empty()
                && frame.segment.flags == SegmentFlags::ACK
        });
        let mut numbers: Vec<_> = arrived.map(|frame| frame.segment.sequence.to_bits()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let read = self.reads().filter(|read| *read <= self.at).count();
        let free = 16_u64.saturating_sub((numbers.len() - read) as u64);
        free < self.option("window_size")
    }

    fn is_accepted(&self) -> bool {
        let mut accepts = events(self.entry)
            .iter()
            .filter(|event| event["app"] == "B.accept");
        accepts.any(|event| event["result"] == true && number(&event["t"]) <= self.at)
    }
}
