//! Connecting, and connecting again.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::io;

use can_link::LinkError;
use can_link::address::{IsotpServerAddress, LinkAddress};
use tokio::net::TcpStream;
use tokio::time::Sleep;

use super::Reconnect;

type Attempt<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// `host:port` or `isotpserver://host:port`.
pub(super) fn address(server: &str) -> Result<IsotpServerAddress, LinkError> {
    let bare = server.strip_prefix("isotpserver://").unwrap_or(server);
    match format!("isotpserver://{bare}").parse() {
        Ok(LinkAddress::IsotpServer(address)) => Ok(address),
        Ok(_) => Err(LinkError::unsupported(format!("{server}: not an isotpserver"))),
        Err(error) => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, error);
            Err(LinkError::io(server, error))
        }
    }
}

/// Attempts to connect, with pauses between them.
pub(super) struct Dial<T> {
    connect: Box<dyn Fn() -> Attempt<T> + Send + Sync>,
    reconnect: Reconnect,
    /// The attempt that is running.
    attempt: Option<Attempt<T>>,
    /// The pause before the next one, while it lasts.
    alarm: Option<Pin<Box<Sleep>>>,
    pause: Duration,
    in_vain: u32,
}

/// Connects to `endpoint` by TCP.
pub(super) fn tcp(endpoint: String, reconnect: Option<Reconnect>) -> Dial<TcpStream> {
    Dial::new(
        move || {
            let endpoint = endpoint.clone();
            Box::pin(async move {
                let stream = TcpStream::connect(endpoint).await?;
                // A line is a whole message: nothing will follow that it could wait for.
                stream.set_nodelay(true)?;
                Ok(stream)
            })
        },
        reconnect.unwrap_or_default(),
    )
}

impl<T> Dial<T> {
    pub(super) fn new(
        connect: impl Fn() -> Attempt<T> + Send + Sync + 'static,
        reconnect: Reconnect,
    ) -> Self {
        Self {
            connect: Box::new(connect),
            reconnect,
            attempt: None,
            alarm: None,
            pause: reconnect.first,
            in_vain: 0,
        }
    }
}

impl<T> Dial<T> {
    /// One attempt at once. It does not borrow from this, which may not be shared between threads.
    pub(super) fn once(&self) -> Attempt<T> {
        (self.connect)()
    }

    /// The first attempt will be made after the first pause.
    pub(super) fn start(&mut self) {
        self.attempt = None;
        self.pause = self.reconnect.first;
        self.in_vain = 0;
        self.wait();
    }

    fn wait(&mut self) {
        self.alarm = Some(Box::pin(tokio::time::sleep(self.pause)));
    }

    /// The new connection, or why the last permitted attempt failed.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        loop {
            if let Some(alarm) = &mut self.alarm {
                ready!(alarm.as_mut().poll(cx));
                self.alarm = None;
            }
            let attempt = self.attempt.get_or_insert_with(|| (self.connect)());
            let attempted = ready!(attempt.as_mut().poll(cx));
            self.attempt = None;
            let error = match attempted {
                Ok(io) => return Poll::Ready(Ok(io)),
                Err(error) => error,
            };
            self.in_vain = self.in_vain.saturating_add(1);
            if self.reconnect.attempts.is_some_and(|most| self.in_vain >= most) {
                return Poll::Ready(Err(error));
            }
            self.pause = self.pause.saturating_mul(2).min(self.reconnect.longest);
            self.wait();
        }
    }
}
