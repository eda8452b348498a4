//! What the kernel tells about interfaces: asked for once, and watched without polling.
//!
//! ```text
//! nlmsghdr    len u32 | type u16 | flags u16 | seq u32 | port u32
//! ifinfomsg   family u8 | pad u8 | type u16 | index i32 | flags u32 | change u32
//! attribute   len u16 | type u16 (14 bits) | data | padding to 4
//! ```
//!
//! Numbers have the host's byte order (rtnetlink(7); can-link specification, chapter 10).

use core::task::{Context, Poll};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::string::String;
use std::vec;
use std::vec::Vec;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};

use super::readiness::{Progress, Readiness};
use crate::error_frame::BusState;

const GROUP_LINK: u32 = 1;
/// More than any description of one interface; a netlink datagram that does not fit is cut.
const BUFFER_LEN: usize = 32 * 1024;
const ATTRIBUTE_TYPE: u16 = 0x3FFF;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_CAN_STATE: u16 = 4;

/// One network interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) index: u32,
    pub(super) name: String,
    pub(super) flags: u32,
    pub(super) mtu: u32,
    pub(super) is_can: bool,
    /// The controller's state; virtual interfaces have none.
    pub(super) bus_state: Option<BusState>,
}

impl Interface {
    pub(super) fn is_up(&self) -> bool {
        self.flags & u32::try_from(libc::IFF_UP).unwrap_or_default() != 0
    }

    /// Whether the driver echoes a frame when it was on the wire, rather than the core when it was queued.
    pub(super) fn echoes_on_wire(&self) -> bool {
        self.flags & u32::try_from(libc::IFF_ECHO).unwrap_or_default() != 0
    }
}

/// One thing that the kernel told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    /// An interface is new or has changed.
    Present(Interface),
    /// An interface is gone.
    Gone { index: u32 },
    /// Notices were lost; the state has to be asked for.
    Missed,
}

/// Which interface a query is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Which<'a> {
    Name(&'a str),
    Index(u32),
}

/// Describes an interface; `ENODEV` when there is none.
pub(super) fn interface(which: Which<'_>) -> io::Result<Interface> {
    let fd = open(SockFlag::SOCK_CLOEXEC, 0)?;
    send(fd.as_raw_fd(), &request(which), MsgFlags::empty())?;
    let mut buffer = vec![0; BUFFER_LEN];
    let len = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    for (kind, body) in messages(buffer.get(..len).unwrap_or_default()) {
        if i32::from(kind) == libc::NLMSG_ERROR {
            let code = body.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            return Err(io::Error::from_raw_os_error(code.saturating_neg()));
        }
        if let Some(Notice::Present(interface)) = notice(kind, body) {
            return Ok(interface);
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENODEV))
}

fn open(flags: SockFlag, groups: u32) -> io::Result<OwnedFd> {
    let fd = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        flags,
        SockProtocol::NetlinkRoute,
    )?;
    bind(fd.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(fd)
}

fn request(which: Which<'_>) -> Vec<u8> {
    let (index, name) = match which {
        Which::Name(name) => (0, Some(name)),
        Which::Index(index) => (index, None),
    };
    let flags = u16::try_from(libc::NLM_F_REQUEST).unwrap_or_default();
    let mut out = vec![0; 4];
    out.extend(libc::RTM_GETLINK.to_ne_bytes());
    out.extend(flags.to_ne_bytes());
    out.extend([0; 8]);
    out.extend([0; 4]);
    out.extend(index.to_ne_bytes());
    out.extend([0; 8]);
    if let Some(name) = name {
        let len = u16::try_from(4 + name.len() + 1).unwrap_or(u16::MAX);
        out.extend(len.to_ne_bytes());
        out.extend(libc::IFLA_IFNAME.to_ne_bytes());
        out.extend(name.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let len = u32::try_from(out.len()).unwrap_or(u32::MAX).to_ne_bytes();
    out.iter_mut().zip(len).for_each(|(to, from)| *to = from);
    out
}

/// Notices about all interfaces of this network namespace.
#[derive(Debug)]
pub(super) struct Watch {
    socket: Readiness,
    buffer: Vec<u8>,
}

impl Watch {
    pub(super) fn new() -> io::Result<Self> {
        let fd = open(SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, GROUP_LINK)?;
        Ok(Self {
            socket: Readiness::readable(fd)?,
            buffer: vec![0; BUFFER_LEN],
        })
    }

    /// The notices of one datagram, or `None` when there is none to read.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<Notice>>> {
        let buffer = &mut self.buffer;
        self.socket.attempt(|fd| {
            let len = match recv(fd.as_raw_fd(), buffer, MsgFlags::empty()) {
                Err(Errno::ENOBUFS) => return Ok(Progress::More(vec![Notice::Missed])),
                other => other?,
            };
            let messages = messages(buffer.get(..len).unwrap_or_default());
            let notices = messages.filter_map(|(kind, body)| notice(kind, body));
            Ok(Progress::More(notices.collect()))
        })
    }

    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_ready(cx)
    }
}

/// The messages of a datagram as (type, body).
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    core::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_ne_bytes(*len)).ok()?;
        let body = bytes.get(16..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind), body))
    })
}

/// Attributes as (type, data).
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    core::iter::from_fn(move || {
        let (len, rest) = bytes.split_first_chunk()?;
        let (kind, _) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_ne_bytes(*len));
        let data = bytes.get(4..len)?;
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind) & ATTRIBUTE_TYPE, data))
    })
}

fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find_map(|(found, data)| (found == kind).then_some(data))
}

fn number(data: &[u8]) -> Option<u32> {
    data.first_chunk().map(|number| u32::from_ne_bytes(*number))
}

fn notice(kind: u16, body: &[u8]) -> Option<Notice> {
    let (head, rest) = body.split_first_chunk::<16>()?;
    let [_, _, t0, t1, i0, i1, i2, i3, f0, f1, f2, f3, ..] = *head;
    let index = u32::from_ne_bytes([i0, i1, i2, i3]);
    match kind {
        libc::RTM_DELLINK => Some(Notice::Gone { index }),
        libc::RTM_NEWLINK => Some(Notice::Present(Interface {
            index,
            name: attribute(rest, libc::IFLA_IFNAME)
                .and_then(|name| core::ffi::CStr::from_bytes_until_nul(name).ok())
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            flags: u32::from_ne_bytes([f0, f1, f2, f3]),
            mtu: attribute(rest, libc::IFLA_MTU)
                .and_then(number)
                .unwrap_or_default(),
            is_can: u16::from_ne_bytes([t0, t1]) == libc::ARPHRD_CAN,
            bus_state: bus_state(rest),
        })),
        _ => None,
    }
}

fn bus_state(attributes: &[u8]) -> Option<BusState> {
    let info = attribute(attributes, libc::IFLA_LINKINFO)?;
    if attribute(info, libc::IFLA_INFO_KIND)? != b"can\0" {
        return None;
    }
    let data = attribute(info, IFLA_INFO_DATA)?;
    match number(attribute(data, IFLA_CAN_STATE)?)? {
        0 => Some(BusState::Active),
        1 => Some(BusState::Warning),
        2 => Some(BusState::Passive),
        3 => Some(BusState::BusOff),
        // Stopped and sleeping say nothing of the bus.
        _ => Some(BusState::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn attr(kind: u16, data: &[u8]) -> Vec<u8> {
        let mut out = u16::try_from(4 + data.len()).unwrap().to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend(data);
        out.resize(out.len().next_multiple_of(4), 0);
        out
    }

    fn message(kind: u16, attributes: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0];
        body.extend(libc::ARPHRD_CAN.to_ne_bytes());
        body.extend(7i32.to_ne_bytes());
        body.extend(0x40081u32.to_ne_bytes());
        body.extend([0; 4]);
        body.extend(attributes);
        let mut out = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
        out.extend(kind.to_ne_bytes());
        out.extend([0; 10]);
        out.extend(body);
        out
    }

    fn can0(state: u32) -> Vec<u8> {
        // New kernels set the nested flag 0x8000; old ones do not.
        let data = attr(
            0x8000 | IFLA_INFO_DATA,
            &attr(IFLA_CAN_STATE, &state.to_ne_bytes()),
        );
        let info = [attr(libc::IFLA_INFO_KIND, b"can\0"), data].concat();
        [
            attr(libc::IFLA_IFNAME, b"can0\0"),
            attr(libc::IFLA_MTU, &16u32.to_ne_bytes()),
            attr(0x8000 | libc::IFLA_LINKINFO, &info),
        ]
        .concat()
    }

    #[test]
    fn an_interface_is_read_with_its_controller_state() {
        let bytes = message(libc::RTM_NEWLINK, &can0(2));
        let (kind, body) = messages(&bytes).next().unwrap();
        let Some(Notice::Present(interface)) = notice(kind, body) else {
            panic!("not an interface");
        };
        assert_eq!(
            (interface.index, &*interface.name, interface.mtu),
            (7, "can0", 16)
        );
        assert!(interface.is_can && interface.is_up() && interface.echoes_on_wire());
        assert_eq!(interface.bus_state, Some(BusState::Passive));
    }

    #[test]
    fn several_messages_share_a_datagram() {
        let bytes = [
            message(libc::RTM_NEWLINK, &can0(0)),
            message(libc::RTM_DELLINK, &can0(5)),
        ]
        .concat();
        let notices: Vec<_> = messages(&bytes)
            .filter_map(|(kind, body)| notice(kind, body))
            .collect();
        assert!(matches!(
            notices[..],
            [Notice::Present(_), Notice::Gone { index: 7 }]
        ));
    }

    #[test]
    fn a_request_by_name_is_one_padded_message() {
        let bytes = request(Which::Name("vcan0"));
        assert_eq!(bytes.len(), 16 + 16 + 12);
        let (kind, body) = messages(&bytes).next().unwrap();
        assert_eq!(kind, libc::RTM_GETLINK);
        assert_eq!(
            attribute(&body[16..], libc::IFLA_IFNAME),
            Some(b"vcan0\0".as_slice())
        );
    }

    proptest! {
        #[test]
        fn reading_notices_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for (kind, body) in messages(&bytes) {
                let _ = notice(kind, body);
            }
        }
    }

    #[test]
    fn the_loopback_interface_is_no_can_interface() {
        let lo = interface(Which::Name("lo")).unwrap();
        assert!(!lo.is_can);
        assert_eq!(interface(Which::Index(lo.index)).unwrap().name, "lo");
        let error = interface(Which::Name("no-such-if")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    }
}
