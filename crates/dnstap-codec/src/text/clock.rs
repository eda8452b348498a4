//! Points in time as text. The calendar is asked once a second, not once a line.

use alloc::vec::Vec;

use super::ink;

const DAY: u64 = 86_400;
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The texts of the second that was printed last.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    /// `2026-11-20`
    date: Vec<u8>,
    /// `20-Nov-2026`
    named: Vec<u8>,
    /// `05:02:27`
    time: Vec<u8>,
}

impl Clock {
    /// `2026-11-20`
    pub(super) fn date(&mut self, second: u64) -> &[u8] {
        self.set(second);
        &self.date
    }

    /// `20-Nov-2026`
    pub(super) fn named(&mut self, second: u64) -> &[u8] {
        self.set(second);
        &self.named
    }

    /// `05:02:27`
    pub(super) fn time(&mut self, second: u64) -> &[u8] {
        self.set(second);
        &self.time
    }

    fn set(&mut self, second: u64) {
        if self.second == Some(second) {
            return;
        }
        let of_day = second % DAY;
        if self.second.is_none_or(|before| before / DAY != second / DAY) {
            self.set_day(second / DAY);
        }
        self.second = Some(second);
        self.time.clear();
        ink::digits(of_day / 3600, 2, &mut self.time);
        self.time.push(b':');
        ink::digits(of_day / 60 % 60, 2, &mut self.time);
        self.time.push(b':');
        ink::digits(of_day % 60, 2, &mut self.time);
    }

    fn set_day(&mut self, day: u64) {
        let (year, month, day) = civil(day);
        self.date.clear();
        ink::digits(year, 4, &mut self.date);
        self.date.push(b'-');
        ink::digits(month, 2, &mut self.date);
        self.date.push(b'-');
        ink::digits(day, 2, &mut self.date);
        self.named.clear();
        ink::digits(day, 2, &mut self.named);
        self.named.push(b'-');
        let name = usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at));
        self.named.extend_from_slice(name.unwrap_or(&"???").as_bytes());
        self.named.push(b'-');
        ink::digits(year, 4, &mut self.named);
    }
}

/// Year, month and day of the month of a day since 1970, in the Gregorian calendar.
///
/// Counted in years that begin with March, so that the leap day is the last of its year, and in spans of 400
/// years, after which the calendar repeats.
const fn civil(day: u64) -> (u64, u64, u64) {
    const SPAN: u64 = 146_097;
    /// From 1 March 0000 to 1 January 1970.
    const BEFORE: u64 = 719_468;
    let day = day + BEFORE;
    let (span, of_span) = (day / SPAN, day % SPAN);
    let year = (of_span - of_span / 1_460 + of_span / 36_524 - of_span / (SPAN - 1)) / 365;
    let of_year = of_span - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = span * 400 + year + if month <= 2 { 1 } else { 0 };
    (year, month, of_month)
}
