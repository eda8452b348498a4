//! How a collector ends.

use core::pin::pin;
use core::task::{Context, Waker};
use std::string::ToString;

use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn close_reads_what_has_come_and_hands_it_out() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), frame(b"one")]).await;
    payloads(&mut batches, 1).await;
    client.say(&[frame(b"two"), frame(b"three")]).await;
    let (stats, last) = tokio::join!(collector.close(), async {
        let got = payloads(&mut batches, 2).await;
        assert!(batches.next().await.is_none());
        got
    });
    assert_eq!(last, [&b"two"[..], b"three"]);
    assert_eq!((stats.frames, stats.failed.closed, stats.open), (3, 1, 0));
    assert_eq!(client.hears().await, accept(), "no FINISH without STOP");
}

#[tokio::test(start_paused = true)]
async fn close_lets_a_stream_that_has_stopped_have_its_finish() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), frame(b"one"), stop()]).await;
    let (stats, ()) = tokio::join!(collector.close(), async {
        payloads(&mut batches, 1).await;
        client.expect(&[accept(), finish()].concat()).await;
    });
    assert_eq!(stats.ended.stop, 1);
}

#[tokio::test(start_paused = true)]
async fn close_is_over_in_time_when_nobody_confirms() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready(), start(), frame(b"one"), stop()]).await;
    let kept = batches.next().await.unwrap();
    let begin = Instant::now();
    let stats = collector.close().await;
    assert_eq!(begin.elapsed().as_secs(), 5);
    assert_eq!((stats.failed.closed, stats.open), (1, 0));
    kept.confirm();
}

#[tokio::test(start_paused = true)]
async fn close_waits_until_listeners_are_gone_with_their_sockets() {
    struct Held {
        shared: Arc<Shared>,
        told: std::sync::mpsc::Sender<bool>,
    }

    impl Accept for Held {
        type Io = DuplexStream;

        async fn accept(&mut self) -> std::io::Result<(Self::Io, Peer)> {
            core::future::pending().await
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            let mut cx = Context::from_waker(Waker::noop());
            let idle = pin!(self.shared.idle());
            self.told.send(idle.poll(&mut cx).is_pending()).unwrap();
        }
    }

    let (collector, _batches) = Collector::spawn(typed());
    let (told, heard) = std::sync::mpsc::channel();
    let shared = Arc::clone(&collector.shared);
    collector.listen(Held { shared, told });
    tokio::task::yield_now().await;
    collector.close().await;
    assert!(
        heard.try_recv().unwrap(),
        "it was still there when close had ended"
    );
}

#[tokio::test(start_paused = true)]
async fn a_closed_collector_accepts_nobody() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut listener = crate::endpoint::Listener::bind(
        &"tcp://127.0.0.1:0".parse().unwrap(),
        crate::endpoint::ListenConfig::new(),
    )
    .await
    .unwrap();
    let place = listener.local_endpoint().to_string();
    let _ = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    collector.listen(listener);
    collector.close().await;
    let address = place.strip_prefix("listen+").unwrap_or(&place);
    let address = address.strip_prefix("tcp://").unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap_err();
    assert!(batches.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_collector_drops_its_sessions() {
    let (collector, mut batches) = Collector::spawn(typed());
    let mut client = Client::connect(&collector);
    client.say(&[ready()]).await;
    client.expect(&accept()).await;
    drop(collector);
    assert!(client.hears().await.is_empty());
    assert!(batches.next().await.is_none());
}
