//! The host of a bus: sockets around a [`Switch`], on a thread of its own.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::time::SystemTime;

use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Sleep, sleep};

use super::connection::{CHUNK, Connection};
use super::limits::MAX_MEMBERS;
use super::place::Claim;
use super::switch::{MemberId, Switch};
use super::wire::Message;

/// Reads of one member before the others have their turn.
const READS_PER_TURN: usize = 4;
/// How long a connection may take to say hello.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a leaving host waits for members to close their side and take what is left.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a host that takes over only lets members back in, so that the first frames reach all of them.
/// Longer than any pause between a member's attempts.
const GATHER_TIME: Duration = Duration::from_millis(250);

/// Whether a host is the first one of its bus or follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    First,
    Takeover,
}

/// Where a host runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// On a thread of its own, so that nothing the user's tasks do can hold up the bus.
    Thread,
    /// In a task, whose clock a test can stop.
    #[cfg(test)]
    Task,
}

/// A running host; it leaves in good order when this is dropped.
#[derive(Debug)]
pub(super) struct Hosting {
    stop: oneshot::Sender<Infallible>,
    gone: oneshot::Receiver<Infallible>,
}

impl Hosting {
    /// Starts a host on a fresh socket.
    pub(super) fn start(
        claim: Claim,
        listener: std::os::unix::net::UnixListener,
        start: Start,
        home: Home,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (end, gone) = oneshot::channel();
        let serve = async move {
            // An error is no worse than a host that dies: who wanted to join looks for another.
            if let Ok(listener) = UnixListener::from_std(listener) {
                let mut host = Host::new(claim, listener, start, stopped);
                poll_fn(|cx| host.poll(cx)).await;
            }
            drop(end);
        };
        match home {
            Home::Thread => {
                let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
                // One that the user's runtime waits for when it ends, so that the host leaves in good order.
                drop(spawn_blocking(move || runtime.block_on(serve)));
            }
            #[cfg(test)]
            Home::Task => drop(tokio::spawn(serve)),
        }
        Ok(Self { stop, gone })
    }

    /// Leaves: members that were told take over without loss.
    pub(super) async fn leave(self) {
        drop(self.stop);
        // The end is all that is ever told; a host that panicked is gone as well.
        let _ = self.gone.await;
    }
}

struct Member {
    id: MemberId,
    connection: Connection,
    /// Set until it has said hello.
    patience: Option<Pin<Box<Sleep>>>,
    /// It has closed its sending side.
    ended: bool,
    /// Nothing waits to be written to it.
    idle: bool,
}

struct Host {
    claim: Claim,
    /// `None` while leaving.
    listener: Option<UnixListener>,
    switch: Switch,
    connections: Vec<Member>,
    stopped: Option<oneshot::Receiver<Infallible>>,
    /// Set while frames wait until the members are back.
    gathering: Option<Pin<Box<Sleep>>>,
    /// Set while leaving.
    deadline: Option<Pin<Box<Sleep>>>,
    buffer: Box<[u8]>,
}

/// Whether a member stays.
#[derive(PartialEq, Eq)]
enum Stay {
    Yes,
    No,
}

impl Host {
    fn new(
        claim: Claim,
        listener: UnixListener,
        start: Start,
        stopped: oneshot::Receiver<Infallible>,
    ) -> Self {
        Self {
            claim,
            listener: Some(listener),
            switch: Switch::default(),
            connections: Vec::new(),
            stopped: Some(stopped),
            gathering: (start == Start::Takeover).then(|| Box::pin(sleep(GATHER_TIME))),
            deadline: None,
            buffer: alloc::vec![0; CHUNK].into_boxed_slice(),
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(stopped) = &mut self.stopped
            && Pin::new(stopped).poll(cx).is_ready()
        {
            self.begin_leave();
        }
        if let Some(gathering) = &mut self.gathering
            && gathering.as_mut().poll(cx).is_ready()
        {
            self.gathering = None;
        }
        self.accept(cx);
        let again = self.receive(cx);
        let news = self.transmit(cx);
        if again || news {
            // somebody has more to say than one turn allows
            cx.waker().wake_by_ref();
        }
        match &mut self.deadline {
            Some(_) if self.connections.is_empty() => Poll::Ready(()),
            Some(deadline) => deadline.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }

    fn begin_leave(&mut self) {
        self.stopped = None;
        self.gathering = None;
        self.claim.close_door();
        self.listener = None;
        self.switch.announce_leave();
        self.deadline = Some(Box::pin(sleep(LEAVE_TIMEOUT)));
    }

    fn accept(&mut self, cx: &mut Context<'_>) {
        // An error (too many open files) concerns who wanted to join; it tries again.
        while let Some(Poll::Ready(Ok((stream, _)))) =
            self.listener.as_ref().map(|listener| listener.poll_accept(cx))
        {
            if self.connections.len() < MAX_MEMBERS || self.evict_silent() {
                self.connections.push(Member::new(self.switch.join(), stream));
            } else {
                turn_away(&stream, self.connections.len());
            }
        }
    }

    /// Turns out who has been silent for longest; false when all have said hello.
    fn evict_silent(&mut self) -> bool {
        let is_silent = |member: &Member| !self.switch.is_greeted(member.id);
        let Some(place) = self.connections.iter().position(is_silent) else {
            return false;
        };
        self.switch.leave(self.connections.remove(place).id);
        true
    }

    /// Gives every member its turn; true when somebody was not done.
    fn receive(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            connections,
            switch,
            buffer,
            ..
        } = self;
        let leaving = self.deadline.is_some();
        let gathering = self.gathering.is_some();
        let mut again = false;
        connections.retain_mut(|member| {
            if gathering && switch.is_greeted(member.id) {
                return true;
            }
            let mut stay = member.receive(cx, switch, buffer, &mut again);
            if member.is_overdue(cx, switch) {
                stay = Stay::No;
            }
            if stay == Stay::No && !(leaving && member.ended) {
                switch.leave(member.id);
                return false;
            }
            true
        });
        again
    }

    /// Writes what waits; true when there is more to write by now.
    fn transmit(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            connections, switch, ..
        } = self;
        let mut news = false;
        connections.retain_mut(|member| {
            let stay = member.transmit(cx, switch) == Stay::Yes;
            if !stay {
                news |= switch.leave(member.id);
            } else if member.idle {
                news |= switch.handle_written(member.id);
            }
            stay
        });
        // A leaving host closes when nobody can say anything any more and all was passed on.
        if self.deadline.is_some() && self.connections.iter().all(|member| member.ended && member.idle) {
            self.connections.clear();
        }
        news
    }
}

impl Member {
    fn new(id: MemberId, stream: UnixStream) -> Self {
        Self {
            id,
            connection: Connection::new(stream),
            patience: Some(Box::pin(sleep(HELLO_TIMEOUT))),
            ended: false,
            idle: true,
        }
    }

    /// Whether it has not said hello in time.
    fn is_overdue(&mut self, cx: &mut Context<'_>, switch: &Switch) -> bool {
        if switch.is_greeted(self.id) {
            self.patience = None;
        }
        let patience = self.patience.as_mut();
        patience.is_some_and(|patience| patience.as_mut().poll(cx).is_ready())
    }

    fn receive(
        &mut self,
        cx: &mut Context<'_>,
        switch: &mut Switch,
        buffer: &mut [u8],
        again: &mut bool,
    ) -> Stay {
        for _ in 0..READS_PER_TURN {
            if self.ended {
                return Stay::No;
            }
            match self.connection.poll_read(cx, buffer) {
                Poll::Pending => return Stay::Yes,
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Err(_)) => return Stay::No,
                Poll::Ready(Ok(len)) => {
                    let bytes = buffer.get(..len).unwrap_or_default();
                    if switch.handle_bytes(self.id, bytes, wall_clock()).is_err() {
                        return Stay::No;
                    }
                }
            }
        }
        *again = true;
        Stay::Yes
    }

    fn transmit(&mut self, cx: &mut Context<'_>, switch: &mut Switch) -> Stay {
        loop {
            while self.connection.has_room() {
                let Some(packet) = switch.poll_transmit(self.id) else {
                    break;
                };
                self.connection.gather(|out| out.extend_from_slice(&packet));
            }
            self.idle = false;
            match self.connection.poll_write(cx) {
                Poll::Pending => return Stay::Yes,
                Poll::Ready(Err(_)) => return Stay::No,
                Poll::Ready(Ok(0)) => {
                    self.idle = true;
                    return Stay::Yes;
                }
                Poll::Ready(Ok(_)) => {}
            }
        }
    }
}

/// Says why there is no welcome, if the socket takes it; who is not told tries again.
fn turn_away(stream: &UnixStream, members: usize) {
    let mut bytes = Vec::new();
    Message::Full(u64::try_from(members).unwrap_or(u64::MAX)).encode(&mut bytes);
    let _ = stream.try_write(&bytes);
}

/// Nanoseconds since 1970.
fn wall_clock() -> u64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
