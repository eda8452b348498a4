//! Route tables as text: `0/0 CAN, 8/2 KISS 3` (13.1).
//!
//! ```text
//! table = entry *("," entry)      entry = address ["/" netmask] name [via]
//! ```
//!
//! A text is read as libcsp reads it, but whole: libcsp stops after 100 characters, in the middle of an entry
//! if need be. What libcsp reads over is read over here too, and told in [`Loaded::ignored`].

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use thiserror::Error;

use super::RouteError;
use super::scan::{Number, Scanner};
use crate::iface::Interfaces;
use crate::{Address, InterfaceId, InterfaceName, MAX_NAME_LEN, Netmask, Route, Subnet, Version};

/// Whose route strings a text follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RouteDialect {
    /// libcsp 2.x: names in exact case, a netmask of -1 stands for none, the next hop 65535 for none.
    ///
    /// Of a larger next hop the low 16 bits are taken.
    #[default]
    Libcsp2,
    /// libcsp 1.6: names in any case, no netmask of -1, the next hop 255 stands for none.
    Libcsp1,
}

/// What a text of routes came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loaded {
    /// Entries that were read; one may have replaced another.
    pub entries: usize,
    /// Byte ranges of the text that have no effect, because libcsp reads over them.
    ///
    /// Words behind the next hop, or there that are no number; characters of a name behind the tenth; a next
    /// hop of more than 16 bits, of which the low ones are taken; and everything from an entry of a single
    /// character on.
    pub ignored: Vec<Range<usize>>,
}

/// A text is no route table, or one that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("route {entry}, at byte {offset}: {reason}")]
#[non_exhaustive]
pub struct RouteStringError {
    /// Which entry, counted from 1; empty ones do not count.
    pub entry: usize,
    /// Where in the text, in bytes from 0.
    pub offset: usize,
    /// What is wrong there.
    #[source]
    pub reason: RouteStringReason,
}

/// What is wrong in a route string.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteStringReason {
    /// There is no address.
    #[error("expected an address, a decimal number")]
    Address,
    /// The address has too many bits for the interface's header version.
    #[error("expected an address up to {max}, the largest on that interface")]
    AddressTooLarge {
        /// The largest.
        max: Address,
    },
    /// There is no netmask after the slash.
    #[error("expected a netmask after the slash, a decimal number")]
    Netmask,
    /// The netmask has too many bits for the interface's header version.
    #[error("expected a netmask up to {max}, the address bits on that interface")]
    NetmaskTooLarge {
        /// The number of address bits.
        max: u8,
    },
    /// There is no name of an interface.
    #[error("expected the name of an interface")]
    Name,
    /// The node has no interface of that name.
    #[error("expected one of the interfaces {known}, got {name}")]
    UnknownInterface {
        /// The name given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The next hop is no address.
    #[error("expected a next hop up to {max}")]
    ViaTooLarge {
        /// The largest.
        max: u16,
    },
    /// The route cannot be added.
    #[error(transparent)]
    Route(#[from] RouteError),
}

/// One entry as it stands in the text.
#[derive(Debug)]
struct Entry<'a> {
    address: Number,
    netmask: Option<Number>,
    name: &'a str,
    name_at: usize,
    via: Option<Number>,
}

impl Entry<'_> {
    /// Where the words are that a refusal is about.
    fn blamed(&self, error: RouteError) -> usize {
        match error {
            RouteError::Loopback | RouteError::UnknownInterface { .. } => self.name_at,
            RouteError::ViaTooLarge { .. } | RouteError::ViaBroadcast { .. } | RouteError::ViaOwn { .. } => {
                self.via.unwrap_or(self.address).start
            }
            RouteError::Full | RouteError::Network { .. } => self.address.start,
        }
    }
}

/// Reads the routes of a text, with the interfaces that it names.
pub(crate) struct Reader<'a> {
    text: &'a str,
    dialect: RouteDialect,
    interfaces: &'a Interfaces,
    loaded: Loaded,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, dialect: RouteDialect, interfaces: &'a Interfaces) -> Self {
        Self {
            text,
            dialect,
            interfaces,
            loaded: Loaded::default(),
        }
    }

    /// Reads all entries and gives each to `add`, up to the first that is wrong or refused.
    pub(crate) fn read(
        mut self,
        mut add: impl FnMut(Route) -> Result<(), RouteError>,
    ) -> Result<Loaded, RouteStringError> {
        let mut start = 0_usize;
        for text in self.text.split(',') {
            let (offset, len) = (start, text.len());
            start = offset.saturating_add(len).saturating_add(1);
            match len {
                0 => continue,
                // libcsp takes it for the end.
                1 => {
                    self.loaded.ignored.push(offset..self.text.len());
                    break;
                }
                _ => {}
            }
            let entry = self.loaded.entries.saturating_add(1);
            let fail = |(offset, reason)| RouteStringError {
                entry,
                offset,
                reason,
            };
            let words = self.entry(offset, text).map_err(fail)?;
            let route = self.route(&words).map_err(fail)?;
            add(route).map_err(|error| fail((words.blamed(error), error.into())))?;
            self.loaded.entries = entry;
        }
        self.loaded.ignored.sort_unstable_by_key(|range| range.start);
        Ok(self.loaded)
    }

    /// Takes the words of an entry apart, as the `scanf` formats of libcsp do.
    fn entry(&mut self, offset: usize, text: &'a str) -> Result<Entry<'a>, (usize, RouteStringReason)> {
        let mut scanner = Scanner::new(text, offset);
        let missing = |scanner: &Scanner<'_>, reason| (scanner.position(), reason);
        scanner.skip_blanks();
        let address = scanner
            .number()
            .ok_or_else(|| missing(&scanner, RouteStringReason::Address))?;
        let netmask = if scanner.skip(b'/') {
            scanner.skip_blanks();
            let netmask = scanner.number();
            Some(netmask.ok_or_else(|| missing(&scanner, RouteStringReason::Netmask))?)
        } else {
            None
        };
        scanner.skip_blanks();
        let name_at = scanner.position();
        let name = scanner.word();
        if name.is_empty() {
            return Err((name_at, RouteStringReason::Name));
        }
        scanner.skip_blanks();
        let via = scanner.number();
        scanner.skip_blanks();
        let ignored = scanner.remaining();
        if !ignored.is_empty() {
            self.loaded.ignored.push(ignored);
        }
        Ok(Entry {
            address,
            netmask,
            name,
            name_at,
            via,
        })
    }

    /// What the words of an entry mean on this node.
    fn route(&mut self, entry: &Entry<'_>) -> Result<Route, (usize, RouteStringReason)> {
        let interface = self.interface(entry)?;
        let version = interface.version;
        let (id, mapping) = (interface.id, &interface.mapping);
        let (mut space, mut bits) = (version, None);
        if let Ok(value) = u16::try_from(entry.address.value) {
            bits = Address::new(value).filter(|address| *address <= version.broadcast());
            // An address that has another name on the interface is one of the wide world.
            let wide =
                Address::new(value).filter(|address| entry.netmask.is_none() && mapping.names(*address));
            if bits.is_none() && wide.is_some() {
                (space, bits) = (Version::V2, wide);
            }
        }
        let max = version.broadcast();
        let address = bits.ok_or((entry.address.start, RouteStringReason::AddressTooLarge { max }))?;
        let netmask = match entry.netmask {
            None => Netmask::host(space),
            Some(number) => self.netmask(number, version)?,
        };
        let too_large = |_| (entry.address.start, RouteStringReason::AddressTooLarge { max });
        Ok(Route {
            subnet: Subnet::new(space, address, netmask).map_err(too_large)?,
            interface: id,
            via: self.via(entry.via)?,
        })
    }

    fn interface(
        &mut self,
        entry: &Entry<'_>,
    ) -> Result<&'a crate::iface::Interface, (usize, RouteStringReason)> {
        let interfaces = self.interfaces;
        let known = |name: InterfaceName| {
            let wanted = entry.name.as_bytes();
            let wanted = wanted.get(..MAX_NAME_LEN).unwrap_or(wanted);
            match self.dialect {
                RouteDialect::Libcsp2 => name.as_str().as_bytes() == wanted,
                RouteDialect::Libcsp1 => name.as_str().as_bytes().eq_ignore_ascii_case(wanted),
            }
        };
        let Some(found) = interfaces.iter().find(|interface| known(interface.name)) else {
            let mut names = String::new();
            for interface in interfaces.iter() {
                names.push_str(if names.is_empty() { "" } else { ", " });
                names.push_str(interface.name.as_str());
            }
            let reason = RouteStringReason::UnknownInterface {
                name: entry.name.into(),
                known: names,
            };
            return Err((entry.name_at, reason));
        };
        if entry.name.len() > MAX_NAME_LEN {
            let start = entry.name_at.saturating_add(MAX_NAME_LEN);
            self.loaded
                .ignored
                .push(start..entry.name_at.saturating_add(entry.name.len()));
        }
        Ok(found)
    }

    fn netmask(&self, number: Number, version: Version) -> Result<Netmask, (usize, RouteStringReason)> {
        if self.dialect == RouteDialect::Libcsp2 && number.value == -1 {
            return Ok(Netmask::host(version));
        }
        let bits = u8::try_from(number.value).ok().and_then(Netmask::new);
        let max = version.address_bits();
        bits.filter(|netmask| netmask.to_bits() <= max)
            .ok_or((number.start, RouteStringReason::NetmaskTooLarge { max }))
    }

    fn via(&mut self, number: Option<Number>) -> Result<Option<Address>, (usize, RouteStringReason)> {
        let Some(number) = number else {
            return Ok(None);
        };
        let (none, max, value) = match self.dialect {
            RouteDialect::Libcsp2 => {
                let cut = u16::try_from(number.value.rem_euclid(0x1_0000)).unwrap_or(u16::MAX);
                if number.value != i64::from(cut) {
                    self.loaded.ignored.push(number.start..number.end);
                }
                (u16::MAX, Address::BROADCAST.to_bits(), Some(cut))
            }
            RouteDialect::Libcsp1 => (255, 255, u16::try_from(number.value).ok()),
        };
        match value {
            Some(value) if value == none => Ok(None),
            Some(value) if value <= max => Ok(Address::new(value)),
            _ => Err((number.start, RouteStringReason::ViaTooLarge { max })),
        }
    }
}

/// The text of `routes` as libcsp writes it.
///
/// Routes over the loopback are left out.
pub(crate) fn write<'a>(
    routes: impl Iterator<Item = &'a Route>,
    name: impl Fn(InterfaceId) -> Option<InterfaceName>,
) -> String {
    let mut text = String::new();
    for route in routes.filter(|route| route.interface != InterfaceId::LOOPBACK) {
        let Some(name) = name(route.interface) else {
            continue;
        };
        if !text.is_empty() {
            text.push(',');
        }
        let subnet = route.subnet;
        text.push_str(&alloc::format!("{}", subnet.address()));
        if subnet.netmask() != Netmask::host(subnet.version()) {
            text.push_str(&alloc::format!("/{}", subnet.netmask()));
        }
        text.push(' ');
        text.push_str(name.as_str());
        if let Some(via) = route.via {
            text.push_str(&alloc::format!(" {via}"));
        }
    }
    text
}
