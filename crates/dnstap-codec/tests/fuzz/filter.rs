//! Any text as a filter.

use dnstap_codec::filter::Filter;
use dnstap_codec::{Dnstap, Message, MessageType};

/// An error is in one of the columns or behind the last; a filter can be asked.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match text.parse::<Filter>() {
        Ok(filter) => {
            let message = Message {
                query_message: Some(bytes),
                query_address: Some(&[192, 0, 2, 1]),
                ..Message::new(MessageType::ClientQuery)
            };
            let _ = filter.matches(&Dnstap::new(message));
        }
        Err(error) => assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}"),
    }
}
