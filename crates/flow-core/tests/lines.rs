//! Lines of text over packets.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic like tests")]

use core::future::Future;
use core::pin::pin;

use flow_core::providers::local::LocalConfig;
use flow_core::{
    Flow, LocalLayer, Name, QosSpec, QueueConfig, ReadError, ReadLineError, WriteError, WriteLineError,
};
use futures::FutureExt;
use proptest::prelude::*;

async fn pair_with(queue: QueueConfig) -> (Flow, Flow) {
    let layer = LocalLayer::with_config(LocalConfig::default().queue(queue));
    let (server, client, name) = (layer.attach(), layer.attach(), Name::new("x").unwrap());
    server.bind(&name).unwrap();
    let (ours, theirs) = tokio::join!(client.alloc(&name, QosSpec::RAW, None), server.accept(None));
    (ours.unwrap(), theirs.unwrap())
}

async fn pair() -> (Flow, Flow) {
    pair_with(QueueConfig::default()).await
}

/// Polls once, expects to wait, and drops.
fn begin_and_drop<F: Future>(future: F) {
    assert!(pin!(future).now_or_never().is_none());
}

#[tokio::test]
async fn a_line_is_a_packet_with_its_end_and_comes_without() {
    let (mut ours, mut theirs) = pair().await;
    ours.write_line("Grüße, 世界").await.unwrap();
    ours.write_line("ended already\n").await.unwrap();
    ours.write_line("").await.unwrap();
    assert_eq!(theirs.read_line().await.unwrap(), "Grüße, 世界");
    assert_eq!(theirs.read_packet().await.unwrap(), "ended already\n");
    assert_eq!(theirs.read_line().await.unwrap(), "");
}

#[tokio::test]
async fn lines_are_cut_and_joined_over_packets() {
    let (mut ours, mut theirs) = pair().await;
    for packet in ["on", "e\ntwo\nth", "ree\n", "\nfive, and the end"] {
        ours.write(packet).await.unwrap();
    }
    drop(ours);
    for line in ["one", "two", "three", "", "five, and the end"] {
        assert_eq!(theirs.read_line().await.unwrap(), line);
    }
    assert_eq!(theirs.read_line().await, Err(ReadError::Deallocated.into()));
}

#[tokio::test]
async fn what_follows_a_line_is_read_as_ever() {
    let (mut ours, mut theirs) = pair().await;
    ours.write("head\nbody").await.unwrap();
    ours.write("more").await.unwrap();
    assert_eq!(theirs.read_line().await.unwrap(), "head");
    let mut buffer = [0; 2];
    assert_eq!(theirs.read(&mut buffer).await, Ok(2));
    assert_eq!(theirs.read_packet().await.unwrap(), "dy");
    assert_eq!(theirs.read_packet().await.unwrap(), "more");
}

#[tokio::test]
async fn a_line_too_long_is_told_once_and_the_next_one_is_whole() {
    let (mut ours, mut theirs) = pair().await;
    theirs.set_max_line(4);
    for packet in ["1234", "5", "678\nnext\n12345\nlast\n"] {
        ours.write(packet).await.unwrap();
    }
    let too_long = Err(ReadLineError::TooLong { max: 4 });
    assert_eq!(theirs.read_line().await, too_long);
    assert_eq!(theirs.read_line().await.unwrap(), "next");
    assert_eq!(theirs.read_line().await, too_long);
    assert_eq!(theirs.read_line().await.unwrap(), "last");
}

#[tokio::test]
async fn a_line_that_is_no_text_is_told_and_the_next_one_is() {
    let (mut ours, mut theirs) = pair().await;
    ours.write(&b"ab\xff\nok\n"[..]).await.unwrap();
    assert_eq!(
        theirs.read_line().await,
        Err(ReadLineError::NotUtf8 { valid_up_to: 2 })
    );
    assert_eq!(theirs.read_line().await.unwrap(), "ok");
}

#[tokio::test]
async fn what_is_no_line_is_not_written() {
    let (mut ours, theirs) = pair().await;
    ours.set_max_line(4);
    assert_eq!(
        ours.write_line("12345").await,
        Err(WriteLineError::TooLong { len: 5, max: 4 })
    );
    assert_eq!(
        ours.write_line("a\nb").await,
        Err(WriteLineError::LineEnd { at: 1 })
    );
    assert_eq!(theirs.read_queue_len(), 0);
    drop(theirs);
    assert_eq!(ours.write_line("1").await, Err(WriteError::Deallocated.into()));
}

#[tokio::test]
async fn a_line_longer_than_a_packet_goes_in_several() {
    let (mut ours, mut theirs) = pair_with(QueueConfig::default().bytes(10)).await;
    let text = "0123456789".repeat(100);
    let write = async { ours.write_line(&text).await };
    let (written, line) = tokio::join!(write, theirs.read_line());
    written.unwrap();
    assert_eq!(line.unwrap(), text);
}

#[tokio::test]
async fn a_dropped_line_goes_whole_or_not_at_all() {
    let (mut ours, mut theirs) = pair_with(QueueConfig::default().bytes(10)).await;
    ours.write("12345678\n").await.unwrap();
    begin_and_drop(ours.write_line("not at all"));
    assert_eq!(theirs.read_line().await.unwrap(), "12345678");
    begin_and_drop(ours.write_line("longer than a packet"));
    let write = async { ours.write_line("next").await };
    let read = async { (theirs.read_line().await, theirs.read_line().await) };
    let (written, (first, second)) = tokio::join!(write, read);
    written.unwrap();
    assert_eq!(first.unwrap(), "longer than a packet");
    assert_eq!(second.unwrap(), "next");
}

#[tokio::test]
async fn a_dropped_read_of_a_line_keeps_what_has_come() {
    let (mut ours, mut theirs) = pair().await;
    for packet in ["one ", "line, ", "three reads\n"] {
        begin_and_drop(theirs.read_line());
        ours.write(packet).await.unwrap();
    }
    assert_eq!(theirs.read_line().await.unwrap(), "one line, three reads");
}

proptest! {
    #[test]
    fn however_packets_cut_them_the_lines_are_the_same(
        lines in proptest::collection::vec("[^\n]{0,20}", 1..20),
        cuts in proptest::collection::vec(1..30usize, 1..40),
    ) {
        let text: String = lines.iter().flat_map(|line| [line, "\n"]).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = pair_with(QueueConfig::default().packets(1_000)).await;
            let mut rest = text.as_bytes();
            for cut in cuts.iter().cycle() {
                let (packet, left) = rest.split_at((*cut).min(rest.len()));
                ours.write(packet.to_vec()).await.unwrap();
                rest = left;
                if rest.is_empty() {
                    break;
                }
            }
            drop(ours);
            for line in &lines {
                assert_eq!(&theirs.read_line().await.unwrap(), line);
            }
            assert_eq!(theirs.read_line().await, Err(ReadError::Deallocated.into()));
        });
    }
}
