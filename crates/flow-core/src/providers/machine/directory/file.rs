//! File names: of names, of seats, and of what is not whole.

use alloc::format;
use alloc::string::String;
use std::ffi::OsStr;
use std::process;

use nix::errno::Errno;
use nix::sys::signal;
use nix::unistd::Pid;

use crate::name::Name;

/// Bytes of the longest file name of a name.
pub(super) const MAX_NAME: usize = 24;
/// Bytes of the longest file name of a seat: `4294967295-4294967295.sock`.
pub(super) const MAX_SEAT: usize = 26;
/// Characters of the name that are kept where it is hashed; 13 of base 32 follow.
const PREFIX: usize = MAX_NAME - 1 - 13;
/// Stands before a hash. No harmless name has it.
const HASHED: char = '~';

/// What something that is being made is called before the process's number.
pub(super) const NEW: &str = ".new-";
/// What something that is being removed is called before the process's number.
pub(super) const OLD: &str = ".old-";

/// The file name of a name: the name itself where it is short and harmless, else a readable beginning and a
/// hash. Capitals are not harmless, since some file systems hold `a` and `A` for the same.
pub(super) fn name_of(name: &Name) -> String {
    let text = name.as_str();
    let harmless = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    if text.len() <= MAX_NAME && text.bytes().all(harmless) && !text.starts_with('.') {
        return text.into();
    }
    let prefix: String = text
        .bytes()
        .take(PREFIX)
        .map(|byte| byte.to_ascii_lowercase())
        .map(|byte| {
            if harmless(byte) && byte != b'.' {
                char::from(byte)
            } else {
                '_'
            }
        })
        .collect();
    format!("{prefix}{HASHED}{}", base32(hash(text.as_bytes())))
}

/// FNV-1a. Nobody relies on it: the name in the directory decides.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

fn base32(bits: u64) -> String {
    let digit = |at: u32| {
        let five = (bits >> (5 * at)) & 31;
        u32::try_from(five)
            .ok()
            .and_then(|five| char::from_digit(five, 32))
    };
    (0..13).rev().filter_map(digit).collect()
}

/// The file name of a seat.
pub(super) fn of_seat(number: u32) -> String {
    format!("{}-{number}.sock", process::id())
}

/// The process and the number that a seat's file name says; `None` when it is no seat's.
pub(super) fn seat(name: &OsStr) -> Option<(u32, u32)> {
    let (pid, number) = name.to_str()?.strip_suffix(".sock")?.split_once('-')?;
    Some((decimal(pid)?, decimal(number)?))
}

/// The file name of something that this process makes or removes.
pub(super) fn temporary(kind: &str, number: u32) -> String {
    format!("{kind}{}-{number}", process::id())
}

/// Whether something of that file name is not whole: being made, or being removed.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether it is left over: being removed, or being made by a process that is dead.
pub(super) fn is_left_over(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let maker = |name: &str| decimal(name.split_once('-')?.0);
    name.starts_with(OLD) || name.strip_prefix(NEW).and_then(maker).is_some_and(is_dead)
}

/// Digits as this process writes them: no sign, no leading zero.
fn decimal(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}

/// Whether no process of that number can be seen.
pub(super) fn is_dead(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return true };
    signal::kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> String {
        name_of(&Name::new(text).unwrap())
    }

    #[test]
    fn a_short_and_harmless_name_is_its_own_file_name() {
        for text in ["a", "echo", "oecho.v-2_x", "123456789012345678901234"] {
            assert_eq!(name(text), text);
        }
    }

    #[test]
    fn any_other_keeps_a_readable_beginning() {
        assert!(name("Echo").starts_with("echo~"));
        assert!(name("../../../etc/passwd").starts_with("_________e~"));
        assert!(name(".").starts_with("_~"));
        assert_ne!(name("Echo"), name("eCHO"));
        assert_eq!(
            hash(b"foobar"),
            0x8594_4171_F739_67E8,
            "the function's own test vector"
        );
        assert_eq!(base32(u64::MAX), "fvvvvvvvvvvvv");
    }

    #[test]
    fn only_what_a_process_writes_is_a_seat() {
        assert_eq!(seat("12-7.sock".as_ref()), Some((12, 7)));
        for text in [
            "12-7",
            "012-7.sock",
            "12-+7.sock",
            "-.sock",
            "x-7.sock",
            "12-4294967296.sock",
            "turn",
        ] {
            assert_eq!(seat(text.as_ref()), None, "{text}");
        }
        assert_eq!(seat(of_seat(9).as_ref()), Some((process::id(), 9)));
        assert!(of_seat(u32::MAX).len() <= MAX_SEAT);
    }

    #[test]
    fn the_own_process_lives_and_one_that_cannot_be_does_not() {
        assert!(!is_dead(process::id()));
        assert!(is_dead(u32::MAX));
        assert!(is_dead(i32::MAX.unsigned_abs()));
    }

    proptest! {
        #[test]
        fn a_file_name_is_short_harmless_and_no_others(a in "[^\0]{1,63}", b in "[a-zA-Z.~_/ü-]{1,9}") {
            for text in [&a, &b] {
                let file = name(text);
                prop_assert!(file.len() <= MAX_NAME && !file.starts_with('.') && !file.contains('/'));
                prop_assert_eq!(file.to_lowercase(), &*file, "on any file system");
            }
            prop_assert_eq!(name(&a) == name(&b), a == b);
        }
    }
}
