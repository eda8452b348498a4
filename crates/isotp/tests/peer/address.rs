//! Address parameters, and the frames they send and accept.

use can_link::{ExtendedId, Id, StandardId};
use isotp::{Address, RxAddress, Target, TxAddress};
use testkit::vectors::{Tally, Value};

use super::frame;

/// What a set of parameters names: one direction or both.
pub(crate) struct Halves {
    pub(crate) tx: Option<TxAddress>,
    pub(crate) rx: Option<RxAddress>,
}

impl Halves {
    pub(crate) fn address(&self) -> Option<Address> {
        Address::asymmetric(self.tx?, self.rx?).ok()
    }
}

/// The address of a python-can-isotp peer; `None` when our types cannot express the parameters.
pub(crate) fn halves(params: &Value) -> Option<Halves> {
    if params.get("asymmetric").is_some() {
        let (tx, rx) = (
            half(&params["tx"], true, false)?,
            half(&params["rx"], false, true)?,
        );
        return Some(Halves { tx: tx.tx, rx: rx.rx });
    }
    let (tx_only, rx_only) = (params["tx_only"] == true, params["rx_only"] == true);
    if tx_only && rx_only {
        return None;
    }
    half(params, !rx_only, !tx_only)
}

fn half(params: &Value, tx: bool, rx: bool) -> Option<Halves> {
    let mode = params["mode"].as_str().unwrap_or("Normal_11bits");
    let extended = mode.ends_with("29bits");
    let id = |name: &str| -> Option<Id> {
        let raw = u32::try_from(params.get(name)?.as_i64()?).ok()?;
        if extended {
            ExtendedId::new(raw).map(Id::Extended)
        } else {
            StandardId::new(u16::try_from(raw).ok()?).map(Id::Standard)
        }
    };
    let standard = |name: &str| match id(name) {
        Some(Id::Standard(id)) => Some(id),
        _ => None,
    };
    let byte = |name: &str| u8::try_from(params.get(name)?.as_i64()?).ok();
    let (target, source, extension) = ("target_address", "source_address", "address_extension");
    let halves = match mode {
        "Normal_11bits" | "Normal_29bits" => Halves {
            tx: when(tx, || id("txid").map(TxAddress::normal))?,
            rx: when(rx, || id("rxid").map(RxAddress::normal))?,
        },
        "Extended_11bits" | "Extended_29bits" => Halves {
            tx: when(tx, || Some(TxAddress::extended(id("txid")?, byte(target)?)))?,
            rx: when(rx, || Some(RxAddress::extended(id("rxid")?, byte(source)?)))?,
        },
        "Mixed_11bits" => Halves {
            tx: when(tx, || Some(TxAddress::mixed(standard("txid")?, byte(extension)?)))?,
            rx: when(rx, || Some(RxAddress::mixed(standard("rxid")?, byte(extension)?)))?,
        },
        "NormalFixed_29bits" => {
            let (target, source) = (byte(target)?, byte(source)?);
            Halves {
                tx: tx.then(|| TxAddress::normal_fixed(target, source)),
                rx: rx.then(|| RxAddress::normal_fixed(target, source)),
            }
        }
        "Mixed_29bits" => {
            let (target, source, extension) = (byte(target)?, byte(source)?, byte(extension)?);
            Halves {
                tx: tx.then(|| TxAddress::mixed_fixed(target, source, extension)),
                rx: rx.then(|| RxAddress::mixed_fixed(target, source, extension)),
            }
        }
        unknown => panic!("unknown addressing mode {unknown}"),
    };
    let names = ["physical_id", "functional_id"];
    let defaults = match mode {
        "NormalFixed_29bits" => [0x18DA_0000, 0x18DB_0000],
        "Mixed_29bits" => [0x18CE_0000, 0x18CD_0000],
        _ => return Some(halves),
    };
    if names.iter().all(|name| params[*name].is_null()) {
        return Some(halves);
    }
    let base = |name: &str, default| {
        let raw = match &params[name] {
            Value::Null => default,
            given => u32::try_from(given.as_u64()?).ok()?,
        };
        ExtendedId::new(raw & 0x1FFF_0000)
    };
    let (physical, functional) = (base(names[0], defaults[0])?, base(names[1], defaults[1])?);
    Some(Halves {
        tx: halves.tx.map(|tx| tx.with_bases(physical, functional)),
        rx: halves.rx.map(|rx| rx.with_bases(physical, functional)),
    })
}

/// `None` when a wanted half cannot be built; `Some(None)` when it is not wanted.
#[expect(clippy::option_option, reason = "wanted, and possible, are two questions")]
fn when<T>(wanted: bool, make: impl FnOnce() -> Option<T>) -> Option<Option<T>> {
    if wanted { make().map(Some) } else { Some(None) }
}

pub(crate) fn check(entry: &Value, tally: &mut Tally) {
    let params = &entry["address"];
    let halves = halves(params);
    tally.checked();
    if let Some(outcome) = entry.get("construct") {
        let built = halves
            .is_some_and(|halves| halves.tx.is_none() || halves.rx.is_none() || halves.address().is_some());
        let too_large = ["txid", "rxid"]
            .iter()
            .any(|name| params[*name].as_u64().is_some_and(|id| id > 0x1FFF_FFFF));
        if too_large {
            assert!(!built, "{entry}");
            tally.remark("an identifier above 29 bits cannot be built; that peer takes it");
        } else if outcome == "ok" && !built && params["target_address"] == params["source_address"] {
            tally.remark("a node does not talk to itself; that peer lets it");
        } else {
            assert_eq!(built, outcome == "ok", "{entry}");
        }
        return;
    }
    let address = halves
        .and_then(|halves| halves.address())
        .unwrap_or_else(|| panic!("{entry}: cannot be built"));
    let (tx, rx, expect) = (address.tx(), address.rx(), &entry["expect"]);
    let id = |id: Id| match id {
        Id::Standard(id) => format!("{:X}", id.as_raw()),
        Id::Extended(id) => format!("{:X}", id.as_raw()),
    };
    let is_extended = |id: Id| matches!(id, Id::Extended(_));
    let rx_functional = rx
        .id(Target::Functional)
        .or_else(|| rx.id(Target::Physical))
        .unwrap();
    assert_eq!(expect["tx_id_physical"], id(tx.id(Target::Physical)), "{entry}");
    assert_eq!(
        expect["tx_id_functional"],
        id(tx.id(Target::Functional)),
        "{entry}"
    );
    assert_eq!(
        expect["rx_id_physical"],
        id(rx.id(Target::Physical).unwrap()),
        "{entry}"
    );
    assert_eq!(expect["rx_id_functional"], id(rx_functional), "{entry}");
    assert_eq!(
        expect["tx_29bit"],
        is_extended(tx.id(Target::Physical)),
        "{entry}"
    );
    assert_eq!(expect["rx_29bit"], is_extended(rx_functional), "{entry}");
    let prefix: String = tx
        .address_byte()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(expect["tx_prefix"], prefix, "{entry}");
    assert_eq!(expect["rx_prefix_size"], rx.prefix().len(), "{entry}");
    assert_eq!(
        expect["rx_extension_byte"].as_u64(),
        rx.address_byte().map(u64::from),
        "{entry}"
    );

    for pair in entry["is_for_me"].as_array().unwrap() {
        let text = pair[0].as_str().unwrap();
        let ours = rx.matches(&frame(text)).is_some();
        // The same frame with priority 6: where that one is for us, so is any priority (ISO-TP spec ch. 4).
        let other_priority = || {
            let raw = u32::from_str_radix(text.split('#').next().unwrap(), 16).unwrap();
            let six = text.replacen(
                &format!("{raw:08X}"),
                &format!("{:08X}", raw & 0x03FF_FFFF | 6 << 26),
                1,
            );
            raw >> 26 != 6 && rx.id_mask() & 7 << 26 == 0 && rx.matches(&frame(&six)).is_some()
        };
        if ours && pair[1] == false && other_priority() {
            tally.remark("the priority of a fixed mode may differ; that peer wants its own");
        } else {
            assert_eq!(pair[1], ours, "{entry}: {text}");
        }
    }
}
