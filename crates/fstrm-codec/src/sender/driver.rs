//! The task: connects, drives the connection, and connects anew until it is told to end.

use alloc::sync::Arc;
use core::future::{Future, pending, poll_fn};
use core::hash::{BuildHasher, Hasher};
use core::pin::pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::hash::RandomState;

use tinwire_time::Instant;

use super::Config;
use super::backoff::Backoff;
use super::event::{Cause, Event};
use super::session::{Outcome, Session, timed_out};
use super::shared::{Shared, Until};
use crate::conn::{Clock, ConnError};
use crate::endpoint::Connect;
use crate::handshake::{Absence, HandshakeError};

/// What every part of the task needs.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) shared: Arc<Shared>,
    pub(super) config: Config,
    pub(super) clock: Clock,
    /// How the sender was asked to close, as far as it was seen, and when it has to be closed for that.
    asked: Option<Duration>,
    quit_by: Option<Instant>,
}

/// What came first.
enum First<T> {
    Done(T),
    TimedOut,
    /// The sender is closed, and has nothing to send or no time.
    Quit,
}

/// Tells the handles that the task has ended, in whatever way.
struct End {
    shared: Arc<Shared>,
    finished: bool,
}

impl Drop for End {
    fn drop(&mut self) {
        self.shared.end(self.finished);
    }
}

/// The sender's life. Dropped before its end, even before its first poll, it tells the handles.
pub(super) fn drive<C: Connect + Send>(
    connect: C,
    shared: Arc<Shared>,
    config: Config,
) -> impl Future<Output = ()> + Send {
    let end = End {
        shared: Arc::clone(&shared),
        finished: false,
    };
    live(connect, shared, config, end)
}

async fn live<C: Connect>(mut connect: C, shared: Arc<Shared>, config: Config, mut end: End) {
    let seed = config
        .seed
        .unwrap_or_else(|| RandomState::new().build_hasher().finish());
    let mut backoff = Backoff::new(config.first_backoff, config.last_backoff, seed);
    let mut task = Task {
        shared,
        config,
        clock: Clock::new(),
        asked: None,
        quit_by: None,
    };
    loop {
        let delay = match task.connection(&mut connect, &mut backoff).await {
            Next::AtOnce => continue,
            Next::After(delay) => delay,
            Next::End { finished } => {
                end.finished = finished;
                return;
            }
        };
        if let First::Quit = task.first(pending::<()>(), delay).await {
            return;
        }
    }
}

/// What follows a connection.
enum Next {
    AtOnce,
    After(Duration),
    End { finished: bool },
}

impl Task {
    /// One connection, from the attempt to the end.
    async fn connection<C: Connect>(&mut self, connect: &mut C, backoff: &mut Backoff) -> Next {
        let timeout = self.config.connect_timeout;
        let error = match self.first(connect.connect(), timeout).await {
            First::Done(Ok(io)) => return self.session(io, backoff).await,
            First::Done(Err(error)) => error,
            First::TimedOut => timed_out(std::format!("no connection within {timeout:?}")),
            First::Quit => return Next::End { finished: false },
        };
        Next::After(self.not_connected(error.into(), backoff))
    }

    async fn session<S>(&mut self, io: S, backoff: &mut Backoff) -> Next
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    {
        let mut session = match Session::new(io, &self.config, self.clock.now()) {
            Ok(session) => session,
            Err(error) => return Next::After(self.not_connected(error, backoff)),
        };
        let outcome = poll_fn(|cx| session.poll(cx, self)).await;
        let started = session.started();
        // Before the queue is touched: what is written after this was not counted.
        drop(session);
        match outcome {
            Outcome::Finished => {
                backoff.reset();
                let is_over = self.handle_finished();
                if is_over {
                    Next::End { finished: true }
                } else {
                    Next::AtOnce
                }
            }
            Outcome::Lost(error) => Next::After(match started {
                Some(started) => self.lost(error, backoff, started),
                None => self.not_connected(error, backoff),
            }),
            Outcome::Quit => Next::End { finished: false },
        }
    }

    /// The transport has taken that much of the batch.
    pub(super) fn handle_written(&self, len: usize) {
        self.shared.lock().queue.handle_written(len);
        self.shared.progress.notify_waiters();
    }

    /// When the sender has to be closed, if it is asked to; who asks later, or for less, wakes this task.
    pub(super) fn quit_by(&mut self, cx: &Context<'_>) -> Option<Instant> {
        let mut state = self.shared.lock();
        state.park(Until::Closing, cx);
        if self.asked != state.closing {
            self.asked = state.closing;
            let by = self.asked.map(|timeout| self.clock.now() + timeout);
            self.quit_by = self.quit_by.into_iter().chain(by).min();
        }
        self.quit_by
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.quit_by.is_some_and(|by| by <= now)
    }

    /// Waits for `future`, at most for `timeout`, while there is no connection.
    async fn first<F: Future>(&mut self, future: F, timeout: Duration) -> First<F::Output> {
        let mut future = pin!(future);
        let by = self.clock.now() + timeout;
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(First::Done(output));
            }
            let quit_by = self.quit_by(cx);
            if quit_by.is_some() && self.shared.lock().queue.is_empty() {
                return Poll::Ready(First::Quit);
            }
            let now = ready!(
                self.clock
                    .poll_deadline(cx, quit_by.map_or(Some(by), |quit| Some(quit.min(by))))
            );
            Poll::Ready(if self.is_over(now) {
                First::Quit
            } else {
                First::TimedOut
            })
        })
        .await
    }

    /// The stream has ended in order; whether that is the sender's end.
    fn handle_finished(&self) -> bool {
        let mut state = self.shared.lock();
        state.queue.handle_confirmed();
        state.stats.finished += 1;
        let is_over = state.closing.is_some() && state.queue.is_empty();
        drop(state);
        self.shared.progress.notify_waiters();
        is_over
    }

    fn not_connected(&self, error: ConnError, backoff: &mut Backoff) -> Duration {
        let retry = backoff.delay();
        self.shared.lock().stats.not_connected += 1;
        self.shared.tell(Event::NotConnected { error, retry });
        retry
    }

    fn lost(&self, error: ConnError, backoff: &mut Backoff, started: Instant) -> Duration {
        let retry = backoff.delay_after(started, self.clock.now());
        let mut state = self.shared.lock();
        let before = state.queue.stats().resent;
        let mut refused = 0;
        match &error {
            // A collector that takes or confirms nothing for a while may do so later: it was us who hung up.
            error if is_timeout(error) => state.queue.handle_lost(),
            ConnError::Handshake(HandshakeError::NoFinish {
                absence: Absence::Timeout,
            }) => {
                state.queue.handle_unconfirmed();
            }
            _ => refused = state.queue.handle_refused(),
        }
        let resent = state.queue.stats().resent - before;
        state.stats.lost += 1;
        if refused > 0 {
            state.tell_dropped(Cause::Refused, refused);
        }
        drop(state);
        self.shared.progress.notify_waiters();
        self.shared.tell(Event::Lost { error, resent, retry });
        retry
    }
}

/// Whether nothing came through in time.
fn is_timeout(error: &ConnError) -> bool {
    match error {
        ConnError::Io(error) => error.kind() == std::io::ErrorKind::TimedOut,
        ConnError::Handshake(HandshakeError::NoAnswer { absence, .. }) => *absence == Absence::Timeout,
        _ => false,
    }
}
