//! What a kernel ISO-TP socket is asked for before it is bound.
//!
//! The kernel refuses every option once a socket is bound (`EISCONN`). Here the builder is consumed by
//! [`bind`](IsoTpOptions::bind), and the socket has no setters. Layouts (native byte order; ISO-TP
//! specification, chapter 11):
//!
//! ```text
//! 1 options       flags u32 | frame_txtime u32 ns | ext_address | txpad | rxpad | rx_ext_address
//! 2 flow control  bs | stmin | wftmax
//! 3 tx_stmin      u32 ns        4 rx_stmin  u32 ns
//! 5 link layer    mtu | tx_dl | tx_flags
//! ```

use core::time::Duration;
use std::io;
use std::os::fd::BorrowedFd;
use std::string::ToString;

use embedded_can::Id;
use thiserror::Error;

use super::isotp::IsoTpSocket;
use super::options::DEFAULT_RECEIVE_BUFFER;
use super::sys;
use crate::frame::FdFlags;
use crate::link::LinkError;

/// `SOL_CAN_BASE` plus the protocol number.
const LEVEL: libc::c_int = libc::SOL_CAN_BASE + libc::CAN_ISOTP;
const OPTS: libc::c_int = 1;
const RECV_FC: libc::c_int = 2;
const TX_STMIN: libc::c_int = 3;
const RX_STMIN: libc::c_int = 4;
const LL_OPTS: libc::c_int = 5;

const LISTEN_MODE: u32 = 0x0001;
const EXTEND_ADDR: u32 = 0x0002;
const TX_PADDING: u32 = 0x0004;
const RX_PADDING: u32 = 0x0008;
const CHK_PAD_LEN: u32 = 0x0010;
const CHK_PAD_DATA: u32 = 0x0020;
const HALF_DUPLEX: u32 = 0x0040;
const FORCE_TXSTMIN: u32 = 0x0080;
const FORCE_RXSTMIN: u32 = 0x0100;
const RX_EXT_ADDR: u32 = 0x0200;
const SF_BROADCAST: u32 = 0x0800;
const CF_BROADCAST: u32 = 0x1000;
const DYN_FC_PARMS: u32 = 0x2000;
/// Everything about the padding of received frames.
const RX_CHECKS: u32 = RX_PADDING | CHK_PAD_LEN | CHK_PAD_DATA;

/// `frame_txtime` that means none at all; 0 would mean "as before".
const NO_TXTIME: u32 = u32::MAX;
/// The kernel's own default: 50 µs.
const DEFAULT_TXTIME: Duration = Duration::from_micros(50);

/// What the kernel answers a first frame with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowControl {
    /// Consecutive frames per block; 0 for all at once.
    pub block_size: u8,
    /// Separation time as it is on the wire: 0..=0x7F milliseconds, 0xF1..=0xF9 hundreds of microseconds. The
    /// kernel sends other values as they are.
    pub st_min: u8,
}

/// Which padding a received frame must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PaddingCheck {
    /// A frame must be padded to 8 bytes, or to a CAN FD length.
    Length,
    /// The filler must be the given byte.
    Content,
    /// Both.
    LengthAndContent,
}

/// Largest data length of sent CAN FD frames (TX_DL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxDl(u8);

impl TxDl {
    /// 64 bytes, the longest.
    pub const MAX: Self = Self(64);

    /// A length of 8, 12, 16, 20, 24, 32, 48 or 64 bytes.
    #[must_use]
    pub const fn new(len: u8) -> Option<Self> {
        match len {
            8 | 12 | 16 | 20 | 24 | 32 | 48 | 64 => Some(Self(len)),
            _ => None,
        }
    }
}

/// The frames that carry the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinkLayer {
    /// Classic frames of up to 8 bytes.
    #[default]
    Classic,
    /// CAN FD frames; classic ones are then ignored.
    Fd {
        /// Largest data length of sent frames; received ones may have any.
        tx_dl: TxDl,
        /// Flags of sent frames.
        flags: FdFlags,
    },
}

/// Sending without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broadcast {
    /// Functional addressing: single frames only, to any number of receivers.
    SingleFrame,
    /// First and consecutive frames without flow control, which the standard does not know.
    ConsecutiveFrames,
}

/// Why a set of options is none that the kernel could follow. No socket was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IsoTpOptionsError {
    /// A time that the kernel cannot hold.
    #[error("{what} of {got:?}; at most {max:?} (32 bits of nanoseconds)")]
    TooLong {
        /// Which time.
        what: &'static str,
        /// The time asked for.
        got: Duration,
        /// The longest possible.
        max: Duration,
    },
    /// The socket would take its own frames for the other's.
    #[error("the identifiers of an ISO-TP socket must differ; both are {0:x?}")]
    SameId(Id),
    /// A socket that broadcasts receives nothing.
    #[error("{0} is about receiving; a socket that broadcasts receives nothing")]
    BroadcastReceives(&'static str),
}

/// Options of a kernel ISO-TP socket; [`bind`](Self::bind) makes the socket.
///
/// `WAIT_TX_DONE` is missing on purpose: it makes sending block, on a non-blocking socket too, and with it
/// every task of the runtime's thread. Waiting for the end of a message is [`IsoTpSocket::flush`].
///
/// ```no_run
/// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
/// use can_link::StandardId;
/// use can_link::linux::IsoTpOptions;
///
/// let (rx, tx) = (StandardId::new(0x7E8).unwrap(), StandardId::new(0x7E0).unwrap());
/// let mut socket = IsoTpOptions::new(rx, tx).tx_padding(0xCC).bind("vcan0")?;
/// socket.send(&[0x09, 0x02]).await?;
/// let answer = socket.recv().await?;
/// # Ok(()) }
/// ```
///
/// A bound socket has no options:
///
/// ```compile_fail,E0599
/// # fn f(socket: can_link::linux::IsoTpSocket) {
/// socket.tx_padding(0xCC);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct IsoTpOptions {
    pub(super) rx: Id,
    pub(super) tx: Id,
    flags: u32,
    frame_txtime: Duration,
    ext_address: u8,
    rx_ext_address: u8,
    tx_padding: u8,
    rx_padding: u8,
    flow_control: FlowControl,
    tx_st_min: Option<Duration>,
    rx_st_min: Option<Duration>,
    link_layer: LinkLayer,
    pub(super) receive_buffer: usize,
    pub(super) send_timeout: Option<Duration>,
}

/// Nanoseconds as the kernel takes them, at most `max`.
fn nanos(what: &'static str, time: Duration, max: u32) -> Result<u32, IsoTpOptionsError> {
    let too_long = IsoTpOptionsError::TooLong {
        what,
        got: time,
        max: Duration::from_nanos(max.into()),
    };
    let nanos = u32::try_from(time.as_nanos()).map_err(|_overflow| too_long)?;
    if nanos > max { Err(too_long) } else { Ok(nanos) }
}

/// The times of a socket in nanoseconds.
#[derive(Debug)]
struct Times {
    frame_txtime: u32,
    tx_st_min: Option<u32>,
    rx_st_min: Option<u32>,
}

impl IsoTpOptions {
    /// Receives messages with the identifier `rx` and sends them with `tx`; everything else as the kernel's
    /// default: normal addressing, classic frames, no padding, block size and separation time 0.
    #[must_use]
    pub fn new(rx: impl Into<Id>, tx: impl Into<Id>) -> Self {
        Self {
            rx: rx.into(),
            tx: tx.into(),
            flags: 0,
            frame_txtime: DEFAULT_TXTIME,
            ext_address: 0,
            rx_ext_address: 0,
            tx_padding: 0xCC,
            rx_padding: 0xCC,
            flow_control: FlowControl::default(),
            tx_st_min: None,
            rx_st_min: None,
            link_layer: LinkLayer::Classic,
            receive_buffer: DEFAULT_RECEIVE_BUFFER,
            send_timeout: None,
        }
    }

    const fn with(mut self, flags: u32) -> Self {
        self.flags |= flags;
        self
    }

    /// Extended or mixed addressing: the first data byte of frames in both directions is `address`.
    #[must_use]
    pub const fn ext_address(mut self, address: u8) -> Self {
        self.ext_address = address;
        self.with(EXTEND_ADDR)
    }

    /// Extended addressing with different bytes: sent frames begin with `tx`, received ones must begin with
    /// `rx`.
    #[must_use]
    pub const fn ext_addresses(mut self, tx: u8, rx: u8) -> Self {
        self.rx_ext_address = rx;
        self.ext_address(tx).with(RX_EXT_ADDR)
    }

    /// Pads sent frames to 8 bytes, or to the next CAN FD length, with `filler`. Default no padding.
    #[must_use]
    pub const fn tx_padding(mut self, filler: u8) -> Self {
        self.tx_padding = filler;
        self.with(TX_PADDING)
    }

    /// Refuses received frames that are not padded so; `filler` is the byte that [`PaddingCheck::Content`]
    /// wants. Default no check.
    #[must_use]
    pub const fn rx_padding(mut self, filler: u8, check: PaddingCheck) -> Self {
        self.rx_padding = filler;
        self.flags &= !RX_CHECKS;
        // The checks without RX_PADDING mean something else: no padding at all, or that nothing passes.
        self.with(RX_PADDING).with(match check {
            PaddingCheck::Length => CHK_PAD_LEN,
            PaddingCheck::Content => CHK_PAD_DATA,
            PaddingCheck::LengthAndContent => CHK_PAD_LEN | CHK_PAD_DATA,
        })
    }

    /// Refuses received frames that are longer than their content asks for. Replaces
    /// [`rx_padding`](Self::rx_padding).
    #[must_use]
    pub const fn rx_unpadded(mut self) -> Self {
        self.flags &= !RX_CHECKS;
        // Without RX_PADDING the length is compared with the shortest possible one.
        self.with(CHK_PAD_LEN)
    }

    /// Ignores messages that begin while one is sent, and answers that come while one is received. Default
    /// full duplex.
    ///
    /// The kernel does not hold back a message that is sent during a reception: then both of them run into
    /// their timeouts.
    #[must_use]
    pub const fn half_duplex(self) -> Self {
        self.with(HALF_DUPLEX)
    }

    /// Only listens: no flow control is sent.
    #[must_use]
    pub const fn listen_only(self) -> Self {
        self.with(LISTEN_MODE)
    }

    /// Sends without an answer; such a socket receives nothing.
    #[must_use]
    pub const fn broadcast(mut self, kind: Broadcast) -> Self {
        // Both at once would be refused by the kernel, with one of them staying set.
        self.flags &= !(SF_BROADCAST | CF_BROADCAST);
        self.with(match kind {
            Broadcast::SingleFrame => SF_BROADCAST,
            Broadcast::ConsecutiveFrames => CF_BROADCAST,
        })
    }

    /// The options of the socket that sends functional messages beside this one, with the identifier `tx`.
    #[must_use]
    pub fn functional(&self, tx: impl Into<Id>) -> Self {
        let mut options = self.clone().broadcast(Broadcast::SingleFrame);
        options.tx = tx.into();
        options.flags &= !(LISTEN_MODE | RX_CHECKS | FORCE_RXSTMIN);
        options
    }

    /// Takes block size and separation time from every flow control, not only the first.
    ///
    /// Kernels that do not know this ignore it without a word;
    /// [`IsoTpSupport::dynamic_flow_control`](super::IsoTpSupport::dynamic_flow_control) tells.
    #[must_use]
    pub const fn dynamic_flow_control(self) -> Self {
        self.with(DYN_FC_PARMS)
    }

    /// Pause before each consecutive frame, on top of the separation time; less than 4.294967295 s. Default
    /// 50 µs; zero makes a virtual interface twenty times as fast.
    #[must_use]
    pub const fn frame_txtime(mut self, time: Duration) -> Self {
        self.frame_txtime = time;
        self
    }

    /// What first frames are answered with.
    #[must_use]
    pub const fn flow_control(mut self, answer: FlowControl) -> Self {
        self.flow_control = answer;
        self
    }

    /// Sends consecutive frames this far apart, whatever the receiver asks for; at most 4.294967295 s.
    #[must_use]
    pub const fn force_tx_st_min(mut self, time: Duration) -> Self {
        self.tx_st_min = Some(time);
        self.with(FORCE_TXSTMIN)
    }

    /// Drops consecutive frames that come sooner than this after the one before; at most 4.294967295 s.
    #[must_use]
    pub const fn force_rx_st_min(mut self, time: Duration) -> Self {
        self.rx_st_min = Some(time);
        self.with(FORCE_RXSTMIN)
    }

    /// The frames that carry the messages. Default [`LinkLayer::Classic`].
    #[must_use]
    pub const fn link_layer(mut self, layer: LinkLayer) -> Self {
        self.link_layer = layer;
        self
    }

    /// Receive buffer in bytes of kernel memory. Default 2 MiB: what does not fit is lost in silence,
    /// although its sender was told that it arrived.
    #[must_use]
    pub const fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = bytes;
        self
    }

    /// How long a message may wait for the one before, or for room in the interface's queue, before
    /// [`IsoTpError::Timeout`](super::IsoTpError::Timeout). Default: for ever for
    /// the one before; 2 s for room in the queue, which is the kernel's N_As.
    ///
    /// Counted from the moment the kernel first refuses the message until it takes it.
    #[must_use]
    pub const fn send_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.send_timeout = timeout;
        self
    }

    /// Whether the kernel could follow all of this at once; [`bind`](Self::bind) asks first.
    ///
    /// # Errors
    /// When a time is out of range, both identifiers are the same, or a broadcast is to receive.
    pub fn check(&self) -> Result<(), IsoTpOptionsError> {
        self.values()?;
        if self.wants_flow_control() {
            if self.rx == self.tx {
                return Err(IsoTpOptionsError::SameId(self.rx));
            }
            return Ok(());
        }
        let receiving = [
            (LISTEN_MODE, "listening"),
            (RX_CHECKS, "the check of padding"),
            (FORCE_RXSTMIN, "the least gap between received frames"),
        ];
        let asked = receiving.into_iter().find(|(flag, _)| self.flags & flag != 0);
        asked.map_or(Ok(()), |(_, what)| {
            Err(IsoTpOptionsError::BroadcastReceives(what))
        })
    }

    /// Opens the socket on `interface`.
    ///
    /// # Errors
    /// [`LinkError::Unsupported`] when [`check`](Self::check) says so, when it is no CAN interface or has no
    /// CAN FD, or when the kernel has no ISO-TP; [`LinkError::NotFound`] when there is no such interface;
    /// [`LinkError::Permission`], [`LinkError::Io`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn bind(self, interface: &str) -> Result<IsoTpSocket, LinkError> {
        IsoTpSocket::bind(&self, interface)
    }

    /// Longest message that goes into one frame.
    pub(super) fn single_frame_len(&self) -> usize {
        let address = usize::from(self.flags & EXTEND_ADDR != 0);
        match self.link_layer {
            LinkLayer::Fd { tx_dl, .. } if tx_dl.0 > 8 => usize::from(tx_dl.0) - 2 - address,
            _ => 7 - address,
        }
    }

    /// Whether a message of several frames is answered by its receiver.
    pub(super) const fn wants_flow_control(&self) -> bool {
        self.flags & (SF_BROADCAST | CF_BROADCAST) == 0
    }

    pub(super) const fn is_single_frame_broadcast(&self) -> bool {
        self.flags & SF_BROADCAST != 0
    }

    pub(super) const fn is_fd(&self) -> bool {
        matches!(self.link_layer, LinkLayer::Fd { .. })
    }

    fn values(&self) -> Result<Times, IsoTpOptionsError> {
        let st_min = |what, time: Option<Duration>| time.map(|time| nanos(what, time, u32::MAX)).transpose();
        Ok(Times {
            frame_txtime: match nanos("a pause before each frame", self.frame_txtime, NO_TXTIME - 1)? {
                0 => NO_TXTIME,
                nanos => nanos,
            },
            tx_st_min: st_min("a gap between sent frames", self.tx_st_min)?,
            rx_st_min: st_min("a gap between received frames", self.rx_st_min)?,
        })
    }

    fn opts(&self, frame_txtime: u32) -> [u8; 12] {
        let [f0, f1, f2, f3] = self.flags.to_ne_bytes();
        let [t0, t1, t2, t3] = frame_txtime.to_ne_bytes();
        let (ext, rx_ext) = (self.ext_address, self.rx_ext_address);
        let (tx_pad, rx_pad) = (self.tx_padding, self.rx_padding);
        [f0, f1, f2, f3, t0, t1, t2, t3, ext, tx_pad, rx_pad, rx_ext]
    }

    fn link_layer_bytes(&self) -> [u8; 3] {
        match self.link_layer {
            LinkLayer::Classic => [16, 8, 0],
            LinkLayer::Fd { tx_dl, flags } => [72, tx_dl.0, flags.to_bits()],
        }
    }

    pub(super) fn apply(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let times = self.values().map_err(invalid)?;
        let FlowControl { block_size, st_min } = self.flow_control;
        sys::set_option(fd, LEVEL, OPTS, &self.opts(times.frame_txtime))?;
        // The third byte, WFTmax, is not used by the kernel.
        sys::set_option(fd, LEVEL, RECV_FC, &[block_size, st_min, 0])?;
        sys::set_option(fd, LEVEL, LL_OPTS, &self.link_layer_bytes())?;
        for (name, time) in [(TX_STMIN, times.tx_st_min), (RX_STMIN, times.rx_st_min)] {
            if let Some(nanos) = time {
                sys::set_option(fd, LEVEL, name, &nanos.to_ne_bytes())?;
            }
        }
        Ok(())
    }
}

impl From<IsoTpOptionsError> for LinkError {
    fn from(error: IsoTpOptionsError) -> Self {
        Self::unsupported(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use embedded_can::StandardId;

    use super::*;

    fn options() -> IsoTpOptions {
        IsoTpOptions::new(StandardId::new(0x7E8).unwrap(), StandardId::new(0x7E0).unwrap())
    }

    fn bytes(options: &IsoTpOptions) -> [u8; 12] {
        options.opts(options.values().unwrap().frame_txtime)
    }

    #[test]
    fn the_defaults_are_the_kernels() {
        assert_eq!(
            bytes(&options()).as_slice(),
            [[0; 4], 50_000u32.to_ne_bytes(), [0, 0xCC, 0xCC, 0]].concat()
        );
        assert_eq!(options().link_layer_bytes(), [16, 8, 0]);
    }

    #[test]
    fn no_frame_time_is_not_zero_which_would_keep_the_default() {
        let opts = bytes(&options().frame_txtime(Duration::ZERO));
        assert_eq!(opts[4..8], [0xFF; 4]);
        let opts = bytes(&options().frame_txtime(Duration::from_micros(50)));
        assert_eq!(opts[4..8], 50_000u32.to_ne_bytes());
    }

    #[test]
    fn a_time_that_the_kernel_cannot_hold_is_refused_with_its_range() {
        let ok = Duration::from_nanos(u64::from(u32::MAX) - 1);
        let over = ok + Duration::from_nanos(2);
        assert_eq!(options().frame_txtime(ok).check(), Ok(()));
        assert_eq!(
            options().frame_txtime(over).check().unwrap_err().to_string(),
            "a pause before each frame of 4.294967296s; at most 4.294967294s (32 bits of nanoseconds)"
        );
        for refused in [options().force_tx_st_min(over), options().force_rx_st_min(over)] {
            let error = refused.check().unwrap_err();
            assert!(
                matches!(error, IsoTpOptionsError::TooLong { got, .. } if got == over),
                "{error}"
            );
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        let id = StandardId::new(0x123).unwrap();
        let same = IsoTpOptions::new(id, id);
        assert_eq!(same.check(), Err(IsoTpOptionsError::SameId(id.into())));
        let broadcast = |options: IsoTpOptions| options.broadcast(Broadcast::SingleFrame).check();
        assert_eq!(broadcast(same), Ok(()), "its receiving identifier is not used");
        assert_eq!(
            broadcast(options().listen_only()),
            Err(IsoTpOptionsError::BroadcastReceives("listening"))
        );
        assert!(broadcast(options().rx_unpadded()).is_err());
    }

    #[test]
    fn each_option_sets_its_flag() {
        let flags = |options: IsoTpOptions| options.flags;
        assert_eq!(flags(options().ext_address(1)), 0x0002);
        assert_eq!(flags(options().ext_addresses(1, 2)), 0x0202);
        assert_eq!(flags(options().tx_padding(0)), 0x0004);
        assert_eq!(flags(options().rx_padding(0, PaddingCheck::Length)), 0x0018);
        assert_eq!(flags(options().rx_padding(0, PaddingCheck::Content)), 0x0028);
        assert_eq!(
            flags(options().rx_padding(0, PaddingCheck::LengthAndContent)),
            0x0038
        );
        assert_eq!(flags(options().rx_unpadded()), 0x0010);
        let last = options().rx_padding(0, PaddingCheck::Content).rx_unpadded();
        assert_eq!(flags(last), 0x0010, "the last one counts");
        assert_eq!(flags(options().half_duplex().listen_only()), 0x0041);
        assert_eq!(flags(options().force_tx_st_min(Duration::ZERO)), 0x0080);
        assert_eq!(flags(options().force_rx_st_min(Duration::ZERO)), 0x0100);
        assert_eq!(flags(options().dynamic_flow_control()), 0x2000);
        let both = options()
            .broadcast(Broadcast::SingleFrame)
            .broadcast(Broadcast::ConsecutiveFrames);
        assert_eq!(flags(both), 0x1000, "the last one counts");
    }

    #[test]
    fn single_frames_shrink_by_the_address_and_grow_with_fd() {
        assert_eq!(options().single_frame_len(), 7);
        assert_eq!(options().ext_address(0).single_frame_len(), 6);
        let fd = |len| {
            options().link_layer(LinkLayer::Fd {
                tx_dl: TxDl::new(len).unwrap(),
                flags: FdFlags::BRS,
            })
        };
        assert_eq!(fd(8).single_frame_len(), 7);
        assert_eq!(fd(64).single_frame_len(), 62);
        assert_eq!(fd(64).link_layer_bytes(), [72, 64, 1]);
        assert_eq!(TxDl::new(9), None);
    }
}
