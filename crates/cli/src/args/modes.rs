//! The modes of `can gen`: cangen's words for what is random, counted or fixed.

use core::str::FromStr;

/// `-I`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IdMode {
    Random,
    Even,
    Odd,
    Counted,
    Fixed(u32),
}

/// `-L`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthMode {
    Random,
    Counted,
    Fixed(usize),
}

/// `-D`
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum DataMode {
    Random,
    Counted,
    /// Bytes, and for each the bits that are random.
    Pattern(Vec<(u8, u8)>),
}

impl FromStr for IdMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "r" => Self::Random,
            "e" => Self::Even,
            "o" => Self::Odd,
            "i" => Self::Counted,
            _ => u32::from_str_radix(text, 16)
                .ok()
                .filter(|&id| id <= 0x1FFF_FFFF && !text.starts_with('+'))
                .map(Self::Fixed)
                .ok_or_else(|| format!("{text:?} is none of r, e, o, i and no identifier in hex"))?,
        })
    }
}

impl FromStr for LengthMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "r" => Self::Random,
            "i" => Self::Counted,
            _ => text
                .parse()
                .ok()
                .filter(|&length| length <= 64)
                .map(Self::Fixed)
                .ok_or_else(|| format!("{text:?} is none of r, i and no length from 0 to 64"))?,
        })
    }
}

impl FromStr for DataMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "r" {
            return Ok(Self::Random);
        }
        if text == "i" {
            return Ok(Self::Counted);
        }
        let digit = |letter: u8| match letter {
            b'x' => Some((0, 0xF)),
            _ => u8::try_from(char::from(letter).to_digit(16)?)
                .ok()
                .map(|value| (value, 0)),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<_>> = pairs
            .iter()
            .map(|&[high, low]| {
                let ((high, random_high), (low, random_low)) = (digit(high)?, digit(low)?);
                Some((high << 4 | low, random_high << 4 | random_low))
            })
            .collect();
        match bytes {
            Some(bytes) if rest.is_empty() && !bytes.is_empty() => Ok(Self::Pattern(bytes)),
            _ => Err(format!(
                "{text:?} is none of r, i and no bytes in hex (x stands for a random digit)"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_a_letter_or_hex() {
        assert_eq!("e".parse(), Ok(IdMode::Even), "e is a mode, 0e a number");
        assert_eq!("0e".parse(), Ok(IdMode::Fixed(0xE)));
        assert_eq!("42A".parse(), Ok(IdMode::Fixed(0x42A)));
        assert!("20000000".parse::<IdMode>().is_err());
        assert!("random".parse::<IdMode>().is_err());
    }

    #[test]
    fn lengths_are_a_letter_or_decimal() {
        assert_eq!("8".parse(), Ok(LengthMode::Fixed(8)));
        assert_eq!("i".parse(), Ok(LengthMode::Counted));
        assert!("65".parse::<LengthMode>().is_err());
    }

    #[test]
    fn a_digit_x_is_random() {
        assert_eq!(
            "11x2xx".parse(),
            Ok(DataMode::Pattern(vec![(0x11, 0), (0x02, 0xF0), (0, 0xFF)]))
        );
        assert!("1".parse::<DataMode>().is_err());
        assert!("".parse::<DataMode>().is_err());
        assert!("1g".parse::<DataMode>().is_err());
    }
}
