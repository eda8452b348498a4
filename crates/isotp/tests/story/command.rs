//! Command lines of isotpsend and isotprecv in the words of our types.

use bytes::Bytes;
use can_link::frame::FdFlags;
use can_link::{ExtendedId, Id, StandardId};
use isotp::{
    Address, BlockSize, Config, DataLink, FrameLength, Padding, PaddingCheck, RxAddress, StMin, TxAddress,
    TxDl,
};
use testkit::vectors::{Value, hex};

/// How a message goes out without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cast {
    /// In one frame (`-S`).
    Single,
    /// In many (`-C`).
    Many,
}

/// What one command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Command {
    pub(crate) address: Address,
    pub(crate) config: Config,
    pub(crate) cast: Option<Cast>,
    /// Bytes that it makes up (`-D`).
    generated: Option<usize>,
    /// How often it sends, or receives.
    pub(crate) times: usize,
}

/// An identifier of up to three digits, or of eight.
fn id(text: &str) -> Id {
    let raw = u32::from_str_radix(text, 16).unwrap();
    if text.len() == 8 {
        ExtendedId::new(raw).unwrap().into()
    } else {
        StandardId::new(u16::try_from(raw).unwrap()).unwrap().into()
    }
}

fn byte(text: &str) -> u8 {
    u8::from_str_radix(text, 16).unwrap()
}

impl Command {
    /// Reads a line such as `isotpsend -s 123 -d 321 -D 100 vcan0`.
    pub(crate) fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let receives = match words.next() {
            Some("isotprecv") => true,
            Some("isotpsend") => false,
            other => panic!("{other:?} in {line}"),
        };
        let (mut tx, mut rx, mut bytes) = (None, None, None);
        let (mut fill, mut check) = (None, "");
        let mut command = Self {
            // The kernel does not pad unless it is told to.
            config: Config::default().padding(Padding::none()),
            address: Address::normal(StandardId::ZERO, StandardId::MAX).unwrap(),
            cast: None,
            generated: None,
            times: 1,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} in {line}"));
            let config = command.config;
            match word {
                "-s" => tx = Some(id(value())),
                "-d" => rx = Some(id(value())),
                "-x" => {
                    let text = value();
                    let (own, other) = text.split_once(':').unwrap_or((text, text));
                    bytes = Some((byte(own), byte(other)));
                }
                "-p" => {
                    let text = value();
                    let (sent, received) = text.split_once(':').unwrap_or((text, ""));
                    if !sent.is_empty() {
                        command.config = config.padding(Padding::filled(byte(sent)));
                    }
                    fill = (!received.is_empty()).then(|| byte(received));
                }
                "-P" => check = value(),
                "-L" => command.config = link_layer(config, value()),
                "-b" if receives => command.config = config.block_size(BlockSize::from_bits(byte(value()))),
                "-m" => command.config = config.st_min(StMin::from_received(byte(value()))),
                // A sender that waits for its end, as all of ours do.
                "-b" => {}
                "-D" => command.generated = Some(value().parse().unwrap()),
                "-l" if receives => command.times = usize::MAX,
                "-l" => command.times = value().parse().unwrap(),
                "-t" => assert_eq!(value(), "ZERO", "{line}"),
                "-S" => command.cast = Some(Cast::Single),
                "-C" => command.cast = Some(Cast::Many),
                interface if !interface.starts_with('-') => {}
                unknown => panic!("{unknown} in {line}"),
            }
        }
        let length = match check {
            "l" | "a" => FrameLength::Padded,
            _ => FrameLength::Any,
        };
        let fill = fill.filter(|_| check == "c" || check == "a");
        command.config = command
            .config
            .padding_check(PaddingCheck::default().length(length).fill(fill));
        let tx = tx.unwrap_or_else(|| panic!("-s in {line}"));
        // Who sends to everybody listens to nobody.
        let rx = rx.unwrap_or_else(|| StandardId::ZERO.into());
        command.address = match bytes {
            Some((own, other)) => {
                Address::asymmetric(TxAddress::extended(tx, own), RxAddress::extended(rx, other))
            }
            None => Address::normal(tx, rx),
        }
        .unwrap();
        command
    }

    /// What it sends, with this text on its standard input.
    pub(crate) fn message(&self, stdin: &Value) -> Bytes {
        match self.generated {
            Some(len) => (0..len).map(|i| u8::try_from(i % 255 + 1).unwrap()).collect(),
            None => hex(stdin.as_str().unwrap()).into(),
        }
    }
}

/// `mtu:tx_dl:flags`, in decimal.
fn link_layer(config: Config, text: &str) -> Config {
    let mut parts = text.split(':').map(|part| part.parse::<u8>().unwrap());
    let (mtu, tx_dl, flags) = (parts.next(), parts.next().unwrap(), parts.next().unwrap());
    config.data_link(match mtu {
        Some(72) => DataLink::Fd {
            tx_dl: TxDl::new(tx_dl.into()).unwrap(),
            flags: FdFlags::from_bits(flags),
        },
        _ => DataLink::Classic,
    })
}
