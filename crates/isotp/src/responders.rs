//! Who may answer a functional request, and how each of them is acknowledged.
//!
//! A functional request goes to everybody. Everybody answers on an identifier of its own, and an answer of
//! several frames has to be acknowledged on the identifier that belongs to it. [`Responders`] is the rule
//! from the one to the other:
//!
//! ```text
//! rule            an answer comes on                it is acknowledged on
//! offset          an identifier of a range          that identifier plus an offset (usually minus 8)
//! normal fixed    18DA, tester, responder           18DA, responder, tester
//! mixed fixed     18CE, tester, responder           18CE, responder, tester; same extension
//! extended        an identifier of a range,         one identifier, with the responder's address
//!                 with the tester's address
//! list            what each address says            what each address says
//! ```

use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use can_link::id::{self, EFF_FLAG, EXTENDED_MASK, STANDARD_MASK};
use can_link::{CanFrame, Id, StandardId};
use thiserror::Error;

use crate::address::{Address, RxAddress, Target};
use crate::endpoints::{Claim, Range};

/// The default of [`Responders::limit`]: as many as one byte can name.
pub const DEFAULT_RESPONDER_LIMIT: usize = 256;

/// A node that answered a functional request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Responder {
    address: Address,
}

impl Responder {
    pub(crate) const fn new(address: Address) -> Self {
        Self { address }
    }

    /// The identifier of its answers; of several priorities, the usual one.
    #[must_use]
    pub fn id(&self) -> Id {
        self.address
            .rx()
            .id(Target::Physical)
            .unwrap_or(Id::Standard(StandardId::ZERO))
    }

    /// How to talk to it alone, seen from the tester.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }
}

/// Why a rule for responders makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[non_exhaustive]
pub enum RespondersError {
    /// The range of identifiers is empty, or its ends have different formats.
    #[error("{0:x?} to {1:x?} is no range of CAN identifiers of one format")]
    NoRange(Id, Id),
    /// An identifier plus the offset is none, or is the identifier itself.
    #[error("{id:x?} plus {by} is no other CAN identifier of this format")]
    NoIdentifier {
        /// The responder's identifier.
        id: Id,
        /// The offset.
        by: i32,
    },
    /// Of two addresses in a list, both would receive the same frames.
    #[error("two responders in one list are received by {0:x?}")]
    Clash(Id),
    /// An extended rule has more identifiers than there are addresses from its first one on.
    #[error("{ids} identifiers need more than the {addresses} addresses from the first one on")]
    TooManyIds {
        /// Identifiers in the range.
        ids: usize,
        /// Addresses there are.
        addresses: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Offset {
        ids: Range,
        by: i32,
        extension: Option<u8>,
    },
    Fixed {
        tester: u8,
        extension: Option<u8>,
    },
    Extended {
        ids: Range,
        tx: Id,
        tester: u8,
        first: u8,
    },
    List(Vec<Address>),
}

/// Who may answer a functional request, and the rule by which each of them is acknowledged.
///
/// # Examples
/// ```
/// use can_link::StandardId;
/// use isotp::Responders;
///
/// let id = |raw| StandardId::new(raw).unwrap();
/// // What the law says of vehicles with 11-bit identifiers; also: Responders::legislated().
/// let ecus = Responders::offset(id(0x7E8)..=id(0x7EF), -8)?;
/// let engine = ecus.find(id(0x7E8).into(), None).unwrap();
/// assert_eq!(engine.address().tx().id(isotp::Target::Physical), id(0x7E0).into());
/// # Ok::<(), isotp::RespondersError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responders {
    rule: Rule,
    limit: usize,
}

impl Responders {
    const fn new(rule: Rule) -> Self {
        Self {
            rule,
            limit: DEFAULT_RESPONDER_LIMIT,
        }
    }

    /// Answers on `ids`, each acknowledged on its identifier plus `by`: normal addressing, 11 or 29 bits.
    ///
    /// # Errors
    /// When the range is empty, or an identifier plus `by` is none of the same format, or `by` is 0.
    pub fn offset(ids: RangeInclusive<impl Into<Id> + Clone>, by: i32) -> Result<Self, RespondersError> {
        let ids = range(ids)?;
        for id in [ids.first, ids.last].map(id::from_word) {
            shifted(id, by).ok_or(RespondersError::NoIdentifier { id, by })?;
        }
        Ok(Self::new(Rule::Offset {
            ids,
            by,
            extension: None,
        }))
    }

    /// As [`offset`](Self::offset), with an address extension before the PCI: mixed addressing, 11 bits.
    ///
    /// # Errors
    /// As [`offset`](Self::offset).
    pub fn mixed(ids: RangeInclusive<StandardId>, by: i32, extension: u8) -> Result<Self, RespondersError> {
        let mut made = Self::offset(ids, by)?;
        if let Rule::Offset { extension: byte, .. } = &mut made.rule {
            *byte = Some(extension);
        }
        Ok(made)
    }

    /// Vehicles with 11-bit identifiers: answers on 0x7E8 to 0x7EF, acknowledged 8 below. The request goes to
    /// 0x7DF.
    #[must_use]
    pub const fn legislated() -> Self {
        Self::new(Rule::Offset {
            ids: Range {
                first: 0x7E8,
                last: 0x7EF,
            },
            by: -8,
            extension: None,
        })
    }

    /// Anybody who answers node `tester`: normal fixed addressing, any priority.
    #[must_use]
    pub const fn normal_fixed(tester: u8) -> Self {
        Self::new(Rule::Fixed {
            tester,
            extension: None,
        })
    }

    /// Anybody who answers node `tester`: mixed addressing with 29 bits, any priority.
    #[must_use]
    pub const fn mixed_fixed(tester: u8, extension: u8) -> Self {
        Self::new(Rule::Fixed {
            tester,
            extension: Some(extension),
        })
    }

    /// Answers on `ids` with the address `tester`, from nodes whose addresses count up from `first`; all
    /// acknowledged on `tx`: extended addressing.
    ///
    /// # Errors
    /// When the range is empty or longer than there are addresses, or holds `tx`.
    pub fn extended(
        ids: RangeInclusive<impl Into<Id> + Clone>,
        tx: impl Into<Id>,
        tester: u8,
        first: u8,
    ) -> Result<Self, RespondersError> {
        let (ids, tx) = (range(ids)?, tx.into());
        let count = usize::try_from(ids.last - ids.first).unwrap_or(usize::MAX) + 1;
        let addresses = 256 - usize::from(first);
        if count > addresses {
            return Err(RespondersError::TooManyIds {
                ids: count,
                addresses,
            });
        }
        if ids.contains(id::to_word(tx)) {
            return Err(RespondersError::NoIdentifier { id: tx, by: 0 });
        }
        Ok(Self::new(Rule::Extended {
            ids,
            tx,
            tester,
            first,
        }))
    }

    /// Exactly these, seen from the tester. Finding one takes time by the length of the list, once.
    ///
    /// # Errors
    /// When two of them would receive the same frames.
    pub fn list(addresses: impl IntoIterator<Item = Address>) -> Result<Self, RespondersError> {
        let addresses: Vec<_> = addresses.into_iter().collect();
        let claims: Vec<_> = addresses.iter().map(|address| Claim::of(address.rx())).collect();
        for (n, claim) in claims.iter().enumerate() {
            if claims.iter().take(n).any(|earlier| earlier.overlaps(claim)) {
                return Err(RespondersError::Clash(id::from_word(claim.ids.first)));
            }
        }
        Ok(Self::new(Rule::List(addresses)))
    }

    /// How many of them are listened to at most. What further ones say is counted and reported, and lost.
    ///
    /// Default: 256.
    #[must_use]
    pub fn limit(self, responders: usize) -> Self {
        Self {
            limit: responders,
            ..self
        }
    }

    /// How many of them are listened to at most.
    #[must_use]
    pub const fn max(&self) -> usize {
        self.limit
    }

    /// The responder that sends frames with this identifier and first byte, if the rule has one.
    #[must_use]
    pub fn find(&self, id: Id, first_byte: Option<u8>) -> Option<Responder> {
        let word = id::to_word(id);
        let address = match &self.rule {
            Rule::Offset { ids, by, extension } => {
                ids.contains(word).then_some(())?;
                let tx = shifted(id, *by)?;
                match extension {
                    None => Address::normal(tx, id).ok()?,
                    Some(byte) => Address::extended(tx, id, *byte, *byte).ok()?,
                }
            }
            Rule::Fixed { tester, extension } => {
                let node = word.to_be_bytes()[3];
                match extension {
                    None => Address::normal_fixed(node, *tester),
                    Some(extension) => Address::mixed_fixed(node, *tester, *extension),
                }
                .ok()?
            }
            Rule::Extended {
                ids,
                tx,
                tester,
                first,
            } => {
                ids.contains(word).then_some(())?;
                let node = u8::try_from(u32::from(*first) + (word - ids.first)).ok()?;
                Address::extended(*tx, id, node, *tester).ok()?
            }
            Rule::List(addresses) => *addresses
                .iter()
                .find(|address| Claim::of(address.rx()).takes(word, first_byte))?,
        };
        let takes = Claim::of(address.rx()).takes(word, first_byte);
        takes.then(|| Responder::new(address))
    }

    /// The responder that sent `frame`.
    #[must_use]
    pub fn of_frame(&self, frame: &CanFrame) -> Option<Responder> {
        self.find(frame.id(), frame.payload().first().copied())
    }

    /// Which frames it receives.
    pub(crate) fn claims(&self) -> Vec<Claim> {
        match &self.rule {
            Rule::Offset { ids, extension, .. } => vec![Claim::exact(*ids, *extension)],
            Rule::Fixed { tester, extension } => {
                let end = |node| match extension {
                    None => RxAddress::normal_fixed(node, *tester),
                    Some(extension) => RxAddress::mixed_fixed(node, *tester, *extension),
                };
                let (first, last) = (Claim::of(&end(0)), Claim::of(&end(u8::MAX)));
                let ids = Range {
                    first: first.ids.first,
                    last: last.ids.last,
                };
                vec![Claim { ids, ..first }]
            }
            Rule::Extended { ids, tester, .. } => vec![Claim::exact(*ids, Some(*tester))],
            Rule::List(addresses) => addresses.iter().map(|address| Claim::of(address.rx())).collect(),
        }
    }
}

fn range(ids: RangeInclusive<impl Into<Id> + Clone>) -> Result<Range, RespondersError> {
    let (first, last) = ids.into_inner();
    let (first, last) = (first.into(), last.into());
    Range::new(first, last).ok_or(RespondersError::NoRange(first, last))
}

/// The identifier `by` further on, if there is one and it is another.
fn shifted(id: Id, by: i32) -> Option<Id> {
    let (raw, max) = match id {
        Id::Standard(id) => (u32::from(id.as_raw()), STANDARD_MASK),
        Id::Extended(id) => (id.as_raw(), EXTENDED_MASK),
    };
    let moved = raw.checked_add_signed(by).filter(|moved| *moved <= max)?;
    let flag = id::to_word(id) & EFF_FLAG;
    (by != 0).then(|| id::from_word(moved | flag))
}

#[cfg(test)]
mod tests;
