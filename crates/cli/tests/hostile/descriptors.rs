//! More connections than a process may have files open.

use core::time::Duration;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::TURN;
use crate::collector::{Collector, WORDS, connect};
use crate::honest::{FRAMES, finish, frames, numbers, ready, round, start};
use crate::place::Place;

/// More than the descriptors that the collector gets, and fewer than its socket lets wait.
const CROWD: usize = 200;
/// How long at least; the next failed accept ends it.
const STARVED: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_descriptors_left_it_waits_serves_whom_it_has_and_goes_on_later() {
    let _turn = TURN.lock().await;
    let place = Place::new();
    let command = place.script("ulimit -n 64; exec \"$0\" \"$@\"", &WORDS);
    let collector = Collector::start(&place, command);
    let mut steady = connect(collector.socket()).await;
    steady.write_all(&[ready(), start()].concat()).await.unwrap();
    steady.read_exact(&mut [0; 42]).await.unwrap();

    let mut crowd = Vec::new();
    for _ in 0..CROWD {
        crowd.push(connect(collector.socket()).await);
    }
    collector.hears("accept-failed");
    let begin = Instant::now();
    // Who asks for figures has to wait, and that must cost nothing either.
    let asked = async {
        let name = "tinwire_fstrm_errors_total{reason=\"accept\"}";
        (collector.figure(name).await, begin.elapsed())
    };
    let starved = async {
        steady.write_all(&frames(0..FRAMES)).await.unwrap();
        // One descriptor is free then; somebody of the crowd takes it.
        finish(steady).await;
        let (begin, used) = (Instant::now(), collector.time());
        while begin.elapsed() < STARVED {
            collector.hears("accept-failed");
        }
        let outcome = (collector.time() - used, begin.elapsed());
        drop(crowd);
        outcome
    };
    let ((errors, since), (used, elapsed)) = tokio::join!(asked, starved);
    round(collector.socket(), FRAMES).await;
    let file = collector.file().to_owned();
    let summary = collector.stop();

    println!("{errors} accepts failed in {since:.1?}; {used:.1?} of a processor in {elapsed:.1?} of them");
    println!("{summary}");
    // Somebody who is accepted makes the pauses short again.
    let most = u64::try_from(2 * CROWD).unwrap() + since.as_secs();
    assert!(errors >= 2 && errors <= most, "{errors}");
    assert!(used < elapsed / 2, "{used:?} in {elapsed:?}");
    assert!(numbers(&file).into_iter().eq(0..2 * FRAMES));
}
