//! Messages as text: the forms that dnstap tools print, and JSON.
//!
//! | [`Style`] | of | one message |
//! |---|---|---|
//! | `Quiet` | golang-dnstap `-q` | `05:02:27.995759 CQ 127.0.0.1 UDP 47b "a.test." IN A` |
//! | `Dated` | `dnstap-ldns -q` | the same with the date in front |
//! | `Bind` | `dnstap-read` | `20-Nov-2026 05:02:27.995 CQ ::1:55296 -> ::1:5399 UDP 47b a.test/IN/A` |
//! | `Yaml` | golang-dnstap `-y` | a YAML document |
//! | `Json` | golang-dnstap `-j`, and more | one object on one line |
//!
//! # Where the tools are not followed
//!
//! Times are UTC, and a mapped IPv4 address is shown as IPv4, in all forms. Where a tool refuses a message, a
//! line is printed with what is known: a kind or a transport without a name as its number, and of a DNS
//! message whatever comes before the place that cannot be read. The tools' `[unhandled ...]` for updates and
//! stub messages, `UDP` for a missing transport (dnstap-read), and `BADSIG` for BADVERS, `CLASS255` for ANY
//! (golang-dnstap) are not copied. LOC, CSYNC and other types that neither we nor `domain` know are shown as
//! RFC 3597 asks. The YAML has `extra`, `policy` and `http_protocol` besides.

mod clock;
mod dns;
mod edns;
mod ink;
mod json;
mod names;
mod quiet;
mod rdata;
mod svcb;
mod yaml;

use alloc::vec::Vec;

use crate::Dnstap;
use clock::Clock;

/// How messages are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Style {
    /// A line with time, kind, address, transport, length and question.
    #[default]
    Quiet,
    /// The same with the date in front.
    Dated,
    /// A line with both addresses and ports.
    Bind,
    /// A YAML document; `---` ends it.
    Yaml,
    /// A JSON object on a line.
    Json,
}

/// Prints messages, each at the end of a buffer. Keeps what neighbouring lines share.
///
/// ```
/// use dnstap_codec::text::{Printer, Style};
/// use dnstap_codec::{Dnstap, Message, MessageType, SocketProtocol};
///
/// let message = Message {
///     socket_protocol: Some(SocketProtocol::Udp),
///     query_address: Some(&[127, 0, 0, 1]),
///     query_time_sec: Some(1_795_150_947),
///     query_time_nsec: Some(995_759_000),
///     query_message: Some(b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01"),
///     ..Message::new(MessageType::ClientQuery)
/// };
/// let mut lines = Vec::new();
/// Printer::new(Style::Quiet).print(&Dnstap::new(message), &mut lines);
/// assert_eq!(lines, b"05:02:27.995759 CQ 127.0.0.1 UDP 24b \"a.test.\" IN A\n");
/// ```
#[derive(Clone, Debug)]
pub struct Printer {
    style: Style,
    json: json::Parts,
    clock: Clock,
    scratch: Vec<u8>,
}

impl Printer {
    /// Prints in this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self {
            style,
            json: json::Parts::default(),
            clock: Clock::default(),
            scratch: Vec::new(),
        }
    }

    /// Whether JSON has the DNS messages as one text, as golang-dnstap prints them; yes by default.
    ///
    /// Without, a line is about half as long, and the messages are there as structured data nevertheless.
    #[must_use]
    pub const fn json_text(mut self, is_wanted: bool) -> Self {
        self.json.text = is_wanted;
        self
    }

    /// Whether JSON has the DNS messages in hex, from which the payload can be made again; yes by default.
    #[must_use]
    pub const fn json_hex(mut self, is_wanted: bool) -> Self {
        self.json.hex = is_wanted;
        self
    }

    /// Prints one payload to the end of `to`, with a line feed.
    pub fn print(&mut self, dnstap: &Dnstap<'_>, to: &mut Vec<u8>) {
        let Self {
            style,
            json,
            clock,
            scratch,
        } = self;
        match style {
            Style::Quiet => quiet::golang(dnstap, clock, to),
            Style::Dated => quiet::ldns(dnstap, clock, to),
            Style::Bind => quiet::bind(dnstap, clock, to),
            Style::Yaml => yaml::print(dnstap, clock, scratch, to),
            Style::Json => json::print(dnstap, *json, clock, scratch, to),
        }
    }
}

#[cfg(test)]
mod tests;
