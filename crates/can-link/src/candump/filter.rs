//! Filters as candump takes them behind an interface.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use thiserror::Error;

use crate::error_frame::ErrorClasses;
use crate::filter::{Filter, FilterSet};
use crate::id::{EFF_FLAG, ERR_FLAG};

/// Why a text is not a filter.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("\"{part}\" is not a filter; write ID:MASK, ID~MASK, #ERRORMASK or j, all numbers in hexadecimal")]
pub struct FilterTextError {
    /// The part that was not understood.
    pub part: String,
}

/// Reads filters separated by commas: `id:mask`, `id~mask` (inverted), `#errormask`, `j` or `J` (join: all
/// must accept).
///
/// As for candump, an identifier of eight digits is extended, one with fewer digits leaves the format open,
/// and error reports come only with an error mask. Without a data filter all traffic passes; to see error
/// reports alone, write `0~0,#FFFFFFFF`.
///
/// # Errors
/// [`FilterTextError`] names the part that is no filter.
pub fn parse_filters(text: &str) -> Result<FilterSet, FilterTextError> {
    let mut filters = Vec::new();
    let mut errors = ErrorClasses::NONE;
    let mut join = false;
    for part in text.split(',') {
        let error = || FilterTextError {
            part: part.to_string(),
        };
        if let Some(mask) = part.strip_prefix('#') {
            errors = ErrorClasses::from_bits(number(mask).ok_or_else(error)?);
        } else if part == "j" || part == "J" {
            join = true;
        } else {
            filters.push(parse_filter(part).ok_or_else(error)?);
        }
    }
    if filters.is_empty() {
        filters.push(Filter::ALL);
    }
    let set = if join {
        FilterSet::all(filters)
    } else {
        FilterSet::any(filters)
    };
    Ok(set.with_errors(errors))
}

/// Reads one `id:mask` or `id~mask`.
pub(crate) fn parse_filter(part: &str) -> Option<Filter> {
    let (inverted, (id, mask)) = match part.split_once(':') {
        Some(halves) => (false, halves),
        None => (true, part.split_once('~')?),
    };
    let extended = if id.len() == 8 { EFF_FLAG } else { 0 };
    // Bit 29 inverts in this form too; `~` sets it and a second inversion is not written.
    let invert = if inverted { ERR_FLAG } else { 0 };
    Some(Filter::from_bits(number(id)? | extended | invert, number(mask)?))
}

/// Prints filters as [`parse_filters`] reads them.
///
/// An extended identifier has eight digits and a standard one three.
#[derive(Clone, Copy, Debug)]
pub struct FilterText<'a>(pub &'a [Filter]);

impl fmt::Display for FilterText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, filter) in self.0.iter().enumerate() {
            let (word, mask) = filter.to_bits();
            let separator = if filter.is_inverted() { '~' } else { ':' };
            f.write_str(if i == 0 { "" } else { "," })?;
            if word & EFF_FLAG != 0 {
                write!(f, "{:08X}{separator}{mask:X}", word & !ERR_FLAG & !EFF_FLAG)?;
            } else {
                write!(f, "{:03X}{separator}{mask:X}", word & !ERR_FLAG)?;
            }
        }
        Ok(())
    }
}

/// One to eight hexadecimal digits. `from_str_radix` alone would take a sign.
fn number(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (digits && text.len() <= 8).then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Join;

    fn bits(text: &str) -> Vec<(u32, u32)> {
        let set = parse_filters(text).unwrap();
        set.filters().iter().map(|filter| filter.to_bits()).collect()
    }

    #[test]
    fn eight_digits_are_extended_and_fewer_leave_the_format_open() {
        assert_eq!(bits("123:7FF"), [(0x123, 0x7FF)]);
        assert_eq!(bits("00000123:1FFFFFFF"), [(0x8000_0123, 0x1FFF_FFFF)]);
        assert_eq!(bits("123~7ff,7E0:7F0"), [(0x2000_0123, 0x7FF), (0x7E0, 0x7F0)]);
    }

    #[test]
    fn error_reports_come_only_when_asked_for() {
        assert_eq!(parse_filters("123:7FF").unwrap().errors(), ErrorClasses::NONE);
        let set = parse_filters("#FFFFFFFF").unwrap();
        assert_eq!(set.errors(), ErrorClasses::ALL);
        assert_eq!(set.filters(), [Filter::ALL]);
    }

    #[test]
    fn j_joins_the_filters() {
        assert_eq!(parse_filters("1~7FF,2~7FF,j").unwrap().join(), Join::All);
        assert_eq!(parse_filters("1~7FF,2~7FF").unwrap().join(), Join::Any);
    }

    #[test]
    fn what_is_no_filter_is_named() {
        for part in [
            "",
            "123",
            "123:",
            ":7FF",
            "12G:7FF",
            "+12:7FF",
            "#",
            "123456789:0",
            "jj",
        ] {
            let text = alloc::format!("1:1,{part}");
            assert_eq!(parse_filters(&text).unwrap_err().part, part);
        }
    }
}
