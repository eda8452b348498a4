//! The page for users of golang-framestream.

use core::error::Error;
use core::num::NonZeroU32;
use core::time::Duration;
use std::fs::File;

use bytes::Bytes;
use fstrm_codec::control::{ControlLimit, MAX_CONTROL_LEN, Strictness};
use fstrm_codec::file::ReadError;
use fstrm_codec::frame::{DEFAULT_MAX_DATA_LEN, EncodeError, FrameErrorKind, Oversize};
use fstrm_codec::handshake::{Finish, HandshakeError};
use fstrm_codec::{
    Config, ContentType, Control, ControlFrame, ControlType, End, FileReader, FileWriter, FstrmReader,
    FstrmWriter, Mode, WriterMachine,
};
use futures::{SinkExt, StreamExt};
use tinwire_time::Instant;
use tokio::io::DuplexStream;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/golang-framestream.md");
    super::compiled(page, include_str!("golang_framestream.rs"), 50);
}

/// Needs a collector.
#[cfg(unix)]
mod script {
    use fstrm_codec::{Config, ContentType, FileReader, FstrmWriter};
    use tokio::net::UnixStream;

    use super::Outcome;

    async fn script() -> Outcome {
        let dnstap = ContentType::from_static(b"protobuf:dnstap.Dnstap").ok_or("too long")?;
        let config = Config::new().content_type(dnstap);
        let mut reader = FileReader::open("dnstap.fstrm", config.clone())?;
        let conn = UnixStream::connect("/run/collector.sock").await?;
        let mut writer = FstrmWriter::open(conn, config.clone()).await?; // READY, ACCEPT, START: in 5 s
        while let Some(run) = reader.next_run()? {
            writer.send_run(&run.into()).await?; // many frames at once
        }
        writer.finish().await?; // STOP, FINISH: in 5 s
        Ok(())
    }
}

fn dnstap() -> ContentType {
    ContentType::from_static(b"protobuf:dnstap.Dnstap").unwrap()
}

#[tokio::test]
async fn reader_and_writer() -> Outcome {
    let config = Config::new().content_type(dnstap());
    let (conn, other) = tokio::io::duplex(1024);
    tokio::try_join!(reads(conn, &config), writes(other, &config))?;
    Ok(())
}

async fn reads(conn: DuplexStream, config: &Config) -> Outcome {
    let config = config.clone().finish(Finish::OnRelease);
    let mut conn = FstrmReader::open(conn, config.clone()).await?;
    assert_eq!(conn.next().await.transpose()?, Some(Bytes::from_static(b"frame")));
    let mut rest = 0;
    while let Some(run) = conn.next_run().await {
        rest += run?.frames();
    }
    assert_eq!((rest, conn.owes_finish()), (1, true));
    conn.release_finish().await;
    assert_eq!(conn.end_of_stream(), Some(End::Stop));
    Ok(())
}

async fn writes(conn: DuplexStream, config: &Config) -> Outcome {
    let mut writer = FstrmWriter::open(conn, config.clone()).await?;
    let frame = Bytes::from_static(b"frame");
    writer.feed(frame).await?;
    writer.flush().await?;
    let frame = Bytes::from_static(b"frame");
    writer.send(frame).await?;
    assert_eq!(writer.content_type(), Some(&dnstap()));
    writer.finish().await?;
    Ok(())
}

#[test]
fn files() -> Outcome {
    let (output, dnstap) = (Vec::new(), dnstap());
    let mut file = FileWriter::new(output, Some(&dnstap))?;
    file.write_frame(b"frame")?;
    let written = file.finish()?;
    let output = Vec::new();
    assert!(FileWriter::new(output, None)?.finish()?.len() < written.len());

    let input = written.split_at(written.len() - 14).0;
    let mut reader = FileReader::new(input, Config::new())?;
    reader.next_run()?;
    assert_eq!(reader.content_type(), Some(&dnstap));
    assert_eq!(reader.next_frame()?, None);
    match reader.end_of_stream().ok_or("no end")? {
        End::Truncated { offset, missing } => assert_eq!((offset, missing), (42, 2)),
        End::Stop | End::Eof => panic!("it is cut"),
    }
    Ok(())
}

#[test]
fn what_is_no_stream_is_told_and_what_it_is() -> Outcome {
    let mut reader = FileReader::new(&b"\x1f\x8b\x08\0rest"[..], Config::new())?;
    let Err(ReadError::Frame(error)) = reader.next_frame() else {
        panic!("it is no stream");
    };
    assert!(matches!(error.kind, FrameErrorKind::NotFrameStream { .. }));
    assert!(error.hint().is_some());
    Ok(())
}

#[test]
fn settings() {
    let limit = Duration::from_secs(1);
    let (config, dnstap) = (Config::new(), dnstap());
    config.clone().mode(Mode::Unidirectional);
    config.clone().handshake_timeout(limit);
    config.clone().idle_timeout(Some(limit));
    config.clone().finish(Finish::OnRelease);
    config
        .clone()
        .handshake_timeout(limit)
        .write_timeout(limit)
        .finish_timeout(limit);
    Config::new().content_type(dnstap);
    Config::new().max_data(NonZeroU32::MAX);
    Config::new().oversize(Oversize::Skip);
    Config::new().strictness(Strictness::Lenient);
    assert_eq!((MAX_CONTROL_LEN, DEFAULT_MAX_DATA_LEN.get()), (512, 1 << 20));
    assert_eq!(ControlType::Accept.to_bits(), 1);
}

#[test]
fn control() -> Outcome {
    let types = [&b"protobuf:dnstap.Dnstap"[..]];
    let frame = ControlFrame::build(ControlType::Ready, types, ControlLimit::Narrow)?;
    let wire = frame.as_bytes();
    let control = Control::decode_frame(wire, Strictness::Strict)?;
    let payload = control.payload();
    Control::decode(payload, Strictness::Strict)?;
    assert_eq!(control.control_type(), ControlType::Ready);
    assert!(control.matches(Some(b"protobuf:dnstap.Dnstap")));
    let (now, config) = (Instant::ZERO, Config::new());
    let machine = WriterMachine::new(config.clone(), now)?;
    machine.content_type();
    ControlFrame::stop();
    ControlFrame::finish();
    ControlFrame::start(None)?;
    Ok(())
}

fn file_on_disk(input: File, output: File) -> Outcome {
    FileReader::new(input, Config::new())?;
    FileWriter::new(output, None)?;
    Ok(())
}

fn ended(frame: Result<Option<&[u8]>, ReadError>) {
    if let Ok(None) = frame {}
}

fn errors(encoded: EncodeError, frame: FrameErrorKind, handshake: &HandshakeError) {
    if let EncodeError::EmptyFrame = encoded {}
    match frame {
        FrameErrorKind::Control(error) => {}
        FrameErrorKind::DataTooLong { .. } => {}
        _ => {}
    }
    match handshake {
        HandshakeError::NoCommonType { .. } | HandshakeError::WrongType { .. } => {}
        HandshakeError::NoAnswer { .. } | HandshakeError::NoFinish { .. } => {}
        _ => {}
    }
}
