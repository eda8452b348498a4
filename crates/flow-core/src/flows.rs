//! Providers side by side, chosen by the scheme of an address.
//!
//! A program that speaks to [`Flows`] speaks over whatever it was given: what changes from a name of this
//! machine to a satellite's port is one string.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Context, Poll};
use core::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::Notify;

use crate::address::{Address, LOCAL};
use crate::error::{AcceptError, AllocError, BindError, JoinError};
use crate::flow::Flow;
use crate::name::Name;
use crate::provider::Provider;
use crate::qos::QosSpec;

/// Providers by the scheme of the addresses they take.
///
/// Names and addresses are texts here; see [`address`](crate::address) for their grammar. The provider of
/// `local` is given the bare name, every other the address as it was written.
///
/// ```
/// # #[cfg(feature = "tokio")] mod example {
/// use flow_core::{Flows, LocalLayer, QosSpec};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # pub async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let flows = Flows::new().with("local", LocalLayer::new().attach());
/// flows.bind("echo")?;
/// let (asked, accepted) = tokio::join!(
///     flows.alloc("local:echo", QosSpec::RAW, None),
///     flows.accept(None),
/// );
/// asked?.write("hello").await?;
/// assert_eq!(accepted?.read_packet().await?, "hello");
/// # Ok(())
/// # }
/// # }
/// # #[cfg(feature = "tokio")]
/// # fn main() { example::main().unwrap() }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
#[derive(Debug, Default)]
pub struct Flows {
    providers: Vec<(String, Box<dyn Provider>)>,
    /// Told when a name is bound, for those who accept.
    bound: Notify,
    /// Who is asked first by the next to accept.
    turn: AtomicUsize,
}

/// What a provider said to who accepts, as far as it said anything.
enum Accepting<'a> {
    Waits(BoxFuture<'a, Result<Flow, AcceptError>>),
    HasNoName,
}

impl Flows {
    /// No provider at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives the addresses of `scheme` to `provider`, in the place of one that had them.
    #[must_use]
    pub fn with(mut self, scheme: &str, provider: impl Provider + 'static) -> Self {
        self.providers.retain(|(known, _)| known != scheme);
        self.providers.push((scheme.into(), Box::new(provider)));
        self
    }

    /// The schemes that have a provider.
    pub fn schemes(&self) -> impl Iterator<Item = &str> {
        self.providers.iter().map(|(scheme, _)| scheme.as_str())
    }

    /// Who takes `text`, and what it is called there.
    fn find(&self, text: &str) -> Result<(&dyn Provider, Name), String> {
        let own = text.split_once(':').map(|(scheme, _)| scheme);
        let scheme = match own.filter(|own| self.schemes().any(|scheme| scheme == *own)) {
            Some(scheme) if scheme != LOCAL => scheme.to_string(),
            _ => {
                let address: Address = text.parse().map_err(|error| format!("{error}"))?;
                address.scheme().into()
            }
        };
        let (_, provider) = self
            .providers
            .iter()
            .find(|(known, _)| *known == scheme)
            .ok_or_else(|| {
                let known: Vec<&str> = self.schemes().collect();
                format!("nobody takes \"{scheme}:\" here; known: {}", known.join(", "))
            })?;
        let name = match text.strip_prefix("local:") {
            Some(name) if scheme == LOCAL => name,
            _ => text,
        };
        let name = Name::new(name).map_err(|error| format!("{error}"))?;
        Ok((&**provider, name))
    }

    /// Binds a name or an address; see [`Provider::bind`].
    ///
    /// # Errors
    ///
    /// [`BindError`]; [`BindError::Address`] when no provider takes it.
    pub fn bind(&self, address: &str) -> Result<(), BindError> {
        let (provider, name) = self.find(address).map_err(|reason| BindError::Address {
            reason: reason.into(),
        })?;
        provider.bind(&name)?;
        self.bound.notify_waiters();
        Ok(())
    }

    /// Lets go of what was bound, and returns whether it was; see [`Provider::unbind`].
    pub fn unbind(&self, address: &str) -> bool {
        self.find(address)
            .is_ok_and(|(provider, name)| provider.unbind(&name))
    }

    /// Asks for a flow; see [`Provider::alloc`].
    ///
    /// # Errors
    ///
    /// [`AllocError`]; [`AllocError::Address`] when no provider takes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the request back; if it was accepted already, the peer sees the flow end.
    pub async fn alloc(
        &self,
        address: &str,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> Result<Flow, AllocError> {
        let (provider, name) = self.find(address).map_err(|reason| AllocError::Address {
            reason: reason.into(),
        })?;
        provider.alloc(&name, qos, timeout).await
    }

    /// Joins a broadcast layer; see [`Provider::join`].
    ///
    /// # Errors
    ///
    /// [`JoinError`]; [`JoinError::Address`] when no provider takes it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future joins nothing.
    pub async fn join(&self, layer: &str, timeout: Option<Duration>) -> Result<Flow, JoinError> {
        let (provider, name) = self.find(layer).map_err(|reason| JoinError::Address {
            reason: reason.into(),
        })?;
        provider.join(&name, timeout).await
    }

    /// Waits for the next request for anything bound at any provider; they take turns. What is bound
    /// meanwhile counts.
    ///
    /// # Errors
    ///
    /// [`AcceptError`]: [`NoName`](AcceptError::NoName) when nothing is bound at any, and what a provider
    /// fails with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no request.
    pub async fn accept(&self, timeout: Option<Duration>) -> Result<Flow, AcceptError> {
        match timeout {
            None => self.accept_any().await,
            Some(timeout) => tokio::time::timeout(timeout, self.accept_any())
                .await
                .unwrap_or(Err(AcceptError::TimedOut)),
        }
    }

    async fn accept_any(&self) -> Result<Flow, AcceptError> {
        loop {
            let mut bound = pin!(self.bound.notified()); // from here on none is missed
            let mut accepting = self.ask_all();
            let accepted = poll_fn(|cx| match poll_any(&mut accepting, cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => bound.as_mut().poll(cx).map(|()| None), // ask all of them anew
            });
            if let Some(accepted) = accepted.await {
                return accepted;
            }
        }
    }

    /// The futures of all providers, beginning with whose turn it is.
    fn ask_all(&self) -> Vec<Accepting<'_>> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let (before, from) = self
            .providers
            .split_at(turn.checked_rem(self.providers.len()).unwrap_or(0));
        from.iter()
            .chain(before)
            .map(|(_, provider)| Accepting::Waits(provider.accept(None)))
            .collect()
    }
}

/// The first request of any; `NoName` when none of them has a name.
fn poll_any(accepting: &mut [Accepting<'_>], cx: &mut Context<'_>) -> Poll<Result<Flow, AcceptError>> {
    let mut waits = false;
    for provider in accepting {
        let Accepting::Waits(future) = provider else {
            continue;
        };
        match future.as_mut().poll(cx) {
            Poll::Pending => waits = true,
            Poll::Ready(Err(AcceptError::NoName)) => *provider = Accepting::HasNoName,
            Poll::Ready(accepted) => return Poll::Ready(accepted),
        }
    }
    if waits {
        Poll::Pending
    } else {
        Poll::Ready(Err(AcceptError::NoName))
    }
}

impl Provider for Flows {
    fn bind(&self, name: &Name) -> Result<(), BindError> {
        self.bind(name.as_str())
    }

    fn unbind(&self, name: &Name) -> bool {
        self.unbind(name.as_str())
    }

    fn alloc<'a>(
        &'a self,
        name: &'a Name,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, AllocError>> {
        Box::pin(self.alloc(name.as_str(), qos, timeout))
    }

    fn accept(&self, timeout: Option<Duration>) -> BoxFuture<'_, Result<Flow, AcceptError>> {
        Box::pin(self.accept(timeout))
    }

    fn join<'a>(
        &'a self,
        layer: &'a Name,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, JoinError>> {
        Box::pin(self.join(layer.as_str(), timeout))
    }
}
