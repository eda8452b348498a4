//! Our collector, sender and control frames against python's fstrm, the codec of `python-framestream`.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests may panic like tests"
)]

use core::fmt::Write as _;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use fstrm_codec::collector::{self, Collector};
use fstrm_codec::control::ControlLimit;
use fstrm_codec::endpoint::{DialConfig, Dialer, Endpoint, ListenConfig, Listener, Place};
use fstrm_codec::queue::Delivery;
use fstrm_codec::sender::{self, Sender};
use fstrm_codec::{Config, ContentType, ControlFrame, ControlType, FrameConfig, OwnedRun};
use testkit::compat::Direction::{self, Both, FromPeer, ToPeer};
use testkit::compat::{Outcome, Report};
use testkit::peer::{Python, Script, soon};

const TYPE: &[u8] = b"protobuf:dnstap.Dnstap";

fn content_type() -> ContentType {
    ContentType::from_static(TYPE).unwrap()
}

async fn start() -> Script {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/codec.py");
    Script::start(Python::Streams, &path, &[]).await
}

fn row(script: &Script, direction: Direction, feature: &str, outcome: Outcome, remark: &str) {
    let report = Report {
        peer: "python fstrm".into(),
        version: script.versions("fstrm", &[]),
        over: "Unix socket".into(),
    };
    report.row(direction, feature, outcome, remark);
}

/// As the script makes them.
fn payloads(count: usize) -> Vec<Bytes> {
    (0..count)
        .map(|number| vec![u8::try_from(number % 256).unwrap(); number % 300 + 1].into())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// `number type`, as the script tells of control frames.
fn told(kind: ControlType) -> String {
    format!("{} {}", kind.to_bits(), hex(TYPE))
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn each_frame_that_it_encodes_is_ours() {
    let mut script = start().await;
    let typed = |kind| ControlFrame::build(kind, [TYPE], ControlLimit::Narrow).unwrap();
    let run = OwnedRun::encode([b"hello".as_slice()], FrameConfig::new()).unwrap();
    for (word, argument, expected) in [
        ("ready", TYPE, typed(ControlType::Ready).as_bytes().to_vec()),
        ("accept", TYPE, typed(ControlType::Accept).as_bytes().to_vec()),
        ("start", TYPE, typed(ControlType::Start).as_bytes().to_vec()),
        ("stop", b"-", ControlFrame::stop().as_bytes().to_vec()),
        ("finish", b"-", ControlFrame::finish().as_bytes().to_vec()),
        ("data", b"hello", run.as_wire().to_vec()),
    ] {
        script.order("encode", &format!("{word} {}", hex(argument))).await;
        assert_eq!(script.wait_for("bytes").await, hex(&expected), "{word}");
    }
    row(
        &script,
        Both,
        "encode: all control frames, data",
        Outcome::Works,
        "the same bytes",
    );
    script.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn our_collector_takes_what_it_sends_and_it_hears_finish() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let endpoint = Endpoint::new(Place::Unix(path.clone()));
    let listener = Listener::bind(&endpoint, ListenConfig::new()).await.unwrap();
    let config = collector::Config::new().stream(Config::new().content_type(content_type()));
    let (collector, mut batches) = Collector::spawn(config);
    collector.listen(listener);
    let mut script = start().await;
    let words = format!("{} {} 2000", path.display(), content_type());
    script.order("send", &words).await;
    let mut received = Vec::new();
    while received.len() < 2000 {
        let batch = soon("a batch", batches.next()).await.unwrap();
        assert_eq!(batch.content_type, Some(content_type()));
        received.extend(batch.run.payloads());
        batch.confirm();
    }
    assert_eq!(received, payloads(2000));
    assert_eq!(script.wait_for("answer").await, told(ControlType::Accept));
    assert_eq!(
        script.wait_for("answer").await,
        ControlType::Finish.to_bits().to_string()
    );
    row(
        &script,
        FromPeer,
        "a client into our collector",
        Outcome::Works,
        "every frame, ACCEPT, FINISH",
    );
    script.end().await;
    collector.close().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn a_server_made_of_it_takes_what_our_sender_sends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let mut script = start().await;
    script
        .order("serve", &format!("{} {}", path.display(), content_type()))
        .await;
    script.wait_for("listening").await;
    let dialer = Dialer::new(&Endpoint::new(Place::Unix(path)), DialConfig::new()).unwrap();
    let config = sender::Config::new()
        .content_type(content_type())
        .delivery(Delivery::Written);
    let sender = Sender::spawn(dialer, config).unwrap();
    for payload in payloads(2000) {
        sender.send(payload).await.unwrap();
    }
    let report = soon("the end", sender.close()).await;
    assert!(report.is_complete() && report.finished, "{report:?}");
    for kind in [ControlType::Ready, ControlType::Start] {
        assert_eq!(script.wait_for("control").await, told(kind));
    }
    for payload in payloads(2000) {
        assert_eq!(script.wait_for("data").await, hex(&payload));
    }
    row(
        &script,
        ToPeer,
        "our sender into a server of process() and decode()",
        Outcome::Works,
        "every frame, FINISH",
    );
    script.end().await;
}

#[tokio::test]
#[ignore = "needs Python peers: cargo xtask setup"]
async fn of_a_burst_its_is_data_gives_one_frame_for_each_call() {
    let mut script = start().await;
    let mut wire = BytesMut::new();
    for payload in payloads(5) {
        wire.extend_from_slice(&u32::try_from(payload.len()).unwrap().to_be_bytes());
        wire.extend_from_slice(&payload);
    }
    script.order("burst", &hex(&wire)).await;
    let expected: Vec<_> = payloads(5).iter().map(|payload| hex(payload)).collect();
    assert_eq!(script.wait_for("found").await, expected.join(" "));
    let remark = "the first only; is_data(b\"\") gives each of the others";
    row(
        &script,
        ToPeer,
        "is_data: frames that arrive together",
        Outcome::PeerDiffers,
        remark,
    );
    script.end().await;
}
