//! Runs, timeouts, FINISH on release.

use super::*;
use crate::endpoint::Connection;

fn run(payloads: &[&[u8]]) -> OwnedRun {
    OwnedRun::encode(payloads.iter().copied(), FrameConfig::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn runs_and_payloads_mix_on_both_sides() {
    let (mut writer, mut reader) = pair(10_000).await;
    writer.send_run(&run(&[b"a", b"b", b"c"])).await.unwrap();
    writer.send(Bytes::from_static(b"d")).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "a");
    let rest = reader.next_run().await.unwrap().unwrap();
    assert_eq!(rest, run(&[b"b", b"c", b"d"]));
    let (finished, end) = tokio::join!(writer.finish(), reader.next_run());
    finished.unwrap();
    assert!(end.is_none());
    assert_eq!(writer.stats(), reader.stats());
    assert_eq!(writer.stats().data_frames, 4);
}

#[tokio::test(start_paused = true)]
async fn a_long_run_crosses_a_narrow_connection_whole() {
    let (mut writer, mut reader) = pair(1_000).await;
    let long = vec![7; 300_000];
    let sent = run(&[&long, b"tail", &long]);
    let send = async {
        writer.send_run(&sent).await.unwrap();
        writer.finish().await.unwrap();
    };
    let receive = async {
        let mut wire = Vec::new();
        while let Some(run) = reader.next_run().await {
            wire.extend_from_slice(run.unwrap().as_wire());
        }
        wire
    };
    let ((), received) = tokio::join!(send, receive);
    assert!(received == **sent.as_wire());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_feed_has_taken_nothing() {
    let (mut writer, mut reader) = pair(100).await;
    let long = vec![1; 80_000];
    writer.feed_run(&run(&[&long])).await.unwrap();
    // The first one is over what may wait, and nobody reads.
    let dropped = tokio::time::timeout(Duration::from_secs(1), writer.feed_run(&run(&[b"lost"]))).await;
    assert!(dropped.is_err());
    let receive = async {
        let mut lengths = Vec::new();
        while let Some(payload) = reader.next().await {
            lengths.push(payload.unwrap().len());
        }
        lengths
    };
    let send = async {
        writer.send_run(&run(&[b"tail"])).await.unwrap();
        writer.finish().await.unwrap();
    };
    let ((), lengths) = tokio::join!(send, receive);
    assert_eq!(lengths, [80_000, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_flush_is_gone_on_with() {
    let (mut writer, mut reader) = pair(100).await;
    let long = vec![1; 10_000];
    writer.feed_run(&run(&[&long])).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_secs(1), writer.flush()).await;
    assert!(dropped.is_err());
    assert!(writer.unwritten_bytes() < 10_000);
    let (flushed, received) = tokio::join!(writer.flush(), reader.next());
    flushed.unwrap();
    assert_eq!(received.unwrap().unwrap(), long);
}

#[tokio::test(start_paused = true)]
async fn a_run_with_a_frame_over_the_limit_is_refused_whole() {
    let (here, mut there) = duplex(1_000);
    let narrow = unidirectional().max_data(core::num::NonZeroU32::new(10).unwrap());
    let mut writer = FstrmWriter::open(here, narrow).await.unwrap();
    assert!(matches!(
        writer.send_run(&run(&[b"short", &[0; 11]])).await,
        Err(ConnError::Encode(EncodeError::TooLong { len: 11, max: 10 }))
    ));
    // Many short ones are no long one.
    writer.send_run(&run(&[&[0; 10], &[0; 10]])).await.unwrap();
    drop(writer);
    let mut sent = Vec::new();
    there.read_to_end(&mut sent).await.unwrap();
    assert_eq!(sent.len(), 21 + 2 * 14);
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures the virtual time that has passed"
)]
async fn a_reader_that_takes_no_bytes_is_given_up_and_one_that_takes_some_is_not() {
    let (here, mut there) = duplex(100);
    let config = unidirectional().write_timeout(Duration::from_secs(2));
    let mut writer = FstrmWriter::open(here, config).await.unwrap();
    let slow = async {
        let mut byte = [0; 100];
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            there.read_exact(&mut byte).await.unwrap();
        }
    };
    let before = tokio::time::Instant::now();
    let long = run(&[&[0; 10_000]]);
    let (sent, ()) = tokio::join!(writer.send_run(&long), slow);
    assert!(matches!(sent, Err(ConnError::Stalled { after }) if after.as_secs() == 2));
    assert_eq!(before.elapsed().as_millis(), 5 * 1_500 + 2_000);
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures the virtual time that has passed"
)]
async fn silence_ends_a_stream_only_after_the_idle_timeout() {
    let (here, there) = duplex(1_000);
    let config = config().idle_timeout(Some(Duration::from_secs(10)));
    let (writer, reader) = tokio::join!(
        FstrmWriter::open(here, super::config()),
        FstrmReader::open(there, config)
    );
    let (mut writer, mut reader) = (writer.unwrap(), reader.unwrap());
    let before = tokio::time::Instant::now();
    let send = async {
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(8)).await;
            writer.send(Bytes::from_static(b"x")).await.unwrap();
        }
    };
    let receive = async {
        for _ in 0..3 {
            reader.next_run().await.unwrap().unwrap();
        }
        reader.next_run().await.unwrap().unwrap_err()
    };
    let ((), error) = tokio::join!(send, receive);
    assert!(matches!(error, ConnError::Idle { after } if after.as_secs() == 10));
    assert_eq!(before.elapsed().as_secs(), 34);
    assert!(reader.next_run().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn finish_is_kept_back_until_it_is_released() {
    let (here, there) = duplex(1_000);
    let (writer, reader) = tokio::join!(
        FstrmWriter::open(here, config()),
        FstrmReader::open(there, config().finish(Finish::OnRelease))
    );
    let (mut writer, mut reader) = (writer.unwrap(), reader.unwrap());
    let early = tokio::time::timeout(Duration::from_secs(1), writer.finish()).await;
    assert!(early.is_err());
    assert!(reader.next_run().await.is_none());
    assert_eq!(reader.end_of_stream(), Some(End::Stop));
    let still = tokio::time::timeout(Duration::from_secs(1), writer.finish()).await;
    assert!(still.is_err() && reader.owes_finish());
    let (finished, ()) = tokio::join!(writer.finish(), reader.release_finish());
    finished.unwrap();
    assert!(!reader.owes_finish());
}

#[tokio::test(start_paused = true)]
async fn releasing_finish_to_nobody_returns() {
    let (mut here, there) = Connection::pair(1_000);
    let hasty = [
        frame(ControlType::Ready).as_bytes(),
        frame(ControlType::Start).as_bytes(),
        ControlFrame::stop().as_bytes(),
    ]
    .concat();
    here.write_all(&hasty).await.unwrap();
    let config = Config::new().finish(Finish::OnRelease);
    let mut reader = FstrmReader::open(there, config).await.unwrap();
    assert!(reader.next_run().await.is_none());
    drop(here);
    reader.release_finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_left_before_accept_has_not_sent_in_vain() {
    let (mut here, there) = duplex(1_000);
    let hasty = [
        frame(ControlType::Ready).as_bytes(),
        frame(ControlType::Start).as_bytes(),
        b"\0\0\0\x01x",
        ControlFrame::stop().as_bytes(),
    ]
    .concat();
    here.write_all(&hasty).await.unwrap();
    drop(here);
    let mut reader = FstrmReader::open(there, Config::new()).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "x");
    assert!(reader.next().await.is_none());
    assert_eq!(reader.end_of_stream(), Some(End::Stop));
}

#[tokio::test(start_paused = true)]
async fn a_writer_with_nothing_to_write_learns_that_the_reader_has_gone() {
    let (mut writer, reader) = pair(1_000).await;
    let waiting = tokio::time::timeout(Duration::from_secs(60), writer.gone()).await;
    assert!(waiting.is_err());
    drop(reader);
    assert!(matches!(
        writer.gone().await,
        ConnError::Handshake(HandshakeError::ReaderGone)
    ));
}

/// Any sizes of reads and writes give the same frames.
#[tokio::test(start_paused = true)]
async fn however_narrow_the_connection_the_frames_are_the_same() {
    let payloads: Vec<Vec<u8>> = (1..=60_usize).map(|n| vec![0xa5; n * 37 % 700 + 1]).collect();
    for size in [1, 2, 7, 4_096, 100_000] {
        let (here, there) = duplex(size);
        let send = async {
            let mut writer = FstrmWriter::open(here, config()).await.unwrap();
            for pair in payloads.chunks(3) {
                let run = OwnedRun::encode(pair.iter().map(Vec::as_slice), FrameConfig::new()).unwrap();
                writer.feed_run(&run).await.unwrap();
            }
            writer.finish().await.unwrap();
        };
        let receive = async {
            let mut reader = FstrmReader::open(there, config()).await.unwrap();
            let mut received = Vec::new();
            while let Some(run) = reader.next_run().await {
                received.extend(run.unwrap().payloads().map(Vec::from));
            }
            received
        };
        let ((), received) = tokio::join!(send, receive);
        assert!(received == payloads, "{size}");
    }
}
