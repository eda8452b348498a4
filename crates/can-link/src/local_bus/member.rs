//! The task behind a port: one connection to the host after the other.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;
use std::time::{Instant, SystemTime};

use tokio::time::{Sleep, sleep};

use super::connection::{CHUNK, Connection};
use super::earlier::Earlier;
use super::host::Start;
use super::join::{Joined, join};
use super::place::Place;
use super::shared::{Ended, Shared};
use super::wire::{Input, Message, Sender, encode_frame};
use crate::frame::CanFrame;
use crate::link::{ChannelId, LinkError, Origin, Received, Timestamp};

/// How long a member that leaves waits for the host to close, and one that closes for members that are slow.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a port until its halves are gone.
pub(super) async fn run(shared: Arc<Shared>, place: Place, hello: Message, first: Joined) {
    // When the runtime ends before the port does, the port must know.
    let _guard = EndGuard(Arc::clone(&shared));
    let mut joined = first;
    let mut earlier = Earlier::default();
    loop {
        shared.lock().stats.hosting = joined.hosting.is_some();
        let mut session = Session::new(Connection::new(joined.stream), earlier);
        let end = poll_fn(|cx| session.poll(cx, &shared)).await;
        shared
            .lock()
            .take_back(session.in_flight.into_iter().map(|(frame, _)| frame));
        let hosting = joined.hosting.take();
        match end {
            SessionEnd::Left => {
                if let Some(hosting) = hosting {
                    hosting.leave().await;
                }
                return shared.lock().end(Ended::Left);
            }
            SessionEnd::Malformed => {
                let link = alloc::format!("bus:{}", place.name);
                let what = "the host sent something that is no message".into();
                return shared.lock().fail(LinkError::Protocol { link, what });
            }
            SessionEnd::HostGone => {}
        }
        // An own host that failed gives up its claim here.
        drop(hosting);
        earlier = session.earlier;
        earlier.push(session.input);
        joined = match join(&place, &hello, Start::Takeover).await {
            Ok(joined) => joined,
            Err(failure) => {
                earlier.deliver_all(&shared);
                return shared.lock().fail(failure);
            }
        };
    }
}

struct EndGuard(Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.lock().end(Ended::Gone);
    }
}

/// How a session ended.
enum SessionEnd {
    /// The port's owner left.
    Left,
    /// The host closed, died, or told us to go.
    HostGone,
    /// The host sent something that is no message.
    Malformed,
}

/// Whether frames may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Open,
    /// The host leaves or we do: finish what was begun, then close.
    Finishing,
    /// We closed our side, or the host takes no more. What it has still to say is read to the end.
    Closed,
}

/// One connection to a host.
struct Session {
    connection: Connection,
    earlier: Earlier,
    input: Input,
    buffer: Box<[u8]>,
    writing: Writing,
    /// Frames that are gathered or partly written, with the bytes of each that are still to be written.
    in_flight: VecDeque<(CanFrame, usize)>,
    /// Set while leaving or closing.
    deadline: Option<Pin<Box<Sleep>>>,
    /// The host was asked to tell when it has passed all frames on.
    has_asked: bool,
}

impl Session {
    fn new(connection: Connection, earlier: Earlier) -> Self {
        Self {
            connection,
            earlier,
            input: Input::default(),
            buffer: alloc::vec![0; CHUNK].into_boxed_slice(),
            writing: Writing::Open,
            in_flight: VecDeque::new(),
            deadline: None,
            has_asked: false,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<SessionEnd> {
        shared.lock().register_driver(cx.waker());
        if let Poll::Ready(end) = self.receive(cx, shared) {
            return Poll::Ready(end);
        }
        if self.transmit(cx, shared).is_err() {
            // A host that is dead or dying: what it had said before is still to be read.
            self.writing = Writing::Closed;
            if let Poll::Ready(end) = self.receive(cx, shared) {
                return Poll::Ready(end);
            }
        }
        if !shared.lock().is_closing() {
            self.deadline = None;
            return Poll::Pending;
        }
        let new = || Box::pin(sleep(CLOSE_TIMEOUT));
        let deadline = self.deadline.get_or_insert_with(new);
        ready!(deadline.as_mut().poll(cx));
        if shared.lock().is_leaving() {
            return Poll::Ready(SessionEnd::Left);
        }
        self.deadline = None;
        shared.lock().give_up();
        Poll::Pending
    }

    /// Reads until nothing is there or the port has enough.
    fn receive(&mut self, cx: &mut Context<'_>, shared: &Shared) -> Poll<SessionEnd> {
        loop {
            let is_turn = self.earlier.deliver(shared);
            while is_turn && shared.lock().wants_input() {
                match self.input.next_message() {
                    Ok(None) => break,
                    Ok(Some(Message::Frame { frame, sender, nanos })) => {
                        shared.lock().push_frame(received(frame, sender, nanos));
                    }
                    Ok(Some(Message::Lost(count))) => shared.lock().push_lost(count),
                    Ok(Some(Message::Leave)) => self.finish_writing(),
                    Ok(Some(Message::Passed)) if self.has_asked => shared.lock().passed(),
                    Ok(Some(_)) | Err(_) => return Poll::Ready(SessionEnd::Malformed),
                }
            }
            // A host that goes is heard out, so that waiting frames can go to the next one.
            let is_last = self.writing == Writing::Closed && self.earlier.has_room(&self.input);
            if !(is_last || is_turn && shared.lock().wants_input()) {
                return Poll::Pending; // the receiving half wakes us when it has taken something
            }
            match self.connection.poll_read(cx, &mut self.buffer) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(self.end(shared)),
                Poll::Ready(Ok(len)) => self.input.extend(self.buffer.get(..len).unwrap_or_default()),
            }
        }
    }

    /// Writes what waits; an error when the host takes no more.
    fn transmit(&mut self, cx: &mut Context<'_>, shared: &Shared) -> io::Result<()> {
        if self.writing == Writing::Closed {
            return Ok(());
        }
        loop {
            if self.writing == Writing::Open {
                self.gather(shared);
                let state = shared.lock();
                if state.is_done_sending() && !self.has_asked {
                    self.has_asked = true;
                    self.connection.gather(|out| Message::Done.encode(out));
                }
                if state.is_leaving() && state.is_flushed() {
                    self.writing = Writing::Finishing;
                }
            }
            match self.connection.poll_write(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(Ok(written)) => self.count_written(written, shared),
            }
        }
        if self.writing == Writing::Finishing
            && let Poll::Ready(shut) = self.connection.poll_shutdown(cx)
        {
            shut?;
            self.writing = Writing::Closed;
        }
        Ok(())
    }

    fn gather(&mut self, shared: &Shared) {
        let mut state = shared.lock();
        while self.connection.has_room() {
            let Some(frame) = state.take_outgoing() else {
                return;
            };
            let in_flight = &mut self.in_flight;
            self.connection.gather(|out| {
                let before = out.len();
                encode_frame(out, &frame, Sender::Other, 0);
                in_flight.push_back((frame, out.len() - before));
            });
        }
    }

    fn count_written(&mut self, mut bytes: usize, shared: &Shared) {
        let mut frames = 0;
        while let Some((_, left)) = self.in_flight.front_mut() {
            if *left > bytes {
                *left -= bytes;
                break;
            }
            bytes -= *left;
            frames += 1;
            self.in_flight.pop_front();
        }
        shared.lock().written(frames);
    }

    fn finish_writing(&mut self) {
        if self.writing == Writing::Open {
            self.writing = Writing::Finishing;
        }
    }

    fn end(&self, shared: &Shared) -> SessionEnd {
        let state = shared.lock();
        // Frames that wait are worth another host, even for a port that leaves.
        let unsent = !state.is_flushed() || !self.in_flight.is_empty();
        if state.is_leaving() && !unsent {
            SessionEnd::Left
        } else {
            SessionEnd::HostGone
        }
    }
}

/// A frame as the port gets it.
pub(super) fn received(frame: CanFrame, sender: Sender, nanos: u64) -> Received {
    Received {
        frame,
        time: Timestamp {
            host: SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos),
            hardware: None,
            monotonic: Instant::now(),
        },
        origin: match sender {
            Sender::Own => Origin::Own,
            Sender::Other => Origin::LocalHost,
        },
        channel: ChannelId::default(),
    }
}
