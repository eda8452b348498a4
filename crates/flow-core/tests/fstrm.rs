//! Flows over Frame Streams, between the two ends and with ends that are no flows.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::time::Duration;

use flow_core::peer::Peer;
use flow_core::providers::fstrm::FstrmProvider;
use flow_core::qos::{Order, QosField};
use flow_core::{
    AcceptError, AllocError, BindError, DeallocError, Flow, Name, Provider, QosSpec, ReadError, WriteError,
};
use fstrm_codec::handshake::Mode;
use fstrm_codec::{Config, ContentType, FstrmReader, FstrmWriter};
use futures::{SinkExt, StreamExt};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};

/// Generous: what it bounds happens at once.
const PATIENCE: Duration = Duration::from_secs(20);

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn socket(directory: &TempDir) -> String {
    directory.path().join("x.sock").display().to_string()
}

/// A bound provider, and the address of its socket.
async fn bound(directory: &TempDir) -> (FstrmProvider, Name) {
    let provider = FstrmProvider::new();
    let address = name(&format!("fstrm:unix:{}?type=log", socket(directory)));
    provider.bind(&address).unwrap();
    while !directory.path().join("x.sock").exists() {
        tokio::task::yield_now().await;
    }
    (provider, address)
}

async fn flows(directory: &TempDir) -> (FstrmProvider, Flow, Flow) {
    let (provider, address) = bound(directory).await;
    let asked = QosSpec::BEST_EFFORT;
    let (ours, theirs) = tokio::join!(
        provider.alloc(&address, asked, Some(PATIENCE)),
        provider.accept(Some(PATIENCE))
    );
    (provider, ours.unwrap(), theirs.unwrap())
}

fn config() -> Config {
    Config::new().content_type(ContentType::from_static(b"log").unwrap())
}

#[tokio::test]
async fn who_asks_writes_who_accepts_reads_and_each_has_the_typed_error_for_the_other_way() {
    let directory = TempDir::new().unwrap();
    let (_provider, mut ours, mut theirs) = flows(&directory).await;
    for text in ["one", "two"] {
        ours.write(text).await.unwrap();
        assert_eq!(theirs.read_packet().await.unwrap(), text);
    }
    assert_eq!(ours.read_packet().await.unwrap_err(), ReadError::WriteOnly);
    assert_eq!(theirs.write("no").await.unwrap_err(), WriteError::ReadOnly);
    assert!(ours.qos().loss().is_none() && ours.qos().order() == Order::Kept);
    assert!(matches!(ours.peer(), Peer::Stream { endpoint } if endpoint.starts_with("unix:")));
    assert_eq!(ours.write("").await.unwrap_err(), WriteError::Empty);
    let max = ours.max_packet();
    let refused = ours.write(vec![0; max + 1]).await.unwrap_err();
    assert_eq!(refused, WriteError::TooLong { len: max + 1, max });
    ours.write(vec![1; max]).await.unwrap();
    assert_eq!(theirs.read_packet().await.unwrap().len(), max);
}

#[tokio::test]
async fn the_end_is_waited_for_until_the_application_has_read_everything() {
    let directory = TempDir::new().unwrap();
    let (_provider, mut ours, mut theirs) = flows(&directory).await;
    for number in 0..100_u32 {
        ours.write(number.to_be_bytes().to_vec()).await.unwrap();
    }
    let unread = ours.dealloc_within(Duration::from_millis(20)).await.unwrap_err();
    assert!(matches!(unread, DeallocError::Unread { .. }), "{unread}");
    for number in 0..100_u32 {
        assert_eq!(theirs.read_packet().await.unwrap(), number.to_be_bytes()[..]);
    }
    assert_eq!(theirs.read_packet().await.unwrap_err(), ReadError::Deallocated);

    let (_provider, mut ours, mut theirs) = flows(&TempDir::new().unwrap()).await;
    ours.write("last").await.unwrap();
    let reads = async {
        assert_eq!(theirs.read_packet().await.unwrap(), "last");
        theirs.read_packet().await.unwrap_err()
    };
    let (dealloc, end) = tokio::join!(ours.dealloc_within(PATIENCE), reads);
    assert_eq!((dealloc, end), (Ok(()), ReadError::Deallocated));
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_a_peer_that_is_gone() {
    let directory = TempDir::new().unwrap();
    let (provider, _address) = bound(&directory).await;
    let stream = UnixStream::connect(socket(&directory)).await.unwrap();
    let mut writer = FstrmWriter::open(stream, config()).await.unwrap();
    let mut flow = provider.accept(Some(PATIENCE)).await.unwrap();
    writer.send("whole".into()).await.unwrap();
    drop(writer); // no STOP
    assert_eq!(flow.read_packet().await.unwrap(), "whole");
    assert_eq!(flow.read_packet().await.unwrap_err(), ReadError::PeerGone);
}

#[tokio::test]
async fn a_reader_that_goes_away_resets_the_flow_of_the_writer() {
    let directory = TempDir::new().unwrap();
    let listener = UnixListener::bind(socket(&directory)).unwrap();
    let provider = FstrmProvider::new();
    let address = name(&format!("fstrm:unix:{}?type=log", socket(&directory)));
    let reads = async {
        let (stream, _) = listener.accept().await.unwrap();
        FstrmReader::open(stream, config()).await.unwrap()
    };
    let asked = provider.alloc(&address, QosSpec::RAW, Some(PATIENCE));
    let (flow, mut reader) = tokio::join!(asked, reads);
    let mut flow = flow.unwrap();
    flow.write("taken").await.unwrap();
    assert_eq!(reader.next().await.unwrap().unwrap(), "taken");
    drop(reader);
    let refused = loop {
        // the carrier may take some before it hears of it
        if let Err(refused) = flow.write("lost").await {
            break refused;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(refused, WriteError::Reset);
}

#[tokio::test]
async fn who_is_slow_or_wrong_at_the_handshake_holds_nobody_up() {
    let directory = TempDir::new().unwrap();
    let (provider, address) = bound(&directory).await;
    let _silent = UnixStream::connect(socket(&directory)).await.unwrap();
    let other = Config::new().content_type(ContentType::from_static(b"other").unwrap());
    let stream = UnixStream::connect(socket(&directory)).await.unwrap();
    FstrmWriter::open(stream, other).await.unwrap_err();
    let stream = UnixStream::connect(socket(&directory)).await.unwrap();
    let _one_way = FstrmWriter::open(stream, config().mode(Mode::Unidirectional)).await;
    let (ours, theirs) = tokio::join!(
        provider.alloc(&address, QosSpec::RAW, Some(PATIENCE)),
        provider.accept(Some(PATIENCE))
    );
    ours.unwrap().write("through").await.unwrap();
    assert_eq!(theirs.unwrap().read_packet().await.unwrap(), "through");
}

#[tokio::test]
async fn what_cannot_be_says_why() {
    let directory = TempDir::new().unwrap();
    let provider = FstrmProvider::new();
    let wrong = provider.bind(&name("fstrm:unix:/x")).unwrap_err();
    assert!(matches!(wrong, BindError::Address { .. }));
    let address = name(&format!("fstrm:unix:{}?type=log", socket(&directory)));
    let nobody = provider.alloc(&address, QosSpec::RAW, None).await.unwrap_err();
    assert!(matches!(&nobody, AllocError::Unreachable { .. }), "{nobody}");
    let Err(AllocError::Qos(refused)) = provider.alloc(&address, QosSpec::VOICE, None).await else {
        panic!("granted")
    };
    assert_eq!(refused.field, QosField::Delay);
    std::fs::write(directory.path().join("x.sock"), "precious").unwrap();
    provider.bind(&address).unwrap();
    let refused = provider.accept(Some(PATIENCE)).await.unwrap_err();
    assert!(
        matches!(&refused, AcceptError::Layer { reason } if reason.contains("no socket")),
        "{refused}"
    );
}
