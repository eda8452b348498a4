//! The six numbers that a client chooses for both ends (RDP-2, RDP-3).

use core::ops::RangeInclusive;
use core::time::Duration;

use crate::DecodeError;

/// Length of the options in a SYN.
pub const OPTIONS_LEN: usize = 24;

/// How many segments may be on their way unacknowledged: 1 to [`MAX`](Self::MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(u16);

impl Window {
    /// The smallest.
    pub const ONE: Self = Self(1);
    /// The largest: the rules of 9.4 compare twice as many numbers, and all of them fit half the circle.
    pub const MAX: Self = Self(1024);

    /// A window of `segments`; `None` for 0 and above 1024.
    #[must_use]
    pub const fn new(segments: u16) -> Option<Self> {
        if segments == 0 || segments > Self::MAX.0 {
            None
        } else {
            Some(Self(segments))
        }
    }

    /// The number of segments.
    #[must_use]
    pub const fn segments(self) -> u16 {
        self.0
    }
}

/// When received data is acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Acks {
    /// After some segments or some time, and then again and again: that keeps an idle connection alive.
    #[default]
    Delayed,
    /// After each segment, and never without one.
    ///
    /// An idle connection then ends after the connection timeout, at both ends of libcsp 2.2.
    Immediate,
}

/// What the client of a connection asks for; its server does the same (RDP-3).
///
/// The defaults are those of all libcsp versions. On the wire, times are whole milliseconds in 32 bits; the
/// setters round up, and take what is longer for the longest (49 days).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Options {
    window: u32,
    connection_timeout: u32,
    packet_timeout: u32,
    acks: Acks,
    ack_timeout: u32,
    ack_delay_count: u32,
}

impl Options {
    /// Most segments unacknowledged at once. Default 4.
    ///
    /// libcsp 2.x has room for 5.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window.0 as u32;
        self
    }

    /// How long to wait for the opening, for a sign of life, and for the end. Default 10 s.
    #[must_use]
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = millis(timeout);
        self
    }

    /// After how long without acknowledgement a segment is sent again. Default 1 s.
    #[must_use]
    pub fn packet_timeout(mut self, timeout: Duration) -> Self {
        self.packet_timeout = millis(timeout);
        self
    }

    /// Whether acknowledgements may wait. Default [`Acks::Delayed`].
    #[must_use]
    pub const fn acks(mut self, acks: Acks) -> Self {
        self.acks = acks;
        self
    }

    /// Longest delay of an acknowledgement, and the pause between those of an idle connection.
    ///
    /// Default 250 ms.
    #[must_use]
    pub fn ack_timeout(mut self, timeout: Duration) -> Self {
        self.ack_timeout = millis(timeout);
        self
    }

    /// How many segments may wait for an acknowledgement; one more brings it at once. Default 2.
    #[must_use]
    pub const fn ack_delay_count(mut self, segments: u16) -> Self {
        self.ack_delay_count = segments as u32;
        self
    }

    /// The bytes on the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; OPTIONS_LEN] {
        let mut bytes = [0; OPTIONS_LEN];
        let acks = match self.acks {
            Acks::Delayed => 1,
            Acks::Immediate => 0,
        };
        let words = [
            self.window,
            self.connection_timeout,
            self.packet_timeout,
            acks,
            self.ack_timeout,
            self.ack_delay_count,
        ];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }

    /// The options at the end of a SYN's `body`; whatever is before them is ignored.
    ///
    /// They are as the other node sent them: [`Limits::clamp`] makes them fit for use.
    ///
    /// # Errors
    /// [`DecodeError::Short`]: fewer than 24 bytes (RDP-2).
    pub fn decode(body: &[u8]) -> Result<Self, DecodeError> {
        let bytes = body.last_chunk::<OPTIONS_LEN>().ok_or(DecodeError::Short {
            field: "RDP options",
            need: OPTIONS_LEN,
            got: body.len(),
        })?;
        let (words, _) = bytes.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        Ok(Self {
            window: next(),
            connection_timeout: next(),
            packet_timeout: next(),
            acks: if next() == 0 {
                Acks::Immediate
            } else {
                Acks::Delayed
            },
            ack_timeout: next(),
            ack_delay_count: next(),
        })
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            window: 4,
            connection_timeout: 10_000,
            packet_timeout: 1_000,
            acks: Acks::Delayed,
            ack_timeout: 250,
            ack_delay_count: 2,
        }
    }
}

fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// What a node puts up with from those who connect to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    max_window: Window,
    connection_timeout: (u32, u32),
    packet_timeout: (u32, u32),
    ack_timeout: (u32, u32),
}

impl Limits {
    /// What the machine can do at all.
    pub const WIDEST: Self = Self {
        max_window: Window::MAX,
        connection_timeout: (1, u32::MAX),
        packet_timeout: (1, u32::MAX),
        ack_timeout: (1, u32::MAX),
    };

    /// Largest window. Default 32 (libcsp 2.x 5, 1.6 20).
    ///
    /// A connection keeps up to three windows of messages: as many unacknowledged, and twice as many to be
    /// read or put in order.
    #[must_use]
    pub const fn max_window(mut self, window: Window) -> Self {
        self.max_window = window;
        self
    }

    /// Range of the connection timeout, in whole milliseconds above zero. Default 1 ms to 1 h.
    #[must_use]
    pub fn connection_timeout(mut self, range: RangeInclusive<Duration>) -> Self {
        self.connection_timeout = milli_range(&range);
        self
    }

    /// Range of the packet timeout. Default everything from 1 ms on.
    #[must_use]
    pub fn packet_timeout(mut self, range: RangeInclusive<Duration>) -> Self {
        self.packet_timeout = milli_range(&range);
        self
    }

    /// Range of the acknowledgement timeout. Default everything from 1 ms on.
    #[must_use]
    pub fn ack_timeout(mut self, range: RangeInclusive<Duration>) -> Self {
        self.ack_timeout = milli_range(&range);
        self
    }

    /// The options nearest to those asked for.
    #[must_use]
    pub fn clamp(&self, asked: Options) -> Clamped {
        let within = |value: u32, (low, high): (u32, u32)| value.max(low).min(high.max(low));
        let used = Options {
            window: within(asked.window, (1, u32::from(self.max_window.0))),
            connection_timeout: within(asked.connection_timeout, self.connection_timeout),
            packet_timeout: within(asked.packet_timeout, self.packet_timeout),
            acks: asked.acks,
            ack_timeout: within(asked.ack_timeout, self.ack_timeout),
            // More than a window never gathers: then time alone brings the acknowledgement.
            ack_delay_count: within(asked.ack_delay_count, (0, u32::from(Window::MAX.0))),
        };
        Clamped { asked, used }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_window: Window(32),
            connection_timeout: (1, 3_600_000),
            ..Self::WIDEST
        }
    }
}

fn milli_range(range: &RangeInclusive<Duration>) -> (u32, u32) {
    (millis(*range.start()).max(1), millis(*range.end()).max(1))
}

/// Options asked for, and those used in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clamped {
    asked: Options,
    used: Options,
}

impl Clamped {
    /// The options that the connection goes by.
    #[must_use]
    pub const fn options(&self) -> Options {
        self.used
    }

    /// Whether they are those asked for.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.asked == self.used
    }

    /// What was changed.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        let (asked, used) = (self.asked, self.used);
        [
            (Setting::Window, asked.window, used.window),
            (
                Setting::ConnectionTimeout,
                asked.connection_timeout,
                used.connection_timeout,
            ),
            (Setting::PacketTimeout, asked.packet_timeout, used.packet_timeout),
            (Setting::AckTimeout, asked.ack_timeout, used.ack_timeout),
            (
                Setting::AckDelayCount,
                asked.ack_delay_count,
                used.ack_delay_count,
            ),
        ]
        .into_iter()
        .filter(|(_, asked, used)| asked != used)
        .map(|(setting, asked, used)| Change { setting, asked, used })
    }
}

/// One of the numbers in a SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Setting {
    /// The window, in segments.
    Window,
    /// The connection timeout, in milliseconds.
    ConnectionTimeout,
    /// The packet timeout, in milliseconds.
    PacketTimeout,
    /// The acknowledgement timeout, in milliseconds.
    AckTimeout,
    /// How many segments wait for an acknowledgement.
    AckDelayCount,
}

/// A number asked for, and the one used in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Which one.
    pub setting: Setting,
    /// As asked for.
    pub asked: u32,
    /// As used.
    pub used: u32,
}

/// The options as the machine uses them, after [`Limits::clamp`].
#[cfg(feature = "alloc")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) window: u16,
    pub(super) connection_timeout: Duration,
    pub(super) packet_timeout: Duration,
    pub(super) acks: Acks,
    pub(super) ack_timeout: Duration,
    pub(super) ack_delay_count: u16,
}

#[cfg(feature = "alloc")]
impl Options {
    /// The options in the units of the machine.
    pub(super) fn terms(self) -> Terms {
        let millis = |millis: u32| Duration::from_millis(millis.into());
        Terms {
            window: u16::try_from(self.window).unwrap_or(Window::MAX.0),
            connection_timeout: millis(self.connection_timeout),
            packet_timeout: millis(self.packet_timeout),
            acks: self.acks,
            ack_timeout: millis(self.ack_timeout),
            ack_delay_count: u16::try_from(self.ack_delay_count).unwrap_or(Window::MAX.0),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    const CAPTURED: [u8; OPTIONS_LEN] = [
        0, 0, 0, 4, 0, 0, 0x27, 0x10, 0, 0, 3, 0xE8, 0, 0, 0, 1, 0, 0, 0, 0xFA, 0, 0, 0, 2,
    ];

    #[test]
    fn the_defaults_are_those_captured() {
        assert_eq!(Options::default().encode(), CAPTURED);
        assert_eq!(Options::decode(&CAPTURED), Ok(Options::default()));
        assert!(Limits::default().clamp(Options::default()).is_unchanged());
    }

    #[test]
    fn what_a_limit_changes_is_told() {
        let asked = Options {
            window: 0,
            packet_timeout: 0,
            ack_timeout: u32::MAX,
            ..Options::default()
        };
        let limits = Limits::default().ack_timeout(Duration::ZERO..=Duration::from_secs(1));
        let clamped = limits.clamp(asked);
        let changes: Vec<_> = clamped.changes().collect();
        let change = |setting, asked, used| Change { setting, asked, used };
        assert_eq!(
            changes,
            [
                change(Setting::Window, 0, 1),
                change(Setting::PacketTimeout, 0, 1),
                change(Setting::AckTimeout, u32::MAX, 1000),
            ]
        );
        assert!(limits.clamp(clamped.options()).is_unchanged());
    }

    #[test]
    fn times_are_rounded_up_to_milliseconds() {
        let options = Options::default().packet_timeout(Duration::from_micros(1001));
        assert_eq!(options.packet_timeout, 2);
        assert_eq!(options.ack_timeout(Duration::MAX).ack_timeout, u32::MAX);
    }

    #[test]
    fn twenty_three_bytes_are_no_options() {
        assert!(Options::decode(&CAPTURED[1..]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_becomes_usable(body: [u8; OPTIONS_LEN]) {
            let asked = Options::decode(&body).unwrap();
            prop_assert_eq!(Options::decode(&asked.encode()), Ok(asked));
            let used = Limits::WIDEST.clamp(asked).options();
            prop_assert!((1..=1024).contains(&used.window) && used.ack_delay_count <= 1024);
            prop_assert!(used.packet_timeout.min(used.ack_timeout).min(used.connection_timeout) > 0);
        }
    }
}
