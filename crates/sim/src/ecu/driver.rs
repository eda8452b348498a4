//! A controller on a bus.

use can_link::{CanLink, LinkError, StandardId};
use isotp::{Address, AddressError, Config, IsoTpStream, StreamError};
use thiserror::Error;
use tinwire_time::{Instant, Origin};
use tokio::time;

use super::Ecu;

/// The identifier of requests to the controller.
pub const REQUEST_ID: u16 = 0x7E0;
/// The identifier of its responses.
pub const RESPONSE_ID: u16 = 0x7E8;
/// The identifier of requests to all controllers.
pub const FUNCTIONAL_ID: u16 = 0x7DF;

/// An identifier from a constant that is in range.
pub(crate) const fn standard_id(raw: u16) -> StandardId {
    match StandardId::new(raw) {
        Some(id) => id,
        None => StandardId::MAX,
    }
}

/// Why a controller stopped serving.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The link does not do.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The identifiers do not make an address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

/// Answers requests on `link` until it ends, with OBD-II's identifiers and classic frames.
///
/// # Errors
/// As [`serve_at`].
///
/// # Cancel safety
/// As [`serve_at`].
pub async fn serve(ecu: Ecu, link: impl CanLink) -> Result<(), ServeError> {
    let address = Address::normal(standard_id(RESPONSE_ID), standard_id(REQUEST_ID))?
        .accepting_functional(standard_id(FUNCTIONAL_ID));
    serve_at(ecu, link, address, Config::default()).await
}

/// Answers requests on `link` until it ends, where and how it is told: `config` decides, among others,
/// between classic and CAN FD frames.
///
/// A transfer that fails ends nothing: the tester notices by its own timeouts, and asks again.
///
/// # Errors
/// When the link refuses the filters, or fails.
///
/// # Cancel safety
/// When the future is dropped, the controller is gone; a request under way stays without an answer.
pub async fn serve_at(
    mut ecu: Ecu,
    link: impl CanLink,
    address: Address,
    config: Config,
) -> Result<(), ServeError> {
    let mut stream = IsoTpStream::new(link, address, config)?;
    let origin = Origin::new(time::Instant::now().into_std());
    let now = || -> Instant { origin.at(time::Instant::now().into_std()) };
    loop {
        while let Some(response) = ecu.poll_transmit() {
            if let Err(StreamError::Link(error)) = stream.send(response).await {
                return Err(error.into());
            }
            ecu.handle_transmitted(now());
        }
        let due = ecu.poll_timeout().and_then(|due| origin.deadline(due));
        let received = match due.map(time::Instant::from_std) {
            Some(due) => time::timeout_at(due, stream.recv_with_target()).await.ok(),
            None => Some(stream.recv_with_target().await),
        };
        match received {
            Some(Some(Ok((target, request)))) => ecu.handle_request(now(), &request, target),
            Some(Some(Err(StreamError::Link(error)))) => return Err(error.into()),
            Some(Some(Err(_))) => {}
            Some(None) => return Ok(()),
            None => {
                // S3 stands still from a request's first frame on.
                if stream.receiving().is_some() {
                    ecu.handle_reception(now());
                }
                ecu.handle_timeout(now());
            }
        }
    }
}

#[cfg(test)]
mod tests;
