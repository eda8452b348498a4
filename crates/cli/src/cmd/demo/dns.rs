//! What a resolver did, counted from its recorded dnstap.

use std::collections::BTreeMap;

use dnstap_codec::dns::Question;
use dnstap_codec::{Dnstap, MessageType};
use fstrm_codec::{Config, FileReader};
use serde::Serialize;
use tinwire_sim::resolver::CAPTURE;

use super::Part;
use crate::failure::{Code, Failure, Result};

#[derive(Default, Serialize)]
pub(super) struct Dns {
    r#type: &'static str,
    messages: u64,
    bytes: usize,
    /// By two letters: `CQ`, client query.
    kinds: BTreeMap<&'static str, u64>,
    /// Questions of clients, by record type.
    questions: BTreeMap<String, u64>,
}

pub(super) fn visit() -> Result<Dns> {
    let malformed =
        |error: anyhow::Error| Failure::caused(Code::Malformed, error).context("the recorded capture");
    let mut dns = Dns {
        r#type: "dnstap",
        ..Dns::default()
    };
    let mut reader = FileReader::new(CAPTURE, Config::new()).map_err(|error| malformed(error.into()))?;
    while let Some(payload) = reader.next_frame().map_err(|error| malformed(error.into()))? {
        let dnstap = Dnstap::decode(payload).map_err(|error| malformed(error.into()))?;
        dns.messages += 1;
        dns.bytes += payload.len();
        let Some(message) = dnstap.message else { continue };
        let kind = message.message_type;
        *dns.kinds.entry(kind.mnemonic().unwrap_or("??")).or_default() += 1;
        if kind == MessageType::ClientQuery
            && let Some(Ok(Some(question))) = message.dns_message().map(Question::decode)
        {
            *dns.questions.entry(question.qtype.to_string()).or_default() += 1;
        }
    }
    Ok(dns)
}

impl Part for Dns {
    fn text(&self) -> String {
        fn list(counts: impl Iterator<Item = (String, u64)>) -> String {
            counts
                .map(|(what, count)| format!("{what} {count}"))
                .collect::<Vec<_>>()
                .join(", ")
        }
        let kinds = list(
            self.kinds
                .iter()
                .map(|(kind, &count)| ((*kind).to_owned(), count)),
        );
        let questions = list(
            self.questions
                .iter()
                .map(|(qtype, &count)| (qtype.clone(), count)),
        );
        format!(
            "dnstap in Frame Streams: what a resolver recorded\n  {} messages, {} bytes: {kinds}\n  \
             clients asked for {questions}",
            self.messages, self.bytes
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_of_the_capture_is_of_a_known_kind() {
        let dns = visit().unwrap();
        assert_eq!(dns.messages, 20);
        assert_eq!(dns.kinds.values().sum::<u64>(), 20);
        assert!(!dns.kinds.contains_key("??"));
        assert!(!dns.questions.is_empty());
    }
}
