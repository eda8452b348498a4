//! Numbers with units, as they are typed: durations, rates, hex bytes, CAN identifiers, percentages.

use core::num::NonZeroU64;
use core::time::Duration;

use can_link::{ExtendedId, Id, StandardId};

/// A duration with a unit: `100us`, `5ms`, `1.5s`, `2m`, `1h`. Only `0` may go without.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        Ok(_) => Err(format!("{text} has no unit; write {text}ms or {text}s")),
        Err(_) => with_unit(text),
    }
}

/// A duration; a bare number counts milliseconds, as in can-utils.
pub(crate) fn millis(text: &str) -> Result<Duration, String> {
    bare_or_unit(text, 1e-3)
}

/// A duration; a bare number counts microseconds, as in isotpsend.
pub(crate) fn micros(text: &str) -> Result<Duration, String> {
    bare_or_unit(text, 1e-6)
}

/// A duration; a bare number counts nanoseconds, as in the tools of kernel ISO-TP.
pub(crate) fn nanos(text: &str) -> Result<Duration, String> {
    bare_or_unit(text, 1e-9)
}

/// A duration; a bare number counts seconds, as in ping.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    bare_or_unit(text, 1.0)
}

fn bare_or_unit(text: &str, unit: f64) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(number) => scaled(number, unit, text),
        Err(_) => with_unit(text),
    }
}

fn with_unit(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => {
            return Err(format!(
                "{text:?} is no duration; write for example 100us, 5ms, 1.5s or 2m"
            ));
        }
    };
    let number = number
        .parse::<f64>()
        .map_err(|_| format!("{text:?} is no duration; write for example 100us, 5ms, 1.5s or 2m"))?;
    scaled(number, seconds, text)
}

fn scaled(number: f64, unit: f64, text: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(number * unit).map_err(|_| format!("{text} is out of range for a duration"))
}

/// So many in a second, more than none: `500`, `20k`, `1.5M`.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    let (number, scale) = match text.strip_suffix(['k', 'K']) {
        Some(number) => (number, 1e3),
        None => text.strip_suffix('M').map_or((text, 1.0), |number| (number, 1e6)),
    };
    number
        .parse::<f64>()
        .map(|number| number * scale)
        .ok()
        .filter(|rate| rate.is_finite() && *rate > 0.0)
        .ok_or_else(|| format!("{text:?} is no rate; write for example 500, 20k or 1.5M"))
}

/// A number of bytes, more than none: `4096`, `500k`, `100MB` (thousands), `2GiB` (1,024s).
pub(crate) fn size(text: &str) -> Result<NonZeroU64, String> {
    let wrong = || format!("{text:?} is no size; write for example 4096, 500k, 100MB or 2GiB");
    let at = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let scale: u64 = match unit {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1_000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number = number.parse::<u64>().map_err(|_| wrong())?;
    number
        .checked_mul(scale)
        .and_then(NonZeroU64::new)
        .ok_or_else(wrong)
}

/// A port as C reads numbers: decimal, `0x` hex, or octal behind a 0.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let lower = text.to_ascii_lowercase();
    let parsed = match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(hex), _) => u16::from_str_radix(hex, 16),
        (_, Some(octal)) if !octal.is_empty() => u16::from_str_radix(octal, 8),
        _ => lower.parse(),
    };
    parsed.map_err(|_| format!("{text:?} is no port; write a number up to 65535"))
}

/// Permissions in octal.
pub(crate) fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777)
        .ok_or_else(|| format!("{text:?} are no permissions; write for example 660"))
}

/// A share between 0 and 1, also written in percent.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let (number, scale) = text
        .strip_suffix('%')
        .map_or((text, 1.0), |number| (number, 0.01));
    number
        .parse::<f64>()
        .map(|number| number * scale)
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("{text:?} is no share; write for example 5% or 0.05"))
}

/// A CAN identifier in hex: up to 3 digits for 11 bits, 8 digits for 29 bits.
pub(crate) fn can_id(text: &str) -> Result<Id, String> {
    let value = u32::from_str_radix(text, 16)
        .ok()
        .filter(|_| !text.starts_with('+'))
        .ok_or_else(|| format!("{text:?} is no hex number"))?;
    let id = if text.len() == 8 {
        ExtendedId::new(value).map(Id::from)
    } else {
        u16::try_from(value).ok().and_then(StandardId::new).map(Id::from)
    };
    id.ok_or_else(|| {
        format!("{text} is no CAN identifier: write 3 hex digits up to 7FF, or 8 digits up to 1FFFFFFF")
    })
}

/// The identifier as can-utils write it: 3 or 8 upper-case hex digits.
pub(crate) fn id_text(id: Id) -> String {
    match id {
        Id::Standard(id) => format!("{:03X}", id.as_raw()),
        Id::Extended(id) => format!("{:08X}", id.as_raw()),
    }
}

/// Bytes in hex. Blanks, dots and colons may stand between bytes; a digit that stands alone is a byte.
pub(crate) fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let is_gap = |letter: char| letter.is_whitespace() || matches!(letter, '.' | ':');
    for word in text.split(is_gap).filter(|word| !word.is_empty()) {
        let digits = word
            .chars()
            .map(|letter| {
                letter
                    .to_digit(16)
                    .ok_or_else(|| format!("{letter:?} is no hex digit"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        let (pairs, rest) = digits.as_chunks::<2>();
        match (pairs.is_empty(), rest) {
            (_, []) | (true, _) => {}
            _ => {
                return Err(format!(
                    "{word}: {} hex digits; bytes have two each",
                    digits.len()
                ));
            }
        }
        let values = pairs
            .iter()
            .map(|[high, low]| high << 4 | low)
            .chain(rest.iter().copied());
        bytes.extend(values.filter_map(|value| u8::try_from(value).ok()));
    }
    Ok(bytes)
}

/// Bytes as lower-case hex without separators, as JSON carries them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;

    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Bytes in upper-case hex with blanks, as isotprecv prints them.
pub(crate) fn spaced_hex(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(" ")
}

/// One byte in hex.
pub(crate) fn hex_byte(text: &str) -> Result<u8, String> {
    u8::from_str_radix(text, 16).map_err(|_| format!("{text:?} is no byte in hex"))
}

/// Milliseconds with three decimals, or microseconds below one.
pub(crate) fn shown(duration: Duration) -> String {
    let micros = duration.as_micros();
    if micros < 1_000 {
        format!("{micros} µs")
    } else if micros < 1_000_000 {
        format!("{}.{:03} ms", micros / 1_000, micros % 1_000)
    } else {
        format!("{}.{:03} s", micros / 1_000_000, micros / 1_000 % 1_000)
    }
}

/// `1 frame`, `2 frames`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let plural = match count {
        1 => "",
        _ if what.ends_with('s') => "es",
        _ => "s",
    };
    format!("{count} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_prefixes_and_are_more_than_none() {
        assert_eq!(["500", "20k", "1.5M"].map(rate), [Ok(500.0), Ok(20e3), Ok(1.5e6)]);
        for wrong in ["0", "-1", "k", "inf", "5ms"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn one_of_a_kind_is_singular() {
        assert_eq!(
            [0, 1, 2].map(|count| counted(count, "frame")),
            ["0 frames", "1 frame", "2 frames"]
        );
    }

    #[test]
    fn durations_take_units() {
        for (text, micros) in [
            ("5ms", 5_000),
            ("2s", 2_000_000),
            ("100us", 100),
            ("1.5s", 1_500_000),
            ("1m", 60_000_000),
            ("0", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_micros(micros)), "{text}");
        }
    }

    #[test]
    fn a_bare_number_needs_a_unit_unless_its_flag_has_one() {
        assert_eq!(duration("5").unwrap_err(), "5 has no unit; write 5ms or 5s");
        assert_eq!(millis("4.73"), Ok(Duration::from_micros(4_730)));
        assert_eq!(millis("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("0.2"), Ok(Duration::from_millis(200)));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "ms", "5 parsecs", "-1s", "1e999", "nan", "inf", "5.5.5s"] {
            assert!(duration(text).is_err(), "{text:?}");
            assert!(millis(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn shares_may_be_percentages() {
        assert_eq!(percent("5%"), Ok(0.05));
        assert_eq!(percent("0.5"), Ok(0.5));
        assert!(percent("101%").is_err() && percent("-1").is_err() && percent("x").is_err());
    }

    #[test]
    fn eight_digits_make_an_identifier_extended() {
        assert_eq!(can_id("7E0").map(id_text).unwrap(), "7E0");
        assert_eq!(can_id("1").map(id_text).unwrap(), "001");
        assert_eq!(can_id("000007E0").map(id_text).unwrap(), "000007E0");
        assert!(can_id("800").is_err());
        assert!(can_id("18DAF1").is_err(), "six digits are neither");
        assert!(can_id("FFFFFFFF").is_err());
        assert!(can_id("+7E").is_err(), "a sign is no digit");
    }

    #[test]
    fn hex_bytes_may_be_spaced() {
        assert_eq!(hex_bytes("22 F1 90"), Ok(vec![0x22, 0xF1, 0x90]));
        assert_eq!(hex_bytes("22.f1:90"), Ok(vec![0x22, 0xF1, 0x90]));
        assert_eq!(
            hex_bytes("1 a 0f"),
            Ok(vec![0x01, 0x0A, 0x0F]),
            "as isotpsend reads them"
        );
        assert_eq!(
            hex_bytes("22F"),
            Err("22F: 3 hex digits; bytes have two each".into())
        );
        assert_eq!(hex_bytes("2G"), Err("'G' is no hex digit".into()));
        assert_eq!(hex(&[0xDE, 0xAD]), "dead");
    }

    #[test]
    fn durations_are_shown_in_the_unit_that_fits() {
        assert_eq!(shown(Duration::from_micros(812)), "812 µs");
        assert_eq!(shown(Duration::from_micros(12_345)), "12.345 ms");
        assert_eq!(shown(Duration::from_millis(1_500)), "1.500 s");
    }
}
