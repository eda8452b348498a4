use std::vec::Vec;

use can_link::ExtendedId;

use super::*;

fn std_id(raw: u16) -> Id {
    StandardId::new(raw).unwrap().into()
}

fn ext_id(raw: u32) -> Id {
    ExtendedId::new(raw).unwrap().into()
}

/// The identifier and address byte that the sender of such frames is acknowledged with.
fn acknowledged(responders: &Responders, id: Id, byte: Option<u8>) -> Option<(Id, Option<u8>)> {
    let tx = *responders.find(id, byte)?.address().tx();
    Some((tx.id(Target::Physical), tx.address_byte()))
}

#[test]
fn vehicles_of_11_bits_are_acknowledged_8_below() {
    let responders = Responders::legislated();
    let range = StandardId::new(0x7E8).unwrap()..=StandardId::new(0x7EF).unwrap();
    assert_eq!(Responders::offset(range, -8), Ok(responders.clone()));
    assert_eq!(
        acknowledged(&responders, std_id(0x7EB), Some(3)),
        Some((std_id(0x7E3), None))
    );
    for other in [std_id(0x7E7), std_id(0x7F0), ext_id(0x7E8)] {
        assert_eq!(responders.find(other, None), None, "{other:?}");
    }
}

#[test]
fn fixed_modes_exchange_the_ends_whatever_the_priority() {
    let responders = Responders::normal_fixed(0xF1);
    for answer in [0x18DA_F110, 0x1CDA_F110] {
        assert_eq!(
            acknowledged(&responders, ext_id(answer), None),
            Some((ext_id(0x18DA_10F1), None))
        );
    }
    assert_eq!(responders.find(ext_id(0x18DA_F210), None), None);
    assert_eq!(responders.find(ext_id(0x18DB_F110), None), None);

    let responders = Responders::mixed_fixed(0xF1, 0x99);
    let acknowledged = acknowledged(&responders, ext_id(0x18CE_F110), Some(0x99));
    assert_eq!(acknowledged, Some((ext_id(0x18CE_10F1), Some(0x99))));
    assert_eq!(responders.find(ext_id(0x18CE_F110), Some(0x98)), None);
    assert_eq!(responders.find(ext_id(0x18CE_F110), None), None);
}

#[test]
fn extended_responders_are_addressed_by_their_place_in_the_range() {
    let ids = StandardId::new(0x600).unwrap()..=StandardId::new(0x6F0).unwrap();
    let responders = Responders::extended(ids, StandardId::new(0x6F1).unwrap(), 0xF1, 0).unwrap();
    let found = acknowledged(&responders, std_id(0x612), Some(0xF1));
    assert_eq!(found, Some((std_id(0x6F1), Some(0x12))));
    assert_eq!(
        responders.find(std_id(0x612), Some(0xF2)),
        None,
        "another tester's"
    );
}

#[test]
fn a_list_is_exactly_what_it_says() {
    let pair = |tx, rx| Address::normal(std_id(tx), std_id(rx)).unwrap();
    let responders = Responders::list([pair(0x700, 0x708), pair(0x123, 0x456)]).unwrap();
    assert_eq!(
        acknowledged(&responders, std_id(0x456), None),
        Some((std_id(0x123), None))
    );
    assert_eq!(responders.find(std_id(0x457), None), None);
    let clash = Responders::list([pair(0x700, 0x708), pair(0x701, 0x708)]);
    assert_eq!(clash, Err(RespondersError::Clash(std_id(0x708))));
}

#[test]
fn rules_without_sense_cannot_be_built() {
    let id = |raw| StandardId::new(raw).unwrap();
    let refused = |result: Result<Responders, RespondersError>| result.unwrap_err();
    assert_eq!(
        refused(Responders::offset(id(0x7E8)..=id(0x7E0), -8)),
        RespondersError::NoRange(std_id(0x7E8), std_id(0x7E0))
    );
    assert_eq!(
        refused(Responders::offset(std_id(0x7E8)..=ext_id(0x7EF), -8)),
        RespondersError::NoRange(std_id(0x7E8), ext_id(0x7EF))
    );
    for (first, last, by) in [(4, 8, -8), (0x7F0, 0x7FF, 8), (0x100, 0x101, 0)] {
        let error = refused(Responders::offset(id(first)..=id(last), by));
        assert!(matches!(error, RespondersError::NoIdentifier { .. }), "{error:?}");
    }
    let error = refused(Responders::extended(id(0x600)..=id(0x6FF), id(0x7F1), 0xF1, 1));
    assert_eq!(
        error,
        RespondersError::TooManyIds {
            ids: 256,
            addresses: 255
        }
    );
    let error = refused(Responders::extended(id(0x600)..=id(0x6FF), id(0x6F1), 0xF1, 0));
    assert!(matches!(error, RespondersError::NoIdentifier { .. }));
}

#[test]
fn a_claim_holds_exactly_what_is_found() {
    let id = |raw| StandardId::new(raw).unwrap();
    let rules = [
        Responders::legislated(),
        Responders::mixed(id(0x7E8)..=id(0x7EF), -8, 7).unwrap(),
        Responders::normal_fixed(0xF1),
        Responders::mixed_fixed(0xF1, 7),
        Responders::extended(id(0x600)..=id(0x6F0), id(0x6F1), 7, 0).unwrap(),
        Responders::list([Address::normal_fixed(0x10, 0xF1).unwrap()]).unwrap(),
    ];
    let near = (0x5F0..0x800).map(std_id);
    let fixed = [0x18DA_F110, 0x00DA_F110, 0x18CE_F1FF, 0x18DA_F210].map(ext_id);
    let ids: Vec<_> = near.chain(fixed).collect();
    for rule in rules {
        let claims = rule.claims();
        let mut found = 0;
        for &id in &ids {
            for byte in [None, Some(7), Some(8)] {
                let claimed = claims.iter().any(|claim| claim.takes(id::to_word(id), byte));
                assert_eq!(rule.find(id, byte).is_some(), claimed, "{rule:?} {id:?} {byte:?}");
                found += usize::from(claimed);
            }
        }
        assert!(found > 0, "{rule:?}");
    }
}
