//! What every verb takes that is one end of a conversation.

use core::time::Duration;

use can_link::Id;
use clap::{Args, ValueEnum};
use isotp::StMin;

use crate::units;

/// One end of a conversation.
#[derive(Args, Clone, Debug)]
pub(crate) struct Endpoint {
    /// The link; also taken as the first word
    #[arg(long, value_name = "LINK")]
    pub(crate) link: Option<String>,
    /// Identifier of our own frames; 8 digits are extended
    #[arg(short = 's', long = "source", value_name = "ID", value_parser = units::can_id)]
    pub(crate) source: Option<Id>,
    /// Identifier of the other's frames
    #[arg(short = 'd', long = "destination", value_name = "ID", value_parser = units::can_id)]
    pub(crate) destination: Option<Id>,
    /// How frames are addressed, where -s, -d and -x do not say it
    #[arg(long, value_name = "MODE")]
    pub(crate) addressing: Option<Addressing>,
    /// N_TA in hex: the other node's address, where the mode has addresses
    #[arg(long = "ta", value_name = "HEX", value_parser = units::hex_byte, requires = "addressing")]
    pub(crate) target_address: Option<u8>,
    /// N_SA in hex: our own address
    #[arg(long = "sa", value_name = "HEX", value_parser = units::hex_byte, requires = "addressing")]
    pub(crate) source_address: Option<u8>,
    /// N_AE in hex: the address extension of the mixed modes
    #[arg(long = "ae", value_name = "HEX", value_parser = units::hex_byte, requires = "addressing")]
    pub(crate) extension: Option<u8>,
    /// An address byte comes first: the other's, and ours where it differs
    #[arg(short = 'x', long = "extended", value_name = "EA[:RXEA]", value_parser = address_bytes)]
    pub(crate) extended: Option<(u8, u8)>,
    /// Fill our frames with this byte, or none, and say what the other fills with; without -p: CC
    #[arg(short = 'p', long = "padding", value_name = "[TX]:[RX]|none", value_parser = padding)]
    pub(crate) padding: Option<Filling>,
    /// Refuse received frames of a wrong (l)ength, with wrong filler (c), or either (a)
    #[arg(short = 'P', long = "check-padding", value_name = "l|c|a")]
    pub(crate) check_padding: Option<Checked>,
    /// CAN FD: MTU, frame length and flags, for example 72:64:1
    #[arg(short = 'L', long = "link-layer", value_name = "MTU:DL:FLAGS", value_parser = link_layer)]
    pub(crate) link_layer: Option<LinkLayer>,
    /// Who cuts and joins messages: the kernel where it can do all that is asked, or by name
    #[arg(long, value_name = "WHO", default_value = "auto")]
    pub(crate) backend: Backend,
    /// One of the standard's timers, for example N_Bs=250ms; may be repeated
    #[arg(long = "timer", value_name = "NAME=TIME", value_parser = timer)]
    pub(crate) timers: Vec<(Timer, Duration)>,
    /// One message at a time, either way
    #[arg(long)]
    pub(crate) half_duplex: bool,
    /// Say who does the work, and why
    #[arg(short = 'v', long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// `--addressing`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Addressing {
    /// A pair of 11 bits: -s, -d
    Normal11,
    /// A pair of 29 bits: -s, -d
    Normal29,
    /// 29 bits made of addresses: --ta, --sa
    NormalFixed,
    /// A pair, and an address byte in each direction: -s, -d, --ta, --sa
    Extended,
    /// A pair of 11 bits, and the same byte in both directions: -s, -d, --ae
    Mixed11,
    /// 29 bits made of addresses, and the same byte in both directions: --ta, --sa, --ae
    Mixed29,
}

/// `--backend`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Backend {
    /// The kernel where it can do all that is asked, else this program
    Auto,
    /// The kernel, or nobody
    Kernel,
    /// This program
    User,
}

/// `--timer`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    As,
    Ar,
    Bs,
    Br,
    Cr,
}

/// `-P`
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Checked {
    /// The length
    #[value(name = "l")]
    Length,
    /// The content
    #[value(name = "c")]
    Content,
    /// Both
    #[value(name = "a")]
    All,
}

/// `-p`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Filling {
    /// How our frames are filled.
    pub(crate) tx: TxFilling,
    /// What the other's frames are filled with.
    pub(crate) rx: Option<u8>,
}

/// How our frames are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TxFilling {
    /// As usual.
    Default,
    /// Not at all: frames stay short.
    None,
    /// With this byte.
    Byte(u8),
}

/// `-L`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkLayer {
    /// MTU 16.
    Classic,
    /// MTU 72.
    Fd {
        /// Bytes of our longest frame.
        length: usize,
        /// Flags of our frames.
        flags: u8,
    },
}

fn address_bytes(text: &str) -> Result<(u8, u8), String> {
    let (tx, rx) = text.split_once(':').unwrap_or((text, text));
    Ok((units::hex_byte(tx)?, units::hex_byte(rx)?))
}

pub(super) fn padding(text: &str) -> Result<Filling, String> {
    if text == "none" {
        let (tx, rx) = (TxFilling::None, None);
        return Ok(Filling { tx, rx });
    }
    let (tx, rx) = text.split_once(':').unwrap_or((text, ""));
    if tx.is_empty() && rx.is_empty() {
        return Err(format!("{text:?} names no byte; write TX, TX:RX, :RX or none"));
    }
    Ok(Filling {
        tx: match tx {
            "" => TxFilling::Default,
            "none" => TxFilling::None,
            byte => TxFilling::Byte(units::hex_byte(byte)?),
        },
        rx: match rx {
            "" => None,
            byte => Some(units::hex_byte(byte)?),
        },
    })
}

pub(super) fn st_min(text: &str) -> Result<StMin, String> {
    StMin::from_bits(units::hex_byte(text)?).ok_or_else(|| {
        format!("{text} is reserved; 00 to 7F are milliseconds, F1 to F9 hundreds of microseconds")
    })
}

pub(super) fn link_layer(text: &str) -> Result<LinkLayer, String> {
    let fields: Vec<usize> = text
        .split(':')
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("{text:?} is not MTU:DL:FLAGS, for example 72:64:1"))?;
    match fields.as_slice() {
        [16, 8, _] => Ok(LinkLayer::Classic),
        [72, length, flags] if [8, 12, 16, 20, 24, 32, 48, 64].contains(length) && *flags < 16 => {
            Ok(LinkLayer::Fd {
                length: *length,
                flags: u8::try_from(*flags).unwrap_or_default(),
            })
        }
        [16 | 72, ..] if fields.len() == 3 => Err(format!(
            "{text}: frames of {} bytes do not exist there; CAN FD has 8 12 16 20 24 32 48 64",
            fields.get(1).copied().unwrap_or_default()
        )),
        _ => Err(format!(
            "{text:?} is not MTU:DL:FLAGS; MTU is 16 or 72, as in 72:64:1"
        )),
    }
}

fn timer(text: &str) -> Result<(Timer, Duration), String> {
    const NAMES: [(&str, Timer); 5] = [
        ("N_As", Timer::As),
        ("N_Ar", Timer::Ar),
        ("N_Bs", Timer::Bs),
        ("N_Br", Timer::Br),
        ("N_Cr", Timer::Cr),
    ];
    let known = |name: &str| NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    match text.split_once('=').map(|(name, time)| (known(name), time)) {
        Some((Some(&(_, timer)), time)) => Ok((timer, units::millis(time)?)),
        _ => Err(format!(
            "{text:?} is not one of N_As N_Ar N_Bs N_Br N_Cr with a time, as in N_Bs=250ms"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_padding_bytes_come_in_pairs_or_alone() {
        assert_eq!(address_bytes("F1"), Ok((0xF1, 0xF1)));
        assert_eq!(address_bytes("F1:10"), Ok((0xF1, 0x10)));
        assert!(address_bytes("").is_err());
        let filled = |tx, rx| Ok(Filling { tx, rx });
        assert_eq!(padding("CC"), filled(TxFilling::Byte(0xCC), None));
        assert_eq!(padding("CC:"), filled(TxFilling::Byte(0xCC), None));
        assert_eq!(padding("CC:AA"), filled(TxFilling::Byte(0xCC), Some(0xAA)));
        assert_eq!(padding(":AA"), filled(TxFilling::Default, Some(0xAA)));
        assert_eq!(padding("none"), filled(TxFilling::None, None));
        assert_eq!(padding("none:AA"), filled(TxFilling::None, Some(0xAA)));
        assert!(padding("CCC").is_err() && padding(":").is_err() && padding("").is_err());
    }

    #[test]
    fn a_reserved_stmin_is_refused() {
        assert_eq!(st_min("5").map(StMin::to_bits), Ok(5));
        assert_eq!(st_min("F1").map(StMin::to_bits), Ok(0xF1));
        assert!(st_min("80").is_err() && st_min("FA").is_err());
    }

    #[test]
    fn the_link_layer_is_one_that_exists() {
        assert_eq!(link_layer("16:8:0"), Ok(LinkLayer::Classic));
        let fd = LinkLayer::Fd { length: 64, flags: 1 };
        assert_eq!(link_layer("72:64:1"), Ok(fd));
        assert!(
            link_layer("72:63:1")
                .unwrap_err()
                .contains("63 bytes do not exist")
        );
        assert!(link_layer("2060:64:1").is_err());
        assert!(link_layer("72:64").is_err());
    }

    #[test]
    fn timers_have_the_standards_names() {
        assert_eq!(timer("N_Bs=250ms"), Ok((Timer::Bs, Duration::from_millis(250))));
        assert_eq!(timer("n_cr=2s"), Ok((Timer::Cr, Duration::from_secs(2))));
        assert!(timer("N_Xs=1s").is_err() && timer("N_Bs").is_err() && timer("N_Bs=x").is_err());
    }
}
