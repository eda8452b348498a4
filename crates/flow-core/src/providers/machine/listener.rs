//! The accepting side: a socket that listens, and what each connection to it wants.

use alloc::sync::Arc;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::os::unix::net::UnixListener as StdListener;

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::net::{UnixListener, UnixStream};

use super::credentials::Credentials;
use super::hello::{Answer, Hello, MAX_HELLO_LEN, Patience};
use super::layer::{Greeting, Shared};
use super::remote::RemoteAsker;
use super::sharing::Sharing;
use crate::error::AllocError;
use crate::name::Name;
use crate::providers::local::{Asker, Given, HAS};

/// Pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(10);

/// Takes connections until it is aborted.
pub(super) async fn listen(shared: Arc<Shared>, name: Name, sharing: Sharing, socket: StdListener) {
    let Ok(listener) = UnixListener::from_std(socket) else {
        return shared.count(|stats| stats.untaken += 1);
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let (here, name) = (Arc::clone(&shared), name.clone());
                shared.greet(|greeting| {
                    let serving = serve(here, name, sharing, stream, greeting);
                    shared.runtime.spawn(serving).abort_handle()
                });
            }
            Err(_) => {
                // no file number, no memory: others may give some back
                shared.count(|stats| stats.untaken += 1);
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Serves one connection: a request, and then a flow.
async fn serve(
    shared: Arc<Shared>,
    name: Name,
    sharing: Sharing,
    mut stream: UnixStream,
    greeting: Greeting,
) {
    let credentials = Credentials::of(&stream);
    let admitted = credentials.as_ref().is_ok_and(|peer| peer.admitted_by(sharing));
    let Ok(credentials) = credentials else {
        return;
    };
    if !admitted {
        shared.count(|stats| stats.denied += 1);
        return answer(&stream, &Answer::Denied);
    }
    let limit = shared.config.max_handshake_time();
    let hello = match tokio::time::timeout(limit, hello(&mut stream)).await {
        Ok(Ok(hello)) => hello,
        Ok(Err(error)) => {
            if error.kind() == io::ErrorKind::InvalidData {
                shared.count(|stats| stats.malformed += 1);
                answer(&stream, &Answer::Malformed);
            }
            return;
        }
        Err(_elapsed) => return shared.count(|stats| stats.mute += 1),
    };
    drop(greeting);
    if hello.name != name {
        return answer(&stream, &Answer::Unknown);
    }
    let has = match HAS.grant(&hello.qos) {
        Ok(has) => has,
        Err(error) => return answer(&stream, &Answer::Qos(error)),
    };
    if hello.patience == Patience::Now && !shared.local.is_awaited(&name) {
        return answer(&stream, &Answer::NotNow);
    }
    let place = match shared.place() {
        Ok(place) => place,
        Err(max) => return answer(&stream, &Answer::Full { max: to_bits(max) }),
    };
    let asker = Asker::There(RemoteAsker {
        window: hello.window,
        peer: credentials.peer(),
    });
    let given = match shared.local.request(&name, has, asker) {
        Ok(requesting) => {
            let (mut requesting, mut gone) = (pin!(requesting), pin!(gone(&stream)));
            let wait = poll_fn(|cx| match requesting.as_mut().poll(cx) {
                Poll::Ready(given) => Poll::Ready(Some(given)),
                Poll::Pending => gone.as_mut().poll(cx).map(|()| None),
            });
            match wait.await {
                Some(given) => given,
                None => return, // whoever asked asks no more
            }
        }
        Err(error) => Err(error),
    };
    match given {
        Ok(Given::Link(mut end)) => {
            if let Some(link) = end.take() {
                shared.count(|stats| stats.accepted += 1);
                shared.drive(link, stream, place).await;
            }
        }
        Ok(Given::Flow(_)) => {} // not given to who asks from elsewhere
        Err(AllocError::Busy { max, .. }) => answer(&stream, &Answer::Busy { max: to_bits(max) }),
        Err(_) => answer(&stream, &Answer::Unknown),
    }
}

fn to_bits(max: usize) -> u32 {
    u32::try_from(max).unwrap_or(u32::MAX)
}

/// Reads what a connection wants.
async fn hello(stream: &mut UnixStream) -> io::Result<Hello> {
    let mut bytes = BytesMut::with_capacity(MAX_HELLO_LEN);
    loop {
        if let Some(hello) = Hello::decode(&mut bytes)? {
            return if bytes.is_empty() {
                Ok(hello)
            } else {
                Err(io::ErrorKind::InvalidData.into()) // nobody speaks before it is answered
            };
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Answers. The socket is new and has room; a peer that is gone needs no answer.
fn answer(stream: &UnixStream, answer: &Answer) {
    let mut bytes = BytesMut::new();
    answer.encode(&mut bytes);
    let _ = stream.try_write(&bytes);
}

/// Waits until the peer closes the connection, or says something before it was answered.
async fn gone(stream: &UnixStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _ => return,
        }
    }
}
