//! What files are called: as typed, or through strftime.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fstrm_codec::rotate::Names;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::failure::{Code, Failure, Result};

/// A name with strftime letters.
#[derive(Debug)]
pub(super) struct Pattern {
    pattern: String,
    zone: TimeZone,
}

impl Pattern {
    /// Checks the letters.
    pub(super) fn new(pattern: &Path, zone: TimeZone) -> Result<Self> {
        let wrong = |why: &str| Failure::new(Code::Usage, format!("{}: {why}", pattern.display()));
        let text = pattern
            .to_str()
            .ok_or_else(|| wrong("a name for strftime has to be UTF-8"))?;
        let made = Self {
            pattern: text.to_owned(),
            zone,
        };
        jiff::fmt::strtime::format(text, &made.at(SystemTime::now()))
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(made)
    }

    fn at(&self, wall: SystemTime) -> Zoned {
        Timestamp::try_from(wall)
            .unwrap_or(Timestamp::UNIX_EPOCH)
            .to_zoned(self.zone.clone())
    }
}

impl Names for Pattern {
    fn name(&mut self, wall: SystemTime) -> PathBuf {
        // What could be formatted once can be formatted again; if not, the letters stand as they are.
        jiff::fmt::strtime::format(&self.pattern, &self.at(wall))
            .unwrap_or_else(|_| self.pattern.clone())
            .into()
    }

    fn utc_offset(&self, wall: SystemTime) -> i32 {
        self.at(wall).offset().seconds()
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn letters_are_those_of_strftime() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_152_592);
        let mut pattern = Pattern::new(Path::new("d/%Y%m%d-%H%M%S-%s.fstrm"), TimeZone::UTC).unwrap();
        assert_eq!(
            pattern.name(wall),
            Path::new("d/20261120-052952-1795152592.fstrm")
        );
        let east = TimeZone::fixed(jiff::tz::offset(2));
        let mut pattern = Pattern::new(Path::new("%H%z"), east).unwrap();
        assert_eq!(pattern.name(wall), Path::new("07+0200"));
        assert_eq!(pattern.utc_offset(wall), 7200);
    }

    #[test]
    fn a_letter_that_is_none_is_told_before_anything_is_opened() {
        Pattern::new(Path::new("%!.fstrm"), TimeZone::UTC).unwrap_err();
    }
}
