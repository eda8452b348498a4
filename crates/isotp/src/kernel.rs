//! The same face over the kernel's own ISO-TP.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::format;
use std::string::String;

use bytes::Bytes;
use can_link::LinkError;
use can_link::error_frame::BusState;
use can_link::linux::{FlowControl, IsoTpError, IsoTpOptions, IsoTpSocket, LinkLayer, TxDl};
use futures_core::Stream;
use futures_sink::Sink;

use crate::address::{Address, Target};
use crate::config::{Config, DEFAULT_TIMEOUT, Role};
use crate::data_link::DataLink;
use crate::error::{NResult, SendError, TransferError};
use crate::event::TransferId;
use crate::stream::StreamError;

/// A stream and sink of whole messages over a `CAN_ISOTP` socket of Linux.
///
/// The kernel cuts and joins the messages, so no frame costs a system call; in return it tells less than
/// [`IsoTpStream`](crate::IsoTpStream) and has its own rules (ISO-TP spec ch. 9 and 11):
///
/// - N_Bs and N_Cr are 1 s and N_As is 2 s, fixed. It never sends WAIT. Its limits of length are
///   [`max_send`](Self::max_send), and 8 to 66 kB for receiving.
/// - It ignores malformed frames silently, and reports neither how far a failed message got, nor why a
///   sequence number was wrong, nor messages that it refused or that another one interrupted.
/// - One socket is one pair of identifiers: functional messages are neither sent nor received, and in the
///   fixed addressing modes the priority must be 6.
/// - With CAN FD it takes CAN FD frames only, else classic ones only.
#[derive(Debug)]
pub struct KernelIsoTp {
    socket: IsoTpSocket,
    max_rx_len: u32,
    /// The message to hand over next.
    pending: Option<Bytes>,
    /// The message under way.
    id: TransferId,
    len: u32,
    ended: bool,
}

impl KernelIsoTp {
    /// Opens a socket on `interface`.
    ///
    /// The kernel's extra gap before each consecutive frame (`frame_txtime`) is zero, and block size and
    /// separation time are taken from every flow control where the kernel can do that.
    ///
    /// # Errors
    /// [`LinkError::Unsupported`] when the kernel cannot do what `address` or `config` asks for; otherwise as
    /// [`IsoTpOptions::bind`].
    ///
    /// # Panics
    /// Outside of a tokio runtime with I/O enabled.
    pub fn open(interface: &str, address: &Address, config: &Config) -> Result<Self, LinkError> {
        let socket = options(address, config)
            .map_err(|what| LinkError::unsupported(format!("{interface}: kernel ISO-TP has no {what}")))?
            .bind(interface)?;
        Ok(Self {
            socket,
            max_rx_len: config.max_rx_len,
            pending: None,
            id: TransferId(0),
            len: 0,
            ended: false,
        })
    }

    /// The longest message that the kernel sends, in bytes.
    #[must_use]
    pub const fn max_send(&self) -> usize {
        self.socket.max_send()
    }

    /// The interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        self.socket.interface()
    }

    /// The next message; `None` when the interface is gone.
    ///
    /// # Errors
    /// When a message failed, or the interface went away.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Result<Bytes, StreamError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Sends a message and waits until its last frame is out.
    ///
    /// # Errors
    /// When it cannot be sent, or failed on the way; or when a message given before had failed unnoticed, and
    /// then this one was not sent.
    ///
    /// # Cancel safety
    /// When the future is dropped, the message is sent not at all or under way, and then goes on being sent.
    pub async fn send(&mut self, message: impl Into<Bytes>) -> Result<(), StreamError> {
        poll_fn(|cx| self.poll_sent(cx)).await?;
        self.pending = Some(message.into());
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Hands over what is pending and waits until it is through.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        if let Some(message) = &self.pending {
            let sent = ready!(self.socket.poll_send(cx, message));
            let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
            self.pending = None;
            self.id = TransferId(self.id.0 + 1);
            self.len = len;
            sent.map_err(|error| self.send_error(error))?;
        }
        let done = ready!(self.socket.poll_flush(cx));
        Poll::Ready(done.map_err(|error| self.send_error(error)))
    }

    fn send_error(&self, error: IsoTpError) -> StreamError {
        let (error, cause) = match error {
            IsoTpError::Empty => return SendError::Empty.into(),
            IsoTpError::TooLong { len, max } => return SendError::TooLong { len, max }.into(),
            IsoTpError::TimeoutBs => (TransferError::Reported(NResult::TimeoutBs), None),
            IsoTpError::Overflow => (TransferError::Overflow, None),
            IsoTpError::Invalid => (TransferError::Reported(NResult::InvalidFs), None),
            IsoTpError::Down => (TransferError::Link, Some(can_link::SendError::Down)),
            IsoTpError::Gone => (TransferError::Link, Some(can_link::SendError::Gone)),
            IsoTpError::Timeout { waiting_for } => {
                let state = BusState::Unknown;
                let timeout = can_link::SendError::Timeout { waiting_for, state };
                (TransferError::Link, Some(timeout))
            }
            IsoTpError::Io(error) => (TransferError::Link, Some(error.into())),
            _ => (TransferError::Reported(NResult::Error), None),
        };
        StreamError::SendFailed {
            id: self.id,
            error,
            sent: None,
            len: self.len,
            cause,
        }
    }

    fn receive_error(&mut self, error: IsoTpError) -> StreamError {
        let result = match error {
            IsoTpError::TimeoutCr => NResult::TimeoutCr,
            IsoTpError::WrongSequence => NResult::WrongSn,
            IsoTpError::Gone => {
                self.ended = true;
                let link = String::from(self.interface());
                return LinkError::Gone { link }.into();
            }
            IsoTpError::Io(error) => {
                self.ended = true;
                return LinkError::io("receiving from an ISO-TP socket", error).into();
            }
            _ => NResult::Error,
        };
        StreamError::ReceiveFailed {
            error: TransferError::Reported(result),
            progress: None,
            cause: None,
        }
    }
}

/// The kernel's options for this address and configuration, or what it has not.
fn options(address: &Address, config: &Config) -> Result<IsoTpOptions, &'static str> {
    let (tx, rx) = (address.tx(), address.rx());
    let rx_id = rx.id(Target::Physical).ok_or("functional address")?;
    let mut options = IsoTpOptions::new(rx_id, tx.id(Target::Physical))
        .flow_control(FlowControl {
            block_size: config.block_size.to_bits(),
            st_min: config.st_min.to_bits(),
        })
        .frame_txtime(Duration::ZERO)
        .dynamic_flow_control();
    options = match (tx.address_byte(), rx.address_byte()) {
        (None, None) => options,
        (Some(tx), Some(rx)) if tx == rx => options.ext_address(tx),
        (Some(tx), Some(rx)) => options.ext_addresses(tx, rx),
        _ => return Err("address byte in one direction only"),
    };
    options = match config.padding.min_len() {
        0 => options,
        8 => options.tx_padding(config.padding.fill()),
        _ => return Err("padding to a length other than 8"),
    };
    if let DataLink::Fd { tx_dl, flags } = config.data_link {
        let tx_dl = u8::try_from(tx_dl.len()).ok().and_then(TxDl::new);
        let tx_dl = tx_dl.ok_or("such a TX_DL")?;
        options = options.link_layer(LinkLayer::Fd { tx_dl, flags });
    }
    if let Some(gap) = config.forced_gap {
        options = options.force_tx_st_min(gap);
    }
    if config.role == Role::Listener {
        options = options.listen_only();
    }
    if config.n_bs != DEFAULT_TIMEOUT || config.n_cr != DEFAULT_TIMEOUT {
        return Err("timeouts other than 1000 ms");
    }
    if config.wait_limit.is_some() {
        return Err("limit of received WAITs");
    }
    Ok(options)
}

impl Stream for KernelIsoTp {
    type Item = Result<Bytes, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(Some(match ready!(self.socket.poll_recv(cx)) {
            Err(error) => Err(self.receive_error(error)),
            Ok(message) => {
                let (len, max) = (u32::try_from(message.len()).unwrap_or(u32::MAX), self.max_rx_len);
                if len > max {
                    Err(StreamError::Refused { len, max })
                } else {
                    Ok(message.into())
                }
            }
        }))
    }
}

impl Sink<Bytes> for KernelIsoTp {
    type Error = StreamError;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Bytes) -> Result<(), StreamError> {
        self.pending = Some(message);
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.poll_sent(cx)
    }
}

#[cfg(test)]
mod tests {
    use can_link::StandardId;
    use can_link::frame::Dlc;

    use super::*;
    use crate::address::{RxAddress, TxAddress};
    use crate::data_link::Padding;

    fn refused(address: &Address, config: &Config) -> Option<&'static str> {
        options(address, config).err()
    }

    #[test]
    fn what_the_kernel_cannot_do_is_refused_by_name() {
        let id = |raw| StandardId::new(raw).unwrap();
        let normal = Address::normal(id(0x7E0), id(0x7E8)).unwrap();
        assert_eq!(refused(&normal, &Config::default()), None);
        let fixed = Address::mixed_fixed(0x33, 0xF1, 0x99).unwrap();
        assert_eq!(
            refused(&fixed, &Config::default().data_link(DataLink::fd())),
            None
        );

        let one_sided = Address::asymmetric(TxAddress::normal(id(1)), RxAddress::mixed(id(2), 0x99)).unwrap();
        assert_eq!(
            refused(&one_sided, &Config::default()),
            Some("address byte in one direction only")
        );
        let long = Padding::at_least(Dlc::exact(12).unwrap(), 0);
        assert_eq!(
            refused(&normal, &Config::default().padding(long)),
            Some("padding to a length other than 8")
        );
        assert_eq!(
            refused(&normal, &Config::default().n_bs(Duration::from_millis(150))),
            Some("timeouts other than 1000 ms")
        );
        assert_eq!(
            refused(&normal, &Config::default().wait_limit(Some(3))),
            Some("limit of received WAITs")
        );
    }
}
