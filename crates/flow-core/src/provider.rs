//! Who gives flows.
//!
//! A [`Provider`] is one way to reach names: within the process, over a bus, over a network. It is object
//! safe, so that a program can choose one at run time and speak to all in the same words.

use alloc::boxed::Box;
use core::fmt::Debug;
use core::time::Duration;

use futures_core::future::BoxFuture;

use crate::error::{AcceptError, AllocError, BindError, JoinError};
use crate::flow::Flow;
use crate::name::Name;
use crate::qos::QosSpec;

/// How long the C peer's `flow_alloc` and `flow_join` wait when they are told no time: 20 s. Here no time is
/// for ever, and who wants the peer's behaviour says `Some(DEFAULT_ALLOC_TIMEOUT)`.
pub const DEFAULT_ALLOC_TIMEOUT: Duration = Duration::from_secs(20);

/// Gives flows by name.
///
/// Every `timeout` is relative; `None` waits for ever and zero looks once.
pub trait Provider: Debug + Send + Sync {
    /// Binds a name: requests for it are accepted here from now on. Binding a name twice changes nothing.
    ///
    /// # Errors
    ///
    /// [`BindError`].
    fn bind(&self, name: &Name) -> Result<(), BindError>;

    /// Lets go of a name and returns whether it was bound here. Who waits for the name and has no other to
    /// hope for gets [`AllocError::UnknownName`].
    fn unbind(&self, name: &Name) -> bool;

    /// Asks for a flow to `name` and waits until the peer accepts.
    ///
    /// # Errors
    ///
    /// [`AllocError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the request back; if it was accepted already, the peer sees the flow end.
    fn alloc<'a>(
        &'a self,
        name: &'a Name,
        qos: QosSpec,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, AllocError>>;

    /// Waits for the next request for any name bound here, oldest first. [`Flow::name`] says which was asked
    /// for.
    ///
    /// # Errors
    ///
    /// [`AcceptError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no request.
    fn accept(&self, timeout: Option<Duration>) -> BoxFuture<'_, Result<Flow, AcceptError>>;

    /// Joins a broadcast layer: everybody in it gets every packet but the sender. Default: this provider has
    /// none.
    ///
    /// # Errors
    ///
    /// [`JoinError`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future joins nothing.
    fn join<'a>(
        &'a self,
        layer: &'a Name,
        timeout: Option<Duration>,
    ) -> BoxFuture<'a, Result<Flow, JoinError>> {
        let _ = (layer, timeout);
        Box::pin(async { Err(JoinError::Unsupported) })
    }
}
