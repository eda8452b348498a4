//! Counters of an interface (code 3).

use bytes::{BufMut, Bytes};

use super::{Code, NAME_LEN, fields, name, put_name};
use crate::service::{ReplyError, RequestError};
use crate::{InterfaceName, InterfaceStats};

/// Length of a reply, and of the request that libcsp's client sends.
pub const LEN: usize = 53;

/// Counters of an interface as the service carries them: 32 bits each, which wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets sent.
    pub tx: u32,
    /// Packets received, the request among them (SVC-6).
    pub rx: u32,
    /// Packets that could not be sent.
    pub tx_error: u32,
    /// Packets received that were wrong.
    pub rx_error: u32,
    /// Packets that were right and still could not be used.
    pub drop: u32,
    /// Packets whose authentication failed or was missing.
    pub autherr: u32,
    /// Link frames that made no packet.
    pub frame: u32,
    /// Payload bytes sent, trailers included.
    pub tx_bytes: u32,
    /// Payload bytes received, trailers included.
    pub rx_bytes: u32,
    /// Interrupts of the driver. A node of ours tells 0 unless its owner counts some.
    pub irq: u32,
}

impl Counters {
    const fn to_array(self) -> [u32; 10] {
        [
            self.tx,
            self.rx,
            self.tx_error,
            self.rx_error,
            self.drop,
            self.autherr,
            self.frame,
            self.tx_bytes,
            self.rx_bytes,
            self.irq,
        ]
    }

    /// The reply that tells them to `request`, whose name it repeats.
    ///
    /// # Errors
    /// [`RequestError::Short`].
    pub fn reply(self, request: &[u8]) -> Result<Bytes, RequestError> {
        let (name, _) = fields::<NAME_LEN>(request)?;
        let mut reply = Code::InterfaceStats.reply(LEN);
        reply.put_slice(name);
        for counter in self.to_array() {
            reply.put_u32(counter);
        }
        Ok(reply.freeze())
    }

    /// The counters in `reply`.
    ///
    /// # Errors
    /// It is not a reply to an interface statistics request, or not of [`LEN`] bytes.
    pub fn decode(reply: &[u8]) -> Result<Self, ReplyError> {
        let body = Code::InterfaceStats.body_of(reply, LEN)?;
        let (words, _) = body.get(NAME_LEN..).unwrap_or_default().as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_be_bytes(*word));
        let mut next = || words.next().unwrap_or_default();
        Ok(Self {
            tx: next(),
            rx: next(),
            tx_error: next(),
            rx_error: next(),
            drop: next(),
            autherr: next(),
            frame: next(),
            tx_bytes: next(),
            rx_bytes: next(),
            irq: next(),
        })
    }
}

impl From<InterfaceStats> for Counters {
    fn from(stats: InterfaceStats) -> Self {
        Self {
            tx: wrap(stats.tx),
            rx: wrap(stats.rx),
            tx_error: wrap(stats.tx_error),
            rx_error: wrap(stats.rx_error),
            drop: wrap(stats.drop),
            autherr: wrap(stats.autherr),
            frame: wrap(stats.frame),
            tx_bytes: wrap(stats.tx_bytes),
            rx_bytes: wrap(stats.rx_bytes),
            irq: wrap(stats.irq),
        }
    }
}

/// The low 32 bits.
const fn wrap(counter: u64) -> u32 {
    let [_, _, _, _, a, b, c, d] = counter.to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// A request for the counters of `interface`, with room for the reply as libcsp's client sends it.
#[must_use]
pub fn request(interface: InterfaceName) -> Bytes {
    let mut request = Code::InterfaceStats.request(LEN);
    put_name(&mut request, interface);
    request.resize(LEN, 0);
    request.freeze()
}

/// The interface that a request asks about.
///
/// # Errors
/// [`RequestError::Short`]; [`RequestError::Name`]: no interface can have the name.
pub fn decode_request(request: &[u8]) -> Result<InterfaceName, RequestError> {
    name(fields(request)?.0).ok_or(RequestError::Name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn counters_wrap_at_32_bits() {
        assert_eq!(wrap(0x1_0000_0005), 5);
        assert_eq!(wrap(u64::MAX), u32::MAX);
    }

    #[test]
    fn every_counter_of_an_interface_is_told() {
        let stats = InterfaceStats {
            tx: 1,
            rx: 2,
            tx_error: 3,
            rx_error: 4,
            drop: 5,
            autherr: 6,
            frame: 7,
            tx_bytes: 8,
            rx_bytes: 9,
            irq: 10,
        };
        assert_eq!(Counters::from(stats).to_array(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn a_name_has_at_most_ten_characters_and_the_rest_of_the_request_does_not_matter() {
        let ten = InterfaceName::new("0123456789").unwrap();
        assert_eq!(decode_request(&request(ten)), Ok(ten));
        assert_eq!(decode_request(b"\0\x030123456789X"), Ok(ten));
        assert_eq!(
            decode_request(b"\0\x03\0\0\0\0\0\0\0\0\0\0\0"),
            Err(RequestError::Name)
        );
        assert_eq!(
            decode_request(b"\0\x03CAN"),
            Err(RequestError::Short { need: 13, got: 5 })
        );
    }

    proptest! {
        #[test]
        fn counters_come_back_as_they_were(values: [u32; 10]) {
            let request = request(InterfaceName::new("CAN").unwrap());
            let [tx, rx, tx_error, rx_error, drop, autherr, frame, tx_bytes, rx_bytes, irq] = values;
            let counters = Counters {
                tx, rx, tx_error, rx_error, drop, autherr, frame, tx_bytes, rx_bytes, irq,
            };
            let reply = counters.reply(&request).unwrap();
            prop_assert_eq!(reply.len(), LEN);
            prop_assert_eq!(Counters::decode(&reply), Ok(counters));
        }
    }
}
