//! Every unsafe call of this crate: system calls that take pointers, and the registration with tokio.
#![expect(
    unsafe_code,
    reason = "system calls with pointers, and the registration of descriptors; nothing else is unsafe"
)]

use core::mem;
use core::ptr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::vec;
use std::vec::Vec;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Frames moved by one system call.
pub(super) const BATCH: usize = 64;

/// Room for control messages per datagram: time stamps (16 + 48), drop counter (24) and slack.
const CONTROL_LEN: usize = 128;

fn check(result: libc::c_int) -> io::Result<usize> {
    usize::try_from(result).map_err(|_negative| io::Error::last_os_error())
}

fn socklen(len: usize) -> libc::socklen_t {
    libc::socklen_t::try_from(len).unwrap_or(libc::socklen_t::MAX)
}

/// Hands `fd` to tokio's reactor.
///
/// # Panics
/// Outside of a tokio runtime with I/O enabled.
pub(super) fn register(fd: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: the `AsyncFd` owns the descriptor, so it stays open, is the same on every call, and is closed
    // only after deregistration; nothing here calls `dup2` on it.
    unsafe { AsyncFd::register_with_interest(fd, interest) }.map_err(|error| error.into_parts().1)
}

/// A `CAN_ISOTP` socket. (nix cannot name the protocol.)
pub(super) fn isotp_socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers are passed.
    let fd = unsafe { libc::socket(libc::AF_CAN, kind, libc::CAN_ISOTP) };
    check(fd)?;
    // SAFETY: the kernel has just returned this descriptor and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What a kernel ISO-TP socket says to a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// Such a message could be sent now.
    Possible,
    /// It could not: it is too long, or the socket is not idle.
    Refused,
}

/// Asks a bound socket whether it would take a message of `len` bytes, without sending one.
///
/// The kernel looks at the length before it fetches the message; there is none to fetch, so that nothing
/// is sent.
pub(super) fn isotp_takes(fd: BorrowedFd<'_>, len: usize) -> Length {
    // SAFETY: the kernel checks the pointer like any other and fails with EFAULT; it writes nothing.
    let result = unsafe { libc::send(fd.as_raw_fd(), ptr::null(), len, libc::MSG_DONTWAIT) };
    if result < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EFAULT) {
        Length::Possible
    } else {
        Length::Refused
    }
}

fn address(index: u32) -> libc::sockaddr_can {
    // SAFETY: `sockaddr_can` consists of integers, for which zero is a value.
    let mut address: libc::sockaddr_can = unsafe { mem::zeroed() };
    address.can_family = libc::sa_family_t::try_from(libc::AF_CAN).unwrap_or_default();
    address.can_ifindex = libc::c_int::try_from(index).unwrap_or_default();
    address
}

fn bind(fd: BorrowedFd<'_>, address: &libc::sockaddr_can) -> io::Result<()> {
    // SAFETY: the pointer is to a whole `sockaddr_can` whose size is passed along; the kernel only reads it.
    let result = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            ptr::from_ref(address).cast(),
            socklen(size_of_val(address)),
        )
    };
    check(result).map(drop)
}

/// Binds a raw socket to an interface, or to all of them with index 0.
pub(super) fn bind_raw(fd: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    bind(fd, &address(index))
}

/// Binds an ISO-TP socket to an interface and a pair of identifier words.
pub(super) fn bind_isotp(fd: BorrowedFd<'_>, index: u32, rx_id: u32, tx_id: u32) -> io::Result<()> {
    let mut address = address(index);
    // Writing a `Copy` member of a union is safe; the kernel reads this member for the ISO-TP protocol.
    address.can_addr.tp.rx_id = rx_id;
    address.can_addr.tp.tx_id = tx_id;
    bind(fd, &address)
}

/// Sets a socket option to a value given by its bytes.
pub(super) fn set_option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: &[u8],
) -> io::Result<()> {
    // SAFETY: pointer and length describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            name,
            value.as_ptr().cast(),
            socklen(value.len()),
        )
    };
    check(result).map(drop)
}

/// A received datagram inside a [`ReceiveBatch`].
#[derive(Debug)]
pub(super) struct Datagram<'a> {
    pub(super) data: &'a [u8],
    pub(super) control: &'a [u8],
    pub(super) flags: libc::c_int,
    pub(super) index: u32,
}

/// What the kernel told of one datagram.
#[derive(Clone, Copy, Debug, Default)]
struct Meta {
    data_len: usize,
    control_len: usize,
    flags: libc::c_int,
    index: u32,
}

/// Preallocated buffers for up to [`BATCH`] datagrams.
#[derive(Debug)]
pub(super) struct ReceiveBatch {
    data: Vec<u8>,
    datagram_len: usize,
    control: Vec<u8>,
    meta: [Meta; BATCH],
}

impl ReceiveBatch {
    /// Buffers for datagrams of at most `datagram_len` (at least 1) bytes.
    pub(super) fn new(datagram_len: usize) -> Self {
        let datagram_len = datagram_len.max(1);
        Self {
            data: vec![0; datagram_len * BATCH],
            datagram_len,
            control: vec![0; CONTROL_LEN * BATCH],
            meta: [Meta::default(); BATCH],
        }
    }

    /// Receives what is queued, at most [`BATCH`] datagrams, and returns how many.
    pub(super) fn receive(&mut self, fd: BorrowedFd<'_>) -> io::Result<usize> {
        let mut addresses = [address(0); BATCH];
        let mut parts = [libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        }; BATCH];
        // SAFETY: `mmsghdr` consists of integers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let buffers = self
            .data
            .chunks_exact_mut(self.datagram_len)
            .zip(self.control.chunks_exact_mut(CONTROL_LEN));
        let slots = headers.iter_mut().zip(&mut parts).zip(&mut addresses);
        for (((header, part), address), (data, control)) in slots.zip(buffers) {
            part.iov_base = data.as_mut_ptr().cast();
            part.iov_len = data.len();
            header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            header.msg_hdr.msg_namelen = socklen(size_of_val(address));
            header.msg_hdr.msg_iov = ptr::from_mut(part);
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.len() as _;
        }
        let count = headers.len();
        // SAFETY: each of the `count` headers points to its own name, part and control buffer, all of which
        // live until after the call and are described by their true lengths; the timeout may be null.
        let received = check(unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr(),
                libc::c_uint::try_from(count).unwrap_or_default(),
                libc::MSG_DONTWAIT,
                ptr::null_mut(),
            )
        })?;
        for ((meta, header), address) in self.meta.iter_mut().zip(&headers).zip(&addresses) {
            *meta = Meta {
                data_len: usize::try_from(header.msg_len).unwrap_or_default(),
                control_len: header.msg_hdr.msg_controllen as _,
                flags: header.msg_hdr.msg_flags,
                index: u32::try_from(address.can_ifindex).unwrap_or_default(),
            };
        }
        Ok(received.min(BATCH))
    }

    /// The first `count` datagrams of the last [`receive`](Self::receive).
    pub(super) fn datagrams(&self, count: usize) -> impl Iterator<Item = Datagram<'_>> {
        let buffers = self
            .data
            .chunks_exact(self.datagram_len)
            .zip(self.control.chunks_exact(CONTROL_LEN));
        self.meta
            .iter()
            .zip(buffers)
            .take(count)
            .map(|(meta, (data, control))| Datagram {
                data: data.get(..meta.data_len).unwrap_or_default(),
                control: control.get(..meta.control_len).unwrap_or_default(),
                flags: meta.flags,
                index: meta.index,
            })
    }
}

/// Datagrams to send, one after the other in one buffer.
#[derive(Debug, Default)]
pub(super) struct SendBatch {
    data: Vec<u8>,
    lens: Vec<usize>,
}

impl SendBatch {
    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.lens.clear();
    }

    pub(super) fn push(&mut self, datagram: &[u8]) {
        self.data.extend_from_slice(datagram);
        self.lens.push(datagram.len());
    }

    /// Sends a prefix of at most [`BATCH`] datagrams and returns how many; to interface `to`, or to the bound
    /// one.
    ///
    /// An error is about the first datagram.
    pub(super) fn send(&mut self, fd: BorrowedFd<'_>, to: Option<u32>) -> io::Result<usize> {
        if self.lens.len() == 1 {
            return self.send_one(fd, to);
        }
        let mut address = address(to.unwrap_or_default());
        let mut parts = [libc::iovec {
            iov_base: ptr::null_mut(),
            iov_len: 0,
        }; BATCH];
        // SAFETY: `mmsghdr` consists of integers and pointers, for which zero is a value.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut rest = self.data.as_mut_slice();
        let mut count = 0;
        for ((header, part), len) in headers.iter_mut().zip(&mut parts).zip(&self.lens) {
            let Some((datagram, after)) = rest.split_at_mut_checked(*len) else {
                break;
            };
            rest = after;
            part.iov_base = datagram.as_mut_ptr().cast();
            part.iov_len = datagram.len();
            header.msg_hdr.msg_iov = ptr::from_mut(part);
            header.msg_hdr.msg_iovlen = 1;
            if to.is_some() {
                header.msg_hdr.msg_name = (&raw mut address).cast();
                header.msg_hdr.msg_namelen = socklen(size_of_val(&address));
            }
            count += 1;
        }
        // SAFETY: each of the `count` headers points to its own part and all to one address, which live until
        // after the call and are described by their true lengths; the kernel only reads them, except for
        // `msg_len`.
        check(unsafe { libc::sendmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), count, libc::MSG_DONTWAIT) })
    }

    /// One datagram needs none of the headers.
    fn send_one(&self, fd: BorrowedFd<'_>, to: Option<u32>) -> io::Result<usize> {
        let address = to.map(address);
        let (pointer, len) = address.as_ref().map_or((ptr::null(), 0), |address| {
            (ptr::from_ref(address), size_of_val(address))
        });
        // SAFETY: pointers and lengths describe `data` and `address`, which the kernel only reads; no address
        // may be null with length 0.
        let sent = unsafe {
            libc::sendto(
                fd.as_raw_fd(),
                self.data.as_ptr().cast(),
                self.data.len(),
                libc::MSG_DONTWAIT,
                pointer.cast(),
                socklen(len),
            )
        };
        if sent < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(1)
    }
}
