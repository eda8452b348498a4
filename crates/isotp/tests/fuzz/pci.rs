//! Any bytes as the data of a frame.

use isotp::{Pci, Prefix};

/// Decoding never panics, gives no more than was there, and encoding what came out gives what went in.
pub(crate) fn run(bytes: &[u8]) {
    let Some((&[network, min_can_dl], data)) = bytes.split_first_chunk() else {
        return;
    };
    let prefix = [Prefix::None, Prefix::AddressByte][usize::from(network % 2)];
    let min_can_dl = usize::from(min_can_dl % 65);
    let data = &data[..data.len().min(64 - prefix.len())];
    let can_dl = prefix.len() + data.len();
    let Ok((pci, rest)) = Pci::decode_padded(data, prefix, min_can_dl) else {
        return;
    };
    let head = pci.encode(can_dl);
    let behind = data
        .strip_prefix(head.as_ref())
        .unwrap_or_else(|| panic!("{pci:?} is {head:?} and was {data:?}"));
    assert!(behind.starts_with(rest));
    match pci {
        Pci::SingleFrame { len } => assert_eq!(rest.len(), usize::from(len)),
        _ => assert_eq!(rest, behind),
    }
    // What is good on any network is good on one that pads.
    if Pci::decode(data, prefix).is_ok() {
        assert_eq!(Pci::decode(data, prefix), Ok((pci, rest)));
    }
}
