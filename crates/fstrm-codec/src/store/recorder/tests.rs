//! A recorder on a disk that fails, and on a real one.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::time::SystemTime;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use tinwire_time::Instant;

use super::*;
use crate::frame::{End, FrameConfig};
use crate::rotate::Now;
use crate::store::tests::faulty::{FakeDisk, World};
use crate::store::tests::{frame, read};
use crate::store::{Config, Sync};

/// One frame, and where its fate is written down.
struct Parcel {
    number: u64,
    fates: Fates,
}

type Fates = Arc<Mutex<Vec<(u64, Fate)>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Confirmed,
    Lost,
}

struct Receipt(Parcel, Fate);

impl Drop for Receipt {
    fn drop(&mut self) {
        let mut fates = lock(&self.0.fates);
        fates.push((self.0.number, self.1));
    }
}

impl Record for Parcel {
    type Receipt = Receipt;

    fn split(self) -> (OwnedRun, Receipt) {
        let wire = Bytes::from(frame(self.number));
        (
            OwnedRun::decode(wire, FrameConfig::new()).unwrap(),
            Receipt(self, Fate::Lost),
        )
    }

    fn confirm(mut receipt: Receipt) {
        receipt.1 = Fate::Confirmed;
    }
}

/// What a test feeds a recorder with.
struct Feed(mpsc::Receiver<Parcel>);

impl Stream for Feed {
    type Item = Parcel;

    fn poll_next(
        mut self: core::pin::Pin<&mut Self>,
        cx: &mut core::task::Context<'_>,
    ) -> core::task::Poll<Option<Parcel>> {
        self.0.poll_recv(cx)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

const NOW: Now = Now {
    at: Instant::ZERO,
    wall: SystemTime::UNIX_EPOCH,
};

/// Everything that a test holds of a recorder that runs on its own runtime, in virtual time.
struct Rig {
    disk: FakeDisk,
    feed: Option<mpsc::Sender<Parcel>>,
    fates: Fates,
    handle: RecorderHandle,
    task: tokio::task::JoinHandle<Result<(), CloseError>>,
    events: mpsc::Receiver<Event>,
}

fn rig(config: Config, room: usize) -> Rig {
    let disk = World::shared(1);
    let path = std::path::PathBuf::from("a.fstrm");
    let store = Store::open(disk.clone(), path, config, NOW).unwrap();
    disk.world().room = room;
    let (feed, fed) = mpsc::channel(8);
    let (orders, ordered) = mpsc::channel(MAX_ORDERS);
    let (tell, events) = mpsc::channel(MAX_EVENTS);
    let stats = Arc::new(Mutex::new(RecorderStats::default()));
    let driver = Driver::new(
        store,
        Feed(fed),
        RecorderConfig::new(),
        ordered,
        tell,
        Arc::clone(&stats),
    );
    #[expect(
        clippy::disallowed_methods,
        reason = "a test plays the thread of the recorder"
    )]
    let task = tokio::spawn(driver.run());
    Rig {
        disk,
        feed: Some(feed),
        fates: Fates::default(),
        handle: RecorderHandle { orders, stats },
        task,
        events,
    }
}

impl Rig {
    async fn send(&self, numbers: core::ops::Range<u64>) {
        for number in numbers {
            let fates = Arc::clone(&self.fates);
            let parcel = Parcel { number, fates };
            assert!(self.feed.as_ref().unwrap().send(parcel).await.is_ok());
        }
    }

    fn confirmed(&self) -> Vec<u64> {
        let fates = lock(&self.fates);
        let confirmed = fates.iter().filter(|(_, fate)| *fate == Fate::Confirmed);
        confirmed.map(|(number, _)| *number).collect()
    }

    async fn end(&mut self) -> Result<(), CloseError> {
        self.feed = None;
        (&mut self.task).await.unwrap()
    }
}

fn config() -> Config {
    Config::new().buffer(300)
}

#[tokio::test(start_paused = true)]
async fn what_is_confirmed_is_in_the_file_and_in_order() {
    let mut rig = rig(config(), usize::MAX);
    rig.send(0..100).await;
    rig.end().await.unwrap();
    assert!(rig.confirmed().into_iter().eq(0..100));
    let (numbers, end) = read(&rig.disk.files()[0].1);
    assert!(numbers.into_iter().eq(0..100) && end == Some(End::Stop));
}

#[tokio::test(start_paused = true)]
async fn a_lone_batch_is_confirmed_at_once() {
    let rig = rig(config(), usize::MAX);
    rig.send(0..1).await;
    // The time stands still until everybody sleeps.
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(rig.confirmed(), [0]);
}

#[tokio::test(start_paused = true)]
async fn while_the_disk_is_full_nothing_is_confirmed_and_nothing_more_is_taken() {
    let mut rig = rig(config(), 20);
    rig.send(0..1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.send(1..9).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    rig.send(9..17).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!((rig.confirmed(), rig.handle.stats().is_blocked), (vec![0], true));
    assert_eq!(
        rig.feed.as_ref().unwrap().capacity(),
        0,
        "all 8 wait in front of the recorder"
    );
    rig.disk.world().room = usize::MAX;
    rig.send(17..20).await;
    rig.end().await.unwrap();
    assert!(rig.confirmed().into_iter().eq(0..20));
    let (numbers, end) = read(&rig.disk.files()[0].1);
    assert!(numbers.into_iter().eq(0..20) && end == Some(End::Stop));
    let mut events = VecDeque::new();
    while let Some(event) = rig.events.recv().await {
        events.push_back(event);
    }
    assert!(matches!(
        events.make_contiguous(),
        [
            Event::Opened { .. },
            Event::Failed { .. },
            Event::Recovered { .. },
            Event::Closed { .. }
        ]
    ));
}

#[tokio::test(start_paused = true)]
async fn with_sync_a_batch_is_confirmed_when_the_disk_has_it() {
    let sync = Sync::Interval(Duration::from_secs(10));
    let mut rig = rig(config().sync(sync), usize::MAX);
    rig.send(0..1).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!((rig.confirmed(), rig.disk.files()[0].1.len()), (vec![], 24));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rig.confirmed(), [0]);
    rig.send(1..2).await;
    rig.handle.sync().await;
    rig.end().await.unwrap();
    assert_eq!((rig.confirmed(), rig.handle.stats().confirmed), (vec![0, 1], 2));
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_stays_full_is_given_up_and_the_rest_is_told_lost() {
    let mut rig = rig(config(), 20);
    rig.send(0..5).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(rig.handle.orders.send(Order::Close).await.is_ok());
    let error = rig.end().await.unwrap_err();
    assert!(error.frames > 0);
    let fates = lock(&rig.fates).clone();
    assert_eq!(fates.len(), 5, "{fates:?}");
    assert_eq!(rig.confirmed(), [0]);
}

#[tokio::test(start_paused = true)]
async fn an_order_to_rotate_ends_the_file() {
    let mut rig = rig(config(), usize::MAX);
    rig.send(0..3).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    rig.handle.rotate().await;
    rig.send(3..4).await;
    rig.end().await.unwrap();
    let found: Vec<_> = rig.disk.files().iter().map(|(_, bytes)| read(bytes)).collect();
    assert_eq!(
        found,
        [(vec![0, 1, 2], Some(End::Stop)), (vec![3], Some(End::Stop))]
    );
}

#[tokio::test]
async fn on_its_own_thread_it_writes_a_real_file_and_stops_when_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b.fstrm");
    let now = Now {
        at: Instant::ZERO,
        wall: SystemTime::now(),
    };
    let store = Store::open(crate::store::Folder, path.clone(), config(), now).unwrap();
    let (feed, fed) = mpsc::channel(8);
    let mut recorder = Recorder::spawn(store, Feed(fed), RecorderConfig::new()).unwrap();
    assert!(matches!(
        recorder.next_event().await,
        Some(Event::Opened { resumed: None, .. })
    ));
    let fates = Fates::default();
    for number in 0..1_000 {
        let fates = Arc::clone(&fates);
        assert!(feed.send(Parcel { number, fates }).await.is_ok());
    }
    recorder.handle().flush().await;
    let stats = recorder.close().await.unwrap();
    assert!(feed.is_closed());
    let (numbers, end) = read(&std::fs::read(&path).unwrap());
    assert_eq!((stats.confirmed, end), (numbers.len() as u64, Some(End::Stop)));
    assert!(numbers.iter().copied().eq(0..stats.confirmed));
}

#[tokio::test(start_paused = true)]
async fn the_end_takes_all_batches_that_are_there() {
    // Far more than a runtime lets a task take in one go.
    const COUNT: u64 = 1_000;
    let disk = World::shared(1);
    let store = Store::open(
        disk.clone(),
        std::path::PathBuf::from("a.fstrm"),
        Config::new(),
        NOW,
    )
    .unwrap();
    let (feed, fed) = mpsc::channel(1_000);
    let fates = Fates::default();
    for number in 0..COUNT {
        let fates = Arc::clone(&fates);
        assert!(feed.try_send(Parcel { number, fates }).is_ok());
    }
    let (orders, ordered) = mpsc::channel(1);
    orders.send(Order::Close).await.unwrap();
    let (tell, _events) = mpsc::channel(MAX_EVENTS);
    let stats = Arc::default();
    Driver::new(store, Feed(fed), RecorderConfig::new(), ordered, tell, stats)
        .run()
        .await
        .unwrap();
    assert_eq!(read(&disk.files()[0].1), ((0..COUNT).collect(), Some(End::Stop)));
    assert!(
        lock(&fates)
            .iter()
            .map(|(number, fate)| (*number, *fate))
            .eq((0..COUNT).map(|number| (number, Fate::Confirmed)))
    );
}
