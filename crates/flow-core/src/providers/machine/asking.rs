//! The asking side: whom to ask for a flow, and in which order.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::credentials::Credentials;
use super::directory::Candidates;
use super::hello::{ANSWER_LEN, Answer, Hello, Patience, Window};
use super::layer::{Place, Shared};
use super::names::Begun;
use super::shared;
use crate::error::AllocError;
use crate::flow::Flow;
use crate::name::Name;
use crate::qos::QosSpec;

/// Pause before everybody is asked once more.
const PAUSE: Duration = Duration::from_millis(5);
/// How often everybody is asked while all say that they are not bound to the name, or say nothing.
const ROUNDS: usize = 40;
/// Pauses while a process has as many connections waiting as may: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Pauses between looks whether somebody else accepts meanwhile: the first, and the longest.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(500);
/// Who is bound may be busy for so long before a program is started to help, as at the peer.
const BUSY: Duration = Duration::from_secs(1);

/// What one process said.
enum Said {
    Accepted(Box<Flow>),
    /// Nobody waits in accept there.
    NotNow,
    /// It does not accept, for a reason that others may not have.
    No(AllocError),
    /// Nobody listens there any more.
    Stale,
    /// It is not bound any more, ended, or does not answer.
    Gone,
}

/// Asks whoever is bound to `name` in another process, until somebody accepts.
pub(super) async fn ask(shared: &Arc<Shared>, name: &Name, qos: QosSpec) -> Result<Flow, AllocError> {
    let asking = Asking { shared, name, qos };
    let mut reason = "nobody is bound to it now";
    let mut started = false;
    for _ in 0..ROUNDS {
        let mut candidates = shared.directory.candidates(name)?;
        if candidates.is_empty() && !started {
            (candidates, started) = shared.directory.reach_or_start(name).await?;
        }
        let paths: Vec<PathBuf> = candidates.paths().map(ToOwned::to_owned).collect();
        let (mut waits_at, mut refusal) = (None, None);
        for path in paths {
            match asking.one(&candidates, &path, Patience::Now).await {
                Said::Accepted(flow) => return Ok(*flow),
                Said::NotNow => waits_at = waits_at.or(Some(path)),
                Said::No(error) => refusal = refusal.or(Some(error)),
                Said::Stale => {
                    shared.count(|stats| stats.stale += 1);
                    candidates.stale(&path);
                }
                Said::Gone => reason = "who is bound to it does not answer",
            }
        }
        match (waits_at, refusal) {
            (Some(path), _) => match asking.wait(&candidates, &path).await {
                Said::Accepted(flow) => return Ok(*flow),
                Said::No(error) => return Err(error),
                Said::NotNow | Said::Stale | Said::Gone => {} // ask the others
            },
            (None, Some(refusal)) => return Err(refusal),
            (None, None) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(asking.unreachable(reason))
}

struct Asking<'a> {
    shared: &'a Arc<Shared>,
    name: &'a Name,
    qos: QosSpec,
}

impl Asking<'_> {
    fn unreachable(&self, reason: &str) -> AllocError {
        AllocError::Unreachable {
            name: self.name.clone(),
            reason: reason.into(),
        }
    }

    fn denied(&self) -> Said {
        Said::No(AllocError::Denied {
            name: self.name.clone(),
        })
    }

    /// Waits in the queue of the process at `path`, unless another accepts before.
    async fn wait(&self, candidates: &Candidates, path: &Path) -> Said {
        let mut waiting = pin!(self.one(candidates, path, Patience::Waits));
        let mut elsewhere = pin!(self.elsewhere(path));
        let said = poll_fn(|cx| match waiting.as_mut().poll(cx) {
            Poll::Pending => elsewhere.as_mut().poll(cx),
            said => said,
        });
        said.await
    }

    /// Asks all but the process at `path` from time to time, those that come meanwhile too, until one
    /// accepts. When nobody has for a while, a program that may be started is.
    async fn elsewhere(&self, path: &Path) -> Said {
        let (mut pause, mut waited, mut patience) = (FIRST_LOOK, Duration::ZERO, BUSY);
        loop {
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(LONGEST_LOOK);
            // of a name that is not to be found, the process at `path` will tell
            if let Ok(candidates) = self.shared.directory.candidates(self.name)
                && let Some(flow) = self.another(&candidates, path).await
            {
                return Said::Accepted(flow);
            }
            if waited >= patience {
                match self.shared.directory.start(self.name) {
                    // it may be another's who was faster; and one that never accepts is not to come too often
                    Ok(Begun::Now) => (pause, patience) = (FIRST_LOOK, waited * 2 + BUSY),
                    Ok(Begun::Never) => patience = Duration::MAX,
                    Ok(Begun::OnItsWay) | Err(_) => {} // the next look will tell
                }
            }
        }
    }

    /// Asks all but the process at `path` once.
    async fn another(&self, candidates: &Candidates, path: &Path) -> Option<Box<Flow>> {
        for other in candidates.paths().filter(|other| *other != path) {
            let place = self.shared.spare_place()?;
            if let Said::Accepted(flow) = self.at(candidates, other, Patience::Now, place).await {
                return Some(flow);
            }
        }
        None
    }

    /// Asks the process at `path`.
    async fn one(&self, candidates: &Candidates, path: &Path, patience: Patience) -> Said {
        let place = match self.shared.place() {
            Ok(place) => place,
            Err(max) => return Said::No(AllocError::Full { max }),
        };
        self.at(candidates, path, patience, place).await
    }

    /// Asks the process at `path` for a flow that has `place`.
    async fn at(&self, candidates: &Candidates, path: &Path, patience: Patience, place: Place) -> Said {
        let limit = self.shared.config.max_handshake_time();
        let stream = match tokio::time::timeout(limit, connect(path)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return self.not_connected(&error),
            Err(_elapsed) => return Said::Gone,
        };
        let expected = Credentials::of(&stream).is_ok_and(|peer| {
            candidates.owner(path) == Some(peer.uid) && peer.admitted_by(candidates.sharing())
        });
        if !expected {
            self.shared.count(|stats| stats.denied += 1);
            return self.denied();
        }
        let asked = self.exchange(stream, patience);
        let (stream, answer) = match patience {
            Patience::Waits => asked.await,
            Patience::Now => match tokio::time::timeout(limit, asked).await {
                Ok(asked) => asked,
                Err(_elapsed) => return Said::Gone,
            },
        }
        .unwrap_or_default();
        let said = self.understand(stream, answer, place);
        if let Said::Accepted(_) = said {
            candidates.chosen(path);
        }
        said
    }

    fn not_connected(&self, error: &io::Error) -> Said {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Said::Stale,
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionReset => Said::Gone,
            io::ErrorKind::PermissionDenied => self.denied(),
            _ => Said::No(self.unreachable(&error.to_string())),
        }
    }

    /// Says what is wanted, and waits for the answer.
    async fn exchange(
        &self,
        mut stream: UnixStream,
        patience: Patience,
    ) -> io::Result<(Option<UnixStream>, Option<Answer>)> {
        let hello = Hello {
            patience,
            name: self.name.clone(),
            qos: self.qos,
            window: Window::of(&self.shared.config.local.queue),
        };
        let mut bytes = BytesMut::new();
        hello.encode(&mut bytes);
        // one that refuses may have closed already; it has told why
        let _ = stream.write_all(&bytes).await;
        let mut bytes = BytesMut::zeroed(ANSWER_LEN);
        stream.read_exact(&mut bytes).await?;
        let answer = Answer::decode(&mut bytes)?;
        Ok((Some(stream), answer))
    }

    fn understand(&self, stream: Option<UnixStream>, answer: Option<Answer>, place: Place) -> Said {
        let name = || self.name.clone();
        let limit = |max| usize::try_from(max).unwrap_or(usize::MAX);
        match (answer, stream) {
            (Some(Answer::Accepted { qos, window }), Some(stream)) => {
                let peer = Credentials::of(&stream)
                    .map(|peer| peer.peer())
                    .unwrap_or_default();
                let queue = self.shared.config.local.queue;
                let (flow, link) = shared::flow(self.name, qos, queue, window);
                self.shared.count(|stats| stats.allocated += 1);
                self.shared.runtime.spawn(self.shared.drive(link, stream, place));
                Said::Accepted(Box::new(flow.with_peer(peer)))
            }
            (Some(Answer::NotNow), _) => Said::NotNow,
            (Some(Answer::Denied), _) => self.denied(),
            (Some(Answer::Busy { max }), _) => Said::No(AllocError::Busy {
                name: name(),
                max: limit(max),
            }),
            (Some(Answer::Full { max }), _) => Said::No(AllocError::Full { max: limit(max) }),
            (Some(Answer::Qos(error)), _) => Said::No(AllocError::Qos(error)),
            (Some(Answer::Malformed), _) => Said::No(self.unreachable("it does not understand the request")),
            (Some(Answer::Unknown | Answer::Accepted { .. }) | None, _) => Said::Gone,
        }
    }
}

/// Connects; waits while the process has as many connections waiting as may.
async fn connect(path: &Path) -> io::Result<UnixStream> {
    let mut pause = FIRST_PAUSE;
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            connected => return connected,
        }
    }
}
