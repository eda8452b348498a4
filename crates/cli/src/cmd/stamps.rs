//! Time stamps in the four forms of can-utils.

use can_link::candump::{Elapsed, LogTime, Precision};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::args::can::TimeStamps;

/// Prints times in one form; two of the forms depend on the time before.
#[derive(Debug)]
pub(super) struct Stamps {
    form: Option<TimeStamps>,
    precision: Precision,
    seconds: Seconds,
    since: Option<LogTime>,
    zone: TimeZone,
}

/// How whole seconds are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seconds {
    /// With zeros in front, as candump does.
    Padded,
    /// As they are, as isotpdump and isotpsniffer do.
    Bare,
}

impl Stamps {
    /// As candump has them.
    pub(super) fn new(form: Option<TimeStamps>, precision: Precision) -> Self {
        Self {
            form,
            precision,
            seconds: Seconds::Padded,
            since: None,
            zone: TimeZone::system(),
        }
    }

    /// As isotpdump has them.
    pub(super) fn bare(form: Option<TimeStamps>) -> Self {
        Self {
            seconds: Seconds::Bare,
            ..Self::new(form, Precision::Micro)
        }
    }

    /// The text that stands between parentheses; empty when no time is wanted.
    pub(super) fn text(&mut self, time: LogTime) -> String {
        let time = self.cut(time);
        match self.form {
            None => String::new(),
            Some(TimeStamps::Absolute) => match (self.seconds, self.precision) {
                (Seconds::Padded, Precision::Micro) => format!("{time}"),
                (Seconds::Padded, Precision::Nano) => format!("{time:#}"),
                (Seconds::Bare, _) => format!("{}.{:06}", time.seconds(), time.nanos() / 1000),
            },
            Some(TimeStamps::Zero) => {
                let start = *self.since.get_or_insert(time);
                self.elapsed(time, start)
            }
            Some(TimeStamps::Delta) => {
                let before = self.since.replace(time).unwrap_or(time);
                self.elapsed(time, before)
            }
            Some(TimeStamps::Date) => self.date(time),
        }
    }

    /// candump knows no more than it shows, so its differences are those of what it has shown.
    fn cut(&self, time: LogTime) -> LogTime {
        match self.precision {
            Precision::Micro => LogTime::new(time.seconds(), time.nanos() / 1000 * 1000).unwrap_or(time),
            Precision::Nano => time,
        }
    }

    fn elapsed(&self, time: LogTime, start: LogTime) -> String {
        let since = time.since(start);
        let elapsed = Elapsed(since);
        match (self.seconds, self.precision) {
            (Seconds::Padded, Precision::Micro) => format!("{elapsed}"),
            (Seconds::Padded, Precision::Nano) => format!("{elapsed:#}"),
            (Seconds::Bare, _) => format!("{}.{:06}", since.as_secs(), since.subsec_micros()),
        }
    }

    fn date(&self, time: LogTime) -> String {
        let seconds = Timestamp::from_second(time.seconds()).unwrap_or_default();
        let date = seconds.to_zoned(self.zone.clone());
        let date = date.strftime("%Y-%m-%d %H:%M:%S");
        match self.precision {
            Precision::Micro => format!("{date}.{:06}", time.nanos() / 1000),
            Precision::Nano => format!("{date}.{:09}", time.nanos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(form: TimeStamps, precision: Precision) -> [String; 3] {
        let mut stamps = Stamps::new(Some(form), precision);
        stamps.zone = TimeZone::UTC;
        [(100, 500_000_000), (101, 0), (103, 250_000)]
            .map(|(seconds, nanos)| stamps.text(LogTime::new(seconds, nanos).unwrap()))
    }

    #[test]
    fn each_form_is_candumps() {
        assert_eq!(
            texts(TimeStamps::Absolute, Precision::Micro),
            ["0000000100.500000", "0000000101.000000", "0000000103.000250"]
        );
        assert_eq!(
            texts(TimeStamps::Zero, Precision::Micro),
            ["000.000000", "000.500000", "002.500250"]
        );
        assert_eq!(
            texts(TimeStamps::Delta, Precision::Nano),
            ["000.000000000", "000.500000000", "002.000250000"]
        );
        assert_eq!(
            texts(TimeStamps::Date, Precision::Micro),
            [
                "1970-01-01 00:01:40.500000",
                "1970-01-01 00:01:41.000000",
                "1970-01-01 00:01:43.000250"
            ]
        );
    }

    #[test]
    fn isotpdump_writes_seconds_without_zeros_in_front() {
        let mut stamps = Stamps::bare(Some(TimeStamps::Absolute));
        assert_eq!(stamps.text(LogTime::new(7, 1_999).unwrap()), "7.000001");
        let mut stamps = Stamps::bare(Some(TimeStamps::Delta));
        stamps.text(LogTime::new(7, 0).unwrap());
        assert_eq!(stamps.text(LogTime::new(10, 5_000).unwrap()), "3.000005");
    }

    #[test]
    fn differences_are_those_of_the_times_that_were_shown() {
        let mut stamps = Stamps::new(Some(TimeStamps::Delta), Precision::Micro);
        stamps.text(LogTime::new(1, 1_900).unwrap());
        assert_eq!(stamps.text(LogTime::new(1, 3_100).unwrap()), "000.000002");
    }

    #[test]
    fn no_form_is_no_text() {
        let mut stamps = Stamps::new(None, Precision::Micro);
        assert_eq!(stamps.text(LogTime::default()), "");
    }
}
