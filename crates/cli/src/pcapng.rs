//! pcapng, the file format of Wireshark and tcpdump: the bytes of one section, for whoever writes them.
//!
//! A section is a header, a description of each interface, and packets; each is a block that says its length
//! at both ends. Numbers are little-endian, which the header tells. Clauses are those of the IETF's draft
//! "PCAP Now Generic (pcapng) Capture File Format" (draft-ietf-opsawg-pcapng).

use std::time::{SystemTime, UNIX_EPOCH};

/// Block types (4.1 to 4.3).
const SECTION_HEADER: u32 = 0x0A0D_0D0A;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

/// As a little-endian number, it tells that all others are (4.1).
const BYTE_ORDER_MAGIC: u32 = 0x1A2B_3C4D;
const MAJOR: u16 = 1;
const MINOR: u16 = 0;
/// The section goes on to the end of the file.
const LENGTH_UNKNOWN: u64 = u64::MAX;

/// Option codes, each within its block (3.5, 4.1 to 4.3).
const END_OF_OPTIONS: u16 = 0;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;

/// `if_tsresol`: time stamps count units of 10 to the power of minus this, in seconds.
const NANOSECONDS: u8 = 9;

/// Bytes of a packet that are kept, the most that Wireshark takes. Ours are far below.
const SNAP_LEN: u32 = 262_144;

/// What the bytes of a packet are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinkType(u16);

impl LinkType {
    /// IP packets, version 4 or 6 as their first bits say.
    pub(crate) const RAW: Self = Self(101);
    /// Reserved for private use; Wireshark's user tells it which dissector takes them.
    pub(crate) const USER0: Self = Self(147);
}

/// Which way a packet went, as seen from the machine that captured it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
}

/// An interface that was described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceId(u32);

/// A section in the making: whole blocks, until they are taken.
#[derive(Debug)]
pub(crate) struct Section {
    blocks: Vec<u8>,
    interfaces: u32,
}

impl Section {
    /// Begins with the header, which names the program that captured.
    pub(crate) fn begin(application: &str) -> Self {
        let mut header = Block::new(SECTION_HEADER);
        header.u32(BYTE_ORDER_MAGIC);
        header.u16(MAJOR);
        header.u16(MINOR);
        header.bytes(&LENGTH_UNKNOWN.to_le_bytes());
        header.option(SHB_USERAPPL, application.as_bytes());
        let mut section = Self {
            blocks: Vec::new(),
            interfaces: 0,
        };
        section.put(header.end());
        section
    }

    /// Describes an interface, before its first packet.
    pub(crate) fn interface(&mut self, link_type: LinkType, name: &str, description: &str) -> InterfaceId {
        let mut block = Block::new(INTERFACE_DESCRIPTION);
        block.u16(link_type.0);
        block.u16(0);
        block.u32(SNAP_LEN);
        block.option(IF_NAME, name.as_bytes());
        block.option(IF_DESCRIPTION, description.as_bytes());
        block.option(IF_TSRESOL, &[NANOSECONDS]);
        self.put(block.end());
        let id = InterfaceId(self.interfaces);
        self.interfaces += 1;
        id
    }

    /// Adds a packet.
    pub(crate) fn packet(&mut self, on: InterfaceId, time: SystemTime, direction: Direction, packet: &[u8]) {
        let kept = usize::try_from(SNAP_LEN)
            .ok()
            .and_then(|len| packet.get(..len))
            .unwrap_or(packet);
        // Before 1970 and after 2554 there are no time stamps: the nearest one.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let [a, b, c, d, e, f, g, h] = stamp.to_le_bytes();
        let mut block = Block::new(ENHANCED_PACKET);
        block.u32(on.0);
        // The high half comes first.
        block.bytes(&[e, f, g, h, a, b, c, d]);
        block.u32(len_u32(kept));
        block.u32(len_u32(packet));
        block.padded(kept);
        let flags: u32 = match direction {
            Direction::Inbound => 0b01,
            Direction::Outbound => 0b10,
        };
        block.option(EPB_FLAGS, &flags.to_le_bytes());
        self.put(block.end());
    }

    /// The blocks since the last time.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.blocks)
    }

    fn put(&mut self, mut block: Vec<u8>) {
        self.blocks.append(&mut block);
    }
}

/// A length that has been cut to what is written, or tells how much more there was.
fn len_u32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// A block without the lengths at its ends.
struct Block {
    kind: u32,
    body: Vec<u8>,
}

impl Block {
    /// Type, and length twice.
    const FRAME: usize = 12;

    const fn new(kind: u32) -> Self {
        Self {
            kind,
            body: Vec::new(),
        }
    }

    fn u16(&mut self, number: u16) {
        self.bytes(&number.to_le_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.bytes(&number.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    /// Bytes, and zeros up to a multiple of four.
    fn padded(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
        self.body.resize(self.body.len().next_multiple_of(4), 0);
    }

    /// An option; one that is too long for its length field is left out, as options may be.
    fn option(&mut self, code: u16, value: &[u8]) {
        if let Ok(len) = u16::try_from(value.len()) {
            self.u16(code);
            self.u16(len);
            self.padded(value);
        }
    }

    fn end(mut self) -> Vec<u8> {
        self.option(END_OF_OPTIONS, &[]);
        let len = u32::try_from(self.body.len() + Self::FRAME).unwrap_or(u32::MAX);
        let mut block = Vec::with_capacity(self.body.len() + Self::FRAME);
        block.extend_from_slice(&self.kind.to_le_bytes());
        block.extend_from_slice(&len.to_le_bytes());
        block.append(&mut self.body);
        block.extend_from_slice(&len.to_le_bytes());
        block
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(nanos: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(nanos)
    }

    /// Types and bodies of whole blocks; panics at a block that is none.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let mut blocks = Vec::new();
        while let Some((kind, rest)) = bytes.split_first_chunk::<4>() {
            let (len, _) = rest.split_first_chunk::<4>().unwrap();
            let (block, behind) = bytes.split_at(u32::from_le_bytes(*len) as usize);
            let (inner, last) = block.split_last_chunk::<4>().unwrap();
            assert_eq!(last, len, "both ends say the same length");
            assert_eq!(block.len() % 4, 0);
            blocks.push((u32::from_le_bytes(*kind), &inner[8..]));
            bytes = behind;
        }
        assert!(bytes.is_empty());
        blocks
    }

    #[test]
    fn a_section_begins_with_its_header() {
        assert_eq!(
            Section::begin("tin").take(),
            [
                0x0A, 0x0D, 0x0D, 0x0A, 40, 0, 0, 0, // type, length
                0x4D, 0x3C, 0x2B, 0x1A, 1, 0, 0, 0, // byte order, version 1.0
                0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, // length of the section: not known
                4, 0, 3, 0, b't', b'i', b'n', 0, // who captured
                0, 0, 0, 0, 40, 0, 0, 0 // end of options, length
            ]
        );
    }

    #[test]
    fn an_interface_is_described_with_name_and_resolution() {
        let mut section = Section::begin("");
        section.take();
        let id = section.interface(LinkType::USER0, "can0", "CSP v2");
        assert_eq!(id, InterfaceId(0));
        assert_eq!(
            section.take(),
            [
                1, 0, 0, 0, 52, 0, 0, 0, // type, length
                147, 0, 0, 0, 0, 0, 4, 0, // USER0, reserved, 262144 bytes are kept
                2, 0, 4, 0, b'c', b'a', b'n', b'0', // if_name
                3, 0, 6, 0, b'C', b'S', b'P', b' ', b'v', b'2', 0, 0, // if_description, padded
                9, 0, 1, 0, 9, 0, 0, 0, // if_tsresol: nanoseconds
                0, 0, 0, 0, 52, 0, 0, 0 // end of options, length
            ]
        );
        assert_eq!(section.interface(LinkType::USER0, "can1", ""), InterfaceId(1));
    }

    #[test]
    fn a_packet_has_interface_time_lengths_and_direction() {
        let mut section = Section::begin("");
        section.interface(LinkType::USER0, "can0", "CSP v2");
        let on = section.interface(LinkType::USER0, "can1", "CSP v2");
        section.take();
        section.packet(on, at(0x0102_0304_0506_0708), Direction::Outbound, b"hello");
        assert_eq!(
            section.take(),
            [
                6, 0, 0, 0, 52, 0, 0, 0, // type, length
                1, 0, 0, 0, // interface
                4, 3, 2, 1, 8, 7, 6, 5, // time: high half first
                5, 0, 0, 0, 5, 0, 0, 0, // bytes kept, and of the packet
                b'h', b'e', b'l', b'l', b'o', 0, 0, 0, // padded
                2, 0, 4, 0, 2, 0, 0, 0, // epb_flags: outbound
                0, 0, 0, 0, 52, 0, 0, 0 // end of options, length
            ]
        );
        section.packet(on, at(1), Direction::Inbound, b"");
        let bytes = section.take();
        assert_eq!(bytes[28..36], [2, 0, 4, 0, 1, 0, 0, 0], "inbound");
    }

    #[test]
    fn what_was_written_is_read_back() {
        let mut section = Section::begin("tinwire");
        let mut file = section.take();
        let on = section.interface(LinkType::USER0, "log:a name of an odd length", "CSP v1");
        let packets: Vec<Vec<u8>> = (0..70_u8).map(|len| (0..len).collect()).collect();
        for (stamp, packet) in (0..).zip(&packets) {
            section.packet(on, at(stamp << 30), Direction::Inbound, packet);
            file.extend(section.take());
        }
        let blocks = blocks(&file);
        let kinds: Vec<_> = blocks.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds[..2], [SECTION_HEADER, INTERFACE_DESCRIPTION]);
        assert_eq!(kinds[2..], [ENHANCED_PACKET; 70]);
        for ((stamp, packet), (_, body)) in (0_u64..).zip(&packets).zip(&blocks[2..]) {
            let word = |at: usize| u32::from_le_bytes(*body[at..].first_chunk().unwrap());
            assert_eq!((u64::from(word(4)) << 32) | u64::from(word(8)), stamp << 30);
            assert_eq!(word(12) as usize, packet.len());
            assert_eq!(&body[20..20 + packet.len()], packet.as_slice());
        }
    }

    #[test]
    fn a_packet_beyond_what_is_kept_tells_its_length() {
        let mut section = Section::begin("");
        let on = section.interface(LinkType::USER0, "can0", "");
        section.take();
        section.packet(on, at(0), Direction::Inbound, &vec![7; 262_145]);
        let bytes = section.take();
        let (_, body) = blocks(&bytes)[0];
        assert_eq!(body[12..20], [0, 0, 4, 0, 1, 0, 4, 0]);
    }

    #[test]
    fn times_without_a_stamp_get_the_nearest() {
        let mut section = Section::begin("");
        let on = section.interface(LinkType::USER0, "can0", "");
        for (time, stamp) in [
            (UNIX_EPOCH - Duration::from_secs(1), [0; 8]),
            (UNIX_EPOCH + Duration::from_secs(1 << 35), [0xFF; 8]),
        ] {
            section.take();
            section.packet(on, time, Direction::Inbound, b"");
            assert_eq!(section.take()[12..20], stamp);
        }
    }

    #[test]
    fn an_option_too_long_for_its_length_field_is_left_out() {
        let mut section = Section::begin(&"x".repeat(65_536));
        assert_eq!(section.take().len(), 32);
    }
}
