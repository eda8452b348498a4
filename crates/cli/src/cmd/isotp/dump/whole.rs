//! Messages put together from the frames of others.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;

use can_link::frame::Dlc;
use can_link::{CanFrame, Id};
use isotp::{
    Address, BytesChannel, Config, Event, NResult, Padding, Role, RxAddress, TransferError, TxAddress,
};
use tinwire_time::Instant;

use super::pair::{Pair, Talk, Talker};

/// How long a conversation may pause: a receiver can make a sender wait, which a listener does not hear.
const PATIENCE: Duration = Duration::from_secs(5);

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) data: Vec<u8>,
    pub(super) frames: u64,
    /// From its first frame to its last one.
    pub(super) duration: Duration,
}

/// A message that did not become whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) n_result: NResult,
    why: String,
    pub(super) received: u32,
    pub(super) len: u32,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes: {}", self.received, self.len, self.why)
    }
}

/// What a frame brought about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Message(Message),
    Failed(Failed),
    /// It was ignored: it is no PDU, or no part of a message.
    Bad,
}

/// One listener for each sender and address byte.
pub(super) struct Listeners {
    pair: Pair,
    config: Config,
    listeners: BTreeMap<(Talker, Option<u8>), Listener>,
}

/// Follows the messages of one sender.
struct Listener {
    channel: BytesChannel,
    /// When the message under way began, and its frames so far.
    began: Instant,
    frames: u64,
}

impl Listeners {
    pub(super) fn new(pair: Pair, max_len: u32) -> Self {
        let config = Config::default().role(Role::Listener);
        // How the network pads is unknown.
        let padding = Dlc::exact(64).map_or_else(Padding::default, |dlc| Padding::at_least(dlc, 0));
        Self {
            pair,
            config: config.max_rx_len(max_len).n_cr(PATIENCE).padding(padding),
            listeners: BTreeMap::new(),
        }
    }

    /// Takes a frame of the conversation; `now` never goes back.
    pub(super) fn handle(&mut self, now: Instant, talk: Talk<'_>) -> Vec<Outcome> {
        let key = (talk.from, talk.address_byte());
        if !self.listeners.contains_key(&key)
            && let Some(channel) = channel(&self.pair, key, self.config)
        {
            let listener = Listener {
                channel,
                began: now,
                frames: 0,
            };
            self.listeners.insert(key, listener);
        }
        let listener = self.listeners.get_mut(&key);
        listener.map_or_else(|| vec![Outcome::Bad], |listener| listener.handle(now, talk.frame))
    }

    /// How many messages have begun and are not whole.
    pub(super) fn unfinished(&self) -> usize {
        let channels = self.listeners.values().map(|listener| &listener.channel);
        channels.filter(|channel| channel.receiving().is_some()).count()
    }
}

/// A channel that listens to one sender. It never sends, so its own identifier means nothing.
fn channel(pair: &Pair, (from, byte): (Talker, Option<u8>), config: Config) -> Option<BytesChannel> {
    let (theirs, other): (Id, Id) = match from {
        Talker::Source => (pair.source, pair.destination),
        Talker::Destination => (pair.destination, pair.source),
        Talker::Broadcast => (pair.broadcast?, pair.source),
    };
    let rx = match byte {
        Some(byte) => RxAddress::extended(theirs, byte),
        None => RxAddress::normal(theirs),
    };
    let address = Address::asymmetric(TxAddress::normal(other), rx).ok()?;
    Some(BytesChannel::new(address, config))
}

impl Listener {
    fn handle(&mut self, now: Instant, frame: &CanFrame) -> Vec<Outcome> {
        self.channel.handle_timeout(now);
        let mut outcomes = self.outcomes(now);
        if self.channel.receiving().is_none() {
            (self.began, self.frames) = (now, 0);
        }
        self.frames += 1;
        self.channel.handle_frame(now, frame);
        outcomes.extend(self.outcomes(now));
        outcomes
    }

    fn outcomes(&mut self, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some(event) = self.channel.poll_event() {
            match event {
                Event::Received { .. } => {
                    let message = self.channel.take_received(now);
                    outcomes.extend(message.map(|(_, data)| {
                        Outcome::Message(Message {
                            data: data.to_vec(),
                            frames: self.frames,
                            duration: now.saturating_since(self.began),
                        })
                    }));
                }
                Event::ReceiveFailed { error, received, len } => {
                    outcomes.push(Outcome::Failed(Failed {
                        n_result: error.n_result(),
                        why: error.to_string(),
                        received,
                        len,
                    }));
                    // Another message may have begun with this very frame.
                    if error == TransferError::UnexpectedPdu {
                        (self.began, self.frames) = (now, 1);
                    }
                }
                Event::Refused { len, max } => outcomes.push(Outcome::Failed(Failed {
                    n_result: NResult::BufferOvflw,
                    why: format!("longer than {max} bytes (--max-len)"),
                    received: 0,
                    len,
                })),
                Event::Ignored(_) => outcomes.push(Outcome::Bad),
                _ => {}
            }
        }
        outcomes
    }
}

#[cfg(test)]
mod tests {
    use can_link::candump::{Message as Text, Reading, parse_frame};

    use super::*;
    use crate::args::isotp::dump::AddressByte;
    use crate::units;

    fn pair(byte: Option<AddressByte>) -> Pair {
        Pair {
            source: units::can_id("7E0").unwrap(),
            destination: units::can_id("7E8").unwrap(),
            broadcast: units::can_id("7DF").ok(),
            source_byte: byte,
            destination_byte: byte,
        }
    }

    /// Each frame comes a millisecond after the one before.
    fn heard(pair: Pair, frames: &[&str]) -> Vec<Outcome> {
        let mut listeners = Listeners::new(pair, 100);
        let mut outcomes = Vec::new();
        for (at, text) in (0..).zip(frames) {
            let Ok(Text::Frame(frame)) = parse_frame(text, Reading::Strict) else {
                panic!("{text} is no frame");
            };
            let talk = pair.talk(&frame).unwrap();
            outcomes.extend(listeners.handle(Instant::from_millis(at), talk));
        }
        outcomes
    }

    fn message(data: &[u8], frames: u64, millis: u64) -> Outcome {
        Outcome::Message(Message {
            data: data.to_vec(),
            frames,
            duration: Duration::from_millis(millis),
        })
    }

    #[test]
    fn both_sides_are_followed_at_once() {
        let frames = [
            "7E0#0322F190",
            "7E8#1008010203040506",
            "7E0#300000",
            "7DF#023E80",
            "7E8#210708CCCCCCCCCC",
        ];
        let expected = [
            message(&[0x22, 0xF1, 0x90], 1, 0),
            message(&[0x3E, 0x80], 1, 0),
            message(&[1, 2, 3, 4, 5, 6, 7, 8], 2, 3),
        ];
        assert_eq!(heard(pair(None), &frames), expected);
    }

    #[test]
    fn nodes_behind_one_identifier_are_told_apart_by_their_address_byte() {
        let frames = [
            "7E8#1110070102030405",
            "7E8#12100711121314156",
            "7E8#11210607",
            "7E8#12211617",
        ]
        .map(|text| text.trim_end_matches('6'));
        let expected = [
            message(&[1, 2, 3, 4, 5, 6, 7], 2, 2),
            message(&[0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17], 2, 2),
        ];
        assert_eq!(heard(pair(Some(AddressByte::Any)), &frames), expected);
    }

    #[test]
    fn a_message_that_does_not_become_whole_is_told_with_the_standards_name() {
        let outcomes = heard(
            pair(None),
            &["7E0#1020010203040506", "7E0#2207080910111213", "7E0#2308"],
        );
        let [Outcome::Failed(failed), Outcome::Bad] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert_eq!(
            (failed.n_result, failed.received, failed.len),
            (NResult::WrongSn, 6, 32)
        );
        let outcomes = heard(pair(None), &["7E0#1065010203040506"]);
        let [Outcome::Failed(failed)] = outcomes.as_slice() else {
            panic!("{outcomes:?}");
        };
        assert!(failed.to_string().contains("--max-len"), "{failed}");
    }

    #[test]
    fn a_message_that_interrupts_another_is_timed_from_its_own_begin() {
        let frames = ["7E0#1008010203040506", "7E0#1008010203040506", "7E0#210708"];
        let outcomes = heard(pair(None), &frames);
        assert_eq!(outcomes.len(), 2, "{outcomes:?}");
        assert_eq!(outcomes[1], message(&[1, 2, 3, 4, 5, 6, 7, 8], 2, 1));
    }
}
