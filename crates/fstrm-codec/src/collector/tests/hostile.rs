//! Peers that mean ill, next to one that does not.

use super::*;
use crate::frame::End;

/// Sends `count` numbered frames, ends with STOP and waits for FINISH.
async fn honest(mut client: Client, count: u32) {
    client.say(&[ready(), start()]).await;
    client.expect(&accept()).await;
    for number in 0..count {
        client.say(&[frame(&number.to_be_bytes())]).await;
    }
    client.say(&[stop()]).await;
    client.expect(&finish()).await;
}

/// Takes `count` numbered frames, in order.
async fn numbers(batches: &mut Batches, count: u32) {
    let mut next = 0;
    while next < count {
        let batch = batches.next().await.unwrap();
        for payload in batch.run.payloads() {
            if payload.len() == 4 {
                assert_eq!(payload, next.to_be_bytes()[..]);
                next += 1;
            }
        }
        batch.confirm();
    }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_almost_whole_frames_neither_bloat_nor_block() {
    const LIMIT: usize = 16 << 20;
    let config = typed()
        .memory(LIMIT)
        .max_connections(core::num::NonZeroUsize::new(2001).unwrap());
    let (collector, mut batches) = Collector::spawn(config);
    let mut hostile = Vec::new();
    for _ in 0..2000 {
        let mut client = Client::connect(&collector);
        let almost = frame(&std::vec![7; 1 << 20])[..(1 << 20) - 64].to_vec();
        hostile.push(tokio::spawn(async move {
            client.say(&[ready(), start(), almost]).await;
            client.hears().await;
        }));
    }
    let client = Client::connect(&collector);
    let mut most = 0;
    let watch = collector.watch();
    let watching = async {
        loop {
            most = most.max(watch.stats().buffered_bytes);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let work = async { tokio::join!(honest(client, 2_000), numbers(&mut batches, 2_000)) };
    race(work, watching).await;
    let limit = u64::try_from(LIMIT + LIMIT / 2).unwrap();
    assert!(most <= limit, "{most} bytes were held, {limit} are allowed");
    while !matches!(outcome(&collector).await, Ok(End::Stop)) {}
    drop(collector);
    for task in hostile {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_frame_gets_through_when_others_hold_all_memory() {
    let (collector, mut batches) = Collector::spawn(typed().memory(4 << 20));
    let mut hostile = Vec::new();
    for _ in 0..16 {
        let mut client = Client::connect(&collector);
        let almost = frame(&std::vec![7; 1 << 20])[..(1 << 20) - 64].to_vec();
        client.say(&[ready(), start()]).await;
        hostile.push(tokio::spawn(async move {
            client.say(&[almost]).await;
            client.hears().await;
        }));
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start()]).await;
    let large = [frame(&std::vec![9; 1 << 20]), stop()];
    let ((), got) = tokio::join!(client.say(&large), payloads(&mut batches, 1));
    assert_eq!(got[0].len(), 1 << 20);
    client.expect(&[accept(), finish()].concat()).await;
    assert!(collector.stats().failed.memory > 0, "{:?}", collector.stats());
    drop(collector);
    for task in hostile {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_length_near_the_end_of_numbers_is_refused_at_once() {
    let (collector, _batches) = Collector::spawn(typed());
    for len in [u32::MAX, u32::MAX - 3, 0xffff_fff8, 1 << 31] {
        let mut client = Client::connect(&collector);
        client
            .say(&[ready(), start(), len.to_be_bytes().to_vec(), std::vec![0; 64]])
            .await;
        assert!(matches!(outcome(&collector).await, Err(SessionError::Frame(_))));
        assert_eq!(client.hears().await, accept());
    }
    assert_eq!(collector.stats().buffered_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_frame_larger_than_all_memory_ends_its_session() {
    let stream = handshake::Config::new().max_data(core::num::NonZeroU32::MAX);
    let (collector, _batches) = Collector::spawn(Config::new().stream(stream));
    let mut client = Client::connect(&collector);
    let claim = u32::MAX.to_be_bytes().to_vec();
    client.say(&[ready(), start(), claim, std::vec![0; 20_000]]).await;
    assert!(matches!(outcome(&collector).await, Err(SessionError::Memory)));
    assert_eq!(collector.stats().failed.memory, 1);
}

/// A small generator: the same peers every time.
struct Seed(u64);

impl Seed {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}

#[tokio::test(start_paused = true)]
async fn peers_that_err_at_random_do_not_disturb_the_honest_one() {
    for seed in 1..=20 {
        let mut seed = Seed(seed);
        let (collector, mut batches) = Collector::spawn(typed());
        let mut said = Vec::new();
        for _ in 0..50 {
            let mut stream = [ready(), start(), frame(&[5; 100]), frame(&[6; 9000]), stop()].concat();
            match seed.below(3) {
                0 => stream.truncate(seed.below(stream.len())),
                1 => {
                    let at = seed.below(stream.len());
                    stream[at] ^= 1 << seed.below(8);
                }
                _ => {
                    let at = seed.below(stream.len());
                    stream.drain(at..);
                    stream.extend((0..seed.below(300)).map(|_| u8::try_from(seed.below(256)).unwrap()));
                }
            }
            said.push(stream);
        }
        let mut tasks = Vec::new();
        for stream in said {
            let mut client = Client::connect(&collector);
            let pause = Duration::from_millis(u64::try_from(seed.below(50)).unwrap());
            tasks.push(tokio::spawn(async move {
                for part in stream.chunks(997) {
                    client.say(&[part.to_vec()]).await;
                    tokio::time::sleep(pause).await;
                }
            }));
        }
        let client = Client::connect(&collector);
        tokio::join!(honest(client, 1000), numbers(&mut batches, 1000));
        for task in tasks {
            task.await.unwrap();
        }
        let (stats, ()) = tokio::join!(collector.close(), async {
            while let Some(batch) = batches.next().await {
                batch.confirm();
            }
        });
        let ended = stats.ended.stop + stats.ended.eof + stats.ended.truncated;
        assert_eq!(ended + stats.failed.total(), stats.sessions, "{stats:?}");
        assert_eq!((stats.sessions, stats.open), (51, 0));
        assert_eq!(stats.frames, stats.confirmed_frames);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_of_many_sizes_loses_nothing() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    let mut seed = Seed(42);
    let sizes: Vec<_> = (0..300)
        .map(|_| match seed.below(10) {
            0 => 1 + seed.below(1 << 20),
            1..=3 => 1 + seed.below(20_000),
            _ => 1 + seed.below(500),
        })
        .collect();
    let wire: Vec<u8> = sizes
        .iter()
        .enumerate()
        .flat_map(|(number, size)| frame(&std::vec![u8::try_from(number % 251).unwrap(); *size]))
        .collect();
    let sending = async {
        client.say(&[ready(), start()]).await;
        let mut rest = &wire[..];
        while !rest.is_empty() {
            let len = (1 + seed.below(300_000)).min(rest.len());
            client.say(&[rest[..len].to_vec()]).await;
            rest = &rest[len..];
        }
        client.say(&[stop()]).await;
        client.expect(&[accept(), finish()].concat()).await;
    };
    let (got, ()) = tokio::join!(payloads(&mut batches, sizes.len()), sending);
    for (number, (payload, size)) in got.iter().zip(&sizes).enumerate() {
        assert_eq!(payload.len(), *size);
        let byte = u8::try_from(number % 251).unwrap();
        assert!(payload.iter().all(|found| *found == byte));
    }
    drop(client);
    assert_eq!(outcome(&collector).await.unwrap(), End::Stop);
    assert_eq!(collector.stats().buffered_bytes, 0);
}
