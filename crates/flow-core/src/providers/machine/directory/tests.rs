use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Barrier;
use std::thread;

use proptest::prelude::*;

use super::*;

fn place() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn config(place: &tempfile::TempDir) -> MachineConfig {
    MachineConfig::default().directory(place.path().join("flow"))
}

fn open(place: &tempfile::TempDir) -> Directory {
    Directory::open(&config(place)).unwrap()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn numbers(candidates: &Candidates) -> Vec<u32> {
    let number = |path: &Path| file::seat(path.file_name().unwrap()).unwrap().1;
    candidates.paths().map(number).collect()
}

fn names_there(directory: &Directory) -> Vec<String> {
    let entries = fs::read_dir(directory.path().join("names")).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// What a process leaves that is killed while it is bound to `name`: a socket nobody listens at.
fn seat_of_the_dead(directory: &Directory, name: &Name, pid: u32) -> PathBuf {
    let seat = directory.publish(name).unwrap();
    let dead = seat.path().with_file_name(format!("{pid}-1.sock"));
    drop(UnixListener::bind(&dead).unwrap());
    fs::remove_file(seat.path()).unwrap();
    core::mem::forget(seat); // its drop would clean
    dead
}

/// A process number that nobody has.
const DEAD: u32 = i32::MAX.unsigned_abs();

#[test]
fn a_bound_name_is_found_and_listens_and_is_gone_with_its_seat() {
    let place = place();
    let (ours, theirs) = (open(&place), open(&place));
    let echo = name("echo");
    let unknown = AllocError::UnknownName { name: echo.clone() };
    assert_eq!(theirs.candidates(&echo).unwrap_err(), unknown);
    let seat = ours.publish(&echo).unwrap();
    let candidates = theirs.candidates(&echo).unwrap();
    assert_eq!(candidates.paths().collect::<Vec<_>>(), [seat.path()]);
    assert_eq!(candidates.owner(seat.path()), Some(tinwire_place::own_uid()));
    UnixStream::connect(seat.path()).unwrap();
    seat.listener().accept().unwrap();
    let nobody_else = seat.listener().accept().unwrap_err();
    assert_eq!(nobody_else.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(
        (mode(seat.path()), mode(seat.path().parent().unwrap())),
        (0o600, 0o700)
    );
    drop(seat);
    assert_eq!(theirs.candidates(&echo).unwrap_err(), unknown);
    assert_eq!(names_there(&ours), [""; 0], "nothing stays behind");
}

#[test]
fn askers_take_turns_over_those_who_are_bound() {
    let place = place();
    let directory = open(&place);
    let echo = name("echo");
    let seats: Vec<_> = (0..3).map(|_| directory.publish(&echo).unwrap()).collect();
    let all = numbers(&directory.candidates(&echo).unwrap());
    assert!(all.is_sorted(), "the oldest first: {all:?}");
    for expected in [0, 1, 2, 0, 1] {
        let candidates = directory.candidates(&echo).unwrap();
        assert_eq!(candidates.paths().next(), Some(seats[expected].path()));
        candidates.chosen(seats[expected].path());
    }
}

#[test]
fn spill_over_begins_with_the_youngest_whoever_was_chosen() {
    let place = place();
    let directory = Directory::open(&config(&place).balance(Balance::SpillOver)).unwrap();
    let echo = name("echo");
    let seats: Vec<_> = (0..3).map(|_| directory.publish(&echo).unwrap()).collect();
    for _ in 0..2 {
        let candidates = open(&place).candidates(&echo).unwrap();
        assert_eq!(candidates.paths().next(), Some(seats[2].path()));
        candidates.chosen(seats[2].path());
    }
}

#[test]
fn any_name_is_bound_under_a_path_that_fits_a_socket() {
    let place = place();
    let directory = open(&place);
    for text in [
        "a",
        "..",
        "a/b",
        "Echo",
        "echo",
        "línea",
        "\n",
        &"n".repeat(255),
        &"ü".repeat(127),
    ] {
        let seat = directory.publish(&name(text)).unwrap();
        let found = directory.candidates(&name(text)).unwrap();
        assert_eq!(found.paths().next(), Some(seat.path()), "{text}");
        assert!(seat.path().starts_with(directory.path().join("names")), "{text}");
        core::mem::forget(seat);
    }
    assert_eq!(names_there(&directory).len(), 9);
}

#[test]
fn a_name_is_never_taken_for_another_one_of_the_same_file_name() {
    let place = place();
    let directory = open(&place);
    let seat = directory.publish(&name("Echo")).unwrap();
    let taken = seat.path().parent().unwrap();
    // as if both names had one hash
    let other = name("OTHER");
    fs::rename(taken, taken.with_file_name(file::name_of(&other))).unwrap();
    let error = directory.candidates(&other).unwrap_err();
    assert!(matches!(error, AllocError::Unreachable { .. }), "{error}");
    let error = directory.publish(&other).unwrap_err();
    assert!(error.to_string().contains("another one's"), "{error}");
}

#[test]
fn a_directory_too_deep_for_sockets_is_refused_when_it_is_opened() {
    let place = place();
    let deep = place.path().join("d".repeat(60));
    let error = Directory::open(&MachineConfig::default().directory(deep)).unwrap_err();
    assert!(error.to_string().contains("103 are allowed"), "{error}");
}

#[test]
fn names_beyond_the_limit_are_refused_and_dead_ones_do_not_count() {
    let place = place();
    let local = crate::providers::local::LocalConfig::default().names(2);
    let directory = Directory::open(&config(&place).local(local)).unwrap();
    let a = directory.publish(&name("a")).unwrap();
    let dead = seat_of_the_dead(&directory, &name("b"), DEAD);
    assert!(dead.exists());
    let c = directory.publish(&name("c")).unwrap();
    assert!(!dead.exists());
    assert_eq!(
        directory.publish(&name("d")).unwrap_err(),
        BindError::Full { max: 2 }
    );
    let again = directory.publish(&name("c")).unwrap();
    drop((a, c, again));
}

#[test]
fn a_socket_of_a_dead_process_is_removed_by_whoever_meets_it() {
    let place = place();
    let directory = open(&place);
    let echo = name("echo");
    for meet in ["asker", "next to bind", "next to open"] {
        let dead = seat_of_the_dead(&directory, &echo, DEAD);
        assert!(dead.exists());
        match meet {
            "asker" => {
                let mut candidates = directory.candidates(&echo).unwrap();
                UnixStream::connect(&dead).unwrap_err();
                candidates.stale(&dead);
                assert!(candidates.is_empty());
            }
            "next to bind" => drop(directory.publish(&echo).unwrap()),
            _ => drop(open(&place)),
        }
        assert_eq!(names_there(&directory), [""; 0], "{meet}");
    }
}

#[test]
fn a_socket_of_a_process_out_of_sight_is_left_while_it_listens() {
    let place = place();
    let directory = open(&place);
    let echo = name("echo");
    let seat = directory.publish(&echo).unwrap();
    let elsewhere = seat.path().with_file_name(format!("{DEAD}-1.sock"));
    let listener = UnixListener::bind(&elsewhere).unwrap();
    drop((open(&place), directory.publish(&echo).unwrap(), seat));
    assert!(elsewhere.exists());
    drop(listener);
    drop(open(&place));
    assert_eq!(names_there(&directory), [""; 0]);
}

#[test]
fn what_a_crash_leaves_half_made_is_swept_and_what_lives_is_not() {
    let place = place();
    let directory = open(&place);
    let names = directory.path().join("names");
    let half = [
        format!(".new-{DEAD}-1"),
        format!(".old-{DEAD}-1"),
        ".old-1-1".into(),
    ];
    for half in &half {
        fs::create_dir(names.join(half)).unwrap();
        fs::write(names.join(half).join("name"), "name=x\0").unwrap();
    }
    let alive = format!(".new-{}-1", process::id());
    fs::create_dir(names.join(&alive)).unwrap();
    open(&place);
    assert_eq!(names_there(&directory), [alive]);
}

#[test]
fn a_seat_that_never_came_to_listen_is_swept_by_the_next() {
    let place = place();
    let directory = open(&place);
    let seat = directory.publish(&name("echo")).unwrap();
    let half = seat.path().with_file_name(format!(".{DEAD}-4"));
    core::mem::forget(UnixListener::bind(&half).unwrap());
    assert_eq!(
        directory.candidates(&name("echo")).unwrap().len(),
        1,
        "it is no seat"
    );
    drop(directory.publish(&name("echo")).unwrap());
    assert!(!half.exists());
}

#[test]
fn a_directory_that_others_may_write_to_needs_the_sticky_bit() {
    let place = place();
    for (bits, fits) in [
        (0o777, false),
        (0o770, false),
        (0o1777, true),
        (0o755, true),
        (0o700, true),
    ] {
        fs::set_permissions(place.path(), Permissions::from_mode(bits)).unwrap();
        let opened = Directory::open(&MachineConfig::default().directory(place.path()));
        assert_eq!(opened.is_ok(), fits, "{bits:o}");
        if let Err(error) = opened {
            assert!(matches!(error, LayerError::Open { .. }), "{error}");
        }
        let _ = fs::remove_dir(place.path().join("names"));
        let _ = fs::remove_dir(place.path().join("layers"));
    }
}

#[test]
fn links_in_the_place_of_directories_and_sockets_are_not_followed() {
    let place = place();
    let elsewhere = place.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, place.path().join("flow")).unwrap();
    Directory::open(&config(&place)).unwrap_err();
    fs::remove_file(place.path().join("flow")).unwrap();

    let directory = open(&place);
    let names = directory.path().join("names");
    symlink(&elsewhere, names.join("link")).unwrap();
    let error = directory.publish(&name("link")).unwrap_err();
    assert!(matches!(error, BindError::Layer { .. }), "{error}");
    directory.candidates(&name("link")).unwrap_err();

    let seat = directory.publish(&name("echo")).unwrap();
    let precious = elsewhere.join("precious.sock");
    let listener = UnixListener::bind(&precious).unwrap();
    symlink(&precious, seat.path().with_file_name("7-7.sock")).unwrap();
    fs::write(seat.path().with_file_name("8-8.sock"), "no socket").unwrap();
    assert_eq!(directory.candidates(&name("echo")).unwrap().len(), 1);

    fs::remove_file(seat.path().with_file_name("turn")).unwrap();
    symlink(elsewhere.join("turn"), seat.path().with_file_name("turn")).unwrap();
    directory.publish(&name("echo")).unwrap_err();
    assert!(!elsewhere.join("turn").exists());
    drop(listener);
}

#[test]
fn a_lock_that_stays_held_is_an_error_and_not_a_standstill() {
    let place = place();
    let directory = open(&place);
    let seat = directory.publish(&name("echo")).unwrap();
    let held = Locked::take(seat.path().parent().unwrap(), Patience::Short)
        .unwrap()
        .unwrap();
    let error = directory.publish(&name("echo")).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    let candidates = directory.candidates(&name("echo")).unwrap();
    candidates.chosen(seat.path());
    drop(held);
    directory.publish(&name("echo")).unwrap();
}

#[test]
fn everybodys_name_shows_it_in_its_modes() {
    let place = place();
    let shared = Directory::open(&config(&place).sharing(Sharing::Everybody)).unwrap();
    let seat = shared.publish(&name("echo")).unwrap();
    assert_eq!(
        (mode(seat.path()), mode(seat.path().parent().unwrap())),
        (0o666, 0o1777)
    );
    let other = open(&place);
    assert_eq!(other.sharing(&name("echo")), Sharing::Everybody, "the name's own");
    assert_eq!(other.sharing(&name("new")), Sharing::User);
    let joined = other.publish(&name("echo")).unwrap();
    assert_eq!(joined.sharing(), Sharing::Everybody);
}

#[test]
fn a_groups_name_belongs_to_the_group() {
    let place = place();
    let gid = nix::unistd::getegid().as_raw();
    let shared = Directory::open(&config(&place).sharing(Sharing::Group(gid))).unwrap();
    let seat = shared.publish(&name("echo")).unwrap();
    let above = seat.path().parent().unwrap();
    assert_eq!((mode(seat.path()), mode(above)), (0o660, 0o2770));
    assert_eq!(shared.sharing(&name("echo")), Sharing::Group(gid));
}

#[test]
fn many_threads_that_bind_unbind_and_clean_leave_nothing_and_lose_nothing() {
    let place = place();
    let start = Barrier::new(8);
    thread::scope(|scope| {
        for at in 0..8 {
            let (place, start) = (&place, &start);
            scope.spawn(move || {
                let directory = open(place);
                let names = ["one", "Two", "three"].map(name);
                start.wait();
                for turn in 0..60 {
                    let name = &names[(at + turn) % names.len()];
                    let seat = directory.publish(name).unwrap();
                    let candidates = directory.candidates(name).unwrap();
                    assert!(
                        candidates.paths().any(|path| path == seat.path()),
                        "own seat is to be found while it is held"
                    );
                    UnixStream::connect(seat.path()).unwrap();
                    candidates.chosen(seat.path());
                    if turn % 7 == 0 {
                        directory.sweep();
                    }
                }
            });
        }
    });
    assert_eq!(names_there(&open(&place)), [""; 0]);
}

#[derive(Clone, Debug)]
enum Op {
    Bind(usize),
    Unbind(usize),
    Ask(usize),
    Die(usize),
    Open,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = (0..5, 0_usize..3).prop_map(|(kind, at)| match kind {
        0 => Op::Bind(at),
        1 => Op::Unbind(at),
        2 => Op::Ask(at),
        3 => Op::Die(at),
        _ => Op::Open,
    });
    proptest::collection::vec(op, 0..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_found_is_what_is_bound_in_the_order_of_turns(ops in ops()) {
        let place = place();
        let mut directory = open(&place);
        let names = ["a", "B", "c"].map(name);
        let mut bound: [Vec<Seat>; 3] = Default::default();
        let mut dead = 0;
        for op in ops {
            match op {
                Op::Bind(at) => bound[at].push(directory.publish(&names[at]).unwrap()),
                Op::Unbind(at) => drop(bound[at].pop()),
                Op::Die(at) => {
                    if let Some(seat) = bound[at].last() {
                        dead += 1;
                        let path = seat.path().with_file_name(format!("{DEAD}-{dead}.sock"));
                        let _ = UnixListener::bind(path);
                    }
                }
                Op::Open => directory = open(&place),
                Op::Ask(at) => match directory.candidates(&names[at]) {
                    Err(AllocError::UnknownName { .. }) => prop_assert!(bound[at].is_empty()),
                    Err(error) => prop_assert!(false, "{error}"),
                    Ok(mut candidates) => {
                        let paths: Vec<_> = candidates.paths().map(Path::to_path_buf).collect();
                        for path in &paths {
                            if UnixStream::connect(path).is_err() {
                                candidates.stale(path);
                            }
                        }
                        let mut alive: Vec<_> = candidates.paths().map(Path::to_path_buf).collect();
                        if let Some(first) = alive.first() {
                            candidates.chosen(first);
                        }
                        alive.sort();
                        let seats = bound[at].iter();
                        let mut expected: Vec<_> = seats.map(|seat| seat.path().to_path_buf()).collect();
                        expected.sort();
                        prop_assert_eq!(alive, expected);
                    }
                },
            }
        }
        bound = Default::default();
        drop(bound);
        drop(open(&place));
        prop_assert_eq!(names_there(&directory), vec![""; 0]);
    }
}

#[test]
fn a_process_is_started_when_the_last_one_has_come_or_never_will() {
    let place = place();
    let directory = open(&place);
    let echo = name("echo");
    let record = Record {
        created: true,
        ..Record::new(echo.clone(), Balance::default())
    };
    directory.create(&record, Sharing::User).unwrap();
    let start = |startup, pid| {
        let found = directory.find(&echo).unwrap().unwrap();
        found.start_alone(startup, || Ok(pid)).unwrap()
    };
    let (own, dead) = (process::id(), i32::MAX.unsigned_abs());
    let long = Duration::from_secs(3_600);
    assert_eq!(start(long, dead), Some(dead), "the first");
    assert_eq!(start(long, own), Some(own), "the last one died on its way");
    assert_eq!(start(long, dead), None, "it is on its way");
    assert_eq!(start(Duration::ZERO, own), Some(own), "it takes too long");
    assert_eq!(start(long, dead), None);
    let _seat = directory.publish(&echo).unwrap();
    assert_eq!(start(long, dead), Some(dead), "it has come, and is busy");
}

#[test]
fn what_is_no_number_of_a_process_starts_one() {
    let place = place();
    let directory = open(&place);
    let echo = name("echo");
    let seat = directory.publish(&echo).unwrap();
    let started = seat.path().with_file_name("started");
    let start = || {
        let found = directory.find(&echo).unwrap().unwrap();
        found.start_alone(Duration::from_secs(3_600), || Ok(1)).unwrap()
    };
    fs::write(&started, "soon").unwrap();
    assert_eq!(start(), Some(1));
    fs::remove_file(&started).unwrap();
    symlink("/etc/hostname", &started).unwrap();
    assert_eq!(start(), Some(1));
    assert_eq!(fs::read_to_string(&started).unwrap(), "1", "and the link is gone");
}
