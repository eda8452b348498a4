//! Networks for programs without a runtime.
//!
//! [`Network`] runs a [network](crate::network) on a thread of its own. Everything waits on the caller's
//! thread, any number of threads may use the same endpoint, and dropping the last handle ends the thread and
//! waits for it. Within an async task use [`crate::Network`]: these calls would hold up its runtime.
//!
//! ```
//! use core::time::Duration;
//!
//! use can_link::StandardId;
//! use isotp::blocking::Network;
//! use isotp::{Address, Config};
//!
//! # fn main() -> Result<(), Box<dyn core::error::Error>> {
//! let address = Address::normal(StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap())?;
//! let tester = Network::open("virtual:blocking-doc")?.endpoint(address, Config::default())?;
//! # let ecu = Network::open("virtual:blocking-doc")?.endpoint(address.reversed(), Config::default())?;
//! # let ecu = std::thread::spawn(move || {
//! #     let request = ecu.recv(None).unwrap().unwrap();
//! #     ecu.send(vec![0x62; 100]).unwrap();
//! #     request
//! # });
//! tester.send(vec![0x22, 0xF1, 0x90])?;
//! match tester.recv(Duration::from_secs(60))? {
//!     Some(answer) => assert_eq!(answer.len(), 100),
//!     None => panic!("no answer within a minute"),
//! }
//! # assert_eq!(ecu.join().unwrap()[..], [0x22, 0xF1, 0x90]);
//! # Ok(()) }
//! ```

mod endpoint;
mod group;
mod runner;
mod sending;
mod wait;

use alloc::sync::Arc;
use core::time::Duration;

use bytes::Bytes;
use can_link::link::CanLink;
use can_link::{CanFrame, Event as LinkEvent, LinkError};
pub use endpoint::Endpoint;
pub use group::{Answers, Group};
use runner::{Runner, run};
pub use sending::Sending;
use wait::{block_for, block_on};

use crate::address::{Address, TxAddress};
use crate::backend::OpenError;
use crate::config::Config;
use crate::network::{JoinError, NetworkStats};
use crate::open::{ToLinkAddress, open_link};
use crate::responders::Responders;
use crate::stream::StreamError;

/// One link, shared by any number of endpoints, on a thread of its own.
///
/// Clones are the same network. It lives until the last handle is dropped, endpoints and groups included.
#[derive(Clone, Debug)]
pub struct Network {
    // In this order: the network ends before its thread is waited for.
    network: crate::Network,
    runner: Arc<Runner>,
}

impl Network {
    /// Opens the link that is named, and shares it.
    ///
    /// # Errors
    /// When the link cannot be opened.
    pub fn open(link: &(impl ToLinkAddress + ?Sized)) -> Result<Self, OpenError> {
        let link = link.to_link_address()?;
        Self::open_with(async move || open_link(&link).await)
    }

    /// Shares a link that `make` makes, on the network's thread and within its runtime.
    ///
    /// # Errors
    /// What `make` fails with, or when there can be no thread.
    pub fn open_with<L, E>(make: impl AsyncFnOnce() -> Result<L, E> + Send + 'static) -> Result<Self, E>
    where
        L: CanLink,
        E: From<OpenError> + Send + 'static,
    {
        let (network, runner) = run(make)?;
        Ok(Self { network, runner })
    }

    /// Adds an endpoint. From then on its frames are received.
    ///
    /// # Errors
    /// When another endpoint or a group receives its frames already, the link does not carry such frames or
    /// refuses the filters, or it has ended.
    pub fn endpoint(&self, address: Address, config: Config) -> Result<Endpoint, JoinError> {
        let endpoint = block_on(self.network.endpoint(address, config))?;
        Ok(Endpoint::new(endpoint, Arc::clone(&self.runner)))
    }

    /// Adds a group: `sender` is the address of requests to everybody, `responders` tells who may answer, and
    /// `config` is for each of them.
    ///
    /// # Errors
    /// As [`endpoint`](Self::endpoint).
    pub fn group(
        &self,
        sender: TxAddress,
        responders: Responders,
        config: Config,
    ) -> Result<Group, JoinError> {
        let group = block_on(self.network.group(sender, responders, config))?;
        Ok(Group::new(group, Arc::clone(&self.runner)))
    }

    /// Sends one frame as it is, between those of the endpoints, and waits until the link has taken it.
    ///
    /// # Errors
    /// When the link refuses the frame, or has ended.
    pub fn send_frame(&self, frame: CanFrame) -> Result<(), can_link::SendError> {
        block_on(self.network.send_frame(frame))
    }

    /// Sends one message to everybody, which must fit a single frame, without waiting for answers.
    ///
    /// # Errors
    /// When the message does not fit, or the link refuses the frame or has ended.
    pub fn send_functional(
        &self,
        sender: TxAddress,
        message: impl Into<Bytes>,
        config: Config,
    ) -> Result<(), StreamError> {
        block_on(self.network.send_functional(sender, message, config))
    }

    /// The oldest event of the link that was not looked at and is not a frame.
    #[must_use]
    pub fn next_link_event(&self) -> Option<LinkEvent> {
        self.network.next_link_event()
    }

    /// Counters since the network was made.
    #[must_use]
    pub fn stats(&self) -> NetworkStats {
        self.network.stats()
    }

    /// Waits until the link has ended, and tells why; `None` when it has not within `timeout`.
    #[must_use]
    pub fn closed(&self, timeout: impl Into<Option<Duration>>) -> Option<LinkError> {
        block_for(self.network.closed(), timeout.into())
    }

    /// Whether the link has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.network.is_closed()
    }
}

#[cfg(test)]
mod tests;
