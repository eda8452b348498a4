//! Interfaces of the kernel.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use super::AddressError;
use super::choice::{FdMode, Loopback, OnBusOff, Reconnect, XlMode};
use super::query::{DurationText, Query, QueryText};
use crate::candump::{FilterText, parse_filter};
use crate::error_frame::ErrorClasses;
use crate::filter::{Filter, FilterSet, Join};
use crate::link::Echo;

/// The kernel's limit for interface names, without the final zero.
const MAX_INTERFACE_LEN: usize = 15;

/// `socketcan:can0`, or `can0` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketCanAddress {
    /// The interface's name; `any` for all of them.
    pub interface: String,
    /// `fd=`: whether CAN FD frames pass; by default when the interface carries them.
    pub fd: FdMode,
    /// `xl=`: whether CAN XL frames pass; by default when the interface carries them.
    pub xl: XlMode,
    /// `own=`: whether own frames come back. Default no.
    pub own: Echo,
    /// `loopback=`: whether other programs of this host see the frames. Default yes.
    pub loopback: Loopback,
    /// `err=`: which error reports are received, in hexadecimal. Default all.
    pub errors: ErrorClasses,
    /// `filter=`: candump's `id:mask` and `id~mask`, separated by commas. Without any, all traffic passes.
    pub filters: Vec<Filter>,
    /// `join=1`: a frame must pass every filter.
    pub join: Join,
    /// `rcvbuf=`: receive buffer in bytes.
    pub receive_buffer: Option<usize>,
    /// `sndbuf=`: send buffer in bytes.
    pub send_buffer: Option<usize>,
    /// `send_timeout=`: how long a frame may wait for room, such as `500ms`. Default for ever.
    pub send_timeout: Option<Duration>,
    /// `bus_off=fail|wait`: what sending does while the controller is off the bus.
    pub on_bus_off: OnBusOff,
    /// `reconnect=auto|never`.
    pub reconnect: Reconnect,
}

impl SocketCanAddress {
    /// The interface with default options; the name is checked when it is opened.
    #[must_use]
    pub fn new(interface: impl Into<String>) -> Self {
        Self {
            interface: interface.into(),
            fd: FdMode::Auto,
            xl: XlMode::Auto,
            own: Echo::Off,
            loopback: Loopback::On,
            errors: ErrorClasses::ALL,
            filters: Vec::new(),
            join: Join::Any,
            receive_buffer: None,
            send_buffer: None,
            send_timeout: None,
            on_bus_off: OnBusOff::Fail,
            reconnect: Reconnect::Auto,
        }
    }

    /// What is received, as a set.
    #[must_use]
    pub fn filter_set(&self) -> FilterSet {
        let set = match (self.filters.as_slice(), self.join) {
            ([], _) => FilterSet::default(),
            (filters, Join::Any) => FilterSet::any(filters.iter().copied()),
            (filters, Join::All) => FilterSet::all(filters.iter().copied()),
        };
        set.with_errors(self.errors)
    }

    pub(super) fn parse(body: &str, query: Option<&str>) -> Result<Self, AddressError> {
        const KEYS: &[&str] = &[
            "fd",
            "xl",
            "own",
            "loopback",
            "err",
            "filter",
            "join",
            "rcvbuf",
            "sndbuf",
            "send_timeout",
            "bus_off",
            "reconnect",
        ];
        const FLAG: &str = "0 or 1";
        const BYTES: &str = "a number of bytes";
        let interface = interface_name("socketcan", body)?;
        let query = Query::parse("socketcan", query, KEYS)?;
        let errors = query.read("err", "an error mask of 1 to 8 hexadecimal digits", hex)?;
        let filters = query.read("filter", "filters such as 123:7FF or 12345678~1FFFFFFF", |text| {
            text.split(',').map(parse_filter).collect()
        })?;
        let joins = [("0", Join::Any), ("1", Join::All)];
        let fd = [("0", FdMode::Off), ("1", FdMode::On)];
        let xl = [("0", XlMode::Off), ("1", XlMode::On)];
        let echoes = [("0", Echo::Off), ("1", Echo::On)];
        let loopbacks = [("0", Loopback::Off), ("1", Loopback::On)];
        let bus_off = [("fail", OnBusOff::Fail), ("wait", OnBusOff::Wait)];
        let policies = [("auto", Reconnect::Auto), ("never", Reconnect::Never)];
        Ok(Self {
            fd: query.choice("fd", FLAG, &fd)?.unwrap_or_default(),
            xl: query.choice("xl", FLAG, &xl)?.unwrap_or_default(),
            own: query.choice("own", FLAG, &echoes)?.unwrap_or_default(),
            loopback: query.choice("loopback", FLAG, &loopbacks)?.unwrap_or_default(),
            errors: errors.map_or(ErrorClasses::ALL, ErrorClasses::from_bits),
            filters: filters.unwrap_or_default(),
            join: query.choice("join", FLAG, &joins)?.unwrap_or_default(),
            receive_buffer: query.number("rcvbuf", BYTES, 0..=usize::MAX)?,
            send_buffer: query.number("sndbuf", BYTES, 0..=usize::MAX)?,
            send_timeout: query.duration("send_timeout")?,
            on_bus_off: query
                .choice("bus_off", "fail or wait", &bus_off)?
                .unwrap_or_default(),
            reconnect: query
                .choice("reconnect", "auto or never", &policies)?
                .unwrap_or_default(),
            ..Self::new(interface)
        })
    }
}

fn hex(text: &str) -> Option<u32> {
    let digits = text.len() <= 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok())?
}

/// A name that an interface can have.
pub(super) fn interface_name(scheme: &'static str, name: &str) -> Result<String, AddressError> {
    if name.is_empty() {
        let (what, example) = ("interface", "socketcan:can0");
        return Err(AddressError::Missing {
            scheme,
            what,
            example,
        });
    }
    let name: String = name.into();
    if name.len() > MAX_INTERFACE_LEN {
        return Err(AddressError::InterfaceTooLong { scheme, name });
    }
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '&' | '?');
    if name == "." || name == ".." || name.contains(odd) {
        return Err(AddressError::InterfaceName { scheme, name });
    }
    Ok(name)
}

impl fmt::Display for SocketCanAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socketcan:{}", self.interface)?;
        let mut query = QueryText::new(f);
        if self.fd != FdMode::Auto {
            query.put("fd", u8::from(self.fd == FdMode::On))?;
        }
        if self.xl != XlMode::Auto {
            query.put("xl", u8::from(self.xl == XlMode::On))?;
        }
        query.put_flag("own", self.own == Echo::On, false)?;
        query.put_flag("loopback", self.loopback == Loopback::On, true)?;
        if self.errors != ErrorClasses::ALL {
            query.put("err", format_args!("{:X}", self.errors.to_bits()))?;
        }
        if !self.filters.is_empty() {
            query.put("filter", FilterText(&self.filters))?;
        }
        query.put_flag("join", self.join == Join::All, false)?;
        query.put_some("rcvbuf", self.receive_buffer)?;
        query.put_some("sndbuf", self.send_buffer)?;
        query.put_some("send_timeout", self.send_timeout.map(DurationText))?;
        if self.on_bus_off == OnBusOff::Wait {
            query.put("bus_off", "wait")?;
        }
        if self.reconnect == Reconnect::Never {
            query.put("reconnect", "never")?;
        }
        Ok(())
    }
}
