//! What a server takes of what a client asks for (RDP-3).

use core::ops::RangeInclusive;
use core::time::Duration;

use super::options::millis;
use super::{Options, Window};

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

    /// Range of the packet timeout. Default everything from 10 ms on.
    ///
    /// The peers take any; but they look no more often than every 10 ms, and a shorter one would have this
    /// node repeat what a stranger's SYN asks for as fast as it can.
    #[must_use]
    pub fn packet_timeout(mut self, range: RangeInclusive<Duration>) -> Self {
        self.packet_timeout = milli_range(&range);
        self
    }

    /// Range of the acknowledgement timeout. Default everything from 10 ms on.
    ///
    /// Both ends of an idle connection send an acknowledgement each time it has passed.
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
            packet_timeout: (10, u32::MAX),
            ack_timeout: (10, u32::MAX),
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

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::rdp::OPTIONS_LEN;

    #[test]
    fn the_defaults_of_the_peers_are_taken_as_they_are() {
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
                change(Setting::PacketTimeout, 0, 10),
                change(Setting::AckTimeout, u32::MAX, 1000),
            ]
        );
        assert!(limits.clamp(clamped.options()).is_unchanged());
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_becomes_usable(body: [u8; OPTIONS_LEN]) {
            let asked = Options::decode(&body).unwrap();
            let used = Limits::WIDEST.clamp(asked).options();
            prop_assert!((1..=1024).contains(&used.window) && used.ack_delay_count <= 1024);
            prop_assert!(used.packet_timeout.min(used.ack_timeout).min(used.connection_timeout) > 0);
        }
    }
}
