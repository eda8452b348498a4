use dnstap_codec::{Message as Dns, MessageType};
use fstrm_codec::file::Sequences;
use fstrm_codec::{Config, FileReader};

use super::*;

fn frames(lens: &[usize]) -> Vec<Bytes> {
    (1_u8..)
        .zip(lens)
        .map(|(fill, len)| Bytes::from(vec![fill; *len]))
        .collect()
}

fn pack(packer: &mut Packer, frames: Vec<Bytes>) -> Packed {
    packer.pack(frames, None, SystemTime::UNIX_EPOCH)
}

/// The frames that any reader finds in a message of [`Grain::Run`].
fn read(message: &Message) -> Vec<Vec<u8>> {
    let reader = FileReader::new(&*message.payload, Config::new()).unwrap();
    let mut reader = reader.sequences(Sequences::Concatenated);
    let mut found = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        found.push(frame.to_vec());
    }
    found
}

#[test]
fn each_frame_is_a_message_with_its_number() {
    let mut packer = Packer::new(Grain::Frame, false, 10);
    pack(&mut packer, frames(&[1]));
    let packed = pack(&mut packer, frames(&[3, 10]));
    let numbers: Vec<_> = packed
        .messages
        .iter()
        .map(|m| (m.number, m.first, m.frames))
        .collect();
    assert_eq!(numbers, [(2, 2, 1), (3, 3, 1)]);
    assert_eq!(packed.messages[1].payload, vec![2; 10]);
}

#[test]
fn a_frame_that_no_message_can_hold_leaves_a_gap_in_the_numbers() {
    let mut packer = Packer::new(Grain::Frame, false, 10);
    let packed = pack(&mut packer, frames(&[10, 11, 9]));
    assert_eq!(packed.too_large, [11]);
    let firsts: Vec<_> = packed.messages.iter().map(|m| m.first).collect();
    assert_eq!(firsts, [1, 3]);
}

#[test]
fn a_run_is_cut_into_streams_that_any_reader_reads() {
    let overhead = start(None).as_bytes().len() + ControlFrame::stop().as_bytes().len();
    let limit = overhead + 3 * (4 + 100);
    let mut packer = Packer::new(Grain::Run, false, limit);
    let offered = frames(&[100, 100, 100, 100, 400, 1, 308, 309]);
    let packed = pack(&mut packer, offered.clone());
    assert_eq!(packed.too_large, [400, 309]);
    let spans: Vec<_> = packed.messages.iter().map(|m| (m.first, m.frames)).collect();
    assert_eq!(spans, [(1, 3), (4, 1), (6, 1), (7, 1)]);
    assert_eq!(
        packed.messages[0].payload.len(),
        limit,
        "the first is as full as can be"
    );
    let found: Vec<_> = packed.messages.iter().flat_map(read).collect();
    let kept = offered.into_iter().filter(|f| f.len() < 309).collect::<Vec<_>>();
    assert_eq!(found, kept);
}

#[test]
fn the_identity_of_dnstap_is_the_key_and_parts_runs() {
    let content_type = ContentType::from_static(DNSTAP).unwrap();
    let tap = |identity: Option<&'static [u8]>| {
        let mut tap = Dnstap::new(Dns::new(MessageType::ClientQuery));
        tap.identity = identity;
        Bytes::from(tap.encode())
    };
    let offered = [tap(Some(b"ns1")), tap(Some(b"ns1")), tap(Some(b"ns2")), tap(None)];
    let mut packer = Packer::new(Grain::Run, true, 10_000);
    let packed = packer.pack(offered.clone(), Some(&content_type), SystemTime::UNIX_EPOCH);
    let keys: Vec<_> = packed
        .messages
        .iter()
        .map(|m| (m.frames, m.key.as_deref()))
        .collect();
    assert_eq!(keys, [(2, Some(&b"ns1"[..])), (1, Some(&b"ns2"[..])), (1, None)]);
    let mut keyless = Packer::new(Grain::Run, false, 10_000);
    let packed = keyless.pack(offered, Some(&content_type), SystemTime::UNIX_EPOCH);
    assert_eq!(packed.messages.len(), 1);
}

#[test]
fn what_is_no_dnstap_has_no_key() {
    let content_type = ContentType::from_static(DNSTAP).unwrap();
    let mut packer = Packer::new(Grain::Frame, true, 100);
    let packed = packer.pack(
        [Bytes::from_static(b"\xff\xff")],
        Some(&content_type),
        SystemTime::UNIX_EPOCH,
    );
    assert_eq!(packed.messages[0].key, None);
}
