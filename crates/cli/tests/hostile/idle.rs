//! Five thousand senders that have nothing to send.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::collector::{Collector, WORDS, connect};
use crate::honest::{FRAMES, finish, frames, numbers, ready, round, start};
use crate::place::Place;
use crate::{TURN, within_limits};

const IDLE: u64 = 5_000;
/// 8 KiB to read into, a task, what is known of the session, and as much again for what allocators keep.
const MAX_EACH_KIB: u64 = 24;
/// What may come on top while another one sends: 16 MiB of batches, a buffer, the recorder's write.
const MAX_GROWTH_KIB: u64 = 32 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_idle_connections_cost_a_little_memory_each_and_nobody_else_anything() {
    let _turn = TURN.lock().await;
    let count = within_limits(IDLE);
    let place = Place::new();
    let command = place.command(&[&WORDS[..], &["--maxconns", "6000"]].concat());
    let collector = Collector::start(&place, command);
    let alone = round(collector.socket(), 0).await;
    let before = collector.memory("VmRSS");

    let mut idle = Vec::new();
    for _ in 0..count {
        let mut stream = connect(collector.socket()).await;
        stream.write_all(&[ready(), start()].concat()).await.unwrap();
        // ACCEPT: it is in its stream now.
        stream.read_exact(&mut [0; 42]).await.unwrap();
        idle.push(stream);
    }
    let with_them = collector.memory("VmRSS");
    let mut among = Vec::new();
    for number in 1..=3 {
        among.push(round(collector.socket(), number * FRAMES).await);
    }
    let later = collector.memory("VmRSS");
    // All of them are still there, and soon nobody else.
    while collector.figure("tinwire_fstrm_sessions ").await > count {
        tokio::task::yield_now().await;
    }
    assert_eq!(collector.figure("tinwire_fstrm_sessions ").await, count);
    // Whoever was silent so long is heard all the same.
    for stream in idle.iter_mut().step_by(1000) {
        stream.write_all(&frames(0..1)).await.unwrap();
    }
    let spoke = idle.into_iter().step_by(1000);
    let spoken = spoke.len();
    for stream in spoke {
        finish(stream).await;
    }
    let file = collector.file().to_owned();
    let summary = collector.stop();

    println!("{count} idle connections");
    println!("memory: {before} KiB before, {with_them} KiB with them, {later} KiB after three rounds");
    println!("honest sender: {alone:.0} frames/s alone, {among:.0?} among them");
    println!("{summary}");
    assert!(with_them < before + count * MAX_EACH_KIB, "{with_them} KiB");
    assert!(later < with_them + MAX_GROWTH_KIB, "{later} KiB");
    let mut expected: Vec<_> = (0..4 * FRAMES).collect();
    expected.resize(expected.len() + spoken, 0);
    assert!(numbers(&file) == expected);
}
