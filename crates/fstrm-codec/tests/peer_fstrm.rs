//! Our ends against the tools of the C library: `fstrm_capture`, `fstrm_dump`, `fstrm_replay`.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

use core::time::Duration;
use std::path::Path;
use std::process::Stdio;

use bytes::Bytes;
use fstrm_codec::{Config, ContentType, End, FileReader, FileWriter, FstrmReader, FstrmWriter};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Generous, because the machine may be busy; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn content_type() -> ContentType {
    ContentType::from_static(b"protobuf:dnstap.Dnstap").unwrap()
}

fn config() -> Config {
    Config::new().content_type(content_type())
}

/// Payloads of many lengths and all byte values, up to what `fstrm_capture` takes by default.
fn payloads() -> Vec<Bytes> {
    let lengths = [
        1, 2, 3, 4, 5, 63, 64, 65, 255, 256, 4_095, 4_096, 65_535, 65_536, 262_140,
    ];
    let small = (1..=500).map(|number| number % 90 + 1);
    small
        .chain(lengths)
        .enumerate()
        .map(|(index, len)| {
            (0..len)
                .map(|at| u8::try_from((index + 7 * at) % 256).unwrap())
                .collect()
        })
        .collect()
}

fn tool(name: &str) -> Command {
    let mut command = Command::new(name);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

fn write_file(path: &Path, payloads: &[Bytes]) {
    let mut writer = FileWriter::create_new(path, Some(&content_type())).unwrap();
    for payload in payloads {
        writer.write_frame(payload).unwrap();
    }
    writer.finish().unwrap();
}

fn read_file(path: &Path) -> (Vec<Bytes>, Option<End>) {
    let mut reader = FileReader::open(path, config()).unwrap();
    let mut payloads = Vec::new();
    while let Some(payload) = reader.next_frame().unwrap() {
        payloads.push(Bytes::copy_from_slice(payload));
    }
    (payloads, reader.end_of_stream())
}

/// Ends a capture as its user would, so that it writes STOP.
async fn interrupt(mut capture: Child) {
    let id = capture.id().unwrap().to_string();
    let killed = Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    assert!(killed.success());
    assert!(
        timeout(PATIENCE, capture.wait())
            .await
            .unwrap()
            .unwrap()
            .success()
    );
}

/// Tries until the tool listens.
async fn connect<S>(attempt: impl AsyncFn() -> std::io::Result<S>) -> S {
    let connected = async {
        loop {
            match attempt().await {
                Ok(stream) => return stream,
                Err(_) => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(PATIENCE, connected).await.unwrap()
}

#[tokio::test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
async fn fstrm_capture_writes_what_our_writer_sends_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("socket"), dir.path().join("capture.fstrm"));
    let mut capture = tool("fstrm_capture");
    capture
        .args(["-t", "protobuf:dnstap.Dnstap", "-u"])
        .arg(&socket)
        .arg("-w")
        .arg(&file);
    let capture = capture.spawn().unwrap();
    let stream = connect(async || UnixStream::connect(&socket).await).await;
    let mut writer = FstrmWriter::open(stream, config()).await.unwrap();
    assert_eq!(writer.content_type(), Some(&content_type()));
    for payload in payloads() {
        writer.feed(payload).await.unwrap();
    }
    writer.finish().await.unwrap();
    interrupt(capture).await;
    assert_eq!(read_file(&file), (payloads(), Some(End::Stop)));
}

#[tokio::test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
async fn fstrm_capture_takes_our_second_type_over_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("capture.fstrm");
    // The tool cannot choose a free port itself.
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut capture = tool("fstrm_capture");
    capture
        .args([
            "-t",
            "protobuf:dnstap.Dnstap",
            "-a",
            "127.0.0.1",
            "-p",
            &port.to_string(),
            "-w",
        ])
        .arg(&file);
    let capture = capture.spawn().unwrap();
    let stream = connect(async || TcpStream::connect(("127.0.0.1", port)).await).await;
    let two = Config::new()
        .content_type(ContentType::from_static(b"text/plain").unwrap())
        .content_type(content_type());
    let mut writer = FstrmWriter::open(stream, two).await.unwrap();
    assert_eq!(writer.content_type(), Some(&content_type()));
    writer.send(Bytes::from_static(b"hello")).await.unwrap();
    writer.finish().await.unwrap();
    interrupt(capture).await;
    assert_eq!(
        read_file(&file),
        (vec![Bytes::from_static(b"hello")], Some(End::Stop))
    );
}

#[tokio::test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
async fn fstrm_dump_copies_our_file_byte_for_byte_and_lists_its_frames() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, copy) = (dir.path().join("ours.fstrm"), dir.path().join("copy.fstrm"));
    write_file(&ours, &payloads());
    let dumped = tool("fstrm_dump").arg(&ours).arg(&copy).output().await.unwrap();
    assert!(dumped.status.success());
    assert_eq!(std::fs::read(&ours).unwrap(), std::fs::read(&copy).unwrap());
    let said = String::from_utf8(dumped.stderr).unwrap();
    let expected: String = payloads()
        .iter()
        .map(|payload| format!("Data frame ({}) bytes.\n", payload.len()))
        .collect();
    let frames: String = said
        .lines()
        .filter(|line| line.starts_with("Data"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(frames, expected);
    assert!(said.contains("FSTRM_CONTROL_START.") && said.contains("FSTRM_CONTROL_STOP."));
}

#[tokio::test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
async fn our_reader_receives_what_fstrm_replay_sends_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, file) = (dir.path().join("socket"), dir.path().join("ours.fstrm"));
    write_file(&file, &payloads());
    let listener = UnixListener::bind(&socket).unwrap();
    let mut replay = tool("fstrm_replay");
    replay
        .args(["-t", "protobuf:dnstap.Dnstap", "-r"])
        .arg(&file)
        .arg("-u")
        .arg(&socket);
    let replay = replay.spawn().unwrap();
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    check_replay(FstrmReader::open(stream, config()).await.unwrap(), replay).await;
}

#[tokio::test]
#[ignore = "needs fstrm-bin: cargo xtask setup"]
async fn a_reader_of_anything_receives_what_fstrm_replay_sends_over_tcp() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ours.fstrm");
    write_file(&file, &payloads());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut replay = tool("fstrm_replay");
    replay
        .args(["-t", "protobuf:dnstap.Dnstap", "-r"])
        .arg(&file)
        .args(["-a", "127.0.0.1", "-p", &port]);
    let replay = replay.spawn().unwrap();
    let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    check_replay(FstrmReader::open(stream, Config::new()).await.unwrap(), replay).await;
}

async fn check_replay<S>(mut reader: FstrmReader<S>, mut replay: Child)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    assert_eq!(reader.content_type(), Some(&content_type()));
    let receive = async {
        let mut received = Vec::new();
        while let Some(payload) = reader.next().await {
            received.push(payload.unwrap());
        }
        received
    };
    let received = timeout(PATIENCE, receive).await.unwrap();
    assert_eq!(received, payloads());
    assert_eq!(reader.end_of_stream(), Some(End::Stop));
    // The tool waits for FINISH; without it, it would hang here.
    assert!(timeout(PATIENCE, replay.wait()).await.unwrap().unwrap().success());
}
