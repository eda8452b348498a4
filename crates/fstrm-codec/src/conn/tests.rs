use core::time::Duration;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::*;
use crate::ContentType;
use crate::control::{ControlFrame, ControlLimit, ControlType};
use crate::frame::{EncodeError, End, FrameConfig, FrameError, OwnedRun};
use crate::handshake::{Absence, Config, Finish, HandshakeError, Mode};

mod runs;

fn config() -> Config {
    Config::new().content_type(ContentType::from_static(b"t").unwrap())
}

fn unidirectional() -> Config {
    config().mode(Mode::Unidirectional)
}

async fn pair(size: usize) -> (FstrmWriter<DuplexStream>, FstrmReader<DuplexStream>) {
    let (here, there) = duplex(size);
    let (writer, reader) = tokio::join!(
        FstrmWriter::open(here, config()),
        FstrmReader::open(there, config())
    );
    (writer.unwrap(), reader.unwrap())
}

fn frame(control: ControlType) -> ControlFrame {
    ControlFrame::build(control, [], ControlLimit::Narrow).unwrap()
}

#[tokio::test(start_paused = true)]
async fn payloads_cross_a_connection_and_finish_is_confirmed() {
    let (mut writer, mut reader) = pair(100).await;
    assert_eq!(writer.content_type(), config().content_types.first());
    assert_eq!(reader.content_type(), config().content_types.first());
    let payloads: Vec<_> = (1..200_u8)
        .map(|len| Bytes::from(std::vec![len; usize::from(len)]))
        .collect();
    let send = async {
        for payload in &payloads {
            writer.feed(payload.clone()).await.unwrap();
        }
        writer.finish().await.unwrap();
        writer.stats()
    };
    let receive = async {
        let received: Vec<_> = reader.by_ref().map(Result::unwrap).collect().await;
        assert_eq!(received, payloads);
        assert_eq!(reader.end_of_stream(), Some(End::Stop));
        reader.stats()
    };
    let (sent, received) = tokio::join!(send, receive);
    assert_eq!((sent.data_frames, sent.data_bytes), (199, 19_900));
    assert_eq!(sent, received);
}

#[tokio::test(start_paused = true)]
async fn a_unidirectional_stream_needs_no_answer() {
    let (here, there) = duplex(1_000);
    let mut writer = FstrmWriter::open(here, unidirectional()).await.unwrap();
    writer.send(Bytes::from_static(b"hello")).await.unwrap();
    writer.finish().await.unwrap();
    let mut reader = FstrmReader::open(there, unidirectional()).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "hello");
    assert!(reader.next().await.is_none());
    let (mut there, rest) = reader.into_parts();
    assert!(rest.is_empty());
    drop(there.shutdown().await);
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures the virtual time that has passed"
)]
async fn a_collector_that_never_accepts_times_out_after_five_seconds() {
    let (here, _there) = duplex(1_000);
    let before = tokio::time::Instant::now();
    let error = FstrmWriter::open(here, config()).await.unwrap_err();
    assert!(matches!(
        error,
        ConnError::Handshake(HandshakeError::NoAnswer {
            missing: ControlType::Accept,
            absence: Absence::Timeout
        })
    ));
    assert_eq!(before.elapsed().as_secs(), 5);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_sends_finish_is_reported() {
    let (here, mut there) = duplex(1_000);
    there
        .write_all(frame(ControlType::Accept).as_bytes())
        .await
        .unwrap();
    let mut writer = FstrmWriter::open(here, config().finish_timeout(Duration::from_secs(1)))
        .await
        .unwrap();
    let error = writer.finish().await.unwrap_err();
    assert!(matches!(
        error,
        ConnError::Handshake(HandshakeError::NoFinish {
            absence: Absence::Timeout
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_refused_writer_learns_why() {
    let (here, there) = duplex(1_000);
    let other = Config::new().content_type(ContentType::from_static(b"other").unwrap());
    let reader = async { FstrmReader::open(there, other).await.map(drop) };
    let (writer, reader) = tokio::join!(FstrmWriter::open(here, config()), reader);
    assert!(matches!(
        writer.unwrap_err(),
        ConnError::Handshake(HandshakeError::NoAnswer {
            absence: Absence::Closed,
            ..
        })
    ));
    assert!(matches!(
        reader.unwrap_err(),
        ConnError::Handshake(HandshakeError::NoCommonType { .. })
    ));
}

#[tokio::test(start_paused = true)]
async fn a_writer_notices_that_the_reader_is_gone() {
    let (mut writer, reader) = pair(1_000).await;
    drop(reader);
    let error = writer.send(Bytes::from_static(b"x")).await.unwrap_err();
    assert!(matches!(error, ConnError::Handshake(HandshakeError::ReaderGone)));
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::BrokenPipe);
}

#[tokio::test(start_paused = true)]
async fn a_writer_that_dies_in_a_frame_leaves_a_truncated_stream() {
    let (here, there) = duplex(1_000);
    let mut writer = FstrmWriter::open(here, unidirectional()).await.unwrap();
    writer.send(Bytes::from_static(b"hello")).await.unwrap();
    let mut here = writer.into_inner();
    here.write_all(b"\0\0\0\x09half").await.unwrap();
    drop(here);
    let mut reader = FstrmReader::open(there, unidirectional()).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "hello");
    assert!(reader.next().await.is_none());
    // START of type "t" is 21 bytes, the frame 9.
    assert_eq!(
        reader.end_of_stream(),
        Some(End::Truncated {
            offset: 30,
            missing: 5
        })
    );
}

#[tokio::test(start_paused = true)]
async fn a_finish_that_cannot_be_written_is_no_failure() {
    let (mut here, there) = duplex(1_000);
    let hasty = [
        frame(ControlType::Ready).as_bytes(),
        ControlFrame::start(None).unwrap().as_bytes(),
        b"\0\0\0\x01x",
        ControlFrame::stop().as_bytes(),
    ]
    .concat();
    here.write_all(&hasty).await.unwrap();
    let mut reader = FstrmReader::open(there, config()).await.unwrap();
    drop(here);
    assert_eq!(reader.next().await.unwrap().unwrap(), "x");
    assert!(reader.next().await.is_none());
    assert_eq!(reader.end_of_stream(), Some(End::Stop));
}

/// READY, START and STOP at once; ACCEPT repeats the long type, so that 40 bytes do not hold the answers.
fn hasty() -> Vec<u8> {
    let name = [b'n'; 60];
    let ready = ControlFrame::build(ControlType::Ready, [&name[..]], ControlLimit::Narrow).unwrap();
    let start = ControlFrame::start(None).unwrap();
    [
        ready.as_bytes(),
        start.as_bytes(),
        ControlFrame::stop().as_bytes(),
    ]
    .concat()
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures the virtual time that has passed"
)]
async fn a_peer_that_never_reads_finish_holds_the_reader_up_for_its_timeout() {
    let (mut here, there) = duplex(40);
    let reader = async {
        let config = Config::new().finish_timeout(Duration::from_secs(1));
        let mut reader = FstrmReader::open(there, config).await.unwrap();
        let before = tokio::time::Instant::now();
        assert!(reader.next().await.is_none());
        assert_eq!(before.elapsed().as_secs(), 1);
        reader.end_of_stream()
    };
    let wire = hasty();
    let (sent, end) = tokio::join!(here.write_all(&wire), reader);
    sent.unwrap();
    assert_eq!(end, Some(End::Stop));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_late_gets_accept_and_finish_whole() {
    let (mut here, there) = duplex(40);
    let reader = async {
        let mut reader = FstrmReader::open(there, Config::new()).await.unwrap();
        assert!(reader.next().await.is_none());
        drop(reader);
    };
    let peer = async {
        here.write_all(&hasty()).await.unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mut answers = Vec::new();
        here.read_to_end(&mut answers).await.unwrap();
        answers
    };
    let ((), answers) = tokio::join!(reader, peer);
    assert_eq!(answers.len(), 8 + 4 + 8 + 60 + 12);
    assert!(answers.ends_with(ControlFrame::finish().as_bytes()));
}

#[tokio::test(start_paused = true)]
#[expect(
    clippy::disallowed_methods,
    reason = "the test measures the virtual time that has passed"
)]
async fn the_wait_for_start_begins_with_ready() {
    let (mut here, there) = duplex(1_000);
    let before = tokio::time::Instant::now();
    let peer = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        here.write_all(frame(ControlType::Ready).as_bytes())
            .await
            .unwrap();
    };
    let ((), opened) = tokio::join!(peer, FstrmReader::open(there, Config::new()));
    assert!(matches!(
        opened.unwrap_err(),
        ConnError::Handshake(HandshakeError::NoAnswer {
            missing: ControlType::Start,
            absence: Absence::Timeout
        })
    ));
    assert_eq!(before.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn an_empty_payload_is_refused_and_the_connection_lives_on() {
    let (mut writer, mut reader) = pair(1_000).await;
    assert!(matches!(
        writer.send(Bytes::new()).await,
        Err(ConnError::Encode(EncodeError::EmptyFrame))
    ));
    writer.send(Bytes::from_static(b"after")).await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "after");
}

#[tokio::test(start_paused = true)]
async fn a_finished_writer_takes_no_more() {
    let (mut writer, mut reader) = pair(1_000).await;
    let (finished, next) = tokio::join!(writer.finish(), reader.next());
    finished.unwrap();
    assert!(next.is_none());
    assert!(matches!(
        writer.send(Bytes::from_static(b"x")).await,
        Err(ConnError::Closed)
    ));
    writer.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bytes_behind_stop_are_counted_and_given_back() {
    let (mut here, there) = duplex(1_000);
    let wire = [
        ControlFrame::start(None).unwrap().as_bytes(),
        ControlFrame::stop().as_bytes(),
        b"surplus",
    ]
    .concat();
    here.write_all(&wire).await.unwrap();
    let mut reader = FstrmReader::open(there, unidirectional()).await.unwrap();
    assert!(reader.next().await.is_none());
    assert_eq!(reader.trailing_bytes(), 7);
    assert_eq!(reader.into_parts().1, &b"surplus"[..]);
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_last_item() {
    let (mut here, there) = duplex(1_000);
    let wire = [ControlFrame::start(None).unwrap().as_bytes(), &[0xff; 4]].concat();
    here.write_all(&wire).await.unwrap();
    let mut reader = FstrmReader::open(there, unidirectional()).await.unwrap();
    assert!(matches!(
        reader.next().await,
        Some(Err(ConnError::Frame(FrameError { offset: 12, .. })))
    ));
    assert!(reader.next().await.is_none());
    assert!(reader.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn dropping_next_half_way_loses_nothing() {
    let (mut here, there) = duplex(1_000);
    let start = ControlFrame::start(None).unwrap();
    here.write_all(start.as_bytes()).await.unwrap();
    let mut reader = FstrmReader::open(there, unidirectional()).await.unwrap();
    for byte in b"\0\0\0\x05hello" {
        let dropped = tokio::time::timeout(Duration::from_millis(1), reader.next()).await;
        assert!(dropped.is_err(), "not complete yet");
        here.write_all(&[*byte]).await.unwrap();
    }
    assert_eq!(reader.next().await.unwrap().unwrap(), "hello");
}

#[tokio::test(start_paused = true)]
async fn dropping_finish_half_way_and_calling_again_sends_one_stop() {
    let (here, mut there) = duplex(1_000);
    there
        .write_all(frame(ControlType::Accept).as_bytes())
        .await
        .unwrap();
    let mut writer = FstrmWriter::open(here, Config::new()).await.unwrap();
    let dropped = tokio::time::timeout(Duration::from_millis(1), writer.finish()).await;
    assert!(dropped.is_err());
    there
        .write_all(frame(ControlType::Finish).as_bytes())
        .await
        .unwrap();
    writer.finish().await.unwrap();
    drop(writer);
    let mut sent = Vec::new();
    there.read_to_end(&mut sent).await.unwrap();
    let expected = [ControlType::Ready, ControlType::Start, ControlType::Stop].map(frame);
    assert_eq!(sent, expected.map(|frame| frame.as_bytes().to_vec()).concat());
}

#[tokio::test(start_paused = true)]
async fn the_reader_may_be_the_one_that_connects() {
    // The role is in the type; here the "client" end reads and the "server" end writes, and nothing differs.
    let (server, client) = duplex(1_000);
    let reading = async {
        let reader = FstrmReader::open(client, config()).await.unwrap();
        reader.map(Result::unwrap).collect::<Vec<_>>().await
    };
    let writing = async {
        let mut writer = FstrmWriter::open(server, config()).await.unwrap();
        writer.send(Bytes::from_static(b"one")).await.unwrap();
        writer.close().await.unwrap();
    };
    let (received, ()) = tokio::join!(reading, writing);
    assert_eq!(received, ["one"]);
}
