//! One frame's data, and what it decodes to.

use isotp::{FlowControl, Pci, Prefix, StMin};
use testkit::vectors::{Tally, Value, hex};

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let data = hex(entry["data"].as_str().unwrap());
    let prefix = match entry["prefix"].as_u64() {
        Some(0) => Prefix::None,
        Some(1) => Prefix::AddressByte,
        other => panic!("{entry}: prefix {other:?}"),
    };
    let data = &data[prefix.len()..];
    let decoded = Pci::decode(data, prefix);
    let expect = &entry["expect"];
    tally.checked();
    if expect.get("error").is_some() {
        match decoded {
            Err(_) => {}
            // Where that peer refuses a flow control, a sender has to act on it (ISO-TP spec ch. 7 and 18).
            Ok((Pci::FlowControl(FlowControl { status, .. }), _)) if status.to_bits() > 2 => {
                tally.remark("a reserved flow status is a value: the sender aborts with N_INVALID_FS");
            }
            Ok((Pci::FlowControl(control), _)) if StMin::from_bits(control.st_min_bits).is_none() => {
                assert_eq!(control.st_min(), StMin::MAX);
                tally.remark("a reserved STmin is taken for 127 ms");
            }
            Ok(other) => panic!("{entry}: {other:?}"),
        }
        return;
    }
    let (pci, rest) = decoded.unwrap_or_else(|error| panic!("{entry}: {error}"));
    let number = |name: &str| expect[name].as_u64().unwrap_or_else(|| panic!("{entry}: {name}"));
    let kind = match pci {
        Pci::SingleFrame { len } => {
            assert_eq!(u64::from(len), number("length"), "{entry}");
            "SF"
        }
        Pci::FirstFrame { len } => {
            assert_eq!(u64::from(len), number("length"), "{entry}");
            "FF"
        }
        Pci::ConsecutiveFrame { sequence } => {
            assert_eq!(u64::from(sequence.value()), number("sn"), "{entry}");
            "CF"
        }
        Pci::FlowControl(control) => {
            assert_eq!(u64::from(control.status.to_bits()), number("fs"), "{entry}");
            assert_eq!(u64::from(control.block_size.to_bits()), number("bs"), "{entry}");
            assert_eq!(u64::from(control.st_min_bits), number("stmin"), "{entry}");
            let micros = u64::try_from(control.st_min().gap().as_micros()).unwrap();
            assert_eq!(micros, number("stmin_us"), "{entry}");
            "FC"
        }
    };
    assert_eq!(expect["type"], kind, "{entry}");
    let can_dl = data.len() + prefix.len();
    for (name, len) in [("can_dl", can_dl), ("rx_dl", can_dl.max(8))] {
        assert!(
            expect.get(name).is_none_or(|told| *told == len),
            "{entry}: {name}"
        );
    }
    assert_eq!(rest, hex(expect["data"].as_str().unwrap()), "{entry}");
    let head = pci.encode(can_dl);
    assert!(data.starts_with(head.as_ref()), "{entry}");
    let escaped = matches!((kind, head.as_ref().len()), ("SF", 2) | ("FF", 6));
    assert!(
        expect.get("escape").is_none_or(|told| *told == escaped),
        "{entry}"
    );
}
