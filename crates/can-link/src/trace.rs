//! A link that writes down what passes: a log that candump's users and tools read.

use alloc::boxed::Box;
use core::fmt;
use core::task::{Context, Poll, ready};
use std::io::{self, Write};
use std::time::SystemTime;

use crate::candump::{Direction, LogLine, LogTime, Message, Precision};
use crate::filter::FilterSet;
use crate::frame::CanFrame;
use crate::link::{
    CanLink, CanRx, CanTx, Capabilities, Event, EventBuf, FilterPlace, LinkError, Origin, SendError,
};

/// A link that writes each frame that is received or sent as a candump log line with its direction.
///
/// Echoes of own frames are not written, since they were when they were sent. Losses are written as candump's
/// `DROPCOUNT` lines. When the log cannot be written, traffic goes on without it: see [`Trace::error`].
///
/// Received frames carry the link's time stamp. Sent ones are stamped by the system's clock, unless
/// [`with_clock`](Trace::with_clock) gives another: on a virtual bus in virtual time, `VirtualBus::time`.
/// Lines are written while the link is polled, so a log that blocks holds up the task; give it a buffer, or a
/// writer that hands lines to another thread.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn core::error::Error>> {
/// use can_link::trace::Trace;
/// use can_link::{CanFrame, CanTxExt, StandardId, VirtualBus};
///
/// let mut link = Trace::new(VirtualBus::new().join(), "bus0", Vec::new());
/// link.send(CanFrame::data(StandardId::new(0x123).unwrap(), &[1, 2]).unwrap()).await?;
/// let log = String::from_utf8(link.into_parts().1)?;
/// assert!(log.ends_with(" bus0 123#0102 T\n"));
/// # Ok(()) }
/// ```
pub struct Trace<L, W> {
    link: L,
    name: alloc::string::String,
    log: W,
    error: Option<io::Error>,
    dropped: u64,
    clock: Box<dyn FnMut() -> SystemTime + Send>,
}

impl<L: CanLink, W: Write + Send + Unpin> Trace<L, W> {
    /// Writes what passes through `link` to `log`, as traffic of an interface called `name`.
    #[must_use]
    pub fn new(link: L, name: impl Into<alloc::string::String>, log: W) -> Self {
        Self {
            link,
            name: name.into(),
            log,
            error: None,
            dropped: 0,
            clock: Box::new(SystemTime::now),
        }
    }

    /// Stamps sent frames by `clock`.
    #[must_use]
    pub fn with_clock(self, clock: impl FnMut() -> SystemTime + Send + 'static) -> Self {
        Self {
            clock: Box::new(clock),
            ..self
        }
    }

    /// Why nothing is written any more, if the log has failed.
    #[must_use]
    pub const fn error(&self) -> Option<&io::Error> {
        self.error.as_ref()
    }

    /// The link and the log.
    #[must_use]
    pub fn into_parts(self) -> (L, W) {
        (self.link, self.log)
    }

    fn write(&mut self, time: SystemTime, message: impl Into<Message>, direction: Direction) {
        let line = LogLine {
            time: LogTime::from(time),
            precision: Precision::Micro,
            interface: &self.name,
            message: message.into(),
            direction: Some(direction),
        };
        if self.error.is_none() {
            self.error = writeln!(self.log, "{line}").err();
        }
    }

    fn write_event(&mut self, event: &Event) {
        match event {
            Event::Frame(received) if received.origin != Origin::Own => {
                self.write(received.time.host, received.frame.clone(), Direction::Receive);
            }
            Event::BusError(error) => self.write(error.time.host, error.report, Direction::Receive),
            Event::Dropped { count, .. } => {
                self.dropped += count;
                let (total, name) = (self.dropped, &self.name);
                let noun = if *count == 1 { "frame" } else { "frames" };
                if self.error.is_none() {
                    self.error = writeln!(
                        self.log,
                        "DROPCOUNT: dropped {count} CAN {noun} on '{name}' socket (total drops {total})"
                    )
                    .err();
                }
            }
            _ => {}
        }
    }
}

impl<L: CanLink, W: Write + Send + Unpin> CanRx for Trace<L, W> {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut EventBuf,
        max: usize,
    ) -> Poll<Result<usize, LinkError>> {
        let before = out.len();
        let moved = ready!(self.link.poll_recv(cx, out, max))?;
        out.iter().skip(before).for_each(|event| self.write_event(event));
        Poll::Ready(Ok(moved))
    }

    fn set_filters(&mut self, filters: &FilterSet) -> Result<FilterPlace, LinkError> {
        self.link.set_filters(filters)
    }

    fn capabilities(&self) -> Capabilities {
        self.link.capabilities()
    }
}

impl<L: CanLink, W: Write + Send + Unpin> CanTx for Trace<L, W> {
    fn poll_send(&mut self, cx: &mut Context<'_>, frames: &[CanFrame]) -> Poll<Result<usize, SendError>> {
        let taken = ready!(self.link.poll_send(cx, frames))?;
        let now = (self.clock)();
        frames
            .iter()
            .take(taken)
            .for_each(|frame| self.write(now, frame.clone(), Direction::Transmit));
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.error.is_none() {
            self.error = self.log.flush().err();
        }
        self.link.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.error.is_none() {
            self.error = self.log.flush().err();
        }
        self.link.poll_close(cx)
    }
}

impl<L, W> fmt::Debug for Trace<L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("name", &self.name)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "tokio")]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use embedded_can::StandardId;

    use super::*;
    use crate::candump::{Log, LogItem, Reading};
    use crate::link::{CanRxExt, CanTxExt};
    use crate::virtual_bus::{BusConfig, PortConfig, VirtualBus};

    fn frame(byte: u8) -> CanFrame {
        CanFrame::data(StandardId::new(0x321).unwrap(), &[byte]).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn both_directions_and_losses_are_written_in_order() {
        let bus = VirtualBus::with_config(BusConfig::default().epoch(SystemTime::UNIX_EPOCH));
        let mut other = bus.join();
        let clock = bus.clone();
        let mut link = Trace::new(
            bus.join_with(PortConfig::default().receive_queue(1)),
            "bus0",
            Vec::new(),
        )
        .with_clock(move || clock.time());
        other.send_all(&[frame(1), frame(2)]).await.unwrap();
        link.recv().await.unwrap();
        link.recv().await.unwrap();
        tokio::time::advance(core::time::Duration::from_secs(2)).await;
        link.send(frame(3)).await.unwrap();
        let log = String::from_utf8(link.into_parts().1).unwrap();
        let texts: Vec<String> = Log::new(&log, Reading::Strict)
            .map(|item| match item {
                LogItem::Line(line) => line.message.to_string(),
                other => std::format!("{other:?}"),
            })
            .collect();
        assert_eq!(texts.first().unwrap(), "321#01");
        assert!(
            log.contains("DROPCOUNT: dropped 1 CAN frame on 'bus0' socket (total drops 1)\n"),
            "{log}"
        );
        assert_eq!(texts.last().unwrap(), "321#03");
        assert!(
            log.ends_with("(0000000002.000000) bus0 321#03 T\n"),
            "one clock for both directions: {log}"
        );
    }

    /// A log that is always full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_log_that_fails_does_not_stop_the_traffic() {
        let bus = VirtualBus::new();
        let mut other = bus.join();
        let mut link = Trace::new(bus.join(), "bus0", Full);
        link.send(frame(1)).await.unwrap();
        assert_eq!(link.error().unwrap().kind(), io::ErrorKind::StorageFull);
        assert_eq!(other.recv_frame().await.unwrap().unwrap().frame, frame(1));
    }
}
