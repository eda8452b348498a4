//! Adding routes (codes 2 and 7).

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{Code, HEAD_LEN, NAME_LEN, fields, name, put_name};
use crate::service::{ReplyError, RequestError};
use crate::{Address, InterfaceName, Netmask, Route, Subnet, SubnetError, Version};

/// Length of requests and replies with one-byte addresses (code 2).
pub const LEN_1: usize = 15;

/// Length of requests and replies with two-byte addresses (code 7).
///
/// The last byte is padding that a request may lack (SVC-4).
pub const LEN_2: usize = 20;

const FIELDS_1: usize = 2 + NAME_LEN;
const FIELDS_2: usize = 6 + NAME_LEN;
/// "No next hop" with one-byte addresses: libcsp 1.6 takes it so, 2.x as an address.
const NO_VIA_1: u8 = 0xFF;
const NO_VIA_2: u16 = 0xFFFF;

/// A route that one node asks another to add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetRoute {
    /// The destination, or the network it is in.
    pub destination: Address,
    /// How many bits of it count; `None`: all.
    pub netmask: Option<Netmask>,
    /// The next hop; `None`: the destination itself.
    pub via: Option<Address>,
    /// The interface of the other node that packets are to leave on.
    pub interface: InterfaceName,
}

impl SetRoute {
    /// A request with two-byte addresses and a netmask, which libcsp 2.x understands (code 7).
    #[must_use]
    pub fn request(&self) -> Bytes {
        let mut request = Code::SetRoute2.request(LEN_2);
        request.put_u16(self.destination.to_bits());
        request.put_u16(self.via.map_or(NO_VIA_2, Address::to_bits));
        // Above the address bits of the other node it means all of them (SVC-7).
        let all = Netmask::host(Version::V2);
        request.put_u16(self.netmask.unwrap_or(all).to_bits().into());
        put_name(&mut request, self.interface);
        request.put_u8(0);
        request.freeze()
    }

    /// A request with one-byte addresses and without a netmask, for libcsp 1.6 (code 2).
    ///
    /// No next hop is sent as 255, which libcsp 2.x would take for an address: give it one, or use
    /// [`request`](Self::request).
    ///
    /// # Errors
    /// An address above 255, or a netmask.
    pub fn request_v1(&self) -> Result<Bytes, NoShortForm> {
        let short =
            |address: Address| u8::try_from(address.to_bits()).map_err(|_| NoShortForm::Address { address });
        if let Some(netmask) = self
            .netmask
            .filter(|netmask| *netmask < Netmask::host(Version::V1))
        {
            return Err(NoShortForm::Netmask { netmask });
        }
        let mut request = Code::SetRoute1.request(LEN_1);
        request.put_u8(short(self.destination)?);
        request.put_u8(self.via.map_or(Ok(NO_VIA_1), short)?);
        put_name(&mut request, self.interface);
        Ok(request.freeze())
    }

    /// The route that a request of either form wants added.
    ///
    /// # Errors
    /// Too short, another code, or a number that is no address or a name that is none.
    pub fn decode(request: &[u8]) -> Result<Self, RequestError> {
        match Code::of_request(request)? {
            Code::SetRoute1 => {
                let (all @ [destination, via, ..], _) = fields::<FIELDS_1>(request)?;
                Ok(Self {
                    destination: address((*destination).into())?,
                    netmask: None,
                    // SVC-7: as it is; 255 is an address like others.
                    via: Some(address((*via).into())?),
                    interface: last_name(all)?,
                })
            }
            Code::SetRoute2 => {
                let (all @ [d0, d1, v0, v1, m0, m1, ..], _) = fields::<FIELDS_2>(request)?;
                let via = u16::from_be_bytes([*v0, *v1]);
                let netmask = u8::try_from(u16::from_be_bytes([*m0, *m1])).ok();
                Ok(Self {
                    destination: address(u16::from_be_bytes([*d0, *d1]))?,
                    netmask: netmask.and_then(Netmask::new),
                    via: (via != NO_VIA_2).then(|| address(via)).transpose()?,
                    interface: last_name(all)?,
                })
            }
            other => Err(RequestError::UnknownCode {
                code: other.to_bits(),
            }),
        }
    }

    /// The reply to `request`: the same, the padding added where it lacks.
    #[must_use]
    pub fn reply(request: &[u8]) -> Bytes {
        let (code, len) = match Code::of_request(request) {
            Ok(Code::SetRoute1) => (Code::SetRoute1, LEN_1),
            _ => (Code::SetRoute2, LEN_2),
        };
        let mut reply: BytesMut = code.reply(len);
        reply.put_slice(request.get(HEAD_LEN..request.len().min(len)).unwrap_or_default());
        reply.resize(len, 0);
        reply.freeze()
    }

    /// Checks that `reply` confirms `request`.
    ///
    /// # Errors
    /// It is not a reply to this form of the request, or of another length.
    pub fn confirm(request: &[u8], reply: &[u8]) -> Result<(), ReplyError> {
        let code = match Code::of_request(request) {
            Ok(Code::SetRoute1) => Code::SetRoute1,
            _ => Code::SetRoute2,
        };
        code.body_of(reply, request.len()).map(drop)
    }

    /// The route itself, for a node whose interface has addresses of `version`.
    ///
    /// A netmask of more bits than those have counts them all (SVC-7).
    ///
    /// # Errors
    /// The destination does not fit the version.
    pub fn route(&self, version: Version, interface: crate::InterfaceId) -> Result<Route, SubnetError> {
        let all = Netmask::host(version);
        let netmask = self.netmask.unwrap_or(all).min(all);
        Ok(Route {
            subnet: Subnet::new(version, self.destination, netmask)?,
            interface,
            via: self.via,
        })
    }
}

/// Why a route cannot be asked for with one-byte addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NoShortForm {
    /// An address has more than eight bits.
    #[error("address {address} does not fit the short form, whose largest is 255")]
    Address {
        /// The address.
        address: Address,
    },
    /// It is for a network.
    #[error("the short form is for single addresses, and has no place for netmask {netmask}")]
    Netmask {
        /// The netmask.
        netmask: Netmask,
    },
}

fn address(value: u16) -> Result<Address, RequestError> {
    Address::new(value).ok_or(RequestError::Address { value })
}

/// The interface named at the end of `fields`.
fn last_name(fields: &[u8]) -> Result<InterfaceName, RequestError> {
    let (_, field) = fields.split_last_chunk().ok_or(RequestError::Name)?;
    name(field).ok_or(RequestError::Name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(destination: u16, netmask: Option<u8>, via: Option<u16>) -> SetRoute {
        SetRoute {
            destination: Address::new(destination).unwrap(),
            netmask: netmask.and_then(Netmask::new),
            via: via.and_then(Address::new),
            interface: InterfaceName::new("CAN").unwrap(),
        }
    }

    #[test]
    fn the_long_form_is_read_with_and_without_its_padding_and_confirmed_with() {
        for asked in [set(256, Some(6), None), set(16383, Some(14), Some(5))] {
            let request = asked.request();
            assert_eq!(SetRoute::decode(&request), Ok(asked));
            let (bare, _) = request.split_at(LEN_2 - 1);
            assert_eq!(SetRoute::decode(bare), Ok(asked));
            let reply = SetRoute::reply(bare);
            assert_eq!((reply.len(), reply[LEN_2 - 1]), (LEN_2, 0));
            assert_eq!(SetRoute::confirm(&request, &reply), Ok(()));
        }
        assert_eq!(
            SetRoute::decode(&set(9, None, None).request()),
            Ok(set(9, Some(14), None))
        );
    }

    #[test]
    fn the_short_form_has_no_netmask_and_its_255_is_an_address() {
        let request = set(7, None, Some(12)).request_v1().unwrap();
        assert_eq!(SetRoute::decode(&request), Ok(set(7, None, Some(12))));
        assert_eq!(SetRoute::confirm(&request, &SetRoute::reply(&request)), Ok(()));
        let none = set(7, None, None).request_v1().unwrap();
        assert_eq!(none[3], 255);
        assert_eq!(SetRoute::decode(&none), Ok(set(7, None, Some(255))));
        let address = Address::new(256).unwrap();
        let wide = Err(NoShortForm::Address { address });
        assert_eq!(set(256, None, None).request_v1(), wide);
        assert_eq!(set(8, None, Some(256)).request_v1(), wide);
        let netmask = Netmask::new(3).unwrap();
        let network = set(8, Some(3), None).request_v1();
        assert_eq!(network, Err(NoShortForm::Netmask { netmask }));
    }

    #[test]
    fn a_netmask_above_the_address_bits_counts_them_all() {
        let interface = crate::InterfaceId::LOOPBACK;
        let route = set(8, Some(14), None).route(Version::V1, interface).unwrap();
        assert_eq!(route.subnet.netmask(), Netmask::host(Version::V1));
        assert!(set(32, None, None).route(Version::V1, interface).is_err());
        let mut request = set(8, None, None).request().to_vec();
        request[6..8].copy_from_slice(&[0xFF, 0xFF]);
        assert_eq!(SetRoute::decode(&request).unwrap().netmask, None);
    }

    #[test]
    fn what_is_no_address_or_name_or_too_short_is_told() {
        let mut request = set(8, None, None).request().to_vec();
        request[2] = 0x40;
        assert_eq!(
            SetRoute::decode(&request),
            Err(RequestError::Address { value: 0x4008 })
        );
        assert_eq!(
            SetRoute::decode(&request[..18]),
            Err(RequestError::Short { need: 19, got: 18 })
        );
        let mut request = set(8, None, None).request_v1().unwrap().to_vec();
        request[4] = 0;
        assert_eq!(SetRoute::decode(&request), Err(RequestError::Name));
        assert_eq!(
            SetRoute::decode(&request[..14]),
            Err(RequestError::Short { need: 15, got: 14 })
        );
    }
}
