//! This process's part in a layer: its seat, its links, its members.

use alloc::borrow::ToOwned;
use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::Counters;
use super::link::Link;
use super::wire::{ANSWER_LEN, Answer, Hello, MAX_HELLO_LEN, MAX_PACKET};
use crate::error::JoinError;
use crate::flow::Fanout;
use crate::name::Name;
use crate::pipe::End;
use crate::providers::machine::config::MachineConfig;
use crate::providers::machine::credentials::Credentials;
use crate::providers::machine::directory::{Candidates, Seat};
use crate::providers::machine::sharing::Sharing;
use crate::queue::QueueConfig;

/// How long links may take for what was written when the last member left.
const LINGER: Duration = Duration::from_secs(1);
/// Pauses before an older process is tried again: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What members and tasks of a layer share.
#[derive(Debug)]
pub(super) struct Inner {
    layer: Name,
    sharing: Sharing,
    config: MachineConfig,
    pub(super) members: usize,
    pub(super) fanout: Arc<Fanout>,
    pub(super) stats: Arc<Counters>,
    /// Older processes that may still be there.
    older: Mutex<Candidates>,
    /// Connections that have not said what they want.
    handshakes: AtomicUsize,
    /// Told when the last member has left.
    left: Notify,
    settled: watch::Sender<Settled>,
}

/// How far joining has come.
#[derive(Debug)]
struct Settled {
    /// Older processes that have not welcomed this one yet.
    pending: usize,
    refused: Option<JoinError>,
}

impl Inner {
    pub(super) fn queue(&self) -> QueueConfig {
        self.config.local.queue
    }

    /// The longest packet that is taken here.
    pub(super) fn longest(&self) -> usize {
        self.fanout.max_packet()
    }

    fn longest_told(&self) -> u32 {
        u32::try_from(self.longest()).unwrap_or(u32::MAX) // at most MAX_PACKET
    }

    /// An older process has welcomed this one, or is gone, or has refused it.
    fn settle(&self, refused: Option<JoinError>) {
        self.settled.send_modify(|settled| {
            settled.pending -= 1;
            if refused.is_some() {
                settled.refused = refused;
            }
        });
    }

    fn stale(&self, path: &Path) {
        self.stats.count(|stats| stats.stale += 1);
        self.older
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .stale(path);
    }
}

/// This process's part in a layer; dropping it leaves the layer.
#[derive(Debug)]
pub(super) struct Station(Arc<Inner>);

impl Station {
    /// Begins to connect to the `older` processes, and to listen for younger ones.
    pub(super) fn start(
        layer: &Name,
        config: &MachineConfig,
        seat: Seat,
        older: Candidates,
        stats: Arc<Counters>,
        runtime: &Handle,
    ) -> io::Result<Self> {
        let paths: alloc::vec::Vec<_> = older
            .paths()
            .map(|path| (path.to_owned(), older.owner(path)))
            .collect();
        let settled = Settled {
            pending: paths.len(),
            refused: None,
        };
        let inner = Arc::new(Inner {
            layer: layer.clone(),
            sharing: seat.sharing(),
            config: config.clone(),
            members: config.members,
            fanout: Arc::new(Fanout::new(config.local.queue.max_packet().min(MAX_PACKET))),
            stats,
            older: Mutex::new(older),
            handshakes: AtomicUsize::new(0),
            left: Notify::new(),
            settled: watch::Sender::new(settled),
        });
        let listener = {
            let _context = runtime.enter();
            UnixListener::from_std(seat.listener().try_clone()?)?
        };
        let shared = Arc::clone(&inner);
        runtime.spawn(async move {
            let mut links = JoinSet::new();
            for (path, owner) in paths {
                links.spawn(join_older(Arc::clone(&shared), path, owner));
            }
            listen(&shared, &listener, &mut links).await;
            drop((listener, seat));
            for link in shared.fanout.links() {
                link.as_writer(|pipe| pipe.end(End::Dealloc));
            }
            let ended = async { while links.join_next().await.is_some() {} };
            // what is not taken by then is not taken
            let _ = tokio::time::timeout(LINGER, ended).await;
        });
        Ok(Self(inner))
    }

    pub(super) fn fanout(&self) -> &Arc<Fanout> {
        &self.0.fanout
    }

    /// Waits until every process that was there has welcomed this one, or is gone.
    pub(super) async fn settled(&self) -> Result<(), JoinError> {
        let mut settled = self.0.settled.subscribe();
        let done = settled.wait_for(|settled| settled.pending == 0 || settled.refused.is_some());
        match done.await {
            Ok(settled) => settled.refused.clone().map_or(Ok(()), Err),
            Err(_closed) => Ok(()), // cannot be: the sender is ours
        }
    }
}

impl Drop for Station {
    fn drop(&mut self) {
        self.0.left.notify_one();
    }
}

/// Takes younger processes in, until the last member has left.
async fn listen(inner: &Arc<Inner>, listener: &UnixListener, links: &mut JoinSet<()>) {
    let mut left = pin!(inner.left.notified());
    loop {
        let accepted = poll_fn(|cx| {
            if left.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
            while let Poll::Ready(Some(_ended)) = links.poll_join_next(cx) {}
            listener.poll_accept(cx).map(Some)
        });
        match accepted.await {
            None => return,
            Some(Ok((stream, _))) => {
                let max = inner.config.max_handshakes().max(1);
                if inner.handshakes.fetch_add(1, Ordering::Relaxed) >= max {
                    // it tries again
                    inner.handshakes.fetch_sub(1, Ordering::Relaxed);
                    inner.stats.count(|stats| stats.mute += 1);
                } else {
                    links.spawn(take_younger(Arc::clone(inner), stream));
                }
            }
            // want of file numbers or memory passes; who connects waits meanwhile
            Some(Err(_)) => tokio::time::sleep(LONGEST_PAUSE).await,
        }
    }
}

/// Takes in a process that connected.
async fn take_younger(inner: Arc<Inner>, mut stream: UnixStream) {
    let greeted = tokio::time::timeout(inner.config.max_handshake_time(), greet(&inner, &mut stream)).await;
    inner.handshakes.fetch_sub(1, Ordering::Relaxed);
    match greeted {
        Ok(Ok(Some((link, hello, read)))) => link.carry(stream, hello.longest, read).await,
        Ok(Ok(None)) => {}
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            inner.stats.count(|stats| stats.malformed += 1);
        }
        Ok(Err(_)) | Err(_) => inner.stats.count(|stats| stats.mute += 1),
    }
}

/// Hears who it is and answers; `None` when it was refused.
async fn greet(inner: &Arc<Inner>, stream: &mut UnixStream) -> io::Result<Option<(Link, Hello, BytesMut)>> {
    let admitted = Credentials::of(stream)?.admitted_by(inner.sharing);
    let mut read = BytesMut::with_capacity(MAX_HELLO_LEN);
    let hello = loop {
        if let Some(hello) = Hello::decode(&mut read)? {
            break hello;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let link = if !admitted {
        Err(Answer::Denied)
    } else if hello.layer != inner.layer {
        Err(Answer::Other)
    } else {
        let max = u32::try_from(inner.members).unwrap_or(u32::MAX);
        Link::new(inner).ok_or(Answer::Full { max })
    };
    let answer = match &link {
        Ok(_) => Answer::Welcome {
            longest: inner.longest_told(),
        },
        Err(refusal) => *refusal,
    };
    match answer {
        Answer::Denied => inner.stats.count(|stats| stats.denied += 1),
        Answer::Full { .. } => inner.stats.count(|stats| stats.full += 1),
        Answer::Welcome { .. } | Answer::Other => {}
    }
    let mut out = BytesMut::with_capacity(ANSWER_LEN);
    answer.encode(&mut out);
    stream.write_all(&out).await?;
    Ok(link.ok().map(|link| (link, hello, read)))
}

/// Connects to a process that was there before, and carries packets until one of the two leaves.
async fn join_older(inner: Arc<Inner>, path: PathBuf, owner: Option<u32>) {
    // from now on packets are kept for it, should it be stopped at present
    let Some(link) = Link::new(&inner) else {
        let max = inner.members;
        return inner.settle(Some(JoinError::Full { max }));
    };
    link.set_stalled(true);
    let mut pause = FIRST_PAUSE;
    loop {
        match ask(&inner, &path, owner).await {
            Ok(Asked::Welcome {
                stream,
                longest,
                read,
            }) => {
                inner.settle(None);
                return link.carry(stream, longest, read).await;
            }
            Ok(Asked::Refused(refused)) => return inner.settle(refused),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    inner.stale(&path);
                    return inner.settle(None);
                }
                io::ErrorKind::NotFound => return inner.settle(None), // it left
                io::ErrorKind::PermissionDenied => return inner.settle(Some(JoinError::Denied)),
                // it has as many connections waiting as may, or turned us out for that
                _ => tokio::time::sleep(pause).await,
            },
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What an older process said.
enum Asked {
    Welcome {
        stream: UnixStream,
        longest: u32,
        read: BytesMut,
    },
    /// It does not take this one; with `None` that is no obstacle to joining the others.
    Refused(Option<JoinError>),
}

async fn ask(inner: &Inner, path: &Path, owner: Option<u32>) -> io::Result<Asked> {
    let mut stream = UnixStream::connect(path).await?;
    let peer = Credentials::of(&stream)?;
    if owner != Some(peer.uid) || !peer.admitted_by(inner.sharing) {
        inner.stats.count(|stats| stats.denied += 1);
        return Ok(Asked::Refused(None)); // not one of us, whatever its socket is called
    }
    let mut out = BytesMut::new();
    let hello = Hello {
        longest: inner.longest_told(),
        layer: inner.layer.clone(),
    };
    hello.encode(&mut out);
    stream.write_all(&out).await?;
    let mut read = BytesMut::with_capacity(MAX_HELLO_LEN);
    loop {
        match Answer::decode(&mut read) {
            Ok(Some(Answer::Welcome { longest })) => {
                return Ok(Asked::Welcome {
                    stream,
                    longest,
                    read,
                });
            }
            Ok(Some(Answer::Denied)) => return Ok(Asked::Refused(Some(JoinError::Denied))),
            Ok(Some(Answer::Full { max })) => {
                let max = usize::try_from(max).unwrap_or(usize::MAX);
                return Ok(Asked::Refused(Some(JoinError::Full { max })));
            }
            Ok(Some(Answer::Other)) => return Ok(Asked::Refused(None)),
            Ok(None) => {}
            Err(_malformed) => {
                inner.stats.count(|stats| stats.malformed += 1);
                return Ok(Asked::Refused(None));
            }
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
