//! Steps through the text of one route, as the `scanf` formats of libcsp do.

use core::ops::Range;

/// A decimal number, and where it stands in the whole text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) value: i64,
    pub(super) start: usize,
    /// Behind its last digit.
    pub(super) end: usize,
}

/// Steps through one entry.
pub(super) struct Scanner<'a> {
    text: &'a str,
    /// Where the entry begins in the whole text.
    offset: usize,
    at: usize,
}

impl<'a> Scanner<'a> {
    /// At the front of the entry `text`, which begins at `offset` of the whole text.
    pub(super) const fn new(text: &'a str, offset: usize) -> Self {
        Self { text, offset, at: 0 }
    }

    /// Where in the whole text it is.
    pub(super) const fn position(&self) -> usize {
        self.offset.saturating_add(self.at)
    }

    /// What was not looked at yet, without the blanks at the end.
    pub(super) fn remaining(&self) -> Range<usize> {
        let len = self.rest().trim_end_matches(is_blank).len();
        self.position()..self.position().saturating_add(len)
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Takes the characters at the front that are `wanted`.
    fn take(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|character| !wanted(character)).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end);
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn skip_blanks(&mut self) {
        self.take(is_blank);
    }

    /// Steps over `byte` if it is next.
    pub(super) fn skip(&mut self, byte: u8) -> bool {
        let there = self.rest().as_bytes().first() == Some(&byte);
        self.at = self.at.saturating_add(usize::from(there));
        there
    }

    /// What there is up to the next blank, perhaps nothing.
    pub(super) fn word(&mut self) -> &'a str {
        self.take(|character| !is_blank(character))
    }

    /// A decimal number with or without a sign; one without end is very large.
    pub(super) fn number(&mut self) -> Option<Number> {
        let begin = self.at;
        let start = self.position();
        let is_negative = self.skip(b'-');
        if !is_negative {
            self.skip(b'+');
        }
        let digits = self.take(|character| character.is_ascii_digit());
        if digits.is_empty() {
            self.at = begin;
            return None;
        }
        let value = digits.parse().unwrap_or(i64::MAX);
        Some(Number {
            value: if is_negative { -value } else { value },
            start,
            end: self.position(),
        })
    }
}

/// The blanks of C.
const fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}
