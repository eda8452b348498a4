//! One test of one field.

use alloc::vec::Vec;

use super::field::{Address, Bytes, Fact, Name, Number};
use super::glob::Glob;
use super::value::{Labels, Network};
use super::view::View;
use crate::dns::Name as DnsName;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Fact(Fact),
    Number(Number, Numbers),
    Bytes(Bytes, Texts),
    Address(Address, Addresses),
    Name(Name, Names),
}

/// What a number has to be. Every kind of value has [`Any`](Self::Any), "it is there", and "none of these".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Any,
    OneOf(Vec<i64>),
    NoneOf(Vec<i64>),
    Less(i64),
    AtMost(i64),
    More(i64),
    AtLeast(i64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Texts {
    Any,
    OneOf(Vec<Vec<u8>>),
    NoneOf(Vec<Vec<u8>>),
    Glob(Glob),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Addresses {
    Any,
    OneOf(Vec<Network>),
    NoneOf(Vec<Network>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Any,
    OneOf(Vec<Labels>),
    NoneOf(Vec<Labels>),
    Under(Labels),
    Glob(Glob),
}

impl Test {
    pub(super) fn holds(&self, view: &View<'_, '_>) -> bool {
        match self {
            Self::Fact(fact) => view.fact(*fact),
            Self::Number(field, wanted) => view.number(*field).is_some_and(|number| wanted.hold(number)),
            Self::Bytes(field, wanted) => view.bytes(*field).is_some_and(|bytes| wanted.hold(bytes)),
            Self::Address(field, wanted) => view.address(*field).is_some_and(|address| match wanted {
                Addresses::Any => true,
                Addresses::OneOf(networks) => networks.iter().any(|network| network.contains(address)),
                Addresses::NoneOf(networks) => !networks.iter().any(|network| network.contains(address)),
            }),
            Self::Name(field, wanted) => view.name(*field).is_some_and(|name| wanted.hold(&name)),
        }
    }
}

impl Numbers {
    fn hold(&self, number: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(numbers) => numbers.contains(&number),
            Self::NoneOf(numbers) => !numbers.contains(&number),
            Self::Less(bound) => number < *bound,
            Self::AtMost(bound) => number <= *bound,
            Self::More(bound) => number > *bound,
            Self::AtLeast(bound) => number >= *bound,
        }
    }
}

impl Texts {
    fn hold(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(texts) => texts.iter().any(|text| text == bytes),
            Self::NoneOf(texts) => !texts.iter().any(|text| text == bytes),
            Self::Glob(glob) => glob.matches(bytes),
        }
    }
}

impl Names {
    fn hold(&self, name: &DnsName<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(names) => names.iter().any(|labels| is(name, labels)),
            Self::NoneOf(names) => !names.iter().any(|labels| is(name, labels)),
            Self::Under(labels) => is_under(name, labels),
            Self::Glob(glob) => {
                let mut text = [0; 256];
                flat(name, &mut text).is_some_and(|text| glob.matches(text))
            }
        }
    }
}

fn is(name: &DnsName<'_>, labels: &Labels) -> bool {
    name.labels().count() == labels.0.len() && is_under(name, labels)
}

fn is_under(name: &DnsName<'_>, labels: &Labels) -> bool {
    let Some(above) = name.labels().count().checked_sub(labels.0.len()) else {
        return false;
    };
    let mut pairs = name.labels().skip(above).zip(&labels.0);
    pairs.all(|(label, wanted)| label.eq_ignore_ascii_case(wanted))
}

/// A name in lower case, with dots between its labels and none at the end, unescaped.
fn flat<'b>(name: &DnsName<'_>, text: &'b mut [u8; 256]) -> Option<&'b [u8]> {
    let mut len = 0;
    for label in name.labels() {
        if len > 0 {
            *text.get_mut(len)? = b'.';
            len += 1;
        }
        text.get_mut(len..len + label.len())?.copy_from_slice(label);
        len += label.len();
    }
    let text = text.get_mut(..len)?;
    text.make_ascii_lowercase();
    Some(text)
}
