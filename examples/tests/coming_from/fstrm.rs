//! The page for users of the C library fstrm and its tools.

use core::error::Error;
use core::net::SocketAddr;
use core::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use core::time::Duration;
use std::path::PathBuf;

use bytes::Bytes;
use fstrm_codec::collector::{Batch, Handshake};
use fstrm_codec::conn::ConnError;
use fstrm_codec::control::{
    CONTROL_HEADER_LEN, ControlLimit, MAX_CONTENT_TYPE_LEN, MAX_CONTROL_LEN, Strictness,
};
use fstrm_codec::endpoint::{Connect, DialConfig, Dialer, ListenConfig, Listener};
use fstrm_codec::file::ReadError;
use fstrm_codec::frame::{EncodeError, FrameError, FrameErrorKind, Oversize};
use fstrm_codec::handshake::{Finish, HandshakeError};
use fstrm_codec::queue::{Delivery, Policy};
use fstrm_codec::rotate::{Now, Period, Rotation};
use fstrm_codec::sender::TrySendError;
use fstrm_codec::store::{Existing, Folder, Store};
use fstrm_codec::tls::Client;
use fstrm_codec::{
    Config, ContentType, Control, ControlFrame, ControlType, End, FileReader, FileWriter, FrameConfig,
    FstrmReader, FstrmWriter, Mode, OwnedRun, ReaderMachine, WriterMachine, blocking, collector, queue,
    sender, store,
};
use futures::SinkExt;
use tinwire_time::Instant;
use tokio::net::TcpStream;

type Failure = Box<dyn Error + Send + Sync>;
type Outcome = Result<(), Failure>;

#[test]
fn the_page_is_compiled() {
    let page = include_str!("../../../docs/coming-from/fstrm.md");
    super::compiled(page, include_str!("fstrm.rs"), 90);
}

mod script {
    use bytes::Bytes;
    use fstrm_codec::endpoint::{DialConfig, Dialer};
    use fstrm_codec::queue::Policy;
    use fstrm_codec::{ContentType, blocking, sender};

    use super::Outcome;

    #[test]
    fn script() -> Outcome {
        let message = Bytes::from_static(b"a message");
        let collector = Dialer::new(&"unix:/run/collector.sock".parse()?, DialConfig::new())?;
        let dnstap = ContentType::from_static(b"protobuf:dnstap.Dnstap").ok_or("too long")?;
        let config = sender::Config::new()
            .content_type(dnstap)
            .policy(Policy::DropNewest);
        let config = config.shutdown_timeout(core::time::Duration::ZERO); // nobody is there in this test
        let sender = blocking::Sender::spawn(collector, config)?; // a clone for each thread

        sender.try_send(&message)?; // full: the newest is dropped, counted, and an event

        let report = sender.close();
        println!(
            "{} sent, {} dropped",
            report.stats.frames.sent,
            report.stats.frames.dropped.frames()
        );
        assert_eq!(
            report.stats.frames.dropped.shutdown + report.stats.frames.queued,
            1
        );
        Ok(())
    }
}

fn config() -> Result<Config, Failure> {
    let dnstap = ContentType::from_static(b"protobuf:dnstap.Dnstap").ok_or("too long")?;
    let config = Config::new().content_type(dnstap); // of readers and writers
    Ok(config)
}

#[test]
fn control() -> Outcome {
    let types = [&b"protobuf:dnstap.Dnstap"[..]];
    let frame = ControlFrame::build(ControlType::Ready, types, ControlLimit::Narrow)?;
    let wire = frame.as_bytes();
    let control = Control::decode_frame(wire, Strictness::Strict)?;
    let payload = frame.as_bytes().split_at(CONTROL_HEADER_LEN).1;
    assert_eq!(Control::decode(payload, Strictness::Strict)?, control);
    assert_eq!(control.control_type(), ControlType::Ready);
    assert_eq!(control.content_types().count(), 1);
    let index = 0;
    assert_eq!(control.content_types().nth(index), types.first().copied());
    assert!(control.matches(Some(b"protobuf:dnstap.Dnstap")));
    assert_eq!(frame.as_bytes().len(), 42);
    assert_eq!(ControlType::Ready.to_string(), "READY");
    assert_eq!(ControlType::Accept.to_bits(), 1);
    assert_eq!((MAX_CONTROL_LEN, MAX_CONTENT_TYPE_LEN), (512, 256));
    let wide = ControlLimit::Wide;
    let unknown = ControlType::Unknown(9);
    Ok(())
}

fn machines() -> Outcome {
    let (now, config) = (Instant::ZERO, config()?);
    ReaderMachine::new(config.clone(), now)?;
    WriterMachine::new(config.clone(), now)?;
    Ok(())
}

async fn connections(io: TcpStream, address: SocketAddr, client: Client) -> Outcome {
    let config = config()?;
    config.clone().mode(Mode::Unidirectional);
    connects(move || TcpStream::connect(address));
    let reader = FstrmReader::open(io, config.clone()).await?;
    let (io, _) = reader.into_parts();
    drop(io);

    Dialer::new(&"unix:/run/collector.sock".parse()?, DialConfig::new())?;
    Dialer::new(&"tls://collector:6001".parse()?, DialConfig::new().tls(client))?;
    let dialer = Dialer::new(&"tcp://collector:6000".parse()?, DialConfig::new())?;
    let mut writer = FstrmWriter::open(dialer.dial().await?, config.clone()).await?;
    let payload = Bytes::new();
    writer.send(payload).await?;
    let payloads = [&b"one"[..], b"two"];
    let run = OwnedRun::encode(payloads, FrameConfig::new())?;
    writer.send_run(&run).await?;
    writer.unwritten_bytes();
    writer.content_type();
    writer.finish().await?;
    drop(writer);
    Ok(())
}

fn connects(connect: impl Connect) {}

#[test]
fn settings() -> Outcome {
    let dnstap = ContentType::from_static(b"protobuf:dnstap.Dnstap").ok_or("too long")?;
    let config = config()?;
    let limit = Duration::from_secs(1);
    Config::new().content_type(dnstap);
    Config::new().max_data(NonZeroU32::MIN);
    Config::new().oversize(Oversize::Skip);
    Config::new().finish(Finish::OnRelease);

    let (frames, bytes) = (NonZeroU64::MAX, NonZeroU64::MAX);
    assert_ne!(queue::Config::new().coalesce_bytes(8192), queue::Config::new());
    queue::Config::new().max_frames(frames).max_bytes(bytes);
    sender::Config::new().coalesce_delay(Duration::from_millis(100));
    sender::Config::new().backoff(Duration::from_millis(10), Duration::from_secs(5));
    sender::Config::new().policy(Policy::DropOldest);
    sender::Config::new().delivery(Delivery::Confirmed);
    let policy = Policy::Block;

    let count = NonZeroUsize::MIN;
    collector::Config::new().stream(config.clone());
    collector::Config::new().max_connections(count);
    collector::Config::new().handshake(Handshake::Either);
    collector::Config::new().handshake_timeout(limit);
    Rotation::new().period(Period::SinceOpening(limit));
    let number = Existing::Number;
    Ok(())
}

fn files(stdin: std::io::Stdin) -> Outcome {
    let config = config()?;
    FileReader::new(stdin, config.clone())?;
    let mut file = FileReader::open("capture.fstrm", config.clone())?;
    file.read_start()?;
    file.next_frame()?;
    file.next_run()?;
    file.content_type();
    file.end_of_stream();
    drop(file);
    FileWriter::create_new("new.fstrm", None)?;
    FileWriter::append("new.fstrm", None)?;
    Ok(())
}

fn blocking(collector: Dialer, config: sender::Config, message: Bytes, buffer: Vec<u8>) -> Outcome {
    let sender = blocking::Sender::spawn(collector, config)?;
    sender.clone();
    sender.try_send(&message)?;
    sender.send(message)?;
    sender.stats();
    sender.poll_event();
    Bytes::from_owner(buffer);
    sender.close();
    Ok(())
}

async fn capture(stdout: std::io::Stdout, now: Now, batch: Batch) -> Outcome {
    Listener::bind(&"unix:/run/dnstap.sock".parse()?, ListenConfig::new()).await?;
    Listener::bind(&"tcp://127.0.0.1:6000".parse()?, ListenConfig::new()).await?;
    Store::open(Folder, PathBuf::from("dnstap.fstrm"), store::Config::new(), now)?;
    Store::stream(stdout, "stdout", store::Config::new(), now)?;
    batch.confirm();
    Ok(())
}

fn outcomes(
    result: Result<(), ()>,
    read: ReadError,
    conn: ConnError,
    sent: TrySendError,
    encoded: EncodeError,
    end: End,
) {
    if let Ok(()) = result {}
    if let ReadError::Frame(error) = read {
        let FrameError { offset, kind } = error;
        let is = matches!(kind, FrameErrorKind::DataTooLong { .. });
    }
    if let ConnError::Handshake(error) = conn {
        assert_ne!(error, HandshakeError::ReaderGone);
    }
    if let TrySendError::Full = sent {}
    match encoded {
        EncodeError::EmptyFrame => {}
        EncodeError::TooLong { .. } => {}
        _ => {}
    }
    match end {
        End::Truncated { offset, missing } => {}
        End::Stop | End::Eof => {}
    }
}
