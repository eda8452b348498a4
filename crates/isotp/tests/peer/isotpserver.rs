//! Text of a client against frames: our server on a virtual bus, its clients at the ends of pipes.
//!
//! Each entry runs twice. The server that imitates the original must do exactly what is written; the strict
//! one does what a reference of a few lines says, and where that differs the rule is told.

mod entry;
mod scene;
mod session;

use isotp::isotpserver::{Failures, Reading, ServerConfig};
use isotp::{Address, Config, Padding};
pub(crate) use session::check as session;
use testkit::vectors::{Tally, Value, entries};

/// The two servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Imitating,
    Strict,
}

impl Manner {
    const BOTH: [Self; 2] = [Self::Imitating, Self::Strict];

    fn server(self) -> ServerConfig {
        match self {
            Self::Imitating => ServerConfig::default()
                .reading(Reading::Tolerant)
                .failures(Failures::HangUp),
            Self::Strict => ServerConfig::default(),
        }
    }

    /// As the original: no padding, and messages from the bus as long as the kernel takes them.
    fn endpoint(self) -> Config {
        let config = Config::default().padding(Padding::none());
        config.max_rx_len(match self {
            Self::Imitating => 66_000,
            Self::Strict => 6000,
        })
    }
}

/// All entries of a file, whose `peer` tells the identifiers.
pub(crate) fn file(file: &Value, tally: &mut Tally) {
    let address = address(file["peer"].as_str().unwrap());
    for entry in entries(file) {
        entry::check(entry, address, tally);
        tally.checked();
    }
}

/// The addresses that `-s` and `-d` name.
fn address(command: &str) -> Address {
    let id = |flag| {
        let mut words = command.split_whitespace().skip_while(|word| *word != flag);
        let text = words.nth(1).unwrap_or_else(|| panic!("{command}: no {flag}"));
        super::frame(&format!("{text}#")).id()
    };
    Address::normal(id("-s"), id("-d")).unwrap()
}

/// What strict reading takes from `text`: even hex between a bracket and the next one.
fn strict_messages(text: &str) -> Vec<Vec<u8>> {
    let parts = text.split('<').skip(1);
    let inside = parts.filter_map(|part| part.split_once('>').map(|(inside, _)| inside));
    let is_hex = |inside: &&str| {
        !inside.is_empty()
            && inside.len().is_multiple_of(2)
            && inside.len() <= 12_000
            && inside.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    inside.filter(is_hex).map(testkit::vectors::hex).collect()
}
