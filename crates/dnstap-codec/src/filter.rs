//! Which messages are wanted: `qtype==AAAA && rcode!=0`.
//!
//! ```
//! use dnstap_codec::filter::Filter;
//! use dnstap_codec::{Dnstap, Message, MessageType};
//!
//! let filter: Filter = "kind in {CQ, CR} && !(qname under example.org)".parse()?;
//! let message = Message {
//!     query_message: Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01"),
//!     ..Message::new(MessageType::ClientQuery)
//! };
//! assert!(filter.matches(&Dnstap::new(message)));
//! # Ok::<(), dnstap_codec::filter::FilterError>(())
//! ```
//!
//! # Language
//!
//! `!`, `&&` and `||` (or `not`, `and`, `or`), in this order of strength, and parentheses, over tests:
//!
//! | test | holds when |
//! |---|---|
//! | `FIELD` | the message has the field; for a flag, when it is set |
//! | `FIELD == VALUE`, `!=`, `<`, `<=`, `>`, `>=` | it compares so |
//! | `FIELD in {A, B}` | it is one of the values; for addresses, in one of the networks |
//! | `FIELD ~ GLOB` | the text matches; `*` stands for any characters, `?` for one |
//! | `NAME under example.org` | the name is this one or below it |
//!
//! A value that has spaces or signs of the language in it stands in quotes, `"` or `'`; there, a backslash
//! before a quote or a backslash takes it as it is, and stands for itself otherwise: names are written as
//! they are shown.
//!
//! **A test of a field that a message does not have does not hold**, whatever the operator: `rcode != 0`
//! holds for responses that are no success, `!(rcode == 0)` for queries too.
//!
#![doc = include_str!("filter/fields.md")]
//!
//! The DNS message is the response of a response, the query of a query. Its header and its question are read
//! when a test asks for them, and once at most. Matching allocates nothing.

mod error;
mod field;
mod glob;
mod lexer;
mod parser;
mod test;
mod value;
mod view;

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::str::FromStr;

pub use error::{FilterError, Reason};
pub use field::{FieldInfo, fields};
use test::Test;
use view::View;

use crate::Dnstap;

/// Longest expression, in bytes.
pub const MAX_LEN: usize = 16 * 1024;
/// How deep parentheses and negations may stand within each other.
pub const MAX_DEPTH: usize = 64;

/// A compiled expression; see the [module](self) for the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Expression);

impl Filter {
    /// Whether the expression holds for a message.
    #[must_use]
    pub fn matches(&self, dnstap: &Dnstap<'_>) -> bool {
        self.0.holds(&View::new(dnstap))
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        parser::parse(text).map(Self)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expression {
    Test(Test),
    Not(Box<Self>),
    /// All of them.
    And(Vec<Self>),
    /// Any of them.
    Or(Vec<Self>),
}

impl Expression {
    /// Recursion goes as deep as [`MAX_DEPTH`] allows.
    fn holds(&self, view: &View<'_, '_>) -> bool {
        match self {
            Self::Test(test) => test.holds(view),
            Self::Not(inner) => !inner.holds(view),
            Self::And(all) => all.iter().all(|inner| inner.holds(view)),
            Self::Or(any) => any.iter().any(|inner| inner.holds(view)),
        }
    }
}

#[cfg(test)]
mod tests;
