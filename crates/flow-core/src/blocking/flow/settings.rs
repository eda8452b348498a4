//! What a flow is set to, and what it tells of itself.

use core::time::Duration;

use super::{Body, Flow};
use crate::blocking::error::{Error, Failure};
use crate::flow::FlowFlags;
use crate::name::Name;
use crate::peer::Peer;
use crate::qos::{Order, QosSpec};

/// The flow retransmits what is lost; to be read only.
pub const FRCT_RETRANSMIT: u32 = 0o1;
/// The flow obeys the peer's window. It always does; the flag is kept.
pub const FRCT_RESCNTL: u32 = 0o2;
/// [`dealloc`](Flow::dealloc) waits until the peer has everything.
pub const FRCT_LINGER: u32 = 0o4;

impl Body {
    pub(super) fn new(flow: crate::Flow) -> Self {
        let qos = flow.qos();
        let frct = match qos.order() {
            _ if qos.loss().is_none() => FRCT_RETRANSMIT | FRCT_RESCNTL | FRCT_LINGER,
            Order::Kept => FRCT_RESCNTL,
            Order::Any => 0,
        };
        Self { flow, frct }
    }

    fn ordered(&self) -> Result<(), Error> {
        match self.flow.qos().order() {
            Order::Kept => Ok(()),
            Order::Any => Err(Error::FlowPermissionException(Failure::Unordered)),
        }
    }
}

impl Flow {
    /// Sets for how long a write waits for room; `None` is for ever, zero not at all.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException), as of all that follow.
    pub fn set_snd_timeout(&self, timeo: Option<Duration>) -> Result<(), Error> {
        self.with(|flow| flow.set_send_timeout(timeo))
    }

    /// For how long a write waits for room.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_snd_timeout(&self) -> Result<Option<Duration>, Error> {
        self.with(|flow| flow.send_timeout())
    }

    /// Sets for how long a read waits; `None` is for ever, zero not at all.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn set_rcv_timeout(&self, timeo: Option<Duration>) -> Result<(), Error> {
        self.with(|flow| flow.set_receive_timeout(timeo))
    }

    /// For how long a read waits.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_rcv_timeout(&self) -> Result<Option<Duration>, Error> {
        self.with(|flow| flow.receive_timeout())
    }

    /// What the flow has.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_qos(&self) -> Result<QosSpec, Error> {
        self.with(|flow| flow.qos())
    }

    /// Packets that wait to be read.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_rx_queue_len(&self) -> Result<usize, Error> {
        self.with(|flow| flow.read_queue_len())
    }

    /// Packets written that the peer has not read.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_tx_queue_len(&self) -> Result<usize, Error> {
        self.with(|flow| flow.write_queue_len())
    }

    /// Sets how this side uses the flow.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn set_flags(&self, flags: FlowFlags) -> Result<(), Error> {
        self.with(|flow| flow.set_flags(flags))?;
        self.0.bell.ring(); // who waits may not do so any more
        Ok(())
    }

    /// How this side uses the flow.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn get_flags(&self) -> Result<FlowFlags, Error> {
        self.with(|flow| flow.flags())
    }

    /// Sets [`FRCT_RESCNTL`] and [`FRCT_LINGER`], or clears them. [`FRCT_RETRANSMIT`] stays as it is.
    ///
    /// # Errors
    ///
    /// [`FlowPermissionException`](Error::FlowPermissionException) of a flow that keeps no order, which has
    /// no such flags.
    pub fn set_frct_flags(&self, flags: u32) -> Result<(), Error> {
        let settable = FRCT_RESCNTL | FRCT_LINGER;
        let mut body = self.0.lock();
        let body = body.as_mut().ok_or(Error::FlowNotAllocatedException)?;
        body.ordered()?;
        body.frct = body.frct & !settable | flags & settable;
        Ok(())
    }

    /// The flags of ordered delivery.
    ///
    /// # Errors
    ///
    /// As [`set_frct_flags`](Self::set_frct_flags).
    pub fn get_frct_flags(&self) -> Result<u32, Error> {
        let body = self.0.lock();
        let body = body.as_ref().ok_or(Error::FlowNotAllocatedException)?;
        body.ordered()?;
        Ok(body.frct)
    }

    /// The name that the flow was allocated to, on both sides.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn name(&self) -> Result<Name, Error> {
        self.with(|flow| flow.name().clone())
    }

    /// Who is at the other end.
    ///
    /// # Errors
    ///
    /// [`FlowNotAllocatedException`](Error::FlowNotAllocatedException).
    pub fn peer(&self) -> Result<Peer, Error> {
        self.with(|flow| flow.peer().clone())
    }
}
