//! One endpoint: a sending and a receiving machine with one address.

use core::fmt;

#[cfg(feature = "alloc")]
use bytes::{Bytes, BytesMut};
use can_link::CanFrame;
use tinwire_time::Instant;

use crate::address::{Address, Target};
use crate::buffer::Buffer;
use crate::config::{Config, Duplex, Role};
use crate::error::{IgnoreReason, SendError, TransferError};
use crate::event::{Event, Report, Stats, TransferId};
#[cfg(feature = "alloc")]
use crate::payload::Outgoing;
use crate::payload::Payload;
use crate::pci::{FlowControl, Pci, Prefix};
use crate::rx::{Pdu, Rx};
use crate::stmin::{BlockSize, StMin};
use crate::tx::Tx;

/// A channel that sends `Bytes` and receives into memory that grows with the data.
#[cfg(feature = "alloc")]
pub type BytesChannel = Channel<Bytes, BytesMut>;
/// A channel that sends messages in memory and such that are produced meanwhile, as endpoints do.
#[cfg(feature = "alloc")]
pub type SourceChannel = Channel<Outgoing, BytesMut>;

/// One ISO-TP endpoint without any I/O: frames, times and messages go in; frames, events and deadlines come
/// out.
///
/// It sends and receives at the same time, one message each. `T` is a message to send, kept until its
/// transfer ends: `Bytes`, `Vec<u8>`, a borrowed slice, or any other [`Payload`]. `R` is the [`Buffer`] that
/// an incoming message is put together in. A channel has no other memory than these two, a few hundred bytes,
/// and 6 events.
///
/// # The loop around it
/// ```text
/// each frame from the bus      handle_frame(now, &frame)
/// each own frame, once sent    handle_transmitted(now, &frame)     (from its echo, or when the link took it)
/// a message to send            send(now, payload)                  (when can_send)
/// then, until None             poll_event()                        take or release received messages
/// then, until None             poll_transmit(now) -> frame to the link
/// then sleep until             poll_timeout()     -> handle_timeout(now)
/// ```
/// `now` never goes back. The answers of `poll_*` change after any of the calls that take `now`. One such
/// call causes at most three events; 6 are kept, more are lost and counted.
///
/// A frame that is handled before the timeout it was late for counts as in time, so a busy caller handles
/// frames first.
///
/// # Examples
/// ```
/// use can_link::{CanFrame, StandardId};
/// use isotp::{Address, Channel, Config, Event, SliceBuffer, Target};
/// use tinwire_time::Instant;
///
/// let (us, them) = (StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap());
/// let mut memory = [0; 64];
/// let mut channel = Channel::with_buffer(
///     Address::normal(us, them)?,
///     Config::default(),
///     SliceBuffer::new(&mut memory),
/// );
///
/// let now = Instant::ZERO;
/// let id = channel.send(now, &[0x3E, 0x00][..])?;
/// let frame = channel.poll_transmit(now).unwrap();
/// assert_eq!(frame.payload(), [0x02, 0x3E, 0x00, 0xCC, 0xCC, 0xCC, 0xCC, 0xCC]);
/// channel.handle_transmitted(now, &frame);
/// assert_eq!(channel.poll_event(), Some(Event::Sent { id }));
///
/// channel.handle_frame(now, &CanFrame::data(them, &[0x02, 0x7E, 0x00]).unwrap());
/// assert_eq!(channel.received(), Some((Target::Physical, &[0x7E, 0x00][..])));
/// channel.release(now);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
pub struct Channel<T, R> {
    address: Address,
    config: Config,
    tx: Tx<T>,
    rx: Rx<R>,
    report: Report,
    /// The latest `now`, to notice a caller whose time goes back.
    latest: Instant,
}

#[cfg(feature = "alloc")]
impl<T: Payload> Channel<T, BytesMut> {
    /// A channel whose memory for incoming messages grows with the data.
    #[must_use]
    pub fn new(address: Address, config: Config) -> Self {
        Self::with_buffer(address, config, BytesMut::new())
    }

    /// Takes the received message that [`received`](Self::received) shows, so that the next one has room.
    pub fn take_received(&mut self, now: Instant) -> Option<(Target, Bytes)> {
        let (target, message) = match self.rx.held()? {
            (Target::Functional, data) => (Target::Functional, Bytes::copy_from_slice(data)),
            (Target::Physical, _) => (Target::Physical, core::mem::take(self.rx.buffer_mut()).freeze()),
        };
        self.release(now);
        Some((target, message))
    }
}

impl<T: Payload, R: Buffer> Channel<T, R> {
    /// A channel that receives into `buffer`.
    #[must_use]
    pub fn with_buffer(address: Address, config: Config, buffer: R) -> Self {
        Self {
            address,
            config,
            tx: Tx::new(),
            rx: Rx::new(buffer),
            report: Report::default(),
            latest: Instant::ZERO,
        }
    }

    /// Its address.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Its configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// What it has counted.
    #[must_use]
    pub const fn stats(&self) -> &Stats {
        &self.report.stats
    }

    /// Counts an event that a driver took over and lost.
    #[cfg(feature = "tokio")]
    pub(crate) const fn count_lost_event(&mut self) {
        self.report.stats.events_lost += 1;
    }

    /// Whether there is an event to poll or a message to take.
    #[cfg(feature = "tokio")]
    pub(crate) const fn has_news(&self) -> bool {
        !self.report.is_empty() || self.rx.is_holding()
    }

    /// Whether no transfer is running, so that a message can be sent.
    #[must_use]
    pub const fn can_send(&self) -> bool {
        self.tx.is_idle()
    }

    /// The outgoing message, how many of its bytes were handed to the link, and its length.
    #[must_use]
    pub fn sending(&self) -> Option<(TransferId, u32, u32)> {
        self.tx.progress()
    }

    /// How many bytes of the incoming message are there, and its length.
    #[must_use]
    pub fn receiving(&self) -> Option<(u32, u32)> {
        self.rx.progress()
    }

    /// A frame arrived from the bus.
    ///
    /// Frames with another address are only counted; faults become events.
    pub fn handle_frame(&mut self, now: Instant, frame: &CanFrame) {
        // What a listener sees of the other direction is none of its business.
        let _ = self.observe(now, frame);
    }

    /// Handles a frame, and tells a listener's owner the flow control that it is.
    pub(crate) fn observe(&mut self, now: Instant, frame: &CanFrame) -> Option<FlowControl> {
        self.check_time(now);
        let Some((target, data)) = self.address.rx().matches(frame) else {
            self.report.stats.frames_foreign += 1;
            return None;
        };
        self.report.stats.frames_received += 1;
        let decoded = self.decode(frame, data, self.address.rx().prefix());
        let admitted = decoded.and_then(|(pci, data)| {
            let pdu = Pdu {
                pci,
                data,
                frame: frame.payload(),
                target,
            };
            self.admit(&pdu).map(|()| pdu)
        });
        let (config, report) = (&self.config, &mut self.report);
        match admitted {
            Err(reason) => report.ignored(reason),
            Ok(Pdu {
                pci: Pci::FlowControl(control),
                ..
            }) => {
                if config.role == Role::Listener {
                    return Some(control);
                }
                self.tx.handle_flow_control(now, control, config, report);
            }
            Ok(pdu) => self.rx.handle_pdu(now, &pdu, config, report),
        }
        None
    }

    /// The node that receives what this listener follows has answered.
    pub(crate) fn handle_answer(&mut self, now: Instant, answer: FlowControl) {
        self.check_time(now);
        self.rx
            .handle_answer(now, answer.status, &self.config, &mut self.report);
    }

    /// What a PDU must be before either machine sees it.
    fn admit(&self, pdu: &Pdu<'_>) -> Result<(), IgnoreReason> {
        let is_control = matches!(pdu.pci, Pci::FlowControl(_));
        let listens = self.config.role == Role::Listener;
        match (pdu.target, pdu.pci, self.config.duplex) {
            (Target::Functional, Pci::SingleFrame { .. }, _) => {}
            (Target::Functional, Pci::FlowControl(_), _) if listens => {}
            (Target::Functional, ..) => return Err(IgnoreReason::FunctionalSegmented),
            (Target::Physical, _, Duplex::Half) if is_control && self.rx.is_receiving() && !listens => {
                return Err(IgnoreReason::HalfDuplex);
            }
            (Target::Physical, _, Duplex::Half) if !is_control && self.tx.is_transmitting() => {
                return Err(IgnoreReason::HalfDuplex);
            }
            (Target::Physical, ..) => {}
        }
        self.check_padding(pdu)
    }

    fn check_padding(&self, pdu: &Pdu<'_>) -> Result<(), IgnoreReason> {
        let check = &self.config.padding_check;
        if check.is_off() {
            return Ok(());
        }
        let head = self.address.rx().prefix().len() + pdu.pci.encode(pdu.frame.len()).as_ref().len();
        let used = match pdu.pci {
            Pci::SingleFrame { len } => head + usize::from(len),
            Pci::FlowControl(_) => head,
            // A first frame is full; which consecutive frame is the last one only the machine knows.
            Pci::FirstFrame { .. } | Pci::ConsecutiveFrame { .. } => return Ok(()),
        };
        Ok(check.check(pdu.frame, used)?)
    }

    /// The link has sent `frame`, which came from [`poll_transmit`](Self::poll_transmit).
    ///
    /// Call it with the echo where the link reports own frames once they are on the wire, and else when the
    /// link has taken the frame.
    pub fn handle_transmitted(&mut self, now: Instant, frame: &CanFrame) {
        self.check_time(now);
        match self.own_pdu(frame) {
            Some((Pci::FlowControl(_), _)) => self.rx.handle_transmitted(now, &self.config),
            Some(pdu) => self
                .tx
                .handle_transmitted(now, pdu, &self.config, &mut self.report),
            None => {}
        }
    }

    /// The link will not send `frame`, which came from [`poll_transmit`](Self::poll_transmit): its message
    /// fails, unless that has ended before.
    pub fn handle_not_transmitted(&mut self, now: Instant, frame: &CanFrame) {
        self.check_time(now);
        match self.own_pdu(frame) {
            Some((Pci::FlowControl(_), _)) => self.rx.handle_not_transmitted(&mut self.report),
            Some(pdu) => self.tx.handle_not_transmitted(pdu, &mut self.report),
            None => {}
        }
    }

    /// The link is gone: ends both transfers as failed.
    pub fn handle_link_lost(&mut self) {
        self.tx.fail(TransferError::Link, &mut self.report);
        self.rx.handle_link_lost(&mut self.report);
    }

    /// Sends a message to one node.
    ///
    /// # Errors
    /// When the message cannot be sent, or another one is under way; no frame has left then.
    pub fn send(&mut self, now: Instant, payload: T) -> Result<TransferId, SendError> {
        self.send_to(now, payload, Target::Physical)
    }

    /// Sends a message to all nodes, which must fit a single frame.
    ///
    /// # Errors
    /// As [`send`](Self::send), and when the message needs more than one frame.
    pub fn send_functional(&mut self, now: Instant, payload: T) -> Result<TransferId, SendError> {
        self.send_to(now, payload, Target::Functional)
    }

    /// What can be said against a message of `len` bytes to `target`.
    #[cfg(feature = "tokio")]
    pub(crate) fn check(&self, len: usize, target: Target) -> Result<u32, SendError> {
        self.tx.check(len, target, &self.config, self.address.tx())
    }

    /// Sends a message to `target`.
    pub(crate) fn send_to(
        &mut self,
        now: Instant,
        payload: T,
        target: Target,
    ) -> Result<TransferId, SendError> {
        self.check_time(now);
        self.tx.start(payload, target, &self.config, self.address.tx())
    }

    /// Changes the block size and the separation time in the flow controls that are sent from now on.
    ///
    /// The standard asks a receiver to keep them within a message, and not every sender looks at them again:
    /// call it between messages, unless to test a sender.
    pub const fn set_flow_control(&mut self, block_size: BlockSize, st_min: StMin) {
        self.config = self.config.block_size(block_size).st_min(st_min);
    }

    /// Ends the outgoing message, if any, as failed, and tells whether there was one.
    ///
    /// Nothing tells the receiver; it notices by its N_Cr.
    pub fn abort_send(&mut self) -> bool {
        let was_sending = !self.tx.is_idle();
        self.tx.fail(TransferError::Aborted, &mut self.report);
        was_sending
    }

    /// Ends the incoming message, if any, as failed.
    ///
    /// Nothing tells the sender; where it waits for a flow control, it notices by its N_Bs.
    pub fn abort_receive(&mut self) {
        self.rx.fail(TransferError::Aborted, &mut self.report);
    }

    /// The received message, from [`Event::Received`] until it is released, and to whom it was sent.
    ///
    /// One physical and one functional message are held, the functional one is shown first. Until the
    /// physical one is released, another long message is made to wait; a short one that finds no room is lost
    /// and counted.
    #[must_use]
    pub fn received(&self) -> Option<(Target, &[u8])> {
        self.rx.held()
    }

    /// Gives up the message that [`received`](Self::received) shows, so that the next one has room.
    pub fn release(&mut self, now: Instant) {
        self.check_time(now);
        self.rx.release(now, &self.config);
    }

    /// The next frame to send, if one is due. Call it until `None`, and then look for events: the source of
    /// the message may have failed.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<CanFrame> {
        self.check_time(now);
        let tx = self.address.tx();
        let answer = self.rx.poll(now, &self.config, tx, &mut self.report);
        let frame = match answer {
            Some(frame) => frame,
            None if self.config.duplex == Duplex::Half && self.rx.is_receiving() => return None,
            None => self.tx.poll(now, &self.config, tx, &mut self.report)?,
        };
        self.report.stats.frames_sent += 1;
        Some(frame)
    }

    /// The next event. Call it until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.report.pop()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let (tx, rx) = (self.tx.poll_timeout(), self.rx.poll_timeout());
        tx.into_iter().chain(rx).min()
    }

    /// Lets the timers expire that are due. Early or repeated calls do nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.check_time(now);
        self.tx.handle_timeout(now, &mut self.report);
        self.rx.handle_timeout(now, &self.config, &mut self.report);
    }

    fn decode<'a>(
        &self,
        frame: &CanFrame,
        data: &'a [u8],
        prefix: Prefix,
    ) -> Result<(Pci, &'a [u8]), IgnoreReason> {
        match frame {
            CanFrame::Data(_) | CanFrame::Fd(_) => {
                Pci::decode_padded(data, prefix, self.config.padding.min_len()).map_err(IgnoreReason::from)
            }
            _ => Err(IgnoreReason::NotData),
        }
    }

    /// What a frame is that this channel has sent.
    fn own_pdu<'a>(&self, frame: &'a CanFrame) -> Option<(Pci, &'a [u8])> {
        let (_, data) = self.address.tx().matches(frame)?;
        self.decode(frame, data, self.address.tx().prefix()).ok()
    }

    fn check_time(&mut self, now: Instant) {
        debug_assert!(now >= self.latest, "time went back");
        self.latest = now;
    }
}

impl<T, R: Buffer> fmt::Debug for Channel<T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel")
            .field("address", &self.address)
            .field("tx", &self.tx)
            .field("rx", &self.rx)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "alloc")]
mod tests;
