//! The six numbers that a client chooses for both ends (RDP-2, RDP-3).

use core::time::Duration;

use crate::DecodeError;

/// Length of the options in a SYN.
pub const OPTIONS_LEN: usize = 24;

/// How many segments may be on their way unacknowledged: 1 to [`MAX`](Self::MAX).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Window(pub(super) u16);

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
    pub(super) window: u32,
    pub(super) connection_timeout: u32,
    pub(super) packet_timeout: u32,
    pub(super) acks: Acks,
    pub(super) ack_timeout: u32,
    pub(super) ack_delay_count: u32,
}

impl Options {
    /// Most segments unacknowledged at once. Default 4.
    ///
    /// libcsp 2.x has room for 5. Lowers [`ack_delay_count`](Self::ack_delay_count) below it, so that both
    /// ends acknowledge a full window at once; set after this, that is kept.
    /// A large one wants a long enough [`packet_timeout`](Self::packet_timeout).
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = window.0 as u32;
        if self.ack_delay_count >= self.window {
            self.ack_delay_count = self.window.saturating_sub(1);
        }
        self
    }

    /// How long to wait for the opening, for a sign of life, and for the end. Default 10 s.
    #[must_use]
    pub fn connection_timeout(mut self, timeout: Duration) -> Self {
        self.connection_timeout = millis(timeout);
        self
    }

    /// The connection timeout, in ms.
    #[must_use]
    pub const fn connection_timeout_millis(&self) -> u32 {
        self.connection_timeout
    }

    /// After how long without acknowledgement a segment is sent again. Default 1 s.
    ///
    /// It counts from when the segment was queued for its link. So let it be longer than the windows of both
    /// ends need on the link together: 32 packets of 256 bytes take 1.2 s on CAN at 125 kbit/s, and repeating
    /// what is still on its way leaves less room for the rest, down to none.
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
    ///
    /// With a whole window or more, each full window waits for [`ack_timeout`](Self::ack_timeout).
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
    /// They are as the other node sent them: [`Limits::clamp`](super::Limits::clamp) makes them fit for use.
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

pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u32::MAX)
}

/// The options as the machine uses them, after [`Limits::clamp`](super::Limits::clamp).
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
    use proptest::prelude::*;

    use super::*;

    const CAPTURED: [u8; OPTIONS_LEN] = [
        0, 0, 0, 4, 0, 0, 0x27, 0x10, 0, 0, 3, 0xE8, 0, 0, 0, 1, 0, 0, 0, 0xFA, 0, 0, 0, 2,
    ];

    #[test]
    fn the_defaults_are_those_captured() {
        assert_eq!(Options::default().encode(), CAPTURED);
        assert_eq!(Options::decode(&CAPTURED), Ok(Options::default()));
    }

    #[test]
    fn times_are_rounded_up_to_milliseconds() {
        let options = Options::default().packet_timeout(Duration::from_micros(1001));
        assert_eq!(options.packet_timeout, 2);
        assert_eq!(options.ack_timeout(Duration::MAX).ack_timeout, u32::MAX);
    }

    #[test]
    fn a_small_window_waits_for_fewer_acknowledgements_unless_more_are_asked_for() {
        let small = Options::default().window(Window::new(2).unwrap());
        assert_eq!((small.window, small.ack_delay_count), (2, 1));
        assert_eq!(small.ack_delay_count(2).ack_delay_count, 2);
    }

    #[test]
    fn twenty_three_bytes_are_no_options() {
        assert!(Options::decode(&CAPTURED[1..]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_options_and_stay_the_same(body: [u8; OPTIONS_LEN]) {
            let options = Options::decode(&body).unwrap();
            prop_assert_eq!(Options::decode(&options.encode()), Ok(options));
        }
    }
}
