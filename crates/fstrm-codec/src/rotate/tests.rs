use std::ffi::OsStr;
use std::path::Path;

use super::*;

fn now(at: u64, wall: u64) -> Now {
    Now {
        at: Instant::from_micros(at * 1_000_000),
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
    }
}

fn opened(rotation: Rotation, at: Now, utc_offset: i32) -> Rotator {
    let mut rotator = Rotator::new(rotation);
    rotator.handle_open(at, |_| utc_offset);
    rotator
}

#[test]
fn without_rotation_nothing_is_ever_over() {
    let mut rotator = opened(Rotation::new(), now(0, 0), 0);
    assert!(!rotator.is_over(now(u64::from(u32::MAX), 0)));
    assert_eq!((rotator.poll_timeout(), rotator.room(1 << 40, 12)), (None, None));
}

#[test]
fn an_age_counts_from_the_opening_whatever_the_wall_shows() {
    let rotation = Rotation::new().period(Period::SinceOpening(Duration::from_secs(10)));
    let mut rotator = opened(rotation, now(100, 5_000), 0);
    assert!(!rotator.is_over(now(109, 9_999_999)));
    assert!(rotator.is_over(now(110, 0)));
    assert_eq!(rotator.poll_timeout(), Some(now(110, 0).at));
    rotator.handle_close();
    assert!(!rotator.is_over(now(999, 0)) && rotator.poll_timeout().is_none());
}

/// After how many hours an aligned file ends that is opened `hour` hours after midnight UTC. The clock
/// changes from `before` to `after` hours ahead of UTC in `change` hours from midnight.
fn hours(period: u64, hour: u64, [before, after]: [i32; 2], change: u64) -> u64 {
    let hours = |hours: u64| Duration::from_secs(hours * 3600);
    let midnight = SystemTime::UNIX_EPOCH + hours(24 * 20_000);
    let offset = |wall| {
        3600 * if wall < midnight + hours(change) {
            before
        } else {
            after
        }
    };
    let mut rotator = Rotator::new(Rotation::new().period(Period::Aligned(hours(period))));
    let at = Now {
        at: Instant::ZERO,
        wall: midnight + hours(hour),
    };
    rotator.handle_open(at, offset);
    let end = rotator.poll_timeout().unwrap();
    end.as_micros() / 3_600_000_000
}

#[test]
fn on_the_day_of_a_clock_change_aligned_files_end_by_the_clock() {
    // To summer time at 1:00 UTC, from midnight of UTC+1: a day of 23 hours, and one of 25 back.
    assert_eq!(hours(24, 23, [1, 2], 25), 23);
    assert_eq!(hours(24, 22, [2, 1], 25), 25);
    // The day before and the day after have 24.
    assert_eq!(hours(24, 23, [1, 2], 60), 24);
    assert_eq!(hours(24, 22, [1, 2], 1), 24);
    // Half a day, in which the change is or is not.
    assert_eq!(hours(12, 23, [1, 2], 25), 11);
    assert_eq!(hours(12, 22, [2, 1], 25), 13);
    assert_eq!(hours(12, 10, [2, 1], 25), 12);
    // Hours are hours.
    assert_eq!(hours(1, 24, [1, 2], 25), 1);
    assert_eq!(hours(1, 24, [2, 1], 25), 1);
    // A midnight that is jumped over ends the file when the clock has jumped.
    assert_eq!(hours(24, 23, [1, 2], 47), 24);
}

#[test]
fn an_aligned_file_ends_on_the_hour() {
    let rotation = Rotation::new().period(Period::Aligned(Duration::from_secs(3600)));
    let mut rotator = opened(rotation, now(0, 7_000), 0);
    assert_eq!(rotator.poll_timeout(), Some(now(200, 0).at));
    assert!(!rotator.is_over(now(199, 7_199)) && rotator.is_over(now(200, 7_200)));
    // Opened on the hour, it has the whole hour.
    assert_eq!(
        opened(rotation, now(0, 7_200), 0).poll_timeout(),
        Some(now(3_600, 0).at)
    );
}

#[test]
fn local_midnight_is_not_midnight() {
    let day = Rotation::new().period(Period::Aligned(Duration::from_secs(86_400)));
    assert_eq!(
        opened(day, now(0, 0), 7_200).poll_timeout(),
        Some(now(79_200, 0).at)
    );
    assert_eq!(
        opened(day, now(0, 0), -3_600).poll_timeout(),
        Some(now(3_600, 0).at)
    );
}

#[test]
fn a_wall_clock_that_is_set_moves_the_deadline() {
    let rotation = Rotation::new().period(Period::Aligned(Duration::from_secs(100)));
    let mut rotator = opened(rotation, now(0, 50), 0);
    assert!(!rotator.is_over(now(50, 70)), "set back by 30 s");
    assert_eq!(rotator.poll_timeout(), Some(now(80, 0).at));
    assert!(rotator.is_over(now(51, 100)), "set forward");
}

#[test]
fn room_leaves_stop_its_place() {
    let rotator = Rotator::new(Rotation::new().max_len(NonZeroU64::new(100).unwrap()));
    assert_eq!(rotator.room(50, 12), Some(38));
    assert_eq!(rotator.room(99, 12), Some(0));
}

#[test]
fn a_period_of_zero_is_none() {
    let rotation = Rotation::new().period(Period::Aligned(Duration::ZERO));
    assert_eq!(rotation, Rotation::new());
}

#[test]
fn numbered_names_are_recognised_and_others_are_not() {
    for (path, name, number) in [
        ("d/a.fstrm", "a.fstrm", Some(0)),
        ("d/a.fstrm", "a.fstrm.part", Some(0)),
        ("d/a.fstrm", "a.7.fstrm", Some(7)),
        ("d/a.fstrm", "a.12.fstrm.part", Some(12)),
        ("d/a.fstrm", "a.07.fstrm", None),
        ("d/a.fstrm", "a.x.fstrm", None),
        ("d/a.fstrm", "a..fstrm", None),
        ("d/a.fstrm", "ab.fstrm", None),
        ("d/a.fstrm", "a.99999999999999999999.fstrm", None),
        ("a", "a.3", Some(3)),
        ("a", "a", Some(0)),
        (".hidden", ".hidden.2", Some(2)),
    ] {
        let found = NumberedBy::new(Path::new(path)).number(OsStr::new(name));
        assert_eq!(found, number, "{path} {name}");
        if let Some(number) = number.filter(|_| !name.ends_with(".part")) {
            assert_eq!(
                numbered(Path::new(path), number).file_name(),
                Some(OsStr::new(name))
            );
        }
    }
    assert_eq!(part(Path::new("d/a.fstrm")), Path::new("d/a.fstrm.part"));
}
