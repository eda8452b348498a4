//! From what was said to who belongs together.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};

use can_link::{ExtendedId, Id, StandardId, id};

use super::Key;
use super::talker::{Talker, Tie};
use crate::address::{Address, AddressError, RxAddress, TxAddress};

/// Bits 25..16 of an identifier with a fixed layout.
const FORMAT_MASK: u32 = 0x03FF_0000;
const NORMAL_FIXED: u32 = 0x00DA_0000;
const MIXED_FIXED: u32 = 0x00CE_0000;
const FUNCTIONAL_FIXED: [u32; 2] = [0x00DB_0000, 0x00CD_0000];
/// Where legislation puts requests to all.
const FUNCTIONAL: u32 = 0x7DF;
/// In percent: below, a talker is none.
const SOUND: u64 = 80;
const VERY_SOUND: u64 = 90;

/// How sure a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Answers came, in single frames only.
    Possible,
    /// Flow control was asked for, came, and was obeyed; or answers fitted several kinds of request.
    Likely,
    /// Whole messages of several frames were transferred, and nearly nothing speaks against it.
    Certain,
}

/// How the frames of a pair are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Normal, 11 bits.
    Normal11,
    /// Normal, 29 bits.
    Normal29,
    /// Normal fixed.
    NormalFixed,
    /// Extended, 11 or 29 bits: an address byte for each direction.
    Extended,
    /// Mixed, 11 bits: the same address byte in both directions.
    Mixed11,
    /// Mixed, 29 bits.
    Mixed29,
}

/// One side of a pair: how its own frames are addressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Party {
    /// The identifier.
    pub id: Id,
    /// The byte before the PCI, if there is one.
    pub address_byte: Option<u8>,
}

/// What speaks for a pair, and against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Evidence {
    /// Messages of several frames that went from one to the other as a whole.
    pub messages: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// Flow controls of one that the other waited for and obeyed.
    pub handshakes: u64,
    /// Requests of the source that the destination answered.
    pub answers: u64,
    /// How many kinds of request that were.
    pub services: u32,
    /// Frames of both that are what they should be.
    pub fitting: u64,
    /// Frames of both that no node speaking ISO-TP sends, and transfers that led nowhere.
    pub contradictions: u64,
}

/// A pair that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The side that asks, as far as can be told: a tester.
    pub source: Party,
    /// The side that answers.
    pub destination: Party,
    /// How they are addressed.
    pub mode: Mode,
    /// Whether the source speaks to all.
    pub is_functional: bool,
    /// How sure it is.
    pub confidence: Confidence,
    /// Why.
    pub evidence: Evidence,
}

impl Finding {
    /// The address that a node in the place of the source would have.
    ///
    /// # Errors
    /// Never for a finding of a survey: its parties have different identifiers.
    pub fn address(&self) -> Result<Address, AddressError> {
        let tx = match self.source.address_byte {
            Some(byte) => TxAddress::extended(self.source.id, byte),
            None => TxAddress::normal(self.source.id),
        };
        let rx = match self.destination.address_byte {
            Some(byte) => RxAddress::extended(self.destination.id, byte),
            None => RxAddress::normal(self.destination.id),
        };
        Address::asymmetric(tx, rx)
    }
}

/// The pairs among the talkers, the most certain first.
pub(super) fn pairs(talkers: &BTreeMap<Key, Talker>) -> Vec<Finding> {
    let tied = talkers.iter().flat_map(|(&key, talker)| {
        talker
            .ties
            .keys()
            .map(move |&other| (key.min(other), key.max(other)))
    });
    let tied: BTreeSet<_> = tied.collect();
    let all: Vec<_> = tied
        .into_iter()
        .filter_map(|(one, other)| pair(talkers, one, other))
        .collect();
    let mut findings: Vec<_> = all
        .iter()
        .filter(|finding| !all.iter().any(|rival| is_better_reading(rival, finding)))
        .copied()
        .collect();
    findings.sort_by_key(|finding| {
        let Party { id, address_byte } = finding.source;
        (Reverse(finding.confidence), id::to_word(id), address_byte)
    });
    findings
}

/// Whether `rival` reads the same identifiers in the other way, and rightly so.
fn is_better_reading(rival: &Finding, finding: &Finding) -> bool {
    let ids = |finding: &Finding| {
        let (one, other) = (
            id::to_word(finding.source.id),
            id::to_word(finding.destination.id),
        );
        (one.min(other), one.max(other))
    };
    let has_byte = |finding: &Finding| finding.source.address_byte.is_some();
    let is_better = match has_byte(finding) {
        // The first byte of a conversation without address byte is one of a few.
        true => rival.confidence >= finding.confidence,
        false => rival.confidence > finding.confidence,
    };
    ids(rival) == ids(finding) && has_byte(rival) != has_byte(finding) && is_better
}

/// What two talkers are to each other, if anything.
fn pair(talkers: &BTreeMap<Key, Talker>, one: Key, other: Key) -> Option<Finding> {
    let (first, second) = (talkers.get(&one)?, talkers.get(&other)?);
    let there = Direction::new(talkers, first, other);
    let back = Direction::new(talkers, second, one);
    // Whoever asks is the source; where that is unknown, as layouts have it.
    let is_source = match there.tie.answers.cmp(&back.tie.answers) {
        Ordering::Equal => !is_response(one.word, other.word),
        more => more == Ordering::Greater,
    };
    let (source, destination, asking) = if is_source {
        (one, other, there.tie)
    } else {
        (other, one, back.tie)
    };
    let evidence = Evidence {
        messages: there.messages() + back.messages(),
        bytes: there.bytes() + back.bytes(),
        handshakes: there.handshakes() + back.handshakes(),
        answers: asking.answers,
        services: asking.services(),
        fitting: first.fitting + second.fitting,
        contradictions: first.contradictions + second.contradictions,
    };
    let answerer = if is_source { second } else { first };
    // Whoever answers says little that nobody asked for.
    let is_answer = evidence.answers * 2 >= answerer.messages;
    let soundness = first.soundness().min(second.soundness());
    let begins_with_data = |key: Key| {
        let whole = talkers.get(&Key { byte: None, ..key });
        key.byte.is_some() && whole.is_some_and(|talker| talker.begins_with_data)
    };
    let confidence = match evidence {
        _ if soundness < SOUND => return None,
        // A byte that is most likely none of an address takes more than a guess.
        Evidence { messages: 0, .. } if begins_with_data(one) || begins_with_data(other) => return None,
        Evidence { messages: 1.., .. } if soundness >= VERY_SOUND && there.is_alone && back.is_alone => {
            Confidence::Certain
        }
        Evidence { handshakes: 1.., .. } => Confidence::Likely,
        _ if !is_answer => return None,
        Evidence {
            answers: 3..,
            services: 2..,
            ..
        } => Confidence::Likely,
        Evidence { answers: 2.., .. } => Confidence::Possible,
        Evidence { answers: 1, .. } if is_response(destination.word, source.word) => Confidence::Possible,
        _ => return None,
    };
    let source_ties = talkers.get(&source).map(|talker| &talker.ties);
    let answering = source_ties
        .into_iter()
        .flatten()
        .filter(|(_, tie)| tie.answers > 0);
    Some(Finding {
        source: party(source)?,
        destination: party(destination)?,
        mode: mode(source, destination),
        is_functional: evidence.handshakes == 0 && (is_functional_word(source.word) || answering.count() > 1),
        confidence,
        evidence,
    })
}

/// What a talker's own messages say of another one.
struct Direction {
    tie: Tie,
    /// Nobody else's flow controls fit as well.
    is_best: bool,
    is_alone: bool,
}

impl Direction {
    fn new(talkers: &BTreeMap<Key, Talker>, talker: &Talker, other: Key) -> Self {
        let tie = talker.ties.get(&other).copied().unwrap_or_default();
        let is_sound = |key| talkers.get(key).is_some_and(|talker| talker.soundness() >= SOUND);
        let rivals = || {
            let others = talker.ties.iter().filter(|&(&key, _)| key != other);
            others.filter(|(key, _)| is_sound(key)).map(|(_, rival)| rival)
        };
        Self {
            tie,
            is_best: rivals().all(|rival| (rival.handshakes, rival.turns) <= (tie.handshakes, tie.turns)),
            is_alone: rivals().all(|rival| rival.handshakes == 0 || rival.handshakes < tie.handshakes),
        }
    }

    const fn messages(&self) -> u64 {
        if self.is_best { self.tie.messages } else { 0 }
    }

    const fn bytes(&self) -> u64 {
        if self.is_best { self.tie.bytes } else { 0 }
    }

    const fn handshakes(&self) -> u64 {
        if self.is_best { self.tie.handshakes } else { 0 }
    }
}

fn party(key: Key) -> Option<Party> {
    let id = if key.word & id::EFF_FLAG == 0 {
        u16::try_from(key.word).ok().and_then(StandardId::new)?.into()
    } else {
        ExtendedId::new(key.word & id::EXTENDED_MASK)?.into()
    };
    Some(Party {
        id,
        address_byte: key.byte,
    })
}

const fn is_extended(word: u32) -> bool {
    word & id::EFF_FLAG != 0
}

/// Whether two identifiers of 29 bits have this layout, and each other's address.
const fn are_ends(one: u32, other: u32, format: u32) -> bool {
    is_extended(one)
        && is_extended(other)
        && one & FORMAT_MASK == format
        && other & FORMAT_MASK == format
        && (one >> 8) & 0xFF == other & 0xFF
        && (other >> 8) & 0xFF == one & 0xFF
}

/// Whether `word` is, by its layout, the identifier of answers to `to`.
fn is_response(word: u32, to: u32) -> bool {
    match (is_extended(word), is_extended(to)) {
        (false, false) => word == to + 8 || (to == FUNCTIONAL && word & 0x7F8 == 0x7E8),
        // Testers have F1 and its neighbours.
        (true, true) => {
            let are_ends = are_ends(word, to, NORMAL_FIXED) || are_ends(word, to, MIXED_FIXED);
            (are_ends || is_functional_word(to)) && (word >> 8) & 0xFF >= 0xF0
        }
        _ => false,
    }
}

/// Whether an identifier is, by its layout or by legislation, one for requests to all: 7DF, 18DBxxxx,
/// 18CDxxxx.
#[must_use]
pub fn is_functional(id: Id) -> bool {
    is_functional_word(id::to_word(id))
}

fn is_functional_word(word: u32) -> bool {
    if is_extended(word) {
        FUNCTIONAL_FIXED.contains(&(word & FORMAT_MASK))
    } else {
        word == FUNCTIONAL
    }
}

fn mode(source: Key, destination: Key) -> Mode {
    let (one, other) = (source.word, destination.word);
    let are_same = source.byte == destination.byte;
    match (source.byte, is_extended(one) || is_extended(other)) {
        (None, false) => Mode::Normal11,
        (None, true) if are_ends(one, other, NORMAL_FIXED) => Mode::NormalFixed,
        (None, true) => Mode::Normal29,
        (Some(_), false) if are_same => Mode::Mixed11,
        (Some(_), true) if are_same && are_ends(one, other, MIXED_FIXED) => Mode::Mixed29,
        (Some(_), _) => Mode::Extended,
    }
}
