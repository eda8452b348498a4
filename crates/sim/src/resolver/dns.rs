//! DNS messages as bytes: just what made-up traffic needs.

use core::net::Ipv6Addr;
use std::vec::Vec;

use crate::random::Random;

pub(super) const A: u16 = 1;
pub(super) const NS: u16 = 2;
pub(super) const PTR: u16 = 12;
pub(super) const MX: u16 = 15;
pub(super) const TXT: u16 = 16;
pub(super) const AAAA: u16 = 28;
pub(super) const SRV: u16 = 33;
pub(super) const HTTPS: u16 = 65;

pub(super) const NOERROR: u8 = 0;
pub(super) const SERVFAIL: u8 = 2;
pub(super) const NXDOMAIN: u8 = 3;
pub(super) const REFUSED: u8 = 5;

/// Recursion desired.
const RD: u16 = 0x0100;
/// A response, with recursion desired and available.
const RESPONSE: u16 = 0x8180;
/// Points at the name of the question.
const TO_QUESTION: [u8; 2] = [0xc0, 12];
/// The class of the Internet.
const IN: u16 = 1;
/// An OPT record: EDNS, 1,232 bytes.
const OPT: [u8; 11] = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

/// What is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// In wire format.
    pub(super) name: Vec<u8>,
    pub(super) qtype: u16,
}

impl Asked {
    pub(super) fn query(&self, id: u16) -> Vec<u8> {
        let mut message = self.start(id, RD, 0);
        message.extend_from_slice(&OPT);
        message
    }

    /// Answers with one record, where the type is a common one and the name exists.
    pub(super) fn response(&self, id: u16, rcode: u8, random: &mut Random) -> Vec<u8> {
        let data = if rcode == NOERROR {
            record(self.qtype, random)
        } else {
            None
        };
        let mut message = self.start(id, RESPONSE | u16::from(rcode), u16::from(data.is_some()));
        if let Some(data) = data {
            message.extend_from_slice(&TO_QUESTION);
            put(&mut message, self.qtype);
            put(&mut message, IN);
            put(&mut message, 0);
            put(&mut message, 300);
            put(&mut message, u16::try_from(data.len()).unwrap_or_default());
            message.extend_from_slice(&data);
        }
        message.extend_from_slice(&OPT);
        message
    }

    fn start(&self, id: u16, flags: u16, answers: u16) -> Vec<u8> {
        let mut message = Vec::with_capacity(96);
        for field in [id, flags, 1, answers, 0, 1] {
            put(&mut message, field);
        }
        message.extend_from_slice(&self.name);
        put(&mut message, self.qtype);
        put(&mut message, IN);
        message
    }
}

/// A name in wire format.
pub(super) fn name(text: &str) -> Vec<u8> {
    let mut name = Vec::with_capacity(text.len() + 2);
    for label in text.split('.').filter(|label| !label.is_empty()) {
        name.push(u8::try_from(label.len()).unwrap_or_default());
        name.extend_from_slice(label.as_bytes());
    }
    name.push(0);
    name
}

fn put(message: &mut Vec<u8>, field: u16) {
    message.extend_from_slice(&field.to_be_bytes());
}

/// The data of a record, in the address blocks and names that are kept for documentation.
fn record(qtype: u16, random: &mut Random) -> Option<Vec<u8>> {
    let host = random.next_u8();
    Some(match qtype {
        A => [203, 0, 113, host].to_vec(),
        AAAA => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x113, host.into())
            .octets()
            .to_vec(),
        NS | PTR => name("ns1.example.net"),
        MX => [&[0, 10][..], &name("mail.example.com")].concat(),
        TXT => b"\x0bv=spf1 -all".to_vec(),
        _ => return None,
    })
}
