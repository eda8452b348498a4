//! Opening a raw socket: finding the interface, and every option before the bind.

use std::format;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec::Vec;

use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, RxqOvfl, SndBuf, Timestamping};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, TimestampingFlag, setsockopt, socket,
};

use super::netlink::{self, Interface, Which};
use super::options::{FdMode, Loopback, RawOptions, XlMode};
use super::sys;
use crate::error_frame::{BusState, ErrorClasses};
use crate::filter::{Filter, FilterSet, Join};
use crate::frame::{MAX_CLASSIC_LEN, MAX_FD_LEN, MAX_XL_LEN};
use crate::link::{Capabilities, Echo, FilterPlace, LinkError, OwnEcho};

/// Name that stands for all interfaces.
pub(super) const ANY: &str = "any";
/// Longest interface name in bytes (`IFNAMSIZ` without its terminator).
const MAX_NAME_LEN: usize = 15;
const FD_MTU: u32 = 72;
const XL_MIN_MTU: u32 = 76;
/// Classes of error reports that tell of the controller's state: its condition, bus-off, and the restart.
const STATE_CLASSES: u32 = 0x004 | 0x040 | 0x100;
/// Deliver every virtual CAN network id, and send frames with the one they carry (since 6.9; older kernels do
/// so anyway).
const XL_VCID_OPTS: libc::c_int = 8;
const XL_VCID_PASS_ALL: [u8; 4] = [0x02 | 0x04, 0, 0, 0];

/// What an open socket can do, as the interface was when it was opened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) index: u32,
    pub(super) capabilities: Capabilities,
    pub(super) bus_state: BusState,
    pub(super) is_up: bool,
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) fd: OwnedFd,
    pub(super) shape: Shape,
    /// Where its filters are applied.
    pub(super) place: FilterPlace,
}

/// A second socket that hears nothing but error reports, so that a sender knows of bus-off although nobody
/// receives.
pub(super) fn error_monitor(name: &str, index: u32) -> Result<Option<OwnedFd>, LinkError> {
    if index == 0 {
        return Ok(None);
    }
    let failed = |error| failed(name, "opening a socket for error reports", error);
    let fd = raw_socket().map_err(failed)?;
    // It is read only when something is sent: a flood of other reports would fill it, and crowd out the
    // restart that ends bus-off.
    let reports = FilterSet::any([]).with_errors(ErrorClasses::from_bits(STATE_CLASSES));
    apply_filters(fd.as_fd(), &reports).map_err(failed)?;
    sys::bind_raw(fd.as_fd(), index).map_err(failed)?;
    Ok(Some(fd))
}

pub(super) fn dup(name: &str, fd: &OwnedFd) -> Result<OwnedFd, LinkError> {
    fd.try_clone()
        .map_err(|error| failed(name, "duplicating the socket", error))
}

/// A `LinkError` for an error of the system while doing `what` with `name`.
pub(super) fn failed(name: &str, what: &str, error: impl Into<io::Error>) -> LinkError {
    let error = error.into();
    match error.raw_os_error() {
        Some(libc::ENODEV | libc::ENXIO) => not_found(name),
        Some(libc::EPERM | libc::EACCES) => LinkError::Permission { link: name.into() },
        Some(libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT) => LinkError::unsupported(format!(
            "{name}: {what}: this kernel has none, or its module is not loaded"
        )),
        _ => LinkError::io(format!("{name}: {what}"), error),
    }
}

/// Whether `error` tells that the interface was deleted.
pub(super) fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV))
}

fn not_found(name: &str) -> LinkError {
    LinkError::NotFound {
        link: name.into(),
        fix: Some("make a virtual one with: ip link add dev vcan0 type vcan && ip link set vcan0 up"),
    }
}

/// Looks up a CAN interface by name.
pub(super) fn find(name: &str) -> Result<Interface, LinkError> {
    if name.is_empty() || name.len() > MAX_NAME_LEN || name.contains(['/', '\0']) {
        return Err(LinkError::unsupported(format!(
            "{name:?} is no interface name; one has 1 to {MAX_NAME_LEN} bytes"
        )));
    }
    let interface = netlink::interface(Which::Name(name))
        .map_err(|error| failed(name, "asking the kernel for the interface", error))?;
    if !interface.is_can {
        return Err(LinkError::unsupported(format!("{name}: not a CAN interface")));
    }
    Ok(interface)
}

/// Whether this kernel's raw sockets know virtual channels of CAN XL.
pub(super) fn knows_xl_channels() -> bool {
    let set = |fd: OwnedFd| {
        let pass_all = &XL_VCID_PASS_ALL;
        sys::set_option(fd.as_fd(), libc::SOL_CAN_RAW, XL_VCID_OPTS, pass_all)
    };
    raw_socket().and_then(set).is_ok()
}

fn raw_socket() -> io::Result<OwnedFd> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    Ok(socket(
        AddressFamily::Can,
        SockType::Raw,
        flags,
        SockProtocol::CanRaw,
    )?)
}

/// Opens a socket; `filters` are those it has from its first frame on, whatever the options began with.
pub(super) fn open(options: &RawOptions, filters: &FilterSet, name: &str) -> Result<Opened, LinkError> {
    let fd = raw_socket().map_err(|error| failed(name, "opening a raw CAN socket", error))?;
    let interface = (name != ANY).then(|| find(name)).transpose()?;
    let max_data = set_frame_kinds(fd.as_fd(), options, name, interface.as_ref())?;
    let context = |error| failed(name, "setting socket options", error);
    set_options(fd.as_fd(), options).map_err(context)?;
    let place = apply_filters(fd.as_fd(), filters).map_err(context)?;
    let index = interface.as_ref().map_or(0, |interface| interface.index);
    sys::bind_raw(fd.as_fd(), index).map_err(|error| failed(name, "binding the socket", error))?;
    let interface = interface.unwrap_or_default();
    let own_echo = match (options.own_messages, options.loopback) {
        (Echo::Off, _) | (_, Loopback::Off) => OwnEcho::None,
        (Echo::On, Loopback::On) if interface.echoes_on_wire() => OwnEcho::OnWire,
        (Echo::On, Loopback::On) => OwnEcho::AtQueue,
    };
    let capabilities = Capabilities {
        max_data,
        remote: true,
        error_reports: true,
        // Known only once a stamped frame has come.
        hardware_time: false,
        own_echo,
        filter_slots: usize::try_from(libc::CAN_RAW_FILTER_MAX).unwrap_or_default(),
    };
    let shape = Shape {
        index,
        capabilities,
        bus_state: interface.bus_state.unwrap_or_default(),
        is_up: index == 0 || interface.is_up(),
    };
    Ok(Opened { fd, shape, place })
}

/// Turns CAN FD and XL on where they are wanted and there; returns the longest data of a frame.
fn set_frame_kinds(
    fd: BorrowedFd<'_>,
    options: &RawOptions,
    name: &str,
    interface: Option<&Interface>,
) -> Result<usize, LinkError> {
    // At least, not equal: kernels since 7.x give virtual interfaces an MTU of 2060 (trap 3).
    let carries = |mtu: u32| interface.is_none_or(|interface| interface.mtu >= mtu);
    let lacks = |kind: &str| {
        Err(LinkError::unsupported(format!(
            "{name}: the interface carries no {kind}"
        )))
    };
    let wants_xl = match options.xl {
        XlMode::On if !carries(XL_MIN_MTU) => return lacks("CAN XL"),
        XlMode::On => true,
        XlMode::Auto => options.fd != FdMode::Off && interface.is_some() && carries(XL_MIN_MTU),
        XlMode::Off => false,
    };
    if wants_xl {
        match set_raw(fd, libc::CAN_RAW_XL_FRAMES, 1) {
            Ok(()) => {
                // Kernels without the option pass every id.
                let _ = sys::set_option(fd, libc::SOL_CAN_RAW, XL_VCID_OPTS, &XL_VCID_PASS_ALL);
                return Ok(MAX_XL_LEN);
            }
            Err(_) if options.xl == XlMode::Auto => {}
            Err(_) => {
                return Err(LinkError::unsupported(format!(
                    "{name}: this kernel has no CAN XL sockets (Linux 6.1 and later have them)"
                )));
            }
        }
    }
    let wants_fd = match options.fd {
        FdMode::On if !carries(FD_MTU) => return lacks("CAN FD"),
        FdMode::On => true,
        FdMode::Auto => carries(FD_MTU),
        FdMode::Off => false,
    };
    if !wants_fd {
        return Ok(MAX_CLASSIC_LEN);
    }
    set_raw(fd, libc::CAN_RAW_FD_FRAMES, 1).map_err(|error| failed(name, "turning CAN FD on", error))?;
    Ok(MAX_FD_LEN)
}

fn set_raw(fd: BorrowedFd<'_>, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    sys::set_option(fd, libc::SOL_CAN_RAW, name, &value.to_ne_bytes())
}

fn set_options(fd: BorrowedFd<'_>, options: &RawOptions) -> io::Result<()> {
    set_raw(
        fd,
        libc::CAN_RAW_LOOPBACK,
        (options.loopback == Loopback::On).into(),
    )?;
    set_raw(
        fd,
        libc::CAN_RAW_RECV_OWN_MSGS,
        (options.own_messages == Echo::On).into(),
    )?;
    setsockopt(&fd, RxqOvfl, &1)?;
    let stamps = TimestampingFlag::SOF_TIMESTAMPING_RX_HARDWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_RAW_HARDWARE;
    setsockopt(&fd, Timestamping, &stamps)
        .or_else(|_unsupported| setsockopt(&fd, ReceiveTimestampns, &true))?;
    // Only root may go beyond the system's limit; what was granted is reported by
    // `RawSocket::receive_buffer`.
    setsockopt(&fd, RcvBufForce, &options.receive_buffer)
        .or_else(|_not_root| setsockopt(&fd, RcvBuf, &options.receive_buffer))?;
    setsockopt(&fd, SndBuf, &options.send_buffer)?;
    Ok(())
}

/// Where `filters` are applied: in the kernel if it can hold all of them.
pub(super) fn place_of(filters: &FilterSet) -> FilterPlace {
    let slots = usize::try_from(libc::CAN_RAW_FILTER_MAX).unwrap_or_default();
    if filters.filters().len() <= slots {
        FilterPlace::Kernel
    } else {
        FilterPlace::Software
    }
}

/// Gives the kernel all of the filters, or what lets them through if it cannot hold them; tells which.
pub(super) fn apply_filters(fd: BorrowedFd<'_>, filters: &FilterSet) -> io::Result<FilterPlace> {
    let place = place_of(filters);
    let (list, join) = if place == FilterPlace::Kernel {
        (filters.filters(), filters.join())
    } else {
        ([Filter::ALL].as_slice(), Join::Any)
    };
    let words: Vec<u8> = list
        .iter()
        .map(|filter| filter.to_bits())
        .flat_map(|(word, mask)| [word, mask])
        .flat_map(u32::to_ne_bytes)
        .collect();
    let set_list = || sys::set_option(fd, libc::SOL_CAN_RAW, libc::CAN_RAW_FILTER, &words);
    let set_join = || set_raw(fd, libc::CAN_RAW_JOIN_FILTERS, (join == Join::All).into());
    // In the order that lets too much through in between, never too little.
    if join == Join::All {
        set_list()?;
        set_join()?;
    } else {
        set_join()?;
        set_list()?;
    }
    sys::set_option(
        fd,
        libc::SOL_CAN_RAW,
        libc::CAN_RAW_ERR_FILTER,
        &filters.errors().to_bits().to_ne_bytes(),
    )?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use std::string::{String, ToString as _};

    use super::*;

    fn message(errno: i32) -> String {
        failed("can0", "binding the socket", io::Error::from_raw_os_error(errno)).to_string()
    }

    #[test]
    fn each_failure_is_one_sentence_with_its_fix() {
        assert!(
            message(libc::ENODEV)
                .starts_with("can0: no such CAN interface; make a virtual one with: ip link")
        );
        for errno in [libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT] {
            let message = message(errno);
            assert_eq!(
                message,
                "can0: binding the socket: this kernel has none, or its module is not loaded"
            );
        }
        assert_eq!(message(libc::EPERM), "can0: permission denied");
        assert!(message(libc::ENOMEM).starts_with("can0: binding the socket: "));
    }

    #[test]
    fn what_cannot_be_an_interface_name_is_not_looked_up() {
        for name in ["", "sixteen_bytes_ab", "a/b", "a\0b"] {
            let error = find(name).unwrap_err().to_string();
            assert!(error.contains("is no interface name"), "{error}");
        }
        assert_eq!(find("lo").unwrap_err().to_string(), "lo: not a CAN interface");
        assert!(matches!(find("no-such-if"), Err(LinkError::NotFound { .. })));
    }
}
