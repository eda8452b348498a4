//! Stores on a disk that fails.

pub(super) mod faulty;

use core::num::NonZeroU64;
use core::time::Duration;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use std::vec;

use self::faulty::{FakeDisk, Random, World};
use super::*;
use crate::ContentType;
use crate::file::{FileReader, append};
use crate::frame::{End, FrameConfig};
use crate::rotate::{Period, Rotation};

/// Disks that the simulation tries; its failures name one.
const SEEDS: u64 = 240;

fn name() -> ContentType {
    ContentType::from_static(b"t").unwrap()
}

fn now(millis: u64) -> Now {
    Now {
        at: Instant::from_millis(millis),
        wall: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
    }
}

fn config() -> Config {
    Config::new().content_type(name()).buffer(300)
}

fn open(disk: &FakeDisk, config: Config, millis: u64) -> Store<FakeDisk> {
    Store::open(disk.clone(), PathBuf::from("a.fstrm"), config, now(millis)).unwrap()
}

/// A run of numbered frames.
struct Numbers {
    next: u64,
}

impl Numbers {
    fn run(&mut self, random: &mut Random) -> Vec<u8> {
        let mut wire = Vec::new();
        for _ in 0..=random.below(4) {
            let len = 8 + usize::try_from(random.below(60)).unwrap();
            let mut payload = vec![7; len];
            payload[..8].copy_from_slice(&self.next.to_be_bytes());
            wire.extend_from_slice(&u32::try_from(len).unwrap().to_be_bytes());
            wire.extend_from_slice(&payload);
            self.next += 1;
        }
        wire
    }
}

fn run(wire: &[u8]) -> Run<'_> {
    Run::decode(wire, FrameConfig::new()).unwrap()
}

/// The numbers in a file, and how it ends.
pub(super) fn read(bytes: &[u8]) -> (Vec<u64>, Option<End>) {
    let mut reader = FileReader::new(bytes, crate::Config::new()).unwrap();
    let mut numbers = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        numbers.push(u64::from_be_bytes(payload[..8].try_into().unwrap()));
    }
    (numbers, reader.end_of_stream())
}

pub(super) fn frame(number: u64) -> Vec<u8> {
    [&8_u32.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

fn write(store: &mut Store<FakeDisk>, millis: u64, number: u64) {
    store.write_run(now(millis), &run(&frame(number))).unwrap();
}

/// Every seed is a disk of its own, with short writes, interrupts, errors, and a lack of room.
#[test]
fn on_a_disk_that_fails_every_frame_is_written_once_and_in_order() {
    for seed in 0..SEEDS {
        simulate(seed);
    }
}

#[track_caller]
fn simulate(seed: u64) {
    let mut random = Random(seed * 7 + 3);
    let disk = World::shared(seed);
    let rotation = match seed % 4 {
        0 => Rotation::new(),
        1 => Rotation::new().max_len(NonZeroU64::new(1_000).unwrap()),
        2 => Rotation::new().period(Period::SinceOpening(Duration::from_millis(700))),
        _ => Rotation::new().max_len(NonZeroU64::new(60).unwrap()),
    };
    let sync = [
        Sync::Never,
        Sync::EachFlush,
        Sync::Interval(Duration::from_millis(50)),
    ];
    let sync = sync[usize::try_from(seed / 4 % 3).unwrap()];
    let in_progress = [InProgress::FinalName, InProgress::Part][usize::try_from(seed / 12 % 2).unwrap()];
    let config = config().rotation(rotation).sync(sync).in_progress(in_progress);
    let mut store = open(&disk, config, 0);
    disk.world().is_bad = true;
    let mut numbers = Numbers { next: 0 };
    let mut offered = Vec::new();
    let mut millis = 0;
    let mut sizes = Vec::new();
    for _ in 0..300 {
        millis += random.below(30);
        if random.one_in(20) {
            let room = usize::try_from(random.below(500)).unwrap();
            disk.world().room = if random.one_in(2) { usize::MAX } else { room };
        }
        if random.one_in(60) {
            store.rotate(now(millis));
        }
        if random.one_in(10) {
            store.flush(now(millis));
        }
        if offered.is_empty() {
            offered = numbers.run(&mut random);
        }
        let wire = offered.clone();
        let before = store.accepted();
        match store.write_run(now(millis), &run(&wire)) {
            Ok(()) => {
                sizes.extend(run(&wire).iter().map(|payload| payload.len() as u64 + 4));
                offered.clear();
            }
            Err(blocked) => {
                assert_eq!(store.accepted(), before, "seed {seed}: all or nothing");
                assert!(blocked.until > now(millis).at, "seed {seed}");
            }
        }
        while store.poll_event().is_some() {}
        if random.one_in(12) {
            crash(seed, &disk, &store, &sizes);
        }
    }
    let mut world = disk.world();
    (world.is_bad, world.room) = (false, usize::MAX);
    drop(world);
    store.close(now(millis)).unwrap();
    let found: Vec<u64> = disk.files().iter().flat_map(|(_, bytes)| read(bytes).0).collect();
    assert!(
        found.iter().copied().eq(0..sizes.len() as u64),
        "seed {seed}: {found:?}"
    );
    let stats = store.stats();
    assert_eq!(
        (stats.frames, stats.waiting_frames),
        (sizes.len() as u64, 0),
        "seed {seed}"
    );
    assert_eq!(stats.bytes, store.accepted(), "seed {seed}");
    for (name, bytes) in disk.files() {
        let stopped = read(&bytes).1 == Some(End::Stop);
        assert!(stopped || stats.abandoned > 0, "seed {seed}: {name} without STOP");
    }
}

/// What the next process finds if this one dies here.
#[track_caller]
fn crash(seed: u64, disk: &FakeDisk, store: &Store<FakeDisk>, sizes: &[u64]) {
    let mut found = Vec::new();
    for (path, bytes) in disk.files() {
        let mut file = Cursor::new(bytes);
        let resumed = append(&mut file, Some(&name()), FrameConfig::new());
        let resumed = resumed.unwrap_or_else(|error| panic!("seed {seed}: {path}: {error}"));
        assert!(resumed.cut_bytes < 72, "seed {seed}: more than a frame is torn");
        found.extend(read(&file.into_inner()).0);
    }
    let bytes: u64 = sizes.iter().take(found.len()).sum();
    assert!(
        found.iter().copied().eq(0..found.len() as u64),
        "seed {seed}: {found:?}"
    );
    assert!(bytes >= store.written(), "seed {seed}: {bytes} bytes, {store:?}");
    assert!(store.confirmed() <= store.written(), "seed {seed}");
}

#[test]
fn start_is_in_the_file_at_once_and_stop_at_the_end() {
    let disk = World::shared(1);
    let mut store = open(&disk, config(), 0);
    assert_eq!(disk.files()[0].1.len(), 21);
    store.close(now(0)).unwrap();
    assert_eq!(read(&disk.files()[0].1), (vec![], Some(End::Stop)));
}

#[test]
fn a_lone_frame_waits_no_longer_than_the_flush_interval() {
    let disk = World::shared(1);
    let mut store = open(&disk, config().flush_interval(Duration::from_millis(500)), 0);
    write(&mut store, 100, 0);
    write(&mut store, 400, 1);
    assert_eq!((store.poll_timeout(), store.written()), (Some(now(600).at), 0));
    store.handle_timeout(now(599));
    assert_eq!(store.written(), 0);
    store.handle_timeout(now(600));
    assert_eq!((store.poll_timeout(), store.written()), (None, 24));
    assert_eq!(store.stats().writes, 1, "both in one write");
}

#[test]
fn an_idle_file_ends_in_time_and_an_empty_one_disappears() {
    let disk = World::shared(1);
    let rotation = Rotation::new().period(Period::SinceOpening(Duration::from_secs(1)));
    let mut store = open(&disk, config().rotation(rotation), 0);
    write(&mut store, 0, 0);
    store.handle_timeout(now(1_000));
    assert_eq!(read(&disk.files()[0].1), (vec![0], Some(End::Stop)));
    assert_eq!(
        (store.poll_timeout(), store.path()),
        (None, None),
        "no file without frames"
    );
    store.handle_timeout(now(9_000));
    write(&mut store, 9_500, 1);
    store.close(now(9_600)).unwrap();
    assert_eq!(disk.names(), ["a.fstrm", "a.1.fstrm"]);

    let disk = World::shared(1);
    let mut store = open(&disk, config().rotation(rotation), 0);
    store.handle_timeout(now(1_000));
    assert!(disk.names().is_empty() && store.stats().discarded == 1);
}

#[test]
fn the_frame_that_comes_late_is_in_the_next_file() {
    let disk = World::shared(1);
    let rotation = Rotation::new().period(Period::SinceOpening(Duration::from_secs(1)));
    let mut store = open(&disk, config().rotation(rotation), 0);
    write(&mut store, 0, 0);
    write(&mut store, 1_000, 1);
    store.close(now(1_100)).unwrap();
    let found: Vec<_> = disk.files().iter().map(|(_, bytes)| read(bytes).0).collect();
    assert_eq!(found, [[0], [1]]);
}

#[test]
fn a_file_is_never_longer_than_it_may_be_and_never_overwritten() {
    let disk = World::shared(1);
    disk.put("a.7.fstrm", b"somebody else's");
    disk.put("a.x.fstrm", b"somebody else's");
    let rotation = Rotation::new().max_len(NonZeroU64::new(60).unwrap());
    let mut store = open(&disk, config().rotation(rotation), 0);
    for number in 0..5 {
        write(&mut store, 0, number);
    }
    store.close(now(0)).unwrap();
    assert_eq!(
        disk.names(),
        ["a.7.fstrm", "a.x.fstrm", "a.fstrm", "a.8.fstrm", "a.9.fstrm"]
    );
    let files = disk.files();
    let found: Vec<_> = files[2..]
        .iter()
        .map(|(_, bytes)| (read(bytes).0, bytes.len()))
        .collect();
    assert_eq!(found, [(vec![0, 1], 57), (vec![2, 3], 57), (vec![4], 45)]);
    assert_eq!(files[0].1, b"somebody else's");
}

#[test]
fn a_store_goes_on_in_the_last_file_of_the_name() {
    let disk = World::shared(1);
    let mut store = open(&disk, config(), 0);
    write(&mut store, 0, 0);
    store.rotate(now(0));
    write(&mut store, 0, 1);
    store.flush(now(0));
    drop(store); // killed
    disk.world().files[Path::new("a.1.fstrm")]
        .lock()
        .unwrap()
        .bytes
        .extend(b"\0\0\0\x08torn");
    let mut store = open(&disk, config(), 0);
    assert_eq!((store.stats().resumed, store.stats().cut_bytes), (1, 8));
    write(&mut store, 0, 2);
    store.close(now(0)).unwrap();
    let found: Vec<_> = disk.files().iter().map(|(_, bytes)| read(bytes)).collect();
    assert_eq!(found, [(vec![0], Some(End::Stop)), (vec![1, 2], Some(End::Stop))]);
    open(&disk, config().existing(Existing::Number), 0);
    assert_eq!(disk.names(), ["a.fstrm", "a.1.fstrm", "a.2.fstrm"]);
}

#[test]
fn what_is_no_stream_is_refused_and_left_alone() {
    let disk = World::shared(1);
    disk.put("a.fstrm", b"some text");
    let opened = Store::open(disk.clone(), PathBuf::from("a.fstrm"), config(), now(0));
    assert!(matches!(opened, Err(OpenError::Append { .. })));
    assert_eq!(disk.files()[0].1, b"some text");
}

#[test]
fn a_file_in_progress_gets_its_name_when_it_is_whole() {
    let disk = World::shared(1);
    disk.put("a.fstrm", b"whole already");
    let config = config().in_progress(InProgress::Part);
    let mut store = open(&disk, config.clone(), 0);
    assert_eq!(disk.names(), ["a.fstrm", "a.1.fstrm.part"]);
    write(&mut store, 0, 0);
    store.flush(now(0));
    drop(store); // killed
    let mut store = open(&disk, config, 0);
    write(&mut store, 0, 1);
    // Somebody takes the name meanwhile.
    disk.put("a.1.fstrm", b"");
    store.close(now(0)).unwrap();
    assert_eq!(disk.names(), ["a.fstrm", "a.1.1.fstrm", "a.1.fstrm"]);
    assert_eq!(read(&disk.files()[1].1), (vec![0, 1], Some(End::Stop)));
}

#[test]
fn a_file_that_was_removed_or_cut_is_followed_by_a_new_one() {
    for is_removed in [true, false] {
        let disk = World::shared(1);
        let mut store = open(&disk, config(), 0);
        write(&mut store, 0, 0);
        store.flush(now(0));
        if is_removed {
            disk.clone().remove(Path::new("a.fstrm")).unwrap();
        } else {
            disk.world().files[Path::new("a.fstrm")]
                .lock()
                .unwrap()
                .bytes
                .clear();
        }
        write(&mut store, 10, 1);
        store.flush(now(10));
        assert!(store.is_blocked());
        store.handle_timeout(now(20));
        assert!(!store.is_blocked());
        store.close(now(30)).unwrap();
        let last = disk.files().pop().unwrap();
        assert_eq!(last.0, if is_removed { "a.fstrm" } else { "a.1.fstrm" });
        assert_eq!(read(&last.1), (vec![1], Some(End::Stop)));
        assert_eq!(store.stats().rewritten_bytes, 12);
    }
}

#[test]
fn a_full_disk_is_told_once_and_tried_again_more_and_more_seldom() {
    let disk = World::shared(1);
    let mut store = open(&disk, config().buffer(0), 0);
    while store.poll_event().is_some() {}
    disk.world().room = 15;
    write(&mut store, 0, 0);
    write(&mut store, 0, 1);
    assert_eq!((store.written(), store.accepted()), (12, 24));
    assert_eq!(disk.files()[0].1.len(), 33, "cut back to the border");
    let mut waits = vec![];
    let mut millis = 0;
    for _ in 0..12 {
        let until = store.poll_timeout().unwrap().as_micros() / 1_000;
        assert_eq!(
            store.write_run(now(millis), &run(&frame(9))),
            Err(Blocked { until: now(until).at })
        );
        waits.push(until - millis);
        millis = until;
        disk.world().room = 3;
        store.handle_timeout(now(millis));
    }
    assert_eq!(
        waits,
        [10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 5_000, 5_000, 5_000]
    );
    disk.world().room = usize::MAX;
    store.handle_timeout(now(millis + 5_000));
    let mut events = vec![];
    while let Some(event) = store.poll_event() {
        events.push(event);
    }
    assert!(
        matches!(&events[..], [Event::Failed { .. }, Event::Recovered { .. }]),
        "{events:?}"
    );
    store.close(now(millis)).unwrap();
    assert_eq!(read(&disk.files()[0].1), (vec![0, 1], Some(End::Stop)));
}

#[test]
fn closing_on_a_full_disk_says_what_is_lost_and_may_be_tried_again() {
    let disk = World::shared(1);
    let mut store = open(&disk, config(), 0);
    write(&mut store, 0, 0);
    disk.world().room = 5;
    assert_eq!(store.close(now(0)).unwrap_err().frames, 1);
    disk.world().room = usize::MAX;
    store.close(now(0)).unwrap();
    assert_eq!(read(&disk.files()[0].1), (vec![0], Some(End::Stop)));
}

/// A pipe that takes a few bytes at a time, and now and then none.
struct Pipe(Arc<Mutex<(Vec<u8>, usize)>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (taken, calls) = &mut *self.0.lock().unwrap();
        *calls += 1;
        if calls.is_multiple_of(7) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let len = bytes.len().min(5);
        taken.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_pipe_goes_on_from_the_exact_byte_and_is_never_rotated() {
    // START is 12 bytes, and none of its three writes is the one that fails.
    let pipe = Arc::new(Mutex::new((Vec::new(), 3)));
    let config = Config::new().buffer(0);
    let mut store = Store::stream(Pipe(Arc::clone(&pipe)), "-", config, now(0)).unwrap();
    let mut millis = 0;
    for number in 0..20 {
        while store.write_run(now(millis), &run(&frame(number))).is_err() {
            millis += 10_000;
        }
        store.rotate(now(millis));
    }
    while store.close(now(millis)).is_err() {}
    let (numbers, end) = read(&pipe.lock().unwrap().0);
    assert!(numbers.into_iter().eq(0..20) && end == Some(End::Stop));
}

/// A pipe that keeps what it takes until it is flushed, as standard output does.
#[derive(Clone, Default)]
struct Buffered(Arc<Mutex<(Vec<u8>, Vec<u8>)>>);

impl Write for Buffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let (kept, through) = &mut *self.0.lock().unwrap();
        through.append(kept);
        Ok(())
    }
}

#[test]
fn what_is_written_to_a_stream_with_a_buffer_has_gone_through_it() {
    let pipe = Buffered::default();
    let mut store = Store::stream(pipe.clone(), "-", Config::new(), now(0)).unwrap();
    store.write_run(now(0), &run(&frame(0))).unwrap();
    store.flush(now(0));
    assert_eq!(store.written(), store.accepted());
    assert_eq!(read(&pipe.0.lock().unwrap().1).0, [0]);
}

#[cfg(unix)]
#[test]
fn a_file_whose_renaming_was_cut_short_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (path, in_progress) = (folder.path().join("a.fstrm"), folder.path().join("a.fstrm.part"));
    let record = |number| {
        let config = Config::new().in_progress(InProgress::Part);
        let mut store = Store::open(Folder, path.clone(), config, now(0)).unwrap();
        store.write_run(now(0), &run(&frame(number))).unwrap();
        store.close(now(0)).unwrap();
    };
    record(0);
    // The second name is there, the first one not yet gone.
    std::fs::hard_link(&path, &in_progress).unwrap();
    record(1);
    let found = |name: &str| read(&std::fs::read(folder.path().join(name)).unwrap());
    assert_eq!(found("a.fstrm"), (vec![0], Some(End::Stop)));
    assert_eq!(found("a.1.fstrm"), (vec![1], Some(End::Stop)));
    assert!(!in_progress.exists());
}
