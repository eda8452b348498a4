//! Addressing: which CAN identifier, and which byte before the PCI, belong to a connection.
//!
//! ```text
//! mode              CAN identifier                               byte before the PCI
//! normal            any pair of 11 or 29 bits                    none
//! normal fixed      29 bits: priority, DA (functional DB), TA, SA   none
//! extended          any pair of 11 or 29 bits                    the target's address
//! mixed, 11 bits    any pair of 11 bits                          address extension
//! mixed, 29 bits    29 bits: priority, CE (functional CD), TA, SA   address extension
//!
//! 29 bits of the fixed modes
//! bit 28..26 priority   25 reserved   24 data page   23..16 format   15..8 target (TA)   7..0 source (SA)
//! ```
//!
//! The format of an identifier is part of it: 0x123 in 11 bits and in 29 bits are two identifiers.

use can_link::id;
use can_link::{CanFrame, ExtendedId, Id, StandardId};
use thiserror::Error;

use crate::pci::Prefix;

const PHYSICAL: u32 = 0x18DA_0000;
const FUNCTIONAL: u32 = 0x18DB_0000;
const MIXED_PHYSICAL: u32 = 0x18CE_0000;
const MIXED_FUNCTIONAL: u32 = 0x18CD_0000;
/// Bits 28..16: all that a fixed mode's base decides.
const BASE_MASK: u32 = 0x1FFF_0000;
/// All but the priority, which may differ from frame to frame.
const ANY_PRIORITY: u32 = 0x03FF_FFFF;

/// Whether a message is for one node or for all of them (N_TAtype).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Target {
    /// One node; messages of any length.
    #[default]
    Physical,
    /// All nodes that listen; single frames only.
    Functional,
}

/// Why two halves make no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Both directions would use the same identifier, so a node would answer itself.
    #[error("both directions have the CAN identifier {0:x?}")]
    SameId(Id),
}

/// How a node's own frames are addressed: one half of an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxAddress {
    physical: Id,
    functional: Id,
    byte: Option<u8>,
}

impl TxAddress {
    /// Normal addressing, 11 or 29 bits.
    #[must_use]
    pub fn normal(id: impl Into<Id>) -> Self {
        let id = id.into();
        Self {
            physical: id,
            functional: id,
            byte: None,
        }
    }

    /// Extended addressing: `target` is the other node's address.
    #[must_use]
    pub fn extended(id: impl Into<Id>, target: u8) -> Self {
        Self {
            byte: Some(target),
            ..Self::normal(id)
        }
    }

    /// Mixed addressing with 11 bits.
    #[must_use]
    pub fn mixed(id: StandardId, extension: u8) -> Self {
        Self::extended(id, extension)
    }

    /// Normal fixed addressing, from node `source` to node `target`, priority 6.
    #[must_use]
    pub fn normal_fixed(target: u8, source: u8) -> Self {
        Self::fixed(PHYSICAL, FUNCTIONAL, target, source, None)
    }

    /// Mixed addressing with 29 bits, from node `source` to node `target`, priority 6.
    #[must_use]
    pub fn mixed_fixed(target: u8, source: u8, extension: u8) -> Self {
        Self::fixed(MIXED_PHYSICAL, MIXED_FUNCTIONAL, target, source, Some(extension))
    }

    fn fixed(physical: u32, functional: u32, target: u8, source: u8, byte: Option<u8>) -> Self {
        Self {
            physical: fixed_id(physical, target, source),
            functional: fixed_id(functional, target, source),
            byte,
        }
    }

    /// Replaces the identifier of functional messages, which is the physical one in the modes without a fixed
    /// layout.
    #[must_use]
    pub fn with_functional_id(self, id: impl Into<Id>) -> Self {
        Self {
            functional: id.into(),
            ..self
        }
    }

    /// Replaces bits 28..16 (priority and format) of both identifiers of a fixed mode; the rest of each base
    /// is not looked at.
    #[must_use]
    pub fn with_bases(self, physical: ExtendedId, functional: ExtendedId) -> Self {
        Self {
            physical: rebased(self.physical, physical),
            functional: rebased(self.functional, functional),
            ..self
        }
    }

    /// The identifier of messages to `target`.
    #[must_use]
    pub const fn id(&self, target: Target) -> Id {
        match target {
            Target::Physical => self.physical,
            Target::Functional => self.functional,
        }
    }

    /// The byte before the PCI, if the mode has one.
    #[must_use]
    pub const fn address_byte(&self) -> Option<u8> {
        self.byte
    }

    /// Whether a byte precedes the PCI.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        prefix(self.byte)
    }

    /// Whether `frame` is one of this node's own, and if so what follows the address byte.
    #[must_use]
    pub fn matches<'a>(&self, frame: &'a CanFrame) -> Option<(Target, &'a [u8])> {
        let target = match frame.id() {
            id if id == self.physical => Target::Physical,
            id if id == self.functional => Target::Functional,
            _ => return None,
        };
        strip(self.byte, frame).map(|rest| (target, rest))
    }
}

/// Which frames are for a node: one half of an [`Address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RxAddress {
    physical: Id,
    functional: Option<Id>,
    byte: Option<u8>,
    /// Identifier bits that must agree.
    mask: u32,
}

impl RxAddress {
    /// Normal addressing, 11 or 29 bits.
    #[must_use]
    pub fn normal(id: impl Into<Id>) -> Self {
        Self {
            physical: id.into(),
            functional: None,
            byte: None,
            mask: id::EXTENDED_MASK,
        }
    }

    /// Extended addressing: `source` is this node's own address.
    #[must_use]
    pub fn extended(id: impl Into<Id>, source: u8) -> Self {
        Self {
            byte: Some(source),
            ..Self::normal(id)
        }
    }

    /// Mixed addressing with 11 bits.
    #[must_use]
    pub fn mixed(id: StandardId, extension: u8) -> Self {
        Self::extended(id, extension)
    }

    /// Normal fixed addressing: what node `target` sends to this node, `source`, or to all; any priority.
    #[must_use]
    pub fn normal_fixed(target: u8, source: u8) -> Self {
        Self::fixed(PHYSICAL, FUNCTIONAL, target, source, None)
    }

    /// Mixed addressing with 29 bits: what node `target` sends to this node, `source`, or to all; any
    /// priority.
    #[must_use]
    pub fn mixed_fixed(target: u8, source: u8, extension: u8) -> Self {
        Self::fixed(MIXED_PHYSICAL, MIXED_FUNCTIONAL, target, source, Some(extension))
    }

    fn fixed(physical: u32, functional: u32, target: u8, source: u8, byte: Option<u8>) -> Self {
        // The other node is the source of what it sends, and this node its target.
        Self {
            physical: fixed_id(physical, source, target),
            functional: Some(fixed_id(functional, source, target)),
            byte,
            mask: ANY_PRIORITY,
        }
    }

    /// Also accepts single frames with this identifier, as messages to [`Target::Functional`].
    #[must_use]
    pub fn with_functional_id(self, id: impl Into<Id>) -> Self {
        Self {
            functional: Some(id.into()),
            ..self
        }
    }

    /// Replaces bits 28..16 of both identifiers of a fixed mode; then these bits must agree, priority
    /// included.
    #[must_use]
    pub fn with_bases(self, physical: ExtendedId, functional: ExtendedId) -> Self {
        Self {
            physical: rebased(self.physical, physical),
            functional: self.functional.map(|id| rebased(id, functional)),
            mask: id::EXTENDED_MASK,
            ..self
        }
    }

    /// The identifier of messages to `target`; `None` when functional ones are not accepted.
    #[must_use]
    pub const fn id(&self, target: Target) -> Option<Id> {
        match target {
            Target::Physical => Some(self.physical),
            Target::Functional => self.functional,
        }
    }

    /// The identifier bits that must agree; bits 28..26 are missing where any priority is accepted.
    #[must_use]
    pub const fn id_mask(&self) -> u32 {
        self.mask
    }

    /// The byte expected before the PCI, if the mode has one.
    #[must_use]
    pub const fn address_byte(&self) -> Option<u8> {
        self.byte
    }

    /// Whether a byte precedes the PCI.
    #[must_use]
    pub const fn prefix(&self) -> Prefix {
        prefix(self.byte)
    }

    /// Whether `frame` is for this node, and if so what follows the address byte.
    #[must_use]
    pub fn matches<'a>(&self, frame: &'a CanFrame) -> Option<(Target, &'a [u8])> {
        let target = if self.agrees(self.physical, frame.id()) {
            Target::Physical
        } else if self.functional.is_some_and(|id| self.agrees(id, frame.id())) {
            Target::Functional
        } else {
            return None;
        };
        strip(self.byte, frame).map(|rest| (target, rest))
    }

    /// Whether two identifiers are the same, as far as this half looks.
    fn agrees(&self, own: Id, other: Id) -> bool {
        (id::to_word(own) ^ id::to_word(other)) & (self.mask | id::EFF_FLAG) == 0
    }
}

/// Both directions of a connection, seen from one of its nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    tx: TxAddress,
    rx: RxAddress,
}

impl Address {
    /// Two halves, of any modes.
    ///
    /// # Errors
    /// When what this node sends, to one or to all, has the identifier (in the same format) that the other
    /// node sends to it: a node would take its own frames for the other's.
    pub fn asymmetric(tx: TxAddress, rx: RxAddress) -> Result<Self, AddressError> {
        let own = [tx.physical, tx.functional];
        match own.into_iter().find(|id| rx.agrees(rx.physical, *id)) {
            Some(id) => Err(AddressError::SameId(id)),
            None => Ok(Self { tx, rx }),
        }
    }

    /// Normal addressing: this node sends with `tx` and receives `rx`.
    ///
    /// # Errors
    /// As [`asymmetric`](Self::asymmetric).
    ///
    /// # Examples
    /// ```
    /// use can_link::StandardId;
    /// use isotp::Address;
    ///
    /// let tester = Address::normal(StandardId::new(0x7E0).unwrap(), StandardId::new(0x7E8).unwrap())?;
    /// let ecu = tester.reversed();
    /// # Ok::<(), isotp::AddressError>(())
    /// ```
    pub fn normal(tx: impl Into<Id>, rx: impl Into<Id>) -> Result<Self, AddressError> {
        Self::asymmetric(TxAddress::normal(tx), RxAddress::normal(rx))
    }

    /// Extended addressing: as normal, and `target` is the other node's address, `source` this one's.
    ///
    /// # Errors
    /// As [`asymmetric`](Self::asymmetric).
    pub fn extended(
        tx: impl Into<Id>,
        rx: impl Into<Id>,
        target: u8,
        source: u8,
    ) -> Result<Self, AddressError> {
        Self::asymmetric(TxAddress::extended(tx, target), RxAddress::extended(rx, source))
    }

    /// Mixed addressing with 11 bits: `extension` is the same in both directions.
    ///
    /// # Errors
    /// As [`asymmetric`](Self::asymmetric).
    pub fn mixed(tx: StandardId, rx: StandardId, extension: u8) -> Result<Self, AddressError> {
        Self::asymmetric(TxAddress::mixed(tx, extension), RxAddress::mixed(rx, extension))
    }

    /// Normal fixed addressing between this node, `source`, and the other one, `target`.
    ///
    /// # Errors
    /// When both are the same node.
    pub fn normal_fixed(target: u8, source: u8) -> Result<Self, AddressError> {
        Self::asymmetric(
            TxAddress::normal_fixed(target, source),
            RxAddress::normal_fixed(target, source),
        )
    }

    /// Mixed addressing with 29 bits between this node, `source`, and the other one, `target`.
    ///
    /// # Errors
    /// When both are the same node.
    pub fn mixed_fixed(target: u8, source: u8, extension: u8) -> Result<Self, AddressError> {
        Self::asymmetric(
            TxAddress::mixed_fixed(target, source, extension),
            RxAddress::mixed_fixed(target, source, extension),
        )
    }

    /// Also accepts single frames with this identifier, as messages to [`Target::Functional`].
    #[must_use]
    pub fn accepting_functional(self, id: impl Into<Id>) -> Self {
        Self {
            rx: self.rx.with_functional_id(id),
            ..self
        }
    }

    /// Replaces bits 28..16 of the identifiers of a fixed mode, in both directions.
    #[must_use]
    pub fn with_bases(self, physical: ExtendedId, functional: ExtendedId) -> Self {
        Self {
            tx: self.tx.with_bases(physical, functional),
            rx: self.rx.with_bases(physical, functional),
        }
    }

    /// The sending half.
    #[must_use]
    pub const fn tx(&self) -> &TxAddress {
        &self.tx
    }

    /// The receiving half.
    #[must_use]
    pub const fn rx(&self) -> &RxAddress {
        &self.rx
    }

    /// The same connection seen from the other node, of the modes with a pair of identifiers.
    ///
    /// The other node of a fixed mode has the addresses swapped: `Address::normal_fixed(source, target)`.
    /// What this node accepts as functional, the other one sends as functional.
    #[must_use]
    pub fn reversed(&self) -> Self {
        Self {
            tx: TxAddress {
                physical: self.rx.physical,
                functional: self.rx.functional.unwrap_or(self.rx.physical),
                byte: self.rx.byte,
            },
            rx: RxAddress {
                physical: self.tx.physical,
                functional: Some(self.tx.functional).filter(|&id| id != self.tx.physical),
                byte: self.tx.byte,
                mask: self.rx.mask,
            },
        }
    }
}

const fn prefix(byte: Option<u8>) -> Prefix {
    match byte {
        None => Prefix::None,
        Some(_) => Prefix::AddressByte,
    }
}

/// What follows the address byte, if the frame has the right one.
fn strip(byte: Option<u8>, frame: &CanFrame) -> Option<&[u8]> {
    let data = frame.payload();
    match byte {
        None => Some(data),
        Some(byte) => data
            .split_first()
            .and_then(|(&got, rest)| (got == byte).then_some(rest)),
    }
}

fn fixed_id(base: u32, target: u8, source: u8) -> Id {
    Id::Extended(id::extended(base | u32::from(target) << 8 | u32::from(source)))
}

fn rebased(id: Id, base: ExtendedId) -> Id {
    match id {
        Id::Extended(id) => Id::Extended(id::extended(base.as_raw() & BASE_MASK | id.as_raw() & !BASE_MASK)),
        Id::Standard(_) => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn std_id(raw: u16) -> StandardId {
        StandardId::new(raw).unwrap()
    }

    fn ext_id(raw: u32) -> ExtendedId {
        ExtendedId::new(raw).unwrap()
    }

    fn frame(id: impl Into<Id>, data: &[u8]) -> CanFrame {
        CanFrame::data(id, data).unwrap()
    }

    #[test]
    fn the_same_number_in_the_other_format_is_another_address() {
        let address = Address::normal(std_id(0x7E0), std_id(0x7E8)).unwrap();
        assert!(address.rx().matches(&frame(std_id(0x7E8), &[1, 2])).is_some());
        assert_eq!(address.rx().matches(&frame(ext_id(0x7E8), &[1, 2])), None);
        assert!(Address::normal(std_id(5), ext_id(5)).is_ok());
    }

    #[test]
    fn one_identifier_for_both_directions_is_refused() {
        assert_eq!(
            Address::extended(std_id(5), std_id(5), 1, 2),
            Err(AddressError::SameId(std_id(5).into()))
        );
    }

    #[test]
    fn an_own_identifier_that_is_received_too_is_refused_in_any_priority_and_to_all() {
        let ours = ext_id(0x0CDA_F133);
        let fixed = RxAddress::normal_fixed(0x33, 0xF1);
        let clash = Err(AddressError::SameId(ours.into()));
        assert_eq!(Address::asymmetric(TxAddress::normal(ours), fixed), clash);
        let exact = fixed.with_bases(ext_id(PHYSICAL), ext_id(FUNCTIONAL));
        assert!(Address::asymmetric(TxAddress::normal(ours), exact).is_ok());
        let to_all = TxAddress::normal(ext_id(0x700)).with_functional_id(ours);
        assert_eq!(Address::asymmetric(to_all, fixed), clash);
        // Equals may speak to all on one identifier: a node does not hear itself.
        let all = ext_id(0x7DF);
        let rx = RxAddress::normal(ext_id(0x701)).with_functional_id(all);
        assert!(Address::asymmetric(to_all.with_functional_id(all), rx).is_ok());
    }

    #[test]
    fn extended_addressing_sends_the_targets_byte_and_accepts_its_own() {
        let address = Address::extended(std_id(0x7E0), std_id(0x7E8), 0x33, 0xF1).unwrap();
        assert_eq!(address.tx().address_byte(), Some(0x33));
        let received = frame(std_id(0x7E8), &[0xF1, 1, 2]);
        let rest = address.rx().matches(&received);
        assert_eq!(rest, Some((Target::Physical, &[1, 2][..])));
        assert_eq!(address.rx().matches(&frame(std_id(0x7E8), &[0x33, 1, 2])), None);
        assert_eq!(address.rx().matches(&frame(std_id(0x7E8), &[])), None);
        assert_eq!(
            address.reversed(),
            Address::extended(std_id(0x7E8), std_id(0x7E0), 0xF1, 0x33).unwrap()
        );
    }

    #[test]
    fn fixed_addressing_accepts_any_priority_and_both_targets() {
        let address = Address::normal_fixed(0x33, 0xF1).unwrap();
        assert_eq!(address.tx().id(Target::Physical), ext_id(0x18DA_33F1).into());
        assert_eq!(address.tx().id(Target::Functional), ext_id(0x18DB_33F1).into());
        for (id, expected) in [
            (0x18DA_F133, Some(Target::Physical)),
            (0x0CDA_F133, Some(Target::Physical)),
            (0x18DB_F133, Some(Target::Functional)),
            (0x18DA_F134, None),
            (0x1ADA_F133, None),
            (0x19DA_F133, None),
        ] {
            let target = address
                .rx()
                .matches(&frame(ext_id(id), &[1, 2]))
                .map(|(target, _)| target);
            assert_eq!(target, expected, "{id:08X}");
        }
        assert_eq!(address.reversed(), Address::normal_fixed(0xF1, 0x33).unwrap());
    }

    #[test]
    fn an_own_base_must_agree_in_every_bit() {
        let address = Address::mixed_fixed(0x33, 0xF1, 0x99)
            .unwrap()
            .with_bases(ext_id(0x1ABC_0000), ext_id(0x1DEF_1234));
        assert_eq!(address.tx().id(Target::Functional), ext_id(0x1DEF_33F1).into());
        assert!(
            address
                .rx()
                .matches(&frame(ext_id(0x1ABC_F133), &[0x99, 1, 2]))
                .is_some()
        );
        assert_eq!(
            address.rx().matches(&frame(ext_id(0x1EBC_F133), &[0x99, 1, 2])),
            None
        );
    }

    #[test]
    fn a_node_may_also_listen_to_a_functional_identifier() {
        let ecu = Address::normal(std_id(0x7E8), std_id(0x7E0))
            .unwrap()
            .accepting_functional(std_id(0x7DF));
        let target = |id| {
            ecu.rx()
                .matches(&frame(std_id(id), &[1, 2]))
                .map(|(target, _)| target)
        };
        assert_eq!(target(0x7E0), Some(Target::Physical));
        assert_eq!(target(0x7DF), Some(Target::Functional));
        assert_eq!(target(0x7DE), None);
    }
}
